//! Values that nodes share for a while: bytes under names in Redis. A cache, so nothing depends on what is there.
//!
//! **Invariants:** nothing here fails whoever asks: while Redis is absent, slow or full nothing is found and nothing kept, and a look waits at
//! most [`BUDGET`]; no more than the limit is read of a value, whoever wrote it; every value has a time to live. Whether what is found
//! may be believed is for the caller to say: it has to be sealed, for everybody who reaches that Redis can read and write there.

use crate::{
    server::{Address, Server},
    throttle::{BUDGET, Error, NAMESPACE},
};
use redis::{RedisError, aio::MultiplexedConnection, cmd};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};

/// How long nobody tries to reach a Redis that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Values under way to Redis at once; further ones are not kept.
const WRITES_MAX: usize = 32;
/// How long one step of forgetting may take, and how many names it looks at.
const FORGET_STEP: Duration = Duration::from_secs(5);
const FORGET_NAMES: u32 = 1_000;

/// Values under names. Clones are the same.
#[derive(Clone)]
pub struct Shelf(Arc<Inner>);

struct Inner {
    server: Server,
    /// Most bytes of a value.
    bytes_max: usize,
    link: Mutex<Link>,
    /// Connections so far.
    connections: AtomicU64,
    writing: Arc<Semaphore>,
}

enum Link {
    /// The connection in use, with its number.
    Open(u64, MultiplexedConnection),
    /// Somebody is connecting.
    Begun,
    /// Nobody tries before this moment.
    Away(Instant),
}

impl Shelf {
    /// Values of at most `bytes_max` in this Redis, which is reached when the first one is looked for.
    ///
    /// # Errors
    /// When the address of Redis cannot be one. That it cannot be reached is no error.
    pub fn new(at: &Address, bytes_max: usize) -> Result<Self, Error> {
        let server = Server::new(at).map_err(|_| Error::Address)?;
        let (link, writing) = (Mutex::new(Link::Away(Instant::now())), Arc::new(Semaphore::new(WRITES_MAX)));
        Ok(Self(Arc::new(Inner { server, bytes_max, link, connections: AtomicU64::new(0), writing })))
    }

    /// The value under a name, if there is one that may be as large.
    pub async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let (number, mut open) = self.open()?;
        let asked = cmd("GETRANGE").arg(full(name)).arg(0).arg(self.0.bytes_max).to_owned();
        let found = self.answered(number, asked.query_async::<Vec<u8>>(&mut open)).await?;
        (!found.is_empty() && found.len() <= self.0.bytes_max).then_some(found)
    }

    /// Keeps a value for a time, in the background. One that is too large is not kept.
    pub fn put(&self, name: String, value: Vec<u8>, keep_for: Duration) {
        let Some((number, mut open)) = self.open().filter(|_| value.len() <= self.0.bytes_max) else { return };
        let Ok(turn) = Arc::clone(&self.0.writing).try_acquire_owned() else { return };
        let shelf = self.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let millis = u64::try_from(keep_for.as_millis()).unwrap_or(u64::MAX).max(1);
            let asked = cmd("SET").arg(full(&name)).arg(value).arg("PX").arg(millis).to_owned();
            shelf.answered(number, asked.query_async::<()>(&mut open)).await;
        });
    }

    /// Forgets every value whose name begins so. Takes time in proportion to all that is in that Redis. Returns whether it came to its end;
    /// what is left then goes with its time.
    pub async fn forget(&self, beginning: &str) -> bool {
        let forgotten = self.forget_all(beginning).await;
        if let Err(error) = &forgotten {
            tracing::warn!(%error, "kept answers in Redis could not be deleted; they end with their time");
        }
        forgotten.is_ok()
    }

    async fn forget_all(&self, beginning: &str) -> Result<(), RedisError> {
        let mut open = self.0.server.connect(FORGET_STEP).await?;
        let (pattern, mut cursor) = (format!("{}*", full(beginning)), 0_u64);
        loop {
            let look = cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(FORGET_NAMES).to_owned();
            let (next, names): (u64, Vec<String>) = look.query_async(&mut open).await?;
            if !names.is_empty() {
                cmd("UNLINK").arg(names).query_async::<()>(&mut open).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn answered<T>(&self, number: u64, asked: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        match tokio::time::timeout(BUDGET, asked).await {
            Ok(Ok(answer)) => Some(answer),
            // A refusal, such as one for want of room, says nothing against the connection.
            Ok(Err(error)) if !(error.is_io_error() || error.is_timeout() || error.is_connection_dropped()) => {
                tracing::debug!(%error, "Redis refused a kept value");
                None
            }
            Ok(Err(_)) | Err(_) => {
                self.lost(number);
                None
            }
        }
    }

    /// The connection in use; begins to connect where there is none.
    fn open(&self) -> Option<(u64, MultiplexedConnection)> {
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        match &*link {
            Link::Open(number, open) => Some((*number, open.clone())),
            Link::Away(until) if Instant::now() >= *until => {
                *link = Link::Begun;
                drop(link);
                let shelf = self.clone();
                tokio::spawn(async move { shelf.reach().await });
                None
            }
            Link::Begun | Link::Away(_) => None,
        }
    }

    async fn reach(self) {
        let reached = self.0.server.connect(BUDGET).await;
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        *link = match reached {
            Ok(open) => Link::Open(self.0.connections.fetch_add(1, Ordering::Relaxed), open),
            Err(error) => {
                tracing::warn!(%error, "Redis cannot be reached; answers are neither kept nor found there");
                Link::Away(Instant::now() + PAUSE)
            }
        };
    }

    /// Gives a connection up, unless another look has already done so.
    fn lost(&self, number: u64) {
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*link, Link::Open(open, _) if open == number) {
            *link = Link::Away(Instant::now() + PAUSE);
            tracing::warn!("Redis does not answer; answers are neither kept nor found there until it does");
        }
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("bytes_max", &self.0.bytes_max).finish_non_exhaustive()
    }
}

fn full(name: &str) -> String {
    format!("{NAMESPACE}:{name}")
}
