//! Access tokens, honest and forged.

use super::*;
use crate::scripted::{Reply, ScriptedIssuer, SigningKey, assemble};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const CURRENT: &str = "the current secret, of 32 bytes or more";
const PREVIOUS: &str = "the previous secret, also of 32 bytes or more";
const ISSUER: &str = "https://project.supabase.example/auth/v1";

fn http() -> Http {
    Http::builder().egress(vital_outbound::Egress::default().loopback_issuers(true)).build().expect("a client")
}

fn shared() -> Verifier {
    let secrets = [CURRENT, PREVIOUS].map(|secret| Secret::new(secret.to_owned())).to_vec();
    Verifier::new(ISSUER.to_owned(), "authenticated".to_owned(), Keys::Hs256(secrets)).expect("sound settings")
}

fn published(scripted: &ScriptedIssuer) -> Verifier {
    let url = Url::parse(&format!("{}/jwks", scripted.issuer)).expect("an address");
    Verifier::new(ISSUER.to_owned(), "authenticated".to_owned(), Keys::Jwks(url)).expect("sound settings")
}

/// The claims that Supabase Auth writes.
fn claims() -> Value {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    json!({
        "iss": ISSUER, "aud": "authenticated", "sub": "5f0e9c5e-5f6c-4a1c-8f2e-0d2b6a1c7e11", "exp": now + 3600, "iat": now,
        "email": "ada@example.org", "role": "authenticated", "aal": "aal1", "is_anonymous": false,
        "app_metadata": { "provider": "email", "roles": ["reviewer"] }, "user_metadata": { "email_verified": true },
    })
}

fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    assemble(header, claims, |signed| hmac::sign(&key, signed).as_ref().to_vec())
}

async fn verify_shared(claims: &Value) -> Result<Claims, FederationError> {
    let token = hmac_signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, CURRENT.as_bytes());
    shared().verify(&http(), &token).await
}

#[tokio::test]
async fn a_token_of_the_current_and_of_the_previous_secret_is_accepted_and_no_other() {
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "whatever" });
    for secret in [CURRENT, PREVIOUS] {
        let token = hmac_signed(&header, &claims(), secret.as_bytes());
        let claims = shared().verify(&http(), &token).await.expect("accepted");
        assert_eq!(claims.email.as_deref(), Some("ada@example.org"));
        // What the person wrote is not what the server verified.
        assert!(!claims.email_verified);
        assert_eq!(crate::claim_values(&claims.raw, "app_metadata.roles"), ["reviewer"]);
    }
    for secret in ["", "another secret, of 32 bytes or more, unknown"] {
        let token = hmac_signed(&header, &claims(), secret.as_bytes());
        assert_eq!(shared().verify(&http(), &token).await, Err(TokenRefused::Signature.into()));
    }
}

#[tokio::test]
async fn a_token_of_a_published_key_is_accepted_with_each_algorithm() {
    for alg in ["RS256", "ES256", "EdDSA"] {
        let (scripted, key) = (ScriptedIssuer::start().await, SigningKey::new(alg, "key-1"));
        scripted.answer_keys(&[&key]);
        let mut header = key.header();
        header["typ"] = json!("at+jwt");
        let claims = published(&scripted).verify(&http(), &key.sign(&header, &claims())).await.expect("accepted");
        assert_eq!(claims.issuer, ISSUER);
    }
}

#[tokio::test]
async fn a_token_of_the_other_family_is_refused_without_a_look_at_a_key() {
    let (scripted, key) = (ScriptedIssuer::start().await, SigningKey::new("RS256", "key-1"));
    scripted.answer_keys(&[&key]);
    let http = http();
    for alg in ["HS256", "HS384", "HS512", "none", "ES512"] {
        let header = json!({ "alg": alg, "kid": "key-1" });
        let token = hmac_signed(&header, &claims(), key.public().to_string().as_bytes());
        assert_eq!(published(&scripted).verify(&http, &token).await, Err(TokenRefused::Algorithm.into()), "{alg}");
    }
    assert_eq!(scripted.requests("/jwks").len(), 0);
    assert_eq!(shared().verify(&http, &key.sign(&key.header(), &claims())).await, Err(TokenRefused::Algorithm.into()));
    for alg in ["none", "HS512", "hs256", "EdDSA"] {
        let token = hmac_signed(&json!({ "alg": alg }), &claims(), CURRENT.as_bytes());
        assert_eq!(shared().verify(&http, &token).await, Err(TokenRefused::Algorithm.into()), "{alg}");
    }
}

#[tokio::test]
async fn another_kind_of_token_is_refused() {
    for (typ, accepted) in [("JWT", true), ("AT+JWT", true), ("application/at+jwt", true), ("logout+jwt", false), ("dpop+jwt", false)] {
        let token = hmac_signed(&json!({ "alg": "HS256", "typ": typ }), &claims(), CURRENT.as_bytes());
        let outcome = shared().verify(&http(), &token).await.map(|_| ());
        assert_eq!(outcome, if accepted { Ok(()) } else { Err(TokenRefused::Type.into()) }, "{typ}");
    }
}

