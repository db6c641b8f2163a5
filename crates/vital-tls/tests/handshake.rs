//! Handshakes with a real client: names, versions, protocols, and a certificate that changes while a connection is open.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use std::{io, sync::Arc};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::{TlsConnector, client, server};
use vital_tls::{Certificate, Certificates, HANDSHAKE, Tls, scripted::Authority};

fn certificate(authority: &Authority, name: &str) -> Certificate {
    let issued = authority.issue(&[name]);
    Certificate::from_pem(issued.chain.as_bytes(), issued.key.as_bytes(), OffsetDateTime::now_utc()).unwrap()
}

fn client_config(authority: &Authority, versions: &[&'static rustls::SupportedProtocolVersion], protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.root_pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    config.enable_early_data = true;
    Arc::new(config)
}

async fn met(
    tls: &Tls,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<(client::TlsStream<DuplexStream>, server::TlsStream<DuplexStream>)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::clone(config));
    let (client, server) = tokio::join!(connector.connect(ServerName::try_from(name.to_owned()).unwrap(), near), tls.accept(far));
    Ok((client?, server?.expect("no challenge")))
}

#[tokio::test]
async fn every_name_gets_its_own_certificate_and_unknown_ones_the_sites() {
    let authority = Authority::default();
    let certificates = Arc::new(Certificates::default());
    certificates.set_site(certificate(&authority, "vital.example"));
    certificates.set_domain("path.acme.com", certificate(&authority, "path.acme.com"));
    let tls = Tls::new(Arc::clone(&certificates)).unwrap();
    for version in [&TLS12, &TLS13] {
        let config = client_config(&authority, &[version], &[b"h2"]);
        for name in ["vital.example", "path.acme.com", "PATH.acme.com"] {
            let (client, _server) = met(&tls, &config, name).await.unwrap();
            let said = client.get_ref().1;
            assert_eq!((said.protocol_version(), said.alpn_protocol()), (Some(version.version), Some(&b"h2"[..])), "{name}");
        }
        assert!(met(&tls, &config, "other.example").await.is_err(), "the client sees that it is another site's");
    }
    certificates.keep_domains(&[]);
    assert!(met(&tls, &client_config(&authority, &[&TLS13], &[]), "path.acme.com").await.is_err());
}

#[tokio::test]
async fn only_the_protocols_of_the_web_are_spoken_while_no_challenge_is_open() {
    let authority = Authority::default();
    let certificates = Arc::new(Certificates::default());
    certificates.set_site(certificate(&authority, "vital.example"));
    let tls = Tls::new(certificates).unwrap();
    for (asked, fine) in [(&[&b"http/1.1"[..]][..], true), (&[b"acme-tls/1"], false), (&[b"spdy/3"], false), (&[], true)] {
        let met = met(&tls, &client_config(&authority, &[&TLS13], asked), "vital.example").await;
        assert_eq!(met.is_ok(), fine, "{asked:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_without_early_data() {
    let authority = Authority::default();
    let certificates = Arc::new(Certificates::default());
    certificates.set_site(certificate(&authority, "vital.example"));
    let tls = Tls::new(certificates).unwrap();
    let config = client_config(&authority, &[&TLS13], &[b"h2"]);
    for again in [false, true] {
        let (mut client, mut server) = met(&tls, &config, "vital.example").await.unwrap();
        assert_eq!(client.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed), again);
        assert!(!client.get_ref().1.is_early_data_accepted());
        // The tickets come with the first bytes.
        server.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }
    let mut plain = ClientConnection::new(config, ServerName::try_from("vital.example").unwrap()).unwrap();
    assert!(plain.early_data().is_none(), "the server never offered it");
}

#[tokio::test]
async fn a_new_certificate_leaves_open_connections_alone() {
    let authority = Authority::default();
    let certificates = Arc::new(Certificates::default());
    certificates.set_site(certificate(&authority, "vital.example"));
    let tls = Tls::new(Arc::clone(&certificates)).unwrap();
    let (mut client, mut server) = met(&tls, &client_config(&authority, &[&TLS13], &[]), "vital.example").await.unwrap();
    let serial = |stream: &client::TlsStream<DuplexStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let first = serial(&client);
    certificates.set_site(certificate(&authority, "vital.example"));
    server.write_all(b"still here").await.unwrap();
    let mut said = [0; 10];
    client.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"still here");
    let (next, _server) = met(&tls, &client_config(&authority, &[&TLS13], &[]), "vital.example").await.unwrap();
    assert_ne!(serial(&next), first);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_the_handshake_is_cut_off() {
    let tls = Tls::new(Arc::default()).unwrap();
    // Nothing, half of a record, and something that is no TLS.
    for (sent, kind) in [
        (&b""[..], io::ErrorKind::TimedOut),
        (b"\x16\x03\x01\x02\x00\x01", io::ErrorKind::TimedOut),
        (b"GET / HTTP/1.1\r\n\r\n", io::ErrorKind::InvalidData),
    ] {
        let (mut near, far) = tokio::io::duplex(1024);
        near.write_all(sent).await.unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(tls.accept(far).await.unwrap_err().kind(), kind);
        assert!(began.elapsed() <= HANDSHAKE * 2);
    }
}
