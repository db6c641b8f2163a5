//! Built-in tools for programs that call them by themselves, past the experts, as clients of the Model Context Protocol do.
//!
//! Calculators are there for everybody who may ask; public sources where the organisation allows words to leave. Searching documents is a verb
//! of its own (`knowledge::search`), and tools of connected servers are for experts alone: a program can connect to those servers itself.

use super::{Reach, reach, store};
use crate::Platform;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use vital_kernel::{AuditAction, AuditEntry, Error, Kind, OpContext, Permission, Result};
use vital_tools::{ToolError, ToolInfo, catalogue};

/// A built-in tool, for a program.
#[derive(Clone, Copy, Debug)]
pub struct ProgramTool(&'static ToolInfo);

impl ProgramTool {
    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// What it does, and in which units.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.0.summary
    }

    /// JSON Schema of its arguments.
    #[must_use]
    pub fn input_schema(self) -> &'static Value {
        (self.0.input_schema)()
    }

    /// JSON Schema of what it returns.
    #[must_use]
    pub fn output_schema(self) -> &'static Value {
        (self.0.output_schema)()
    }

    /// Where what it is given goes.
    #[must_use]
    pub fn reach(self) -> Reach {
        reach(self.0)
    }
}

/// The built-in tools that a program of the caller's may use now; none where the caller may not ask.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn program_tools(p: &Platform, cx: &OpContext) -> Result<Vec<ProgramTool>> {
    if !cx.may(Permission::Ask) {
        return Ok(Vec::new());
    }
    let public = store::public_sources(&mut p.db.read(cx).await?).await?;
    Ok(catalogue().iter().filter(|tool| public || reach(tool) == Reach::Here).map(ProgramTool).collect())
}

/// Calls a built-in tool. The trail names who called which one, before anything leaves this server.
///
/// # Errors
/// `Forbidden` without the permission to ask; `NotFound` (`tool.unknown`) for a name that `program_tools` does not list; `Invalid` for arguments that
/// do not fit or have no result; `Upstream`, `UpstreamTimeout` or `RateLimited` where a public source does not do its part.
pub async fn call_as_program(p: &Platform, cx: &OpContext, name: &str, arguments: &Value) -> Result<Value> {
    cx.require(Permission::Ask)?;
    let offered = program_tools(p, cx).await?;
    let ProgramTool(tool) = offered.into_iter().find(|tool| tool.name() == name).ok_or_else(|| {
        Error::not_found("tool.unknown", "There is no such tool, or your organisation does not allow its kind. Nothing was called.")
    })?;
    let tx = p.db.write(cx).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolCalled, "tool", tool.name)).await?;
    let calling = p.toolbox.call(tool.name, arguments, Instant::now() + tool.timeout);
    match vital_telemetry::execute_tool(tool.name, "", calling, ToolError::code).await {
        Ok(output) => Ok(output.value),
        Err(error) => Err(told(&error)),
    }
}

fn told(error: &ToolError) -> Error {
    let detail = error.to_string();
    match error {
        ToolError::UnknownTool { .. } => Error::not_found("tool.unknown", detail),
        ToolError::Arguments { pointer, why, .. } => Error::invalid("tool.arguments", detail).with_field(pointer.clone(), why.clone()),
        ToolError::Domain { .. } => Error::invalid("tool.no_result", detail),
        ToolError::Busy { retry_after } => {
            Error::new(Kind::RateLimited, "tool.busy", detail).with_retry_after((*retry_after).max(Duration::from_secs(1)))
        }
        ToolError::TooSlow => Error::new(Kind::UpstreamTimeout, "tool.too_slow", detail),
        ToolError::Unreachable { .. } => Error::new(Kind::Upstream, "tool.unreachable", detail),
        ToolError::Refused { .. } => Error::new(Kind::Upstream, "tool.refused", detail),
        ToolError::Unreadable { .. } | ToolError::TooLarge { .. } => Error::new(Kind::Upstream, "tool.unreadable", detail),
        ToolError::Setup { .. } => Error::internal(detail),
    }
}
