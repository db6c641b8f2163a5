//! The event stream of a turn: numbered without gaps, ended once, and resumed from anywhere without loss or duplicate.

use crate::{
    app, app_with,
    ask::{SAID, assert_bound},
    ended, text_of,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Event, Persona, QUESTION_A},
    provider::{Gate, Script, ScriptedProvider},
};

/// Fails unless these are all events of a turn: numbers from 1 without gaps, `accepted` first, `done` last and once.
pub fn assert_whole(events: &[Event]) {
    let ids: Vec<i64> = events.iter().map(|e| e.id.unwrap_or_else(|| panic!("an event without a number: {e:?}"))).collect();
    assert_eq!(ids, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(events[0].name, "accepted");
    assert_eq!(events.iter().filter(|e| e.name == "done").count(), 1);
    assert_eq!(events.last().unwrap().name, "done");
    for event in events {
        assert_eq!((&event.data["seq"], &event.data["kind"]), (&json!(event.id.unwrap()), &json!(event.name)), "{event:?}");
    }
}

/// The text that the tokens of a stream add up to.
pub fn streamed_text(events: &[Event]) -> String {
    events.iter().filter(|e| e.name == "token").map(|e| e.data["text"].as_str().unwrap()).collect()
}

async fn whole(client: &Client, turn: &str) -> Vec<Event> {
    let events = client.follow(turn, None).await.all().await;
    assert_whole(&events);
    events
}

fn names(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|e| e.name.as_str()).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn the_events_of_an_answer_come_in_order_and_add_up_to_it() {
    let app = app().await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let events = whole(&member, &turn).await;
    assert_eq!(names(&events)[..4], ["accepted", "routed", "retrieved", "token"]);
    assert_eq!(names(&events)[names(&events).len() - 2..], ["usage", "done"]);
    let stored = member.turn(&turn).await;
    assert_eq!(stored["last_seq"], events.len());
    let flat = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(flat(&streamed_text(&events)), flat(&text_of(&stored)));
    let done = &events.last().unwrap().data;
    assert_eq!(
        (&done["state"], &done["confidence"], &done["trust"]),
        (&stored["state"], &stored["answer"]["confidence"], &stored["answer"]["trust"])
    );
    let cited: Vec<Value> = events.iter().filter(|e| e.name == "citation").map(|e| e.data["citation"].clone()).collect();
    assert!(!cited.is_empty());
    assert_bound(&member, &cited).await;
}

#[tokio::test]
async fn a_finished_turn_is_replayed_the_same_from_every_place() {
    let app = app().await;
    let member = app.member();
    let turn = &app.a().turn;
    let all = whole(&member, turn).await;
    for k in 0..=all.len() {
        let rest = member.follow(turn, Some(i64::try_from(k).unwrap())).await.all().await;
        assert_eq!(rest, all[k..], "behind event {k}");
    }
    assert_eq!(member.follow(turn, Some(1_000_000)).await.all().await, []);
    let events = format!("/api/v1/turns/{turn}/events");
    member.request("GET", &events).header("last-event-id", "-3").send().await.problem(400, "events.last_event_id");
    let by_query = member.get(&format!("/api/v1/turns/{turn}/events?after={}", all.len() - 1)).await.expect(200).text();
    assert!(by_query.contains("event: done") && !by_query.contains("event: usage"), "{by_query}");
}

#[tokio::test]
async fn a_reader_that_is_cut_off_at_any_event_loses_and_doubles_nothing() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(
        Script::new().text(SAID).text("- More is said here about storage. [1]\n- The end ").wait(&gate).text("is said here too. [1]\n"),
    );
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut first = member.follow(&turn, None).await;
    // What is there before the gate: up to the second sentence's check.
    let mut before = first.up_to("check").await;
    before.extend(first.up_to("check").await);
    drop(first);
    let readers = (0..=before.len()).map(|k| {
        let (member, turn) = (member.clone(), turn.clone());
        async move {
            let mut seen = Vec::new();
            let mut cut = member.follow(&turn, None).await;
            for _ in 0..k {
                seen.push(cut.next().await.unwrap());
            }
            drop(cut);
            (seen, member.follow(&turn, Some(i64::try_from(k).unwrap())).await)
        }
    });
    let resumed = join_all(readers).await;
    gate.open();
    let streams = join_all(resumed.into_iter().map(|(mut seen, rest)| async move {
        seen.extend(rest.all().await);
        seen
    }))
    .await;
    let all = whole(&member, &turn).await;
    for (k, stream) in streams.into_iter().enumerate() {
        assert_eq!(stream, all, "cut off after event {k}");
    }
    assert!(streamed_text(&all).contains("The end is said"));
}

