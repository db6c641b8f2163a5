//! Keys that change while the platform runs.

use super::*;

async fn signed_with(stage: &Stage, key: &SigningKey) -> Result<Claims, FederationError> {
    let ceremony = stage.begin().await.ceremony;
    stage.finish(&ceremony, &key.sign(&key.header(), &stage.claims(&ceremony))).await
}

#[tokio::test]
async fn a_new_key_works_at_once_and_unknown_ids_cannot_make_the_platform_ask_again_and_again() {
    let stage = Stage::new("ES256").await;
    let fetches = || stage.scripted.requests("/jwks").len();
    signed_with(&stage, &stage.key).await.expect("the first key");
    assert_eq!(fetches(), 1);

    let second = SigningKey::new("EdDSA", "key-2");
    stage.scripted.answer_keys(&[&stage.key, &second]);
    signed_with(&stage, &second).await.expect("the second key");
    signed_with(&stage, &stage.key).await.expect("the first key still");
    assert_eq!(fetches(), 2);

    let unknown = SigningKey::new("ES256", "key-3");
    for _ in 0..5 {
        assert_eq!(signed_with(&stage, &unknown).await, Err(TokenRefused::UnknownKey.into()));
    }
    assert_eq!(fetches(), 2);
    pass(31).await;
    for _ in 0..5 {
        assert_eq!(signed_with(&stage, &unknown).await, Err(TokenRefused::UnknownKey.into()));
    }
    assert_eq!(fetches(), 3);
}

#[tokio::test]
async fn a_withdrawn_key_stops_working_when_the_set_is_too_old_even_if_the_provider_is_down() {
    let stage = Stage::new("ES256").await;
    signed_with(&stage, &stage.key).await.expect("the first key");
    let second = SigningKey::new("ES256", "key-2");
    stage.scripted.answer_keys(&[&second]);
    pass(601).await;
    assert_eq!(signed_with(&stage, &stage.key).await, Err(TokenRefused::UnknownKey.into()));
    stage.scripted.answer("/jwks", Reply::status(500, &json!({})));
    pass(601).await;
    assert!(matches!(signed_with(&stage, &second).await, Err(FederationError::Status { status: 500, .. })));
}

#[tokio::test]
async fn a_key_without_an_id_can_be_exchanged_too_and_two_of_them_are_ambiguous() {
    let stage = Stage::new("ES256").await;
    let without_id = |key: &SigningKey| {
        let mut jwk = key.public();
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let sign_in = async |key: &SigningKey| {
        let ceremony = stage.begin().await.ceremony;
        stage.finish(&ceremony, &key.sign(&json!({ "alg": "ES256" }), &stage.claims(&ceremony))).await
    };
    let second = SigningKey::new("ES256", "key-2");
    stage.scripted.answer("/jwks", Reply::json(&json!({ "keys": [without_id(&stage.key)] })));
    sign_in(&stage.key).await.expect("the only key");
    stage.scripted.answer("/jwks", Reply::json(&json!({ "keys": [without_id(&second)] })));
    sign_in(&second).await.expect("the only key, exchanged");
    stage.scripted.answer("/jwks", Reply::json(&json!({ "keys": [without_id(&stage.key), without_id(&second)] })));
    pass(601).await;
    assert_eq!(sign_in(&second).await, Err(TokenRefused::UnknownKey.into()));
}

#[tokio::test]
async fn a_set_without_a_usable_key_is_nonsense() {
    let mut small = SigningKey::new("ES256", "key-1").public();
    small["x"] = json!("AAAA");
    let mut encryption = SigningKey::new("ES256", "key-1").public();
    encryption["use"] = json!("enc");
    let mut other_algorithm = SigningKey::new("ES256", "key-1").public();
    other_algorithm["alg"] = json!("HS256");
    let shared = json!({ "kty": "oct", "kid": "key-1", "k": "c2VjcmV0", "alg": "HS256" });
    let weak = json!({ "kty": "RSA", "kid": "key-1", "n": URL_SAFE_NO_PAD.encode([7; 128]), "e": "AQAB" });
    for keys in [json!([]), json!([small]), json!([encryption]), json!([other_algorithm]), json!([shared]), json!([weak]), json!([7, null])]
    {
        let stage = Stage::new("ES256").await;
        stage.scripted.answer("/jwks", Reply::json(&json!({ "keys": keys })));
        let outcome = signed_with(&stage, &stage.key).await;
        assert!(matches!(outcome, Err(FederationError::Nonsense { .. })), "{keys}: {outcome:?}");
    }
}
