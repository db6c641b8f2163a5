//! The settings of one provider and their checks.

use crate::{LlmError, wire::azure};
use serde::{Deserialize, Serialize};
use std::{fmt, io, net::IpAddr, path::Path, time::Duration};
use vital_keys::SecretText;
use vital_outbound::{Url, header::HeaderValue};
use zeroize::Zeroizing;

/// Longest timeout that can be set.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// Longest name of a model that is part of the address, in bytes.
const MODEL_IN_PATH_BYTES_MAX: usize = 128;

/// The wire format that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WireFormat {
    /// Chat completions: OpenAI, Ollama, vLLM, llama.cpp and many gateways
    /// (<https://platform.openai.com/docs/api-reference/chat>).
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI's format behind the addresses and the key header of Azure OpenAI
    /// (<https://learn.microsoft.com/azure/ai-services/openai/reference>).
    #[serde(rename = "azure_openai")]
    AzureOpenAi,
    /// Anthropic messages (<https://docs.anthropic.com/en/api/messages>).
    #[serde(rename = "anthropic")]
    Anthropic,
    /// Google Gemini (<https://ai.google.dev/api/generate-content>), with a key of Google AI Studio and not of Vertex AI.
    #[serde(rename = "google")]
    Google,
}

/// A provider's key: never shown, wiped from memory when dropped. One in a file is read again when that changes.
///
/// The HTTP client keeps its own copy in a header that is marked as sensitive; that copy is not wiped.
#[derive(Clone)]
pub struct ApiKey(SecretText);

impl ApiKey {
    /// Takes a key; white space around it is dropped, for files end with a line feed.
    #[must_use]
    pub fn new(key: String) -> Self {
        let key = Zeroizing::new(key);
        Self(SecretText::given(key.trim()))
    }

    /// Takes the key in a file, and what the file holds later.
    ///
    /// # Errors
    /// When the file cannot be read, others can read it, or it holds no key.
    pub fn in_file(path: &Path) -> io::Result<Self> {
        SecretText::in_file(path, check_key).map(Self)
    }

