//! Processor time and memory of processes and of those below them, from `/proc`.

use crate::memory::{descendants, size};
use anyhow::Context as _;
use std::fs;

/// Milliseconds of one tick of the kernel's clock for processes: `USER_HZ` is 100 on every architecture that Linux has on servers.
const TICK_MS: f64 = 10.0;

/// Processor time in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) own_ms: f64,
    /// Of the processes below: for our server those of its database.
    pub(super) below_ms: f64,
}

impl Cpu {
    /// Reads the time of processes and of those below them so far.
    ///
    /// # Errors
    /// When one of the named processes has ended.
    pub(super) fn of(processes: &[u32]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for process in processes {
            all.own_ms += time(*process).with_context(|| format!("process {process} has ended"))?;
            // A process of the database that ends takes its time along; few do within a measurement.
            all.below_ms += descendants(*process).into_iter().filter_map(time).sum::<f64>();
        }
        Ok(all)
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self { own_ms: self.own_ms - before.own_ms, below_ms: self.below_ms - before.below_ms }
    }
}

/// User and system time of a process (proc_pid_stat(5), fields 14 and 15).
fn time(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) * TICK_MS)
}

/// Proportional set size in MiB of a process, and of those below it.
///
/// # Errors
/// When the process has ended.
pub(super) fn memory(process: u32) -> anyhow::Result<(f64, f64)> {
    let below = descendants(process).into_iter().filter_map(|p| size(p).ok()).map(|size| size.pss_mib).sum();
    Ok((size(process)?.pss_mib, below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_time_of_a_process() {
        let own = [std::process::id()];
        let before = Cpu::of(&own).unwrap();
        let mut sum = 0_u64;
        while Cpu::of(&own).unwrap().since(before).own_ms < 2.0 * TICK_MS {
            sum = (0..1_000_000_u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(std::hint::black_box(n)));
        }
        assert!(memory(own[0]).unwrap().0 > 0.0, "{sum}");
    }
}
