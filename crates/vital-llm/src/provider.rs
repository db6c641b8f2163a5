//! One provider: an HTTP client with its settings, and the stream of an answer.
//!
//! **Invariant:** dropping the stream before its end closes the connection (HTTP/1.1) or resets the stream (HTTP/2), so that
//! the provider stops generating. After the end the connection is kept for the next request.
//! **Invariant:** the key goes to the configured host alone; see `vital-outbound`, which makes the connections.

use crate::{
    ApiKey, ChatRequest, Delta, Embeddings, LlmError, ProviderConfig, Timeouts, WireFormat,
    config::config,
    deadline::Deadline,
    embeddings,
    gateway::PriceTable,
    sse,
    wire::{self, ErrorObject, Parser, Sampling},
};
use async_stream::try_stream;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use vital_outbound::{
    Accept, Builder, Egress, Limits, Outbound, OutboundError, Purpose, Request, Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};
use vital_telemetry::{AsksModel, Chat};

/// Most text of one answer, in bytes; as much again for the arguments of its tool calls.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of one response, framing, comments and reasoning included.
pub const RESPONSE_BYTES_MAX: u64 = Purpose::Provider.limits().body_bytes_max;
/// Most bytes read of an error body; it is read for the kind of the error alone.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for an error body, whose status is known already.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(1);
/// Most bytes and time spent after the end mark on reaching the end of the response, without which the connection is lost.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// What a model is called in metrics whose name somebody of an organisation made up.
const OTHER_MODEL: &str = "other";
const NO_EVENTS: &str = "the response is not an event stream";
const NO_JSON: &str = "the response is not JSON";

/// The items of one answer, in order; ends after [`Delta::Stop`] or the first error.
pub type DeltaStream = BoxStream<'static, Result<Delta, LlmError>>;

