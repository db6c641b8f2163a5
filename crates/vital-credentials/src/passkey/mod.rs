//! Passkeys: the relying party of WebAuthn level 3 (<https://www.w3.org/TR/webauthn-3/>, sections 7.1 and 7.2).
//!
//! A ceremony has two halves. The first returns options for the browser (`PublicKeyCredential.parseCreationOptionsFromJSON` and
//! `parseRequestOptionsFromJSON`) and a state that the caller keeps on the server, for [`CEREMONY_TIMEOUT`] and one use; the second takes
//! the state and what `PublicKeyCredential.toJSON` made of the answer.
//!
//! **Invariants:** challenge, origin, relying party, user presence, user verification and signature are checked on every path; a signature
//! counter that does not advance is an error of its own, the sign of a cloned authenticator.
//!
//! Attestation is neither asked for nor believed: which make of authenticator a person uses is theirs to choose. A statement that comes all
//! the same (some authenticators sign themselves) is left unread.
//!
//! Why not a crate, looked at on 2026-11-22: `webauthn_rp` 0.3 links no OpenSSL, but it keeps its own clock in the ceremony and stands on
//! `rsa` 0.9 (RUSTSEC-2023-0071) and a second set of curves; `webauthn-rs` 0.6 links neither OpenSSL nor aws-lc since it moved to
//! RustCrypto, but to release candidates of it (`rsa` 0.10.0-rc, `kbkdf` 0.1.0-rc), some 200 crates with certificate parsing that only
//! attestation needs. What is left without attestation is this folder, on ring, the one provider of cryptography (`deny.toml`).

mod authenticator;
mod cose;
mod error;
mod reply;
#[cfg(test)]
mod tests;

pub use error::{OriginUnsuited, PasskeyError};
pub use reply::{Claim, claim};

use crate::alphabet;
use authenticator::AuthenticatorData;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use cose::PublicKey;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How long a ceremony may take; the browser is told, and the caller drops the state after it.
pub const CEREMONY_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Longest user handle, in bytes (section 5.4.3).
pub const USER_HANDLE_BYTES_MAX: usize = 64;
/// Bytes of a challenge; section 13.4.3 asks for at least 16.
const CHALLENGE_BYTES: usize = 32;
/// What the browser shows as the party that asks.
const NAME: &str = "VITAL Path";

/// The server as passkeys know it: one origin, and the domain that passkeys are bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

/// The first half of a ceremony.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// What the browser gets.
    pub options: Value,
    /// What the caller keeps on the server until the browser answers, JSON; for one use.
    pub state: String,
}

/// The person who registers a passkey.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyUser<'a> {
    /// An id that says nothing about the person, at most [`USER_HANDLE_BYTES_MAX`] bytes; the same for all their passkeys.
    pub handle: &'a [u8],
    /// What tells accounts apart, as a rule the address.
    pub name: &'a str,
    /// The person's name.
    pub display_name: &'a str,
}

/// What is stored of a passkey.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredPasskey {
    /// Id that the authenticator chose; unique.
    #[serde(with = "base64url")]
    pub credential_id: Vec<u8>,
    /// Public key in COSE form (RFC 9052 section 7).
    #[serde(with = "base64url")]
    pub public_key: Vec<u8>,
    /// Whose it is.
    #[serde(with = "base64url")]
    pub user_handle: Vec<u8>,
    /// Signature counter as last seen; 0 where the authenticator does not count.
    pub counter: u32,
    /// How the browser reaches the authenticator: `internal`, `hybrid`, `usb` and so on.
    pub transports: Vec<String>,
    /// Whether it may be copied to other devices of the person (a synced passkey).
    pub backup_eligible: bool,
    /// Whether it has been copied.
    pub backed_up: bool,
    /// Make of the authenticator as it says itself; all zeroes when it does not. Good for a picture in a list, never for a decision.
    pub aaguid: Uuid,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "ceremony", rename_all = "snake_case")]
enum State {
    Registration { challenge: String, user_handle: String, excluded: Vec<String> },
    Authentication { challenge: String, allowed: Option<Vec<String>> },
}

