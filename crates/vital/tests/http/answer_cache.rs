//! Answers of models that are given again: to whom, to what and for how long, what the ledger says of them, and when they are gone.

use crate::{
    options,
    relay::{CHAT, MESSAGES, ORDINARY, body, decide, frames, keyed, scripted, set_up, streamed},
};
use serde_json::{Value, json};
use std::time::Duration;
use vital_llm::gateway::ExactCache;
use vital_platform::tenancy;
use vital_testkit::{
    app::{Client, Options, Persona, Reply, TestApp, until},
    provider::{Script, ScriptedProvider, Usage},
};

/// An app that keeps answers in memory, whose two organisations have the same model at one provider, with a program of each.
async fn ready(script: Script) -> (ScriptedProvider, TestApp, Client, Client) {
    let provider = scripted(script).await;
    let answers = Some(ExactCache::in_memory(1 << 20, Duration::from_secs(3_600)));
    let app = TestApp::start(Options { answers, ..options() }).await;
    for persona in [Persona::TenantAdmin, Persona::OtherAdmin] {
        let admin = app.client(persona);
        set_up(&admin, &provider, "openai", "m-1").await;
        decide(&admin, true).await;
    }
    let (ours, _) = keyed(&app, &["model.use"]).await;
    let new = json!({ "name": "door", "scopes": ["model.use"] });
    let theirs = app.client(Persona::OtherAdmin).post("/api/v1/keys", &new).await.expect(201).json();
    let theirs = app.with_token(theirs["key"].as_str().unwrap());
    (provider, app, ours, theirs)
}

fn title() -> Script {
    Script::new().text("A ").text("title.").usage(Usage { input: 30, output: 4, ..Usage::default() })
}

fn cold(text: &str) -> Value {
    let mut body = body("m-1", text);
    body["temperature"] = 0.into();
    body
}

fn said(reply: Reply) -> String {
    reply.expect(200).json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

async fn bases(app: &TestApp, rows: usize) -> Vec<String> {
    until(format!("{rows} rows in the ledger"), || async {
        let all = "select string_agg(basis || ' ' || input_tokens || ' ' || output_tokens || ' ' || coalesce(cost_pico::text, '-'), '|' order by at) from usage_ledger";
        let all: Vec<String> = app.sql_text(all).await.map(|t| t.split('|').map(str::to_owned).collect()).unwrap_or_default();
        (all.len() == rows).then_some(all)
    })
    .await
}

#[tokio::test]
async fn an_equal_request_of_the_same_organisation_is_answered_without_a_call_and_costs_nothing() {
    let (provider, app, ours, theirs) = ready(title()).await;
    assert_eq!(said(ours.post(CHAT, &cold(ORDINARY)).await), "A title.");
    let again = ours.post(CHAT, &cold(ORDINARY)).await.expect(200).json();
    assert_eq!(again["choices"][0]["message"]["content"], "A title.");
    assert_eq!(again["usage"]["prompt_tokens_details"]["cached_tokens"], 30, "{again}");
    assert_eq!(provider.counts().requests, 1);
    // As a stream, and through the other door, piece by piece as it came.
    let mut given = streamed("m-1", ORDINARY);
    given["temperature"] = 0.into();
    let pieces: Vec<Value> = frames(&ours.post(CHAT, &given).await.expect(200));
    let pieces: Vec<&str> = pieces.iter().filter_map(|f| f["choices"][0]["delta"]["content"].as_str()).filter(|t| !t.is_empty()).collect();
    assert_eq!(pieces, ["A ", "title."]);
    let message = ours.post(MESSAGES, &cold(ORDINARY)).await.expect(200).json();
    assert_eq!((&message["content"][0]["text"], provider.counts().requests), (&json!("A title."), 1));
    assert_eq!(bases(&app, 4).await, ["reported 30 4 -", "cached 0 0 0", "cached 0 0 0", "cached 0 0 0"]);
    let report = app.client(Persona::TenantAdmin).get("/api/v1/usage").await.expect(200).json();
    assert_eq!((&report["total"]["requests"], &report["total"]["input_tokens"]), (&json!(4), &json!(30)));
    // Another organisation never meets it, nor does a request that differs by one byte, or one that is not meant to come out the same.
    assert_eq!(said(theirs.post(CHAT, &cold(ORDINARY)).await), "A title.");
    assert_eq!(provider.counts().requests, 2);
    said(ours.post(CHAT, &cold(&format!("{ORDINARY} "))).await);
    assert_eq!(provider.counts().requests, 3);
    let mut longer = cold(ORDINARY);
    longer["max_tokens"] = 65.into();
    said(ours.post(CHAT, &longer).await);
    assert_eq!(provider.counts().requests, 4);
    for _ in 0..2 {
        said(ours.post(CHAT, &body("m-1", ORDINARY)).await);
    }
    let mut tools = cold(ORDINARY);
    tools["tools"] = json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }]);
    for _ in 0..2 {
        said(ours.post(CHAT, &tools).await);
    }
    assert_eq!(provider.counts().requests, 8);
}

