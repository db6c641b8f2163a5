//! Signing in and out, sessions that end, and requests that another site made a browser send.

use crate::app;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vital_testkit::app::{Client, PASSWORD, Persona, Reply, TestApp, until};

async fn sign_in(client: &Client, email: &str, password: &str) -> Reply {
    client.request("POST", "/api/v1/session").json(&json!({ "email": email, "password": password })).send().await
}

/// A problem without what differs in every reply.
fn impersonal(mut problem: Value) -> Value {
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

async fn with_cookie(app: &TestApp, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = app
        .client(Persona::Anonymous)
        .request(method, path)
        .header("cookie", &format!("vital_session={}", Persona::Member.token().unwrap()));
    headers.iter().fold(request, |r, (name, value)| r.header(name, value)).send().await
}

#[tokio::test]
async fn signing_in_gives_a_token_and_a_cookie_that_scripts_cannot_read() {
    let app = app().await;
    let reply = sign_in(&app.client(Persona::Anonymous), &Persona::Member.email().to_uppercase(), PASSWORD).await.expect(201);
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("set-cookie"), Some(format!("vital_session={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=43200").as_str()));
    let me = app.with_token(&token).get("/api/v1/me").await.expect(200).json();
    assert_eq!((&me["email"], &me["roles"], &me["tenant"]), (&json!(Persona::Member.email()), &json!(["member"]), &json!(app.a().tenant)));
    let by_cookie =
        app.client(Persona::Anonymous).request("GET", "/api/v1/me").header("cookie", &format!("vital_session={token}")).send().await;
    assert_eq!(by_cookie.expect(200).json()["email"], me["email"]);
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_cannot_be_told_apart() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    let mut fastest = [Duration::MAX; 2];
    let mut replies = Vec::new();
    for _ in 0..3 {
        for (i, email) in [Persona::Member.email(), "nobody@a.example".to_owned()].iter().enumerate() {
            let begun = Instant::now();
            let reply = sign_in(&nobody, email, "not the password of anybody").await;
            fastest[i] = fastest[i].min(begun.elapsed());
            let names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
            replies.push((names, impersonal(reply.problem(401, "sign_in.failed"))));
        }
    }
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]), "{replies:#?}");
    // Hashing a password takes many times what everything else takes, so leaving it out would show by far.
    assert!(fastest[1] > fastest[0] / 3, "a wrong password takes {:?}, an unknown address {:?}", fastest[0], fastest[1]);
}

