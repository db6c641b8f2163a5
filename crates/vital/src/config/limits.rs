//! `[limits]`: how often and how many at once.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `address_per_minute` | `600` | Requests of one network address; an IPv6 /64 counts as one. |
//! | `user_per_minute` | `300` | Requests of one account. |
//! | `tenant_per_minute` | `3000` | Requests of one organisation. |
//! | `credentials_per_minute` | `30` | Tries to sign in from one network address. |
//! | `asking_per_minute` | `30` | Questions of one account. |
//! | `upload_per_minute` | `60` | Uploads of one account. |
//! | `in_flight` | `256` | Requests in work at once; as many again wait up to 250 ms. |
//! | `streams` | `1024` | Event streams at once. |
//! | `streams_per_user` | `32` | Event streams of one account at once. |
//! | `connections` | `4096` | Connections at once; further ones wait. |
//! | `connections_per_address` | `256` | Connections of one network address at once; further ones are closed. A trusted proxy's are not counted. |
//! | `model_requests` | `512` | Requests to models at once, answers of experts included; further ones wait their turn. |
//! | `model_requests_per_model` | `64` | Of these, requests to one model. |
//! | `relays` | `1024` | Requests of other programs for a model at once, those that wait included; one organisation may have half. |
//! | `redis_url` | none | A Redis in which nodes count together, as `redis://user:password@host:6379`, on another machine as `rediss://…`. None: each process counts for itself. |
//! | `redis_password_file` | none | File (mode 0600) of the password, instead of one in `redis_url`. Read again for every new connection. |
//! | `redis_ca_file` | public authorities | Certificates (PEM) of the authorities that may have signed the certificate of that Redis. |
//! | `allow_plain_redis` | `false` | Allows a Redis on another machine without verified TLS. |

use super::secret_file;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vital_kernel::limits;
use vital_platform::ModelLoad;
use vital_store::transport::{certificates, is_this_machine};
use vital_throttle::{Address, Config, Place, Throttle};
use vital_web::{Load, Rates};

