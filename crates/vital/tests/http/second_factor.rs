//! Second factors: adding, signing in with, stepping up with, and losing them.

use crate::app;
use serde_json::{Value, json};
use vital_testkit::{
    app::{Client, PASSWORD, Persona, Reply, TestApp, until},
    authenticator::Authenticator,
};

/// Adds an authenticator app to somebody's account and returns it, their new session and their recovery codes.
async fn enrolled(app: &TestApp, client: &Client) -> (Authenticator, Client, Vec<String>) {
    let begun = client.post("/api/v1/factors/totp", &json!({ "name": "Phone", "password": PASSWORD })).await.expect(201).json();
    let mut device = Authenticator::of(begun["secret"].as_str().unwrap()).unwrap();
    assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
    let path = format!("/api/v1/factors/totp/{}/confirm", begun["id"].as_str().unwrap());
    let added = client.post(&path, &json!({ "code": device.fresh() })).await.expect(201).json();
    let codes: Vec<String> = added["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (device, app.with_token(added["token"].as_str().unwrap()), codes)
}

async fn sign_in(app: &TestApp, persona: Persona) -> Value {
    let body = json!({ "email": persona.email(), "password": PASSWORD });
    app.client(Persona::Anonymous).post("/api/v1/session", &body).await.expect(202).json()
}

async fn second(app: &TestApp, ticket: &Value, proof: Value) -> Reply {
    app.client(Persona::Anonymous).post("/api/v1/session/second-factor", &json!({ "ticket": ticket, "proof": proof })).await
}

/// The code of a device whose clock is a minute ahead of ours: one step is tolerated, two are not.
fn totp_two_steps_ahead(device: &Authenticator) -> String {
    let mut ahead = Authenticator::of(&base32(device.seed())).unwrap();
    ahead.ahead = 3;
    ahead.shown()
}

fn base32(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|b| format!("{b:08b}")).collect();
    let letters: Vec<char> = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".chars().collect();
    bits.as_bytes().chunks(5).map(|five| letters[usize::from_str_radix(std::str::from_utf8(five).unwrap(), 2).unwrap()]).collect()
}

/// A session that has proved nothing but the password.
async fn plain_session(app: &TestApp, persona: Persona) -> Client {
    let client = app.new_session(persona).await;
    app.sql("update directory.sessions set proved_at = null").await;
    client
}

