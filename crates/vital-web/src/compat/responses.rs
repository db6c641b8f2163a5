//! `POST /v1/responses`: OpenAI's newer format, for experts. Citations are marks such as `[1]` in the text, and an annotation for each mark.
//!
//! A response is a turn: `previous_response_id` goes on with that turn's conversation, whose own turns are then the history. Deliberately not
//! here: responses that are read, deleted or run in the background, tools, and models past the experts, which chat completions relay.

use super::{
    Note,
    asking::{self, Asked, CONVERSATION, streaming},
    chat::Sheet,
    direct,
    heard::{Heard, Message, hear},
    parameters::{self, NO_TOOLS, Unsupported, empty, no_choice, off},
    telling::{End, Said},
};
use crate::{api::events::EventFrame, caller::SignedIn, extract::Prompt, idempotency::AskedBefore, problem::Reply, state::AppState};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse as _, Response, sse::Event},
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, pin::pin};
use utoipa::ToSchema;
use vital_kernel::{Error, RequestId, TurnId};
use vital_platform::{
    ask::{self, Turn, TurnState},
    identity::Caller,
};

/// Parameters that are taken and change nothing.
const WITHOUT_EFFECT: [&str; 16] = [
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "metadata",
    "store",
    "service_tier",
    "max_output_tokens",
    "reasoning",
    "parallel_tool_calls",
    "truncation",
    "stream_options",
    "max_tool_calls",
];
/// Parameters that would change the result.
const UNSUPPORTED: [Unsupported; 9] = [
    Unsupported { name: "tools", harmless: empty, why: NO_TOOLS },
    Unsupported { name: "tool_choice", harmless: no_choice, why: NO_TOOLS },
    Unsupported {
        name: "text",
        harmless: |v| v.get("format").is_none_or(|f| f["type"] == "text"),
        why: "can only be text: an answer is sentences, each bound to its source. Leave it out",
    },
    Unsupported { name: "include", harmless: empty, why: "is not offered. Leave it out" },
    Unsupported { name: "background", harmless: off, why: "is not offered: ask with `stream`, or wait for the answer" },
    Unsupported { name: "conversation", harmless: |_| false, why: "is not offered: send `previous_response_id`" },
    Unsupported { name: "prompt", harmless: |_| false, why: "is not offered: there are no stored prompts here" },
    Unsupported { name: "top_logprobs", harmless: |v| *v == 0, why: "are not known here. Leave it out" },
    Unsupported { name: "moderation", harmless: |_| false, why: "is not offered. Leave it out" },
];

/// A question in OpenAI's newer format. Parameters that are not named here are without effect or refused; docs/API.md lists them.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"model": "auto", "input": "How long does FDA review a traditional 510(k)?"}))]
pub(crate) struct ResponsesRequest {
    /// Slug of an expert, or `auto`.
    model: String,
    /// The question, or the messages so far; the words of the user after the last answer are the question.
    #[schema(value_type = Value)]
    input: Value,
    /// Kept with the turn, and without effect on an expert.
    #[serde(default)]
    instructions: Option<String>,
    /// The response whose conversation goes on.
    #[serde(default)]
    previous_response_id: Option<String>,
    /// Whether the answer comes in pieces (`text/event-stream`).
    #[serde(default)]
    stream: Option<bool>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// An answer in OpenAI's newer format.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ResponseObject {
    /// `resp_` and the id of the turn.
    id: String,
    /// `response`.
    object: &'static str,
    /// When it was asked, in seconds since 1970.
    created_at: i64,
    /// `in_progress`, `completed`, `failed`, or `incomplete` where somebody stopped the answer before it was whole.
    status: &'static str,
    /// The expert that answered.
    model: String,
    /// One message, once there is one.
    output: Vec<Value>,
    /// What went wrong.
    error: Option<Value>,
    /// Why the answer is not whole.
    incomplete_details: Option<Value>,
    /// Always none: an expert works by its own instructions.
    instructions: Option<String>,
    /// Always empty.
    metadata: BTreeMap<String, String>,
    /// Always true, and without effect.
    parallel_tool_calls: bool,
    /// `auto`.
    tool_choice: &'static str,
    /// Always empty.
    tools: Vec<Value>,
    /// The response whose conversation went on.
    previous_response_id: Option<String>,
    /// Tokens that a provider read and wrote; 0 where the built-in composer wrote the answer.
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vital: Option<Note>,
}