/// A model behind a wire format.
#[derive(Clone, Debug)]
pub struct Provider {
    name: String,
    model: String,
    host: String,
    /// The model in metrics: what the configuration names, or one of the models that the product knows; `other` for what else somebody typed.
    label: String,
    format: WireFormat,
    url: Url,
    embeddings_url: Url,
    api_key: Option<ApiKey>,
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
        let label = settings.model.clone();
        Self::built(settings, label, Outbound::builder(Purpose::Provider))
    }

    /// As [`Provider::new`] for an address that somebody of an organisation typed: it leads where the operator's list lets such
    /// addresses lead, and a failure tells nothing of the network.
    ///
    /// # Errors
    /// As [`Provider::new`], and for an address that is not allowed.
    pub fn of_organisation(settings: ProviderConfig, egress: Egress) -> Result<Self, LlmError> {
        let typed = settings.base_url.trim().to_owned();
        let known = PriceTable::list().is_ok_and(|list| list.names(&settings.model));
        let label = if known { settings.model.clone() } else { OTHER_MODEL.to_owned() };
        let provider = Self::built(settings, label, Outbound::builder(Purpose::OrganisationProvider).egress(egress))?;
        // As it was typed too: a host in another notation reads like one thing and leads to another.
        provider.client.address(&typed).map_err(|fault| config(format!("`base_url` cannot be used: {fault}")))?;
        Ok(provider)
    }

    fn built(settings: ProviderConfig, label: String, builder: Builder) -> Result<Self, LlmError> {
        let url = settings.endpoint()?;
        let embeddings_url = settings.embeddings_endpoint()?;
        // A key that cannot be sent is told now, and not when somebody asks.
        wire::headers(settings.format, settings.api_key.as_ref())?;
        #[expect(clippy::float_cmp, reason = "1 is written by a person and exact; it stands for the formats' default")]
        let temperature = (settings.temperature != 1.0).then_some(settings.temperature);
        Ok(Self {
            client: client(builder, &url, &settings.timeouts)?,
            name: settings.name,
            model: settings.model,
            host: url.host_str().unwrap_or_default().to_owned(),
            label,
            format: settings.format,
            url,
            embeddings_url,
            api_key: settings.api_key,
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

    /// Most tokens that it writes for a request.
    #[must_use]
    pub fn max_output_tokens(&self, request: &ChatRequest) -> u32 {
        request.max_output_tokens.map_or(self.max_output_tokens, |wanted| wanted.clamp(1, self.max_output_tokens))
    }

    /// The host that prompts are sent to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What traces and metrics are told of the model.
    fn traced(&self) -> vital_telemetry::Model<'_> {
        let provider = match self.format {
            WireFormat::OpenAi => "openai",
            WireFormat::AzureOpenAi => "azure.ai.openai",
            WireFormat::Anthropic => "anthropic",
            WireFormat::Google => "gcp.gemini",
        };
        vital_telemetry::Model { provider, name: &self.model, label: &self.label }
    }

    fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// Begins to trace and to measure a request.
    pub(crate) fn observed(&self, request: &ChatRequest) -> Chat {
        Chat::begin(AsksModel {
            model: self.traced(),
            address: &self.host,
            port: self.port(),
            max_tokens: Some(request.max_output_tokens.map_or(self.max_output_tokens, |wanted| wanted.clamp(1, self.max_output_tokens))),
            temperature: self.temperature_for(request),
            top_p: request.top_p,
        })
    }

    /// Everything that decides the answer to a request, as bytes, if it is meant to be the same each time: at temperature 0 and
    /// without tools. `None` for every other request.
    pub(crate) fn repeatable(&self, request: &ChatRequest) -> Option<Vec<u8>> {
        // With `top_p`, the provider's own temperature is not sent.
        let temperature = request.temperature.or_else(|| self.temperature.filter(|_| request.top_p.is_none()))?;
        if temperature > 0.0 || !request.tools.is_empty() {
            return None;
        }
        serde_json::to_vec(&(self.url.as_str(), self.format, &self.model, self.max_output_tokens, self.temperature, request)).ok()
    }

    /// Sends a request and returns once the provider has accepted it.
    ///
    /// # Errors
    /// Any [`LlmError`] that shows before the first frame; later ones end the stream. Every wait is within the timeouts.
    pub async fn stream(&self, request: &ChatRequest) -> Result<DeltaStream, LlmError> {
        request.check()?;
        let sampling = Sampling {
            max_output_tokens: self.max_output_tokens(request),
            temperature: self.temperature_for(request),
            // OpenAI itself refuses the old name for its newer models; servers that imitate it know only the old one.
            completion_tokens: self.format == WireFormat::AzureOpenAi
                || self.host == "api.openai.com"
                || self.host.ends_with(".openai.azure.com"),
        };
        let body = wire::body(self.format, &self.model, request, sampling)?;
        let mut deadline = Deadline::start(&self.timeouts);
        let response = self.send(&self.url, Accept::EventStream, body, &mut deadline).await?;
        Ok(deltas(response, Parser::new(self.format, request), deadline).boxed())
    }

    /// Makes vectors of at least one and at most [`crate::EMBED_TEXTS_MAX`] texts, none empty, with at most
    /// [`crate::EMBED_BYTES_MAX`] together. The model of the settings has to be one for embeddings.
    ///
    /// # Errors
    /// [`LlmError::Request`] for other texts, [`LlmError::Config`] for the Anthropic format, which has no embeddings, and any other as
    /// [`Self::stream`]; the head of the answer has to come within the timeout of the first token.
    pub async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        let mut observed = vital_telemetry::Embeddings::begin(self.traced(), Some((&self.host, self.port())));
        let made = self.embeddings_of(texts).await;
        match &made {
            Ok(made) => observed.made(made.vectors.first().map_or(0, Vec::len), (made.usage.input > 0).then_some(made.usage.input)),
            Err(error) => observed.failed(error.code()),
        }
        made
    }

    async fn embeddings_of(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        embeddings::check(texts)?;
        let body = wire::embeddings_body(self.format, &self.model, texts)
            .ok_or_else(|| config("the Anthropic format has no embeddings; choose a provider of another format for them"))??;
        let mut deadline = Deadline::start(&self.timeouts);
        let mut response = self.send(&self.embeddings_url, Accept::Json, body, &mut deadline).await?;
        let mut read = Vec::new();
        deadline.generated();
        while let Some(chunk) = deadline.wait(response.chunk()).await?.map_err(|error| failed(&error, Accept::Json))? {
            deadline.generated();
            read.extend_from_slice(&chunk);
        }
        wire::embeddings(self.format, &read, texts.len())
    }

    /// The temperature to send: the request's before the provider's, which goes with no `top_p`, and none at the formats' default.
    fn temperature_for(&self, request: &ChatRequest) -> Option<f32> {
        let own = self.temperature.filter(|_| request.top_p.is_none());
        let hottest = if self.format == WireFormat::Anthropic { 1.0 } else { 2.0 };
        let temperature = request.temperature.map(|wanted| wanted.min(hottest)).or(own);
        #[expect(clippy::float_cmp, reason = "1 is written by a person and exact; it stands for the formats' default")]
        temperature.filter(|temperature| *temperature != 1.0)
    }

    async fn send(&self, url: &Url, accept: Accept, body: Vec<u8>, deadline: &mut Deadline) -> Result<Response, LlmError> {
        // The key of this moment: it may have been exchanged since the last request.
        let headers = wire::headers(self.format, self.api_key.as_ref())?;
        let request = Request::post(url.clone(), accept, "application/json", body).headers(headers);
        let response = deadline.wait(self.client.send(request)).await?.map_err(|error| failed(&error, accept))?;
        self.accept(response, accept, deadline).await
    }

    /// Takes what was asked for and turns every other response into its error.
    async fn accept(&self, response: Response, accept: Accept, deadline: &Deadline) -> Result<Response, LlmError> {
        let status = response.status();
        if !status.is_success() {
            let wait = retry_after(response.headers());
            let object = error_object(response, deadline).await;
            tracing::warn!(
                provider = self.name,
                host = self.host,
                status = status.as_u16(),
                error = object.as_ref().and_then(ErrorObject::word),
                "the provider refused the request"
            );
            let status = status.as_u16();
            return Err(object.map_or_else(|| LlmError::from_status(status, wait), |object| object.with_status(status, wait)));
        }
        if status == StatusCode::OK { Ok(response) } else { Err(LlmError::Garbled { what: unreadable(accept) }) }
    }
}

