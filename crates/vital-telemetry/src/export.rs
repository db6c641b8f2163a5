//! The way of finished spans to the receiver: a bounded queue, batches, and few tries.
//!
//! **Invariant:** whatever the receiver does (down, silent, slow, refusing), the queue stays within [`QUEUE_SPANS_MAX`] and [`QUEUE_BYTES_MAX`], and what
//! does not fit is dropped and counted in `vital_telemetry_spans_total`.

use crate::{
    otlp::{self, Sender},
    span::{ACTIVE, Finished},
};
use bytes::Bytes;
use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use vital_keys::SecretText;
use vital_outbound::{
    Accept, Outbound, OutboundError, Purpose, Request, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

/// Most spans that wait.
pub const QUEUE_SPANS_MAX: usize = 4_096;
/// Most bytes that wait.
pub const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most spans of one request.
pub const BATCH_SPANS_MAX: usize = 512;
/// About how many bytes of spans one request has at most; a single larger span goes alone.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Tries of one batch, and the pause after the first of them; it doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause that a receiver can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a server that stops waits for the last spans to be taken.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Most headers in the secret file.
const HEADERS_MAX: usize = 16;
/// What a receiver may answer with: the protocol's type, and what is seen in practice.
const ANSWERS: Accept = Accept::Types(&["application/x-protobuf", "application/json", "text/plain"]);

/// What is sent and where to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The receiver's address as OTLP means it: requests go to `/v1/traces` below it.
    pub endpoint: String,
    /// Headers of every request, one `Name: value` a line.
    pub headers: Option<SecretText>,
    /// Further certificate authorities in PEM, for a receiver with a certificate of the house's own.
    pub authorities: Option<Vec<u8>>,
    /// The share of traces that is kept, from 0 to 1.
    pub sample_ratio: f64,
    /// Whether what people and models wrote becomes part of spans.
    pub content: bool,
    /// The version that the receiver is told.
    pub version: &'static str,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// The address.
    #[error("the address of the receiver cannot be used: {0}")]
    Endpoint(String),
    /// The headers.
    #[error("line {0} of the headers is not of the form `Name: value`")]
    Header(usize),
    /// Too many headers.
    #[error("there are more than {HEADERS_MAX} headers")]
    Headers,
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] OutboundError),
    /// A second exporter.
    #[error("spans are sent somewhere already")]
    Running,
}

/// Where spans go when they end.
#[derive(Debug)]
pub(crate) struct Shared {
    queue: mpsc::Sender<Finished>,
    waiting_bytes: AtomicUsize,
    /// A trace whose number ends below this is kept; 2^56 keeps all.
    pub(crate) sampled_below: u64,
    pub(crate) content: bool,
}

impl Shared {
    /// Queues a span, or drops it where there is no room.
    pub(crate) fn push(&self, span: Finished) {
        let bytes = span.bytes();
        let fits = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES_MAX;
        if !fits || self.queue.try_send(span).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            vital_metrics::spans("dropped", 1);
        }
    }
}

/// Sends what ends, until it is told to stop.
#[derive(Debug)]
pub struct Exporter {
    client: Outbound,
    url: Url,
    headers: Option<SecretText>,
    sender: Sender,
    queue: mpsc::Receiver<Finished>,
    shared: &'static Shared,
    /// What is being delivered.
    batch: Vec<Finished>,
    batch_bytes: usize,
    /// Whether the present trouble was told.
    told: bool,
}

/// Begins to make spans, for the rest of the process. [`Exporter::run`] sends them.
///
/// # Errors
/// When the address, the headers or the certificates cannot be used, or spans are made already.
pub fn start(settings: Settings) -> Result<Exporter, SettingsFault> {
    let builder = Outbound::builder(Purpose::Telemetry);
    let builder = match &settings.authorities {
        Some(pem) => builder.authorities(pem)?,
        None if settings.endpoint.starts_with("http://") => builder.plain_http(),
        None => builder,
    };
    let client = builder.build()?;
    let address = format!("{}/v1/traces", settings.endpoint.trim_end_matches('/'));
    let url = client.address(&address).map_err(|fault| SettingsFault::Endpoint(fault.to_string()))?;
    if let Some(text) = &settings.headers {
        headers(text.now().as_str())?;
    }
    let (queue, waiting) = mpsc::channel(QUEUE_SPANS_MAX);
    // Seven bytes of randomness: exact in a double, and 1 keeps everything.
    let sampled_below = (settings.sample_ratio.clamp(0.0, 1.0) * (1_u64 << 56) as f64) as u64;
    let shared = Shared { queue, waiting_bytes: AtomicUsize::new(0), sampled_below, content: settings.content };
    ACTIVE.set(shared).map_err(|_| SettingsFault::Running)?;
    let shared = ACTIVE.get().ok_or(SettingsFault::Running)?;
    let sender = Sender { version: settings.version, instance: uuid::Uuid::new_v4().to_string() };
    Ok(Exporter { client, url, headers: settings.headers, sender, queue: waiting, shared, batch: Vec::new(), batch_bytes: 0, told: false })
}

