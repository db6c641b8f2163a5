//! Idempotency keys: of equal writes with one key, one takes effect and all get its reply.
//!
//! A request that comes first claims the key and runs; equal ones wait for its reply. The claim is a row under a unique index, so nodes
//! agree on it. It is a lease that the running node renews: after a crash the next equal request runs. The transaction that has the effect
//! marks the row (`vital-store/src/db/attempt.rs`), so nothing that is committed is done again, and an attempt that was taken over commits
//! nothing. Where a crash falls between effect and reply, the effect stands and the reply is lost: equal requests are told so.
//!
//! **Invariants:** a key counts for one caller, method and path; what was asked and what is kept are hashed and sealed under the tenant's
//! key; a reply that was given after a recent second factor is given again only after one. Refusals are not kept: they have no effect, so
//! the same key may be sent again with a request that has been put right.
//!
//! Not here: reading and writing HTTP (`vital-web/src/idempotency.rs`). What verbs do outside of the database before they commit, such as
//! testing a model, is done again where a crash comes first.

mod reply;
mod store;

pub use reply::{KeptReply, Outcome};

use crate::{
    Platform,
    identity::{Caller, Credential},
};
use std::{future::Future, sync::Arc, time::Duration};
use store::{Row, State};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinHandle},
    time::Instant,
};
use vital_kernel::{AttemptId, Error, OpContext, Result, TurnId, limits, now};

/// How long a node that says nothing keeps a key.
const LEASE: Duration = Duration::from_secs(15);
/// How often it says something: three times within a lease.
const RENEW: Duration = Duration::from_secs(5);
/// How soon a waiting request looks again for what another node did; each further look waits twice as long. What this node did wakes it.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// Longest wait between two looks.
const LAST_LOOK: Duration = Duration::from_millis(800);

/// Wakes requests that wait when one of this process has ended.
#[derive(Default)]
pub(crate) struct Attempts {
    ended: Notify,
}

/// A write that came with a key.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    /// The key, as the client chose it.
    pub key: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// SHA-256 of everything that was asked.
    pub fingerprint: [u8; 32],
}

/// What is to be done with a write that came with a key.
pub enum Claim {
    /// It is the first: run it with this attempt's context, then `finish`.
    Run(Attempt),
    /// It was done before: this was the reply.
    Replay(KeptReply),
    /// It was done before, and its reply is the stream of this turn.
    Follow(TurnId),
}

/// The right to run a write. Dropped without `finish`, it ends with its lease.
pub struct Attempt {
    id: AttemptId,
    cx: OpContext,
    platform: Arc<Platform>,
    renewing: AbortHandle,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.renewing.abort();
        self.platform.attempts.ended.notify_waiters();
    }
}

/// Claims the key of a write, or finds what came of it. Waits up to `IDEMPOTENCY_WAIT` for an equal request that runs.
///
/// # Errors
/// `Invalid` (`idempotency.key_reused`) when the key came with something else before. `Conflict` when an equal request still runs
/// (`idempotency.in_progress`, with a time after which to come again), or had its effect and its reply cannot be given again
/// (`idempotency.reply_lost`, `idempotency.too_large`). `Forbidden` when the reply was given after a recent second factor and there is none now.
pub async fn claim(p: &Arc<Platform>, caller: &Caller, keyed: Keyed<'_>) -> Result<Claim> {
    let (scope, until, mut pause) = (scope(caller, keyed), Instant::now() + limits::IDEMPOTENCY_WAIT, FIRST_LOOK);
    let mut free = true;
    loop {
        let ended = p.attempts.ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if free && let Some(attempt) = store::claim(p, caller, keyed, &scope).await? {
            return Ok(Claim::Run(run(p, caller, attempt)));
        }
        let row = store::look(p, caller, keyed, &scope).await?;
        free = row.as_ref().is_none_or(|row| row.is_free(now()));
        let Some(row) = row.filter(|_| !free) else { continue };
        if let Some(claim) = settled(&caller.cx, row)? {
            return Ok(claim);
        }
        if Instant::now() >= until {
            return Err(in_progress());
        }
        tokio::select! {
            () = ended => {}
            () = tokio::time::sleep_until(until.min(Instant::now() + pause)) => pause = (pause * 2).min(LAST_LOOK),
        }
    }
}

/// Runs work to its end also where whoever asked for it leaves.
pub fn carry_on<T: Send + 'static>(p: &Platform, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    p.tasks.spawn(work)
}