fn client(builder: Builder, url: &Url, timeouts: &Timeouts) -> Result<Outbound, LlmError> {
    // The waits within these are the deadline's: here they only end what it no longer watches.
    let limits = Limits { connect: timeouts.connect, first_byte: timeouts.total, total: timeouts.total, ..Purpose::Provider.limits() };
    let builder = builder.limits(limits);
    // Plain HTTP has no certificates to check; without this, a machine without any installed could not use a local model.
    let builder = if url.scheme() == "http" { builder.plain_http() } else { builder };
    let client = builder.build().map_err(|error| config(error.to_string()))?;
    client.address(url.as_str()).map_err(|fault| config(format!("`base_url` cannot be used: {fault}")))?;
    Ok(client)
}

/// The error for an answer that did not come, or broke off.
fn failed(error: &OutboundError, accept: Accept) -> LlmError {
    match error {
        OutboundError::Unreachable { .. } => LlmError::Connect,
        OutboundError::Cut { .. } => LlmError::Cut,
        OutboundError::TooSlow { .. } => LlmError::TotalTimeout,
        OutboundError::TooLarge { .. } => LlmError::OutputTooLarge,
        OutboundError::Type { .. } => LlmError::Garbled { what: unreadable(accept) },
        OutboundError::Encoded { .. } => LlmError::Garbled { what: "the response is compressed" },
        OutboundError::Headers { .. } => LlmError::Garbled { what: "the response has too many headers" },
        OutboundError::Redirect { .. } => LlmError::Garbled { what: "the response leads elsewhere" },
        OutboundError::Address(_) | OutboundError::Client { .. } => config(error.to_string()),
    }
}

const fn unreadable(accept: Accept) -> &'static str {
    if matches!(accept, Accept::EventStream) { NO_EVENTS } else { NO_JSON }
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

/// The error object of a refusal, if it comes soon and is one.
async fn error_object(mut response: Response, deadline: &Deadline) -> Option<ErrorObject> {
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
    ErrorObject::of_body(&body)
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
            let chunk = deadline.wait(response.chunk()).await?.map_err(|error| failed(&error, Accept::EventStream))?;
            let Some(chunk) = chunk else { break parser.end_of_response()? };
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
                for call in step.calls {
                    yield call;
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
