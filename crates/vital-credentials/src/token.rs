//! Opaque tokens for sessions and links, and API keys. Both are shown once; what is stored is SHA-256, enough for 256 random bits.
//!
//! An API key reads `vital_pk_<8 letters>_<43 letters><6 letters>`: its kind, a public prefix by which lists and logs name it, 256 random
//! bits, and a CRC-32 of all that precedes. Letters are 0-9, A-Z and a-z, so a double click takes the whole key; a scanner for leaked
//! secrets finds `vital_[ps]k_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}` and sets chance hits aside by the checksum. **Invariant:** a key with a wrong
//! checksum never reaches the database.

use crate::alphabet;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{Rng as _, distr::Alphanumeric};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Letters of the public prefix of an API key.
pub const KEY_PREFIX_CHARS: usize = 8;
/// Letters of the secret of an API key; 62^43 is just above 2^256.
const KEY_SECRET_CHARS: usize = 43;
/// Letters of the checksum of an API key; 62^6 is above 2^32.
const KEY_CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A secret token: 256 random bits in base64url, shown once and stored as a hash.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes a new token.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(alphabet::random::<32>().as_slice())))
    }

    /// The token itself, for the cookie, the link or the credentials file.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of the token.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Returns the hash under which a presented token is looked up: SHA-256.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyKind {
    /// A person's: `vital_pk_`.
    Personal,
    /// A service account's: `vital_sk_`.
    Service,
}

impl KeyKind {
    /// What keys of this kind begin with.
    #[must_use]
    pub const fn marker(self) -> &'static str {
        match self {
            Self::Personal => "vital_pk_",
            Self::Service => "vital_sk_",
        }
    }
}

/// A new API key; shown once.
pub struct ApiKey {
    kind: KeyKind,
    text: Zeroizing<String>,
}

impl ApiKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate(kind: KeyKind) -> Self {
        // The capacity is exact: a string that grew would leave copies of the secret behind.
        let length = kind.marker().len() + KEY_PREFIX_CHARS + 1 + KEY_SECRET_CHARS + KEY_CHECKSUM_CHARS;
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut random = rand::rng();
        text.push_str(kind.marker());
        text.extend((0..KEY_PREFIX_CHARS).map(|_| char::from(random.sample(Alphanumeric))));
        text.push('_');
        text.extend((0..KEY_SECRET_CHARS).map(|_| char::from(random.sample(Alphanumeric))));
        let checksum = checksum(&text);
        text.extend(checksum.iter().map(|b| char::from(*b)));
        Self { kind, text }
    }

    /// Reads a presented key without looking it up anywhere.
    ///
    /// # Errors
    /// `Shape` when the text is no key of this platform, `Checksum` when it is one that was copied wrong.
    pub fn read(text: &str) -> Result<ReadKey, NotAKey> {
        let (kind, rest) = [KeyKind::Personal, KeyKind::Service]
            .into_iter()
            .find_map(|kind| text.strip_prefix(kind.marker()).map(|rest| (kind, rest)))
            .ok_or(NotAKey::Shape)?;
        let (prefix, secret) = rest.split_once('_').ok_or(NotAKey::Shape)?;
        let letters = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !letters(prefix, KEY_PREFIX_CHARS) || !letters(secret, KEY_SECRET_CHARS + KEY_CHECKSUM_CHARS) {
            return Err(NotAKey::Shape);
        }
        let (covered, given) = text.split_at(text.len() - KEY_CHECKSUM_CHARS);
        if checksum(covered) != given.as_bytes() {
            return Err(NotAKey::Checksum);
        }
        Ok(ReadKey { kind, prefix: prefix.to_owned(), hash: hash(text) })
    }

    /// The key itself, for the person who made it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whose key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public part by which lists and logs name the key.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let start = self.kind.marker().len();
        &self.text[start..start + KEY_PREFIX_CHARS]
    }

    /// What is stored of the key.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.text)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}{}_…)", self.kind.marker(), self.prefix())
    }
}

/// A presented key that is well formed; whether it exists is for the database to say.
#[derive(Clone, Eq, PartialEq)]
pub struct ReadKey {
    /// Whose key it is.
    pub kind: KeyKind,
    /// The public part.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}

impl fmt::Debug for ReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadKey({}{}_…)", self.kind.marker(), self.prefix)
    }
}

/// Why a text is not an API key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAKey {
    /// It does not look like one.
    #[error("This is not an API key of this platform. Keys begin with `vital_pk_` or `vital_sk_` and have 67 characters.")]
    Shape,
    /// It looks like one but was copied wrong.
    #[error("This API key is damaged: its last characters do not fit the rest. Copy the whole key again.")]
    Checksum,
}

/// CRC-32 (IEEE 802.3) in base 62, most significant letter first.
fn checksum(text: &str) -> [u8; KEY_CHECKSUM_CHARS] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'0'; KEY_CHECKSUM_CHARS];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_has_256_bits_and_is_never_printed() {
        let token = Token::generate();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(token.reveal()).unwrap().len(), 32);
        assert_eq!(token.hash(), hash(token.reveal()));
        assert_ne!(token.reveal(), Token::generate().reveal());
        assert!(!format!("{token:?}").contains(token.reveal()));
    }

    #[test]
    fn a_generated_key_reads_back() {
        for kind in [KeyKind::Personal, KeyKind::Service] {
            let key = ApiKey::generate(kind);
            let read = ApiKey::read(key.reveal()).unwrap();
            assert_eq!((read.kind, read.prefix.as_str(), read.hash), (kind, key.prefix(), key.hash()));
            assert_eq!(key.reveal().len(), 67);
        }
    }

    #[test]
    fn debug_shows_the_public_part_alone() {
        let key = ApiKey::generate(KeyKind::Personal);
        let read = ApiKey::read(key.reveal()).unwrap();
        assert_eq!(format!("{key:?}"), format!("ApiKey(vital_pk_{}_…)", key.prefix()));
        assert_eq!(format!("{read:?}"), format!("ReadKey(vital_pk_{}_…)", key.prefix()));
    }

    #[test]
    fn the_checksum_is_stable() {
        // CRC-32 of "123456789" is 0xCBF43926 = 3421780262 (the check value of the algorithm), written in base 62.
        let value = checksum("123456789").iter().fold(0_u64, |n, b| n * 62 + BASE62.iter().position(|l| l == b).unwrap() as u64);
        assert_eq!(value, 0xCBF4_3926);
    }

    #[test]
    fn a_key_of_one_kind_does_not_pass_as_the_other() {
        let key = ApiKey::generate(KeyKind::Personal);
        assert_eq!(ApiKey::read(&key.reveal().replace("vital_pk_", "vital_sk_")), Err(NotAKey::Checksum));
    }

    proptest! {
        #[test]
        fn one_changed_letter_never_reads(at in 9_usize..67, to in "[0-9A-Za-z]") {
            let key = ApiKey::generate(KeyKind::Service);
            let mut typed = key.reveal().to_owned();
            typed.replace_range(at..=at, &to);
            prop_assume!(typed != key.reveal());
            prop_assert!(ApiKey::read(&typed).is_err());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,100}", tail in "vital_pk_.{0,70}") {
            prop_assert!(ApiKey::read(&text).is_err());
            prop_assert!(ApiKey::read(&tail).is_err());
        }
    }
}
