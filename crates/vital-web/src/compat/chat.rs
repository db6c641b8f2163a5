//! `POST /v1/chat/completions`: OpenAI's format. Citations are marks such as `[1]` in the text, and an annotation for each mark.

use super::{
    Note,
    asking::{self, Asked, streaming},
    direct, failure,
    heard::{Message, hear},
    parameters::{self, NO_TOOLS, Unsupported, empty, no_choice, off},
    telling::{End, Said},
};
use crate::{
    api::events::EventFrame, caller::SignedIn, components::answer, extract::Prompt, idempotency::AskedBefore, problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response, sse::Event},
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, pin::pin};
use utoipa::ToSchema;
use vital_kernel::{Error, RequestId};
use vital_platform::ask::{Turn, TurnState, answer::Citation};

/// Parameters that are taken and change nothing.
const WITHOUT_EFFECT: [&str; 21] = [
    "temperature",
    "top_p",
    "seed",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "metadata",
    "frequency_penalty",
    "presence_penalty",
    "service_tier",
    "max_tokens",
    "max_completion_tokens",
    "reasoning_effort",
    "verbosity",
    "parallel_tool_calls",
    "prediction",
    "top_k",
    "repetition_penalty",
];
/// Parameters that would change the result.
const UNSUPPORTED: [Unsupported; 14] = [
    Unsupported { name: "tools", harmless: empty, why: NO_TOOLS },
    Unsupported { name: "tool_choice", harmless: no_choice, why: NO_TOOLS },
    Unsupported { name: "functions", harmless: empty, why: NO_TOOLS },
    Unsupported { name: "function_call", harmless: no_choice, why: NO_TOOLS },
    Unsupported {
        name: "response_format",
        harmless: |v| v["type"] == "text",
        why: "can only be text: an answer is sentences, each bound to its source. Leave it out",
    },
    Unsupported { name: "n", harmless: |v| *v == 1, why: "can only be 1: a question has one answer" },
    Unsupported { name: "logprobs", harmless: off, why: "are not known here. Leave it out" },
    Unsupported { name: "top_logprobs", harmless: |v| *v == 0, why: "are not known here. Leave it out" },
    Unsupported { name: "logit_bias", harmless: empty, why: "is not offered. Leave it out" },
    Unsupported { name: "stop", harmless: empty, why: "is not offered: an answer ends when it is whole. Leave it out" },
    Unsupported { name: "modalities", harmless: |v| *v == json!(["text"]), why: "can only be text" },
    Unsupported { name: "audio", harmless: empty, why: "is not offered: answers are text" },
    Unsupported { name: "web_search_options", harmless: |_| false, why: "is not offered: answers stand on the organisation's documents" },
    Unsupported { name: "moderation", harmless: |_| false, why: "is not offered. Leave it out" },
];

/// A question in OpenAI's format. Parameters that are not named here are without effect or refused; docs/API.md lists them.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"model": "auto", "messages": [{"role": "user", "content": "How long does FDA review a traditional 510(k)?"}]}))]
pub(crate) struct ChatRequest {
    /// Slug of an expert, or `auto`.
    model: String,
    /// The conversation so far; the words of the user after the last answer are the question.
    messages: Vec<Message>,
    /// Whether the answer comes in pieces (`text/event-stream`).
    #[serde(default)]
    stream: Option<bool>,
    /// What the pieces are to hold.
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// What the pieces of an answer are to hold.
#[derive(Deserialize, ToSchema)]
pub(crate) struct StreamOptions {
    /// Whether a last piece without choices tells the usage.
    #[serde(default)]
    include_usage: Option<bool>,
}

/// An answer in OpenAI's format.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatCompletion {
    /// `chatcmpl-` and the id of the turn.
    id: String,
    /// `chat.completion`.
    object: &'static str,
    /// When it was asked, in seconds since 1970.
    created: i64,
    /// The expert that answered.
    model: String,
    /// One.
    choices: Vec<Choice>,
    usage: Usage,
    vital: Note,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choice {
    /// 0.
    index: u32,
    message: Answer,
    /// Always none.
    logprobs: Option<()>,
    /// `stop`, or `length` where somebody stopped the answer before it was whole.
    finish_reason: &'static str,
}

/// The text of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatAnswer)]
pub(crate) struct Answer {
    /// `assistant`.
    role: &'static str,
    /// Markdown with citation marks such as `[1]`.
    content: String,
    /// Always none: too little evidence is an answer, and says so.
    refusal: Option<String>,
    /// One for each mark.
    annotations: Vec<Annotation>,
}

/// What a mark in the text stands for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Annotation {
    /// `url_citation`.
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitation,
    /// The same with the exact bytes and version of the document.
    citation: Citation,
}

