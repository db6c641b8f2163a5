//! Probes: alive whatever happens, ready only while tenant data is protected and the database answers.

use crate::app;
use serde_json::json;
use vital_testkit::app::{Persona, until};

#[tokio::test]
async fn a_healthy_server_is_alive_and_ready() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    assert_eq!(nobody.get("/livez").await.expect(200).text(), "alive\n");
    let ready = nobody.get("/readyz").await.expect(200).json();
    assert_eq!((&ready["ready"], &ready["database"], &ready["violations"]), (&json!(true), &json!(true), &json!([])));
    assert_eq!(ready["composer"], "extractive");
}

#[tokio::test]
async fn a_dropped_policy_turns_readiness_red_with_the_tables_name() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    nobody.get("/readyz").await.expect(200);
    app.sql("drop policy tenant_fence on passages").await;
    let red = until("readiness to turn red", || async {
        let reply = nobody.get("/readyz").await;
        (reply.status == 503).then(|| reply.json())
    })
    .await;
    assert_eq!(red["violations"], json!([{ "rule": "policy_not_canonical", "object": "passages" }]));
    assert_eq!(nobody.get("/livez").await.status, 200);
    app.sql("select app.fence('passages')").await;
    until("readiness to come back", || async { (nobody.get("/readyz").await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_database_that_is_away_turns_readiness_red_and_every_request_says_so() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    app.database_away(true).await;
    let red = until("readiness to turn red", || async {
        let reply = nobody.get("/readyz").await;
        (reply.status == 503).then(|| reply.json())
    })
    .await;
    assert_eq!(red["database"], false);
    assert_eq!(nobody.get("/livez").await.status, 200);
    let reply = app.member().get("/api/v1/experts").await;
    assert_eq!(reply.header("retry-after"), Some("2"), "{}", reply.text());
    reply.problem(503, "database.unavailable");
    assert_eq!(app.member().get("/library").await.expect(503).header("content-type"), Some("text/html; charset=utf-8"));
    app.database_away(false).await;
    until("the database to be back", || async { (app.member().get("/api/v1/experts").await.status == 200).then_some(()) }).await;
    assert_eq!(until("readiness", || async { (nobody.get("/readyz").await.status == 200).then_some(200) }).await, 200);
}
