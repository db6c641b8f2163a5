//! Models past the experts through the doors below `/v1`: what is relayed, what is refused, what is kept of it, and how failures look.

use crate::app;
use serde_json::{Value, json};
use std::time::Duration;
use vital_kernel::limits;
use vital_platform::{
    identity,
    usage::{self, BudgetScope, NewBudget, Period},
};
use vital_testkit::{
    app::{CANARY_A, Client, Persona, Reply, TestApp, until},
    provider::{Gate, Script, ScriptedProvider, Stop, Usage},
};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const ORDINARY: &str = "Write a title for a protocol.";
const PERSONAL: &str = "Should I stop taking my insulin when my doctor is away?";

pub(crate) async fn scripted(script: Script) -> ScriptedProvider {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply_with(move |_| script.clone());
    provider
}

pub(crate) fn body(model: &str, text: &str) -> Value {
    json!({ "model": format!("models/{model}"), "max_tokens": 64, "messages": [{ "role": "user", "content": text }] })
}

pub(crate) fn streamed(model: &str, text: &str) -> Value {
    let mut body = body(model, text);
    body["stream"] = true.into();
    body
}

pub(crate) async fn set_up(admin: &Client, provider: &ScriptedProvider, format: &str, model: &str) {
    let new = json!({
        "name": format!("{format} {model}"), "format": format, "base_url": provider.base_url(), "api_key": "sk-x", "models": [{ "name": model }],
    });
    admin.post("/api/v1/providers", &new).await.expect(201);
}

pub(crate) async fn decide(admin: &Client, allowed: bool) {
    let decision = json!({ "direct_models": allowed });
    let policy = admin.request("PUT", "/api/v1/provider-policy").json(&decision).send().await.expect(200).json();
    assert_eq!((&policy["direct_models"], &policy["installation_allowed"]), (&json!(allowed), &json!(true)));
}

/// A key of the administrator with these scopes.
pub(crate) async fn keyed(app: &TestApp, scopes: &[&str]) -> (Client, String) {
    let made = app.client(Persona::TenantAdmin).post("/api/v1/keys", &json!({ "name": "door", "scopes": scopes })).await.expect(201).json();
    (app.with_token(made["key"].as_str().unwrap()), made["id"].as_str().unwrap().to_owned())
}

/// An app whose organisation A lets programs use one model, and a program that may.
pub(crate) async fn ready(script: Script) -> (ScriptedProvider, TestApp, Client) {
    let provider = scripted(script).await;
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    set_up(&admin, &provider, "openai", "m-1").await;
    decide(&admin, true).await;
    let (client, _) = keyed(&app, &["model.use"]).await;
    (provider, app, client)
}

#[track_caller]
fn openai(reply: &Reply, status: u16, kind: &str, code: &str) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    let error = reply.json()["error"].clone();
    assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{error}");
    error
}

/// The data of the frames of a stream, without `[DONE]`.
pub(crate) fn frames(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    text.lines().filter_map(|l| l.strip_prefix("data: ")).filter(|d| *d != "[DONE]").map(|d| serde_json::from_str(d).unwrap()).collect()
}

/// The entries about uses of models.
async fn uses(app: &TestApp, at_least: usize) -> Vec<String> {
    until("entries about uses", || async {
        let all = "select string_agg(resource_id, '|' order by id) from audit_entries where action = 'model.used'";
        let all: Vec<String> = app.sql_text(all).await.map(|t| t.split('|').map(str::to_owned).collect()).unwrap_or_default();
        (all.len() >= at_least).then_some(all)
    })
    .await
}

