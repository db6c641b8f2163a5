//! The exchange of an authorization code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

use super::{Ceremony, Metadata, Provider};
use crate::{FederationError, Http};
use serde::Deserialize;

/// The part of the answer that is used.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub id_token: String,
    pub access_token: Option<String>,
}

/// Redeems a code, as the client that the provider knows.
pub(super) async fn redeem(
    http: &Http,
    provider: &Provider,
    metadata: &Metadata,
    ceremony: &Ceremony,
    code: &str,
) -> Result<Tokens, FederationError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", provider.redirect_uri.as_str()),
        ("code_verifier", ceremony.pkce_verifier.as_str()),
    ];
    let supports = |method: &str| metadata.token_endpoint_auth_methods.iter().any(|supported| supported == method);
    let mut basic = None;
    match &provider.client_secret {
        None => form.push(("client_id", &provider.client_id)),
        // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
        Some(secret) if supports("client_secret_basic") => basic = Some((encoded(&provider.client_id), encoded(secret.expose()))),
        Some(secret) if supports("client_secret_post") => {
            form.extend([("client_id", provider.client_id.as_str()), ("client_secret", secret.expose())]);
        }
        Some(_) => {
            return Err(FederationError::Settings { what: "the provider takes no client secret; it wants another way to know the client" });
        }
    }
    http.post_form(&metadata.token_endpoint, basic, &form).await
}

fn encoded(text: &str) -> String {
    let pair = serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    pair.trim_start_matches('=').to_owned()
}
