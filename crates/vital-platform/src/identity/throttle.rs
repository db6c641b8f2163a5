//! Slows down guessing: a waiting time per account after repeated failures, and a budget of attempts per address.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use std::{net::IpAddr, num::NonZeroU32};
use vital_kernel::{Error, Result, limits};

/// Counts failures per account and attempts per address, in memory and bounded.
pub struct Throttle {
    failures: Cache<String, u32>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
}

/// Accounts that can be watched at once; the least used are forgotten first.
const ACCOUNTS_MAX: u64 = 100_000;

impl Default for Throttle {
    fn default() -> Self {
        let per_minute = NonZeroU32::new(limits::SIGN_IN_ADDRESS_MAX).unwrap_or(NonZeroU32::MIN);
        Self {
            failures: Cache::builder().max_capacity(ACCOUNTS_MAX).time_to_live(limits::SIGN_IN_WAIT).build(),
            addresses: RateLimiter::keyed(Quota::per_minute(per_minute)),
        }
    }
}

impl Throttle {
    /// Lets an attempt through or says when to try again. The reply is the same whether the account exists or not.
    pub(super) fn admit(&self, email: &str, address: IpAddr) -> Result<()> {
        let tired = self.failures.get(email).is_some_and(|n| n >= limits::SIGN_IN_FAILURES_MAX);
        if tired || self.addresses.check_key(&address).is_err() {
            return Err(Error::rate_limited("sign_in.throttled", "Too many failed attempts. Wait a minute, then try again.")
                .with_retry_after(limits::SIGN_IN_WAIT));
        }
        Ok(())
    }

    pub(super) fn failed(&self, email: &str) {
        let n = self.failures.get(email).unwrap_or(0);
        self.failures.insert(email.to_owned(), n.saturating_add(1));
    }

    pub(super) fn succeeded(&self, email: &str) {
        self.failures.invalidate(email);
    }
}
