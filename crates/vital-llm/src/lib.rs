//! The gateway to language models: streaming clients for the wire formats that matter.
//!
//! [`WireFormat::OpenAi`] is the chat completions format as OpenAI, Ollama, vLLM and llama.cpp speak it, [`WireFormat::AzureOpenAi`] the
//! same behind Azure's addresses, [`WireFormat::Anthropic`] the messages format and [`WireFormat::Google`] Gemini's; the modules of
//! `wire` name the documentation of each. [`Provider::stream`] sends one request and yields [`Delta`]s: text, tool calls as they begin and
//! as they are complete, tokens, and the reason to stop. Whatever the provider does, the stream ends within its timeouts.
//! [`Provider::embed`] makes vectors of texts.
//!
//! **Invariant:** a stream that ends without an error has yielded exactly one [`Delta::Stop`], as its last item, and only after
//! the format's own end mark. A lost connection can never pass for a finished answer.
//! **Invariant:** each [`Delta::ToolCallStart`] is followed by one [`Delta::ToolCall`] or [`Delta::InvalidToolCall`] with its id, unless
//! the stream ends with an error; ids are unique within the dialogue.
//! **Invariant:** no key, no address with credentials and no text of a provider's error body is in any [`LlmError`] or log line.
//! **Invariant:** everything a provider sends is bounded: frames, bytes, text, error bodies and time.
//!
//! Not here: prompts, budgets, citation checks and the loop that runs tools (`vital-platform`), local embeddings
//! (`vital-models`), and the check of arguments or structured output against their schema.

mod config;
mod deadline;
mod delta;
mod embeddings;
mod error;
pub mod gateway;
mod provider;
mod request;
pub use vital_outbound::sse;
#[cfg(test)]
mod suite;
mod wire;

pub use config::{ApiKey, ProviderConfig, TIMEOUT_MAX, Timeouts, WireFormat};
pub use delta::{
    ArgumentsFault, Delta, InvalidToolCall, StopReason, TOOL_ARGUMENT_BYTES_MAX, TOOL_CALLS_MAX, TokenUsage, ToolCall, ToolResult,
};
pub use embeddings::{EMBED_BYTES_MAX, EMBED_DIMENSIONS_MAX, EMBED_TEXTS_MAX, Embeddings};
pub use error::{LlmError, RETRY_AFTER_MAX};
pub use provider::{DeltaStream, OUTPUT_BYTES_MAX, Provider, RESPONSE_BYTES_MAX};
pub use request::{ChatRequest, Message, NAME_BYTES_MAX, OutputSchema, Role, STOP_SEQUENCES_MAX, TOOLS_MAX, Tool, ToolChoice};
pub use vital_outbound::ensure_crypto_provider;
