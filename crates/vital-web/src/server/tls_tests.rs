//! The server loop over TLS: both protocols, the limits before and during the handshake, the drain.
#![expect(clippy::disallowed_methods, reason = "a test connects to the servers that it started")]

use super::*;
use crate::{admission::Load, connections::FIRST_REQUEST, protection::Settings};
use axum::{http::HeaderMap, routing::get};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vital_tls::{Certificate, Certificates, HANDSHAKE, scripted::Authority};

struct Stage {
    address: SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<io::Result<()>>,
    authority: Authority,
    certificates: Arc<Certificates>,
}

async fn started(load: Load) -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop, authority, certificates) =
        (listener.local_addr().unwrap(), CancellationToken::new(), Authority::default(), Arc::new(Certificates::default()));
    certificates.set_site(issued(&authority));
    let router = Router::new().route("/", get(|headers: HeaderMap| async move { headers[HOST].to_str().unwrap_or_default().to_owned() }));
    let protection = Protection::new(Settings { load, ..Settings::default() });
    let tls = Tls::new(Arc::clone(&certificates)).unwrap();
    let server = tokio::spawn(serve_tls(listener, tls, router, protection, stop.clone()));
    Stage { address, stop, server, authority, certificates }
}

fn issued(authority: &Authority) -> Certificate {
    let issued = authority.issue(&["vital.example"]);
    Certificate::from_pem(issued.chain.as_bytes(), issued.key.as_bytes(), OffsetDateTime::now_utc()).unwrap()
}

impl Stage {
    async fn client(&self, protocol: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.root_pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("vital.example").unwrap(), stream).await
    }
}

#[tokio::test]
async fn http_1_is_served_and_a_new_certificate_leaves_a_kept_connection_alone() {
    let stage = started(Load::default()).await;
    let mut stream = stage.client(b"http/1.1").await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: vital.example\r\n\r\n").await.unwrap();
        let mut said = vec![0; 1024];
        let read = stream.read(&mut said).await.unwrap();
        let said = String::from_utf8_lossy(&said[..read]).into_owned();
        assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("vital.example"), "{said}");
        stage.certificates.set_site(issued(&stage.authority));
    }
    stage.stop.cancel();
    stage.server.await.unwrap().unwrap();
}

/// HTTP/2 names the host in `:authority` alone; what reads `Host` finds it there.
#[tokio::test]
async fn http_2_is_served_with_its_host() {
    let stage = started(Load::default()).await;
    let stream = stage.client(b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://vital.example:8443/").body(Body::empty()).unwrap();
    let reply = send.send_request(request).await.unwrap();
    assert_eq!(reply.status(), 200);
    let body = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "vital.example:8443");
    drop(send);
    stage.stop.cancel();
    stage.server.await.unwrap().unwrap();
    let _closed = connection.await.unwrap();
}

#[tokio::test]
async fn a_connection_counts_before_its_handshake_and_the_one_over_the_cap_gets_none() {
    let stage = started(Load { connections_per_address: 2, ..Load::default() }).await;
    let silent = TcpStream::connect(stage.address).await.unwrap();
    let _served = stage.client(b"http/1.1").await.unwrap();
    assert!(stage.client(b"http/1.1").await.is_err(), "two of this address are open, one of them silent");
    drop(silent);
    // The place of a connection that is gone is given back once the server saw it go.
    while stage.client(b"http/1.1").await.is_err() {}
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_cut_off_before_and_after_the_handshake() {
    let stage = started(Load::default()).await;
    let began = Instant::now();
    let mut silent = TcpStream::connect(stage.address).await.unwrap();
    let mut said = Vec::new();
    let _end_or_reset = silent.read_to_end(&mut said).await;
    assert!(said.is_empty() && began.elapsed() <= HANDSHAKE * 2, "{:?}", began.elapsed());
    let mut met = stage.client(b"http/1.1").await.unwrap();
    let began = Instant::now();
    let _end_or_reset = met.read_to_end(&mut said).await;
    assert!(began.elapsed() <= FIRST_REQUEST * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_server_stops_while_somebody_shakes_hands_for_ever() {
    let stage = started(Load::default()).await;
    let mut silent = TcpStream::connect(stage.address).await.unwrap();
    silent.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    // Somebody else is served meanwhile, so the silent one has been accepted.
    let _served = stage.client(b"http/1.1").await.unwrap();
    stage.stop.cancel();
    tokio::time::timeout(DRAIN / 2, stage.server).await.expect("no handshake holds the server up").unwrap().unwrap();
}
