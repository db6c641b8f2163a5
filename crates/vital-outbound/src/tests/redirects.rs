//! Servers that send a request on.

use super::*;
use crate::header::{ACCEPT, HeaderName, HeaderValue};

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_allowed_is_not_followed() {
    for location in [
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://0x7f000001/",
        "https://2130706433/",
        "http://public.example/",
        "http://169.254.169.254/",
        "https://public.example:8443/",
        "https://user:password@public.example/",
        "//127.0.0.1/",
        "//public.example/",
        "/\\127.0.0.1/",
        "\\\\127.0.0.1\\",
        "https:127.0.0.1",
        "https:/127.0.0.1/",
        "file:///etc/passwd",
        "ftp://public.example/",
        "javascript:alert(1)",
        "data:text/plain,hello",
        "https://localhost/",
        "",
    ] {
        let server = Server::start(move |_, _| Reply::redirect(location)).await;
        let outcome = get(&fetching(&server), "https://public.example/").await;
        // An empty location is a path to itself, and ends as a loop does.
        assert_eq!(outcome.err(), Some(OutboundError::Redirect { host: "public.example".to_owned() }), "{location}");
        assert_eq!(server.seen().len(), if location.is_empty() { 4 } else { 1 }, "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_name_with_a_private_address_is_refused_like_any_other() {
    let server = Server::start(|_, _| Reply::redirect("https://other.example/")).await;
    let names = |host: &str| vec![ip(if host == "public.example" { PUBLIC } else { "10.0.0.1" })];
    let outbound = client(Purpose::UrlFetch, &server, names).limits(Limits { connect: SHORT, ..limits() }).build().unwrap();
    let outcome = get(&outbound, "https://public.example/").await;
    assert_eq!(outcome.err(), Some(OutboundError::Unreachable { host: "other.example".to_owned() }));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    for (hops, followed) in [(3, true), (4, false)] {
        let server = Server::start(move |target, _| match target.trim_start_matches('/').parse::<usize>().unwrap() {
            number if number == hops => Reply::text("", "there"),
            number => Reply::redirect(&format!("/{}#part", number + 1)),
        })
        .await;
        assert_eq!(body(&fetching(&server), "https://public.example/0").await.is_ok(), followed, "{hops}");
        assert_eq!(server.seen().len(), 4);
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let server = Server::start(|target, _| match target {
        "/a" => Reply::redirect("/b"),
        "/b" => Reply::redirect("https://other.example/c"),
        _ => Reply::text("", "there"),
    })
    .await;
    let request = Request::get(url("https://public.example/a"), Accept::Types(&["text/plain"]))
        .authorization(HeaderValue::from_static("Bearer secret"))
        .header(HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret"));
    let response = fetching(&server).send(request).await.unwrap();
    assert_eq!(response.url().as_str(), "https://other.example/c");
    let secrets = server.seen().iter().map(|seen| seen.head.matches("secret").count()).collect::<Vec<_>>();
    assert_eq!(secrets, [2, 2, 0]);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| !seen.head.contains("referer") && !seen.head.contains("cookie") && seen.head.contains(ACCEPT.as_str()))
    );
}

#[tokio::test]
async fn cookies_are_neither_kept_nor_sent() {
    let server = Server::start(|target, _| match target {
        "/a" => Reply::Bytes(b"HTTP/1.1 302 Found\r\nset-cookie: a=b\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => Reply::text("", "there"),
    })
    .await;
    let outbound = fetching(&server);
    for _ in 0..2 {
        body(&outbound, "https://public.example/a").await.unwrap();
    }
    assert!(server.seen().iter().all(|seen| !seen.head.contains("cookie")));
}

#[tokio::test]
async fn purposes_without_redirects_get_the_redirect_itself_and_bodies_are_never_sent_on() {
    let server = Server::start(|_, _| Reply::redirect("/elsewhere")).await;
    let others = Purpose::ALL.into_iter().filter(|&purpose| purpose != Purpose::UrlFetch);
    for purpose in others {
        let outbound = client(purpose, &server, |_| vec![ip(PUBLIC)]).build().unwrap();
        assert_eq!(get(&outbound, "https://public.example/").await.unwrap().status(), 302, "{purpose:?}");
    }
    let posting = Request::post(url("https://public.example/"), Accept::Json, "text/plain", "body");
    assert_eq!(fetching(&server).send(posting).await.unwrap().status(), 302);
    assert_eq!(server.seen().len(), Purpose::ALL.len());
}
