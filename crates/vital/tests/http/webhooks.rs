//! Webhooks: what is sent, how it is signed, what is tried again, and what never reaches whom.

use crate::{app, app_with, ended, members::forget_proof, uploaded};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vital_kernel::now;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, QUESTION_A, TestApp, until},
    provider::{Script, ScriptedProvider, Usage},
    webhook_receiver::{Answer, Received, ScriptedReceiver},
};

/// Verifies as the specification says, with its own reading of it and not the product's.
fn is_signed(message: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{}", message.header("webhook-id"), message.header("webhook-timestamp"), message.body);
    let right = STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes()));
    message.header("webhook-signature").split(' ').any(|one| one == format!("v1,{right}"))
}

/// Sets a webhook up for these types and returns its id and secret.
async fn hook(admin: &Client, url: &str, events: &[&str]) -> (String, String) {
    let made = admin.post("/api/v1/webhooks", &json!({ "name": "Receiver", "url": url, "events": events })).await.expect(201).json();
    (made["webhook"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

async fn deliveries(admin: &Client, id: &str) -> Vec<Value> {
    admin.get(&format!("/api/v1/webhooks/{id}/deliveries")).await.expect(200).json()["items"].as_array().unwrap().clone()
}

async fn webhook(admin: &Client, id: &str) -> Value {
    admin.get(&format!("/api/v1/webhooks/{id}")).await.expect(200).json()
}

/// Waits until the newest delivery has so many attempts.
async fn attempted(admin: &Client, id: &str, attempts: usize) -> Value {
    until("the attempt in the log", || async {
        let newest = deliveries(admin, id).await.into_iter().next()?;
        (newest["attempts"].as_array().unwrap().len() >= attempts).then_some(newest)
    })
    .await
}

/// Makes what is due at a time, as if the clock stood there.
async fn deliver_at(app: &TestApp, at: OffsetDateTime) -> usize {
    app.on_platform(move |p| async move { vital_platform::webhooks::deliver_due(&p, at).await.unwrap() }).await
}

/// When a delivery is tried again.
fn next_at(delivery: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(delivery["next_at"].as_str().unwrap(), &Rfc3339).unwrap()
}

/// After everything that a test lets happen.
fn far() -> OffsetDateTime {
    now() + time::Duration::days(300)
}

/// Puts messages of type `document.ready` before a webhook, due at a time, as so many changes would.
async fn waiting(app: &TestApp, id: &str, messages: u32, due: OffsetDateTime) {
    let (tenant, due) = (&app.a().tenant, due.format(&Rfc3339).unwrap());
    app.sql(&format!(
        "with made as (insert into webhook_messages (tenant_id, id, event, body, created_at)
                       select '{tenant}', gen_random_uuid(), 'document.ready', '{{}}', now() from generate_series(1, {messages}) returning id),
              put as (insert into webhook_deliveries (tenant_id, id, webhook_id, message_id, next_at, created_at)
                      select '{tenant}', gen_random_uuid(), '{id}', id, '{due}', now() from made returning id)
         insert into directory.webhook_queue (delivery, tenant, webhook, due_at) select id, '{tenant}', '{id}', '{due}' from put"
    ))
    .await;
}

/// When the next delivery to a webhook is due.
async fn due(app: &TestApp, id: &str) -> Option<OffsetDateTime> {
    let due = app.sql_text(&format!("select to_char(min(due_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from directory.webhook_queue where webhook = '{id}'")).await?;
    Some(OffsetDateTime::parse(&due, &Rfc3339).unwrap())
}

#[tokio::test]
async fn a_finished_answer_is_told_signed_and_without_its_content() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, secret) = hook(&admin, receiver.url(), &["turn.finished"]).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    let message = receiver.until(1).await.remove(0);
    assert!(is_signed(&message, &secret), "{message:?}");
    assert!(
        !is_signed(&Received { body: message.body.replace("answered", "stopped"), ..message.clone() }, &secret),
        "a changed body is not"
    );
    let told: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(told["type"], "turn.finished");
    assert_eq!(told["data"], json!({ "turn_id": turn["id"], "conversation_id": conversation, "state": "answered" }));
    assert_eq!((message.header("content-type"), message.path.as_str()), ("application/json", "/hook"));
    assert!(!message.body.contains("shelf life"), "ids and states alone");
    let delivery = attempted(&admin, &id, 1).await;
    assert_eq!((&delivery["state"], &delivery["attempts"][0]["status"]), (&json!("delivered"), &json!(204)));
    assert_eq!(delivery["message_id"], message.header("webhook-id"));
    assert!(webhook(&admin, &id).await["last_success_at"].is_string());
}

