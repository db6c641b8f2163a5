//! What an ID token must be.

use super::*;
use crate::scripted::assemble;
use ring::hmac;

fn refused(reason: TokenRefused) -> Result<Claims, FederationError> {
    Err(FederationError::Refused(reason))
}

#[tokio::test]
async fn a_person_signs_in_with_each_accepted_algorithm() {
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let stage = Stage::new(alg).await;
        let claims = stage.sign_in(|_| {}).await.unwrap_or_else(|error| panic!("{alg}: {error}"));
        assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (stage.provider.issuer.as_str(), "person-1"));
        assert_eq!((claims.email.as_deref(), claims.email_verified), (Some("ada@example.org"), true));
        assert_eq!(claims.name.as_deref(), Some("Ada Lovelace"));
    }
}

#[tokio::test]
async fn the_clocks_may_differ_by_a_minute_and_not_by_more() {
    let stage = Stage::new("ES256").await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    // Ten seconds on either side of the limit, for the time that passes meanwhile.
    stage.sign_in(|claims| claims["exp"] = json!(now - 50)).await.expect("expired within the tolerance");
    assert_eq!(stage.sign_in(|claims| claims["exp"] = json!(now - 61)).await, refused(TokenRefused::Expired));
    for begin in ["nbf", "iat"] {
        stage.sign_in(|claims| claims[begin] = json!(now + 50)).await.expect("begins within the tolerance");
        assert_eq!(stage.sign_in(|claims| claims[begin] = json!(now + 80)).await, refused(TokenRefused::NotYetValid), "{begin}");
    }
}

#[tokio::test]
async fn a_required_claim_that_is_missing_or_of_another_type_is_named() {
    let stage = Stage::new("ES256").await;
    for claim in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
        let missing = stage.sign_in(|claims| _ = claims.as_object_mut().expect("an object").remove(claim)).await;
        assert_eq!(missing, refused(TokenRefused::Claim(claim)));
        assert_eq!(stage.sign_in(|claims| claims[claim] = json!({})).await, refused(TokenRefused::Claim(claim)));
    }
    assert_eq!(stage.sign_in(|claims| claims["sub"] = json!("a".repeat(256))).await, refused(TokenRefused::Claim("sub")));
    assert_eq!(stage.sign_in(|claims| claims["exp"] = json!(1e300)).await, refused(TokenRefused::Claim("exp")));
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let stage = Stage::new("ES256").await;
    for alg in ["none", "None", "nOnE", ""] {
        let ceremony = stage.begin().await.ceremony;
        let token = assemble(&json!({ "alg": alg }), &stage.claims(&ceremony), |_| Vec::new());
        assert_eq!(stage.finish(&ceremony, &token).await, refused(TokenRefused::Algorithm), "{alg}");
    }
    let stripped = assemble(&stage.key.header(), &json!({}), |_| Vec::new());
    assert_eq!(stage.finish(&stage.begin().await.ceremony, &stripped).await, refused(TokenRefused::Signature));
}

#[tokio::test]
async fn an_hmac_keyed_with_the_public_key_is_refused_before_a_key_is_fetched() {
    let stage = Stage::new("RS256").await;
    let public = stage.key.public();
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().expect("text")).expect("base64");
    for secret in [public.to_string().into_bytes(), modulus] {
        let ceremony = stage.begin().await.ceremony;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let header = json!({ "alg": "HS256", "kid": "key-1" });
        let token = assemble(&header, &stage.claims(&ceremony), |signed| hmac::sign(&key, signed).as_ref().to_vec());
        assert_eq!(stage.finish(&ceremony, &token).await, refused(TokenRefused::Algorithm));
    }
    assert_eq!(stage.scripted.requests("/jwks").len(), 0);
}

