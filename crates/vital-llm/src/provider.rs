//! One provider: an HTTP client with its settings, and the stream of an answer.
//!
//! **Invariant:** dropping the stream before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), so that
//! the provider stops generating. After the end the connection is kept for the next request.
//! **Invariant:** redirects are not followed and no proxy is taken from the environment: the key goes to the configured host alone.

use crate::{
    ChatRequest, Delta, LlmError, ProviderConfig, Timeouts, WireFormat,
    config::config,
    deadline::Deadline,
    ensure_crypto_provider, sse,
    wire::{self, ErrorObject, Parser, Sampling},
};
use async_stream::try_stream;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use reqwest::{
    Certificate, Client, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use serde::Deserialize;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// Most text of one answer, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of one response, framing, comments and reasoning included.
pub const RESPONSE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most bytes read of an error body; it is read for the provider's error word alone.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for an error body, whose status is known already.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(1);
/// Most bytes and time spent after the end mark on reaching the end of the response, without which the connection is lost.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// How long an unused connection is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// Most unused connections kept to one provider.
const IDLE_CONNECTIONS_MAX: usize = 64;

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
    client: Client,
}

impl Provider {
    /// Checks the settings and makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`LlmError::Config`] with what is wrong and what would be right.
    pub fn new(settings: ProviderConfig) -> Result<Self, LlmError> {
        let url = settings.endpoint()?;
        let mut headers = wire::headers(settings.format, settings.api_key.as_ref())?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
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
        let sending = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body).send();
        let response = deadline.wait(sending).await?.map_err(|e| self.unsent(&e))?;
        let response = self.accept(response, &deadline).await?;
        Ok(deltas(response, Parser::new(self.format), deadline).boxed())
    }

    fn unsent(&self, error: &reqwest::Error) -> LlmError {
        tracing::warn!(
            provider = self.name,
            host = self.host,
            connect = error.is_connect(),
            timeout = error.is_timeout(),
            "request to the provider failed"
        );
        if error.is_connect() { LlmError::Connect } else { LlmError::Cut }
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
        // A server that leaves the type out may still send events; one that names another type does not.
        let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_events = kind.is_none_or(|k| k.get(..17).is_some_and(|k| k.eq_ignore_ascii_case(b"text/event-stream")));
        if status == StatusCode::OK && is_events {
            Ok(response)
        } else {
            Err(LlmError::Garbled { what: "the response is not an event stream" })
        }
    }
}

fn client(url: &Url, timeouts: &Timeouts) -> Result<Client, LlmError> {
    ensure_crypto_provider();
    let builder = Client::builder()
        .user_agent(concat!("vital/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .tcp_keepalive(IDLE_CONNECTION)
        .connect_timeout(timeouts.connect)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
    let builder = if url.scheme() == "https" {
        builder.https_only(true)
    } else {
        // Plain HTTP has no certificates to check; without this, a machine without any installed could not use a local model.
        builder.tls_certs_only(std::iter::empty::<Certificate>())
    };
    builder.build().map_err(|_| {
        config("the HTTP client cannot be made; check that the machine has CA certificates (Debian package `ca-certificates`)")
    })
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
        let (mut received, mut shown) = (0, 0);
        let reason = 'answer: loop {
            let chunk = deadline.wait(response.chunk()).await?.map_err(|_| LlmError::Cut)?.ok_or(LlmError::Cut)?;
            received += chunk.len();
            if received > RESPONSE_BYTES_MAX {
                Err(LlmError::OutputTooLarge)?;
            }
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
