//! A model's answer in OpenAI's format.

use super::{Answering, DirectNote, Part, parts};
use crate::{compat::failure, problem::Reply};
use axum::response::sse::Event;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use std::pin::pin;
use utoipa::ToSchema;
use vital_kernel::{Error, Result, now};
use vital_llm::{Delta, StopReason, TokenUsage};

/// A model's answer in OpenAI's format.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectCompletion {
    /// `chatcmpl-` and the id of the request.
    id: String,
    /// `chat.completion`.
    object: &'static str,
    /// When it was asked, in seconds since 1970.
    created: i64,
    /// The model as the request named it.
    model: String,
    /// One.
    choices: Vec<DirectChoice>,
    usage: DirectUsage,
    vital: DirectNote,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectChoice {
    /// 0.
    index: u32,
    message: DirectMessage,
    /// Always none.
    logprobs: Option<()>,
    /// `stop`, `length`, `tool_calls` or `content_filter`.
    finish_reason: &'static str,
}

/// What the model said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectMessage {
    /// `assistant`.
    role: &'static str,
    /// The text; none where there is none.
    content: Option<String>,
    /// Always none: a model that refuses says so in its words.
    refusal: Option<String>,
    /// The tools of the client that the model wants called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<DirectCall>,
}

/// A tool that the model wants called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectCall {
    /// Which call it is.
    id: String,
    /// `function`.
    #[serde(rename = "type")]
    kind: &'static str,
    function: DirectFunction,
    /// What Google's models have to be sent back with the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

/// The function of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DirectFunction {
    name: String,
    /// JSON as the model wrote it; it may be none.
    arguments: String,
}

/// Tokens as the provider counts them; 0 where it counts none.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct DirectUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

/// Parts of the tokens that were read.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct PromptDetails {
    cached_tokens: u64,
}

/// Parts of the tokens that were written.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<TokenUsage> for DirectUsage {
    fn from(of: TokenUsage) -> Self {
        Self {
            prompt_tokens: of.input,
            completion_tokens: of.output,
            total_tokens: of.input.saturating_add(of.output),
            prompt_tokens_details: PromptDetails { cached_tokens: of.cached_input },
            completion_tokens_details: CompletionDetails { reasoning_tokens: of.reasoning },
        }
    }
}

const fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::Other => "stop",
        StopReason::ToolUse => "tool_calls",
        StopReason::MaxTokens => "length",
        StopReason::Refusal => "content_filter",
    }
}

fn extra(signature: Option<String>) -> Option<Value> {
    signature.map(|s| json!({ "google": { "thought_signature": s } }))
}

/// Waits for the whole answer.
pub(in crate::compat) async fn whole(answering: Answering, deltas: impl Stream<Item = Result<Delta>> + Send) -> Reply<DirectCompletion> {
    let mut all = pin!(parts(deltas));
    let (mut content, mut tool_calls, mut usage) = (String::new(), Vec::<DirectCall>::new(), TokenUsage::default());
    while let Some(part) = all.next().await {
        match part? {
            Part::Text(text) => content.push_str(&text),
            Part::CallBegun { id, name, .. } => {
                let function = DirectFunction { name, arguments: String::new() };
                tool_calls.push(DirectCall { id, kind: "function", function, extra_content: None });
            }
            Part::CallDone { index, arguments, signature } => {
                if let Some(call) = tool_calls.get_mut(index) {
                    call.function.arguments = arguments;
                    call.extra_content = extra(signature);
                }
            }
            Part::Usage(counted) => usage = counted,
            Part::Ended(reason) => {
                let content = Some(content).filter(|text| !text.is_empty() || tool_calls.is_empty());
                let message = DirectMessage { role: "assistant", content, refusal: None, tool_calls };
                let choice = DirectChoice { index: 0, message, logprobs: None, finish_reason: finish_reason(reason) };
                return Ok(DirectCompletion {
                    id: id(&answering),
                    object: "chat.completion",
                    created: now().unix_timestamp(),
                    model: answering.model,
                    choices: vec![choice],
                    usage: usage.into(),
                    vital: answering.note,
                });
            }
        }
    }
    Err(Error::internal("a relayed answer has no end").into())
}

fn id(answering: &Answering) -> String {
    format!("chatcmpl-{}", answering.request_id.0.simple())
}

/// One frame of a streamed answer.
#[derive(Serialize)]
struct Chunk<'a, D> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<D>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<DirectUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vital: Option<&'a DirectNote>,
}

#[derive(Serialize)]
struct ChunkChoice<D> {
    index: u32,
    delta: D,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct TextDelta {
    content: String,
}

/// Writes the frames of one answer.
struct Sheet {
    answering: Answering,
    id: String,
    created: i64,
    include_usage: bool,
    begun: bool,
    usage: TokenUsage,
}

impl Sheet {
    fn frame<D: Serialize>(&self, choices: &[ChunkChoice<D>], usage: Option<DirectUsage>, vital: Option<&DirectNote>) -> Event {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.answering.model,
            choices,
            usage: self.include_usage.then_some(usage),
            vital,
        };
        Event::default().data(serde_json::to_string(&chunk).unwrap_or_default())
    }

    fn chunk<D: Serialize>(&self, delta: D, finish_reason: Option<&'static str>) -> Event {
        let vital = finish_reason.map(|_| &self.answering.note);
        self.frame(&[ChunkChoice { index: 0, delta, logprobs: None, finish_reason }], None, vital)
    }

    fn take(&mut self, part: Reply<Part>) -> Vec<Event> {
        let mut frames = Vec::with_capacity(2);
        if !self.begun && matches!(part, Ok(Part::Text(_) | Part::CallBegun { .. } | Part::Ended(_))) {
            self.begun = true;
            frames.push(self.chunk(json!({ "role": "assistant", "content": "" }), None));
        }
        match part {
            Ok(Part::Text(content)) => frames.push(self.chunk(TextDelta { content }, None)),
            Ok(Part::CallBegun { index, id, name }) => {
                let call = json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": "" } });
                frames.push(self.chunk(json!({ "tool_calls": [call] }), None));
            }
            Ok(Part::CallDone { index, arguments, signature }) => {
                let mut call = json!({ "index": index, "function": { "arguments": arguments } });
                if let Some(extra) = extra(signature) {
                    call["extra_content"] = extra;
                }
                frames.push(self.chunk(json!({ "tool_calls": [call] }), None));
            }
            Ok(Part::Usage(usage)) => self.usage = usage,
            Ok(Part::Ended(reason)) => {
                frames.push(self.chunk(json!({}), Some(finish_reason(reason))));
                if self.include_usage {
                    frames.push(self.frame::<()>(&[], Some(self.usage.into()), None));
                }
                frames.push(Event::default().data("[DONE]"));
            }
            Err(problem) => {
                problem.log(self.answering.request_id);
                frames.push(Event::default().data(serde_json::to_string(&failure::openai(&problem)).unwrap_or_default()));
            }
        }
        frames
    }
}

/// The frames of a streamed answer, `[DONE]` last; a failure is a frame with `error`, and the end.
pub(in crate::compat) fn pieces(
    answering: Answering,
    deltas: impl Stream<Item = Result<Delta>> + Send + 'static,
    include_usage: bool,
) -> impl Stream<Item = Event> + Send + 'static {
    let (id, created) = (id(&answering), now().unix_timestamp());
    let mut sheet = Sheet { answering, id, created, include_usage, begun: false, usage: TokenUsage::default() };
    parts(deltas).map(move |part| stream::iter(sheet.take(part))).flatten()
}
