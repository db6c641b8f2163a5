//! Proofs as JSON: that an entry is in a log, and that one state of a log is the beginning of a later one. Each carries the signed
//! checkpoints that it leads to, so that it can be checked with nothing but the public keys.

use crate::{
    Checkpoint, Entry, Hash, Keys, LogId, SignedNote, TrailError,
    export::EntryLine,
    hash::as_hex_list,
    merkle::{verify_consistency, verify_inclusion},
};
use serde::{Deserialize, Serialize};

/// Name of the format.
const FORMAT: &str = "vital-audit-proof";
/// A path has at most 64 hashes, a consistency proof one more.
const HASHES_MAX: usize = 65;
/// Largest proof in bytes.
const PROOF_BYTES_MAX: usize = 2 * 1024 * 1024;

/// That an entry is in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    format: String,
    /// Whose log.
    pub log: LogId,
    entry: serde_json::Value,
    #[serde(with = "as_hex_list")]
    hashes: Vec<Hash>,
    checkpoint: String,
}

/// That one state of a log is the beginning of a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    format: String,
    /// Whose log.
    pub log: LogId,
    #[serde(with = "as_hex_list")]
    hashes: Vec<Hash>,
    older: String,
    newer: String,
}

/// A proof of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// An entry is in a log.
    Inclusion(InclusionProof),
    /// A log has only grown.
    Consistency(ConsistencyProof),
}

fn open(text: &str, log: LogId, keys: &Keys) -> Result<Checkpoint, TrailError> {
    let checkpoint = Checkpoint::open(&SignedNote::parse(text)?, keys)?.checkpoint;
    if checkpoint.log()? == log { Ok(checkpoint) } else { Err(TrailError::Proof("its checkpoint is of another log")) }
}

impl InclusionProof {
    /// Puts a proof together. `hashes` are those of [`crate::inclusion_ranges`] for the entry in the tree of the checkpoint.
    ///
    /// # Errors
    /// `Format` where the entry has no JSON form.
    pub fn new(entry: &Entry<'_>, chain: Hash, hashes: Vec<Hash>, checkpoint: &SignedNote) -> Result<Self, TrailError> {
        let line = serde_json::to_value(EntryLine::of(entry.clone(), chain)).map_err(|e| TrailError::format(e.to_string()))?;
        Ok(Self { format: FORMAT.to_owned(), log: entry.log, entry: line, hashes, checkpoint: checkpoint.to_string() })
    }

    /// Verifies it and returns the entry's number and the checkpoint.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, keys: &Keys) -> Result<(u64, Checkpoint), TrailError> {
        let checkpoint = open(&self.checkpoint, self.log, keys)?;
        let text = self.entry.to_string();
        let line: EntryLine<'_> = serde_json::from_str(&text).map_err(|_| TrailError::format("the entry of the proof cannot be read"))?;
        let entry = line.entry(self.log);
        let index = entry.seq.checked_sub(1).ok_or(TrailError::Proof("entries are numbered from 1"))?;
        verify_inclusion(index, checkpoint.size, &entry.leaf(), &self.hashes, &checkpoint.root)?;
        Ok((entry.seq, checkpoint))
    }
}

impl ConsistencyProof {
    /// Puts a proof together. `hashes` are those of [`crate::consistency_ranges`] for the two sizes.
    #[must_use]
    pub fn new(log: LogId, older: &SignedNote, newer: &SignedNote, hashes: Vec<Hash>) -> Self {
        Self { format: FORMAT.to_owned(), log, hashes, older: older.to_string(), newer: newer.to_string() }
    }

    /// The hashes, for a witness.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Verifies it and returns the older and the newer checkpoint.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, keys: &Keys) -> Result<(Checkpoint, Checkpoint), TrailError> {
        let (older, newer) = (open(&self.older, self.log, keys)?, open(&self.newer, self.log, keys)?);
        if older.origin != newer.origin {
            return Err(TrailError::Proof("its checkpoints are of two logs"));
        }
        verify_consistency((older.size, &older.root), (newer.size, &newer.root), &self.hashes)?;
        Ok((older, newer))
    }
}

impl Proof {
    /// Reads a proof of either kind. None where the text is none at all.
    ///
    /// # Errors
    /// `Format` where it is one and cannot be read.
    pub fn parse(text: &[u8]) -> Option<Result<Self, TrailError>> {
        #[derive(Deserialize)]
        struct Kind {
            format: String,
        }
        if text.len() > PROOF_BYTES_MAX {
            return None;
        }
        let kind: Kind = serde_json::from_slice(text).ok()?;
        if kind.format != FORMAT {
            return None;
        }
        let inclusion = serde_json::from_slice(text).map(Self::Inclusion);
        let read = inclusion.or_else(|_| serde_json::from_slice(text).map(Self::Consistency));
        Some(match read {
            Ok(proof) if proof.hashes().len() <= HASHES_MAX => Ok(proof),
            _ => Err(TrailError::format("the proof cannot be read: fields are missing, unknown or too long")),
        })
    }

    fn hashes(&self) -> &[Hash] {
        match self {
            Self::Inclusion(proof) => &proof.hashes,
            Self::Consistency(proof) => &proof.hashes,
        }
    }
}
