//! Counts in Redis: one script, so that all nodes share one exact count.

use crate::{
    limit::Decision,
    memory::Key,
    window::{Rate, Window},
};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError, Script, TlsCertificates,
    aio::MultiplexedConnection,
};
use std::time::Duration;
use vital_keys::SecretText;

/// How long a connection to Redis may take; nobody waits for it.
const CONNECT: Duration = Duration::from_secs(1);
/// The key that a new connection is tried with.
const PROBE: Key = *b"is-redis-usable?";

/// Where an address of Redis leads, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket on this machine.
    Socket,
    /// A host, readable and changeable on the way.
    Plain {
        /// The host.
        host: String,
    },
    /// A host, by TLS.
    Tls {
        /// The host.
        host: String,
        /// False when the address says not to verify the server (`#insecure`).
        verified: bool,
    },
}

impl Place {
    /// Reads an address as the connection will.
    ///
    /// # Errors
    /// When it cannot be one of a Redis.
    pub fn of(url: &str) -> Result<Self, crate::Error> {
        let info = url.into_connection_info().map_err(|_| crate::Error::Address)?;
        Ok(match info.addr() {
            ConnectionAddr::Unix(_) => Self::Socket,
            ConnectionAddr::TcpTls { host, insecure, .. } => Self::Tls { host: host.clone(), verified: !insecure },
            ConnectionAddr::Tcp(host, _) => Self::Plain { host: host.clone() },
            _ => return Err(crate::Error::Address),
        })
    }
}

/// The Redis that nodes share.
pub(crate) struct Shared {
    info: ConnectionInfo,
    authorities: Option<Vec<u8>>,
    password: Option<SecretText>,
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
    /// `authorities` are certificates (PEM) that replace the public authorities, `password` the one in the address.
    pub(crate) fn new(url: &str, authorities: Option<Vec<u8>>, password: Option<SecretText>, namespace: &str) -> Result<Self, RedisError> {
        // One that was installed before stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = authorities.filter(|_| matches!(Place::of(url), Ok(Place::Tls { .. })));
        let info = url.into_connection_info()?;
        let shared = Self { info, authorities, password, script: Script::new(include_str!("shared.lua")), namespace: namespace.to_owned() };
        // What cannot be used is told now, and not when a connection is wanted.
        shared.client().map(|_| shared)
    }

    /// The way there with the password of this moment: it may have been exchanged since the last connection.
    fn client(&self) -> Result<Client, RedisError> {
        let mut info = self.info.clone();
        if let Some(password) = &self.password {
            let settings = info.redis_settings().clone().set_password(password.now().as_str());
            info = info.set_redis_settings(settings);
        }
        match &self.authorities {
            Some(pem) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) }),
            None => Client::open(info),
        }
    }

    /// Connects, and makes sure that checks work: a server that still loads, cannot write or has no scripts does not count as there.
    pub(crate) async fn connect(&self, budget: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(budget));
        let mut connection = self.client()?.get_multiplexed_async_connection_with_config(&config).await?;
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
