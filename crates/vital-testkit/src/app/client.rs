//! A client of the server: requests that read as what they ask, and replies that say what came when they are not as expected.

use super::{PATIENCE, events::Events};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::fmt::Write as _;

/// A client with an identity.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    pub(super) const fn new(http: reqwest::Client, base: String, token: Option<String>) -> Self {
        Self { http, base, token }
    }

    /// A client of a server that the test runs as a program of its own, with a token or as nobody.
    #[must_use]
    pub fn of(base: &str, token: Option<String>) -> Self {
        vital_llm::ensure_crypto_provider();
        #[expect(clippy::disallowed_methods, reason = "the client of the server that the test started")]
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self::new(http, base.to_owned(), token)
    }

    /// The token that it sends.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same server, without an identity.
    #[must_use]
    pub fn signed_out(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// A request to be completed.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Request {
        let builder = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base)).timeout(PATIENCE);
        Request(match &self.token {
            Some(token) => builder.bearer_auth(token),
            None => builder,
        })
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send().await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.request("POST", path).json(body).send().await
    }

    /// Does something that needs no body.
    pub async fn act(&self, path: &str) -> Reply {
        self.request("POST", path).send().await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send().await
    }

    /// Uploads a file to the organisation's own collection.
    pub async fn upload(&self, file_name: &str, bytes: impl Into<Vec<u8>>) -> Reply {
        self.request("POST", "/api/v1/documents").form_data(&Form::new().file(file_name, bytes)).send().await
    }

    /// Opens a conversation in which the platform chooses, and returns its id.
    pub async fn open(&self) -> String {
        let opened = self.post("/api/v1/conversations", &serde_json::json!({})).await.expect(201).json();
        opened["id"].as_str().unwrap().to_owned()
    }

    /// Asks in a conversation and returns the id of the turn.
    pub async fn ask(&self, conversation: &str, question: &str) -> String {
        let path = format!("/api/v1/conversations/{conversation}/turns");
        let asked = self.post(&path, &serde_json::json!({ "question": question })).await.expect(202).json();
        asked["id"].as_str().unwrap().to_owned()
    }

    /// A turn as the API shows it.
    pub async fn turn(&self, turn: &str) -> Value {
        self.get(&format!("/api/v1/turns/{turn}")).await.expect(200).json()
    }

    /// Follows a turn behind the event with this number, or from the beginning.
    pub async fn follow(&self, turn: &str, last: Option<i64>) -> Events {
        let mut builder = self.http.get(format!("{}/api/v1/turns/{turn}/events", self.base));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(last) = last {
            builder = builder.header("last-event-id", last);
        }
        let response = builder.send().await.unwrap();
        assert_eq!(response.status(), 200, "the stream of a turn");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events::new(response)
    }
}

/// A request to be completed and sent.
#[derive(Debug)]
pub struct Request(reqwest::RequestBuilder);

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let (name, value): (HeaderName, HeaderValue) = (name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        Self(self.0.header(name, value))
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// Sends bytes of a media type.
    #[must_use]
    pub fn body(self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self(self.0.header("content-type", media_type).body(bytes.into()))
    }

    /// Sends a form with files.
    #[must_use]
    pub fn form_data(self, form: &Form) -> Self {
        self.body(&Form::media_type(), form.bytes())
    }

    /// Sends a form as pages do. Names and values must need no escapes but those of spaces, `@` and `=`.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let escaped = |text: &str| {
            text.bytes().fold(String::new(), |mut out, b| {
                let _infallible = if b.is_ascii_alphanumeric() { out.write_char(b as char) } else { write!(out, "%{b:02X}") };
                out
            })
        };
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    /// Sends it and reads the reply as a stream of events.
    pub async fn events(self) -> Events {
        let response = self.0.send().await.unwrap_or_else(|e| panic!("the server does not answer: {e:?}"));
        assert_eq!(response.status(), 200, "a stream");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events::new(response)
    }

    /// Sends it and reads the whole reply.
    pub async fn send(self) -> Reply {
        let response = self.0.send().await.unwrap_or_else(|e| panic!("the server does not answer: {e:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|e| panic!("the reply broke off: {e:?}"));
        Reply { status, headers, body }
    }
}

/// A form with files (RFC 7578), byte by byte as the test wants it.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<u8>);

impl Form {
    const BOUNDARY: &'static str = "vital-test-boundary-7d1";

    /// An empty form.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its media type.
    #[must_use]
    pub fn media_type() -> String {
        format!("multipart/form-data; boundary={}", Self::BOUNDARY)
    }

    /// Adds a file in the field `file`. The name stands between quotes as it is.
    #[must_use]
    pub fn file(self, file_name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.part(&format!("name=\"file\"; filename=\"{file_name}\""), &bytes.into())
    }

    /// Adds a text field.
    #[must_use]
    pub fn field(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    fn part(mut self, disposition: &str, bytes: &[u8]) -> Self {
        self.0.extend(format!("--{}\r\ncontent-disposition: form-data; {disposition}\r\n\r\n", Self::BOUNDARY).bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    /// The whole body.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes.extend(format!("--{}--\r\n", Self::BOUNDARY).bytes());
        bytes
    }
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Fails unless it is a problem (RFC 9457) with this status and code; returns it.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The entries of a page of a list.
    #[track_caller]
    #[must_use]
    pub fn items(&self) -> Value {
        let mut page = self.json();
        assert!(page["items"].is_array() && page.get("next_cursor").is_some(), "no page of a list: {page}");
        page["items"].take()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header; none if it is absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Everything that came, head and body, for searching words in it.
    #[must_use]
    pub fn everything(&self) -> String {
        let mut all = String::new();
        for (name, value) in &self.headers {
            let _infallible = writeln!(all, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        all.push_str(&self.text());
        all
    }
}