#[tokio::test]
async fn a_closed_reader_does_not_stop_the_answer() {
    let provider = ScriptedProvider::start().await.unwrap();
    let gate = Gate::new();
    provider.reply(Script::new().text(SAID).wait(&gate).text("- Nobody was reading this. [1]\n"));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    events.up_to("token").await;
    drop(events);
    gate.open();
    let turn = ended(&member, &turn).await;
    assert!(turn["state"] == "answered" && text_of(&turn).contains("Nobody was reading"), "{turn:#}");
}

#[tokio::test]
async fn a_place_that_is_no_number_is_refused() {
    let app = app().await;
    let path = format!("/api/v1/turns/{}/events", app.a().turn);
    for place in ["x", "1; drop", "99999999999999999999", "1.5"] {
        app.member().request("GET", &path).header("last-event-id", place).send().await.problem(400, "events.last_event_id");
    }
    app.member().get(&format!("{path}?after=x")).await.problem(400, "request.fields");
}

/// Asks, reads up to the first token, ends the server with `end`, and returns what was read with the turn's id.
async fn interrupted(in_order: bool) {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::new().text(SAID).text("- This is cut off ").hang());
    let mut app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let mut events = member.follow(&turn, None).await;
    let mut seen = events.up_to("citation").await;
    if in_order {
        app.restart_in_order().await;
    } else {
        app.restart().await;
    }
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    if seen.last().unwrap().name != "done" {
        let last = seen.last().unwrap().id;
        seen.extend(member.follow(&turn, last).await.all().await);
    }
    assert_whole(&seen);
    let problem = &seen.iter().find(|e| e.name == "problem").unwrap().data;
    assert_eq!((&problem["code"], &problem["retryable"]), (&json!("turn.interrupted"), &json!(true)));
    assert_eq!(seen.last().unwrap().data["state"], "interrupted");
    assert_eq!(whole(&member, &turn).await, seen, "what was read before and after is what is stored");
    let kept = member.turn(&turn).await;
    assert!(kept["question"] == QUESTION_A && text_of(&kept).contains("36 months"), "{kept:#}");
    assert_eq!(kept["problem"]["code"], "turn.interrupted");
    assert_bound(&member, &crate::ask::citations(&kept)).await;
    provider.reply(Script::answer(SAID));
    let again = member.act(&format!("/api/v1/turns/{turn}/regenerate")).await.expect(202).json();
    assert_eq!(ended(&member, again["id"].as_str().unwrap()).await["state"], "answered");
}

#[tokio::test]
async fn a_killed_server_resumes_the_stream_with_a_typed_end_and_keeps_what_was_written() {
    interrupted(false).await;
}

#[tokio::test]
async fn a_stopped_server_ends_the_answer_with_a_typed_end() {
    interrupted(true).await;
}

#[tokio::test]
async fn a_turn_that_ended_before_a_restart_is_replayed_unchanged() {
    let mut app = app().await;
    let before = whole(&app.member(), &app.a().turn.clone()).await;
    app.restart().await;
    assert_eq!(whole(&app.member(), &app.a().turn.clone()).await, before);
}

#[tokio::test]
async fn a_role_that_is_taken_away_in_the_middle_of_a_stream_ends_it_with_a_typed_problem() {
    let provider = ScriptedProvider::start().await.unwrap();
    let endless = (0..2_000).fold(Script::new(), |script, _| script.text("The granules are stored. ").pause(Duration::from_millis(50)));
    provider.reply(endless);
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let turn = member.ask(&member.open().await, QUESTION_A).await;
    let mut stream = member.follow(&turn, None).await;
    stream.up_to("token").await;
    let id = member.get("/api/v1/me").await.expect(200).json()["id"].as_str().unwrap().to_owned();
    let roles = json!({ "roles": ["auditor"] });
    app.client(Persona::TenantAdmin).request("PATCH", &format!("/api/v1/members/{id}")).json(&roles).send().await.expect(200);
    let told = stream.up_to("problem").await;
    assert_eq!(told.last().unwrap().data["code"], "access.revoked");
    assert!(stream.next().await.is_none(), "nothing follows");
}
