//! Holds the entries in the database against the checkpoints outside of it.
//!
//! Everything is computed anew from the entries; the stored links and states are only compared. Who rewrites entries, links and states
//! together still has to answer to the checkpoints.

use super::{folder, signing, tenant_of, unusable, verified};
use crate::{Platform, audit::store::trail as store};
use std::iter::Peekable;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Result};
use vital_store::PlatformReason;
use vital_trail::{Checker, Checkpoint, Fault, Keys, LogId, Note, Report, Seen, SignedNote, Stamp, TrailError};

/// Entries that are read at a time.
const PAGE: i64 = 5_000;

/// Which logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that the database or the folder of checkpoints knows.
    All,
    /// One.
    One(LogId),
}

/// Verifies logs. `since` begins behind the newest checkpoint before it and believes that one; `erased` tells which tenants were erased;
/// `progress` hears how many entries were read.
///
/// # Errors
/// `Unavailable` when the database or the folder cannot be read. What is wrong with the trail stands in the reports.
pub async fn verify(
    p: &Platform,
    which: Which,
    since: Option<OffsetDateTime>,
    erased: impl Fn(Uuid) -> bool,
    progress: impl Fn(u64),
) -> Result<Vec<Report>> {
    let keys = signing::known(&p.trail.settings)?.unwrap_or_default();
    let mut reports = Vec::new();
    for log in logs(p, which).await? {
        let erased = log.tenant().is_some_and(&erased);
        reports.push(verify_log(p, log, since.map(Stamp::of), erased, &keys, &progress).await?);
    }
    verified::keep(p, which == Which::All && since.is_none(), &reports);
    Ok(reports)
}

async fn logs(p: &Platform, which: Which) -> Result<Vec<LogId>> {
    if let Which::One(log) = which {
        return Ok(vec![log]);
    }
    let mut once = p.db.platform_once(PlatformReason::Trail).await?;
    let mut logs: Vec<LogId> = store::logs(once.conn()).await?.into_iter().map(|(log, ..)| log).collect();
    logs.extend(store::logs_waiting(once.conn()).await?.into_iter().map(|(log, _)| log));
    logs.extend(folder::logs(&p.trail.settings.folder)?);
    logs.sort_unstable();
    logs.dedup();
    Ok(logs)
}

type Stored = Peekable<folder::Checkpoints>;

/// Hands over the checkpoints up to a size. What cannot be read is a fault at once.
fn hand_over(checker: &mut Checker, stored: &mut Stored, keys: &Keys, last: &Option<SignedNote>) {
    while let Some(next) = stored.peek() {
        let read = match next {
            Ok(note) if Some(note) == last.as_ref() => return,
            Ok(note) => match Checkpoint::parse(&note.text) {
                Ok(checkpoint) if checkpoint.size > checker.size() => return,
                Ok(_) => Checkpoint::open(note, keys),
                Err(error) => Err(error),
            },
            Err(error) => Err(TrailError::Format(error.to_string())),
        };
        stored.next();
        checker.checkpoint(0, read);
    }
}

/// The newest checkpoint before a time whose signature fits: there the reading begins.
fn start(stored: &mut Stored, since: Stamp, keys: &Keys) -> Option<Checkpoint> {
    let mut found = None;
    while let Some(Ok(note)) = stored.peek() {
        let Ok(opened) = Checkpoint::open(note, keys) else { break };
        if opened.checkpoint.at >= since {
            break;
        }
        found = Some(opened.checkpoint);
        stored.next();
    }
    found
}

async fn verify_log(p: &Platform, log: LogId, since: Option<Stamp>, erased: bool, keys: &Keys, progress: &impl Fn(u64)) -> Result<Report> {
    let at = &p.trail.settings.folder;
    let name = keys.all().first().map(|key| key.name()).unwrap_or_default();
    let origin = Checkpoint::origin_of(name, log);
    let newest = folder::newest(at, log)?;
    let mut stored = folder::read(at, log)?.peekable();
    let begin = since.and_then(|since| start(&mut stored, since, keys));
    let mut checker = match &begin {
        Some(from) => Checker::resume(log, origin, from.size, from.chain),
        None => Checker::new(log, origin),
    };
    let all_before = begin.as_ref().is_some_and(|from| newest.as_ref().is_some_and(|note| note.text == from.text()));
    if let Some(note) = newest.as_ref().filter(|_| !all_before) {
        checker.promise(0, Checkpoint::open(note, keys));
    }
    let mut behind = checker.size();
    let mut previous = begin.map_or([0; 32], |from| from.chain);
    let mut buffer = Vec::with_capacity(512);
    loop {
        let mut tx = p.db.trail(tenant_of(log)).await?;
        let rows = store::page(tx.conn(), log, behind, PAGE).await?;
        drop(tx);
        let whole = i64::try_from(rows.len()).is_ok_and(|n| n == PAGE);
        for row in rows {
            let (prev, hash) = row.links();
            let seq = row.seq().unwrap_or(0);
            behind = seq;
            let entry = row.at_place(log, seq);
            let (at, node, counter) = (entry.at, entry.node, entry.counter);
            let leaf = entry.leaf_with(&mut buffer);
            hand_over(&mut checker, &mut stored, keys, &newest);
            checker.reach();
            let in_row = seq == checker.size() + 1;
            checker.entry(0, &Seen { seq, leaf, hash, at, node, counter }, |seq| Some(vital_trail::Entry { seq, ..entry }.leaf()));
            if in_row && prev != previous {
                checker.report.fault(0, Fault::Altered { seq });
            }
            previous = hash;
        }
        progress(checker.report.entries);
        if !whole {
            break;
        }
    }
    hand_over(&mut checker, &mut stored, keys, &newest);
    let gone = checker.size() == 0;
    let mut report = checker.finish();
    if gone && let Some(signed) = newest.and_then(|note| Checkpoint::parse(&note.text).ok()) {
        report = Report::new(Some(log));
        if erased {
            report.note(0, Note::Erased);
        } else {
            report.fault(0, Fault::Missing { signed: signed.size });
        }
    }
    let mut tx = p.db.trail(tenant_of(log)).await?;
    let waiting = u64::try_from(store::waiting_count(tx.conn(), log).await?).unwrap_or(0);
    if waiting > 0 {
        report.note(0, Note::Waiting { entries: waiting });
    }
    Ok(report)
}

/// The entry about a verification: of which log, how many entries of it were read, and whether it was sound. `since` tells that it began behind a checkpoint.
pub(crate) fn verification_entry(report: &Report, log: LogId, since: bool) -> AuditEntry {
    let result: &[&str] = match (report.sound, since) {
        (true, false) => &["sound"],
        (false, false) => &["faults"],
        (true, true) => &["sound", "since"],
        (false, true) => &["faults", "since"],
    };
    AuditEntry::about(AuditAction::AuditVerified, "audit_log", [log.to_string(), format!("entries:{}", report.entries)]).fields(result)
}

/// Records that the operator verified a log, in that log, or in the installation's own where its organisation is gone.
///
/// # Errors
/// `Unavailable` when the database does not answer; the verification itself stands.
pub async fn record_verification(p: &Platform, report: &Report, since: bool) -> Result<()> {
    let Some(log) = report.log else { return Ok(()) };
    super::record(p, log, verification_entry(report, log, since)).await
}

/// The keys, which must be there to verify anything.
pub(super) fn keys(p: &Platform) -> Result<Keys> {
    signing::known(&p.trail.settings)?.ok_or_else(|| unusable(TrailError::Key("there is no list of public keys yet")))
}
