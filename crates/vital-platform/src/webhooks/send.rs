//! One attempt: the signed request and what came of it, of which the status alone is read.

use super::{schedule, secret::Secret};
use serde::Serialize;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_outbound::{
    Accept, Outbound, OutboundError, Request,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

/// What an attempt ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver answered; the status says whether it took the message.
    Answered,
    /// No connection, or the address leads where none is allowed.
    NotReached,
    /// No answer within 15 seconds.
    TooSlow,
    /// The connection broke off, or what came is not HTTP.
    CutOff,
    /// The head of the answer is too large.
    Unreadable,
    /// The address may not be asked any more. Nothing was sent.
    AddressRefused,
}

impl Outcome {
    pub(super) const ALL: [Self; 6] =
        [Self::Answered, Self::NotReached, Self::TooSlow, Self::CutOff, Self::Unreadable, Self::AddressRefused];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotReached => "not_reached",
            Self::TooSlow => "too_slow",
            Self::CutOff => "cut_off",
            Self::Unreadable => "unreadable",
            Self::AddressRefused => "address_refused",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }

    const fn of(error: &OutboundError) -> Self {
        match error {
            OutboundError::Address(_) => Self::AddressRefused,
            OutboundError::TooSlow { .. } => Self::TooSlow,
            OutboundError::Cut { .. } => Self::CutOff,
            OutboundError::Unreachable { .. } | OutboundError::Client { .. } => Self::NotReached,
            _ => Self::Unreadable,
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Result {
    pub outcome: Outcome,
    /// Where the receiver answered.
    pub status: Option<u16>,
    /// The wait that the receiver asks for.
    pub asked: Option<Duration>,
}

impl Result {
    /// Whether the receiver took the message.
    pub(super) fn is_taken(self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver wants no further message, ever.
    pub(super) fn is_gone(self) -> bool {
        self.status == Some(410)
    }

    /// Its name among the metrics.
    pub(super) fn metric(self) -> &'static str {
        match self.status {
            Some(200..300) => "delivered",
            Some(_) => "refused",
            None => self.outcome.as_str(),
        }
    }
}

/// A message as it is sent.
pub(super) struct Outgoing<'a> {
    pub url: &'a str,
    /// Equal over all attempts.
    pub id: &'a str,
    pub body: &'a str,
    /// The present secret, and a former one for as long as it counts.
    pub secrets: &'a [Secret],
    pub at: OffsetDateTime,
}

impl Outgoing<'_> {
    /// The headers of the specification.
    fn headers(&self) -> [(&'static str, String); 3] {
        let timestamp_s = self.at.unix_timestamp();
        let signatures: Vec<String> = self.secrets.iter().map(|secret| secret.sign(self.id, timestamp_s, self.body)).collect();
        [("webhook-id", self.id.to_owned()), ("webhook-timestamp", timestamp_s.to_string()), ("webhook-signature", signatures.join(" "))]
    }
}

/// Sends a message once.
pub(super) async fn send(outbound: &Outbound, message: &Outgoing<'_>) -> Result {
    let failed = |error: &OutboundError| Result { outcome: Outcome::of(error), status: None, asked: None };
    let url = match outbound.address(message.url) {
        Ok(url) => url,
        Err(fault) => return failed(&OutboundError::Address(fault)),
    };
    let mut request = Request::post(url, Accept::Unread, "application/json", message.body.to_owned());
    for (name, value) in message.headers() {
        // Ids, digits and base64 are always values.
        let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""));
        request = request.header(HeaderName::from_static(name), value);
    }
    match outbound.send(request).await {
        Ok(response) => {
            let status = response.status().as_u16();
            let asks = matches!(status, 429 | 503);
            let asked = response.headers().get(RETRY_AFTER).filter(|_| asks).and_then(|value| value.to_str().ok());
            Result { outcome: Outcome::Answered, status: Some(status), asked: asked.and_then(|v| schedule::retry_after(v, message.at)) }
        }
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_make_two_signatures_in_one_header() {
        let (new, old) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let (one, two) = (new.sign("m", 0, "{}"), old.sign("m", 0, "{}"));
        let message = Outgoing { url: "https://a.example/", id: "m", body: "{}", secrets: &[new, old], at: OffsetDateTime::UNIX_EPOCH };
        assert_eq!(message.headers()[2], ("webhook-signature", format!("{one} {two}")));
        assert_eq!(message.headers()[1].1, "0");
    }

    #[test]
    fn only_a_status_of_success_is_a_delivery() {
        let of = |status| Result { outcome: Outcome::Answered, status: Some(status), asked: None };
        assert!(of(200).is_taken() && of(204).is_taken() && of(299).is_taken());
        for status in [100, 199, 300, 302, 304, 400, 410, 429, 500, 999] {
            assert!(!of(status).is_taken(), "{status}");
        }
        assert!(of(410).is_gone() && !of(404).is_gone());
    }

    #[tokio::test]
    async fn an_address_that_may_not_be_asked_is_refused_before_anything_is_sent() {
        let outbound = Outbound::builder(vital_outbound::Purpose::Webhook).build().unwrap();
        for url in ["https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://public.example/"] {
            let message = Outgoing { url, id: "m", body: "{}", secrets: &[], at: OffsetDateTime::UNIX_EPOCH };
            assert_eq!(send(&outbound, &message).await.outcome, Outcome::AddressRefused, "{url}");
        }
    }
}
