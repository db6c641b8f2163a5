//! An expert at work (`invoke_agent {expert}`) and the tools that it uses (`execute_tool {tool}`).

use super::{OWN_PROVIDER, of_operation};
use crate::{
    attributes as a,
    context::{Context, within},
    span::{Span, SpanKind, Value},
};
use std::{future::Future, time::Instant};

/// What it is called when a turn or a call of a tool was dropped on the way.
const CANCELLED: &str = "cancelled";

/// One turn of an expert, from the question to the end of the answer.
#[derive(Debug)]
pub struct InvokeAgent {
    span: Span,
    began: Instant,
    outcome: Option<Result<(), &'static str>>,
}

impl InvokeAgent {
    /// Begins, for a conversation.
    #[must_use]
    pub fn begin(conversation: u128) -> Self {
        let mut span = Span::begin(SpanKind::Internal, "invoke_agent");
        of_operation(&mut span, "invoke_agent", OWN_PROVIDER);
        span.converse(conversation);
        Self { span, began: Instant::now(), outcome: None }
    }

    /// What is done as part of the turn.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.span.context()
    }

    /// Which expert it is. A name that somebody of an organisation wrote is left out: it is content.
    pub fn expert(&mut self, id: u128, name: Option<&str>) {
        self.span.set(a::AGENT_ID, || Value::Text(uuid::Uuid::from_u128(id).to_string()));
        if let Some(name) = name {
            self.span.set(a::AGENT_NAME, || Value::text(name));
            self.span.rename(|| format!("invoke_agent {name}"));
        }
    }

    /// The tokens of all models that were asked.
    pub fn tokens(&mut self, input: u64, output: u64) {
        self.span.set(a::INPUT_TOKENS, || Value::count(input));
        self.span.set(a::OUTPUT_TOKENS, || Value::count(output));
    }

    /// How it ended: well, or with a stable code.
    pub fn ended(&mut self, outcome: Result<(), &'static str>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for InvokeAgent {
    fn drop(&mut self) {
        let error = self.outcome.unwrap_or(Err(CANCELLED)).err();
        if let Some(error) = error {
            self.span.fail(error);
        }
        vital_metrics::agent_ended(self.began.elapsed(), error);
    }
}

/// One call of a tool.
#[derive(Debug)]
pub struct ExecuteTool {
    span: Span,
    name: &'static str,
    began: Instant,
    outcome: Option<Result<(), &'static str>>,
}

impl ExecuteTool {
    /// Begins a call. `name` is one of the platform's own tools; those that organisations connect are all `external`, for what they are
    /// called is theirs. `call_id` is the call's in the dialogue with a model; empty where there is none.
    #[must_use]
    pub fn begin(name: &'static str, call_id: &str) -> Self {
        let mut span = Span::begin(SpanKind::Internal, "execute_tool");
        span.rename(|| format!("execute_tool {name}"));
        of_operation(&mut span, "execute_tool", OWN_PROVIDER);
        span.set(a::TOOL_NAME, || Value::Text(name.to_owned()));
        if !call_id.is_empty() {
            span.set(a::TOOL_CALL, || Value::text(call_id));
        }
        span.set(a::TOOL_TYPE, || Value::Text("function".to_owned()));
        Self { span, name, began: Instant::now(), outcome: None }
    }

    /// How it ended: well, or with a stable code.
    pub fn ended(&mut self, outcome: Result<(), &'static str>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for ExecuteTool {
    fn drop(&mut self) {
        let error = self.outcome.unwrap_or(Err(CANCELLED)).err();
        if let Some(error) = error {
            self.span.fail(error);
        }
        vital_metrics::tool_ended(self.name, self.began.elapsed(), error);
    }
}

/// Does what a tool does, as a span of its own; `code` names a failure, as one of few words. What the tool asks, searches and embeds stands
/// below it.
///
/// # Errors
/// Those of the work.
pub async fn execute_tool<T, E>(
    name: &'static str,
    call_id: &str,
    work: impl Future<Output = Result<T, E>>,
    code: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let mut tool = ExecuteTool::begin(name, call_id);
    let result = within(tool.span.context(), work).await;
    tool.ended(result.as_ref().map(|_| ()).map_err(code));
    result
}
