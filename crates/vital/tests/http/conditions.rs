//! Entity tags: what is unchanged is not sent twice, and what somebody else changed is not overwritten.

use crate::app;
use futures_util::future::join_all;
use serde_json::{Value, json};
use vital_testkit::app::{Client, Persona, Reply};

async fn tag(client: &Client, path: &str) -> String {
    client.get(path).await.expect(200).header("etag").unwrap().to_owned()
}

async fn change(client: &Client, method: &str, path: &str, tag: &str, body: &Value) -> Reply {
    client.request(method, path).header("if-match", tag).json(body).send().await
}

#[tokio::test]
async fn what_a_reader_holds_is_not_sent_again() {
    let app = app().await;
    let member = app.member();
    for path in [format!("/api/v1/documents/{}", app.a().document), "/api/v1/experts".to_owned()] {
        let first = member.get(&path).await.expect(200);
        let held = first.header("etag").unwrap();
        let again = member.request("GET", &path).header("if-none-match", &format!("\"other\", W/{held}")).send().await.expect(304);
        assert!(again.body.is_empty() && again.header("etag") == Some(held));
        member.request("GET", &path).header("if-none-match", "\"other\"").send().await.expect(200);
    }
}

#[tokio::test]
async fn of_many_who_saw_the_same_one_changes_it_and_the_others_are_told() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let group = admin.post("/api/v1/groups", &json!({ "name": "Start" })).await.expect(201).json();
    let path = format!("/api/v1/groups/{}", group["id"].as_str().unwrap());
    let seen = tag(&admin, &path).await;
    let names: Vec<Value> = (0..20).map(|n| json!({ "name": format!("Name {n}") })).collect();
    let replies = join_all(names.iter().map(|name| change(&admin, "PATCH", &path, &seen, name))).await;
    let (done, stale): (Vec<&Reply>, Vec<&Reply>) = replies.iter().partition(|r| r.status == 200);
    assert_eq!(done.len(), 1, "one of them");
    for refused in stale {
        refused.clone().problem(412, "request.stale");
    }
    assert_eq!(admin.get(&path).await.json()["name"], done[0].json()["name"]);
    let fresh = done[0].header("etag").unwrap().to_owned();
    assert_eq!(fresh, tag(&admin, &path).await, "the reply to a change brings the next tag");
    change(&admin, "PATCH", &path, &format!("W/{fresh}"), &names[0]).await.problem(412, "request.stale");
    change(&admin, "PATCH", &path, "nothing", &names[0]).await.problem(400, "request.if_match");
    change(&admin, "PATCH", &path, &format!("\"x\", {fresh}"), &json!({ "name": "End" })).await.expect(200);
    admin.request("DELETE", &path).header("if-match", &fresh).send().await.problem(412, "request.stale");
    admin.request("DELETE", &path).header("if-match", "*").send().await.expect(204);
}

#[tokio::test]
async fn settings_change_only_from_what_was_seen() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let auditor = app.client(Persona::Auditor);
    let hours = auditor.get("/api/v1/audit/working-hours").await.expect(200).json();
    let organisation = admin.get("/api/v1/organisation").await.expect(200).json();
    let mut policy = organisation["policy"].clone();
    policy["idle_minutes"] = json!(25);
    let mut later = hours.clone();
    later["to_hour"] = json!(21);
    let slug = "/api/v1/experts/clinical-pharmacology/models";
    for (read, changed, body, again) in [
        ("/api/v1/organisation", "/api/v1/organisation/policy", policy.clone(), organisation["policy"].clone()),
        ("/api/v1/audit/working-hours", "/api/v1/audit/working-hours", later.clone(), hours.clone()),
        (
            "/api/v1/provider-policy",
            "/api/v1/provider-policy",
            json!({ "installation_allowed": false }),
            json!({ "installation_allowed": true }),
        ),
        (slug, slug, json!({ "models": [] }), json!({ "models": [] })),
    ] {
        let seen = tag(if read.contains("audit") { &auditor } else { &admin }, read).await;
        let first = change(&admin, "PUT", changed, &seen, &body).await;
        assert!(matches!(first.status, 200 | 204), "{changed}: {}", first.text());
        change(&admin, "PUT", changed, "\"0123\"", &again).await.problem(412, "request.stale");
    }
}

#[tokio::test]
async fn what_has_no_tag_is_not_changed_on_condition_of_one() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    change(&admin, "POST", "/api/v1/groups", "\"x\"", &json!({ "name": "Conditional" })).await.problem(400, "request.if_match");
    let made = admin.get("/api/v1/groups").await.expect(200).items();
    assert!(made.as_array().unwrap().iter().all(|g| g["name"] != "Conditional"));
}
