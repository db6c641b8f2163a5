//! Requests that cannot be right: each gets a problem that says what to change, and its id.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]

use crate::app;
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use vital_testkit::app::Persona;

#[tokio::test]
async fn every_reply_has_an_id_and_a_problem_names_it() {
    let app = app().await;
    let reply = app.member().get("/api/v1/turns/not-an-id").await;
    let id = reply.header("x-request-id").unwrap().to_owned();
    assert_eq!(reply.problem(404, "id.unknown")["request_id"], id.as_str());
    let page = app.member().get("/conversations/not-an-id").await.expect(404);
    assert!(page.text().contains(page.header("x-request-id").unwrap()), "the page shows the id, for a report");
    assert_ne!(app.member().get("/livez").await.header("x-request-id"), app.member().get("/livez").await.header("x-request-id"));
}

#[tokio::test]
async fn an_unknown_address_is_a_page_for_people_and_a_problem_for_programs() {
    let app = app().await;
    for client in [app.member(), app.client(Persona::Anonymous)] {
        client.get("/api/v1/nothing").await.problem(404, "page.unknown");
        let page = client.get("/nothing-here").await.expect(404);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.text().contains("There is nothing at this address"), "{}", page.text());
    }
}

#[tokio::test]
async fn a_known_address_with_an_unknown_method_is_405() {
    let app = app().await;
    app.member().request("PUT", "/api/v1/experts").send().await.problem(405, "request.method");
    app.member().delete("/api/v1/me").await.problem(405, "request.method");
    assert_eq!(app.member().request("POST", "/experts").send().await.expect(405).header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn json_is_read_strictly() {
    let app = app().await;
    let post = |media: &str, body: &str| app.member().request("POST", "/api/v1/conversations").body(media, body);
    post("application/json", r#"{"expert":null,"colour":"red"}"#).send().await.problem(422, "request.field");
    post("application/json", r#"{"expert":7}"#).send().await.problem(422, "request.field");
    post("application/json", r#"{"expert":"#).send().await.problem(400, "request.json");
    post("application/json", "").send().await.problem(400, "request.json");
    post("text/plain", "{}").send().await.problem(415, "request.media_type");
    post("application/x-www-form-urlencoded", "expert=x").send().await.problem(415, "request.media_type");
    let bytes = app.member().request("POST", "/api/v1/conversations").body("application/json", [b'{', 0xff, b'}']).send().await;
    bytes.problem(400, "request.json");
    app.member().act("/api/v1/conversations").await.problem(415, "request.media_type");
}

#[tokio::test]
async fn a_deeply_nested_body_is_refused() {
    let app = app().await;
    let nested = format!("{{\"expert\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let reply = app.member().request("POST", "/api/v1/conversations").body("application/json", nested).send().await;
    assert!(matches!(reply.status, 400 | 422), "{}", reply.text());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let app = app().await;
    let reply = app.member().post("/api/v1/conversations", &json!({ "expert": "x".repeat(300 * 1024) })).await;
    reply.problem(413, "request.too_large");
    for (path, length, code) in
        [("/api/v1/conversations", 300_000_u64, "request.too_large"), ("/api/v1/documents", 60 << 20, "document.too_large")]
    {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: multipart/form-data; boundary=B\r\ncontent-length: {length}\r\n\r\n",
            Persona::Member.token().unwrap()
        );
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        let answered = async {
            while !reply.windows(code.len()).any(|w| w == code.as_bytes()) {
                assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "{}", String::from_utf8_lossy(&reply));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), answered).await.expect("the reply comes although no byte of the body was sent");
        assert!(reply.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&reply));
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_counted_while_it_is_read() {
    let app = app().await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /api/v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        Persona::Member.token().unwrap()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..5 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut start = [0; 12];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut start)).await.expect("an answer").unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn lists_refuse_pages_that_cannot_be() {
    let app = app().await;
    for path in
        ["/api/v1/documents?limit=x", "/api/v1/documents?before=x", "/api/v1/conversations?colour=red", "/api/v1/documents?starter=perhaps"]
    {
        app.member().get(path).await.problem(400, "request.fields");
    }
    let first = app.member().get("/api/v1/documents?limit=1").await.expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    for path in
        [format!("documents?starter=true&cursor={cursor}"), format!("experts?cursor={cursor}"), format!("documents?cursor={cursor}A")]
    {
        app.member().get(&format!("/api/v1/{path}")).await.problem(400, "request.cursor");
    }
    for limit in ["0", "-5", "100000"] {
        app.member().get(&format!("/api/v1/documents?limit={limit}")).await.expect(200);
    }
}
