//! Searches of public sources: one place that asks them, within their rates, and reads their answers.

mod fetch;
mod json;
pub(crate) mod openfda;
pub(crate) mod pubmed;
mod query;
pub(crate) mod rxnorm;
pub(crate) mod trials;
mod xml;

pub use fetch::BODY_BYTES_MAX;
pub(crate) use fetch::Sources;
