//! When the userinfo endpoint is asked and what of its answer counts.

use super::*;

fn without_email(claims: &mut Value) {
    claims.as_object_mut().expect("an object").remove("email");
}

#[tokio::test]
async fn it_is_asked_only_when_a_needed_claim_is_missing() {
    let mut stage = Stage::new("ES256").await;
    let asked = |stage: &Stage| stage.scripted.requests("/userinfo").len();
    stage.sign_in(|_| {}).await.expect("complete");
    assert_eq!(asked(&stage), 0);

    let userinfo = json!({ "sub": "person-1", "email": "info@example.org", "groups": ["chemistry"], "iss": "https://evil.example" });
    stage.scripted.answer("/userinfo", Reply::json(&userinfo));
    let claims = stage.sign_in(without_email).await.expect("completed");
    assert_eq!(asked(&stage), 1);
    assert!(stage.scripted.requests("/userinfo")[0].head.contains("authorization: Bearer access-1"));
    assert_eq!(claims.email.as_deref(), Some("info@example.org"));
    // The token's mark spoke of another address.
    assert!(!claims.email_verified);
    assert_eq!(claims.raw["iss"], json!(stage.provider.issuer));

    stage.provider.needed_claims = vec!["groups".to_owned()];
    let claims = stage.sign_in(|_| {}).await.expect("completed");
    assert_eq!(asked(&stage), 2);
    assert_eq!(claim_values(&claims.raw, "groups"), ["chemistry"]);
    assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("ada@example.org"), true));

    stage.sign_in(|claims| claims["groups"] = json!(["biology"])).await.expect("complete");
    assert_eq!(asked(&stage), 2);
}

#[tokio::test]
async fn information_about_somebody_else_is_refused() {
    let stage = Stage::new("ES256").await;
    for userinfo in [json!({ "sub": "person-2", "email": "b@example.org" }), json!({ "email": "b@example.org" }), json!({ "sub": 1 })] {
        stage.scripted.answer("/userinfo", Reply::json(&userinfo));
        assert_eq!(stage.sign_in(without_email).await, Err(TokenRefused::OtherSubject.into()), "{userinfo}");
    }
}
