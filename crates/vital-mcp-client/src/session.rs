//! A session: agreed with the server at its beginning, used for a few requests within one deadline, and given back.
//!
//! Nothing is kept between sessions, so that no answer meets what another left behind at the server.

use crate::{CallResult, Client, ClientError, Listing, exchange::ARGUMENT_BYTES_MAX, exchange::Link, listing, text::readable};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The version of the protocol that is offered.
pub const VERSION: &str = "2025-11-25";
/// The versions that are spoken.
pub const VERSIONS: [&str; 3] = [VERSION, "2025-06-18", "2025-03-26"];
/// Longest name and version that a server gives itself, in characters.
pub const SERVER_NAME_CHARS_MAX: usize = 80;
/// Longest version of the protocol that is told, in characters.
const VERSION_CHARS_MAX: usize = 40;

/// An open session with a tool server.
#[derive(Debug)]
pub struct Session {
    link: Link,
    /// What the server calls itself, readable and short; empty where it says nothing.
    pub server: String,
    /// The version of the protocol that was agreed on.
    pub version: &'static str,
    renewed: bool,
}

impl Session {
    pub(crate) async fn open(client: Client, deadline: Instant) -> Result<Self, ClientError> {
        let mut session = Self { link: Link::new(client, deadline), server: String::new(), version: VERSION, renewed: false };
        session.begin().await?;
        Ok(session)
    }

    async fn begin(&mut self) -> Result<(), ClientError> {
        let client = json!({"name": "vital-path", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client});
        let told = self.link.request("initialize", &params).await?;
        let version = told.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let Some(agreed) = VERSIONS.into_iter().find(|v| *v == version) else {
            return Err(ClientError::Version { told: readable(version, VERSION_CHARS_MAX).0 });
        };
        self.version = agreed;
        self.link.speak(agreed);
        let of = |key: &str| told.pointer(&format!("/serverInfo/{key}")).and_then(Value::as_str).unwrap_or_default();
        self.server = readable(&format!("{} {}", of("name"), of("version")), SERVER_NAME_CHARS_MAX).0.replace(['\n', '\t'], " ");
        self.link.notify("notifications/initialized").await
    }

    /// Sends a request; where the server has ended the session meanwhile, once more in a new one.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value) -> Result<Value, ClientError> {
        match self.link.request(method, params).await {
            Err(ClientError::SessionLost) if !self.renewed => {
                self.renewed = true;
                self.link.forget();
                self.begin().await?;
                self.link.request(method, params).await
            }
            outcome => outcome,
        }
    }

    /// Lists the tools of the server, those that cannot be used apart.
    ///
    /// # Errors
    /// [`ClientError`]; one tool that cannot be used is no error.
    pub async fn tools(&mut self) -> Result<Listing, ClientError> {
        listing::read(self).await
    }

    /// Calls a tool by the name that the server gives it. An error that the tool reports is a result.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<CallResult, ClientError> {
        if arguments.to_string().len() > ARGUMENT_BYTES_MAX {
            return Err(ClientError::Arguments { limit_bytes: ARGUMENT_BYTES_MAX });
        }
        let result = self.ask("tools/call", &json!({"name": tool, "arguments": arguments})).await?;
        CallResult::read(result)
    }

    /// Notices of the server that were dropped so far.
    #[must_use]
    pub const fn notices(&self) -> u32 {
        self.link.notices()
    }

    /// Ends the session at the server. Takes at most three seconds; nobody has to wait for it.
    pub async fn end(self) {
        self.link.close().await;
    }
}
