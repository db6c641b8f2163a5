//! Members: who is listed, whose roles change, whose access ends, and what nobody can do to themselves.

use crate::app;
use serde_json::{Value, json};
use vital_kernel::{OpContext, TenantId, UserId};
use vital_platform::identity;
use vital_testkit::app::{Client, PASSWORD, Persona, TestApp, until};

/// The id of somebody's account.
pub async fn id_of(app: &TestApp, persona: Persona) -> String {
    app.sql_text(&format!("select user_id from directory.logins where email = '{}'", persona.email())).await.unwrap()
}

/// Gives somebody roles behind the platform's back.
pub async fn give_roles(app: &TestApp, persona: Persona, roles: &str) {
    app.sql(&format!("update members set roles = '{{{roles}}}' where email = '{}'", persona.email())).await;
}

/// Makes the session of a persona one in which no second factor was proven lately.
pub async fn forget_proof(app: &TestApp, persona: Persona) {
    let token = persona.token().unwrap();
    app.sql(&format!("update directory.sessions set proved_at = null where token_hash = sha256('{token}')")).await;
}

/// A new session of somebody who has proven nothing but the password; nothing of it is remembered from before.
pub async fn without_proof(app: &TestApp, persona: Persona) -> Client {
    let client = app.new_session(persona).await;
    app.sql(&format!("update directory.sessions set proved_at = null where token_hash = sha256('{}')", client.token().unwrap())).await;
    client
}

/// The context of the operator in organisation A.
pub fn operator(app: &TestApp) -> OpContext {
    identity::operator_context(app.a().tenant.parse::<TenantId>().unwrap())
}

async fn change(client: &Client, id: &str, roles: &[&str]) -> vital_testkit::app::Reply {
    client.request("PATCH", &format!("/api/v1/members/{id}")).json(&json!({ "roles": roles })).send().await
}

fn emails(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|m| m["email"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn administrators_and_auditors_see_members_and_only_administrators_change_them() {
    let app = app().await;
    let viewer = id_of(&app, Persona::Viewer).await;
    for persona in [Persona::TenantAdmin, Persona::Auditor] {
        let client = app.client(persona);
        assert_eq!(client.get("/api/v1/members").await.expect(200).items().as_array().unwrap().len(), 6);
        let found = client.get("/api/v1/members?query=AUDIT").await.expect(200).items();
        assert_eq!(emails(&found), [Persona::Auditor.email()]);
        assert_eq!((&found[0]["roles"], &found[0]["kind"], &found[0]["active"]), (&json!(["auditor"]), &json!("person"), &json!(true)));
        assert_eq!(client.get(&format!("/api/v1/members/{viewer}")).await.expect(200).json()["id"], json!(viewer));
    }
    change(&app.client(Persona::Auditor), &viewer, &["member"]).await.problem(403, "access.denied");
    app.client(Persona::Member).get("/api/v1/members").await.problem(403, "access.denied");
    let changed = change(&app.client(Persona::TenantAdmin), &viewer, &["reviewer", "viewer"]).await.expect(200).json();
    assert_eq!(changed["roles"], json!(["viewer", "reviewer"]));
    assert_eq!(app.client(Persona::Viewer).get("/api/v1/me").await.expect(200).json()["roles"], json!(["viewer", "reviewer"]), "at once");
    let fault = change(&app.client(Persona::TenantAdmin), &viewer, &[]).await.problem(422, "member.roles");
    assert_eq!(fault["errors"][0]["pointer"], "/roles");
}

#[tokio::test]
async fn the_list_of_members_goes_on_from_the_last_one_and_takes_odd_searches_as_text() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/api/v1/members?limit=4{cursor}")).await.expect(200).json();
        all.extend(emails(&page["items"]).into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "{all:?}");
    for nothing in ["%25", "_", "%5C", "%27%3B--"] {
        assert_eq!(admin.get(&format!("/api/v1/members?query={nothing}")).await.expect(200).items(), json!([]), "{nothing}");
    }
}

#[tokio::test]
async fn nobody_gives_themselves_a_role() {
    let app = app().await;
    give_roles(&app, Persona::TenantAdmin, "tenant_admin,member").await;
    give_roles(&app, Persona::Reviewer, "tenant_admin").await;
    let (admin, id) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::TenantAdmin).await);
    change(&admin, &id, &["tenant_admin", "member", "reviewer"]).await.problem(403, "member.raise_self");
    let lowered = change(&admin, &id, &["member"]).await.expect(200).json();
    assert_eq!(lowered["roles"], json!(["member"]));
    change(&admin, &id, &["tenant_admin", "member"]).await.problem(403, "access.denied");
}

