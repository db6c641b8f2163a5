//! Searching passages.

use crate::app;
use vital_testkit::app::{CANARY_A, CANARY_B, Persona};

#[tokio::test]
async fn a_search_finds_passages_with_their_places_and_says_how_it_searched() {
    let app = app().await;
    let found = app.member().get(&format!("/api/v1/search?q=shelf+life+of+{CANARY_A}")).await.expect(200).json();
    assert_eq!(found["by_meaning"], false);
    assert_eq!(found["note"], "There is no model in this test.");
    let hit = &found["hits"][0];
    assert_eq!(hit["document_id"], app.a().document.as_str());
    let text = app.member().get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200).json();
    let range = usize::try_from(hit["start"].as_u64().unwrap()).unwrap()..usize::try_from(hit["end"].as_u64().unwrap()).unwrap();
    assert_eq!(&text["text"].as_str().unwrap()[range], hit["text"].as_str().unwrap(), "the offsets address the canonical text");
}

#[tokio::test]
async fn a_search_never_finds_what_another_organisation_owns() {
    let app = app().await;
    for (persona, foreign) in [(Persona::Member, CANARY_B), (Persona::OtherMember, CANARY_A)] {
        let found = app.client(persona).get(&format!("/api/v1/search?q={foreign}&limit=100")).await.expect(200);
        assert!(!found.text().contains(foreign), "{}", found.text());
    }
}

#[tokio::test]
async fn a_search_can_be_kept_to_one_collection_and_to_a_number_of_hits() {
    let app = app().await;
    let own = app.member().get("/api/v1/search?q=shelf+life&collection=own").await.expect(200).json();
    assert!(!own["hits"].as_array().unwrap().is_empty());
    assert!(own["hits"].as_array().unwrap().iter().all(|h| h["document_id"] == app.a().document.as_str()), "{own}");
    let two = app.member().get("/api/v1/search?q=clinical+trial&limit=2").await.expect(200).json();
    assert_eq!(two["hits"].as_array().unwrap().len(), 2);
    assert_eq!(app.member().get("/api/v1/search?q=trial&collection=unknown").await.expect(200).json()["hits"], serde_json::json!([]));
}

#[tokio::test]
async fn queries_that_say_nothing_or_try_to_be_clever_do_no_harm() {
    let app = app().await;
    for query in ["", "%20%20"] {
        app.member().get(&format!("/api/v1/search?q={query}")).await.problem(422, "search.empty");
    }
    for query in ["%22unclosed", "title%3A(", "*", "AND+OR+NOT", "a%00b", "%F0%9F%92%8A", "%2B-!%5B%5D%7B%7D%5E~", &"x".repeat(5_000)] {
        app.member().get(&format!("/api/v1/search?q={query}")).await.expect(200);
    }
    app.member().get("/api/v1/search").await.problem(400, "request.fields");
    app.member().get("/api/v1/search?q=a&unknown=1").await.problem(400, "request.fields");
    app.member().get("/api/v1/search?q=a&limit=-1").await.problem(400, "request.fields");
}
