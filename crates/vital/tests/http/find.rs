//! Finding: everything that a person may see, and nothing else.

use crate::{app, ended, uploaded};
use serde_json::Value;
use vital_testkit::app::{CANARY_A, CANARY_B, Persona};

fn marked(fragments: &Value) -> Vec<&str> {
    fragments.as_array().unwrap().iter().filter(|f| f["marked"] == true).map(|f| f["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn conversations_documents_passages_and_experts_are_found_by_beginnings_of_words() {
    let app = app().await;
    let member = app.member();
    let document =
        uploaded(&member, "zorilvanib-stability.md", "# Zorilvanib: stability\n\nThe retest period of zorilvanib is 24 months.\n").await;
    let conversation = member.open().await;
    ended(&member, &member.ask(&conversation, "How long is the retest period of zorilvanib?").await).await;
    let found = member.get("/api/v1/find?q=zoril%20stab").await.expect(200).json();
    assert_eq!(found["documents"][0]["document_id"], document["id"], "{found:#}");
    assert_eq!(marked(&found["documents"][0]["title"]), ["Zorilvanib", "stability"]);
    let found = member.get("/api/v1/find?q=RETEST%20zorilvanib").await.expect(200).json();
    assert_eq!(found["conversations"][0]["conversation_id"], conversation, "{found:#}");
    assert_eq!(marked(&found["conversations"][0]["question"]), ["retest", "zorilvanib"]);
    assert_eq!(found["passages"][0]["document_id"], document["id"], "{found:#}");
    let found = member.get("/api/v1/find?q=pharmacovig").await.expect(200).json();
    assert!(!found["experts"].as_array().unwrap().is_empty(), "{found:#}");
    let page = member.get("/find?q=retest%20zorilvanib").await.expect(200).text();
    assert!(page.contains("<mark>retest</mark>") && page.contains("Conversations"), "{page}");
    assert!(member.get("/find?q=retest&part=true").await.expect(200).text().contains("<mark>retest</mark>"));
    assert!(member.get("/find").await.expect(200).text().contains("by words or their beginnings"));
}

#[tokio::test]
async fn nobody_finds_what_they_may_not_see() {
    let app = app().await;
    let empty = |found: &Value| ["conversations", "documents", "passages"].iter().all(|kind| found[*kind].as_array().unwrap().is_empty());
    let member = app.member();
    assert!(!empty(&member.get(&format!("/api/v1/find?q={CANARY_A}")).await.expect(200).json()), "their own is found");
    assert!(empty(&member.get(&format!("/api/v1/find?q={CANARY_B}")).await.expect(200).json()), "the other organisation's is not");
    let admin = app.client(Persona::TenantAdmin).get(&format!("/api/v1/find?q={CANARY_A}")).await.expect(200).json();
    assert!(admin["conversations"].as_array().unwrap().is_empty(), "conversations are their owner's alone: {admin:#}");
    app.client(Persona::Anonymous).get("/api/v1/find?q=x").await.expect(401);
}

#[tokio::test]
async fn a_query_without_words_or_too_long_is_refused() {
    let member = app().await;
    let member = member.member();
    for query in ["", "%3F%21", &"x".repeat(201)] {
        member.get(&format!("/api/v1/find?q={query}")).await.problem(422, "find.query");
    }
    member.get("/api/v1/find").await.expect(400);
    assert!(member.get("/find?q=%3F").await.expect(200).text().contains("by words or their beginnings"));
}
