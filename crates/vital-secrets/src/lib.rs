//! Looks for secrets in a git repository: in the files as they lie there, and in everything that any commit ever held.
//!
//! A key that was committed once is public, also when the next commit takes it away; so the history is read blob by blob, with the messages of
//! commits and tags. What is found and is no secret (the published example of a standard, say) stands in a list with a reason each; an
//! entry of the list that meets nothing any more is a fault itself.
//!
//! **Invariants:** a secret is never printed or stored whole, neither in the report nor in the list; a repository that cannot be read
//! completely is an error and never a clean result.
//!
//! Not here: looking into archives and compressed files, asking a provider whether a key still works.

pub mod allowed;
pub mod check;
pub mod rule;
pub mod scan;

mod entropy;
mod git;

pub use check::{Report, check};

/// Why a repository could not be judged. Nothing is ever changed by looking.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is no git repository, or git refuses to read it.
    #[error("git cannot read the repository in `{folder}`: {says}. Without its history nothing can be said; run this in a clone.")]
    Git {
        /// The folder that was asked about.
        folder: String,
        /// What git said.
        says: String,
    },
    /// An object that a commit names is not there.
    #[error("object {id} of the history is not in this clone, so the history cannot be read whole; fetch it without a filter.")]
    Missing {
        /// The object's id.
        id: String,
    },
    /// A file or a pipe failed.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// What was read.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The list of what is allowed is not right.
    #[error("`{path}`: {fault}")]
    Allowed {
        /// The list's path.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A rule's pattern is not one; a defect of this program.
    #[error("the pattern of a rule is wrong: {0}")]
    Pattern(#[from] regex::Error),
}
