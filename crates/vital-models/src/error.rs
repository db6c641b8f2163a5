//! What can be wrong with a model folder.

use std::path::PathBuf;

/// A model that cannot be used; nothing else is affected, and setting up again mends it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model cannot be read.
    #[error("the embedding model's file `{path}` cannot be read ({source}); run script/setup to install the model")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `MODEL.json` does not describe a model.
    #[error("`{path}` does not describe an embedding model ({detail}); run script/setup to install the model")]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A file is not the one that `MODEL.json` names.
    #[error("the embedding model's file `{path}` is not what was installed; run script/setup to install the model again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The inference library refuses the model.
    #[error("the embedding model cannot be loaded: {0}")]
    Refused(String),
    /// No thread could be started.
    #[error("the embedding model's thread cannot be started: {0}")]
    NoThread(std::io::Error),
}
