//! The event vocabulary of a stream (product section 3). Every event is stored before it is sent, with a number that only grows.

use super::{
    answer::{BlockKind, Citation, Confidence, Searched, TrustNumbers, Verdict},
    history::Exchange,
    tools::ToolOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// How a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// The answer is being written.
    Running,
    /// There is an answer.
    Answered,
    /// There was too little evidence, and the turn says so.
    NoEvidence,
    /// The person stopped it; what had been written is kept.
    Stopped,
    /// A provider or part of the platform failed; the question is kept.
    Failed,
    /// The server stopped while it was written; the question is kept.
    Interrupted,
}

impl TurnState {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Answered => "answered",
            Self::NoEvidence => "no_evidence",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Running, Self::Answered, Self::NoEvidence, Self::Stopped, Self::Failed, Self::Interrupted]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

/// An expert that was considered for a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RoutedCandidate)]
pub struct Candidate {
    /// The expert's stable name.
    pub slug: String,
    /// The expert's display name.
    pub name: String,
    /// Routing score from 0 to 1.
    pub score: f32,
    /// Why, in words.
    pub reasons: Vec<String>,
}

/// One event of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TurnEvent {
    /// The question is stored.
    Accepted {
        /// The turn.
        turn_id: Uuid,
        /// Its conversation.
        conversation_id: Uuid,
        /// What the client said had been asked and answered before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<Exchange>,
        /// Instructions that the client sent along; they have no effect.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        client_instructions: String,
    },
    /// An expert takes the question.
    Routed {
        /// The expert's stable name.
        slug: String,
        /// The expert's display name.
        name: String,
        /// True where the platform chose.
        automatic: bool,
        /// Who was considered, best first; empty where the person chose.
        candidates: Vec<Candidate>,
    },
    /// Evidence was searched and read.
    Retrieved(Searched),
    /// The expert calls a tool. Where it waits for a person, `approval` says why.
    ToolCall {
        /// Number of the call in the turn, from 1.
        call: u32,
        /// Name of the tool.
        tool: String,
        /// What people call it.
        title: String,
        /// What it is given.
        arguments: Value,
        /// Why a person has to approve it first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
    },
    /// What came of a call.
    ToolResult {
        /// Number of the call in the turn.
        call: u32,
        /// What came of it.
        #[serde(flatten)]
        outcome: ToolOutcome,
    },
    /// Something that the reader should know about how the answer is made.
    Step {
        /// Stable name: `trimmed`.
        name: String,
        /// What was done, in words.
        says: String,
    },
    /// A piece of text, to be appended to a sentence.
    Token {
        /// Running number of the block, from 0.
        block: u32,
        /// What the block is for.
        block_kind: BlockKind,
        /// Running number of the sentence in the answer, from 0.
        sentence: u32,
        /// The text to append.
        text: String,
    },
    /// A sentence is bound to bytes.
    Citation {
        /// The sentence.
        sentence: u32,
        /// What it cites.
        citation: Citation,
    },
    /// A sentence was checked against what it cites.
    Check {
        /// The sentence.
        sentence: u32,
        /// The result.
        verdict: Verdict,
        /// What is in the sentence and not in its citations.
        missing: Vec<String>,
    },
    /// What it took.
    Usage {
        /// `extractive`, or provider and model.
        composer: String,
        /// Tokens read by the provider.
        input_tokens: u32,
        /// Tokens written by the provider.
        output_tokens: u32,
        /// Time from question to end, in milliseconds.
        elapsed_ms: u32,
        /// What the models cost, in millionths of a US dollar, rounded up; none where no model was asked or its price is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_micros: Option<i64>,
    },
    /// Something went wrong; the stream goes on to `done`.
    Problem {
        /// Stable dotted code.
        code: String,
        /// What happened, whether anything was lost and what to do.
        detail: String,
        /// Whether asking again makes sense.
        retryable: bool,
    },
    /// The end; always the last event.
    Done {
        /// How the turn ended.
        state: TurnState,
        /// Measured confidence of the answer.
        confidence: Option<Confidence>,
        /// The three trust numbers.
        trust: Option<TrustNumbers>,
    },
}

impl TurnEvent {
    /// The event's name on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Routed { .. } => "routed",
            Self::Retrieved(_) => "retrieved",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolResult { .. } => "tool_result",
            Self::Step { .. } => "step",
            Self::Token { .. } => "token",
            Self::Citation { .. } => "citation",
            Self::Check { .. } => "check",
            Self::Usage { .. } => "usage",
            Self::Problem { .. } => "problem",
            Self::Done { .. } => "done",
        }
    }
}

/// A stored event: what `Last-Event-ID` counts in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredEvent {
    /// Number within the turn, from 1, without gaps.
    pub seq: i32,
    /// The event.
    #[serde(flatten)]
    pub event: TurnEvent,
}