fn run(p: &Arc<Platform>, caller: &Caller, id: AttemptId) -> Attempt {
    let (platform, cx) = (p.clone(), caller.cx.clone());
    let renewing = p.tasks.spawn(async move {
        loop {
            tokio::time::sleep(RENEW).await;
            // A lease that cannot be renewed ends: the commit of the effect then finds out whether it still counts.
            if let Err(error) = store::renew(&platform, &cx, id).await {
                tracing::warn!(%error, "the lease of a request with an idempotency key cannot be renewed");
            }
        }
    });
    Attempt { id, cx: caller.cx.clone(), platform: p.clone(), renewing: renewing.abort_handle() }
}

impl Attempt {
    /// The id that the context of the work carries.
    #[must_use]
    pub const fn id(&self) -> AttemptId {
        self.id
    }

    /// Keeps the reply, or gives the key free where there is none to keep.
    ///
    /// # Errors
    /// `Unavailable` when the database went away; the effect stands, and equal requests are told that its reply was lost.
    pub async fn finish(self, outcome: Outcome) -> Result<()> {
        self.renewing.abort();
        match outcome {
            Outcome::Refused => store::release(&self.platform, &self.cx, self.id, false).await,
            Outcome::Failed => store::release(&self.platform, &self.cx, self.id, true).await,
            Outcome::Replied(reply) => store::keep(&self.platform, &self.cx, self.id, State::Recorded, &reply).await,
            Outcome::TooLarge(head) => store::keep(&self.platform, &self.cx, self.id, State::TooLarge, &head).await,
            Outcome::Streamed { turn, head } => {
                store::keep(&self.platform, &self.cx, self.id, State::Turn, &KeptReply { body: turn.to_string().into(), ..head }).await
            }
        }
    }
}

/// What came of a write; none while it runs.
fn settled(cx: &OpContext, row: Row) -> Result<Option<Claim>> {
    if !row.same_request {
        return Err(reused());
    }
    let reply = match (row.state, row.reply) {
        (State::Started | State::Effected, _) if row.lease_until > now() => return Ok(None),
        (State::Started | State::Effected, _) | (_, None) => return Err(reply_lost()),
        (_, Some(reply)) => reply,
    };
    if row.stepped_up {
        cx.require_step_up()?;
    }
    match row.state {
        State::TooLarge => Err(too_large(&reply)),
        State::Turn => {
            let turn = std::str::from_utf8(&reply.body).ok().and_then(|id| id.parse().ok());
            turn.map(|turn| Some(Claim::Follow(turn))).ok_or_else(|| Error::internal("a kept reply names no turn"))
        }
        _ => Ok(Some(Claim::Replay(reply))),
    }
}

/// For whom and for what a key counts. Every credential of a program is a caller of its own, because it may have other rights.
fn scope(caller: &Caller, keyed: Keyed<'_>) -> String {
    let who = caller.cx.user().map(|u| u.to_string()).unwrap_or_default();
    let credential = match caller.credential {
        Credential::Session(_) => caller.break_glass.map_or_else(|| "person".to_owned(), |opening| opening.to_string()),
        Credential::Key(key) => key.to_string(),
        Credential::Federated(provider) => provider.to_string(),
    };
    format!("idempotency key\n{who}\n{credential}\n{}\n{}\n{}", keyed.method, keyed.path, keyed.key)
}

/// Deletes what was kept until `at` or before. Returns how many there were.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn prune(p: &Platform, at: OffsetDateTime) -> Result<u64> {
    store::prune(&p.db, at).await
}

fn reused() -> Error {
    let detail = "This idempotency key came with another request before: body, query or media type differ. Nothing was done; use a new key \
                  for another request.";
    Error::invalid("idempotency.key_reused", detail)
}

fn in_progress() -> Error {
    let detail =
        "An equal request with this idempotency key is still being worked on. Nothing was done twice; send it again for its reply.";
    Error::conflict("idempotency.in_progress", detail).with_retry_after(Duration::from_secs(1))
}

fn reply_lost() -> Error {
    let detail = "The first request with this idempotency key took effect, but its reply was lost, as when a server stops. Nothing was done \
                  again. Look whether what you asked for is there, and use a new key for anything else.";
    Error::conflict("idempotency.reply_lost", detail)
}

fn too_large(head: &KeptReply) -> Error {
    let at = head.header("location").map(|at| format!(" What it made is at {at}.")).unwrap_or_default();
    let detail = format!(
        "The first request with this idempotency key took effect with status {}, and its reply was too large to be kept. Nothing was done again.{at}",
        head.status
    );
    Error::conflict("idempotency.too_large", detail)
}
