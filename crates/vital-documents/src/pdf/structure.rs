//! Joins the lines of all pages into paragraphs, headings, list items and table rows.
//!
//! Every rule is a guess from geometry and wording, ordered so that a wrong guess splits a block rather than joins two:
//! passages put split neighbours together again, but nothing separates what was wrongly joined.

use super::{
    headings::Headings,
    lines::Line,
    trace::{Piece, Trace},
    wrap::{Words, is_hyphenated},
};
use crate::{BlockKind, ParseError, canonical::Canonical, text::bullet};

/// Lines of one paragraph are at most this much further apart than the document's usual distance.
const PITCH_SLACK: f32 = 1.25;
/// Distance between lines in font sizes where a document has too few to tell.
const PITCH_USUAL: f32 = 1.25;

/// A block under construction.
struct Open<'l> {
    kind: BlockKind,
    text: String,
    /// What `text` is made of, each piece a line or a cell of one.
    pieces: Vec<Piece<'l>>,
}

/// Pushes the blocks of a document given as the lines of its pages, and traces one page if asked.
pub(super) fn push_blocks(pages: &[Vec<Line>], canonical: &mut Canonical, mut trace: Option<&mut Trace>) -> Result<(), ParseError> {
    let lines: Vec<&Line> = pages.iter().flatten().filter(|line| !is_contents_entry(&line.text)).collect();
    let pitch = usual_pitch(&lines);
    let words = Words::of(&lines);
    let headings = Headings::of(&lines, pitch);
    let mut open: Option<Open<'_>> = None;
    for (at, line) in lines.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|p| lines.get(p)).copied();
        let next = lines.get(at + 1).copied();
        let kind = match headings.level(previous, line, next).filter(|_| !line.row) {
            Some(level) => BlockKind::Heading { level },
            None if is_row(previous, line, next) => BlockKind::TableRow,
            None if item_text(&line.text).is_some() => BlockKind::ListItem,
            None => BlockKind::Paragraph,
        };
        match &mut open {
            Some(block) if block.continues_with(line, kind, pitch) => block.join(line, &words),
            _ => {
                if let Some(block) = open.take() {
                    block.push(canonical, trace.as_deref_mut())?;
                }
                open = Some(Open::start(kind, line));
            }
        }
    }
    open.map_or(Ok(()), |block| block.push(canonical, trace))
}

/// A line of a table of contents: leader dots up to a page number.
fn is_contents_entry(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let unnumbered = dense.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, 'i' | 'v' | 'x'));
    unnumbered.len() < dense.len() && (unnumbered.ends_with("....") || unnumbered.ends_with("……"))
}

/// The usual distance between the lines of a paragraph, in font sizes.
fn usual_pitch(lines: &[&Line]) -> f32 {
    let mut pitches: Vec<f32> = lines
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] if a.page == b.page && a.turns == b.turns && (a.size - b.size).abs() < 0.5 => Some((a.y - b.y) / a.size),
            _ => None,
        })
        .filter(|pitch| (0.8..3.0).contains(pitch))
        .collect();
    pitches.sort_by(f32::total_cmp);
    // The lower third: in documents of many short paragraphs the gaps between them outnumber those within.
    pitches.get(pitches.len() / 3).copied().unwrap_or(PITCH_USUAL)
}

/// Whether a line with cells stands next to another one, so that the two are rows of a table.
fn is_row(previous: Option<&Line>, line: &Line, next: Option<&Line>) -> bool {
    let cells = |line: &Line| item_text(&line.text).unwrap_or(&line.text).matches('\t').count();
    let near = |other: Option<&Line>| other.is_some_and(|o| o.page == line.page && cells(o) > 0 && (o.y - line.y).abs() < 4.0 * line.size);
    line.row || (cells(line) > 0 && (near(previous) || near(next)))
}

/// The text of a list item without its bullet; enumerators such as "(a)" and "1." stay, for others refer to them.
fn item_text(text: &str) -> Option<&str> {
    if let Some(text) = bullet(text) {
        return Some(text);
    }
    let (mark, rest) = text.split_once([' ', '\t'])?;
    let core = mark.strip_prefix('(').unwrap_or(mark).strip_suffix([')', '.'])?;
    let short = !core.is_empty() && core.len() <= 4 && !rest.trim().is_empty();
    let digits = core.chars().all(|c| c.is_ascii_digit()) && core.len() <= 2;
    let letter =
        core.len() == 1 && core.chars().all(|c| c.is_ascii_alphabetic()) && (mark.ends_with(')') || core.chars().all(char::is_lowercase));
    let roman = core.chars().all(|c| matches!(c, 'i' | 'v' | 'x'));
    (short && (digits || letter || roman)).then_some(text)
}

fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches([')', ']', '"', '”', '’', '¹', '²', '³']).ends_with(['.', '!', '?', ':', ';'])
}

impl<'l> Open<'l> {
    fn start(kind: BlockKind, line: &'l Line) -> Self {
        let mut block = Self { kind, text: String::new(), pieces: Vec::new() };
        match kind {
            BlockKind::TableRow => block.cells(line),
            BlockKind::ListItem => {
                let text = item_text(&line.text).unwrap_or(&line.text);
                block.pieces.push(Piece { line, from: line.text.len() - text.len(), len: text.len(), at: 0 });
                block.text = text.replace('\t', " ");
            }
            _ => {
                block.pieces.push(Piece { line, from: 0, len: line.text.len(), at: 0 });
                block.text = line.text.replace('\t', " ");
            }
        }
        block
    }

    /// Takes the cells of a row.
    fn cells(&mut self, line: &'l Line) {
        let mut from = 0;
        for cell in line.text.split('\t') {
            if from > 0 {
                self.text.push_str(" | ");
            }
            self.pieces.push(Piece { line, from, len: cell.len(), at: self.text.len() });
            self.text.push_str(cell);
            from += cell.len() + 1;
        }
    }

    fn join(&mut self, line: &'l Line, words: &Words<'_>) {
        // A tab and a space are one byte each, so what is taken from the line keeps its place.
        words.join(&mut self.text, &line.text.replace('\t', " "));
        self.pieces.push(Piece { line, from: 0, len: line.text.len(), at: self.text.len() - line.text.len() });
    }

    fn push(self, canonical: &mut Canonical, trace: Option<&mut Trace>) -> Result<(), ParseError> {
        let before = canonical.last().map(|block| block.end);
        canonical.push(self.kind, &self.text, self.pieces.first().map(|p| p.line.page))?;
        if let (Some(trace), Some(block)) = (trace, canonical.last().filter(|block| Some(block.end) != before)) {
            trace.add(block, &self.text, &self.pieces);
        }
        Ok(())
    }

    fn last(&self) -> Option<&'l Line> {
        self.pieces.last().map(|p| p.line)
    }

    fn continues_with(&self, line: &Line, kind: BlockKind, pitch: f32) -> bool {
        let Some(last) = self.last() else { return false };
        let alike = (last.size - line.size).abs() <= 0.08 * last.size && last.turns == line.turns;
        match (self.kind, kind) {
            (BlockKind::Heading { level }, BlockKind::Heading { level: next }) => {
                level == next
                    && alike
                    && last.bold == line.bold
                    && last.page == line.page
                    && self.near(line, pitch)
                    && !starts_numbered(&line.text)
            }
            (BlockKind::Paragraph | BlockKind::ListItem, BlockKind::Paragraph) => {
                let small = line.text.starts_with(char::is_lowercase);
                let broken_word = is_hyphenated(&self.text) && small;
                if !alike {
                    return broken_word;
                }
                let follows = last.page == line.page && line.y < last.y + 0.5 * last.size;
                if follows {
                    self.near(line, pitch) && (small || broken_word || !self.ended_before(line))
                } else {
                    broken_word || self.flows_over(line)
                }
            }
            _ => false,
        }
    }

    fn near(&self, line: &Line, pitch: f32) -> bool {
        self.last().is_some_and(|last| last.y - line.y <= pitch * PITCH_SLACK * last.size.max(line.size))
    }

    /// Whether the paragraph goes on in the next column or on the next page.
    fn flows_over(&self, line: &Line) -> bool {
        let full = self.last().is_some_and(|last| last.x1 > self.right_edge() - 3.0 * last.size);
        let goes_on = full || line.text.starts_with(char::is_lowercase);
        !ends_sentence(&self.text) && goes_on && !starts_numbered(&line.text)
    }

    fn right_edge(&self) -> f32 {
        self.pieces.iter().map(|p| p.line.x1).fold(f32::MIN, f32::max)
    }

    /// Whether the last line was the paragraph's end: there was room for the next word, or the next line is indented.
    fn ended_before(&self, line: &Line) -> bool {
        let Some(last) = self.last() else { return false };
        let indent = line.x0 - last.x0;
        let hanging = self.kind == BlockKind::ListItem && self.pieces.len() == 1;
        if indent > 0.8 * line.size && indent < 8.0 * line.size && !hanging && ends_sentence(&self.text) {
            return true;
        }
        let outdented = self.kind == BlockKind::ListItem && self.pieces.len() > 1 && indent < -0.5 * line.size;
        let letters = line.text.chars().count().max(1) as f32;
        let first_word = line.text.split_whitespace().next().map_or(0, |w| w.chars().count()) as f32;
        let room = self.right_edge().max(line.x1) - last.x1;
        outdented || room > (first_word + 2.0) * (line.x1 - line.x0) / letters + line.size
    }
}

