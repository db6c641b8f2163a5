//! OpenID Connect relying party (OpenID Connect Core 1.0): the authorization code flow with PKCE.
//!
//! [`begin`] gives an address for the browser and a [`Ceremony`] that the caller keeps on the server, bound to the browser by a cookie,
//! for some minutes and for one use; [`finish`] takes what the browser brings back and gives [`Claims`].
//!
//! **Invariant:** `state` binds the return to the browser, `nonce` binds the token to the sign-in, the PKCE verifier binds the code to
//! this server, and the ceremony's issuer binds the return to the provider that was asked (RFC 9700 section 2.1).
//! Deliberately not here: storage of ceremonies, accounts, roles, logout at the provider.

mod exchange;
mod id_token;
mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use metadata::Metadata;

use crate::{
    Claims, FederationError, Http, Secret, claim_values,
    http::{nonsense, oauth_error_word},
    jwks,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore as _;
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use vital_outbound::Url;

/// Longest authorization code, in bytes.
const CODE_BYTES_MAX: usize = 4 * 1024;
/// The scopes that are always asked for.
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// The settings of an identity provider and of this client there.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret; none for a public client.
    pub client_secret: Option<Secret>,
    /// Scopes beyond `openid email profile`.
    pub scopes: Vec<String>,
    /// Where the provider sends the browser back.
    pub redirect_uri: String,
    /// Paths of claims (see [`claim_values`]) that are fetched from the userinfo endpoint when the token lacks them; `email` always is.
    pub needed_claims: Vec<String>,
}

/// How a person shall sign in at the provider.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// Whether the provider must ask again.
    pub prompt: Option<Prompt>,
    /// Longest time since the person was last asked for a password, in seconds; the token's `auth_time` is then checked.
    pub max_age_seconds: Option<u32>,
}

/// `prompt` of OpenID Connect Core section 3.1.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Ask for the password again.
    Login,
    /// Let the person choose an account.
    SelectAccount,
    /// Sign in without asking, or come back with an error.
    None,
}

impl Prompt {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::None => "none",
        }
    }
}

/// What must be kept on the server until the browser returns; for one use. It holds secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ceremony {
    /// The issuer that was asked.
    pub issuer: String,
    /// The value that the browser must bring back.
    pub state: String,
    /// The value that the token must hold.
    pub nonce: String,
    /// The value whose hash the provider was given.
    pub pkce_verifier: String,
    /// The limit that was asked for.
    pub max_age_seconds: Option<u32>,
}

impl std::fmt::Debug for Ceremony {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ceremony").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the browser.
    pub url: Url,
    /// What to keep.
    pub ceremony: Ceremony,
}

/// The query of the browser's return (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// The value of [`Ceremony::state`].
    pub state: Option<String>,
    /// An error instead of a code.
    pub error: Option<String>,
    /// The issuer that answers.
    pub iss: Option<String>,
}

/// Tells whether a provider can be used: its metadata can be read, names the configured issuer, and leads to usable keys. What `http`
/// remembers counts, so a fresh one asks anew.
///
/// # Errors
/// [`FederationError::Settings`], or what fetching metadata and keys may end in.
pub async fn reach(http: &Http, issuer: &str) -> Result<(), FederationError> {
    let metadata = metadata::discover(http, issuer).await?;
    jwks::reach(http, &metadata.jwks_uri).await
}

/// Begins a sign-in: finds the provider's addresses and makes fresh secrets.
///
/// # Errors
/// [`FederationError::Settings`], or what fetching the metadata may end in.
pub async fn begin(http: &Http, provider: &Provider, sign_in: &SignIn) -> Result<Begun, FederationError> {
    let metadata = metadata::discover(http, &provider.issuer).await?;
    let ceremony = Ceremony {
        issuer: provider.issuer.clone(),
        state: random(),
        nonce: random(),
        pkce_verifier: random(),
        max_age_seconds: sign_in.max_age_seconds,
    };
    // RFC 7636 section 4.2.
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, ceremony.pkce_verifier.as_bytes()));
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &provider.redirect_uri)
        .append_pair("scope", &scope(provider))
        .append_pair("state", &ceremony.state)
        .append_pair("nonce", &ceremony.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if let Some(prompt) = sign_in.prompt {
        url.query_pairs_mut().append_pair("prompt", prompt.as_str());
    }
    if let Some(seconds) = sign_in.max_age_seconds {
        url.query_pairs_mut().append_pair("max_age", &seconds.to_string());
    }
    Ok(Begun { url, ceremony })
}

/// Finishes a sign-in: checks the return, exchanges the code, checks the token.
///
/// The caller must have taken the ceremony out of its store, so that a second return finds none.
///
/// # Errors
/// [`FederationError::Callback`] when the return does not belong to the ceremony, [`FederationError::Declined`] when the provider said
/// no, [`FederationError::Refused`] when the token is not accepted, and what the exchange may end in.
pub async fn finish(http: &Http, provider: &Provider, ceremony: &Ceremony, callback: &Callback) -> Result<Claims, FederationError> {
    let metadata = metadata::discover(http, &provider.issuer).await?;
    let code = check_callback(&metadata, provider, ceremony, callback)?;
    let tokens = exchange::redeem(http, provider, &metadata, ceremony, code).await?;
    let mut claims = id_token::verify(http, provider, &metadata, ceremony, &tokens).await?;
    let lacks = |path: &String| claim_values(&claims.raw, path).is_empty();
    let incomplete = claims.email.is_none() || provider.needed_claims.iter().any(lacks);
    if let (true, Some(endpoint), Some(access_token)) = (incomplete, &metadata.userinfo_endpoint, &tokens.access_token) {
        let userinfo: Map<String, Value> = http.get(endpoint, Some(access_token)).await?;
        claims.add_userinfo(userinfo)?;
    }
    Ok(claims)
}

fn check_callback<'a>(
    metadata: &Metadata,
    provider: &Provider,
    ceremony: &Ceremony,
    callback: &'a Callback,
) -> Result<&'a str, FederationError> {
    let refuse = |what| Err(FederationError::Callback { what });
    let state = callback.state.as_deref().unwrap_or_default();
    if ceremony.state.is_empty() || !bool::from(state.as_bytes().ct_eq(ceremony.state.as_bytes())) {
        return refuse("the state is not the one that was given out");
    }
    if ceremony.issuer != provider.issuer {
        return refuse("it was begun with another identity provider");
    }
    // RFC 9207 section 2.4: also before an error is believed.
    match callback.iss.as_deref() {
        Some(issuer) if issuer != provider.issuer => return refuse("another identity provider answered"),
        None if metadata.names_itself => return refuse("the answer does not say who answered"),
        _ => {}
    }
    if let Some(error) = &callback.error {
        return Err(FederationError::Declined { oauth_error: oauth_error_word(error).unwrap_or("unknown_error").to_owned() });
    }
    match callback.code.as_deref() {
        Some(code) if !code.is_empty() && code.len() <= CODE_BYTES_MAX => Ok(code),
        _ => refuse("there is no authorization code"),
    }
}

fn scope(provider: &Provider) -> String {
    let further = provider.scopes.iter().map(String::as_str).filter(|scope| !SCOPES.contains(scope));
    SCOPES.into_iter().chain(further).collect::<Vec<_>>().join(" ")
}

/// 256 bits of randomness in 43 characters, which suits a PKCE verifier (RFC 7636 section 4.1).
fn random() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
