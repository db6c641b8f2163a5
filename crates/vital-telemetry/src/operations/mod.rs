//! The operations that are traced and measured, each a type: begun, told what becomes known, and ended by being dropped.

mod agent;
mod chat;
mod local;
mod request;

pub use agent::{ExecuteTool, InvokeAgent, execute_tool};
pub use chat::{AsksModel, CONTENT_BYTES_MAX, Chat};
pub use local::{Embeddings, Retrieval};
pub use request::Request;

use crate::{
    attributes as a,
    span::{Span, Value},
};

/// `gen_ai.provider.name` of what the platform does itself.
pub const OWN_PROVIDER: &str = "vital_path";

/// Which model does something.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// The provider, as the conventions name it, or [`OWN_PROVIDER`].
    pub provider: &'static str,
    /// The model, in the provider's own name.
    pub name: &'a str,
    /// The model in metrics: one of few names, `other` for what somebody typed.
    pub label: &'a str,
}

fn of_operation(span: &mut Span, operation: &'static str, provider: &'static str) {
    span.set(a::OPERATION, || Value::Text(operation.to_owned()));
    span.set(a::PROVIDER, || Value::Text(provider.to_owned()));
}
