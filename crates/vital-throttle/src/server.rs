//! The way to a Redis: where its address leads, and new connections with the password of the moment.

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError, TlsCertificates,
    aio::MultiplexedConnection,
};
use std::time::Duration;
use vital_keys::SecretText;

/// How long a connection to Redis may take; nobody waits for it.
const CONNECT: Duration = Duration::from_secs(1);

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

/// How a Redis is reached.
#[derive(Clone, Default)]
pub struct Address {
    /// `redis://user:password@host:port/db`, `rediss://…` for TLS that verifies the server, or `redis+unix:///path`. It may hold a password and
    /// is never shown.
    pub url: String,
    /// With `rediss://`: certificates (PEM) of the authorities that may have signed the server's, instead of the public ones.
    pub authorities: Option<Vec<u8>>,
    /// The password, instead of one in the address. One in a file is read again for every new connection.
    pub password: Option<SecretText>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(of a Redis)")
    }
}

/// A Redis that can be connected to.
pub(crate) struct Server {
    info: ConnectionInfo,
    authorities: Option<Vec<u8>>,
    password: Option<SecretText>,
}

impl Server {
    /// Checks the address; nothing is sent.
    pub(crate) fn new(at: &Address) -> Result<Self, RedisError> {
        // One that was installed before stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = at.authorities.clone().filter(|_| matches!(Place::of(&at.url), Ok(Place::Tls { .. })));
        let server = Self { info: at.url.as_str().into_connection_info()?, authorities, password: at.password.clone() };
        // What cannot be used is told now, and not when a connection is wanted.
        server.client().map(|_| server)
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

    /// Connects; each command of the connection then has `response` at most.
    pub(crate) async fn connect(&self, response: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(response));
        self.client()?.get_multiplexed_async_connection_with_config(&config).await
    }
}