impl RelyingParty {
    /// Derives the relying party from the public URL of the server: `https://host`, or `http://localhost:port` for trying out.
    ///
    /// # Errors
    /// When browsers would refuse passkeys at that URL: an IP address, plain http elsewhere, or no URL.
    pub fn new(origin: &str) -> Result<Self, OriginUnsuited> {
        let url = url::Url::parse(origin).map_err(|_| OriginUnsuited::NotAUrl(origin.to_owned()))?;
        let host = match url.host() {
            Some(url::Host::Domain(host)) => host,
            Some(_) => return Err(OriginUnsuited::IpAddress(origin.to_owned())),
            None => return Err(OriginUnsuited::NotAUrl(origin.to_owned())),
        };
        let local = host == "localhost" || host.ends_with(".localhost");
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            _ => return Err(OriginUnsuited::NotSecure(origin.to_owned())),
        }
        Ok(Self { id: host.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// The domain that passkeys are bound to; they stop working when it changes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one origin that answers may come from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Starts the registration of a passkey; authenticators that hold one of `existing` are left out.
    ///
    /// # Errors
    /// `UserHandle` when the handle is empty or too long.
    pub fn start_registration(&self, user: PasskeyUser<'_>, existing: &[StoredPasskey]) -> Result<Ceremony, PasskeyError> {
        if user.handle.is_empty() || user.handle.len() > USER_HANDLE_BYTES_MAX {
            return Err(PasskeyError::UserHandle);
        }
        let challenge = challenge();
        let options = json!({
            "rp": { "id": self.id, "name": NAME },
            "user": { "id": encode(user.handle), "name": user.name, "displayName": user.display_name },
            "challenge": challenge,
            "pubKeyCredParams": cose::ALGORITHMS.map(|alg| json!({ "type": "public-key", "alg": alg })),
            "timeout": timeout_ms(),
            "excludeCredentials": descriptors(existing),
            "authenticatorSelection": { "residentKey": "preferred", "requireResidentKey": false, "userVerification": "required" },
            "attestation": "none",
        });
        Ok(Ceremony {
            options,
            state: seal(&State::Registration { challenge, user_handle: encode(user.handle), excluded: ids(existing) })?,
        })
    }

    /// Checks the browser's answer and returns the passkey to store. The caller refuses a credential id that anybody has already.
    ///
    /// # Errors
    /// Names the check that failed; nothing is registered then.
    pub fn finish_registration(&self, state: &str, answer: &Value) -> Result<StoredPasskey, PasskeyError> {
        let State::Registration { challenge, user_handle, excluded } = open(state)? else { return Err(PasskeyError::State) };
        let answer = reply::registration(answer)?;
        reply::check_client_data(&answer.client_data, "webauthn.create", &challenge, &self.origin)?;
        let data = AuthenticatorData::read(&reply::authenticator_data(&answer.attestation_object)?)?;
        self.check_presence(&data)?;
        let made = data.credential.ok_or(PasskeyError::Malformed("the answer holds no passkey"))?;
        if made.id != answer.credential_id {
            return Err(PasskeyError::Malformed("the answer names one passkey and holds another"));
        }
        if excluded.contains(&encode(&made.id)) {
            return Err(PasskeyError::AlreadyRegistered);
        }
        PublicKey::read(&made.public_key)?;
        Ok(StoredPasskey {
            credential_id: made.id,
            public_key: made.public_key,
            user_handle: decode(&user_handle)?,
            counter: data.counter,
            transports: answer.transports,
            backup_eligible: data.flags.backup_eligible(),
            backed_up: data.flags.backed_up(),
            aaguid: made.aaguid,
        })
    }

    /// Starts signing in, or stepping up, as a person who is known: one of `allowed` must answer.
    ///
    /// # Errors
    /// `NoPasskeys` when the person has none.
    pub fn start_authentication(&self, allowed: &[StoredPasskey]) -> Result<Ceremony, PasskeyError> {
        if allowed.is_empty() {
            return Err(PasskeyError::NoPasskeys);
        }
        self.start(&descriptors(allowed), Some(ids(allowed)))
    }

    /// Starts signing in without saying who one is: the authenticator offers what it holds.
    ///
    /// # Errors
    /// `State` when the state cannot be written, which does not happen.
    pub fn start_discoverable(&self) -> Result<Ceremony, PasskeyError> {
        self.start(&[], None)
    }

    fn start(&self, descriptors: &[Value], allowed: Option<Vec<String>>) -> Result<Ceremony, PasskeyError> {
        let challenge = challenge();
        let options = json!({
            "challenge": challenge,
            "rpId": self.id,
            "timeout": timeout_ms(),
            "allowCredentials": descriptors,
            "userVerification": "required",
        });
        Ok(Ceremony { options, state: seal(&State::Authentication { challenge, allowed })? })
    }

    /// Checks the browser's answer against the passkey that [`claim`] named, and returns the passkey as it must be stored now.
    ///
    /// The person is the one of its `user_handle`.
    ///
    /// # Errors
    /// Names the check that failed. After `CounterRegressed` the passkey may have been cloned: tell its owner.
    pub fn finish_authentication(&self, state: &str, answer: &Value, stored: &StoredPasskey) -> Result<StoredPasskey, PasskeyError> {
        let State::Authentication { challenge, allowed } = open(state)? else { return Err(PasskeyError::State) };
        let answer = reply::authentication(answer)?;
        let listed = allowed.as_ref().is_none_or(|ids| ids.contains(&encode(&answer.credential_id)));
        if !listed || answer.credential_id != stored.credential_id {
            return Err(PasskeyError::UnknownPasskey);
        }
        // With an allow list the browser may leave the handle out; without one nothing else says who signs in (section 7.2 step 6).
        match &answer.user_handle {
            Some(handle) if *handle != stored.user_handle => return Err(PasskeyError::WrongUser),
            None if allowed.is_none() => return Err(PasskeyError::WrongUser),
            _ => {}
        }
        reply::check_client_data(&answer.client_data, "webauthn.get", &challenge, &self.origin)?;
        let data = AuthenticatorData::read(&answer.authenticator_data)?;
        self.check_presence(&data)?;
        if data.flags.backup_eligible() != stored.backup_eligible {
            return Err(PasskeyError::BackupFlags);
        }
        let mut signed = answer.authenticator_data;
        signed.extend_from_slice(digest(&SHA256, &answer.client_data).as_ref());
        if !PublicKey::read(&stored.public_key)?.verify(&signed, &answer.signature) {
            return Err(PasskeyError::Signature);
        }
        if (data.counter != 0 || stored.counter != 0) && data.counter <= stored.counter {
            return Err(PasskeyError::CounterRegressed { stored: stored.counter, presented: data.counter });
        }
        Ok(StoredPasskey { counter: data.counter, backed_up: data.flags.backed_up(), ..stored.clone() })
    }

    /// The checks of the authenticator's flags that both ceremonies share.
    fn check_presence(&self, data: &AuthenticatorData) -> Result<(), PasskeyError> {
        if data.rp_id_hash != digest(&SHA256, self.id.as_bytes()).as_ref() {
            return Err(PasskeyError::WrongRelyingParty);
        }
        if !data.flags.user_present() {
            return Err(PasskeyError::UserNotPresent);
        }
        if !data.flags.user_verified() {
            return Err(PasskeyError::UserNotVerified);
        }
        if data.flags.backed_up() && !data.flags.backup_eligible() {
            return Err(PasskeyError::BackupFlags);
        }
        Ok(())
    }
}

fn challenge() -> String {
    encode(alphabet::random::<CHALLENGE_BYTES>().as_slice())
}

fn timeout_ms() -> u64 {
    CEREMONY_TIMEOUT.as_secs() * 1_000
}

fn ids(passkeys: &[StoredPasskey]) -> Vec<String> {
    passkeys.iter().map(|p| encode(&p.credential_id)).collect()
}

fn descriptors(passkeys: &[StoredPasskey]) -> Vec<Value> {
    passkeys.iter().map(|p| json!({ "type": "public-key", "id": encode(&p.credential_id), "transports": p.transports })).collect()
}

fn seal(state: &State) -> Result<String, PasskeyError> {
    serde_json::to_string(state).map_err(|_| PasskeyError::State)
}

fn open(state: &str) -> Result<State, PasskeyError> {
    serde_json::from_str(state).map_err(|_| PasskeyError::State)
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, PasskeyError> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyError::State)
}

/// Bytes as base64url in JSON, as everywhere in WebAuthn.
mod base64url {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_URL_SAFE_NO_PAD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
