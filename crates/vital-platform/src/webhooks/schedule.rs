//! When a delivery is tried again: the schedule that the specification recommends, with jitter, and what a receiver asks for.

use rand::Rng as _;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// Attempts of one round: the first at once, then one after each of the waits. A round takes a little over three days.
pub const ATTEMPTS_MAX: usize = WAITS.len() + 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];
/// How much longer a wait may get, so that what failed together is not tried again together.
const JITTER: f64 = 0.1;
/// Longest wait that a receiver can ask for.
const ASKED_MAX: Duration = Duration::from_secs(24 * HOUR);

/// When the next attempt is due, after `made` attempts of which the last failed at `at`; none after the last one.
pub(super) fn next(made: usize, at: OffsetDateTime, asked: Option<Duration>) -> Option<OffsetDateTime> {
    let wait = *WAITS.get(made.checked_sub(1)?)?;
    let wait = wait.mul_f64(1.0 + rand::rng().random_range(0.0..JITTER));
    Some(at + wait.max(asked.unwrap_or_default().min(ASKED_MAX)))
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
pub(super) fn retry_after(value: &str, at: OffsetDateTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Duration::try_from(until - at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    #[test]
    fn a_round_is_ten_attempts_within_a_little_over_three_days() {
        let (mut at, mut made) = (AT, 1);
        while let Some(next) = next(made, at, None) {
            let wait = Duration::try_from(next - at).unwrap();
            assert!(wait >= WAITS[made - 1] && wait <= WAITS[made - 1].mul_f64(1.0 + JITTER), "{made}: {wait:?}");
            (at, made) = (next, made + 1);
        }
        assert_eq!(made, ATTEMPTS_MAX);
        assert_eq!(ATTEMPTS_MAX, 10);
        assert!((at - AT).whole_hours() >= 75 && (at - AT).whole_hours() <= 84, "{}", at - AT);
    }

    #[test]
    fn a_receiver_can_ask_for_a_longer_wait_within_bounds_and_for_no_shorter_one() {
        let wait = |made, asked_s| next(made, AT, Some(Duration::from_secs(asked_s))).unwrap() - AT;
        assert_eq!(wait(1, 600).whole_seconds(), 600);
        assert!(wait(2, 1).whole_seconds() >= 300);
        assert_eq!(wait(1, u64::MAX).whole_hours(), 24);
    }

    #[test]
    fn both_forms_of_retry_after_are_read_and_nonsense_is_none() {
        assert_eq!(retry_after("120", AT), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 12:01:30 GMT", AT), Some(Duration::from_secs(90)));
        for nonsense in ["", "soon", "-5", "Sun, 01 Mar 2026 11:00:00 GMT", "99999999999999999999999"] {
            assert_eq!(retry_after(nonsense, AT), None, "{nonsense}");
        }
    }
}