impl Annotation {
    /// The same without a level for the kind, as the newer format has it.
    pub(super) fn flat(&self) -> Value {
        let mut flat = json!(self.url_citation);
        flat["type"] = self.kind.into();
        flat["citation"] = json!(self.citation);
        flat
    }
}

/// Where a mark stands and leads to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UrlCitation {
    /// First character of the mark in the text, counted in Unicode code points.
    start_index: usize,
    /// One past its last character.
    end_index: usize,
    /// Title of the document.
    title: String,
    /// The document in the product, with the quoted words highlighted.
    url: String,
}

/// Tokens that a provider read and wrote; 0 where the built-in composer wrote the answer.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    const fn of(end: &End) -> Self {
        let (prompt_tokens, completion_tokens) = (end.input_tokens, end.output_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) }
    }
}

/// Asks an expert in OpenAI's format. The answer, its sources and its checks are those of the product, and the turn is kept there; a client
/// that leaves does not stop it. `x-conversation-id` in the request goes on with a conversation of the product.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "compatible", request_body = ChatRequest,
    params(("x-conversation-id" = Option<Uuid>, Header, description = "Conversation of the product to go on with")),
    responses((status = 200, description = "The answer, or its pieces", content((ChatCompletion = "application/json"), (EventFrame = "text/event-stream")),
        headers(("x-conversation-id" = Uuid, description = "The conversation in the product"), ("x-turn-id" = Uuid, description = "The turn")))),
    security(("bearer" = [])))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    before: AskedBefore,
    Prompt(given): Prompt<ChatRequest>,
) -> Reply<Response> {
    let streamed = given.stream == Some(true);
    if given.stream_options.is_some() && !streamed {
        let detail = "`stream_options` are for streamed answers. Nothing was asked; leave them out or ask with `stream`.";
        return Err(Error::invalid("parameter.unsupported", detail).with_field("/stream_options", "Leave it out.").into());
    }
    let include_usage = given.stream_options.and_then(|o| o.include_usage) == Some(true);
    if let Some(model) = direct::named(&given.model) {
        let wanted = direct::from_openai::read(&given.messages, given.rest)?;
        let (answering, deltas) = direct::ask(&s, caller, &headers, model, wanted).await?;
        return if streamed {
            Ok(streaming(direct::to_openai::pieces(answering, deltas, include_usage)))
        } else {
            Ok(Json(direct::to_openai::whole(answering, deltas).await?).into_response())
        };
    }
    parameters::check(&given.rest, &UNSUPPORTED, &WITHOUT_EFFECT)?;
    let asked = asking::ask(&s, caller, &headers, before, given.model, hear(&given.messages)?).await?;
    let said = asked.follow(&s).await?;
    let sheet = Sheet::new(s.platform.site().to_owned(), &asked);
    let headers = asked.headers.clone();
    if streamed {
        return Ok((headers, streaming(pieces(sheet, asked.turn, said, include_usage))).into_response());
    }
    Ok((headers, Json(Box::pin(whole(sheet, &asked, said)).await?)).into_response())
}

/// The answer as it is written out.
pub(super) struct Sheet {
    site: String,
    request_id: RequestId,
    id: String,
    created: i64,
    model: String,
    /// Characters of the text so far.
    chars: usize,
    pub(super) annotations: Vec<Annotation>,
}

impl Sheet {
    pub(super) fn new(site: String, asked: &Asked) -> Self {
        let created = asked.turn.created_at.unix_timestamp();
        let id = format!("chatcmpl-{}", asked.turn.id.0.simple());
        Self { site, request_id: asked.request_id(), id, created, model: asked.model.clone(), chars: 0, annotations: Vec::new() }
    }

    /// Writes text.
    pub(super) fn text(&mut self, text: String) -> String {
        self.chars += text.chars().count();
        text
    }

