//! Authenticator data (WebAuthn section 6.1): who it is for, what was checked, and on registration the new credential.

use super::PasskeyError;
use ciborium::Value;
use uuid::Uuid;

/// Longest credential id, in bytes (section 5.8.3 and CTAP 2.1).
pub(super) const CREDENTIAL_ID_BYTES_MAX: usize = 1_023;
const CUT_SHORT: PasskeyError = PasskeyError::Malformed("the authenticator data is cut short");

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const fn user_present(self) -> bool {
        self.0 & 0x01 != 0
    }

    pub(super) const fn user_verified(self) -> bool {
        self.0 & 0x04 != 0
    }

    pub(super) const fn backup_eligible(self) -> bool {
        self.0 & 0x08 != 0
    }

    pub(super) const fn backed_up(self) -> bool {
        self.0 & 0x10 != 0
    }

    const fn has_credential(self) -> bool {
        self.0 & 0x40 != 0
    }

    const fn has_extensions(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// A credential that was just made (section 6.5.1).
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NewCredential {
    pub(super) aaguid: Uuid,
    pub(super) id: Vec<u8>,
    /// COSE form.
    pub(super) public_key: Vec<u8>,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct AuthenticatorData {
    pub(super) rp_id_hash: [u8; 32],
    pub(super) flags: Flags,
    pub(super) counter: u32,
    pub(super) credential: Option<NewCredential>,
}

impl AuthenticatorData {
    /// Reads authenticator data to its last byte; what the flags do not announce must not be there.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PasskeyError> {
        let mut rest = bytes;
        let rp_id_hash = take::<32>(&mut rest)?;
        let [flags] = take::<1>(&mut rest)?;
        let flags = Flags(flags);
        let counter = u32::from_be_bytes(take(&mut rest)?);
        let credential = if flags.has_credential() { Some(read_credential(&mut rest)?) } else { None };
        if flags.has_extensions() && !matches!(cbor(&mut rest)?, Value::Map(_)) {
            return Err(PasskeyError::Malformed("the extensions are not a map"));
        }
        if rest.is_empty() {
            Ok(Self { rp_id_hash, flags, counter, credential })
        } else {
            Err(PasskeyError::Malformed("there is more authenticator data than announced"))
        }
    }
}

fn read_credential(rest: &mut &[u8]) -> Result<NewCredential, PasskeyError> {
    let aaguid = Uuid::from_bytes(take(rest)?);
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    if length == 0 || length > CREDENTIAL_ID_BYTES_MAX {
        return Err(PasskeyError::Malformed("the id of the passkey has no acceptable length"));
    }
    let (id, key_onwards) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
    *rest = key_onwards;
    cbor(rest)?;
    let public_key = &key_onwards[..key_onwards.len() - rest.len()];
    Ok(NewCredential { aaguid, id: id.to_vec(), public_key: public_key.to_vec() })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], PasskeyError> {
    let (taken, left) = rest.split_first_chunk::<N>().ok_or(CUT_SHORT)?;
    *rest = left;
    Ok(*taken)
}

/// Reads one item and leaves what follows it.
pub(super) fn cbor(rest: &mut &[u8]) -> Result<Value, PasskeyError> {
    // The depth is that of CTAP 2 canonical form with room to spare; the default of the crate is 256.
    ciborium::de::from_reader_with_recursion_limit(rest, 16).map_err(|_| PasskeyError::Malformed("its CBOR is damaged"))
}
