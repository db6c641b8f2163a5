//! Erasing an organisation: its keys are destroyed first, so that nothing that was sealed for it opens any more in this database; then what is
//! stored of it is deleted, with everything derived from it. A backup from before still holds the wrapped keys: it opens for whoever holds it
//! and the root key of its time, until that root key is rotated and destroyed.
//!
//! **Invariants:** the ledger, a file outside of the database, is written before anything is destroyed. A server replays it before it serves:
//! what a restored backup brought back is erased again. The ledger holds SHA-256 of ids and times, and is kept for ever. The audit trail of
//! the organisation stays: it holds ids and names of fields.

use super::store;
use crate::{Platform, identity::operator_context};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use time::OffsetDateTime;
use vital_kernel::{AuditAction, AuditEntry, Error, Result, TenantId, now};
use vital_store::DestroyedKey;

/// What an erasure did.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The organisation.
    pub tenant: TenantId,
    /// Keys that were destroyed.
    pub keys: Vec<DestroyedKey>,
    /// How many rows of which table were deleted, those of the directory aside.
    pub rows: BTreeMap<String, u64>,
}

/// A line of the ledger.
#[derive(Serialize, Deserialize)]
struct Line {
    tenant_sha256: String,
    #[serde(with = "time::serde::rfc3339")]
    erased_at: OffsetDateTime,
}

/// What names an erased organisation in the ledger.
fn hash_of(tenant: TenantId) -> [u8; 32] {
    Sha256::digest(tenant.to_string()).into()
}

/// Erases an organisation: destroys its keys, deletes what is stored of it, its search index and the ways in. Cut off, it is run again, or the
/// next start of a server finishes it. For the operator's command line: no page does it.
///
/// # Errors
/// `Unavailable` when the ledger cannot be written (then nothing was erased) or the database does not answer.
pub async fn erase_tenant(p: &Platform, tenant: TenantId) -> Result<Erased> {
    let ledger = p.erasure_ledger.clone();
    let line = Line { tenant_sha256: hex::encode(hash_of(tenant)), erased_at: now() };
    tokio::task::spawn_blocking(move || append(&ledger, &line)).await.map_err(Error::internal)?.map_err(|e| {
        Error::unavailable(
            "erasure.ledger",
            "The ledger of erasures cannot be written, so nothing was erased. Make room in the data folder, then try again.",
        )
        .with_source(e)
    })?;
    erase(p, tenant).await
}

