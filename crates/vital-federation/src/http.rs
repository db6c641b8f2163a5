//! Requests to identity providers through the platform's one outbound client, and the documents of providers that are remembered.
//!
//! **Invariant:** a request goes where [`Outbound`] lets an address go that somebody of an organisation typed; time, size, type and
//! redirects are its [`Purpose::IdentityProvider`]'s. What a provider sends is only read when it calls itself JSON.

use crate::{FederationError, jwks::KeySet, oidc::Metadata, remembered::Remembered};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use vital_outbound::{Accept, AddressFault, Egress, Limits, Outbound, OutboundError, Purpose, Request, Response, Url, header::HeaderValue};

const LIMITS: Limits = Purpose::IdentityProvider.limits();
/// Longest time for a whole exchange, from the name look-up to the last byte.
pub const TOTAL_TIMEOUT: Duration = LIMITS.total;
/// Longest OAuth error word that is passed on, in bytes.
const OAUTH_ERROR_BYTES_MAX: usize = 60;

/// The client, and the documents of providers that it remembers; clones share both.
#[derive(Clone, Debug)]
pub struct Http {
    outbound: Outbound,
    pub(crate) metadata: Remembered<Metadata>,
    pub(crate) key_sets: Remembered<KeySet>,
}

/// The settings of an [`Http`].
#[derive(Clone, Debug)]
pub struct HttpBuilder {
    egress: Egress,
    limits: Limits,
}

impl HttpBuilder {
    /// Sets where requests may go; by default to every public host.
    #[must_use]
    pub fn egress(mut self, egress: Egress) -> Self {
        self.egress = egress;
        self
    }

    /// Sets the limit of a whole exchange, the connection included; never longer than [`TOTAL_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let total = timeout.min(LIMITS.total);
        self.limits = Limits { connect: total.min(LIMITS.connect), first_byte: total, total, ..LIMITS };
        self
    }

    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`FederationError::Settings`] when the system's certificates cannot be read.
    pub fn build(self) -> Result<Http, FederationError> {
        let outbound = Outbound::builder(Purpose::IdentityProvider).egress(self.egress).limits(self.limits).build();
        let outbound = outbound
            .map_err(|_| FederationError::Settings { what: "no HTTPS client could be made; check the system's root certificates" })?;
        Ok(Http { outbound, metadata: Remembered::new(), key_sets: Remembered::new() })
    }
}

impl Http {
    /// Begins the settings of a client.
    #[must_use]
    pub fn builder() -> HttpBuilder {
        HttpBuilder { egress: Egress::default(), limits: LIMITS }
    }

    /// The same client with nothing remembered: what it is asked, it asks anew.
    #[must_use]
    pub fn forgetful(&self) -> Self {
        Self { outbound: self.outbound.clone(), metadata: Remembered::new(), key_sets: Remembered::new() }
    }

    /// Reads an address and checks that a request may go there, as far as its text says.
    ///
    /// # Errors
    /// [`FederationError::Settings`] with what is wrong.
    pub fn address(&self, text: &str) -> Result<Url, FederationError> {
        self.outbound.address(text).map_err(wrong_address)
    }

    /// Reads an address that the person's browser is sent to. We do not ask it ourselves, so the operator's list has no say.
    pub(crate) fn browser_address(&self, text: &str) -> Result<Url, FederationError> {
        match self.outbound.address(text) {
            Err(AddressFault::NotAllowed) => Url::parse(text).ok().filter(|url| url.scheme() == "https").ok_or(AddressFault::NotHttps),
            outcome => outcome,
        }
        .map_err(wrong_address)
    }

    /// Fetches a JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &Url, bearer: Option<&str>) -> Result<T, FederationError> {
        let request = Request::get(url.clone(), Accept::Json);
        match bearer {
            Some(token) => self.send(url, authorized(request, format!("Bearer {token}"))?).await,
            None => self.send(url, request).await,
        }
    }

    /// Posts a form and reads the JSON answer.
    pub(crate) async fn post_form<T: DeserializeOwned>(
        &self,
        url: &Url,
        basic: Option<(String, String)>,
        form: &[(&str, &str)],
    ) -> Result<T, FederationError> {
        let body = serde_urlencoded::to_string(form).map_err(|_| FederationError::Settings { what: "a form cannot be written" })?;
        let request = Request::post(url.clone(), Accept::Json, "application/x-www-form-urlencoded", body);
        match basic {
            Some((user, password)) => {
                // RFC 7617 section 2.
                self.send(url, authorized(request, format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?).await
            }
            None => self.send(url, request).await,
        }
    }

    async fn send<T: DeserializeOwned>(&self, url: &Url, request: Request) -> Result<T, FederationError> {
        let response = self.outbound.send(request).await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(FederationError::Status { host: host(url), status: status.as_u16(), oauth_error: oauth_error(response).await });
        }
        let bytes = response.bytes().await.map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|_| nonsense(url, "the answer lacks fields or has wrong ones"))
    }
}

/// The error for an answer that cannot be used.
pub(crate) fn nonsense(url: &Url, what: &'static str) -> FederationError {
    FederationError::Nonsense { host: host(url), what }
}

/// Returns an OAuth error word if that is all there is (RFC 6749 allows more; every registered word has this form).
pub(crate) fn oauth_error_word(text: &str) -> Option<&str> {
    let is_word =
        !text.is_empty() && text.len() <= OAUTH_ERROR_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some(text)
}

fn authorized(request: Request, credentials: String) -> Result<Request, FederationError> {
    match HeaderValue::try_from(credentials) {
        Ok(value) => Ok(request.authorization(value)),
        Err(_) => Err(FederationError::Settings { what: "a credential has characters that cannot be sent" }),
    }
}

/// The word of an error answer. The status is the message; the body only adds a word to it, so an unreadable one changes nothing.
async fn oauth_error(response: Response) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: String,
    }
    if !response.is(Accept::Json) {
        return None;
    }
    let body: ErrorBody = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
    oauth_error_word(&body.error).map(str::to_owned)
}

fn wrong_address(fault: AddressFault) -> FederationError {
    let what = match fault {
        AddressFault::NotUrl => "an address is not a URL",
        AddressFault::NotHttps => "an address is not https",
        AddressFault::Credentials | AddressFault::Fragment => "an address has a user, a password or a fragment",
        AddressFault::Spelling => "the host of an address is not written in its plain form",
        AddressFault::NotAllowed => "an address is not allowed; whoever runs the platform can allow it",
    };
    FederationError::Settings { what }
}

/// The words for a provider that could not be asked: why it was not reached is one thing, for the reasons in `vital-outbound`.
fn failed(error: OutboundError) -> FederationError {
    match error {
        OutboundError::Address(fault) => wrong_address(fault),
        OutboundError::Unreachable { host } | OutboundError::Cut { host } => FederationError::Unreachable { host },
        OutboundError::TooSlow { host } => FederationError::TooSlow { host },
        OutboundError::TooLarge { host, .. } | OutboundError::Headers { host } => {
            FederationError::Nonsense { host, what: "the answer is too large" }
        }
        OutboundError::Type { host } => FederationError::Nonsense { host, what: "the answer is not JSON" },
        OutboundError::Encoded { host } => FederationError::Nonsense { host, what: "the answer is compressed" },
        OutboundError::Redirect { host } => FederationError::Nonsense { host, what: "the answer leads elsewhere" },
        OutboundError::Client { .. } => FederationError::Settings { what: "no HTTPS client could be made" },
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
