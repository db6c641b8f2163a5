//! Model providers that organisations set up: what is used, what is refused, and where keys are not.

use crate::{
    app, app_with,
    ask::SAID,
    ended,
    members::forget_proof,
    sealed::{folders, holds},
    text_of,
};
use serde_json::{Value, json};
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, QUESTION_A, QUESTION_B, TestApp},
    provider::{Script, ScriptedProvider},
};

/// What stands in no reply, no file and no entry.
const KEY: &str = "sk-canary-zyx80417-of-organisation-a";

async fn scripted(said: &str) -> ScriptedProvider {
    let server = ScriptedProvider::start().await.unwrap();
    let said = said.to_owned();
    server.reply_with(move |_| Script::answer(&said));
    server
}

/// Sets a provider with one model up and returns both ids.
async fn set_up(admin: &Client, server: &ScriptedProvider, name: &str, key: &str) -> (String, String) {
    let new = json!({
        "name": name, "format": "openai", "base_url": server.base_url(), "api_key": key, "models": [{ "name": format!("{name}-model") }],
    });
    let made = admin.post("/api/v1/providers", &new).await.expect(201);
    assert!(!made.everything().contains(key), "a key goes in and never comes out");
    let made = made.json();
    (made["id"].as_str().unwrap().to_owned(), made["models"][0]["id"].as_str().unwrap().to_owned())
}

async fn asked(client: &Client, question: &str) -> Value {
    let conversation = client.open().await;
    ended(client, &client.ask(&conversation, question).await).await
}

async fn composer(client: &Client) -> String {
    let turn = asked(client, QUESTION_A).await;
    assert_eq!(turn["state"], "answered", "{turn:#}");
    turn["answer"]["composer"].as_str().unwrap().to_owned()
}

async fn patch(client: &Client, path: &str, change: Value) -> vital_testkit::app::Reply {
    client.request("PATCH", path).json(&change).send().await
}

pub(crate) async fn put(client: &Client, path: &str, body: Value) -> vital_testkit::app::Reply {
    client.request("PUT", path).json(&body).send().await
}

#[tokio::test]
async fn each_organisation_is_answered_by_its_own_provider_and_sees_no_other() {
    let (ours, theirs) =
        (scripted(SAID).await, scripted("The shelf life of betelgeuse granules is 24 months when stored below 25 °C. [1]\n").await);
    let app = app().await;
    let (admin, other_admin) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherAdmin));
    let (our_provider, our_model) = set_up(&admin, &ours, "alpha", KEY).await;
    let (their_provider, their_model) = set_up(&other_admin, &theirs, "omega", "sk-of-b").await;
    let (a, b) = (asked(&app.member(), QUESTION_A).await, asked(&app.client(Persona::OtherMember), QUESTION_B).await);
    assert_eq!((&a["answer"]["composer"], &b["answer"]["composer"]), (&json!("alpha alpha-model"), &json!("omega omega-model")));
    assert!(text_of(&a).contains("36 months") && text_of(&b).contains("24 months"), "{a:#}\n{b:#}");
    let sent = |server: &ScriptedProvider| {
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        (requests[0].header("authorization").unwrap().to_owned(), requests[0].json()["model"].clone(), requests[0].last_user())
    };
    let (ours, theirs) = (sent(&ours), sent(&theirs));
    assert_eq!((ours.0, ours.1), (format!("Bearer {KEY}"), json!("alpha-model")));
    assert_eq!((theirs.0.as_str(), theirs.1), ("Bearer sk-of-b", json!("omega-model")));
    assert!(!ours.2.contains("betelgeuse") && !theirs.2.contains("aldebaran"));
    for (client, path) in [
        (&admin, format!("/api/v1/providers/{their_provider}")),
        (&other_admin, format!("/api/v1/providers/{our_provider}")),
        (&admin, format!("/settings/providers/{their_provider}")),
    ] {
        client.get(&path).await.expect(404);
    }
    admin.act(&format!("/api/v1/provider-models/{their_model}/test")).await.problem(404, "provider.model_unknown");
    put(&other_admin, "/api/v1/experts/clinical-pharmacology/models", json!({ "models": [our_model] }))
        .await
        .problem(422, "provider.invalid");
    for path in ["/api/v1/providers", "/api/v1/provider-models", "/settings/providers"] {
        let (seen, other) = (admin.get(path).await.expect(200).everything(), other_admin.get(path).await.expect(200).everything());
        assert!(seen.contains("alpha") && !seen.contains("omega") && other.contains("omega") && !other.contains("alpha"), "{path}");
    }
}

