//! The shared suite: every format against a scripted provider, in order and under every fault.
//!
//! Each test runs for all formats. A timeout under test is tens of milliseconds, the others are far away, so that a busy machine
//! changes no outcome; a guard turns a hang into a failure. Azure speaks OpenAI's format, and has its place here for its addresses and key.

mod embeddings;
mod refusals;
mod splits;
mod tools;

use crate::{
    ApiKey, ChatRequest, Delta, LlmError, Message, Provider, ProviderConfig, StopReason, Timeouts, TokenUsage, WireFormat,
    sse::FRAME_BYTES_MAX,
};
use futures_util::StreamExt;
use std::{future::Future, time::Duration};
use vital_testkit::provider::{Format, Gate, Script, ScriptedProvider, Stop, Usage};

const FORMATS: [WireFormat; 4] = [WireFormat::OpenAi, WireFormat::AzureOpenAi, WireFormat::Anthropic, WireFormat::Google];
const SHORT: Duration = Duration::from_millis(40);
const FAR: Duration = Duration::from_secs(30);
const PATIENT: Timeouts = Timeouts { connect: FAR, first_token: FAR, between_tokens: FAR, total: FAR };
/// Characters of one to four bytes, so that cuts at any byte meet them.
const TEXT: &str = "Doses ≥ 5 µg/m² were safe 🧪, p < 0.05.";

type Outcome = (Vec<Delta>, Option<LlmError>);

fn settings(format: WireFormat, server: &ScriptedProvider, timeouts: Timeouts) -> ProviderConfig {
    ProviderConfig {
        name: "scripted".into(),
        format,
        base_url: server.base_url(),
        allow_http: false,
        model: "model-1".into(),
        api_key: Some(ApiKey::new("sk-secret".into())),
        timeouts,
        max_output_tokens: 1_000,
        temperature: 0.2,
    }
}

fn question() -> ChatRequest {
    ChatRequest {
        system: "Be exact.".into(),
        messages: vec![Message::user("Hello"), Message::assistant("Yes?"), Message::user("Which dose?")],
        max_output_tokens: Some(50),
        ..ChatRequest::default()
    }
}

async fn ask(provider: &Provider) -> Outcome {
    ask_with(provider, &question()).await
}

async fn ask_with(provider: &Provider, request: &ChatRequest) -> Outcome {
    let mut deltas = Vec::new();
    let run = async {
        let mut stream = provider.stream(request).await?;
        while let Some(delta) = stream.next().await {
            deltas.push(delta?);
        }
        Ok(())
    };
    let outcome = within(run).await;
    (deltas, outcome.err())
}

async fn within<T>(run: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), run).await.expect("hangs")
}

async fn play(format: WireFormat, script: Script, timeouts: Timeouts) -> Outcome {
    let server = ScriptedProvider::start().await.unwrap();
    server.reply(script);
    ask(&Provider::new(settings(format, &server, timeouts)).unwrap()).await
}

fn text(deltas: &[Delta]) -> String {
    deltas.iter().filter_map(|d| if let Delta::Text(t) = d { Some(t.as_str()) } else { None }).collect()
}

fn stops(deltas: &[Delta]) -> usize {
    deltas.iter().filter(|d| matches!(d, Delta::Stop(_))).count()
}

/// The script fails with this error in every format, and no answer passes for a finished one.
async fn fails(script: impl Fn() -> Script, timeouts: Timeouts, expected: &LlmError, said: &str) {
    for format in FORMATS {
        let (deltas, error) = play(format, script(), timeouts).await;
        assert_eq!(error.as_ref(), Some(expected), "{format:?}");
        assert_eq!(text(&deltas), said, "{format:?}");
        assert_eq!(stops(&deltas), 0, "{format:?}");
    }
}

async fn garbled(script: impl Fn() -> Script) {
    for format in FORMATS {
        let (deltas, error) = play(format, script(), PATIENT).await;
        assert!(matches!(error, Some(LlmError::Garbled { .. })), "{format:?}: {error:?}");
        assert_eq!(stops(&deltas), 0, "{format:?}");
    }
}

