//! Asking a server for its tools: the test that an administrator makes, and what is stored of what it tells.
//!
//! **Invariant:** a server that is not reached is told in one way and after one time, whatever the reason (`vital-outbound`): a test is no map of our
//! network. What a server wrote is shown only where it is readable and short.

use super::{server, store, told_of, unknown};
use crate::Platform;
use moka::{
    Entry,
    ops::compute::{CompResult, Op},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, ToolServerId, limits};
use vital_mcp_client::{Auth, ClientError, Listing, Session};
use vital_store::{TenantTx, Write};

/// How long a test may take: somebody waits for a page.
const TEST_WITHIN: Duration = Duration::from_secs(20);

/// What a test of a tool server found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It told its tools.
    Answers,
    /// It does not accept the secret, or wants one.
    KeyRefused,
    /// Something answers, but there is no tool server at this path.
    NotThere,
    /// Nothing answered at the address.
    NotReached,
    /// It did not answer in time.
    TooSlow,
    /// It sent more than is read.
    TooLarge,
    /// What came is not the protocol.
    Unreadable,
    /// It speaks another version of the protocol.
    Version,
    /// It takes no more requests for now.
    Limited,
    /// It refused the request for another reason.
    Refused,
}

impl CheckState {
    const ALL: [Self; 10] = [
        Self::Answers,
        Self::KeyRefused,
        Self::NotThere,
        Self::NotReached,
        Self::TooSlow,
        Self::TooLarge,
        Self::Unreadable,
        Self::Version,
        Self::Limited,
        Self::Refused,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::KeyRefused => "key_refused",
            Self::NotThere => "not_there",
            Self::NotReached => "not_reached",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Version => "version",
            Self::Limited => "limited",
            Self::Refused => "refused",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    const fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Unauthorized => Self::KeyRefused,
            ClientError::NotThere => Self::NotThere,
            ClientError::Address(_) | ClientError::Key | ClientError::NotReached | ClientError::Cut => Self::NotReached,
            ClientError::TooSlow => Self::TooSlow,
            ClientError::TooLarge { .. } | ClientError::TooMany { .. } => Self::TooLarge,
            ClientError::Garbled { .. } | ClientError::SessionLost => Self::Unreadable,
            ClientError::Version { .. } => Self::Version,
            ClientError::Limited => Self::Limited,
            ClientError::Redirected | ClientError::Status { .. } | ClientError::Refused { .. } | ClientError::Arguments { .. } => {
                Self::Refused
            }
        }
    }
}

/// A tool that cannot be used.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedTool {
    /// Its name as far as it can be shown.
    pub name: String,
    /// Why.
    pub why: String,
}

/// The outcome of a test.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolServerTest {
    /// What was found.
    pub state: CheckState,
    /// The same for people, with what to do.
    pub detail: String,
    /// What the server calls itself; empty where it says nothing.
    pub server: String,
    /// Version of the protocol.
    pub protocol: Option<String>,
    /// Tools that can be used.
    pub tools: usize,
    /// Tools that were told for the first time, changed or are gone since the last test.
    pub changes: usize,
    /// Tools that cannot be used, and why.
    pub refused: Vec<RefusedTool>,
    /// Time of the whole test, in milliseconds.
    pub took_ms: u64,
}

/// Asks a server for its tools, stores what it tells beside what was approved, and says what came. Nothing is called.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `RateLimited` after too many tests; `Conflict` where the server was changed
/// meanwhile; `NotFound`. A server that cannot be used is no error: the answer says why.
pub async fn test_tool_server(p: &Platform, cx: &OpContext, id: ToolServerId) -> Result<ToolServerTest> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.read(cx).await?;
    let row = server::found(&mut tx, id).await?;
    let auth = server::auth(&tx, &row)?;
    tx.end().await?;
    admit(p, cx)?;
    let begun = Instant::now();
    let told = ask(p, &row, &auth, begun + TEST_WITHIN).await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let state = told.as_ref().map_or_else(CheckState::of, |_| CheckState::Answers);
    let mut tx = p.db.write(cx).await?;
    present(&mut tx, &row).await?;
    let changes = match &told {
        Ok((_, listing)) => keep(&mut tx, id, listing).await?,
        Err(_) => 0,
    };
    store::set_checked(&mut tx, id, state).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolServerTested, "tool_server", id)).await?;
    let detail = says(state, told.as_ref().err());
    let (session, listing) = told.map_or_else(|_| (None, Listing::default()), |(session, listing)| (Some(session), listing));
    let (server, protocol) = session.as_ref().map_or_else(Default::default, |s| (s.server.clone(), Some(s.version.to_owned())));
    if let Some(session) = session {
        p.tasks.spawn(session.end());
    }
    let refused = listing.refused.into_iter().map(|r| RefusedTool { name: r.name, why: r.fault.to_string() }).collect();
    Ok(ToolServerTest { state, detail, server, protocol, tools: listing.tools.len(), changes, refused, took_ms })
}