#[tokio::test]
async fn models_are_for_those_whom_the_organisation_lets_and_for_nobody_else() {
    let provider = scripted(Script::answer("A title.")).await;
    let app = app().await;
    let (admin, other) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherAdmin));
    set_up(&admin, &provider, "openai", "m-1").await;
    set_up(&admin, &provider, "anthropic", "org/m-2").await;
    let (client, _) = keyed(&app, &["model.use"]).await;
    let ids = |reply: Reply| -> Vec<String> {
        let ids = reply.json()["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        ids.into_iter().filter(|id| id.starts_with("models/")).collect()
    };

    // Off until somebody decides: a model is then as unknown as one that is not there.
    let off = openai(&client.post(CHAT, &body("m-1", ORDINARY)).await, 404, "invalid_request_error", "model_not_found");
    assert!(ids(client.get("/v1/models").await.expect(200)).is_empty());
    openai(&client.get("/v1/models/models/m-1").await, 404, "invalid_request_error", "model_not_found");
    decide(&other, true).await;
    openai(&client.post(CHAT, &body("m-1", ORDINARY)).await, 404, "invalid_request_error", "model_not_found");

    decide(&admin, true).await;
    assert_eq!(ids(client.get("/v1/models").await.expect(200)), ["models/m-1", "models/org/m-2"]);
    assert_eq!(ids(admin.get("/v1/models").await.expect(200)), ["models/m-1", "models/org/m-2"]);
    for path in ["/v1/models/models/m-1", "/v1/models/models%2Fm-1", "/v1/models/models/org%2Fm-2"] {
        assert_eq!(client.get(path).await.expect(200).json()["object"], "model", "{path}");
    }
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    client.post(MESSAGES, &body("org/m-2", ORDINARY)).await.expect(200);
    assert_eq!(openai(&client.post(CHAT, &body("m-9", ORDINARY)).await, 404, "invalid_request_error", "model_not_found"), off);

    // Neither another organisation, nor a member, nor a key without the permission.
    openai(&other.post(CHAT, &body("m-1", ORDINARY)).await, 404, "invalid_request_error", "model_not_found");
    assert_eq!(app.member().post(CHAT, &body("m-1", ORDINARY)).await.status, 403);
    let (asking, _) = keyed(&app, &["ask", "expert.read"]).await;
    assert_eq!(asking.post(MESSAGES, &body("m-1", ORDINARY)).await.status, 403);
    assert!(ids(asking.get("/v1/models").await.expect(200)).is_empty());
    let asked = provider.counts().requests;
    assert_eq!(asked, 2);

    decide(&admin, false).await;
    openai(&client.post(CHAT, &body("m-1", ORDINARY)).await, 404, "invalid_request_error", "model_not_found");
    assert_eq!(provider.counts().requests, asked, "nothing is sent from then on");
    assert_eq!(app.client(Persona::Auditor).get("/api/v1/provider-policy").await.expect(200).json()["direct_models"], false);
    let nothing = admin.request("PUT", "/api/v1/provider-policy").json(&json!({})).send().await;
    nothing.problem(422, "provider.nothing_decided");
    for action in ["provider.direct_models_allowed", "provider.direct_models_forbidden"] {
        let count = format!("select count(*) from audit_entries where tenant_id = '{}' and action = '{action}'", app.a().tenant);
        assert_eq!(app.sql_text(&count).await.as_deref(), Some("1"), "{action}");
    }
}