#[tokio::test]
async fn a_budget_that_crosses_its_threshold_is_told_once_and_without_figures() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider
        .reply_with(|_| Script::answer("The shelf life is 36 months. [1]").usage(Usage { input: 2_000, output: 20, ..Usage::default() }));
    let (receiver, app) = (ScriptedReceiver::start().await, app_with(&provider, Timeouts::default()).await);
    let admin = app.client(Persona::TenantAdmin);
    let budget = json!({ "scope": "organisation", "period": "month", "limit_tokens": 100_000, "soft_percent": 1 });
    admin.request("PUT", "/api/v1/budgets").json(&budget).send().await.expect(200);
    hook(&admin, receiver.url(), &["budget.threshold"]).await;
    let member = app.member();
    for _ in 0..2 {
        let conversation = member.open().await;
        ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    }
    let told: Value = serde_json::from_str(&receiver.until(1).await.remove(0).body).unwrap();
    let data = &told["data"];
    assert_eq!((&told["type"], &data["scope"], &data["period"]), (&json!("budget.threshold"), &json!("organisation"), &json!("month")));
    assert!(data["began"].as_str().unwrap().ends_with("-01") && data["member_id"].is_null() && data["expert_id"].is_null(), "{data}");
    assert_eq!(app.sql_text("select count(*) from webhook_messages where event = 'budget.threshold'").await.unwrap(), "1");
}

#[tokio::test]
async fn a_message_is_tried_again_under_the_same_id_and_with_the_same_body_until_it_is_taken() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, secret) = hook(&admin, receiver.url(), &[]).await;
    receiver.answer(|_| Answer::status(500));
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
    let mut delivery = attempted(&admin, &id, 1).await;
    for made in 2..=4 {
        deliver_at(&app, next_at(&delivery)).await;
        delivery = attempted(&admin, &id, made).await;
    }
    assert_eq!((delivery["state"].as_str(), delivery["attempts"][0]["status"].as_u64()), (Some("pending"), Some(500)));
    receiver.answer(|_| Answer::status(200));
    deliver_at(&app, next_at(&delivery)).await;
    let all = receiver.until(5).await;
    assert_eq!(all.iter().map(|m| m.header("webhook-id")).collect::<HashSet<_>>().len(), 1, "one id");
    assert_eq!(all.iter().map(|m| &m.body).collect::<HashSet<_>>().len(), 1, "one body");
    assert_eq!(all.iter().map(|m| m.header("webhook-timestamp")).collect::<HashSet<_>>().len(), 5, "each attempt has its own time");
    assert!(all.iter().all(|m| is_signed(m, &secret)));
    assert_eq!(deliveries(&admin, &id).await[0]["state"], "delivered");
    assert_eq!(deliver_at(&app, far()).await, 0, "what was taken is never sent again by itself");
}

