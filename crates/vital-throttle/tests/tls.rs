//! TLS to Redis: a real redis-server on loopback, and a relay in between that keeps every byte.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use vital_throttle::{Address, Config, Counted, Limit, Throttle};

/// How long a test waits for a condition before it has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// What must not be read on the way: the namespace stands before every key.
const CANARY: &str = "canary-namespace-4711";
const PASSWORD: &str = "p4ssw0rd-of-redis";

/// A Redis that asks for a password, with TLS or without, and a relay in front of it.
struct Redis {
    process: Child,
    relay: Relay,
    _folder: tempfile::TempDir,
}

impl Redis {
    async fn start(tls: Option<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--dir"]).arg(folder.path());
        match tls {
            None => command.args(["--port", &port]),
            Some((certificate, key)) => {
                let place = |name: &str, text: String| {
                    fs::write(folder.path().join(name), text).unwrap();
                    folder.path().join(name)
                };
                command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
                command.arg("--tls-cert-file").arg(place("server.crt", certificate));
                command.arg("--tls-key-file").arg(place("server.key", key))
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|e| panic!("redis-server (script/setup --checks installs it): {e}"));
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
        Self { process, relay: Relay::to(server).await, _folder: folder }
    }

    fn node(&self, scheme: &str, host: &str, authorities: Option<&str>) -> Throttle {
        let url = format!("{scheme}://:{PASSWORD}@{host}:{}", self.relay.port);
        let redis = Some(Address { url, authorities: authorities.map(|pem| pem.as_bytes().to_vec()), password: None });
        Throttle::new(&Config { redis, namespace: CANARY.to_owned(), ..Config::default() }).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Passes connections on, keeps what went over them, and counts those that the client ended after it had spoken.
struct Relay {
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
    ended: watch::Receiver<u32>,
}

impl Relay {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, (count, ended)) = (Arc::new(Mutex::new(Vec::new())), watch::channel(0));
        let (kept, count) = (Arc::clone(&seen), Arc::new(count));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // It may not listen yet: then the client is turned away, and tries again.
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let count = Arc::clone(&count);
                let there = pass(from_client, to_server, Arc::clone(&kept));
                tokio::spawn(pass(from_server, to_client, Arc::clone(&kept)));
                tokio::spawn(async move {
                    if there.await > 0 {
                        count.send_modify(|n| *n += 1);
                    }
                });
            }
        });
        Self { port, seen, ended }
    }

    fn saw(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        assert!(!seen.is_empty(), "nothing went through the relay");
        seen.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Waits until so many connections were given up.
    async fn given_up(&self, times: u32) {
        let mut ended = self.ended.clone();
        tokio::time::timeout(PATIENCE, ended.wait_for(|n| *n >= times)).await.unwrap().unwrap();
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Arc<Mutex<Vec<u8>>>) -> usize {
    let (mut buffer, mut passed) = (vec![0; 16 * 1024], 0);
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..bytes]);
        passed += bytes;
        if to.write_all(&buffer[..bytes]).await.is_err() {
            break;
        }
    }
    passed
}

/// An authority's certificate, and certificate and key of a server that it signed; all PEM.
fn signed_for(name: &str) -> (String, (String, String)) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = KeyPair::generate().unwrap();
    let pem = params.self_signed(&authority).unwrap().pem();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (pem, (certificate.pem(), key.serialize_pem()))
}

async fn shared(node: &Throttle) {
    let mut counted = node.counted();
    tokio::time::timeout(PATIENCE, counted.wait_for(|now| *now == Counted::Shared)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_verified_redis_counts_and_nothing_can_be_read_on_the_way() {
    let (authority, server) = signed_for("localhost");
    let redis = Redis::start(Some(server)).await;
    let node = redis.node("rediss", "localhost", Some(&authority));
    shared(&node).await;
    assert!(node.check(&Limit::a_minute("one", 1), "key").await.is_allowed());
    let other = redis.node("rediss", "localhost", Some(&authority));
    shared(&other).await;
    assert!(!other.check(&Limit::a_minute("one", 1), "key").await.is_allowed(), "the nodes count together");
    assert!(!redis.relay.saw(CANARY) && !redis.relay.saw(PASSWORD));
}

#[tokio::test]
async fn a_redis_that_cannot_prove_who_it_is_is_not_told_the_password() {
    let (authority, server) = signed_for("localhost");
    let (other, _) = signed_for("localhost");
    for (host, authorities) in [("localhost", Some(&other)), ("localhost", None), ("127.0.0.1", Some(&authority))] {
        let redis = Redis::start(Some(server.clone())).await;
        let node = redis.node("rediss", host, authorities.map(String::as_str));
        redis.relay.given_up(2).await;
        assert_eq!(*node.counted().borrow(), Counted::InMemory, "{host}");
        assert!(node.check(&Limit::a_minute("one", 1), "key").await.is_allowed(), "memory counts");
        assert!(!redis.relay.saw(PASSWORD) && !redis.relay.saw(CANARY));
    }
}

#[tokio::test]
async fn a_redis_without_tls_is_told_nothing_when_tls_was_asked_for() {
    let (authority, _) = signed_for("localhost");
    let redis = Redis::start(None).await;
    let node = redis.node("rediss", "localhost", Some(&authority));
    redis.relay.given_up(1).await;
    assert_eq!(*node.counted().borrow(), Counted::InMemory);
    assert!(!redis.relay.saw(PASSWORD) && !redis.relay.saw(CANARY));

    // What the relay would have seen: without this the tests above could not fail.
    shared(&redis.node("redis", "localhost", None)).await;
    assert!(redis.relay.saw(PASSWORD) && redis.relay.saw(CANARY));
}
