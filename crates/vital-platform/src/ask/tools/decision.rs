//! The decision of a person about a call of a tool.
//!
//! **Invariant:** a call is decided once, by the person whose turn it is, while the turn is being written; whichever node they reach.

use super::store;
use crate::Platform;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, TurnId};
use vital_store::Unaudited;

/// How long a call waits for a decision.
const WAIT: Duration = Duration::from_secs(10 * 60);
/// How often the decision is looked for: it may be made on another node.
const LOOK: Duration = Duration::from_millis(400);

/// Puts a call before the person whose turn it is.
pub(super) async fn ask(p: &Platform, cx: &OpContext, turn: TurnId, call: u32) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    store::ask_for_decision(&mut tx, turn, i32::try_from(call).unwrap_or(i32::MAX)).await?;
    tx.commit_unaudited(Unaudited::TurnEvents).await
}

/// Waits for the decision about a call; none where nobody decided in time.
pub(super) async fn wait(p: &Platform, cx: &OpContext, turn: TurnId, call: u32) -> Result<Option<bool>> {
    let call = i32::try_from(call).unwrap_or(i32::MAX);
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        if let Some(approved) = store::decision(&mut p.db.read(cx).await?, turn, call).await? {
            return Ok(Some(approved));
        }
        sleep(LOOK).await;
    }
    Ok(None)
}

/// Approves or rejects a call that waits in a turn of the caller.
///
/// # Errors
/// `NotFound` when the caller has no such turn; `Conflict` where no such call waits: it was decided, or the turn has ended.
pub async fn decide(p: &Platform, cx: &OpContext, turn: TurnId, call: u32, approved: bool) -> Result<()> {
    cx.require(Permission::Ask)?;
    super::super::own_turn(p, cx, turn).await?;
    let mut tx = p.db.write(cx).await?;
    if !store::decide(&mut tx, turn, i32::try_from(call).unwrap_or(i32::MAX), approved).await? {
        return Err(Error::conflict(
            "tool_call.not_waiting",
            "No such call waits for a decision: somebody has decided, nobody did in time, or the answer has ended. Nothing was changed.",
        ));
    }
    let action = if approved { AuditAction::ToolCallApproved } else { AuditAction::ToolCallRejected };
    tx.commit(AuditEntry::new(action, "tool_call", format!("{turn}:{call}"))).await
}
