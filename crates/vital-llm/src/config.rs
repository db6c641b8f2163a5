//! The settings of one provider and their checks.

use crate::LlmError;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, time::Duration};
use vital_outbound::{Url, header::HeaderValue};
use zeroize::Zeroizing;

/// Longest timeout that can be set.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// The wire format that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WireFormat {
    /// Chat completions: OpenAI, Ollama, vLLM, llama.cpp and many gateways.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic messages.
    #[serde(rename = "anthropic")]
    Anthropic,
}

/// A provider's key: never shown, wiped from memory when dropped.
///
/// The HTTP client keeps its own copy in a header that is marked as sensitive; that copy is not wiped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes a key; white space around it is dropped, for files end with a line feed.
    #[must_use]
    pub fn new(key: String) -> Self {
        let key = Zeroizing::new(key);
        Self(Zeroizing::new(key.trim().to_owned()))
    }

    /// The header value `prefix` + key.
    ///
    /// # Errors
    /// [`LlmError::Config`] if the key is empty or not visible ASCII.
    pub(crate) fn header(&self, prefix: &str) -> Result<HeaderValue, LlmError> {
        if self.0.is_empty() || !self.0.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(config(
                "the key is empty or has characters other than visible ASCII; check the file or variable that it comes from",
            ));
        }
        let value = Zeroizing::new(format!("{prefix}{}", *self.0));
        let mut header = HeaderValue::from_str(&value).map_err(|_| config("the key cannot be sent in a header"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

/// How long to wait for a provider; each more than zero and at most [`TIMEOUT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection, name resolution and TLS included.
    pub connect: Duration,
    /// From sending the request to the first thing generated.
    pub first_token: Duration,
    /// Between two things generated; comments and pings do not count.
    pub between_tokens: Duration,
    /// For the whole answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(20),
            between_tokens: Duration::from_secs(15),
            total: Duration::from_secs(300),
        }
    }
}

/// The settings of one provider.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The name under which people and logs know it.
    pub name: String,
    /// The wire format that it speaks.
    pub format: WireFormat,
    /// Where it is, for example `https://api.openai.com/v1`, `http://127.0.0.1:11434` or `https://api.anthropic.com`.
    ///
    /// `/v1` is added where the path is empty, and for Anthropic wherever it is not the end of the path.
    pub base_url: String,
    /// Allows plain HTTP to a host that is not this machine, for models in a private network.
    pub allow_http: bool,
    /// The model, in the provider's own name.
    pub model: String,
    /// The key, if the provider wants one.
    pub api_key: Option<ApiKey>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Most tokens to generate, at least 1.
    pub max_output_tokens: u32,
    /// Sampling temperature: 0 to 2, for Anthropic 0 to 1. At 1, the default of both formats, it is not sent, because
    /// reasoning models refuse the field.
    pub temperature: f32,
}

impl ProviderConfig {
    /// Checks the settings and returns the address that requests go to.
    ///
    /// # Errors
    /// [`LlmError::Config`] with what is wrong and what would be right.
    pub(crate) fn endpoint(&self) -> Result<Url, LlmError> {
        if self.model.trim().is_empty() {
            return Err(config("`model` is empty; give the provider's name of a model"));
        }
        if self.max_output_tokens == 0 {
            return Err(config("`max_output_tokens` is 0; give at least 1"));
        }
        let hottest = if self.format == WireFormat::Anthropic { 1.0 } else { 2.0 };
        if !(0.0..=hottest).contains(&self.temperature) {
            return Err(config(format!("`temperature` is out of range; give a number from 0 to {hottest}")));
        }
        let Timeouts { connect, first_token, between_tokens, total } = self.timeouts;
        if [connect, first_token, between_tokens, total].iter().any(|t| t.is_zero() || *t > TIMEOUT_MAX) {
            return Err(config("a timeout is zero or longer than one hour"));
        }
        let mut url = self.checked_base()?;
        let base = url.path().trim_end_matches('/').to_owned();
        let adds_version = if self.format == WireFormat::OpenAi { base.is_empty() } else { !base.ends_with("/v1") };
        let version = if adds_version { "/v1" } else { "" };
        let verb = if self.format == WireFormat::OpenAi { "/chat/completions" } else { "/messages" };
        url.set_path(&format!("{base}{version}{verb}"));
        Ok(url)
    }

