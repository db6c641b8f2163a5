//! How long to wait before a retry: exponential backoff with full jitter.
//!
//! Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015, and "Timeouts, retries, and backoff with
//! jitter", Amazon Builders' Library: the wait is uniform between zero and `min(cap, base · 2^n)`, so that clients that failed
//! together do not come back together.

use std::time::Duration;

/// Longest first wait.
pub const BACKOFF_BASE: Duration = Duration::from_millis(100);
/// Longest wait of all.
pub const BACKOFF_CAP: Duration = Duration::from_secs(10);

/// The longest wait before retry number `retry`, counted from 0.
pub(super) fn ceiling(retry: u32) -> Duration {
    BACKOFF_BASE.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX)).min(BACKOFF_CAP)
}

/// A wait before retry number `retry`, uniform between zero and [`ceiling`]; after what the provider asked for, if it did.
///
/// The jitter comes on top of `Retry-After`: it is the same moment for everyone who was refused together.
pub(super) fn wait(retry: u32, retry_after: Option<Duration>) -> Duration {
    let jitter = rand::Rng::random_range(&mut rand::rng(), Duration::ZERO..=ceiling(retry));
    retry_after.unwrap_or_default().saturating_add(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_for_any_number_of_retries() {
        let ceilings = [0, 1, 2, 6, 7, 31, 32, u32::MAX].map(|retry| ceiling(retry).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 6_400, 10_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn waits_spread_over_the_whole_range_and_never_undercut_what_the_provider_asked_for() {
        let waits: Vec<_> = (0..1_000).map(|_| wait(3, None)).collect();
        assert!(waits.iter().all(|wait| *wait <= ceiling(3)));
        // Both halves of the range: the odds that 1,000 uniform draws miss one are 2^-1000.
        assert!(waits.iter().any(|wait| *wait < ceiling(3) / 2) && waits.iter().any(|wait| *wait > ceiling(3) / 2));
        let asked = Duration::from_secs(7);
        assert!((0..100).map(|_| wait(0, Some(asked))).all(|wait| wait >= asked && wait <= asked + BACKOFF_BASE));
    }
}
