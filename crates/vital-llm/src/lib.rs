//! The gateway to language models: streaming clients for the two wire formats that matter.
//!
//! `openai` is the chat completions format as OpenAI, Ollama, vLLM and llama.cpp speak it, `anthropic` the messages format.
//! [`Provider::stream`] sends one request and yields [`Delta`]s; whatever the provider does, the stream ends within its timeouts.
//!
//! **Invariant:** a stream that ends without an error has yielded exactly one [`Delta::Stop`], as its last item, and only after
//! the format's own end mark. A lost connection can never pass for a finished answer.
//! **Invariant:** no key, no address with credentials and no text of a provider's error body is in any [`LlmError`] or log line.
//! **Invariant:** everything a provider sends is bounded: frames, bytes, text, error bodies and time.
//!
//! Not here: prompts, budgets, citation checks (`vital-platform`) and embeddings (`vital-models`).

mod config;
mod deadline;
mod delta;
mod error;
mod provider;
pub mod sse;
#[cfg(test)]
mod suite;
mod wire;

pub use config::{ApiKey, ProviderConfig, TIMEOUT_MAX, Timeouts, WireFormat};
pub use delta::{ChatRequest, Delta, Message, Role, StopReason, TokenUsage};
pub use error::{LlmError, RETRY_AFTER_MAX};
pub use provider::{DeltaStream, OUTPUT_BYTES_MAX, Provider, RESPONSE_BYTES_MAX};
pub use vital_outbound::ensure_crypto_provider;
