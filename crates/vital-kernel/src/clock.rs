//! Wall-clock time, in UTC. Durations inside a process use `std::time::Instant`.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Returns the present time in UTC, cut to the microseconds that PostgreSQL keeps.
#[must_use]
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
}

/// Writes a time as RFC 3339, for people and machines alike.
#[must_use]
pub fn iso(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}