#[tokio::test]
async fn a_receiver_that_answers_500_for_a_week_is_switched_off_and_loses_nothing() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, _) = hook(&admin, receiver.url(), &["document.ready"]).await;
    receiver.answer(|_| Answer::status(500));
    let begun = now();
    for day in 0..8 {
        waiting(&app, &id, 1, begun + time::Duration::days(day) + time::Duration::minutes(1)).await;
    }
    let mut at = begun;
    while webhook(&admin, &id).await["enabled"] == true {
        at = due(&app, &id).await.expect("more is due while it is on");
        deliver_at(&app, at).await;
    }
    let off = webhook(&admin, &id).await;
    let days = (at - begun).whole_days();
    assert!((5..6).contains(&days), "{days} days");
    assert_eq!((&off["off_because"], due(&app, &id).await), (&json!("failing"), None));
    let sent = receiver.received().len();
    assert_eq!(deliver_at(&app, far()).await, 0, "nothing is sent while it is off");
    let mail = until("the mail", || async { app.mails().into_iter().find(|m| m.contains("webhook")) }).await;
    assert!(mail.contains(&Persona::TenantAdmin.email()) && mail.contains("switched off"), "{mail}");
    assert!(off["waiting"].as_i64().unwrap() >= 5, "{off}");
    // Nothing is lost: what waited goes out when it is on again, and what was given up when somebody asks for it.
    receiver.answer(|_| Answer::status(204));
    admin.request("PATCH", &format!("/api/v1/webhooks/{id}")).json(&json!({ "enabled": true })).send().await.expect(200);
    until("what waited", || async { (webhook(&admin, &id).await["waiting"] == 0).then_some(()) }).await;
    let given_up =
        admin.get(&format!("/api/v1/webhooks/{id}/deliveries?state=given_up")).await.expect(200).json()["items"].as_array().unwrap().len();
    assert!(given_up >= 1, "the first message had its ten attempts");
    let again = admin.post(&format!("/api/v1/webhooks/{id}/recover"), &json!({ "since": "2020-01-01T00:00:00Z" })).await.expect(202).json();
    assert_eq!(again["messages"], given_up);
    until("what was given up", || async { deliveries(&admin, &id).await.iter().all(|d| d["state"] == "delivered").then_some(()) }).await;
    let ids: HashSet<String> = receiver.received()[sent..].iter().map(|m| m.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 8, "every message arrived in the end");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off_at_once() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    receiver.answer(|_| Answer::status(410));
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
    until("that it is off", || async { (webhook(&admin, &id).await["off_because"] == "gone").then_some(()) }).await;
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.problem(409, "webhook.off");
    assert_eq!(app.sql_text("select count(*) from audit_entries where action = 'webhook.switched_off'").await.unwrap(), "1");
}