#[tokio::test]
async fn the_sixth_guess_has_to_wait_even_if_it_is_right() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    for email in [Persona::Member.email(), "nobody@a.example".to_owned()] {
        for _ in 0..5 {
            sign_in(&nobody, &email, "not the password of anybody").await.problem(401, "sign_in.failed");
        }
        let reply = sign_in(&nobody, &email, PASSWORD).await;
        assert_eq!(reply.header("retry-after"), Some("60"));
        reply.problem(429, "sign_in.throttled");
    }
    sign_in(&nobody, &Persona::Reviewer.email(), PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_password_over_the_limit_is_wrong_and_not_hashed() {
    let app = app().await;
    sign_in(&app.client(Persona::Anonymous), &Persona::Member.email(), &"x".repeat(100_000)).await.problem(401, "sign_in.failed");
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_everywhere() {
    let app = app().await;
    let session = app.new_session(Persona::Member).await;
    session.get("/api/v1/me").await.expect(200);
    let reply = session.delete("/api/v1/session").await.expect(204);
    assert_eq!(reply.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"), "{:?}", reply.headers);
    session.get("/api/v1/me").await.problem(401, "session.none");
    let cookie = format!("vital_session={}", session.token().unwrap());
    app.client(Persona::Anonymous).request("GET", "/api/v1/me").header("cookie", &cookie).send().await.problem(401, "session.none");
    app.member().get("/api/v1/me").await.expect(200);
}

/// Waits until a client is turned away: what the database says counts within a second.
async fn turned_away(client: &Client) {
    until("the token to stop working", || async { (client.get("/api/v1/me").await.status == 401).then_some(()) }).await;
    client.get("/api/v1/me").await.problem(401, "session.none");
}

async fn let_in(client: &Client) {
    until("the token to work", || async { (client.get("/api/v1/me").await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_session_ends_when_it_rests_too_long_or_lasts_too_long_or_its_member_leaves() {
    let app = app().await;
    let member = app.member();
    let change =
        async |set: &str| app.sql(&format!("update directory.sessions set {set} where token_hash = sha256('session-of-member')")).await;
    change("seen_at = now() - interval '14 minutes'").await;
    member.get("/api/v1/me").await.expect(200);
    let seen = app.sql_text("select count(*) from directory.sessions where token_hash = sha256('session-of-member') and seen_at > now() - interval '1 minute'").await;
    assert_eq!(seen.as_deref(), Some("1"), "a request keeps the session alive");
    change("seen_at = now() - interval '16 minutes'").await;
    turned_away(&member).await;
    change("seen_at = now()").await;
    let_in(&member).await;
    change("ends_at = now() - interval '1 second'").await;
    turned_away(&member).await;
    change("ends_at = now() + interval '1 hour'").await;
    let_in(&member).await;
    app.sql(&format!("update members set active = false where email = '{}'", Persona::Member.email())).await;
    turned_away(&member).await;
    app.sql("update members set active = true; update directory.tenants set suspended_at = now()").await;
    turned_away(&member).await;
}

#[tokio::test]
async fn the_organisation_chooses_how_long_a_session_may_rest() {
    let app = app().await;
    let rested = |minutes: u32| {
        format!(
            "update directory.sessions set seen_at = now() - interval '{minutes} minutes' where token_hash = sha256('session-of-member')"
        )
    };
    let policy = |idle: i32| json!({ "idle_minutes": idle, "absolute_minutes": 720, "require_second_factor": false, "password_sign_in": true, "cors_origins": [] });
    app.client(Persona::TenantAdmin).request("PUT", "/api/v1/organisation/policy").json(&policy(60)).send().await.expect(204);
    app.sql(&rested(59)).await;
    app.member().get("/api/v1/me").await.expect(200);
    app.client(Persona::TenantAdmin).request("PUT", "/api/v1/organisation/policy").json(&policy(2)).send().await.expect(204);
    app.sql(&rested(3)).await;
    turned_away(&app.member()).await;
    let refused = app.client(Persona::TenantAdmin).request("PUT", "/api/v1/organisation/policy").json(&policy(61)).send().await;
    assert_eq!(refused.problem(422, "policy.invalid")["errors"][0]["pointer"], "/idle_minutes");
}

#[tokio::test]
async fn a_token_that_is_none_is_refused_in_the_way_http_asks() {
    let app = app().await;
    for token in ["", "x", &"x".repeat(500), "' or 1=1 --"] {
        let reply = app.with_token(token).get("/api/v1/me").await;
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{token}");
        reply.problem(401, "session.none");
    }
}

#[tokio::test]
async fn a_browser_is_only_obeyed_when_its_request_comes_from_this_site() {
    let app = app().await;
    let (own, foreign) = (app.base_url(), "http://evil.example".to_owned());
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("sec-fetch-site", "same-origin")], 201),
        (&[("sec-fetch-site", "none")], 201),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "cross-site"), ("origin", &own)], 403),
        (&[("origin", &own)], 201),
        (&[("origin", &foreign)], 403),
        (&[("origin", "null")], 403),
        (&[], 403),
    ];
    for (headers, status) in cases {
        let all: Vec<(&str, &str)> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
        let request = app.client(Persona::Anonymous).request("POST", "/api/v1/conversations").body("application/json", "{}");
        let request = request.header("cookie", &format!("vital_session={}", Persona::Member.token().unwrap()));
        let reply = headers.iter().fold(request, |r, (name, value)| r.header(name, value)).send().await;
        assert_eq!(reply.status, *status, "{all:?}");
        let page = with_cookie(&app, "POST", &format!("/turns/{}/cancel", app.a().turn), headers).await;
        assert_eq!(page.status, if *status == 201 { 303 } else { 403 }, "a page's form with {headers:?}");
    }
    assert_eq!(with_cookie(&app, "GET", "/", &[("sec-fetch-site", "cross-site")]).await.status, 200, "links from elsewhere work");
}

#[tokio::test]
async fn a_program_with_a_token_needs_no_origin() {
    let app = app().await;
    app.member().post("/api/v1/conversations", &json!({})).await.expect(201);
    let cross = app.member().request("POST", "/api/v1/conversations").json(&json!({})).header("sec-fetch-site", "cross-site").send().await;
    cross.problem(403, "request.cross_site");
}

#[tokio::test]
async fn the_sign_in_page_leads_back_to_where_one_wanted_to_be_and_nowhere_else() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    let turned_away = nobody.get("/library").await.expect(303);
    assert_eq!(turned_away.header("location"), Some("/sign-in?next=/library"));
    let form = |next: &'static str| {
        let email = Persona::Member.email();
        nobody.request("POST", "/sign-in").form(&[("email", &email), ("password", PASSWORD), ("next", next)])
    };
    let back = form("/library").send().await.expect(303);
    assert_eq!(back.header("location"), Some("/library"));
    assert!(back.header("set-cookie").unwrap().contains("HttpOnly"));
    assert_eq!(form("//evil.example/").send().await.expect(303).header("location"), Some("/"));
    let wrong = nobody.request("POST", "/sign-in").form(&[("email", "<b>@x.example"), ("password", "wrong")]).send().await.expect(401);
    assert!(wrong.text().contains("&lt;b&gt;@x.example") && !wrong.text().contains("<b>@"), "what was typed comes back as text");
}

/// The most memory that this process, in which the server runs too, has had so far, in MiB (`VmHWM`, proc(5)).
fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_burst_of_sign_ins_takes_the_memory_of_two_hashes_and_not_of_all() {
    let app = app().await;
    let nobody = app.client(Persona::Anonymous);
    // The first makes the hash that unknown addresses are compared with.
    sign_in(&nobody, "first@a.example", "not the password of anybody").await.problem(401, "sign_in.failed");
    let before = memory_peak_mib();
    let guesses = (0..24).map(|n| {
        let nobody = nobody.clone();
        async move { sign_in(&nobody, &format!("guess-{n}@a.example"), "not the password of anybody").await.status }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    assert!(statuses.iter().all(|s| matches!(s, 401 | 503)), "{statuses:?}");
    let grown = memory_peak_mib() - before;
    assert!(grown < 4 * 64, "24 sign-ins at once took {grown} MiB more, which is that of more than two hashes and some slack");
}
