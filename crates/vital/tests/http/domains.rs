//! Custom domains: who may bring one, what proves it, and who gets in under it. A real name server answers on this machine.
#![expect(clippy::disallowed_methods, reason = "a test connects to the servers that it started")]

use crate::{app, options};
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use vital_testkit::app::{Client, PASSWORD, Persona, Reply, TestApp, until};
use vital_tls::acme::{Authority, Challenge};

const DOMAIN: &str = "path.acme-bio.com";

/// A name server that ends with the test.
struct NameServer {
    child: Child,
    address: SocketAddr,
    management: SocketAddr,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A free port below those that the system gives out by itself, so that nobody takes it until the program does.
fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = std::process::id().wrapping_mul(7_919).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed) * 17);
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(10_000 + n % 22_000).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl NameServer {
    async fn start() -> Self {
        let (address, management) = (free(), free());
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        command.args(["-dns01", &address.to_string(), "-management", &management.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, address, management };
        until("the name server", || async { TcpStream::connect(management).ok() }).await;
        server
    }

    async fn tell(&self, verb: &str, body: Value) {
        let said = reqwest::Client::new().post(format!("http://{}/{verb}", self.management)).json(&body).send().await.unwrap();
        assert!(said.status().is_success());
    }
}

async fn stage() -> (NameServer, TestApp) {
    stage_with(None).await
}

async fn stage_with(authority: Option<Authority>) -> (NameServer, TestApp) {
    let names = NameServer::start().await;
    let options = vital_testkit::app::Options { name_server: Some(names.address), authority, ..options() };
    (names, TestApp::start(options).await)
}

/// An authority whose directory says that CAA records mean it by `ca.example`.
async fn authority() -> Authority {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = format!("http://{}/directory", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = tokio::io::BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 2 {
                line.clear();
            }
            let body = json!({ "newOrder": "http://127.0.0.1:9/order", "meta": { "caaIdentities": ["ca.example"] } }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        }
    });
    Authority { directory, contact: Vec::new(), challenge: Challenge::Http, roots: None }
}

/// Asks as a browser does that was led here by a name.
async fn at(client: &Client, host: &str, path: &str) -> Reply {
    client.request("GET", path).header("host", host).send().await
}

async fn claimed(admin: &Client) -> Value {
    admin.post("/api/v1/domains", &json!({ "domain": "Path.Acme-Bio.com." })).await.expect(201).json()
}

async fn proven(names: &NameServer, admin: &Client) {
    let domain = claimed(admin).await;
    let record = json!({ "host": format!("{}.", domain["record_name"].as_str().unwrap()), "value": domain["record_value"] });
    names.tell("set-txt", record).await;
    admin.act(&format!("/api/v1/domains/{DOMAIN}/verify")).await.expect(200);
}

#[tokio::test]
async fn a_domain_leads_to_its_organisation_once_its_record_was_seen() {
    let (names, app) = stage().await;
    let admin = app.client(Persona::TenantAdmin);
    let domain = claimed(&admin).await;
    assert_eq!((domain["domain"].as_str(), domain["record_name"].as_str()), (Some(DOMAIN), Some("_vital-path.path.acme-bio.com")));
    assert!(domain["verified_at"].is_null() && domain["record_value"].as_str().unwrap().starts_with("vital-path-proof="));
    admin.post("/api/v1/domains", &json!({ "domain": DOMAIN })).await.expect(409);

    let verify = format!("/api/v1/domains/{DOMAIN}/verify");
    assert!(admin.act(&verify).await.expect(409).text().contains("There is no TXT record"));
    names.tell("set-txt", json!({ "host": "_vital-path.path.acme-bio.com.", "value": "vital-path-proof=somebody else's" })).await;
    assert!(admin.act(&verify).await.expect(409).text().contains("another organisation or an older one"));
    names.tell("set-servfail", json!({ "host": "_vital-path.path.acme-bio.com" })).await;
    admin.act(&verify).await.expect(503);
    names.tell("clear-servfail", json!({ "host": "_vital-path.path.acme-bio.com" })).await;
    let record = json!({ "host": "_vital-path.path.acme-bio.com.", "value": domain["record_value"] });
    names.tell("set-txt", record).await;
    assert!(!admin.act(&verify).await.expect(200).json()["verified_at"].is_null());
    let page = at(&app.client(Persona::Anonymous), DOMAIN, "/sign-in").await.expect(200).text();
    assert!(page.contains("Sign in to ") && !page.contains("Sign in with a passkey"), "{page}");
    assert_eq!(
        app.sql_text("select count(*)::text from audit_entries where action in ('domain.added', 'domain.verified')").await.as_deref(),
        Some("2")
    );

    // The one that holds it keeps it, whoever else shows a proof.
    app.sql(&format!("update members set roles = '{{tenant_admin}}' where email = '{}'", Persona::OtherMember.email())).await;
    let other = app.client(Persona::OtherMember);
    let theirs = claimed(&other).await;
    names.tell("set-txt", json!({ "host": "_vital-path.path.acme-bio.com.", "value": theirs["record_value"] })).await;
    assert!(other.act(&verify).await.expect(409).text().contains("Another organisation"));

    admin.delete(&format!("/api/v1/domains/{DOMAIN}")).await.expect(204);
    assert!(!at(&app.client(Persona::Anonymous), DOMAIN, "/sign-in").await.expect(200).text().contains("Sign in to "));
    other.act(&verify).await.expect(200);
}

