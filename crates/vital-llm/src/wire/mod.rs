//! The wire formats: what a request looks like and what a frame of the answer means.
//!
//! A format is a request body and a parser that turns one frame into one [`Step`]; all else (time, limits, HTTP) is the same
//! for all and lives in `provider`. Unknown fields and events are ignored, known ones of the wrong type are
//! [`LlmError::Garbled`].

mod anthropic;
mod openai;

use crate::{ChatRequest, LlmError, StopReason, TokenUsage, WireFormat, config::ApiKey, sse::Frame};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use vital_outbound::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// More tokens than this in one figure of one request is not a count but a fault.
const TOKENS_MAX: u64 = 100_000_000;

/// What one frame of an answer means.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The model generated something, even if it is not text that is handed on, such as reasoning.
    pub(crate) generated: bool,
    /// The next text; may be empty.
    pub(crate) text: String,
    /// The tokens so far.
    pub(crate) usage: Option<TokenUsage>,
    /// The format's end mark, with the reason that was given before it.
    pub(crate) end: Option<StopReason>,
}

/// The settings of a request that every format has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    pub(crate) max_output_tokens: u32,
    /// `None` leaves the format's default.
    pub(crate) temperature: Option<f32>,
    /// The host wants OpenAI's newer name of the token limit.
    pub(crate) completion_tokens: bool,
}

/// Builds the JSON body of a request.
pub(crate) fn body(format: WireFormat, model: &str, request: &ChatRequest, sampling: Sampling) -> Result<Vec<u8>, LlmError> {
    let body = match format {
        WireFormat::OpenAi => serde_json::to_vec(&openai::body(model, request, sampling)),
        WireFormat::Anthropic => serde_json::to_vec(&anthropic::body(model, request, sampling)),
    };
    body.map_err(|_| crate::config::config("the request cannot be written as JSON"))
}

/// Builds the headers of every request to a provider.
pub(crate) fn headers(format: WireFormat, key: Option<&ApiKey>) -> Result<HeaderMap, LlmError> {
    let mut headers = HeaderMap::new();
    match format {
        WireFormat::OpenAi => {
            if let Some(key) = key {
                headers.insert(AUTHORIZATION, key.header("Bearer ")?);
            }
        }
        WireFormat::Anthropic => {
            headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(anthropic::VERSION));
            if let Some(key) = key {
                headers.insert(HeaderName::from_static("x-api-key"), key.header("")?);
            }
        }
    }
    Ok(headers)
}

/// Reads the frames of one answer.
#[derive(Debug)]
pub(crate) enum Parser {
    OpenAi(openai::Parser),
    Anthropic(anthropic::Parser),
}

impl Parser {
    pub(crate) fn new(format: WireFormat) -> Self {
        match format {
            WireFormat::OpenAi => Self::OpenAi(openai::Parser::default()),
            WireFormat::Anthropic => Self::Anthropic(anthropic::Parser::default()),
        }
    }

    /// Reads one frame.
    pub(crate) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        match self {
            Self::OpenAi(parser) => parser.frame(frame),
            Self::Anthropic(parser) => parser.frame(frame),
        }
    }
}

/// The error object of both formats, in an error body as well as in a stream. Some servers send a bare string in its place,
/// and an error of an unexpected shape is an error all the same, so that every value can be one.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct ErrorObject {
    kind: Value,
    code: Value,
}

impl From<Value> for ErrorObject {
    fn from(mut error: Value) -> Self {
        let mut take = |name| error.get_mut(name).map(Value::take).unwrap_or_default();
        Self { kind: take("type"), code: take("code") }
    }
}

impl ErrorObject {
    /// The error for an object inside a stream, where there is no status to go by.
    ///
    /// The words and their statuses are those of the two formats' error lists; vLLM and gateways send a status as `code`.
    fn into_error(self) -> LlmError {
        let status = [&self.code, &self.kind].into_iter().find_map(|word| match word {
            Value::Number(n) => n.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (400..600).contains(n)),
            Value::String(word) => status_of(word),
            _ => None,
        });
        LlmError::from_status(status.unwrap_or(500), None)
    }

    /// The provider's word for the error, if it looks like one: a log line never carries a provider's prose.
    pub(crate) fn word(&self) -> Option<&str> {
        [&self.code, &self.kind].into_iter().filter_map(Value::as_str).find(|word| {
            !word.is_empty()
                && word.len() <= 64
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        })
    }
}

fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error" | "context_length_exceeded" => 400,
        "authentication_error" | "invalid_api_key" => 401,
        "permission_error" => 403,
        "not_found_error" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "requests" | "tokens" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// Reads the JSON of a frame. What `serde_json` says is dropped, for it quotes the input.
fn json<T: DeserializeOwned>(data: &str) -> Result<T, LlmError> {
    serde_json::from_str(data).map_err(|e| LlmError::Garbled {
        what: if e.is_data() { "a message has a field of the wrong type" } else { "a message is not JSON" },
    })
}

/// Accepts a token count, absent as zero.
fn count(tokens: Option<u64>) -> Result<u64, LlmError> {
    let tokens = tokens.unwrap_or(0);
    if tokens > TOKENS_MAX { Err(LlmError::Garbled { what: "a token count is impossible" }) } else { Ok(tokens) }
}