#[tokio::test]
async fn a_changed_provider_model_or_setting_is_asked_anew() {
    let (provider, app, ours, _) = ready(title()).await;
    let admin = app.client(Persona::TenantAdmin);
    let asked = async |expected: usize| {
        said(ours.post(CHAT, &cold(ORDINARY)).await);
        said(ours.post(CHAT, &cold(ORDINARY)).await);
        assert_eq!(provider.counts().requests, expected);
    };
    asked(1).await;
    let of_provider = admin.get("/api/v1/providers").await.expect(200).items()[0].clone();
    let path = format!("/api/v1/providers/{}", of_provider["id"].as_str().unwrap());
    let change = json!({ "name": "renamed", "api_key": "sk-y", "base_url": of_provider["base_url"] });
    admin.request("PATCH", &path).json(&change).send().await.expect(200);
    asked(2).await;
    decide(&admin, false).await;
    assert_eq!(ours.post(CHAT, &cold(ORDINARY)).await.status, 404, "what is not allowed is not answered from before");
    decide(&admin, true).await;
    said(ours.post(CHAT, &cold(ORDINARY)).await);
}

#[tokio::test]
async fn answers_that_are_cut_or_fail_are_not_kept_and_budgets_hold_for_kept_ones_too() {
    let (provider, app, ours, _) = ready(title()).await;
    provider.reply(Script::new().text("A ").cut());
    assert_eq!(ours.post(CHAT, &cold(ORDINARY)).await.status, 502);
    assert_eq!(said(ours.post(CHAT, &cold(ORDINARY)).await), "A title.");
    assert_eq!(said(ours.post(CHAT, &cold(ORDINARY)).await), "A title.");
    assert_eq!(provider.counts().requests, 2);
    let budget = json!({ "scope": "organisation", "period": "month", "limit_tokens": 1 });
    app.client(Persona::TenantAdmin).request("PUT", "/api/v1/budgets").json(&budget).send().await.expect(200);
    assert_eq!(ours.post(CHAT, &cold(ORDINARY)).await.status, 429, "a hold comes before the look");
}

#[tokio::test]
async fn an_organisation_that_is_erased_leaves_no_kept_answer() {
    let (provider, app, ours, theirs) = ready(title()).await;
    said(ours.post(CHAT, &cold(ORDINARY)).await);
    said(theirs.post(CHAT, &cold(ORDINARY)).await);
    assert_eq!(provider.counts().requests, 2);
    let tenant = app.a().tenant.parse().unwrap();
    app.on_platform(move |p| async move { tenancy::erase_tenant(&p, tenant, "Ada Operator").await.unwrap() }).await;
    assert_eq!(ours.post(CHAT, &cold(ORDINARY)).await.status, 401);
    assert_eq!(said(theirs.post(CHAT, &cold(ORDINARY)).await), "A title.");
    assert_eq!(provider.counts().requests, 2, "another organisation's stay");
}
