//! Cuts the evidence into the sentences that an answer may be made of.
//!
//! **Invariants:** a candidate is a byte range of one passage on sentence borders, so its text is verbatim; a sentence that leans on the
//! one before it ("It must …") takes that one along where it can. The only cut inside a sentence is at a semicolon.

use super::question::Question;
use super::relevance::lexical_order;
use crate::ask::bind::Span;
use crate::knowledge::Evidence;
use std::ops::Range;
use vital_documents::sentences;
use vital_search::content_terms;

/// Most candidates that are weighed; more only cost time to embed.
const CANDIDATES_MAX: usize = 40;
/// Passages whose sentences are all candidates, whatever their words.
const FIRST_PASSAGES: usize = 3;
/// Shortest and longest sentence worth quoting, in bytes.
const SENTENCE_BYTES: Range<usize> = 25..600;
/// A sentence longer than this is cut at a semicolon.
const TRIM_BYTES: usize = 320;
/// Words that lean on the sentence before.
const LEANING: &[&str] = &[
    "it",
    "this",
    "these",
    "those",
    "they",
    "such",
    "its",
    "their",
    "he",
    "she",
    "that",
    "however",
    "therefore",
    "thus",
    "otherwise",
    "moreover",
    "furthermore",
    "additionally",
    "consequently",
    "similarly",
    "instead",
];
/// A tail that begins like this limits what stands before it and must not be cut off.
const LIMITING: &[&str] = &["unless", "except", "but", "however", "only", "provided", "not", "otherwise", "if", "although"];

/// A sentence of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateSentence {
    /// Index of its passage in the evidence.
    pub evidence: usize,
    /// Its bytes in the passage's body.
    pub range: Range<usize>,
    /// The words: those bytes, with line breaks as spaces.
    pub text: String,
}

impl CandidateSentence {
    /// The span that cites it.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { evidence: self.evidence, range: self.range.clone() }
    }
}

/// Lists the sentences that could answer a question, at most 40, in the order of the evidence.
#[must_use]
pub fn candidates(question: &str, evidence: &[Evidence]) -> Vec<CandidateSentence> {
    let all: Vec<CandidateSentence> = evidence.iter().enumerate().flat_map(|(index, e)| of_passage(index, e)).collect();
    if all.len() <= CANDIDATES_MAX {
        return all;
    }
    let question = Question::read(question, &[]);
    let order = lexical_order(&question, evidence, &all);
    let mut kept: Vec<usize> = order.iter().copied().take(CANDIDATES_MAX * 2 / 3).collect();
    let first = (0..all.len()).filter(|i| all[*i].evidence < FIRST_PASSAGES);
    for index in first.chain(order.iter().copied()) {
        if kept.len() < CANDIDATES_MAX && !kept.contains(&index) {
            kept.push(index);
        }
    }
    kept.sort_unstable();
    kept.into_iter().map(|i| all[i].clone()).collect()
}

fn of_passage(index: usize, evidence: &Evidence) -> Vec<CandidateSentence> {
    let body = evidence.body.as_str();
    let mut found = Vec::new();
    let mut before: Option<Range<usize>> = None;
    for part in sentences(body) {
        let text = &body[part.clone()];
        if is_heading(text, evidence) {
            before = None;
            continue;
        }
        let mut range = part.clone();
        if let Some(previous) = before
            .replace(part.clone())
            .filter(|p| leans(text) && part.end - p.start < SENTENCE_BYTES.end && !body[p.end..part.start].contains('\n'))
        {
            range.start = previous.start;
        }
        range.end = trimmed_end(body, &range);
        let quote = &body[range.clone()];
        if SENTENCE_BYTES.contains(&quote.len()) && !quote.ends_with(['?', ':']) && content_terms(quote).len() >= 3 {
            let text = quote.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(CandidateSentence { evidence: index, range, text });
        }
    }
    found
}

fn is_heading(text: &str, evidence: &Evidence) -> bool {
    let bare = |s: &str| s.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let text_bare = bare(text);
    evidence.heading_path.iter().chain(std::iter::once(&evidence.title)).any(|h| bare(h) == text_bare)
}

fn leans(text: &str) -> bool {
    let word: String = text.chars().take_while(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    LEANING.contains(&word.as_str())
}

/// Where a long sentence may end earlier: before a semicolon whose tail does not limit what was said.
fn trimmed_end(body: &str, range: &Range<usize>) -> usize {
    let text = &body[range.clone()];
    if text.len() <= TRIM_BYTES {
        return range.end;
    }
    let cut = text.match_indices("; ").map(|(at, _)| at).filter(|at| *at > TRIM_BYTES / 3).find(|at| {
        let tail = text[at + 2..].split_whitespace().next().unwrap_or_default().to_lowercase();
        !LIMITING.contains(&tail.as_str())
    });
    cut.map_or(range.end, |at| range.start + at)
}
