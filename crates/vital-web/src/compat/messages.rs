//! `POST /v1/messages`: Anthropic's format. A sentence is a content block, and its citations are typed.

use super::{
    Note,
    asking::{self, Asked, streaming},
    direct, failure,
    heard::{Message, hear},
    parameters::{self, NO_TOOLS, Unsupported, empty, no_choice},
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
use uuid::Uuid;
use vital_kernel::{Error, RequestId};
use vital_platform::ask::{Turn, TurnState, answer::Citation};

/// Parameters that are taken and change nothing.
const WITHOUT_EFFECT: [&str; 10] =
    ["system", "max_tokens", "temperature", "top_p", "top_k", "metadata", "service_tier", "cache_control", "inference_geo", "speed"];
/// Parameters that would change the result.
const UNSUPPORTED: [Unsupported; 7] = [
    Unsupported { name: "tools", harmless: empty, why: NO_TOOLS },
    Unsupported { name: "tool_choice", harmless: no_choice, why: NO_TOOLS },
    Unsupported { name: "stop_sequences", harmless: empty, why: "is not offered: an answer ends when it is whole. Leave it out" },
    Unsupported { name: "thinking", harmless: |v| v["type"] == "disabled", why: "is not shown. Leave it out" },
    Unsupported { name: "output_config", harmless: empty, why: "is not offered: an answer is sentences, each bound to its source" },
    Unsupported { name: "container", harmless: empty, why: "is not offered. Leave it out" },
    Unsupported { name: "mcp_servers", harmless: empty, why: NO_TOOLS },
];

/// A question in Anthropic's format. Parameters that are not named here are without effect or refused; docs/API.md lists them.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"model": "auto", "max_tokens": 1024, "messages": [{"role": "user", "content": "How long does FDA review a traditional 510(k)?"}]}))]
pub(crate) struct MessagesRequest {
    /// Slug of an expert, or `auto`.
    model: String,
    /// The conversation so far; the words of the user after the last answer are the question.
    messages: Vec<Message>,
    /// Whether the answer comes in pieces (`text/event-stream`).
    #[serde(default)]
    stream: Option<bool>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// An answer in Anthropic's format.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessagesAnswer {
    /// `msg_` and the id of the turn.
    id: String,
    /// `message`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `assistant`.
    role: &'static str,
    /// The expert that answered.
    model: String,
    /// A block for each sentence; put together they are the answer in Markdown.
    content: Vec<TextBlock>,
    /// `end_turn`, or `max_tokens` where somebody stopped the answer before it was whole.
    stop_reason: &'static str,
    /// Always none.
    stop_sequence: Option<String>,
    usage: MessagesUsage,
    vital: Note,
}

/// A sentence.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = MessageTextBlock)]
pub(crate) struct TextBlock {
    /// `text`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The text.
    text: String,
    /// What it stands on; none where it states nothing of the sources.
    citations: Option<Vec<CharLocation>>,
}

/// What a sentence stands on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CharLocation {
    /// `char_location`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The bytes at the place, as text.
    cited_text: String,
    /// Which of the documents that this answer cites, in the order of their first citation, from 0.
    document_index: usize,
    /// Title of the document.
    document_title: String,
    /// Where the cited text begins in the document's text at `/api/v1/documents/{id}/text`, in bytes of UTF-8 as everywhere in this API.
    start_char_index: u64,
    /// One past its last byte.
    end_char_index: u64,
    /// Always none.
    file_id: Option<String>,
    /// The document.
    document_id: Uuid,
    /// SHA-256 of the document's text, hexadecimal.
    version: String,
    /// The document in the product, with the quoted words highlighted.
    url: String,
}

/// Tokens that a provider read and wrote; 0 where the built-in composer wrote the answer.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct MessagesUsage {
    input_tokens: u32,
    output_tokens: u32,
}

/// Asks an expert in Anthropic's format. The answer, its sources and its checks are those of the product, and the turn is kept there; a
/// client that leaves does not stop it. `x-conversation-id` in the request goes on with a conversation of the product.
#[utoipa::path(post, path = "/v1/messages", tag = "compatible", request_body = MessagesRequest,
    params(("x-conversation-id" = Option<Uuid>, Header, description = "Conversation of the product to go on with")),
    responses((status = 200, description = "The answer, or its pieces", content((MessagesAnswer = "application/json"), (EventFrame = "text/event-stream")),
        headers(("x-conversation-id" = Uuid, description = "The conversation in the product"), ("x-turn-id" = Uuid, description = "The turn")))),
    security(("bearer" = []), ("x-api-key" = [])))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    before: AskedBefore,
    Prompt(given): Prompt<MessagesRequest>,
) -> Reply<Response> {
    let streamed = given.stream == Some(true);
    if let Some(model) = direct::named(&given.model) {
        let wanted = direct::from_anthropic::read(&given.messages, given.rest)?;
        let (answering, deltas) = direct::ask(&s, caller, &headers, model, wanted).await?;
        return if streamed {
            Ok(streaming(direct::to_anthropic::pieces(answering, deltas)))
        } else {
            Ok(Json(direct::to_anthropic::whole(answering, deltas).await?).into_response())
        };
    }
    parameters::check(&given.rest, &UNSUPPORTED, &WITHOUT_EFFECT)?;
    let asked =
        asking::ask(&s, caller, &headers, before, given.model, hear(&given.messages)?.with_instructions(given.rest.get("system"))?).await?;
    let said = asked.follow(&s).await?;
    let sources = Sources { site: s.platform.site().to_owned(), documents: Vec::new() };
    let (headers, request_id) = (asked.headers.clone(), asked.request_id());
    if streamed {
        return Ok((headers, streaming(pieces(sources, asked.turn, said, request_id))).into_response());
    }
    Ok((headers, Json(Box::pin(whole(sources, &asked, said)).await?)).into_response())
}

