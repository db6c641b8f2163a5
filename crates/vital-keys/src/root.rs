//! Root keys: one that wraps, and former ones that still unwrap while a rotation is under way.

use crate::{KeyError, Secret};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom as _, SystemRandom},
};

/// The only format of a wrapped key: version, nonce of 96 bits, 32 bytes sealed with a tag of 128 bits.
const WRAP_VERSION: u8 = 1;
const WRAPPED_LEN: usize = 1 + NONCE_LEN + 32 + 16;

/// A root key.
pub enum RootKey {
    /// Held in the memory of this process.
    Software {
        /// What names it in the database and in messages: 16 hexadecimal digits, of which the key cannot be learned.
        id: String,
        /// The key, ready for use.
        key: Box<LessSafeKey>,
    },
    /// Held in a PKCS#11 token, which does the wrapping.
    #[cfg(feature = "pkcs11")]
    Token(crate::pkcs11::Pkcs11Root),
}

impl RootKey {
    /// Takes 32 secret bytes for a root key.
    ///
    /// # Errors
    /// `System` never happens for 32 bytes.
    pub fn software(secret: &[u8; 32]) -> Result<Self, KeyError> {
        let mut named = b"vital root key id\0".to_vec();
        named.extend_from_slice(secret);
        let id = hex::encode(&digest::digest(&digest::SHA256, &named).as_ref()[..8]);
        zeroize::Zeroize::zeroize(&mut named);
        let key = UnboundKey::new(&AES_256_GCM, secret).map_err(|e| KeyError::System(e.to_string()))?;
        Ok(Self::Software { id, key: Box::new(LessSafeKey::new(key)) })
    }

    /// What names the key.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Software { id, .. } => id,
            #[cfg(feature = "pkcs11")]
            Self::Token(token) => token.key_id(),
        }
    }

    /// Wraps a key for a purpose that `about` names; it unwraps only with the same words.
    ///
    /// # Errors
    /// `System` when there are no random bytes or the token fails.
    pub fn wrap(&self, about: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Software { key: root, .. } => {
                let mut nonce = [0_u8; NONCE_LEN];
                SystemRandom::new().fill(&mut nonce).map_err(|e| KeyError::System(e.to_string()))?;
                let mut body = key.to_vec();
                root.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), &mut body)
                    .map_err(|e| KeyError::System(e.to_string()))?;
                Ok([&[WRAP_VERSION], nonce.as_slice(), &body].concat())
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(token) => token.wrap(about, key).map_err(|e| KeyError::System(e.to_string())),
        }
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// `Malformed` and `Broken` when it was changed, wrapped for something else or by another root key.
    pub fn unwrap(&self, about: &[u8], wrapped: &[u8]) -> Result<Secret, KeyError> {
        match self {
            Self::Software { key: root, .. } => {
                if wrapped.len() != WRAPPED_LEN || wrapped.first() != Some(&WRAP_VERSION) {
                    return Err(KeyError::Malformed);
                }
                let nonce = Nonce::try_assume_unique_for_key(&wrapped[1..=NONCE_LEN]).map_err(|_| KeyError::Malformed)?;
                let mut body = zeroize::Zeroizing::new(wrapped[1 + NONCE_LEN..].to_vec());
                let open = root.open_in_place(nonce, Aad::from(about), &mut body).map_err(|_| KeyError::Broken)?;
                let mut secret = Secret::default();
                secret.copy_from_slice(open);
                Ok(secret)
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(token) => token.unwrap(about, wrapped).map_err(|e| KeyError::System(e.to_string())),
        }
    }

    /// Opens a value of the format before tenants had keys: version 1, nonce, AES-256-GCM under the root key itself.
    ///
    /// # Errors
    /// `Malformed` and `Broken`, as for any sealed value.
    pub fn open_before_tenant_keys(&self, about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Software { key, .. } => {
                let (nonce, body) = match sealed.split_first() {
                    Some((1, rest)) if rest.len() > NONCE_LEN => rest.split_at(NONCE_LEN),
                    _ => return Err(KeyError::Malformed),
                };
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Malformed)?;
                let mut body = body.to_vec();
                Ok(key.open_in_place(nonce, Aad::from(about), &mut body).map_err(|_| KeyError::Broken)?.to_vec())
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(_) => Err(KeyError::Broken),
        }
    }
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootKey({})", self.id())
    }
}

/// The root keys of an installation.
#[derive(Debug)]
pub struct RootKeys {
    current: RootKey,
    former: Vec<RootKey>,
}

impl RootKeys {
    /// Takes the key that wraps, and those that only unwrap.
    #[must_use]
    pub fn new(current: RootKey, former: Vec<RootKey>) -> Self {
        Self { current, former }
    }

    /// The key that wraps.
    #[must_use]
    pub fn current(&self) -> &RootKey {
        &self.current
    }

    /// The key of an id.
    ///
    /// # Errors
    /// `NoRoot` names the id and those that are there.
    pub fn named(&self, id: &str) -> Result<&RootKey, KeyError> {
        self.all()
            .find(|k| k.id() == id)
            .ok_or_else(|| KeyError::NoRoot { wanted: id.to_owned(), have: self.all().map(RootKey::id).collect::<Vec<_>>().join(", ") })
    }

    /// All keys, the one that wraps first.
    pub fn all(&self) -> impl Iterator<Item = &RootKey> {
        std::iter::once(&self.current).chain(&self.former)
    }
}
