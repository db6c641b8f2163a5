//! Measures what handshakes cost: both sides on one thread over memory, so that half of it is the client's.
//!
//!     cargo run --release -p vital-tls --features scripted --example handshake
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for people")]

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use vital_tls::{Certificate, Certificates, Tls, scripted::Authority};

const ROUNDS: u32 = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let authority = Authority::default();
    let issued = authority.issue(&["vital.example"]);
    let certificates = Arc::new(Certificates::default());
    certificates.set_site(Certificate::from_pem(issued.chain.as_bytes(), issued.key.as_bytes(), OffsetDateTime::now_utc()).unwrap());
    let tls = Tls::new(certificates).unwrap();
    for (name, version, resumes) in [("TLS 1.3", &TLS13, false), ("TLS 1.3, resumed", &TLS13, true), ("TLS 1.2", &TLS12, false)] {
        let each = measured(&tls, &client(&authority, version, resumes)).await;
        println!("{name}: {} µs for both sides, ECDSA P-256", each.as_micros());
    }
}

fn client(authority: &Authority, version: &'static SupportedProtocolVersion, resumes: bool) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.root_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[version]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    TlsConnector::from(Arc::new(config))
}

async fn measured(tls: &Tls, client: &TlsConnector) -> Duration {
    let name = ServerName::try_from("vital.example").unwrap();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (met, accepted) = tokio::join!(client.connect(name.clone(), near), tls.accept(far));
        let (mut met, mut accepted) = (met.unwrap(), accepted.unwrap().unwrap());
        // The first byte brings the tickets.
        accepted.write_all(b"x").await.unwrap();
        met.read_exact(&mut [0]).await.unwrap();
    }
    begun.elapsed() / ROUNDS
}