#[tokio::test]
async fn each_required_claim_must_be_there_and_right() {
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(claim);
        assert_eq!(verify_shared(&claims).await, Err(TokenRefused::Claim(claim).into()));
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let wrong = [
        ("iss", json!("supabase"), TokenRefused::Issuer),
        ("aud", json!("anon"), TokenRefused::Audience),
        ("exp", json!(now - 61), TokenRefused::Expired),
        ("exp", json!(-1), TokenRefused::Expired),
        ("nbf", json!(now + 80), TokenRefused::NotYetValid),
        ("iat", json!(now + 80), TokenRefused::NotYetValid),
        ("sub", json!(""), TokenRefused::Claim("sub")),
        ("sub", json!("a\nb"), TokenRefused::Claim("sub")),
    ];
    for (claim, value, reason) in wrong {
        let mut claims = claims();
        claims[claim] = value;
        assert_eq!(verify_shared(&claims).await, Err(reason.into()), "{claim}");
    }
}

#[tokio::test]
async fn a_slow_or_failing_key_set_is_the_providers_failure_and_not_the_tokens() {
    let (scripted, key) = (ScriptedIssuer::start().await, SigningKey::new("ES256", "key-1"));
    let token = key.sign(&key.header(), &claims());
    scripted.answer("/jwks", Reply::status(502, &json!({})));
    assert!(matches!(published(&scripted).verify(&http(), &token).await, Err(FederationError::Status { status: 502, .. })));
    scripted.answer("/jwks", Reply::Silent);
    let hasty = Http::builder()
        .egress(vital_outbound::Egress::default().loopback_issuers(true))
        .timeout(std::time::Duration::from_secs(1))
        .build()
        .expect("a client");
    assert!(matches!(published(&scripted).verify(&hasty, &token).await, Err(FederationError::TooSlow { .. })));
    let strict = Http::builder().build().expect("a client");
    assert!(matches!(published(&scripted).verify(&strict, &token).await, Err(FederationError::Settings { .. })));
}

#[test]
fn settings_that_would_weaken_the_check_are_refused() {
    let new = |issuer: &str, audience: &str, secrets: &[&str]| {
        let secrets = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
        Verifier::new(issuer.to_owned(), audience.to_owned(), Keys::Hs256(secrets)).is_ok()
    };
    assert!(new(ISSUER, "authenticated", &[CURRENT]));
    assert!(!new("", "authenticated", &[CURRENT]));
    assert!(!new(ISSUER, "", &[CURRENT]));
    assert!(!new(ISSUER, "authenticated", &[]));
    assert!(!new(ISSUER, "authenticated", &[CURRENT, "short"]));
    assert!(!new(ISSUER, "authenticated", &[CURRENT, PREVIOUS, CURRENT]));
}

#[test]
fn the_issuer_can_be_read_before_the_token_is_trusted() {
    let token = hmac_signed(&json!({ "alg": "HS256" }), &claims(), b"anything");
    assert_eq!(peek_issuer(&token).as_deref(), Some(ISSUER));
    assert_eq!(peek_issuer("vital_pk_abc.def"), None);
    assert_eq!(peek_issuer(&"a".repeat(crate::TOKEN_BYTES_MAX + 1)), None);
}

/// Runs a check that touches no network to its end. The client is made once: reading the system's certificates takes its time.
fn outcome(token: &str) -> Result<Claims, FederationError> {
    static CLIENT: LazyLock<Http> = LazyLock::new(http);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(shared().verify(&CLIENT, token))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::from))
}

proptest! {
    #[test]
    fn any_string_is_refused_and_nothing_panics(token in ".{0,300}") {
        prop_assert!(outcome(&token).is_err());
        let _ = peek_issuer(&token);
    }

    #[test]
    fn signed_claims_of_any_kind_are_checked_without_panic(
        values in prop::collection::hash_map(prop::sample::select(vec!["iss", "aud", "sub", "exp", "nbf", "iat", "azp", "email", "email_verified", "name"]), any_json(), 0..6),
    ) {
        let mut signed = claims();
        for (claim, value) in values {
            signed[claim] = value;
        }
        let token = hmac_signed(&json!({ "alg": "HS256" }), &signed, CURRENT.as_bytes());
        if let Ok(claims) = outcome(&token) {
            prop_assert_eq!(claims.issuer, ISSUER);
            prop_assert!(!claims.subject.is_empty());
        }
    }

    #[test]
    fn a_token_with_one_character_changed_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._-]") {
        let token = hmac_signed(&json!({ "alg": "HS256" }), &claims(), CURRENT.as_bytes());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(outcome(&changed).is_ok(), changed == token);
    }
}
