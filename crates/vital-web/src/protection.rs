//! What protects the server from too much: whose word on addresses counts, how often, how many at once.

use crate::{
    admission::{Admission, Load},
    connections::Connections,
    limits::Rates,
    proxy::Proxies,
};
use std::sync::Arc;
use vital_throttle::{KEYS_MAX, Throttle};

/// What can be set about the protection; the defaults are those of `docs/LIMITS.md`.
#[derive(Clone)]
pub struct Settings {
    /// The proxies whose word on the client's address counts.
    pub proxies: Proxies,
    /// How often.
    pub rates: Rates,
    /// How many at once.
    pub load: Load,
    /// What counts how often.
    pub throttle: Throttle,
}

impl Default for Settings {
    fn default() -> Self {
        Self { proxies: Proxies::default(), rates: Rates::default(), load: Load::default(), throttle: Throttle::in_memory(KEYS_MAX) }
    }
}

/// The protection of one server: of its connections in `serve`, of its requests in the router. Clones count together.
#[derive(Clone)]
pub struct Protection {
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) rates: Rates,
    pub(crate) throttle: Throttle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) connections: Arc<Connections>,
}

impl Protection {
    /// Makes it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { proxies, rates, load, throttle } = settings;
        let connections = Arc::new(Connections::new(load.connections, load.connections_per_address));
        Self { proxies: Arc::new(proxies), rates, throttle, admission: Arc::new(Admission::new(&load)), connections }
    }
}
