//! How long a request may still wait.
//!
//! Waiting for the next token counts only while the stream waits for the network: a slow reader of the stream does not turn
//! into a stalled provider. The total counts always.

use crate::{LlmError, Timeouts};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, timeout};

/// The time budget of one request.
#[derive(Debug)]
pub(crate) struct Deadline {
    ends: Instant,
    /// What is left of the wait for the next token.
    left: Duration,
    between_tokens: Duration,
    generated: bool,
}

impl Deadline {
    /// Starts the clock of a request.
    pub(crate) fn start(timeouts: &Timeouts) -> Self {
        Self {
            ends: Instant::now() + timeouts.total,
            left: timeouts.first_token,
            between_tokens: timeouts.between_tokens,
            generated: false,
        }
    }

    /// Notes that the model generated something.
    pub(crate) fn generated(&mut self) {
        self.generated = true;
        self.left = self.between_tokens;
    }

    /// Waits for the network.
    ///
    /// # Errors
    /// The timeout that ran out. It is checked after the wait too, for a provider that always has bytes ready but never a token.
    pub(crate) async fn wait<T>(&mut self, network: impl Future<Output = T>) -> Result<T, LlmError> {
        let from = Instant::now();
        let outcome = timeout(self.left.min(self.ends.saturating_duration_since(from)), network).await;
        let now = Instant::now();
        self.left = self.left.saturating_sub(now - from);
        match outcome {
            Ok(value) if now < self.ends && !self.left.is_zero() => Ok(value),
            _ if now >= self.ends => Err(LlmError::TotalTimeout),
            _ if self.generated => Err(LlmError::Stalled),
            _ => Err(LlmError::FirstTokenTimeout),
        }
    }

    /// The longest wait from now that breaks no timeout, and at most `wanted`.
    pub(crate) fn at_most(&self, wanted: Duration) -> Duration {
        wanted.min(self.left).min(self.ends.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const TIMEOUTS: Timeouts = Timeouts {
        connect: Duration::from_millis(1),
        first_token: Duration::from_millis(30),
        between_tokens: Duration::from_millis(20),
        total: Duration::from_millis(100),
    };

    #[tokio::test(start_paused = true)]
    async fn the_timeout_that_runs_out_first_is_named() {
        assert_eq!(Deadline::start(&TIMEOUTS).wait(pending::<()>()).await, Err(LlmError::FirstTokenTimeout));
        let mut stalled = Deadline::start(&TIMEOUTS);
        stalled.generated();
        assert_eq!(stalled.wait(pending::<()>()).await, Err(LlmError::Stalled));
        let mut slow = Deadline::start(&TIMEOUTS);
        for _ in 0..6 {
            slow.generated();
            assert_eq!(slow.wait(tokio::time::sleep(Duration::from_millis(15))).await, Ok(()));
        }
        slow.generated();
        assert_eq!(slow.wait(pending::<()>()).await, Err(LlmError::TotalTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_a_stalled_provider() {
        let mut deadline = Deadline::start(&TIMEOUTS);
        deadline.generated();
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(deadline.wait(ready(1)).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_always_ready_do_not_outlive_the_total() {
        let mut deadline = Deadline::start(&TIMEOUTS);
        tokio::time::advance(TIMEOUTS.total).await;
        assert_eq!(deadline.wait(ready(1)).await, Err(LlmError::TotalTimeout));
    }
}
