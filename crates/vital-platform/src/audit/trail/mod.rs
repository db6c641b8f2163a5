//! The trail that cannot be rewritten unseen: places in a hash chain, a Merkle tree, and checkpoints outside of the database.
//!
//! **Invariants:** nothing here stands in a request's way; entries get their places from the sequencer ([`sequence`]), which runs beside.
//! A checkpoint is written and synchronised before the database learns of it. The state in the database is believed by nobody: verification
//! computes everything anew from the entries and holds it against the signed checkpoints.
//!
//! A log is a tenant's, or the installation's own. The limits of the whole are in docs/AUDIT.md.

mod certificate;
mod export;
mod folder;
mod prove;
mod sequencer;
mod signing;
mod status;
mod verified;
mod verify;

pub use certificate::{CertifiedErasure, erase_with_certificate, replay_erasures};
pub use export::{Format, export};
pub use prove::{consistency, prove, witness_request};
pub(crate) use sequencer::work;
pub use sequencer::{round, run, sequence, sign_checkpoints};
pub use signing::{public_keys, rotate_signing_key};
pub use status::{LogStatus, Standing, Status, checkpoints_writable, standing, status};
pub use verified::{Verified, last_verified};
pub(crate) use verify::verification_entry;
pub use verify::{Which, record_verification, verify};

use crate::Platform;
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use vital_kernel::{AuditEntry, Error, Result};
use vital_trail::{Hash, LogId, TrailError};

/// Where checkpoints and keys are kept, and what happens when they cannot be.
#[derive(Clone, Debug)]
pub struct TrailSettings {
    /// Folder of the checkpoints.
    pub folder: PathBuf,
    /// File of the private signing key; made at the first start.
    pub key_file: PathBuf,
    /// File of the public keys, the current one last.
    pub public_file: PathBuf,
    /// After how long without checkpoints new entries, and with them all changes, are refused. None: never.
    pub refuse_after: Option<Duration>,
    /// Entries without a checkpoint that may be at most in a log before one is signed.
    pub entries_per_checkpoint: u64,
    /// Time between two checkpoints of a log in which something happens.
    pub checkpoint_every: Duration,
}

impl TrailSettings {
    /// The usual settings, within a data folder.
    #[must_use]
    pub fn within(data: &std::path::Path) -> Self {
        Self {
            folder: data.join("audit"),
            key_file: data.join("audit.key"),
            public_file: data.join("audit.pub"),
            refuse_after: None,
            entries_per_checkpoint: 1_000,
            checkpoint_every: Duration::from_secs(10),
        }
    }
}

/// The trail of one running platform.
#[derive(Debug)]
pub(crate) struct Trail {
    settings: TrailSettings,
    trouble: Mutex<Option<Trouble>>,
}

/// Since when checkpoints cannot be written, and why.
#[derive(Clone, Debug)]
struct Trouble {
    since: Instant,
    why: String,
}

impl Trail {
    pub(crate) fn new(settings: TrailSettings) -> Self {
        Self { settings, trouble: Mutex::new(None) }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
/// SHA-256 of the ids (as text) of the tenants that were erased, to be told to [`verify`]. It is read from the ledger outside of the database:
/// what the database says could have been written there to explain a deletion.
///
/// # Errors
/// `Unavailable` when the ledger cannot be read.
pub fn erased(p: &Platform) -> Result<HashSet<Hash>> {
    #[derive(serde::Deserialize)]
    struct Line {
        tenant_sha256: String,
    }
    let text = match std::fs::read_to_string(&p.erasure_ledger) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        read => read.map_err(|error| unwritable("The ledger of erasures", &p.erasure_ledger, error))?,
    };
    let hashes = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    Ok(hashes.filter_map(|line| hex::decode(line.tenant_sha256).ok()?.try_into().ok()).collect())
}

/// Records what the operator did with a log in that log itself, as long as its tenant is there to read it, and in the installation's own otherwise.
async fn record(p: &Platform, log: LogId, entry: AuditEntry) -> Result<()> {
    match tenant_of(log) {
        Some(tenant) if crate::tenancy::list(p).await?.iter().any(|t| t.id == tenant) => {
            p.db.write(&crate::identity::operator_context(tenant)).await?.commit(entry).await
        }
        _ => p.db.record_installation(entry).await,
    }
}

fn tenant_of(log: LogId) -> Option<vital_kernel::TenantId> {
    log.tenant().map(vital_kernel::TenantId)
}

/// What a fault of keys, checkpoints or files means to whoever asked.
fn unusable(error: TrailError) -> Error {
    let detail = format!("The audit trail cannot be used: {error}. No entry was lost.");
    Error::unavailable("audit.unusable", detail).with_source(error)
}

fn unwritable(what: &str, path: &std::path::Path, error: std::io::Error) -> Error {
    let detail = format!("{what} `{}` cannot be used: {error}. Entries wait in the database and are not lost.", path.display());
    Error::unavailable("audit.unwritable", detail).with_source(error)
}
