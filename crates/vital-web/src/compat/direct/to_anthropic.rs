//! A model's answer in Anthropic's format.

use super::{Answering, DirectNote, Part, parts, reading::object};
use crate::{
    compat::{failure, messages::frame},
    problem::Reply,
};
use axum::response::sse::Event;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use std::pin::pin;
use utoipa::ToSchema;
use vital_kernel::{Error, Result};
use vital_llm::{Delta, StopReason, TokenUsage};

/// A model's answer in Anthropic's format.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectMessages {
    /// `msg_` and the id of the request.
    id: String,
    /// `message`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `assistant`.
    role: &'static str,
    /// The model as the request named it.
    model: String,
    /// Text, and the tools of the client that the model wants called.
    content: Vec<Value>,
    /// `end_turn`, `max_tokens`, `tool_use` or `refusal`.
    stop_reason: &'static str,
    /// Always none: which sequence ended an answer is not known.
    stop_sequence: Option<String>,
    usage: DirectTokens,
    vital: DirectNote,
}

/// Tokens as the provider counts them; 0 where it counts none.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct DirectTokens {
    /// Tokens read, without those of the cache.
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
}

impl From<TokenUsage> for DirectTokens {
    fn from(of: TokenUsage) -> Self {
        Self {
            input_tokens: of.input.saturating_sub(of.cached_input).saturating_sub(of.cache_write_input),
            output_tokens: of.output,
            cache_read_input_tokens: of.cached_input,
            cache_creation_input_tokens: of.cache_write_input,
        }
    }
}

const fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::Other => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Refusal => "refusal",
    }
}

fn id(answering: &Answering) -> String {
    format!("msg_{}", answering.request_id.0.simple())
}

/// Waits for the whole answer.
pub(in crate::compat) async fn whole(answering: Answering, deltas: impl Stream<Item = Result<Delta>> + Send) -> Reply<DirectMessages> {
    let mut all = pin!(parts(deltas));
    // Where the calls stand among the blocks, by their number.
    let (mut content, mut calls, mut usage) = (Vec::<Value>::new(), Vec::<usize>::new(), TokenUsage::default());
    let mut text = String::new();
    let words = |text: &mut String, content: &mut Vec<Value>| {
        if !text.is_empty() {
            content.push(json!({ "type": "text", "text": std::mem::take(text), "citations": null }));
        }
    };
    while let Some(part) = all.next().await {
        match part? {
            Part::Text(more) => text.push_str(&more),
            Part::CallBegun { id, name, .. } => {
                words(&mut text, &mut content);
                calls.push(content.len());
                content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": {} }));
            }
            Part::CallDone { index, arguments, .. } => {
                // The format has no place for arguments that are no object: the client sees a call that lacks what its schema asks for.
                if let (Some(block), Some(input)) = (calls.get(index).and_then(|at| content.get_mut(*at)), object(&arguments)) {
                    block["input"] = input;
                }
            }
            Part::Usage(counted) => usage = counted,
            Part::Ended(reason) => {
                words(&mut text, &mut content);
                return Ok(DirectMessages {
                    id: id(&answering),
                    kind: "message",
                    role: "assistant",
                    model: answering.model,
                    content,
                    stop_reason: stop_reason(reason),
                    stop_sequence: None,
                    usage: usage.into(),
                    vital: answering.note,
                });
            }
        }
    }
    Err(Error::internal("a relayed answer has no end").into())
}

/// Writes the frames of one answer. Blocks do not overlap in this format: the arguments of a call come at once, so each has its block then.
struct Sheet {
    answering: Answering,
    begun: bool,
    /// Number of the next block.
    next: u32,
    /// Whether a block of text is open.
    open: bool,
    usage: TokenUsage,
    names: Vec<(String, String)>,
}

impl Sheet {
    fn begin(&mut self, frames: &mut Vec<Event>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let message = json!({
            "id": id(&self.answering), "type": "message", "role": "assistant", "model": self.answering.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": DirectTokens::from(TokenUsage { output: 0, ..self.usage }),
        });
        frames.push(frame("message_start", json!({ "message": message })));
    }

    fn close(&mut self, frames: &mut Vec<Event>) {
        if std::mem::take(&mut self.open) {
            frames.push(frame("content_block_stop", json!({ "index": self.next })));
            self.next += 1;
        }
    }

    fn delta(&self, delta: &Value) -> Event {
        frame("content_block_delta", json!({ "index": self.next, "delta": delta }))
    }

    fn take(&mut self, part: Reply<Part>) -> Vec<Event> {
        let mut frames = Vec::with_capacity(3);
        match part {
            Ok(Part::Usage(usage)) => self.usage = usage,
            Ok(Part::Text(text)) => {
                self.begin(&mut frames);
                if !std::mem::replace(&mut self.open, true) {
                    let block = json!({ "type": "text", "text": "", "citations": null });
                    frames.push(frame("content_block_start", json!({ "index": self.next, "content_block": block })));
                }
                frames.push(self.delta(&json!({ "type": "text_delta", "text": text })));
            }
            Ok(Part::CallBegun { id, name, .. }) => {
                self.begin(&mut frames);
                self.names.push((id, name));
            }
            Ok(Part::CallDone { index, arguments, .. }) => {
                self.close(&mut frames);
                if let Some((id, name)) = self.names.get(index) {
                    let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                    frames.push(frame("content_block_start", json!({ "index": self.next, "content_block": block })));
                }
                frames.push(self.delta(&json!({ "type": "input_json_delta", "partial_json": arguments })));
                self.open = true;
                self.close(&mut frames);
            }
            Ok(Part::Ended(reason)) => {
                self.begin(&mut frames);
                self.close(&mut frames);
                let delta = json!({ "stop_reason": stop_reason(reason), "stop_sequence": null });
                let last = json!({ "delta": delta, "usage": DirectTokens::from(self.usage), "vital": self.answering.note });
                frames.push(frame("message_delta", last));
                frames.push(frame("message_stop", json!({})));
            }
            Err(problem) => {
                problem.log(self.answering.request_id);
                frames.push(frame("error", json!(failure::anthropic(&problem, self.answering.request_id))));
            }
        }
        frames
    }
}

/// The frames of a streamed answer; a failure is an `error` frame, and the end.
pub(in crate::compat) fn pieces(
    answering: Answering,
    deltas: impl Stream<Item = Result<Delta>> + Send + 'static,
) -> impl Stream<Item = Event> + Send + 'static {
    let mut sheet = Sheet { answering, begun: false, next: 0, open: false, usage: TokenUsage::default(), names: Vec::new() };
    parts(deltas).map(move |part| stream::iter(sheet.take(part))).flatten()
}
