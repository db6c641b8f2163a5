//! Approving a tool in exactly one definition, and taking that back.

use super::{ToolState, approved_of, server, store, unknown, unknown_tool};
use crate::Platform;
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, ToolServerId};

/// What is approved of a tool.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolApproval {
    /// The tool, in the server's own name.
    pub tool: String,
    /// The number of the definition that was looked at, as `told.digest` shows it.
    pub digest: String,
    /// True: it changes nothing, so that it may be called without a person. Only where the server says so as well.
    #[serde(default)]
    pub read_only: bool,
}

/// Approves a tool in the definition that was looked at, and in no other.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Conflict` where the server tells something else by now; `Invalid` where
/// a tool shall count as harmless of which its server does not even say so; `NotFound`.
pub async fn approve_tool(p: &Platform, cx: &OpContext, id: ToolServerId, approval: &ToolApproval) -> Result<()> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::lock_server(&mut tx, id).await?.ok_or_else(unknown)?;
    server::found(&mut tx, id).await?;
    let row = store::tools(&mut tx, Some(id)).await?.into_iter().find(|row| row.name == approval.tool).ok_or_else(unknown_tool)?;
    let told = row.told(&tx)?.ok_or_else(unknown_tool)?;
    let digest = told.digest();
    if !hex::encode(digest).eq_ignore_ascii_case(&approval.digest) {
        return Err(Error::conflict(
            "tool_server.tool_changed",
            "The server tells something else of this tool by now. Nothing was approved; look at what it tells and decide again.",
        ));
    }
    if approval.read_only && !told.hints.read_only {
        let detail = "The server does not say that this tool changes nothing, so every call needs a person. Nothing was approved.";
        return Err(Error::invalid("tool_server.not_read_only", detail).with_field("/read_only", detail));
    }
    let sealed = tx.seal_json(approved_of(row.id), &told)?;
    store::approve(&mut tx, row.id, &sealed, &digest, !approval.read_only).await?;
    let fields: &[&'static str] = if approval.read_only { &["definition", "read_only"] } else { &["definition"] };
    tx.commit(AuditEntry::new(AuditAction::ToolApproved, "tool_server", format!("{id}/{}", row.name)).fields(fields)).await
}

/// Takes the approval of a tool back: from the next call on it is neither offered nor called.
///
/// # Errors
/// `Forbidden` without permission; `NotFound`.
pub async fn withdraw_tool(p: &Platform, cx: &OpContext, id: ToolServerId, tool: &str) -> Result<()> {
    cx.require(Permission::ToolManage)?;
    let mut tx = p.db.write(cx).await?;
    store::lock_server(&mut tx, id).await?.ok_or_else(unknown)?;
    let row = store::tools(&mut tx, Some(id)).await?.into_iter().find(|row| row.name == tool).ok_or_else(unknown_tool)?;
    if row.state() == ToolState::Gone {
        store::delete_tool(&mut tx, row.id).await?;
    } else {
        store::withdraw(&mut tx, row.id).await?;
    }
    tx.commit(AuditEntry::new(AuditAction::ToolWithdrawn, "tool_server", format!("{id}/{}", row.name))).await
}
