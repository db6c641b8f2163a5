//! How a certificate stands: how long it still lasts, and what is in the way of the next one.

use crate::Certificate;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Days before the end at which a warning is due, each more urgent than the one before.
pub const WARN_DAYS: [i64; 3] = [21, 7, 1];

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing to do.
    Good,
    /// It ends within 21 days.
    EndsIn21Days,
    /// It ends within 7 days.
    EndsIn7Days,
    /// It ends within a day.
    EndsInADay,
    /// The clock of this machine stands before its begin, so the clock is wrong or was stepped back.
    ClockBehind,
    /// It has ended.
    Expired,
    /// There is none yet.
    Missing,
}

impl State {
    fn of(certificate: &Certificate, now: OffsetDateTime) -> Self {
        if now < certificate.not_before() {
            return Self::ClockBehind;
        }
        let [early, near, last] = WARN_DAYS.map(Duration::days);
        match certificate.not_after() - now {
            left if left <= Duration::ZERO => Self::Expired,
            left if left <= last => Self::EndsInADay,
            left if left <= near => Self::EndsIn7Days,
            left if left <= early => Self::EndsIn21Days,
            _ => Self::Good,
        }
    }

    /// What it says to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::EndsIn21Days => "ends within 21 days",
            Self::EndsIn7Days => "ends within 7 days",
            Self::EndsInADay => "ends within a day",
            Self::ClockBehind => "not valid yet: is this machine's clock right?",
            Self::Expired => "expired",
            Self::Missing => "missing",
        }
    }
}

/// How the certificate of one name stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The domain; empty for the site itself.
    pub domain: String,
    /// How urgent it is.
    pub state: State,
    /// The names it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_before: Option<OffsetDateTime>,
    /// Until when it is valid.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_after: Option<OffsetDateTime>,
    /// Seconds until then; 0 when that has passed.
    pub left_s: i64,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
    /// Why the next one is not there yet.
    pub trouble: Option<String>,
}

impl Standing {
    /// How a certificate stands at a time.
    #[must_use]
    pub fn of(domain: &str, certificate: Option<&Certificate>, trouble: Option<String>, now: OffsetDateTime) -> Self {
        Self {
            domain: domain.to_owned(),
            state: certificate.map_or(State::Missing, |c| State::of(c, now)),
            names: certificate.map(|c| c.names().to_vec()).unwrap_or_default(),
            not_before: certificate.map(Certificate::not_before),
            not_after: certificate.map(Certificate::not_after),
            left_s: certificate.map_or(0, |c| c.left(now).whole_seconds()),
            fingerprint: certificate.map(|c| c.fingerprint().to_owned()).unwrap_or_default(),
            trouble,
        }
    }
}
