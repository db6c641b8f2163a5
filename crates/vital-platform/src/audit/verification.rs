//! Verifying one's own trail from the explorer: the same computation as `vital audit verify`, for one organisation and in words.
//!
//! It reads every entry, so one runs at a time in a process, the next waits for it, and each gives up after a while; the command line has no such limit.

use super::trail::{self, Which};
use crate::Platform;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use vital_kernel::{Error, OpContext, Permission, Result, limits};
use vital_trail::{LogId, Report};

/// Faults and notes that are put into words; the rest is counted.
const SAID_MAX: usize = 50;

static RUNNING: Semaphore = Semaphore::const_new(1);

/// What verification of the organisation's trail found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verification {
    /// Whether there is no fault.
    pub sound: bool,
    /// Entries that were read.
    pub entries: u64,
    /// Signed checkpoints that were read and fit.
    pub checkpoints: u64,
    /// How many entries the newest fitting checkpoint covers.
    pub signed_entries: Option<u64>,
    /// When that checkpoint was signed (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub signed_at: Option<OffsetDateTime>,
    /// What must not be, the first fifty.
    pub faults: Vec<String>,
    /// How many faults there are.
    pub faults_total: u64,
    /// What is worth knowing and can have an innocent reason, the first fifty.
    pub notes: Vec<String>,
    /// How many notes there are.
    pub notes_total: u64,
}

impl From<Report> for Verification {
    fn from(r: Report) -> Self {
        Self {
            sound: r.sound,
            entries: r.entries,
            checkpoints: r.checkpoints,
            signed_entries: r.newest.as_ref().map(|n| n.size),
            signed_at: r.newest.as_ref().map(|n| n.at.time()),
            faults: r.faults.iter().take(SAID_MAX).map(|f| f.what.to_string()).collect(),
            faults_total: r.faults_total,
            notes: r.notes.iter().take(SAID_MAX).map(|n| n.what.to_string()).collect(),
            notes_total: r.notes_total,
        }
    }
}

/// Computes the organisation's chain and tree anew from its entries and holds them against the signed checkpoints. That it was done is an entry.
///
/// # Errors
/// `Forbidden` without the permission to read the trail; `Unavailable` when it takes longer than somebody waits, or the checkpoints cannot be read.
pub async fn verify(p: &Platform, cx: &OpContext) -> Result<Verification> {
    cx.require(Permission::AuditRead)?;
    let which = Which::One(LogId(cx.tenant().0));
    let verified = tokio::time::timeout(limits::VERIFYING, async {
        let _alone = RUNNING.acquire().await.map_err(|e| Error::internal(e.to_string()))?;
        trail::verify(p, which, None, |_| false, |_| ()).await
    })
    .await;
    let reports = verified.map_err(|_| {
        Error::unavailable(
            "audit.verifying_too_long",
            "Your trail is too long, or the server too busy, to verify it while you wait. Whoever runs the server can do it with `vital audit verify`; you can verify an export yourself.",
        )
    })??;
    let report = reports.into_iter().next().ok_or_else(|| Error::internal("verification of one log gave no report"))?;
    p.db.write(cx).await?.commit(trail::verification_entry(&report, LogId(cx.tenant().0), false)).await?;
    Ok(report.into())
}
