//! Recording: one function for each metric, with labels of few values alone.
//!
//! While nothing was started every function returns after one look at an atomic.

use crate::{names, started};
use metrics::{counter, gauge, histogram};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most names whose certificates are shown; those that end first.
pub const CERTIFICATES_MAX: usize = 100;
/// Methods that are named; every other one is `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The route of a request that matched none.
const NO_ROUTE: &str = "unmatched";

/// Measures time, and nothing where metrics are off.
#[derive(Debug)]
pub struct Stopwatch(Option<Instant>);

impl Stopwatch {
    /// Begins to measure.
    #[must_use]
    pub fn start() -> Self {
        Self(started().map(|_| Instant::now()))
    }
}

/// A value was sealed.
pub fn sealed(watch: &Stopwatch) {
    if let (Some(s), Some(at)) = (started(), watch.0) {
        s.seal.record(at.elapsed());
    }
}

/// A value was opened.
pub fn opened(watch: &Stopwatch) {
    if let (Some(s), Some(at)) = (started(), watch.0) {
        s.open.record(at.elapsed());
    }
}

/// The entries of one transaction were stored.
pub fn audit_stored(watch: &Stopwatch) {
    if let (Some(s), Some(at)) = (started(), watch.0) {
        s.audit_entry.record(at.elapsed());
    }
}

/// A transaction was committed that without its entry would only have read.
pub fn audit_committed(watch: &Stopwatch) {
    if let (Some(s), Some(at)) = (started(), watch.0) {
        s.audit_commit.record(at.elapsed());
    }
}

/// A change was refused because the trail cannot be secured.
pub fn audit_refused() {
    if started().is_some() {
        counter!(names::AUDIT_REFUSED).increment(1);
    }
}

/// A request was answered. `route` is the template of its route, never its path.
pub fn request(route: Option<&str>, method: &str, status: u16, took: Duration) {
    if started().is_none() {
        return;
    }
    let route = route.unwrap_or(NO_ROUTE).to_owned();
    let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
    let class = match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    counter!(names::HTTP_REQUESTS, "route" => route.clone(), "method" => method, "status" => class).increment(1);
    histogram!(names::HTTP_DURATION, "route" => route, "method" => method).record(took);
}

/// A question ended.
pub fn turn_ended(outcome: &'static str) {
    if started().is_some() {
        counter!(names::TURNS, "outcome" => outcome).increment(1);
    }
}

/// A request to a model was settled: a row of the ledger with its cost. What is below a millionth of a dollar is rounded to the nearest.
pub fn model_cost(basis: &'static str, microdollars: u64) {
    if started().is_some() {
        counter!(names::MODEL_COST, "basis" => basis).increment(microdollars);
        counter!(names::USAGE_ROWS, "basis" => basis).increment(1);
    }
}

/// A request to a model was refused.
pub fn model_refused(reason: &'static str) {
    if started().is_some() {
        counter!(names::MODEL_REFUSED, "reason" => reason).increment(1);
    }
}

/// The cache of answers was asked for one: `found` or `missing`, and what for.
pub fn kept_answer(outcome: &'static str, purpose: &'static str) {
    if started().is_some() {
        counter!(names::KEPT_ANSWERS, "outcome" => outcome, "purpose" => purpose).increment(1);
    }
}

/// A budget crossed its warning threshold.
pub fn budget_warned(scope: &'static str) {
    if started().is_some() {
        counter!(names::BUDGET_WARNINGS, "scope" => scope).increment(1);
    }
}

/// So many spans ended so: `delivered`, `refused`, `failed` or `dropped`.
pub fn spans(outcome: &'static str, count: u64) {
    if started().is_some() {
        counter!(names::SPANS, "outcome" => outcome).increment(count);
    }
}

/// The first text of an answer was written, so long after its question was accepted.
pub fn first_token(after: Duration) {
    if let Some(s) = started() {
        s.first_token.record(after);
    }
}

/// An attempt to deliver a message to a webhook ended.
pub fn webhook_attempt(outcome: &'static str, took: Duration) {
    if started().is_some() {
        counter!(names::WEBHOOK_ATTEMPTS, "outcome" => outcome).increment(1);
        histogram!(names::WEBHOOK_ATTEMPT).record(took);
    }
}

/// The queue of deliveries to webhooks was looked at: the seconds that the one due longest has waited, if one is due.
pub fn webhooks_waiting(longest_s: Option<f64>) {
    if started().is_some() {
        gauge!(names::WEBHOOK_LAG).set(longest_s.unwrap_or(0.0));
    }
}

/// How the audit trail stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Audit {
    /// Entries without a place.
    pub waiting: u64,
    /// Seconds for which the oldest of them has waited.
    pub lag_s: f64,
    /// Entries under no signed checkpoint.
    pub unsigned: u64,
    /// When the newest checkpoint was signed.
    pub checkpoint_at: Option<SystemTime>,
}

/// The audit trail was looked at; none where the database did not tell, which is shown as no number.
pub fn audit(state: Option<Audit>) {
    if started().is_none() {
        return;
    }
    gauge!(names::AUDIT_WAITING).set(state.map_or(f64::NAN, |s| s.waiting as f64));
    gauge!(names::AUDIT_LAG).set(state.map_or(f64::NAN, |s| s.lag_s));
    gauge!(names::AUDIT_UNSIGNED).set(state.map_or(f64::NAN, |s| s.unsigned as f64));
    gauge!(names::AUDIT_CHECKPOINT).set(state.map_or(f64::NAN, |s| seconds(s.checkpoint_at)));
}

/// Whether checkpoints can be written.
pub fn checkpoints_writable(writable: bool) {
    if started().is_some() {
        gauge!(names::AUDIT_WRITABLE).set(f64::from(u8::from(writable)));
    }
}

/// The last verification: when, and whether it found no fault.
pub fn verification(last: Option<(SystemTime, bool)>) {
    if started().is_some() {
        gauge!(names::AUDIT_VERIFIED_AT).set(seconds(last.map(|(at, _)| at)));
        gauge!(names::AUDIT_VERIFIED).set(f64::from(u8::from(last.is_none_or(|(_, sound)| sound))));
    }
}

/// How old a class of secrets is, and whether one of it is overdue.
pub fn secret(class: &'static str, age_d: Option<i64>, overdue: bool) {
    if started().is_none() {
        return;
    }
    if let Some(age) = age_d {
        gauge!(names::SECRET_AGE, "class" => class).set(age as f64);
    }
    gauge!(names::SECRET_OVERDUE, "class" => class).set(f64::from(u8::from(overdue)));
}

/// When the certificates in use end, by the name they are configured for; none where there is none yet. Of more than [`CERTIFICATES_MAX`]
/// those that end first are shown. A name that is not told any more disappears.
pub fn certificates(mut all: Vec<(String, Option<SystemTime>)>) {
    if started().is_none() {
        return;
    }
    all.sort_by_key(|(_, ends)| *ends);
    for (name, ends) in all.into_iter().take(CERTIFICATES_MAX) {
        gauge!(names::CERTIFICATE_EXPIRY, "name" => name).set(seconds(ends));
    }
}

/// Seconds since 1970; 0 for never.
pub(crate) fn seconds(at: Option<SystemTime>) -> f64 {
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |since| since.as_secs_f64())
}