#[tokio::test]
async fn a_second_factor_is_asked_for_from_the_next_sign_in_on() {
    let app = app().await;
    let (mut device, client, _) = enrolled(&app, &app.new_session(Persona::Member).await).await;
    let listed = client.get("/api/v1/factors").await.expect(200).json();
    assert_eq!(
        (&listed["factors"][0]["kind"], &listed["factors"][0]["name"], &listed["recovery_codes_left"]),
        (&json!("totp"), &json!("Phone"), &json!(10))
    );
    assert!(!listed.to_string().contains("secret"), "{listed}");
    let pending = sign_in(&app, Persona::Member).await;
    assert_eq!(pending["methods"], json!(["totp", "recovery_code"]));
    assert!(pending.get("token").is_none());
    let ticket = app.with_token(pending["ticket"].as_str().unwrap());
    ticket.get("/api/v1/me").await.problem(401, "session.none");
    let too_early = totp_two_steps_ahead(&device);
    second(&app, &pending["ticket"], json!({ "totp": too_early })).await.problem(401, "second_factor.refused");
    let token = second(&app, &pending["ticket"], json!({ "totp": device.fresh() })).await.expect(201).json();
    let me = app.with_token(token["token"].as_str().unwrap()).get("/api/v1/me").await.expect(200).json();
    assert_eq!((&me["second_factor"], &me["stepped_up"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_code_counts_once_even_for_two_requests_at_the_same_moment() {
    let app = app().await;
    let (mut device, _, _) = enrolled(&app, &app.new_session(Persona::Member).await).await;
    app.sql("update factors set last_step = last_step - 5").await;
    device.ahead = 0;
    let code = device.shown();
    let tickets = [sign_in(&app, Persona::Member).await, sign_in(&app, Persona::Member).await];
    let (a, b) = tokio::join!(
        second(&app, &tickets[0]["ticket"], json!({ "totp": code })),
        second(&app, &tickets[1]["ticket"], json!({ "totp": code }))
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_however_it_is_typed() {
    let app = app().await;
    let (_, client, codes) = enrolled(&app, &app.new_session(Persona::Member).await).await;
    let typed = codes[0].to_lowercase().replace('-', " ");
    let pending = sign_in(&app, Persona::Member).await;
    second(&app, &pending["ticket"], json!({ "recovery_code": typed })).await.expect(201);
    let pending = sign_in(&app, Persona::Member).await;
    second(&app, &pending["ticket"], json!({ "recovery_code": codes[0] })).await.problem(401, "second_factor.refused");
    assert_eq!(client.get("/api/v1/factors").await.expect(200).json()["recovery_codes_left"], 9);
    let new = client.act("/api/v1/factors/recovery-codes").await.expect(201).json();
    assert_eq!(new["recovery_codes"].as_array().unwrap().len(), 10);
    second(&app, &pending["ticket"], json!({ "recovery_code": codes[1] })).await.problem(401, "second_factor.refused");
}

#[tokio::test]
async fn a_ticket_is_spent_after_five_wrong_codes_and_after_success() {
    let app = app().await;
    let (mut device, _, codes) = enrolled(&app, &app.new_session(Persona::Member).await).await;
    let pending = sign_in(&app, Persona::Member).await;
    second(&app, &pending["ticket"], json!({ "recovery_code": codes[0] })).await.expect(201);
    second(&app, &pending["ticket"], json!({ "recovery_code": codes[1] })).await.problem(401, "sign_in.ticket_gone");
    let pending = sign_in(&app, Persona::Member).await;
    for _ in 0..5 {
        second(&app, &pending["ticket"], json!({ "totp": "000000" })).await.problem(401, "second_factor.refused");
    }
    app.sql("update factors set last_step = last_step - 5").await;
    device.ahead = 0;
    let right = second(&app, &pending["ticket"], json!({ "totp": device.shown() })).await;
    assert!(matches!(right.status, 401 | 429), "{}", right.text());
    let other = sign_in(&app, Persona::Member).await;
    let throttled = second(&app, &other["ticket"], json!({ "totp": device.shown() })).await;
    throttled.problem(429, "sign_in.throttled");
}

#[tokio::test]
async fn dangerous_verbs_ask_for_a_second_factor_of_the_last_five_minutes() {
    let app = app().await;
    let policy = json!({ "idle_minutes": 15, "absolute_minutes": 720, "require_second_factor": false, "password_sign_in": true, "cors_origins": [] });
    let admin = plain_session(&app, Persona::TenantAdmin).await;
    let change = async |client: &Client| client.request("PUT", "/api/v1/organisation/policy").json(&policy).send().await;
    change(&admin).await.problem(403, "step_up.required");
    admin.post("/api/v1/session/step-up", &json!({ "proof": { "totp": "123456" } })).await.problem(403, "step_up.no_factor");
    let (mut device, admin, _) = enrolled(&app, &admin).await;
    change(&admin).await.expect(204);
    app.sql(
        "update directory.sessions set proved_at = now() - interval '5 minutes 1 second'; update factors set last_step = last_step - 5",
    )
    .await;
    until("the old proof to be too old", || async { (change(&admin).await.status == 403).then_some(()) }).await;
    admin.post("/api/v1/session/step-up", &json!({ "proof": { "totp": "000000" } })).await.problem(403, "step_up.refused");
    device.ahead = 0;
    let stepped = admin.post("/api/v1/session/step-up", &json!({ "proof": { "totp": device.shown() } })).await.expect(200).json();
    admin.get("/api/v1/me").await.problem(401, "session.none");
    change(&app.with_token(stepped["token"].as_str().unwrap())).await.expect(204);
}

#[tokio::test]
async fn adding_a_factor_needs_the_password_and_removing_one_a_fresh_proof() {
    let app = app().await;
    let client = app.new_session(Persona::Member).await;
    let wrong = client.post("/api/v1/factors/totp", &json!({ "name": "Phone", "password": "not it" })).await;
    assert_eq!(wrong.problem(403, "password.wrong")["errors"][0]["pointer"], "/password");
    let (_, client, _) = enrolled(&app, &client).await;
    let id = client.get("/api/v1/factors").await.expect(200).json()["factors"][0]["id"].as_str().unwrap().to_owned();
    app.client(Persona::Viewer).delete(&format!("/api/v1/factors/{id}")).await.problem(404, "factor.unknown");
    app.sql("update directory.tenants set require_second_factor = true").await;
    client.delete(&format!("/api/v1/factors/{id}")).await.problem(409, "factor.required");
    app.sql("update directory.tenants set require_second_factor = false").await;
    client.delete(&format!("/api/v1/factors/{id}")).await.expect(204);
    let body = json!({ "email": Persona::Member.email(), "password": PASSWORD });
    app.client(Persona::Anonymous).post("/api/v1/session", &body).await.expect(201);
}

#[tokio::test]
async fn who_must_add_a_second_factor_can_do_that_and_nothing_else() {
    let app = app().await;
    app.sql("update directory.tenants set require_second_factor = true").await;
    let proved_elsewhere = app.new_session(Persona::Member).await;
    proved_elsewhere.get("/api/v1/documents").await.expect(200);
    let client = plain_session(&app, Persona::Member).await;
    client.get("/api/v1/documents").await.problem(403, "session.factor_required");
    assert_eq!(client.get("/library").await.expect(303).header("location"), Some("/settings/security"));
    client.get("/api/v1/me").await.expect(200);
    let (_, client, _) = enrolled(&app, &client).await;
    client.get("/api/v1/documents").await.expect(200);
}

#[tokio::test]
async fn the_seed_is_sealed_at_rest_and_the_codes_are_hashed() {
    let app = app().await;
    let (device, _, codes) = enrolled(&app, &app.new_session(Persona::Member).await).await;
    let stored = app.sql_text("select encode(secret, 'hex') from factors").await.unwrap();
    let seed: String = device.seed().iter().map(|b| format!("{b:02x}")).collect();
    assert!(!stored.contains(&seed) && stored.len() > seed.len());
    let plain = app.sql_text(&format!("select count(*) from recovery_codes where code_hash = convert_to('{}', 'UTF8')", codes[0])).await;
    assert_eq!(plain.as_deref(), Some("0"));
}
