//! The way to a receiver that takes, refuses, is silent and is gone. What is started stays for the process, so it is one test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message as _;
use std::time::{Duration, Instant};
use vital_keys::SecretText;
use vital_telemetry::{ExecuteTool, InvokeAgent, QUEUE_SPANS_MAX, Settings, current, execute_tool, start, within};
use vital_testkit::receiver::{Mode, ScriptedReceiver, Taken};

fn settings(endpoint: String) -> Settings {
    let headers = Some(SecretText::given("Authorization: Basic c2VjcmV0"));
    Settings { endpoint, headers, authorities: None, sample_ratio: 1.0, content: false, version: "1.2.3" }
}

fn spans_of(taken: &[Taken]) -> Vec<Span> {
    let requests = taken.iter().map(|taken| ExportTraceServiceRequest::decode(taken.body.as_slice()).unwrap());
    requests.flat_map(|r| r.resource_spans).flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect()
}

fn counted(outcome: &str) -> u64 {
    let line = format!("vital_telemetry_spans_total{{outcome=\"{outcome}\"}} ");
    vital_metrics::render().lines().find_map(|told| told.strip_prefix(&line)?.parse().ok()).unwrap()
}

/// Waits until so many spans ended so.
async fn until_counted(outcome: &str, count: u64) {
    let begun = Instant::now();
    while counted(outcome) < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "{outcome}: {} of {count}", counted(outcome));
        tokio::task::yield_now().await;
    }
}

fn a_turn() {
    InvokeAgent::begin(7).ended(Ok(()));
}

#[tokio::test]
async fn spans_reach_the_receiver_and_whatever_it_does_nobody_waits_and_what_is_lost_is_counted() {
    assert_eq!(current(), None);
    a_turn();
    vital_metrics::start("1.2.3").unwrap();
    let receiver = ScriptedReceiver::start().await.unwrap();
    for wrong in ["ftp://a.example", "http://169.254.169.254", "not an address"] {
        assert!(start(settings(wrong.to_owned())).is_err(), "{wrong}");
    }
    let exporter = start(settings(receiver.base_url())).unwrap();
    assert!(start(settings(receiver.base_url())).is_err(), "there is one for the process");
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();

    // More than the queue holds, before anything is sent: what does not fit is dropped at once.
    let begun = Instant::now();
    (0..QUEUE_SPANS_MAX + 100).for_each(|_| a_turn());
    assert_eq!(counted("dropped"), 100);
    assert!(begun.elapsed() < Duration::from_secs(2), "nobody waits");

    let running = tokio::spawn(exporter.run(async move { drop(stopping.await) }));
    until_counted("delivered", QUEUE_SPANS_MAX as u64).await;
    let taken = receiver.taken();
    assert!(taken[0].head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", taken[0].head);
    assert!(taken.iter().all(|t| t.head.contains("authorization: Basic c2VjcmV0") && !t.head.contains("traceparent")));
    let spans = spans_of(&taken);
    assert_eq!(spans.len(), QUEUE_SPANS_MAX);
    assert!(spans.iter().all(|s| s.name == "invoke_agent" && s.kind == 1 && s.end_time_unix_nano >= s.start_time_unix_nano));

    // A tool within a turn, and what fails in it.
    let before = receiver.taken().len();
    let mut turn = InvokeAgent::begin(9);
    let failed: Result<(), String> =
        within(turn.context(), execute_tool("knowledge_search", "call_1", async { Err("no".to_owned()) }, |_| "tool.unavailable")).await;
    assert!(failed.is_err());
    within(turn.context(), async { drop(ExecuteTool::begin("external", "call_2")) }).await;
    turn.expert(3, Some("statistician"));
    turn.tokens(5, 6);
    turn.ended(Ok(()));
    drop(turn);
    until_counted("delivered", QUEUE_SPANS_MAX as u64 + 3).await;
    let spans = spans_of(&receiver.taken()[before..]);
    let [tool, dropped, turn] = spans.as_slice() else { unreachable!("three spans, in the order of their ends: {spans:?}") };
    assert_eq!((tool.name.as_str(), dropped.name.as_str()), ("execute_tool knowledge_search", "execute_tool external"));
    assert_eq!((turn.name.as_str(), turn.parent_span_id.len()), ("invoke_agent statistician", 0));
    assert!([tool, dropped].iter().all(|t| t.parent_span_id == turn.span_id && t.trace_id == turn.trace_id));
    assert_eq!([tool, dropped, turn].map(|s| s.status.as_ref().unwrap().code), [2, 2, 0]);

    // Refused for good, then for a while, then silent, then gone: it is counted, and the last spans are sent when the server stops.
    receiver.set(Mode::Answers(400));
    a_turn();
    until_counted("failed", 1).await;
    receiver.set(Mode::Answers(503));
    let requests = receiver.requests();
    a_turn();
    receiver.until_requests(requests + 2).await;
    receiver.set(Mode::Takes);
    until_counted("delivered", QUEUE_SPANS_MAX as u64 + 4).await;
    receiver.set(Mode::Hangs);
    let requests = receiver.requests();
    a_turn();
    receiver.until_requests(requests + 1).await;
    let begun = Instant::now();
    (0..100).for_each(|_| a_turn());
    assert!(begun.elapsed() < Duration::from_millis(500), "a silent receiver costs nobody anything");
    receiver.set(Mode::Takes);
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(counted("delivered"), QUEUE_SPANS_MAX as u64 + 4 + 101, "what waited was sent before the end");
    a_turn();
    assert_eq!(counted("dropped"), 101, "after the end nothing is kept");
}