    /// Ends a sentence with its marks and what the reader must know about it.
    pub(super) fn close(&mut self, citations: Vec<Citation>, flag: Option<String>) -> String {
        let mut text = String::new();
        for citation in citations {
            if text.is_empty() {
                text.push(' ');
            }
            let start_index = self.chars + text.chars().count();
            text.push_str(&format!("[{}]", citation.n));
            let end_index = self.chars + text.chars().count();
            let url = format!("{}{}", self.site, answer::address(&citation));
            let url_citation = UrlCitation { start_index, end_index, title: citation.title.clone(), url };
            self.annotations.push(Annotation { kind: "url_citation", url_citation, citation });
        }
        if let Some(flag) = flag {
            text.push_str(&format!(" ({flag})"));
        }
        self.text(text)
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        json!({ "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": [choice] })
    }
}

const fn finish_reason(state: TurnState) -> &'static str {
    if matches!(state, TurnState::Stopped) { "length" } else { "stop" }
}

async fn whole(mut sheet: Sheet, asked: &Asked, said: impl Stream<Item = Said>) -> Reply<ChatCompletion> {
    let mut said = pin!(said);
    let mut content = String::new();
    while let Some(part) = said.next().await {
        match part {
            Said::Begun { model } => sheet.model = model,
            Said::Text(text) => content.push_str(&sheet.text(text)),
            Said::Closed { citations, flag } => content.push_str(&sheet.close(citations, flag)),
            Said::Failed(problem) => return Err(problem),
            Said::Ended(end) => {
                let message = Answer { role: "assistant", content, refusal: None, annotations: sheet.annotations };
                let choice = Choice { index: 0, message, logprobs: None, finish_reason: finish_reason(end.state) };
                let (id, created, model) = (sheet.id, sheet.created, sheet.model);
                let usage = Usage::of(&end);
                return Ok(ChatCompletion {
                    id,
                    object: "chat.completion",
                    created,
                    model,
                    choices: vec![choice],
                    usage,
                    vital: asked.note(end),
                });
            }
        }
    }
    Err(Error::internal("an answer that is followed has no end").into())
}

/// The frames of a streamed answer, `[DONE]` last; a failure is a frame with `error`, and the end.
fn pieces(
    mut sheet: Sheet,
    turn: Turn,
    said: impl Stream<Item = Said> + Send + 'static,
    include_usage: bool,
) -> impl Stream<Item = Event> + Send {
    let frame = move |mut chunk: Value| {
        if include_usage && chunk.get("usage").is_none() {
            chunk["usage"] = Value::Null;
        }
        Event::default().data(chunk.to_string())
    };
    let frames = said.map(move |part| match part {
        Said::Begun { model } => {
            sheet.model = model;
            vec![frame(sheet.chunk(&json!({ "role": "assistant", "content": "" }), None))]
        }
        Said::Text(text) => {
            let text = sheet.text(text);
            vec![frame(sheet.chunk(&json!({ "content": text }), None))]
        }
        Said::Closed { citations, flag } => {
            let text = sheet.close(citations, flag);
            if text.is_empty() { Vec::new() } else { vec![frame(sheet.chunk(&json!({ "content": text }), None))] }
        }
        Said::Failed(problem) => {
            problem.log(sheet.request_id);
            vec![Event::default().data(serde_json::to_string(&failure::openai(&problem)).unwrap_or_default())]
        }
        Said::Ended(end) => {
            let mut frames = Vec::new();
            if !sheet.annotations.is_empty() {
                // All at once: clients that add pieces up cannot join lists.
                frames.push(frame(sheet.chunk(&json!({ "annotations": sheet.annotations }), None)));
            }
            let (usage, reason) = (Usage::of(&end), finish_reason(end.state));
            let mut last = sheet.chunk(&json!({}), Some(reason));
            last["vital"] = json!(asking::note(&turn, end));
            frames.push(frame(last));
            if include_usage {
                let mut tail = sheet.chunk(&json!({}), None);
                tail["choices"] = json!([]);
                tail["usage"] = json!(usage);
                frames.push(frame(tail));
            }
            frames.push(Event::default().data("[DONE]"));
            frames
        }
    });
    frames.map(stream::iter).flatten()
}
