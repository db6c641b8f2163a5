//! The weekly review: what stands out in a week, who may sign it, and that what was signed stays.

use crate::{
    app,
    members::{forget_proof, give_roles, id_of},
};
use serde_json::{Value, json};
use time::Duration;
use vital_kernel::{TenantId, limits, now};
use vital_platform::{audit, audit::Week, identity::break_glass};
use vital_testkit::app::{Client, Persona, Reply, TestApp};

/// An id of version 7, as entries have.
const ID: &str = "(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) \
                  || '8' || substr(md5(random()::text), 1, 15))::uuid";

/// The week under way, as if it had ended an hour ago.
async fn prepare(app: &TestApp) -> usize {
    let at = this_week().sunday().midnight().assume_utc() + Duration::days(1) + Duration::HOUR;
    app.on_platform(move |p| async move { audit::prepare_due(&p, at).await.unwrap() }).await
}

fn this_week() -> Week {
    Week::of(now().date())
}

async fn review(client: &Client) -> Value {
    client.get(&format!("/api/v1/audit/reviews/{}", this_week())).await.expect(200).json()
}

async fn sign(client: &Client, judgements: Value) -> Reply {
    client.post(&format!("/api/v1/audit/reviews/{}/signature", this_week()), &json!({ "judgements": judgements })).await
}

/// A verdict for each finding.
fn all_explained(review: &Value) -> Value {
    let judged = review["findings"].as_array().unwrap().iter();
    json!(judged.map(|f| json!({ "finding": f["n"], "verdict": "explained", "note": "As announced." })).collect::<Vec<_>>())
}

fn kinds(review: &Value) -> Vec<&str> {
    review["findings"].as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap()).collect()
}

/// Working hours in which everything that a test does lies within, or without.
async fn working(app: &TestApp, within: bool) {
    let today = i16::from(now().weekday().number_from_monday());
    let days: Vec<i16> = if within { (1..=7).collect() } else { (1..=7).filter(|d| *d != today && *d != today % 7 + 1).collect() };
    let hours = json!({ "time_zone": "UTC", "from_hour": 0, "to_hour": 24, "weekdays": days });
    app.client(Persona::TenantAdmin).request("PUT", "/api/v1/audit/working-hours").json(&hours).send().await.expect(204);
}

/// Entries as many readings would leave them.
async fn read_documents(app: &TestApp, persona: Persona, documents: i64) {
    let (tenant, actor) = (&app.a().tenant, id_of(app, persona).await);
    app.sql(&format!(
        "insert into audit_entries (tenant_id, id, actor_id, action, resource, resource_id, fields, request_id)
         select '{tenant}', {ID}, '{actor}', 'document.read', 'document', gen_random_uuid()::text, '{{}}', gen_random_uuid()
         from generate_series(1, {documents})"
    ))
    .await;
}

/// Runs statements as somebody who owns the database and switches its triggers off.
async fn behind_the_triggers(app: &TestApp, statement: &str) {
    app.sql(&format!("set session_replication_role = replica; {statement}")).await;
}