#[tokio::test]
async fn a_key_is_sealed_and_in_no_reply_page_or_entry_and_stays_at_its_address() {
    let server = scripted(SAID).await;
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let (provider, model) = set_up(&admin, &server, "alpha", KEY).await;
    let one = format!("/api/v1/providers/{provider}");
    assert_eq!(composer(&app.member()).await, "alpha alpha-model");
    admin.act(&format!("/api/v1/provider-models/{model}/test")).await.expect(200);
    for path in [
        "/api/v1/providers",
        &one,
        "/api/v1/provider-models",
        "/settings/providers",
        &format!("/settings/providers/{provider}"),
        "/settings/audit",
    ] {
        let reply = admin.get(path).await.expect(200);
        assert!(!reply.everything().contains(KEY) && !reply.everything().contains("zyx80417"), "{path}");
    }
    let listed = admin.get(&one).await.expect(200).json();
    assert_eq!(listed["has_key"], true);
    assert!(listed["key_set_at"].is_string(), "{listed}");
    assert_eq!(app.sql_text("select get_byte(api_key, 0) from providers").await.unwrap(), "2", "sealed");
    app.sql("checkpoint").await;
    for folder in folders(&app).await {
        assert_eq!(holds(&folder, "zyx80417"), None, "the key stands in a file");
    }
    // An administrator cannot have the key sent elsewhere, to read it there.
    let thief = scripted(SAID).await;
    let problem = patch(&admin, &one, json!({ "base_url": thief.base_url() })).await.problem(422, "provider.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/api_key");
    patch(&admin, &one, json!({ "base_url": thief.base_url(), "api_key": "sk-other" })).await.expect(200);
    assert_eq!(composer(&app.member()).await, "alpha alpha-model");
    assert_eq!(thief.requests()[0].header("authorization").unwrap(), "Bearer sk-other");
    let forgotten = patch(&admin, &one, json!({ "forget_key": true })).await.expect(200).json();
    assert_eq!((&forgotten["has_key"], &forgotten["key_set_at"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn what_is_switched_off_is_not_used_and_the_order_decides() {
    let (first, second) = (scripted(SAID).await, scripted(SAID).await);
    let app = app().await;
    let (admin, member) = (app.client(Persona::TenantAdmin), app.member());
    let (provider, model) = set_up(&admin, &first, "alpha", KEY).await;
    let (_, other_model) = set_up(&admin, &second, "beta", "sk-b").await;
    assert_eq!(composer(&member).await, "alpha alpha-model");
    put(&admin, "/api/v1/provider-models", json!({ "models": [other_model, model] })).await.expect(200);
    assert_eq!(composer(&member).await, "beta beta-model", "a change counts from the next answer on");
    put(&admin, "/api/v1/provider-models", json!({ "models": [model] })).await.problem(422, "provider.invalid");
    let moved = admin.request("POST", &format!("/settings/providers/models/{model}/move")).form(&[("to", "up")]).send().await;
    assert_eq!(moved.status, 303, "{}", moved.text());
    assert_eq!(composer(&member).await, "alpha alpha-model");
    patch(&admin, &format!("/api/v1/provider-models/{model}"), json!({ "enabled": false })).await.expect(200);
    assert_eq!(composer(&member).await, "beta beta-model");
    patch(&admin, &format!("/api/v1/provider-models/{model}"), json!({ "enabled": true })).await.expect(200);
    patch(&admin, &format!("/api/v1/providers/{provider}"), json!({ "enabled": false })).await.expect(200);
    assert_eq!(composer(&member).await, "beta beta-model");
    admin.delete(&format!("/api/v1/provider-models/{other_model}")).await.expect(204);
    assert_eq!(composer(&member).await, "extractive");
    admin.delete(&format!("/api/v1/providers/{provider}")).await.expect(204);
    assert_eq!(app.sql_text("select count(*) from models").await.unwrap(), "0");
}

#[tokio::test]
async fn an_expert_can_have_models_of_its_own_and_its_content_goes_nowhere_else() {
    let (first, second) = (scripted(SAID).await, scripted(SAID).await);
    let app = app().await;
    let (admin, member) = (app.client(Persona::TenantAdmin), app.member());
    set_up(&admin, &first, "alpha", KEY).await;
    let (provider, model) = set_up(&admin, &second, "beta", "sk-b").await;
    let turn = asked(&member, QUESTION_A).await;
    let slug = turn["expert"]["slug"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/experts/{slug}/models");
    let set = put(&admin, &path, json!({ "models": [model] })).await.expect(200).json();
    assert_eq!(set["models"], json!([model]));
    assert_eq!(composer(&member).await, "beta beta-model");
    put(&admin, &path, json!({ "models": [model, model] })).await.problem(422, "provider.invalid");
    admin.delete(&format!("/api/v1/provider-models/{model}")).await.problem(409, "provider.expert_needs_it");
    admin.delete(&format!("/api/v1/providers/{provider}")).await.problem(409, "provider.expert_needs_it");
    patch(&admin, &format!("/api/v1/providers/{provider}"), json!({ "enabled": false })).await.expect(200);
    assert_eq!(composer(&member).await, "extractive", "nothing of this expert goes to a model that nobody chose for it");
    put(&admin, &path, json!({ "models": [] })).await.expect(200);
    assert_eq!(composer(&member).await, "alpha alpha-model");
}

#[tokio::test]
async fn the_next_model_answers_when_one_cannot_and_the_answer_names_it() {
    let (down, up) = (ScriptedProvider::start().await.unwrap(), scripted(SAID).await);
    down.reply_with(|_| Script::status(500));
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    set_up(&admin, &down, "alpha", KEY).await;
    set_up(&admin, &up, "beta", KEY).await;
    let turn = asked(&app.member(), QUESTION_A).await;
    assert_eq!((&turn["state"], &turn["answer"]["composer"]), (&json!("answered"), &json!("beta beta-model")), "{turn:#}");
    assert!((1..=3).contains(&down.requests().len()), "it was asked, and again only within its budget: {}", down.requests().len());
    assert_eq!(up.requests().len(), 1);
}

#[tokio::test]
async fn an_organisation_can_forbid_the_installations_provider() {
    let installation = scripted(SAID).await;
    let app = app_with(&installation, Timeouts::default()).await;
    let (admin, member) = (app.client(Persona::TenantAdmin), app.member());
    assert_eq!(composer(&member).await, "scripted test-1", "allowed at first");
    let policy = admin.get("/api/v1/provider-policy").await.expect(200).json();
    assert_eq!((&policy["installation_allowed"], &policy["installation"]["host"]), (&json!(true), &json!("127.0.0.1")));
    assert!(admin.get("/settings/providers").await.expect(200).text().contains("127.0.0.1"), "the page names the host");
    put(&admin, "/api/v1/provider-policy", json!({ "installation_allowed": false })).await.expect(200);
    assert_eq!(composer(&member).await, "extractive");
    assert_eq!(installation.requests().len(), 1, "nothing more was sent there");
    let other = asked(&app.client(Persona::OtherMember), QUESTION_B).await;
    assert_eq!(other["answer"]["composer"], "scripted test-1", "another organisation decides for itself: {other:#}");
    put(&admin, "/api/v1/provider-policy", json!({ "installation_allowed": true })).await.expect(200);
    assert_eq!(composer(&member).await, "scripted test-1");
}

#[tokio::test]
async fn addresses_lead_to_public_hosts_alone_and_faults_are_named_field_by_field() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let new = |change: Value| {
        let mut new = json!({ "name": "X", "format": "openai", "base_url": "https://llm.example/v1", "models": [{ "name": "m" }] });
        for (name, value) in change.as_object().unwrap() {
            new[name] = value.clone();
        }
        new
    };
    for address in [
        "http://10.0.0.5:11434",
        "https://10.0.0.5",
        "https://192.168.1.1/v1",
        "https://169.254.169.254",
        "https://[fd00::1]",
        "https://2130706433",
        "https://localhost.",
        "https://intranet",
        "https://llm.example:8443",
        "http://llm.example",
        "https://u:p@llm.example",
        "https://llm.example/?key=1",
        "llm.example",
        "ftp://llm.example",
    ] {
        let problem = admin.post("/api/v1/providers", &new(json!({ "base_url": address }))).await.problem(422, "provider.invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/base_url", "{address}");
    }
    for (change, pointer) in [
        (json!({ "name": " " }), "/name"),
        (json!({ "name": "x".repeat(81) }), "/name"),
        (json!({ "api_key": "sk a" }), "/api_key"),
        (json!({ "api_key": "k".repeat(5_000) }), "/api_key"),
        (json!({ "format": "azure", "base_url": null }), "/base_url"),
        (json!({ "models": [{ "name": "" }] }), "/models/0/name"),
        (json!({ "models": [{ "name": "m" }, { "name": "m" }] }), "/models/1/name"),
        (json!({ "format": "google", "base_url": null, "models": [{ "name": "../m" }] }), "/models/0/name"),
        (json!({ "models": [{ "name": "m", "max_output_tokens": 0 }] }), "/models/0/max_output_tokens"),
        (json!({ "format": "anthropic", "models": [{ "name": "m", "temperature": 1.5 }] }), "/models/0/temperature"),
    ] {
        let problem = admin.post("/api/v1/providers", &new(change.clone())).await.problem(422, "provider.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{change}");
    }
    admin.post("/api/v1/providers", &new(json!({ "format": "cohere" }))).await.problem(422, "request.field");
    assert_eq!(app.sql_text("select count(*) from providers").await.unwrap(), "0");
    let defaults = admin.post("/api/v1/providers", &json!({ "name": "G", "format": "google" })).await.expect(201).json();
    assert_eq!(defaults["base_url"], "https://generativelanguage.googleapis.com");
    let many =
        json!({ "name": "M", "format": "openai", "models": (0..61).map(|n| json!({ "name": format!("m{n}") })).collect::<Vec<_>>() });
    admin.post("/api/v1/providers", &many).await.problem(409, "provider.too_many_models");
    for _ in 1..20 {
        admin.post("/api/v1/providers", &new(json!({ "models": [] }))).await.expect(201);
    }
    admin.post("/api/v1/providers", &new(json!({}))).await.problem(409, "provider.too_many");
}

#[tokio::test]
async fn a_test_tells_in_words_what_came_and_is_rated_and_recorded() {
    let server = ScriptedProvider::start().await.unwrap();
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let (_, model) = set_up(&admin, &server, "alpha", KEY).await;
    let path = format!("/api/v1/provider-models/{model}/test");
    for (script, state, says) in [
        (Script::answer("ready"), "answers", "answers"),
        (Script::status(401).body("the key sk-secret-echo is wrong"), "key_refused", "refused the key"),
        (Script::status(404), "model_unknown", "no such model"),
        (Script::status(429), "limited", "no more requests"),
        (Script::status(400), "refused", "status 400"),
        (Script::status(200).header("content-type", "text/html").body("<html>"), "unreadable", "not in this provider's format"),
    ] {
        server.reply(script);
        let test = admin.act(&path).await.expect(200).json();
        assert_eq!(test["state"], state, "{test}");
        assert!(test["detail"].as_str().unwrap().contains(says) && !test.to_string().contains("secret-echo"), "{test}");
        assert_eq!(test["first_token_ms"].is_u64(), state == "answers", "{test}");
        assert_eq!(admin.get("/api/v1/provider-models").await.expect(200).items()[0]["test_state"], state);
    }
    let body = server.requests()[0].json();
    assert!(body["max_tokens"].as_u64().unwrap() <= 16, "a test costs a few tokens: {body}");
    let entries = format!("select count(*) from audit_entries where action = 'provider.model_tested' and resource_id = '{model}'");
    assert_eq!(app.sql_text(&entries).await.unwrap(), "6");
    for _ in 6..10 {
        server.reply(Script::answer("ready"));
        admin.act(&path).await.expect(200);
    }
    let tired = admin.act(&path).await;
    assert_eq!(tired.header("retry-after"), Some("60"));
    tired.problem(429, "provider.too_many_tests");
    assert_eq!(server.requests().len(), 10, "nothing was sent");
}

#[tokio::test]
async fn where_content_goes_and_with_which_key_asks_for_a_second_factor() {
    let server = scripted(SAID).await;
    let app: TestApp = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let (provider, model) = set_up(&admin, &server, "alpha", KEY).await;
    forget_proof(&app, Persona::TenantAdmin).await;
    let one = format!("/api/v1/providers/{provider}");
    // A session is remembered for less than a second.
    vital_testkit::app::until("the proof to be forgotten", async || {
        (patch(&admin, &one, json!({ "name": "alpha" })).await.status == 403).then_some(())
    })
    .await;
    admin.post("/api/v1/providers", &json!({ "name": "G", "format": "google" })).await.problem(403, "step_up.required");
    patch(&admin, &one, json!({ "api_key": "sk-x" })).await.problem(403, "step_up.required");
    admin.delete(&one).await.problem(403, "step_up.required");
    admin.act(&format!("/api/v1/provider-models/{model}/test")).await.problem(403, "step_up.required");
    put(&admin, "/api/v1/provider-policy", json!({ "installation_allowed": false })).await.problem(403, "step_up.required");
    patch(&admin, &format!("/api/v1/provider-models/{model}"), json!({ "enabled": false })).await.expect(200);
    let refused = admin.request("POST", "/settings/providers").form(&[
        ("preset", "openai"),
        ("name", "Kept name"),
        ("api_key", KEY),
        ("models", "gpt"),
    ]);
    let page = refused.send().await.expect(403).text();
    assert!(page.contains("second factor") && !page.contains(KEY), "{page}");
}

#[tokio::test]
async fn a_provider_is_set_up_tested_ordered_and_removed_on_pages_without_a_script() {
    let server = ScriptedProvider::start().await.unwrap();
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let empty = admin.get("/settings/providers").await.expect(200).text();
    assert!(empty.contains("Extractive") && empty.contains("Ollama") && empty.contains("vLLM"), "the empty state teaches");
    let form = |path: &str, fields: &[(&str, &str)]| admin.request("POST", path).form(fields).send();
    let wrong = form(
        "/settings/providers",
        &[("preset", "azure"), ("name", "Ours"), ("base_url", "http://10.1.2.3"), ("api_key", KEY), ("models", "dep")],
    )
    .await
    .expect(422)
    .text();
    assert!(
        wrong.contains("Ours") && wrong.contains("http://10.1.2.3") && !wrong.contains(KEY) && wrong.contains("aria-invalid"),
        "{wrong}"
    );
    let base = server.base_url();
    let fields = [("preset", "ollama"), ("name", "Ours"), ("base_url", base.as_str()), ("api_key", KEY), ("models", "llama3.2")];
    let made = form("/settings/providers", &fields).await.expect(303);
    let page = made.header("location").unwrap().split('?').next().unwrap().to_owned();
    let id = page.rsplit('/').next().unwrap().to_owned();
    let shown = admin.get(&page).await.expect(200).text();
    assert!(shown.contains("llama3.2") && shown.contains(base.as_str()) && !shown.contains(KEY), "{shown}");
    let model = admin.get("/api/v1/provider-models").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
    server.reply(Script::answer("ready"));
    let tested = form(&format!("/settings/providers/models/{model}/test"), &[]).await.expect(200).text();
    assert!(tested.contains("The model answers."), "{tested}");
    form(&format!("{page}/models"), &[("name", "second"), ("max_output_tokens", "100"), ("temperature", "1")]).await.expect(303);
    let bad =
        form(&format!("{page}/models"), &[("name", "third"), ("max_output_tokens", "many"), ("temperature", "9")]).await.expect(422).text();
    assert!(bad.contains("third") && bad.contains("many"), "what was typed is kept: {bad}");
    form(&format!("/settings/providers/models/{model}/move"), &[("to", "down")]).await.expect(303);
    assert_eq!(admin.get("/api/v1/provider-models").await.expect(200).items()[0]["name"], "second");
    form(&format!("/settings/providers/models/{model}"), &[("max_output_tokens", "333"), ("temperature", "0.5")]).await.expect(303);
    form(&format!("/settings/providers/models/{model}/active"), &[("enabled", "no")]).await.expect(303);
    let changed = admin.get("/api/v1/provider-models").await.expect(200).items()[1].clone();
    assert_eq!((&changed["max_output_tokens"], &changed["enabled"], &changed["in_use"]), (&json!(333), &json!(false), &json!(false)));
    let expert = [("models", model.as_str()), ("models", ""), ("models", "")];
    form("/settings/providers/experts/clinical-pharmacology", &expert).await.expect(303);
    let own = admin.get("/api/v1/experts/clinical-pharmacology/models").await.expect(200).json();
    assert_eq!(own["models"], json!([model]));
    form(&format!("/settings/providers/models/{model}/delete"), &[]).await.expect(409);
    form("/settings/providers/experts/clinical-pharmacology", &[("models", "")]).await.expect(303);
    form(&format!("/settings/providers/models/{model}/delete"), &[]).await.expect(303);
    form(&page, &[("name", "Renamed"), ("base_url", &base)]).await.expect(303);
    form(&format!("{page}/active"), &[("enabled", "no")]).await.expect(303);
    form("/settings/providers/installation", &[("allowed", "no")]).await.expect(303);
    let after = admin.get(&format!("/api/v1/providers/{id}")).await.expect(200).json();
    assert_eq!((&after["name"], &after["enabled"]), (&json!("Renamed"), &json!(false)));
    form(&format!("{page}/delete"), &[]).await.expect(303);
    admin.get(&page).await.expect(404);
    assert!(!empty.contains("<script>") && !empty.contains("onclick"), "no inline script");
}
