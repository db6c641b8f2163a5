//! One request and its reply over streamable HTTP
//! (<https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http>).
//!
//! **Invariant:** a request has one reply: the first message with its id, and then the answer is closed; a reply to anything else ends it.

use crate::{
    Client, ClientError,
    message::{self, Message},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use vital_outbound::{
    Accept, Method, Request, Response,
    header::{HeaderMap, HeaderName, HeaderValue},
    sse::Decoder,
};

/// Largest answer to one request, in bytes, whatever else the stream carries.
pub const REPLY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest arguments of a call, in bytes.
pub const ARGUMENT_BYTES_MAX: usize = 256 * 1024;
/// How long the head of an answer may take.
pub const FIRST_BYTE: Duration = Duration::from_secs(30);
/// How long an answer may be silent.
pub const BETWEEN: Duration = Duration::from_secs(15);
/// Notices that a server may send within a session; they are dropped.
pub const NOTICES_MAX: u32 = 1_000;
/// Requests of its own that a server may send within a session.
pub const REQUESTS_MAX: u32 = 16;
/// How long a message may take for which nobody waits.
const ASIDE: Duration = Duration::from_secs(3);
/// Longest id of a session, in bytes.
const SESSION_BYTES_MAX: usize = 1_024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL: HeaderName = HeaderName::from_static("mcp-protocol-version");
const ACCEPT: Accept = Accept::Types(&["application/json", "text/event-stream"]);

/// What goes along with every request of a session.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
    deadline: Instant,
    last_id: u64,
    notices: u32,
    asked: u32,
}

impl Link {
    pub(crate) const fn new(client: Client, deadline: Instant) -> Self {
        Self { client, session: None, version: None, deadline, last_id: 0, notices: 0, asked: 0 }
    }

    /// Begins anew: what the server said of the former session is forgotten.
    pub(crate) fn forget(&mut self) {
        (self.session, self.version) = (None, None);
    }

    pub(crate) fn speak(&mut self, version: &'static str) {
        self.version = Some(HeaderValue::from_static(version));
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = self.client.headers.clone();
        headers.extend(self.session.clone().map(|id| (SESSION, id)));
        headers.extend(self.version.clone().map(|version| (PROTOCOL, version)));
        headers
    }

    async fn post(&self, body: &Value, within: Duration) -> Result<Response, ClientError> {
        let until = self.deadline.min(Instant::now() + within);
        let request = Request::post(self.client.url.clone(), ACCEPT, "application/json", body.to_string()).headers(self.headers());
        Ok(timeout_at(until, self.client.outbound.send(request)).await.map_err(|_| ClientError::TooSlow)??)
    }

    /// Sends a request and waits for its reply.
    pub(crate) async fn request(&mut self, method: &str, params: &Value) -> Result<Value, ClientError> {
        self.last_id += 1;
        let id = self.last_id;
        let mut response = self.post(&message::request(id, method, params), FIRST_BYTE).await?;
        self.judge(&mut response).await?;
        if method == "initialize" {
            self.session = session_of(response.headers())?;
        }
        if response.is(Accept::EventStream) { self.streamed(response, id).await } else { self.whole(response, id).await }
    }

    /// Sends a notice. That it arrived is all that counts.
    pub(crate) async fn notify(&mut self, method: &str) -> Result<(), ClientError> {
        match self.post(&message::notice(method), FIRST_BYTE).await {
            // It was accepted, with a body of no type.
            Err(ClientError::Garbled { .. }) => Ok(()),
            Ok(mut response) => self.judge(&mut response).await,
            Err(error) => Err(error),
        }
    }

    /// Tells the server that the session is over; what it says to that is of no interest.
    pub(crate) async fn close(self) {
        if self.session.is_some() {
            let request = Request::new(Method::DELETE, self.client.url.clone(), ACCEPT).headers(self.headers());
            let _ = timeout_at(Instant::now() + ASIDE, self.client.outbound.send(request)).await;
        }
    }

