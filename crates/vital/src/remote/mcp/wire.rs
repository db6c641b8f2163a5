//! Messages over HTTP: which headers go with them, and what comes back.

use super::{super::client::Client, key};
use crate::failure::Failure;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use vital_llm::sse::Decoder;

const PATH: &str = "/mcp";
const SESSION: &str = "mcp-session-id";
const REVISION: &str = "mcp-protocol-version";
/// Where a request without a session names its revision.
const REVISION_META: &str = "io.modelcontextprotocol/protocolVersion";
/// A server sends a comment at least every ten seconds, so a longer silence means a dead connection.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest wait for what is no request.
const REPLY: Duration = Duration::from_secs(30);
/// Longest wait for the end of the session.
const LEAVE: Duration = Duration::from_millis(500);
/// Largest frame that is passed on: a document's largest part, escaped.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Pause before the stream of the session is opened again.
const AGAIN: Duration = Duration::from_secs(3);

/// A line of the client's.
pub(super) struct Message {
    text: String,
    method: Option<String>,
    /// The id, where it is a request.
    pub(super) id: Option<Value>,
    /// The tool, prompt or resource that is meant.
    name: Option<String>,
    /// The revision that the request names for itself.
    pub(super) revision: Option<String>,
    params: Value,
}

impl Message {
    /// Reads a line. What is no message is sent all the same: the server says what is wrong with it.
    pub(super) fn read(text: String) -> Self {
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut params = value.get_mut("params").map(Value::take).unwrap_or_default();
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let method = word(&value["method"]);
        let id = value.get("id").filter(|_| method.is_some()).cloned();
        let name = word(&params["name"]).or_else(|| word(&params["uri"]));
        let revision = word(&params["_meta"][REVISION_META]);
        if method.as_deref() != Some("notifications/cancelled") {
            params = Value::Null;
        }
        Self { text, method, id, name, revision, params }
    }

    /// Whether it opens the session.
    pub(super) fn opens(&self) -> bool {
        self.method.as_deref() == Some("initialize")
    }

    /// The id of the request that it cancels.
    pub(super) fn cancelled(&self) -> Option<&Value> {
        self.params.get("requestId")
    }

    /// What tells it from other requests.
    pub(super) fn key(&self) -> String {
        self.id.as_ref().map(key).unwrap_or_default()
    }
}

/// The session that the server keeps for us, and how it was opened.
#[derive(Clone)]
struct Session {
    id: String,
    revision: String,
    opening: String,
}

/// The server's endpoint.
pub(super) struct Door {
    client: Client,
    session: Mutex<Option<Session>>,
}

impl Door {
    pub(super) fn new(client: Client) -> Self {
        Self { client, session: Mutex::default() }
    }

    fn session(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, session: Option<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn request(&self, method: Method, session: Option<&Session>) -> RequestBuilder {
        let request = self.client.request(method, PATH).header(header::ACCEPT, "application/json, text/event-stream");
        match session {
            Some(session) => request.header(SESSION, &session.id).header(REVISION, &session.revision),
            None => request,
        }
    }

    /// Sends a message and hands on every message that comes back for it.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub(super) async fn send(&self, message: &Message, mut each: impl FnMut(String)) -> anyhow::Result<()> {
        let used = self.session().filter(|_| !message.opens() && message.revision.is_none());
        let mut response = self.post(message, used.as_ref()).await?;
        if let (StatusCode::NOT_FOUND, Some(lost)) = (response.status(), &used) {
            let found = self.open_again(lost).await?;
            response = self.post(message, Some(&found)).await?;
        }
        let status = response.status();
        let given = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        if !status.is_success() {
            return self.refused(response, message, each).await;
        }
        let mut revision = None;
        self.messages(response, |line| {
            if message.opens() {
                revision = revision_of(&line).or(revision.take());
            }
            each(line);
        })
        .await?;
        if let (true, Some(id), Some(revision)) = (message.opens(), given, revision) {
            self.keep(Some(Session { id, revision, opening: message.text.clone() }));
        }
        Ok(())
    }

    async fn post(&self, message: &Message, session: Option<&Session>) -> anyhow::Result<Response> {
        let mut request = self.request(Method::POST, session).header(header::CONTENT_TYPE, "application/json");
        if let Some(revision) = &message.revision {
            request = request.header(REVISION, revision);
            for (header, value) in [("mcp-method", &message.method), ("mcp-name", &message.name)] {
                if let Some(value) = value {
                    request = request.header(header, header_value(value));
                }
            }
        }
        if message.id.is_none() {
            request = request.timeout(REPLY);
        }
        request.body(message.text.clone()).send().await.map_err(|error| self.client.unreachable(&error))
    }

