//! Searches of public sources: one place that asks them, within their rates, and reads their answers.

mod fetch;

pub use fetch::BODY_BYTES_MAX;
pub(crate) use fetch::Sources;
