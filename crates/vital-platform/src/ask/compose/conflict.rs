//! Finds sentences of different documents that contradict one another: the same subject and measure with other numbers, or denied.
//!
//! Strict on purpose: two rules that differ because they apply to different things are no contradiction, so nearly all words must agree.

use super::candidates::CandidateSentence;
use super::relevance::Relevance;
use super::select::jaccard;
use crate::ask::check::{Figure, figures};
use crate::knowledge::Evidence;
use std::collections::HashSet;
use vital_search::content_spans;

/// Share of common words, numbers aside, from which two sentences speak of the same.
const SUBJECT_MIN: f32 = 0.6;

/// Pairs of candidates that contradict one another.
pub(crate) fn conflicts(
    evidence: &[Evidence],
    candidates: &[CandidateSentence],
    relevance: &[Relevance],
    among: &[usize],
) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (position, a) in among.iter().enumerate() {
        for b in &among[position + 1..] {
            let documents = (evidence.get(candidates[*a].evidence), evidence.get(candidates[*b].evidence));
            let apart = matches!(documents, (Some(x), Some(y)) if x.document != y.document);
            if apart
                && jaccard(&relevance[*a].terms, &relevance[*b].terms) >= 0.35
                && contradict(&candidates[*a].text, &candidates[*b].text)
            {
                pairs.push((*a, *b));
            }
        }
    }
    pairs
}

fn contradict(a: &str, b: &str) -> bool {
    let (a_words, b_words) = (words(a), words(b));
    let names = |s: &str| -> HashSet<String> {
        let spans = content_spans(s);
        spans.into_iter().filter(|t| s[t.range.clone()].chars().filter(|c| c.is_uppercase()).count() >= 2).map(|t| t.term).collect()
    };
    if jaccard(&a_words, &b_words) < SUBJECT_MIN || names(a) != names(b) {
        return false;
    }
    let (a_numbers, b_numbers) = (measures(a), measures(b));
    let other_number =
        a_numbers.iter().any(|(unit, value)| b_numbers.iter().any(|(u, _)| u == unit) && !b_numbers.contains(&(*unit, value.clone())))
            && b_numbers.iter().any(|n| !a_numbers.contains(n));
    other_number || denies(a) != denies(b)
}

fn words(text: &str) -> HashSet<String> {
    content_spans(text).into_iter().map(|s| s.term).filter(|t| !t.bytes().any(|b| b.is_ascii_digit())).collect()
}

fn measures(text: &str) -> Vec<(&'static str, String)> {
    let read = |f: Figure| match f {
        Figure::Number { value, unit: Some(unit), .. } => Some((unit.kind, value)),
        _ => None,
    };
    figures(text).into_iter().filter_map(|f| read(f.figure)).collect()
}

fn denies(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphabetic())
        .any(|w| matches!(w, "not" | "no" | "never" | "cannot" | "prohibited" | "prohibits" | "forbidden"))
}
