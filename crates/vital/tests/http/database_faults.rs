//! A database that goes away while an answer is written, and comes back: the stream goes on, nothing is lost.

use crate::{
    app_with,
    ask::{SAID, assert_bound, citations},
    events::assert_whole,
    text_of,
};
use serde_json::json;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Persona, QUESTION_A, until},
    provider::{Gate, Script, ScriptedProvider},
};

#[tokio::test]
async fn connections_that_are_cut_in_the_middle_of_an_answer_are_not_noticed_by_its_reader() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().text(SAID).text("- The rest ").wait(&gate).text("came after the cut. [1]\n"));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    let mut seen = events.up_to("citation").await;
    app.cut_database().await;
    gate.open();
    seen.extend(events.all().await);
    assert_whole(&seen);
    assert_eq!(seen.last().unwrap().data["state"], "answered");
    assert_eq!(member.follow(&turn, None).await.all().await, seen);
    let stored = member.turn(&turn).await;
    assert!(text_of(&stored).contains("36 months") && text_of(&stored).contains("after the cut"), "{stored:#}");
    assert_bound(&member, &citations(&stored)).await;
}

#[tokio::test]
async fn an_answer_waits_for_a_database_that_is_away_and_is_stored_whole_when_it_is_back() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().text(SAID).text("- The rest ").wait(&gate).text("came while it was away. [1]\n"));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    let mut seen = events.up_to("citation").await;
    app.database_away(true).await;
    gate.open();
    let nobody = app.client(Persona::Anonymous);
    until("the outage to show", || async { (nobody.get("/readyz").await.status == 503).then_some(()) }).await;
    member.get(&format!("/api/v1/turns/{turn}")).await.problem(503, "database.unavailable");
    app.database_away(false).await;
    seen.extend(events.all().await);
    assert_whole(&seen);
    assert_eq!(seen.last().unwrap().data["state"], "answered");
    let stored = until("the database to be back", || async {
        let reply = member.get(&format!("/api/v1/turns/{turn}")).await;
        (reply.status == 200).then(|| reply.json())
    })
    .await;
    assert!(text_of(&stored).contains("while it was away"), "{stored:#}");
    assert_eq!((&stored["state"], &stored["problem"]), (&json!("answered"), &json!(null)));
}

#[tokio::test]
async fn background_work_goes_on_after_the_database_was_away() {
    let app = crate::app().await;
    let member = app.member();
    app.database_away(true).await;
    app.database_away(false).await;
    let uploaded = until("an upload to be taken", || async {
        let reply = member.upload("after.txt", "The bilby study began after the outage.").await;
        matches!(reply.status, 201 | 409).then_some(reply.status)
    })
    .await;
    assert!(matches!(uploaded, 201 | 409));
    until("the document", || async {
        let found = member.get("/api/v1/search?q=bilby").await;
        (found.status == 200 && found.text().contains("bilby study")).then_some(())
    })
    .await;
}
