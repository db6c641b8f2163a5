//! What experts are offered, and a call.

use super::{ToolState, reading, server, store, tool};
use crate::Platform;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Result, ToolServerId};
use vital_llm::gateway::Ticket;
use vital_mcp_client::{Auth, CallResult, ClientError, Listing};

/// How long a call may take in all, whatever the caller would wait.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// A tool of a server as it is offered to a model: the definition that was approved.
#[derive(Clone, Debug)]
pub struct ServerTool {
    /// The server.
    pub server: ToolServerId,
    /// `<short name of the server>__<tool>`, at most 64 letters, digits, `_` and `-`: what all model providers take.
    pub name: String,
    /// Its name for people; that of the tool where it has none.
    pub title: String,
    /// What it says it does. The server wrote it, and an administrator approved it.
    pub description: String,
    /// The schema of its arguments; nothing in it leads out.
    pub input_schema: Value,
    /// Whether a person has to agree to every call.
    pub writes: bool,
}

/// What a call came back with. A stranger wrote it.
#[derive(Clone, Debug)]
pub struct ServerResult {
    /// At most 64 KiB, readable.
    pub text: String,
    /// Data, at most 64 KiB, where the tool gave an object.
    pub structured: Option<Value>,
    /// Whether the tool or its server says that it failed.
    pub is_error: bool,
    /// Whether something was left out because it was too large.
    pub cut: bool,
}

/// The approved tools of the servers that are switched on, by server and name, from what is stored; no server is asked.
///
/// Whether an expert has one is for the caller to know.
///
/// # Errors
/// Those of the database.
pub async fn offered(p: &Platform, cx: &OpContext) -> Result<Vec<ServerTool>> {
    let mut tx = p.db.read(cx).await?;
    let servers = store::servers(&mut tx, None).await?;
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    let mut tools = Vec::new();
    for row in store::tools(&mut tx, None).await?.into_iter().filter(|row| row.state() == ToolState::Approved) {
        let Some(server) = servers.iter().find(|server| server.id == row.server && server.enabled) else { continue };
        let Some(approved) = row.approved(&tx)? else { continue };
        tools.push(ServerTool {
            server: server.id,
            name: tool::offered_as(&server.slug, &row.name),
            title: if approved.title.is_empty() { approved.name } else { approved.title },
            description: approved.description,
            input_schema: approved.input_schema,
            writes: row.writes,
        });
    }
    Ok(tools)
}

/// Calls a tool that was offered, if it is still approved and its server still tells exactly what was approved.
///
/// The caller has checked that the expert has it, that the arguments fit the schema, and, where it writes, that a person agreed to this call.
///
/// # Errors
/// `Conflict` where it was withdrawn, or tells something else by now, which withdraws it; `Unavailable` while its server is left alone after too
/// many failures; `UpstreamTimeout` and `Upstream` where the server does not answer or not as it should.
pub async fn call(p: &Platform, cx: &OpContext, tool: &ServerTool, arguments: &Value, deadline: Instant) -> Result<ServerResult> {
    let target = Target::of(p, cx, tool).await?;
    let deadline = deadline.min(Instant::now() + CALL_WITHIN);
    let ticket = p.tool_servers.breaker(cx.tenant(), tool.server).enter().map_err(|wait| resting(&target, wait))?;
    let told = match reading::ask(p, &target.server, &target.auth, deadline).await {
        Ok((session, listing)) if target.is_told(&listing) => Ok(session),
        Ok((session, listing)) => {
            p.tasks.spawn(session.end());
            drop(ticket);
            return Err(withdraw(p, cx, &target, &listing).await);
        }
        Err(error) => Err(error),
    };
    let outcome = match told {
        Ok(mut session) => {
            let outcome = session.call(&target.tool.name, arguments).await;
            p.tasks.spawn(session.end());
            outcome
        }
        Err(error) => Err(error),
    };
    judge(ticket, &outcome);
    match outcome {
        Ok(CallResult { text, structured, is_error, cut }) => Ok(ServerResult { text, structured, is_error, cut }),
        // The model can mend its arguments, or go on without the tool.
        Err(error @ ClientError::Refused { .. }) => {
            Ok(ServerResult { text: error.to_string(), structured: None, is_error: true, cut: false })
        }
        Err(error) => Err(failed(&target, &error)),
    }
}

