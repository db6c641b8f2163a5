//! The experts and who of them would take a question.

use crate::app;
use serde_json::json;

#[tokio::test]
async fn there_are_at_least_thirty_experts_in_five_domains() {
    let app = app().await;
    let experts = app.member().get("/api/v1/experts").await.expect(200).items();
    let experts = experts.as_array().unwrap();
    assert!(experts.len() >= 30, "{}", experts.len());
    let mut domains: Vec<&str> = experts.iter().map(|e| e["domain"].as_str().unwrap()).collect();
    domains.dedup();
    assert_eq!(domains.len(), 5, "they are sorted by domain: {domains:?}");
    for expert in experts {
        let slug = expert["slug"].as_str().unwrap();
        let profile = app.member().get(&format!("/api/v1/experts/{slug}")).await.expect(200).json();
        assert_eq!((&profile["slug"], &profile["name"]), (&expert["slug"], &expert["name"]), "{profile}");
    }
}

#[tokio::test]
async fn an_unknown_expert_is_not_found() {
    let app = app().await;
    for slug in ["nobody", "..%2f..%2fetc", "%00", &"x".repeat(2_000)] {
        app.member().get(&format!("/api/v1/experts/{slug}")).await.problem(404, "expert.unknown");
    }
}

#[tokio::test]
async fn routing_ranks_experts_with_scores_and_reasons() {
    let app = app().await;
    let question = json!({ "question": "How do I choose a prior for an adaptive Bayesian trial?" });
    let ranked = app.member().post("/api/v1/route", &question).await.expect(200).json();
    let ranked = ranked.as_array().unwrap();
    assert_eq!(ranked[0]["expert"]["slug"], "adaptive-bayesian-design", "{ranked:#?}");
    let scores: Vec<f64> = ranked.iter().map(|c| c["score"].as_f64().unwrap()).collect();
    assert!(scores.windows(2).all(|p| p[0] >= p[1]) && scores.iter().all(|s| (0.0..=1.0).contains(s)), "{scores:?}");
    assert!(!ranked[0]["reasons"].as_array().unwrap().is_empty());
}