#[tokio::test]
async fn a_week_gets_its_review_once_with_what_stood_out() {
    let app = app().await;
    working(&app, true).await;
    let tenant: TenantId = app.a().tenant.parse().unwrap();
    let reason = "Search finds nothing since the restore, ticket 4711.";
    let opening = app.on_platform(move |p| async move { break_glass::open(&p, tenant, "Olga Operator", reason, 20).await.unwrap() }).await;
    read_documents(&app, Persona::Reviewer, limits::BULK_DOCUMENTS_HOUR_MAX + 1).await;
    read_documents(&app, Persona::Viewer, limits::BULK_DOCUMENTS_HOUR_MAX - 2).await;
    let viewer = id_of(&app, Persona::Viewer).await;
    let raise = json!({ "roles": ["viewer", "tenant_admin"] });
    app.client(Persona::TenantAdmin).request("PATCH", &format!("/api/v1/members/{viewer}")).json(&raise).send().await.expect(200);
    assert_eq!(prepare(&app).await, 2, "one for each organisation");
    assert_eq!(prepare(&app).await, 0, "and never again");
    let found = review(&app.client(Persona::Auditor)).await;
    assert_eq!(kinds(&found), ["break_glass", "bulk_read", "unusual_volume", "admin_granted"], "{found}");
    let [operator, bulk, unusual, admin] = found["findings"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&operator["subject"]["name"], &operator["object"]), (&json!("Olga Operator"), &json!(opening.id.0)));
    assert_eq!(bulk["subject"]["id"], json!(id_of(&app, Persona::Reviewer).await));
    assert_eq!((&bulk["events"], &unusual["usual"]), (&json!(limits::BULK_DOCUMENTS_HOUR_MAX + 1), &json!(0)));
    assert_eq!((&admin["object"], &admin["subject"]["id"]), (&json!(viewer), &json!(id_of(&app, Persona::TenantAdmin).await)));
    assert!(found["entries"].as_i64().unwrap() > 80 && found["signature"].is_null() && found["overdue"] == false);
    let prepared = app.client(Persona::Auditor).get("/api/v1/audit/entries?action=review.prepared").await.expect(200).items();
    assert_eq!((prepared.as_array().unwrap().len(), &prepared[0]["actor"]), (1, &Value::Null));
}

#[tokio::test]
async fn activity_outside_of_the_working_hours_and_a_spray_stand_out() {
    let app = app().await;
    working(&app, false).await;
    app.client(Persona::Viewer).get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    let tenant = &app.a().tenant;
    app.sql(&format!(
        "insert into audit_entries (tenant_id, id, action, resource, resource_id, fields, request_id)
         select '{tenant}', {ID}, 'session.sign_in_failed', 'user', gen_random_uuid()::text, '{{}}', gen_random_uuid()
         from generate_series(1, {})",
        limits::SPRAY_ACCOUNTS_MIN
    ))
    .await;
    prepare(&app).await;
    let found = review(&app.client(Persona::TenantAdmin)).await;
    let findings = found["findings"].as_array().unwrap();
    let spray = findings.iter().find(|f| f["kind"] == "sign_in_spray").unwrap();
    assert_eq!((&spray["events"], &spray["subject"]), (&json!(limits::SPRAY_ACCOUNTS_MIN), &Value::Null));
    let viewer = id_of(&app, Persona::Viewer).await;
    assert!(findings.iter().any(|f| f["kind"] == "off_hours" && f["subject"]["id"] == json!(viewer)), "{found}");
}

