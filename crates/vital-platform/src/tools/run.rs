//! Runs one call of a tool.

use super::{
    Offered, SEARCH_DOCUMENTS,
    servers::{self, ServerTool},
};
use crate::{
    Platform,
    knowledge::{self, Evidence},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use vital_kernel::{Error, Kind, OpContext};
use vital_tools::SourceText;

/// Whose word it is what a tool server says.
const TOOL_SERVER: &str = "tool-server";
/// Longest query of a search, in characters.
pub(super) const QUERY_CHARS_MAX: usize = 500;
/// Most passages that one search returns.
pub(super) const PASSAGES_MAX: usize = 8;
/// Passages that a search returns unless the model wants another number.
const PASSAGES: usize = 6;

/// What a tool returned.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// Its output; null where passages are all of it.
    pub value: Value,
    /// Texts that it fetched or calculated, which can be cited.
    pub texts: Vec<SourceText>,
    /// Passages of documents.
    pub evidence: Vec<Evidence>,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In words for the model and the reader.
    pub says: String,
    /// In one of few words, for spans and metrics.
    pub code: &'static str,
}

impl Failure {
    fn arguments(says: String) -> Self {
        Self { says, code: "tool.arguments" }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    #[serde(default)]
    limit: Option<usize>,
}

/// Runs a call within the tool's time; `id` is the call's in the dialogue with the model.
pub(crate) async fn run(p: &Platform, cx: &OpContext, tool: &Offered, id: &str, arguments: &Value) -> Result<Reply, Failure> {
    vital_telemetry::execute_tool(tool.label, id, Box::pin(call(p, cx, tool, arguments)), |failure| failure.code).await
}

async fn call(p: &Platform, cx: &OpContext, tool: &Offered, arguments: &Value) -> Result<Reply, Failure> {
    let deadline = Instant::now() + tool.timeout;
    if tool.name == SEARCH_DOCUMENTS {
        let slow = || Failure { says: "The search took too long and was stopped.".to_owned(), code: "tool.too_slow" };
        return timeout_at(deadline, search(p, cx, arguments)).await.unwrap_or_else(|_| Err(slow()));
    }
    if let Some(server) = &tool.server {
        return of_server(p, cx, server, arguments, deadline).await;
    }
    match p.toolbox.call(&tool.name, arguments, deadline).await {
        Ok(output) => Ok(Reply { value: output.value, texts: output.texts, evidence: Vec::new() }),
        Err(error) => Err(Failure { says: error.to_string(), code: error.code() }),
    }
}

/// Calls a tool of a server with arguments that fit its schema; what it says can be cited as its word.
async fn of_server(p: &Platform, cx: &OpContext, tool: &ServerTool, arguments: &Value, deadline: Instant) -> Result<Reply, Failure> {
    if let Err(faults) = vital_tools::schema::check(&tool.input_schema, arguments) {
        let faults: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.why)).collect();
        return Err(Failure::arguments(format!("The arguments do not fit the tool's schema ({}). Nothing was called.", faults.join("; "))));
    }
    let result = servers::call(p, cx, tool, arguments, deadline).await.map_err(|error| told(&error))?;
    if result.is_error {
        return Err(Failure { says: format!("The tool failed and says: {}", result.text), code: "tool.failed" });
    }
    let mut text = result.text;
    if let Some(data) = result.structured.filter(|_| text.trim().is_empty()) {
        text = data.to_string();
    }
    if result.cut {
        text.push_str("\n(The rest was left out: it was too large.)");
    }
    let source = SourceText {
        title: tool.title.clone(),
        url: String::new(),
        identifier: tool.name.clone(),
        authority: TOOL_SERVER.to_owned(),
        text,
        ..SourceText::default()
    };
    Ok(Reply { texts: vec![source], ..Reply::default() })
}

fn told(error: &Error) -> Failure {
    if error.kind() == Kind::Internal {
        tracing::error!(?error, "a call of an expert failed");
    }
    Failure { says: error.detail().to_owned(), code: error.code() }
}

async fn search(p: &Platform, cx: &OpContext, arguments: &Value) -> Result<Reply, Failure> {
    let Search { query, limit } = Search::deserialize(arguments)
        .map_err(|error| Failure::arguments(format!("The arguments do not fit: {error}. Nothing was searched.")))?;
    let (query, limit) = (query.trim(), limit.unwrap_or(PASSAGES));
    if query.is_empty() || query.chars().count() > QUERY_CHARS_MAX || !(1..=PASSAGES_MAX).contains(&limit) {
        return Err(Failure::arguments(format!(
            "A query has 1 to {QUERY_CHARS_MAX} characters and `limit` is 1 to {PASSAGES_MAX}. Nothing was searched."
        )));
    }
    let vector = knowledge::embed_query(p, query).await;
    let found = knowledge::retrieve(p, cx, query, vector, &[]).await.map_err(|error| told(&error))?;
    Ok(Reply { evidence: found.evidence.into_iter().take(limit).collect(), ..Reply::default() })
}
