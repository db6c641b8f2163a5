//! Builds the canonical text: the one place that decides what white space, characters and separators it may hold.
//!
//! **Invariant:** the text handed out is NFC, has no control characters but `\n`, no trailing spaces, and each block is
//! non-empty. Formats differ in how they find blocks, never in how blocks become text.

use crate::{Block, BlockKind, Format, ParseError, ParseLimits, Parsed};
use std::ops::Range;
use unicode_normalization::{IsNormalized, UnicodeNormalization, char::canonical_combining_class, is_nfc_quick};

/// Longest title kept, in characters.
const TITLE_CHARS_MAX: usize = 300;
/// Most warnings kept of one document.
const WARNINGS_MAX: usize = 20;

/// A canonical text under construction.
pub(crate) struct Canonical {
    text: String,
    blocks: Vec<Block>,
    warnings: Vec<String>,
    text_bytes_max: usize,
    blocks_max: usize,
    /// Whether the next row is the first of its table.
    new_table: bool,
}

impl Canonical {
    pub(crate) fn new(limits: &ParseLimits) -> Self {
        Self {
            text: String::new(),
            blocks: Vec::new(),
            warnings: Vec::new(),
            text_bytes_max: limits.text_bytes_max,
            blocks_max: limits.blocks_max,
            new_table: false,
        }
    }

    /// Begins a table: its first row is set off from the rows of a table before it, as a paragraph is.
    pub(crate) fn begin_table(&mut self) {
        self.new_table = true;
    }

    /// Appends a block; one without visible text leaves no trace.
    ///
    /// # Errors
    /// `TooMuchText` when the text would pass its limit, `TooManyBlocks` when the blocks would.
    pub(crate) fn push(&mut self, kind: BlockKind, raw: &str, page: Option<u32>) -> Result<(), ParseError> {
        let clean = if kind == BlockKind::Code { code(raw) } else { running(raw) };
        if clean.is_empty() {
            return Ok(());
        }
        if self.text.len() + clean.len() + 2 > self.text_bytes_max {
            return Err(ParseError::TooMuchText { limit: self.text_bytes_max });
        }
        if self.blocks.len() >= self.blocks_max {
            return Err(ParseError::TooManyBlocks { limit: self.blocks_max });
        }
        if let Some(last) = self.blocks.last() {
            let of_table = kind == BlockKind::TableRow && !self.new_table;
            let close = (of_table || kind == BlockKind::ListItem) && last.kind == kind;
            self.text.push_str(if close { "\n" } else { "\n\n" });
        }
        self.new_table &= kind != BlockKind::TableRow;
        let start = self.text.len();
        self.text.push_str(&clean);
        self.blocks.push(Block { kind, start, end: self.text.len(), page });
        Ok(())
    }

    /// The block that was pushed last.
    pub(crate) fn last(&self) -> Option<&Block> {
        self.blocks.last()
    }

    /// Notes something a reader should know, once.
    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Ends the text. Without a title of its own the document takes its first heading of level 1.
    ///
    /// # Errors
    /// `NoText` when no block was pushed.
    pub(crate) fn finish(self, format: Format, title: Option<String>, pages: Option<u32>) -> Result<Parsed, ParseError> {
        if self.blocks.is_empty() {
            return Err(ParseError::NoText { pages: pages.filter(|_| format == Format::Pdf) });
        }
        let title = title.map(|t| prose(&t)).filter(|t| !t.is_empty()).or_else(|| {
            let first = self.blocks.iter().find(|b| b.kind == BlockKind::Heading { level: 1 })?;
            self.text.get(first.start..first.end).map(str::to_owned)
        });
        let title = title.map(|t| t.chars().take(TITLE_CHARS_MAX).collect());
        Ok(Parsed { format, title, text: self.text, blocks: self.blocks, pages, warnings: self.warnings })
    }
}

/// The title of a file that holds several articles: that of the first, and how many follow.
pub(crate) fn title_of_many(first: Option<String>, articles: usize) -> Option<String> {
    match articles {
        0 | 1 => first,
        _ => first.map(|title| format!("{}, and {} more", prose(&title), articles - 1)),
    }
}

/// Joins the cells of a table row; a row of empty cells is empty.
pub(crate) fn row<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<String> = cells.iter().map(|c| running(c.as_ref())).collect();
    if cells.iter().all(String::is_empty) { String::new() } else { cells.join(" | ") }
}

