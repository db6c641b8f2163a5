//! How well a document could be read, as it is stored and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_documents::{Direction, Parsed, Verdict};

/// How far a document can be relied on as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadingVerdict {
    /// Nothing stands out.
    Good,
    /// It can be used; the reasons say what to keep in mind.
    Fair,
    /// Much of it is missing or unreadable; a person should look at it first.
    Poor,
}

/// What was read of a document, and how well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadingQuality {
    /// The judgement.
    pub verdict: ReadingVerdict,
    /// Why it is not good, as sentences; empty for a good document.
    pub reasons: Vec<String>,
    /// Words.
    pub words: u64,
    /// Headings.
    pub headings: u64,
    /// Tables.
    pub tables: u64,
    /// Rows of tables.
    pub table_rows: u64,
    /// Lists.
    pub lists: u64,
    /// Pages, slides or sheets without text; none where the format has no pages.
    pub pages_without_text: Option<u32>,
    /// Share of the pages that hold text, 0 to 1.
    pub text_coverage: f64,
    /// Characters that could not be decoded.
    pub unreadable: u64,
    /// Language of the text (ISO 639-3), where it can be told.
    pub language: Option<String>,
    /// Whether the text is read from right to left.
    pub right_to_left: bool,
}

/// Judges a document that was read.
pub(super) fn of(parsed: &Parsed) -> ReadingQuality {
    let q = vital_documents::quality(parsed);
    ReadingQuality {
        verdict: match q.verdict {
            Verdict::Good => ReadingVerdict::Good,
            Verdict::Fair => ReadingVerdict::Fair,
            Verdict::Poor => ReadingVerdict::Poor,
        },
        reasons: q.reasons,
        words: q.words as u64,
        headings: q.headings as u64,
        tables: q.tables as u64,
        table_rows: q.table_rows as u64,
        lists: q.lists as u64,
        pages_without_text: q.pages_without_text,
        text_coverage: q.text_coverage,
        unreadable: (q.replacement_chars + q.private_use_chars) as u64,
        language: q.language.map(|l| l.code),
        right_to_left: q.direction == Direction::RightToLeft,
    }
}