/// Opens a session and has the server tell its tools.
pub(super) async fn ask(p: &Platform, row: &store::ServerRow, auth: &Auth, deadline: Instant) -> Result<(Session, Listing), ClientError> {
    let mut session = p.tool_servers.client(&row.address, auth)?.connect(deadline).await?;
    let listing = session.tools().await?;
    Ok((session, listing))
}

/// Takes the server's row for this transaction, if it is still the one that was asked.
pub(super) async fn present(tx: &mut TenantTx<Write>, asked: &store::ServerRow) -> Result<()> {
    let updated_at = store::lock_server(tx, asked.id).await?.ok_or_else(unknown)?;
    if updated_at != asked.updated_at {
        return Err(Error::conflict("tool_server.changed", "The tool server was changed meanwhile. What came was dropped; try again."));
    }
    Ok(())
}

/// Stores what a server tells, beside what was approved. Returns how many tools are new, changed or gone.
pub(super) async fn keep(tx: &mut TenantTx<Write>, id: ToolServerId, listing: &Listing) -> Result<usize> {
    let rows = store::tools(tx, Some(id)).await?;
    let mut changes = 0;
    for told in &listing.tools {
        let digest = told.digest();
        let row = rows.iter().find(|row| row.name == told.name);
        if row.and_then(|row| row.digest.as_deref()) == Some(digest.as_slice()) {
            continue;
        }
        changes += 1;
        let tool = row.map_or_else(Uuid::now_v7, |row| row.id);
        let sealed = tx.seal_json(told_of(tool), told)?;
        store::tell(tx, id, tool, &told.name, &sealed, &digest).await?;
    }
    for row in rows.iter().filter(|row| row.digest.is_some() && !listing.tools.iter().any(|told| told.name == row.name)) {
        changes += 1;
        if row.approved_digest.is_some() {
            store::tell_no_more(tx, row.id).await?;
        } else {
            store::delete_tool(tx, row.id).await?;
        }
    }
    store::set_read(tx, id).await?;
    Ok(changes)
}

fn says(state: CheckState, error: Option<&ClientError>) -> String {
    match state {
        CheckState::Answers => "The server answers and told its tools.".to_owned(),
        CheckState::KeyRefused => {
            "The server was reached and refused the secret, or wants one. Check that it is whole, not revoked, and sent in the right header.".to_owned()
        }
        CheckState::NotThere => {
            "Something answers at this address, but no tool server with streamable HTTP. Check the path; it often ends in `/mcp`.".to_owned()
        }
        CheckState::NotReached => {
            "No answer came from this address. Check how it is written; whoever runs the platform may have to allow it.".to_owned()
        }
        CheckState::TooSlow => "The server did not answer in time. Try again in a minute, or ask whoever runs it.".to_owned(),
        CheckState::Limited => "The server was reached and takes no more requests for now. Try again later.".to_owned(),
        CheckState::TooLarge | CheckState::Unreadable | CheckState::Version | CheckState::Refused => {
            let what = error.map_or_else(String::new, ToString::to_string);
            format!("{what} Nothing of it was stored. Whoever runs the server can tell more.")
        }
    }
}

fn admit(p: &Platform, cx: &OpContext) -> Result<()> {
    let counted = p.tool_servers.tests.entry(cx.tenant()).and_compute_with(|seen| match seen.map_or(0, Entry::into_value) {
        n if n >= limits::TOOL_SERVER_TESTS_MAX => Op::Nop,
        n => Op::Put(n + 1),
    });
    if matches!(counted, CompResult::Unchanged(_)) {
        let detail = "Too many tests within a minute. Nothing was sent; wait a minute, then try again.";
        return Err(Error::rate_limited("tool_server.too_many_tests", detail).with_retry_after(Duration::from_secs(60)));
    }
    Ok(())
}
