//! The client against scripted tool servers on the loopback: honest ones, slow ones, and those that lie.

use crate::{Auth, CallResult, Client, ClientError, Listing, RESULT_BYTES_MAX, SchemaFault, TOOLS_MAX, ToolFault, VERSION};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use vital_keys::SecretText;
use vital_outbound::{Egress, Limits, Outbound, Purpose};
use vital_testkit::{
    provider::{Request, Script, ScriptedProvider},
    tool_server::{SESSION, honest, json_body, method, reply, stream, text, tool},
};

/// Long enough for anything that a test does not make wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what is meant to be too slow.
const SHORT: Duration = Duration::from_millis(300);

fn client_with(server: &ScriptedProvider, auth: &Auth) -> Client {
    let limits = Limits { connect: Duration::from_secs(1), ..Purpose::Tool.limits() };
    let egress = Egress::default().loopback_issuers(true);
    let outbound = Outbound::builder(Purpose::Tool).egress(egress).limits(limits).plain_http().build().unwrap();
    Client::new(outbound, &format!("{}/mcp", server.base_url()), auth).unwrap()
}

async fn started(answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> (ScriptedProvider, Client) {
    let server = ScriptedProvider::start().await.unwrap();
    server.reply_with(answer);
    let client = client_with(&server, &Auth::None);
    (server, client)
}

/// An honest server but for one method.
async fn but(wrong: &'static str, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> (ScriptedProvider, Client) {
    started(move |r| if method(r) == wrong { answer(r) } else { honest(r, &[tool("echo", "Says it again.")]) }).await
}

async fn listed(client: &Client) -> Result<Listing, ClientError> {
    client.connect(Instant::now() + PATIENCE).await?.tools().await
}

async fn called(client: &Client, patience: Duration) -> Result<CallResult, ClientError> {
    client.connect(Instant::now() + patience).await?.call("echo", &json!({"text": "Grüße"})).await
}

fn garbled<T>(outcome: &Result<T, ClientError>) -> bool {
    matches!(outcome, Err(ClientError::Garbled { .. }))
}

#[tokio::test]
async fn a_session_is_agreed_on_used_and_ended() {
    let server = ScriptedProvider::start().await.unwrap();
    server.reply_with(|r| honest(r, &[tool("echo", "Says it again.")]));
    let client = client_with(&server, &Auth::Header(crate::may_be_named("X-Tool-Key").unwrap(), SecretText::given("k 1")));
    let mut session = client.connect(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!((session.server.as_str(), session.version), ("Scripted tools 1.0", VERSION));
    let listing = session.tools().await.unwrap();
    assert_eq!((listing.tools[0].name.as_str(), listing.refused.len()), ("echo", 0));
    let result = session.call("echo", &json!({"text": "Grüße"})).await.unwrap();
    assert_eq!(result, CallResult { text: "Grüße".to_owned(), structured: None, is_error: false, cut: false });
    session.end().await;
    let requests = server.requests();
    let methods: Vec<String> = requests.iter().map(|r| format!("{} {}", r.method, method(r))).collect();
    assert_eq!(methods, ["POST initialize", "POST notifications/initialized", "POST tools/list", "POST tools/call", "DELETE "]);
    assert!(requests.iter().all(|r| r.header("x-tool-key") == Some("k 1")));
    assert!(requests[0].header("mcp-session-id").is_none() && requests[0].header("mcp-protocol-version").is_none());
    for later in &requests[1..] {
        assert_eq!((later.header("mcp-session-id"), later.header("mcp-protocol-version")), (Some(SESSION), Some(VERSION)));
    }
}

#[tokio::test]
async fn a_reply_may_come_in_a_stream_behind_other_messages() {
    let (server, client) = but("tools/call", |r| {
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
        let sampling = json!({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {}});
        let ping = json!({"jsonrpc": "2.0", "id": 9, "method": "ping"});
        stream(&[progress, sampling, ping, json!({"jsonrpc": "2.0", "id": r.json()["id"], "result": text("done")})])
    })
    .await;
    let mut session = client.connect(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(session.call("echo", &json!({})).await.unwrap().text, "done");
    assert_eq!(session.notices(), 1);
    let answers: Vec<Value> = server.requests().iter().map(|r| r.json()).filter(|b| b.get("method").is_none()).collect();
    assert_eq!(answers.len(), 2, "both of its requests were answered");
    assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&json!("s1"), &json!(-32_601)));
    assert_eq!(answers[1], json!({"jsonrpc": "2.0", "id": 9, "result": {}}));
}

#[tokio::test]
async fn of_two_replies_the_first_counts() {
    let (_server, client) = but("tools/call", |r| {
        let with = |said: &str| json!({"jsonrpc": "2.0", "id": r.json()["id"], "result": text(said)});
        stream(&[with("first"), with("second")])
    })
    .await;
    assert_eq!(called(&client, PATIENCE).await.unwrap().text, "first");
}

#[tokio::test]
async fn a_reply_to_something_else_ends_it() {
    for id in [json!(77), json!("1"), json!(null)] {
        let (_server, client) = but("tools/call", move |_| json_body(&json!({"jsonrpc": "2.0", "id": id, "result": text("x")}))).await;
        assert!(garbled(&called(&client, PATIENCE).await));
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_is_left_at_the_deadline() {
    for hanging in ["initialize", "notifications/initialized", "tools/call"] {
        let (_server, client) = but(hanging, |_| Script::half_open()).await;
        let begun = Instant::now();
        assert_eq!(called(&client, SHORT).await, Err(ClientError::TooSlow), "{hanging}");
        assert!(begun.elapsed() < PATIENCE / 3);
    }
    let (_server, client) = but("tools/call", |_| {
        let head = Script::status(200).header("content-type", "application/json");
        head.drip(&b" ".repeat(1_000), Duration::from_millis(20))
    })
    .await;
    assert_eq!(called(&client, SHORT).await, Err(ClientError::TooSlow));
    let (_server, client) = but("tools/call", |_| stream(&[]).forever_raw(": still here\n")).await;
    assert!(matches!(called(&client, PATIENCE).await, Err(ClientError::TooLarge { .. } | ClientError::TooSlow)));
}

#[tokio::test]
async fn a_result_of_10_mb_is_refused_while_it_is_read() {
    let (server, client) = but("tools/call", |r| reply(r, &text(&"x".repeat(10_000_000)))).await;
    assert!(matches!(called(&client, PATIENCE).await, Err(ClientError::TooLarge { .. })));
    drop(server);
    let (_server, client) =
        but("tools/call", |r| stream(&[json!({"jsonrpc": "2.0", "id": r.json()["id"], "result": text(&"x".repeat(10_000_000))})])).await;
    assert!(matches!(called(&client, PATIENCE).await, Err(ClientError::TooLarge { .. })));
    let (_server, client) = but("tools/call", |r| reply(r, &text(&"x".repeat(1_000_000)))).await;
    let result = called(&client, PATIENCE).await.unwrap();
    assert!(result.cut && result.text.len() == RESULT_BYTES_MAX, "what can be read is cut");
}

#[tokio::test]
async fn what_is_no_tool_server_is_told_apart() {
    let html = || Script::status(200).header("content-type", "text/html").body("<html>Welcome</html>");
    let (_server, client) = started(move |_| html()).await;
    assert!(garbled(&listed(&client).await));
    for (status, expected) in [
        (401, ClientError::Unauthorized),
        (403, ClientError::Unauthorized),
        (404, ClientError::NotThere),
        (405, ClientError::NotThere),
        (429, ClientError::Limited),
        (500, ClientError::Status { status: 500 }),
    ] {
        let (_server, client) = started(move |_| Script::status(status)).await;
        assert_eq!(listed(&client).await, Err(expected));
    }
    let (server, client) = started(|_| Script::status(302).header("location", "http://169.254.169.254/latest/meta-data")).await;
    assert_eq!(listed(&client).await, Err(ClientError::Redirected));
    assert_eq!(server.counts().requests, 1, "a redirect is not followed");
    let (server, client) = started(|_| Script::cut_before_answer()).await;
    assert_eq!(listed(&client).await, Err(ClientError::Cut));
    drop(server);
}

#[tokio::test]
async fn an_error_of_the_protocol_is_told_readable_and_short() {
    let long = format!("no\u{1b}[31m such\u{202e} tool {}", "x".repeat(10_000));
    for status in [200, 400] {
        let message = long.clone();
        let (_server, client) = but("tools/call", move |r| {
            let error = json!({"jsonrpc": "2.0", "id": r.json()["id"], "error": {"code": -32_602, "message": message}});
            Script::status(status).header("content-type", "application/json").body(error.to_string())
        })
        .await;
        let Err(ClientError::Refused { code: -32_602, message }) = called(&client, PATIENCE).await else { panic!("{status}") };
        assert!(message.starts_with("no[31m such tool x") && message.chars().count() <= 300);
    }
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_and_an_older_one_is_spoken() {
    let told = |version: &'static str| {
        but("initialize", move |r| reply(r, &json!({"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "s"}})))
    };
    let (_server, client) = told("2099-01-01\u{202e}").await;
    assert_eq!(listed(&client).await, Err(ClientError::Version { told: "2099-01-01".to_owned() }));
    let (server, client) = told("2025-03-26").await;
    assert_eq!(listed(&client).await.unwrap().tools.len(), 1);
    assert_eq!(server.requests().last().unwrap().header("mcp-protocol-version"), Some("2025-03-26"));
}

#[tokio::test]
async fn a_session_that_ended_is_opened_again_once() {
    let calls = AtomicU32::new(0);
    let (server, client) = but("tools/call", move |r| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Script::status(404),
        _ => honest(r, &[]),
    })
    .await;
    assert_eq!(called(&client, PATIENCE).await.unwrap().text, "Grüße");
    let begun = server.requests().iter().filter(|r| method(r) == "initialize").count();
    assert_eq!(begun, 2);
    let (server, client) = but("tools/call", |_| Script::status(404)).await;
    assert_eq!(called(&client, PATIENCE).await, Err(ClientError::SessionLost));
    assert_eq!(server.requests().iter().filter(|r| method(r) == "initialize").count(), 2);
}

#[tokio::test]
async fn tools_that_cannot_be_used_are_named_and_the_others_are_there() {
    let deep = (0..40).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let with = |name: &str, schema: Value| json!({"name": name, "inputSchema": {"type": "object", "properties": {"a": schema}}});
    let tools = vec![
        tool("fine", "It\u{202e} works\u{200b}."),
        tool("twice", "One."),
        tool("twice", "Another."),
        tool("../../etc/passwd", "x"),
        with("deep", deep),
        with("remote", json!({"$ref": "http://169.254.169.254/schema"})),
        json!({"name": "bare"}),
        json!("no tool at all"),
    ];
    let (_server, client) = started(move |r| honest(r, &tools)).await;
    let listing = listed(&client).await.unwrap();
    assert_eq!(listing.tools.iter().map(|t| (t.name.as_str(), t.description.as_str())).collect::<Vec<_>>(), [("fine", "It works.")]);
    let faults: Vec<_> = listing.refused.iter().map(|r| (r.name.as_str(), r.fault)).collect();
    assert_eq!(
        faults,
        [
            ("twice", ToolFault::Twice),
            ("../../etc/passwd", ToolFault::Name),
            ("deep", ToolFault::Input(SchemaFault::TooDeep)),
            ("remote", ToolFault::Input(SchemaFault::Remote)),
            ("bare", ToolFault::Input(SchemaFault::NotObject)),
            ("", ToolFault::Name),
        ]
    );
}

#[tokio::test]
async fn a_schema_of_depth_1000_is_not_even_built() {
    let (_server, client) = but("tools/list", |r| {
        let schema = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"tools\":[{{\"name\":\"a\",\"inputSchema\":{schema}}}]}}}}",
            r.json()["id"]
        );
        Script::status(200).header("content-type", "application/json").body(body)
    })
    .await;
    assert!(garbled(&listed(&client).await));
}

#[tokio::test]
async fn a_list_has_pages_and_an_end() {
    let (_server, client) = but("tools/list", |r| {
        let page = r.json()["params"]["cursor"].as_str().map_or(0, |c| c.parse().unwrap());
        let next = (page < 3).then(|| (page + 1).to_string());
        reply(r, &json!({"tools": [tool(&format!("t{page}"), "x")], "nextCursor": next}))
    })
    .await;
    assert_eq!(listed(&client).await.unwrap().tools.len(), 4);
    let (_server, client) = but("tools/list", |r| reply(r, &json!({"tools": [], "nextCursor": "a"}))).await;
    assert!(garbled(&listed(&client).await), "a circle");
    let count = AtomicU32::new(0);
    let (_server, client) =
        but("tools/list", move |r| reply(r, &json!({"tools": [], "nextCursor": count.fetch_add(1, Ordering::Relaxed).to_string()}))).await;
    assert_eq!(listed(&client).await, Err(ClientError::TooMany { what: "pages" }));
    let (_server, client) = but("tools/list", |r| {
        let tools: Vec<Value> = (0..=TOOLS_MAX).map(|n| tool(&format!("t{n}"), "x")).collect();
        reply(r, &json!({"tools": tools}))
    })
    .await;
    assert_eq!(listed(&client).await, Err(ClientError::TooMany { what: "tools" }));
}

#[tokio::test]
async fn a_server_that_never_comes_to_the_point_is_left() {
    let notice = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
    let (_server, client) = but("tools/call", move |_| stream(&[]).forever_raw(format!("data: {notice}\n\n"))).await;
    assert_eq!(called(&client, PATIENCE).await, Err(ClientError::TooMany { what: "notices" }));
    let asks = json!({"jsonrpc": "2.0", "id": 1, "method": "roots/list"});
    let (_server, client) = but("tools/call", move |_| stream(&[]).forever_raw(format!("data: {asks}\n\n"))).await;
    assert_eq!(called(&client, PATIENCE).await, Err(ClientError::TooMany { what: "requests of its own" }));
    let (_server, client) = but("tools/call", |_| stream(&[]).end_early()).await;
    assert_eq!(called(&client, PATIENCE).await, Err(ClientError::Cut));
}

#[tokio::test]
async fn an_address_of_the_inner_network_is_not_asked() {
    let outbound = Outbound::builder(Purpose::Tool).plain_http().build().unwrap();
    for address in ["http://127.0.0.1/mcp", "https://127.0.0.1/mcp", "https://10.0.0.1/mcp", "https://169.254.169.254/", "ftp://a.example/"]
    {
        assert!(matches!(Client::new(outbound.clone(), address, &Auth::None), Err(ClientError::Address(_))), "{address}");
    }
}
