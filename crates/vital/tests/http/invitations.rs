//! Invitations: sent, taken up once, taken back, sent again.

use crate::{app, members::give_roles};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use vital_kernel::Error;
use vital_platform::identity::{self, Came};
use vital_testkit::app::{Client, PASSWORD, Persona, TestApp};

const GUEST: &str = "guest@a.example";

/// The latest message as text.
fn mail(app: &TestApp) -> String {
    app.mails().pop().unwrap().replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
}

fn link(app: &TestApp) -> String {
    let mail = mail(app);
    let rest = mail.split("/invitation?token=").nth(1).unwrap_or_else(|| panic!("no link in {mail}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

async fn invited(client: &Client, email: &str) -> Value {
    let reply = client.post("/api/v1/invitations", &json!({ "email": email, "display_name": "Guest", "roles": ["member"] })).await;
    reply.expect(201).json()
}

async fn accept(app: &TestApp, token: &str, password: &str) -> Result<String, Error> {
    let (token, password) = (token.to_owned(), password.to_owned());
    app.on_platform(move |p| async move {
        let came = Came { address: IpAddr::V4(Ipv4Addr::LOCALHOST), device: "test".to_owned(), domain_of: None };
        let progress = identity::accept_invitation(&p, &token, "Grace Guest", &password, &came).await?;
        Ok(progress.done()?.reveal().to_owned())
    })
    .await
}

async fn check(app: &TestApp, token: &str) -> Result<identity::OpenInvitation, Error> {
    let token = token.to_owned();
    app.on_platform(move |p| async move { identity::check_invitation(&p, &token).await }).await
}

async fn states(client: &Client) -> Vec<String> {
    let list = client.get("/api/v1/invitations").await.expect(200).items();
    list.as_array().unwrap().iter().map(|i| i["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_the_password_its_owner_chose() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let sent = invited(&admin, " Guest@A.example ").await;
    assert_eq!(
        (&sent["invitation"]["email"], &sent["invitation"]["state"], &sent["mail_problem"]),
        (&json!(GUEST), &json!("waiting"), &Value::Null)
    );
    let token = link(&app);
    assert!(!sent.to_string().contains(&token), "whoever invites does not see the link");
    let open = check(&app, &token).await.unwrap();
    assert_eq!((open.email.as_str(), open.display_name.as_str()), (GUEST, "Guest"));
    assert_eq!(accept(&app, &token, "short").await.unwrap_err().fields()[0].pointer, "/password");
    let session = accept(&app, &token, PASSWORD).await.unwrap();
    let me = app.with_token(&session).get("/api/v1/me").await.expect(200).json();
    assert_eq!((&me["email"], &me["display_name"], &me["roles"]), (&json!(GUEST), &json!("Grace Guest"), &json!(["member"])));
    assert_eq!(me["tenant"], json!(app.a().tenant));
    for again in [check(&app, &token).await.err(), accept(&app, &token, PASSWORD).await.err()] {
        assert_eq!(again.unwrap().code(), "invitation.link_unknown");
    }
    app.client(Persona::Anonymous).post("/api/v1/session", &json!({ "email": GUEST, "password": PASSWORD })).await.expect(201);
    assert_eq!(states(&admin).await, ["accepted"]);
    let taken = admin.post("/api/v1/invitations", &json!({ "email": GUEST, "roles": ["member"] })).await.problem(409, "user.email_taken");
    assert_eq!(taken["errors"][0]["pointer"], "/email");
}

#[tokio::test]
async fn two_people_with_one_link_at_once_make_one_account() {
    let app = app().await;
    invited(&app.client(Persona::TenantAdmin), GUEST).await;
    let token = link(&app);
    let (one, two) = tokio::join!(accept(&app, &token, PASSWORD), accept(&app, &token, PASSWORD));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn a_revoked_an_expired_and_a_replaced_link_do_not_work() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let unknown = async |token: &str| {
        assert_eq!(check(&app, token).await.unwrap_err().code(), "invitation.link_unknown");
        assert_eq!(accept(&app, token, PASSWORD).await.unwrap_err().code(), "invitation.link_unknown");
    };
    let sent = invited(&admin, GUEST).await;
    let path = format!("/api/v1/invitations/{}", sent["invitation"]["id"].as_str().unwrap());
    let first = link(&app);
    admin.post("/api/v1/invitations", &json!({ "email": GUEST, "roles": ["viewer"] })).await.problem(409, "invitation.waiting");
    admin.act(&format!("{path}/resend")).await.expect(200);
    let second = link(&app);
    unknown(&first).await;
    assert_eq!(check(&app, &second).await.unwrap().email, GUEST);
    app.sql(
        "update invitations set ends_at = now() - interval '1 second'; update directory.tokens set ends_at = now() - interval '1 second'",
    )
    .await;
    unknown(&second).await;
    assert_eq!(states(&admin).await, ["expired"]);
    admin.act(&format!("{path}/resend")).await.expect(200);
    let third = link(&app);
    assert_eq!((check(&app, &third).await.unwrap().email.as_str(), states(&admin).await), (GUEST, vec!["waiting".to_owned()]));
    admin.delete(&path).await.expect(204);
    unknown(&third).await;
    unknown("no such token").await;
    admin.delete(&path).await.problem(404, "invitation.unknown");
    admin.act(&format!("{path}/resend")).await.problem(404, "invitation.unknown");
    assert_eq!(states(&admin).await, ["revoked"]);
}

#[tokio::test]
async fn an_address_of_another_organisation_is_told_to_its_owner_alone() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let (mut known, mut free) = (invited(&admin, &Persona::OtherMember.email()).await, invited(&admin, GUEST).await);
    for reply in [&mut known, &mut free] {
        for field in ["id", "email", "created_at", "ends_at"] {
            reply["invitation"][field] = Value::Null;
        }
    }
    assert_eq!(known, free, "the reply is the same");
    let mails = app.mails();
    let told = mails.iter().find(|m| m.contains(&Persona::OtherMember.email())).unwrap();
    assert!(told.contains("already has an account") && !told.contains("/invitation?token"), "{told}");
    assert!(link(&app).len() > 20, "the other message has a link");
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_makes_no_second_account() {
    let app = app().await;
    invited(&app.client(Persona::TenantAdmin), GUEST).await;
    let token = link(&app);
    app.sql(&format!("update directory.logins set email = '{GUEST}' where email = '{}'", Persona::OtherMember.email())).await;
    assert_eq!(accept(&app, &token, PASSWORD).await.unwrap_err().code(), "user.email_taken");
    assert_eq!(states(&app.client(Persona::TenantAdmin)).await, ["waiting"], "nothing was half done");
}

#[tokio::test]
async fn faults_of_an_invitation_are_told_with_their_place_and_a_mail_that_fails_leaves_it_waiting() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    for (body, pointer) in [
        (json!({ "email": "nobody", "roles": ["member"] }), "/email"),
        (json!({ "email": "x@service.invalid", "roles": ["member"] }), "/email"),
        (json!({ "email": GUEST, "roles": [] }), "/roles"),
        (json!({ "email": GUEST, "display_name": "a\r\nBcc: x@y.zz", "roles": ["member"] }), "/display_name"),
    ] {
        assert_eq!(admin.post("/api/v1/invitations", &body).await.problem(422, "invitation.invalid")["errors"][0]["pointer"], pointer);
    }
    // The mailer takes ASCII addresses alone.
    let sent = invited(&admin, "gäste@a.example").await;
    assert!(sent["mail_problem"].as_str().unwrap().contains("address"), "{sent}");
    assert_eq!((states(&admin).await, app.mails().len()), (vec!["waiting".to_owned()], 0));
}

#[tokio::test]
async fn invitations_of_another_organisation_are_not_there() {
    let app = app().await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let sent = invited(&app.client(Persona::TenantAdmin), GUEST).await;
    let (other, path) = (app.client(Persona::OtherMember), format!("/api/v1/invitations/{}", sent["invitation"]["id"].as_str().unwrap()));
    assert_eq!(states(&other).await, Vec::<String>::new());
    other.delete(&path).await.problem(404, "invitation.unknown");
    other.act(&format!("{path}/resend")).await.problem(404, "invitation.unknown");
    assert!(check(&app, &link(&app)).await.is_ok());
}
