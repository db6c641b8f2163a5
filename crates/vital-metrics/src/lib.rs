//! Metrics of a running server: what there is, how it is recorded, and how it is written for Prometheus.
//!
//! **Invariants:** labels have few values and never name a tenant, a person, or anything people wrote; before [`start`] nothing is recorded
//! and nothing is kept, so that who does not ask for metrics pays nothing; whoever starts them calls [`upkeep`] every few seconds, or
//! observations pile up until the next [`render`]. Listening is not here.

mod genai;
mod names;
mod record;

pub use genai::{ChunkTimes, GenAi, agent_ended, tool_ended};
pub use names::{ALL, Kind, Metric};
pub use record::{
    Audit, CERTIFICATES_MAX, Stopwatch, audit, audit_committed, audit_refused, audit_stored, budget_warned, certificates,
    checkpoints_writable, first_token, kept_answer, model_cost, model_refused, opened, request, sealed, secret, spans, turn_ended,
    verification, webhook_attempt, webhooks_waiting,
};

use metrics::{Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// After how long a gauge that nobody sets any more disappears: the certificate of a domain that is gone must alarm nobody.
const GAUGE_KEPT: Duration = Duration::from_secs(600);

/// Why metrics cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub struct StartError(String);

struct Started {
    handle: PrometheusHandle,
    at: SystemTime,
    version: &'static str,
    seal: Histogram,
    open: Histogram,
    audit_entry: Histogram,
    audit_commit: Histogram,
    first_token: Histogram,
}

static STARTED: OnceLock<Started> = OnceLock::new();

fn started() -> Option<&'static Started> {
    STARTED.get()
}

/// Whether anything is recorded.
#[must_use]
pub fn recording() -> bool {
    started().is_some()
}

/// Begins to record, for the rest of the process. A second call changes nothing.
///
/// # Errors
/// When the process records for somebody else already.
pub fn start(version: &'static str) -> Result<(), StartError> {
    if started().is_some() {
        return Ok(());
    }
    let told = |error: &dyn std::fmt::Display| StartError(error.to_string());
    let mut builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_KEPT));
    for metric in ALL.iter().filter(|m| m.kind == Kind::Histogram) {
        let name = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(name, metric.buckets).map_err(|error| told(&error))?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| told(&error))?;
    for metric in ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.meaning),
            Kind::Gauge => describe_gauge!(metric.name, metric.meaning),
            Kind::Histogram => describe_histogram!(metric.name, metric.meaning),
        }
    }
    // Shown as 0 from the first moment: a rate needs the value before the first event.
    counter!(names::AUDIT_REFUSED).increment(0);
    ["answered", "no_evidence", "stopped", "failed", "interrupted"].iter().for_each(|outcome| {
        counter!(names::TURNS, "outcome" => *outcome).increment(0);
    });
    ["reported", "bounded", "estimated", "overdue", "cached"].iter().for_each(|basis| {
        counter!(names::MODEL_COST, "basis" => *basis).increment(0);
    });
    ["reported", "bounded", "estimated", "overdue", "cached"].iter().for_each(|basis| {
        counter!(names::USAGE_ROWS, "basis" => *basis).increment(0);
    });
    for (outcome, purpose) in
        [("found", "answer"), ("found", "direct"), ("found", "test"), ("missing", "answer"), ("missing", "direct"), ("missing", "test")]
    {
        counter!(names::KEPT_ANSWERS, "outcome" => outcome, "purpose" => purpose).increment(0);
    }
    ["tokens", "money", "no_price"].iter().for_each(|reason| counter!(names::MODEL_REFUSED, "reason" => *reason).increment(0));
    ["organisation", "every_person", "person", "expert"].iter().for_each(|scope| {
        counter!(names::BUDGET_WARNINGS, "scope" => *scope).increment(0);
    });
    ["delivered", "refused", "failed", "dropped"].iter().for_each(|outcome| {
        counter!(names::SPANS, "outcome" => *outcome).increment(0);
    });
    ["delivered", "refused", "not_reached", "too_slow", "cut_off", "unreadable", "address_refused"].iter().for_each(|outcome| {
        counter!(names::WEBHOOK_ATTEMPTS, "outcome" => *outcome).increment(0);
    });
    let _none_yet = histogram!(names::WEBHOOK_ATTEMPT);
    gauge!(names::WEBHOOK_LAG).set(0.0);
    genai::show();
    let _first = STARTED.set(Started {
        handle,
        at: SystemTime::now(),
        version,
        seal: histogram!(names::SEALING, "operation" => "seal"),
        open: histogram!(names::SEALING, "operation" => "open"),
        audit_entry: histogram!(names::AUDIT_ENTRY, "part" => "entry"),
        audit_commit: histogram!(names::AUDIT_ENTRY, "part" => "commit"),
        first_token: histogram!(names::FIRST_TOKEN),
    });
    Ok(())
}

