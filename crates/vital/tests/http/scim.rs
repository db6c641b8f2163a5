//! A directory that keeps people and groups (SCIM 2.0): their lives, whose access ends with them, and what is refused in SCIM's own words.

use crate::{
    app, app_with,
    members::{give_roles, id_of},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, QUESTION_A, Reply, TestApp, until},
    provider::{Script, ScriptedProvider},
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A client with the key of a service account of organisation A.
async fn directory(app: &TestApp) -> Client {
    key_of(app, &app.client(Persona::TenantAdmin), &["directory.provision"]).await
}

async fn key_of(app: &TestApp, admin: &Client, scopes: &[&str]) -> Client {
    let account =
        admin.post("/api/v1/service-accounts", &json!({ "name": "Directory", "roles": ["tenant_admin"] })).await.expect(201).json();
    let key = admin.post("/api/v1/keys", &json!({ "name": "sync", "scopes": scopes, "member": account["id"] })).await.expect(201).json();
    app.with_token(key["key"].as_str().unwrap())
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Reply {
    client.request(method, &format!("/scim/v2{path}")).body("application/scim+json", body.to_string()).send().await
}

async fn patch(client: &Client, path: &str, operations: Value) -> Reply {
    send(client, "PATCH", path, &json!({ "schemas": [PATCH], "Operations": operations })).await
}

async fn get(client: &Client, path: &str) -> Reply {
    client.get(&format!("/scim/v2{path}")).await
}

async fn created(client: &Client, kind: &str, mut fields: Value) -> (String, Value) {
    fields["schemas"] = json!([if kind == "Users" { USER } else { GROUP }]);
    let made = send(client, "POST", &format!("/{kind}"), &fields).await.expect(201).json();
    (made["id"].as_str().unwrap().to_owned(), made)
}

/// Fails unless it is SCIM's error message.
#[track_caller]
fn refused(reply: &Reply, status: u16, keyword: Option<&str>) -> String {
    assert_eq!((reply.status, reply.header("content-type")), (status, Some("application/scim+json")), "{}", reply.text());
    let body = reply.json();
    assert_eq!((&body["schemas"], &body["status"]), (&json!([ERROR]), &json!(status.to_string())), "{body}");
    assert_eq!(body["scimType"].as_str(), keyword, "{body}");
    body["detail"].as_str().unwrap().to_owned()
}

fn names(list: &Value, attribute: &str) -> Vec<String> {
    list["Resources"].as_array().unwrap().iter().map(|r| r[attribute].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_life_of_a_user() {
    let app = app().await;
    let scim = directory(&app).await;
    let body = json!({ "schemas": [USER], "userName": "Grace@a.example", "externalId": "e-1", "name": { "givenName": "Grace", "familyName": "Hopper" } });
    let reply = send(&scim, "POST", "/Users", &body).await.expect(201);
    let made = reply.json();
    let (id, version) = (made["id"].as_str().unwrap().to_owned(), made["meta"]["version"].as_str().unwrap().to_owned());
    assert_eq!((reply.header("location"), reply.header("etag")), (made["meta"]["location"].as_str(), Some(version.as_str())));
    assert!(made["meta"]["location"].as_str().unwrap().ends_with(&format!("/scim/v2/Users/{id}")), "{made}");
    assert_eq!((&made["userName"], &made["active"], made.get("displayName")), (&json!("Grace@a.example"), &json!(true), None));
    let same = scim.request("GET", &format!("/scim/v2/Users/{id}")).header("if-none-match", &version).send().await;
    assert_eq!((same.status, same.body.len()), (304, 0));

    let listed = app.client(Persona::TenantAdmin).get(&format!("/api/v1/members/{id}")).await.expect(200).json();
    assert_eq!(
        (&listed["email"], &listed["display_name"], &listed["roles"]),
        (&json!("grace@a.example"), &json!("Grace Hopper"), &json!(["member"]))
    );
    let mut renamed = body.clone();
    renamed["displayName"] = json!("Amazing Grace");
    renamed["userName"] = json!("4711");
    let put = send(&scim, "PUT", &format!("/Users/{id}"), &renamed).await.expect(200).json();
    assert_eq!((&put["userName"], &put["displayName"], &put["active"]), (&json!("4711"), &json!("Amazing Grace"), &json!(true)));
    assert_ne!(put["meta"]["version"], json!(version));
    let login = app.sql_text(&format!("select email from directory.logins where user_id = '{id}'")).await;
    assert_eq!(login, Some(format!("{id}@scim.invalid")), "no mail can go to a name that is no address");

    patch(&scim, &format!("/Users/{id}"), json!([{ "op": "replace", "value": { "active": false } }])).await.expect(200);
    assert_eq!(get(&scim, &format!("/Users/{id}")).await.expect(200).json()["active"], json!(false));
    send(&scim, "PUT", &format!("/Users/{id}"), &renamed).await.expect(200);
    assert_eq!(get(&scim, &format!("/Users/{id}")).await.json()["active"], json!(false), "left out is not true");
    patch(&scim, &format!("/Users/{id}"), json!([{ "op": "Replace", "path": "active", "value": "True" }])).await.expect(200);

    assert_eq!(scim.delete(&format!("/scim/v2/Users/{id}")).await.status, 204);
    for method in ["GET", "DELETE"] {
        refused(&scim.request(method, &format!("/scim/v2/Users/{id}")).send().await, 404, None);
    }
    let (again, _) = created(&scim, "Users", body).await;
    assert_ne!(again, id, "the name is free again, and who gets it is somebody else");
    let actions = format!("select string_agg(action, ' ' order by id) from audit_entries where resource = 'user' and resource_id = '{id}'");
    assert_eq!(
        app.sql_text(&actions).await.as_deref(),
        Some("user.provisioned user.changed user.deactivated user.reactivated user.removed"),
        "a write that changes nothing leaves no trace"
    );
}

#[tokio::test]
async fn the_life_of_a_group() {
    let app = app().await;
    let scim = directory(&app).await;
    let (ada, _) = created(&scim, "Users", json!({ "userName": "ada" })).await;
    let (ben, _) = created(&scim, "Users", json!({ "userName": "ben" })).await;
    let (id, made) =
        created(&scim, "Groups", json!({ "displayName": "Chemists", "externalId": "g-1", "members": [{ "value": ada }] })).await;
    assert_eq!(made["members"][0]["value"], json!(ada));
    let of_ada = get(&scim, &format!("/Users/{ada}")).await.expect(200).json();
    assert_eq!((&of_ada["groups"][0]["value"], &of_ada["groups"][0]["display"]), (&json!(id), &json!("Chemists")));

    let admin = app.client(Persona::TenantAdmin);
    let listed = admin.get(&format!("/api/v1/groups/{id}")).await.expect(200).json();
    assert_eq!((&listed["name"], &listed["members"], &listed["provisioned"]), (&json!("Chemists"), &json!(1), &json!(true)));
    let members = async || {
        let group = get(&scim, &format!("/Groups/{id}")).await.expect(200).json();
        group["members"]
            .as_array()
            .map(|m| m.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    // As Entra ID writes it, and once more: adding twice adds once.
    for _ in 0..2 {
        patch(&scim, &format!("/Groups/{id}"), json!([{ "op": "Add", "path": "members", "value": [{ "value": ben }] }])).await.expect(200);
    }
    assert_eq!(members().await, [ada.clone(), ben.clone()]);
    patch(&scim, &format!("/Groups/{id}"), json!([{ "op": "remove", "path": format!("members[value eq \"{ada}\"]") }])).await.expect(200);
    assert_eq!(members().await, std::slice::from_ref(&ben));
    let stranger = Uuid::new_v4();
    let wrong = json!([{ "op": "replace", "path": "displayName", "value": "Lost" }, { "op": "add", "path": "members", "value": [{ "value": stranger }] }]);
    refused(&patch(&scim, &format!("/Groups/{id}"), wrong).await, 400, Some("invalidValue"));
    let after = get(&scim, &format!("/Groups/{id}")).await.json();
    assert_eq!(after["displayName"], json!("Chemists"), "all operations or none");
    refused(&send(&scim, "POST", "/Groups", &json!({ "schemas": [GROUP], "displayName": "CHEMISTS" })).await, 409, Some("uniqueness"));

    scim.delete(&format!("/scim/v2/Users/{ben}")).await.expect(204);
    assert!(members().await.is_empty());
    scim.delete(&format!("/scim/v2/Groups/{id}")).await.expect(204);
    refused(&get(&scim, &format!("/Groups/{id}")).await, 404, None);
}

#[tokio::test]
async fn service_accounts_in_a_group_are_neither_shown_to_a_directory_nor_taken_out_by_it() {
    let app = app().await;
    let (scim, admin) = (directory(&app).await, app.client(Persona::TenantAdmin));
    let service = admin.get("/api/v1/members?kind=service").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    let (id, _) = created(&scim, "Groups", json!({ "displayName": "Importers" })).await;
    admin.post(&format!("/api/v1/groups/{id}/members"), &json!({ "members": [service] })).await.expect(200);
    assert!(get(&scim, &format!("/Groups/{id}")).await.json().get("members").is_none());
    let (ada, _) = created(&scim, "Users", json!({ "userName": "ada" })).await;
    let put = json!({ "schemas": [GROUP], "displayName": "Importers", "members": [{ "value": ada }] });
    send(&scim, "PUT", &format!("/Groups/{id}"), &put).await.expect(200);
    assert_eq!(admin.get(&format!("/api/v1/groups/{id}")).await.json()["members"], json!(2));
    refused(&get(&scim, &format!("/Users/{service}")).await, 404, None);
    let wrong = json!([{ "op": "add", "path": "members", "value": [{ "value": service }] }]);
    refused(&patch(&scim, &format!("/Groups/{id}"), wrong).await, 400, Some("invalidValue"));
}

#[tokio::test]
async fn deprovisioning_ends_session_key_and_a_running_answer() {
    let provider = ScriptedProvider::start().await.unwrap();
    let endless = (0..2_000).fold(Script::new(), |script, _| script.text("The granules are stored. ").pause(Duration::from_millis(50)));
    provider.reply(endless);
    let app = app_with(&provider, Timeouts::default()).await;
    let (scim, member, id) = (directory(&app).await, app.member(), id_of(&app, Persona::Member).await);
    let issued = member.post("/api/v1/keys", &json!({ "name": "script", "scopes": ["conversation.read"] })).await.expect(201).json();
    let key = app.with_token(issued["key"].as_str().unwrap());
    let turn = member.ask(&member.open().await, QUESTION_A).await;
    let mut stream = member.follow(&turn, None).await;
    stream.up_to("token").await;
    key.get(&format!("/api/v1/turns/{turn}")).await.expect(200);

    patch(&scim, &format!("/Users/{id}"), json!([{ "op": "Replace", "path": "active", "value": "False" }])).await.expect(200);
    let begun = Instant::now();
    for client in [&member, &key] {
        until("the end of access", || async { (client.get(&format!("/api/v1/turns/{turn}")).await.status == 401).then_some(()) }).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "session and key: {:?}", begun.elapsed());
    while stream.next().await.is_some() {}
    assert!(begun.elapsed() < Duration::from_secs(60), "the stream: {:?}", begun.elapsed());
    let state = format!("select state from turns where id = '{turn}'");
    until("the end of the answer", || async { (app.sql_text(&state).await.as_deref() != Some("running")).then_some(()) }).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "the answer: {:?}", begun.elapsed());
    assert_eq!(app.sql_text(&state).await.as_deref(), Some("stopped"));
    provider.until(|c| c.closed_early == 1).await;

    patch(&scim, &format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": true }])).await.expect(200);
    member.get("/api/v1/me").await.problem(401, "session.none");
    app.new_session(Persona::Member).await.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn the_last_administrator_stays_and_no_directory_moves_the_address_of_one() {
    let app = app().await;
    let (scim, id) = (directory(&app).await, id_of(&app, Persona::TenantAdmin).await);
    let why = refused(
        &patch(&scim, &format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": false }])).await,
        409,
        Some("mutability"),
    );
    assert!(why.contains("last administrator"), "{why}");
    refused(&scim.delete(&format!("/scim/v2/Users/{id}")).await, 409, Some("mutability"));
    let moved = json!([{ "op": "replace", "path": "userName", "value": "thief@elsewhere.example" }]);
    let why = refused(&patch(&scim, &format!("/Users/{id}"), moved).await, 409, Some("mutability"));
    assert!(why.contains("link for a new password"), "{why}");
    patch(&scim, &format!("/Users/{id}"), json!([{ "op": "add", "path": "externalId", "value": "e-9" }])).await.expect(200);
    give_roles(&app, Persona::Reviewer, "tenant_admin").await;
    scim.delete(&format!("/scim/v2/Users/{id}")).await.expect(204);
    app.client(Persona::TenantAdmin).get("/api/v1/me").await.problem(401, "session.none");
}

#[tokio::test]
async fn another_organisations_people_and_groups_are_not_there() {
    let app = app().await;
    let a = directory(&app).await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let other = key_of(&app, &app.new_session(Persona::OtherMember).await, &["directory.provision"]).await;
    let member = id_of(&app, Persona::Member).await;
    let (group, _) = created(&a, "Groups", json!({ "displayName": "Chemists" })).await;
    for path in [format!("/Users/{member}"), format!("/Groups/{group}")] {
        let nobodys = format!("{}/{}", path.rsplit_once('/').unwrap().0, Uuid::new_v4());
        let body = json!({ "schemas": [USER, GROUP], "userName": "x", "displayName": "x" });
        for method in ["GET", "PUT", "DELETE"] {
            let [theirs, unknown] = [send(&other, method, &path, &body).await, send(&other, method, &nobodys, &body).await];
            assert_eq!(refused(&theirs, 404, None), refused(&unknown, 404, None), "{method}");
        }
        let operation = json!([{ "op": "replace", "path": "externalId", "value": "x" }]);
        assert_eq!(
            refused(&patch(&other, &path, operation.clone()).await, 404, None),
            refused(&patch(&other, &nobodys, operation).await, 404, None)
        );
    }
    let with_theirs = json!({ "schemas": [GROUP], "displayName": "Mixed", "members": [{ "value": member }] });
    refused(&send(&other, "POST", "/Groups", &with_theirs).await, 400, Some("invalidValue"));
    let listed = names(&get(&other, "/Users").await.expect(200).json(), "userName");
    assert!(!listed.is_empty() && listed.iter().all(|name| name.ends_with("@b.example")), "{listed:?}");
    let taken = json!({ "schemas": [USER], "userName": Persona::Member.email() });
    let why = refused(&send(&other, "POST", "/Users", &taken).await, 409, Some("uniqueness"));
    assert!(!why.contains("organisation"), "it does not say where: {why}");
    get(&a, &format!("/Users/{member}")).await.expect(200);
}

#[tokio::test]
async fn every_failure_below_scim_is_in_the_words_of_scim() {
    let app = app().await;
    let (scim, nobody) = (directory(&app).await, app.client(Persona::Anonymous));
    let narrow = key_of(&app, &app.client(Persona::TenantAdmin), &["user.read", "user.write"]).await;
    refused(&get(&nobody, "/Nothing").await, 404, None);
    for path in ["/Users", "/Groups", "/Schemas", "/Me", "/Users/not-an-id"] {
        let reply = get(&nobody, path).await;
        refused(&reply, 401, None);
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let why = refused(&get(&narrow, "/Users").await, 403, None);
    assert!(why.contains("directory.provision"), "{why}");
    refused(&send(&narrow, "POST", "/Users", &json!({ "schemas": [USER], "userName": "x" })).await, 403, None);
    refused(&get(&app.member(), "/Groups").await, 403, None);
    for path in ["/Nothing", "/Users/not-an-id", "/Schemas/urn:x", "/ResourceTypes/Device"] {
        refused(&get(&scim, path).await, 404, None);
    }
    refused(&scim.request("PUT", "/scim/v2/Users").send().await, 405, None);
    refused(&get(&scim, "/Me").await, 501, None);
    refused(&get(&scim, "/Schemas?filter=id+pr").await, 403, None);
    let post = async |media: &str, body: &str| scim.request("POST", "/scim/v2/Users").body(media, body).send().await;
    refused(&post("application/scim+json", "{\"schemas\":").await, 400, Some("invalidSyntax"));
    refused(&post("application/scim+json", "{}").await, 400, Some("invalidSyntax"));
    refused(&post("application/json", &json!({ "schemas": [USER] }).to_string()).await, 400, Some("invalidValue"));
    refused(&post("text/plain", "{}").await, 415, None);
    for (query, keyword) in [("filter=userName+eq", "invalidFilter"), ("count=many", "invalidValue"), ("attributes=a+b", "invalidValue")] {
        refused(&get(&scim, &format!("/Users?{query}")).await, 400, Some(keyword));
    }
    let (id, _) = created(&scim, "Users", json!({ "userName": "ada" })).await;
    for (operation, keyword) in [
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "replace", "path": "id", "value": "x" }), "mutability"),
        (json!({ "op": "replace", "path": "userName[", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "active", "value": "perhaps" }), "invalidValue"),
    ] {
        refused(&patch(&scim, &format!("/Users/{id}"), json!([operation])).await, 400, Some(keyword));
    }
    refused(&send(&scim, "POST", "/Users", &json!({ "schemas": [USER], "userName": "ADA" })).await, 409, Some("uniqueness"));
    // Last, because the server closes this connection.
    refused(&post("application/scim+json", &" ".repeat(300 * 1024)).await, 413, None);
}

#[tokio::test]
async fn lists_are_filtered_paged_and_cut_to_what_was_asked_for() {
    let app = app().await;
    let scim = directory(&app).await;
    for name in ["ada", "ben", "cleo"] {
        created(&scim, "Users", json!({ "userName": name, "externalId": format!("e-{name}"), "displayName": name })).await;
        created(&scim, "Groups", json!({ "displayName": name })).await;
    }
    let found = async |path: &str| get(&scim, path).await.expect(200).json();
    for (filter, expected) in [
        ("userName+eq+%22BEN%22", vec!["ben"]),
        ("externalId+eq+%22e-cleo%22", vec!["cleo"]),
        ("externalId+eq+%22E-cleo%22", vec![]),
        ("userName+sw+%22b%22+or+displayName+eq+%22Ada%22", vec!["ada", "ben"]),
    ] {
        assert_eq!(names(&found(&format!("/Users?filter={filter}")).await, "userName"), expected, "{filter}");
    }
    let member = Persona::Member.email().replace('@', "%40");
    let own = found(&format!("/Users?filter=userName+eq+%22{member}%22")).await;
    assert_eq!(own["totalResults"], json!(1), "who was there before can be found by address: {own}");
    let total = found("/Users?count=0").await["totalResults"].as_u64().unwrap();
    let page = found(&format!("/Users?startIndex={}&count=2&attributes=userName", total - 1)).await;
    assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(total), &json!(total - 1)));
    assert_eq!(names(&page, "userName"), ["ben", "cleo"], "in the order in which they were made");
    assert!(page["Resources"][0].get("displayName").is_none() && page["Resources"][0].get("id").is_some());
    assert_eq!(names(&found("/Groups?filter=displayName+eq+%22CLEO%22&excludedAttributes=members").await, "displayName"), ["cleo"]);
    let search = json!({ "schemas": [SEARCH], "filter": "displayName eq \"ada\"", "attributes": ["displayName"] });
    for (path, expected) in [("/.search", 2), ("/Users/.search", 1), ("/Groups/.search", 1)] {
        assert_eq!(send(&scim, "POST", path, &search).await.expect(200).json()["totalResults"], json!(expected), "{path}");
    }
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User", &format!("/Schemas/{USER}")] {
        assert_eq!(get(&scim, path).await.expect(200).header("content-type"), Some("application/scim+json"), "{path}");
    }
}

#[tokio::test]
async fn a_change_upon_an_old_version_is_refused_and_one_of_two_at_once_wins() {
    let app = app().await;
    let scim = directory(&app).await;
    let (id, made) = created(&scim, "Users", json!({ "userName": "ada" })).await;
    let old = made["meta"]["version"].as_str().unwrap().to_owned();
    let change = async |version: String, name: String| {
        let body = json!({ "schemas": [PATCH], "Operations": [{ "op": "replace", "path": "displayName", "value": name }] }).to_string();
        scim.request("PATCH", &format!("/scim/v2/Users/{id}")).header("if-match", &version).body("application/scim+json", body).send().await
    };
    let (a, b) = tokio::join!(change(old.clone(), "Ada".into()), change(old.clone(), "Countess".into()));
    let mut both = [a.status, b.status];
    both.sort_unstable();
    assert_eq!(both, [200, 412]);
    refused(&change(old.clone(), "Late".into()).await, 412, None);
    for kind in ["Users", "Groups"] {
        let (id, _) = created(&scim, kind, json!({ "userName": "ben", "displayName": "ben" })).await;
        let stale = scim.request("DELETE", &format!("/scim/v2/{kind}/{id}")).header("if-match", &old).send().await;
        refused(&stale, 412, None);
        let any = scim.request("DELETE", &format!("/scim/v2/{kind}/{id}")).header("if-match", "*").send().await;
        assert_eq!(any.status, 204);
    }
}

#[tokio::test]
async fn who_was_provisioned_with_an_address_can_ask_for_a_password_and_nobody_else_can() {
    let app = app().await;
    let scim = directory(&app).await;
    created(&scim, "Users", json!({ "userName": "grace@a.example" })).await;
    let (nameless, _) = created(&scim, "Users", json!({ "userName": "4711" })).await;
    let before = app.mails().len();
    let nobody = app.client(Persona::Anonymous);
    for email in [format!("{nameless}@scim.invalid"), "grace@a.example".to_owned()] {
        nobody.post("/api/v1/password/forgot", &json!({ "email": email })).await;
    }
    until("the message", || async { (app.mails().len() > before).then_some(()) }).await;
    let mails = app.mails();
    assert!(mails.iter().skip(before).all(|m| m.contains("grace@a.example")), "{mails:#?}");
}

#[tokio::test]
async fn a_person_who_writes_needs_a_second_factor_and_a_key_does_not() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let scim = directory(&app).await;
    created(&admin, "Users", json!({ "userName": "by a person" })).await;
    crate::members::forget_proof(&app, Persona::TenantAdmin).await;
    // What was proven is remembered for less than a second.
    let body = json!({ "schemas": [USER], "userName": "too late" });
    let reply = until("the proof to be forgotten", || async {
        let reply = send(&admin, "POST", "/Users", &body).await;
        (reply.status != 409 && reply.status != 201).then_some(reply)
    })
    .await;
    refused(&reply, 403, None);
    created(&scim, "Users", json!({ "userName": "by a key" })).await;
}
