//! Name servers that lie, change their minds or answer with several addresses; and what a tenant can learn from a failure.

use super::*;
use crate::Egress;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use tokio::net::TcpListener;

fn unreachable(host: &str) -> OutboundError {
    OutboundError::Unreachable { host: host.to_owned() }
}

/// A client with a short wait for connections: what fails waits that long.
fn hasty(server: &Server, names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Builder {
    client(Purpose::UrlFetch, server, names).limits(Limits { connect: SHORT, ..limits() })
}

#[tokio::test]
async fn the_connection_goes_to_the_judged_address_with_the_original_name() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    assert_eq!(body(&fetching(&server), "https://public.example/a").await, Ok(b"hello".to_vec()));
    let seen = server.seen();
    assert_eq!(seen[0].sni, "public.example");
    assert!(seen[0].head.starts_with("get /a http/1.1\r\n") && seen[0].head.contains("\r\nhost: public.example\r\n"), "{seen:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_no_connection() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    let outbound = hasty(&server, |_| vec![ip(PUBLIC)]).build().unwrap();
    assert_eq!(get(&outbound, "https://impostor.example/").await.err(), Some(unreachable("impostor.example")));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_is_rebound_between_two_requests_is_judged_anew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Server::start(|_, _| {
        Reply::Last(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_vec())
    })
    .await;
    let rebinding = move |_: &str| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => vec![ip(PUBLIC)],
        1 => vec![ip("169.254.169.254")],
        2 => vec![ip("127.0.0.1")],
        _ => vec![ip("::ffff:10.0.0.1")],
    };
    let outbound = hasty(&server, rebinding).build().unwrap();
    assert_eq!(body(&outbound, "https://rebound.example/").await, Ok(b"ok".to_vec()));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what was judged is what is connected to: there is no second look-up to lie to");
    for _ in 0..3 {
        assert_eq!(get(&outbound, "https://rebound.example/").await.err(), Some(unreachable("rebound.example")));
    }
    assert_eq!((asked.load(Ordering::SeqCst), server.seen().len()), (4, 1));
}

#[tokio::test]
async fn a_connection_that_is_kept_stays_with_the_address_that_was_judged() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Server::start(|_, _| Reply::text("", "ok")).await;
    let rebinding = move |_: &str| if counter.fetch_add(1, Ordering::SeqCst) == 0 { vec![ip(PUBLIC)] } else { vec![ip("10.0.0.1")] };
    let outbound = hasty(&server, rebinding).build().unwrap();
    for _ in 0..3 {
        assert_eq!(body(&outbound, "https://rebound.example/").await, Ok(b"ok".to_vec()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_bad_address_among_good_ones_condemns_all() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    for bad in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "fd00:ec2::254", "::ffff:8.8.8.8", "64:ff9b::808:808", "0.0.0.0"]
    {
        for mixed in [[PUBLIC, bad], [bad, PUBLIC]] {
            let outbound = hasty(&server, move |_| mixed.map(ip).to_vec()).limits(Limits { connect: Duration::ZERO, ..limits() });
            assert_eq!(
                get(&outbound.build().unwrap(), "https://mixed.example/").await.err(),
                Some(unreachable("mixed.example")),
                "{mixed:?}"
            );
        }
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_private_address_is_reached_where_the_operator_named_host_and_network() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    for (rules, address, reached) in [
        (vec!["public.example", "10.1.2.0/24"], "10.1.2.3", true),
        (vec!["*.example", "10.1.2.0/24"], "10.1.2.3", true),
        (vec!["public.example", "10.1.2.0/24"], "10.1.3.3", false),
        (vec!["*", "other.example", "10.1.2.0/24"], "10.1.2.3", false),
        (vec!["public.example"], "10.1.2.3", false),
        (vec!["public.example", "10.1.2.0/24"], "127.0.0.1", false),
        (vec!["public.example", "10.1.2.0/24"], "169.254.169.254", false),
    ] {
        let egress = Egress::parse(&rules).unwrap();
        let outbound = hasty(&server, move |_| vec![ip(address)]).egress(egress).build().unwrap();
        assert_eq!(body(&outbound, "https://public.example/").await.is_ok(), reached, "{rules:?} {address}");
    }
}

#[tokio::test]
async fn a_tenant_cannot_tell_refused_from_closed_from_open() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = plain.local_addr().unwrap();
    // Accepts and hangs up, as a service that speaks no TLS may.
    let hanging_up = tokio::spawn(async move {
        loop {
            drop(plain.accept().await);
        }
    });
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = gone.local_addr().unwrap();
    drop(gone);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (what, answer, dialled) in [
        ("no address", None, closed),
        ("a private address where something listens", Some("10.0.0.1"), open),
        ("a private address where nothing listens", Some("10.0.0.1"), closed),
        ("a metadata service", Some("169.254.169.254"), open),
        ("a port that is closed", Some(PUBLIC), closed),
        ("a port that speaks no TLS", Some(PUBLIC), open),
        ("a port that is silent", Some(PUBLIC), silent.local_addr().unwrap()),
    ] {
        let lookup = Lookup::Scripted(Arc::new(move |_: &str| answer.map(ip).into_iter().collect()), dialled);
        let outbound = hasty(&server, |_| Vec::new()).lookup(lookup).build().unwrap();
        let begun = Instant::now();
        let outcome = get(&outbound, "https://public.example/").await.err();
        let took = begun.elapsed();
        assert_eq!(outcome, Some(unreachable("public.example")), "{what}");
        // Never sooner; later only by what a busy machine adds.
        assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "{what}: {took:?}");
    }
    hanging_up.abort();
}

#[tokio::test]
async fn a_failure_is_told_without_the_address() {
    let server = Server::start(|_, _| Reply::text("", "hello")).await;
    let outbound = hasty(&server, |_| vec![ip("10.9.8.7")]).build().unwrap();
    let told = get(&outbound, "https://public.example/").await.err().unwrap().to_string();
    assert!(told.contains("public.example") && !told.contains("10.9.8.7") && !told.contains("private"), "{told}");
}

const CHILD: &str = "VITAL_OUTBOUND_TEST_CHILD";

/// Runs itself again with proxies in the environment: the request must reach the server as if there were none.
#[tokio::test]
async fn a_proxy_in_the_environment_is_not_asked() {
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start(|_, _| Reply::text("", "hello")).await;
        assert_eq!(body(&fetching(&server), "https://public.example/").await, Ok(b"hello".to_vec()));
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::names::a_proxy_in_the_environment_is_not_asked"])
        .env(CHILD, "1")
        .envs(names.map(|name| (name, &address)))
        .output();
    tokio::select! {
        output = child => assert!(output.unwrap().status.success()),
        _ = proxy.accept() => panic!("the proxy was asked"),
    }
}