#[tokio::test]
async fn a_token_for_another_application_is_refused() {
    let stage = Stage::new("ES256").await;
    let audiences = [json!("other"), json!(["other"]), json!([]), json!(["vital", "other"]), json!([7, null]), json!("vital2")];
    for audience in audiences {
        let outcome = stage.sign_in(|claims| claims["aud"] = audience.clone()).await;
        assert_eq!(outcome, refused(TokenRefused::Audience), "{audience}");
    }
    assert_eq!(stage.sign_in(|claims| claims["azp"] = json!("other")).await, refused(TokenRefused::Audience));
    stage.sign_in(|claims| claims["aud"] = json!(["vital"])).await.expect("an array of one");
    let several = |claims: &mut Value| {
        claims["aud"] = json!(["other", "vital"]);
        claims["azp"] = json!("vital");
    };
    stage.sign_in(several).await.expect("several, and authorised for this one");
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_however_alike() {
    let stage = Stage::new("ES256").await;
    for issuer in [format!("{}/", stage.provider.issuer), stage.provider.issuer.to_uppercase(), "https://evil.example".to_owned()] {
        assert_eq!(stage.sign_in(|claims| claims["iss"] = json!(issuer)).await, refused(TokenRefused::Issuer));
    }
}

#[tokio::test]
async fn another_key_under_the_same_id_does_not_verify() {
    let stage = Stage::new("ES256").await;
    let impostor = SigningKey::new("ES256", "key-1");
    let ceremony = stage.begin().await.ceremony;
    let token = impostor.sign(&impostor.header(), &stage.claims(&ceremony));
    assert_eq!(stage.finish(&ceremony, &token).await, refused(TokenRefused::Signature));
}

#[tokio::test]
async fn a_key_is_not_used_with_the_algorithm_of_another_type() {
    let stage = Stage::new("ES256").await;
    for alg in ["RS256", "PS256", "EdDSA"] {
        assert_eq!(stage.sign_in_with_header(|header| header["alg"] = json!(alg)).await, refused(TokenRefused::UnknownKey), "{alg}");
    }
    for alg in ["ES384", "RS1", "HS512", "es256"] {
        assert_eq!(stage.sign_in_with_header(|header| header["alg"] = json!(alg)).await, refused(TokenRefused::Algorithm), "{alg}");
    }
}

#[tokio::test]
async fn keys_and_addresses_in_the_header_are_never_used() {
    let stage = Stage::new("ES256").await;
    let attacker = ScriptedIssuer::start().await;
    for kid in ["evil", "key-1"] {
        let key = SigningKey::new("ES256", kid);
        attacker.answer_keys(&[&key]);
        let jku = format!("{}/jwks", attacker.issuer);
        let header = json!({ "alg": "ES256", "kid": kid, "jku": jku, "x5u": jku, "jwk": key.public() });
        let ceremony = stage.begin().await.ceremony;
        let outcome = stage.finish(&ceremony, &key.sign(&header, &stage.claims(&ceremony))).await;
        let reason = if kid == "evil" { TokenRefused::UnknownKey } else { TokenRefused::Signature };
        assert_eq!(outcome, refused(reason), "{kid}");
    }
    assert_eq!(attacker.requests("/jwks").len(), 0);
}

#[tokio::test]
async fn an_extension_or_another_kind_of_token_is_refused() {
    let stage = Stage::new("ES256").await;
    assert_eq!(stage.sign_in_with_header(|header| header["crit"] = json!(["exp"])).await, refused(TokenRefused::Extension));
    assert_eq!(stage.sign_in_with_header(|header| header["typ"] = json!("at+jwt")).await, refused(TokenRefused::Type));
}

#[tokio::test]
async fn changed_claims_do_not_verify() {
    let stage = Stage::new("EdDSA").await;
    let ceremony = stage.begin().await.ceremony;
    let mut claims = stage.claims(&ceremony);
    let honest = stage.key.sign(&stage.key.header(), &claims);
    claims["sub"] = json!("somebody-else");
    let other = stage.key.sign(&stage.key.header(), &claims);
    let (signed, _) = other.rsplit_once('.').expect("three parts");
    let (_, signature) = honest.rsplit_once('.').expect("three parts");
    assert_eq!(stage.finish(&ceremony, &format!("{signed}.{signature}")).await, refused(TokenRefused::Signature));
}

#[tokio::test]
async fn a_token_of_another_sign_in_is_refused() {
    let stage = Stage::new("ES256").await;
    let (first, second) = (stage.begin().await.ceremony, stage.begin().await.ceremony);
    let token = stage.key.sign(&stage.key.header(), &stage.claims(&first));
    stage.finish(&first, &token).await.expect("its own");
    assert_eq!(stage.finish(&second, &token).await, refused(TokenRefused::Nonce));
    assert_eq!(stage.sign_in(|claims| claims["nonce"] = json!("")).await, refused(TokenRefused::Nonce));
}

#[tokio::test]
async fn an_access_token_of_another_sign_in_is_refused() {
    for (alg, hash) in [("ES256", &digest::SHA256), ("EdDSA", &digest::SHA512)] {
        let stage = Stage::new(alg).await;
        let digest = digest::digest(hash, b"access-1");
        let left = URL_SAFE_NO_PAD.encode(&digest.as_ref()[..hash.output_len() / 2]);
        stage.sign_in(|claims| claims["at_hash"] = json!(left)).await.expect("its own access token");
        for wrong in [json!(left[1..]), json!(null), json!("")] {
            assert_eq!(stage.sign_in(|claims| claims["at_hash"] = wrong.clone()).await, refused(TokenRefused::AccessTokenHash), "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_did_not_ask_again_although_it_was_told_to_is_refused() {
    let stage = Stage::new("ES256").await;
    let sign_in = SignIn { prompt: Some(Prompt::Login), max_age_seconds: Some(120) };
    let begun = begin(&stage.http, &stage.provider, &sign_in).await.expect("begins");
    let query: Vec<_> = begun.url.query_pairs().into_owned().collect();
    assert!(query.contains(&("prompt".to_owned(), "login".to_owned())), "{query:?}");
    assert!(query.contains(&("max_age".to_owned(), "120".to_owned())), "{query:?}");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let cases = [
        (json!(now - 100), None),
        (json!(now - 200), Some(TokenRefused::AuthenticationTooOld)),
        (json!("now"), Some(TokenRefused::Claim("auth_time"))),
        (json!(null), Some(TokenRefused::Claim("auth_time"))),
    ];
    for (authenticated, reason) in cases {
        let mut claims = stage.claims(&begun.ceremony);
        claims["auth_time"] = authenticated;
        let outcome = stage.finish(&begun.ceremony, &stage.key.sign(&stage.key.header(), &claims)).await;
        assert_eq!(outcome.err(), reason.map(FederationError::Refused));
    }
}
