//! What can go wrong in a search index or an evaluation set, said so that its owner knows what to do.

use std::path::PathBuf;

/// A failure of lexical search or of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The folder holds an index of another layout; nothing is lost, it has to be rebuilt from the database.
    #[error(
        "the search index in `{dir}` has layout `{found}`, this version needs `{expected}`; rebuild it from the documents, nothing is lost"
    )]
    WrongVersion {
        /// The index folder.
        dir: PathBuf,
        /// What the folder's marker says.
        found: String,
        /// What this version writes.
        expected: &'static str,
    },
    /// The index cannot be read; nothing is lost, it has to be rebuilt from the database.
    #[error("the search index in `{dir}` is damaged ({detail}); rebuild it from the documents, nothing is lost")]
    Damaged {
        /// The index folder.
        dir: PathBuf,
        /// What could not be read.
        detail: String,
    },
    /// Another process writes to this index.
    #[error("the search index is being written by another process; stop that one or try again later")]
    Locked,
    /// The folder could not be read or written.
    #[error("the search index cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// The index failed while it worked; changes since the last commit are lost and have to be added again.
    #[error("the search index failed, changes since the last commit are lost: {0}")]
    Failed(String),
    /// An evaluation set is not a readable BEIR folder.
    #[error("cannot evaluate: {0}")]
    BadEvaluationSet(String),
    /// A table of terms is not readable.
    #[error("the table of terms for `{domain}` cannot be read: {detail}")]
    BadTerms {
        /// What the table is about.
        domain: String,
        /// Where it goes wrong.
        detail: String,
    },
    /// The embedder failed in an evaluation.
    #[error("cannot evaluate dense retrieval: {0}")]
    Embedding(#[from] vital_kernel::EmbedError),
}

impl SearchError {
    /// Tells whether the remedy is to make the index anew and add every passage again.
    #[must_use]
    pub const fn needs_rebuild(&self) -> bool {
        matches!(self, Self::WrongVersion { .. } | Self::Damaged { .. })
    }
}

impl From<tantivy::TantivyError> for SearchError {
    fn from(error: tantivy::TantivyError) -> Self {
        match error {
            tantivy::TantivyError::LockFailure(..) => Self::Locked,
            tantivy::TantivyError::IoError(io) => Self::Io(std::io::Error::new(io.kind(), io.to_string())),
            other => Self::Failed(other.to_string()),
        }
    }
}
