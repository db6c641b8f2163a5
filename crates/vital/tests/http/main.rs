//! What the server answers over HTTP, to whom. One file a part of the URL tree; a test is named after what it states.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod answer_cache;
mod ask;
mod audit;
mod break_glass;
mod compat;
mod conditions;
mod contract;
mod cross_tenant;
mod currency;
mod database_faults;
mod documents;
mod documents_refused;
mod domains;
mod events;
mod experts;
mod find;
mod frame;
mod grants;
mod groups;
mod health;
mod idempotency;
mod invitations;
mod keys;
mod mcp;
mod members;
mod operator_grants;
mod passwords;
mod protection;
mod provider_faults;
mod providers;
mod relay;
mod requests;
mod restored;
mod reviews;
mod scim;
mod sealed;
mod search;
mod second_factor;
mod session;
mod setup;
mod smuggling;
mod sso;
mod supabase;
mod tool_servers;
mod tools;
mod usage;
mod webhooks;

use vital_llm::{Provider, ProviderConfig, Timeouts, WireFormat};
use vital_testkit::{
    app::{Client, Options, TestApp, until},
    provider::ScriptedProvider,
};

/// Two organisations, no model, the built-in composer.
fn options() -> Options {
    Options::new(&[env!("CARGO_BIN_EXE_vital"), "parse-document"])
}

async fn app() -> TestApp {
    TestApp::start(options()).await
}

/// An app whose answers the provider writes.
async fn app_with(provider: &ScriptedProvider, timeouts: Timeouts) -> TestApp {
    TestApp::start(options().provider(client_of(&provider.base_url(), timeouts))).await
}

fn client_of(base_url: &str, timeouts: Timeouts) -> Provider {
    vital_llm::ensure_crypto_provider();
    let settings = ProviderConfig {
        name: "scripted".to_owned(),
        format: WireFormat::OpenAi,
        base_url: base_url.to_owned(),
        allow_http: false,
        model: "test-1".to_owned(),
        api_key: None,
        timeouts,
        max_output_tokens: 1_000,
        temperature: 0.2,
    };
    Provider::new(settings).unwrap()
}

/// Uploads a file and waits until it can be found or has failed.
async fn uploaded(client: &Client, file_name: &str, bytes: impl Into<Vec<u8>>) -> serde_json::Value {
    let id = client.upload(file_name, bytes).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    settled(client, &id).await
}

/// Waits until a document can be found or has failed.
async fn settled(client: &Client, id: &str) -> serde_json::Value {
    until(format!("document {id}"), || async {
        let document = client.get(&format!("/api/v1/documents/{id}")).await.expect(200).json();
        matches!(document["state"].as_str().unwrap(), "ready" | "failed").then_some(document)
    })
    .await
}

/// Waits until a turn has ended.
async fn ended(client: &Client, turn: &str) -> serde_json::Value {
    until(format!("turn {turn}"), || async {
        let turn = client.turn(turn).await;
        (turn["state"] != "running").then_some(turn)
    })
    .await
}

/// The text of an answer, a line a block.
fn text_of(turn: &serde_json::Value) -> String {
    let mut text = String::new();
    for block in turn["answer"]["blocks"].as_array().into_iter().flatten() {
        for sentence in block["sentences"].as_array().into_iter().flatten() {
            text.push_str(sentence["text"].as_str().unwrap());
            text.push(' ');
        }
        text.push('\n');
    }
    text
}
