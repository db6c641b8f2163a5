//! The gateway: any number of providers behind one call, which ends with an answer or says what was tried.
//!
//! A request comes with its targets in the order of fallback. At each target it waits its turn for a slot (`slots`), passes the circuit
//! breaker (`breaker`), and is sent; failures are retried with full jitter (`backoff`) as far as the retry budget (`budget`) and
//! the caller's deadline allow, and then the next target is tried. Prices (`price`) and the exact cache (`cache`) are here too.
//!
//! **Invariant:** up to the first item that can be shown, failures are mended as far as possible; after it nothing is tried again
//! and every error is handed on. So [`Gateway::stream`] returns with the first item in hand or with [`GatewayError`], and
//! [`GatewayStream`] fails with the provider's own error alone.
//! **Invariant:** dropping the future or the stream at any moment frees the slot, the place in the queue and the breaker's probe,
//! and ends the provider's answer.
//!
//! Each call of a provider is a span and is measured (`observe`).
//!
//! Not here: databases, budgets of money, HTTP; whoever calls has all figures for them.

mod attempt;
mod backoff;
mod breaker;
mod budget;
mod cache;
mod error;
mod money;
mod observe;
mod price;
#[cfg(test)]
mod script;
mod slots;
mod stream;
mod target;
#[cfg(test)]
mod tests;

pub use attempt::{Caller, FAILOVER_WITHIN, RETRY_WAIT_MAX, TRIED_MAX};
pub use backoff::{BACKOFF_BASE, BACKOFF_CAP};
pub use breaker::{Breaker, BreakerState, IN_A_ROW, OPEN_FOR, OPEN_FOR_MAX, Ticket, VOLUME_MIN, WINDOW_SECONDS};
pub use cache::{ExactCache, KEEP_MAX, KEPT_BYTES_MAX, Keeping};
pub use error::{Attempt, Fault, GatewayError, Overloaded};
pub use money::{Currency, Money, PICO};
pub use price::{MODELS_MAX, PRICE_MAX, Price, PriceError, PriceKey, PriceTable, ROWS_MAX, TABLE_BYTES_MAX};
pub use slots::{Load, SlotLimits};
pub use stream::{Answering, Cached, GatewayStream};
pub use target::{RETRIES_MAX, Target, TargetSettings, TargetSpec, TargetStatus};

use slots::Slots;
use std::sync::Arc;
use target::Source;

/// What all targets share: slots and cache. One for the process.
#[derive(Debug)]
pub struct Gateway {
    slots: Arc<Slots>,
    cache: Option<ExactCache>,
}

impl Gateway {
    /// Begins without any target.
    #[must_use]
    pub fn new(limits: SlotLimits, cache: Option<ExactCache>) -> Self {
        Self { slots: Slots::new(limits), cache }
    }

    /// Makes a target. It keeps the slots of the one that it takes the place of, so that what is under way still counts; breaker and
    /// retry budget begin anew.
    #[must_use]
    pub fn target(&self, spec: TargetSpec, before: Option<&Target>) -> Target {
        self.target_of(spec.name, Source::Provider(Box::new(spec.provider)), spec.settings, before)
    }

    /// The exact cache, if there is one.
    #[must_use]
    pub const fn cache(&self) -> Option<&ExactCache> {
        self.cache.as_ref()
    }

    /// How full all targets together are.
    #[must_use]
    pub fn load(&self) -> Load {
        self.slots.total()
    }

    fn target_of(&self, name: String, source: Source, mut settings: TargetSettings, before: Option<&Target>) -> Target {
        settings.concurrent = settings.concurrent.max(1);
        settings.retries = settings.retries.min(RETRIES_MAX);
        let lane = match before {
            Some(before) => {
                before.lane.resize(settings.concurrent);
                Arc::clone(&before.lane)
            }
            None => Arc::new(self.slots.open(settings.concurrent)),
        };
        Target::new(name, source, settings, lane)
    }
}
