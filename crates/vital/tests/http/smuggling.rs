//! Requests that two servers in a row could read differently, byte by byte over a raw connection. Each is refused or harmless: where one
//! request was sent, one response comes at most, and what was hidden in its body is never answered.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]

use crate::app;
use futures_util::future::join_all;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use vital_testkit::app::{Options, TestApp};
use vital_web::{Rates, Settings};

/// How long the server may take to answer and close.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is hidden behind each request; its answer would be a second response.
const HIDDEN: &str = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// What should happen.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// 400 or another refusal of the server loop, and the connection is closed.
    Refused,
    /// One reply with this status; what was hidden was part of its body or was dropped with the connection.
    One(u16),
}
use Outcome::{One, Refused};

/// Everything that comes until the server closes the connection.
async fn said(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may refuse and close while the rest is still being sent.
    let _ = stream.write_all(sent).await;
    let mut reply = Vec::new();
    let _reset_or_end =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap_or_else(|_| panic!("the connection stays open"));
    String::from_utf8_lossy(&reply).into_owned()
}

fn outcome(reply: &str) -> Outcome {
    assert!(reply.matches("HTTP/1.1 ").count() <= 1, "more than one response:\n{reply}");
    assert!(!reply.contains("alive"), "what was hidden was answered:\n{reply}");
    match reply.split(' ').nth(1).and_then(|status| status.parse().ok()) {
        // A reply of the application carries its headers; a refusal of the server loop has none of them.
        Some(status) if reply.contains("x-request-id") => One(status),
        _ => Refused,
    }
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_gets_one_answer_at_most() {
    let app = app().await;
    let length = HIDDEN.len();
    let chunked = "transfer-encoding: chunked\r\n";
    let hidden_chunk = format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    let cases: Vec<(&str, String, Outcome)> = vec![
        // RFC 9112 section 6.3 takes the chunks and closes afterwards, which hyper does: what follows them is dropped.
        ("length and chunks", post(&format!("content-length: 4\r\n{chunked}"), &hidden_chunk), One(400)),
        ("chunks and length", post(&format!("{chunked}content-length: {length}\r\n"), &format!("0\r\n\r\n{HIDDEN}")), One(400)),
        ("two lengths", post(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), HIDDEN), Refused),
        ("a list of lengths", post(&format!("content-length: 0, {length}\r\n"), HIDDEN), Refused),
        ("a signed length", post(&format!("content-length: +{length}\r\n"), HIDDEN), Refused),
        ("a negative length", post("content-length: -1\r\n", HIDDEN), Refused),
        ("a hexadecimal length", post(&format!("content-length: 0x{length:x}\r\n"), HIDDEN), Refused),
        ("a length beyond 64 bits", post("content-length: 18446744073709551617\r\n", HIDDEN), Refused),
        ("a length with a blank before the colon", post(&format!("content-length : {length}\r\n"), HIDDEN), Refused),
        ("a folded header", post(&format!("content-length:\r\n {length}\r\n"), HIDDEN), Refused),
        ("a folded encoding", post("transfer-encoding:\r\n chunked\r\n", &hidden_chunk), Refused),
        ("an unknown encoding", post("transfer-encoding: xchunked\r\n", &hidden_chunk), Refused),
        ("an encoding that does not end in chunked", post("transfer-encoding: chunked, identity\r\n", &hidden_chunk), Refused),
        ("an encoding twice, whose outer chunks hold what was hidden", post(&format!("{chunked}{chunked}"), &hidden_chunk), One(400)),
        ("an encoding with a vertical tab", post("transfer-encoding: \x0bchunked\r\n", &hidden_chunk), Refused),
        (
            "an encoding in HTTP/1.0",
            post(chunked, &hidden_chunk).replace("HTTP/1.1\r\nhost: x\r\ncontent", "HTTP/1.0\r\nhost: x\r\ncontent"),
            Refused,
        ),
        ("a chunk size that is no number", post(chunked, &format!("zz\r\n{HIDDEN}")), One(400)),
        ("a chunk size with a sign", post(chunked, &format!("+0\r\n\r\n{HIDDEN}")), One(400)),
        ("a chunk size with 0x", post(chunked, &format!("0x0\r\n\r\n{HIDDEN}")), One(400)),
        ("a chunk size beyond 64 bits", post(chunked, &format!("10000000000000000\r\n{HIDDEN}")), One(400)),
        ("a chunk longer than said", post(chunked, &format!("1\r\nab{HIDDEN}")), One(400)),
        ("a chunk size that ends in a bare line feed", post(chunked, &format!("0\n\r\n{HIDDEN}")), One(400)),
        ("a NUL in a header", post("a: b\0c\r\ncontent-length: 0\r\n", ""), Refused),
        ("a bare carriage return in a header", post(&format!("a: b\rcontent-length: {length}\r\n"), HIDDEN), Refused),
        ("a blank in a header's name", post("a b: c\r\ncontent-length: 0\r\n", ""), Refused),
        ("a header without a name", post(": c\r\ncontent-length: 0\r\n", ""), Refused),
        ("no version", "GET /livez\r\n\r\n".to_owned(), Refused),
        ("another version", "GET /me HTTP/1.2\r\nhost: x\r\n\r\n".to_owned(), Refused),
        ("a NUL in the target", "GET /a\0b HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), Refused),
    ];
    // Together, because the server waits a while for more on those that it leaves open.
    let replies = join_all(cases.iter().map(|(_, request, _)| said(app.address(), request.as_bytes()))).await;
    let mut wrong = Vec::new();
    for ((what, _, expected), reply) in cases.into_iter().zip(replies) {
        let got = outcome(&reply);
        if got != expected {
            wrong.push(format!("{what}: {got:?} instead of {expected:?}:\n{reply}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn an_absolute_target_and_hosts_choose_nothing() {
    let app = app().await;
    let member = vital_testkit::app::Persona::Member.token().unwrap();
    let with =
        |line: &str, headers: &str| format!("{line} HTTP/1.1\r\n{headers}authorization: Bearer {member}\r\nconnection: close\r\n\r\n");
    for request in [
        with("GET http://other.example/api/v1/me", "host: x\r\n"),
        with("GET /api/v1/me", "host: other.example\r\n"),
        with("GET /api/v1/me", "host: x\r\nx-forwarded-host: other.example\r\nx-forwarded-proto: https\r\n"),
        with("GET /api/v1/me", &format!("host: x\r\nx-tenant: {0}\r\nx-tenant-id: {0}\r\nx-organisation: {0}\r\n", "organisation-b")),
    ] {
        let reply = said(app.address(), request.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 200 ") && !reply.contains("other.example"), "{request}\n{reply}");
        let me: serde_json::Value = serde_json::from_str(reply.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(me, app.member().get("/api/v1/me").await.expect(200).json(), "{request}");
    }
    let sign_in = "GET /conversations HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n\r\n";
    let reply = said(app.address(), sign_in.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 303 ") && !reply.contains("evil.example"), "a redirect stays on this site:\n{reply}");
}

async fn limited(rates: Rates, trusted: &[&str]) -> TestApp {
    let options: Options = crate::options();
    let mut settings = Settings { rates, ..options.protection.clone() };
    settings.proxies.trusted = trusted.iter().map(|net| net.parse().unwrap()).collect();
    TestApp::start(options.protection(settings)).await
}

/// How many of ten requests, each said to be for another address, were let in.
async fn let_in(app: &TestApp, headers: &[&'static str]) -> usize {
    let mut count = 0;
    for n in 0..10 {
        let mut request = app.member().signed_out().request("GET", "/sign-in");
        for name in headers {
            let value = if *name == "forwarded" { format!("for=203.0.113.{n}") } else { format!("203.0.113.{n}") };
            request = request.header(name, &value);
        }
        let reply = request.send().await;
        assert!(matches!(reply.status, 200 | 429), "{}", reply.status);
        count += usize::from(reply.status == 200);
    }
    count
}

#[tokio::test]
async fn nobody_gets_round_a_limit_by_saying_to_be_somebody_else() {
    let rates = Rates { address: 4, ..Settings::default().rates };
    let app = limited(rates, &[]).await;
    assert_eq!(let_in(&app, &["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip"]).await, 4);
    app.member().get("/livez").await.expect(200);
    let behind = limited(rates, &["127.0.0.0/8"]).await;
    assert_eq!(let_in(&behind, &["x-forwarded-for"]).await, 10, "a trusted proxy's word counts");
    assert_eq!(let_in(&behind, &["forwarded", "x-real-ip"]).await, 4, "the header that it does not set was written by the client");
}