async fn erase(p: &Platform, tenant: TenantId) -> Result<Erased> {
    let keys = p.db.destroy_keys(tenant, &hash_of(tenant)).await?;
    let cx = operator_context(tenant);
    let mut tx = p.db.write_erased(&cx).await?;
    let mut rows = tx.rows_by_table().await?;
    store::erase(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    store::forget(&p.db, tenant).await?;
    // Work that had begun before the keys were destroyed may have stored something meanwhile; no more can begin.
    let mut tx = p.db.write_erased(&cx).await?;
    for (table, more) in tx.rows_by_table().await? {
        *rows.entry(table).or_default() += more;
    }
    store::erase(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    p.indexes.erase(tenant).await?;
    p.remembered.forget_all();
    p.db.record_installation(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    Ok(Erased { tenant, keys, rows })
}

/// Erases again what the ledger names and a restored database has brought back, and takes into the ledger what other nodes erased. Run
/// before anything is served.
///
/// # Errors
/// `Unavailable` when the ledger cannot be read or the database does not answer: nothing may be served then.
pub async fn replay_erasures(p: &Platform) -> Result<Vec<Erased>> {
    let ledger = p.erasure_ledger.clone();
    let known_elsewhere = store::erasures(&p.db).await?;
    let erased = tokio::task::spawn_blocking(move || merge(&ledger, &known_elsewhere)).await.map_err(Error::internal)?.map_err(|e| {
        Error::unavailable(
            "erasure.ledger",
            "The ledger of erasures cannot be read or written, so nothing is served. Put it back or make room.",
        )
        .with_source(e)
    })?;
    let mut again = Vec::new();
    for tenant in super::list(p).await? {
        if erased.contains(&hex::encode(hash_of(tenant.id))) {
            tracing::warn!(tenant = %tenant.id, "an organisation that was erased is back, perhaps from a backup: it is erased again");
            again.push(erase(p, tenant.id).await?);
        }
    }
    Ok(again)
}

/// Reads the ledger and adds what it lacks.
fn merge(ledger: &Path, elsewhere: &[(Vec<u8>, OffsetDateTime)]) -> std::io::Result<HashSet<String>> {
    let mut known = read(ledger)?;
    for (hash, at) in elsewhere {
        let hash = hex::encode(hash);
        if !known.contains(&hash) {
            append(ledger, &Line { tenant_sha256: hash.clone(), erased_at: *at })?;
            known.insert(hash);
        }
    }
    Ok(known)
}

/// The whole text, empty where there is no ledger yet.
fn text(ledger: &Path) -> std::io::Result<String> {
    match fs::read_to_string(ledger) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

fn read(ledger: &Path) -> std::io::Result<HashSet<String>> {
    let text = text(ledger)?;
    let mut known = HashSet::new();
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => drop(known.insert(line.tenant_sha256)),
            // A crash cut the last line off before anything was destroyed: the command that wrote it has to be run again.
            Err(_) if lines.peek().is_none() => {
                tracing::warn!("the last line of the ledger of erasures is cut off: run that erasure again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

/// Adds a line and waits until it is on the disk. A last line that a crash cut off is taken away first: in the middle of the ledger it would be
/// taken for damage.
fn append(ledger: &Path, line: &Line) -> std::io::Result<()> {
    let before = text(ledger)?;
    let whole = before.trim_end().rfind('\n').map_or(0, |at| at + 1);
    let last = before.get(whole..).unwrap_or_default();
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(ledger)?;
    if !last.is_empty() && serde_json::from_str::<Line>(last).is_err() {
        file.set_len(whole as u64)?;
    }
    // The line feed in front ends a line that was written without one.
    file.write_all(format!("\n{}", serde_json::to_string(line)?).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_keeps_every_line_and_takes_in_what_others_erased() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("erasures.jsonl");
        assert!(read(&ledger).unwrap().is_empty());
        let (ours, theirs) = (hash_of(TenantId::new()), hash_of(TenantId::new()));
        append(&ledger, &Line { tenant_sha256: hex::encode(ours), erased_at: now() }).unwrap();
        let merged = merge(&ledger, &[(theirs.to_vec(), now()), (ours.to_vec(), now())]).unwrap();
        assert_eq!(merged.len(), 2);
        assert_eq!(read(&ledger).unwrap(), merged);
        assert_eq!(std::fs::read_to_string(&ledger).unwrap().lines().filter(|l| !l.is_empty()).count(), 2, "nothing twice");
    }

    #[test]
    fn a_damaged_ledger_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("erasures.jsonl");
        std::fs::write(&ledger, "{\"tenant_sha256\":\"ab\n{}\n").unwrap();
        assert!(read(&ledger).is_err());
    }

    #[test]
    fn a_line_that_a_crash_cut_off_spoils_neither_what_was_before_nor_what_comes_after() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("erasures.jsonl");
        let line = || Line { tenant_sha256: hex::encode(hash_of(TenantId::new())), erased_at: now() };
        append(&ledger, &line()).unwrap();
        let whole = std::fs::read(&ledger).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&ledger, [whole.as_slice(), &whole[..cut]].concat()).unwrap();
            assert_eq!(read(&ledger).unwrap().len(), 1, "{cut}");
            append(&ledger, &line()).unwrap();
            assert_eq!(read(&ledger).unwrap().len(), 2, "{cut}");
        }
    }
}
