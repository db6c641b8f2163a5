//! Asking: what is answered with what, what is refused, and how a turn is stopped, asked again and deleted.

use crate::{app, app_with, ended, text_of};
use serde_json::{Value, json};
use vital_llm::Timeouts;
use vital_testkit::{
    app::{CANARY_A, Client, Persona, QUESTION_A, until},
    provider::{Gate, Script, ScriptedProvider},
};

/// What a provider would say to the question of organisation A.
pub const SAID: &str = "The shelf life of aldebaran granules is 36 months when stored below 25 °C. [1]\n";

/// The citations of an answer.
pub fn citations(turn: &Value) -> Vec<Value> {
    turn["answer"]["citations"].as_array().cloned().unwrap_or_default()
}

/// Fails unless every citation says exactly what stands in its document.
pub async fn assert_bound(client: &Client, citations: &[Value]) {
    for citation in citations {
        let id = citation["document_id"].as_str().unwrap();
        let read = client.get(&format!("/api/v1/documents/{id}/text")).await.expect(200).json();
        let range =
            usize::try_from(citation["start"].as_u64().unwrap()).unwrap()..usize::try_from(citation["end"].as_u64().unwrap()).unwrap();
        let quoted = &read["text"].as_str().unwrap().as_bytes()[range];
        assert_eq!(quoted, citation["quote"].as_str().unwrap().as_bytes(), "{citation}");
        assert_eq!(read["document"]["version"], citation["version"], "{citation}");
    }
}

#[tokio::test]
async fn an_answer_cites_the_exact_bytes_of_the_document() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert_eq!(turn["state"], "answered", "{turn:#}");
    assert!(text_of(&turn).contains("36 months"), "{}", text_of(&turn));
    let cited = citations(&turn);
    assert!(cited.iter().any(|c| c["document_id"] == app.a().document.as_str()), "{cited:#?}");
    assert_bound(&member, &cited).await;
    let numbers: Vec<u64> = cited.iter().map(|c| c["n"].as_u64().unwrap()).collect();
    for sentence in turn["answer"]["blocks"].as_array().unwrap().iter().flat_map(|b| b["sentences"].as_array().unwrap()) {
        let cites: Vec<u64> = sentence["citations"].as_array().into_iter().flatten().map(|n| n.as_u64().unwrap()).collect();
        assert!(cites.iter().all(|n| numbers.contains(n)), "{sentence}");
        assert!(!cites.is_empty() || sentence["verdict"] == "not_factual", "a factual sentence without a citation: {sentence}");
    }
    let answer = &turn["answer"];
    assert_eq!(answer["composer"], "extractive");
    assert_eq!(answer["trust"]["pointer_validity"], 1.0);
    let parts = answer["confidence"]["parts"].as_array().unwrap();
    let score: f64 = parts.iter().map(|p| p["value"].as_f64().unwrap() * p["weight"].as_f64().unwrap()).sum();
    assert!((score - answer["confidence"]["score"].as_f64().unwrap()).abs() < 0.01, "the score is its parts: {answer}");
}

#[tokio::test]
async fn a_question_that_the_sources_do_not_answer_is_refused_honestly() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, "Which football club won the championship in Uruguay in 1987?").await).await;
    assert_eq!(turn["state"], "no_evidence", "{turn:#}");
    assert!(citations(&turn).is_empty() && turn["answer"]["confidence"].is_null(), "{turn:#}");
    assert!(!text_of(&turn).trim().is_empty(), "the turn says that there is not enough evidence");
    assert!(turn["problem"].is_null(), "an honest refusal is not a failure");
}

#[tokio::test]
async fn an_answer_never_uses_another_organisations_documents() {
    let app = app().await;
    let other = app.client(Persona::OtherMember);
    let conversation = other.open().await;
    let turn = ended(&other, &other.ask(&conversation, QUESTION_A).await).await;
    assert!(!text_of(&turn).contains("36 months"), "{turn:#}");
    assert!(citations(&turn).iter().all(|c| c["document_id"] != app.a().document.as_str()));
    assert!(!turn["searched"].to_string().contains(&app.a().document), "{}", turn["searched"]);
}