#[tokio::test]
async fn a_wait_that_the_receiver_asks_for_is_kept_within_bounds() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    for (asked, hours) in [("7200", 2), ("99999999", 24)] {
        receiver.answer(move |_| Answer::Status(429, vec![("retry-after", asked.to_owned())]));
        admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
        until("the attempt with its wait", || async {
            let wait = next_at(&attempted(&admin, &id, 1).await) - now();
            ((wait.whole_minutes() - hours * 60).abs() <= 1).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn one_that_never_answers_delays_no_other_and_its_attempt_ends() {
    let (mute, dripping, other, app) =
        (ScriptedReceiver::start().await, ScriptedReceiver::start().await, ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    mute.answer(|_| Answer::Never);
    dripping.answer(|_| Answer::Drip(Duration::from_millis(200)));
    let (slow, _) = hook(&admin, mute.url(), &["document.ready"]).await;
    let (dripped, _) = hook(&admin, dripping.url(), &["document.ready"]).await;
    let (quick, _) = hook(&admin, other.url(), &[]).await;
    waiting(&app, &slow, 40, now()).await;
    waiting(&app, &dripped, 1, now()).await;
    mute.until(4).await;
    dripping.until(1).await;
    let begun = std::time::Instant::now();
    admin.act(&format!("/api/v1/webhooks/{quick}/test")).await.expect(202);
    other.until(1).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(mute.received().len(), 4, "no more at once than it may have");
    let ended = attempted(&admin, &dripped, 1).await;
    assert_eq!((&ended["attempts"][0]["outcome"], &ended["attempts"][0]["status"]), (&json!("too_slow"), &Value::Null));
    assert!(ended["attempts"][0]["took_ms"].as_u64().unwrap() >= 14_000, "{ended}");
}

#[tokio::test]
async fn ten_thousand_that_wait_for_one_take_no_place_from_another() {
    let (behind, same, other, app) =
        (ScriptedReceiver::start().await, ScriptedReceiver::start().await, ScriptedReceiver::start().await, app().await);
    let (admin, other_admin) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherAdmin));
    let (far_behind, _) = hook(&admin, behind.url(), &["document.ready"]).await;
    let ((mine, _), (theirs, _)) = (hook(&admin, same.url(), &["member.added"]).await, hook(&other_admin, other.url(), &[]).await);
    waiting(&app, &far_behind, 10_000, now() - time::Duration::hours(1)).await;
    behind.until(10).await;
    admin.act(&format!("/api/v1/webhooks/{mine}/test")).await.expect(202);
    other_admin.act(&format!("/api/v1/webhooks/{theirs}/test")).await.expect(202);
    same.until(1).await;
    other.until(1).await;
    assert!(behind.received().len() < 5_000, "{} of the others came first", behind.received().len());
}

#[tokio::test]
async fn what_was_sent_and_not_recorded_is_sent_again_under_the_same_id() {
    let (receiver, mut app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    receiver.answer(|_| Answer::Never);
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
    receiver.until(1).await;
    receiver.answer(|_| Answer::status(204));
    app.restart().await;
    let both = receiver.until(2).await;
    assert_eq!((both[0].header("webhook-id"), &both[0].body), (both[1].header("webhook-id"), &both[1].body));
    let admin = app.client(Persona::TenantAdmin);
    until("the record", || async { (deliveries(&admin, &id).await[0]["state"] == "delivered").then_some(()) }).await;
    assert_eq!(app.sql_text("select count(*) from directory.webhook_queue").await.unwrap(), "0");
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_and_then_the_new_one_alone() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, old) = hook(&admin, receiver.url(), &[]).await;
    let rotated = admin.act(&format!("/api/v1/webhooks/{id}/secret")).await.expect(200).json();
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert!(rotated["webhook"]["previous_secret_until"].is_string() && new != old);
    receiver.answer(|_| Answer::status(500));
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
    attempted(&admin, &id, 1).await;
    let first = receiver.received().remove(0);
    assert!(is_signed(&first, &new) && is_signed(&first, &old), "both within the day");
    deliver_at(&app, now() + time::Duration::hours(25)).await;
    let later = receiver.until(2).await.remove(1);
    assert!(is_signed(&later, &new) && !is_signed(&later, &old), "the new one alone after it");
    assert_eq!(later.header("webhook-signature").split(' ').count(), 1);
    for path in [format!("/api/v1/webhooks/{id}"), "/api/v1/webhooks".to_owned(), format!("/api/v1/webhooks/{id}/deliveries")] {
        let seen = admin.get(&path).await.expect(200).everything();
        assert!(!seen.contains(&new) && !seen.contains(&old) && !seen.contains("whsec_"), "{path}");
    }
    let stored = app.sql_text("select string_agg(get_byte(secret, 0)::text || get_byte(previous_secret, 0)::text || get_byte(url, 0)::text, '') from webhooks").await;
    assert_eq!(stored.as_deref(), Some("222"), "sealed");
}

#[tokio::test]
async fn addresses_that_lead_inside_are_refused_and_so_is_what_cannot_be_read() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    for url in [
        "https://10.0.0.1/hook",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00:ec2::254]/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://intranet/",
        "https://hooks.example:8443/",
        "https://user:password@hooks.example/",
        "http://hooks.example/",
        "ftp://hooks.example/",
        "hooks.example",
        "",
    ] {
        let problem = admin.post("/api/v1/webhooks", &json!({ "name": "Inside", "url": url })).await.problem(422, "webhook.invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}: {problem}");
    }
    let problem = admin
        .post(
            "/api/v1/webhooks",
            &json!({ "name": "\n", "url": "https://hooks.example/", "events": ["turn.finished", "no.such", "webhook.test"] }),
        )
        .await
        .problem(422, "webhook.invalid");
    let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/events/1", "/events/2"]);
    for _ in 0..20 {
        admin.post("/api/v1/webhooks", &json!({ "name": "One", "url": "https://hooks.example/" })).await.expect(201);
    }
    admin.post("/api/v1/webhooks", &json!({ "name": "One more", "url": "https://hooks.example/" })).await.problem(409, "webhook.too_many");
}

#[tokio::test]
async fn where_messages_go_asks_for_a_second_factor() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    forget_proof(&app, Persona::TenantAdmin).await;
    admin.post("/api/v1/webhooks", &json!({ "name": "Late", "url": "https://hooks.example/" })).await.problem(403, "step_up.required");
}

