//! Every metric of the product: its name, kind, labels and meaning, in one table.
//!
//! A metric is one row here and one function in `record.rs`. `docs/METRICS.md` repeats the table, and tests hold it against what a running
//! server exposes. Names follow Prometheus' conventions: base units, and `_total` on what only grows.

/// What a value does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets, with their sum and count.
    Histogram,
}

impl Kind {
    /// The name in the text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What its value does over time.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Upper bounds of its buckets, in its unit.
    pub buckets: &'static [f64],
    /// What it says.
    pub meaning: &'static str,
}

/// Microseconds to a millisecond: cryptography on values of a few kilobytes.
const FAST: &[f64] = &[2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3];
/// One statement of the database.
const STATEMENT: &[f64] = &[2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0];
/// A request.
const REQUEST: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0];
/// What a person waits for.
const WAIT: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// A call of a model, as the conventions for generative AI want it.
const GEN_AI: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Tokens, as they want them.
const TOKENS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];

macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $buckets:expr, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub(crate) const $id: &str = $name;)*

        /// All of them.
        pub const ALL: &[Metric] =
            &[$(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], buckets: $buckets, meaning: $meaning }),*];
    };
}

metrics! {
    PROCESS_START Gauge "process_start_time_seconds" [] &[], "When the process started, in seconds since 1970.";
    BUILD_INFO Gauge "vital_build_info" ["version"] &[], "Always 1; the label says which version runs.";
    CERTIFICATE_EXPIRY Gauge "vital_certificate_expiry_timestamp_seconds" ["name"] &[],
        "When the certificate in use for a name ends, in seconds since 1970; 0 where a name has none yet. `site` is the server's own.";
    AUDIT_WAITING Gauge "vital_audit_waiting_entries" [] &[], "Entries of the audit trail without a place in their log.";
    AUDIT_LAG Gauge "vital_audit_lag_seconds" [] &[], "How long the oldest of them has waited; 0 where none waits.";
    AUDIT_UNSIGNED Gauge "vital_audit_unsigned_entries" [] &[], "Entries that have their place and stand under no signed checkpoint.";
    AUDIT_CHECKPOINT Gauge "vital_audit_last_checkpoint_timestamp_seconds" [] &[],
        "When the newest checkpoint of any log was signed, in seconds since 1970; 0 before the first.";
    AUDIT_WRITABLE Gauge "vital_audit_checkpoint_store_writable" [] &[],
        "1 while checkpoints can be written to their folder, 0 while they cannot.";
    AUDIT_REFUSED Counter "vital_audit_refused_writes_total" [] &[],
        "Changes that were refused because the trail could not be secured and `audit.when_unwritable` is `refuse`.";
    AUDIT_VERIFIED_AT Gauge "vital_audit_last_verification_timestamp_seconds" [] &[],
        "When all logs were verified last, or a fault was found in any, in seconds since 1970; 0 where that never happened.";
    AUDIT_VERIFIED Gauge "vital_audit_last_verification_sound" [] &[],
        "1 where that verification found no fault, 0 where it did; 1 before the first.";
    SECRET_AGE Gauge "vital_secret_age_days" ["class"] &[],
        "Age of the oldest secret of a class in days, where it can be told; the classes are those of `vital keys status`.";
    SECRET_OVERDUE Gauge "vital_secret_overdue" ["class"] &[], "1 where a secret of the class is older than docs/KEYS.md plans, 0 where none is.";
    AUDIT_ENTRY Histogram "vital_audit_entry_duration_seconds" ["part"] STATEMENT,
        "What the trail adds to a request: storing entries (`entry`), and the commit of what would else only have read (`commit`).";
    SEALING Histogram "vital_sealing_duration_seconds" ["operation"] FAST, "Encrypting (`seal`) and decrypting (`open`) one stored value.";
    HTTP_REQUESTS Counter "vital_http_requests_total" ["route", "method", "status"] &[],
        "Requests by template of the route, method and class of the status (`2xx`).";
    HTTP_DURATION Histogram "vital_http_request_duration_seconds" ["route", "method"] REQUEST,
        "From the head of a request to the head of its response; event streams last longer than that.";
    TURNS Counter "vital_turns_total" ["outcome"] &[],
        "Ended questions: `answered`, `no_evidence`, `stopped`, `failed`, `interrupted`.";
    MODEL_COST Counter "vital_model_cost_microdollars_total" ["basis"] &[],
        "What requests to models cost, in millionths of a US dollar, by where the figures come from: `reported`, `bounded`, `estimated`, `overdue`, `cached`.";
    USAGE_ROWS Counter "vital_usage_rows_total" ["basis"] &[],
        "Rows of the ledger of requests to models, by where their figures come from, as above.";
    MODEL_REFUSED Counter "vital_model_refusals_total" ["reason"] &[],
        "Requests to models that were refused because a budget had not enough left (`tokens`, `money`), or because a model has no price (`no_price`).";
    KEPT_ANSWERS Counter "vital_kept_answers_total" ["outcome", "purpose"] &[],
        "Requests to models that the cache of answers was asked for: `found` (given again without a call) or `missing`, by what they are for: `answer`, `direct`, `test`. Other requests are not counted.";
    BUDGET_WARNINGS Counter "vital_budget_warnings_total" ["scope"] &[],
        "Budgets that crossed their warning threshold: `organisation`, `every_person`, `person`, `expert`.";
    WEBHOOK_ATTEMPTS Counter "vital_webhook_attempts_total" ["outcome"] &[],
        "Attempts to deliver a message to a webhook: `delivered`, `refused` (any other status), `not_reached`, `too_slow`, `cut_off`, `unreadable`, `address_refused`.";
    WEBHOOK_ATTEMPT Histogram "vital_webhook_attempt_duration_seconds" [] WAIT, "One such attempt, from the look-up of the host to the head of the answer.";
    WEBHOOK_LAG Gauge "vital_webhook_lag_seconds" [] &[],
        "How long the delivery that is due longest has waited; 0 where none is due. One that waits for its next attempt is not due.";
    FIRST_TOKEN Histogram "vital_turn_first_token_seconds" [] WAIT, "From a question's acceptance to the first text of its answer.";
    GEN_AI_DURATION Histogram "gen_ai_client_operation_duration_seconds" ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"] GEN_AI,
        "One operation on a model: `chat` a try at a provider up to the last item of its answer, `embeddings`, `retrieval`.";
    GEN_AI_TOKENS Histogram "gen_ai_client_token_usage" ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"] TOKENS,
        "Tokens of one call as the provider counts them, of the prompt (`input`) and of the answer (`output`).";
    GEN_AI_FIRST_CHUNK Histogram "gen_ai_client_operation_time_to_first_chunk_seconds" ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"] GEN_AI,
        "From a request to a provider to the first part of its answer.";
    GEN_AI_CHUNK Histogram "gen_ai_client_operation_time_per_output_chunk_seconds" ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"] GEN_AI,
        "Between two parts of a provider's answer.";
    GEN_AI_AGENT Histogram "gen_ai_invoke_agent_duration_seconds" ["error_type"] GEN_AI, "One turn of an expert.";
    GEN_AI_TOOL Histogram "gen_ai_execute_tool_duration_seconds" ["gen_ai_tool_name", "error_type"] GEN_AI,
        "One call of a tool; those that organisations connect are all `external`.";
    SPANS Counter "vital_telemetry_spans_total" ["outcome"] &[],
        "Spans that ended: `delivered`, `refused` by the receiver, `failed` to be delivered, `dropped` because too many waited.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions_and_are_there_once() {
        let names: HashSet<&str> = ALL.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), ALL.len());
        for m in ALL {
            assert!(["vital_", "process_", "gen_ai_"].iter().any(|prefix| m.name.starts_with(prefix)), "{}", m.name);
            assert_eq!(m.name.ends_with("_total"), m.kind == Kind::Counter, "{}", m.name);
            assert_eq!(m.buckets.is_empty(), m.kind != Kind::Histogram, "{}", m.name);
            assert!(m.buckets.is_sorted() && m.meaning.ends_with('.'), "{}", m.name);
        }
    }

    /// Labels have few values: nothing that grows with tenants, people or their words.
    #[test]
    fn no_label_can_name_a_tenant_or_a_person() {
        let known = [
            "version",
            "name",
            "part",
            "operation",
            "route",
            "method",
            "status",
            "outcome",
            "class",
            "basis",
            "purpose",
            "reason",
            "scope",
            "error_type",
            "gen_ai_operation_name",
            "gen_ai_provider_name",
            "gen_ai_request_model",
            "gen_ai_token_type",
            "gen_ai_tool_name",
        ];
        assert!(ALL.iter().flat_map(|m| m.labels).all(|label| known.contains(label)), "a new label needs a bound on its values first");
    }
}
