//! Checkpoints: how large a log was at a time, and the root over everything in it, signed (C2SP tlog-checkpoint).
//!
//! Lines: origin, size, base64 root, and two extension lines, `time <moment>` and `chain <base64 head of the hash chain>`. The origin is
//! `<name of the installation's key>/<log>`.

use crate::{Hash, Keys, LogId, SignedNote, SigningKey, Stamp, TrailError};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log, within which installation.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// When it was made, by the clock of the signing server.
    pub at: Stamp,
    /// Head of the hash chain.
    pub chain: Hash,
}

/// A checkpoint with who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// How many known witnesses signed it.
    pub witnesses: usize,
    /// Names of signers whose keys were not given.
    pub unknown: Vec<String>,
}

impl Checkpoint {
    /// The origin line of a log.
    #[must_use]
    pub fn origin_of(name: &str, log: LogId) -> String {
        format!("{name}/{log}")
    }

    /// Which log it is about.
    ///
    /// # Errors
    /// `Note` where the origin names none.
    pub fn log(&self) -> Result<LogId, TrailError> {
        let (_, log) = self.origin.rsplit_once('/').ok_or(TrailError::Note("its origin names no log"))?;
        log.parse().map_err(TrailError::Note)
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let (root, chain) = (STANDARD.encode(self.root), STANDARD.encode(self.chain));
        format!("{}\n{}\n{root}\ntime {}\nchain {chain}\n", self.origin, self.size, self.at)
    }

    /// Reads the text, in its one spelling.
    ///
    /// # Errors
    /// `Note`.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or(TrailError::Note("lines are missing"));
        let hash = |encoded: &str| -> Result<Hash, TrailError> {
            let bytes = STANDARD.decode(encoded).map_err(|_| TrailError::Note("a hash is malformed"))?;
            bytes.try_into().map_err(|_| TrailError::Note("a hash is malformed"))
        };
        let origin = next()?.to_owned();
        let size = next()?.parse().map_err(|_| TrailError::Note("the size is malformed"))?;
        let root = hash(next()?)?;
        let at = next()?.strip_prefix("time ").and_then(Stamp::parse).ok_or(TrailError::Note("the time is malformed"))?;
        let chain = hash(next()?.strip_prefix("chain ").ok_or(TrailError::Note("the head of the chain is missing"))?)?;
        let read = Self { origin, size, root, at, chain };
        // Whatever is spelled otherwise (a size with a leading zero, another line) is not what we signed.
        if read.text() == text { Ok(read) } else { Err(TrailError::Note("it is not in its one spelling")) }
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedNote {
        SignedNote::sign(self.text(), key)
    }

    /// Verifies and reads a signed checkpoint.
    ///
    /// # Errors
    /// `Note`, `Forged`, or `UnknownKey` where no key of a log among the given ones signed it.
    pub fn open(note: &SignedNote, keys: &Keys) -> Result<Opened, TrailError> {
        let checkpoint = Self::parse(&note.text)?;
        let signed = note.check(keys)?;
        if !signed.by_log {
            return Err(TrailError::UnknownKey(signed.unknown.join(", ")));
        }
        Ok(Opened { checkpoint, witnesses: signed.witnesses, unknown: signed.unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use proptest::prelude::*;

    fn key(name: &str, kind: Kind) -> SigningKey {
        SigningKey::parse(&SigningKey::generate(name).unwrap(), kind).unwrap()
    }

    fn some() -> Checkpoint {
        Checkpoint {
            origin: Checkpoint::origin_of("vital/test", LogId::INSTALLATION),
            size: 42,
            root: [1; 32],
            at: Stamp(1_795_387_523_000_120),
            chain: [2; 32],
        }
    }

    #[test]
    fn a_signed_checkpoint_reads_back_with_its_witnesses() {
        let (log, next, witness) = (key("vital/test", Kind::Log), key("vital/test", Kind::Log), key("witness.example", Kind::Witness));
        let mut note = some().sign(&log);
        note.signatures.push(note.cosign(&witness, Stamp(1_795_387_600_000_000)));
        let text = note.to_string();
        assert!(text.starts_with("vital/test/installation\n42\n"), "{text}");
        let note = SignedNote::parse(&text).unwrap();
        let mut keys = Keys::default();
        keys.add(next.public().clone());
        assert!(matches!(Checkpoint::open(&note, &keys), Err(TrailError::UnknownKey(_))));
        keys.add(log.public().clone());
        let opened = Checkpoint::open(&note, &keys).unwrap();
        assert_eq!((opened.checkpoint, opened.witnesses, opened.unknown), (some(), 0, vec!["witness.example".to_owned()]));
        keys.add(witness.public().clone());
        assert_eq!(Checkpoint::open(&note, &keys).unwrap().witnesses, 1);
    }

    proptest! {
        #[test]
        fn no_flipped_bit_passes(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let log = key("vital/test", Kind::Log);
            let mut keys = Keys::default();
            keys.add(log.public().clone());
            let mut bytes = some().sign(&log).to_string().into_bytes();
            let i = at.index(bytes.len());
            bytes[i] ^= 1 << bit;
            let opened = String::from_utf8(bytes).ok().and_then(|text| SignedNote::parse(&text).ok()).map(|note| Checkpoint::open(&note, &keys));
            prop_assert!(!matches!(opened, Some(Ok(_))));
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "\\PC*") {
            let _ = SignedNote::parse(&text).map(|note| Checkpoint::parse(&note.text));
        }
    }
}