/// The documents that an answer cites.
struct Sources {
    site: String,
    documents: Vec<Uuid>,
}

impl Sources {
    fn locate(&mut self, citation: Citation) -> CharLocation {
        let known = self.documents.iter().position(|d| *d == citation.document_id);
        let document_index = known.unwrap_or_else(|| {
            self.documents.push(citation.document_id);
            self.documents.len() - 1
        });
        CharLocation {
            kind: "char_location",
            url: format!("{}{}", self.site, answer::address(&citation)),
            cited_text: citation.quote,
            document_index,
            document_title: citation.title,
            start_char_index: citation.start,
            end_char_index: citation.end,
            file_id: None,
            document_id: citation.document_id,
            version: citation.version,
        }
    }
}

fn id(turn: &Turn) -> String {
    format!("msg_{}", turn.id.0.simple())
}

const fn stop_reason(state: TurnState) -> &'static str {
    if matches!(state, TurnState::Stopped) { "max_tokens" } else { "end_turn" }
}

const fn usage(end: &End) -> MessagesUsage {
    MessagesUsage { input_tokens: end.input_tokens, output_tokens: end.output_tokens }
}

async fn whole(mut sources: Sources, asked: &Asked, said: impl Stream<Item = Said>) -> Reply<MessagesAnswer> {
    let mut said = pin!(said);
    let mut model = asked.model.clone();
    let mut content: Vec<TextBlock> = Vec::new();
    let mut open: Option<TextBlock> = None;
    while let Some(part) = said.next().await {
        match part {
            Said::Begun { model: chosen } => model = chosen,
            Said::Text(text) => open.get_or_insert_with(|| TextBlock { kind: "text", ..TextBlock::default() }).text.push_str(&text),
            Said::Closed { citations, flag } => {
                let Some(mut block) = open.take() else { continue };
                block.text.extend(flag.map(|flag| format!(" ({flag})")));
                block.citations = (!citations.is_empty()).then(|| citations.into_iter().map(|c| sources.locate(c)).collect());
                content.push(block);
            }
            Said::Failed(problem) => return Err(problem),
            Said::Ended(end) => {
                content.extend(open);
                let (stop_reason, usage) = (stop_reason(end.state), usage(&end));
                return Ok(MessagesAnswer {
                    id: id(&asked.turn),
                    kind: "message",
                    role: "assistant",
                    model,
                    content,
                    stop_reason,
                    stop_sequence: None,
                    usage,
                    vital: asked.note(end),
                });
            }
        }
    }
    Err(Error::internal("an answer that is followed has no end").into())
}

/// The frames of a streamed answer; a failure is an `error` frame, and the end.
fn pieces(
    mut sources: Sources,
    turn: Turn,
    said: impl Stream<Item = Said> + Send + 'static,
    request_id: RequestId,
) -> impl Stream<Item = Event> + Send {
    let (mut index, mut open) = (0_u32, false);
    let frames = said.map(move |part| match part {
        Said::Begun { model } => {
            let message = json!({
                "id": id(&turn), "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
                "stop_sequence": null, "usage": { "input_tokens": 0, "output_tokens": 0 },
            });
            vec![frame("message_start", json!({ "message": message }))]
        }
        Said::Text(text) => {
            let mut frames = Vec::new();
            if !std::mem::replace(&mut open, true) {
                let block = json!({ "type": "text", "text": "", "citations": null });
                frames.push(frame("content_block_start", json!({ "index": index, "content_block": block })));
            }
            frames.push(delta(index, &json!({ "type": "text_delta", "text": text })));
            frames
        }
        Said::Closed { citations, flag } => {
            let mut frames = Vec::new();
            frames.extend(flag.map(|flag| delta(index, &json!({ "type": "text_delta", "text": format!(" ({flag})") }))));
            let citations =
                citations.into_iter().map(|c| delta(index, &json!({ "type": "citations_delta", "citation": sources.locate(c) })));
            frames.extend(citations);
            frames.push(frame("content_block_stop", json!({ "index": index })));
            index += 1;
            open = false;
            frames
        }
        Said::Failed(problem) => {
            problem.log(request_id);
            vec![frame("error", json!(failure::anthropic(&problem, request_id)))]
        }
        Said::Ended(end) => {
            let mut frames: Vec<Event> = open.then(|| frame("content_block_stop", json!({ "index": index }))).into_iter().collect();
            let (usage, reason) = (usage(&end), stop_reason(end.state));
            let delta = json!({ "stop_reason": reason, "stop_sequence": null });
            let last = json!({ "delta": delta, "usage": usage, "vital": asking::note(&turn, end) });
            frames.push(frame("message_delta", last));
            frames.push(frame("message_stop", json!({})));
            frames
        }
    });
    frames.map(stream::iter).flatten()
}

fn delta(index: u32, delta: &Value) -> Event {
    frame("content_block_delta", json!({ "index": index, "delta": delta }))
}

/// A frame, whose data names its kind as well.
pub(super) fn frame(kind: &'static str, mut data: Value) -> Event {
    data["type"] = kind.into();
    Event::default().event(kind).data(data.to_string())
}
