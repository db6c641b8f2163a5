//! Gives entries their places and signs checkpoints, beside the requests.
//!
//! Every node sequences what it wrote itself, at once, and looks for what others left behind every few seconds; the row of the log in the
//! directory makes them wait for one another. Checkpoints are written by one node at a time. The order is: the database commits the places,
//! the checkpoint goes to the disk, the database learns of it. Whatever a crash interrupts, the next round finishes.

use super::{Trail, Trouble, folder, signing, tenant_of};
use crate::{Platform, audit::store::trail as store};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vital_kernel::{AuditAction, AuditEntry, Error, Result};
use vital_store::{Db, PlatformReason};
use vital_trail::{Checkpoint, LogId, Stamp, chain};

/// Entries that are placed at a time.
const BATCH: i64 = 4_096;
/// Pause between two rounds.
const PAUSE: Duration = Duration::from_millis(500);
/// How often all logs are looked at, not only those that this process wrote.
const SWEEP: Duration = Duration::from_secs(5);

/// Sequences and signs until the platform stops; then once more, so that what was written last is signed too.
pub(crate) async fn work(p: Arc<Platform>) {
    note(&p, AuditAction::ServerStarted).await;
    let mut swept: Option<Instant> = None;
    loop {
        let sweep = swept.is_none_or(|at| at.elapsed() >= SWEEP);
        if sweep {
            swept = Some(Instant::now());
        }
        let stopping = p.stopping.is_cancelled();
        if stopping {
            note(&p, AuditAction::ServerStopped).await;
        }
        once(&p, sweep || stopping, stopping).await;
        if stopping {
            return;
        }
        tokio::select! {
            () = p.stopping.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn once(p: &Platform, sweep: bool, all: bool) {
    if let Err(error) = sequence_known(p, sweep).await {
        tracing::warn!(%error, "entries of the audit trail cannot get their places; they wait in the database");
    }
    let signed = sign(p, all).await;
    tell(p, signed);
}

/// What the background work does every half second, over all logs: what goes wrong is told and judged by the policy.
pub async fn round(p: &Platform) {
    once(p, true, false).await;
}

async fn note(p: &Platform, action: AuditAction) {
    let entry = AuditEntry::new(action, "server", "vital");
    if let Err(error) = p.db.record_installation(entry).await {
        tracing::warn!(%error, "the start or stop of the server could not be recorded");
    }
}

/// Sequences and signs everything at once.
///
/// # Errors
/// The first thing that goes wrong.
pub async fn run(p: &Platform) -> Result<u64> {
    let placed = sequence(p).await?;
    sign_checkpoints(p).await?;
    Ok(placed)
}

/// Gives all waiting entries their places and returns how many there were.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn sequence(p: &Platform) -> Result<u64> {
    sequence_known(p, true).await
}

async fn sequence_known(p: &Platform, sweep: bool) -> Result<u64> {
    let mut logs: Vec<LogId> = p.db.take_written().into_iter().map(|tenant| LogId(tenant.0)).collect();
    if sweep {
        let mut once = p.db.platform_once(PlatformReason::Trail).await?;
        logs = store::logs_waiting(once.conn()).await?.into_iter().map(|(log, _)| log).collect();
    }
    let mut placed = 0;
    for log in logs {
        placed += sequence_log(&p.db, log).await?;
    }
    Ok(placed)
}

async fn sequence_log(db: &Db, log: LogId) -> Result<u64> {
    let mut placed = 0;
    loop {
        let mut tx = db.trail(tenant_of(log)).await?;
        let Some(state) = store::take_log(tx.conn(), log).await? else {
            return Err(Error::unavailable(
                "audit.state",
                format!("The stored state of log {log} contradicts itself; run `vital audit verify`."),
            ));
        };
        let rows = store::waiting(tx.conn(), log, BATCH).await?;
        if rows.is_empty() {
            return Ok(placed);
        }
        let (base, before) = (state.tree.size(), state.head);
        let (mut tree, mut head, mut buffer) = (state.tree, state.head, Vec::with_capacity(512));
        let (mut ids, mut hashes) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            ids.push(row.id());
            let leaf = row.at_place(log, tree.size() + 1).leaf_with(&mut buffer);
            tree.push(&leaf);
            head = chain(&head, &leaf);
            hashes.push(head.to_vec());
        }
        let count = ids.len();
        store::sequence(tx.conn(), log, (base, &before), ids, hashes, &tree).await?;
        tx.commit().await?;
        placed += count as u64;
        if i64::try_from(count).is_ok_and(|count| count < BATCH) {
            return Ok(placed);
        }
    }
}

/// Signs a checkpoint for every log that has entries without one.
///
/// # Errors
/// `Unavailable` where keys, files or the database cannot be used; `Conflict` where a log was set back.
pub async fn sign_checkpoints(p: &Platform) -> Result<()> {
    sign(p, true).await
}

async fn sign(p: &Platform, all: bool) -> Result<()> {
    let settings = &p.trail.settings;
    let mut tx = p.db.platform(PlatformReason::Trail).await?;
    if !store::take_checkpoints(tx.conn()).await? {
        return Ok(());
    }
    let now = vital_kernel::now();
    let mut failed = None;
    for log in store::unsigned(tx.conn()).await? {
        let Some(state) = log.state else { continue };
        let size = state.tree.size();
        // A clock that stepped back must not keep a log unsigned.
        let due = all
            || size - log.signed >= settings.entries_per_checkpoint
            || log.signed_at.is_none_or(|at| (now - at).unsigned_abs() >= settings.checkpoint_every);
        if !due {
            continue;
        }
        let written = write(&p.trail, log.log, size, state).await;
        match written {
            Ok(()) => store::signed(tx.conn(), log.log, size, now).await?,
            Err(error) => failed = Some(error),
        }
    }
    tx.commit().await?;
    failed.map_or(Ok(()), Err)
}

async fn write(trail: &Trail, log: LogId, size: u64, state: store::State) -> Result<()> {
    let settings = trail.settings.clone();
    let write = move || {
        let key = signing::signing_key(&settings)?;
        let origin = Checkpoint::origin_of(key.public().name(), log);
        let at = Stamp::of(vital_kernel::now());
        let checkpoint = Checkpoint { origin, size, root: state.tree.root(), at, chain: state.head };
        folder::append(&settings.folder, log, &checkpoint, &checkpoint.sign(&key))
    };
    tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
}

/// One warning when checkpoints cannot be written any more, one line when they can again, and what the policy says in between.
fn tell(p: &Platform, signed: Result<()>) {
    let mut trouble = p.trail.trouble();
    match signed {
        Ok(()) => {
            if trouble.take().is_some() {
                tracing::info!("checkpoints of the audit trail are written again");
                p.db.refuse_entries(false);
            }
        }
        Err(error) => {
            let since = match trouble.as_ref() {
                Some(before) => before.since,
                None => {
                    tracing::error!(%error, "checkpoints of the audit trail cannot be written; entries go on waiting");
                    Instant::now()
                }
            };
            let refuse = p.trail.settings.refuse_after.is_some_and(|after| since.elapsed() >= after);
            if refuse {
                tracing::error!("changes are refused until checkpoints of the audit trail can be written");
                p.db.refuse_entries(true);
            }
            *trouble = Some(Trouble { since, why: error.detail().to_owned() });
        }
    }
}
