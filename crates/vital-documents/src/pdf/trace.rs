//! Which glyphs of one page stand for which bytes of the canonical text.
//!
//! The document is read once more with tracing on, by the same code that made its text: furniture, hyphens and paragraphs
//! depend on all pages, so a page alone would not give the same text. Only the lines of the traced page keep their glyphs.

use super::{
    frame::{Box, Frame},
    lines::Line,
};
use crate::{Block, Rect, canonical::prose_each};
use std::ops::Range;

/// A type reaches about this far over and under its baseline, in font sizes.
const ASCENT: f32 = 0.78;
const DESCENT: f32 = 0.22;
/// Boxes of one line closer than this, in font sizes, become one: the space between words is marked with them.
const JOIN_GAP: f32 = 0.6;

/// A glyph that a line keeps while its page is traced: its bytes in the text of the line, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Ink {
    pub(super) bytes: Range<usize>,
    pub(super) x0: f32,
    pub(super) x1: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) turns: u8,
}

/// A part of a line in the text of its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'l> {
    pub(super) line: &'l Line,
    /// Where it begins in the text of the line.
    pub(super) from: usize,
    /// How many bytes of the line it is.
    pub(super) len: usize,
    /// Where it begins in the text of the block; the next piece may cut off its end, a hyphen.
    pub(super) at: usize,
}

/// The traced page: bytes of the canonical text in order, with where they stand.
pub(super) struct Trace {
    page: u32,
    inks: Vec<Ink>,
}

impl Ink {
    /// Its box in the coordinates of the content.
    fn frame(&self) -> Box {
        let (low, high) = (self.y - DESCENT * self.size, self.y + ASCENT * self.size);
        let (x0, x1) = (self.x0.min(self.x1), self.x0.max(self.x1));
        // The inverse of the turn that `content` gave the frame of the glyph.
        match self.turns {
            0 => Box { x0, y0: low, x1, y1: high },
            1 => Box { x0: -high, y0: x0, x1: -low, y1: x1 },
            2 => Box { x0: -x1, y0: -high, x1: -x0, y1: -low },
            _ => Box { x0: low, y0: -x1, x1: high, y1: -x0 },
        }
    }

    /// Whether the other glyph stands right after this one on its line.
    fn meets(&self, next: &Self) -> bool {
        let size = self.size.max(next.size);
        self.turns == next.turns
            && (self.y - next.y).abs() < 0.6 * size
            && next.x0 - self.x1 < JOIN_GAP * size
            && self.x0 - next.x1 < JOIN_GAP * size
    }
}

impl Trace {
    pub(super) fn new(page: u32) -> Self {
        Self { page, inks: Vec::new() }
    }

    pub(super) fn is_of(&self, page: u32) -> bool {
        self.page == page
    }

    /// Takes up a block: `raw` is its text as it was handed to the canonical text, made of these pieces.
    pub(super) fn add(&mut self, block: &Block, raw: &str, pieces: &[Piece<'_>]) {
        if !pieces.iter().any(|p| p.line.page == self.page) {
            return;
        }
        let mut raw_inks = Vec::new();
        let ends = pieces.iter().skip(1).map(|p| p.at).chain([raw.len()]);
        for (piece, end) in pieces.iter().zip(ends).filter(|(p, _)| p.line.page == self.page) {
            let own = |ink: &&Ink| ink.bytes.end > piece.from && ink.bytes.start < piece.from + piece.len;
            for ink in piece.line.inks.iter().filter(own) {
                let bytes = piece.at + ink.bytes.start.max(piece.from) - piece.from..(piece.at + ink.bytes.end - piece.from).min(end);
                if !bytes.is_empty() {
                    raw_inks.push(Ink { bytes, ..ink.clone() });
                }
            }
        }
        let mut rest = raw_inks.as_slice();
        let mut at = block.start;
        prose_each(raw, |c, from| {
            let bytes = at..at + c.len_utf8();
            at = bytes.end;
            let past = rest.iter().take_while(|ink| ink.bytes.end <= from.start).count();
            rest = rest.get(past..).unwrap_or_default();
            for ink in rest.iter().take_while(|ink| ink.bytes.start < from.end) {
                self.inks.push(Ink { bytes: bytes.clone(), ..ink.clone() });
            }
        });
    }

    /// The boxes of these ranges of the canonical text, as the page is shown.
    pub(super) fn rects(&self, ranges: &[Range<usize>], frame: &Frame) -> Vec<Rect> {
        let is_asked = |ink: &&Ink| ranges.iter().any(|r| ink.bytes.start < r.end && ink.bytes.end > r.start);
        let mut rects = Vec::new();
        let mut open: Option<(Ink, Box)> = None;
        for ink in self.inks.iter().filter(is_asked) {
            let own = ink.frame();
            match &mut open {
                Some((last, all)) if last.meets(ink) => {
                    let Box { x0, y0, x1, y1 } = *all;
                    *all = Box { x0: x0.min(own.x0), y0: y0.min(own.y0), x1: x1.max(own.x1), y1: y1.max(own.y1) };
                    *last = ink.clone();
                }
                _ => {
                    rects.extend(open.replace((ink.clone(), own)).map(|(_, all)| frame.show(&all)));
                }
            }
        }
        rects.extend(open.map(|(_, all)| frame.show(&all)));
        rects
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "a list of one range of text is meant")]

