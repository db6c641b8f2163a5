//! The transport of the Model Context Protocol over streamable HTTP: who may use which session, and how many there may be.
//!
//! The protocol itself is that of `rmcp`: the revisions with a handshake and sessions (up to 2025-11-25), and the one without
//! (2026-07-28). **Invariants:** a session answers to the owner that opened it and to nobody else, for whom it does not exist; sessions
//! are bounded in number, for each owner and in all, and end when they are not used.
//!
//! Deliberately not here: who the owner is, which origins may call, what the server offers. That is `vital-web/src/mcp/`, and the
//! fixture server of the conformance suite in `examples/`.

mod message;
mod sessions;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{Full, combinators::BoxBody};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService},
};
use sessions::{Opening, Sessions};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Carries the id of a session.
pub const SESSION: &str = "mcp-session-id";
/// How often a quiet stream says that it is alive, so that proxies let it be.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Who opens a session: the same text is the same owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub String);

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions of one owner; a further one closes the one that was unused for longest.
    pub sessions_per_owner: usize,
    /// Sessions in all; a further one is refused.
    pub sessions: usize,
    /// How long a session may be without a message.
    pub idle: Duration,
    /// Size of a message from a client, in bytes.
    pub message_bytes: usize,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such session, or it is somebody else's.
    #[error("there is no such session, or it is somebody else's")]
    UnknownSession,
    /// There are as many sessions as there may be.
    #[error("there are as many sessions as there may be")]
    Full,
    /// The message is over its bound.
    #[error("the message is too large")]
    TooLarge,
    /// The message ended too early.
    #[error("the message broke off")]
    BrokenOff,
}

/// The endpoint: messages in, messages out.
pub struct Endpoint<H> {
    service: StreamableHttpService<H, Sessions>,
    sessions: Arc<Sessions>,
    message_bytes: usize,
}

impl<H> std::fmt::Debug for Endpoint<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl<H: ServerHandler + Send + 'static> Endpoint<H> {
    /// Makes an endpoint. `make` makes what answers: one for each session, and one for each request that belongs to none. `closing` ends
    /// all streams.
    pub fn new(make: impl Fn() -> H + Send + Sync + 'static, bounds: Bounds, closing: CancellationToken) -> Self {
        let sessions = Arc::new(Sessions::new(bounds));
        let config = StreamableHttpServerConfig::default()
            // The caller checks the origin, and a request without a token is nobody's: what a name resolves to changes nothing.
            .disable_allowed_hosts()
            .with_sse_keep_alive(Some(KEEP_ALIVE))
            .with_max_request_body_bytes(bounds.message_bytes)
            .with_cancellation_token(closing);
        let service = StreamableHttpService::new(move || Ok(make()), Arc::clone(&sessions), config);
        Self { service, sessions, message_bytes: bounds.message_bytes }
    }

    /// Answers a request of an owner.
    ///
    /// # Errors
    /// `UnknownSession` when the request names a session that is not the owner's; `Full` when it would open one too many; `TooLarge` and
    /// `BrokenOff` for its message.
    pub async fn answer<B>(&self, owner: Owner, request: Request<B>) -> Result<Response<BoxBody<Bytes, Infallible>>, Refused>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(id) = request.headers().get(SESSION)
            && !id.to_str().is_ok_and(|id| self.sessions.used(id, &owner))
        {
            return Err(Refused::UnknownSession);
        }
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let body = message::read(body, self.message_bytes).await?;
        if head.method == Method::POST
            && is_json(&head.headers)
            && let Some(fault) = message::fault(&body)
        {
            return Ok(fault);
        }
        let (response, full) = Opening::by(owner, self.service.handle(Request::from_parts(head, Full::new(body)))).await;
        if full { Err(Refused::Full) } else { Ok(message::told(&method, response)) }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.count()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
