//! Break-glass: operators in an organisation, and what the organisation hears of it.

use crate::{
    app,
    members::{forget_proof, give_roles, id_of},
};
use serde_json::{Value, json};
use vital_kernel::{BreakGlassId, TenantId};
use vital_platform::identity::break_glass::{self, Opened};
use vital_testkit::app::{Client, Persona, TestApp, until};

const REASON: &str = "Search finds nothing since the restore, ticket 4711.";

async fn opened(app: &TestApp) -> Opened {
    let tenant: TenantId = app.a().tenant.parse().unwrap();
    app.on_platform(move |p| async move { break_glass::open(&p, tenant, "Olga Operator", REASON, 20).await.unwrap() }).await
}

async fn closed(app: &TestApp, id: BreakGlassId) {
    let tenant: TenantId = app.a().tenant.parse().unwrap();
    app.on_platform(move |p| async move { break_glass::close(&p, tenant, id).await.unwrap() }).await;
}

async fn openings(client: &Client) -> Value {
    client.get("/api/v1/break-glass").await.expect(200).items()
}

async fn review(client: &Client, id: BreakGlassId, note: &str) -> vital_testkit::app::Reply {
    client.post(&format!("/api/v1/break-glass/{id}/review"), &json!({ "note": note })).await
}

#[tokio::test]
async fn an_operator_reads_and_changes_nothing() {
    let app = app().await;
    let operator = app.with_token(opened(&app).await.token.reveal());
    let me = operator.get("/api/v1/me").await.expect(200).json();
    assert_eq!(me["display_name"], "Olga Operator");
    for path in
        ["/api/v1/documents", "/api/v1/members", "/api/v1/groups", "/api/v1/experts", "/api/v1/break-glass", "/api/v1/keys?all=true"]
    {
        operator.get(path).await.expect(200);
    }
    let viewer = id_of(&app, Persona::Viewer).await;
    let session = uuid::Uuid::new_v4();
    let writes: Vec<(&str, String, Value)> = vec![
        ("PATCH", "/api/v1/me".into(), json!({ "display_name": "x" })),
        ("PUT", "/api/v1/password".into(), json!({ "present": "x", "password": "x" })),
        ("POST", "/api/v1/factors/totp".into(), json!({ "name": "x" })),
        ("POST", "/api/v1/factors/passkey/options".into(), json!({ "name": "x" })),
        ("POST", "/api/v1/factors/recovery-codes".into(), json!({})),
        ("POST", "/api/v1/keys".into(), json!({ "name": "x", "scopes": ["document.read"] })),
        ("DELETE", "/api/v1/sessions".into(), json!({})),
        ("DELETE", format!("/api/v1/sessions/{session}"), json!({})),
        ("POST", "/api/v1/conversations".into(), json!({})),
        ("POST", "/api/v1/groups".into(), json!({ "name": "x" })),
        ("POST", "/api/v1/invitations".into(), json!({ "email": "x@a.example", "roles": ["member"] })),
        ("PATCH", format!("/api/v1/members/{viewer}"), json!({ "roles": ["member"] })),
        ("DELETE", format!("/api/v1/documents/{}", app.a().document), json!({})),
    ];
    for (method, path, body) in writes {
        let reply = operator.request(method, &path).json(&body).send().await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text());
    }
    operator.request("PATCH", "/api/v1/me").json(&json!({ "display_name": "x" })).send().await.problem(403, "access.reading_only");
}

#[tokio::test]
async fn every_active_administrator_is_told_who_why_and_until_when() {
    let app = app().await;
    give_roles(&app, Persona::Reviewer, "tenant_admin").await;
    give_roles(&app, Persona::Viewer, "tenant_admin").await;
    app.sql(&format!("update members set active = false where email = '{}'", Persona::Viewer.email())).await;
    let opening = opened(&app).await;
    assert_eq!((opening.told, opening.not_told), (2, 0));
    let mails = app.mails();
    assert_eq!(mails.len(), 2);
    for admin in [Persona::TenantAdmin, Persona::Reviewer] {
        let mail = mails.iter().find(|m| m.contains(&format!("To: {}", admin.email()))).unwrap().replace("=\r\n", "");
        let until = format!("{} {:02}:{:02} UTC", opening.ends_at.date(), opening.ends_at.hour(), opening.ends_at.minute());
        for said in ["Olga Operator", REASON, until.as_str()] {
            assert!(mail.contains(said), "{said} is not in {mail}");
        }
        assert!(!mail.contains(opening.token.reveal()), "the token is the operator's alone");
    }
    let seen = openings(&app.client(Persona::Auditor)).await;
    assert_eq!((&seen[0]["operator"], &seen[0]["reason"]), (&json!("Olga Operator"), &json!(REASON)));
    assert_eq!((&seen[0]["closed_at"], &seen[0]["overdue"]), (&Value::Null, &json!(false)));
    app.member().get("/api/v1/break-glass").await.problem(403, "access.denied");
}

