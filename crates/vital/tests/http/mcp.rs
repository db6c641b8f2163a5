//! The door of the Model Context Protocol: what is offered to whom, whose sessions they are, and what bad messages do.

use crate::{
    app, app_with,
    ask::{SAID, assert_bound},
    ended, options,
};
use serde_json::{Value, json};
use vital_kernel::limits;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{CANARY_B, Client, Persona, QUESTION_A, Reply, TestApp, until},
    provider::{Gate, Script, ScriptedProvider},
};
use vital_web::{Rates, Settings};

const EVERYTHING: [&str; 4] = ["ask", "conversation.read", "expert.read", "document.read"];
const BOTH: &str = "application/json, text/event-stream";

/// A client with an API key of the member that has just these scopes.
async fn with_key(app: &TestApp, scopes: &[&str]) -> Client {
    let key = app.member().post("/api/v1/keys", &json!({ "name": "mcp", "scopes": scopes })).await.expect(201).json();
    app.with_token(key["key"].as_str().unwrap())
}

/// The messages of a reply, which are JSON or the data of an event stream.
fn messages(reply: &Reply) -> Vec<Value> {
    if reply.header("content-type") == Some("application/json") {
        return vec![reply.json()];
    }
    assert_eq!(reply.header("content-type"), Some("text/event-stream"), "{}", reply.everything());
    let text = reply.text();
    let data = text.lines().filter_map(|l| l.strip_prefix("data:")).map(str::trim).filter(|d| !d.is_empty());
    data.map(|d| serde_json::from_str(d).unwrap()).collect()
}

async fn sent(client: &Client, session: Option<&str>, message: &Value) -> Reply {
    let request = client.request("POST", "/mcp").header("accept", BOTH).json(message);
    match session {
        Some(session) => request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25").send().await,
        None => request.send().await,
    }
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } })
}

/// A session of the protocol.
struct Session {
    client: Client,
    id: String,
}

impl Session {
    async fn open(client: Client) -> Self {
        let reply = sent(&client, None, &initialize()).await.expect(200);
        let id = reply.header("mcp-session-id").unwrap().to_owned();
        let told = messages(&reply).pop().unwrap();
        assert_eq!(
            (&told["result"]["protocolVersion"], &told["result"]["serverInfo"]["name"]),
            (&json!("2025-11-25"), &json!("vital-path"))
        );
        let session = Self { client, id };
        session.notify("notifications/initialized", json!({})).await;
        session
    }

    async fn notify(&self, method: &str, params: Value) {
        sent(&self.client, Some(&self.id), &json!({ "jsonrpc": "2.0", "method": method, "params": params })).await.expect(202);
    }

    /// Everything that comes for a request, the reply last.
    async fn all(&self, id: u32, method: &str, params: Value) -> Vec<Value> {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        messages(&sent(&self.client, Some(&self.id), &message).await.expect(200))
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.all(1, method, params).await.pop().unwrap()
    }

    async fn tool(&self, name: &str, arguments: Value) -> Value {
        self.call("tools/call", json!({ "name": name, "arguments": arguments })).await["result"].take()
    }
}