#[tokio::test]
async fn a_prompt_reaches_the_model_whole_and_its_answer_the_client_and_nothing_of_it_is_kept() {
    let usage = Usage { input: 12, output: 3, cached_input: 4, reasoning: 1, ..Usage::default() };
    let (provider, app, client) = ready(Script::new().text("Aldebaran ").text("rising").usage(usage)).await;
    let schema = json!({ "type": "object", "properties": { "t": { "type": "string" } } });
    let mut given = body("m-1", &format!("Say {CANARY_A}-prompt."));
    given["messages"] = json!([{ "role": "system", "content": "Be brief." }, given["messages"][0]]);
    for (name, value) in [
        ("temperature", json!(0.25)),
        ("top_p", json!(0.5)),
        ("stop", json!(["END"])),
        ("seed", json!(7)),
        ("response_format", json!({ "type": "json_schema", "json_schema": { "name": "t", "schema": schema, "strict": true } })),
    ] {
        given[name] = value;
    }
    let whole = client.post(CHAT, &given).await.expect(200).json();
    let sent = provider.requests()[0].json();
    assert_eq!((provider.requests()[0].system().as_str(), &sent["model"]), ("Be brief.", &json!("m-1")));
    assert_eq!(
        (&sent["temperature"], &sent["top_p"], &sent["stop"], &sent["seed"]),
        (&json!(0.25), &json!(0.5), &json!(["END"]), &json!(7))
    );
    assert_eq!((&sent["max_tokens"], &sent["response_format"]["json_schema"]["schema"]), (&json!(64), &schema), "{sent:#}");
    assert_eq!(whole["choices"][0]["message"], json!({ "role": "assistant", "content": "Aldebaran rising", "refusal": null }));
    assert_eq!((&whole["choices"][0]["finish_reason"], &whole["model"]), (&json!("stop"), &json!("models/m-1")));
    let counted = json!({
        "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "prompt_tokens_details": { "cached_tokens": 4 },
        "completion_tokens_details": { "reasoning_tokens": 1 },
    });
    assert_eq!(whole["usage"], counted);
    assert_eq!((&whole["vital"]["bound_to_sources"], &whole["vital"]["composer"]), (&json!(false), &json!("openai m-1 m-1")));

    given["stream"] = true.into();
    given["stream_options"] = json!({ "include_usage": true });
    let reply = client.post(CHAT, &given).await.expect(200);
    assert!(reply.text().ends_with("data: [DONE]\n\n") && reply.header("cache-control") == Some("no-store"));
    let chunks = frames(&reply);
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), &chunks[0]["choices"][0]["delta"]["role"]), ("Aldebaran rising", &json!("assistant")));
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!((&last["usage"], &last["choices"]), (&counted, &json!([])));
    assert_eq!(
        (&before.last().unwrap()["choices"][0]["finish_reason"], &before.last().unwrap()["vital"]["bound_to_sources"]),
        (&json!("stop"), &json!(false))
    );

    // The same by the other door.
    let mut other = body("m-1", "Say it.");
    other["system"] = "Be brief.".into();
    let message = client.post(MESSAGES, &other).await.expect(200).json();
    assert_eq!((&message["content"][0]["text"], &message["stop_reason"]), (&json!("Aldebaran rising"), &json!("end_turn")));
    assert_eq!((&message["usage"]["input_tokens"], &message["usage"]["cache_read_input_tokens"]), (&json!(8), &json!(4)));
    other["stream"] = true.into();
    let frames = frames(&client.post(MESSAGES, &other).await.expect(200));
    let kinds: Vec<&str> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
    let delta = "content_block_delta";
    assert_eq!(kinds, ["message_start", "content_block_start", delta, delta, "content_block_stop", "message_delta", "message_stop"]);

    // Nothing is kept that could be given again.
    let keyed = client.request("POST", CHAT).json(&given).header("idempotency-key", "k-1").send().await;
    openai(&keyed, 400, "invalid_request_error", "relay.idempotency");

    // Names and counts are in the trail, and no word of it anywhere.
    assert_eq!(uses(&app, 4).await, vec!["openai m-1 m-1: 12 tokens read, 3 written"; 4]);
    for table in ["turns", "turn_events", "conversations"] {
        assert_eq!(app.sql_text(&format!("select count(*) from {table} t where t::text ilike '%rising%'")).await.as_deref(), Some("0"));
    }
    assert_eq!(app.sql_text("select count(*) from audit_entries a where a::text ilike '%aldebaran%'").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn tools_of_the_client_go_and_come_in_every_format_behind_both_doors() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    decide(&admin, true).await;
    let (client, _) = keyed(&app, &["model.use"]).await;
    for format in ["openai", "azure", "anthropic", "google"] {
        let provider = ScriptedProvider::start().await.unwrap();
        provider.reply_with(|request| {
            if String::from_utf8_lossy(&request.body).contains("18 degrees") {
                return Script::new().text("It is mild.").usage(Usage { input: 5, output: 4, ..Usage::default() });
            }
            Script::new().text("One moment.").tool_call("call_1", "weather", &["{\"city\":", "\"Bern\"}"]).stop(Stop::ToolUse)
        });
        let model = format!("m-{format}");
        set_up(&admin, &provider, format, &model).await;
        let input = json!({ "type": "object", "properties": { "city": { "type": "string" } } });

        let mut given = body(&model, "How is the weather in Bern?");
        given["tools"] = json!([{ "type": "function", "function": { "name": "weather", "description": "Now.", "parameters": input } }]);
        given["tool_choice"] = "required".into();
        let choice = client.post(CHAT, &given).await.expect(200).json()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls", "{format}: {choice:#}");
        let call = &choice["message"]["tool_calls"][0];
        let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!((&call["function"]["name"], arguments), (&json!("weather"), json!({ "city": "Bern" })));
        given["stream"] = true.into();
        let chunks = frames(&client.post(CHAT, &given).await.expect(200));
        let pieces: Vec<&Value> = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["tool_calls"].get(0)).collect();
        assert_eq!((&pieces[0]["index"], &pieces[0]["function"]["name"]), (&json!(0), &json!("weather")), "{format}");
        let arguments: String = pieces.iter().filter_map(|p| p["function"]["arguments"].as_str()).collect();
        assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({ "city": "Bern" }));
        given["stream"] = false.into();
        let result = json!({ "role": "tool", "tool_call_id": call["id"], "content": "18 degrees" });
        given["messages"].as_array_mut().unwrap().extend([choice["message"].clone(), result]);
        let end = client.post(CHAT, &given).await.expect(200).json();
        assert_eq!(end["choices"][0]["message"]["content"], "It is mild.", "{format}");

        let mut given = body(&model, "How is the weather in Bern?");
        given["tools"] = json!([{ "name": "weather", "description": "Now.", "input_schema": input }]);
        let message = client.post(MESSAGES, &given).await.expect(200).json();
        assert_eq!(
            (&message["stop_reason"], &message["content"][1]["input"]),
            (&json!("tool_use"), &json!({ "city": "Bern" })),
            "{format}"
        );
        let result = json!([{ "type": "tool_result", "tool_use_id": message["content"][1]["id"], "content": "18 degrees" }]);
        given["messages"]
            .as_array_mut()
            .unwrap()
            .extend([json!({ "role": "assistant", "content": message["content"] }), json!({ "role": "user", "content": result })]);
        given["stream"] = true.into();
        let end = client.post(MESSAGES, &given).await.expect(200).text();
        assert!(end.contains("It is mild.") && end.contains("\"stop_reason\":\"end_turn\""), "{format}: {end}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_answer_of_the_provider() {
    let gate = Gate::new();
    let (provider, app, client) = ready(Script::new().text("It begins").wait(&gate).text(" and ends.")).await;
    let mut stream = client.request("POST", CHAT).json(&streamed("m-1", ORDINARY)).events().await;
    assert_eq!(stream.next().await.unwrap().data["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(stream.next().await.unwrap().data["choices"][0]["delta"]["content"], "It begins");
    assert_eq!(provider.counts().closed_early, 0);
    drop(stream);
    provider.until(|c| c.closed_early == 1).await;

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.post(MESSAGES, &body("m-1", ORDINARY)).await.status }
    });
    provider.until(|c| c.requests == 2).await;
    waiting.abort();
    provider.until(|c| c.closed_early == 2).await;
    assert_eq!(uses(&app, 2).await.len(), 2, "both were used, though nobody waited for the end");
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_else_up() {
    let (provider, _app, client) = ready(Script::answer("A title.")).await;
    provider.reply(Script::new().forever("word ".repeat(200)));
    let slow = client.request("POST", CHAT).json(&streamed("m-1", ORDINARY)).events().await;
    let whole = client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200).json();
    assert_eq!(whole["choices"][0]["message"]["content"], "A title.");
    // An answer without end is cut at its limit, and said so.
    let last = slow.all().await.pop().unwrap();
    assert_eq!(last.data["error"]["code"], "provider.output_too_large", "{last:?}");
    provider.until(|c| c.closed_early == 1).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_the_failure_and_no_end_mark() {
    let (provider, app, client) = ready(Script::new().text("It begins").cut()).await;
    let text = client.post(CHAT, &streamed("m-1", ORDINARY)).await.expect(200).text();
    assert!(text.contains("It begins") && text.contains("\"code\":\"provider.cut\"") && !text.contains("[DONE]"), "{text}");
    let text = client.post(MESSAGES, &streamed("m-1", ORDINARY)).await.expect(200).text();
    assert!(text.contains("event: error") && !text.contains("message_stop"), "{text}");
    let whole = client.post(CHAT, &body("m-1", ORDINARY)).await;
    openai(&whole, 502, "server_error", "provider.cut");
    assert_eq!(whole.header("x-should-retry"), Some("true"));
    assert_eq!((provider.counts().requests, uses(&app, 3).await.len()), (3, 3));
}

#[tokio::test]
async fn what_a_provider_refuses_has_the_status_that_clients_know_it_by() {
    let too_long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#;
    let unknown = r#"{"error":{"message":"The model `m-1` does not exist.","code":"model_not_found"}}"#;
    for (script, status, kind, code, again, theirs) in [
        (Script::status(429).header("retry-after", "120"), 429, "rate_limit_error", "rate_limit_exceeded", "true", "rate_limit_error"),
        (Script::status(400).body(too_long), 400, "invalid_request_error", "context_length_exceeded", "false", "invalid_request_error"),
        (Script::status(404).body(unknown), 502, "server_error", "provider.unknown_model", "false", "api_error"),
        (Script::status(401), 502, "server_error", "provider.unauthorized", "false", "api_error"),
    ] {
        // A server for each: after a few failures, the breaker would answer in the model's place.
        let (provider, _app, client) = ready(Script::answer("A title.")).await;
        provider.reply(script.clone());
        let reply = client.post(CHAT, &body("m-1", ORDINARY)).await;
        openai(&reply, status, kind, code);
        assert_eq!(reply.header("x-should-retry"), Some(again), "{code}");
        assert_eq!(reply.header("retry-after").is_some(), status == 429);
        provider.reply(script);
        let reply = client.post(MESSAGES, &streamed("m-1", ORDINARY)).await;
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (status, &json!(theirs)), "{code}");
    }
}

