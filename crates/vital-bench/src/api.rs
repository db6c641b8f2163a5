//! What a person's browser does, over the same HTTP API: set up, sign in, upload, ask, search.

use crate::{
    samples::ms,
    server::{Server, http_client},
    stream::Lines,
};
use anyhow::{Context as _, ensure};
use reqwest::{Method, RequestBuilder, multipart};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The administrator of the temporary data folder.
const EMAIL: &str = "bench@example.org";
pub(crate) const PASSWORD: &str = "measured with a stopwatch";
/// How often background work of the server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest wait for background work to go on: without progress for this long, something is wrong.
const STUCK: Duration = Duration::from_secs(180);
/// Documents of one page of the list.
const PAGE: usize = 200;

/// A signed-in client.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// When the parts of an answer came, in milliseconds after the question began to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// The first event, whatever it is.
    pub(crate) first_event_ms: f64,
    /// The first event that carries text of the answer.
    pub(crate) first_token_ms: f64,
    /// The event `done`.
    pub(crate) done_ms: f64,
    /// Whether the evidence was searched by meaning as well.
    pub(crate) by_meaning: bool,
}

impl Api {
    /// Creates the organisation and its administrator through the one-time link, and signs in.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn set_up(server: &Server) -> anyhow::Result<Self> {
        let http = http_client()?;
        let form = [
            ("token", server.setup_token().await?.as_str()),
            ("organisation", "Bench"),
            ("display_name", "Bench"),
            ("email", EMAIL),
            ("password", PASSWORD),
        ]
        .map(|(name, value)| format!("{name}={}", value.replace('@', "%40").replace(' ', "+")))
        .join("&");
        let request = http.post(format!("{}/setup", server.base())).header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await?;
        ensure!(response.status().is_redirection(), "set-up was refused with status {}", response.status());
        let api = Self { http, base: server.base().to_owned(), token: String::new() };
        api.at(server).await
    }

    /// The same person on another start of the server.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn at(&self, server: &Server) -> anyhow::Result<Self> {
        let mut api = Self { base: server.base().to_owned(), ..self.clone() };
        let request = api.http.post(format!("{}/api/v1/session", api.base)).json(&json!({ "email": EMAIL, "password": PASSWORD }));
        let session: Value = value(request).await?;
        api.token = session["token"].as_str().context("signing in returned no token")?.to_owned();
        Ok(api)
    }

    /// Signs in on a server that was set up in an earlier start.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn sign_in(server: &Server) -> anyhow::Result<Self> {
        Self { http: http_client()?, base: String::new(), token: String::new() }.at(server).await
    }

    /// A request to read a page or a resource as the same person, by another client.
    pub(crate) fn by(&self, http: &reqwest::Client, path: &str) -> RequestBuilder {
        http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// The same client with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Sends JSON and reads what comes back.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        value(self.request(Method::POST, path).json(body)).await
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        value(self.request(Method::GET, path)).await
    }

    /// Replaces a resource and reads what comes back.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        value(self.request(Method::PUT, path).json(body)).await
    }

    /// Deletes a resource.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let status = self.request(Method::DELETE, path).send().await?.status();
        ensure!(status.is_success(), "DELETE {path} came with status {status}");
        Ok(())
    }

    /// Somebody else, who has an account already.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn as_somebody(&self, email: &str) -> anyhow::Result<Self> {
        let session = self.post("/api/v1/session", &json!({ "email": email, "password": PASSWORD })).await?;
        Ok(self.with_token(session["token"].as_str().context("signing in returned no token")?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Reads a page or a resource to its end and returns how long it took, in milliseconds.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let response = self.request(Method::GET, path).send().await?;
        let status = response.status();
        response.bytes().await?;
        ensure!(status.is_success(), "GET {path} came with status {status}");
        Ok(ms(begun.elapsed()))
    }

    /// Searches by words and by meaning and returns how long it took, in milliseconds.
    ///
    /// # Errors
    /// When the server refuses, finds nothing, or searched by words alone.
    pub(crate) async fn search(&self, query: &str) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let body =
            self.request(Method::GET, &format!("/api/v1/search?limit=10&q={query}")).send().await?.error_for_status()?.bytes().await?;
        let taken = ms(begun.elapsed());
        let found: Value = serde_json::from_slice(&body)?;
        let by_meaning =
            found["by_meaning"] == true && found["hits"].as_array().is_some_and(|hits| hits.iter().any(|hit| hit["dense"].is_number()));
        ensure!(by_meaning, "`{query}` was not searched by meaning: {}", found["note"]);
        Ok(taken)
    }

    /// Waits until the model is loaded.
    ///
    /// # Errors
    /// When the server has none.
    pub(crate) async fn model_ready(&self) -> anyhow::Result<()> {
        loop {
            let ready: Value = value(self.request(Method::GET, "/readyz")).await?;
            match ready["embedding"].as_str() {
                None => return Ok(()),
                Some(note) if note.contains("loading") => tokio::time::sleep(LOOK_EVERY).await,
                Some(note) => anyhow::bail!("the embedding model cannot be measured: {note}"),
            }
        }
    }

    /// Waits until the starter library can be found, by meaning as well if asked for.
    ///
    /// # Errors
    /// When nothing happens for three minutes.
    pub(crate) async fn library_ready(&self, by_meaning: bool) -> anyhow::Result<()> {
        if by_meaning {
            self.model_ready().await?;
        }
        self.documents_ready(by_meaning).await.map(drop)
    }

    /// Waits until every document is ready, and embedded if asked for. Returns the number of passages.
    ///
    /// # Errors
    /// When a document failed or nothing happens for three minutes.
    pub(crate) async fn documents_ready(&self, by_meaning: bool) -> anyhow::Result<u64> {
        let (mut seen, mut changed) = (None, Instant::now());
        loop {
            let documents = self.documents().await?;
            let sum = |name: &str| documents.iter().filter_map(|d| d[name].as_u64()).sum::<u64>();
            let ready = documents.iter().filter(|d| d["state"] == "ready").count();
            if let Some(failed) = documents.iter().find(|d| d["state"] == "failed") {
                anyhow::bail!("a document could not be read: {}", failed["failure"]);
            }
            let (passages, embedded) = (sum("passages"), sum("embedded"));
            if !documents.is_empty() && ready == documents.len() && (!by_meaning || embedded == passages) {
                return Ok(passages);
            }
            let now = Some((documents.len(), ready, embedded));
            if seen != now {
                (seen, changed) = (now, Instant::now());
            }
            ensure!(
                changed.elapsed() < STUCK,
                "background work stands still: {ready} of {} documents, {embedded} of {passages} passages embedded",
                documents.len()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn documents(&self) -> anyhow::Result<Vec<Value>> {
        let (mut all, mut cursor): (Vec<Value>, String) = (Vec::new(), String::new());
        loop {
            let mut page: Value = value(self.request(Method::GET, &format!("/api/v1/documents?limit={PAGE}{cursor}"))).await?;
            if let Some(items) = page["items"].as_array_mut() {
                all.append(items);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Uploads a document and returns its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn upload(&self, file_name: &str, text: String) -> anyhow::Result<String> {
        let file = multipart::Part::text(text).file_name(file_name.to_owned()).mime_str("text/markdown")?;
        let form = multipart::Form::new().part("file", file);
        let stored: Value = value(self.request(Method::POST, "/api/v1/documents").multipart(form)).await?;
        Ok(stored["id"].as_str().context("a document came without an id")?.to_owned())
    }

    /// Opens a conversation in which the platform chooses the expert, and returns its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn open_conversation(&self) -> anyhow::Result<String> {
        let opened: Value = value(self.request(Method::POST, "/api/v1/conversations").json(&json!({}))).await?;
        Ok(opened["id"].as_str().context("a conversation came without an id")?.to_owned())
    }

    /// Asks, then follows the events of the answer to their end.
    ///
    /// # Errors
    /// When the server refuses or the turn ended in any other way than answered.
    pub(crate) async fn ask(&self, conversation: &str, question: &str) -> anyhow::Result<Answered> {
        let begun = Instant::now();
        let request =
            self.request(Method::POST, &format!("/api/v1/conversations/{conversation}/turns")).json(&json!({ "question": question }));
        let turn: Value = value(request).await?;
        let id = turn["id"].as_str().context("a turn came without an id")?;
        let events = self.request(Method::GET, &format!("/api/v1/turns/{id}/events")).send().await?.error_for_status()?;
        let mut lines = Lines::of(events);
        let (mut first_event_ms, mut first_token_ms, mut done_ms) = (f64::NAN, f64::NAN, f64::NAN);
        let mut by_meaning = false;
        while let Some(line) = lines.next().await? {
            if let Some(name) = line.strip_prefix("event: ") {
                let now = ms(begun.elapsed());
                first_event_ms = first_event_ms.min(now);
                match name {
                    "token" => first_token_ms = first_token_ms.min(now),
                    "done" => done_ms = now,
                    _ => {}
                }
            } else if line.contains("\"kind\":\"retrieved\"") {
                by_meaning = line.contains("\"by_meaning\":true");
            } else if !done_ms.is_nan() && line.starts_with("data: ") {
                ensure!(line.contains("\"state\":\"answered\""), "`{question}` was not answered: {line}");
            }
        }
        ensure!(!first_token_ms.is_nan() && !done_ms.is_nan(), "the events of `{question}` ended before the answer did");
        Ok(Answered { first_event_ms, first_token_ms, done_ms, by_meaning })
    }
}

async fn value<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> anyhow::Result<T> {
    let response = request.send().await?;
    let (status, address) = (response.status(), response.url().clone());
    let body = response.bytes().await?;
    ensure!(status.is_success(), "{} came with status {status}: {}", address.path(), String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).with_context(|| format!("{} came with something that is not expected", address.path()))
}
