//! What is limited and what a check says.

use std::time::Duration;

/// Largest burst; a larger one counts as this one, so that the arithmetic stays exact in Redis, whose numbers have 53 bits.
pub(crate) const BURST_MAX: u32 = 1_000_000;
/// Longest period; a longer one counts as this one.
pub(crate) const PER_MAX: Duration = Duration::from_secs(60 * 60);

/// So many within a period, for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Name of the limit: keys of different limits do not meet.
    pub name: &'static str,
    /// Most within the period; 1 to 1,000,000, anything else counts as the nearest of these.
    pub burst: u32,
    /// The period; 1 ms to an hour, anything else counts as the nearest of these.
    pub per: Duration,
}

impl Limit {
    /// A limit for a minute.
    #[must_use]
    pub const fn a_minute(name: &'static str, burst: u32) -> Self {
        Self { name, burst, per: Duration::from_secs(60) }
    }
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Within the limit, and counted.
    Allowed {
        /// How many more would be allowed now.
        remaining: u32,
    },
    /// Over the limit, and not counted.
    Refused {
        /// The shortest wait after which one more is allowed, if nobody else uses it up.
        retry_after: Duration,
    },
}

impl Decision {
    /// True where it was within the limit.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}
