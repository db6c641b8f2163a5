//! Erasing an organisation: its keys are destroyed first, so that nothing that was sealed for it opens any more in this database; then what is
//! stored of it is deleted, with everything derived from it. A backup from before still holds the wrapped keys: it opens for whoever holds it
//! and the root key of its time, until that root key is rotated and destroyed.
//!
//! **Invariants:** the ledger, a file outside of the database, is written before anything is destroyed. A server replays it before it serves:
//! what a restored backup brought back is erased again, and what was cut off is finished. What an erasure will destroy is written beside the
//! certificates first ([`pending`]), so that its certificate can name it whoever finishes it. The ledger holds SHA-256 of ids and times, and is kept for ever. The audit trail of
//! the organisation stays: it holds ids and names of fields.

use super::{pending, store};
use crate::{Platform, identity::operator_context};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use time::OffsetDateTime;
use vital_kernel::{AuditAction, AuditEntry, Error, Result, TenantId, now};
use vital_store::DestroyedKey;
use vital_trail::{Erasure, Stamp};

/// Beside the ledger of erasures.
const FOLDER: &str = "erasures";

/// What a run destroyed.
struct Erased {
    keys: Vec<DestroyedKey>,
    /// Of which table, those of the directory aside.
    rows: BTreeMap<String, u64>,
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

/// The folder of certificates, and of what is to be certified.
pub(crate) fn certificates(p: &Platform) -> PathBuf {
    p.erasure_ledger.with_file_name(FOLDER)
}

/// Runs work on the ledger or beside it; `told` says what it means that it failed.
async fn on_disk<T: Send + 'static>(told: String, work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|e| Error::unavailable("erasure.ledger", format!("{told} ({e})")).with_source(e))
}

/// Erases an organisation: destroys its keys, deletes what is stored of it, its search index and the ways in. Cut off, it is run again, or the
/// next start of a server finishes it. For the operator's command line: no page does it.
///
/// Returns what was destroyed, to be certified and then [`settled`]; none where its keys were destroyed before and nothing here tells which.
///
/// # Errors
/// `Unavailable` when the ledger cannot be written (then nothing was erased) or the database does not answer.
pub async fn erase_tenant(p: &Platform, tenant: TenantId, operator: &str) -> Result<Option<Erasure>> {
    let told = prepare(p, tenant, operator).await?;
    let ledger = p.erasure_ledger.clone();
    let line = Line { tenant_sha256: hex::encode(hash_of(tenant)), erased_at: now() };
    let failed = "The ledger of erasures cannot be written, so nothing was erased. Make room in the data folder, then try again.";
    on_disk(failed.to_owned(), move || append(&ledger, &line)).await?;
    Ok(with(told, erase(p, tenant).await?))
}

/// Writes down what is about to be destroyed, together with what a run before this one wrote.
async fn prepare(p: &Platform, tenant: TenantId, operator: &str) -> Result<Option<Erasure>> {
    let (folder, ledger, hash) = (certificates(p), p.erasure_ledger.clone(), hash_of(tenant));
    let elsewhere = store::erasures(&p.db).await?.iter().any(|(known, _)| known.as_slice() == hash);
    let file = pending::path(&folder, tenant);
    let failed =
        format!("Nothing was erased by this run: the ledger, or `{}`, cannot be read. Put them right, then try again.", file.display());
    let earlier = on_disk(failed, move || {
        let begun = elsewhere || read(&ledger)?.contains(&hex::encode(hash));
        // What was written for an erasure that never began tells nothing about this one.
        Ok(if begun { (true, pending::read(&folder, tenant)?) } else { (false, None) })
    });
    let (begun, earlier) = earlier.await?;
    let keys = p.db.keys_to_destroy(tenant).await?;
    if keys.is_empty() && begun && earlier.is_none() {
        return Ok(None);
    }
    renewed(p, tenant, operator, earlier, keys).await.map(Some)
}

async fn renewed(p: &Platform, tenant: TenantId, operator: &str, earlier: Option<Erasure>, keys: Vec<DestroyedKey>) -> Result<Erasure> {
    let fresh = || Erasure {
        tenant: tenant.0,
        erased_at: Stamp::of(now()),
        operator: operator.to_owned(),
        keys: Vec::new(),
        rows: BTreeMap::new(),
        entry: 0,
    };
    // Whoever destroys the keys is named, with the time of that: a run that finds none left finishes another's.
    let mut told = match earlier {
        Some(earlier) if keys.is_empty() => earlier,
        Some(earlier) => Erasure { keys: earlier.keys, rows: earlier.rows, ..fresh() },
        None => fresh(),
    };
    pending::add(&mut told, keys, counted(p, tenant).await?);
    let (folder, written) = (certificates(p), told.clone());
    let file = pending::path(&folder, tenant);
    let failed = format!(
        "What is to be destroyed cannot be written to `{}`, so nothing was erased by this run. Make room, then try again.",
        file.display()
    );
    on_disk(failed, move || pending::write(&folder, &written)).await?;
    Ok(told)
}