    /// What a status means; an error of the protocol may come with one.
    async fn judge(&self, response: &mut Response) -> Result<(), ClientError> {
        let status = response.status();
        Err(match status.as_u16() {
            200..=299 => return Ok(()),
            300..=399 => ClientError::Redirected,
            401 | 403 => ClientError::Unauthorized,
            404 if self.session.is_some() => ClientError::SessionLost,
            404 | 405 | 410 => ClientError::NotThere,
            429 => ClientError::Limited,
            _ if response.is(Accept::Json) => match Message::read(&self.body(response).await?) {
                Ok(Message::Reply { outcome: Err(refused), .. }) => refused,
                _ => ClientError::Status { status: status.as_u16() },
            },
            status => ClientError::Status { status },
        })
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<impl AsRef<[u8]> + use<>>, ClientError> {
        let until = self.deadline.min(Instant::now() + BETWEEN);
        Ok(timeout_at(until, response.chunk()).await.map_err(|_| ClientError::TooSlow)??)
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(response).await? {
            body.extend_from_slice(chunk.as_ref());
            bounded(body.len())?;
        }
        Ok(body)
    }

    async fn whole(&mut self, mut response: Response, id: u64) -> Result<Value, ClientError> {
        let body = self.body(&mut response).await?;
        let reply = self.take(&body, id).await?;
        reply.unwrap_or(Err(ClientError::Garbled { what: "its answer is no reply" }))
    }

    async fn streamed(&mut self, mut response: Response, id: u64) -> Result<Value, ClientError> {
        let limit = usize::try_from(REPLY_BYTES_MAX).unwrap_or(usize::MAX);
        let (mut decoder, mut read) = (Decoder::with_limit(limit), 0);
        while let Some(chunk) = self.chunk(&mut response).await? {
            read += chunk.as_ref().len();
            bounded(read)?;
            for frame in decoder.push(chunk.as_ref()) {
                let frame = frame.map_err(|_| ClientError::TooLarge { limit_bytes: REPLY_BYTES_MAX })?;
                // A frame without data only gives an id to resume from.
                if frame.data.is_empty() || frame.event.is_some_and(|event| event != "message") {
                    continue;
                }
                if let Some(reply) = self.take(frame.data.as_bytes(), id).await? {
                    return reply;
                }
            }
        }
        Err(ClientError::Cut)
    }

    /// The reply that a message is; none for what a server sends beside it.
    async fn take(&mut self, bytes: &[u8], id: u64) -> Result<Option<Result<Value, ClientError>>, ClientError> {
        match Message::read(bytes)? {
            Message::Reply { id: of, outcome } if of == id || (of.is_null() && outcome.is_err()) => Ok(Some(outcome)),
            Message::Reply { .. } => Err(ClientError::Garbled { what: "it replied to a request that was not sent" }),
            Message::Notice if self.notices >= NOTICES_MAX => Err(ClientError::TooMany { what: "notices" }),
            Message::Notice => {
                self.notices += 1;
                Ok(None)
            }
            Message::Request { .. } if self.asked >= REQUESTS_MAX => Err(ClientError::TooMany { what: "requests of its own" }),
            Message::Request { answer } => {
                self.asked += 1;
                // If the answer does not arrive, the server waits or goes on; the time limits hold either way.
                let _ = self.post(&answer, ASIDE).await;
                Ok(None)
            }
        }
    }

    /// Notices that were dropped so far.
    pub(crate) const fn notices(&self) -> u32 {
        self.notices
    }
}

fn bounded(bytes: usize) -> Result<(), ClientError> {
    if bytes as u64 > REPLY_BYTES_MAX { Err(ClientError::TooLarge { limit_bytes: REPLY_BYTES_MAX }) } else { Ok(()) }
}

fn session_of(headers: &HeaderMap) -> Result<Option<HeaderValue>, ClientError> {
    let Some(id) = headers.get(SESSION) else { return Ok(None) };
    let fine = (1..=SESSION_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    let mut id = fine.then(|| id.clone()).ok_or(ClientError::Garbled { what: "the id of its session is not readable" })?;
    id.set_sensitive(true);
    Ok(Some(id))
}
