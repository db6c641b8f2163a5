//! Changing passwords, and links for forgotten ones.

use crate::app;
use serde_json::json;
use vital_testkit::app::{PASSWORD, Persona, TestApp, until};

const NEW: &str = "nineteen copper kettles whistle";

async fn signs_in(app: &TestApp, persona: Persona, password: &str) -> u16 {
    app.client(Persona::Anonymous).post("/api/v1/session", &json!({ "email": persona.email(), "password": password })).await.status
}

/// The secret in the link of the latest message.
fn link(mail: &str) -> String {
    let flat = mail.replace("=\r\n", "").replace("=3D", "=");
    flat.split("/reset?token=").nth(1).unwrap().chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

async fn asked(app: &TestApp, email: &str) -> u16 {
    app.client(Persona::Anonymous).post("/api/v1/password/forgot", &json!({ "email": email })).await.status
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_renews_this_one() {
    let app = app().await;
    let (here, elsewhere) = (app.new_session(Persona::Member).await, app.new_session(Persona::Member).await);
    let change =
        |present: &str, password: &str| here.request("PUT", "/api/v1/password").json(&json!({ "present": present, "password": password }));
    assert_eq!(change("not it", NEW).send().await.problem(422, "password.wrong")["errors"][0]["pointer"], "/present");
    let short = change(PASSWORD, "too short").send().await.problem(422, "password.refused");
    assert!(short["errors"][0]["detail"].as_str().unwrap().contains("15"), "{short}");
    change(PASSWORD, "passwordpassword").send().await.problem(422, "password.refused");
    let changed = change(PASSWORD, NEW).send().await.expect(200).json();
    elsewhere.get("/api/v1/me").await.problem(401, "session.none");
    here.get("/api/v1/me").await.problem(401, "session.none");
    app.with_token(changed["token"].as_str().unwrap()).get("/api/v1/me").await.expect(200);
    assert_eq!((signs_in(&app, Persona::Member, PASSWORD).await, signs_in(&app, Persona::Member, NEW).await), (401, 201));
}

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_ends_all_sessions() {
    let app = app().await;
    let session = app.new_session(Persona::Member).await;
    assert_eq!(asked(&app, &Persona::Member.email().to_uppercase()).await, 202);
    let mail = until("the message", || async { app.mails().pop() }).await;
    assert!(mail.contains(&Persona::Member.email()), "{mail}");
    let token = link(&mail);
    let nobody = app.client(Persona::Anonymous);
    let reset =
        async |token: &str, password: &str| nobody.post("/api/v1/password/reset", &json!({ "token": token, "password": password })).await;
    reset(&token, "short").await.problem(422, "password.refused");
    reset(&token, NEW).await.expect(204);
    session.get("/api/v1/me").await.problem(401, "session.none");
    reset(&token, PASSWORD).await.problem(404, "password.link_unknown");
    assert_eq!((signs_in(&app, Persona::Member, PASSWORD).await, signs_in(&app, Persona::Member, NEW).await), (401, 201));
}

#[tokio::test]
async fn an_old_or_replaced_link_does_not_work() {
    let app = app().await;
    asked(&app, &Persona::Member.email()).await;
    let first = link(&until("the message", || async { app.mails().pop() }).await);
    asked(&app, &Persona::Member.email()).await;
    let second = until("the second message", || async { (app.mails().len() == 2).then(|| app.mails().pop().unwrap()) }).await;
    let nobody = app.client(Persona::Anonymous);
    nobody.post("/api/v1/password/reset", &json!({ "token": first, "password": NEW })).await.problem(404, "password.link_unknown");
    app.sql("update directory.tokens set ends_at = now() - interval '1 second'").await;
    nobody.post("/api/v1/password/reset", &json!({ "token": link(&second), "password": NEW })).await.problem(404, "password.link_unknown");
}

#[tokio::test]
async fn whether_an_address_has_an_account_does_not_show() {
    let app = app().await;
    assert_eq!(asked(&app, "nobody@a.example").await, asked(&app, &Persona::Member.email()).await);
    until("the message", || async { app.mails().pop() }).await;
    assert_eq!(app.mails().len(), 1, "nobody gets no message");
}

#[tokio::test]
async fn one_account_is_not_flooded_with_messages() {
    let app = app().await;
    for _ in 0..6 {
        asked(&app, &Persona::Member.email()).await;
    }
    asked(&app, &Persona::Viewer.email()).await;
    until("the last message", || async { app.mails().iter().any(|m| m.contains(&Persona::Viewer.email())).then_some(()) }).await;
    let to_member = app.mails().iter().filter(|m| m.contains(&format!("To: {}", Persona::Member.email()))).count();
    assert!(to_member <= 3, "{to_member} messages");
}
