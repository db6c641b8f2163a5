//! Slows down guessing: a waiting time per account after repeated failures, wherever they come from. How often one network address may try is
//! limited before anything of this is reached (`vital-web`, limits).

use super::hash;
use moka::{
    Entry,
    ops::compute::{CompResult, Op},
    sync::Cache,
};
use std::time::Duration;
use vital_kernel::{Error, Result, limits};

/// Counts attempts and messages per account, in memory and bounded: keys are digests, so that what somebody sends takes no memory.
pub struct Throttle {
    attempts: Cache<[u8; 32], u32>,
    mails: Cache<[u8; 32], u32>,
}

/// Accounts that can be watched at once; the least used are forgotten first.
const ACCOUNTS_MAX: u64 = 100_000;

impl Default for Throttle {
    fn default() -> Self {
        let counts = |lasts| Cache::builder().max_capacity(ACCOUNTS_MAX).time_to_live(lasts).build();
        Self { attempts: counts(limits::SIGN_IN_WAIT), mails: counts(Duration::from_secs(60 * 60)) }
    }
}

impl Throttle {
    /// Counts an attempt before it is looked at, so that attempts made at once are all counted, or says when to try again. An attempt that
    /// is refused here does not count. The reply is the same whether the account exists or not.
    pub(super) fn admit_account(&self, account: &str) -> Result<()> {
        if count(&self.attempts, account, limits::SIGN_IN_FAILURES_MAX) { Ok(()) } else { Err(tired()) }
    }

    /// Whether the next attempt would be refused.
    pub(super) fn is_waiting(&self, account: &str) -> bool {
        self.attempts.get(&hash(account)).is_some_and(|n| n >= limits::SIGN_IN_FAILURES_MAX)
    }

    /// Whether another message may go to this address now.
    pub(super) fn may_mail(&self, email: &str) -> bool {
        count(&self.mails, email, limits::RESET_MAILS_PER_HOUR)
    }

    /// Forgets the attempts of an account: the last one was right.
    pub(super) fn succeeded(&self, account: &str) {
        self.attempts.invalidate(&hash(account));
    }
}

/// Adds one in one step unless there are as many as may be; tells whether it was added.
fn count(counts: &Cache<[u8; 32], u32>, key: &str, most: u32) -> bool {
    let added = counts.entry(hash(key)).and_compute_with(|seen| match seen.map_or(0, Entry::into_value) {
        n if n >= most => Op::Nop,
        n => Op::Put(n + 1),
    });
    !matches!(added, CompResult::Unchanged(_))
}

fn tired() -> Error {
    Error::rate_limited("sign_in.throttled", "Too many failed attempts. Wait a minute, then try again.")
        .with_retry_after(limits::SIGN_IN_WAIT)
}