#[tokio::test]
async fn signing_needs_the_role_a_second_factor_and_a_judgement_of_each_finding() {
    let app = app().await;
    working(&app, true).await;
    read_documents(&app, Persona::Viewer, limits::BULK_DOCUMENTS_HOUR_MAX + 1).await;
    prepare(&app).await;
    let auditor = app.client(Persona::Auditor);
    let found = review(&auditor).await;
    assert_eq!(kinds(&found), ["bulk_read", "unusual_volume"]);
    sign(&app.member(), all_explained(&found)).await.problem(403, "access.denied");
    give_roles(&app, Persona::Reviewer, "auditor").await;
    forget_proof(&app, Persona::Reviewer).await;
    sign(&app.client(Persona::Reviewer), all_explained(&found)).await.problem(403, "step_up.required");
    let refused = sign(
        &auditor,
        json!([{ "finding": 1, "verdict": "explained", "note": "  " }, { "finding": 9, "verdict": "explained", "note": "x" }]),
    )
    .await;
    let faults = refused.problem(422, "review.judgements")["errors"].clone();
    let pointers: Vec<&str> = faults.as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/judgements/1", "/judgements/2", "/judgements/9"]);
    let judgements = json!([
        { "finding": 1, "verdict": "follow_up", "note": "Asked for the reason of this reading." },
        { "finding": 2, "verdict": "explained", "note": "The same reading." },
    ]);
    let signed = sign(&auditor, judgements.clone()).await.expect(200).json();
    let signature = &signed["signature"];
    assert_eq!(
        (&signature["signer"], &signature["intact"], &signature["sole_reviewer"]),
        (&json!(id_of(&app, Persona::Auditor).await), &json!(true), &json!(false))
    );
    assert!(signature["name"].as_str().is_some_and(|n| !n.is_empty()) && signature["meaning"].as_str().unwrap().contains("reviewed"));
    assert_eq!(signed["findings"][0]["verdict"], "follow_up");
    sign(&auditor, judgements).await.problem(409, "review.signed");
    let entry = &auditor.get("/api/v1/audit/entries?action=review.signed").await.expect(200).items()[0];
    assert_eq!(entry["objects"], json!([this_week().to_string(), signature["record_hash"]]), "the chain vouches for the record");
    let listed = auditor.get("/api/v1/audit/reviews").await.expect(200).items();
    assert_eq!((&listed[0]["follow_ups"], &listed[0]["signer"]), (&json!(1), &signature["name"]));
}

#[tokio::test]
async fn a_signed_review_does_not_change_and_a_change_behind_the_platform_shows() {
    let app = app().await;
    working(&app, true).await;
    read_documents(&app, Persona::Viewer, limits::BULK_DOCUMENTS_HOUR_MAX + 1).await;
    prepare(&app).await;
    let auditor = app.client(Persona::Auditor);
    sign(&auditor, all_explained(&review(&auditor).await)).await.expect(200);
    let tenant = &app.a().tenant;
    for change in [
        "update review_findings set note = 'Nothing to see.'",
        "update activity_reviews set signer_name = 'Somebody else'",
        "update activity_reviews set entries = 0",
        "update activity_reviews set signed_by = null, signer_name = null, signed_at = null, meaning = null, record_hash = null",
    ] {
        // Fails unless the database refuses it for this reason, whoever asks.
        app.sql(&format!(
            "do $$ begin {change} where tenant_id = '{tenant}'; raise exception 'it changed';
             exception when others then if sqlerrm <> 'a signed review does not change' then raise; end if; end $$"
        ))
        .await;
    }
    assert_eq!(review(&auditor).await["signature"]["intact"], true);
    behind_the_triggers(&app, &format!("update review_findings set note = 'Nothing to see.' where tenant_id = '{tenant}' and n = 1")).await;
    assert_eq!(review(&auditor).await["signature"]["intact"], false);
    let page = auditor.get(&format!("/settings/reviews/{}", this_week())).await.expect(200).text();
    assert!(page.contains("no longer the one that was signed"));
}

#[tokio::test]
async fn nobody_signs_a_week_about_themselves_while_somebody_else_could() {
    let app = app().await;
    working(&app, true).await;
    read_documents(&app, Persona::Auditor, limits::BULK_DOCUMENTS_HOUR_MAX + 1).await;
    prepare(&app).await;
    let auditor = app.client(Persona::Auditor);
    let judgements = all_explained(&review(&auditor).await);
    sign(&auditor, judgements.clone()).await.problem(403, "review.own");
    give_roles(&app, Persona::TenantAdmin, "member").await;
    let signed = sign(&auditor, judgements).await.expect(200).json();
    assert_eq!((&signed["signature"]["sole_reviewer"], &signed["signature"]["intact"]), (&json!(true), &json!(true)));
    let page = auditor.get(&format!("/settings/reviews/{}", this_week())).await.expect(200).text();
    assert!(page.contains("The signer is a subject of this review"));
}

