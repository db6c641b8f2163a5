//! What the figures were taken on.

use serde::Serialize;
use std::{fs, num::NonZero, thread::available_parallelism};

/// Facts of the machine that do not change during a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Cores this process may use.
    pub(crate) cores: usize,
    /// Name of the processor.
    pub(crate) cpu: String,
    /// Memory in GiB.
    pub(crate) memory_gib: f64,
    /// Kernel release.
    pub(crate) kernel: String,
}

impl Machine {
    /// Reads `/proc`; what cannot be read is told as unknown.
    pub(crate) fn read() -> Self {
        let unknown = || "unknown".to_owned();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cores: available_parallelism().map_or(1, NonZero::get),
            cpu: value_of(&cpuinfo, "model name").map_or_else(unknown, str::to_owned),
            memory_gib: value_of(&meminfo, "MemTotal").and_then(kib).unwrap_or(f64::NAN) / 1_048_576.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |text| text.trim().to_owned()),
        }
    }
}

/// The load average of the last minute: processes that run or wait, those of the measurement included.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

/// The value of a `name : value` line.
pub(crate) fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()))
}

/// Reads `123 kB`.
pub(crate) fn kib(text: &str) -> Option<f64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nPss:                1234 kB\nPss_Anon:            9 kB\n";
        assert_eq!(value_of(text, "model name"), Some("Some CPU @ 2.0GHz"));
        assert_eq!(value_of(text, "Pss").and_then(kib), Some(1234.0));
        assert_eq!(value_of(text, "absent"), None);
    }
}
