//! Providers that are down, slow, hostile or set up wrongly.

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

async fn begin_with(stage: &Stage) -> Result<Begun, FederationError> {
    begin(&stage.http, &stage.provider, &SignIn::default()).await
}

fn whole(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Whole { status, headers, body: body.to_owned() }
}

#[tokio::test]
async fn a_provider_that_is_down_is_called_unreachable() {
    let Stage { scripted, http, provider, .. } = Stage::new("ES256").await;
    // Nothing listens any more once the listener's task has ended.
    let address = scripted.issuer.trim_start_matches("http://").to_owned();
    drop(scripted);
    #[expect(clippy::disallowed_methods, reason = "a test waits for the server that it started")]
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let outcome = begin(&http, &provider, &SignIn::default()).await.map(|_| ());
    assert_eq!(outcome, Err(FederationError::Unreachable { host: "127.0.0.1".to_owned() }));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_called_slow_at_each_step() {
    let mut stage = Stage::new("ES256").await;
    let hasty = || {
        Http::builder()
            .egress(vital_outbound::Egress::default().loopback_issuers(true))
            .timeout(Duration::from_secs(1))
            .build()
            .expect("a client")
    };
    let slow = || Some(FederationError::TooSlow { host: "127.0.0.1".to_owned() });
    stage.http = hasty();
    let ceremony = stage.begin().await.ceremony;
    let token = stage.key.sign(&stage.key.header(), &stage.claims(&ceremony));
    stage.scripted.answer("/jwks", Reply::Silent);
    assert_eq!(stage.finish(&ceremony, &token).await.err(), slow());
    stage.scripted.answer("/token", Reply::Silent);
    assert_eq!(finish(&stage.http, &stage.provider, &ceremony, &came_back(&ceremony)).await.err(), slow());
    stage.http = hasty();
    stage.scripted.answer(DISCOVERY, Reply::Silent);
    assert_eq!(begin_with(&stage).await.err(), slow());
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let stage = Stage::new("ES256").await;
    stage.scripted.answer(DISCOVERY, Reply::Endless);
    let outcome = begin_with(&stage).await.map(|_| ());
    assert_eq!(outcome, Err(FederationError::Nonsense { host: "127.0.0.1".to_owned(), what: "the answer is too large" }));
}

#[tokio::test]
async fn an_answer_that_is_not_the_document_is_refused() {
    let json = ("content-type", "application/json");
    let answers = [
        whole(200, &[json], "{"),
        whole(200, &[json], "[]"),
        whole(200, &[json], &"[".repeat(100_000)),
        whole(200, &[json], r#"{"issuer":7}"#),
    ];
    for answer in answers {
        let stage = Stage::new("ES256").await;
        stage.scripted.answer(DISCOVERY, answer);
        let outcome = begin_with(&stage).await.map(|_| ());
        assert!(matches!(outcome, Err(FederationError::Nonsense { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_does_not_call_itself_json_is_not_read() {
    let types = [("application/jwk-set+json", true), ("Application/JSON; charset=utf-8", true), ("text/html", false), ("", false)];
    for (content_type, read) in types {
        let stage = Stage::new("ES256").await;
        let keys = json!({ "keys": [stage.key.public()] }).to_string();
        stage.scripted.answer("/jwks", whole(200, &[("content-type", content_type)], &keys));
        let outcome = stage.sign_in(|_| {}).await;
        assert_eq!(outcome.is_ok(), read, "{content_type}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stage = Stage::new("ES256").await;
    let elsewhere = ScriptedIssuer::start().await;
    stage.scripted.answer(DISCOVERY, whole(302, &[("location", &format!("{}{DISCOVERY}", elsewhere.issuer))], ""));
    let outcome = begin_with(&stage).await.map(|_| ());
    assert_eq!(outcome, Err(FederationError::Status { host: "127.0.0.1".to_owned(), status: 302, oauth_error: None }));
    assert_eq!(elsewhere.requests(DISCOVERY).len(), 0);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused_however_alike() {
    for issuer in ["https://evil.example", "http://127.0.0.1", ""] {
        let stage = Stage::new("ES256").await;
        stage.scripted.answer_metadata(&json!({ "issuer": issuer }));
        assert!(matches!(begin_with(&stage).await, Err(FederationError::Nonsense { .. })), "{issuer}");
    }
    let mut stage = Stage::new("ES256").await;
    stage.provider.issuer.push('/');
    assert!(matches!(begin_with(&stage).await, Err(FederationError::Nonsense { .. })));
}

#[tokio::test]
async fn metadata_cannot_lead_to_an_address_that_is_not_https() {
    let endpoints = ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"];
    let addresses = ["http://169.254.169.254/latest", "file:///etc/passwd", "javascript:alert(1)", "https://a:b@host.example/", "/token"];
    for endpoint in endpoints {
        for address in addresses {
            let stage = Stage::new("ES256").await;
            stage.scripted.answer_metadata(&json!({ endpoint: address }));
            let outcome = begin_with(&stage).await;
            assert!(matches!(outcome, Err(FederationError::Nonsense { .. })), "{endpoint} {address}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn metadata_cannot_lead_to_a_host_that_is_not_allowed_but_the_browser_may_go_there() {
    let addresses = ["https://10.0.0.1/x", "https://idp.example:8443/x", "https://169.254.169.254/", "https://intranet/"];
    for address in addresses {
        for endpoint in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            let stage = Stage::new("ES256").await;
            stage.scripted.answer_metadata(&json!({ endpoint: address }));
            let outcome = begin_with(&stage).await;
            assert!(matches!(outcome, Err(FederationError::Nonsense { .. })), "{endpoint} {address}: {outcome:?}");
        }
        let stage = Stage::new("ES256").await;
        stage.scripted.answer_metadata(&json!({ "authorization_endpoint": address }));
        assert!(begin_with(&stage).await.unwrap().url.as_str().starts_with(address));
    }
}

#[tokio::test]
async fn plain_http_is_for_loopback_and_only_where_it_is_allowed() {
    let stage = Stage::new("ES256").await;
    let strict = Http::builder().build().expect("a client");
    assert!(matches!(begin(&strict, &stage.provider, &SignIn::default()).await, Err(FederationError::Settings { .. })));
    assert_eq!(stage.scripted.requests(DISCOVERY).len(), 0);
    for loopback in ["http://localhost:1/", "http://127.8.7.6/", "http://[::1]:80/", "https://idp.example/"] {
        stage.http.address(loopback).unwrap_or_else(|error| panic!("{loopback}: {error}"));
    }
    for other in ["http://idp.example/", "http://localhost.example/", "http://10.0.0.1/", "ftp://localhost/", "https://idp.example/#a", "x"]
    {
        assert!(stage.http.address(other).is_err(), "{other}");
    }
}

#[tokio::test]
async fn a_refused_code_is_told_with_the_providers_word() {
    let stage = Stage::new("ES256").await;
    let ceremony = stage.begin().await.ceremony;
    for (body, word) in [(json!({ "error": "invalid_grant" }), Some("invalid_grant")), (json!({ "error": "Bad <i>" }), None)] {
        stage.scripted.answer("/token", Reply::status(400, &body));
        let outcome = finish(&stage.http, &stage.provider, &ceremony, &came_back(&ceremony)).await;
        let oauth_error = word.map(str::to_owned);
        assert_eq!(outcome, Err(FederationError::Status { host: "127.0.0.1".to_owned(), status: 400, oauth_error }));
    }
}

#[tokio::test]
async fn a_failure_is_not_asked_for_again_for_some_seconds() {
    let stage = Stage::new("ES256").await;
    stage.scripted.answer(DISCOVERY, Reply::status(503, &json!({})));
    for _ in 0..3 {
        assert!(matches!(begin_with(&stage).await, Err(FederationError::Status { status: 503, .. })));
    }
    assert_eq!(stage.scripted.requests(DISCOVERY).len(), 1);
    stage.scripted.answer_metadata(&json!({}));
    pass(6).await;
    begin_with(&stage).await.expect("asked again");
}
