//! Models past the experts: `models/` and the name of a model that the organisation set up. The prompt is relayed as it is, tools of the client
//! and output schemas included, and what comes back is the model's own: nothing of it is bound to sources, which every reply says.
//!
//! **Invariant:** what a model here cannot be told is refused with the name of the parameter; the few that leave the answer right without
//! them are named in `vital.ignored`. docs/decisions/0011 says why.

pub(super) mod from_anthropic;
pub(super) mod from_openai;
mod reading;
pub(super) mod to_anthropic;
pub(super) mod to_openai;

use crate::{
    idempotency,
    problem::{Problem, Reply},
    state::AppState,
};
use axum::http::HeaderMap;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use utoipa::ToSchema;
use vital_kernel::{Error, RequestId, Result};
use vital_llm::{ChatRequest, Delta, StopReason, TokenUsage, ToolCall};
use vital_platform::{
    identity::Caller,
    relay::{self, Prompt},
};

/// What the names of models begin with; slugs of experts have no `/`.
const PREFIX: &str = "models/";
const NOTE: &str = "A model wrote this by itself: nothing in it is bound to sources.";

/// The model's own name, where a model and no expert is meant.
pub(super) fn named(model: &str) -> Option<&str> {
    model.strip_prefix(PREFIX)
}

/// The name that clients know a model by.
pub(super) fn name(model: &str) -> String {
    format!("{PREFIX}{model}")
}

/// What the two formats have no place for, in every reply of a model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DirectNote {
    /// Always false: what a model writes by itself stands on no source.
    bound_to_sources: bool,
    /// The same in words.
    note: &'static str,
    /// Provider and model that wrote it.
    composer: String,
    /// Parameters that were taken and had no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<&'static str>,
}

/// What a client asks a model.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub request: ChatRequest,
    /// Parameters that the answer stays right without.
    pub ignored: Vec<&'static str>,
}

/// An answer that has begun, before it has a format.
pub(super) struct Answering {
    /// The model as the client named it.
    model: String,
    request_id: RequestId,
    note: DirectNote,
}

/// A part of an answer.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    /// A call begins.
    CallBegun {
        index: usize,
        id: String,
        name: String,
    },
    /// The same call is whole; its arguments as JSON, or as the model wrote them where they are none.
    CallDone {
        index: usize,
        arguments: String,
        signature: Option<String>,
    },
    Usage(TokenUsage),
    Ended(StopReason),
}

/// Asks the model and returns once it has begun to answer. Ended by the server's end. A request that is to have its effect once is refused:
/// nothing of an answer is kept that could be given again.
pub(super) async fn ask(
    s: &AppState,
    caller: Caller,
    headers: &HeaderMap,
    model: &str,
    wanted: Wanted,
) -> Reply<(Answering, impl Stream<Item = Result<Delta>> + Send + use<>)> {
    if headers.contains_key(idempotency::KEY) {
        let detail =
            "What a model answers is kept nowhere, so a request to one cannot have an idempotency key. Nothing was sent; leave it out.";
        return Err(Error::invalid("relay.idempotency", detail).into());
    }
    let request_id = caller.cx.request_id();
    let prompt = Prompt { model: model.to_owned(), request: wanted.request };
    let begun = relay::relay(&s.platform, caller, prompt).await?;
    let note = DirectNote { bound_to_sources: false, note: NOTE, composer: begun.composer, ignored: wanted.ignored };
    let deltas = begun.deltas.take_until(s.closing.clone().cancelled_owned());
    Ok((Answering { model: name(model), request_id, note }, deltas))
}

/// The parts of an answer, up to its end or a failure; one that breaks off is a failure.
fn parts(deltas: impl Stream<Item = Result<Delta>> + Send) -> impl Stream<Item = Reply<Part>> + Send {
    let mut calls: Vec<String> = Vec::new();
    let mut over = false;
    let ends = deltas.map(Some).chain(stream::once(async { None }));
    ends.map(move |delta| {
        let part = match delta {
            _ if over => None,
            Some(Ok(delta)) => Some(Ok(part(delta, &mut calls))),
            Some(Err(error)) => Some(Err(Problem::from(error))),
            None => Some(Err(broken_off().into())),
        };
        over |= matches!(part, Some(Ok(Part::Ended(_)) | Err(_)));
        stream::iter(part)
    })
    .flatten()
}

fn part(delta: Delta, calls: &mut Vec<String>) -> Part {
    let place = |calls: &[String], id: &str| calls.iter().position(|known| known == id).unwrap_or_default();
    match delta {
        Delta::Text(text) => Part::Text(text),
        Delta::ToolCallStart { id, name, .. } => {
            calls.push(id.clone());
            Part::CallBegun { index: calls.len() - 1, id, name }
        }
        Delta::ToolCall(ToolCall { id, arguments, signature, .. }) => {
            Part::CallDone { index: place(calls, &id), arguments: arguments.to_string(), signature }
        }
        Delta::InvalidToolCall(call) => Part::CallDone { index: place(calls, &call.id), arguments: call.raw, signature: call.signature },
        Delta::Usage(usage) => Part::Usage(usage),
        Delta::Stop(reason) => Part::Ended(if calls.is_empty() || reason != StopReason::EndTurn { reason } else { StopReason::ToolUse }),
    }
}

fn broken_off() -> Error {
    Error::unavailable("relay.broken_off", "The server stops, so the model's answer broke off. Ask again in a moment.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn told(deltas: Vec<Result<Delta>>) -> Vec<Reply<Part>> {
        parts(stream::iter(deltas)).collect().await
    }

    #[tokio::test]
    async fn calls_are_counted_and_an_answer_that_calls_tools_ends_so() {
        let begun = |id: &str| Ok(Delta::ToolCallStart { index: 7, id: id.into(), name: "f".into() });
        let done = |id: &str| Ok(Delta::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: json!({}), signature: None }));
        let parts = told(vec![begun("a"), begun("b"), done("b"), done("a"), Ok(Delta::Stop(StopReason::EndTurn))]).await;
        let places: Vec<usize> = parts
            .iter()
            .filter_map(|part| match part {
                Ok(Part::CallBegun { index, .. } | Part::CallDone { index, .. }) => Some(*index),
                _ => None,
            })
            .collect();
        assert_eq!(places, [0, 1, 1, 0]);
        assert!(matches!(parts.last(), Some(Ok(Part::Ended(StopReason::ToolUse)))));
    }

    #[tokio::test]
    async fn nothing_comes_after_the_end_and_an_answer_without_end_is_a_failure() {
        let text = || Ok(Delta::Text("a".into()));
        let parts = told(vec![text(), Ok(Delta::Stop(StopReason::MaxTokens)), text()]).await;
        assert!(matches!(&parts[..], [Ok(Part::Text(_)), Ok(Part::Ended(StopReason::MaxTokens))]), "{parts:?}");
        let parts = told(vec![text(), Err(Error::unavailable("x.y", "Away.")), text()]).await;
        assert!(matches!(&parts[..], [Ok(Part::Text(_)), Err(p)] if p.code() == "x.y"), "{parts:?}");
        let parts = told(vec![text()]).await;
        assert!(matches!(&parts[..], [Ok(Part::Text(_)), Err(p)] if p.code() == "relay.broken_off"), "{parts:?}");
    }
}
