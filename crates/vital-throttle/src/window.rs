//! The count of one key: a sliding window made of two counters.
//!
//! A window begins with the first request after quiet. Of the window before it so much still counts as would overlap the last period if
//! its requests had been spread evenly (the sliding window counter that reverse proxies use). So a burst after quiet is allowed exactly
//! `burst` requests within the period, however long it lasts, and at the seam of two windows no second burst is allowed: what comes
//! back, comes back evenly. A token bucket would refill during the burst and allow more than the limit says.
//!
//! All times are microseconds of any clock that does not go back. `shared.lua` says the same in Redis; the tests compare the two.

use crate::limit::{BURST_MAX, Decision, Limit, PER_MAX};
use std::time::Duration;

/// A limit in the units of the arithmetic: at most 3.6e15 when multiplied, below 2^53.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: u64,
    pub(crate) per: u64,
}

impl From<&Limit> for Rate {
    fn from(limit: &Limit) -> Self {
        let per = limit.per.clamp(Duration::from_millis(1), PER_MAX);
        Self { burst: u64::from(limit.burst.clamp(1, BURST_MAX)), per: u64::try_from(per.as_micros()).unwrap_or(u64::MAX) }
    }
}

/// What is remembered of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// When the present window began.
    pub(crate) start: u64,
    /// Requests of the window before it.
    pub(crate) before: u64,
    /// Requests of the present window.
    pub(crate) count: u64,
}

impl Window {
    /// The window as it stands at `now`.
    pub(crate) fn at(self, now: u64, rate: Rate) -> Self {
        match now.saturating_sub(self.start) / rate.per {
            0 if self.count + self.before > 0 => self,
            1 if self.count > 0 => Self { start: self.start + rate.per, before: self.count, count: 0 },
            _ => Self { start: now, before: 0, count: 0 },
        }
    }

    /// How much counts at `now`, in requests times `rate.per`. The window has to stand at `now`.
    pub(crate) fn used(&self, now: u64, rate: Rate) -> u64 {
        // Another node's burst may be configured higher, so that a count can be over this one's.
        let left = rate.per.saturating_sub(now.saturating_sub(self.start));
        (self.count.saturating_mul(rate.per)).saturating_add(self.before.saturating_mul(left))
    }

    /// Counts one request where it is within the limit.
    pub(crate) fn take(self, now: u64, rate: Rate) -> (Self, Decision) {
        let mut window = self.at(now, rate);
        let (used, most) = (window.used(now, rate), rate.burst * rate.per);
        if used.saturating_add(rate.per) <= most {
            window.count += 1;
            let remaining = (most - used - rate.per) / rate.per;
            return (window, Decision::Allowed { remaining: u32::try_from(remaining).unwrap_or(u32::MAX) });
        }
        (window, Decision::Refused { retry_after: Duration::from_micros(window.wait(now, rate)) })
    }

