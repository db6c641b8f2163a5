//! Slows down guessing: a waiting time per account after repeated failures, wherever they come from. How often one network address may try is
//! limited before anything of this is reached (`vital-web`, limits).

use moka::sync::Cache;
use std::time::Duration;
use vital_kernel::{Error, Result, limits};

/// Counts failures and messages per account, in memory and bounded.
pub struct Throttle {
    failures: Cache<String, u32>,
    mails: Cache<String, u32>,
}

/// Accounts that can be watched at once; the least used are forgotten first.
const ACCOUNTS_MAX: u64 = 100_000;

impl Default for Throttle {
    fn default() -> Self {
        let counts = |lasts| Cache::builder().max_capacity(ACCOUNTS_MAX).time_to_live(lasts).build();
        Self { failures: counts(limits::SIGN_IN_WAIT), mails: counts(Duration::from_secs(60 * 60)) }
    }
}

impl Throttle {
    /// Lets an attempt through or says when to try again. The reply is the same whether the account exists or not.
    pub(super) fn admit_account(&self, account: &str) -> Result<()> {
        if self.failures.get(account).is_some_and(|n| n >= limits::SIGN_IN_FAILURES_MAX) { Err(tired()) } else { Ok(()) }
    }

    /// Whether another message may go to this address now.
    pub(super) fn may_mail(&self, email: &str) -> bool {
        count(&self.mails, email) <= limits::RESET_MAILS_PER_HOUR
    }

    pub(super) fn failed(&self, account: &str) {
        count(&self.failures, account);
    }

    pub(super) fn succeeded(&self, account: &str) {
        self.failures.invalidate(account);
    }
}

/// Adds one in one step, so that attempts made at once are all counted.
fn count(counts: &Cache<String, u32>, key: &str) -> u32 {
    counts.entry_by_ref(key).and_upsert_with(|seen| seen.map_or(1, |e| e.into_value().saturating_add(1))).into_value()
}

fn tired() -> Error {
    Error::rate_limited("sign_in.throttled", "Too many failed attempts. Wait a minute, then try again.")
        .with_retry_after(limits::SIGN_IN_WAIT)
}
