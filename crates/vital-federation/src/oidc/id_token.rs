//! The checks of an ID token (OpenID Connect Core section 3.1.3.7).

use super::{Ceremony, Metadata, Provider, exchange::Tokens};
use crate::{
    CLOCK_SKEW_SECONDS, Claims, FederationError, Http, TokenRefused,
    claims::{Expected, seconds, text},
    jwks::{self, Algorithm},
    jws::Compact,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

/// Checks the token that came for a ceremony.
pub(super) async fn verify(
    http: &Http,
    provider: &Provider,
    metadata: &Metadata,
    ceremony: &Ceremony,
    tokens: &Tokens,
) -> Result<Claims, FederationError> {
    let compact = Compact::parse(&tokens.id_token)?;
    compact.check_type(&["JWT"])?;
    let algorithm = Algorithm::named(&compact.header.alg)?;
    jwks::verify(http, &metadata.jwks_uri, &compact).await?;
    let now = OffsetDateTime::now_utc();
    let expected = Expected { issuer: &provider.issuer, audience: &provider.client_id, now };
    let claims = Claims::check(compact.unverified, &expected)?;
    seconds(&claims.raw, "iat")?.ok_or(TokenRefused::Claim("iat"))?;
    check_nonce(&claims.raw, &ceremony.nonce)?;
    check_access_token(&claims.raw, algorithm, tokens.access_token.as_deref())?;
    check_authentication_age(&claims.raw, ceremony.max_age_seconds, now)?;
    Ok(claims)
}

fn check_nonce(raw: &Map<String, Value>, nonce: &str) -> Result<(), TokenRefused> {
    let same = bool::from(text(raw, "nonce")?.as_bytes().ct_eq(nonce.as_bytes()));
    if nonce.is_empty() || !same { Err(TokenRefused::Nonce) } else { Ok(()) }
}

/// `at_hash` is the left half of the hash that the signature algorithm uses (section 3.1.3.6); for Ed25519 that is SHA-512.
fn check_access_token(raw: &Map<String, Value>, algorithm: Algorithm, access_token: Option<&str>) -> Result<(), TokenRefused> {
    let (Some(expected), Some(access_token)) = (raw.get("at_hash"), access_token) else { return Ok(()) };
    let hash = match algorithm {
        Algorithm::EdDsa => &digest::SHA512,
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &digest::SHA256,
    };
    let digest = digest::digest(hash, access_token.as_bytes());
    let (left, _) = digest.as_ref().split_at(hash.output_len() / 2);
    if expected.as_str() == Some(&URL_SAFE_NO_PAD.encode(left)) { Ok(()) } else { Err(TokenRefused::AccessTokenHash) }
}

/// Step 13: a provider that was told to ask again must say when it did.
fn check_authentication_age(raw: &Map<String, Value>, max_age_seconds: Option<u32>, now: OffsetDateTime) -> Result<(), TokenRefused> {
    let Some(max_age) = max_age_seconds else { return Ok(()) };
    let authenticated = seconds(raw, "auth_time")?.ok_or(TokenRefused::Claim("auth_time"))?;
    let latest = authenticated.saturating_add(i64::from(max_age)).saturating_add(CLOCK_SKEW_SECONDS);
    if now.unix_timestamp() > latest { Err(TokenRefused::AuthenticationTooOld) } else { Ok(()) }
}
