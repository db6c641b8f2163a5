//! Idempotency keys: equal writes with one key have one effect and one reply, whoever answers them and whatever breaks in between.

use crate::{app, app_with, ask::SAID};
use futures_util::future::join_all;
use serde_json::{Value, json};
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Form, Persona, QUESTION_A, Reply, Request, TestApp, until},
    provider::{Gate, Script, ScriptedProvider},
};

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";
const AT_ONCE: usize = 100;

fn keyed(client: &Client, method: &str, path: &str, key: &str, body: &Value) -> Request {
    client.request(method, path).header(KEY, key).json(body)
}

async fn count(app: &TestApp, what: &str) -> usize {
    app.sql_text(&format!("select count(*) from {what}")).await.unwrap().parse().unwrap()
}

/// Lets the time of everybody who holds a key run out, as if nobody had said anything for long.
async fn leases_end(app: &TestApp) {
    app.sql_aside("update idempotency_keys set lease_until = now() - interval '1 second' where reply is null").await;
}

/// Sends equal requests at once and fails unless all have one reply, and one of them was carried out.
async fn equal_replies(requests: Vec<Request>, status: u16) -> Reply {
    let replies = join_all(requests.into_iter().map(Request::send)).await;
    let mut first = 0;
    for reply in &replies {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.body, replies[0].body);
        assert_eq!(reply.header("location"), replies[0].header("location"));
        first += usize::from(reply.header(REPLAYED).is_none());
    }
    assert_eq!(first, 1, "one is the first, the others get its reply");
    replies[0].clone()
}

#[tokio::test]
async fn a_hundred_equal_writes_have_one_effect_and_one_reply() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let path = format!("/api/v1/conversations/{conversation}/turns");
    let turns = count(&app, "turns").await;
    // A key is visible ASCII, and a blank is not.
    keyed(&member, "POST", &path, "one question", &json!({ "question": QUESTION_A })).send().await.problem(400, "idempotency.key");
    let asked = (0..AT_ONCE).map(|_| keyed(&member, "POST", &path, "one-question", &json!({ "question": QUESTION_A })));
    equal_replies(asked.collect(), 202).await;
    assert_eq!(count(&app, "turns").await, turns + 1);

    let keys = count(&app, "api_keys").await;
    let made = (0..AT_ONCE).map(|_| keyed(&member, "POST", "/api/v1/keys", "one-key", &json!({ "name": "script", "scopes": ["ask"] })));
    let made = equal_replies(made.collect(), 201).await.json();
    assert_eq!(count(&app, "api_keys").await, keys + 1);
    app.with_token(made["key"].as_str().unwrap()).post("/api/v1/conversations", &json!({})).await.expect(201);

    let admin = app.client(Persona::TenantAdmin);
    let entries = count(&app, "audit_entries where action = 'provider.installation_forbidden'").await;
    let put = (0..AT_ONCE).map(|_| keyed(&admin, "PUT", "/api/v1/provider-policy", "one-put", &json!({ "installation_allowed": false })));
    equal_replies(put.collect(), 200).await;
    assert_eq!(count(&app, "audit_entries where action = 'provider.installation_forbidden'").await, entries + 1);
}

#[tokio::test]
async fn a_hundred_equal_uploads_are_one_document_whatever_their_boundaries_are() {
    let app = app().await;
    let member = app.member();
    let before = count(&app, "documents").await;
    let upload = |n: usize| {
        let form = Form::new().file("once.txt", "The numbat study ran for eight weeks.");
        let boundary = format!("boundary-{n}");
        let text = String::from_utf8(form.bytes()).unwrap().replace("vital-test-boundary-7d1", &boundary);
        let media = format!("multipart/form-data; boundary={boundary}");
        member.request("POST", "/api/v1/documents").header(KEY, "one-upload").body(&media, text)
    };
    let sent = equal_replies((0..AT_ONCE).map(upload).collect(), 201).await.json();
    assert_eq!(sent["file_name"], "once.txt");
    assert_eq!(count(&app, "documents").await, before + 1);
    let other = Form::new().file("once.txt", "Another text.");
    let other = member.request("POST", "/api/v1/documents").header(KEY, "one-upload").form_data(&other).send().await;
    other.problem(422, "idempotency.key_reused");
}

