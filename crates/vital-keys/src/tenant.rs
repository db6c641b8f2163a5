//! The keys of one tenant, and values sealed with them.
//!
//! A sealed value is, in this order: version byte 2, version of the tenant's key (32 bits, big endian), nonce (96 bits) and wrapping of a
//! random seed (256 bits and a tag), commitment to the seed (256 bits), the value with its tag. The seed gives the value's own key and the
//! commitment by HKDF-SHA-256 (RFC 5869); because that key is used once, the nonce of the value itself is zero. The commitment keeps a value
//! from opening to different texts under different keys, which AES-GCM alone allows. Associated data of both steps names suite, tenant,
//! table, column, row, part and key version.

use crate::{KeyError, RootKey, RootKeys, Secret, random_key};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use std::collections::BTreeMap;
use uuid::Uuid;
use vital_kernel::TenantId;

/// The version byte of this format.
const VERSION: u8 = 2;
const SEED_AT: usize = 5;
const COMMITMENT_AT: usize = SEED_AT + NONCE_LEN + 32 + 16;
const BODY_AT: usize = COMMITMENT_AT + 32;
/// Bytes that sealing adds to a value.
const OVERHEAD: usize = BODY_AT + 16;

/// What a tenant's key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Seals values. Has versions.
    Content,
    /// Hashes the words of the lexical index, so that it can be searched without holding them. Lives as long as the tenant.
    Index,
}

impl Purpose {
    /// The stable name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Index => "index",
        }
    }

    /// Reads the stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Content, Self::Index].into_iter().find(|p| p.as_str() == name)
    }
}

/// Where a value is stored. The tenant comes from the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Table and column, for example `turns.question`.
    pub column: &'static str,
    /// The row.
    pub row: Uuid,
    /// Which of several values of the row, where its key is a pair; otherwise 0.
    pub part: i64,
}

impl Place {
    /// The one value of a row in a column.
    #[must_use]
    pub const fn of(column: &'static str, row: Uuid) -> Self {
        Self { column, row, part: 0 }
    }
}

/// A tenant's key as it is stored.
#[derive(Clone, Debug)]
pub struct WrappedKey {
    /// What it is for.
    pub purpose: Purpose,
    /// Counts from 1 for each purpose.
    pub version: u32,
    /// The root key that wrapped it.
    pub root_key: String,
    /// The wrapping.
    pub wrapped: Vec<u8>,
    /// Whether it may seal; a version that not every node has read yet only opens.
    pub seals: bool,
}

impl WrappedKey {
    fn about(tenant: TenantId, purpose: Purpose, version: u32) -> Vec<u8> {
        [b"vital tenant key\0".as_slice(), tenant.0.as_bytes(), &version.to_be_bytes(), purpose.as_str().as_bytes()].concat()
    }

    /// Wraps the same key with another root key.
    ///
    /// # Errors
    /// When the present root key is not there or the wrapping does not open.
    pub fn rewrap(&self, tenant: TenantId, roots: &RootKeys) -> Result<Self, KeyError> {
        let about = Self::about(tenant, self.purpose, self.version);
        let key = roots.named(&self.root_key)?.unwrap(&about, &self.wrapped)?;
        let root = roots.current();
        Ok(Self { root_key: root.id().to_owned(), wrapped: root.wrap(&about, &key)?, ..*self })
    }
}

/// Makes a new random key for a tenant, wrapped by a root key.
///
/// # Errors
/// `System` when there are no random bytes or the token fails.
pub fn new_key(tenant: TenantId, purpose: Purpose, version: u32, root: &RootKey) -> Result<WrappedKey, KeyError> {
    let wrapped = root.wrap(&WrappedKey::about(tenant, purpose, version), &*random_key()?)?;
    Ok(WrappedKey { purpose, version, root_key: root.id().to_owned(), wrapped, seals: true })
}

/// The version of the tenant's key that a value was sealed with; none if it is not of the present format.
#[must_use]
pub fn sealed_version(sealed: &[u8]) -> Option<u32> {
    match sealed {
        [VERSION, version @ ..] if sealed.len() >= OVERHEAD => version.first_chunk::<4>().map(|v| u32::from_be_bytes(*v)),
        _ => None,
    }
}

/// The keys of one tenant, ready for use.
pub struct TenantKeys {
    tenant: TenantId,
    content: BTreeMap<u32, LessSafeKey>,
    sealing: u32,
    index: hmac::Key,
}