/// Puts observations into their buckets.
pub fn upkeep() {
    if let Some(s) = started() {
        s.handle.run_upkeep();
    }
}

/// Everything in Prometheus' text format; empty before [`start`].
#[must_use]
pub fn render() -> String {
    let Some(s) = started() else { return String::new() };
    gauge!(names::PROCESS_START).set(record::seconds(Some(s.at)));
    gauge!(names::BUILD_INFO, "version" => s.version).set(1.0);
    s.handle.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test alone: what is started stays for the process.
    #[test]
    fn what_is_recorded_is_rendered_and_before_the_start_nothing_is() {
        let before = Stopwatch::start();
        sealed(&before);
        turn_ended("answered");
        request(Some("/before"), "GET", 200, Duration::ZERO);
        assert_eq!(render(), "");
        start("1.2.3").unwrap();
        start("4.5.6").unwrap();
        sealed(&before);
        let watch = Stopwatch::start();
        sealed(&watch);
        opened(&watch);
        turn_ended("answered");
        request(Some("/api/v1/turns/{id}"), "GET", 404, Duration::from_millis(7));
        request(None, "BREW", 799, Duration::from_secs(60));
        audit(None);
        audit(Some(Audit { waiting: 3, lag_s: 1.5, unsigned: 4, checkpoint_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(9)) }));
        checkpoints_writable(false);
        verification(None);
        secret("root", Some(400), true);
        secret("mail", None, false);
        certificates(
            (0..CERTIFICATES_MAX + 5).map(|n| (format!("d{n}.example"), Some(SystemTime::now() + Duration::from_secs(n as u64)))).collect(),
        );
        upkeep();
        let text = render();
        for line in [
            "vital_build_info{version=\"1.2.3\"} 1",
            "vital_turns_total{outcome=\"answered\"} 1",
            "vital_turns_total{outcome=\"failed\"} 0",
            "vital_http_requests_total{route=\"/api/v1/turns/{id}\",method=\"GET\",status=\"4xx\"} 1",
            "vital_http_requests_total{route=\"unmatched\",method=\"other\",status=\"5xx\"} 1",
            "vital_http_request_duration_seconds_bucket{route=\"/api/v1/turns/{id}\",method=\"GET\",le=\"0.01\"} 1",
            "vital_sealing_duration_seconds_count{operation=\"seal\"} 1",
            "vital_audit_waiting_entries 3",
            "vital_audit_lag_seconds 1.5",
            "vital_audit_last_checkpoint_timestamp_seconds 9",
            "vital_audit_checkpoint_store_writable 0",
            "vital_audit_last_verification_sound 1",
            "vital_audit_refused_writes_total 0",
            "vital_secret_age_days{class=\"root\"} 400",
            "vital_secret_overdue{class=\"root\"} 1",
            "vital_secret_overdue{class=\"mail\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "`{line}` is not in\n{text}");
        }
        assert!(!text.contains("/before"));
        assert_eq!(text.matches("vital_certificate_expiry_timestamp_seconds{").count(), CERTIFICATES_MAX);
        assert!(text.contains("name=\"d0.example\"") && !text.contains("name=\"d104.example\""), "those that end first");
    }
}