#[tokio::test]
async fn the_platform_chooses_the_expert_unless_somebody_did() {
    let app = app().await;
    let member = app.member();
    let question = json!({ "question": "How do I choose a prior for an adaptive Bayesian trial?" });
    let automatic = member.open().await;
    let turn = member.post(&format!("/api/v1/conversations/{automatic}/turns"), &question).await.expect(202).json();
    let turn = ended(&member, turn["id"].as_str().unwrap()).await;
    assert_eq!((&turn["automatic"], &turn["expert"]["slug"]), (&json!(true), &json!("adaptive-bayesian-design")), "{turn:#}");
    assert_eq!(turn["candidates"][0]["slug"], "adaptive-bayesian-design");
    assert!(!turn["candidates"][0]["reasons"].as_array().unwrap().is_empty());

    let opened = member.post("/api/v1/conversations", &json!({ "expert": "clinical-pharmacology" })).await.expect(201);
    let chosen = opened.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(opened.header("location"), Some(format!("/api/v1/conversations/{chosen}").as_str()));
    assert_eq!(opened.json()["expert"]["slug"], "clinical-pharmacology");
    let turn = ended(
        &member,
        member.post(&format!("/api/v1/conversations/{chosen}/turns"), &question).await.expect(202).json()["id"].as_str().unwrap(),
    )
    .await;
    assert_eq!(
        (&turn["automatic"], &turn["expert"]["slug"], &turn["candidates"]),
        (&json!(false), &json!("clinical-pharmacology"), &json!([]))
    );

    let overruled = json!({ "question": "How do I choose a prior?", "expert": "clinical-data-cdisc" });
    let turn = member.post(&format!("/api/v1/conversations/{chosen}/turns"), &overruled).await.expect(202).json();
    assert_eq!(ended(&member, turn["id"].as_str().unwrap()).await["expert"]["slug"], "clinical-data-cdisc");
}

#[tokio::test]
async fn a_follow_up_is_understood_with_the_question_before_it() {
    let app = app().await;
    let member = app.member();
    let conversation = &app.a().conversation;
    let turn = ended(&member, &member.ask(conversation, "And after first opening?").await).await;
    assert_eq!((&turn["ordinal"], &turn["state"]), (&json!(2), &json!("answered")), "{turn:#}");
    assert!(turn["searched"]["query"].as_str().unwrap().contains(QUESTION_A), "{}", turn["searched"]);
    assert!(text_of(&turn).contains("6 weeks"), "{}", text_of(&turn));
    let whole = member.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200).json();
    assert_eq!((&whole["conversation"]["turn_count"], &whole["conversation"]["title"]), (&json!(2), &json!(QUESTION_A)));
    assert_eq!(whole["turns"].as_array().unwrap().len(), 2);
    assert_eq!(whole["turns"][1], turn);
}

#[tokio::test]
async fn a_provider_is_told_what_was_said_before() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::answer(SAID));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let turn = ended(&member, &member.ask(&app.a().conversation, "And after first opening?").await).await;
    assert_eq!(turn["state"], "answered", "{turn:#}");
    let messages = provider.requests()[0].json()["messages"].as_array().unwrap().clone();
    let said = |role: &str, text: &str| messages.iter().any(|m| m["role"] == role && m["content"].as_str().unwrap().contains(text));
    assert!(said("user", QUESTION_A) && said("assistant", "36 months") && said("user", "And after first opening?"), "{messages:#?}");
    assert_bound(&member, &citations(&turn)).await;
    assert_eq!(turn["answer"]["composer"], "scripted test-1");
}

#[tokio::test]
async fn a_question_that_cannot_be_one_is_refused_and_not_stored() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let path = format!("/api/v1/conversations/{conversation}/turns");
    let asked = async |question: &str| member.post(&path, &json!({ "question": question })).await;
    for empty in ["", "   \n\t "] {
        assert_eq!(asked(empty).await.problem(422, "question.empty")["errors"][0]["pointer"], "/question");
    }
    asked(&"Why? ".repeat(20_000)).await.problem(413, "question.too_long");
    for control in ["a\u{0}b", "a\u{1b}[2Jb", "a\u{7f}b"] {
        asked(control).await.problem(422, "question.control_characters");
    }
    member.post(&path, &json!({ "question": "Why?", "expert": "nobody" })).await.problem(404, "expert.unknown");
    member.post("/api/v1/conversations", &json!({ "expert": "nobody" })).await.problem(404, "expert.unknown");
    let seen = member.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200).json();
    assert_eq!((&seen["conversation"]["turn_count"], &seen["turns"]), (&json!(0), &json!([])));
    let longest = ended(&member, &member.ask(&conversation, &"word ".repeat(3_276)).await).await;
    assert!(matches!(longest["state"].as_str().unwrap(), "answered" | "no_evidence"), "the longest question is taken: {longest:#}");
}

#[tokio::test]
async fn a_question_is_text_wherever_it_is_shown() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let question = "<script>alert('x')</script> & \"quotes\" about granules?";
    ended(&member, &member.ask(&conversation, question).await).await;
    for path in [format!("/conversations/{conversation}"), "/conversations".to_owned()] {
        let page = member.get(&path).await.expect(200).text();
        assert!(page.contains("&lt;script&gt;alert(") && !page.contains("<script>alert("), "{path}: {page}");
    }
}

#[tokio::test]
async fn two_questions_at_once_in_one_conversation_are_one_too_many() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().wait(&gate).text(SAID));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let path = format!("/api/v1/conversations/{conversation}/turns");
    let body = json!({ "question": QUESTION_A });
    let (first, second) = tokio::join!(member.post(&path, &body), member.post(&path, &body));
    let (taken, refused) = if first.status == 202 { (first, second) } else { (second, first) };
    refused.problem(409, "turn.running");
    let turn = taken.expect(202).json()["id"].as_str().unwrap().to_owned();
    member.act(&format!("/api/v1/turns/{turn}/regenerate")).await.problem(409, "turn.running");
    gate.open();
    assert_eq!(ended(&member, &turn).await["state"], "answered");
    let seen = member.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200).json();
    assert_eq!(seen["conversation"]["turn_count"], 1);
}