    use crate::{
        ParseLimits, Rect, boxes,
        fixtures::{Line, lines, pdf},
        page_marks, parse,
        pdf::{content::Interpreter, frame::Frame, load},
    };
    use proptest::prelude::*;
    use std::ops::Range;

    /// The letters drawn under the boxes that are given for a range, page by page; without what the text has in other form.
    fn under_the_boxes(file: &[u8], range: &Range<usize>) -> String {
        let limits = ParseLimits::default();
        let document = load(file, &limits).unwrap();
        let mut interpreter = Interpreter::new(&document, &limits);
        let mut found = String::new();
        for (page, number) in document.page_iter().zip(1..) {
            let marks = page_marks(file, number, std::slice::from_ref(range), &limits).unwrap();
            assert_eq!((marks.width_pt, marks.height_pt), Frame::of(&document, page).size());
            let height = marks.height_pt;
            let covers = |x: f32, y: f32| marks.rects.iter().any(|r: &Rect| x > r.x && x < r.x + r.width && y > r.y && y < r.y + r.height);
            for glyph in interpreter.page(page).unwrap().glyphs {
                if covers((glyph.x0 + glyph.x1) / 2.0, height - glyph.y - 0.25 * glyph.size) {
                    found.push_str(&glyph.text);
                }
            }
        }
        plain(&found)
    }

