//! SHA-256, and hashes as text.

use ring::digest::{Context, SHA256, digest};
use serde::{Deserializer, Serializer, de};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Returns the SHA-256 hash of the parts in a row.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let done = match parts {
        [one] => digest(&SHA256, one),
        parts => {
            let mut context = Context::new(&SHA256);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        }
    };
    let mut out = [0; 32];
    out.copy_from_slice(done.as_ref());
    out
}

/// Hashes as 64 lower-case hexadecimal digits.
pub(crate) mod as_hex {
    use super::{Deserializer, Hash, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 64];
        hex::encode_to_slice(hash, &mut text).map_err(serde::ser::Error::custom)?;
        to.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        struct Hex;
        impl de::Visitor<'_> for Hex {
            type Value = Hash;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("64 hexadecimal digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
                let mut hash = [0; 32];
                hex::decode_to_slice(text, &mut hash).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(hash)
            }
        }
        from.deserialize_str(Hex)
    }
}

/// Lists of hashes as hexadecimal text.
pub(crate) mod as_hex_list {
    use super::{Deserializer, Hash, Serializer};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "super::as_hex")] Hash);

    pub(crate) fn serialize<S: Serializer>(hashes: &[Hash], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(hashes.iter().map(|hash| One(*hash)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hash>, D::Error> {
        Ok(Vec::<One>::deserialize(from)?.into_iter().map(|one| one.0).collect())
    }
}