#[tokio::test]
async fn an_answer_comes_whole_with_usage_cached_tokens_and_reason() {
    for format in FORMATS {
        for (stop, reason) in
            [(Stop::EndTurn, StopReason::EndTurn), (Stop::MaxTokens, StopReason::MaxTokens), (Stop::Refusal, StopReason::Refusal)]
        {
            let usage = Usage { input: 120, output: 9, cached_input: 100, cache_write_input: 10, reasoning: 4 };
            let script = Script::answer(TEXT).usage(usage).stop(stop);
            let (deltas, error) = play(format, script, PATIENT).await;
            assert_eq!(error, None);
            assert_eq!(text(&deltas), TEXT);
            assert_eq!(deltas.last(), Some(&Delta::Stop(reason)));
            assert_eq!(stops(&deltas), 1);
            let usage = deltas.iter().rfind(|d| matches!(d, Delta::Usage(_)));
            // Google tells nothing of writing to the cache, Anthropic nothing of reasoning.
            let cache_write_input = if format == WireFormat::Google { 0 } else { 10 };
            let reasoning = if format == WireFormat::Anthropic { 0 } else { 4 };
            let expected = TokenUsage { input: 120, output: 9, cached_input: 100, cache_write_input, reasoning };
            assert_eq!(usage, Some(&Delta::Usage(expected)), "{format:?}");
        }
    }
}

#[tokio::test]
async fn the_first_token_is_handed_on_while_the_provider_still_writes() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        let gate = Gate::new();
        server.reply(Script::new().text("first ").wait(&gate).text("second"));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let mut stream = within(provider.stream(&question())).await.unwrap();
        let mut seen = Vec::new();
        while text(&seen) != "first " {
            seen.push(within(stream.next()).await.unwrap().unwrap());
        }
        gate.open();
        while let Some(delta) = within(stream.next()).await {
            seen.push(delta.unwrap());
        }
        assert_eq!(text(&seen), "first second");
    }
}

#[tokio::test]
async fn the_request_carries_the_key_the_dialogue_and_the_settings() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply_with(|request| Script::answer(&format!("{} {}", request.system(), request.last_user())));
        let (deltas, _) = ask(&Provider::new(settings(format, &server, PATIENT)).unwrap()).await;
        assert_eq!(text(&deltas), "Be exact. Which dose?");
        let request = server.requests().pop().unwrap();
        let json = request.json();
        assert!(!format!("{}?{}", request.path, request.query).contains("sk-secret"), "{format:?}");
        if format == WireFormat::Google {
            assert_eq!(json["generationConfig"].to_string(), r#"{"maxOutputTokens":50,"temperature":0.2}"#);
        } else {
            assert_eq!((json["model"].as_str(), json["stream"].as_bool()), (Some("model-1"), Some(true)));
            let limit = if format == WireFormat::AzureOpenAi { "max_completion_tokens" } else { "max_tokens" };
            assert_eq!((json[limit].as_u64(), json["temperature"].to_string()), (Some(50), "0.2".into()));
        }
        let (header, key) = match format {
            WireFormat::OpenAi => ("authorization", "Bearer sk-secret"),
            WireFormat::AzureOpenAi => ("api-key", "sk-secret"),
            WireFormat::Anthropic => ("x-api-key", "sk-secret"),
            WireFormat::Google => ("x-goog-api-key", "sk-secret"),
        };
        assert_eq!(request.header(header), Some(key));
        let (path, query, messages) = match format {
            WireFormat::OpenAi => ("/v1/chat/completions", "", 4),
            WireFormat::AzureOpenAi => ("/openai/deployments/model-1/chat/completions", "api-version=2024-10-21", 4),
            WireFormat::Anthropic => ("/v1/messages", "", 3),
            WireFormat::Google => ("/v1beta/models/model-1:streamGenerateContent", "alt=sse", 3),
        };
        assert_eq!((request.path.as_str(), request.query.as_str()), (path, query));
        let list = if format == WireFormat::Google { "contents" } else { "messages" };
        assert_eq!(json[list].as_array().unwrap().len(), messages);
        match request.format {
            Format::OpenAi => assert_eq!(json["stream_options"]["include_usage"], true),
            Format::Anthropic => assert_eq!(request.header("anthropic-version"), Some("2023-06-01")),
            Format::Google => assert_eq!(json["contents"][1]["role"], "model"),
            Format::Bare => panic!("{} is no path of a model", request.path),
        }
    }
}

