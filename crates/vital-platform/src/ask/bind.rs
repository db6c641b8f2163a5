//! Binds a sentence that a provider wrote to the words it stands on: the best sentences of the passages whose numbers it gives.
//!
//! **Invariants:** a span lies in a passage that was given to the model and on borders of its characters, so that [`Evidence::cite`]
//! always succeeds on it. A number that names no passage is dropped and counted, never guessed at.

use super::{
    check::{Figure, figures},
    tools::CALCULATED,
};
use crate::knowledge::Evidence;
use std::collections::HashSet;
use std::ops::Range;
use vital_documents::sentences;
use vital_search::content_terms;

/// Most passages that one sentence may cite.
const CITED_MAX: usize = 8;
/// How much better two sentences must support than the better of them alone.
const PAIR_GAIN_MIN: f32 = 0.1;

/// A text of fewer words without a stop is taken for a heading.
const HEADING_WORDS: usize = 8;

/// Bytes of one passage of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the passage in the evidence.
    pub evidence: usize,
    /// Bytes of its body.
    pub range: Range<usize>,
}

impl Span {
    /// The words it covers; empty where it lies outside of the evidence.
    #[must_use]
    pub fn quote<'e>(&self, evidence: &'e [Evidence]) -> &'e str {
        evidence.get(self.evidence).and_then(|e| e.body.get(self.range.clone())).unwrap_or_default()
    }
}

/// What a sentence was bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The spans, one for each passage cited, in the order of the marks.
    pub spans: Vec<Span>,
    /// How many numbers named no passage.
    pub forged: u32,
}

/// Binds a sentence to spans of the passages it cites. Passages are numbered from 1 as they were given to the model.
#[must_use]
pub fn bind(sentence: &str, markers: &[u32], evidence: &[Evidence]) -> Binding {
    let mut binding = Binding::default();
    let mut seen = HashSet::new();
    for marker in markers {
        let index = usize::try_from(*marker).ok().and_then(|m| m.checked_sub(1));
        match index.filter(|i| *i < evidence.len()) {
            None => binding.forged += 1,
            Some(i) if binding.spans.len() < CITED_MAX && seen.insert(i) => {
                binding.spans.extend(span(sentence, &evidence[i]).map(|range| Span { evidence: i, range }));
            }
            Some(_) => {}
        }
    }
    binding
}

/// What of a passage a sentence stands on. A calculation is one thing: its result says nothing without what was given.
fn span(sentence: &str, evidence: &Evidence) -> Option<Range<usize>> {
    if evidence.authority == CALCULATED {
        return Some(0..evidence.body.trim_end().len());
    }
    best_span(sentence, &evidence.body)
}

/// The one or two neighbouring sentences of a passage that support a sentence best.
fn best_span(sentence: &str, body: &str) -> Option<Range<usize>> {
    let wanted = Wanted::of(sentence);
    let mut parts = sentences(body);
    if parts.iter().any(|p| !is_heading(&body[p.clone()])) {
        parts.retain(|p| !is_heading(&body[p.clone()]));
    }
    let mut best: Option<(f32, Range<usize>)> = None;
    for part in &parts {
        let support = wanted.support(&body[part.clone()]);
        if best.as_ref().is_none_or(|(s, _)| support > *s) {
            best = Some((support, part.clone()));
        }
    }
    let (single, _) = best.clone()?;
    for pair in parts.windows(2) {
        let range = pair[0].start..pair[1].end;
        let support = wanted.support(&body[range.clone()]);
        if support >= single + PAIR_GAIN_MIN && best.as_ref().is_none_or(|(s, _)| support > *s) {
            best = Some((support, range));
        }
    }
    best.map(|(_, range)| range)
}

/// A line that names what follows and states nothing: short, and without the stop of a sentence.
fn is_heading(text: &str) -> bool {
    !text.ends_with(['.', '!', '?', ';', ':', ')', '"', '”', '|']) && text.split_whitespace().count() < HEADING_WORDS
}

struct Wanted {
    terms: HashSet<String>,
    figures: Vec<Figure>,
}

impl Wanted {
    fn of(sentence: &str) -> Self {
        let terms = content_terms(sentence).into_iter().collect();
        Self { terms, figures: figures(sentence).into_iter().map(|f| f.figure).collect() }
    }

    /// Share of the sentence's words and figures that a text has, from 0 to 1; figures count twice.
    fn support(&self, text: &str) -> f32 {
        let terms: HashSet<String> = content_terms(text).into_iter().collect();
        let theirs: Vec<Figure> = figures(text).into_iter().map(|f| f.figure).collect();
        let words = self.terms.intersection(&terms).count() as f32;
        let figures = self.figures.iter().filter(|f| theirs.contains(f)).count() as f32;
        let whole = self.terms.len() as f32 + 2.0 * self.figures.len() as f32;
        if whole == 0.0 { 0.0 } else { (words + 2.0 * figures) / whole }
    }
}
