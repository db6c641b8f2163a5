//! One target: a provider with its limits, its breaker and its retry budget.

use super::{
    breaker::{Breaker, BreakerState},
    budget::RetryBudget,
    price::PriceKey,
    slots::{Lane, Load},
};
use crate::{ChatRequest, DeltaStream, LlmError, Provider};
use std::sync::Arc;
use vital_telemetry::Chat;

/// Most retries that can be set for one request at one target.
pub const RETRIES_MAX: u32 = 10;

/// The limits of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSettings {
    /// Most requests under way at once; 0 counts as 1.
    pub concurrent: usize,
    /// Most retries of one request before the next target; more than [`RETRIES_MAX`] count as that many, and the retry budget may allow fewer.
    pub retries: u32,
    /// Under which name its price is looked up.
    pub price: PriceKey,
    /// Keeps answers in the exact cache. It takes effect where the sampling temperature is 0.
    pub cached: bool,
}

impl TargetSettings {
    /// The usual limits: 64 requests at once, two retries, no cache.
    #[must_use]
    pub const fn new(price: PriceKey) -> Self {
        Self { concurrent: 64, retries: 2, price, cached: false }
    }
}

/// What a target is made of.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// The name by which logs, ledgers and the cache know it; unique among the targets that a tenant reaches.
    pub name: String,
    /// Where requests go.
    pub provider: Provider,
    /// Its limits.
    pub settings: TargetSettings,
}

/// How a target is doing, for status pages and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Whether requests pass.
    pub breaker: BreakerState,
    /// How full it is.
    pub load: Load,
    /// Whole retries left in its budget.
    pub retries_left: u64,
}

/// A target in use; whoever holds it may send requests to it.
#[derive(Debug)]
pub struct Target {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
    pub(super) settings: TargetSettings,
    pub(super) price: Arc<PriceKey>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) budget: RetryBudget,
    pub(super) lane: Arc<Lane>,
}

/// Where answers come from.
#[derive(Clone)]
pub(super) enum Source {
    Provider(Box<Provider>),
    #[cfg(test)]
    Script(super::script::Script),
}

impl Target {
    /// Begins with a closed breaker and a full budget; the lane may be an earlier target's, whose requests still count.
    pub(super) fn new(name: String, source: Source, settings: TargetSettings, lane: Arc<Lane>) -> Self {
        Self {
            name: name.into(),
            source,
            price: Arc::new(settings.price.clone()),
            settings,
            breaker: Arc::new(Breaker::new()),
            budget: RetryBudget::new(),
            lane,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> TargetStatus {
        TargetStatus {
            name: Arc::clone(&self.name),
            breaker: self.breaker.state(),
            load: self.lane.load(),
            retries_left: self.budget.left(),
        }
    }
}

impl Source {
    pub(super) async fn open(&self, request: &ChatRequest) -> Result<DeltaStream, LlmError> {
        match self {
            Self::Provider(provider) => provider.stream(request).await,
            #[cfg(test)]
            Self::Script(script) => script.open(request).await,
        }
    }

    /// Begins to trace and to measure a request.
    pub(super) fn observed(&self, request: &ChatRequest) -> Chat {
        match self {
            Self::Provider(provider) => provider.observed(request),
            #[cfg(test)]
            Self::Script(_) => super::script::observed(),
        }
    }

    /// Everything that decides the answer to a request, as bytes, if it is meant to be the same each time.
    pub(super) fn repeatable(&self, request: &ChatRequest) -> Option<Vec<u8>> {
        match self {
            Self::Provider(provider) => provider.repeatable(request),
            #[cfg(test)]
            Self::Script(script) => script.repeatable(request),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Provider(provider) => provider.fmt(f),
            #[cfg(test)]
            Self::Script(_) => f.write_str("Script"),
        }
    }
}
