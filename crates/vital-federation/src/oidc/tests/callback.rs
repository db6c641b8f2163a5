//! What the browser is sent out with and what it brings back.

use super::*;
use std::collections::HashMap;

#[tokio::test]
async fn the_browser_goes_out_with_what_the_standard_asks_for() {
    let stage = Stage::new("ES256").await;
    let (first, second) = (stage.begin().await, stage.begin().await);
    assert!(first.url.as_str().starts_with(&format!("{}/authorize?tenant=a&", stage.provider.issuer)), "{}", first.url);
    let query: HashMap<String, String> = first.url.query_pairs().into_owned().collect();
    let expected = [
        ("response_type", "code"),
        ("client_id", "vital"),
        ("redirect_uri", "https://vital.example/sign-in/return"),
        ("scope", "openid email profile groups"),
        ("state", &first.ceremony.state),
        ("nonce", &first.ceremony.nonce),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in expected {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!first.url.as_str().contains(&first.ceremony.pkce_verifier));
    let values = |it: &Ceremony| [it.state.clone(), it.nonce.clone(), it.pkce_verifier.clone()];
    let mut all = [values(&first.ceremony), values(&second.ceremony)].concat();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), all.iter().all(|value| value.len() == 43)), (6, true), "{all:?}");
    // One look-up serves both.
    assert_eq!(stage.scripted.requests("/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn the_code_is_redeemed_with_the_verifier_of_the_challenge() {
    let stage = Stage::new("ES256").await;
    let begun = stage.begin().await;
    let token = stage.key.sign(&stage.key.header(), &stage.claims(&begun.ceremony));
    stage.finish(&begun.ceremony, &token).await.expect("signs in");
    let [request] = &stage.scripted.requests("/token")[..] else { panic!("one request") };
    let form = request.form();
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "code-1"));
    assert_eq!(form["redirect_uri"], stage.provider.redirect_uri);
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, form["code_verifier"].as_bytes()));
    assert!(begun.url.query_pairs().any(|(name, value)| name == "code_challenge" && value == challenge));
    // "vital:s3cret%3A+of%2Fthe+client", each part form-encoded first.
    assert!(request.head.contains("authorization: Basic dml0YWw6czNjcmV0JTNBK29mJTJGdGhlK2NsaWVudA=="), "{}", request.head);
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn the_client_shows_itself_the_way_the_provider_takes() {
    let mut stage = Stage::new("ES256").await;
    stage.scripted.answer_metadata(&json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"] }));
    stage.sign_in(|_| {}).await.expect("signs in");
    let form = stage.scripted.requests("/token")[0].form();
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("vital", "s3cret: of/the client"));

    stage.provider.client_secret = None;
    stage.sign_in(|_| {}).await.expect("signs in");
    let public = &stage.scripted.requests("/token")[1];
    assert_eq!(public.form()["client_id"], "vital");
    assert!(!public.form().contains_key("client_secret") && !public.head.contains("authorization"));

    let mut stage = Stage::new("ES256").await;
    stage.scripted.answer_metadata(&json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }));
    assert!(matches!(stage.sign_in(|_| {}).await, Err(FederationError::Settings { .. })));
    stage.provider.client_secret = None;
    stage.sign_in(|_| {}).await.expect("a public client");
}

#[tokio::test]
async fn a_return_that_does_not_belong_to_the_ceremony_redeems_nothing() {
    let stage = Stage::new("ES256").await;
    let ceremony = stage.begin().await.ceremony;
    let elsewhere = Ceremony { issuer: "https://other.example".to_owned(), ..ceremony.clone() };
    let empty = Ceremony { state: String::new(), ..ceremony.clone() };
    let good = came_back(&ceremony);
    let cases = [
        ("another state", &ceremony, Callback { state: Some(stage.begin().await.ceremony.state), ..good.clone() }),
        ("no state", &ceremony, Callback { state: None, ..good.clone() }),
        ("an empty state on both sides", &empty, Callback { state: None, ..good.clone() }),
        ("begun elsewhere", &elsewhere, good.clone()),
        ("answered by another", &ceremony, Callback { iss: Some("https://evil.example".to_owned()), ..good.clone() }),
        ("no code", &ceremony, Callback { code: None, ..good.clone() }),
        ("an empty code", &ceremony, Callback { code: Some(String::new()), ..good.clone() }),
        ("a huge code", &ceremony, Callback { code: Some("a".repeat(CODE_BYTES_MAX + 1)), ..good.clone() }),
    ];
    for (case, ceremony, callback) in cases {
        let outcome = finish(&stage.http, &stage.provider, ceremony, &callback).await;
        assert!(matches!(outcome, Err(FederationError::Callback { .. })), "{case}: {outcome:?}");
    }
    assert_eq!(stage.scripted.requests("/token").len(), 0);
}

#[tokio::test]
async fn a_provider_that_says_it_names_itself_must_do_so() {
    let stage = Stage::new("ES256").await;
    stage.scripted.answer_metadata(&json!({ "authorization_response_iss_parameter_supported": true }));
    let ceremony = stage.begin().await.ceremony;
    let token = stage.key.sign(&stage.key.header(), &stage.claims(&ceremony));
    assert!(matches!(stage.finish(&ceremony, &token).await, Err(FederationError::Callback { .. })));
    let named = Callback { iss: Some(stage.provider.issuer.clone()), ..came_back(&ceremony) };
    finish(&stage.http, &stage.provider, &ceremony, &named).await.expect("named itself");
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_in_its_word_and_in_nothing_else() {
    let stage = Stage::new("ES256").await;
    let ceremony = stage.begin().await.ceremony;
    for (sent, told) in [("access_denied", "access_denied"), ("<b>call +49</b>", "unknown_error"), ("", "unknown_error")] {
        let callback = Callback { error: Some(sent.to_owned()), ..came_back(&ceremony) };
        let outcome = finish(&stage.http, &stage.provider, &ceremony, &callback).await;
        assert_eq!(outcome, Err(FederationError::Declined { oauth_error: told.to_owned() }));
    }
    let forged = Callback { error: Some("access_denied".to_owned()), state: None, ..came_back(&ceremony) };
    assert!(matches!(finish(&stage.http, &stage.provider, &ceremony, &forged).await, Err(FederationError::Callback { .. })));
}

#[tokio::test]
async fn a_ceremony_survives_its_store_and_does_not_print_its_secrets() {
    let stage = Stage::new("ES256").await;
    let ceremony = stage.begin().await.ceremony;
    let stored: Ceremony = serde_json::from_str(&serde_json::to_string(&ceremony).expect("writes")).expect("reads");
    assert_eq!(stored.pkce_verifier, ceremony.pkce_verifier);
    let shown = format!("{ceremony:?}");
    assert!(![&ceremony.state, &ceremony.nonce, &ceremony.pkce_verifier].iter().any(|secret| shown.contains(*secret)), "{shown}");
}
