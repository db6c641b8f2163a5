//! How the trail is doing: what waits, what is signed, what went wrong.

use super::{Verified, folder, last_verified, tenant_of};
use crate::{Platform, audit::store::trail as store};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::Result;
use vital_store::PlatformReason;
use vital_trail::Checkpoint;

/// One log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogStatus {
    /// The organisation, or `installation`.
    pub log: String,
    /// Entries that have their place.
    pub entries: u64,
    /// Entries under the newest checkpoint that stands outside of the database.
    pub signed: u64,
    /// When that was signed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub signed_at: Option<OffsetDateTime>,
    /// Since when its oldest entry waits for a place.
    #[serde(with = "time::serde::rfc3339::option")]
    pub waiting_since: Option<OffsetDateTime>,
}

/// The whole trail.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Status {
    /// Entries that wait for a place.
    pub waiting: u64,
    /// Seconds that the oldest entry has waited for a place; 0 where none waits.
    pub lag_s: u64,
    /// Entries that are in their place and not under a checkpoint.
    pub unsigned: u64,
    /// Why checkpoints cannot be written, as far as this process knows.
    pub trouble: Option<String>,
    /// Seconds since when they cannot.
    pub trouble_s: Option<u64>,
    /// Whether the folder of checkpoints looks as if it could be written to.
    pub folder_writable: bool,
    /// The last verification.
    pub verified: Option<Verified>,
    /// Each log.
    pub logs: Vec<LogStatus>,
}

/// Logs whose waiting entries are counted one by one; of more, each further one counts as one entry.
const COUNTED_MAX: usize = 64;

/// The trail in few numbers, cheap enough to be read every few seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Entries that wait for a place.
    pub waiting: u64,
    /// Seconds that the oldest of them has waited; 0 where none waits.
    pub lag_s: f64,
    /// Entries that are in their place and not under a checkpoint, as far as the database knows.
    pub unsigned: u64,
    /// When the newest checkpoint of any log was signed.
    pub checkpoint_at: Option<OffsetDateTime>,
}

/// Reads them.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn standing(p: &Platform) -> Result<Standing> {
    let mut once = p.db.platform_once(PlatformReason::Trail).await?;
    let waiting = store::logs_waiting(once.conn()).await?;
    let known = store::logs(once.conn()).await?;
    drop(once);
    let mut entries = waiting.len().saturating_sub(COUNTED_MAX) as u64;
    for (log, _) in waiting.iter().take(COUNTED_MAX) {
        let mut tx = p.db.trail(tenant_of(*log)).await?;
        entries += u64::try_from(store::waiting_count(tx.conn(), *log).await?).unwrap_or(0);
    }
    let oldest = waiting.iter().map(|(_, since)| *since).min();
    let unsigned = known.iter().map(|(_, size, signed, _)| u64::try_from(size - signed).unwrap_or(0)).sum();
    Ok(Standing {
        waiting: entries,
        lag_s: oldest.map_or(0.0, |since| (vital_kernel::now() - since).as_seconds_f64().max(0.0)),
        unsigned,
        checkpoint_at: known.iter().filter_map(|(.., at)| *at).max(),
    })
}

/// Tells whether checkpoints can be written, as far as this process knows: its last attempt went well and the folder looks fine.
#[must_use]
pub fn checkpoints_writable(p: &Platform) -> bool {
    p.trail.trouble().is_none() && folder::looks_writable(&p.trail.settings.folder)
}

/// Reads how the trail is doing.
///
/// # Errors
/// `Unavailable` when the database or the folder of checkpoints cannot be read.
pub async fn status(p: &Platform) -> Result<Status> {
    let mut once = p.db.platform_once(PlatformReason::Trail).await?;
    let waiting = store::logs_waiting(once.conn()).await?;
    let known = store::logs(once.conn()).await?;
    drop(once);
    let trouble = p.trail.trouble().clone();
    let standing = standing(p).await?;
    let mut logs = Vec::new();
    for (log, size, _, signed_at) in known {
        let newest = folder::newest(&p.trail.settings.folder, log)?.and_then(|note| Checkpoint::parse(&note.text).ok());
        logs.push(LogStatus {
            log: log.to_string(),
            entries: u64::try_from(size).unwrap_or(0),
            signed: newest.as_ref().map_or(0, |newest| newest.size),
            signed_at: newest.map(|newest| newest.at.time()).or(signed_at),
            waiting_since: waiting.iter().find(|(waits, _)| *waits == log).map(|(_, since)| *since),
        });
    }
    Ok(Status {
        waiting: standing.waiting,
        lag_s: standing.lag_s as u64,
        folder_writable: folder::looks_writable(&p.trail.settings.folder),
        verified: last_verified(p),
        unsigned: logs.iter().map(|log| log.entries.saturating_sub(log.signed)).sum(),
        trouble_s: trouble.as_ref().map(|t| t.since.elapsed().as_secs()),
        trouble: trouble.map(|t| t.why),
        logs,
    })
}
