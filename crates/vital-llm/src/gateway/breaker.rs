//! The circuit breaker of one target: after too many failures nothing is sent to it for a while, then one request tries.
//!
//! Closed → open when at least half of the outcomes of the last [`WINDOW_SECONDS`] failed and there were at least
//! [`VOLUME_MIN`], or when [`IN_A_ROW`] failed without a success between them, however far apart. Open → half-open after
//! [`OPEN_FOR`], doubled each time the probe fails, up to [`OPEN_FOR_MAX`]. Half-open lets one request through: its first item
//! closes the breaker, its failure opens it again, and if it is dropped without either, the next request is the probe.
//! Source of the states: Michael Nygard, "Release It!", 2nd edition, section 5.2.
//!
//! **Invariant:** an outcome of a request that was let in before the last change of state changes nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The outcomes of how many seconds count.
pub const WINDOW_SECONDS: u64 = 10;
/// Fewest outcomes within the window on which their ratio is judged.
pub const VOLUME_MIN: u32 = 5;
/// Failures in a row that open the breaker at any volume.
pub const IN_A_ROW: u32 = 5;
/// How long the breaker stays open at first.
pub const OPEN_FOR: Duration = Duration::from_secs(5);
/// How long it stays open at most.
pub const OPEN_FOR_MAX: Duration = Duration::from_secs(60);

/// The state of a breaker, for status pages and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// Nothing passes for this long yet.
    Open {
        /// Until the next request is let through as a probe.
        retry_in: Duration,
    },
    /// The next request is a probe, or one is under way.
    HalfOpen,
}

/// A breaker; cheap to share. The lock is held for a few instructions and never across an await.
#[derive(Debug)]
pub struct Breaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Counts changes of phase.
    generation: u64,
    /// How often in a row a probe failed.
    reopened: u32,
    in_a_row: u32,
    began: Instant,
    window: [Second; WINDOW_SECONDS as usize],
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

/// The outcomes of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which one, counted from the breaker's beginning.
    number: u64,
    passed: u32,
    failed: u32,
}

/// Permission to send one request; tells the breaker how it went. Dropped without an outcome, it counts as none.
#[derive(Debug)]
pub struct Ticket {
    breaker: Arc<Breaker>,
    generation: u64,
    probe: bool,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Unknown,
    Passed,
    Failed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// Begins closed.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(Inner {
            phase: Phase::Closed,
            generation: 0,
            reopened: 0,
            in_a_row: 0,
            began: Instant::now(),
            window: [Second::default(); WINDOW_SECONDS as usize],
        }))
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// How long nothing is let in, if that is known; while a probe is under way it is zero.
    pub fn enter(self: &Arc<Self>) -> Result<Ticket, Duration> {
        let mut inner = self.lock();
        let probe = match inner.phase {
            Phase::Closed => false,
            Phase::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                inner.change(Phase::HalfOpen { probing: true });
                true
            }
            Phase::HalfOpen { probing: true } => return Err(Duration::ZERO),
            Phase::HalfOpen { probing: false } => {
                inner.phase = Phase::HalfOpen { probing: true };
                true
            }
        };
        Ok(Ticket { breaker: Arc::clone(self), generation: inner.generation, probe, outcome: Outcome::Unknown })
    }

    /// How long nothing is let in, or `None` if a request may be; nothing changes.
    pub(super) fn shut(&self) -> Option<Duration> {
        match self.lock().phase {
            Phase::Closed | Phase::HalfOpen { probing: false } => None,
            Phase::HalfOpen { probing: true } => Some(Duration::ZERO),
            Phase::Open { until } => Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()),
        }
    }

    /// The state at this moment.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.lock().phase {
            Phase::Closed => BreakerState::Closed,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Open { until } => match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => BreakerState::HalfOpen,
                retry_in => BreakerState::Open { retry_in },
            },
        }
    }

    /// The state is a few numbers that are never half written, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    fn second(&mut self) -> &mut Second {
        let number = self.began.elapsed().as_secs();
        let second = &mut self.window[(number % WINDOW_SECONDS) as usize];
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second
    }

    fn passed(&mut self) {
        let second = self.second();
        second.passed = second.passed.saturating_add(1);
        self.in_a_row = 0;
    }

    fn failed(&mut self) {
        let second = self.second();
        second.failed = second.failed.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let now = self.began.elapsed().as_secs();
        let recent = self.window.iter().filter(|second| second.number + WINDOW_SECONDS > now);
        let (passed, failed) = recent
            .fold((0_u32, 0_u32), |(passed, failed), second| (passed.saturating_add(second.passed), failed.saturating_add(second.failed)));
        let enough = passed.saturating_add(failed) >= VOLUME_MIN && failed >= passed;
        if enough || self.in_a_row >= IN_A_ROW {
            self.open();
        }
    }

    fn open(&mut self) {
        let open_for = OPEN_FOR.saturating_mul(1_u32.checked_shl(self.reopened).unwrap_or(u32::MAX)).min(OPEN_FOR_MAX);
        self.reopened = self.reopened.saturating_add(1);
        self.change(Phase::Open { until: Instant::now() + open_for });
    }

    fn close(&mut self) {
        self.reopened = 0;
        self.in_a_row = 0;
        self.window = [Second::default(); WINDOW_SECONDS as usize];
        self.change(Phase::Closed);
    }
}