/// How many rows there are to be deleted, by table.
async fn counted(p: &Platform, tenant: TenantId) -> Result<BTreeMap<String, u64>> {
    match store::erasing(&p.db, &operator_context(tenant)).await {
        Ok(mut tx) => tx.rows_by_table().await,
        // Keys that cannot be used must not keep the organisation from being erased. The rows are counted when the keys are gone.
        Err(error) if ["keys.unavailable", "seal.broken"].contains(&error.code()) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// What was to be destroyed, with what was in the end.
fn with(told: Option<Erasure>, erased: Erased) -> Option<Erasure> {
    told.map(|mut told| {
        pending::add(&mut told, erased.keys, erased.rows);
        told
    })
}

/// Takes away what was written for the certificate, which stands now.
pub(crate) async fn settled(p: &Platform, tenant: TenantId) -> Result<()> {
    let folder = certificates(p);
    let failed = format!("`{}` cannot be removed.", pending::path(&folder, tenant).display());
    on_disk(failed, move || pending::remove(&folder, tenant)).await
}

async fn erase(p: &Platform, tenant: TenantId) -> Result<Erased> {
    let keys = p.db.destroy_keys(tenant, &hash_of(tenant)).await?;
    let cx = operator_context(tenant);
    let mut tx = store::erasing(&p.db, &cx).await?;
    let mut rows = tx.rows_by_table().await?;
    store::erase(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    store::forget(&p.db, tenant).await?;
    // Work that had begun before the keys were destroyed may have stored something meanwhile; no more can begin.
    let mut tx = store::erasing(&p.db, &cx).await?;
    for (table, more) in tx.rows_by_table().await? {
        *rows.entry(table).or_default() += more;
    }
    store::erase(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    p.indexes.erase(tenant).await?;
    p.remembered.forget_all();
    if let Some(answers) = p.gateway.cache() {
        // What is not reached opens with the destroyed keys alone, and ends with its time.
        answers.forget(tenant).await;
    }
    p.db.record_installation(AuditEntry::new(AuditAction::TenantErased, "tenant", tenant)).await?;
    Ok(Erased { keys, rows })
}

/// Erases again what the ledger names and a restored database has brought back, finishes what was cut off, and takes into the ledger what
/// other nodes erased. Run before anything is served. Returns what is to be certified: the erasures that were begun with this data folder
/// and have no certificate yet.
///
/// # Errors
/// `Unavailable` when the ledger cannot be read, the database does not answer or an organisation cannot be erased: nothing may be served
/// then. The message names the organisation and the ledger.
pub async fn replay_erasures(p: &Platform) -> Result<Vec<Erasure>> {
    let (ledger, folder) = (p.erasure_ledger.clone(), certificates(p));
    let known_elsewhere = store::erasures(&p.db).await?;
    let failed = format!(
        "The ledger of erasures `{}` or the folder beside it cannot be read or written, so nothing is served. Put it back or make room.",
        ledger.display()
    );
    let (erased, unfinished) = on_disk(failed, move || Ok((merge(&ledger, &known_elsewhere)?, pending::all(&folder)?))).await?;
    let is_erased = |tenant: &TenantId| erased.contains(&hex::encode(hash_of(*tenant)));
    let mut uncertified = Vec::new();
    for tenant in unfinished.iter().copied().filter(is_erased) {
        tracing::warn!(%tenant, "the erasure of an organisation was cut off: it is finished");
        uncertified.extend(finish(p, tenant).await.map_err(|error| unserved(p, tenant, error))?);
    }
    let back = super::list(p).await?.into_iter().map(|tenant| tenant.id);
    for tenant in back.filter(|tenant| is_erased(tenant)) {
        tracing::warn!(%tenant, "an organisation that was erased is back, perhaps from a backup: it is erased again");
        erase(p, tenant).await.map_err(|error| unserved(p, tenant, error))?;
    }
    Ok(uncertified)
}

/// Finishes an erasure that was begun with this data folder.
async fn finish(p: &Platform, tenant: TenantId) -> Result<Option<Erasure>> {
    let folder = certificates(p);
    let read = tokio::task::spawn_blocking(move || pending::read(&folder, tenant)).await.map_err(Error::internal)?;
    let told = match read {
        Ok(Some(earlier)) => {
            let (operator, keys) = (earlier.operator.clone(), p.db.keys_to_destroy(tenant).await?);
            Some(renewed(p, tenant, &operator, Some(earlier), keys).await?)
        }
        Ok(None) => None,
        Err(error) => {
            let file = pending::path(&certificates(p), tenant);
            tracing::error!(%tenant, %error, file = %file.display(), "what an erasure destroyed cannot be read: it gets no certificate");
            None
        }
    };
    Ok(with(told, erase(p, tenant).await?))
}

/// What it means to a server that an organisation cannot be erased again.
fn unserved(p: &Platform, tenant: TenantId, error: Error) -> Error {
    let detail = format!(
        "Organisation {tenant} was erased, as the ledger of erasures `{}` tells, and what the database still holds of it cannot be deleted: {}          Nothing is served until it is. Nothing of other organisations was lost. See that the database answers and has room and that nothing          else holds its tables, then start the server again: it goes on where it stopped. Leave the ledger as it is.",
        p.erasure_ledger.display(),
        error.detail()
    );
    Error::unavailable("erasure.unfinished", detail).with_source(error)
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
