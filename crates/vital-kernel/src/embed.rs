//! The seam between retrieval and whatever turns text into vectors.
//!
//! The trait lives here and not beside its implementations, because the leaf crates do not know one another.

use std::{future::Future, pin::Pin};

/// How urgent an embedding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedLane {
    /// Somebody waits for an answer.
    Query,
    /// Background work: ingestion and indexing. Waits behind every query.
    Bulk,
}

/// Whether vectors can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedderStatus {
    /// The model is being read from disk.
    Loading,
    /// Ready to embed.
    Ready,
    /// Not available; the reason is safe to show to an operator.
    Failed(String),
}

/// Why no vector came back.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// The model is not loaded (yet).
    #[error("the embedding model is not available: {0}")]
    Unavailable(String),
    /// The model refused or failed on this input.
    #[error("embedding failed: {0}")]
    Failed(String),
}

/// A future that ends in one vector for each text.
pub type Embedding<'a> = Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, EmbedError>> + Send + 'a>>;

/// Turns texts into unit vectors, one for each text, in order.
pub trait Embedder: Send + Sync {
    /// Names the model and its version; vectors of different names must never be compared.
    fn model(&self) -> &str;
    /// Length of every vector.
    fn dimensions(&self) -> usize;
    /// Tokens that the model reads of a text at most; longer texts are cut.
    fn tokens_max(&self) -> usize;
    /// Counts the tokens of a text, those that frame it included. More than `tokens_max` means that it would be cut, and then the number is
    /// a lower bound. Computed on the calling thread.
    ///
    /// # Errors
    /// When the model is not ready or cannot read the text.
    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError>;
    /// Whether the model is ready.
    fn status(&self) -> EmbedderStatus;
    /// Embeds texts; longer ones are cut at the model's limit.
    fn embed(&self, lane: EmbedLane, texts: Vec<String>) -> Embedding<'_>;
}
