//! A witness: remembers the newest checkpoint of each log that it has seen and refuses one that does not continue it. Run by somebody
//! else on another machine, it makes a second history useless: one of the two would lack its signature.
//!
//! The request has the form of C2SP tlog-witness: `old <size>`, the base64 hashes of a consistency proof one a line, an empty line, and
//! the signed checkpoint.

use crate::{Checkpoint, Hash, Keys, SignedNote, TrailError, hash::as_hex, merkle::verify_consistency};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest request in bytes.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Logs that one witness remembers.
const LOGS_MAX: usize = 100_000;
/// Hashes of a consistency proof.
const HASHES_MAX: usize = 65;

/// What a witness is asked to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessRequest {
    /// Size that the witness is believed to know; 0 for none.
    pub old: u64,
    /// Proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: SignedNote,
}

impl WitnessRequest {
    /// Reads a request. A checkpoint alone is one that claims no earlier state.
    ///
    /// # Errors
    /// `Format` and `Note`.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        if text.len() > REQUEST_BYTES_MAX {
            return Err(TrailError::format("the request is too long"));
        }
        let Some(rest) = text.strip_prefix("old ") else {
            return Ok(Self { old: 0, proof: Vec::new(), note: SignedNote::parse(text)? });
        };
        let (head, note) = rest.split_once("\n\n").ok_or_else(|| TrailError::format("the request holds no checkpoint"))?;
        let mut lines = head.lines();
        let old = lines.next().and_then(|size| size.parse().ok()).ok_or_else(|| TrailError::format("the old size is malformed"))?;
        let hash = |line: &str| STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let proof: Option<Vec<Hash>> = lines.take(HASHES_MAX + 1).map(hash).collect();
        let proof = proof.filter(|p| p.len() <= HASHES_MAX).ok_or_else(|| TrailError::format("a hash of the proof is malformed"))?;
        Ok(Self { old, proof, note: SignedNote::parse(note)? })
    }
}

impl std::fmt::Display for WitnessRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

/// What a witness remembers of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// How many entries it has seen signed.
    pub size: u64,
    #[serde(with = "as_hex")]
    root: Hash,
}

/// What a witness remembers: by origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WitnessState(BTreeMap<String, Witness>);

impl WitnessState {
    /// How many entries of a log it has seen signed; 0 for none.
    #[must_use]
    pub fn size(&self, origin: &str) -> u64 {
        self.0.get(origin).map_or(0, |seen| seen.size)
    }

    /// Accepts a checkpoint and remembers it, if it continues what was seen.
    ///
    /// # Errors
    /// `Proof` where it does not: the log was rewritten, or shows different people different histories. `Forged`, `UnknownKey`.
    pub fn accept(&mut self, request: &WitnessRequest, keys: &Keys) -> Result<Checkpoint, TrailError> {
        let checkpoint = Checkpoint::open(&request.note, keys)?.checkpoint;
        let seen = self.0.get(&checkpoint.origin);
        if seen.is_none() && self.0.len() >= LOGS_MAX {
            return Err(TrailError::format("this witness remembers no more logs"));
        }
        if let Some(seen) = seen {
            if checkpoint.size < seen.size {
                return Err(TrailError::Proof("the checkpoint is older than one that was seen: the log was cut, or this is an old copy"));
            }
            if checkpoint.size > seen.size && request.old != seen.size {
                return Err(TrailError::format(format!("a proof from size {} is needed; this one begins at {}", seen.size, request.old)));
            }
            verify_consistency((seen.size, &seen.root), (checkpoint.size, &checkpoint.root), &request.proof)?;
        }
        self.0.insert(checkpoint.origin.clone(), Witness { size: checkpoint.size, root: checkpoint.root });
        Ok(checkpoint)
    }
}