/// Makes running text as [`prose`] does; ASCII, which most cells of a table are, is in NFC as it is.
fn running(raw: &str) -> String {
    if !raw.is_ascii() {
        return prose(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut gap = false;
    for c in raw.chars().filter(|c| !invisible(*c)) {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) && !out.is_empty() {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Characters that no reader sees and that would only break matching: format controls, the soft hyphen, and the
/// bidirectional overrides, which can make shown text differ from stored text (CVE-2021-42574).
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        || (c.is_control() && !c.is_whitespace())
}

/// Makes running text: NFC, every run of white space one space. Line breaks asked for with `\u{2028}` are kept.
pub(crate) fn prose(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    prose_each(raw, |c, _| out.push(c));
    out
}

/// Makes running text character by character, and says for each which bytes of `raw` it stands for; a space stands for none.
///
/// NFC is done piece by piece, cut where a character neither combines with nor composes with what stands before it; there
/// the pieces cannot act on each other (Unicode Standard Annex #15, section 9.1).
pub(crate) fn prose_each(raw: &str, mut put: impl FnMut(char, Range<usize>)) {
    let (mut gap, mut any) = (None, false);
    let mut emit = |piece: &str, from: Range<usize>| {
        // Unseen characters go first: left in, they would keep a letter and its accent apart.
        for c in piece.chars().filter(|c| !invisible(*c)).nfc() {
            if c == '\u{2028}' {
                gap = Some('\n');
            } else if c.is_whitespace() {
                gap = gap.or(Some(' '));
            } else {
                if let Some(space) = gap.take().filter(|_| any) {
                    put(space, 0..0);
                }
                any = true;
                put(c, from.clone());
            }
        }
    };
    let mut start = 0;
    for (at, c) in raw.char_indices().skip(1) {
        if c.is_ascii() || (!invisible(c) && canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes) {
            emit(raw.get(start..at).unwrap_or_default(), start..at);
            start = at;
        }
    }
    emit(raw.get(start..).unwrap_or_default(), start..raw.len());
}

/// Makes preformatted text: NFC, line breaks and indents kept, trailing spaces and empty edge lines dropped.
fn code(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String =
        raw.chars().filter(|c| !invisible(*c)).nfc().map(|c| if c.is_whitespace() && c != '\n' { ' ' } else { c }).collect();
    let lines: Vec<&str> = clean.split('\n').map(str::trim_end).collect();
    let first = lines.iter().position(|l| !l.is_empty()).unwrap_or(lines.len());
    let last = lines.iter().rposition(|l| !l.is_empty()).map_or(first, |i| i + 1);
    lines.get(first..last).unwrap_or_default().join("\n")
}

/// Writes a raised text with Unicode superscripts where all of it has one, so that 10 to the 6th does not read 106.
pub(crate) fn raised(text: &str) -> String {
    let mapped: Option<String> = text
        .chars()
        .map(|c| {
            Some(match c {
                '0' => '⁰',
                '1' => '¹',
                '2' => '²',
                '3' => '³',
                '4'..='9' => char::from_u32('⁴' as u32 + (c as u32 - '4' as u32))?,
                '+' => '⁺',
                '-' | '−' | '–' => '⁻',
                ',' | ' ' => c,
                'n' => 'ⁿ',
                _ => return None,
            })
        })
        .collect();
    mapped.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_follow_the_kinds_and_ranges_address_the_text() {
        let mut canonical = Canonical::new(&ParseLimits::default());
        for (kind, text) in [
            (BlockKind::Heading { level: 1 }, " A  title\n"),
            (BlockKind::ListItem, "one\u{a0}"),
            (BlockKind::ListItem, "two"),
            (BlockKind::Paragraph, "  "),
            (BlockKind::Code, "\n  let x;  \n\n y\n\n"),
        ] {
            canonical.push(kind, text, None).unwrap();
        }
        let parsed = canonical.finish(Format::Text, None, None).unwrap();
        assert_eq!(parsed.text, "A title\n\none\ntwo\n\n  let x;\n\n y");
        let pieces: Vec<_> = parsed.blocks.iter().map(|b| &parsed.text[b.start..b.end]).collect();
        assert_eq!(pieces, ["A title", "one", "two", "  let x;\n\n y"]);
        assert_eq!(parsed.title.as_deref(), Some("A title"));
    }

    #[test]
    fn text_is_nfc_without_characters_that_nobody_sees() {
        assert_eq!(prose("cafe\u{301} co\u{ad}operate \u{202e}abc\u{0} 5\u{2009}mg"), "café cooperate abc 5 mg");
    }

    #[test]
    fn an_unseen_character_between_a_letter_and_its_accent_does_not_break_nfc() {
        assert_eq!(prose("e\u{200b}\u{301}x"), "éx");
        assert_eq!(code("e\u{200b}\u{301}"), "é");
    }

    proptest! {
        #[test]
        fn prose_is_the_nfc_of_the_whole_and_each_character_knows_its_bytes(
            raw in "[a-z \\n\u{301}\u{327}\u{200b}\u{ad}\u{1100}-\u{1112}\u{1161}-\u{1175}\u{11a8}-\u{11c2}\u{ac00}é\u{9c7}\u{9be}\u{212b}]{0,40}"
        ) {
            let whole: String = raw.chars().filter(|c| !invisible(*c)).nfc().collect();
            let whole = whole.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(prose(&raw), whole);
            let mut end = 0;
            prose_each(&raw, |c, from| {
                assert!(c == ' ' || (from.start >= end || from.end >= end) && raw.get(from.clone()).is_some());
                end = end.max(from.start);
            });
        }
    }

    #[test]
    fn exponents_stay_exponents() {
        assert_eq!(format!("10{}", raised("-6")), "10⁻⁶");
        assert_eq!(raised("th"), "th");
    }

    #[test]
    fn text_over_its_limit_is_refused() {
        let mut canonical = Canonical::new(&ParseLimits { text_bytes_max: 16, ..ParseLimits::default() });
        canonical.push(BlockKind::Paragraph, "ten bytes.", None).unwrap();
        assert_eq!(canonical.push(BlockKind::Paragraph, "ten bytes.", None), Err(ParseError::TooMuchText { limit: 16 }));
    }

    #[test]
    fn ascii_is_read_as_any_other_text() {
        for raw in ["", " \t\r\n", "a", " a\u{0}b \u{b} c\n\nd ", "\u{1f}x \u{1f} y\u{7f}"] {
            assert_eq!(running(raw), prose(raw), "{raw:?}");
        }
    }
}