#[tokio::test]
async fn two_nodes_agree_on_who_is_first() {
    let app = app().await;
    let second = app.second_node().await;
    let (here, there) = (app.member(), second.client(Persona::Member));
    let before = count(&app, "conversations").await;
    let opened =
        (0..AT_ONCE).map(|n| keyed(if n % 2 == 0 { &here } else { &there }, "POST", "/api/v1/conversations", "two-nodes", &json!({})));
    equal_replies(opened.collect(), 201).await;
    assert_eq!(count(&app, "conversations").await, before + 1);
    drop(second);
}

#[tokio::test]
async fn a_key_counts_for_one_request_of_one_caller() {
    let app = app().await;
    let member = app.member();
    let open = |client: &Client, key: &str, body: Value| keyed(client, "POST", "/api/v1/conversations", key, &body).send();
    let first = open(&member, "k", json!({})).await.expect(201).json();
    assert_eq!(open(&member, "k", json!({})).await.expect(201).json(), first);
    open(&member, "k", json!({ "expert": null })).await.problem(422, "idempotency.key_reused");
    let query = keyed(&member, "POST", "/api/v1/conversations?x=1", "k", &json!({})).send().await;
    query.problem(422, "idempotency.key_reused");
    let others = [app.client(Persona::TenantAdmin), app.client(Persona::OtherMember)];
    for other in &others {
        assert_ne!(open(other, "k", json!({})).await.expect(201).json()["id"], first["id"]);
    }
    let issued = member.post("/api/v1/keys", &json!({ "name": "script", "scopes": ["ask", "conversation.read"] })).await.expect(201).json();
    let program = app.with_token(issued["key"].as_str().unwrap());
    assert_ne!(open(&program, "k", json!({})).await.expect(201).json()["id"], first["id"], "a key is a caller of its own");
    let group = keyed(&others[0], "POST", "/api/v1/groups", "k", &json!({ "name": "Biometrics" })).send().await;
    group.expect(201);
    for refused in ["x".repeat(256), String::new()] {
        open(&member, &refused, json!({})).await.problem(400, "idempotency.key");
    }
    member.request("POST", "/v1/chat/completions").header(KEY, &"x".repeat(256)).json(&json!({})).send().await.expect(400);
}

#[tokio::test]
async fn a_refusal_is_not_kept_so_that_the_request_can_be_put_right() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let make = |body: Value| keyed(&admin, "POST", "/api/v1/groups", "corrected", &body).send();
    assert_eq!(make(json!({ "name": "" })).await.status, 422);
    let made = make(json!({ "name": "Statistics" })).await.expect(201);
    assert!(made.header(REPLAYED).is_none());
    make(json!({ "name": "" })).await.problem(422, "idempotency.key_reused");
}

#[tokio::test]
async fn a_reply_is_given_again_after_a_restart_and_forgotten_after_a_day() {
    let mut app = app().await;
    let member = app.member();
    let open = || keyed(&member, "POST", "/api/v1/conversations", "lasting", &json!({})).send();
    let first = open().await.expect(201).json();
    app.restart().await;
    let again = open().await.expect(201);
    assert_eq!((again.json(), again.header(REPLAYED)), (first.clone(), Some("true")));
    let prune = async |hours: i64| {
        let at = vital_kernel::now() + time::Duration::hours(hours);
        app.on_platform(async move |p| vital_platform::idempotency::prune(&p, at).await.unwrap()).await
    };
    assert_eq!(prune(23).await, 0);
    assert_eq!(open().await.expect(201).json(), first);
    assert_eq!(prune(25).await, 1);
    assert_ne!(open().await.expect(201).json()["id"], first["id"]);
    assert_eq!(count(&app, "idempotency_keys where reply is not null and get_byte(reply, 0) <> 2").await, 0, "replies are sealed");
}

/// Holds every write of conversations until `commit`.
async fn hold_conversations(app: &TestApp) {
    app.sql("begin; lock table conversations in exclusive mode").await;
}

