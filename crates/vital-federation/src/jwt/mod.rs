//! Access tokens of Supabase Auth, and of any issuer that signs JWTs the same way.
//!
//! **Invariant:** a verifier holds either shared secrets or the address of a key set, and each accepts its own family of algorithms
//! alone: a token signed by HMAC with a public key as the secret is refused before any key is looked at.
//!
//! In a Supabase token `app_metadata` is written by the server and `user_metadata` by the person: only the former may be mapped
//! to roles or tenants. Deliberately not here: sessions, refresh, and revocation before `exp`.

#[cfg(test)]
mod tests;

use crate::{
    Claims, FederationError, Http, Secret, TokenRefused,
    claims::{Expected, text},
    jwks,
    jws::Compact,
};
use ring::hmac;
use time::OffsetDateTime;
use vital_outbound::Url;

/// Shortest HMAC secret, in bytes (RFC 7518 section 3.2: as long as the hash).
pub const SECRET_BYTES_MIN: usize = 32;
/// Most secrets: the current and the previous one.
pub const SECRETS_MAX: usize = 2;
/// Values of `typ` that an access token may have (RFC 9068 section 2.1).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// The keys that an issuer signs with.
#[derive(Clone, Debug)]
pub enum Keys {
    /// HS256 with one or two shared secrets: the current, and during a rotation the previous.
    Hs256(Vec<Secret>),
    /// RS256, PS256, ES256 or EdDSA with the keys published at this address.
    Jwks(Url),
}

/// The settings of an issuer whose access tokens are accepted.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: Keys,
}

impl Verifier {
    /// Checks the settings; nothing is fetched.
    ///
    /// # Errors
    /// [`FederationError::Settings`] for an empty issuer or audience, no or more than [`SECRETS_MAX`] secrets, or a secret shorter
    /// than [`SECRET_BYTES_MIN`].
    pub fn new(issuer: String, audience: String, keys: Keys) -> Result<Self, FederationError> {
        let what = match &keys {
            _ if issuer.is_empty() || audience.is_empty() => Some("issuer and audience must be set"),
            Keys::Hs256(secrets) if secrets.is_empty() || secrets.len() > SECRETS_MAX => Some("one or two signing secrets must be set"),
            Keys::Hs256(secrets) if secrets.iter().any(|secret| secret.expose().len() < SECRET_BYTES_MIN) => {
                Some("a signing secret must have at least 32 bytes")
            }
            _ => None,
        };
        match what {
            Some(what) => Err(FederationError::Settings { what }),
            None => Ok(Self { issuer, audience, keys }),
        }
    }

    /// Returns the issuer whose tokens are accepted, for comparison with [`peek_issuer`].
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Tells whether the key set can be fetched and has a usable key; with shared secrets there is nothing to fetch.
    ///
    /// # Errors
    /// What the fetch may end in.
    pub async fn reach(&self, http: &Http) -> Result<(), FederationError> {
        match &self.keys {
            Keys::Hs256(_) => Ok(()),
            Keys::Jwks(url) => jwks::reach(http, url).await,
        }
    }

    /// Checks an access token: signature, `iss`, `aud`, `exp`, `nbf`, `iat` and `sub`, with [`crate::CLOCK_SKEW_SECONDS`] of tolerance.
    ///
    /// # Errors
    /// [`FederationError::Refused`] with the reason; with a key set also what its fetch may end in.
    pub async fn verify(&self, http: &Http, token: &str) -> Result<Claims, FederationError> {
        let compact = Compact::parse(token)?;
        compact.check_type(&TYPES)?;
        match &self.keys {
            Keys::Hs256(secrets) => check_hmac(secrets, &compact)?,
            Keys::Jwks(url) => jwks::verify(http, url, &compact).await?,
        }
        let expected = Expected { issuer: &self.issuer, audience: &self.audience, now: OffsetDateTime::now_utc() };
        Ok(Claims::check(compact.unverified, &expected)?)
    }
}

/// Reads the issuer that a token claims to come from, unverified: good for choosing a [`Verifier`], never for trusting.
#[must_use]
pub fn peek_issuer(token: &str) -> Option<String> {
    let compact = Compact::parse(token).ok()?;
    text(&compact.unverified, "iss").ok().map(str::to_owned)
}

fn check_hmac(secrets: &[Secret], token: &Compact<'_>) -> Result<(), TokenRefused> {
    if token.header.alg != "HS256" {
        return Err(TokenRefused::Algorithm);
    }
    let verifies = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        hmac::verify(&key, token.signed, &token.signature).is_ok()
    };
    match secrets.iter().any(verifies) {
        true => Ok(()),
        false => Err(TokenRefused::Signature),
    }
}