/// Largest value of a limit.
const MAX: usize = 1_000_000;

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Requests of one network address within a minute.
    pub(crate) address_per_minute: u32,
    /// Requests of one account within a minute.
    pub(crate) user_per_minute: u32,
    /// Requests of one organisation within a minute.
    pub(crate) tenant_per_minute: u32,
    /// Tries to sign in from one network address within a minute.
    pub(crate) credentials_per_minute: u32,
    /// Questions of one account within a minute.
    pub(crate) asking_per_minute: u32,
    /// Uploads of one account within a minute.
    pub(crate) upload_per_minute: u32,
    /// Requests in work at once.
    pub(crate) in_flight: usize,
    /// Event streams at once.
    pub(crate) streams: usize,
    /// Event streams of one account at once.
    pub(crate) streams_per_user: usize,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Connections of one network address at once.
    pub(crate) connections_per_address: usize,
    /// Requests to models at once.
    pub(crate) model_requests: usize,
    /// Requests to one model at once.
    pub(crate) model_requests_per_model: usize,
    /// Requests of other programs for a model at once.
    pub(crate) relays: usize,
    /// Address of a Redis; it may hold a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redis_url: Option<String>,
    /// The file of its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redis_password_file: Option<PathBuf>,
    /// Certificates of the authorities that vouch for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redis_ca_file: Option<PathBuf>,
    /// Allows one on another machine without verified TLS.
    pub(crate) allow_plain_redis: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            address_per_minute: limits::REQUESTS_ADDRESS_MAX,
            user_per_minute: limits::REQUESTS_USER_MAX,
            tenant_per_minute: limits::REQUESTS_TENANT_MAX,
            credentials_per_minute: limits::CREDENTIALS_ADDRESS_MAX,
            asking_per_minute: limits::ASKING_USER_MAX,
            upload_per_minute: limits::UPLOADS_USER_MAX,
            in_flight: limits::REQUESTS_IN_FLIGHT_MAX,
            streams: limits::STREAMS_MAX,
            streams_per_user: limits::STREAMS_USER_MAX,
            connections: limits::CONNECTIONS_MAX,
            connections_per_address: limits::CONNECTIONS_ADDRESS_MAX,
            model_requests: limits::MODEL_REQUESTS_MAX,
            model_requests_per_model: limits::MODEL_REQUESTS_MODEL_MAX,
            relays: limits::RELAYS_MAX,
            redis_url: None,
            redis_password_file: None,
            redis_ca_file: None,
            allow_plain_redis: false,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { in_flight, streams, streams_per_user, connections, connections_per_address, .. } = *self;
        let rates = [
            ("address_per_minute", self.address_per_minute),
            ("user_per_minute", self.user_per_minute),
            ("tenant_per_minute", self.tenant_per_minute),
            ("credentials_per_minute", self.credentials_per_minute),
            ("asking_per_minute", self.asking_per_minute),
            ("upload_per_minute", self.upload_per_minute),
        ];
        let at_once = [
            ("in_flight", in_flight),
            ("streams", streams),
            ("streams_per_user", streams_per_user),
            ("connections", connections),
            ("connections_per_address", connections_per_address),
            ("model_requests", self.model_requests),
            ("model_requests_per_model", self.model_requests_per_model),
            ("relays", self.relays),
        ];
        for (key, value) in rates.map(|(key, rate)| (key, rate as usize)).into_iter().chain(at_once) {
            if !(1..=MAX).contains(&value) {
                return Err(Failure::new(format!("`limits.{key}` must be 1 to {MAX}")).into());
            }
        }
        self.check_redis()
    }

    /// Refuses what would put the password of Redis on a network, in the clear or to whoever answers.
    fn check_redis(&self) -> anyhow::Result<()> {
        let Some(url) = &self.redis_url else {
            let is_alone = self.redis_password_file.is_some();
            return if is_alone { Err(Failure::new("`limits.redis_password_file` needs `limits.redis_url`").into()) } else { Ok(()) };
        };
        // The address may hold a password, so it is not repeated here.
        let is_known = ["redis://", "rediss://", "redis+unix://"].iter().any(|scheme| url.starts_with(scheme));
        let place = Place::of(url).ok().filter(|_| is_known).ok_or_else(|| {
            Failure::new("`limits.redis_url` is not the address of a Redis")
                .hint("write `rediss://user:password@host:6379`, or on this machine `redis://127.0.0.1:6379` or `redis+unix:///run/redis.sock`; to count in each process leave it out")
        })?;
        let tls = matches!(place, Place::Tls { .. });
        let unverified = match place {
            Place::Plain { host } => Some((host, "without TLS")).filter(|(host, _)| !is_this_machine(host)),
            Place::Tls { host, verified: false } => Some((host, "with TLS that verifies nothing (`#insecure`)")),
            Place::Socket | Place::Tls { .. } => None,
        };
        if let Some((host, how)) = unverified.filter(|_| !self.allow_plain_redis) {
            return Err(Failure::new(format!("`limits.redis_url` leads to another machine, `{host}`, {how}: its password could be read on the way"))
                .hint("write `rediss://…` and, for an authority of your own, name its certificate as `redis_ca_file` in `[limits]`; inside a network that is encrypted otherwise, set `allow_plain_redis = true` there")
                .into());
        }
        match &self.redis_ca_file {
            Some(_) if !tls => {
                Err(Failure::new("`limits.redis_ca_file` is set, but `limits.redis_url` does not begin with `rediss://`").into())
            }
            Some(path) => Ok(certificates(path).map(|_| ()).map_err(|error| Failure::new(error.to_string()))?),
            None => Ok(()),
        }
    }

    /// How often.
    pub(crate) const fn rates(&self) -> Rates {
        Rates {
            address: self.address_per_minute,
            user: self.user_per_minute,
            tenant: self.tenant_per_minute,
            credentials: self.credentials_per_minute,
            asking: self.asking_per_minute,
            upload: self.upload_per_minute,
        }
    }

    /// How many at once.
    pub(crate) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight,
            streams: self.streams,
            streams_per_user: self.streams_per_user,
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            ..Load::default()
        }
    }

    /// How many requests to models at once.
    pub(crate) const fn models(&self) -> ModelLoad {
        ModelLoad { requests: self.model_requests, of_model: self.model_requests_per_model, relays: self.relays }
    }

    /// The Redis that nodes share, if there is one.
    ///
    /// # Errors
    /// When a file that is named for it cannot be read.
    pub(crate) fn redis(&self) -> anyhow::Result<Option<Address>> {
        let Some(url) = self.redis_url.clone() else { return Ok(None) };
        let authorities = self.redis_ca_file.as_deref().map(certificates).transpose().map_err(|e| Failure::new(e.to_string()))?;
        let password = self.redis_password_file.as_deref().map(|path| secret_file("limits.redis_password_file", path)).transpose()?;
        Ok(Some(Address { url, authorities, password }))
    }

    /// What counts. Redis is tried in the background.
    ///
    /// # Errors
    /// When the address of Redis cannot be one.
    pub(crate) fn throttle(&self) -> anyhow::Result<Throttle> {
        let config = Config { redis: self.redis()?, ..Config::default() };
        Throttle::new(&config).map_err(|error| Failure::new(format!("`limits.redis_url`: {error}")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_and_an_address_of_another_kind_are_refused() {
        assert!(Limits::default().check().is_ok());
        for (text, key) in [("asking_per_minute = 0", "asking_per_minute"), ("connections = 1000001", "connections")] {
            let error = toml::from_str::<Limits>(text).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(&format!("`limits.{key}` must be 1 to 1000000")), "{error}");
        }
        for url in ["http://u:s3cret@h", "redis://u:s3cret@h", "rediss://u:s3cret@h/#insecure", "u:s3cret@h:6379"] {
            let error = Limits { redis_url: Some(url.into()), ..Limits::default() }.check().unwrap_err().to_string();
            assert!(error.contains("limits.redis_url") && !error.contains("s3cret"), "{error}");
        }
        let elsewhere = toml::from_str::<Limits>("redis_url = 'redis://:s3cret@10.0.0.5'").unwrap();
        let error = elsewhere.check().unwrap_err();
        let said = format!("{:?}", error.downcast_ref::<Failure>().unwrap());
        assert!(said.contains("10.0.0.5") && said.contains("allow_plain_redis") && !said.contains("s3cret"), "{said}");
        assert!(Limits { allow_plain_redis: true, ..elsewhere }.check().is_ok());
        for text in
            ["redis_url = 'redis://localhost'\nredis_ca_file = 'ca.pem'", "redis_url = 'rediss://h'\nredis_ca_file = '/nonexistent/ca.pem'"]
        {
            assert!(toml::from_str::<Limits>(text).unwrap().check().unwrap_err().to_string().contains("ca"), "{text}");
        }
        for url in [
            "redis://:s3cret@127.0.0.1:6379/2",
            "redis://localhost",
            "redis://[::1]:6379",
            "rediss://:s3cret@h:6379/2",
            "redis+unix:///run/redis.sock",
        ] {
            assert!(Limits { redis_url: Some(url.into()), ..Limits::default() }.check().is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_set_is_what_is_enforced() {
        let limits: Limits = toml::from_str("user_per_minute = 7\nstreams_per_user = 8\nconnections_per_address = 9").unwrap();
        assert_eq!(limits.rates(), Rates { user: 7, ..Rates::default() });
        assert_eq!(limits.load(), Load { streams_per_user: 8, connections_per_address: 9, ..Load::default() });
    }
}