#[tokio::test]
async fn the_last_administrator_keeps_role_and_access() {
    let app = app().await;
    give_roles(&app, Persona::TenantAdmin, "tenant_admin,member").await;
    let (admin, id) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::TenantAdmin).await);
    change(&admin, &id, &["member"]).await.problem(409, "member.last_admin");
    admin.act(&format!("/api/v1/members/{id}/deactivate")).await.problem(409, "member.self");
    let made = admin.post("/api/v1/service-accounts", &json!({ "name": "Sync", "roles": ["tenant_admin"] })).await.expect(201);
    assert_eq!(made.json()["kind"], "service");
    let (cx, user) = (operator(&app), UserId(id.parse().unwrap()));
    let refused = app.on_platform(move |p| async move { identity::remove(&p, &cx, user).await.unwrap_err() }).await;
    assert_eq!(refused.code(), "member.last_admin", "a service account cannot sign in, so it does not count");
    admin.get("/api/v1/me").await.expect(200);
    give_roles(&app, Persona::Reviewer, "tenant_admin").await;
    let cx = operator(&app);
    app.on_platform(move |p| async move { identity::remove(&p, &cx, user).await.unwrap() }).await;
    admin.get("/api/v1/me").await.problem(401, "session.none");
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_at_once_leave_one() {
    let app = app().await;
    for _ in 0..5 {
        give_roles(&app, Persona::TenantAdmin, "tenant_admin").await;
        give_roles(&app, Persona::Reviewer, "tenant_admin").await;
        let (a, b) = (app.new_session(Persona::TenantAdmin).await, app.new_session(Persona::Reviewer).await);
        let (a_id, b_id) = (id_of(&app, Persona::TenantAdmin).await, id_of(&app, Persona::Reviewer).await);
        tokio::join!(change(&a, &b_id, &["member"]), change(&b, &a_id, &["member"]));
        let left = format!("select count(*) from members where tenant_id = '{}' and 'tenant_admin' = any (roles)", app.a().tenant);
        assert_eq!(app.sql_text(&left).await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_deactivated_members_session_and_key_stop_and_stay_ended() {
    let app = app().await;
    let (member, admin, id) = (app.member(), app.client(Persona::TenantAdmin), id_of(&app, Persona::Member).await);
    let issued = member.post("/api/v1/keys", &json!({ "name": "script", "scopes": ["conversation.read"] })).await.expect(201).json();
    let key = app.with_token(issued["key"].as_str().unwrap());
    member.get("/api/v1/me").await.expect(200);
    key.get("/api/v1/conversations").await.expect(200);
    admin.act(&format!("/api/v1/members/{id}/deactivate")).await.expect(204);
    for client in [&member, &key] {
        until("the end of access", || async { (client.get("/api/v1/conversations").await.status == 401).then_some(()) }).await;
    }
    let sign_in = json!({ "email": Persona::Member.email(), "password": PASSWORD });
    app.client(Persona::Anonymous).post("/api/v1/session", &sign_in).await.problem(401, "sign_in.failed");
    admin.act(&format!("/api/v1/members/{id}/reactivate")).await.expect(204);
    for client in [&member, &key] {
        client.get("/api/v1/conversations").await.problem(401, "session.none");
    }
    app.client(Persona::Anonymous).post("/api/v1/session", &sign_in).await.expect(201);
}

#[tokio::test]
async fn a_removed_member_leaves_groups_and_address_behind() {
    let app = app().await;
    let (admin, id) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::Viewer).await);
    let group = admin.post("/api/v1/groups", &json!({ "name": "Readers" })).await.expect(201).json();
    let path = format!("/api/v1/groups/{}", group["id"].as_str().unwrap());
    assert_eq!(admin.post(&format!("{path}/members"), &json!({ "members": [id] })).await.expect(200).json()["members"], 1);
    let (cx, user) = (operator(&app), UserId(id.parse().unwrap()));
    app.on_platform(move |p| async move { identity::remove(&p, &cx, user).await.unwrap() }).await;
    admin.get(&format!("/api/v1/members/{id}")).await.problem(404, "member.unknown");
    assert_eq!(admin.get(&path).await.expect(200).json()["members"], 0);
    app.client(Persona::Viewer).get("/api/v1/me").await.problem(401, "session.none");
    let again = json!({ "email": Persona::Viewer.email(), "roles": ["member"] });
    assert_eq!(admin.post("/api/v1/invitations", &again).await.expect(201).json()["mail_problem"], Value::Null);
    let left = app.sql_text(&format!("select display_name || ' ' || email from members where id = '{id}'")).await.unwrap();
    assert!(!left.contains("viewer@"), "{left}");
}

#[tokio::test]
async fn a_service_account_cannot_sign_in_and_has_no_password_to_reset() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let made = admin.post("/api/v1/service-accounts", &json!({ "name": " Nightly import ", "roles": ["member"] })).await.expect(201);
    assert!(made.header("location").unwrap().starts_with("/api/v1/members/"));
    let made = made.json();
    assert_eq!((&made["display_name"], &made["kind"]), (&json!("Nightly import"), &json!("service")));
    let logins = app.sql_text(&format!("select count(*) from directory.logins where user_id = '{}'", made["id"].as_str().unwrap())).await;
    assert_eq!(logins.as_deref(), Some("0"));
    assert_eq!(emails(&admin.get("/api/v1/members?kind=service").await.expect(200).items()), [made["email"].as_str().unwrap()]);
    let faults = admin.post("/api/v1/service-accounts", &json!({ "name": "", "roles": ["member"] })).await.problem(422, "member.name");
    assert_eq!(faults["errors"][0]["pointer"], "/name");
}

