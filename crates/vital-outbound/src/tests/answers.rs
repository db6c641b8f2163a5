//! Answers that are too large, too slow, packed, or of another type than was asked for.

use super::*;
use crate::Method;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
const ADDRESS: &str = "https://public.example/";

fn too_large() -> OutboundError {
    OutboundError::TooLarge { host: "public.example".to_owned(), limit_bytes: limits().body_bytes_max }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_not_beyond() {
    for (bytes, whole) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let server = Server::start(move |_, _| Reply::text("", &"x".repeat(bytes))).await;
        let outcome = body(&fetching(&server), ADDRESS).await;
        assert_eq!(outcome.map(|body| body.len()), if whole { Ok(bytes) } else { Err(too_large()) });
    }
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    for head in [format!("{HEAD}content-length: 9000000000000000000\r\n\r\n"), format!("{HEAD}connection: close\r\n\r\n")] {
        let server = Server::start(move |_, _| Reply::Endless(head.clone().into_bytes())).await;
        assert_eq!(body(&fetching(&server), ADDRESS).await, Err(too_large()));
    }
}

#[tokio::test]
async fn slow_answers_end_with_the_time_limits() {
    let slow = Err(OutboundError::TooSlow { host: "public.example".to_owned() });
    for (written, limits) in [
        (String::new(), Limits { first_byte: SHORT, ..limits() }),
        (String::new(), Limits { total: SHORT, ..limits() }),
        ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), Limits { first_byte: SHORT, ..limits() }),
        ("HTTP/1.1 200 OK\r\ncontent-ty".to_owned(), Limits { first_byte: SHORT, ..limits() }),
        (format!("{HEAD}content-length: 9\r\n\r\nbegun"), Limits { total: SHORT, ..limits() }),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n5\r\nbegun"), Limits { total: SHORT, ..limits() }),
    ] {
        let reply = written.clone().into_bytes();
        let server = Server::start(move |_, _| Reply::Stalls(reply.clone())).await;
        let outbound = client(Purpose::UrlFetch, &server, |_| vec![ip(PUBLIC)]).limits(limits).build().unwrap();
        assert_eq!(body(&outbound, ADDRESS).await, slow, "{written}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_whole() {
    for written in [
        format!("{HEAD}content-length: 9\r\n\r\nbegun"),
        format!("{HEAD}transfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n"),
        String::new(),
        "SSH-2.0-OpenSSH_9\r\n".to_owned(),
    ] {
        let reply = written.clone().into_bytes();
        let server = Server::start(move |_, _| Reply::Last(reply.clone())).await;
        let outbound =
            client(Purpose::UrlFetch, &server, |_| vec![ip(PUBLIC)]).limits(Limits { connect: SHORT, ..limits() }).build().unwrap();
        assert_eq!(body(&outbound, ADDRESS).await, Err(OutboundError::Cut { host: "public.example".to_owned() }), "{written}");
    }
}

#[tokio::test]
async fn a_packed_body_is_dropped_unread() {
    for encoding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity, gzip", "x-unknown", ""] {
        let headers = format!("content-encoding: {encoding}\r\n");
        let server = Server::start(move |_, _| Reply::text(&headers, "not unpacked")).await;
        let outcome = body(&fetching(&server), ADDRESS).await;
        assert_eq!(outcome, Err(OutboundError::Encoded { host: "public.example".to_owned() }), "{encoding}");
        assert!(!server.seen()[0].head.contains("accept-encoding"));
    }
    let server = Server::start(|_, _| Reply::text("content-encoding: identity\r\n", "plain")).await;
    assert!(body(&fetching(&server), ADDRESS).await.is_ok());
}

#[tokio::test]
async fn another_type_than_was_asked_for_is_dropped_unread() {
    let json = ["application/json", "Application/JSON; charset=utf-8", "application/jwk-set+json"];
    let events = ["text/event-stream", "text/event-stream; charset=utf-8", ""];
    let neither = ["text/html", "application/jsonp", "text/json", "application/json,text/html", "application/xml+json5"];
    for (kind, is_json, is_events) in
        json.map(|k| (k, true, false)).into_iter().chain(events.map(|k| (k, false, true))).chain(neither.map(|k| (k, false, false)))
    {
        let header = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
        let reply = format!("HTTP/1.1 200 OK\r\n{header}content-length: 2\r\n\r\n{{}}").into_bytes();
        let server = Server::start(move |_, _| Reply::Bytes(reply.clone())).await;
        for (accept, fits) in
            [(Accept::Json, is_json), (Accept::EventStream, is_events), (Accept::Types(&["text/html"]), kind == "text/html")]
        {
            let outcome = fetching(&server).send(Request::get(url(ADDRESS), accept)).await;
            assert_eq!(
                outcome.as_ref().err(),
                (!fits).then_some(&OutboundError::Type { host: "public.example".to_owned() }),
                "{accept:?} {kind}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_without_content_needs_no_type() {
    for reply in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
        let server = Server::start(|_, _| Reply::Bytes(reply.as_bytes().to_vec())).await;
        assert_eq!(body(&fetching(&server), ADDRESS).await, Ok(Vec::new()), "{reply}");
    }
    let server = Server::start(|_, _| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec())).await;
    let asked = Request::new(Method::HEAD, url(ADDRESS), Accept::Json);
    assert_eq!(fetching(&server).send(asked).await.unwrap().bytes().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_flood_of_headers_is_dropped() {
    let many = "x-a: b\r\n".repeat(200);
    let long = format!("x-a: {}\r\n", "b".repeat(70 * 1024));
    let huge = format!("x-a: {}\r\n", "b".repeat(4 * 1024 * 1024));
    let several = format!("x-a: {}\r\n", "b".repeat(1_024)).repeat(100);
    for (what, headers) in [("many", many), ("long", long), ("huge", huge), ("several", several)] {
        let server = Server::start(move |_, _| Reply::text(&headers, "hello")).await;
        let outbound =
            client(Purpose::UrlFetch, &server, |_| vec![ip(PUBLIC)]).limits(Limits { connect: SHORT, ..limits() }).build().unwrap();
        let outcome = get(&outbound, ADDRESS).await.err();
        assert!(matches!(outcome, Some(OutboundError::Headers { .. } | OutboundError::Cut { .. })), "{what}: {outcome:?}");
    }
    let server = Server::start(|_, _| Reply::Endless(HEAD.as_bytes().to_vec())).await;
    let outbound = client(Purpose::UrlFetch, &server, |_| vec![ip(PUBLIC)]).limits(Limits { connect: SHORT, ..limits() }).build().unwrap();
    assert!(matches!(get(&outbound, ADDRESS).await, Err(OutboundError::Cut { .. })), "a head without an end");
}

#[tokio::test]
async fn one_connection_carries_several_requests() {
    let server = Server::start(|_, number| Reply::text("", &number.to_string())).await;
    let looked_up = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&looked_up);
    let names = move |_: &str| {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        vec![ip(PUBLIC)]
    };
    let outbound = client(Purpose::Provider, &server, names).build().unwrap();
    for number in 1..=5 {
        assert_eq!(body(&outbound, ADDRESS).await, Ok(number.to_string().into_bytes()));
    }
    assert_eq!(looked_up.load(std::sync::atomic::Ordering::SeqCst), 1);
}
