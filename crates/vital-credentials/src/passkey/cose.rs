//! Public keys in COSE form (RFC 9052 section 7, RFC 9053, RFC 8230) and their signatures, for the three algorithms that are offered.

use super::{PasskeyError, authenticator::cbor};
use ciborium::Value;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};

const EDDSA: i64 = -8;
const ES256: i64 = -7;
const RS256: i64 = -257;
/// What is offered, best liked first. ES256 is what nearly all passkeys are; RS256 is for Windows Hello on old TPMs.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
/// Longest RSA modulus, in bytes: 4,096 bits.
const MODULUS_BYTES_MAX: usize = 512;
/// Shortest RSA modulus, in bytes: 2,048 bits.
const MODULUS_BYTES_MIN: usize = 256;
/// Longest RSA exponent, in bytes; every TPM uses 65537.
const EXPONENT_BYTES_MAX: usize = 4;

/// A key of a passkey.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum PublicKey {
    /// An uncompressed point on P-256.
    Es256([u8; 65]),
    Ed25519([u8; 32]),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a key; each algorithm has one type and one curve here (section 5.8.5).
    pub(super) fn read(cose: &[u8]) -> Result<Self, PasskeyError> {
        let mut rest = cose;
        let Value::Map(map) = cbor(&mut rest)? else { return Err(PasskeyError::Malformed("the public key is not a map")) };
        if !rest.is_empty() {
            return Err(PasskeyError::Malformed("the public key has trailing bytes"));
        }
        let integer = |label| find(&map, label).and_then(Value::as_integer).and_then(|i| i64::try_from(i).ok());
        let bytes = |label| find(&map, label).and_then(Value::as_bytes);
        let fixed = |label| bytes(label).and_then(|b| <[u8; 32]>::try_from(b.as_slice()).ok());
        // Labels: 1 type, 3 algorithm, -1 curve or n, -2 x or e, -3 y.
        let key = match (integer(3), integer(1)) {
            (Some(ES256), Some(2)) if integer(-1) == Some(1) => fixed(-2).zip(fixed(-3)).map(|(x, y)| {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Self::Es256(point)
            }),
            (Some(EDDSA), Some(1)) if integer(-1) == Some(6) => fixed(-2).map(Self::Ed25519),
            (Some(RS256), Some(3)) => {
                bytes(-1).zip(bytes(-2)).filter(|(n, e)| rsa_fits(n, e)).map(|(n, e)| Self::Rs256 { n: n.clone(), e: e.clone() })
            }
            _ => return Err(PasskeyError::UnsupportedKey),
        };
        key.ok_or(PasskeyError::Malformed("the public key lacks a part or has one of the wrong length"))
    }

    /// Tells whether a signature is this key's.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        }
        .is_ok()
    }
}

fn rsa_fits(n: &[u8], e: &[u8]) -> bool {
    (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&n.len()) && (1..=EXPONENT_BYTES_MAX).contains(&e.len())
}

fn find(map: &[(Value, Value)], label: i64) -> Option<&Value> {
    map.iter().find(|(k, _)| *k == Value::from(label)).map(|(_, v)| v)
}