#[tokio::test]
async fn what_changes_access_asks_for_a_recent_second_factor() {
    let app = app().await;
    forget_proof(&app, Persona::TenantAdmin).await;
    let (admin, id) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::Viewer).await);
    change(&admin, &id, &["member"]).await.problem(403, "step_up.required");
    for verb in ["deactivate", "reactivate"] {
        admin.act(&format!("/api/v1/members/{id}/{verb}")).await.problem(403, "step_up.required");
    }
    admin.post("/api/v1/service-accounts", &json!({ "name": "x", "roles": ["member"] })).await.problem(403, "step_up.required");
    let new = json!({ "email": "second@a.example", "roles": ["tenant_admin"] });
    admin.post("/api/v1/invitations", &new).await.problem(403, "step_up.required");
    admin.post("/api/v1/invitations", &json!({ "email": "third@a.example", "roles": ["member"] })).await.expect(201);
    let group = admin.post("/api/v1/groups", &json!({ "name": "Plain" })).await.expect(201).json();
    admin.delete(&format!("/api/v1/groups/{}", group["id"].as_str().unwrap())).await.problem(403, "step_up.required");
    admin.post("/api/v1/keys", &json!({ "name": "x", "scopes": ["ask"] })).await.problem(403, "step_up.required");
}

#[tokio::test]
async fn everybody_may_change_their_own_name() {
    let app = app().await;
    for persona in [Persona::Viewer, Persona::Auditor] {
        let client = app.client(persona);
        let rename = async |name: &str| client.request("PATCH", "/api/v1/me").json(&json!({ "display_name": name })).send().await;
        rename(" Ada Lovelace ").await.expect(204);
        assert_eq!(client.get("/api/v1/me").await.expect(200).json()["display_name"], "Ada Lovelace");
        for bad in ["", " ", "a\u{7}b", &"x".repeat(121)] {
            assert_eq!(rename(bad).await.problem(422, "member.name")["errors"][0]["pointer"], "/display_name");
        }
    }
}

#[tokio::test]
async fn members_of_another_organisation_are_not_there() {
    let app = app().await;
    let (admin, foreign) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::OtherMember).await);
    admin.get(&format!("/api/v1/members/{foreign}")).await.problem(404, "member.unknown");
    change(&admin, &foreign, &["viewer"]).await.problem(404, "member.unknown");
    for verb in ["deactivate", "reactivate"] {
        admin.act(&format!("/api/v1/members/{foreign}/{verb}")).await.problem(404, "member.unknown");
    }
    app.client(Persona::OtherMember).get("/api/v1/me").await.expect(200);
}
