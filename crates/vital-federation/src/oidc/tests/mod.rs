//! Sign-ins against a provider that answers what the test tells it to.

mod callback;
mod provider;
mod rotation;
mod token;
mod userinfo;

use super::*;
use crate::scripted::{Reply, ScriptedIssuer, SigningKey};
use serde_json::json;
use std::time::Duration;

/// A provider with one key, and this client.
pub(super) struct Stage {
    pub scripted: ScriptedIssuer,
    pub key: SigningKey,
    pub http: Http,
    pub provider: Provider,
}

impl Stage {
    pub(super) async fn new(alg: &'static str) -> Self {
        let scripted = ScriptedIssuer::start().await;
        let key = SigningKey::new(alg, "key-1");
        scripted.answer_keys(&[&key]);
        let provider = Provider {
            issuer: scripted.issuer.clone(),
            client_id: "vital".to_owned(),
            client_secret: Some(Secret::new("s3cret: of/the client".to_owned())),
            scopes: vec!["groups".to_owned()],
            redirect_uri: "https://vital.example/sign-in/return".to_owned(),
            needed_claims: Vec::new(),
        };
        Self { scripted, key, http: http(), provider }
    }

    pub(super) async fn begin(&self) -> Begun {
        begin(&self.http, &self.provider, &SignIn::default()).await.expect("begins")
    }

    /// Claims that an honest provider makes for a ceremony.
    pub(super) fn claims(&self, ceremony: &Ceremony) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": self.provider.issuer, "sub": "person-1", "aud": "vital", "exp": now + 300, "iat": now, "nonce": ceremony.nonce,
            "email": "ada@example.org", "email_verified": true, "name": "Ada Lovelace",
        })
    }

    /// Returns to a ceremony with the answer of the token endpoint given.
    pub(super) async fn finish(&self, ceremony: &Ceremony, id_token: &str) -> Result<Claims, FederationError> {
        let tokens = json!({ "access_token": "access-1", "token_type": "Bearer", "id_token": id_token });
        self.scripted.answer("/token", Reply::json(&tokens));
        finish(&self.http, &self.provider, ceremony, &came_back(ceremony)).await
    }

    /// Signs in with an honest token in whose claims a change is made.
    pub(super) async fn sign_in(&self, change: impl FnOnce(&mut Value)) -> Result<Claims, FederationError> {
        let ceremony = self.begin().await.ceremony;
        let mut claims = self.claims(&ceremony);
        change(&mut claims);
        self.finish(&ceremony, &self.key.sign(&self.key.header(), &claims)).await
    }

    /// Signs in with an honest token in whose header a change is made before it is signed.
    pub(super) async fn sign_in_with_header(&self, change: impl FnOnce(&mut Value)) -> Result<Claims, FederationError> {
        let ceremony = self.begin().await.ceremony;
        let mut header = self.key.header();
        change(&mut header);
        self.finish(&ceremony, &self.key.sign(&header, &self.claims(&ceremony))).await
    }
}

pub(super) fn http() -> Http {
    Http::builder().egress(vital_outbound::Egress::default().loopback_issuers(true)).build().expect("a client")
}

pub(super) fn came_back(ceremony: &Ceremony) -> Callback {
    Callback { code: Some("code-1".to_owned()), state: Some(ceremony.state.clone()), ..Callback::default() }
}

/// Moves the clock on which documents age; nothing waits.
pub(super) async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

pub(super) use crate::TokenRefused;
pub(super) use time::OffsetDateTime;