/// How a try ended.
enum Try {
    /// Taken, but for so many.
    Taken(u64),
    /// Not taken; again after at least so long.
    Again(Duration),
    /// Not taken, and never will be.
    Never,
}

impl Exporter {
    /// Sends until `closing` is done, and then what waits, once.
    pub async fn run(mut self, closing: impl Future<Output = ()>) {
        let mut closing = std::pin::pin!(closing);
        loop {
            tokio::select! {
                () = self.fill_and_deliver(TRIES) => {}
                () = &mut closing => break,
            }
        }
        self.queue.close();
        let _in_time = timeout(LAST_WAIT, async {
            while !(self.queue.is_empty() && self.batch.is_empty()) {
                self.fill_and_deliver(1).await;
            }
        })
        .await;
    }

    /// Dropping it loses nothing: a batch stands in `self` until it was delivered or given up.
    async fn fill_and_deliver(&mut self, tries: u32) {
        if self.batch.is_empty() {
            let Some(span) = self.queue.recv().await else { return };
            self.take(span);
        }
        let until = Instant::now() + LINGER;
        while self.batch.len() < BATCH_SPANS_MAX && self.batch_bytes < BATCH_BYTES_MAX {
            let Ok(Some(span)) = timeout_at(until, self.queue.recv()).await else { break };
            self.take(span);
        }
        self.deliver(tries).await;
        self.batch.clear();
        self.batch_bytes = 0;
    }

    fn take(&mut self, span: Finished) {
        let bytes = span.bytes();
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.batch_bytes += bytes;
        self.batch.push(span);
    }

    async fn deliver(&mut self, tries: u32) {
        let (count, body) = (self.batch.len() as u64, Bytes::from(otlp::encode(&self.sender, &self.batch)));
        let mut pause = PAUSE;
        for left in (0..tries).rev() {
            match self.attempt(body.clone()).await {
                Try::Taken(refused) => {
                    let refused = refused.min(count);
                    vital_metrics::spans("delivered", count - refused);
                    vital_metrics::spans("refused", refused);
                    self.told = false;
                    return;
                }
                Try::Never => break,
                Try::Again(wanted) if left > 0 => sleep(pause.max(wanted)).await,
                Try::Again(_) => {}
            }
            pause *= 2;
        }
        vital_metrics::spans("failed", count);
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                spans = count,
                "spans could not be delivered and are lost; answers are not affected, and this is told once until it works again"
            );
        }
    }

    async fn attempt(&self, body: Bytes) -> Try {
        let headers = match self.headers.as_ref().map(|text| headers(text.now().as_str())).transpose() {
            Ok(headers) => headers.unwrap_or_default(),
            Err(fault) => {
                tracing::warn!(%fault, "the headers for the receiver of spans cannot be used");
                return Try::Again(Duration::ZERO);
            }
        };
        let request = Request::post(self.url.clone(), ANSWERS, "application/x-protobuf", body).headers(headers);
        let response = match self.client.send(request).await {
            Ok(response) => response,
            // An answer of success with a body of another type: the spans were taken.
            Err(OutboundError::Type { .. }) => return Try::Taken(0),
            Err(error) => {
                tracing::debug!(%error, "the receiver of spans gave no answer");
                return Try::Again(Duration::ZERO);
            }
        };
        let status = response.status();
        if status.is_success() {
            return Try::Taken(response.bytes().await.map_or(0, |body| otlp::refused(&body)));
        }
        tracing::debug!(status = status.as_u16(), "the receiver of spans refused them");
        // The statuses that the protocol names for another try.
        if status == StatusCode::TOO_MANY_REQUESTS || matches!(status.as_u16(), 502..=504) {
            let wanted = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Try::Again(Duration::from_secs(wanted.unwrap_or(0)).min(PAUSE_MAX));
        }
        Try::Never
    }
}

/// Reads headers, one a line; empty lines are passed over.
fn headers(text: &str) -> Result<HeaderMap, SettingsFault> {
    let mut headers = HeaderMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fault = || SettingsFault::Header(at + 1);
        let (name, value) = line.split_once(':').ok_or_else(fault)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| fault())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| fault())?;
        value.set_sensitive(true);
        headers.insert(name, value);
        if headers.len() > HEADERS_MAX {
            return Err(SettingsFault::Headers);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_and_never_shown() {
        let read = headers("Authorization: Basic abc:def\n\nx-tenant : one\n").unwrap();
        assert_eq!((read["authorization"].to_str().unwrap(), read["x-tenant"].to_str().unwrap()), ("Basic abc:def", "one"));
        assert!(!format!("{read:?}").contains("abc"));
        assert!(matches!(headers("Authorization: x\nno header"), Err(SettingsFault::Header(2))));
        assert!(matches!(headers("a b: c"), Err(SettingsFault::Header(1))));
        let many: String = (0..=HEADERS_MAX).map(|n| format!("x-{n}: y\n")).collect();
        assert!(matches!(headers(&many), Err(SettingsFault::Headers)));
    }
}
