//! The throttle: Redis where it is there, memory where it is not, and the way between the two.
//!
//! Memory counts every request first. Where Redis answers, its decision stands and memory keeps the window it reported; where it does not,
//! memory's decision stands, so that counting goes on from where it was at the moment Redis is lost, checks under way included. What
//! memory then counts by itself is marked, and handed to Redis with the first check of that key after its return. Several nodes that were
//! alone each hand over their own count, of which the largest stands: while Redis is away a limit holds for each node.

use crate::{
    limit::{Decision, Limit},
    memory::{Key, Memory},
    server::Address,
    shared::{Said, Shared},
    window::{Rate, Window},
};
use redis::aio::MultiplexedConnection;
use sha2::{Digest as _, Sha256};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Longest a check waits for Redis; then memory decides, and Redis counts as lost until it has been reached again.
pub const BUDGET: Duration = Duration::from_millis(50);
/// Keys that memory has room for by default; about 10 MB when all are in use.
pub const KEYS_MAX: usize = 100_000;
/// What the names in Redis begin with unless something else is said.
pub const NAMESPACE: &str = "vital";
/// First pause before Redis is tried again; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause before Redis is tried again.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// What a throttle is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keys that memory has room for at least; it keeps at most twice as many.
    pub keys_max: usize,
    /// The Redis that nodes count in together; none counts in memory alone.
    pub redis: Option<Address>,
    /// What the names in Redis begin with, so that installations that share one do not meet.
    pub namespace: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { keys_max: KEYS_MAX, redis: None, namespace: NAMESPACE.to_owned() }
    }
}

/// Why a throttle cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be one of a Redis. It is not repeated, because it may hold a password.
    #[error("the address of Redis cannot be used; write `redis://host:6379`, `rediss://host:6379` or `redis+unix:///run/redis.sock`")]
    Address,
}

/// Where is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// In this process alone.
    InMemory,
    /// In Redis, together with other nodes.
    Shared,
}

/// Counts requests by key. Clones count together.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    memory: Memory,
    shared: Option<Shared>,
    /// The connection in use with its number; none while Redis is away.
    connection: Mutex<(u64, Option<MultiplexedConnection>)>,
    counted: watch::Sender<Counted>,
    /// Where the clock began.
    begun: Instant,
}

impl Throttle {
    /// Counts in this process alone.
    #[must_use]
    pub fn in_memory(keys_max: usize) -> Self {
        Self(Arc::new(Inner::new(keys_max, None)))
    }

