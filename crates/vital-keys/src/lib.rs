//! The key hierarchy: a root key outside the database wraps the keys of tenants, a tenant's key wraps a key of its own for every value.
//!
//! **Invariants:** a sealed value opens at its place (tenant, table, column, row, part) and with the version of the tenant's key it names,
//! and nowhere else; every value is sealed with a key that is used once; destroying a tenant's keys destroys what they sealed. Pure: what
//! is stored where is the business of `vital-store`.
//!
//! Formats are versioned by their first byte. Everything is AES-256-GCM (NIST SP 800-38D) by ring.

#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod private_file;
mod root;
mod secret_text;
mod source;
mod tenant;

pub use root::{RootKey, RootKeys};
pub use secret_text::{Check, SecretText};
pub use source::RootSource;
pub use tenant::{Place, Purpose, TenantKeys, WrappedKey, new_key, sealed_version};

/// Why a key or a sealed value cannot be used. Says no secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The value is too short or of a format that this version does not know.
    #[error("a sealed value is cut off or of an unknown format")]
    Malformed,
    /// The value belongs elsewhere, was changed, or was sealed with another key.
    #[error("a sealed value does not open at its place: it was changed, moved, or sealed with another key")]
    Broken,
    /// The tenant's key of this version is not there.
    #[error("version {0} of the organisation's key is not there")]
    NoVersion(u32),
    /// The root key that wrapped a tenant's key is not there.
    #[error("root key {wanted} is not there; there are: {have}")]
    NoRoot {
        /// The id that is asked for.
        wanted: String,
        /// The ids of the keys that are there.
        have: String,
    },
    /// A root key cannot be read or made.
    #[error("{0}")]
    Source(String),
    /// The system gave no random bytes, or a token failed.
    #[error("keys cannot be used at the moment: {0}")]
    System(String),
}

/// 32 secret bytes that are overwritten when they are dropped.
pub type Secret = zeroize::Zeroizing<[u8; 32]>;

/// Fills 32 bytes from the system's random source.
///
/// # Errors
/// `System` when it gives none.
pub fn random_key() -> Result<Secret, KeyError> {
    use ring::rand::SecureRandom as _;
    let mut key = Secret::default();
    ring::rand::SystemRandom::new().fill(key.as_mut()).map_err(|e| KeyError::System(e.to_string()))?;
    Ok(key)
}
