//! Tools and structured output: what is offered, called and answered, in every format.

use super::{FORMATS, Outcome, PATIENT, ask_with, play, settings, text};
use crate::{
    ArgumentsFault, ChatRequest, Delta, LlmError, Message, OutputSchema, Provider, StopReason, TOOL_ARGUMENT_BYTES_MAX, TOOL_CALLS_MAX,
    Tool, ToolCall, ToolChoice, ToolResult, WireFormat,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use vital_testkit::provider::{Script, ScriptedProvider, Stop};

fn dose() -> Tool {
    let input_schema =
        json!({"type": "object", "properties": {"kg": {"type": "number"}}, "required": ["kg"], "additionalProperties": false});
    Tool { name: "dose".into(), description: "Looks a dose up.".into(), input_schema }
}

fn request() -> ChatRequest {
    ChatRequest { tools: vec![dose()], ..super::question() }
}

fn calls(deltas: &[Delta]) -> Vec<&ToolCall> {
    deltas.iter().filter_map(|d| if let Delta::ToolCall(call) = d { Some(call) } else { None }).collect()
}

/// Each call begins once, in order, and before it is complete.
fn begun_in_order(deltas: &[Delta]) -> bool {
    let mut begun = Vec::new();
    deltas.iter().all(|delta| match delta {
        Delta::ToolCallStart { index, id, .. } => {
            begun.push(id);
            *index + 1 == begun.len()
        }
        Delta::ToolCall(ToolCall { id, .. }) => begun.contains(&id),
        Delta::InvalidToolCall(call) => begun.contains(&&call.id),
        _ => true,
    })
}

#[tokio::test]
async fn one_call_comes_whole_after_its_beginning_and_its_answer_goes_back() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::new().text("I look. ").tool_call("call-1", "dose", &["{\"k", "g\":", "70}"]).stop(Stop::ToolUse));
        server.reply(Script::answer("5 mg."));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let (deltas, error) = ask_with(&provider, &request()).await;
        assert_eq!((error, text(&deltas).as_str()), (None, "I look. "), "{format:?}");
        let call = calls(&deltas)[0].clone();
        assert_eq!((call.id.as_str(), call.name.as_str(), &call.arguments), ("call-1", "dose", &json!({"kg": 70})));
        assert!(begun_in_order(&deltas) && deltas.last() == Some(&Delta::Stop(StopReason::ToolUse)), "{format:?} {deltas:?}");

        let result = ToolResult { call_id: call.id.clone(), content: "5 mg".into(), is_error: false };
        let mut next = request();
        next.messages.extend([Message::calling("I look. ", vec![call]), Message::results(vec![result])]);
        assert_eq!(text(&ask_with(&provider, &next).await.0), "5 mg.");
        let sent = server.requests().pop().unwrap().json();
        let (call, result) = match format {
            WireFormat::OpenAi | WireFormat::AzureOpenAi => ("/messages/4/tool_calls/0/id", "/messages/5/content"),
            WireFormat::Anthropic => ("/messages/3/content/1/id", "/messages/4/content/0/content"),
            WireFormat::Google => ("/contents/3/parts/1/functionCall/id", "/contents/4/parts/0/functionResponse/response/output"),
        };
        assert_eq!((sent.pointer(call), sent.pointer(result)), (Some(&json!("call-1")), Some(&json!("5 mg"))), "{format:?} {sent}");
        let signature = sent.pointer("/contents/3/parts/1/thoughtSignature");
        assert_eq!(signature.is_some(), format == WireFormat::Google);
    }
}

#[tokio::test]
async fn several_calls_with_missing_and_doubled_ids_stay_apart() {
    for format in FORMATS {
        let script = ["a", "a", "", "b"]
            .iter()
            .enumerate()
            .fold(Script::new(), |script, (n, id)| script.tool_call(id, "dose", &["{\"kg\":", &n.to_string(), "}"]));
        let (deltas, error) = play(format, script.stop(Stop::ToolUse), PATIENT).await;
        assert_eq!(error, None);
        let calls = calls(&deltas);
        assert_eq!(calls.iter().map(|call| call.arguments["kg"].clone()).collect::<Vec<_>>(), [0, 1, 2, 3], "{format:?}");
        assert_eq!(calls.iter().map(|call| &call.id).collect::<HashSet<_>>().len(), 4);
        assert!(begun_in_order(&deltas) && calls[0].id == "a" && calls[3].id == "b");
        assert_eq!(deltas.last(), Some(&Delta::Stop(StopReason::ToolUse)));
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_object_do_not_end_the_stream() {
    for format in FORMATS {
        let script =
            Script::new().tool_call("a", "dose", &["{\"kg\": se", "venty"]).tool_call("b", "dose", &["[1]"]).tool_call("c", "dose", &[]);
        let (deltas, error) = play(format, script.stop(Stop::ToolUse), PATIENT).await;
        assert_eq!(error, None);
        let faults: Vec<_> =
            deltas.iter().filter_map(|d| if let Delta::InvalidToolCall(c) = d { Some((c.id.as_str(), c.fault)) } else { None }).collect();
        // Google's format carries JSON alone, so that what is no object arrives as another value.
        let broken = if format == WireFormat::Google { ArgumentsFault::NotAnObject } else { ArgumentsFault::NotJson };
        let empty = calls(&deltas).into_iter().find(|call| call.id == "c");
        if format == WireFormat::Google {
            assert_eq!(faults[..2], [("a", broken), ("b", ArgumentsFault::NotAnObject)]);
        } else {
            assert_eq!(faults, [("a", broken), ("b", ArgumentsFault::NotAnObject)], "{format:?}");
            assert_eq!(empty.map(|call| &call.arguments), Some(&json!({})));
        }
        assert!(begun_in_order(&deltas) && deltas.last() == Some(&Delta::Stop(StopReason::ToolUse)));
    }
}

#[tokio::test]
async fn calls_without_end_run_out_of_room() {
    let too_many = (0..=TOOL_CALLS_MAX).fold(Script::new(), |script, _| script.tool_call("", "dose", &["{}"]));
    let piece = format!("{{\"a\":\"{}\"}}", "x".repeat(TOOL_ARGUMENT_BYTES_MAX));
    let half = piece.split_at(piece.len() / 2);
    let too_long = Script::new().tool_call("a", "dose", &[half.0, half.1]);
    for script in [too_many, too_long] {
        for format in FORMATS {
            let (_, error) = play(format, script.clone(), PATIENT).await;
            assert_eq!(error, Some(LlmError::OutputTooLarge), "{format:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_breaks_off_is_never_handed_on() {
    for format in [WireFormat::OpenAi, WireFormat::AzureOpenAi, WireFormat::Anthropic] {
        let begun = match format {
            WireFormat::Anthropic => {
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"dose","input":{}}}"#
            }
            _ => r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"dose","arguments":"{}"}}]}}]}"#,
        };
        let (deltas, error): Outcome = play(format, Script::new().data(begun).cut(), PATIENT).await;
        assert_eq!(error, Some(LlmError::Cut));
        assert!(matches!(deltas.last(), Some(Delta::ToolCallStart { .. })) && calls(&deltas).is_empty(), "{deltas:?}");
    }
}