/// What is offered where nothing may leave the organisation.
const OFFERED: [&str; 9] = [
    "list_experts",
    "ask_expert",
    "search_documents",
    "read_document",
    "calculate",
    "date_arithmetic",
    "sample_size_two_means",
    "sample_size_two_proportions",
    "two_by_two",
];

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_expert_answers_with_citations_and_the_turn_is_in_the_product() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let tools = session.call("tools/list", json!({})).await;
    assert_eq!(names(&tools["result"]["tools"], "name"), OFFERED);

    let ask = json!({ "name": "ask_expert", "arguments": { "question": QUESTION_A, "expert": "auto" }, "_meta": { "progressToken": "p" } });
    let told = session.all(7, "tools/call", ask).await;
    let (reply, progress) = told.split_last().unwrap();
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(7), &json!(false)), "{reply:#}");
    let numbers: Vec<f64> = progress.iter().filter_map(|p| p["params"]["progress"].as_f64()).collect();
    assert!(numbers.len() >= 3 && numbers.is_sorted(), "{progress:#?}");
    assert!(progress.iter().any(|p| p["params"]["message"].as_str().unwrap().contains("36 months")), "{progress:#?}");

    let data = &reply["result"]["structuredContent"];
    assert_eq!(data["state"], "answered");
    let text = data["text"].as_str().unwrap();
    assert!(text.contains("36 months") && text.contains("[1]"), "{text}");
    assert!(reply["result"]["content"][0]["text"].as_str().unwrap().contains("Sources:"));
    let citations = data["citations"].as_array().unwrap();
    let bound: Vec<Value> = citations
        .iter()
        .map(|c| {
            assert_eq!(c["verdict"], "supported", "{c}");
            assert!(c["url"].as_str().unwrap().contains("#cited") && c["title"].is_string(), "{c}");
            json!({ "document_id": c["document"], "start": c["start"], "end": c["end"], "quote": c["quote"], "version": c["version"] })
        })
        .collect();
    assert!(!bound.is_empty());
    assert_bound(&app.member(), &bound).await;
    let turn = app.member().turn(data["turn_id"].as_str().unwrap()).await;
    assert_eq!(
        (&turn["question"], &turn["conversation_id"], &turn["state"]),
        (&json!(QUESTION_A), &data["conversation_id"], &json!("answered"))
    );

    // The same conversation goes on.
    let again = session.tool("ask_expert", json!({ "question": QUESTION_A, "conversation_id": data["conversation_id"] })).await;
    assert_eq!(again["structuredContent"]["conversation_id"], data["conversation_id"], "{again:#}");
}

