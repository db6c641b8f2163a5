//! Orders at a real authority on this machine: both kinds of proof, renewal, and what happens when the authority is not there.

use crate::support::{NameServer, Pebble};
use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, sync::Arc};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use vital_tls::{
    AcmeError, Certificates, Folder, Tls,
    acme::{Authority, Challenge, HTTP_PATH, HttpAnswers, Orders, Renewal, Wanted},
};

const SITE: &str = "vital.pharma-one.com";

/// A server in front of which the authority stands.
struct Place {
    names: NameServer,
    pebble: Pebble,
    folder: TempDir,
    certificates: Arc<Certificates>,
    answers: Arc<HttpAnswers>,
}

impl Place {
    async fn start() -> Self {
        let names = NameServer::start();
        let pebble = Pebble::start(&names);
        let place = Self { pebble, names, folder: tempfile::tempdir().unwrap(), certificates: Arc::default(), answers: Arc::default() };
        place.serve_http().await;
        place.serve_tls().await;
        place
    }

    async fn serve_http(&self) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], self.pebble.http_port))).await.unwrap();
        let answers = Arc::clone(&self.answers);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let answer = path.strip_prefix(HTTP_PATH).and_then(|token| answers.get(token)).unwrap_or_default();
                let reply = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
                let _gone = stream.write_all(reply.as_bytes()).await;
            }
        });
    }

    async fn serve_tls(&self) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], self.pebble.tls_port))).await.unwrap();
        let tls = Tls::new(Arc::clone(&self.certificates)).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _checked = tls.accept(stream).await;
            }
        });
    }

    fn orders(&self, challenge: Challenge) -> Orders {
        let authority = Authority {
            directory: self.pebble.directory.clone(),
            contact: vec!["mailto:ops@pharma-one.com".to_owned()],
            challenge,
            roots: Some(self.pebble.root_pem.clone().into_bytes()),
        };
        let folder = Folder::open(&self.folder.path().join("tls")).unwrap();
        Orders::new(authority, folder, Arc::clone(&self.certificates), Arc::clone(&self.answers))
    }

    fn fingerprint(&self) -> String {
        self.certificates.site().unwrap().fingerprint().to_owned()
    }

    fn trouble(&self) -> Option<String> {
        self.certificates.standing(OffsetDateTime::now_utc()).into_iter().find_map(|s| s.trouble)
    }
}

fn wanted(domains: &[&str]) -> Wanted {
    Wanted { site: Some(SITE.to_owned()), domains: domains.iter().map(ToString::to_string).collect() }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_proof_bring_certificates_that_only_their_owner_can_read() {
    let place = Place::start().await;
    for (challenge, name) in [(Challenge::Http, SITE), (Challenge::TlsAlpn, "path.acme-bio.com")] {
        let orders = place.orders(challenge);
        let certificate = orders.order(name).await.unwrap();
        assert!(certificate.covers(name) && !certificate.covers("other.acme-bio.com"));
        let kept = orders.folder().certificate(name).unwrap().unwrap();
        assert_eq!(kept.fingerprint(), certificate.fingerprint());
    }
    let folder = place.folder.path().join("tls");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((files.len(), mode(&folder)), (3, 0o700));
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_with_a_third_left_and_survives_an_authority_that_is_down() {
    let mut place = Place::start().await;
    let mut renewal = Renewal::new(place.orders(Challenge::Http));
    let (now, domain) = (OffsetDateTime::now_utc(), "path.acme-bio.com");
    assert_eq!(renewal.look(&wanted(&[domain]), now).await, [SITE, domain]);
    assert!(renewal.look(&wanted(&[domain]), now + Duration::days(50)).await.is_empty(), "two thirds are not over");
    let first = place.fingerprint();
    assert!(renewal.look(&wanted(&[]), now - Duration::days(400)).await.is_empty(), "a clock that was stepped back orders nothing");
    assert!(place.certificates.domain(domain).is_none(), "what is no longer wanted is no longer served");
    assert_eq!(renewal.look(&wanted(&[]), now + Duration::days(61)).await, [SITE]);
    let second = place.fingerprint();
    assert_ne!(first, second);

    place.pebble.go_down();
    assert!(renewal.look(&wanted(&[]), now + Duration::days(61)).await.is_empty());
    assert!(place.trouble().unwrap().contains("could not be reached"), "{:?}", place.trouble());
    assert_eq!(place.fingerprint(), second, "the one in use goes on");
    place.pebble.come_back();
    assert!(renewal.look(&wanted(&[]), now + Duration::days(61)).await.is_empty(), "the pause after a failure holds");

    // A server that starts again finds what was kept; the authority meanwhile forgot the account.
    let mut renewal = Renewal::new(place.orders(Challenge::Http));
    assert!(renewal.look(&wanted(&[domain]), now).await.is_empty() && place.certificates.domain(domain).is_some());
    assert_eq!(renewal.look(&wanted(&[domain]), now + Duration::days(61)).await, [SITE, domain]);
    assert!(place.trouble().is_none() && place.fingerprint() != second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_gets_no_certificate_and_the_reason() {
    let place = Place::start().await;
    place.names.tell("add-a", r#"{"host": "elsewhere.acme-bio.com", "addresses": ["127.0.0.2"]}"#);
    for challenge in [Challenge::Http, Challenge::TlsAlpn] {
        let orders = place.orders(challenge);
        let error = orders.order("elsewhere.acme-bio.com").await.unwrap_err();
        assert!(matches!(&error, AcmeError::Unproven { domain, .. } if domain == "elsewhere.acme-bio.com"), "{error}");
        assert!(orders.folder().certificate("elsewhere.acme-bio.com").unwrap().is_none());
    }
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_gets_no_order() {
    let place = Place::start().await;
    let authority = Authority { directory: place.pebble.directory.clone(), contact: Vec::new(), challenge: Challenge::Http, roots: None };
    let folder = Folder::open(&place.folder.path().join("tls")).unwrap();
    let orders = Orders::new(authority, folder, Arc::clone(&place.certificates), Arc::clone(&place.answers));
    assert!(matches!(orders.order(SITE).await.unwrap_err(), AcmeError::Unreachable(_)));
}