#[tokio::test]
async fn a_review_that_waits_for_a_week_is_overdue_for_those_who_can_sign() {
    let app = app().await;
    prepare(&app).await;
    let auditor = app.client(Persona::Auditor);
    for (days, overdue) in [(6, false), (8, true)] {
        behind_the_triggers(
            &app,
            &format!("update activity_reviews set starts_at = now() - interval '30 days', ends_at = now() - interval '{days} days'"),
        )
        .await;
        assert_eq!(review(&auditor).await["overdue"], json!(overdue), "{days} days");
        for path in ["/", "/settings/audit", "/settings/reviews"] {
            assert_eq!(
                auditor.get(path).await.expect(200).text().contains("1 weekly review overdue."),
                overdue,
                "{path} after {days} days"
            );
        }
        assert!(!app.member().get("/").await.expect(200).text().contains("overdue"));
    }
}

#[tokio::test]
async fn reviews_are_for_auditors_and_administrators_of_the_same_organisation() {
    let app = app().await;
    prepare(&app).await;
    let paths = ["/api/v1/audit/reviews".to_owned(), format!("/api/v1/audit/reviews/{}", this_week()), "/settings/reviews".to_owned()];
    for path in &paths {
        for persona in [Persona::Viewer, Persona::Member, Persona::ExpertAuthor, Persona::Reviewer] {
            assert_eq!(app.client(persona).get(path).await.status, 403, "{} at {path}", persona.name());
        }
    }
    app.client(Persona::Auditor).get("/api/v1/audit/reviews/2020-W01").await.problem(404, "review.unknown");
    app.client(Persona::Auditor).get("/api/v1/audit/reviews/2020-W99").await.problem(404, "id.unknown");
    behind_the_triggers(&app, &format!("delete from activity_reviews where tenant_id = '{}'", app.b().tenant)).await;
    give_roles(&app, Persona::OtherMember, "tenant_admin").await;
    app.client(Persona::OtherMember).get(&paths[1]).await.problem(404, "review.unknown");
    sign(&app.client(Persona::OtherMember), json!([])).await.problem(404, "review.unknown");
}

#[tokio::test]
async fn working_hours_are_checked_field_by_field_and_recorded() {
    let app = app().await;
    let (admin, auditor) = (app.client(Persona::TenantAdmin), app.client(Persona::Auditor));
    let put = async |client: &Client, hours: Value| client.request("PUT", "/api/v1/audit/working-hours").json(&hours).send().await;
    let hours =
        |zone: &str, from: i32, to: i32, days: &[i32]| json!({ "time_zone": zone, "from_hour": from, "to_hour": to, "weekdays": days });
    assert_eq!(auditor.get("/api/v1/audit/working-hours").await.expect(200).json(), hours("UTC", 7, 19, &[1, 2, 3, 4, 5]));
    for (bad, pointer) in [
        (hours("Mars/Olympus", 7, 19, &[1]), "/time_zone"),
        (hours("UTC", 24, 25, &[1]), "/from_hour"),
        (hours("UTC", 9, 9, &[1]), "/to_hour"),
        (hours("UTC", 7, 19, &[]), "/weekdays"),
        (hours("UTC", 7, 19, &[0, 8]), "/weekdays"),
    ] {
        assert_eq!(put(&admin, bad).await.problem(422, "working_hours.invalid")["errors"][0]["pointer"], pointer);
    }
    put(&auditor, hours("UTC", 7, 19, &[1])).await.problem(403, "access.denied");
    let set = put(&admin, hours("Europe/Berlin", 8, 18, &[5, 1, 1])).await.expect(204);
    assert_eq!(auditor.get("/api/v1/audit/working-hours").await.expect(200).json(), hours("Europe/Berlin", 8, 18, &[1, 5]));
    let left = auditor.get(&format!("/api/v1/audit/entries?request={}", set.header("x-request-id").unwrap())).await.expect(200).items();
    assert_eq!((&left[0]["action"], &left[0]["fields"]), (&json!("tenant.policy_changed"), &json!(["working_hours"])));
}
