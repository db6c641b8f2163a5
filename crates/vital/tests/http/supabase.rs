//! Access tokens of Supabase Auth in place of a session: which are accepted, and into which organisation they lead.

use crate::app;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use vital_federation::scripted::{ScriptedIssuer, SigningKey, assemble};
use vital_testkit::app::{Persona, Reply, TestApp};

const ISSUER: &str = "https://project.supabase.example/auth/v1";
const CURRENT: &str = "the current secret, of 32 bytes or more";
const NEXT: &str = "the secret after it, of 32 bytes or more";
const OF_B: &str = "the secret of the other organisation, long";

fn provider(changes: Value) -> Value {
    let mut new = json!({
        "kind": "supabase", "name": "Programs", "issuer": ISSUER, "client_id": "authenticated", "secret": CURRENT,
        "role_claim": "app_metadata.roles", "role_map": { "reviewer": ["reviewer"], "member": ["member"] }, "emails_verified": true,
    });
    new.as_object_mut().unwrap().extend(serde_json::from_value::<Map<String, Value>>(changes).unwrap());
    new
}

/// Makes the mirrored administrator of organisation B, and gives a client.
async fn admin_of_b(app: &TestApp) -> vital_testkit::app::Client {
    app.sql(&format!("update members set roles = '{{tenant_admin}}' where email = '{}'", Persona::OtherMember.email())).await;
    app.new_session(Persona::OtherMember).await
}

async fn trusting(changes: Value) -> (TestApp, String) {
    let app = app().await;
    let made = app.client(Persona::TenantAdmin).post("/api/v1/sso/providers", &provider(changes)).await.expect(201).json();
    (app, made["id"].as_str().unwrap().to_owned())
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The claims that Supabase Auth writes, with changes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "authenticated", "sub": "5f0e9c5e-5f6c-4a1c-8f2e-0d2b6a1c7e11", "exp": now() + 3_600, "iat": now(),
        "email": "ada@a.example", "role": "authenticated", "aal": "aal1", "session_id": "s", "is_anonymous": false,
        "app_metadata": { "provider": "email", "roles": ["reviewer"] }, "user_metadata": { "email_verified": true, "roles": ["tenant_admin"] },
    });
    claims.as_object_mut().unwrap().extend(serde_json::from_value::<Map<String, Value>>(changes).unwrap());
    claims
}

fn signed(claims: &Value, secret: &str) -> String {
    signed_with(&json!({ "alg": "HS256", "typ": "JWT" }), claims, secret)
}

fn signed_with(header: &Value, claims: &Value, secret: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    assemble(header, claims, |signed| ring::hmac::sign(&key, signed).as_ref().to_vec())
}

async fn me(app: &TestApp, token: &str) -> Reply {
    app.with_token(token).get("/api/v1/me").await
}

#[tokio::test]
async fn a_token_makes_an_account_with_the_roles_that_the_server_wrote() {
    let (app, _) = trusting(json!({})).await;
    let token = signed(&claims(json!({})), CURRENT);
    let ada = me(&app, &token).await.expect(200).json();
    assert_eq!((&ada["email"], &ada["roles"], &ada["tenant"]), (&json!("ada@a.example"), &json!(["reviewer"]), &json!(app.a().tenant)));
    assert_eq!((&ada["stepped_up"], me(&app, &token).await.json()["id"].clone()), (&json!(false), ada["id"].clone()));
    let client = app.with_token(&token);
    client.get("/api/v1/documents").await.expect(200);
    client.post("/api/v1/keys", &json!({ "name": "x", "scopes": ["ask"] })).await.problem(403, "key.by_key");
    assert_eq!(app.sql_text("select count(*) from members where email = 'ada@a.example'").await.as_deref(), Some("1"));
    app.sql("update members set active = false where email = 'ada@a.example'").await;
    vital_testkit::app::until("the deactivated member to be refused", || async { (me(&app, &token).await.status == 401).then_some(()) })
        .await;
}

