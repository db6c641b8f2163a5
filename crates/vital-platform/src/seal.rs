//! Secrets that the platform must be able to read again (seeds of one-time codes, client secrets of providers), sealed with AES-256-GCM.
//!
//! **Invariants:** every sealed value begins with a version byte and a random 96-bit nonce; its associated data names tenant, table, column
//! and row, so a value moved elsewhere does not open. The key comes from a file outside the database.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use uuid::Uuid;
use vital_kernel::{Error, Result, TenantId};

/// The only version there is: AES-256-GCM, nonce of 96 bits, tag of 128 bits.
const VERSION: u8 = 1;

/// The key that seals.
pub struct Sealer(LessSafeKey);

/// What a sealed value belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The tenant.
    pub tenant: TenantId,
    /// Table and column, for example `factors.secret`.
    pub column: &'static str,
    /// The row.
    pub row: Uuid,
}

impl Place {
    fn associated(self) -> Vec<u8> {
        [&[VERSION], self.tenant.0.as_bytes().as_slice(), self.row.as_bytes(), self.column.as_bytes()].concat()
    }
}

impl Sealer {
    /// Makes a sealer from 32 secret bytes.
    ///
    /// # Errors
    /// `Internal` never happens for a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|e| Error::internal(e.to_string()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// `Internal` when the system gives no random bytes.
    pub fn seal(&self, place: Place, value: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|e| Error::internal(e.to_string()))?;
        let mut body = value.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.associated()), &mut body)
            .map_err(|e| Error::internal(e.to_string()))?;
        Ok([&[VERSION], nonce.as_slice(), &body].concat())
    }

    /// Opens a sealed value at its place.
    ///
    /// # Errors
    /// `Unavailable` when the value was sealed with another key, belongs elsewhere or was changed.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>> {
        let broken = || {
            Error::unavailable(
                "seal.broken",
                "A stored secret cannot be opened: the server's key file is not the one it was sealed with. Tell whoever runs the server; nothing was changed.",
            )
        };
        let (nonce, body) = match sealed.split_first() {
            Some((&VERSION, rest)) if rest.len() > NONCE_LEN => rest.split_at(NONCE_LEN),
            _ => return Err(broken()),
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut body = body.to_vec();
        let open = self.0.open_in_place(nonce, Aad::from(place.associated()), &mut body).map_err(|_| broken())?;
        Ok(open.to_vec())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { tenant: TenantId::new(), column: "factors.secret", row: Uuid::now_v7() }
    }

    #[test]
    fn a_sealed_value_opens_at_its_place_and_nowhere_else() {
        let (sealer, here) = (Sealer::new(&[7; 32]).unwrap(), place());
        let sealed = sealer.seal(here, b"seed").unwrap();
        assert_eq!(sealer.open(here, &sealed).unwrap(), b"seed");
        assert!(!sealed.windows(4).any(|w| w == b"seed"));
        for elsewhere in [Place { tenant: TenantId::new(), ..here }, Place { row: Uuid::now_v7(), ..here }, Place { column: "x.y", ..here }]
        {
            assert!(sealer.open(elsewhere, &sealed).is_err());
        }
        assert!(Sealer::new(&[8; 32]).unwrap().open(here, &sealed).is_err(), "another key");
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (sealer, here) = (Sealer::new(&[7; 32]).unwrap(), place());
        let sealed = sealer.seal(here, b"seed").unwrap();
        for i in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[i] ^= 1;
            assert!(sealer.open(here, &broken).is_err(), "byte {i}");
        }
        assert!(sealer.open(here, &[]).is_err() && sealer.open(here, &[1; 12]).is_err());
    }
}
