//! The certificate of an erasure: what was destroyed, when and by whom, signed with the key of the trail, so that it can be shown to whoever
//! asked for the erasure and checked with the public key alone.
//!
//! A signed note: the first line names the kind, the second holds the statement as JSON. It has one spelling. Nothing of what was erased is
//! in it but ids, names of tables and counts.

use crate::{Keys, SignedNote, SigningKey, Stamp, TrailError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The first line. No origin of a checkpoint begins like this and goes on with JSON, so neither passes for the other.
const KIND: &str = "vital-path erasure v1\n";

/// A key that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestroyedKey {
    /// What it was for: `content` or `index`.
    pub purpose: String,
    /// Its version.
    pub version: u32,
    /// Id of the root key that wrapped it.
    pub root_key: String,
}

/// What an erasure destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The organisation, which is also its log in the trail.
    pub tenant: Uuid,
    /// When its keys were destroyed, by the clock of the machine that did it.
    pub erased_at: Stamp,
    /// Who did it, as they called themselves.
    pub operator: String,
    /// The keys that were destroyed.
    pub keys: Vec<DestroyedKey>,
    /// How many rows of which table were deleted.
    pub rows: BTreeMap<String, u64>,
    /// Number of the newest entry of the organisation's log, which records the erasure.
    pub entry: u64,
}

impl Erasure {
    fn text(&self) -> Result<String, TrailError> {
        let statement = serde_json::to_string(self).map_err(|error| TrailError::format(error.to_string()))?;
        Ok(format!("{KIND}{statement}\n"))
    }

    /// Signs it. The certificate is the text of the note.
    ///
    /// # Errors
    /// `Note` when it is too long or holds what no note may hold, such as control characters in the name of the operator.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedNote, TrailError> {
        let note = SignedNote::sign(self.text()?, key);
        SignedNote::parse(&note.to_string())
    }

    /// Reads and verifies a certificate. None where the text is none at all.
    ///
    /// # Errors
    /// `Note`, `Forged`, or `UnknownKey` where none of the given keys of logs signed it.
    #[must_use]
    pub fn open(text: &[u8], keys: &Keys) -> Option<Result<Self, TrailError>> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.starts_with(KIND))?;
        Some(Self::verified(text, keys))
    }

    fn verified(text: &str, keys: &Keys) -> Result<Self, TrailError> {
        let note = SignedNote::parse(text)?;
        let signed = note.check(keys)?;
        if !signed.by_log {
            return Err(TrailError::UnknownKey(signed.unknown.join(", ")));
        }
        let statement = note.text.strip_prefix(KIND).unwrap_or_default();
        let read: Self = serde_json::from_str(statement).map_err(|_| TrailError::Note("the statement is malformed"))?;
        if read.text()? == note.text { Ok(read) } else { Err(TrailError::Note("it is not in its one spelling")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use proptest::prelude::*;

    fn key() -> SigningKey {
        SigningKey::parse(&SigningKey::generate("vital/test").unwrap(), Kind::Log).unwrap()
    }

    fn keys(of: &SigningKey) -> Keys {
        let mut keys = Keys::default();
        keys.add(of.public().clone());
        keys
    }

    fn some() -> Erasure {
        let content = DestroyedKey { purpose: "content".into(), version: 3, root_key: "r-1".into() };
        Erasure {
            tenant: Uuid::from_u128(7),
            erased_at: Stamp(1_795_387_523_000_120),
            operator: "Ada \"Root\" Opérateur".into(),
            keys: vec![content],
            rows: BTreeMap::from([("documents".into(), 2), ("turns".into(), 40)]),
            entry: 91,
        }
    }

    #[test]
    fn a_certificate_is_verified_by_the_public_key_and_by_no_other() {
        let key = key();
        let text = some().sign(&key).unwrap().to_string();
        assert_eq!(Erasure::open(text.as_bytes(), &keys(&key)).unwrap().unwrap(), some());
        let stranger = SigningKey::parse(&SigningKey::generate("vital/test").unwrap(), Kind::Log).unwrap();
        assert!(matches!(Erasure::open(text.as_bytes(), &keys(&stranger)), Some(Err(TrailError::UnknownKey(_)))));
        let witness = SigningKey::parse(&SigningKey::generate("witness").unwrap(), Kind::Witness).unwrap();
        let by_witness = some().sign(&witness).unwrap().to_string();
        assert!(Erasure::open(by_witness.as_bytes(), &keys(&witness)).unwrap().is_err(), "a witness erases nothing");
    }

    #[test]
    fn neither_a_checkpoint_nor_another_text_passes_for_a_certificate() {
        let key = key();
        for (text, is_one) in [("vital/test/installation\n42\n", false), (KIND, true), ("vital-path erasure v1\n{}\n", true)] {
            let note = SignedNote::sign(text.to_owned(), &key).to_string();
            match Erasure::open(note.as_bytes(), &keys(&key)) {
                None => assert!(!is_one, "{text}"),
                Some(read) => assert!(is_one && read.is_err(), "{text}"),
            }
        }
        assert!(crate::Checkpoint::open(&some().sign(&key).unwrap(), &keys(&key)).is_err());
        let odd = Erasure { operator: "a\u{9b}b".into(), ..some() };
        assert!(odd.sign(&key).is_err(), "what could not be read is not signed");
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unseen(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let key = key();
            let mut text = some().sign(&key).unwrap().to_string().into_bytes();
            let at = at.index(text.len());
            text[at] ^= 1 << bit;
            prop_assert!(!matches!(Erasure::open(&text, &keys(&key)), Some(Ok(_))));
        }
    }
}