#[tokio::test]
async fn a_long_prompt_is_carried_and_a_longer_one_is_refused_before_it_is_sent() {
    let (provider, _app, client) = ready(Script::answer("A title.")).await;
    let long = "An assay is a procedure. ".repeat(1024 * 1024 / 25 + 1);
    client.post(CHAT, &body("m-1", &long)).await.expect(200);
    client.post(MESSAGES, &body("m-1", &long)).await.expect(200);
    assert!(provider.requests().iter().all(|r| r.last_user() == long));
    let longer = long.repeat(limits::PROMPT_BYTES_MAX / long.len() + 1);
    openai(&client.post(CHAT, &body("m-1", &longer)).await, 413, "invalid_request_error", "context_length_exceeded");
    assert_eq!(provider.counts().requests, 2);
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_the_stream_that_it_began() {
    let drops = (0..200).fold(Script::new(), |script, n| script.pause(Duration::from_millis(50)).text(format!("{n} ")));
    let (provider, app, _) = ready(drops).await;
    let (client, key) = keyed(&app, &["model.use"]).await;
    let mut stream = client.request("POST", CHAT).json(&streamed("m-1", ORDINARY)).events().await;
    stream.next().await.unwrap();
    app.client(Persona::TenantAdmin).delete(&format!("/api/v1/keys/{key}")).await.expect(204);
    let rest = stream.all().await;
    assert_eq!(rest.last().unwrap().data["error"]["type"], "authentication_error", "{:?}", rest.last());
    assert!(rest.len() < 60, "within a second or so, not after all 200: {}", rest.len());
    provider.until(|c| c.closed_early == 1).await;
    assert_eq!(client.post(CHAT, &body("m-1", ORDINARY)).await.status, 401);
}

#[tokio::test]
async fn a_question_about_one_persons_treatment_goes_to_no_model() {
    let (provider, app, client) = ready(Script::answer("Take two.")).await;
    openai(&client.post(CHAT, &body("m-1", PERSONAL)).await, 400, "invalid_request_error", "safety.patient_specific");
    assert_eq!(client.post(MESSAGES, &streamed("m-1", PERSONAL)).await.status, 400);
    assert_eq!(provider.counts().requests, 0);
    let refused = "select string_agg(resource_id, '|') from audit_entries where action = 'model.refused'";
    assert_eq!(app.sql_text(refused).await.as_deref(), Some("openai m-1 m-1|openai m-1 m-1"));
}

#[tokio::test]
async fn a_budget_that_is_used_up_stops_a_prompt_before_it_is_sent() {
    let (provider, app, client) = ready(Script::answer("A title.")).await;
    let tenant = app.a().tenant.parse().unwrap();
    let budget = NewBudget {
        scope: BudgetScope::Organisation,
        user: None,
        expert: None,
        period: Period::Month,
        limit_tokens: Some(50),
        limit_micros: None,
        soft_percent: None,
    };
    app.on_platform(move |p| async move { usage::set_budget(&p, &identity::operator_context(tenant), budget).await.unwrap() }).await;
    // The most that it can come to is more than the budget has.
    let refused = client.post(CHAT, &body("m-1", ORDINARY)).await;
    openai(&refused, 429, "insufficient_quota", "insufficient_quota");
    assert_eq!((refused.header("x-should-retry"), refused.header("retry-after").is_some()), (Some("false"), true));
    assert_eq!(client.post(MESSAGES, &streamed("m-1", ORDINARY)).await.json()["error"]["code"], "budget.exhausted");
    assert_eq!(provider.counts().requests, 0);
    app.sql("update budgets set limit_tokens = 100000").await;
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    assert_eq!(uses(&app, 1).await, ["openai m-1 m-1: 100 tokens read, 2 written"]);
    let row = app.sql_text("select purpose || ' ' || input_tokens || ' ' || output_tokens from usage_ledger").await;
    assert_eq!(row.as_deref(), Some("direct 100 2"));
}

#[tokio::test]
async fn the_decision_is_taken_on_the_page_of_providers() {
    let (_provider, app, client) = ready(Script::answer("A title.")).await;
    let admin = app.client(Persona::TenantAdmin);
    let page = admin.get("/settings/providers").await.expect(200).text();
    assert!(page.contains("Models for other programs") && page.contains("models/m-1") && page.contains("model.use"), "{page}");
    admin.request("POST", "/settings/providers/direct").form(&[("allowed", "no")]).send().await.expect(303);
    assert_eq!(client.post(CHAT, &body("m-1", ORDINARY)).await.status, 404);
    let auditor = app.client(Persona::Auditor);
    assert!(!auditor.get("/settings/providers").await.expect(200).text().contains("/settings/providers/direct"));
    auditor.request("POST", "/settings/providers/direct").form(&[("allowed", "yes")]).send().await.expect(403);
}
