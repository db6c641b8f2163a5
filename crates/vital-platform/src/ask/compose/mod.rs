//! The extractive composer: chooses, orders and groups sentences of the evidence into a short cited answer. It never writes a fact.
//!
//! Two steps, so that sentences can be embedded in between: [`candidates`] cuts the evidence into sentences, [`compose`] answers from them.
//! Without vectors it works by words alone.
//!
//! **Invariants:** each sentence of a lead or point is the bytes of its first span (white space aside), and every span lies in the
//! evidence. Where the evidence does not carry an answer the result is a [`Shortfall`], never a near miss.
//!
//! Deliberately not here: retrieval, embedding, storing, and prose by a provider.

mod aliases;
mod answering;
mod arrange;
mod candidates;
mod conflict;
pub mod eval;
mod lexicon;
mod personal;
mod question;
mod relevance;
mod select;
mod shortfall;
mod sufficiency;

#[cfg(test)]
mod library_tests;
#[cfg(test)]
mod tests;

use super::answer::BlockKind;
use super::bind::Span;
use crate::knowledge::Evidence;
use arrange::Material;
pub use candidates::{CandidateSentence, candidates};
pub use personal::is_patient_specific;
use question::Question;
pub use shortfall::{Reason, Shortfall};
use sufficiency::Lack;

/// Unit vectors of the question and of each candidate, in order.
#[derive(Clone, Debug, Default)]
pub struct SentenceVectors {
    /// Of the question.
    pub question: Vec<f32>,
    /// Of the candidates.
    pub sentences: Vec<Vec<f32>>,
}

impl SentenceVectors {
    /// Cosine of a candidate to the question; none where it has no vector of that length.
    fn cosine(&self, index: usize) -> Option<f32> {
        let sentence = self.sentences.get(index).filter(|s| s.len() == self.question.len() && !s.is_empty())?;
        Some(sentence.iter().zip(&self.question).map(|(a, b)| a * b).sum::<f32>()).filter(|c| c.is_finite())
    }
}

/// A sentence of a composed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposedSentence {
    /// The text.
    pub text: String,
    /// What it stands on; empty for headings and notes.
    pub spans: Vec<Span>,
}

/// A block of a composed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposedBlock {
    /// What it is for.
    pub kind: BlockKind,
    /// Its sentences.
    pub sentences: Vec<ComposedSentence>,
}

/// What the composer makes of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composition {
    /// An answer.
    Answer(Vec<ComposedBlock>),
    /// Too little evidence, said honestly.
    InsufficientEvidence(Shortfall),
}

/// Answers a question from candidate sentences. `earlier` are the questions before it in the conversation, oldest first.
#[must_use]
pub fn compose(
    question: &str,
    earlier: &[&str],
    evidence: &[Evidence],
    candidates: &[CandidateSentence],
    vectors: Option<&SentenceVectors>,
) -> Composition {
    if is_patient_specific(question) {
        return Composition::InsufficientEvidence(Shortfall::patient_specific());
    }
    let question = Question::read(question, earlier);
    let known = |c: &&CandidateSentence| evidence.get(c.evidence).is_some_and(|e| e.body.get(c.range.clone()).is_some());
    if candidates.is_empty() || !candidates.iter().all(|c| known(&c)) {
        return Composition::InsufficientEvidence(Shortfall::of(Lack::Everything, evidence));
    }
    let relevance = relevance::weigh(&question, evidence, candidates, vectors);
    match sufficiency::judge(&question, &relevance) {
        Err(lack) => Composition::InsufficientEvidence(Shortfall::of(lack, evidence)),
        Ok(carrying) => {
            let (leads, points) = select::select(&question, candidates, &relevance, &carrying);
            let material = Material { question: &question, evidence, candidates, relevance: &relevance };
            Composition::Answer(material.blocks(&leads, &points))
        }
    }
}