#[tokio::test]
async fn documents_and_experts_are_found_read_and_listed_in_bounded_parts() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let found = session.tool("search_documents", json!({ "query": QUESTION_A, "limit": 2 })).await;
    let hits = found["structuredContent"]["hits"].as_array().unwrap();
    assert!(!hits.is_empty() && hits.len() <= 2, "{found:#}");
    let (document, start) = (&hits[0]["document"], hits[0]["start"].as_u64().unwrap());
    let part = session.tool("read_document", json!({ "document": document, "start": start, "length": 5 })).await;
    let part = &part["structuredContent"];
    assert_eq!(part["text"].as_str().unwrap(), &hits[0]["text"].as_str().unwrap()[..5], "{part:#}");
    assert_eq!((&part["start"], &part["end"], &part["next"]), (&json!(start), &json!(start + 5), &json!(start + 5)));
    // Beyond the end is nothing, and the largest window is the largest.
    let beyond = session.tool("read_document", json!({ "document": document, "start": u32::MAX, "length": u32::MAX })).await;
    assert_eq!((&beyond["structuredContent"]["text"], &beyond["structuredContent"]["next"]), (&json!(""), &Value::Null), "{beyond:#}");

    let uri = format!("vital://documents/{}", document.as_str().unwrap());
    let listed = session.call("resources/list", json!({})).await;
    let listed = names(&listed["result"]["resources"], "uri").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert!(listed.contains(&"vital://experts/clinical-pharmacology".to_owned()), "{listed:?}");
    let read = session.call("resources/read", json!({ "uri": format!("{uri}?start={start}&length=5") })).await;
    assert_eq!(read["result"]["contents"][0]["text"], part["text"], "{read:#}");
    let expert = session.call("resources/read", json!({ "uri": "vital://experts/clinical-pharmacology" })).await;
    let expert: Value = serde_json::from_str(expert["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(expert["slug"], "clinical-pharmacology");
    for nowhere in
        ["vital://experts/nobody", "vital://documents/1", "vital://documents/00000000-0000-0000-0000-000000000000", "file:///etc/passwd"]
    {
        let error = session.call("resources/read", json!({ "uri": nowhere })).await;
        assert_eq!(error["error"]["code"], -32_002, "{error}");
    }

    let begun = json!({ "ref": { "type": "ref/resource", "uri": "vital://experts/{slug}" }, "argument": { "name": "slug", "value": "clinical-ph" } });
    let completed = session.call("completion/complete", begun).await;
    assert_eq!(completed["result"]["completion"]["values"], json!(["clinical-pharmacology"]), "{completed}");
    let prompt = json!({ "name": "clinical-pharmacology", "arguments": { "question": QUESTION_A } });
    let prompt = session.call("prompts/get", prompt).await;
    assert!(prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap().ends_with(QUESTION_A), "{prompt}");
    assert!(!session.call("prompts/list", json!({})).await["result"]["prompts"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn built_in_tools_calculate_and_public_sources_wait_for_the_organisation() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let before = called(&app).await;
    let result = session.tool("calculate", json!({ "expression": "2.5 g / 125 mg" })).await;
    assert_eq!((&result["isError"], &result["structuredContent"]["value"]), (&json!(false), &json!(20.0)), "{result:#}");
    assert_eq!(called(&app).await, before + 1, "each call is in the trail");
    let wrong = session.tool("calculate", json!({ "expression": 7 })).await;
    assert_eq!((&wrong["isError"], &wrong["_meta"]["vital-path/problem"]["code"]), (&json!(true), &json!("tool.arguments")), "{wrong:#}");
    let search = json!({ "name": "pubmed_search", "arguments": { "query": "granules" } });
    assert_eq!(session.call("tools/call", search).await["error"]["code"], -32_602, "what is not allowed is not there");
    let policy = json!({ "public_sources": true });
    app.client(Persona::TenantAdmin).request("PUT", "/api/v1/tool-policy").json(&policy).send().await.expect(204);
    let tools = session.call("tools/list", json!({})).await;
    let tools = names(&tools["result"]["tools"], "name");
    assert!(tools.len() == OFFERED.len() + 18 && tools.contains(&"pubmed_search"), "{tools:?}");
    let reader = Session::open(with_key(&app, &["expert.read"]).await).await;
    let refused = reader.tool("calculate", json!({ "expression": "1 + 1" })).await;
    assert_eq!(refused["_meta"]["vital-path/problem"]["status"], 403, "{refused:#}");
}

async fn called(app: &vital_testkit::app::TestApp) -> usize {
    app.sql_text("select count(*) from audit_entries where action = 'tool.called'").await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_does_what_its_scopes_allow_and_no_cookie_counts() {
    let app = app().await;
    let session = Session::open(with_key(&app, &["expert.read"]).await).await;
    let tools = session.call("tools/list", json!({})).await;
    assert_eq!(names(&tools["result"]["tools"], "name"), ["list_experts"]);
    for (name, arguments) in [
        ("ask_expert", json!({ "question": QUESTION_A })),
        ("search_documents", json!({ "query": QUESTION_A })),
        ("read_document", json!({ "document": "00000000-0000-0000-0000-000000000000" })),
    ] {
        let refused = session.tool(name, arguments).await;
        assert_eq!(refused["isError"], true, "{refused}");
        assert_eq!(refused["_meta"]["vital-path/problem"]["status"], 403, "{refused}");
    }
    let listed = session.call("resources/list", json!({})).await;
    assert!(names(&listed["result"]["resources"], "uri").iter().all(|uri| uri.starts_with("vital://experts/")));
    assert_eq!(app.sql_text("select count(*)::text from turns where question is null").await.as_deref(), Some("0"));

    sent(&app.client(Persona::Anonymous), None, &initialize()).await.problem(401, "key.none");
    sent(&app.with_token("vk_unknown"), None, &initialize()).await.problem(401, "key.none");
    let cookie = format!("vital_session={}", app.member().token().unwrap());
    let by_cookie = app.client(Persona::Anonymous).request("POST", "/mcp").header("cookie", &cookie).header("accept", BOTH);
    assert!(matches!(by_cookie.json(&initialize()).send().await.status, 401 | 403));
}

#[tokio::test]
async fn a_session_is_nobody_elses() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let other_key = with_key(&app, &EVERYTHING).await;
    for thief in [other_key, app.member(), app.client(Persona::Viewer), app.client(Persona::OtherMember)] {
        sent(&thief, Some(&session.id), &list).await.problem(404, "mcp.session");
        sent(&thief, Some(&session.id), &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }))
            .await
            .problem(404, "mcp.session");
        for method in ["GET", "DELETE"] {
            let request = thief.request(method, "/mcp").header("accept", "text/event-stream").header("mcp-session-id", &session.id);
            request.send().await.problem(404, "mcp.session");
        }
    }
    sent(&session.client, Some("made-up"), &list).await.problem(404, "mcp.session");
    assert!(session.call("tools/list", json!({})).await["result"]["tools"].is_array(), "its owner still has it");
    session.client.request("DELETE", "/mcp").header("mcp-session-id", &session.id).send().await.expect(204);
    sent(&session.client, Some(&session.id), &list).await.problem(404, "mcp.session");
}

#[tokio::test]
async fn the_longest_unused_session_makes_place_for_a_new_one() {
    let app = app().await;
    let client = with_key(&app, &["expert.read"]).await;
    let first = Session::open(client.clone()).await;
    let second = Session::open(client.clone()).await;
    for _ in 0..14 {
        Session::open(client.clone()).await;
    }
    first.call("ping", json!({})).await;
    Session::open(client).await;
    assert_eq!(first.call("ping", json!({})).await["result"], json!({}));
    sent(&second.client, Some(&second.id), &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await.problem(404, "mcp.session");
}

#[tokio::test]
async fn what_belongs_to_another_organisation_does_not_exist() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let foreign = app.b();
    let read = session.tool("read_document", json!({ "document": foreign.document })).await;
    let unknown = session.tool("read_document", json!({ "document": "00000000-0000-0000-0000-000000000000" })).await;
    assert_eq!(read["content"], unknown["content"], "{read}");
    let uri = session.call("resources/read", json!({ "uri": format!("vital://documents/{}", foreign.document) })).await;
    assert_eq!(uri["error"]["code"], -32_002, "{uri}");
    let asked = session.tool("ask_expert", json!({ "question": QUESTION_A, "conversation_id": foreign.conversation })).await;
    assert_eq!(asked["_meta"]["vital-path/problem"]["code"], "conversation.unknown", "{asked}");
    let found = session.tool("search_documents", json!({ "query": CANARY_B, "limit": 50 })).await;
    let listed = session.call("resources/list", json!({ "cursor": foreign.document })).await;
    for seen in [found, listed] {
        let seen = seen.to_string().to_lowercase();
        assert!(!seen.contains(CANARY_B) || seen.contains("nothing was found"), "{seen}");
    }
}

#[tokio::test]
async fn bad_messages_are_told_in_the_words_of_the_protocol() {
    let app = app().await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    let raw = async |body: &str| {
        let request = session.client.request("POST", "/mcp").header("accept", BOTH).header("mcp-session-id", &session.id);
        request.body("application/json", body).send().await
    };
    for (body, code) in [
        ("{", -32_700),
        ("", -32_700),
        ("[]", -32_600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32_600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32_600),
    ] {
        let reply = raw(body).await.expect(400).json();
        assert_eq!(reply["error"]["code"], code, "{body}: {reply}");
    }
    raw(&format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(limits::BODY_BYTES_MAX)))
        .await
        .problem(413, "request.too_large");
    for (method, params, code) in [
        ("no/such/method", json!({}), -32_601),
        ("tools/call", json!({ "name": "no_such_tool" }), -32_602),
        ("tools/call", json!({ "name": 7 }), -32_602),
        ("resources/read", json!({}), -32_602),
        ("resources/list", json!({ "cursor": "garbage" }), -32_602),
        ("prompts/get", json!({ "name": "clinical-pharmacology" }), -32_602),
        ("logging/setLevel", json!({ "level": "shout" }), -32_602),
    ] {
        let reply = session.call(method, params).await;
        assert_eq!(reply["error"]["code"], code, "{method}: {reply}");
    }
    for arguments in [json!({}), json!({ "question": 7 }), json!({ "question": "x", "more": 1 }), json!({ "question": " " })] {
        let reply = session.tool("ask_expert", arguments.clone()).await;
        assert_eq!(reply["isError"], true, "{arguments}: {reply}");
    }
    let unheard = session.client.request("POST", "/mcp").header("accept", "application/json").json(&initialize()).send().await;
    assert_eq!(unheard.expect(406).json()["error"]["code"], -32_600);
    let form = session.client.request("POST", "/mcp").header("accept", BOTH).body("text/plain", "{}").send().await;
    form.expect(415);
    let future = session.client.request("POST", "/mcp").header("accept", BOTH).header("mcp-session-id", &session.id);
    let future =
        future.header("mcp-protocol-version", "1999-01-01").json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).send().await;
    future.expect(400);
    sent(&session.client, None, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await.expect(400);
    session.client.request("PUT", "/mcp").send().await.expect(405);
}