#[tokio::test]
async fn the_fields_that_models_refuse_at_their_defaults_are_not_sent() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::new());
        let provider = Provider::new(ProviderConfig { temperature: 1.0, api_key: None, ..settings(format, &server, PATIENT) }).unwrap();
        let request = ChatRequest { messages: vec![Message::user("a")], max_output_tokens: Some(9_999_999), ..ChatRequest::default() };
        assert_eq!(within(provider.stream(&request)).await.unwrap().collect::<Vec<_>>().await, [Ok(Delta::Stop(StopReason::EndTurn))]);
        let sent = server.requests().pop().unwrap();
        let json = sent.json();
        assert!(!json.to_string().contains("temperature") && !json.to_string().to_lowercase().contains("system"));
        assert!(["authorization", "api-key", "x-api-key", "x-goog-api-key"].iter().all(|name| sent.header(name).is_none()));
        let limits = ["/max_tokens", "/max_completion_tokens", "/generationConfig/maxOutputTokens"];
        assert!(limits.iter().any(|limit| json.pointer(limit).is_some_and(|limit| limit == 1_000)), "{format:?}");
    }
}

#[tokio::test]
async fn a_dropped_stream_closes_the_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::new().text("first").hang());
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let mut stream = within(provider.stream(&question())).await.unwrap();
        within(stream.next()).await.unwrap().unwrap();
        assert_eq!(server.counts().closed_early, 0);
        drop(stream);
        within(server.until(|c| c.closed_early == 1)).await;
    }
}

#[tokio::test]
async fn a_request_dropped_before_the_answer_closes_the_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::half_open());
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let question = question();
        tokio::select! {
            _ = provider.stream(&question) => panic!("there is no answer"),
            _ = within(server.until(|c| c.requests == 1)) => {}
        }
        within(server.until(|c| c.closed_early == 1)).await;
    }
}

#[tokio::test]
async fn finished_answers_share_a_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply_with(|_| Script::answer(TEXT));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        for _ in 0..20 {
            assert_eq!(ask(&provider).await.1, None);
        }
        // The end of a response may arrive after the next request has left, which then takes a connection of its own.
        assert!(server.counts().connections <= 10, "{:?}", server.counts());
        assert_eq!(server.counts().closed_early, 0);
    }
}

#[tokio::test]
async fn a_connection_survives_an_end_that_comes_after_the_end_mark() {
    // Google's format has no end mark but the end of the response.
    for (format, end_mark) in [(WireFormat::OpenAi, "data: [DONE]\n\n"), (WireFormat::Anthropic, "data: {\"type\":\"message_stop\"}\n\n")] {
        let server = ScriptedProvider::start().await.unwrap();
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let gate = Gate::new();
        server.reply(Script::new().raw(end_mark).wait(&gate).end_early());
        server.reply(Script::new());
        assert_eq!(ask(&provider).await, (vec![Delta::Stop(StopReason::Other)], None));
        // The server is busy with another request before it could have missed that the first connection closed.
        assert_eq!(ask(&provider).await.1, None);
        assert_eq!((server.counts().connections, server.counts().closed_early), (2, 0));
        gate.open();
    }
}