#[tokio::test]
async fn the_choice_of_tools_is_said_in_each_format_s_words() {
    for format in FORMATS {
        for choice in [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named("dose".into())] {
            let server = ScriptedProvider::start().await.unwrap();
            server.reply(Script::answer("No."));
            let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
            assert_eq!(ask_with(&provider, &ChatRequest { tool_choice: choice.clone(), ..request() }).await.1, None);
            let sent = server.requests().pop().unwrap().json();
            let expected = match (format, &choice) {
                (_, ToolChoice::Auto) => Value::Null,
                (WireFormat::OpenAi | WireFormat::AzureOpenAi, ToolChoice::None) => json!("none"),
                (WireFormat::OpenAi | WireFormat::AzureOpenAi, ToolChoice::Required) => json!("required"),
                (WireFormat::OpenAi | WireFormat::AzureOpenAi, _) => json!({"type": "function", "function": {"name": "dose"}}),
                (WireFormat::Anthropic, ToolChoice::None) => json!({"type": "none"}),
                (WireFormat::Anthropic, ToolChoice::Required) => json!({"type": "any"}),
                (WireFormat::Anthropic, _) => json!({"type": "tool", "name": "dose"}),
                (WireFormat::Google, ToolChoice::None) => json!({"functionCallingConfig": {"mode": "NONE"}}),
                (WireFormat::Google, ToolChoice::Required) => json!({"functionCallingConfig": {"mode": "ANY"}}),
                (WireFormat::Google, _) => json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["dose"]}}),
            };
            let place = if format == WireFormat::Google { "toolConfig" } else { "tool_choice" };
            assert_eq!(sent[place], expected, "{format:?} {choice:?}");
            assert!(sent["tools"].to_string().contains("\"additionalProperties\":false"), "the schema goes as it is");
        }
    }
}

#[tokio::test]
async fn structured_output_is_asked_for_and_comes_as_text() {
    let schema = json!({"type": "object", "properties": {"mg": {"type": "number"}}, "required": ["mg"], "additionalProperties": false});
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::new().text("{\"mg\"").text(":5}"));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let output = Some(OutputSchema { name: "dose".into(), schema: schema.clone(), strict: true });
        let (deltas, error) = ask_with(&provider, &ChatRequest { output, ..super::question() }).await;
        assert_eq!((serde_json::from_str::<Value>(&text(&deltas)).unwrap(), error), (json!({"mg": 5}), None));
        let place = match format {
            WireFormat::OpenAi | WireFormat::AzureOpenAi => "/response_format/json_schema/schema",
            WireFormat::Anthropic => "/output_config/format/schema",
            WireFormat::Google => "/generationConfig/responseJsonSchema",
        };
        assert_eq!(server.requests().pop().unwrap().json().pointer(place), Some(&schema), "{format:?}");
    }
}

#[tokio::test]
async fn sampling_of_the_request_goes_before_that_of_the_provider() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply_with(|_| Script::answer("a"));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let sent = async |request: ChatRequest| {
            assert_eq!(ask_with(&provider, &request).await.1, None);
            let json = server.requests().pop().unwrap().json();
            let json = if format == WireFormat::Google { json["generationConfig"].clone() } else { json };
            let top_p = json.get("top_p").or(json.get("topP")).cloned();
            (json.get("temperature").map(Value::to_string), top_p.map(|p| p.to_string()))
        };
        let base = super::question;
        assert_eq!(sent(base()).await, (Some("0.2".into()), None));
        assert_eq!(sent(ChatRequest { temperature: Some(0.0), ..base() }).await, (Some("0.0".into()), None));
        assert_eq!(sent(ChatRequest { temperature: Some(1.0), ..base() }).await, (None, None));
        assert_eq!(sent(ChatRequest { top_p: Some(0.5), ..base() }).await, (None, Some("0.5".into())));
        let hot = if format == WireFormat::Anthropic { None } else { Some("1.5".into()) };
        assert_eq!(sent(ChatRequest { temperature: Some(1.5), ..base() }).await, (hot, None), "{format:?}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_right_is_not_sent() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let bad = ChatRequest { tool_choice: ToolChoice::Required, ..super::question() };
        assert!(matches!(ask_with(&provider, &bad).await, (_, Some(LlmError::Request { .. }))));
        assert_eq!(server.counts().connections, 0);
    }
}
