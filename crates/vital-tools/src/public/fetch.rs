//! How a public source is asked: paced, bounded, and with every way of failing told apart.

use crate::{Endpoints, Provenance, SourceText, ToolError};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;
use vital_outbound::{Accept, Egress, Outbound, Purpose, Request, Response, header::RETRY_AFTER};
use vital_throttle::{Decision, Limit, Throttle};

/// Largest answer of a source, in bytes; [`Purpose::PublicSource`] has the same limit.
pub const BODY_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Shortest pause where a source says that it is busy and not for how long.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause that a source is believed.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Parameters that say who asks, or are secret; they are no part of what is told of a request.
const OURS: [&str; 4] = ["api_key", "email", "mailto", "tool"];

/// What asks the public sources.
pub(crate) struct Sources {
    pub(crate) endpoints: Endpoints,
    pub(crate) throttle: Throttle,
    outbound: Outbound,
}

/// An answer that was read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Sources {
    pub(crate) fn new(egress: Egress, endpoints: Endpoints) -> Result<Self, ToolError> {
        let outbound = Outbound::builder(Purpose::PublicSource).egress(egress).build()?;
        Ok(Self { endpoints, throttle: Throttle::in_memory(64), outbound })
    }

    /// Asks once, as soon as the rate allows; statuses other than those of the list are errors.
    pub(crate) async fn get(&self, url: Url, accept: Accept, rate: &Limit, deadline: Instant, wanted: &[u16]) -> Result<Answer, ToolError> {
        self.turn(&url, rate, deadline).await?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let exchange = async {
            let response = self.outbound.send(Request::get(url, accept)).await?;
            let status = response.status().as_u16();
            if !wanted.contains(&status) {
                return Err(refused(&response));
            }
            Ok(Answer { status, body: response.bytes().await? })
        };
        let answer = timeout_at(deadline, exchange).await.unwrap_or(Err(ToolError::TooSlow));
        if let Err(error) = &answer {
            tracing::warn!(host, code = error.code(), "a public source gave no answer");
        }
        answer
    }

    /// Asks for JSON.
    pub(crate) async fn json(&self, url: Url, rate: &Limit, deadline: Instant) -> Result<Value, ToolError> {
        self.get(url, Accept::Json, rate, deadline, &[200]).await?.json()
    }

    /// Waits for a place within the rate; busy where that is beyond the deadline.
    async fn turn(&self, url: &Url, rate: &Limit, deadline: Instant) -> Result<(), ToolError> {
        let host = url.host_str().unwrap_or_default();
        loop {
            match self.throttle.check(rate, host).await {
                Decision::Allowed { .. } => return Ok(()),
                Decision::Refused { retry_after } if Instant::now() + retry_after >= deadline => {
                    return Err(ToolError::Busy { retry_after });
                }
                Decision::Refused { retry_after } => sleep(retry_after).await,
            }
        }
    }
}

/// Says of texts where they come from; a licence that a text has of its own stays.
pub(crate) fn from_source(texts: &mut [SourceText], source: &str, licence: &str, request: &Url) {
    let (request, retrieved_at) = (told(request), OffsetDateTime::now_utc());
    for text in texts {
        let licence = text.provenance.take().map_or_else(|| licence.to_owned(), |own| own.licence);
        text.provenance = Some(Provenance { source: source.to_owned(), request: request.clone(), retrieved_at, licence });
    }
}

/// A provenance that so far knows the record's own licence alone; [`from_source`] fills in the rest.
pub(crate) fn licensed(licence: String) -> Option<Provenance> {
    Some(Provenance { source: String::new(), request: String::new(), retrieved_at: OffsetDateTime::UNIX_EPOCH, licence })
}

/// The address without what is secret and without whom the operator names.
fn told(request: &Url) -> String {
    let mut url = request.clone();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    url.set_query(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url.into()
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, ToolError> {
        serde_json::from_slice(&self.body).map_err(|_| ToolError::unreadable("not JSON"))
    }
}

fn refused(response: &Response) -> ToolError {
    let status = response.status().as_u16();
    if !matches!(status, 429 | 503) {
        return ToolError::Refused { status };
    }
    let said = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
    ToolError::Busy { retry_after: said.map_or(PAUSE, Duration::from_secs).min(PAUSE_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_request_has_no_key_and_no_person() {
        let url = Url::parse("https://x.example/a?term=b+c&api_key=hush&email=a%40b.example&mailto=m%40b.example&tool=t").unwrap();
        assert_eq!(told(&url), "https://x.example/a?term=b+c");
        assert_eq!(told(&Url::parse("https://x.example/a?api_key=hush").unwrap()), "https://x.example/a");
    }
}