#[tokio::test]
async fn access_ends_when_it_is_closed_and_when_its_time_is_over() {
    let app = app().await;
    let (one, two) = (opened(&app).await, opened(&app).await);
    let (first, second) = (app.with_token(one.token.reveal()), app.with_token(two.token.reveal()));
    first.get("/api/v1/documents").await.expect(200);
    closed(&app, one.id).await;
    first.get("/api/v1/documents").await.problem(401, "session.none");
    second.get("/api/v1/documents").await.expect(200);
    let ends = format!(
        "select s.ends_at = b.ends_at from directory.sessions s join break_glass b on b.member_id = s.user_id where b.id = '{}'",
        two.id
    );
    assert_eq!(app.sql_text(&ends).await.as_deref(), Some("true"), "the session ends with the opening");
    app.sql(&format!(
        "update break_glass set ends_at = now() - interval '1 second' where id = '{id}';
         update directory.sessions set ends_at = now() - interval '1 second' where user_id = (select member_id from break_glass where id = '{id}')",
        id = two.id
    ))
    .await;
    until("the end of access", || async { (second.get("/api/v1/documents").await.status == 401).then_some(()) }).await;
    assert!(openings(&app.client(Persona::Auditor)).await[0]["closed_at"].is_string(), "it counts as closed at once");
    let swept = app.on_platform(|p| async move { break_glass::close_ended(&p).await.unwrap() }).await;
    let marked = app.sql_text("select count(*) from break_glass where closed_at is null").await;
    assert!(swept <= 1 && marked.as_deref() == Some("0"), "{swept} {marked:?}");
    let logins = app.sql_text("select count(*) from directory.logins where email like 'operator-%'").await;
    assert_eq!(logins.as_deref(), Some("0"), "the accounts are gone");
}

#[tokio::test]
async fn an_administrator_can_end_it_at_once() {
    let app = app().await;
    let opening = opened(&app).await;
    let (operator, admin) = (app.with_token(opening.token.reveal()), app.client(Persona::TenantAdmin));
    operator.get("/api/v1/documents").await.expect(200);
    let account = openings(&admin).await[0]["member"].as_str().unwrap().to_owned();
    let raised = admin.request("PATCH", &format!("/api/v1/members/{account}")).json(&json!({ "roles": ["tenant_admin"] })).send().await;
    raised.problem(409, "member.operator");
    admin.act(&format!("/api/v1/members/{account}/deactivate")).await.expect(204);
    operator.get("/api/v1/documents").await.problem(401, "session.none");
    admin.act(&format!("/api/v1/members/{account}/reactivate")).await.problem(409, "member.operator");
}

#[tokio::test]
async fn it_is_reviewed_once_afterwards_by_the_organisation_and_never_by_the_operator() {
    let app = app().await;
    let opening = opened(&app).await;
    let (operator, auditor) = (app.with_token(opening.token.reveal()), app.client(Persona::Auditor));
    review(&operator, opening.id, "all fine").await.problem(403, "access.reading_only");
    review(&auditor, opening.id, "all fine").await.problem(409, "break_glass.open");
    closed(&app, opening.id).await;
    review(&app.member(), opening.id, "all fine").await.problem(403, "access.denied");
    for bad in ["", "  ", &"x".repeat(2_001)] {
        assert_eq!(review(&auditor, opening.id, bad).await.problem(422, "break_glass.note")["errors"][0]["pointer"], "/note");
    }
    forget_proof(&app, Persona::TenantAdmin).await;
    review(&app.client(Persona::TenantAdmin), opening.id, "all fine").await.problem(403, "step_up.required");
    let reviewed = review(&auditor, opening.id, " Matches ticket 4711. ").await.expect(200).json();
    assert_eq!(reviewed["review_note"], "Matches ticket 4711.");
    assert_eq!(reviewed["reviewed_by"], json!(id_of(&app, Persona::Auditor).await));
    review(&auditor, opening.id, "again").await.problem(409, "break_glass.reviewed");
}

#[tokio::test]
async fn a_review_that_is_missing_for_a_week_is_overdue() {
    let app = app().await;
    let opening = opened(&app).await;
    closed(&app, opening.id).await;
    let auditor = app.client(Persona::Auditor);
    for (days, overdue) in [(6, false), (8, true)] {
        app.sql(&format!("update break_glass set closed_at = now() - interval '{days} days'")).await;
        assert_eq!(openings(&auditor).await[0]["overdue"], json!(overdue), "{days} days");
    }
    review(&auditor, opening.id, "Late, but done.").await.expect(200);
    assert_eq!(openings(&auditor).await[0]["overdue"], json!(false));
}

#[tokio::test]
async fn openings_of_another_organisation_are_not_there() {
    let app = app().await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    let opening = opened(&app).await;
    closed(&app, opening.id).await;
    let other = app.client(Persona::OtherMember);
    assert_eq!(openings(&other).await, json!([]));
    review(&other, opening.id, "not mine").await.problem(404, "break_glass.unknown");
}
