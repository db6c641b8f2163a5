//! Embeds texts with a local model on the CPU: all-MiniLM-L6-v2 in ONNX, run by rten.
//!
//! The one entrance is [`LocalEmbedder`]. The model is read and run on threads of its own, never on the async threads, and nothing of
//! the inference library shows in the interface. Queries go before bulk work (see `queue`).
//!
//! Deliberately not here: the remote embedders (vital-llm), caching of vectors, and storing them.

mod embedder;
mod error;
mod manifest;
mod queue;
mod session;

pub use embedder::LocalEmbedder;
pub use error::ModelError;