/// What a call needs, as it is stored now.
struct Target {
    server: store::ServerRow,
    tool: store::ToolRow,
    auth: Auth,
}

impl Target {
    async fn of(p: &Platform, cx: &OpContext, tool: &ServerTool) -> Result<Self> {
        let gone = || {
            let detail = "The tool was withdrawn meanwhile, or its server was switched off. It was not called.";
            Error::conflict("tool_server.withdrawn", detail)
        };
        let mut tx = p.db.read(cx).await?;
        let server = store::servers(&mut tx, Some(tool.server)).await?.into_iter().find(|server| server.enabled).ok_or_else(gone)?;
        let rows = store::tools(&mut tx, Some(tool.server)).await?;
        let row = rows.into_iter().find(|row| tool::offered_as(&server.slug, &row.name) == tool.name).ok_or_else(gone)?;
        // What the model was given is what is approved now, and a call that needs a person now had one.
        let approved = row.approved(&tx)?.filter(|_| row.state() == ToolState::Approved).ok_or_else(gone)?;
        if approved.description != tool.description || approved.input_schema != tool.input_schema || row.writes != tool.writes {
            return Err(gone());
        }
        let auth = server::auth(&tx, &server)?;
        tx.end().await?;
        Ok(Self { server, tool: row, auth })
    }

    fn is_told(&self, listing: &Listing) -> bool {
        let told = listing.tools.iter().find(|told| told.name == self.tool.name).map(vital_mcp_client::Definition::digest);
        told.as_ref().map(<[u8; 32]>::as_slice) == self.tool.approved_digest.as_deref()
    }
}

/// Stores what the server tells now, which withdraws the tool.
async fn withdraw(p: &Platform, cx: &OpContext, target: &Target, listing: &Listing) -> Error {
    let stored = async {
        let mut tx = p.db.write(cx).await?;
        reading::present(&mut tx, &target.server).await?;
        reading::keep(&mut tx, target.server.id, listing).await?;
        tx.commit(AuditEntry::new(AuditAction::ToolWithdrawn, "tool_server", format!("{}/{}", target.server.id, target.tool.name))).await
    };
    if let Err(error) = stored.await {
        return error;
    }
    let detail = format!(
        "{} tells something else of this tool than what was approved, so it was not called and is withdrawn. An administrator can look at the difference and approve it again.",
        target.server.name
    );
    Error::conflict("tool_server.tool_changed", detail)
}

fn judge(mut ticket: Ticket, outcome: &Result<CallResult, ClientError>) {
    match outcome {
        Err(error) if error.counts_against_server() => ticket.failed(),
        Ok(_) | Err(_) => ticket.answered(),
    }
}

fn resting(target: &Target, wait: Duration) -> Error {
    let detail = format!("{} failed too often and is left alone for a while. The tool was not called.", target.server.name);
    Error::unavailable("tool_server.resting", detail).with_retry_after(wait.max(Duration::from_secs(1)))
}

fn failed(target: &Target, error: &ClientError) -> Error {
    let detail = format!("{}: {error}", target.server.name);
    match error {
        ClientError::TooSlow => Error::upstream_timeout("tool_server.too_slow", detail),
        ClientError::TooLarge { .. } | ClientError::TooMany { .. } => Error::upstream("tool_server.too_large", detail),
        ClientError::Unauthorized => Error::upstream("tool_server.key_refused", detail),
        ClientError::NotReached | ClientError::Cut | ClientError::NotThere => Error::upstream("tool_server.not_reached", detail),
        ClientError::Arguments { .. } => Error::too_large("tool_server.arguments_too_large", detail),
        _ => Error::upstream("tool_server.unusable", detail),
    }
}
