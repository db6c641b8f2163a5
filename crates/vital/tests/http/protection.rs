//! How often, how many at once, and from which other sites.

use crate::options;
use serde_json::json;
use vital_testkit::app::{Client, Persona, Reply, TestApp, until};
use vital_web::{Load, Rates, Settings};

async fn limited(change: impl FnOnce(&mut Settings)) -> TestApp {
    let options = options();
    let mut settings = options.protection.clone();
    change(&mut settings);
    TestApp::start(options.protection(settings)).await
}

async fn let_in(client: &Client, path: &str, requests: usize) -> usize {
    let mut count = 0;
    for _ in 0..requests {
        count += usize::from(client.get(path).await.status == 200);
    }
    count
}

fn refused(reply: Reply, code: &str) {
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    // With a limit of one, one more is allowed when the one before has faded out of the second minute.
    assert!((1..=120).contains(&seconds), "{seconds}");
    reply.problem(429, code);
}

#[tokio::test]
async fn each_account_and_each_organisation_has_its_own_limit() {
    let app = limited(|s| s.rates = Rates { user: 5, tenant: 12, ..s.rates }).await;
    assert_eq!(let_in(&app.member(), "/api/v1/me", 10).await, 5);
    refused(app.member().get("/api/v1/me").await, "rate.user");
    assert_eq!(let_in(&app.client(Persona::ExpertAuthor), "/api/v1/me", 10).await, 5);
    assert_eq!(let_in(&app.client(Persona::Reviewer), "/api/v1/me", 4).await, 2, "the organisation has used up the rest");
    refused(app.client(Persona::Reviewer).get("/api/v1/me").await, "rate.tenant");
    assert_eq!(let_in(&app.client(Persona::OtherMember), "/api/v1/me", 5).await, 5, "the other organisation is not affected");
    let page = app.member().get("/").await;
    assert_eq!((page.status, page.header("content-type")), (429, Some("text/html; charset=utf-8")), "people get a page");
}

#[tokio::test]
async fn kinds_of_routes_have_limits_of_their_own() {
    let app = limited(|s| s.rates = Rates { credentials: 2, asking: 1, upload: 1, ..s.rates }).await;
    let wrong = json!({ "email": "nobody@example.org", "password": "not the password" });
    let anonymous = app.client(Persona::Anonymous);
    anonymous.post("/api/v1/session", &wrong).await.expect(401);
    anonymous.post("/api/v1/session", &wrong).await.expect(401);
    refused(anonymous.post("/api/v1/session", &wrong).await, "rate.credentials");
    let turns = format!("/api/v1/conversations/{}/turns", app.a().conversation);
    app.member().post(&turns, &json!({ "question": "What is a shelf life?" })).await.expect(202);
    refused(app.member().post(&turns, &json!({ "question": "What is a shelf life?" })).await, "rate.asking");
    app.member().upload("a.md", "# A\n\nOne sentence.").await.expect(201);
    refused(app.member().upload("b.md", "# B\n\nOne sentence.").await, "rate.upload");
    assert_eq!(let_in(&app.member(), "/api/v1/me", 5).await, 5, "reading goes on");
}

#[tokio::test]
async fn one_person_follows_so_many_answers_at_once() {
    let app = limited(|s| s.load = Load { streams_per_user: 0, ..s.load }).await;
    let events = format!("/api/v1/turns/{}/events", app.a().turn);
    refused(app.member().get(&events).await, "rate.streams");
    let app = limited(|s| s.load = Load { streams_per_user: 1, ..s.load }).await;
    let events = format!("/api/v1/turns/{}/events", app.a().turn);
    for _ in 0..3 {
        app.member().get(&events).await.expect(200);
    }
}

#[tokio::test]
async fn a_server_without_room_says_so_and_its_probes_still_answer() {
    let app = limited(|s| s.load = Load { in_flight: 0, ..s.load }).await;
    let reply = app.member().get("/api/v1/me").await;
    assert_eq!(reply.header("retry-after"), Some("2"));
    reply.problem(503, "server.busy");
    for probe in ["/livez", "/readyz"] {
        app.client(Persona::Anonymous).get(probe).await.expect(200);
    }
}

/// The list of the organisation decides for the answer and for whether anything is done at all.
#[tokio::test]
async fn another_site_needs_a_token_and_a_place_on_the_list() {
    const LISTED: &str = "https://app.example";
    let app = limited(|_| ()).await;
    let nobody = app.client(Persona::Anonymous);
    let ask = |client: Client, method: &'static str, path: &'static str, origin: &'static str| async move {
        let request = client.request(method, path).header("origin", origin).header("sec-fetch-site", "cross-site");
        request.header("access-control-request-method", "POST").send().await
    };
    ask(nobody.clone(), "OPTIONS", "/api/v1/conversations", LISTED).await.problem(403, "cors.origin");
    let reply = ask(app.member(), "GET", "/api/v1/me", LISTED).await.expect(200);
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary").is_some()), (None, true));
    ask(app.member(), "POST", "/api/v1/conversations", LISTED).await.problem(403, "request.cross_site");

    allow(&app, LISTED).await;
    let preflight = ask(nobody.clone(), "OPTIONS", "/api/v1/conversations", LISTED).await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(LISTED));
    assert_eq!(preflight.header("access-control-max-age"), Some("600"));
    let reply = ask(app.member(), "GET", "/api/v1/me", LISTED).await.expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(LISTED));
    let create =
        |client: Client| client.request("POST", "/api/v1/conversations").header("origin", LISTED).header("sec-fetch-site", "cross-site");
    create(app.member()).body("application/json", "{}").send().await.expect(201);

    create(app.client(Persona::OtherMember)).body("application/json", "{}").send().await.problem(403, "request.cross_site");
    let foreign = ask(app.client(Persona::OtherMember), "GET", "/api/v1/me", LISTED).await.expect(200);
    assert_eq!(foreign.header("access-control-allow-origin"), None, "the other organisation does not list it");
    for origin in ["null", "https://app.example.evil.example", "http://app.example"] {
        ask(nobody.clone(), "OPTIONS", "/api/v1/conversations", origin).await.problem(403, "cors.origin");
        ask(app.member(), "POST", "/api/v1/conversations", origin).await.problem(403, "request.cross_site");
    }
    let page = ask(app.member(), "GET", "/settings", LISTED).await.expect(200);
    assert_eq!(page.header("access-control-allow-origin"), None, "pages are for this site alone");
    for reply in [&preflight, &reply, &foreign, &page] {
        assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    }
}

/// Lists a site for organisation A, and waits until the server no longer remembers the list before it.
async fn allow(app: &TestApp, origin: &str) {
    let tenant = format!("select tenant_id from conversations where id = '{}'", app.a().conversation);
    app.sql(&format!("update directory.tenants set cors_origins = array['{origin}'] where id = ({tenant})")).await;
    until("the list is in force", || async {
        let reply = app.member().request("GET", "/api/v1/me").header("origin", origin).send().await;
        reply.header("access-control-allow-origin").is_some().then_some(())
    })
    .await;
}
