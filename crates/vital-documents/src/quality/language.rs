//! The language of a text, told by its letters and their sequences (whatlang).

use crate::{BlockKind, Parsed};
use serde::{Deserialize, Serialize};

/// Text looked at, in bytes, taken from all over the document.
const SAMPLE_BYTES: usize = 16 * 1024;
/// Most text taken from one block.
const BLOCK_BYTES: usize = 1_024;
/// Fewest letters by which a language can be told.
const LETTERS_MIN: usize = 60;
/// Least confidence with which a language is named at all.
const CONFIDENCE_MIN: f64 = 0.5;

/// A language and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// Its code in ISO 639-3, such as `eng`.
    pub code: String,
    /// Its English name.
    pub name: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Whether that is enough to act upon.
    pub reliable: bool,
}

/// The direction of most letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As English.
    LeftToRight,
    /// As Arabic and Hebrew.
    RightToLeft,
    /// Mostly left to right, with passages the other way.
    Mixed,
}

/// Tells the language of the running text, or without any of the tables.
pub(super) fn of(parsed: &Parsed) -> Option<Language> {
    let running = |kind: BlockKind| matches!(kind, BlockKind::Paragraph | BlockKind::ListItem | BlockKind::Heading { .. });
    let sample =
        Some(sample(parsed, running)).filter(|s| is_enough(s)).unwrap_or_else(|| sample(parsed, |kind| kind == BlockKind::TableRow));
    if !is_enough(&sample) {
        return None;
    }
    let found = whatlang::detect(&sample).filter(|found| found.confidence() >= CONFIDENCE_MIN)?;
    Some(Language {
        code: found.lang().code().to_owned(),
        name: found.lang().eng_name().to_owned(),
        confidence: found.confidence(),
        reliable: found.is_reliable(),
    })
}

fn is_enough(sample: &str) -> bool {
    sample.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS_MIN
}

/// Takes blocks evenly from the whole document, so that a foreign title page does not decide.
fn sample(parsed: &Parsed, wanted: impl Fn(BlockKind) -> bool) -> String {
    let texts: Vec<&str> = parsed.blocks.iter().filter(|b| wanted(b.kind)).filter_map(|b| parsed.text.get(b.start..b.end)).collect();
    let bytes: usize = texts.iter().map(|t| t.len().min(BLOCK_BYTES)).sum();
    let step = bytes.div_ceil(SAMPLE_BYTES).max(1);
    let mut sample = String::new();
    for text in texts.iter().step_by(step) {
        sample.push_str(text.get(..text.floor_char_boundary(BLOCK_BYTES)).unwrap_or(text));
        sample.push('\n');
        if sample.len() >= SAMPLE_BYTES {
            break;
        }
    }
    sample
}
