//! Documents that hold no longer: answers on them are found, marked and told of, new answers leave them out, two answers are compared, one is replayed.

use crate::{app, app_with, ask::citations, ended, text_of, uploaded};
use serde_json::{Value, json};
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, TestApp},
    provider::{Gate, Script, ScriptedProvider},
};

const QUESTION: &str = "How long is the retest period of zorilvanib?";

fn text(months: u32) -> String {
    format!("# Stability of zorilvanib\n\nThe retest period of zorilvanib is {months} months at 25 °C.\n")
}

/// An appraisal as the API takes it.
fn appraisal(status: &str, changes: &Value) -> Value {
    let mut whole = json!({ "authority": "own", "level": null, "status": status });
    whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    whole
}

async fn appraise(client: &Client, document: &str, body: &Value) -> vital_testkit::app::Reply {
    client.request("PUT", &format!("/api/v1/documents/{document}/appraisal")).json(body).send().await
}

async fn answered(member: &Client, question: &str) -> Value {
    let conversation = member.open().await;
    let turn = ended(member, &member.ask(&conversation, question).await).await;
    assert_eq!(turn["state"], "answered", "{turn:#}");
    turn
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

async fn notices(client: &Client) -> Vec<Value> {
    client.get("/api/v1/notices").await.expect(200).items().as_array().unwrap().clone()
}

#[tokio::test]
async fn superseding_marks_answers_tells_their_owner_and_the_question_asked_again_stands_on_what_holds() {
    let app = app().await;
    let member = app.member();
    let old = uploaded(&member, "stability-2024.md", text(24)).await;
    let turn = answered(&member, QUESTION).await;
    assert!(text_of(&turn).contains("24 months"), "{turn:#}");
    assert!(turn.get("outdated").is_none() && notices(&member).await.is_empty());

    let new = uploaded(&member, "stability-2026.md", text(36)).await;
    let body = appraisal("superseded", &json!({ "superseded_by": id(&new), "authority": "institution" }));
    let changed = appraise(&member, id(&old), &body).await.expect(200).json();
    assert_eq!((&changed["answers"], &changed["people"]), (&json!(1), &json!(1)), "{changed:#}");
    assert_eq!((&changed["document"]["status"], &changed["document"]["authority"]), (&json!("superseded"), &json!("institution")));
    assert_eq!(changed["document"]["appraised"], true);
    assert!(changed["document"]["effective_until"].is_string(), "without an end it ends today: {changed:#}");

    let marked = member.turn(id(&turn)).await;
    assert_eq!((&marked["outdated"][0]["status"], &marked["outdated"][0]["document_id"]), (&json!("superseded"), &old["id"]));
    assert_eq!(marked["outdated"][0]["successor"]["document_id"], new["id"], "{marked:#}");
    let told = notices(&member).await;
    assert_eq!((told.len(), &told[0]["answers"], &told[0]["turns"][0]["turn_id"]), (1, &json!(1), &turn["id"]), "{told:#?}");
    assert!(notices(&app.client(Persona::TenantAdmin)).await.is_empty(), "nobody else is told");
    assert!(app.client(Persona::OtherMember).get("/api/v1/notices").await.expect(200).items().as_array().unwrap().is_empty());
    assert!(member.get("/").await.expect(200).text().contains("1 new notice"));
    assert!(member.get("/notices").await.expect(200).text().contains(QUESTION));
    assert!(!member.get("/").await.expect(200).text().contains("new notice"), "what was shown is seen");
    let page = member.get(&format!("/conversations/{}", marked["conversation_id"].as_str().unwrap())).await.expect(200).text();
    assert!(page.contains("stands on what no longer holds"), "{page}");

    let again = member.act(&format!("/api/v1/turns/{}/regenerate", id(&turn))).await.expect(202).json();
    let again = ended(&member, id(&again)).await;
    assert!(text_of(&again).contains("36 months") && !text_of(&again).contains("24 months"), "{again:#}");
    assert!(citations(&again).iter().all(|c| c["document_id"] != old["id"]), "what is superseded is no evidence");
    let compared = member.get(&format!("/api/v1/turns/{}/comparison", id(&again))).await.expect(200).json();
    let passed: Vec<&str> = compared["pieces"].as_array().unwrap().iter().map(|p| p["passed"].as_str().unwrap()).collect();
    assert!(passed.contains(&"removed") && passed.contains(&"added"), "{compared:#}");
    assert!(compared["dropped"].as_array().unwrap().contains(&old["id"]) && compared["added"].as_array().unwrap().contains(&new["id"]));
    let page = member.get(&format!("/turns/{}/comparison", id(&again))).await.expect(200).text();
    assert!(page.contains("<del>") && page.contains("<ins>"), "{page}");
    member.get(&format!("/api/v1/turns/{}/comparison", id(&turn))).await.problem(409, "turn.repeats_nothing");

    let bench = member.get("/api/v1/search?q=zorilvanib").await.expect(200).json();
    let holds =
        |document: &Value| bench["hits"].as_array().unwrap().iter().find(|h| h["document_id"] == document["id"]).unwrap()["holds"].clone();
    assert_eq!((holds(&old), holds(&new)), (json!(false), json!(true)), "the bench shows what no longer holds and says so");
    let on = |day: &str| format!("/api/v1/search?q=zorilvanib&valid_on={day}");
    let then = member.get(&on("2024-06-01")).await.expect(200).json();
    assert!(then["hits"].as_array().unwrap().iter().any(|h| h["document_id"] == old["id"]), "it held before it was superseded");
    let later = member.get(&on("2099-01-01")).await.expect(200).json();
    assert!(later["hits"].as_array().unwrap().iter().all(|h| h["document_id"] != old["id"]), "{later:#}");
    member.get(&on("soon")).await.problem(422, "search.day");

    appraise(&member, id(&old), &appraisal("current", &json!({}))).await.expect(200);
    assert!(member.turn(id(&turn)).await.get("outdated").is_none(), "what holds again marks nothing");
}

#[tokio::test]
async fn an_answer_that_ends_after_its_document_was_retracted_is_marked_too() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().wait(&gate).text("The retest period of zorilvanib is 24 months [1]."));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let document = uploaded(&member, "stability.md", text(24)).await;
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION).await;
    let mut events = member.follow(&turn, None).await;
    while events.next().await.expect("the evidence").name != "retrieved" {}
    appraise(&member, id(&document), &appraisal("retracted", &json!({}))).await.expect(200);
    gate.open();
    let turn = ended(&member, &turn).await;
    assert!(citations(&turn).iter().any(|c| c["document_id"] == document["id"]), "{turn:#}");
    assert_eq!(turn["outdated"][0]["status"], "retracted", "{turn:#}");
}

