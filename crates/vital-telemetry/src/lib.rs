//! Traces of a running server by the OpenTelemetry conventions, and the metrics of generative AI beside them.
//!
//! Each operation has a type of its own (`operations/`): whoever does one begins it, says what becomes known, and drops it, which ends it. Finished spans
//! wait in a bounded queue; [`Exporter`] sends them to one receiver by OTLP over HTTP.
//!
//! **Invariant:** what leaves is a closed list: the attributes of `attributes.rs`, which a test holds against `semconv.toml`. No event, log line or field of another
//! library becomes part of a span, so that nothing sensitive can slip in. What people wrote is no attribute unless [`Settings::content`]
//! says so; people and organisations never are.
//! **Invariant:** nobody waits for the receiver: a span that finds the queue full is dropped and counted.
//! **Invariant:** where neither spans nor metrics are asked for, an operation costs one look at two atomics.
//!
//! Not here: log lines (the binary's `telemetry.rs`) and names of metrics (`vital-metrics`).

mod attributes;
mod context;
mod export;
mod operations;
mod otlp;
mod span;

pub use attributes::{ALL, Attribute, SEMCONV};
pub use context::{Context, current, within};
pub use export::{BATCH_SPANS_MAX, Exporter, QUEUE_BYTES_MAX, QUEUE_SPANS_MAX, Settings, SettingsFault, start};
pub use operations::{
    AsksModel, CONTENT_BYTES_MAX, Chat, Embeddings, ExecuteTool, InvokeAgent, Model, OWN_PROVIDER, Request, Retrieval, execute_tool,
};
