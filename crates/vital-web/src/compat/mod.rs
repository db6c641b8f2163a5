//! `/v1`: doors that other people's software uses unmodified. The wire formats are OpenAI's and Anthropic's; what happens is what happens
//! at `/api/v1`: the same verbs, permissions, limits and audit entries, and a turn that the person finds in the product.
//!
//! **Invariants:** only a token in a header counts here, never a cookie, so no other site can make a browser ask; a parameter that would
//! change the result and is not supported is refused and never ignored; every failure leaves in the shape of the API that was called (see
//! `failure`). docs/decisions/0009 says how the messages of a client that keeps no state become a conversation.
//!
//! Deliberately not here: client-side tools and structured output of experts, `/v1/messages/count_tokens`.

mod asking;
pub(crate) mod chat;
pub(crate) mod direct;
pub(crate) mod embeddings;
pub(crate) mod failure;
pub(crate) mod heard;
pub(crate) mod messages;
pub(crate) mod models;
mod parameters;
pub(crate) mod responses;
mod telling;

pub(crate) use asking::{CONVERSATION, IGNORED, LEFT_OUT, TURN};

use crate::problem::Problem;
use axum::http::{HeaderMap, header};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::Error;
use vital_platform::ask::{
    TurnState,
    answer::{Confidence, TrustNumbers},
};

/// The model that leaves the choice of the expert to the platform.
pub(crate) const AUTO: &str = "auto";
/// Clients of Anthropic's API send this with every request.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Tells whether a path is one of these doors.
pub(crate) fn is_door(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Tells whether a request below `/v1` speaks Anthropic's API.
pub(crate) fn speaks_anthropic(path: &str, headers: &HeaderMap) -> bool {
    path.starts_with("/v1/messages") || headers.contains_key(ANTHROPIC_VERSION)
}

/// The token of a request: `Authorization: Bearer`, or `x-api-key` as clients of Anthropic's API send it.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    text(header::AUTHORIZATION.as_str()).and_then(|v| v.strip_prefix("Bearer ")).or_else(|| text("x-api-key"))
}

/// The refusal of a request without a token that works.
pub(crate) fn no_token() -> Problem {
    let detail = "No API key that works came with this request. Send one as `Authorization: Bearer` or `x-api-key`; \
                  keys are made under Settings, API keys. Nothing was asked.";
    Error::unauthenticated("key.none", detail).into()
}

/// What the two formats have no place for, in every reply: where the answer is in the product, and how well it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Note {
    /// The conversation in the product.
    conversation_id: Uuid,
    /// The turn in it.
    turn_id: Uuid,
    /// How the turn ended: `answered`, `no_evidence` or `stopped`.
    state: TurnState,
    /// What wrote the answer: `extractive`, or provider and model.
    composer: String,
    /// Measured confidence; none where nothing was answered.
    confidence: Option<Confidence>,
    /// The three trust numbers; none where nothing was answered.
    trust: Option<TrustNumbers>,
    /// What was taken, is kept with the turn and had no effect: `system` for instructions of the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<&'static str>,
}
