//! The spans of one real turn, as a receiver of OTLP gets them: names, kinds, parents and attributes, and nothing of what people wrote.
//! What is started stays for the process, so it is one test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use std::collections::BTreeMap;
use vital_llm::{Provider, ProviderConfig, Timeouts, WireFormat};
use vital_telemetry::Settings;
use vital_testkit::{
    app::{CANARY_A, Client, Options, QUESTION_A, TestApp, until},
    provider::{Script, ScriptedProvider},
    receiver::{Mode, ScriptedReceiver},
};

const SAID: &str = "The shelf life of aldebaran granules is 36 months when stored below 25 °C. [1]\n";
const FOREIGN_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn provider_at(base_url: String) -> Provider {
    vital_llm::ensure_crypto_provider();
    let settings = ProviderConfig {
        name: "scripted".to_owned(),
        format: WireFormat::OpenAi,
        base_url,
        allow_http: false,
        model: "test-1".to_owned(),
        api_key: None,
        timeouts: Timeouts::default(),
        max_output_tokens: 1_000,
        temperature: 0.2,
    };
    Provider::new(settings).unwrap()
}

async fn ended(client: &Client, turn: &str) -> serde_json::Value {
    until(format!("turn {turn}"), || async {
        let turn = client.turn(turn).await;
        (turn["state"] != "running").then_some(turn)
    })
    .await
}

/// All spans that have come.
fn spans(receiver: &ScriptedReceiver) -> Vec<Span> {
    let requests = receiver.taken().into_iter().map(|taken| ExportTraceServiceRequest::decode(taken.body.as_slice()).unwrap());
    requests.flat_map(|r| r.resource_spans).flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect()
}

/// Waits for the span of a turn of a conversation, which ends last, and returns all of its trace.
async fn trace_of_turn(receiver: &ScriptedReceiver, conversation: &str, number: usize) -> Vec<Span> {
    until(format!("the span of turn {number}"), || async {
        let all = spans(receiver);
        let turn = all
            .iter()
            .filter(|s| s.name.starts_with("invoke_agent") && told(s)["gen_ai.conversation.id"] == conversation)
            .nth(number)?
            .clone();
        Some(all.into_iter().filter(|s| s.trace_id == turn.trace_id).collect())
    })
    .await
}

fn named<'a>(trace: &'a [Span], name: &str) -> &'a Span {
    trace.iter().find(|s| s.name.starts_with(name)).ok_or_else(|| format!("no `{name}` in {trace:#?}")).unwrap()
}

/// The attributes as text.
fn told(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(int) => int.to_string(),
        Value::DoubleValue(double) => double.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = span.attributes.iter();
    attributes.map(|a| (a.key.as_str(), text(a.value.as_ref().unwrap().value.as_ref().unwrap()))).collect()
}