#[tokio::test]
async fn frames_with_the_same_id_are_not_taken_for_repeats() {
    for format in FORMATS {
        let (deltas, error) = play(format, Script::new().same_event_id("1").text("a").text("a").text("a"), PATIENT).await;
        assert_eq!((text(&deltas).as_str(), error), ("aaa", None));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for format in FORMATS {
        let other = ScriptedProvider::start().await.unwrap();
        let location = format!("{}/v1/messages", other.base_url());
        let (_, error) = play(format, Script::status(307).header("location", &location), PATIENT).await;
        assert_eq!(error, Some(LlmError::Status { status: 307 }));
        assert_eq!(other.counts().connections, 0);
    }
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = ProviderConfig { base_url: format!("http://{closed}"), ..settings(format, &server, PATIENT) };
        assert_eq!(ask(&Provider::new(settings).unwrap()).await, (vec![], Some(LlmError::Connect)));
    }
}

#[tokio::test]
async fn a_host_that_speaks_no_tls_is_a_failed_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        let settings = ProviderConfig { base_url: format!("https://{}", server.address()), ..settings(format, &server, PATIENT) };
        assert_eq!(ask(&Provider::new(settings).unwrap()).await, (vec![], Some(LlmError::Connect)));
        assert_eq!((server.counts().connections, server.counts().requests), (1, 0));
    }
}

#[tokio::test]
async fn silence_before_the_first_token_runs_out() {
    let timeouts = Timeouts { first_token: SHORT, ..PATIENT };
    fails(Script::half_open, timeouts, &LlmError::FirstTokenTimeout, "").await;
    // The opening frames of both formats, comments and pings are signs of life, not of generation.
    fails(|| Script::new().hang(), timeouts, &LlmError::FirstTokenTimeout, "").await;
    fails(|| Script::new().forever_raw(": keep-alive\n\n"), timeouts, &LlmError::FirstTokenTimeout, "").await;
    let drip = || Script::new().drip(&[b'x'; 400], Duration::from_millis(1)).hang();
    fails(drip, timeouts, &LlmError::FirstTokenTimeout, "").await;
}

#[tokio::test]
async fn silence_inside_an_answer_runs_out() {
    let timeouts = Timeouts { between_tokens: SHORT, ..PATIENT };
    fails(|| Script::new().text("So ").hang(), timeouts, &LlmError::Stalled, "So ").await;
    fails(|| Script::new().text("So ").forever_raw(":\n"), timeouts, &LlmError::Stalled, "So ").await;
    let drip = || Script::new().text("So ").drip(&[b'x'; 400], Duration::from_millis(1)).hang();
    fails(drip, timeouts, &LlmError::Stalled, "So ").await;
}

#[tokio::test]
async fn an_answer_that_never_ends_runs_out_of_time_or_room() {
    for format in FORMATS {
        let slow = (0..400).fold(Script::new(), |script, _| script.pause(Duration::from_millis(1)).text("."));
        let (deltas, error) = play(format, slow, Timeouts { total: SHORT, ..PATIENT }).await;
        assert_eq!((error, stops(&deltas)), (Some(LlmError::TotalTimeout), 0));
        let (deltas, error) = play(format, Script::new().forever("x".repeat(2_000)), PATIENT).await;
        assert_eq!(error, Some(LlmError::OutputTooLarge));
        assert!(text(&deltas).len() <= crate::OUTPUT_BYTES_MAX);
        let comments = Script::new().forever_raw(format!(":{}\n", "x".repeat(60_000)));
        assert_eq!(play(format, comments, PATIENT).await, (vec![], Some(LlmError::OutputTooLarge)));
    }
}