    /// Opens a session in place of one that the server has forgotten, unless that was done meanwhile.
    async fn open_again(&self, lost: &Session) -> anyhow::Result<Session> {
        if let Some(now) = self.session().filter(|now| now.id != lost.id) {
            return Ok(now);
        }
        let response = self.post(&Message::read(lost.opening.clone()), None).await?;
        let id = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(id) = id.filter(|_| response.status().is_success()) else {
            return Err(self.client.problem_of(response).await);
        };
        let mut revision = lost.revision.clone();
        self.messages(response, |line| revision = revision_of(&line).unwrap_or_else(|| revision.clone())).await?;
        let session = Session { id, revision, opening: lost.opening.clone() };
        let ready = Message::read(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        self.post(&ready, Some(&session)).await?;
        self.keep(Some(session.clone()));
        Ok(session)
    }

    /// Hands on what the server sends of itself, for as long as there is a session.
    pub(super) async fn listen(&self, mut each: impl FnMut(String)) {
        while let Some(session) = self.session() {
            let Ok(response) = self.request(Method::GET, Some(&session)).send().await else { return };
            match response.status() {
                StatusCode::OK => drop(self.messages(response, &mut each).await),
                // The next message opens another session.
                StatusCode::NOT_FOUND => {}
                _ => return,
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Tells the server that the session is over.
    pub(super) async fn leave(&self) {
        if let Some(session) = self.session() {
            let _ = self.request(Method::DELETE, Some(&session)).timeout(LEAVE).send().await;
        }
    }

    /// Reads the messages of a reply: one of JSON, or those of an event stream.
    async fn messages(&self, mut response: Response, mut each: impl FnMut(String)) -> anyhow::Result<()> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let streamed = kind.starts_with("text/event-stream");
        let (mut decoder, mut whole) = (Decoder::with_limit(FRAME_BYTES_MAX), Vec::new());
        loop {
            let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                Ok(chunk) => chunk.map_err(|error| self.client.unreachable(&error))?,
                Err(_) => return Err(Failure::new(format!("nothing came for {} s", SILENCE_MAX.as_secs())).into()),
            };
            let Some(chunk) = chunk else { break };
            if streamed {
                for frame in decoder.push(&chunk) {
                    let data = frame?.data;
                    if !data.trim().is_empty() {
                        each(data);
                    }
                }
            } else {
                whole.extend_from_slice(&chunk);
                if whole.len() > FRAME_BYTES_MAX {
                    return Err(Failure::new("the server's reply is too large").into());
                }
            }
        }
        match String::from_utf8(whole) {
            Ok(text) if !text.trim().is_empty() => each(text),
            _ => {}
        }
        Ok(())
    }

    /// Hands on a refusal that is a message already, as the reply to what was asked.
    async fn refused(&self, response: Response, message: &Message, mut each: impl FnMut(String)) -> anyhow::Result<()> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if kind != "application/json" {
            return Err(self.client.problem_of(response).await);
        }
        let id = message.id.clone();
        self.messages(response, |line| {
            let mut told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told["id"].is_null() {
                told["id"] = id.clone().unwrap_or_default();
            }
            each(told.to_string());
        })
        .await
    }
}

/// The revision that the server chose.
fn revision_of(line: &str) -> Option<String> {
    let told: Value = serde_json::from_str(line).ok()?;
    told["result"]["protocolVersion"].as_str().map(str::to_owned)
}

/// A value that may stand in a header; in Base64 where it could not (SEP-2243).
fn header_value(value: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let plain = value.bytes().all(|b| (0x20..0x7f).contains(&b)) && value.trim() == value && !value.starts_with("=?");
    if plain { value.to_owned() } else { format!("=?base64?{}?=", BASE64_STANDARD.encode(value)) }
}

/// Whether a line is the reply to a request.
pub(super) fn is_reply_to(line: &str, id: Option<&Value>) -> bool {
    let told: Value = serde_json::from_str(line).unwrap_or_default();
    told.get("method").is_none() && id.is_some() && told.get("id") == id
}

/// The reply to a request that could not be carried.
pub(super) fn failure(id: &Value, why: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_000, "message": why } }).to_string()
}

/// The reply to what is no message.
pub(super) fn refusal(why: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32_600, "message": why } }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_for_what_it_needs() {
        let call = r#"{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"ask_expert","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let call = Message::read(call.to_owned());
        assert_eq!(
            (call.name.as_deref(), call.revision.as_deref(), call.key().as_str()),
            (Some("ask_expert"), Some("2026-07-28"), "\"7\"")
        );
        assert!(!call.opens() && call.cancelled().is_none());
        let cancel = Message::read(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#.to_owned());
        assert_eq!((cancel.cancelled(), &cancel.id), (Some(&json!(7)), &None));
        let reply = Message::read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned());
        assert!(reply.id.is_none(), "a reply gets none");
        for junk in ["", "null", "[1]", "{", "\"x\""] {
            assert!(Message::read(junk.to_owned()).id.is_none(), "{junk}");
        }
    }

    #[test]
    fn names_stand_in_headers_as_they_are_or_in_base64() {
        assert_eq!(header_value("vital://experts/x"), "vital://experts/x");
        assert_eq!(header_value("é\n"), "=?base64?w6kK?=");
        assert_eq!(header_value("=?base64?eA==?="), "=?base64?PT9iYXNlNjQ/ZUE9PT89?=");
    }

    #[test]
    fn replies_are_told_from_what_comes_before_them() {
        let id = json!(1);
        assert!(is_reply_to(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Some(&id)));
        assert!(!is_reply_to(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Some(&id)));
        assert!(!is_reply_to(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#, Some(&id)));
        assert!(!is_reply_to(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None));
    }
}
