//! How often: rate limits per key, counted in memory and, where a Redis is configured, exactly across nodes.
//!
//! **Invariants:** a check never fails and never waits longer than [`BUDGET`] for Redis; while Redis is absent, slow or lost the same
//! limits go on in memory from where they stood, and what was counted meanwhile is handed back when it returns. Memory is bounded: the
//! keys longest unused are forgotten first. No key leaves the process but as a hash. Deliberately not here: which requests are limited,
//! and by what; that is for the web.
//!
//! Beside it, as the same Redis serves both: values that nodes share for a while ([`Shelf`]).

mod limit;
mod memory;
mod server;
mod shared;
mod shelf;
mod throttle;
mod window;

pub use limit::{Decision, Limit};
pub use server::{Address, Place};
pub use shelf::Shelf;
pub use throttle::{BUDGET, Config, Counted, Error, KEYS_MAX, NAMESPACE, Throttle};
