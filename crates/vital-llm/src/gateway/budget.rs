//! The retry budget of one target: retries stay a small share of its requests, however many requests fail.
//!
//! A token bucket as in Finagle's `RetryBudget` and gRPC's retry throttling (proposal A6): every request pays in a tenth of a
//! retry, every retry takes out a whole one, and a trickle over time lets a target with few requests retry at all. Without a
//! budget, a provider that is down gets its load multiplied by the number of tries just when it can bear it least.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// What one retry costs; amounts are thousandths of a retry.
const RETRY: u64 = 1_000;
/// What a request pays in: retries are at most 10 % of requests, the floor aside.
const PER_REQUEST: u64 = RETRY / 10;
/// The floor: what is paid in for each second, which is one retry every five seconds.
const PER_SECOND: u64 = RETRY / 5;
/// Most that is kept for later, which is also what a new target starts with: ten retries.
const KEPT_MAX: u64 = 10 * RETRY;

/// The retries that a target may still cause.
#[derive(Debug)]
pub(super) struct RetryBudget {
    balance: AtomicU64,
    began: Instant,
    /// The whole seconds since `began` that are paid in.
    paid_seconds: AtomicU64,
}

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self { balance: AtomicU64::new(KEPT_MAX), began: Instant::now(), paid_seconds: AtomicU64::new(0) }
    }

    /// Notes a request, which is not a retry.
    pub(super) fn request(&self) {
        self.pay_in(PER_REQUEST);
    }

    /// Takes out one retry; `false` means that there must be none.
    pub(super) fn retry(&self) -> bool {
        let seconds = self.began.elapsed().as_secs();
        let paid = self.paid_seconds.fetch_max(seconds, Ordering::Relaxed);
        self.pay_in(seconds.saturating_sub(paid).saturating_mul(PER_SECOND));
        self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| balance.checked_sub(RETRY)).is_ok()
    }

    /// The whole retries left, the floor since the last one aside.
    pub(super) fn left(&self) -> u64 {
        self.balance.load(Ordering::Relaxed) / RETRY
    }

    fn pay_in(&self, amount: u64) {
        let full = |balance: u64| Some(balance.saturating_add(amount).min(KEPT_MAX));
        // The closure always gives a value, so the update cannot fail.
        let _ = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn an_idle_target_gets_its_floor_back_and_no_more_than_is_kept() {
        let budget = RetryBudget::new();
        assert_eq!((0..100).filter(|_| budget.retry()).count(), 10);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!budget.retry());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(budget.retry() && !budget.retry());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!((0..100).filter(|_| budget.retry()).count(), 10);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Request,
        Retry,
        Second,
    }

    proptest! {
        #[test]
        fn retries_are_at_most_a_tenth_of_the_requests_and_the_floor(
            steps in prop::collection::vec(prop_oneof![Just(Step::Request), Just(Step::Retry), Just(Step::Second)], 0..500),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
            let (requests, seconds, retries) = runtime.block_on(async {
                let budget = RetryBudget::new();
                let (mut requests, mut seconds, mut retries) = (0_u64, 0_u64, 0_u64);
                for step in steps {
                    match step {
                        Step::Request => {
                            budget.request();
                            requests += 1;
                        }
                        Step::Retry => retries += u64::from(budget.retry()),
                        Step::Second => {
                            tokio::time::advance(Duration::from_secs(1)).await;
                            seconds += 1;
                        }
                    }
                }
                (requests, seconds, retries)
            });
            prop_assert!(retries * RETRY <= KEPT_MAX + requests * PER_REQUEST + seconds * PER_SECOND);
        }
    }
}
