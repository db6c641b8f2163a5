//! How the trail is doing: what waits, what is signed, what went wrong.

use super::folder;
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
    /// Seconds that the oldest entry has waited for a place; 0 where none waits.
    pub lag_s: u64,
    /// Entries that are in their place and not under a checkpoint.
    pub unsigned: u64,
    /// Why checkpoints cannot be written, as far as this process knows.
    pub trouble: Option<String>,
    /// Seconds since when they cannot.
    pub trouble_s: Option<u64>,
    /// Each log.
    pub logs: Vec<LogStatus>,
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
    let oldest = waiting.iter().map(|(_, since)| *since).min();
    Ok(Status {
        lag_s: oldest.map_or(0, |since| u64::try_from((vital_kernel::now() - since).whole_seconds()).unwrap_or(0)),
        unsigned: logs.iter().map(|log| log.entries.saturating_sub(log.signed)).sum(),
        trouble_s: trouble.as_ref().map(|t| t.since.elapsed().as_secs()),
        trouble: trouble.map(|t| t.why),
        logs,
    })
}