/// Asks an expert in OpenAI's newer format. The answer, its sources and its checks are those of the product, and the turn is kept there; a
/// client that leaves does not stop it.
#[utoipa::path(post, path = "/v1/responses", tag = "compatible", request_body = ResponsesRequest,
    responses((status = 200, description = "The answer, or its events", content((ResponseObject = "application/json"), (EventFrame = "text/event-stream")))),
    security(("bearer" = [])))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    mut headers: HeaderMap,
    before: AskedBefore,
    Prompt(given): Prompt<ResponsesRequest>,
) -> Reply<Response> {
    parameters::check(&given.rest, &UNSUPPORTED, &WITHOUT_EFFECT)?;
    if direct::named(&given.model).is_some() {
        let detail = "Models past the experts are asked through `/v1/chat/completions` or `/v1/messages`. Nothing was asked.";
        return Err(Error::invalid("model.door", detail).with_field("/model", "Name an expert, or ask there.").into());
    }
    let heard = heard(given.input, given.instructions)?;
    go_on(&s, &caller, given.previous_response_id.as_deref(), &mut headers).await?;
    let asked = asking::ask(&s, caller, &headers, before, given.model, heard).await?;
    let said = asked.follow(&s).await?;
    let writing = Writing::new(&s, &asked, given.previous_response_id);
    let headers = asked.headers.clone();
    if given.stream == Some(true) {
        return Ok((headers, streaming(events(writing, said))).into_response());
    }
    Ok((headers, Json(Box::pin(whole(writing, said)).await?)).into_response())
}

/// The input as messages that are read like those of the other door.
fn heard(input: Value, instructions: Option<String>) -> Reply<Heard> {
    let mut messages: Vec<Value> = instructions.into_iter().map(|text| json!({ "role": "system", "content": text })).collect();
    match input {
        Value::Array(items) => {
            for (i, mut item) in items.into_iter().enumerate() {
                if item.get("type").is_some_and(|kind| kind != "message") {
                    let error = Error::invalid("message.part", "Only messages are read in the input of an expert. Nothing was asked.");
                    return Err(error.with_field(format!("/input/{i}/type"), "Leave it out.").into());
                }
                for part in item.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
                    if matches!(part["type"].as_str(), Some("input_text" | "output_text")) {
                        part["type"] = "text".into();
                    }
                }
                messages.push(item);
            }
        }
        question => messages.push(json!({ "role": "user", "content": question })),
    }
    let messages: Vec<Message> = serde_json::from_value(Value::Array(messages)).map_err(|e| {
        let error = Error::invalid("request.field", "`input` is neither a text nor a list of messages. Nothing was asked.");
        error.with_field("/input", format!("{e}."))
    })?;
    hear(&messages)
}

/// Names the conversation of an earlier response of the caller as the one to go on with.
async fn go_on(s: &AppState, caller: &Caller, previous: Option<&str>, headers: &mut HeaderMap) -> Reply<()> {
    let Some(previous) = previous else { return Ok(()) };
    let unknown = || Error::not_found("response.unknown", "There is no such response, or it is not yours to see. Nothing was asked.");
    let turn: TurnId = previous.strip_prefix("resp_").and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
    let turn = ask::turn(&s.platform, &caller.cx, turn).await.map_err(|_| unknown())?;
    let conversation = HeaderValue::try_from(turn.conversation_id.to_string()).map_err(Error::internal)?;
    headers.insert(CONVERSATION, conversation);
    Ok(())
}

/// The response while it is written.
struct Writing {
    sheet: Sheet,
    turn: Turn,
    text: String,
    response: ResponseObject,
    /// Number of the next event.
    next: u32,
    request_id: RequestId,
}

impl Writing {
    fn new(s: &AppState, asked: &Asked, previous_response_id: Option<String>) -> Self {
        let response = ResponseObject {
            id: format!("resp_{}", asked.turn.id),
            object: "response",
            created_at: asked.turn.created_at.unix_timestamp(),
            status: "in_progress",
            model: asked.model.clone(),
            output: Vec::new(),
            error: None,
            incomplete_details: None,
            instructions: None,
            metadata: BTreeMap::new(),
            parallel_tool_calls: true,
            tool_choice: "auto",
            tools: Vec::new(),
            previous_response_id,
            usage: None,
            vital: None,
        };
        let sheet = Sheet::new(s.platform.site().to_owned(), asked);
        Self { sheet, turn: asked.turn.clone(), text: String::new(), response, next: 0, request_id: asked.request_id() }
    }

    /// The text so far as a part of the message.
    fn part(&self) -> Value {
        let annotations: Vec<Value> = self.sheet.annotations.iter().map(super::chat::Annotation::flat).collect();
        json!({ "type": "output_text", "text": self.text, "annotations": annotations, "logprobs": [] })
    }

    fn item(&self, status: &str, content: &[Value]) -> Value {
        json!({ "type": "message", "id": self.item_id(), "status": status, "role": "assistant", "content": content })
    }

    fn item_id(&self) -> String {
        format!("msg_{}", self.turn.id.0.simple())
    }

    fn end(&mut self, end: End) {
        let stopped = end.state == TurnState::Stopped;
        self.response.status = if stopped { "incomplete" } else { "completed" };
        self.response.incomplete_details = stopped.then(|| json!({ "reason": "max_output_tokens" }));
        self.response.output = vec![self.item(self.response.status, &[self.part()])];
        self.response.usage = Some(json!({
            "input_tokens": end.input_tokens, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": end.output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": end.input_tokens.saturating_add(end.output_tokens),
        }));
        self.response.vital = Some(asking::note(&self.turn, end));
    }