    fn checked_base(&self) -> Result<Url, LlmError> {
        let url = Url::parse(self.base_url.trim())
            .map_err(|_| config("`base_url` is not a URL; give one such as `https://api.openai.com/v1`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(config("`base_url` has credentials in it; put the key into its own setting"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(config("`base_url` has a query or a fragment; give the part before it"));
        }
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" if !host.is_empty() => Ok(url),
            "http" if is_loopback(host) || (self.allow_http && !host.is_empty()) => Ok(url),
            "http" => Err(config(
                "`base_url` is plain http to another machine; use https, or set `allow_http = true` for a host in a private network",
            )),
            _ => Err(config("`base_url` must begin with https:// or http://")),
        }
    }
}

/// Tells whether a host is this machine by its name alone; names are not resolved, for what they mean can change.
fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(crate) fn config(detail: impl Into<String>) -> LlmError {
    LlmError::Config { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(format: WireFormat, base_url: &str) -> ProviderConfig {
        ProviderConfig {
            name: "test".into(),
            format,
            base_url: base_url.into(),
            allow_http: false,
            model: "m".into(),
            api_key: None,
            timeouts: Timeouts::default(),
            max_output_tokens: 100,
            temperature: 0.2,
        }
    }

    #[test]
    fn requests_go_where_people_expect_from_the_base_they_wrote() {
        use WireFormat::{Anthropic, OpenAi};
        for (format, base, expected) in [
            (OpenAi, "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            (OpenAi, "https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            (OpenAi, "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/chat/completions"),
            (OpenAi, "https://h.example/v1beta/openai", "https://h.example/v1beta/openai/chat/completions"),
            (Anthropic, "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            (Anthropic, "https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
            (Anthropic, "https://gateway.example/a", "https://gateway.example/a/v1/messages"),
        ] {
            assert_eq!(at(format, base).endpoint().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_unless_allowed() {
        for base in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(at(WireFormat::OpenAi, base).endpoint().is_ok(), "{base}");
        }
        for base in [
            "http://10.0.0.5:11434",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "ftp://127.0.0.1",
            "https://u:p@h.example",
            "https://h.example?key=1",
            "h",
            "",
        ] {
            assert!(matches!(at(WireFormat::OpenAi, base).endpoint(), Err(LlmError::Config { .. })), "{base}");
        }
        let private = ProviderConfig { allow_http: true, ..at(WireFormat::OpenAi, "http://10.0.0.5:11434") };
        assert!(private.endpoint().is_ok());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let base = at(WireFormat::Anthropic, "https://h.example");
        for temperature in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
            assert!(ProviderConfig { temperature, ..base.clone() }.endpoint().is_err(), "{temperature}");
        }
        assert!(ProviderConfig { max_output_tokens: 0, ..base.clone() }.endpoint().is_err());
        let timeouts = Timeouts { total: Duration::MAX, ..Timeouts::default() };
        assert!(ProviderConfig { timeouts, ..base.clone() }.endpoint().is_err());
        assert!(base.endpoint().is_ok());
    }

    #[test]
    fn a_key_is_hidden_in_debug_and_checked() {
        let key = ApiKey::new("sk-secret\n".into());
        assert!(!format!("{key:?} {:?}", key.header("Bearer ").unwrap()).contains("secret"));
        assert_eq!(key.header("Bearer ").unwrap().as_bytes(), b"Bearer sk-secret");
        for bad in ["", " \n", "a b", "a\nb", "clé"] {
            assert!(ApiKey::new(bad.into()).header("").is_err(), "{bad:?}");
        }
    }
}
