//! How well a document could be read: what was found in it, in which language, and whether a person should look at it before
//! it is relied on.
//!
//! Computed from the canonical text and its blocks alone, so it can be computed again for any stored document. The verdict
//! follows rules with the limits below and comes with its reasons as sentences; it says nothing about what the text claims.

mod language;
mod letters;

use crate::{BlockKind, Format, Parsed};
pub use language::{Direction, Language};
use letters::Letters;
use serde::{Deserialize, Serialize};

/// Share of characters that cannot be read from which a document is poor.
const UNREADABLE_POOR: f64 = 0.02;
/// Share of pages without text from which a document is poor.
const TEXTLESS_POOR: f64 = 0.5;
/// Share of words of one letter from which the letters of words seem to be set apart; in English prose it is about 0.05.
const SINGLE_LETTERS_POOR: f64 = 0.4;
/// Fewest words of a document that can be judged by its words.
const WORDS_JUDGED: usize = 50;
/// Words above which a document without headings is hard to cite.
const WORDS_WITHOUT_HEADING: usize = 3_000;
/// Bytes of text that a page holds at least when a block runs over all of it; a printed page has about 3,000.
const PAGE_BYTES: usize = 1_500;

/// What was read of a document, and how well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Canonical text in bytes of UTF-8.
    pub text_bytes: usize,
    /// Words: runs of characters without white space that hold a letter or a digit; ideographs count one each.
    pub words: usize,
    /// Headings.
    pub headings: usize,
    /// Paragraphs.
    pub paragraphs: usize,
    /// Items of lists.
    pub list_items: usize,
    /// Lists: items in a row.
    pub lists: usize,
    /// Rows of tables.
    pub table_rows: usize,
    /// Tables.
    pub tables: usize,
    /// Preformatted blocks.
    pub code_blocks: usize,
    /// Pages, slides or sheets; `None` where the format has none.
    pub pages: Option<u32>,
    /// Pages on which no text stands: no block begins there, and none from before is long enough to reach over them.
    pub pages_without_text: Option<u32>,
    /// Share of the pages that hold text, 0 to 1; 1 where the format has no pages.
    pub text_coverage: f64,
    /// Characters that stand for what could not be decoded (U+FFFD).
    pub replacement_chars: usize,
    /// Characters of the private use areas, which mean something in one font only.
    pub private_use_chars: usize,
    /// Places where text looks decoded twice, such as `Ã©` for `é`.
    pub misdecoded: usize,
    /// The language of the running text; `None` with too little of it, or where it cannot be told.
    pub language: Option<Language>,
    /// The direction in which the text is read.
    pub direction: Direction,
    /// The judgement.
    pub verdict: Verdict,
    /// Why it is not good, as sentences for a person; empty for a good document.
    pub reasons: Vec<String>,
}

/// How far a document can be relied on as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing stands out.
    Good,
    /// It can be used; the reasons say what to keep in mind.
    Fair,
    /// Much of it is missing or unreadable; a person should look at it first.
    Poor,
}

/// Judges a parsed document. Takes time in proportion to its text.
#[must_use]
pub fn quality(parsed: &Parsed) -> Quality {
    let letters = Letters::of(&parsed.text);
    let count = |wanted: fn(&BlockKind) -> bool| parsed.blocks.iter().filter(|b| wanted(&b.kind)).count();
    let textless = pages_without_text(parsed);
    let mut quality = Quality {
        text_bytes: parsed.text.len(),
        words: letters.words,
        headings: count(|kind| matches!(kind, BlockKind::Heading { .. })),
        paragraphs: count(|kind| *kind == BlockKind::Paragraph),
        list_items: count(|kind| *kind == BlockKind::ListItem),
        lists: groups(parsed, BlockKind::ListItem),
        table_rows: count(|kind| *kind == BlockKind::TableRow),
        tables: groups(parsed, BlockKind::TableRow),
        code_blocks: count(|kind| *kind == BlockKind::Code),
        pages: parsed.pages,
        pages_without_text: textless,
        text_coverage: match (parsed.pages, textless) {
            (Some(pages), Some(textless)) if pages > 0 => f64::from(pages - textless) / f64::from(pages),
            _ => 1.0,
        },
        replacement_chars: letters.replacements,
        private_use_chars: letters.private_use,
        misdecoded: letters.misdecoded,
        language: language::of(parsed),
        direction: letters.direction(),
        verdict: Verdict::Good,
        reasons: Vec::new(),
    };
    judge(&mut quality, &letters, parsed.format);
    quality
}

