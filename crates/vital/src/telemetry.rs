//! Where log lines go: standard error, as text or as JSON lines. Nothing of ours logs anything sensitive; the one library that would, with
//! what people ask, is silenced here whatever the filter says.

use crate::{
    config::{Log, LogFormat},
    failure::Failure,
};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Log settings of commands that talk to a person: only what went wrong.
pub(crate) fn for_commands() -> Log {
    Log { format: LogFormat::Text, filter: "warn".to_owned() }
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let filter = filter(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init(),
    };
    started.map_err(|error| Failure::new(format!("logging cannot be started: {error}")).into())
}

/// Logs whole messages of the Model Context Protocol: questions and answers.
const SILENCED: &str = "rmcp=off";

/// Reads a filter in the notation of `tracing-subscriber`.
///
/// # Errors
/// When it is not in that notation.
pub(crate) fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let read = EnvFilter::builder().parse(text).and_then(|filter| Ok(filter.add_directive(SILENCED.parse()?)));
    read.map_err(|error| {
        let failure = Failure::new(format!("`log.filter` cannot be read: {error}"));
        failure.hint("write levels by module, for example `info,sqlx=warn,vital_platform=debug`").into()
    })
}
