//! The one HTTP client towards identity providers, with limits on time, size, type and address.
//!
//! **Invariant:** redirects are not followed; no proxy, cookie or credential is taken from the environment; a request goes to https
//! alone, or in development to a loopback host. A body is cut while it streams, before it is parsed.
//! Deliberately not here: a filter of resolved addresses; that is the outbound client's work.

use crate::{FederationError, jwks::KeySet, oidc::Metadata, remembered::Remembered};
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{ACCEPT, CONTENT_TYPE},
    redirect,
};
use rustls::crypto::{CryptoProvider, ring};
use serde::{Deserialize, de::DeserializeOwned};
use std::{net::IpAddr, time::Duration};

/// Longest time for a whole exchange, from the name look-up to the last byte.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for the connection and its TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest body of an answer, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest OAuth error word that is passed on, in bytes.
const OAUTH_ERROR_BYTES_MAX: usize = 60;

/// The client, and the documents of providers that it remembers; clones share both.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    allow_loopback_http: bool,
    pub(crate) metadata: Remembered<Metadata>,
    pub(crate) key_sets: Remembered<KeySet>,
}

/// The settings of an [`Http`].
#[derive(Clone, Debug)]
pub struct HttpBuilder {
    allow_loopback_http: bool,
    timeout: Duration,
}

impl HttpBuilder {
    /// Accepts plain http towards `localhost`, 127.0.0.0/8 and ::1, for development and tests. Off by default.
    #[must_use]
    pub const fn allow_loopback_http(mut self, allow: bool) -> Self {
        self.allow_loopback_http = allow;
        self
    }

    /// Sets the limit of a whole exchange; never longer than [`TOTAL_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(TOTAL_TIMEOUT);
        self
    }

    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`FederationError::Settings`] when the system's certificates cannot be read.
    pub fn build(self) -> Result<Http, FederationError> {
        // The binary's main installs it first; building a client without one would panic.
        if CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            let _ = ring::default_provider().install_default();
        }
        let client = Client::builder()
            .user_agent("vital-path")
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout)
            .build()
            .map_err(|_| FederationError::Settings { what: "no HTTPS client could be made; check the system's root certificates" })?;
        Ok(Http { client, allow_loopback_http: self.allow_loopback_http, metadata: Remembered::new(), key_sets: Remembered::new() })
    }
}

impl Http {
    /// Begins the settings of a client.
    #[must_use]
    pub const fn builder() -> HttpBuilder {
        HttpBuilder { allow_loopback_http: false, timeout: TOTAL_TIMEOUT }
    }

    /// Reads an address and checks that a request may go there: https, or loopback where that is allowed; no user, no fragment.
    ///
    /// # Errors
    /// [`FederationError::Settings`] with what is wrong.
    pub fn address(&self, text: &str) -> Result<Url, FederationError> {
        let url = Url::parse(text).map_err(|_| FederationError::Settings { what: "an address is not a URL" })?;
        self.check(&url).map_err(|what| FederationError::Settings { what })?;
        Ok(url)
    }

    pub(crate) fn check(&self, url: &Url) -> Result<(), &'static str> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => self.allow_loopback_http && is_loopback(url),
            _ => false,
        };
        if !secure {
            return Err("an address is not https");
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("an address has a user, a password or a fragment");
        }
        Ok(())
    }

    /// Fetches a JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &Url, bearer: Option<&str>) -> Result<T, FederationError> {
        let request = self.client.get(url.clone());
        self.send(url, bearer.into_iter().fold(request, RequestBuilder::bearer_auth)).await
    }

    /// Posts a form and reads the JSON answer.
    pub(crate) async fn post_form<T: DeserializeOwned>(
        &self,
        url: &Url,
        basic: Option<(String, String)>,
        form: &[(&str, &str)],
    ) -> Result<T, FederationError> {
        let body = serde_urlencoded::to_string(form).map_err(|_| FederationError::Settings { what: "a form cannot be written" })?;
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        self.send(url, basic.into_iter().fold(request, |request, (user, password)| request.basic_auth(user, Some(password)))).await
    }

    async fn send<T: DeserializeOwned>(&self, url: &Url, request: RequestBuilder) -> Result<T, FederationError> {
        self.check(url).map_err(|what| FederationError::Settings { what })?;
        let response = request.header(ACCEPT, "application/json").send().await.map_err(|error| transport(url, &error))?;
        let status = response.status();
        let is_json = is_json(&response);
        if !status.is_success() {
            // The status is the message; the body only adds a word to it, so an unreadable one changes nothing.
            let oauth_error = match is_json {
                true => body(url, response).await.ok().and_then(|bytes| oauth_error(&bytes)),
                false => None,
            };
            return Err(FederationError::Status { host: host(url), status: status.as_u16(), oauth_error });
        }
        if !is_json {
            return Err(nonsense(url, "the answer is not JSON"));
        }
        let bytes = body(url, response).await?;
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

async fn body(url: &Url, mut response: Response) -> Result<Vec<u8>, FederationError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(url, &error))? {
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(nonsense(url, "the answer is too large"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn oauth_error(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: String,
    }
    let body: ErrorBody = serde_json::from_slice(body).ok()?;
    oauth_error_word(&body.error).map(str::to_owned)
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // RFC 6839 section 3.1: a structured suffix, as in application/jwk-set+json.
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn transport(url: &Url, error: &reqwest::Error) -> FederationError {
    match error.is_timeout() {
        true => FederationError::TooSlow { host: host(url) },
        false => FederationError::Unreachable { host: host(url) },
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