/// Runs of blocks of one kind; the parts of a run are parted by a line break, runs by an empty line.
fn groups(parsed: &Parsed, kind: BlockKind) -> usize {
    let mut found = 0;
    let mut open = None;
    for block in &parsed.blocks {
        if block.kind == kind {
            found += usize::from(open.is_none_or(|end| block.start > end + 1));
            open = Some(block.end);
        } else {
            open = None;
        }
    }
    found
}

fn pages_without_text(parsed: &Parsed) -> Option<u32> {
    let pages = parsed.pages?;
    let mut textless = 0;
    // The last page known to hold text, and how far the block before reaches.
    let (mut seen, mut reach) = (0, 0);
    for block in &parsed.blocks {
        let Some(page) = block.page.map(|page| page.min(pages)) else { continue };
        if page > seen {
            textless += (page - 1).saturating_sub(seen.max(reach));
            seen = page;
        }
        let more = u32::try_from((block.end - block.start) / PAGE_BYTES).unwrap_or(u32::MAX);
        reach = reach.max(page.saturating_add(more));
    }
    Some(textless + pages.saturating_sub(seen.max(reach)))
}

fn judge(quality: &mut Quality, letters: &Letters, format: Format) {
    let mut found: Vec<(Verdict, String)> = Vec::new();
    let unreadable = letters.share(letters.replacements + letters.private_use);
    if unreadable > 0.0 {
        let verdict = if unreadable >= UNREADABLE_POOR { Verdict::Poor } else { Verdict::Fair };
        let number = letters.replacements + letters.private_use;
        found.push((verdict, format!("{number} characters could not be read ({:.1} % of the text).", unreadable * 100.0)));
    }
    if letters.misdecoded > 0 {
        let verdict = if letters.share(letters.misdecoded) >= UNREADABLE_POOR { Verdict::Poor } else { Verdict::Fair };
        found.push((verdict, format!("In {} places letters look decoded twice, such as “Ã©” for “é”.", letters.misdecoded)));
    }
    if let (Some(pages), Some(textless @ 1..)) = (quality.pages, quality.pages_without_text) {
        // Charts stand on sheets of their own, and the cells behind them on others.
        let poor = format != Format::Xlsx && 1.0 - quality.text_coverage >= TEXTLESS_POOR;
        let verdict = if poor { Verdict::Poor } else { Verdict::Fair };
        let (noun, advice) = match format {
            Format::Pptx => ("slides", "what they show in pictures is not in the text"),
            Format::Xlsx => ("sheets", "they hold charts"),
            _ => ("pages", "blank, or scanned and in need of text recognition (OCR)"),
        };
        found.push((verdict, format!("{textless} of {pages} {noun} hold no text: {advice}.")));
    }
    if quality.words >= WORDS_JUDGED && letters.single_letters() >= SINGLE_LETTERS_POOR {
        found.push((Verdict::Poor, "Most words are single letters: the letters of words seem to be set apart.".to_owned()));
    }
    if quality.words < WORDS_JUDGED && quality.table_rows < 2 {
        found.push((Verdict::Fair, format!("The document holds only {} words.", quality.words)));
    }
    let has_prose = quality.paragraphs + quality.list_items > 0;
    if quality.language.is_none() && quality.words >= WORDS_JUDGED && has_prose {
        found.push((Verdict::Fair, "The language of the text cannot be told.".to_owned()));
    }
    if quality.headings == 0 && quality.words > WORDS_WITHOUT_HEADING && quality.tables == 0 {
        found.push((Verdict::Fair, "No headings were found, so citations cannot name a section.".to_owned()));
    }
    quality.verdict = found.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Good);
    found.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    quality.reasons = found.into_iter().map(|(_, reason)| reason).collect();
}

#[cfg(test)]
mod tests;
