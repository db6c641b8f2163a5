//! What encryption and the audit trail cost an answer, as the server itself measures it while it answers.
//!
//! Sums are read from the metrics listener before and behind the answers; what runs beside them (the sequencer, checkpoints) is not on
//! the path of an answer and not in the sums, though it takes processor time from it.

use crate::{
    Options,
    api::Api,
    latency,
    provider::Paced,
    row::{Aim, Report, Row},
    server::{Server, Setting, http_client},
};
use anyhow::Context as _;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Clients at once, with the questions each asks in a full and in a quick run.
const LEVEL: (usize, usize, usize) = (16, 30, 10);
/// The aim for each, in percent of the p95.
const SHARE_MAX: f64 = 3.0;
/// Observations that are recorded to measure recording itself.
const RECORDED: u32 = 1_000_000;
/// Observations between two rounds of putting them into buckets, about as many as five seconds of a busy server bring.
const UPKEEP_EVERY: u32 = 10_000;

/// Sum in seconds and number of a histogram's observations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Total {
    sum_s: f64,
    count: f64,
}

impl Total {
    fn since(self, before: Self) -> Self {
        Self { sum_s: self.sum_s - before.sum_s, count: self.count - before.count }
    }
}

/// Measures on a server without the model, so that nothing else takes the processor.
///
/// # Errors
/// When the server or the provider does not answer.
pub(crate) async fn measure(setting: &Setting, provider: &Paced, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    recording(report)?;
    crate::say("starting a server that is asked for its metrics");
    let server = Server::start(&setting.clone().with_provider(&provider.base_url()).with_metrics()).await?;
    let api = Api::set_up(&server).await?;
    api.library_ready(false).await?;
    let before = scrape(&server).await?;
    let seen = latency::at_level(&api, provider, options, LEVEL).await?;
    let after = scrape(&server).await?;
    let total = |metric: &str, label: &str| total(&after, metric, label).since(total(&before, metric, label));
    let turns = seen.turns as f64;
    let (seal, open) = (total("vital_sealing_duration_seconds", "seal"), total("vital_sealing_duration_seconds", "open"));
    let (entry, commit) = (total("vital_audit_entry_duration_seconds", "entry"), total("vital_audit_entry_duration_seconds", "commit"));
    let counts = [("sealed", seal.count / turns), ("opened", open.count / turns), ("transactions with entries", entry.count / turns)];
    report.add(Row::new("values sealed, opened, audited transactions, an answer", "", &counts, None, seen.turns));
    let of_sealing = [("seal", seal.sum_s * 1e3 / turns), ("open", open.sum_s * 1e3 / turns)];
    report.add(Row::new("time in encryption, an answer", "ms", &of_sealing, None, seen.turns));
    let of_audit = [("entries", entry.sum_s * 1e3 / turns), ("commits of reads", commit.sum_s * 1e3 / turns)];
    report.add(Row::new("time in writing audit entries, an answer", "ms", &of_audit, None, seen.turns));
    let p95 = [("added to done", seen.added_p95_ms), ("whole answer", seen.done_p95_ms)];
    report.add(Row::new(format!("p95 with {} at once", LEVEL.0), "ms", &p95, None, seen.turns));
    for (what, ms) in [("encryption", of_sealing), ("audit", of_audit)] {
        let ms = ms[0].1 + ms[1].1;
        let shares = [("of what is added", 100.0 * ms / seen.added_p95_ms), ("of the whole answer", 100.0 * ms / seen.done_p95_ms)];
        report.add(Row::new(format!("share of {what} in the p95"), "%", &shares, Some(Aim::AtMost(SHARE_MAX)), seen.turns));
    }
    server.stop()
}

/// What one observation costs, in this process.
fn recording(report: &mut Report) -> anyhow::Result<()> {
    vital_metrics::start("bench")?;
    let begun = Instant::now();
    for n in 1..=RECORDED {
        let watch = vital_metrics::Stopwatch::start();
        vital_metrics::sealed(black_box(&watch));
        if n % UPKEEP_EVERY == 0 {
            vital_metrics::upkeep();
        }
    }
    let value = begun.elapsed().as_secs_f64() * 1e9 / f64::from(RECORDED);
    let begun = Instant::now();
    for n in 1..=RECORDED / 10 {
        vital_metrics::request(Some("/api/v1/turns/{id}/events"), "GET", 200, Duration::from_millis(u64::from(n % 7)));
        if n % UPKEEP_EVERY == 0 {
            vital_metrics::upkeep();
        }
    }
    let request = begun.elapsed().as_secs_f64() * 1e9 / f64::from(RECORDED / 10);
    report.add(Row::new("recording a sealed value, a request", "ns", &[("value", value), ("request", request)], None, RECORDED as usize));
    Ok(())
}

async fn scrape(server: &Server) -> anyhow::Result<String> {
    let address = server.metrics().context("the server has no metrics listener")?;
    Ok(http_client()?.get(address).send().await?.error_for_status()?.text().await?)
}

/// What a histogram with one label holds under a value of it.
fn total(text: &str, metric: &str, label: &str) -> Total {
    let line = |suffix: &str| {
        let wanted = format!("=\"{label}\"}}");
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(metric)?.strip_prefix(suffix)?.split_once(' ').filter(|(l, _)| l.ends_with(&wanted)));
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0.0)
    };
    Total { sum_s: line("_sum"), count: line("_count") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_by_name_and_label() {
        let text = "# TYPE m histogram\nm_bucket{operation=\"seal\",le=\"1\"} 5\nm_sum{operation=\"seal\"} 0.25\nm_count{operation=\"seal\"} 5\nm_sum{operation=\"open\"} 1\nm_count{operation=\"open\"} 9\n";
        assert_eq!(total(text, "m", "seal"), Total { sum_s: 0.25, count: 5.0 });
        assert_eq!(total(text, "m", "open").since(total(text, "m", "seal")), Total { sum_s: 0.75, count: 4.0 });
        assert_eq!(total(text, "other", "seal"), Total::default());
    }
}
