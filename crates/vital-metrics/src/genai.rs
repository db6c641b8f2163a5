//! Metrics of generative AI, by the OpenTelemetry conventions in Prometheus' notation: dots become `_`, and the unit comes last.
//!
//! Labels are those of the conventions that have few values. `gen_ai_request_model` is the caller's: it has to be one of a bounded list.

use crate::{names, started};
use metrics::{Histogram, Label, histogram};
use std::time::Duration;

/// Shows what the platform does itself, and calls of a provider, from the first moment.
pub(crate) fn show() {
    let labels = |operation, provider| {
        vec![Label::from_static_parts("gen_ai_operation_name", operation), Label::from_static_parts("gen_ai_provider_name", provider)]
    };
    let _retrieval = histogram!(names::GEN_AI_DURATION, labels("retrieval", "vital_path"));
    let chat = GenAi(labels("chat", "openai"));
    let _tokens = histogram!(names::GEN_AI_TOKENS, chat.with("gen_ai_token_type", "input"));
    let _first = histogram!(names::GEN_AI_FIRST_CHUNK, chat.0.clone());
    let _next = chat.chunk_times();
    let _agent = histogram!(names::GEN_AI_AGENT);
    let _tool = histogram!(names::GEN_AI_TOOL);
}

/// One operation on a model, with its labels.
#[derive(Debug)]
pub struct GenAi(Vec<Label>);

impl GenAi {
    /// An operation; none where nothing is recorded. `model` is one of few names, or empty for none.
    #[must_use]
    pub fn of(operation: &'static str, provider: &'static str, model: &str) -> Option<Self> {
        started()?;
        let mut labels =
            vec![Label::from_static_parts("gen_ai_operation_name", operation), Label::from_static_parts("gen_ai_provider_name", provider)];
        if !model.is_empty() {
            labels.push(Label::new("gen_ai_request_model", model.to_owned()));
        }
        Some(Self(labels))
    }

    fn with(&self, name: &'static str, value: &'static str) -> Vec<Label> {
        self.0.iter().cloned().chain([Label::from_static_parts(name, value)]).collect()
    }

    /// It ended, well or with a stable code.
    pub fn ended(&self, took: Duration, error: Option<&'static str>) {
        let labels = error.map_or_else(|| self.0.clone(), |error| self.with("error_type", error));
        histogram!(names::GEN_AI_DURATION, labels).record(took);
    }

    /// The tokens that it took.
    pub fn tokens(&self, input: u64, output: u64) {
        for (kind, count) in [("input", input), ("output", output)] {
            histogram!(names::GEN_AI_TOKENS, self.with("gen_ai_token_type", kind)).record(count as f64);
        }
    }

    /// The first part of its answer came.
    pub fn first_chunk(&self, after: Duration) {
        histogram!(names::GEN_AI_FIRST_CHUNK, self.0.clone()).record(after);
    }

    /// Where the times between the parts of its answer go.
    #[must_use]
    pub fn chunk_times(&self) -> ChunkTimes {
        ChunkTimes(histogram!(names::GEN_AI_CHUNK, self.0.clone()))
    }
}

/// The times between the parts of one answer.
pub struct ChunkTimes(Histogram);

impl ChunkTimes {
    /// A part came so long after the one before.
    pub fn took(&self, time: Duration) {
        self.0.record(time);
    }
}

impl std::fmt::Debug for ChunkTimes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkTimes")
    }
}

/// A turn of an expert ended, well or with a stable code.
pub fn agent_ended(took: Duration, error: Option<&'static str>) {
    if started().is_some() {
        let labels: Vec<Label> = error.iter().map(|error| Label::from_static_parts("error_type", error)).collect();
        histogram!(names::GEN_AI_AGENT, labels).record(took);
    }
}

/// A call of a tool ended, well or with a stable code.
pub fn tool_ended(tool: &'static str, took: Duration, error: Option<&'static str>) {
    if started().is_some() {
        let tool = Label::from_static_parts("gen_ai_tool_name", tool);
        let labels: Vec<Label> = [tool].into_iter().chain(error.map(|error| Label::from_static_parts("error_type", error))).collect();
        histogram!(names::GEN_AI_TOOL, labels).record(took);
    }
}