impl TenantKeys {
    /// Unwraps a tenant's keys.
    ///
    /// # Errors
    /// `NoRoot` when a root key is missing, `Broken` when a wrapping was changed, `NoVersion(0)` when a purpose has no key.
    pub fn unwrap(tenant: TenantId, wrapped: &[WrappedKey], roots: &RootKeys) -> Result<Self, KeyError> {
        let (mut content, mut sealing, mut index) = (BTreeMap::new(), 0, None);
        for key in wrapped {
            let secret = roots.named(&key.root_key)?.unwrap(&WrappedKey::about(tenant, key.purpose, key.version), &key.wrapped)?;
            match key.purpose {
                Purpose::Content => {
                    content.insert(key.version, aead(&secret)?);
                    sealing = if key.seals { sealing.max(key.version) } else { sealing };
                }
                Purpose::Index => index = Some(hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice())),
            }
        }
        match index {
            Some(index) if sealing > 0 => Ok(Self { tenant, content, sealing, index }),
            _ => Err(KeyError::NoVersion(0)),
        }
    }

    /// The keys of a tenant that does not exist: they seal and open nothing.
    ///
    /// # Errors
    /// `System` when there are no random bytes.
    pub fn none(tenant: TenantId) -> Result<Self, KeyError> {
        let index = hmac::Key::new(hmac::HMAC_SHA256, random_key()?.as_slice());
        Ok(Self { tenant, content: BTreeMap::new(), sealing: 0, index })
    }

    /// The version that seals; 0 where there is none.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.sealing
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// `System` when the system gives no random bytes.
    pub fn seal(&self, place: Place, value: &[u8]) -> Result<Vec<u8>, KeyError> {
        let version = self.sealing;
        let wrapping = self.content.get(&version).ok_or(KeyError::NoVersion(version))?;
        let failed = |e: ring::error::Unspecified| KeyError::System(e.to_string());
        let about = self.about(place, version);
        let seed = random_key()?;
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(failed)?;

        let mut sealed = Vec::with_capacity(OVERHEAD + value.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(seed.as_slice());
        let wrapped = &mut sealed[SEED_AT + NONCE_LEN..];
        let tag = wrapping.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&about), wrapped).map_err(failed)?;
        sealed.extend_from_slice(tag.as_ref());
        let (key, commitment) = derive(&seed)?;
        sealed.extend_from_slice(&commitment);
        sealed.extend_from_slice(value);
        let tag = key.seal_in_place_separate_tag(once(), Aad::from(&about), &mut sealed[BODY_AT..]).map_err(failed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a sealed value at its place.
    ///
    /// # Errors
    /// `Malformed` when it is cut off, `NoVersion` when its key is not there, `Broken` when it was changed or belongs elsewhere.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let version = sealed_version(sealed).ok_or(KeyError::Malformed)?;
        let wrapping = self.content.get(&version).ok_or(KeyError::NoVersion(version))?;
        let about = self.about(place, version);
        let nonce = Nonce::try_assume_unique_for_key(&sealed[SEED_AT..SEED_AT + NONCE_LEN]).map_err(|_| KeyError::Malformed)?;
        let mut wrapped = zeroize::Zeroizing::new([0_u8; 48]);
        wrapped.copy_from_slice(&sealed[SEED_AT + NONCE_LEN..COMMITMENT_AT]);
        let mut seed = Secret::default();
        seed.copy_from_slice(wrapping.open_in_place(nonce, Aad::from(&about), wrapped.as_mut()).map_err(|_| KeyError::Broken)?);
        let (key, commitment) = derive(&seed)?;
        if commitment != sealed[COMMITMENT_AT..BODY_AT] {
            return Err(KeyError::Broken);
        }
        let mut value = sealed[BODY_AT..].to_vec();
        let len = key.open_in_place(once(), Aad::from(&about), &mut value).map_err(|_| KeyError::Broken)?.len();
        value.truncate(len);
        Ok(value)
    }

    /// The first 16 bytes of HMAC-SHA-256 of a word under the tenant's index key: equal words are equal, and nothing else can be learned
    /// without the key but how often each occurs.
    #[must_use]
    pub fn hashed_word(&self, word: &str) -> [u8; 16] {
        let tag = hmac::sign(&self.index, word.as_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&tag.as_ref()[..16]);
        out
    }

    /// HMAC-SHA-256 of bytes under the tenant's index key, for a name that tells nothing of what it stands for. `purpose` keeps names of one kind
    /// from those of another and from hashed words, which no purpose begins like: it is set off by zero bytes.
    #[must_use]
    pub fn hashed_name(&self, purpose: &'static str, bytes: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.index);
        for part in [b"\0", purpose.as_bytes(), b"\0", bytes] {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    fn about(&self, place: Place, version: u32) -> Vec<u8> {
        let fixed =
            [[VERSION].as_slice(), self.tenant.0.as_bytes(), place.row.as_bytes(), &place.part.to_be_bytes(), &version.to_be_bytes()];
        let mut about = fixed.concat();
        about.extend_from_slice(place.column.as_bytes());
        about
    }
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantKeys({}, version {})", self.tenant, self.version())
    }
}

fn aead(secret: &Secret) -> Result<LessSafeKey, KeyError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(|e| KeyError::System(e.to_string()))?))
}

/// The nonce of a key that is used once.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// A value's own key, and the commitment to it.
fn derive(seed: &Secret) -> Result<(LessSafeKey, [u8; 32]), KeyError> {
    let failed = |e: ring::error::Unspecified| KeyError::System(e.to_string());
    let from = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, seed.as_slice());
    let (mut key, mut commitment) = (Secret::default(), [0; 32]);
    from.expand(&[b"vital value key"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut())).map_err(failed)?;
    from.expand(&[b"vital value commitment"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut commitment)).map_err(failed)?;
    Ok((aead(&key)?, commitment))
}

#[cfg(test)]
mod tests;