    /// Makes a throttle. Where Redis is configured it is tried in the background, at once and for good; until then memory counts.
    /// Has to be called within a runtime.
    ///
    /// # Errors
    /// When the address of Redis cannot be one. That it cannot be reached is no error.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let Some(address) = &config.redis else { return Ok(Self::in_memory(config.keys_max)) };
        let shared = Shared::new(address, &config.namespace).map_err(|_| Error::Address)?;
        let inner = Arc::new(Inner::new(config.keys_max, Some(shared)));
        tokio::spawn(reach(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Counts one request of a key, unless it is over the limit. Never fails, and takes at most [`BUDGET`] longer than memory does.
    pub async fn check(&self, limit: &Limit, key: &str) -> Decision {
        let (key, rate) = (name(limit.name, key), Rate::from(limit));
        let open = self.0.connection();
        let (now, alone, decision) = self.0.count(&key, rate, open.is_none());
        let Some((number, connection)) = open else { return decision };
        match self.0.ask(connection, &key, rate, now, alone).await {
            Some(shared) => shared,
            None => {
                self.0.memory.with(&key, |entry| entry.alone = true);
                self.lost(number);
                decision
            }
        }
    }

    /// Tells where is counted, and when that changes.
    #[must_use]
    pub fn counted(&self) -> watch::Receiver<Counted> {
        self.0.counted.subscribe()
    }

    /// Gives a connection up, unless another check has already done so.
    fn lost(&self, number: u64) {
        {
            let mut connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
            if connection.0 != number || connection.1.take().is_none() {
                return;
            }
        }
        tracing::warn!("Redis does not answer; rate limits are counted in this process until it does");
        self.0.counted.send_replace(Counted::InMemory);
        tokio::spawn(reach(Arc::downgrade(&self.0)));
    }
}

impl Inner {
    fn new(keys_max: usize, shared: Option<Shared>) -> Self {
        Self {
            memory: Memory::new(keys_max),
            shared,
            connection: Mutex::new((0, None)),
            counted: watch::Sender::new(Counted::InMemory),
            begun: Instant::now(),
        }
    }

    /// Microseconds of a clock that does not go back and began early enough for any window.
    fn now(&self) -> u64 {
        let origin = crate::limit::PER_MAX * 4;
        u64::try_from((origin + self.begun.elapsed()).as_micros()).unwrap_or(u64::MAX)
    }

    fn connection(&self) -> Option<(u64, MultiplexedConnection)> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.1.clone().map(|open| (connection.0, open))
    }

    /// Asks Redis; none when it fails or takes too long. `alone` is what it does not know yet.
    async fn ask(&self, connection: MultiplexedConnection, key: &Key, rate: Rate, now: u64, alone: Option<Window>) -> Option<Decision> {
        let shared = self.shared.as_ref()?;
        let asked = shared.check(connection, key, rate, alone.map(|w| (now - w.start, w)));
        let said = tokio::time::timeout(BUDGET, asked).await.ok()?.ok()?;
        self.copy(key, rate, now, &said, alone.is_some());
        Some(said.decision)
    }

    /// Keeps what Redis reported. Answers can overtake one another: the window that counts more is the later one.
    fn copy(&self, key: &Key, rate: Rate, now: u64, said: &Said, handed_over: bool) {
        let reported = Window { start: now.saturating_sub(said.age), before: said.before, count: said.count };
        self.memory.with(key, |entry| {
            if reported.at(now, rate).used(now, rate) > entry.window.at(now, rate).used(now, rate) {
                entry.window = reported;
            }
            entry.alone &= !handed_over;
        });
    }

    /// Counts in memory. Returns when, the decision, and the window before it where Redis does not know that one yet.
    fn count(&self, key: &Key, rate: Rate, alone: bool) -> (u64, Option<Window>, Decision) {
        let now = self.now();
        self.memory.with(key, |entry| {
            let unknown = entry.alone.then(|| entry.window.at(now, rate));
            let (window, decision) = entry.window.take(now, rate);
            entry.window = window;
            entry.alone |= alone && self.shared.is_some();
            (now, unknown, decision)
        })
    }

    fn number(&self) -> u64 {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Tries to reach Redis until it is there or the throttle is gone.
async fn reach(throttle: Weak<Inner>) {
    let (mut pause, mut told) = (RETRY_MIN, false);
    loop {
        let Some(inner) = throttle.upgrade() else { return };
        let Some(shared) = &inner.shared else { return };
        match shared.connect(BUDGET).await {
            Ok(open) => {
                let mut connection = inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
                *connection = (connection.0 + 1, Some(open));
                drop(connection);
                tracing::info!("rate limits are counted in Redis, together with other nodes");
                inner.counted.send_replace(Counted::Shared);
                return;
            }
            Err(error) if !told && inner.number() == 0 => {
                // The first start only: a loss has been told already.
                tracing::warn!(%error, "Redis cannot be reached; rate limits are counted in this process until it can");
                told = true;
            }
            Err(_) => {}
        }
        drop(inner);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// The name of a counter: neither the limit nor the key can be read from it.
fn name(limit: &str, key: &str) -> Key {
    let mut hash = Sha256::new();
    hash.update((limit.len() as u64).to_be_bytes());
    hash.update(limit);
    hash.update(key);
    let mut name = Key::default();
    name.copy_from_slice(&hash.finalize()[..16]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[tokio::test]
    async fn keys_and_limits_do_not_meet() {
        let throttle = Throttle::in_memory(10);
        let (a, b) = (Limit::a_minute("a", 1), Limit::a_minute("b", 1));
        for (limit, key) in [(&a, "x"), (&a, "y"), (&b, "x")] {
            assert!(throttle.check(limit, key).await.is_allowed());
        }
        assert!(!throttle.check(&a, "x").await.is_allowed());
        assert_ne!(name("ab", "c"), name("a", "bc"));
    }

    #[tokio::test]
    async fn a_burst_of_ten_times_the_limit_is_allowed_exactly() {
        let (throttle, limit) = (Throttle::in_memory(KEYS_MAX), Limit::a_minute("burst", 600));
        let checks = (0..6_000).map(|_| throttle.check(&limit, "192.0.2.1"));
        let allowed = futures_util::future::join_all(checks).await.iter().filter(|d| d.is_allowed()).count();
        assert_eq!(allowed, 600);
    }

    #[test]
    fn an_address_is_read_as_the_connection_reads_it() {
        let host = |host: &str| host.to_owned();
        for (url, place) in [
            ("redis://:s3cret@10.0.0.5:6379/1", Place::Plain { host: host("10.0.0.5") }),
            ("redis://[::1]:6379", Place::Plain { host: host("::1") }),
            ("rediss://cache.internal", Place::Tls { host: host("cache.internal"), verified: true }),
            ("rediss://cache.internal/#insecure", Place::Tls { host: host("cache.internal"), verified: false }),
            ("redis+unix:///run/redis.sock", Place::Socket),
        ] {
            assert_eq!(Place::of(url).unwrap(), place, "{url}");
        }
        assert!(Place::of("http://cache.internal").is_err() && Place::of("cache.internal:6379").is_err());
    }

    #[test]
    fn an_address_that_cannot_be_one_is_refused_without_repeating_it() {
        let config = Config { redis: Some(Address { url: "http://user:s3cret@host".into(), ..Address::default() }), ..Config::default() };
        let error = Throttle::new(&config).err().unwrap().to_string();
        assert!(error.contains("redis://") && !error.contains("s3cret"), "{error}");
    }
}
