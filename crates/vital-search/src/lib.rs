//! Lexical search, rank fusion and retrieval measures.
//!
//! Data enters as passages with ids ([`PassageEntry`]) and leaves as ids with scores ([`Hit`], [`Fused`]). Text is never
//! given back: whoever holds the ids reads the words through the tenant's transaction, so that a fault here can cost
//! recall but never show one tenant the words of another. An index is derived data: it may be deleted and rebuilt at any time.
//!
//! Deliberately not here: dense search (pgvector does it), access rules, reading or parsing of documents.

mod collapse;
mod error;
pub mod eval;
mod expand;
mod fusion;
mod lexical;
mod terms;
mod understand;

pub use collapse::{Collapsed, NEAR_COPY, collapse};
pub use error::SearchError;
pub use expand::{EXPANSION_WEIGHT, Expansion, Expansions, TermEntry};
pub use fusion::{DENSE_WEIGHT, Fused, FusionRule, RRF_K, fuse};
pub use lexical::{Filter, Found, Hit, LexicalIndex, PassageEntry, Question, TermHash};
pub use terms::{TermSpan, content_spans, content_terms, term_spans, terms};
pub use understand::{DocumentKind, Understood, Years, understand};
