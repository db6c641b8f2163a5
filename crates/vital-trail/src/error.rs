//! What cannot be read or made.

/// Why a key, a checkpoint, an export or a proof cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// A key is damaged or of a kind that is not known here.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    /// A checkpoint or another signed note is not in its one spelling.
    #[error("the checkpoint cannot be read: {0}")]
    Note(&'static str),
    /// None of the given keys signed it.
    #[error("the checkpoint is not signed by any of the given keys; its signatures name {0}")]
    UnknownKey(String),
    /// A signature does not belong to the text it stands under.
    #[error("a signature of `{0}` does not fit the checkpoint: the text or the signature was changed")]
    Forged(String),
    /// An export, proof or request is not in its one spelling.
    #[error("{0}")]
    Format(String),
    /// A proof does not lead to the signed root.
    #[error("the proof does not hold: {0}")]
    Proof(&'static str),
    /// Reading or writing failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] std::io::Error),
}

impl TrailError {
    pub(crate) fn format(text: impl Into<String>) -> Self {
        Self::Format(text.into())
    }
}
