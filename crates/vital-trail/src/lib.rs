//! The tamper-evident trail: what an audit entry is in bytes, the hash chain and the Merkle tree over the entries of one log, signed
//! checkpoints, exports, proofs, and the verification of all of them.
//!
//! **Invariants:** pure (no database, no clock, no network); every parser takes untrusted bytes, has limits and never panics; what is
//! written has exactly one spelling, and readers refuse any other, so that no byte of an export can change unseen.
//!
//! A log belongs to one tenant, or to the installation itself. Whoever can write the database can rewrite entries, chain and tree
//! together; what they cannot rewrite are the checkpoints, which stand elsewhere and are signed. Hence: the chain names *where* something
//! is wrong, the checkpoints prove *that* something is.
//!
//! Deliberately not here: storing, sequencing, the policy of who may read (all in `vital-platform`).

mod check;
mod checkpoint;
mod entry;
mod erasure;
mod error;
mod export;
mod fault;
mod fhir;
mod hash;
mod keys;
mod merkle;
mod note;
mod parallel;
mod proof;
mod stamp;
mod syslog;
mod witness;

pub use check::{Checker, Place, Seen};
pub use checkpoint::{Checkpoint, Opened};
pub use entry::{Entry, Fields, LogId, Text, chain};
pub use erasure::{DestroyedKey, Erasure};
pub use error::TrailError;
pub use export::{ExportHeader, ExportWriter, FORMAT, LINE_BYTES_MAX, checkpoint_line, checkpoint_of_line, entry_line};
pub use fault::{Fault, Note, Report};
pub use fhir::audit_event;
pub use hash::{Hash, sha256};
pub use keys::{Keys, Kind, SigningKey, VerifyKey};
pub use merkle::{Compact, Gather, consistency_ranges, inclusion_ranges, leaf_hash, verify_consistency, verify_inclusion};
pub use note::{Note as SignedNote, Signature};
pub use parallel::verify;
pub use proof::{ConsistencyProof, InclusionProof, Proof};
pub use stamp::Stamp;
pub use syslog::syslog_line;
pub use witness::{Witness, WitnessRequest, WitnessState};
