//! API keys: what they may do, and what ends them.

use crate::{
    app,
    members::{give_roles, id_of},
};
use serde_json::{Value, json};
use vital_kernel::limits;
use vital_testkit::app::{Client, Persona, TestApp, until};

async fn issued(client: &Client, scopes: &[&str]) -> Value {
    client.post("/api/v1/keys", &json!({ "name": "script", "scopes": scopes })).await.expect(201).json()
}

fn with(app: &TestApp, key: &Value) -> Client {
    app.with_token(key["key"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_does_what_its_scopes_allow_and_is_shown_once() {
    let app = app().await;
    let member = app.member();
    let made = issued(&member, &["conversation.read", "ask"]).await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("vital_pk_") && key.len() == 67 && key.starts_with(made["prefix"].as_str().unwrap()), "{made}");
    let client = app.with_token(key);
    client.get("/api/v1/conversations").await.expect(200);
    client.post("/api/v1/conversations", &json!({})).await.expect(201);
    client.get("/api/v1/documents").await.problem(403, "access.scope");
    client.get("/api/v1/keys").await.problem(403, "access.scope");
    let listed = member.get("/api/v1/keys").await.expect(200);
    assert!(!listed.text().contains(key), "the list shows the key");
    let listed = listed.items();
    assert_eq!((&listed[0]["name"], &listed[0]["scopes"]), (&json!("script"), &json!(["ask", "conversation.read"])));
    assert!(listed[0]["used_at"].is_string(), "{listed}");
    let stored = app.sql_text(&format!("select count(*) from directory.tokens where token_hash = sha256('{key}') and kind = 'key'")).await;
    assert_eq!(stored.as_deref(), Some("1"), "the hash is stored");
}

#[tokio::test]
async fn a_key_holds_nothing_that_its_member_does_not_hold_any_more() {
    let app = app().await;
    let key = with(&app, &issued(&app.member(), &["ask", "conversation.read"]).await);
    key.post("/api/v1/conversations", &json!({})).await.expect(201);
    give_roles(&app, Persona::Member, "viewer").await;
    until("the role to count", || async { (key.post("/api/v1/conversations", &json!({})).await.status == 403).then_some(()) }).await;
    key.get("/api/v1/conversations").await.expect(200);
}

#[tokio::test]
async fn scopes_beyond_ones_roles_and_other_faults_are_refused_with_their_place() {
    let app = app().await;
    let member = app.member();
    let refused = async |body: Value| {
        let problem = member.post("/api/v1/keys", &body).await.problem(422, "key.invalid");
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(refused(json!({ "name": "x", "scopes": ["ask", "user.write", "everything"] })).await, ["/scopes/1", "/scopes/2"]);
    assert_eq!(refused(json!({ "name": "", "scopes": [], "days": 366 })).await, ["/name", "/days", "/scopes"]);
    assert_eq!(refused(json!({ "name": "x", "scopes": vec!["ask"; 100] })).await, ["/scopes"]);
    app.client(Persona::Viewer)
        .post("/api/v1/keys", &json!({ "name": "x", "scopes": ["conversation.read"] }))
        .await
        .problem(403, "access.denied");
}

#[tokio::test]
async fn revoked_expired_damaged_and_invented_keys_are_refused_alike() {
    let app = app().await;
    let member = app.member();
    let (revoked, expired) = (issued(&member, &["ask"]).await, issued(&member, &["ask"]).await);
    let text = revoked["key"].as_str().unwrap().to_owned();
    with(&app, &revoked).get("/api/v1/me").await.expect(200);
    member.delete(&format!("/api/v1/keys/{}", revoked["id"].as_str().unwrap())).await.expect(204);
    with(&app, &revoked).get("/api/v1/me").await.problem(401, "session.none");
    member.delete(&format!("/api/v1/keys/{}", revoked["id"].as_str().unwrap())).await.problem(404, "key.unknown");
    app.sql(&format!(
        "update directory.tokens set ends_at = now() - interval '1 second' where subject = '{}'",
        expired["id"].as_str().unwrap()
    ))
    .await;
    with(&app, &expired).get("/api/v1/me").await.problem(401, "session.none");
    let (head, last) = text.split_at(66);
    let damaged = format!("{head}{}", if last == "a" { "b" } else { "a" });
    let longer = format!("{text}a");
    for wrong in [damaged.as_str(), &text[..66], &longer, "vital_pk_", "vital_xx_aaaaaaaa_aaaa", &text.to_uppercase()] {
        app.with_token(wrong).get("/api/v1/me").await.problem(401, "session.none");
    }
}

#[tokio::test]
async fn a_key_cannot_make_keys_step_up_or_do_what_needs_it() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let key = with(&app, &issued(&admin, &["user.write", "user.read", "key.write", "key.manage", "profile.write"]).await);
    key.post("/api/v1/keys", &json!({ "name": "child", "scopes": ["ask"] })).await.problem(403, "key.by_key");
    key.post("/api/v1/service-accounts", &json!({ "name": "child", "roles": ["member"] })).await.problem(403, "step_up.key");
    let viewer = id_of(&app, Persona::Viewer).await;
    key.act(&format!("/api/v1/members/{viewer}/deactivate")).await.problem(403, "step_up.key");
    key.post("/api/v1/session/step-up", &json!({ "proof": { "totp": "123456" } })).await.problem(403, "step_up.key");
    key.get("/api/v1/members").await.expect(200);
}

#[tokio::test]
async fn a_service_key_acts_for_its_account_and_ends_with_it() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let account = admin.post("/api/v1/service-accounts", &json!({ "name": "Import", "roles": ["member"] })).await.expect(201).json();
    let new = |member: &Value, scope: &str| json!({ "name": "import", "scopes": [scope], "days": 7, "member": member });
    let made = admin.post("/api/v1/keys", &new(&account["id"], "document.read")).await.expect(201).json();
    assert!(made["key"].as_str().unwrap().starts_with("vital_sk_"), "{made}");
    let key = with(&app, &made);
    assert_eq!(key.get("/api/v1/me").await.expect(200).json()["id"], account["id"]);
    key.get("/api/v1/documents").await.expect(200);
    let beyond = admin.post("/api/v1/keys", &new(&account["id"], "user.write")).await.problem(422, "key.invalid");
    assert_eq!(beyond["errors"][0]["pointer"], "/scopes/0", "the account's roles count, not the maker's");
    let person = json!(id_of(&app, Persona::Viewer).await);
    admin.post("/api/v1/keys", &new(&person, "document.read")).await.problem(404, "service_account.unknown");
    app.member().post("/api/v1/keys", &new(&account["id"], "document.read")).await.problem(403, "access.denied");
    admin.act(&format!("/api/v1/members/{}/deactivate", account["id"].as_str().unwrap())).await.expect(204);
    key.get("/api/v1/documents").await.problem(401, "session.none");
    admin.post("/api/v1/keys", &new(&account["id"], "document.read")).await.problem(404, "service_account.unknown");
}

#[tokio::test]
async fn everybodys_keys_are_for_administrators_and_auditors_to_see_and_for_administrators_to_revoke() {
    let app = app().await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let (admin, auditor, other) = (app.client(Persona::TenantAdmin), app.client(Persona::Auditor), app.client(Persona::OtherMember));
    let made = issued(&app.member(), &["ask"]).await;
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    for client in [&admin, &auditor] {
        assert_eq!(client.get("/api/v1/keys?all=true").await.expect(200).items()[0]["id"], made["id"]);
    }
    assert_eq!(admin.get("/api/v1/keys").await.expect(200).items(), json!([]), "own ones alone");
    assert_eq!(other.get("/api/v1/keys?all=true").await.expect(200).items(), json!([]));
    app.member().get("/api/v1/keys?all=true").await.problem(403, "access.denied");
    auditor.delete(&path).await.problem(403, "access.denied");
    app.client(Persona::Reviewer).delete(&path).await.problem(404, "key.unknown");
    other.delete(&path).await.problem(404, "key.unknown");
    with(&app, &made).get("/api/v1/me").await.expect(200);
    admin.delete(&path).await.expect(204);
    with(&app, &made).get("/api/v1/me").await.problem(401, "session.none");
}

#[tokio::test]
async fn there_are_only_so_many_keys_at_once() {
    let app = app().await;
    let member = app.member();
    let body = json!({ "name": "one of many", "scopes": ["ask"] });
    let first = member.post("/api/v1/keys", &body).await.expect(201).json();
    for _ in 1..limits::KEYS_MAX {
        member.post("/api/v1/keys", &body).await.expect(201);
    }
    member.post("/api/v1/keys", &body).await.problem(409, "key.too_many");
    member.delete(&format!("/api/v1/keys/{}", first["id"].as_str().unwrap())).await.expect(204);
    member.post("/api/v1/keys", &body).await.expect(201);
}
