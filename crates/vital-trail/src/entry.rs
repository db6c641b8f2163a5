//! One audit entry, its canonical bytes, and the hash chain.
//!
//! Encoding, version 1 (all numbers big-endian): `0x01`, log (16 bytes, zero for the installation), seq (u64), id (16), at (i64,
//! microseconds since the epoch), node (16), counter (u64), actor (`0x00`, or `0x01` and 16 bytes), then action, resource and
//! resource_id (each u32 length and UTF-8), the number of fields (u32) and each of them as text, and the request (16 bytes). The
//! first byte is the version; another one would mean another encoding, and entries of both can stand in one log.
//!
//! Leaf: `SHA-256(0x00 ‖ encoding)`, as in RFC 9162. Chain: `SHA-256("vital-audit-chain-v1" ‖ previous ‖ leaf)`, with 32 zero bytes
//! before the first entry. The chain takes the leaf and not the encoding, so that long entries are hashed once.

use crate::{Hash, Stamp, hash::sha256, merkle::leaf_hash_into};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr};
use uuid::Uuid;

const CHAIN_TAG: &[u8] = b"vital-audit-chain-v1";
const ENCODING_VERSION: u8 = 1;
const INSTALLATION: &str = "installation";

/// Whose log it is: a tenant's, or the installation's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub Uuid);

impl LogId {
    /// The log of what belongs to no tenant.
    pub const INSTALLATION: Self = Self(Uuid::nil());

    /// The tenant, unless it is the installation's own log.
    #[must_use]
    pub fn tenant(self) -> Option<Uuid> {
        (!self.0.is_nil()).then_some(self.0)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenant() {
            None => f.write_str(INSTALLATION),
            Some(tenant) => tenant.as_hyphenated().fmt(f),
        }
    }
}

impl FromStr for LogId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == INSTALLATION {
            return Ok(Self::INSTALLATION);
        }
        let log = Self(Uuid::try_parse(text).map_err(|_| "a log is `installation` or the id of an organisation")?);
        if log.to_string() == text { Ok(log) } else { Err("ids are written in lower case with hyphens") }
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Text that borrows from what is read wherever it can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> de::Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Any)
    }
}

/// Names of changed fields.
pub type Fields<'a> = Vec<Text<'a>>;

/// One audit entry in its place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose log.
    pub log: LogId,
    /// Place in the log, from 1 without gaps.
    pub seq: u64,
    /// The entry's own id.
    pub id: Uuid,
    /// When it was written, by the clock of the database.
    pub at: Stamp,
    /// The process that wrote it.
    pub node: Uuid,
    /// How many entries that process had begun for this log, from 1; 0 where it was not counted. A gap is a transaction that was given
    /// up, or an entry deleted before it got its place.
    pub counter: u64,
    /// Who; none for the platform itself.
    pub actor: Option<Uuid>,
    /// What was done, as a dotted name.
    pub action: Text<'a>,
    /// To which kind of object.
    pub resource: Text<'a>,
    /// To which object.
    pub resource_id: Text<'a>,
    /// Names of the fields concerned; never values.
    pub fields: Fields<'a>,
    /// The request that it was part of.
    pub request: Uuid,
}

