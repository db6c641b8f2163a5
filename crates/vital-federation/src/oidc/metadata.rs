//! Discovery: where a provider's endpoints are (OpenID Connect Discovery 1.0 section 4).
//!
//! **Invariant:** the document's issuer is the configured one, exactly; otherwise one provider could speak for another (section 4.3).

use super::nonsense;
use crate::{FederationError, Http};
use serde::Deserialize;
use std::sync::Arc;
use vital_outbound::Url;

/// The part of a provider's metadata that is used.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub userinfo_endpoint: Option<Url>,
    pub token_endpoint_auth_methods: Vec<String>,
    /// Whether an authorization response without `iss` is a forged one (RFC 9207 section 3).
    pub names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default = "basic_alone")]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The default of OpenID Connect Discovery section 3.
fn basic_alone() -> Vec<String> {
    vec!["client_secret_basic".to_owned()]
}

/// Returns the provider's metadata, remembered or fetched.
pub(super) async fn discover(http: &Http, issuer: &str) -> Result<Arc<Metadata>, FederationError> {
    let base = http.address(issuer)?;
    if base.query().is_some() {
        return Err(FederationError::Settings { what: "an issuer has no query" });
    }
    http.metadata.get(issuer, fetch(http, issuer)).await
}

async fn fetch(http: &Http, issuer: &str) -> Result<Metadata, FederationError> {
    let url = http.address(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    let document: Document = http.get(&url, None).await?;
    if document.issuer != issuer {
        return Err(nonsense(&url, "its metadata names another issuer than the settings"));
    }
    let refused = |_| nonsense(&url, "its metadata has an endpoint that is not an https address, or not one that is allowed here");
    let endpoint = |text: &str| http.address(text).map_err(refused);
    Ok(Metadata {
        authorization_endpoint: http.browser_address(&document.authorization_endpoint).map_err(refused)?,
        token_endpoint: endpoint(&document.token_endpoint)?,
        jwks_uri: endpoint(&document.jwks_uri)?,
        userinfo_endpoint: document.userinfo_endpoint.as_deref().map(endpoint).transpose()?,
        token_endpoint_auth_methods: document.token_endpoint_auth_methods_supported,
        names_itself: document.authorization_response_iss_parameter_supported,
    })
}
