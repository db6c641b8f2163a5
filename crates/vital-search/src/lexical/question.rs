//! A question as the index takes it: its terms in order, phrases that must stand in a passage, and other wordings of its concepts.

use crate::{Expansion, TermSpan, term_spans, understand};
use std::ops::Range;

/// Other wordings of one question that are looked up; what goes beyond is left out.
const WORDINGS_MAX: usize = 24;

/// Terms with their places, in words from the first.
pub(crate) type Placed = Vec<(u32, String)>;

/// What is asked of the index.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub(super) terms: Vec<Asked>,
    pub(super) phrases: Vec<Placed>,
    pub(super) wordings: Vec<Wording>,
    pub(super) nearness: bool,
}

/// A term of the question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) term: String,
    pub(super) position: u32,
    /// The concept that its words name, where the concept has other wordings.
    pub(super) concept: Option<usize>,
}

/// Another wording of a concept of the question.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    pub(super) concept: usize,
    pub(super) terms: Placed,
    pub(super) weight: f32,
}

impl Question {
    /// A question of words alone, scored by BM25 and nothing else.
    #[must_use]
    pub fn words(text: &str) -> Self {
        let asked = |span: TermSpan| Asked { term: span.term, position: span.position, concept: None };
        Self { terms: term_spans(text).into_iter().map(asked).collect(), ..Self::default() }
    }

    /// A question as the platform asks it: its words, other wordings of its concepts, nearness, and what stands in quotation marks as phrases.
    #[must_use]
    pub fn asked(text: &str, expansions: &[Expansion]) -> Self {
        let phrases = understand(text).phrases;
        Self::words(text).with_nearness().with_expansions(text, expansions).with_phrases(phrases.iter().map(String::as_str))
    }

    /// The same question where no phrase has to stand, for when none stands anywhere.
    #[must_use]
    pub fn without_phrases(self) -> Self {
        Self { phrases: Vec::new(), ..self }
    }

    /// Whether phrases restrict what is found.
    #[must_use]
    pub const fn has_phrases(&self) -> bool {
        !self.phrases.is_empty()
    }

    /// The same question where passages that hold its words near each other in the order asked gain a little.
    #[must_use]
    pub fn with_nearness(self) -> Self {
        Self { nearness: true, ..self }
    }

    /// The same question, answered only by passages in which each of these phrases stands.
    #[must_use]
    pub fn with_phrases<'p>(mut self, phrases: impl IntoIterator<Item = &'p str>) -> Self {
        self.phrases.extend(phrases.into_iter().map(placed).filter(|phrase| !phrase.is_empty()));
        self
    }

    /// The same question, answered also by other wordings of its concepts. `text` is the text that the question was made of.
    #[must_use]
    pub fn with_expansions(mut self, text: &str, expansions: &[Expansion]) -> Self {
        let spans = term_spans(text);
        for (concept, expansion) in expansions.iter().enumerate() {
            let within = |inner: &Range<usize>| inner.start >= expansion.range.start && inner.end <= expansion.range.end;
            for (asked, _) in self.terms.iter_mut().zip(&spans).filter(|(_, span)| within(&span.range)) {
                asked.concept.get_or_insert(concept);
            }
            for wording in &expansion.wordings {
                let terms = placed(wording);
                if !terms.is_empty() && self.wordings.len() < WORDINGS_MAX {
                    self.wordings.push(Wording { concept, terms, weight: expansion.weight });
                }
            }
        }
        self
    }

    /// The same question with each term as the index writes it.
    pub(super) fn written(&self, write: impl Fn(&str) -> String) -> Self {
        let mut question = self.clone();
        let phrases = question.phrases.iter_mut().chain(question.wordings.iter_mut().map(|w| &mut w.terms)).flatten().map(|(_, term)| term);
        for term in question.terms.iter_mut().map(|asked| &mut asked.term).chain(phrases) {
            *term = write(term);
        }
        question
    }

    /// Share of the terms that hold a digit, 0 to 1: identifiers, doses, years.
    #[must_use]
    pub fn identifiers(&self) -> f32 {
        let with_digit = self.terms.iter().filter(|asked| asked.term.contains(|c: char| c.is_numeric())).count();
        with_digit as f32 / self.terms.len().max(1) as f32
    }

    /// Whether no term is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

/// The terms of a phrase: one of each word, a compound as its whole.
pub(crate) fn placed(text: &str) -> Placed {
    let mut placed: Placed = Vec::new();
    for span in term_spans(text) {
        if placed.last().is_none_or(|(last, _)| *last != span.position) {
            placed.push((span.position, span.term));
        }
    }
    placed
}
