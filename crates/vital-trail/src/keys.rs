//! Ed25519 keys in the text forms of C2SP signed-note: `<name>+<key hash>+<base64(kind ‖ key)>`.
//!
//! The first eight hexadecimal digits after the name are the first four bytes of `SHA-256(name ‖ "\n" ‖ kind ‖ key)`. A private key is
//! PKCS#8 (RFC 8410) in PEM, below a line with its name.

use crate::{TrailError, hash::sha256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use std::fmt;

/// Longest name of a key, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 200;
/// Most keys in one list.
const KEYS_MAX: usize = 1_000;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
const NAME_LINE: &str = "name: ";

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A log's own checkpoints (`0x01`).
    Log,
    /// Checkpoints seen by a witness, with the time (`0x04`, C2SP tlog-cosignature).
    Witness,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyKey {
    name: String,
    kind: Kind,
    id: [u8; 4],
    public: [u8; 32],
}

fn name_fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('+') && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl VerifyKey {
    fn new(name: &str, kind: Kind, public: [u8; 32]) -> Result<Self, TrailError> {
        if !name_fits(name) {
            return Err(TrailError::Key("its name is empty, too long or holds a blank or `+`"));
        }
        let hash = sha256(&[name.as_bytes(), b"\n", &[kind.byte()], &public]);
        Ok(Self { name: name.to_owned(), kind, id: [hash[0], hash[1], hash[2], hash[3]], public })
    }

    /// Reads `<name>+<key hash>+<base64>`.
    ///
    /// # Errors
    /// `Key` with what is wrong.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        let malformed = || TrailError::Key("it is not `name+hash+base64`");
        let (name, rest) = text.split_once('+').ok_or_else(malformed)?;
        let (id, encoded) = rest.split_once('+').ok_or_else(malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
        let (kind, public) = bytes.split_first().ok_or_else(malformed)?;
        let kind = [Kind::Log, Kind::Witness]
            .into_iter()
            .find(|k| k.byte() == *kind)
            .ok_or(TrailError::Key("it is not an Ed25519 key of a log or a witness"))?;
        let key = Self::new(name, kind, public.try_into().map_err(|_| malformed())?)?;
        if hex::encode(key.id) == id { Ok(key) } else { Err(TrailError::Key("its hash does not fit: a digit was changed")) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first four bytes of the key's hash, which stand before each signature.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(bytes))
    }
}

/// The public keys that are trusted: of a log, each for what it signed while it was in use, and of its witnesses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<VerifyKey>);

impl Keys {
    /// Reads one key a line. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// `Key` where a line is no key or there is none at all.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.take(KEYS_MAX + 1).map(VerifyKey::parse).collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err(TrailError::Key("there is none in the list")),
            n if n > KEYS_MAX => Err(TrailError::Key("the list is too long")),
            _ => Ok(Self(keys)),
        }
    }

    /// Adds a key, unless it is there.
    pub fn add(&mut self, key: VerifyKey) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> &[VerifyKey] {
        &self.0
    }

    /// The key of a signature.
    #[must_use]
    pub fn find(&self, name: &str, id: [u8; 4]) -> Option<&VerifyKey> {
        self.0.iter().find(|key| key.id == id && key.name == name)
    }
}

/// A private key with its name. Neither printed nor compared.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

impl SigningKey {
    /// Makes a new key and returns the text of its file.
    ///
    /// # Errors
    /// `Key` where the name cannot be used or the system has no randomness.
    pub fn generate(name: &str) -> Result<String, TrailError> {
        if !name_fits(name) {
            return Err(TrailError::Key("its name is empty, too long or holds a blank or `+`"));
        }
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| TrailError::Key("the system has no randomness"))?;
        let encoded = STANDARD.encode(made.as_ref());
        let (first, rest) = encoded.split_at(encoded.len().min(64));
        let broken = if rest.is_empty() { first.to_owned() } else { format!("{first}\n{rest}") };
        Ok(format!("{NAME_LINE}{name}\n{PEM_BEGIN}\n{broken}\n{PEM_END}\n"))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// `Key` with what is wrong; never with a part of the key.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, TrailError> {
        let (head, rest) = text.split_once(PEM_BEGIN).ok_or(TrailError::Key("it is not PKCS#8 in PEM"))?;
        let (body, _) = rest.split_once(PEM_END).ok_or(TrailError::Key("it is not PKCS#8 in PEM"))?;
        let name =
            head.lines().find_map(|line| line.strip_prefix(NAME_LINE)).ok_or(TrailError::Key("the line with its name is missing"))?;
        let encoded: String = body.split_whitespace().collect();
        let der = STANDARD.decode(encoded).map_err(|_| TrailError::Key("it is not PKCS#8 in PEM"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| TrailError::Key("it is not an Ed25519 key in PKCS#8"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| TrailError::Key("it is not an Ed25519 key"))?;
        Ok(Self { public: VerifyKey::new(name.trim(), kind, public)?, pair })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_a_changed_digit_is_noticed() {
        let key = SigningKey::parse(&SigningKey::generate("example.org/a").unwrap(), Kind::Log).unwrap();
        let text = key.public().to_string();
        assert_eq!(&VerifyKey::parse(&text).unwrap(), key.public());
        assert_eq!(Keys::parse(&format!("# old\n\n{text}\n")).unwrap().all(), [key.public().clone()]);
        let changed = text.replacen("example.org/a", "example.org/b", 1);
        assert!(VerifyKey::parse(&changed).is_err());
        assert!(Keys::parse("# nothing\n").is_err());
        assert!(SigningKey::generate("two words").is_err());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    /// The example of the signed-note specification: the hash of a key depends on its name.
    #[test]
    fn the_hash_of_a_key_follows_the_specification() {
        let public = [7; 32];
        let key = VerifyKey::new("example.com/foo", Kind::Log, public).unwrap();
        let by_hand = sha256(&[b"example.com/foo\n\x01", &public]);
        assert_eq!(key.id(), by_hand[..4]);
        assert_ne!(VerifyKey::new("example.com/foo", Kind::Witness, public).unwrap().id(), key.id());
    }
}