#[tokio::test]
async fn pages_of_other_sites_get_nothing_also_where_a_name_was_made_to_point_here() {
    let app = app().await;
    let client = with_key(&app, &EVERYTHING).await;
    let host = app.base_url().replace("http://", "");
    for (method, host, origin, status) in [
        ("POST", host.as_str(), format!("http://{host}"), 200),
        ("POST", host.as_str(), "https://evil.example".to_owned(), 403),
        ("POST", "evil.example", "http://evil.example".to_owned(), 403),
        ("GET", "evil.example", "http://evil.example".to_owned(), 403),
        ("GET", host.as_str(), "null".to_owned(), 403),
        ("DELETE", host.as_str(), "http://localhost.evil.example".to_owned(), 403),
    ] {
        let request = client.request(method, "/mcp").header("host", host).header("origin", &origin).header("accept", BOTH);
        let request = if method == "POST" { request.json(&initialize()) } else { request };
        assert_eq!(request.send().await.status, status, "{method} {host} {origin}");
    }
}

/// An app whose provider writes as much as the gate allows, and a session there.
async fn waiting() -> (TestApp, ScriptedProvider, Gate, Session) {
    let provider = ScriptedProvider::start().await.unwrap();
    let app = app_with(&provider, Timeouts::default()).await;
    let gate = Gate::new();
    provider.reply(Script::new().wait(&gate).text(SAID));
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    (app, provider, gate, session)
}

