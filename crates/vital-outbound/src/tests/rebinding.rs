//! The client behind a name server on the network that lies: answers that change, chains of names, answers that are empty, cut or never come.
//!
//! The name server is real and answers over UDP and TCP; a resolver without a cache asks it. Only the public address leads to the test's
//! server. Whatever else was connected to would end in a trap, which must see nobody.

use super::*;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use std::{net::SocketAddr, time::Instant};
use tokio::net::TcpListener;
use vital_testkit::names::{Answer, Asked, Data, NameServer};

const HOST: &str = "rebound.example";
const HOST_URL: &str = "https://rebound.example/";

fn resolver(names: SocketAddr) -> TokioResolver {
    let to = |mut connection: ConnectionConfig| {
        connection.port = names.port();
        connection
    };
    let server = NameServerConfig::new(names.ip(), true, vec![to(ConnectionConfig::udp()), to(ConnectionConfig::tcp())]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().cache_size = 0;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().unwrap()
}

fn record(address: &str) -> Data {
    match ip(address) {
        IpAddr::V4(address) => Data::A(address),
        IpAddr::V6(address) => Data::Aaaa(address),
    }
}

/// The answer that holds an address for the type that it has, and nothing for the other type.
fn address(asked: &Asked, text: &str) -> Answer {
    let kind = if ip(text).is_ipv4() { "A" } else { "AAAA" };
    if asked.kind == kind { Answer::one(asked, record(text)) } else { Answer::Records(Vec::new()) }
}

/// A server, the client in front of it, and the trap.
struct Stage {
    server: Server,
    names: NameServer,
    outbound: Outbound,
    trap: TcpListener,
}

impl Stage {
    async fn set(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let ended = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let server = Server::start(|_, _| Reply::Last(ended.to_vec())).await;
        let names = NameServer::start(script).await;
        let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (public, elsewhere) = (server.address, trap.local_addr().unwrap());
        let dial = Arc::new(move |address| if address == ip(PUBLIC) { public } else { elsewhere });
        let builder = Outbound::builder(Purpose::UrlFetch).limits(Limits { connect: SHORT, ..limits() });
        let builder = builder.authorities(&server.authority).unwrap().lookup(Lookup::NameServer(Arc::new(resolver(names.address)), dial));
        Self { server, names, outbound: builder.build().unwrap(), trap }
    }

    async fn refuses(&self, what: &str) {
        let begun = Instant::now();
        let outcome = get(&self.outbound, HOST_URL).await.err();
        assert_eq!(outcome, Some(OutboundError::Unreachable { host: HOST.to_owned() }), "{what}");
        assert!(begun.elapsed() >= SHORT, "{what}: no sooner than a host that does not answer");
    }

    /// Nobody is waiting at the trap.
    async fn nobody_was_trapped(&self) {
        assert!(
            tokio::time::timeout(Duration::ZERO, self.trap.accept()).await.is_err(),
            "something connected to an address that was not judged"
        );
    }
}

#[tokio::test]
async fn a_name_server_that_changes_its_answer_gains_nothing() {
    for private in ["127.0.0.1", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1", "10.0.0.1", "::1"] {
        let stage = Stage::set(move |asked| match (asked.before, asked.kind.as_str()) {
            (0, "A") => Answer::one(asked, record(PUBLIC)),
            (0, _) => Answer::Records(Vec::new()),
            _ => address(asked, private),
        })
        .await;
        assert_eq!(body(&stage.outbound, HOST_URL).await, Ok(b"ok".to_vec()), "{private}");
        let asked = stage.names.asked();
        assert!(asked.iter().all(|asked| asked.before == 0) && asked.len() == 2, "one look-up for one connection: {asked:?}");
        for _ in 0..2 {
            stage.refuses(private).await;
        }
        assert!(stage.names.asked().len() > 2, "{private}: each connection looks anew");
        assert_eq!(stage.server.seen().len(), 1, "{private}");
        stage.nobody_was_trapped().await;
    }
}

#[tokio::test]
async fn a_private_address_beside_a_public_one_condemns_both_whichever_type_it_has() {
    for private in ["127.0.0.1", "fd00:ec2::254", "::ffff:10.0.0.1"] {
        let stage = Stage::set(move |asked| match asked.kind.as_str() {
            "A" if ip(private).is_ipv4() => {
                Answer::Records(vec![(asked.name.clone(), record(PUBLIC)), (asked.name.clone(), record(private))])
            }
            "A" => Answer::one(asked, record(PUBLIC)),
            _ => address(asked, private),
        })
        .await;
        stage.refuses(private).await;
        assert!(stage.server.seen().is_empty(), "{private}");
        stage.nobody_was_trapped().await;
    }
}

#[tokio::test]
async fn a_chain_of_names_is_followed_and_judged_where_it_ends() {
    for (end, reached) in [(PUBLIC, true), ("10.1.2.3", false), ("169.254.169.254", false), ("::1", false)] {
        let stage = Stage::set(move |asked| {
            let chain = [(HOST, "cdn.example"), ("cdn.example", "db.internal.example")];
            let mut records: Vec<(String, Data)> =
                chain.iter().map(|(from, to)| ((*from).to_owned(), Data::Cname((*to).to_owned()))).collect();
            if let Answer::Records(last) = address(&Asked { name: "db.internal.example".to_owned(), ..asked.clone() }, end) {
                records.extend(last);
            }
            Answer::Records(records)
        })
        .await;
        if reached {
            assert_eq!(body(&stage.outbound, HOST_URL).await, Ok(b"ok".to_vec()));
        } else {
            stage.refuses(end).await;
            assert!(stage.server.seen().is_empty(), "{end}");
        }
        stage.nobody_was_trapped().await;
    }
}

#[tokio::test]
async fn names_that_lead_in_a_circle_or_nowhere_lead_to_no_connection() {
    type Script = fn(&Asked) -> Answer;
    let scripts: [(&str, Script); 4] = [
        ("a circle", |asked| {
            let next = if asked.name == HOST { "other.example" } else { HOST };
            Answer::one(asked, Data::Cname(next.to_owned()))
        }),
        ("nothing", |_| Answer::Records(Vec::new())),
        ("no such name", |_| Answer::NoName),
        ("a failure", |_| Answer::Fails),
    ];
    for (what, script) in scripts {
        let stage = Stage::set(script).await;
        stage.refuses(what).await;
        assert!(stage.server.seen().is_empty(), "{what}");
        stage.nobody_was_trapped().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_over_tcp_and_judged_as_a_whole() {
    for (whole, reached) in [(vec![PUBLIC], true), (vec![PUBLIC, "10.0.0.1"], false)] {
        let all = whole.clone();
        let stage = Stage::set(move |asked| {
            let records = all.iter().map(|text| (asked.name.clone(), record(text))).collect();
            match (asked.kind.as_str(), asked.tcp) {
                ("A", true) => Answer::Records(records),
                ("A", false) => Answer::Truncated(vec![(asked.name.clone(), record(PUBLIC))]),
                _ => Answer::Records(Vec::new()),
            }
        })
        .await;
        if reached {
            assert_eq!(body(&stage.outbound, HOST_URL).await, Ok(b"ok".to_vec()));
        } else {
            stage.refuses("the part that was cut off is private").await;
            assert!(stage.server.seen().is_empty());
        }
        assert!(stage.names.asked().iter().any(|asked| asked.tcp), "{whole:?}");
        stage.nobody_was_trapped().await;
    }
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_ends_in_the_time_of_a_connection() {
    let stage = Stage::set(|_| Answer::Silence).await;
    let begun = Instant::now();
    stage.refuses("silence").await;
    assert!(begun.elapsed() < FAR / 2, "{:?}", begun.elapsed());
    assert!(!stage.names.asked().is_empty(), "it was asked");
    stage.nobody_was_trapped().await;
}