    fn plain(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '|' | '\u{b7}')).collect()
    }

    /// Pages of wrapped paragraphs, lists and rows under a running head, with words broken at line ends.
    fn any_pages() -> impl Strategy<Value = Vec<Vec<Vec<String>>>> {
        let word = prop_oneof!["[a-z]{2,9}", "[A-Z][a-zé]{2,7}", "[a-z]{2,5}-", "[0-9]{1,3}[.,]", Just("\u{b7}".to_owned())];
        let line = prop::collection::vec(word, 1..9);
        prop::collection::vec(prop::collection::vec(line, 1..14), 1..5)
    }

    /// What stands under the text of a page: nothing, a table drawn by column, or columns drawn line by line across the page.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Below {
        Nothing,
        Table,
        Columns,
    }

    fn drawn(pages: &[Vec<Vec<String>>], below: Below) -> Vec<u8> {
        let texts: Vec<Vec<String>> = pages.iter().map(|page| page.iter().map(|words| words.join(" ")).collect()).collect();
        let pages: Vec<Vec<Line<'_>>> = texts
            .iter()
            .map(|texts| {
                let mut page = lines(815, 8, &["Running head of the plan"]);
                page.extend(lines(760, 10, &texts.iter().map(String::as_str).collect::<Vec<_>>()));
                if below == Below::Columns {
                    let text = "words that fill the whole of the column so";
                    let line = |n: i64, x: i64| Line { x, y: 500 - n * 12, size: 10, text };
                    page.extend((0..15).flat_map(|n| [line(n, 60), line(n, 320)]));
                }
                if below == Below::Table {
                    page.extend([0, 1, 2].map(|n| Line { x: 72, y: 400 - n * 14, size: 10, text: "Dose" }));
                    page.extend([0, 1, 2].map(|n| Line { x: 300, y: 400 - n * 14, size: 10, text: "12 mg" }));
                }
                page
            })
            .collect();
        pdf(&pages)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_letters_under_the_boxes_are_the_quote(
            pages in any_pages(),
            below in prop::sample::select(vec![Below::Nothing, Below::Table, Below::Columns]),
            (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        ) {
            let file = drawn(&pages, below);
            let Ok(parsed) = parse("a.pdf", &file, &ParseLimits::default()) else { return Ok(()) };
            let (a, b) = (a.index(parsed.text.len()), b.index(parsed.text.len()));
            let start = parsed.text.floor_char_boundary(a.min(b));
            let end = parsed.text.ceil_char_boundary(a.max(b) + 1);
            let mut quote: Vec<char> = plain(&parsed.text[start..end]).chars().collect();
            let mut found: Vec<char> = under_the_boxes(&file, &(start..end)).chars().collect();
            // Tables and columns are not read in the order in which they are drawn here.
            if below != Below::Nothing {
                quote.sort_unstable();
                found.sort_unstable();
            }
            prop_assert_eq!(found, quote, "{}", parsed.text);
        }
    }

    #[test]
    fn words_of_a_line_share_a_box_and_each_line_has_its_own() {
        let file = pdf(&[lines(700, 10, &["The first line of a paragraph that goes on and", "ends here, on the second line of it."])]);
        let text = parse("a.pdf", &file, &ParseLimits::default()).unwrap().text;
        let at = text.find("goes").unwrap();
        let rects = boxes(&file, 1, &[at..text.find(" here").unwrap()], &ParseLimits::default()).unwrap();
        let [first, second] = rects.as_slice() else { panic!("{rects:?}") };
        assert!(first.x > 200.0 && (first.y - 134.2).abs() < 0.1 && (first.height - 10.0).abs() < 0.1, "{first:?}");
        assert!((second.x - 72.0).abs() < 0.1 && (second.y - 148.2).abs() < 0.1 && second.width < 30.0, "{second:?}");
    }

    #[test]
    fn ranges_that_are_elsewhere_or_nowhere_have_no_boxes() {
        let file = pdf(&[lines(700, 10, &["The first page."]), lines(700, 10, &["The second page."])]);
        let limits = ParseLimits::default();
        assert_eq!(boxes(&file, 2, &[0..5, 9_000..9_001, Range { start: usize::MAX, end: 0 }], &limits), Ok(vec![]));
        assert_eq!(boxes(&file, 1, &[0..5], &limits).unwrap().len(), 1);
        for page in [0, 3, u32::MAX] {
            assert_eq!(boxes(&file, page, &[0..5], &limits), Err(crate::ParseError::NoSuchPage { page, pages: 2 }));
        }
    }

    #[test]
    fn a_composed_letter_is_marked_where_both_of_its_parts_stand() {
        use lopdf::{Object, Stream, dictionary};
        let content = b"BT /F1 10 Tf 72 700 Td (xe) Tj /F2 10 Tf (A) Tj /F1 10 Tf (y is the last word of the line) Tj ET".to_vec();
        let mut document = crate::fixtures::pdf_of(vec![Stream::new(dictionary! {}, content)]);
        let map = document.add_object(Stream::new(dictionary! {}, b"1 beginbfchar <41> <0301> endbfchar".to_vec()));
        let accents = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "ToUnicode" => map };
        for object in document.objects.values_mut() {
            if let Object::Dictionary(dict) = object
                && let Ok(Object::Dictionary(fonts)) = dict.get_mut(b"Font")
            {
                fonts.set("F2", accents.clone());
            }
        }
        let mut file = Vec::new();
        document.save_to(&mut file).unwrap();
        let text = parse("a.pdf", &file, &ParseLimits::default()).unwrap().text;
        assert!(text.starts_with("xéy is"), "{text}");
        assert_eq!(under_the_boxes(&file, &(1..3)), "e\u{301}");
    }

    #[test]
    fn boxes_lie_along_the_text_whichever_way_it_runs() {
        use lopdf::{Stream, dictionary};
        // Ten points of type from the point (300, 400), which stands 442 points under the top; 22 points long.
        for (matrix, left, top, wide, high) in [
            ("1 0 0 1", 300.0, 434.2, 22.24, 10.0),
            ("0 1 -1 0", 292.2, 419.76, 10.0, 22.24),
            ("-1 0 0 -1", 277.76, 439.8, 22.24, 10.0),
            ("0 -1 1 0", 297.8, 442.0, 10.0, 22.24),
        ] {
            let content = format!("BT /F1 10 Tf {matrix} 300 400 Tm (bdpq) Tj ET");
            let mut document = crate::fixtures::pdf_of(vec![Stream::new(dictionary! {}, content.into_bytes())]);
            let mut file = Vec::new();
            document.save_to(&mut file).unwrap();
            let rects = boxes(&file, 1, &[0..4], &ParseLimits::default()).unwrap();
            let [rect] = rects.as_slice() else { panic!("{matrix}: {rects:?}") };
            let pairs = [(rect.x, left), (rect.y, top), (rect.width, wide), (rect.height, high)];
            assert!(pairs.iter().all(|(is, should): &(f32, f32)| (is - should).abs() < 0.05), "{matrix}: {rect:?}");
        }
    }
}
