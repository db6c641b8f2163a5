//! One provider: an HTTP client with its settings, and the stream of an answer.
//!
//! **Invariant:** dropping the stream before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), so that
//! the provider stops generating. After the end the connection is kept for the next request.
//! **Invariant:** the key goes to the configured host alone; see `vital-outbound`, which makes the connections.

use crate::{
    ChatRequest, Delta, LlmError, ProviderConfig, Timeouts, WireFormat,
    config::config,
    deadline::Deadline,
    sse,
    wire::{self, ErrorObject, Parser, Sampling},
};
use async_stream::try_stream;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use serde::Deserialize;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use vital_outbound::{
    Accept, Limits, Outbound, OutboundError, Purpose, Request, Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};

/// Most text of one answer, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of one response, framing, comments and reasoning included.
pub const RESPONSE_BYTES_MAX: u64 = Purpose::Provider.limits().body_bytes_max;
/// Most bytes read of an error body; it is read for the provider's error word alone.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for an error body, whose status is known already.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(1);
/// Most bytes and time spent after the end mark on reaching the end of the response, without which the connection is lost.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
const DRAIN_WAIT: Duration = Duration::from_secs(1);
const NO_EVENTS: &str = "the response is not an event stream";

/// The items of one answer, in order; ends after [`Delta::Stop`] or the first error.
pub type DeltaStream = BoxStream<'static, Result<Delta, LlmError>>;

/// A model behind a wire format.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    model: String,
    host: String,
    format: WireFormat,
    url: Url,
    headers: HeaderMap,
    timeouts: Timeouts,
    max_output_tokens: u32,
    temperature: Option<f32>,
    client: Outbound,
}

impl Provider {
    /// Checks the settings and makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`LlmError::Config`] with what is wrong and what would be right.
    pub fn new(settings: ProviderConfig) -> Result<Self, LlmError> {
        let url = settings.endpoint()?;
        let headers = wire::headers(settings.format, settings.api_key.as_ref())?;
        #[expect(clippy::float_cmp, reason = "1 is written by a person and exact; it stands for the formats' default")]
        let temperature = (settings.temperature != 1.0).then_some(settings.temperature);
        Ok(Self {
            client: client(&url, &settings.timeouts)?,
            name: settings.name,
            model: settings.model,
            host: url.host_str().unwrap_or_default().to_owned(),
            format: settings.format,
            url,
            headers,
            timeouts: settings.timeouts,
            max_output_tokens: settings.max_output_tokens,
            temperature,
        })
    }

    /// The name under which people and logs know the provider.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model, in the provider's own name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The host that prompts are sent to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request and returns once the provider has accepted it.
    ///
    /// # Errors
    /// Any [`LlmError`] that shows before the first frame; later ones end the stream. Every wait is within the timeouts.
    pub async fn stream(&self, request: &ChatRequest) -> Result<DeltaStream, LlmError> {
        if request.messages.is_empty() {
            return Err(config("the request has no messages"));
        }
        let max_output_tokens = request.max_output_tokens.map_or(self.max_output_tokens, |wanted| wanted.clamp(1, self.max_output_tokens));
        // OpenAI itself refuses the old name for its newer models; servers that imitate it know only the old one.
        let completion_tokens = self.host == "api.openai.com" || self.host.ends_with(".openai.azure.com");
        let body = wire::body(
            self.format,
            &self.model,
            request,
            Sampling { max_output_tokens, temperature: self.temperature, completion_tokens },
        )?;
        let mut deadline = Deadline::start(&self.timeouts);
        let request = Request::post(self.url.clone(), Accept::EventStream, "application/json", body).headers(self.headers.clone());
        let response = deadline.wait(self.client.send(request)).await?.map_err(|error| failed(&error))?;
        let response = self.accept(response, &deadline).await?;
        Ok(deltas(response, Parser::new(self.format), deadline).boxed())
    }

    /// Takes an event stream and turns every other response into its error.
    async fn accept(&self, response: Response, deadline: &Deadline) -> Result<Response, LlmError> {
        let status = response.status();
        if !status.is_success() {
            let wait = retry_after(response.headers());
            let word = error_word(response, deadline).await;
            tracing::warn!(
                provider = self.name,
                host = self.host,
                status = status.as_u16(),
                error = word,
                "the provider refused the request"
            );
            return Err(LlmError::from_status(status.as_u16(), wait));
        }
        if status == StatusCode::OK { Ok(response) } else { Err(LlmError::Garbled { what: NO_EVENTS }) }
    }
}