impl Ticket {
    /// Notes the first item of an answer: the target is there. A probe closes the breaker at once, for the rest may take minutes.
    pub fn answered(&mut self) {
        self.outcome = Outcome::Passed;
        if self.probe {
            self.probe = false;
            let mut inner = self.breaker.lock();
            if inner.generation == self.generation {
                inner.close();
                self.generation = inner.generation;
            }
        }
    }

    /// Notes that the target failed, before or after its first item.
    pub fn failed(mut self) {
        self.outcome = Outcome::Failed;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.breaker.lock();
        if inner.generation != self.generation {
            return;
        }
        match (self.outcome, self.probe) {
            (Outcome::Failed, true) => inner.open(),
            (Outcome::Failed, false) => inner.failed(),
            (Outcome::Passed, _) => inner.passed(),
            (Outcome::Unknown, true) => inner.phase = Phase::HalfOpen { probing: false },
            (Outcome::Unknown, false) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn pass(breaker: &Arc<Breaker>) {
        breaker.enter().expect("the breaker is closed").answered();
    }

    fn fail(breaker: &Arc<Breaker>) {
        breaker.enter().expect("the breaker is closed").failed();
    }

    fn opened() -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new());
        (0..IN_A_ROW).for_each(|_| fail(&breaker));
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_begins_to_fail_is_left_alone_within_ten_seconds_at_one_request_a_second() {
        let breaker = Arc::new(Breaker::new());
        for _ in 0..30 {
            pass(&breaker);
            advance(Duration::from_secs(1)).await;
        }
        let mut seconds = 0;
        while breaker.state() == BreakerState::Closed {
            fail(&breaker);
            advance(Duration::from_secs(1)).await;
            seconds += 1;
        }
        assert!(seconds <= 10, "open after {seconds} s");
        assert_eq!(breaker.enter().err(), Some(Duration::from_secs(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn few_failures_or_a_small_share_of_them_open_nothing() {
        let breaker = Arc::new(Breaker::new());
        (0..VOLUME_MIN - 1).for_each(|_| fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Closed);
        advance(Duration::from_secs(WINDOW_SECONDS)).await;
        for _ in 0..100 {
            pass(&breaker);
            pass(&breaker);
            fail(&breaker);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_however_far_apart() {
        let breaker = Arc::new(Breaker::new());
        for _ in 0..IN_A_ROW {
            assert_eq!(breaker.state(), BreakerState::Closed);
            fail(&breaker);
            advance(Duration::from_secs(60)).await;
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_passes_and_its_first_item_closes_the_breaker() {
        let breaker = opened();
        advance(OPEN_FOR).await;
        let mut probe = breaker.enter().expect("a probe");
        assert_eq!((breaker.enter().err(), breaker.shut()), (Some(Duration::ZERO), Some(Duration::ZERO)));
        probe.answered();
        assert_eq!(breaker.state(), BreakerState::Closed);
        // What came before does not count any more: four failures are too few again.
        (0..VOLUME_MIN - 1).for_each(|_| fail(&breaker));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let breaker = opened();
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(breaker.state(), BreakerState::Open { retry_in: Duration::from_secs(pause) });
            advance(Duration::from_secs(pause)).await;
            breaker.enter().expect("a probe").failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_leaves_its_place_to_the_next() {
        let breaker = opened();
        advance(OPEN_FOR).await;
        drop(breaker.enter().expect("a probe"));
        assert_eq!((breaker.shut(), breaker.state()), (None, BreakerState::HalfOpen));
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_from_before_a_change_of_state_change_nothing() {
        let breaker = Arc::new(Breaker::new());
        let late: Vec<_> = (0..20).map(|_| breaker.enter().expect("closed")).collect();
        (0..IN_A_ROW).for_each(|_| fail(&breaker));
        advance(OPEN_FOR).await;
        breaker.enter().expect("a probe").answered();
        late.into_iter().for_each(Ticket::failed);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