#[tokio::test]
async fn many_first_requests_at_once_make_one_account() {
    let (app, _) = trusting(json!({})).await;
    let tokens: Vec<String> = (0..12).map(|i| signed(&claims(json!({ "session_id": i })), CURRENT)).collect();
    let clients: Vec<_> = tokens.iter().map(|t| app.with_token(t)).collect();
    let replies = futures_util::future::join_all(clients.iter().map(|c| c.get("/api/v1/me"))).await;
    let ids: std::collections::BTreeSet<String> = replies.into_iter().map(|r| r.expect(200).json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn tokens_that_are_not_quite_right_open_nothing() {
    let (app, _) = trusting(json!({})).await;
    let good = claims(json!({}));
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let mut bad = vec![
        ("a wrong secret", signed(&good, NEXT)),
        ("no signature", assemble(&json!({ "alg": "none" }), &good, |_| Vec::new())),
        ("none with a signature", signed_with(&json!({ "alg": "none" }), &good, CURRENT)),
        ("another algorithm", signed_with(&json!({ "alg": "HS512" }), &good, CURRENT)),
        ("another kind of token", signed_with(&json!({ "alg": "HS256", "typ": "logout+jwt" }), &good, CURRENT)),
        ("a key of its own", signed_with(&json!({ "alg": "HS256", "jku": "https://evil.example/jwks", "crit": ["jku"] }), &good, CURRENT)),
        ("dots alone", "..".to_owned()),
        ("text", "a.b.c".to_owned()),
    ];
    for (what, changes) in [
        ("another audience", json!({ "aud": "anon" })),
        ("another issuer", json!({ "iss": "https://evil.example" })),
        ("an issuer with a slash", json!({ "iss": format!("{ISSUER}/") })),
        ("an end that has passed", json!({ "exp": now() - 61 })),
        ("a beginning to come", json!({ "iat": now() + 90 })),
        ("nobody", json!({ "sub": "" })),
        ("no role of ours", json!({ "app_metadata": { "roles": ["king"] } })),
        ("an address of another organisation", json!({ "email": Persona::OtherMember.email() })),
        ("no address", json!({ "email": "" })),
    ] {
        bad.push((what, signed_with(&header, &claims(changes), CURRENT)));
    }
    for (what, token) in bad {
        let reply = me(&app, &token).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.text());
        reply.problem(401, "session.none");
    }
    assert_eq!(app.sql_text("select count(*) from identities").await.as_deref(), Some("0"));
    me(&app, &signed(&claims(json!({ "exp": now() - 30, "iat": now() + 30 })), CURRENT)).await.expect(200);
}

#[tokio::test]
async fn a_secret_is_rotated_without_turning_anybody_away() {
    let (app, id) = trusting(json!({})).await;
    let admin = app.client(Persona::TenantAdmin);
    let change = async |change: Value| admin.request("PATCH", &format!("/api/v1/sso/providers/{id}")).json(&change).send().await;
    let (old, new) = (signed(&claims(json!({})), CURRENT), signed(&claims(json!({})), NEXT));
    me(&app, &old).await.expect(200);
    me(&app, &new).await.expect(401);
    let changed = change(json!({ "secret": NEXT })).await.expect(200);
    assert!(changed.json()["has_previous_secret"] == true && !changed.everything().contains(NEXT));
    me(&app, &old).await.expect(200);
    me(&app, &new).await.expect(200);
    change(json!({ "forget_previous": true })).await.expect(200);
    me(&app, &old).await.expect(401);
    me(&app, &new).await.expect(200);
    change(json!({ "active": false })).await.expect(200);
    me(&app, &new).await.expect(401);
    change(json!({ "secret": "short" })).await.problem(422, "sso.invalid");
}

#[tokio::test]
async fn published_keys_are_accepted_and_a_public_key_is_no_secret() {
    let (app, issuer, key) = (app().await, ScriptedIssuer::start().await, SigningKey::new("ES256", "key-1"));
    issuer.answer_keys(&[&key]);
    let new = provider(json!({ "issuer": issuer.issuer, "secret": null, "jwks_url": format!("{}/jwks", issuer.issuer) }));
    let id =
        app.client(Persona::TenantAdmin).post("/api/v1/sso/providers", &new).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let good = claims(json!({ "iss": issuer.issuer }));
    me(&app, &key.sign(&key.header(), &good)).await.expect(200);
    let public = key.public().to_string();
    me(&app, &signed_with(&json!({ "alg": "HS256", "kid": "key-1" }), &good, &public)).await.expect(401);
    me(&app, &SigningKey::new("ES256", "key-1").sign(&key.header(), &good)).await.expect(401);
    let test = app.client(Persona::TenantAdmin).act(&format!("/api/v1/sso/providers/{id}/test")).await.expect(200).json();
    assert_eq!(test["reachable"], true, "{test}");
}

#[tokio::test]
async fn a_later_token_decides_about_roles_and_an_earlier_one_does_not_bring_them_back() {
    let (app, _) = trusting(json!({})).await;
    let of = |iat: i64, role: &str| signed(&claims(json!({ "iat": iat, "app_metadata": { "roles": [role] } })), CURRENT);
    let (early, late) = (of(now() - 100, "reviewer"), of(now() - 10, "member"));
    let roles = async |token: &str| me(&app, token).await.expect(200).json()["roles"].clone();
    assert_eq!(roles(&early).await, json!(["reviewer"]));
    assert_eq!(roles(&late).await, json!(["member"]));
    assert_eq!(roles(&early).await, json!(["member"]));
}

#[tokio::test]
async fn tokens_of_one_organisation_never_lead_into_another() {
    let (app, _) = trusting(json!({})).await;
    let b = admin_of_b(&app).await;
    let id =
        b.post("/api/v1/sso/providers", &provider(json!({ "secret": OF_B }))).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let (of_a, of_b) = (signed(&claims(json!({})), CURRENT), signed(&claims(json!({ "email": "grace@b.example" })), OF_B));
    let tenant = async |token: &str| me(&app, token).await.expect(200).json()["tenant"].clone();
    assert_eq!(tenant(&of_a).await, app.a().tenant.as_str());
    assert_eq!(tenant(&of_b).await, app.b().tenant.as_str());
    let document = format!("/api/v1/documents/{}", app.a().document);
    app.with_token(&of_a).get(&document).await.expect(200);
    app.with_token(&of_b).get(&document).await.problem(404, "document.unknown");

    // The other organisation learns the secret, or both share a project: a token that both accept goes on leading where it led before.
    b.request("PATCH", &format!("/api/v1/sso/providers/{id}")).json(&json!({ "secret": CURRENT })).send().await.expect(200);
    assert_eq!(tenant(&of_a).await, app.a().tenant.as_str());
    b.request("PATCH", &format!("/api/v1/sso/providers/{id}"))
        .json(&json!({ "tenant_claim": "role" }))
        .send()
        .await
        .problem(422, "sso.invalid");
    let slug = app.sql_text(&format!("select slug from directory.tenants where id = '{}'", app.a().tenant)).await.unwrap();
    let admin = app.client(Persona::TenantAdmin);
    let own = admin.get("/api/v1/sso/providers").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    admin
        .request("PATCH", &format!("/api/v1/sso/providers/{own}"))
        .json(&json!({ "tenant_claim": "app_metadata.organisation" }))
        .send()
        .await
        .expect(200);
    let named = |slug: &str| signed(&claims(json!({ "app_metadata": { "roles": ["reviewer"], "organisation": slug } })), CURRENT);
    assert_eq!(tenant(&named(&slug)).await, app.a().tenant.as_str());
}