#[tokio::test]
async fn an_appraisal_that_makes_no_sense_or_is_not_the_callers_to_make_changes_nothing() {
    let app = app().await;
    let member = app.member();
    let one = uploaded(&member, "one.md", text(24)).await;
    let two = uploaded(&member, "two.md", text(36)).await;
    let superseded = |by: &str| appraisal("superseded", &json!({ "superseded_by": by }));
    for (body, code) in [
        (appraisal("current", &json!({ "authority": "hearsay" })), "appraisal.invalid"),
        (appraisal("current", &json!({ "level": 6 })), "appraisal.invalid"),
        (appraisal("current", &json!({ "effective_from": "2026-02-01", "effective_until": "2026-01-01" })), "appraisal.invalid"),
        (appraisal("retracted", &json!({ "superseded_by": id(&two) })), "appraisal.invalid"),
        (superseded(id(&one)), "appraisal.successor"),
        (superseded(&app.b().document), "appraisal.successor"),
    ] {
        appraise(&member, id(&one), &body).await.problem(422, code);
    }
    appraise(&member, id(&one), &superseded(id(&two))).await.expect(200);
    appraise(&member, id(&two), &superseded(id(&one))).await.problem(422, "appraisal.successor");
    appraise(&app.client(Persona::Viewer), id(&two), &appraisal("retracted", &json!({}))).await.expect(403);
    appraise(&app.client(Persona::ExpertAuthor), id(&two), &appraisal("retracted", &json!({}))).await.problem(403, "document.not_yours");
    appraise(&app.client(Persona::OtherMember), id(&two), &appraisal("retracted", &json!({}))).await.expect(404);
    let after = member.get(&format!("/api/v1/documents/{}", id(&two))).await.expect(200).json();
    assert_eq!(after["status"], "current", "{after:#}");
    appraise(&app.client(Persona::TenantAdmin), id(&two), &appraisal("withdrawn", &json!({}))).await.expect(200);
    let page = member.get(&format!("/library/documents/{}/appraisal", id(&one))).await.expect(200).text();
    assert!(page.contains("Appraise this document"), "{page}");
    let form = [("authority", "regulator"), ("level", ""), ("issued_on", "yesterday"), ("status", "current")];
    let refused = member.request("POST", &format!("/library/documents/{}/appraisal", id(&one))).form(&form).send().await.expect(422).text();
    assert!(refused.contains("Write it like 2026-11-23."), "{refused}");
}

