//! How the bytes of an answer arrive changes nothing in what is read from them.

use super::{FORMATS, Outcome, PATIENT, TEXT, play, text};
use crate::{Delta, LlmError, WireFormat, sse::Frame, wire::Parser};
use proptest::{prelude::*, test_runner::TestRunner};
use std::collections::HashSet;
use vital_testkit::provider::{Chunking, Script, Stop};

/// What a script says, without its bytes.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Call { id: &'static str, fragments: Vec<String> },
}

fn script(said: &[Said]) -> Script {
    said.iter().fold(Script::answer(TEXT).same_event_id("7").stop(Stop::ToolUse), |script, one| match one {
        Said::Text(text) => script.text(text),
        Said::Call { id, fragments } => script.tool_call(id, "dose", &fragments.iter().map(String::as_str).collect::<Vec<_>>()),
    })
}

fn chunkings() -> impl Strategy<Value = Chunking> {
    prop_oneof![
        Just(Chunking::Whole),
        (1_usize..40).prop_map(Chunking::Every),
        proptest::collection::btree_set(1_usize..3_000, 0..30).prop_map(|cuts| Chunking::At(cuts.into_iter().collect())),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<Said>> {
    let fragment = prop_oneof![Just("{\"µg\":".to_owned()), Just("\"≥ 5 🧪\"".to_owned()), Just("}".to_owned()), ".{0,4}"];
    let call = (prop_oneof![Just(""), Just("a"), Just("b-1")], proptest::collection::vec(fragment, 0..4))
        .prop_map(|(id, fragments)| Said::Call { id, fragments });
    proptest::collection::vec(prop_oneof![".{1,6}".prop_map(Said::Text), call], 0..6)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn an_answer_is_the_same_under_any_split_of_its_bytes() {
    let runtime = runtime();
    for format in FORMATS {
        let play = |chunking, said: &[Said]| -> Outcome { runtime.block_on(play(format, script(said).chunked(chunking), PATIENT)) };
        let expected = play(Chunking::Frames, &[]);
        assert_eq!((text(&expected.0).as_str(), &expected.1), (TEXT, &None));
        let mut runner = TestRunner::new(proptest::test_runner::Config { cases: 40, failure_persistence: None, ..Default::default() });
        runner
            .run(&(chunkings(), scripts()), |(chunking, said)| {
                let expected = play(Chunking::Frames, &said);
                prop_assert_eq!(&expected.1, &None);
                prop_assert_eq!(play(chunking, &said), expected);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn an_answer_cut_at_every_byte_is_whole() {
    let said = [Said::Call { id: "a", fragments: vec!["{\"µg\":\"≥".into(), " 🧪\"}".into()] }];
    for format in FORMATS {
        let (deltas, error) = runtime().block_on(play(format, script(&said).chunked(Chunking::Every(1)), PATIENT));
        assert_eq!((text(&deltas).as_str(), error), (TEXT, None), "{format:?}");
        let arguments = deltas.iter().find_map(|d| if let Delta::ToolCall(call) = d { Some(call.arguments.to_string()) } else { None });
        assert_eq!(arguments.as_deref(), Some("{\"µg\":\"≥ 🧪\"}"), "{format:?}");
    }
}

/// Without a network between, each cut of a whole stream can be tried.
#[test]
fn every_single_cut_of_a_stream_gives_the_same_steps() {
    let stream = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"≥ 🧪\"}]}}]}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"µ\":1}}}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
    )
    .as_bytes();
    let steps = |cut: usize| {
        let mut decoder = crate::sse::Decoder::new();
        let mut parser = Parser::new(WireFormat::Google, &super::question());
        let frames: Vec<_> = [&stream[..cut], &stream[cut..]].iter().flat_map(|part| decoder.push(part)).collect();
        let steps: Vec<_> = frames.into_iter().map(|frame| parser.frame(&frame.unwrap()).unwrap()).collect();
        (steps, parser.end_of_response())
    };
    let expected = steps(0);
    assert_eq!((expected.0.len(), &expected.1), (2, &Ok(crate::StopReason::ToolUse)));
    for cut in 1..=stream.len() {
        assert_eq!(steps(cut), expected, "{cut}");
    }
}

/// Messages of all formats, whole and with a piece replaced, in any order: what a broken or hostile provider may send.
fn messages() -> impl Strategy<Value = Vec<String>> {
    let whole = prop::sample::select(vec![
        r#"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"name":"g"}},{"index":0,"function":{"arguments":"}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
        "[DONE]",
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"x","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":9,"output_tokens":4}}"#,
        r#"{"type":"message_stop"}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"x","name":"f","args":{}}},{"text":"b"}]},"finishReason":"STOP"}]}"#,
        r#"{"usageMetadata":{"promptTokenCount":5,"thoughtsTokenCount":7}}"#,
        r#"{"error":{"code":429,"type":"x","details":[{"retryDelay":"1s"}]}}"#,
    ]);
    let piece =
        prop_oneof![Just("null"), Just("-1"), Just("[]"), Just("{}"), Just("1e999"), Just("\""), Just("18446744073709551615"), Just("")];
    let broken = (whole.clone(), any::<prop::sample::Index>(), 0_usize..8, piece).prop_map(|(message, at, bytes, piece)| {
        let from = at.index(message.len());
        let to = (from + bytes).min(message.len());
        format!("{}{piece}{}", &message[..from], &message[to..])
    });
    proptest::collection::vec(prop_oneof![3 => whole.prop_map(Into::into), 1 => broken], 0..12)
}

proptest! {
    #[test]
    fn whatever_a_provider_sends_ids_are_unique_and_calls_end_once_after_they_begin(messages in messages()) {
        for format in FORMATS {
            let mut parser = Parser::new(format, &super::question());
            let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
            for data in &messages {
                let step = match parser.frame(&Frame { event: None, data: data.clone(), id: None }) {
                    Ok(step) => step,
                    Err(error) => {
                        let ours = matches!(error, LlmError::Config { .. } | LlmError::Request { .. });
                        prop_assert!(!ours);
                        break;
                    }
                };
                for call in step.calls {
                    match call {
                        Delta::ToolCallStart { index, id, .. } => prop_assert!(index == begun.len() && begun.insert(id)),
                        Delta::ToolCall(call) => prop_assert!(begun.contains(&call.id) && ended.insert(call.id)),
                        Delta::InvalidToolCall(call) => prop_assert!(begun.contains(&call.id) && ended.insert(call.id)),
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                if let Some(usage) = step.usage {
                    prop_assert!(usage.cached_input + usage.cache_write_input <= usage.input && usage.reasoning <= usage.output);
                }
                if step.end.is_some() {
                    prop_assert_eq!(&begun, &ended);
                    break;
                }
            }
        }
    }
}