/// Every attribute is one that the conventions have for the operation, and those that they require are there.
fn assert_conventional(span: &Span) {
    let registry: toml::Table = include_str!("../../vital-telemetry/semconv.toml").parse().unwrap();
    let told = told(span);
    let operation = told.get("gen_ai.operation.name").map_or("server", String::as_str);
    for (name, about) in registry["attributes"].as_table().unwrap() {
        let level = about.get(operation).and_then(toml::Value::as_str);
        assert!(level.is_some() || !told.contains_key(name.as_str()), "`{name}` on {span:#?}");
        assert!(level != Some("required") || told.contains_key(name.as_str()), "no `{name}` on {span:#?}");
        assert!(level != Some("opt_in") || !told.contains_key(name.as_str()), "nobody asked for `{name}`: {span:#?}");
    }
    let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
    assert_eq!(failed, told.contains_key("error.type"), "{span:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spans_of_a_turn_are_conventional_linked_and_without_a_word_of_what_was_said() {
    vital_llm::ensure_crypto_provider();
    let (receiver, provider) = (ScriptedReceiver::start().await.unwrap(), ScriptedProvider::start().await.unwrap());
    let settings =
        Settings { endpoint: receiver.base_url(), headers: None, authorities: None, sample_ratio: 1.0, content: false, version: "1.2.3" };
    let exporter = vital_telemetry::start(settings).unwrap();
    tokio::spawn(exporter.run(std::future::pending()));
    let options = Options::new(&[env!("CARGO_BIN_EXE_vital"), "parse-document"]).provider(provider_at(provider.base_url()));
    let app = TestApp::start(options).await;
    let member = app.member();
    let conversation = member.open().await;

    // A sender from anywhere says that the request is part of its trace, and hangs luggage on it.
    provider.reply(Script::answer(SAID));
    let asked = member
        .request("POST", &format!("/api/v1/conversations/{conversation}/turns"))
        .header("traceparent", &format!("00-{FOREIGN_TRACE}-00f067aa0ba902b7-01"))
        .header("tracestate", "vendor=canary-state")
        .header("baggage", "user=canary-baggage")
        .json(&serde_json::json!({ "question": QUESTION_A }))
        .send()
        .await
        .expect(202);
    let timing = asked.header("server-timing").unwrap().to_owned();
    let turn = asked.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(&member, &turn).await["state"], "answered");

    let trace = trace_of_turn(&receiver, &conversation, 0).await;
    trace.iter().for_each(assert_conventional);
    let (request, agent) = (named(&trace, "POST /api/v1/conversations/{id}/turns"), named(&trace, "invoke_agent"));
    let (chat, retrieval) = (named(&trace, "chat test-1"), named(&trace, "retrieval"));
    let kinds = [request, agent, chat, retrieval].map(|s| s.kind());
    assert_eq!(kinds, [SpanKind::Server, SpanKind::Internal, SpanKind::Client, SpanKind::Internal]);
    assert!(request.parent_span_id.is_empty(), "a trace of our own: the sender is no proxy of ours");
    assert_eq!(agent.parent_span_id, request.span_id);
    assert!([chat, retrieval].iter().all(|s| s.parent_span_id == agent.span_id));
    let id: String = request.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(timing.contains(&id) && id != FOREIGN_TRACE, "{timing}");

    let of_chat = told(chat);
    for (name, value) in [
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "test-1"),
        ("gen_ai.request.max_tokens", "1000"),
        ("gen_ai.conversation.id", &conversation),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(of_chat[name], value, "{name}");
    }
    assert!(of_chat["gen_ai.request.temperature"].starts_with("0.2") && of_chat["gen_ai.response.finish_reasons"].contains("stop"));
    assert!(of_chat.contains_key("gen_ai.usage.input_tokens") && of_chat.contains_key("gen_ai.response.time_to_first_chunk"));
    assert!(agent.name.len() > "invoke_agent ".len(), "an expert of the product is named: {}", agent.name);
    assert_eq!(told(agent)["gen_ai.conversation.id"], conversation);

    // A provider that fails: a span for each try.
    provider.reply_with(|_| Script::status(500).body("canary-of-the-provider"));
    let failed = ended(&member, &member.ask(&conversation, QUESTION_A).await).await;
    assert_eq!(failed["problem"]["code"], "provider.status");
    let trace = trace_of_turn(&receiver, &conversation, 1).await;
    trace.iter().for_each(assert_conventional);
    let tries: Vec<&Span> = trace.iter().filter(|s| s.name == "chat test-1").collect();
    assert!(tries.len() > 1 && tries.iter().all(|s| told(s)["error.type"] == "provider.status"), "{tries:#?}");
    assert_eq!(told(named(&trace, "invoke_agent"))["error.type"], "provider.status");

    // A model that calls a tool: a span for the call, with what the tool does below it, and no word of what it was given or found.
    provider.reply(Script::new().tool_call("call-1", "search_documents", &[r#"{"query":"aldebaran canary-of-a-call"}"#]));
    provider.reply(Script::new().tool_call("call-2", "search_documents", &[r#"{"colour":"canary-red"}"#]));
    provider.reply_with(|_| Script::answer(SAID));
    assert_eq!(ended(&member, &member.ask(&conversation, QUESTION_A).await).await["state"], "answered");
    let trace = trace_of_turn(&receiver, &conversation, 2).await;
    trace.iter().for_each(assert_conventional);
    let agent = named(&trace, "invoke_agent");
    let tools: Vec<&Span> = trace.iter().filter(|s| s.name == "execute_tool search_documents").collect();
    let [found, refused] = tools.as_slice() else { panic!("two calls: {trace:#?}") };
    assert!(tools.iter().all(|s| s.parent_span_id == agent.span_id && s.kind() == SpanKind::Internal));
    assert_eq!(told(found)["gen_ai.tool.name"], "search_documents");
    assert!(trace.iter().any(|s| s.name == "retrieval" && s.parent_span_id == found.span_id), "its search stands below it: {trace:#?}");
    assert_eq!(told(refused)["error.type"], "tool.arguments");

    // A receiver that fails or is silent: the answer does not know.
    provider.reply_with(|_| Script::answer(SAID));
    for mode in [Mode::Answers(500), Mode::Hangs] {
        receiver.set(mode);
        assert_eq!(ended(&member, &member.ask(&conversation, QUESTION_A).await).await["state"], "answered", "{mode:?}");
    }

    // Nothing that was said, by anybody, and nobody's name: in no part of any request that left.
    let everything: Vec<u8> = receiver.taken().into_iter().flat_map(|taken| [taken.head.into_bytes(), taken.body].concat()).collect();
    let everything = String::from_utf8_lossy(&everything);
    for canary in ["aldebaran", "shelf life", "36 months", CANARY_A, "canary", "@a.example", "@b.example"] {
        assert!(!everything.contains(canary), "`{canary}` left with the spans");
    }
    for id in app.sql_text("select string_agg(user_id::text, ' ') from directory.logins").await.unwrap().split(' ') {
        assert!(!everything.contains(id), "the person {id} left with the spans");
    }
    // Providers are third parties: they get no number of a trace and no luggage.
    let sent = provider.requests();
    assert!(!sent.is_empty());
    for request in sent {
        assert!(["traceparent", "tracestate", "baggage"].iter().all(|name| request.headers.get(*name).is_none()), "{:?}", request.headers);
    }
}