#[tokio::test]
async fn whether_the_authority_may_issue_is_told_with_the_proof_and_on_the_page() {
    let (names, mut app) = stage_with(Some(authority().await)).await;
    let only = |issuer: &str| json!({ "host": "acme-bio.com.", "policies": [{ "tag": "issue", "value": issuer }] });
    names.tell("add-caa", only("other.example")).await;
    let admin = app.client(Persona::TenantAdmin);
    assert!(claimed(&admin).await["issuance"].is_null(), "nothing is looked for before the proof");
    admin.delete(&format!("/api/v1/domains/{DOMAIN}")).await.expect(204);
    proven(&names, &admin).await;
    let listed = admin.get("/api/v1/domains").await.expect(200).items();
    let notice = &listed[0]["issuance"];
    assert_eq!(notice["may_issue"], false, "{listed}");
    let says = notice["says"].as_str().unwrap();
    assert!(says.contains("acme-bio.com") && says.contains("only other.example") && says.contains("refuse"), "{says}");
    let page = admin.get("/settings/domains").await.expect(200).text();
    assert!(says.split('`').all(|part| page.contains(part)), "names stand as code: {page}");

    names.tell("clear-caa", json!({ "host": "acme-bio.com." })).await;
    names.tell("add-caa", only("ca.example")).await;
    let verified = admin.act(&format!("/api/v1/domains/{DOMAIN}/verify")).await.expect(200).json();
    assert_eq!(verified["issuance"]["may_issue"], true, "{verified}");
    names.tell("clear-caa", json!({ "host": "acme-bio.com." })).await;

    // A process that has just started looks by itself.
    app.restart().await;
    let looked = until("the look for CAA records", || async {
        app.on_platform(|p| async move {
            vital_platform::tenancy::refresh_domains(&p).await.unwrap();
            vital_platform::tenancy::domains::recheck_domains(&p).await.unwrap();
        })
        .await;
        let listed = app.client(Persona::TenantAdmin).get("/api/v1/domains").await.expect(200).items();
        (!listed[0]["issuance"].is_null()).then_some(listed)
    })
    .await;
    assert!(looked[0]["issuance"]["says"].as_str().unwrap().starts_with("No CAA record"), "{looked}");
}

#[tokio::test]
async fn nobody_of_another_organisation_is_anybody_on_a_custom_domain() {
    let (names, app) = stage().await;
    proven(&names, &app.client(Persona::TenantAdmin)).await;
    for (persona, status) in [(Persona::Member, 200), (Persona::OtherMember, 401), (Persona::Anonymous, 401)] {
        at(&app.client(persona), DOMAIN, "/api/v1/me").await.expect(status);
        at(&app.client(persona), &DOMAIN.to_uppercase(), "/api/v1/me").await.expect(status);
    }
    for (persona, status) in [(Persona::Member, 201), (Persona::OtherMember, 401)] {
        let credentials = json!({ "email": persona.email(), "password": PASSWORD });
        let there =
            app.client(Persona::Anonymous).request("POST", "/api/v1/session").header("host", DOMAIN).json(&credentials).send().await;
        assert_eq!(there.status, status, "{}: {}", persona.name(), there.text());
    }
    let elsewhere = at(&app.client(Persona::Anonymous), DOMAIN, "/sign-in/sso").await.expect(303);
    let location = elsewhere.header("location").unwrap();
    assert!(location.starts_with("http://localhost:") && location.contains("/sign-in/sso?organisation="), "{location}");
}

#[tokio::test]
async fn a_domain_lapses_only_when_its_record_was_gone_for_long() {
    let (names, app) = stage().await;
    proven(&names, &app.client(Persona::TenantAdmin)).await;
    names.tell("clear-txt", json!({ "host": "_vital-path.path.acme-bio.com." })).await;
    let checked = "update directory.domains set checked_at = now() - interval '25 hours'";
    let recheck = || async {
        app.on_platform(|p| async move { vital_platform::tenancy::domains::recheck_domains(&p).await }).await.unwrap();
        app.sql_text("select (verified_at is not null)::text from directory.domains").await.unwrap()
    };
    app.sql(checked).await;
    assert_eq!(recheck().await, "true", "within the three days");
    // The failure comes first: the server looks on its own, too.
    names.tell("set-servfail", json!({ "host": "_vital-path.path.acme-bio.com" })).await;
    app.sql(&format!("{checked}, proved_at = now() - interval '73 hours'")).await;
    assert_eq!(recheck().await, "true", "a name server that fails takes nothing away");
    names.tell("clear-servfail", json!({ "host": "_vital-path.path.acme-bio.com" })).await;
    assert_eq!(recheck().await, "false");
    at(&app.client(Persona::OtherMember), DOMAIN, "/api/v1/me").await.expect(200);
    assert_eq!(app.sql_text("select count(*)::text from audit_entries where action = 'domain.lapsed'").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_nobody_could_prove_is_refused_and_there_are_only_so_many() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    for bad in
        ["", "localhost", "a.localhost", "192.0.2.1", "com", "github.io", "https://a.acme-bio.com", "*.acme-bio.com", "a_b.acme-bio.com"]
    {
        let refused = admin.post("/api/v1/domains", &json!({ "domain": bad })).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/domain", "{bad}: {refused}");
    }
    for n in 0..10 {
        admin.post("/api/v1/domains", &json!({ "domain": format!("p{n}.acme-bio.com") })).await.expect(201);
    }
    admin.post("/api/v1/domains", &json!({ "domain": "p11.acme-bio.com" })).await.expect(409);
    assert_eq!(admin.get("/api/v1/domains").await.expect(200).items().as_array().unwrap().len(), 10);
}