/// "3.2 Scope", "Annex A", "(b)": such a line begins something new.
fn starts_numbered(text: &str) -> bool {
    super::headings::number_depth(text).is_some() || item_text(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ParseLimits, Parsed,
        fixtures::{Line as Drawn, lines, pdf},
        parse,
    };

    fn read(pages: &[Vec<Drawn<'_>>]) -> Parsed {
        parse("a.pdf", &pdf(pages), &ParseLimits::default()).unwrap()
    }

    fn blocks(parsed: &Parsed) -> Vec<(BlockKind, &str, Option<u32>)> {
        parsed.blocks.iter().map(|b| (b.kind, &parsed.text[b.start..b.end], b.page)).collect()
    }

    #[test]
    fn wrapped_lines_become_paragraphs_under_their_headings() {
        let mut page = lines(780, 18, &["Clinical investigation plan"]);
        page.extend(lines(740, 13, &["1 Purpose"]));
        page.extend(lines(
            720,
            10,
            &[
                "The investigation shall show that the device reaches its intended perfor-",
                "mance under normal conditions of use, and that its risk-based monitoring is",
                "in proportion.",
            ],
        ));
        page.extend(lines(650, 10, &["A second paragraph stands after a gap, and its risk-based words keep their hyphen."]));
        let parsed = read(&[page]);
        assert_eq!(
            blocks(&parsed),
            [
                (BlockKind::Heading { level: 1 }, "Clinical investigation plan", Some(1)),
                (BlockKind::Heading { level: 2 }, "1 Purpose", Some(1)),
                (
                    BlockKind::Paragraph,
                    "The investigation shall show that the device reaches its intended performance under normal conditions of use, and that its risk-based monitoring is in proportion.",
                    Some(1)
                ),
                (BlockKind::Paragraph, "A second paragraph stands after a gap, and its risk-based words keep their hyphen.", Some(1)),
            ]
        );
    }

    #[test]
    fn a_sentence_flows_over_the_page_and_furniture_does_not() {
        let pages: Vec<Vec<Drawn<'_>>> = [
            [
                "The first page ends in the middle of a sentence that is long enough to",
                "fill its line and then goes on to the next page without any full stop and",
            ],
            [
                "continues here until it ends in good order on the second of all pages.",
                "Another sentence of the same paragraph follows here, also over the page and",
            ],
            [
                "onward to the third, where everything comes to a proper end at long last.",
                "This is the last line of the document and it has a full stop at its end.",
            ],
        ]
        .iter()
        .zip(["Page 1 of 3", "Page 2 of 3", "Page 3 of 3"])
        .map(|(body, foot)| {
            let mut page = lines(810, 8, &["Acme protocol AC-01"]);
            page.extend(lines(740, 10, body));
            page.extend(lines(40, 8, &[foot]));
            page
        })
        .collect();
        let parsed = read(&pages);
        assert_eq!(parsed.pages, Some(3));
        assert_eq!(parsed.blocks.len(), 1, "{:?}", blocks(&parsed));
        assert!(parsed.text.contains("full stop and continues here") && !parsed.text.contains("Acme") && !parsed.text.contains("Page"));
    }

    #[test]
    fn lists_and_tables_become_their_kinds() {
        let mut page = lines(780, 10, &["The following is needed before the first subject is enrolled in the trial:"]);
        page.extend(lines(760, 10, &["\u{b7} an approval", "(a) a second one"]));
        for (n, cells) in [["Dose", "Group"], ["5 mg", "A"], ["10 mg", "B"]].iter().enumerate() {
            let y = 700 - n as i64 * 14;
            page.extend([Drawn { x: 72, y, size: 10, text: cells[0] }, Drawn { x: 250, y, size: 10, text: cells[1] }]);
        }
        let parsed = read(&[page]);
        assert!(parsed.text.ends_with("\n\nan approval\n(a) a second one\n\nDose | Group\n5 mg | A\n10 mg | B"), "{}", parsed.text);
    }

    #[test]
    fn lines_of_a_table_of_contents_are_left_out() {
        assert!(is_contents_entry("3.2 Scope . . . . . . . . 12") && is_contents_entry("Annex.........iv"));
        assert!(!is_contents_entry("See section 12") && !is_contents_entry("and so on...."));
    }
}