impl Entry<'_> {
    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ENCODING_VERSION);
        out.extend_from_slice(self.log.0.as_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.at.0.to_be_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.counter.to_be_bytes());
        match &self.actor {
            None => out.push(0),
            Some(actor) => {
                out.push(1);
                out.extend_from_slice(actor.as_bytes());
            }
        }
        [&self.action, &self.resource, &self.resource_id].into_iter().for_each(|text| put(out, text));
        out.extend_from_slice(&length(self.fields.len()));
        self.fields.iter().for_each(|field| put(out, field));
        out.extend_from_slice(self.request.as_bytes());
    }

    /// The leaf hash, with a buffer that is used again.
    #[must_use]
    pub fn leaf_with(&self, buffer: &mut Vec<u8>) -> Hash {
        leaf_hash_into(buffer, |out| self.encode(out))
    }

    /// The leaf hash.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        self.leaf_with(&mut Vec::with_capacity(256))
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Lengths beyond 4 GiB cannot occur: lines are limited long before.
fn length(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

/// The next link of the chain.
#[must_use]
pub fn chain(previous: &Hash, leaf: &Hash) -> Hash {
    let mut joined = [0; 84];
    let (tag, rest) = joined.split_at_mut(CHAIN_TAG.len());
    tag.copy_from_slice(CHAIN_TAG);
    rest[..32].copy_from_slice(previous);
    rest[32..].copy_from_slice(leaf);
    sha256(&[&joined])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry<'static>> {
        let ids = (any::<u128>(), any::<u128>(), any::<Option<u128>>(), any::<u128>(), any::<u128>());
        let texts = ("[a-z._]{0,20}", "[a-z]{0,12}", any::<String>(), prop::collection::vec("[a-z_\\PC]{0,9}", 0..4));
        (ids, texts, 1..u64::MAX, any::<u64>(), 0..4_000_000_000_000_000_i64).prop_map(|(ids, texts, seq, counter, at)| Entry {
            log: LogId(Uuid::from_u128(ids.0)),
            seq,
            id: Uuid::from_u128(ids.1),
            at: Stamp(at),
            node: Uuid::from_u128(ids.3),
            counter,
            actor: ids.2.map(Uuid::from_u128),
            action: texts.0.into(),
            resource: texts.1.into(),
            resource_id: texts.2.into(),
            fields: texts.3.into_iter().map(Text::from).collect(),
            request: Uuid::from_u128(ids.4),
        })
    }

    proptest! {
        /// Equal bytes mean equal entries: nothing can move from one field into its neighbour.
        #[test]
        fn different_entries_have_different_bytes(a in any_entry(), cut in 0_usize..8) {
            let bytes = |e: &Entry<'_>| { let mut out = Vec::new(); e.encode(&mut out); out };
            let mut moved = a.clone();
            let at = a.resource.char_indices().map(|(i, _)| i).nth(cut).unwrap_or(0);
            moved.resource = a.resource[..at].to_owned().into();
            moved.resource_id = format!("{}{}", &a.resource[at..], &*a.resource_id).into();
            prop_assert_eq!(a == moved, bytes(&a) == bytes(&moved));
            let mut joined = a.clone();
            joined.fields = vec![a.fields.iter().map(|f| &**f).collect::<String>().into()];
            prop_assert_eq!(a == joined, bytes(&a) == bytes(&joined));
        }
    }

    #[test]
    fn the_encoding_is_fixed_for_ever() {
        let entry = Entry {
            log: LogId(Uuid::from_u128(1)),
            seq: 2,
            id: Uuid::from_u128(3),
            at: Stamp(4),
            node: Uuid::from_u128(5),
            counter: 6,
            actor: Some(Uuid::from_u128(7)),
            action: "a".into(),
            resource: "bc".into(),
            resource_id: "".into(),
            fields: vec!["d".into()],
            request: Uuid::from_u128(8),
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let u128_of = |n: u8| format!("{:032x}", n);
        let expected = [
            "01".into(),
            u128_of(1),
            format!("{:016x}", 2),
            u128_of(3),
            format!("{:016x}", 4),
            u128_of(5),
            format!("{:016x}", 6),
            "01".into(),
            u128_of(7),
            "0000000161".into(),
            "000000026263".into(),
            "00000000".into(),
            "00000001".into(),
            "0000000164".into(),
            u128_of(8),
        ]
        .concat();
        assert_eq!(hex::encode(&bytes), expected);
        assert_eq!(chain(&[0; 32], &entry.leaf()), sha256(&[b"vital-audit-chain-v1", &[0; 32], &sha256(&[&[0], &bytes])]));
    }
}