#[tokio::test]
async fn one_organisation_is_never_told_of_another_and_sees_none_of_its_webhooks() {
    let (ours, theirs, app) = (ScriptedReceiver::start().await, ScriptedReceiver::start().await, app().await);
    let (admin, other_admin) = (app.client(Persona::TenantAdmin), app.client(Persona::OtherAdmin));
    let ((id, _), (their_id, _)) = (hook(&admin, ours.url(), &[]).await, hook(&other_admin, theirs.url(), &[]).await);
    let document = uploaded(&app.member(), "told.md", "# Told\n\nSomething to be told of.\n").await["id"].as_str().unwrap().to_owned();
    let told = ours.until(1).await.remove(0);
    assert!(told.body.contains("document.ready") && told.body.contains(&document));
    other_admin.act(&format!("/api/v1/webhooks/{their_id}/test")).await.expect(202);
    assert!(theirs.until(1).await[0].body.contains("webhook.test"));
    assert_eq!(theirs.received().len(), 1, "nothing of the other organisation came before it");
    let delivery = attempted(&admin, &id, 1).await["id"].as_str().unwrap().to_owned();
    other_admin.get(&format!("/api/v1/webhooks/{id}")).await.problem(404, "webhook.unknown");
    other_admin.get(&format!("/api/v1/webhooks/{id}/deliveries")).await.problem(404, "webhook.unknown");
    other_admin.act(&format!("/api/v1/webhook-deliveries/{delivery}/resend")).await.problem(404, "webhook.delivery_unknown");
    other_admin.act(&format!("/api/v1/webhooks/{id}/test")).await.problem(404, "webhook.unknown");
    let auditor = app.client(Persona::Auditor).get("/api/v1/webhooks").await.expect(200).json();
    assert!(
        ours.url().starts_with(auditor["items"][0]["url"].as_str().unwrap())
            && !auditor["items"][0]["url"].as_str().unwrap().contains("hook"),
        "{auditor}"
    );
}

#[tokio::test]
async fn a_webhook_that_is_removed_takes_along_what_waits_for_it_and_so_does_an_organisation() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let count = |table: &'static str| {
        let app = &app;
        async move { app.sql_text(&format!("select count(*) from {table}")).await.unwrap() }
    };
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    waiting(&app, &id, 3, far()).await;
    admin.delete(&format!("/api/v1/webhooks/{id}")).await.expect(204);
    assert_eq!((count("webhook_deliveries").await, count("directory.webhook_queue").await), ("0".to_owned(), "0".to_owned()));
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    waiting(&app, &id, 3, far()).await;
    let tenant: vital_kernel::TenantId = app.a().tenant.parse().unwrap();
    app.on_platform(move |p| async move { vital_platform::tenancy::erase_tenant(&p, tenant, "operator").await }).await.unwrap();
    for table in ["webhooks", "webhook_messages", "webhook_deliveries", "webhook_attempts", "directory.webhook_queue"] {
        assert_eq!(count(table).await, "0", "{table}");
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn the_log_is_kept_for_thirty_days_and_a_message_can_be_sent_again_meanwhile() {
    let (receiver, app) = (ScriptedReceiver::start().await, app().await);
    let admin = app.client(Persona::TenantAdmin);
    let (id, _) = hook(&admin, receiver.url(), &[]).await;
    admin.act(&format!("/api/v1/webhooks/{id}/test")).await.expect(202);
    let delivery = attempted(&admin, &id, 1).await;
    admin.act(&format!("/api/v1/webhook-deliveries/{}/resend", delivery["id"].as_str().unwrap())).await.expect(202);
    let both = receiver.until(2).await;
    assert_eq!(both[0].header("webhook-id"), both[1].header("webhook-id"));
    let prune = |days| {
        let app = &app;
        async move {
            app.on_platform(move |p| async move { vital_platform::webhooks::prune(&p, now() + time::Duration::days(days)).await.unwrap() })
                .await;
        }
    };
    attempted(&admin, &id, 2).await;
    prune(29).await;
    assert_eq!(deliveries(&admin, &id).await.len(), 1);
    waiting(&app, &id, 1, far()).await;
    prune(31).await;
    assert!(deliveries(&admin, &id).await.is_empty());
    deliver_at(&app, far()).await;
    assert_eq!(app.sql_text("select count(*) from directory.webhook_queue").await.unwrap(), "0", "what is gone leaves the queue");
    assert_eq!(receiver.received().len(), 2);
}