    fn event(&mut self, kind: &'static str, mut data: Value) -> Event {
        data["type"] = kind.into();
        data["sequence_number"] = self.next.into();
        self.next += 1;
        Event::default().event(kind).data(data.to_string())
    }

    /// An event about the message's only part.
    fn of_part(&mut self, kind: &'static str, mut data: Value) -> Event {
        data["item_id"] = self.item_id().into();
        data["output_index"] = 0.into();
        data["content_index"] = 0.into();
        self.event(kind, data)
    }

    fn take(&mut self, part: Said) -> Vec<Event> {
        match part {
            Said::Begun { model } => {
                self.response.model = model;
                let response = json!({ "response": self.response });
                let item = json!({ "item": self.item("in_progress", &[]), "output_index": 0 });
                let part = json!({ "part": self.part() });
                vec![
                    self.event("response.created", response.clone()),
                    self.event("response.in_progress", response),
                    self.event("response.output_item.added", item),
                    self.of_part("response.content_part.added", part),
                ]
            }
            Said::Text(text) => {
                let text = self.sheet.text(text);
                self.delta(&text)
            }
            Said::Closed { citations, flag } => {
                let known = self.sheet.annotations.len();
                let text = self.sheet.close(citations, flag);
                let mut events = if text.is_empty() { Vec::new() } else { self.delta(&text) };
                let added: Vec<Value> = self.sheet.annotations.iter().skip(known).map(super::chat::Annotation::flat).collect();
                for (n, annotation) in added.into_iter().enumerate() {
                    let data = json!({ "annotation": annotation, "annotation_index": known + n });
                    events.push(self.of_part("response.output_text.annotation.added", data));
                }
                events
            }
            Said::Failed(problem) => {
                problem.log(self.request_id);
                self.response.status = "failed";
                self.response.error = Some(json!({ "code": "server_error", "message": problem.detail(), "vital_code": problem.code() }));
                let failed = json!({ "response": self.response });
                vec![self.event("response.failed", failed)]
            }
            Said::Ended(end) => {
                self.end(end);
                let (text, part) = (json!({ "text": self.text, "logprobs": [] }), json!({ "part": self.part() }));
                let item = json!({ "item": self.response.output[0], "output_index": 0 });
                let last = if self.response.status == "completed" { "response.completed" } else { "response.incomplete" };
                let response = json!({ "response": self.response });
                vec![
                    self.of_part("response.output_text.done", text),
                    self.of_part("response.content_part.done", part),
                    self.event("response.output_item.done", item),
                    self.event(last, response),
                ]
            }
        }
    }

    fn delta(&mut self, text: &str) -> Vec<Event> {
        self.text.push_str(text);
        vec![self.of_part("response.output_text.delta", json!({ "delta": text, "logprobs": [] }))]
    }
}

async fn whole(mut writing: Writing, said: impl Stream<Item = Said>) -> Reply<ResponseObject> {
    let mut said = pin!(said);
    while let Some(part) = said.next().await {
        match part {
            Said::Begun { model } => writing.response.model = model,
            Said::Text(text) => {
                let text = writing.sheet.text(text);
                writing.text.push_str(&text);
            }
            Said::Closed { citations, flag } => {
                let text = writing.sheet.close(citations, flag);
                writing.text.push_str(&text);
            }
            Said::Failed(problem) => return Err(problem),
            Said::Ended(end) => {
                writing.end(end);
                return Ok(writing.response);
            }
        }
    }
    Err(Error::internal("an answer that is followed has no end").into())
}

/// The events of a streamed answer; a failure is `response.failed`, and the end.
fn events(mut writing: Writing, said: impl Stream<Item = Said> + Send + 'static) -> impl Stream<Item = Event> + Send {
    said.map(move |part| stream::iter(writing.take(part))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_a_question_or_messages_and_nothing_else() {
        let said = heard(json!("Why?"), Some("Be brief.".to_owned())).unwrap();
        assert_eq!((said.question.as_str(), said.instructions.as_str()), ("Why?", "Be brief."));
        let said = heard(
            json!([
                { "role": "user", "content": "How long?" },
                { "type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
                  "content": [{ "type": "output_text", "text": "36 months [1].", "annotations": [] }] },
                { "role": "user", "content": [{ "type": "input_text", "text": "And then?" }] },
            ]),
            None,
        )
        .unwrap();
        assert_eq!((said.question.as_str(), said.earlier[0].answer.as_str()), ("And then?", "36 months."));
        let code = |input| heard(input, None).unwrap_err().code().to_owned();
        assert_eq!(code(json!([{ "type": "function_call_output", "call_id": "x", "output": "4" }])), "message.part");
        assert_eq!(code(json!([{ "role": "user", "content": [{ "type": "input_image" }] }])), "message.part");
        assert_eq!((code(json!(7)), code(json!([7]))), ("request.field".to_owned(), "request.field".to_owned()));
    }
}