async fn started(app: &TestApp, attempts: usize) {
    until("the requests to begin", || async {
        let waiting = count(app, "pg_locks where relation = 'conversations'::regclass and not granted").await;
        (waiting == attempts).then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_a_crash_before_the_effect_the_next_equal_request_has_it() {
    let mut app = app().await;
    let member = app.member();
    let before = count(&app, "conversations").await;
    hold_conversations(&app).await;
    let crashed = tokio::spawn({
        let member = member.clone();
        async move {
            let sent = keyed(&member, "POST", "/api/v1/conversations", "crash", &json!({}));
            tokio::time::timeout(std::time::Duration::from_secs(30), sent.send()).await.map(|r| r.status)
        }
    });
    started(&app, 1).await;
    app.kill().await;
    assert!(crashed.await.is_err(), "the connection broke");
    app.sql("commit").await;
    app.restart().await;
    leases_end(&app).await;
    let again = keyed(&member, "POST", "/api/v1/conversations", "crash", &json!({})).send().await.expect(201);
    assert!(again.header(REPLAYED).is_none());
    assert_eq!(count(&app, "conversations").await, before + 1);
}

#[tokio::test]
async fn who_was_taken_for_gone_and_wakes_up_commits_nothing() {
    let app = app().await;
    let member = app.member();
    let before = count(&app, "conversations").await;
    hold_conversations(&app).await;
    let send = || {
        let member = member.clone();
        tokio::spawn(async move { keyed(&member, "POST", "/api/v1/conversations", "fenced", &json!({})).send().await })
    };
    let slow = send();
    started(&app, 1).await;
    leases_end(&app).await;
    let next = send();
    started(&app, 2).await;
    app.sql("commit").await;
    slow.await.unwrap().problem(409, "idempotency.taken_over");
    let next = next.await.unwrap().expect(201);
    assert_eq!(count(&app, "conversations").await, before + 1);
    let again = send().await.unwrap().expect(201);
    assert_eq!((again.json(), again.header(REPLAYED)), (next.json(), Some("true")));
}

#[tokio::test]
async fn a_reply_that_was_lost_is_said_to_be_lost_and_nothing_is_done_again() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().text(SAID).wait(&gate).text("- The rest. [1]\n"));
    let mut app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let before = count(&app, "turns").await;
    let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": QUESTION_A }] });
    let crashed = tokio::spawn({
        let (member, body) = (member.clone(), body.clone());
        async move { keyed(&member, "POST", "/v1/chat/completions", "lost", &body).send().await.status }
    });
    until("the turn", || async { (count(&app, "turns").await == before + 1).then_some(()) }).await;
    app.kill().await;
    assert!(crashed.await.is_err(), "the connection broke");
    app.restart().await;
    leases_end(&app).await;
    let lost = keyed(&member, "POST", "/v1/chat/completions", "lost", &body).send().await.expect(409).json();
    assert_eq!(lost["error"]["code"], "idempotency.reply_lost");
    assert_eq!(count(&app, "turns").await, before + 1);
}

#[tokio::test]
async fn a_stream_that_is_asked_for_again_tells_the_same_turn() {
    let app = app().await;
    let member = app.member();
    let before = count(&app, "turns").await;
    for (path, body) in [
        ("/v1/chat/completions", json!({ "model": "auto", "stream": true, "messages": [{ "role": "user", "content": QUESTION_A }] })),
        (
            "/v1/messages",
            json!({ "model": "auto", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": QUESTION_A }] }),
        ),
    ] {
        let ask = || keyed(&member, "POST", path, "streamed", &body).send();
        let (first, again) = (ask().await.expect(200), ask().await.expect(200));
        assert_eq!(again.header(REPLAYED), Some("true"));
        assert_eq!(first.header("x-turn-id"), again.header("x-turn-id"));
        let words = |r: &Reply| r.text().lines().filter(|l| l.starts_with("data: ")).map(str::to_owned).collect::<Vec<_>>();
        assert!(words(&first).len() > 3);
        assert_eq!(words(&first).len(), words(&again).len());
    }
    assert_eq!(count(&app, "turns").await, before + 2);
}

#[tokio::test]
async fn a_secret_is_shown_again_only_to_who_has_just_proven_a_second_factor() {
    let app = app().await;
    let member = app.member();
    let make = || keyed(&member, "POST", "/api/v1/keys", "shown", &json!({ "name": "script", "scopes": ["ask"] })).send();
    let first = make().await.expect(201).json();
    assert_eq!(make().await.expect(201).json(), first);
    app.sql("update directory.sessions set proved_at = null").await;
    until("the step-up to be over", || async { (make().await.status == 403).then_some(()) }).await;
    make().await.problem(403, "step_up.required");
}
