//! Following a turn: stored events first, then live ones, in order, without loss or duplicate, from wherever the reader stopped.

use super::{StoredEvent, TurnEvent, reading::Readings, store, unknown_turn};
use crate::{
    Platform,
    identity::{self, Caller, Watch},
};
use async_stream::try_stream;
use futures_util::Stream;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use vital_kernel::{AuditAction, AuditEntry, OpContext, Permission, Result, TurnId};

/// Events a slow reader may fall behind before it is sent back to the stored ones.
const BEHIND_MAX: usize = 256;
/// How often a turn that another process writes is looked at.
const ELSEWHERE_POLL: Duration = Duration::from_millis(250);

/// How often a quiet stream asks whether its reader may still read.
const WATCH: Duration = Duration::from_secs(5);

/// The turns that this process is writing.
#[derive(Default)]
pub struct Streams {
    live: Mutex<HashMap<TurnId, Live>>,
    pub(super) readings: Readings,
}

/// A turn being written here.
#[derive(Clone)]
pub(super) struct Live {
    pub events: broadcast::Sender<StoredEvent>,
    pub stop: CancellationToken,
    /// On whose behalf it is written.
    pub cx: OpContext,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<TurnId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, turn: TurnId, cx: &OpContext) -> Live {
        let live = Live { events: broadcast::channel(BEHIND_MAX).0, stop: CancellationToken::new(), cx: cx.clone().detached() };
        self.lock().insert(turn, live.clone());
        live
    }

    pub(super) fn close(&self, turn: TurnId) {
        self.lock().remove(&turn);
    }

    pub(super) fn is_open(&self, turn: TurnId) -> bool {
        self.lock().contains_key(&turn)
    }

    pub(super) fn cancel(&self, turn: TurnId) {
        if let Some(live) = self.lock().get(&turn) {
            live.stop.cancel();
        }
    }

    fn subscribe(&self, turn: TurnId) -> Option<broadcast::Receiver<StoredEvent>> {
        self.lock().get(&turn).map(|live| live.events.subscribe())
    }
}

/// Stops the answers that are being written here for people who were deactivated meanwhile.
///
/// # Errors
/// `Unavailable` when the database does not answer; the next look tries again.
pub(crate) async fn stop_of_inactive(p: &Platform) -> Result<()> {
    let live: Vec<Live> = p.streams.lock().values().cloned().collect();
    for turn in live {
        if !turn.stop.is_cancelled() && !identity::is_active(p, &turn.cx).await? {
            tracing::info!(tenant = %turn.cx.tenant(), "an answer is stopped: its person was deactivated");
            turn.stop.cancel();
        }
    }
    Ok(())
}

/// Follows a turn of the caller: every event with a number above `after`, ending after `done`. Its opening is recorded, once.
///
/// # Errors
/// At once: `NotFound` when the caller has no such turn. In the stream: `Unavailable` when the database went away; the reader comes back
/// with the number of the last event it saw. `Unauthenticated` or `Forbidden` as soon as the caller may no longer read.
pub async fn follow(
    p: Arc<Platform>,
    caller: Caller,
    turn: TurnId,
    after: i32,
) -> Result<impl Stream<Item = Result<StoredEvent>> + Send + 'static> {
    let cx = caller.cx.clone();
    let mut watch = Watch::new(caller);
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let mut running = {
        let mut read = p.db.read_audited(&cx).await?;
        let running = store::turn(read.tx(), turn, owner).await?.ok_or_else(unknown_turn)?.running();
        read.commit(AuditEntry::new(AuditAction::TurnRead, "turn", turn)).await?;
        running
    };
    Ok(try_stream! {
        let mut last = after;
        loop {
            // Subscribing comes before reading: an event stored in between is then seen twice and dropped once, never missed.
            let live = p.streams.subscribe(turn);
            for event in stored(&p, &cx, turn, last).await? {
                watch.still(&p, Permission::ConversationRead).await?;
                let end = matches!(event.event, TurnEvent::Done { .. });
                last = event.seq;
                yield event;
                if end {
                    return;
                }
            }
            let Some(mut live) = live else {
                if !running {
                    return;
                }
                tokio::time::sleep(ELSEWHERE_POLL).await;
                watch.still(&p, Permission::ConversationRead).await?;
                let mut tx = p.db.read(&cx).await?;
                running = store::turn(&mut tx, turn, owner).await?.is_some_and(|t| t.running());
                continue;
            };
            // A gap, a reader too slow or a closed channel lead back to the stored events.
            loop {
                let Ok(received) = tokio::time::timeout(WATCH, live.recv()).await else {
                    watch.still(&p, Permission::ConversationRead).await?;
                    continue;
                };
                let Ok(event) = received else { break };
                if event.seq <= last {
                    continue;
                }
                if event.seq != last + 1 {
                    break;
                }
                watch.still(&p, Permission::ConversationRead).await?;
                let end = matches!(event.event, TurnEvent::Done { .. });
                last = event.seq;
                yield event;
                if end {
                    return;
                }
            }
        }
    })
}

async fn stored(p: &Platform, cx: &OpContext, turn: TurnId, after: i32) -> Result<Vec<StoredEvent>> {
    store::events_after(&mut p.db.read(cx).await?, turn, after).await
}
