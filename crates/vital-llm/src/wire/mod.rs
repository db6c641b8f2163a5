//! The wire formats: what a request looks like and what a frame of the answer means.
//!
//! A format is a request body, the headers of its key, and a parser that turns one frame into one [`Step`]; all else (time, limits,
//! HTTP) is the same for all and lives in `provider`. Azure is OpenAI's format behind another address. Unknown fields and events are
//! ignored, known ones of the wrong type are [`LlmError::Garbled`].

mod anthropic;
pub(crate) mod azure;
mod calls;
mod fault;
mod google;
mod openai;

pub(crate) use fault::ErrorObject;

use crate::{ChatRequest, Delta, Embeddings, LlmError, StopReason, TokenUsage, WireFormat, config::ApiKey, sse::Frame};
use calls::Calls;
use serde::de::DeserializeOwned;
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
    /// Beginnings and ends of tool calls, after the text.
    pub(crate) calls: Vec<Delta>,
    /// The tokens so far.
    pub(crate) usage: Option<TokenUsage>,
    /// The format's end mark, with the reason that was given before it.
    pub(crate) end: Option<StopReason>,
}

/// The settings of a request that come from the provider as well as from the request.
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
        WireFormat::OpenAi | WireFormat::AzureOpenAi => serde_json::to_vec(&openai::body(model, request, sampling)),
        WireFormat::Anthropic => serde_json::to_vec(&anthropic::body(model, request, sampling)),
        WireFormat::Google => serde_json::to_vec(&google::body(request, sampling)),
    };
    body.map_err(|_| crate::config::config("the request cannot be written as JSON"))
}

/// Builds the JSON body of a request for vectors; `None` for a format that has none.
pub(crate) fn embeddings_body(format: WireFormat, model: &str, texts: &[String]) -> Option<Result<Vec<u8>, LlmError>> {
    let body = match format {
        WireFormat::OpenAi | WireFormat::AzureOpenAi => serde_json::to_vec(&openai::embeddings_body(model, texts)),
        WireFormat::Google => serde_json::to_vec(&google::embeddings_body(model, texts)),
        WireFormat::Anthropic => return None,
    };
    Some(body.map_err(|_| crate::config::config("the request cannot be written as JSON")))
}

/// Reads the answer to a request for vectors of this many texts.
pub(crate) fn embeddings(format: WireFormat, body: &[u8], texts: usize) -> Result<Embeddings, LlmError> {
    let body = std::str::from_utf8(body).map_err(|_| LlmError::Garbled { what: "the answer is not text" })?;
    if format == WireFormat::Google { google::embeddings(body, texts) } else { openai::embeddings(body, texts) }
}

/// Builds the headers of every request to a provider.
pub(crate) fn headers(format: WireFormat, key: Option<&ApiKey>) -> Result<HeaderMap, LlmError> {
    let mut headers = HeaderMap::new();
    if format == WireFormat::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(anthropic::VERSION));
    }
    let (name, prefix) = match format {
        WireFormat::OpenAi => (AUTHORIZATION, "Bearer "),
        WireFormat::AzureOpenAi => (HeaderName::from_static(azure::KEY_HEADER), ""),
        WireFormat::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        WireFormat::Google => (HeaderName::from_static(google::KEY_HEADER), ""),
    };
    if let Some(key) = key {
        headers.insert(name, key.header(prefix)?);
    }
    Ok(headers)
}

/// Reads the frames of one answer.
#[derive(Debug)]
pub(crate) enum Parser {
    OpenAi(openai::Parser),
    Anthropic(anthropic::Parser),
    Google(google::Parser),
}

impl Parser {
    /// Makes the parser of the answer to a request.
    pub(crate) fn new(format: WireFormat, request: &ChatRequest) -> Self {
        let calls = Calls::after(request);
        match format {
            WireFormat::OpenAi | WireFormat::AzureOpenAi => Self::OpenAi(openai::Parser::new(calls)),
            WireFormat::Anthropic => Self::Anthropic(anthropic::Parser::new(calls)),
            WireFormat::Google => Self::Google(google::Parser::new(calls)),
        }
    }

    /// Reads one frame.
    pub(crate) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        match self {
            Self::OpenAi(parser) => parser.frame(frame),
            Self::Anthropic(parser) => parser.frame(frame),
            Self::Google(parser) => parser.frame(frame),
        }
    }

    /// Takes the end of the response, which in Google's format alone can be that of the answer.
    ///
    /// # Errors
    /// [`LlmError::Cut`] if the answer is not complete.
    pub(crate) fn end_of_response(&self) -> Result<StopReason, LlmError> {
        match self {
            Self::Google(parser) => parser.end().ok_or(LlmError::Cut),
            Self::OpenAi(_) | Self::Anthropic(_) => Err(LlmError::Cut),
        }
    }
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
