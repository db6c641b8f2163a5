//! Counts in Redis: one script, so that all nodes share one exact count.

use crate::{
    limit::Decision,
    memory::Key,
    server::{Address, Server},
    window::{Rate, Window},
};
use redis::{RedisError, Script, aio::MultiplexedConnection};
use std::time::Duration;

/// The key that a new connection is tried with.
const PROBE: Key = *b"is-redis-usable?";

/// The Redis that nodes share.
pub(crate) struct Shared {
    server: Server,
    script: Script,
    namespace: String,
}

/// What Redis says: the decision, and the window it was made from with its age at that moment in microseconds.
pub(crate) struct Said {
    pub(crate) decision: Decision,
    pub(crate) age: u64,
    pub(crate) before: u64,
    pub(crate) count: u64,
}

impl Shared {
    pub(crate) fn new(at: &Address, namespace: &str) -> Result<Self, RedisError> {
        Ok(Self { server: Server::new(at)?, script: Script::new(include_str!("shared.lua")), namespace: namespace.to_owned() })
    }

    /// Connects, and makes sure that checks work: a server that still loads, cannot write or has no scripts does not count as there.
    pub(crate) async fn connect(&self, budget: Duration) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.server.connect(budget).await?;
        self.script.load_async(&mut connection).await?;
        self.check(connection.clone(), &PROBE, Rate { burst: 1, per: 1_000 }, None).await?;
        Ok(connection)
    }

    /// One check. `alone` is the window, with its age, that was counted while Redis was away.
    pub(crate) async fn check(
        &self,
        mut connection: MultiplexedConnection,
        key: &Key,
        rate: Rate,
        alone: Option<(u64, Window)>,
    ) -> Result<Said, RedisError> {
        let (age, window) = alone.unwrap_or_default();
        let mut call = self.script.prepare_invoke();
        call.key(self.name(key)).arg(rate.burst).arg(rate.per).arg(age).arg(window.before).arg(window.count);
        let (allowed, remaining, wait, age, before, count): (u8, u32, u64, u64, u64, u64) = call.invoke_async(&mut connection).await?;
        let decision = match allowed {
            1 => Decision::Allowed { remaining },
            _ => Decision::Refused { retry_after: Duration::from_micros(wait) },
        };
        Ok(Said { decision, age, before, count })
    }

    fn name(&self, key: &Key) -> String {
        use std::fmt::Write as _;
        let mut name = format!("{}:limit:", self.namespace);
        for byte in key {
            let _infallible = write!(name, "{byte:02x}");
        }
        name
    }
}