    /// The header value `prefix` + key.
    ///
    /// # Errors
    /// [`LlmError::Config`] if the key is empty or not visible ASCII.
    pub(crate) fn header(&self, prefix: &str) -> Result<HeaderValue, LlmError> {
        let key = self.0.now();
        check_key(&key).map_err(|what| config(format!("the key {what}; check the file or variable that it comes from")))?;
        let value = Zeroizing::new(format!("{prefix}{}", key.trim()));
        let mut header = HeaderValue::from_str(&value).map_err(|_| config("the key cannot be sent in a header"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn check_key(key: &str) -> Result<(), &'static str> {
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("is empty or has characters other than visible ASCII");
    }
    Ok(())
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
    /// Where it is, for example `https://api.openai.com/v1`, `http://127.0.0.1:11434`, `https://api.anthropic.com`,
    /// `https://generativelanguage.googleapis.com` or `https://NAME.openai.azure.com`.
    ///
    /// `/v1` (Google: `/v1beta`) is added where the path is empty, and for Anthropic wherever it is not the end of the path. For Azure
    /// the address may be the whole one that its portal shows; `?api-version=` in it chooses another version than `2024-10-21`.
    pub base_url: String,
    /// Allows plain HTTP to a host that is not this machine, for models in a private network.
    pub allow_http: bool,
    /// The model, in the provider's own name; for Azure the name of the deployment.
    pub model: String,
    /// The key, if the provider wants one.
    pub api_key: Option<ApiKey>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Most tokens to generate, at least 1.
    pub max_output_tokens: u32,
    /// Sampling temperature: 0 to 2, for Anthropic 0 to 1. At 1, the default of all formats, it is not sent, because
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
        self.address("chat/completions", "messages", "streamGenerateContent")
    }

    /// Returns the address that requests for vectors go to. Anthropic has none, and nothing is ever sent to the one returned for it.
    ///
    /// # Errors
    /// As [`Self::endpoint`].
    pub(crate) fn embeddings_endpoint(&self) -> Result<Url, LlmError> {
        self.address("embeddings", "embeddings", "batchEmbedContents")
    }

    fn address(&self, openai: &str, anthropic: &str, google: &str) -> Result<Url, LlmError> {
        let mut url = self.checked_base()?;
        let base = url.path().trim_end_matches('/').to_owned();
        let path = match self.format {
            WireFormat::AzureOpenAi => return azure::endpoint(url, self.model_in_path()?, openai),
            WireFormat::OpenAi if base.is_empty() => format!("/v1/{openai}"),
            WireFormat::OpenAi => format!("{base}/{openai}"),
            WireFormat::Anthropic if base.ends_with("/v1") => format!("{base}/{anthropic}"),
            WireFormat::Anthropic => format!("{base}/v1/{anthropic}"),
            WireFormat::Google => {
                let version = if base.is_empty() { "/v1beta" } else { "" };
                format!("{base}{version}/models/{}:{google}", self.model_in_path()?)
            }
        };
        url.set_path(&path);
        if self.format == WireFormat::Google && google.starts_with("stream") {
            url.set_query(Some("alt=sse"));
        }
        Ok(url)
    }

    /// The model where it is part of the address, and so must not be able to lead elsewhere. Google's lists show names as `models/NAME`.
    pub(crate) fn model_in_path(&self) -> Result<&str, LlmError> {
        let model = self.model.trim();
        let model = model.strip_prefix("models/").filter(|_| self.format == WireFormat::Google).unwrap_or(model);
        let allowed = model.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if allowed && (1..=MODEL_IN_PATH_BYTES_MAX).contains(&model.len()) && !model.starts_with('.') {
            Ok(model)
        } else {
            Err(config("`model` is part of the address here and may have ASCII letters, digits, `-`, `_` and `.` alone"))
        }
    }

    fn checked_base(&self) -> Result<Url, LlmError> {
        let url = Url::parse(self.base_url.trim())
            .map_err(|_| config("`base_url` is not a URL; give one such as `https://api.openai.com/v1`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(config("`base_url` has credentials in it; put the key into its own setting"));
        }
        let has_query = url.query().is_some() && self.format != WireFormat::AzureOpenAi;
        if has_query || url.fragment().is_some() {
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
        use WireFormat::{Anthropic, AzureOpenAi, Google, OpenAi};
        for (format, base, expected) in [
            (OpenAi, "https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            (OpenAi, "https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            (OpenAi, "http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/chat/completions"),
            (OpenAi, "https://h.example/v1beta/openai", "https://h.example/v1beta/openai/chat/completions"),
            (Anthropic, "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            (Anthropic, "https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
            (Anthropic, "https://gateway.example/a", "https://gateway.example/a/v1/messages"),
            (Google, "https://g.example", "https://g.example/v1beta/models/m:streamGenerateContent?alt=sse"),
            (Google, "https://g.example/v1/", "https://g.example/v1/models/m:streamGenerateContent?alt=sse"),
            (
                AzureOpenAi,
                "https://n.openai.azure.com",
                "https://n.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21",
            ),
        ] {
            assert_eq!(at(format, base).endpoint().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn requests_for_vectors_go_beside_those_for_text() {
        use WireFormat::{AzureOpenAi, Google, OpenAi};
        for (format, base, expected) in [
            (OpenAi, "https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
            (Google, "https://g.example", "https://g.example/v1beta/models/m:batchEmbedContents"),
            (AzureOpenAi, "https://n.example", "https://n.example/openai/deployments/m/embeddings?api-version=2024-10-21"),
        ] {
            assert_eq!(at(format, base).embeddings_endpoint().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_model_in_the_address_cannot_lead_elsewhere() {
        for format in [WireFormat::Google, WireFormat::AzureOpenAi] {
            for model in ["a/b", "..", "a?b", "a#b", "a:b", "a b", "é", "models/"] {
                assert!(ProviderConfig { model: model.into(), ..at(format, "https://h.example") }.endpoint().is_err(), "{model}");
            }
        }
        let listed = ProviderConfig { model: "models/gemini-2.5-flash".into(), ..at(WireFormat::Google, "https://h.example") };
        assert!(listed.endpoint().unwrap().path().ends_with("/models/gemini-2.5-flash:streamGenerateContent"));
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