fn client(url: &Url, timeouts: &Timeouts) -> Result<Outbound, LlmError> {
    // The waits within these are the deadline's: here they only end what it no longer watches.
    let limits = Limits { connect: timeouts.connect, first_byte: timeouts.total, total: timeouts.total, ..Purpose::Provider.limits() };
    let builder = Outbound::builder(Purpose::Provider).limits(limits);
    // Plain HTTP has no certificates to check; without this, a machine without any installed could not use a local model.
    let builder = if url.scheme() == "http" { builder.plain_http() } else { builder };
    let client = builder.build().map_err(|error| config(error.to_string()))?;
    client.address(url.as_str()).map_err(|fault| config(format!("`base_url` cannot be used: {fault}")))?;
    Ok(client)
}

/// The error for an answer that did not come, or broke off.
fn failed(error: &OutboundError) -> LlmError {
    match error {
        OutboundError::Unreachable { .. } => LlmError::Connect,
        OutboundError::Cut { .. } => LlmError::Cut,
        OutboundError::TooSlow { .. } => LlmError::TotalTimeout,
        OutboundError::TooLarge { .. } => LlmError::OutputTooLarge,
        OutboundError::Type { .. } => LlmError::Garbled { what: NO_EVENTS },
        OutboundError::Encoded { .. } => LlmError::Garbled { what: "the response is compressed" },
        OutboundError::Headers { .. } => LlmError::Garbled { what: "the response has too many headers" },
        OutboundError::Redirect { .. } => LlmError::Garbled { what: "the response leads elsewhere" },
        OutboundError::Address(_) | OutboundError::Client { .. } => config(error.to_string()),
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = OffsetDateTime::parse(value, &Rfc2822).ok()? - OffsetDateTime::now_utc();
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

/// The provider's word for an error, such as `model_not_found`, for the log of whoever runs the platform.
async fn error_word(mut response: Response, deadline: &Deadline) -> Option<String> {
    let read = async {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ERROR_BODY_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ERROR_BODY_BYTES_MAX {
                break;
            }
        }
        body
    };
    let body = tokio::time::timeout(deadline.at_most(ERROR_BODY_WAIT), read).await.ok()?;
    let body: ErrorBody = serde_json::from_slice(&body).ok()?;
    body.error.word().map(ToOwned::to_owned)
}

fn deltas(
    mut response: Response,
    mut parser: Parser,
    mut deadline: Deadline,
) -> impl futures_util::Stream<Item = Result<Delta, LlmError>> + Send + 'static {
    try_stream! {
        let mut decoder = sse::Decoder::new();
        let mut shown = 0;
        let reason = 'answer: loop {
            let chunk = deadline.wait(response.chunk()).await?.map_err(|error| failed(&error))?.ok_or(LlmError::Cut)?;
            for frame in decoder.push(&chunk) {
                let step = parser.frame(&frame?)?;
                if step.generated {
                    deadline.generated();
                }
                shown += step.text.len();
                if shown > OUTPUT_BYTES_MAX {
                    Err(LlmError::OutputTooLarge)?;
                }
                if !step.text.is_empty() {
                    yield Delta::Text(step.text);
                }
                if let Some(usage) = step.usage {
                    yield Delta::Usage(usage);
                }
                if let Some(reason) = step.end {
                    break 'answer reason;
                }
            }
        };
        drain(response);
        yield Delta::Stop(reason);
    }
}

/// Reads what follows the end mark, so that the connection can carry the next request. Nobody waits for it.
fn drain(mut response: Response) {
    if matches!(response.chunk().now_or_never(), Some(Ok(None) | Err(_))) {
        return;
    }
    tokio::spawn(async move {
        let rest = async {
            let mut bytes = 0;
            while let Ok(Some(chunk)) = response.chunk().await {
                bytes += chunk.len();
                if bytes > DRAIN_BYTES_MAX {
                    break;
                }
            }
        };
        // Whether the end came in time changes nothing: if not, the connection closes here.
        let _ = tokio::time::timeout(DRAIN_WAIT, rest).await;
    });
}