    /// How long until one more is allowed.
    fn wait(&self, now: u64, rate: Rate) -> u64 {
        let over = |used: u64| used.saturating_add(rate.per).saturating_sub(rate.burst * rate.per);
        if self.count < rate.burst {
            return over(self.used(now, rate)).div_ceil(self.before.max(1));
        }
        // Only the next window, in which the present one fades, has room again.
        let end = (self.start + rate.per).saturating_sub(now);
        end + over(self.count.saturating_mul(rate.per)).div_ceil(self.count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(burst: u32, per_ms: u64) -> Rate {
        Rate::from(&Limit { name: "t", burst, per: Duration::from_millis(per_ms) })
    }

    /// The same limit told slowly: every allowed request is kept, and the two windows are counted anew each time, in fractions.
    #[derive(Default)]
    struct Naive {
        allowed: Vec<u64>,
        start: Option<u64>,
    }

    impl Naive {
        fn take(&mut self, now: u64, rate: Rate) -> bool {
            let (burst, per) = (rate.burst as i128, rate.per as i128);
            let counted =
                |from: i128, allowed: &[u64]| allowed.iter().filter(|t| (from..from + per).contains(&(**t as i128))).count() as i128;
            let mut start = self.start.unwrap_or(now) as i128;
            if now as i128 - start >= per {
                let last_full = counted(start, &self.allowed);
                start = if now as i128 - start < 2 * per && last_full > 0 { start + per } else { now as i128 };
                if start == now as i128 && now as i128 != self.start.unwrap_or(now) as i128 + per {
                    self.allowed.clear();
                }
            }
            self.start = Some(start as u64);
            let before = counted(start - per, &self.allowed);
            let used = counted(start, &self.allowed) * per + before * (per - (now as i128 - start));
            let fits = used + per <= burst * per;
            if fits {
                self.allowed.push(now);
            }
            fits
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_the_naive_model_does(burst in 1_u32..20, per_ms in 1_u64..50, steps in prop::collection::vec(0_u64..60_000, 1..200)) {
            let rate = rate(burst, per_ms);
            let (mut window, mut naive, mut now) = (Window::default(), Naive::default(), 1_000_000);
            for step in steps {
                now += step / 7;
                let (next, decision) = window.take(now, rate);
                prop_assert_eq!(decision.is_allowed(), naive.take(now, rate), "at {} after {:?}", now, window);
                window = next;
            }
        }

        #[test]
        fn no_stretch_has_more_than_a_burst_and_what_came_back(burst in 1_u32..50, steps in prop::collection::vec(0_u64..300_000, 1..400)) {
            let rate = rate(burst, 1_000);
            let (mut window, mut now, mut allowed) = (Window::default(), 5, Vec::new());
            for step in steps {
                now += step / 10;
                let (next, decision) = window.take(now, rate);
                window = next;
                if decision.is_allowed() {
                    allowed.push(now);
                }
            }
            for (n, from) in allowed.iter().enumerate() {
                let within = allowed[n..].iter().take_while(|t| **t - from < rate.per).count() as u64;
                prop_assert!(within <= 2 * rate.burst, "{within} within a period");
            }
        }

        #[test]
        fn the_wait_it_names_is_the_shortest_that_suffices(burst in 1_u32..20, steps in prop::collection::vec(0_u64..2_000, 1..200)) {
            let rate = rate(burst, 5);
            let (mut window, mut now) = (Window::default(), 77);
            for step in steps {
                now += step;
                let (next, decision) = window.take(now, rate);
                if let Decision::Refused { retry_after } = decision {
                    let wait = retry_after.as_micros() as u64;
                    prop_assert!(wait > 0);
                    prop_assert!(next.take(now + wait, rate).1.is_allowed(), "{wait} does not suffice for {next:?} at {now}");
                    prop_assert!(!next.take(now + wait - 1, rate).1.is_allowed(), "less than {wait} suffices for {next:?} at {now}");
                }
                window = next;
            }
        }
    }

    #[test]
    fn a_burst_after_quiet_is_allowed_exactly_however_long_it_lasts() {
        let rate = rate(600, 60_000);
        // 6,000 requests over 30 seconds: a token bucket would allow 900.
        let (mut window, mut allowed) = (Window::default(), 0);
        for n in 0..6_000 {
            let (next, decision) = window.take(9_000_000 + n * 5_000, rate);
            window = next;
            allowed += u32::from(decision.is_allowed());
        }
        assert_eq!(allowed, 600);
    }

    #[test]
    fn remaining_counts_down_and_odd_limits_are_bounded() {
        let rate = rate(3, 1_000);
        let (window, first) = Window::default().take(10, rate);
        assert_eq!(first, Decision::Allowed { remaining: 2 });
        let (window, _) = window.take(10, rate);
        let (window, third) = window.take(10, rate);
        assert_eq!(third, Decision::Allowed { remaining: 0 });
        assert_eq!(window.take(10, rate).1, Decision::Refused { retry_after: Duration::from_micros(1_333_334) });
        let odd = Rate::from(&Limit { name: "t", burst: 0, per: Duration::MAX });
        assert_eq!((odd.burst, odd.per), (1, 3_600_000_000));
    }
}
