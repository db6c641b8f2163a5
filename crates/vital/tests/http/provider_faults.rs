//! Providers that fail or lie: each fault ends in a typed problem and `done`, the question is kept, and nothing false reaches the reader.

use crate::{
    app_with,
    ask::{SAID, assert_bound, citations},
    client_of, ended,
    events::{assert_whole, streamed_text},
    options, text_of,
};
use serde_json::{Value, json};
use std::time::Duration;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{QUESTION_A, TestApp},
    provider::{Chunking, Script, ScriptedProvider},
};

/// Short, so that the tests of waiting do not wait for long.
const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    first_token: Duration::from_millis(400),
    between_tokens: Duration::from_millis(400),
    total: Duration::from_secs(3),
};

#[tokio::test]
async fn every_fault_of_a_provider_ends_in_a_typed_problem_and_keeps_the_question() {
    let drip = |script: Script| (0..100).fold(script, |s, n| s.pause(Duration::from_millis(100)).text(format!("w{n} ")));
    let faults: Vec<(&str, &str, bool, Script)> = vec![
        ("half open", "provider.first_token_timeout", true, Script::half_open()),
        ("cut before a word", "provider.cut", true, Script::cut_before_answer()),
        ("429", "provider.rate_limited", true, Script::status(429).header("retry-after", "11")),
        ("500", "provider.status", true, Script::status(500).body("<html>secret stack trace</html>")),
        ("a refused key", "provider.unauthorized", true, Script::status(401)),
        ("no stream", "provider.garbled", true, Script::status(200).header("content-type", "text/html").body("<html>hello</html>")),
        ("garbage", "provider.garbled", true, Script::new().data("{not json")),
        ("an error inside the stream", "provider.status", true, Script::new().text("The shelf ").error("server_error")),
        ("stalled", "provider.stalled", true, Script::new().text("The shelf ").hang()),
        ("cut", "provider.cut", true, Script::new().text("The shelf ").cut()),
        ("ended early", "provider.cut", true, Script::new().text("The shelf ").end_early()),
        ("endless comments", "provider.first_token_timeout", true, Script::new().forever_raw(": ping\n\n")),
        ("too slow", "provider.total_timeout", true, drip(Script::new())),
    ];
    for (fault, code, retryable, script) in faults {
        // A server each: the gateway tries again, and its breaker would soon pass the provider over.
        let provider = ScriptedProvider::start().await.unwrap();
        let app = app_with(&provider, SHORT).await;
        let member = app.member();
        provider.reply_with(move |_| script.clone());
        let conversation = member.open().await;
        let turn = member.ask(&conversation, QUESTION_A).await;
        let events = member.follow(&turn, None).await.all().await;
        assert_whole(&events);
        let problems: Vec<&Value> = events.iter().filter(|e| e.name == "problem").map(|e| &e.data).collect();
        assert_eq!(problems.len(), 1, "{fault}: {events:#?}");
        assert_eq!((&problems[0]["code"], &problems[0]["retryable"]), (&json!(code), &json!(retryable)), "{fault}");
        let detail = problems[0]["detail"].as_str().unwrap();
        assert!(detail.ends_with('.') && !detail.contains("secret"), "{fault}: {detail}");
        assert_eq!(events.last().unwrap().data["state"], "failed", "{fault}");
        let kept = member.turn(&turn).await;
        assert_eq!(
            (&kept["question"], &kept["state"], &kept["problem"]["code"]),
            (&json!(QUESTION_A), &json!("failed"), &json!(code)),
            "{fault}"
        );
        let flat = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(flat(&text_of(&kept)), flat(&streamed_text(&events)), "{fault}: what was shown is kept");
        provider.reply_with(|_| Script::answer(SAID));
        assert_eq!(ended(&member, &member.ask(&conversation, QUESTION_A).await).await["state"], "answered", "{fault}: no harm was taken");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_limit_and_what_came_is_kept() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::new().forever("The granules are stored. "));
    let app = app_with(&provider, Timeouts::default()).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = member.ask(&conversation, QUESTION_A).await;
    let events = member.follow(&turn, None).await.all().await;
    assert_whole(&events);
    let kept = member.turn(&turn).await;
    assert_eq!((&kept["state"], &kept["problem"]["code"]), (&json!("failed"), &json!("provider.answer_too_long")));
    let written = text_of(&kept).len();
    assert!((60 * 1024..72 * 1024).contains(&written), "{written} bytes were kept");
    provider.until(|c| c.closed_early == 1).await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_named_and_the_question_can_be_asked_again_when_it_is_back() {
    let down = ScriptedProvider::start().await.unwrap();
    let address = down.address();
    let provider = client_of(&down.base_url(), SHORT);
    drop(down);
    let app = TestApp::start(options().provider(provider)).await;
    let member = app.member();
    let conversation = member.open().await;
    let failed = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert_eq!(failed["problem"]["code"], "provider.connect", "{failed:#}");
    let back = vital_testkit::app::until("the port of the provider", || async { ScriptedProvider::bind(address).await.ok() }).await;
    back.reply(Script::answer(SAID));
    let again = member.act(&format!("/api/v1/turns/{}/regenerate", failed["id"].as_str().unwrap())).await.expect(202).json();
    assert_eq!(ended(&member, again["id"].as_str().unwrap()).await["state"], "answered");
}

#[tokio::test]
async fn no_forged_citation_reaches_the_reader() {
    let provider = ScriptedProvider::start().await.unwrap();
    let app = app_with(&provider, SHORT).await;
    let member = app.member();
    let lies = [
        "The shelf life is 99 months [99]. It never ends [0] [4294967296] [99999999999999999999].\n",
        "Granules are eternal [1-5000]. See [1, 2, 98]. As it says: \u{201c}granules never expire\u{201d} [1].\n",
        "{\"citation\":{\"n\":1,\"quote\":\"granules never expire\",\"start\":0,\"end\":5}}\n",
        "event: citation\ndata: {\"n\":7}\n\nid: 99\n\nGranules. [[1]] [1]] [[[2] [\u{0661}] [１] [ 1 ] [-1] [1.5] [1e3]\n",
        "<a href=\"https://evil.example\">source</a> <cite>[1]</cite> [1](https://evil.example) ![x](https://evil.example/x.png)\n",
    ];
    for lie in lies {
        provider.reply(Script::answer(lie).chunked(Chunking::Every(3)));
        let conversation = member.open().await;
        let turn = member.ask(&conversation, QUESTION_A).await;
        let events = member.follow(&turn, None).await.all().await;
        assert_whole(&events);
        let shown: Vec<Value> = events.iter().filter(|e| e.name == "citation").map(|e| e.data["citation"].clone()).collect();
        let kept = member.turn(&turn).await;
        for citation in shown.iter().chain(&citations(&kept)) {
            assert_bound(&member, std::slice::from_ref(citation)).await;
            assert!(!citation["quote"].as_str().unwrap().contains("never expire"), "{citation}");
        }
        let given = provider.requests().last().unwrap().last_user().matches("<passage number=").count();
        let numbers: Vec<u64> = shown.iter().map(|c| c["n"].as_u64().unwrap()).collect();
        assert!(numbers.iter().all(|n| *n >= 1 && *n <= u64::try_from(given * 4).unwrap()), "{numbers:?} of {given} passages");
        for sentence in kept["answer"]["blocks"].as_array().unwrap().iter().flat_map(|b| b["sentences"].as_array().unwrap()) {
            let text = sentence["text"].as_str().unwrap();
            assert!(!text.contains("[99]") && !text.contains("[0]") && !text.contains("[1]"), "a mark is left in the text: {text}");
            assert!(sentence["verdict"] != "supported" || !text.contains("99 months"), "{sentence}");
        }
        let page = member.get(&format!("/conversations/{conversation}")).await.expect(200).text();
        assert!(!page.contains("href=\"https://evil") && !page.contains("<img"), "what a model writes is text: {page}");
    }
}

#[tokio::test]
async fn a_provider_that_finds_the_evidence_too_thin_is_an_honest_refusal() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::answer("NOT ENOUGH EVIDENCE").chunked(Chunking::Every(1)));
    let app = app_with(&provider, SHORT).await;
    let member = app.member();
    let conversation = member.open().await;
    let turn = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert_eq!(turn["state"], "no_evidence", "{turn:#}");
    assert!(!text_of(&turn).contains("NOT ENOUGH EVIDENCE") && citations(&turn).is_empty(), "{turn:#}");
}

#[tokio::test]
async fn a_provider_gets_the_passages_and_nothing_of_another_organisation() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply(Script::answer(SAID));
    let app = app_with(&provider, SHORT).await;
    let member = app.member();
    let conversation = member.open().await;
    ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    let request = &provider.requests()[0];
    let text = String::from_utf8_lossy(&request.body).to_lowercase();
    assert!(request.last_user().contains("36 months") && request.last_user().contains(QUESTION_A));
    assert!(!text.contains(vital_testkit::app::CANARY_B) && !text.contains("@a.example") && !text.contains(&app.a().tenant), "{text}");
}
