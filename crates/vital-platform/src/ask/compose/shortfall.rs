//! "Not enough evidence" as a value that helps: what was searched, what was not found, what would help.

use super::sufficiency::Lack;
use super::{ComposedBlock, ComposedSentence};
use crate::ask::answer::BlockKind;
use crate::knowledge::Evidence;
use std::collections::HashSet;

/// Most titles that are named.
const TITLES_MAX: usize = 3;
/// Most terms that are named.
const TERMS_MAX: usize = 5;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No passage was found.
    NothingFound,
    /// Passages were found, but not on what the question names.
    TermsMissing,
    /// Passages on the subject were found, but none has the figure that is asked for.
    FigureMissing,
    /// The question asks for advice on one person's health.
    PatientSpecific,
}

/// An honest refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Why.
    pub reason: Reason,
    /// What was searched, in a sentence.
    pub searched: String,
    /// Key terms of the question that were not found, in its own words.
    pub missing_terms: Vec<String>,
    /// What would help, a sentence each.
    pub would_help: Vec<String>,
}

impl Shortfall {
    pub(super) fn of(lack: Lack, evidence: &[Evidence]) -> Self {
        let (reason, missing_terms) = match lack {
            _ if evidence.is_empty() => (Reason::NothingFound, Vec::new()),
            Lack::Terms(terms) => (Reason::TermsMissing, terms.into_iter().take(TERMS_MAX).collect()),
            Lack::Figure => (Reason::FigureMissing, Vec::new()),
            Lack::Everything => (Reason::TermsMissing, Vec::new()),
        };
        let mut would_help = vec!["Add a document that covers it to the library, then ask again.".to_owned()];
        if reason != Reason::NothingFound {
            would_help.push("Or name the regulation, guideline, product or region you mean: exact identifiers are found best.".to_owned());
        }
        Self { reason, searched: searched(evidence), missing_terms, would_help }
    }

    pub(super) fn patient_specific() -> Self {
        Self {
            reason: Reason::PatientSpecific,
            searched: "Nothing was searched.".to_owned(),
            missing_terms: Vec::new(),
            would_help: vec![
                "Please speak to the treating physician or a pharmacist; in an emergency call the local emergency number.".to_owned(),
                "Questions on regulations, evidence, methods and product information without reference to one person are welcome."
                    .to_owned(),
            ],
        }
    }

    /// The same refusal, given after these passages were read.
    #[must_use]
    pub fn after_reading(self, evidence: &[Evidence]) -> Self {
        if self.reason == Reason::PatientSpecific { self } else { Self::of(Lack::Everything, evidence) }
    }

    /// The refusal as blocks of text, without citations.
    #[must_use]
    pub fn blocks(&self) -> Vec<ComposedBlock> {
        let lead = match self.reason {
            Reason::PatientSpecific => {
                "This is software for life-science professionals, not a medical device: it gives no diagnosis or treatment advice on a particular person."
            }
            Reason::NothingFound => "I found nothing on this in the sources I may read, so I do not answer.",
            Reason::TermsMissing | Reason::FigureMissing => "The sources I may read do not hold enough to answer this, so I do not answer.",
        };
        let mut blocks = vec![block(BlockKind::Lead, lead.to_owned())];
        if self.reason != Reason::PatientSpecific {
            let detail = match (self.reason, self.missing_terms.is_empty()) {
                (Reason::FigureMissing, _) => {
                    " They speak about the subject, but none of them states the figure that is asked for.".to_owned()
                }
                (_, false) => format!(" Not found there: {}.", self.missing_terms.join(", ")),
                _ => String::new(),
            };
            blocks.push(block(BlockKind::Paragraph, format!("{}{detail}", self.searched)));
        }
        blocks.extend(self.would_help.iter().map(|h| block(BlockKind::Note, h.clone())));
        blocks
    }
}

fn block(kind: BlockKind, text: String) -> ComposedBlock {
    ComposedBlock { kind, sentences: vec![ComposedSentence { text, spans: Vec::new() }] }
}

fn searched(evidence: &[Evidence]) -> String {
    let mut seen = HashSet::new();
    let titles: Vec<&str> = evidence.iter().filter(|e| seen.insert(e.document)).map(|e| e.title.as_str()).collect();
    match titles.len() {
        0 => "The search found no passage for this question.".to_owned(),
        1 => format!("Read for this question: {} passages of “{}”.", evidence.len(), titles[0]),
        n => {
            let named = titles.iter().take(TITLES_MAX).map(|t| format!("“{t}”")).collect::<Vec<_>>().join(", ");
            let rest = if n > TITLES_MAX { format!(" and {} more", n - TITLES_MAX) } else { String::new() };
            format!("Read for this question: {} passages of {n} documents, closest {named}{rest}.", evidence.len())
        }
    }
}
