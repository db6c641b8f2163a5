//! When the trail was verified last, and what came of it: a small file beside the public keys, so that a running server can tell what
//! `vital audit verify` found in another process.
//!
//! **Invariant:** a fault stays on record until all logs were verified and found sound. The file is no evidence: whoever can write it can
//! say anything. It is there so that a verification that fails, or that nobody runs any more, is noticed.

use crate::Platform;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_trail::Report;

/// Largest file in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024;

/// A verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether no fault was found.
    pub sound: bool,
    /// Logs that were verified.
    pub logs: u64,
    /// Entries that were read.
    pub entries: u64,
}

fn path(p: &Platform) -> PathBuf {
    p.trail.settings.public_file.with_extension("verified")
}

/// The last verification of all logs, or the last that found a fault; none where there was none, or what is on record cannot be read.
#[must_use]
pub fn last_verified(p: &Platform) -> Option<Verified> {
    let mut text = String::new();
    File::open(path(p)).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Keeps what a verification found; `whole` where it read all logs from their beginning. That it cannot be kept makes no verification fail.
pub(super) fn keep(p: &Platform, whole: bool, reports: &[Report]) {
    let sound = reports.iter().all(|report| report.sound);
    // One log that is sound says nothing about the others, and the newest entries nothing about those before.
    if sound && !whole {
        return;
    }
    let entries = reports.iter().map(|report| report.entries).sum();
    let verified = Verified { at: vital_kernel::now(), sound, logs: reports.len() as u64, entries };
    if let Err(error) = write(&path(p), &verified) {
        tracing::warn!(%error, "when the audit trail was verified cannot be kept");
    }
}

fn write(path: &Path, verified: &Verified) -> io::Result<()> {
    let next = path.with_extension("verified.next");
    fs::write(&next, serde_json::to_string(verified)? + "\n")?;
    fs::rename(&next, path)
}
