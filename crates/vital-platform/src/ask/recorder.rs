//! Writes the events of one turn: stored first, then shown. Events that come while a write is under way share the next one.

use super::{StoredEvent, TurnEvent, record::TurnRecord, store};
use crate::Platform;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
};
use vital_kernel::{Error, Kind, OpContext, Result, TurnId};
use vital_store::Unaudited;

/// Events that may wait for the database before the writer of the answer has to wait too.
const WAITING_MAX: usize = 256;
/// Most events in one write.
const BATCH_MAX: usize = 64;
/// How long a database that went away may take to come back before the turn fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts to reach it.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Takes events, keeps the record they add up to, and hands them to the writing task.
pub(super) struct Recorder {
    pub record: TurnRecord,
    queue: mpsc::Sender<TurnEvent>,
    writing: JoinHandle<Result<i32>>,
}

impl Recorder {
    /// Starts to record behind the event with number `seq`.
    pub fn start(p: Arc<Platform>, cx: OpContext, turn: TurnId, seq: i32, live: broadcast::Sender<StoredEvent>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        Self { record: TurnRecord::default(), queue, writing: tokio::spawn(write(p, cx, turn, seq, waiting, live)) }
    }

    /// Records an event. Cancelling the wait leaves it unrecorded as a whole.
    pub async fn push(&mut self, event: TurnEvent) -> Result<()> {
        let permit = self.queue.reserve().await.map_err(|_| lost())?;
        self.record.apply(&event);
        permit.send(event);
        Ok(())
    }

    /// Waits until everything recorded is stored. Returns the record and the number of the last event.
    pub async fn close(self) -> Result<(TurnRecord, i32)> {
        drop(self.queue);
        let seq = self.writing.await.map_err(Error::internal)??;
        Ok((self.record, seq))
    }
}

fn lost() -> Error {
    Error::unavailable("turn.lost", "The answer could not be stored: the database does not answer. Your question is kept; ask again.")
}

async fn write(
    p: Arc<Platform>,
    cx: OpContext,
    turn: TurnId,
    mut seq: i32,
    mut waiting: mpsc::Receiver<TurnEvent>,
    live: broadcast::Sender<StoredEvent>,
) -> Result<i32> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut without_text = Some(Instant::now());
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let events: Vec<StoredEvent> = batch.drain(..).zip(seq + 1..).map(|(event, seq)| StoredEvent { seq, event }).collect();
        if !patiently(|| store_events(&p, &cx, turn, &events)).await? {
            return Err(Error::conflict("turn.ended_elsewhere", "Another process has ended this turn."));
        }
        for event in events {
            seq = event.seq;
            if let (TurnEvent::Token { .. }, Some(since)) = (&event.event, without_text) {
                vital_metrics::first_token(since.elapsed());
                without_text = None;
            }
            // Nobody has to be listening.
            let _listeners = live.send(event);
        }
    }
    Ok(seq)
}

async fn store_events(p: &Platform, cx: &OpContext, turn: TurnId, events: &[StoredEvent]) -> Result<bool> {
    let mut tx = p.db.write(cx).await?;
    let running = store::insert_events(&mut tx, turn, events).await?;
    tx.commit_unaudited(Unaudited::TurnEvents).await?;
    Ok(running)
}

/// Tries again while the database is away, up to the patience of a turn.
pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(error) if error.kind() == Kind::Unavailable && Instant::now() < until => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}