async fn running_turn(app: &TestApp) -> String {
    until("a running turn", || async { app.sql_text("select id::text from turns where state = 'running'").await }).await
}

#[tokio::test]
async fn a_client_that_cancels_stops_the_answer_and_one_that_leaves_does_not() {
    let (app, _provider, gate, session) = waiting().await;
    let message = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "ask_expert", "arguments": { "question": QUESTION_A } } });
    // Leaves while the answer is being written: it is written to its end.
    let (client, id, leaving) = (session.client.clone(), session.id.clone(), message(1));
    let asked = tokio::spawn(async move { sent(&client, Some(&id), &leaving).await });
    let turn = running_turn(&app).await;
    asked.abort();
    gate.open();
    assert_eq!(ended(&app.member(), &turn).await["state"], "answered");

    // Cancels: it is stopped, and nothing comes for the request.
    let (app, _provider, _gate, session) = waiting().await;
    let (client, id, cancelled) = (session.client.clone(), session.id.clone(), message(2));
    let asked = tokio::spawn(async move { sent(&client, Some(&id), &cancelled).await });
    let turn = running_turn(&app).await;
    session.notify("notifications/cancelled", json!({ "requestId": 2, "reason": "enough" })).await;
    assert_eq!(ended(&app.member(), &turn).await["state"], "stopped");
    assert!(!asked.await.unwrap().text().contains("\"result\""));
}

#[tokio::test]
async fn without_a_session_each_request_stands_for_itself_and_leaving_cancels() {
    let (app, _provider, _gate, session) = waiting().await;
    let message = |method: &str, mut params: Value| {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        json!({ "jsonrpc": "2.0", "id": 3, "method": method, "params": params })
    };
    let send = |client: Client, message: Value| async move {
        let method = message["method"].as_str().unwrap().to_owned();
        let request = client
            .request("POST", "/mcp")
            .header("accept", BOTH)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", &method);
        let request = match message["params"]["name"].as_str() {
            Some(name) => request.header("mcp-name", name),
            None => request,
        };
        request.json(&message).send().await
    };
    let listed = send(session.client.clone(), message("tools/list", json!({}))).await.expect(200);
    assert!(listed.header("mcp-session-id").is_none());
    assert_eq!(messages(&listed).pop().unwrap()["result"]["tools"].as_array().unwrap().len(), OFFERED.len());
    let call = message("tools/call", json!({ "name": "ask_expert", "arguments": { "question": QUESTION_A } }));
    let asked = tokio::spawn(send(session.client.clone(), call));
    let turn = running_turn(&app).await;
    asked.abort();
    assert_eq!(ended(&app.member(), &turn).await["state"], "stopped");
}

#[tokio::test]
async fn a_person_asks_only_so_often() {
    let options = options();
    let rates = Rates { asking: 1, ..options.protection.rates };
    let settings = Settings { rates, ..options.protection.clone() };
    let app = TestApp::start(options.protection(settings)).await;
    let session = Session::open(with_key(&app, &EVERYTHING).await).await;
    session.tool("ask_expert", json!({ "question": QUESTION_A })).await;
    let refused = session.tool("ask_expert", json!({ "question": QUESTION_A })).await;
    assert_eq!(refused["_meta"]["vital-path/problem"]["code"], "rate.asking", "{refused}");
}
