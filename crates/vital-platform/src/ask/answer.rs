//! An answer as a value: blocks of sentences, citations that point into documents, and the measured confidence.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::knowledge::{Citation, Recorded};

/// What a block of an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Answers the question in a sentence or two.
    Lead,
    /// Names what the points below it say.
    Heading,
    /// One point.
    Point,
    /// Running text.
    Paragraph,
    /// What the sources do not cover, or what the reader must know about the answer.
    Note,
}

/// How well a sentence stands on its citations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every number, identifier, unit and negation stands in a cited span, and the words agree.
    Supported,
    /// It cites, but something in it is not in what it cites.
    Unsupported,
    /// It states a fact and cites nothing.
    Uncited,
    /// It states no fact: a heading, a transition, a note about the answer itself.
    NotFactual,
}

/// One sentence of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    /// Running number in the answer, from 0.
    pub index: u32,
    /// The text, without citation marks.
    pub text: String,
    /// How well it stands on its citations.
    pub verdict: Verdict,
    /// What is in the sentence and not in its citations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Numbers of its citations, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<u32>,
}

/// A block of sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Block {
    /// What it is for.
    pub kind: BlockKind,
    /// Its sentences, in order.
    pub sentences: Vec<Sentence>,
}

/// One measured part of the confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfidencePart {
    /// Stable name: `support`, `coverage`, `relevance`, `agreement`.
    pub name: String,
    /// Measured value from 0 to 1.
    pub value: f32,
    /// Weight in the total; weights sum to 1.
    pub weight: f32,
    /// What was measured, in words with its figures.
    pub says: String,
}

/// Confidence computed from measured parts, never a constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Confidence {
    /// Weighted sum of the parts, from 0 to 1.
    pub score: f32,
    /// The parts.
    pub parts: Vec<ConfidencePart>,
}

/// The three numbers on every answer (trust rule 2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrustNumbers {
    /// Share of citations whose quote is the bytes at their range: 1 by construction, and counted all the same.
    pub pointer_validity: f32,
    /// Share of cited factual sentences that are supported.
    pub support: f32,
    /// Share of factual sentences without a citation.
    pub uncited: f32,
}

/// A document that was searched and read for the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The document.
    pub document_id: Uuid,
    /// Its title.
    pub title: String,
    /// How many of its passages were read.
    pub passages: u32,
    /// Best fused score of its passages, from 0 to 1.
    pub score: f32,
}

/// What was searched for the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Searched {
    /// The query, after history was taken into account.
    pub query: String,
    /// Names of the collections that were searched; empty means all.
    pub collections: Vec<String>,
    /// Whether vectors took part; false means by words alone.
    pub by_meaning: bool,
    /// Why vectors took no part, if they did not.
    pub note: Option<String>,
    /// The documents that were read, best first.
    pub sources: Vec<Source>,
    /// The passages that were read, best first: what a replay opens again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Recorded>,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// `extractive`, or the name of the provider and model that wrote it.
    pub composer: String,
    /// The text.
    pub blocks: Vec<Block>,
    /// The citations, by number.
    pub citations: Vec<Citation>,
    /// Measured confidence; none where nothing was answered.
    pub confidence: Option<Confidence>,
    /// The three trust numbers; none where nothing was answered.
    pub trust: Option<TrustNumbers>,
}

impl Answer {
    /// The plain text of the answer, a line a block.
    #[must_use]
    pub fn plain_text(&self) -> String {
        let block = |b: &Block| b.sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
        self.blocks.iter().map(block).collect::<Vec<_>>().join("\n")
    }
}