#[tokio::test]
async fn a_stopped_answer_keeps_what_was_written_and_lets_go_of_the_provider() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::new().text(SAID).text("- Something more is being ").hang());
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    events.up_to("citation").await;
    member.act(&format!("/api/v1/turns/{turn}/cancel")).await.expect(204);
    let last = events.all().await.pop().unwrap();
    assert_eq!((last.name.as_str(), &last.data["state"]), ("done", &json!("stopped")));
    let stopped = member.turn(&turn).await;
    assert!(text_of(&stopped).contains("36 months") && stopped["problem"].is_null(), "{stopped:#}");
    assert_bound(&member, &citations(&stopped)).await;
    provider.until(|c| c.closed_early == 1).await;
    member.act(&format!("/api/v1/turns/{turn}/cancel")).await.expect(204);
    assert_eq!(member.turn(&turn).await, stopped, "stopping again changes nothing");
}

#[tokio::test]
async fn the_same_question_asked_again_is_a_new_turn() {
    let provider = ScriptedProvider::start().await.unwrap();
    // What no retry mends.
    provider.reply(Script::status(401));
    provider.reply(Script::answer(SAID));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let first = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert_eq!(first["state"], "failed");
    let path = format!("/api/v1/turns/{}/regenerate", first["id"].as_str().unwrap());
    let again = member.act(&path).await.expect(202).json();
    let again = ended(&member, again["id"].as_str().unwrap()).await;
    assert_eq!((&again["question"], &again["ordinal"], &again["state"]), (&json!(QUESTION_A), &json!(2), &json!("answered")));
    assert_ne!(again["id"], first["id"]);
    assert_eq!(member.turn(first["id"].as_str().unwrap()).await, first, "the first one stays as it was");
}

#[tokio::test]
async fn a_conversation_deleted_while_it_is_answered_is_gone_and_leaves_no_work_behind() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::new().text(SAID).hang());
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    events.up_to("token").await;
    member.delete(&format!("/api/v1/conversations/{conversation}")).await.expect(204);
    events.all().await;
    provider.until(|c| c.closed_early == 1).await;
    member.get(&format!("/api/v1/conversations/{conversation}")).await.problem(404, "conversation.unknown");
    member.get(&format!("/api/v1/turns/{turn}")).await.problem(404, "turn.unknown");
    member.get(&format!("/api/v1/turns/{turn}/events")).await.problem(404, "turn.unknown");
    until("the job of the answer to be gone", || async {
        let left = app.sql_text(&format!("select count(*) from directory.jobs where subject = '{turn}'")).await;
        (left.as_deref() == Some("0")).then_some(())
    })
    .await;
    let left = app.sql_text(&format!("select count(*) from turn_events where turn_id = '{turn}'")).await;
    assert_eq!(left.as_deref(), Some("0"));
}

#[tokio::test]
async fn conversations_are_listed_latest_first_and_only_ones_own() {
    let app = app().await;
    let member = app.member();
    let newer = member.open().await;
    ended(&member, &member.ask(&newer, "Where are the granules stored?").await).await;
    member.open().await;
    let list = member.get("/api/v1/conversations").await.expect(200).items();
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [newer.as_str(), app.a().conversation.as_str()], "without the one that has no question");
    let first = member.get("/api/v1/conversations?limit=1").await.expect(200).json();
    assert_eq!(first["items"][0]["id"], newer.as_str());
    let next = first["next_cursor"].as_str().unwrap();
    let page = member.get(&format!("/api/v1/conversations?limit=1&cursor={next}")).await.expect(200).items();
    assert_eq!(page[0]["id"], app.a().conversation.as_str());
    assert_eq!(app.client(Persona::Reviewer).get("/api/v1/conversations").await.expect(200).items(), json!([]));
}

#[tokio::test]
async fn the_pages_ask_answer_and_cite_without_scripts() {
    let app = app().await;
    let member = app.member();
    let asked = member.request("POST", "/ask").form(&[("question", QUESTION_A), ("expert", "")]).send().await.expect(303);
    let place = asked.header("location").unwrap().to_owned();
    let (path, turn) = place.split_once("#turn-").unwrap();
    ended(&member, turn).await;
    let page = member.get(path).await.expect(200).text();
    assert!(page.contains(QUESTION_A) && page.contains("36 months"), "{page}");
    let cited = format!("/library/documents/{}", app.a().document);
    let link = page
        .split('"')
        .find(|a| a.starts_with(&cited) && a.contains("start="))
        .unwrap_or_else(|| panic!("no link to the cited words: {page}"));
    let source = member.get(&link.replace("&amp;", "&")).await.expect(200).text();
    assert!(source.contains("<mark") && source.contains(&format!("{CANARY_A} granules")), "{source}");
}
