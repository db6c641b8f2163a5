//! What the browser answers (`RegistrationResponseJSON` and `AuthenticationResponseJSON`, WebAuthn section 5.1.8), read within limits.

use super::{
    PasskeyError, USER_HANDLE_BYTES_MAX,
    authenticator::{CREDENTIAL_ID_BYTES_MAX, cbor},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

/// Longest client data, in bytes; browsers make some 150.
const CLIENT_DATA_BYTES_MAX: usize = 8 * 1024;
/// Longest attestation object, in bytes; one with a chain of certificates has some 6,000.
const ATTESTATION_BYTES_MAX: usize = 64 * 1024;
/// Longest authenticator data of a sign-in, in bytes; 37 without extensions.
const AUTHENTICATOR_DATA_BYTES_MAX: usize = 16 * 1024;
/// Longest signature, in bytes: RSA with 4,096 bits.
const SIGNATURE_BYTES_MAX: usize = 512;
/// Most transports that are kept.
const TRANSPORTS_MAX: usize = 8;
/// Longest name of a transport, in bytes.
const TRANSPORT_BYTES_MAX: usize = 32;
/// Longest origin that is repeated in an error, in characters.
const ORIGIN_CHARS_SHOWN: usize = 200;

/// Whom an answer claims to be; for looking the passkey up, and believed only after [`super::RelyingParty::finish_authentication`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// Id of the passkey.
    pub credential_id: Vec<u8>,
    /// Handle of its owner; there in sign-ins without a name.
    pub user_handle: Option<Vec<u8>>,
}

/// Returns whom an answer claims to be.
///
/// # Errors
/// `Malformed` or `TooLong` when it cannot be read.
pub fn claim(answer: &Value) -> Result<Claim, PasskeyError> {
    let answer = authentication(answer)?;
    Ok(Claim { credential_id: answer.credential_id, user_handle: answer.user_handle })
}

pub(super) struct Registration {
    pub(super) credential_id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) attestation_object: Vec<u8>,
    pub(super) transports: Vec<String>,
}

pub(super) struct Authentication {
    pub(super) credential_id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) user_handle: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a, R> {
    id: &'a str,
    raw_id: &'a str,
    r#type: &'a str,
    response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRegistration<'a> {
    #[serde(rename = "clientDataJSON")]
    client_data: &'a str,
    attestation_object: &'a str,
    #[serde(default)]
    transports: Vec<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthentication<'a> {
    #[serde(rename = "clientDataJSON")]
    client_data: &'a str,
    authenticator_data: &'a str,
    signature: &'a str,
    user_handle: Option<&'a str>,
}

pub(super) fn registration(answer: &Value) -> Result<Registration, PasskeyError> {
    let (credential_id, r) = envelope::<WireRegistration<'_>>(answer)?;
    let plausible = |t: &&str| !t.is_empty() && t.len() <= TRANSPORT_BYTES_MAX && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    Ok(Registration {
        credential_id,
        client_data: bytes(r.client_data, "clientDataJSON", CLIENT_DATA_BYTES_MAX)?,
        attestation_object: bytes(r.attestation_object, "attestationObject", ATTESTATION_BYTES_MAX)?,
        // Unknown ones are kept: section 5.8.4 asks for it. They are hints for the browser and nothing more.
        transports: r.transports.into_iter().filter(plausible).take(TRANSPORTS_MAX).map(str::to_owned).collect(),
    })
}

pub(super) fn authentication(answer: &Value) -> Result<Authentication, PasskeyError> {
    let (credential_id, r) = envelope::<WireAuthentication<'_>>(answer)?;
    Ok(Authentication {
        credential_id,
        client_data: bytes(r.client_data, "clientDataJSON", CLIENT_DATA_BYTES_MAX)?,
        authenticator_data: bytes(r.authenticator_data, "authenticatorData", AUTHENTICATOR_DATA_BYTES_MAX)?,
        signature: bytes(r.signature, "signature", SIGNATURE_BYTES_MAX)?,
        user_handle: r.user_handle.map(|h| bytes(h, "userHandle", USER_HANDLE_BYTES_MAX)).transpose()?,
    })
}

fn envelope<'a, R: Deserialize<'a>>(answer: &'a Value) -> Result<(Vec<u8>, R), PasskeyError> {
    let wire = Wire::<R>::deserialize(answer).map_err(|_| PasskeyError::Malformed("a field is missing or of another type"))?;
    if wire.r#type != "public-key" || wire.id != wire.raw_id {
        return Err(PasskeyError::Malformed("it is not about a passkey"));
    }
    Ok((bytes(wire.raw_id, "rawId", CREDENTIAL_ID_BYTES_MAX)?, wire.response))
}

fn bytes(text: &str, what: &'static str, bytes_max: usize) -> Result<Vec<u8>, PasskeyError> {
    if text.len() > bytes_max.div_ceil(3) * 4 {
        return Err(PasskeyError::TooLong(what));
    }
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyError::Malformed("a field is not base64url"))
}

/// Returns the authenticator data inside an attestation object (section 6.5.4). Its statement is left unread.
pub(super) fn authenticator_data(attestation_object: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    let mut rest = attestation_object;
    let ciborium::Value::Map(map) = cbor(&mut rest)? else { return Err(PasskeyError::Malformed("the attestation is not a map")) };
    if !rest.is_empty() {
        return Err(PasskeyError::Malformed("the attestation has trailing bytes"));
    }
    map.into_iter()
        .find(|(name, _)| name.as_text() == Some("authData"))
        .and_then(|(_, data)| data.into_bytes().ok())
        .ok_or(PasskeyError::Malformed("the attestation holds no authenticator data"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

/// Checks what the browser says it signed (section 7.1 steps 7 to 11).
pub(super) fn check_client_data(json: &[u8], ceremony: &str, challenge: &str, origin: &str) -> Result<(), PasskeyError> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| PasskeyError::Malformed("its client data is damaged"))?;
    if data.r#type != ceremony {
        return Err(PasskeyError::WrongCeremony);
    }
    if data.challenge != challenge {
        return Err(PasskeyError::WrongChallenge);
    }
    if data.origin != origin {
        return Err(PasskeyError::WrongOrigin { got: data.origin.chars().take(ORIGIN_CHARS_SHOWN).collect(), expected: origin.to_owned() });
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(PasskeyError::CrossOrigin);
    }
    Ok(())
}
