//! Proofs for people outside: that an entry is in the log, and that the log has only grown.
//!
//! The hashes are gathered while all leaves stream by, so a proof costs the reading of its log and no stored tree.

use super::{folder, tenant_of, unusable, verify::keys};
use crate::{Platform, audit::store::trail as store};
use uuid::Uuid;
use vital_kernel::{Error, Result};
use vital_trail::{
    Checkpoint, ConsistencyProof, Gather, Hash, InclusionProof, LogId, SignedNote, TrailError, WitnessRequest, consistency_ranges,
    inclusion_ranges,
};

/// Entries that are read at a time.
const PAGE: i64 = 5_000;

fn no_checkpoint(what: String) -> Error {
    Error::not_found("audit.no_checkpoint", what)
}

/// Gathers the roots of ranges from the leaves of a log.
async fn gather(p: &Platform, log: LogId, ranges: Vec<std::ops::Range<u64>>, size: u64) -> Result<Vec<Hash>> {
    let (mut gather, mut behind, mut buffer) = (Gather::new(ranges), 0, Vec::with_capacity(512));
    while behind < size {
        let mut tx = p.db.trail(tenant_of(log)).await?;
        let rows = store::page(tx.conn(), log, behind, PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let seq = row.seq().unwrap_or(0);
            if seq != behind + 1 {
                return Err(unusable(TrailError::Proof("entries are missing from the log; run `vital audit verify`")));
            }
            behind = seq;
            if seq <= size {
                gather.push(&row.at_place(log, seq).leaf_with(&mut buffer));
            }
        }
    }
    gather.finish().ok_or_else(|| unusable(TrailError::Proof("entries are missing from the log; run `vital audit verify`")))
}

/// Proves that an entry is in its log. The proof can be checked with the public keys alone.
///
/// # Errors
/// `NotFound` where there is no such entry, or no checkpoint covers it yet; `Unavailable` where the log does not lead to its checkpoint.
pub async fn prove(p: &Platform, log: LogId, id: Uuid) -> Result<InclusionProof> {
    let mut tx = p.db.trail(tenant_of(log)).await?;
    let found = store::entry(tx.conn(), log, id).await?;
    drop(tx);
    let row = found.ok_or_else(|| Error::not_found("audit.no_entry", format!("Log {log} has no entry {id}.")))?;
    let later = || no_checkpoint("The entry is not under a checkpoint yet. Try again in ten seconds.".to_owned());
    let seq = row.seq().ok_or_else(later)?;
    let newest = folder::newest(&p.trail.settings.folder, log)?.ok_or_else(later)?;
    let checkpoint = Checkpoint::parse(&newest.text).map_err(unusable)?;
    let ranges = inclusion_ranges(seq - 1, checkpoint.size).ok_or_else(later)?;
    let (_, hash) = row.links();
    let entry = row.at_place(log, seq);
    let hashes = gather(p, log, ranges, checkpoint.size).await?;
    let proof = InclusionProof::new(&entry, hash, hashes, &newest).map_err(unusable)?;
    proof.verify(&keys(p)?).map_err(unusable)?;
    Ok(proof)
}

fn checkpoint_of(p: &Platform, log: LogId, size: Option<u64>) -> Result<SignedNote> {
    let at = &p.trail.settings.folder;
    let none = || no_checkpoint(format!("Log {log} has no checkpoint{}.", size.map(|n| format!(" of {n} entries")).unwrap_or_default()));
    let Some(size) = size else { return folder::newest(at, log)?.ok_or_else(none) };
    let mut stored = folder::read(at, log)?.filter_map(std::result::Result::ok);
    stored.find(|note| Checkpoint::parse(&note.text).is_ok_and(|c| c.size == size)).ok_or_else(none)
}

/// Proves that the log of one checkpoint is the beginning of the log of a later one, the newest where none is named.
///
/// # Errors
/// `NotFound` where there is no checkpoint of these sizes; `Unavailable` where the log does not lead to them.
pub async fn consistency(p: &Platform, log: LogId, old: u64, new: Option<u64>) -> Result<ConsistencyProof> {
    let (older, newer) = (checkpoint_of(p, log, Some(old))?, checkpoint_of(p, log, new)?);
    let new = Checkpoint::parse(&newer.text).map_err(unusable)?.size;
    if old > new {
        return Err(Error::invalid("audit.sizes", "The older log must not be larger than the newer one."));
    }
    let hashes = gather(p, log, consistency_ranges(old, new).unwrap_or_default(), new).await?;
    let proof = ConsistencyProof::new(log, &older, &newer, hashes);
    proof.verify(&keys(p)?).map_err(unusable)?;
    Ok(proof)
}

/// What a witness that knows `old` entries has to see to sign the newest checkpoint (C2SP tlog-witness).
///
/// # Errors
/// As [`consistency`].
pub async fn witness_request(p: &Platform, log: LogId, old: u64) -> Result<WitnessRequest> {
    let note = checkpoint_of(p, log, None)?;
    let new = Checkpoint::parse(&note.text).map_err(unusable)?.size;
    let proof = gather(p, log, consistency_ranges(old, new).unwrap_or_default(), new).await?;
    Ok(WitnessRequest { old, proof, note })
}
