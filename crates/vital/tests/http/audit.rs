//! The trail: who reads content leaves an entry, auditors find it, everybody finds their own, and nobody else finds anything.

use crate::{
    app, app_with,
    ask::SAID,
    contract, ended,
    members::{forget_proof, give_roles, id_of},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vital_kernel::TenantId;
use vital_llm::Timeouts;
use vital_platform::{
    audit::trail::{self, Format, Which},
    identity::break_glass,
};
use vital_testkit::{
    app::{CANARY_A, Client, PASSWORD, Persona, QUESTION_A, Reply, TestApp, until},
    provider::{Gate, Script, ScriptedProvider},
};
use vital_trail::LogId;

/// What a page or operation shows of content, and what it leaves behind.
const READING: [(&str, &str); 9] = [
    ("/api/v1/documents/{id}/text", "document.read"),
    ("/library/documents/{id}", "document.read"),
    ("/api/v1/conversations/{id}", "conversation.read"),
    ("/conversations/{id}", "conversation.read"),
    ("/api/v1/turns/{id}", "turn.read"),
    ("/api/v1/turns/{id}/events", "turn.read"),
    ("/api/v1/search", "search.performed"),
    ("/search", "search.performed"),
    ("/library/documents/{id}?pane=true", "document.read"),
];

/// What leaves more than one entry, newest first.
const READING_TWICE: [(&str, [&str; 2]); 4] = [
    ("/api/v1/turns/{id}/replay", ["evidence.retrieved", "turn.replayed"]),
    ("/turns/{id}/replay", ["evidence.retrieved", "turn.replayed"]),
    ("/api/v1/find", ["search.performed", "search.performed"]),
    ("/find", ["search.performed", "search.performed"]),
];

/// A sentence of the document of organisation A, which only its text, passages and answers hold.
const SENTENCE: &str = "shelf life of aldebaran granules is 36 months";

fn path(app: &TestApp, template: &str) -> String {
    let a = app.a();
    let id = match template {
        t if t.contains("/documents/") => &a.document,
        t if t.contains("/conversations/") => &a.conversation,
        _ => &a.turn,
    };
    let path = template.replace("{id}", id).replace("{slug}", "clinical-pharmacology").replace("{week}", "2026-W01");
    if template.ends_with("/search") || template.ends_with("/find") { format!("{path}?q={CANARY_A}+granules") } else { path }
}

async fn entries(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/api/v1/audit/entries?{query}")).await.expect(200).items().as_array().unwrap().clone()
}

/// What a request left behind, newest first.
async fn left_by(app: &TestApp, reply: &Reply) -> Vec<Value> {
    entries(&app.client(Persona::Auditor), &format!("request={}", reply.header("x-request-id").unwrap())).await
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|e| e["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_reading_of_content_leaves_one_entry_that_names_reader_and_object() {
    let app = app().await;
    let member = id_of(&app, Persona::Member).await;
    for (template, action) in READING {
        let path = path(&app, template);
        let left = left_by(&app, &app.member().get(&path).await.expect(200)).await;
        assert_eq!(actions(&left), [action], "{template}");
        assert_eq!(left[0]["actor"]["id"], json!(member), "{template}");
        let object = if action == "search.performed" { &app.a().document } else { path.split(['/', '?']).find(|p| p.len() == 36).unwrap() };
        assert!(left[0]["objects"].as_array().unwrap().contains(&json!(object)), "{template}: {left:?}");
        assert!(!left[0].to_string().contains("granules"), "ids and names of fields, never values: {left:?}");
    }
}

#[tokio::test]
async fn what_searches_on_the_way_leaves_an_entry_for_each_reading() {
    let app = app().await;
    for (template, wanted) in READING_TWICE {
        let left = left_by(&app, &app.member().get(&path(&app, template)).await.expect(200)).await;
        assert_eq!(actions(&left), wanted, "{template}");
        assert!(left.iter().all(|entry| !entry.to_string().contains("granules")), "ids and names of fields, never values: {left:?}");
    }
}

/// Whatever route is added: if it shows a sentence of the document, it has to stand in the list above, and what does not show any is not recorded.
#[tokio::test]
async fn content_is_shown_by_the_recorded_routes_and_by_no_other() {
    let app = app().await;
    let mut operations = contract::described();
    operations.extend(contract::routed());
    let mut shown = BTreeSet::new();
    for (method, template) in operations {
        if method != "GET" || template.starts_with("/assets/") || template.starts_with("/api/docs") {
            continue;
        }
        let reply = app.member().get(&path(&app, &template)).await;
        let text = reply.text().split_whitespace().collect::<Vec<_>>().join(" ").replace("<mark>", "").replace("</mark>", "");
        let recorded = !left_by(&app, &reply).await.is_empty();
        let listed =
            READING.iter().any(|(reading, _)| *reading == template) || READING_TWICE.iter().any(|(reading, _)| *reading == template);
        assert_eq!(recorded, listed, "{template}");
        if text.contains(SENTENCE) {
            assert!(recorded, "{template} shows content and leaves no entry");
            shown.insert(template);
        }
    }
    assert!(shown.len() >= 6, "the walk reads content: {shown:?}");
}

#[tokio::test]
async fn what_was_not_found_was_not_read() {
    let app = app().await;
    let nothing = uuid::Uuid::new_v4();
    for template in ["/api/v1/documents/{id}/text", "/api/v1/conversations/{id}", "/api/v1/turns/{id}", "/api/v1/turns/{id}/events"] {
        let reply = app.member().get(&template.replace("{id}", &nothing.to_string())).await.expect(404);
        assert_eq!(actions(&left_by(&app, &reply).await), [""; 0], "{template}");
    }
}

#[tokio::test]
async fn an_answer_leaves_what_was_read_for_it_and_what_it_cites() {
    let app = app().await;
    let member = app.member();
    let turn = member.ask(&member.open().await, QUESTION_A).await;
    ended(&member, &turn).await;
    let auditor = app.client(Persona::Auditor);
    let asked = entries(&auditor, &format!("object={turn}&action=turn.asked")).await;
    let left = entries(&auditor, &format!("request={}", asked[0]["request_id"].as_str().unwrap())).await;
    let mut names = actions(&left);
    names.sort_unstable();
    assert_eq!(names, ["evidence.cited", "evidence.retrieved", "turn.asked", "turn.finished"]);
    for action in ["evidence.cited", "evidence.retrieved"] {
        let entry = left.iter().find(|e| e["action"] == action).unwrap();
        assert!(entry["objects"].as_array().unwrap().contains(&json!(app.a().document)), "{entry}");
    }
    let refused = member.ask(&member.open().await, "What dose of warfarin should I give my mother?").await;
    ended(&member, &refused).await;
    assert_eq!(entries(&auditor, &format!("object={refused}&action=turn.refused")).await.len(), 1);
}

/// Looking again and again at an answer that is being written is one reading.
#[tokio::test]
async fn polling_an_unfinished_answer_leaves_one_entry() {
    let gate = Gate::new();
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::new().wait(&gate).text(SAID));
    let app = app_with(&provider, Timeouts::default()).await;
    let (member, auditor) = (app.member(), app.client(Persona::Auditor));
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    for _ in 0..5 {
        assert_eq!(member.turn(&turn).await["state"], "running");
        member.get(&format!("/conversations/{conversation}")).await.expect(200);
    }
    let reads = async |object: &str, action: &str| entries(&auditor, &format!("object={object}&action={action}")).await.len();
    assert_eq!((reads(&turn, "turn.read").await, reads(&conversation, "conversation.read").await), (1, 1));
    gate.open();
    ended(&member, &turn).await;
    let before = reads(&turn, "turn.read").await;
    member.turn(&turn).await;
    member.turn(&turn).await;
    assert_eq!(reads(&turn, "turn.read").await, before + 2, "each reading of a finished answer counts");
}

#[tokio::test]
async fn the_explorer_filters_and_goes_on_where_it_stopped() {
    let app = app().await;
    let (auditor, viewer, a) = (app.client(Persona::Auditor), app.client(Persona::Viewer), app.a());
    for _ in 0..3 {
        viewer.get(&format!("/api/v1/documents/{}/text", a.document)).await.expect(200);
    }
    viewer.get(&format!("/api/v1/search?q={CANARY_A}")).await.expect(200);
    let id = id_of(&app, Persona::Viewer).await;
    for who in [id.as_str(), "viewer", "VIEWER%40a.example"] {
        let found = entries(&auditor, &format!("who={who}&action=reading")).await;
        assert_eq!(actions(&found), ["search.performed", "document.read", "document.read", "document.read"], "{who}");
        assert_eq!((&found[0]["actor"]["id"], &found[0]["says"]), (&json!(id), &json!("searched, and was shown passages of documents")));
    }
    assert_eq!(entries(&auditor, "who=nobody%20at%20all").await.len(), 0);
    assert_eq!(entries(&auditor, &format!("who={id}&action=document.read&resource=document&object={}", a.document)).await.len(), 3);
    assert_eq!(entries(&auditor, &format!("who={id}&since=2020-01-01&until=2020-12-31")).await.len(), 0);
    let today = vital_kernel::now().date();
    assert_eq!(entries(&auditor, &format!("who={id}&action=reading&since={today}&until={today}")).await.len(), 4, "all of the day");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = auditor.get(&format!("/api/v1/audit/entries?who={id}&action=reading&limit=3{cursor}")).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(actions(&seen), ["search.performed", "document.read", "document.read", "document.read"]);
    let one = auditor.get(&format!("/api/v1/audit/entries/{}", seen[0]["id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(one["id"], seen[0]["id"]);
    for (query, pointer) in
        [("action=everything", "/action"), ("since=yesterday", "/since"), ("until=1066-10-14", "/until"), ("request=7", "/request")]
    {
        let problem = auditor.get(&format!("/api/v1/audit/entries?{query}")).await.expect(422).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
        let page = auditor.get(&format!("/settings/audit?{query}")).await.expect(422).text();
        assert!(page.contains("aria-describedby") || pointer == "/action", "{query} is shown at its field");
    }
    let page = auditor.get(&format!("/settings/audit?who={id}&action=reading")).await.expect(200).text();
    assert_eq!(page.matches("read a document").count(), 3, "{page}");
    assert!(page.contains("searched, and was shown passages of documents"));
}

#[tokio::test]
async fn the_trail_is_for_auditors_and_administrators_of_the_same_organisation() {
    let app = app().await;
    let entry = entries(&app.client(Persona::Auditor), "limit=1").await[0]["id"].as_str().unwrap().to_owned();
    let (explorer, page) = ("/api/v1/audit/entries".to_owned(), "/settings/audit".to_owned());
    let of_document =
        [format!("/api/v1/audit/documents/{}/sightings", app.a().document), format!("/settings/audit/documents/{}", app.a().document)];
    for path in
        [explorer, page, format!("/api/v1/audit/entries/{entry}"), format!("/settings/audit/entries/{entry}")].iter().chain(&of_document)
    {
        for persona in [Persona::Viewer, Persona::Member, Persona::ExpertAuthor, Persona::Reviewer] {
            assert_eq!(app.client(persona).get(path).await.status, 403, "{} at {path}", persona.name());
        }
        for persona in [Persona::TenantAdmin, Persona::Auditor] {
            app.client(persona).get(path).await.expect(200);
        }
    }
    give_roles(&app, Persona::OtherMember, "tenant_admin,auditor").await;
    let other = app.client(Persona::OtherMember);
    other.get(&format!("/api/v1/audit/entries/{entry}")).await.problem(404, "audit.unknown");
    other.get(&of_document[0]).await.problem(404, "document.unknown");
    let theirs: BTreeSet<String> = entries(&other, "limit=200").await.iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
    let ours: BTreeSet<String> =
        entries(&app.client(Persona::Auditor), "limit=200").await.iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
    assert!(!ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs));
    assert_eq!(entries(&other, &format!("object={}", app.a().document)).await.len(), 0);
}

#[tokio::test]
async fn everybody_finds_their_own_trail_and_only_theirs() {
    let app = app().await;
    let viewer = app.client(Persona::Viewer);
    viewer.get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    app.member().get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    let own = viewer.get("/api/v1/audit/own").await.expect(200).items();
    let id = id_of(&app, Persona::Viewer).await;
    let own = own.as_array().unwrap();
    assert_eq!(own[0]["action"], "document.read");
    assert!(own.iter().all(|e| e["actor"]["id"] == json!(id)), "{own:?}");
    let page = viewer.get("/settings/activity").await.expect(200).text();
    assert!(page.contains("read a document") && page.contains("has never opened your organisation"));
    let first = viewer.get("/api/v1/audit/own?limit=1").await.expect(200).json();
    let next = format!("/api/v1/audit/own?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_ne!(viewer.get(&next).await.expect(200).items()[0], first["items"][0]);
}

#[tokio::test]
async fn who_saw_a_document_tells_who_when_and_how() {
    let app = app().await;
    let document = app.a().document.clone();
    app.client(Persona::Viewer).get(&format!("/library/documents/{document}")).await.expect(200);
    app.client(Persona::Reviewer).get(&format!("/api/v1/search?q={CANARY_A}+granules")).await.expect(200);
    let member = app.member();
    let turn = member.ask(&member.open().await, QUESTION_A).await;
    ended(&member, &turn).await;
    let auditor = app.client(Persona::Auditor);
    let seen = auditor.get(&format!("/api/v1/audit/documents/{document}/sightings")).await.expect(200).items();
    let of = |name: &str| -> Vec<&str> {
        let by = seen.as_array().unwrap().iter().filter(|s| s["who"]["name"].as_str().unwrap().starts_with(name));
        by.map(|s| s["how"].as_str().unwrap()).collect()
    };
    assert_eq!((of("viewer"), of("reviewer")), (vec!["read"], vec!["found"]), "{seen}");
    assert!(of("member").contains(&"cited"), "{seen}");
    let page = app.client(Persona::TenantAdmin).get(&format!("/library/documents/{document}")).await.expect(200).text();
    assert!(page.contains("Who saw this document") && page.contains("was shown passages by a search"));
    assert!(!member.get(&format!("/library/documents/{document}")).await.expect(200).text().contains("Who saw this document"));
    let gone =
        member.upload("gone.txt", "Batch 77 of aldebaran was destroyed.").await.expect(201).json()["id"].as_str().unwrap().to_owned();
    crate::settled(&member, &gone).await;
    member.get(&format!("/api/v1/documents/{gone}/text")).await.expect(200);
    member.delete(&format!("/api/v1/documents/{gone}")).await.expect(204);
    let seen = auditor.get(&format!("/api/v1/audit/documents/{gone}/sightings")).await.expect(200).items();
    assert_eq!(seen[0]["how"], "read", "the trail outlives the document");
    auditor.get(&format!("/api/v1/audit/documents/{}/sightings", uuid::Uuid::new_v4())).await.problem(404, "document.unknown");
}

#[tokio::test]
async fn what_an_operator_reads_names_the_opening_and_members_see_that_they_were_there() {
    let app = app().await;
    let tenant: TenantId = app.a().tenant.parse().unwrap();
    let reason = "Search finds nothing since the restore, ticket 4711.";
    let opened = app.on_platform(move |p| async move { break_glass::open(&p, tenant, "Olga Operator", reason, 20).await.unwrap() }).await;
    let operator = app.with_token(opened.token.reveal());
    let reply = operator.get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    let left = left_by(&app, &reply).await;
    let who = &left[0]["actor"];
    assert_eq!((&who["name"], &who["kind"], &who["opening"]), (&json!("Olga Operator"), &json!("operator"), &json!(opened.id.0)));
    let opening = entries(&app.client(Persona::Auditor), &format!("object={}", opened.id)).await;
    let with = entries(&app.client(Persona::Auditor), &format!("request={}", opening[0]["request_id"].as_str().unwrap())).await;
    assert!(
        with.iter().any(|e| e["action"] == "user.created" && e["objects"][0] == who["id"]),
        "the trail alone links account and opening"
    );
    for persona in [Persona::Viewer, Persona::Member] {
        let seen = app.client(persona).get("/api/v1/audit/operator-access").await.expect(200).items();
        assert_eq!((&seen[0]["operator"], &seen[0]["reviewed"]), (&json!("Olga Operator"), &json!(false)));
        let page = app.client(persona).get("/settings/activity").await.expect(200).text();
        assert!(page.contains("Olga Operator") && !page.contains("ticket 4711"), "that, and not why");
    }
    assert_eq!(app.client(Persona::OtherMember).get("/api/v1/audit/operator-access").await.expect(200).items(), json!([]));
}

#[tokio::test]
async fn failed_sign_ins_are_recorded_without_an_actor_and_so_is_the_wait() {
    let app = app().await;
    let (anonymous, auditor) = (app.client(Persona::Anonymous), app.client(Persona::Auditor));
    let attempt = async |password: &str| {
        anonymous.post("/api/v1/session", &json!({ "email": Persona::Viewer.email(), "password": password })).await.status
    };
    for _ in 0..5 {
        assert_eq!(attempt("not the password at all").await, 401);
    }
    assert_eq!(attempt(PASSWORD).await, 429);
    let viewer = id_of(&app, Persona::Viewer).await;
    let left = until("the entries of failed sign-ins", || async {
        let found = entries(&auditor, &format!("object={viewer}&action=sign_in")).await;
        (found.len() >= 6).then_some(found)
    })
    .await;
    assert_eq!(actions(&left).iter().filter(|a| **a == "session.sign_in_failed").count(), 5);
    assert_eq!(actions(&left).iter().filter(|a| **a == "session.locked_out").count(), 1);
    assert!(left.iter().all(|e| e["actor"].is_null()), "who has not proven to be somebody is nobody");
}

#[tokio::test]
async fn making_an_administrator_is_an_entry_of_its_own() {
    let app = app().await;
    let (admin, viewer) = (app.client(Persona::TenantAdmin), id_of(&app, Persona::Viewer).await);
    let change = async |roles: &[&str]| {
        let body = json!({ "roles": roles });
        let reply = admin.request("PATCH", &format!("/api/v1/members/{viewer}")).json(&body).send().await.expect(200);
        left_by(&app, &reply).await
    };
    let mut raised: Vec<String> = actions(&change(&["viewer", "tenant_admin"]).await).iter().map(ToString::to_string).collect();
    raised.sort();
    assert_eq!(raised, ["user.admin_granted", "user.roles_changed"]);
    assert_eq!(actions(&change(&["member", "tenant_admin"]).await), ["user.roles_changed"], "they were one before");
}

/// Waits until every entry of organisation A has its number, and runs the sequencer for it.
async fn numbered(app: &TestApp) {
    until("the entries to be numbered", || async {
        app.on_platform(|p| async move {
            trail::sequence(&p).await.unwrap();
            trail::sign_checkpoints(&p).await.unwrap();
        })
        .await;
        let waiting =
            app.sql_text(&format!("select count(*) from audit_entries where seq is null and tenant_id = '{}'", app.a().tenant)).await;
        (waiting.as_deref() == Some("0")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_download_has_the_lines_of_an_export_needs_a_fresh_proof_and_is_recorded() {
    let app = app().await;
    let auditor = app.client(Persona::Auditor);
    app.member().get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    numbered(&app).await;
    let got = auditor.post("/api/v1/audit/download", &json!({ "format": "jsonl", "action": "document.read" })).await.expect(200);
    assert_eq!(got.header("content-type"), Some("application/jsonl; charset=utf-8"));
    assert!(got.header("content-disposition").unwrap().starts_with("attachment; filename=\"audit-trail-20"));
    let log = LogId(app.a().tenant.parse().unwrap());
    let export = app
        .on_platform(move |p| async move {
            let mut out = Vec::new();
            trail::export(&p, log, Format::Jsonl, &mut out, |_| ()).await.unwrap();
            String::from_utf8(out).unwrap()
        })
        .await;
    let expected: Vec<&str> = export.lines().filter(|line| line.contains("\"action\":\"document.read\"")).collect();
    let text = got.text();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "byte for byte");
    assert!(!expected.is_empty());
    let left = left_by(&app, &got).await;
    assert_eq!((actions(&left), &left[0]["fields"]), (vec!["audit.exported"], &json!(["jsonl"])));
    auditor.post("/api/v1/audit/download", &json!({ "format": "xlsx" })).await.expect(422);
    auditor.post("/api/v1/audit/download", &json!({ "format": "csv", "action": "nothing.such" })).await.problem(422, "audit.action");
    forget_proof(&app, Persona::TenantAdmin).await;
    let admin = app.client(Persona::TenantAdmin);
    admin.post("/api/v1/audit/download", &json!({ "format": "jsonl" })).await.problem(403, "step_up.required");
    let refused =
        admin.request("POST", "/settings/audit/download").form(&[("format", "csv"), ("action", "document.read")]).send().await.expect(403);
    assert!(refused.text().contains("Download these entries"), "the page again, with its form");
    assert_eq!(entries(&auditor, "action=audit.exported").await.len(), 2, "what was refused is no export");
}

#[tokio::test]
async fn a_table_is_harmless_to_spreadsheets_and_too_much_of_it_is_refused() {
    let app = app().await;
    let auditor = app.client(Persona::Auditor);
    app.sql(&format!(
        "update members set display_name = '=HYPERLINK(\"http://evil.example\")' where email = '{}'",
        Persona::Member.email()
    ))
    .await;
    app.member().get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
    numbered(&app).await;
    let got = auditor
        .request("POST", "/settings/audit/download")
        .form(&[("format", "csv"), ("action", "document.read")])
        .send()
        .await
        .expect(200);
    assert_eq!(got.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let table = got.text();
    assert!(
        table.starts_with("number,time,actor_id,actor,") && table.contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\","),
        "{table}"
    );
    app.sql(&format!(
        "insert into audit_entries (tenant_id, id, action, resource, resource_id, fields, request_id, seq, prev, hash)
         select '{}', gen_random_uuid(), 'session.signed_out', 'session', 's', '{{}}', gen_random_uuid(), 1000000 + n, sha256('p'), sha256('h')
         from generate_series(1, {}) n",
        app.a().tenant,
        vital_kernel::limits::AUDIT_DOWNLOAD_ENTRIES_MAX + 1
    ))
    .await;
    let detail = auditor.post("/api/v1/audit/download", &json!({ "format": "csv", "action": "session.signed_out" })).await;
    let detail = detail.problem(413, "audit.download_too_large")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("10000") && detail.contains("vital audit export"), "{detail}");
}

#[tokio::test]
async fn a_verification_says_who_how_far_and_what_came_of_it() {
    let app = app().await;
    numbered(&app).await;
    let auditor = app.client(Persona::Auditor);
    let found = auditor.post("/api/v1/audit/verification", &json!({})).await.expect(200).json();
    let by_button = entries(&auditor, "action=audit.verified").await;
    assert_eq!(by_button[0]["objects"], json!([app.a().tenant, format!("entries:{}", found["entries"])]));
    assert_eq!((&by_button[0]["fields"], &by_button[0]["actor"]["id"]), (&json!(["sound"]), &json!(id_of(&app, Persona::Auditor).await)));
    let log = LogId(app.a().tenant.parse().unwrap());
    app.on_platform(move |p| async move {
        let report = trail::verify(&p, Which::One(log), None, |_| false, |_| ()).await.unwrap().pop().unwrap();
        trail::record_verification(&p, &report, false).await.unwrap();
    })
    .await;
    let by_operator = entries(&auditor, "action=audit.verified").await;
    assert_eq!((by_operator.len(), &by_operator[0]["actor"], &by_operator[0]["fields"]), (2, &Value::Null, &json!(["sound"])));
}