#[tokio::test]
async fn the_rules_read_level_and_date_and_people_have_the_last_word() {
    let app = app().await;
    let member = app.member();
    let report = "# Zorilvanib after stroke: a randomised controlled trial\n\nPublished: 12 March 2024\n\n## Results\n\nOf 400 patients, 12 % had an event.\n";
    let trial = uploaded(&member, "trial.md", report).await;
    assert_eq!((&trial["level"], &trial["issued_on"], &trial["appraised"]), (&json!(2), &json!("2024-03-12"), &json!(false)), "{trial:#}");
    appraise(&member, id(&trial), &appraisal("current", &json!({ "level": 4, "authority": "peer-reviewed" }))).await.expect(200);
    let hits = member.get("/api/v1/search?q=zorilvanib%20stroke&level=4&authority=peer-reviewed").await.expect(200).json();
    assert_eq!(hits["hits"][0]["level"], 4, "{hits:#}");
    let none = member.get("/api/v1/search?q=zorilvanib%20stroke&level=3").await.expect(200).json();
    assert!(none["hits"].as_array().unwrap().is_empty(), "{none:#}");
}

#[tokio::test]
async fn an_answer_is_replayed_from_its_record_and_says_what_is_gone() {
    let app = app().await;
    let member = app.member();
    let document = uploaded(&member, "stability.md", text(24)).await;
    let turn = answered(&member, QUESTION).await;
    let path = format!("/api/v1/turns/{}/replay", id(&turn));
    let replay = member.get(&path).await.expect(200).json();
    assert_eq!(
        (&replay["same_passages"], &replay["same_order"], &replay["answer"]),
        (&json!(true), &json!(true), &json!("same")),
        "{replay:#}"
    );
    let passages = replay["passages"].as_array().unwrap();
    assert!(!passages.is_empty() && passages.iter().all(|p| p["state"] == "unchanged" && p["rank"] == p["rank_now"]), "{replay:#}");
    let cited = &citations(&turn)[0];
    let holds = |p: &&Value| {
        p["document_id"] == cited["document_id"]
            && p["start"].as_u64() <= cited["start"].as_u64()
            && p["end"].as_u64() >= cited["end"].as_u64()
    };
    let passage = passages.iter().find(holds).expect("what was cited is in the record");
    assert!(passage["text"].as_str().unwrap().contains(cited["quote"].as_str().unwrap()));
    let page = member.get(&format!("/turns/{}/replay", id(&turn))).await.expect(200).text();
    assert!(page.contains("same passages in the same order"), "{page}");
    app.client(Persona::OtherMember).get(&path).await.expect(404);
    app.client(Persona::TenantAdmin).get(&path).await.expect(404);

    member.delete(&format!("/api/v1/documents/{}", id(&document))).await.expect(204);
    let replay = member.get(&path).await.expect(200).json();
    assert_eq!((&replay["same_passages"], &replay["answer"]), (&json!(false), &json!("different")), "{replay:#}");
    assert!(replay["passages"].as_array().unwrap().iter().any(|p| p["state"] == "gone" && p["text"].is_null()), "{replay:#}");
}

#[tokio::test]
async fn one_statement_marks_the_answers_of_everybody() {
    const ANSWERS: i64 = 300;
    let app = app().await;
    let member = app.member();
    let document = uploaded(&member, "stability.md", text(24)).await;
    let turn = answered(&member, QUESTION).await;
    copies(&app, id(&turn), ANSWERS - 1).await;
    let changed = appraise(&member, id(&document), &appraisal("withdrawn", &json!({}))).await.expect(200).json();
    assert_eq!((&changed["answers"], &changed["people"]), (&json!(ANSWERS), &json!(1)), "{changed:#}");
    assert_eq!(app.sql_text("select count(*)::text from answer_marks").await.as_deref(), Some(ANSWERS.to_string().as_str()));
    assert_eq!(app.sql_text("select answers::text from notices").await.as_deref(), Some(ANSWERS.to_string().as_str()));
}

/// Further answers on the same document: rows of turn and citation, copied.
async fn copies(app: &TestApp, turn: &str, n: i64) {
    app.sql(&format!(
        "with new as (select gen_random_uuid() as id, g from generate_series(1, {n}) g),
              turns as (insert into turns (tenant_id, id, conversation_id, ordinal, question, state, created_at)
                        select t.tenant_id, new.id, t.conversation_id, 1000 + g, t.question, t.state, t.created_at from turns t, new where t.id = '{turn}')
         insert into citations (tenant_id, turn_id, n, sentence, document_id, version_hash, start_byte, end_byte)
         select c.tenant_id, new.id, c.n, c.sentence, c.document_id, c.version_hash, c.start_byte, c.end_byte from citations c, new where c.turn_id = '{turn}'"
    ))
    .await;
}
