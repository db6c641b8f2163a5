//! The first run: one link makes the first organisation and its administrator, once.

use crate::options;
use serde_json::json;
use vital_platform::identity;
use vital_testkit::app::{PASSWORD, Persona, Reply, TestApp, until};

async fn link(app: &TestApp) -> String {
    app.on_platform(|p| async move { identity::issue_setup_link(&p).await.map(|t| t.reveal().to_owned()) }).await.unwrap()
}

async fn complete(app: &TestApp, token: &str, password: &str) -> Reply {
    let fields =
        [("token", token), ("organisation", "Vega Labs"), ("display_name", "Ada"), ("email", "Ada@vega.example"), ("password", password)];
    app.client(Persona::Anonymous).request("POST", "/setup").form(&fields).send().await
}

#[tokio::test]
async fn the_link_makes_the_first_organisation_and_signs_its_administrator_in() {
    let app = TestApp::start(options().nobody()).await;
    let nobody = app.client(Persona::Anonymous);
    assert!(nobody.get("/sign-in").await.expect(200).text().contains("This installation is new"));
    let token = link(&app).await;
    assert!(nobody.get(&format!("/setup?token={token}")).await.expect(200).text().contains(&token));
    let made = complete(&app, &token, PASSWORD).await.expect(303);
    assert_eq!(made.header("location"), Some("/"));
    let session = made.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    let admin = app.with_token(&session);
    let me = admin.get("/api/v1/me").await.expect(200).json();
    assert_eq!((&me["email"], &me["roles"]), (&json!("ada@vega.example"), &json!(["member", "tenant_admin"])));
    until("the experts", || async {
        (admin.get("/api/v1/experts").await.expect(200).items().as_array().unwrap().len() >= 30).then_some(())
    })
    .await;
    let ready = "/api/v1/documents?starter=true&limit=200";
    until("the starter library", || async {
        let documents = admin.get(ready).await.expect(200).items();
        let documents = documents.as_array().unwrap();
        (documents.len() >= 60 && documents.iter().all(|d| d["state"] == "ready")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_link_works_once() {
    let app = TestApp::start(options().nobody()).await;
    let token = link(&app).await;
    complete(&app, &token, PASSWORD).await.expect(303);
    complete(&app, &token, PASSWORD).await.expect(409);
    app.client(Persona::Anonymous).get(&format!("/setup?token={token}")).await.expect(409);
    let error = app.on_platform(|p| async move { identity::issue_setup_link(&p).await.unwrap_err() }).await;
    assert_eq!(error.code(), "setup.done");
    assert_eq!(app.sql_text("select count(*) from directory.tenants").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_wrong_an_old_and_a_replaced_link_do_not_work() {
    let app = TestApp::start(options().nobody()).await;
    let replaced = link(&app).await;
    let token = link(&app).await;
    for wrong in ["", "wrong", &replaced, &format!("{token}x")] {
        complete(&app, wrong, PASSWORD).await.expect(404);
    }
    app.sql("update directory.setup_links set ends_at = now() - interval '1 second'").await;
    complete(&app, &token, PASSWORD).await.expect(404);
    assert_eq!(app.sql_text("select count(*) from directory.tenants").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_weak_password_is_told_and_leaves_the_link_as_it_is() {
    let app = TestApp::start(options().nobody()).await;
    let token = link(&app).await;
    let told = complete(&app, &token, "password").await.expect(422).text();
    assert!(told.contains("at least 15 characters") && told.contains("Vega Labs"), "{told}");
    assert!(!told.contains("value=\"password\""), "a password is never sent back");
    complete(&app, &token, PASSWORD).await.expect(303);
}

#[tokio::test]
async fn two_who_use_the_link_at_the_same_moment_make_one_organisation() {
    let app = TestApp::start(options().nobody()).await;
    let token = link(&app).await;
    let (first, second) = tokio::join!(complete(&app, &token, PASSWORD), complete(&app, &token, PASSWORD));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert!(statuses[0] == 303 && matches!(statuses[1], 404 | 409), "{statuses:?}");
    assert_eq!(app.sql_text("select count(*) from directory.tenants").await.as_deref(), Some("1"));
}