#[tokio::test]
async fn an_error_body_that_never_ends_does_not_hold_the_error() {
    let run = |format| play(format, Script::status(500).body("{").hang(), PATIENT);
    for (_, error) in futures_util::future::join_all(FORMATS.map(run)).await {
        assert_eq!(error, Some(LlmError::Status { status: 500 }));
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_the_end_mark_is_cut() {
    fails(Script::cut_before_answer, PATIENT, &LlmError::Cut, "").await;
    fails(|| Script::new().text("So ").cut(), PATIENT, &LlmError::Cut, "So ").await;
    fails(|| Script::new().text("So ").end_early(), PATIENT, &LlmError::Cut, "So ").await;
    fails(|| Script::new().text("So ").raw("data: {\"cho").cut(), PATIENT, &LlmError::Cut, "So ").await;
}

#[tokio::test]
async fn what_is_not_the_format_is_garbled() {
    garbled(|| Script::new().data("{")).await;
    garbled(|| Script::new().data("[]")).await;
    garbled(|| Script::new().data(r#"{"choices":7,"candidates":7,"type":"content_block_delta","delta":7}"#)).await;
    garbled(|| Script::new().raw(b"data: \xFF\xFE\n\n".as_slice())).await;
    garbled(|| Script::status(200).header("content-type", "application/json").body("{}")).await;
    garbled(|| Script::status(200).header("content-type", "text/html").body("<html>")).await;
    garbled(|| Script::status(204)).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused() {
    let huge = |bytes| move || Script::new().raw(format!("data: {}", "x".repeat(bytes)));
    fails(huge(FRAME_BYTES_MAX), PATIENT, &LlmError::FrameTooLarge, "").await;
    fails(|| Script::new().forever_raw("x".repeat(10_000)), PATIENT, &LlmError::FrameTooLarge, "").await;
}

#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    for encoding in ["gzip", "br", "zstd"] {
        garbled(|| Script::status(200).header("content-type", "text/event-stream").header("content-encoding", encoding).body("x")).await;
    }
}

#[tokio::test]
async fn usage_that_lies_is_handed_on_within_reason_and_refused_beyond() {
    for format in FORMATS {
        let (deltas, error) = play(format, Script::answer(TEXT).usage(Usage { input: 1, ..Usage::default() }), PATIENT).await;
        assert_eq!((text(&deltas).as_str(), error), (TEXT, None));
        let lie = Usage { input: 1, output: 2, cached_input: 50, cache_write_input: 60, reasoning: 70 };
        let (deltas, _) = play(format, Script::answer(TEXT).usage(lie), PATIENT).await;
        let all: Vec<_> = deltas.iter().filter_map(|d| if let Delta::Usage(u) = d { Some(u) } else { None }).collect();
        assert!(!all.is_empty() && all.iter().all(|u| u.cached_input + u.cache_write_input <= u.input && u.reasoning <= u.output));
        let (deltas, error) = play(format, Script::new().text("So "), PATIENT).await;
        assert_eq!((deltas, error), (vec![Delta::Text("So ".into()), Delta::Stop(StopReason::EndTurn)], None), "no usage at all");
    }
    garbled(|| Script::answer(TEXT).usage(Usage { input: 1, output: u64::MAX, ..Usage::default() })).await;
    garbled(|| Script::answer(TEXT).usage(Usage { input: u64::MAX, output: 1, cached_input: u64::MAX, ..Usage::default() })).await;
    let negative = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":-5,"prompt_tokens":-5},"choices":[],"usageMetadata":{"promptTokenCount":-5}}"#;
    garbled(|| Script::new().data(negative)).await;
}

#[tokio::test]
async fn usage_that_grows_replaces_what_came_before() {
    for (format, early) in [
        (WireFormat::OpenAi, r#"{"choices":[],"usage":{"prompt_tokens":120,"completion_tokens":3}}"#),
        (WireFormat::Anthropic, r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":3}}"#),
        (WireFormat::Google, r#"{"usageMetadata":{"promptTokenCount":120,"candidatesTokenCount":3}}"#),
    ] {
        let script = Script::new().text("a").data(early).text("b").usage(Usage { input: 120, output: 9, ..Usage::default() });
        let (deltas, error) = play(format, script, PATIENT).await;
        let output: Vec<_> = deltas.iter().filter_map(|d| if let Delta::Usage(u) = d { Some((u.input, u.output)) } else { None }).collect();
        assert!(output.ends_with(&[(120, 3), (120, 9)]), "{format:?} {output:?}");
        assert_eq!((text(&deltas).as_str(), error), ("ab", None));
    }
}
