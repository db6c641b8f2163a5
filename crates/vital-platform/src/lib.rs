//! The domain: one folder per capability, each with its types and verbs in `mod.rs` and all its SQL in `store.rs`.
//!
//! **Invariants:** verbs take the `Platform` and an `OpContext`, check the permission first, and commit with an audit entry. No database
//! transaction is open while a provider, a parser or a model is awaited. Dependencies point one way:
//! `outbox -> tenancy, identity -> idempotency, usage -> knowledge -> tools -> experts -> providers -> ask -> relay -> audit -> webhooks`; a test
//! reads the `use crate::` lines.

pub mod ask;
pub mod audit;
pub mod experts;
pub mod find;
pub mod idempotency;
pub mod identity;
pub mod keys;
pub mod knowledge;
mod outbox;
mod places;
mod platform;
pub mod providers;
pub mod relay;
pub mod tenancy;
pub mod tools;
pub mod usage;
pub mod webhooks;
pub mod work;

pub use platform::{ModelLoad, Parts, Platform};
pub use vital_store::entity_tag;
