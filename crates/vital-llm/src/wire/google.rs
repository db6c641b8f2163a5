//! Google Gemini: `streamGenerateContent` with `alt=sse` (<https://ai.google.dev/api/generate-content>), function calling
//! (<https://ai.google.dev/gemini-api/docs/function-calling>), thought signatures
//! (<https://ai.google.dev/gemini-api/docs/thought-signatures>) and `batchEmbedContents` (<https://ai.google.dev/api/embeddings>).
//!
//! Frames are whole `GenerateContentResponse` objects, each with the next parts. The format has **no end mark**: the reason to finish
//! comes with the last parts, and the response then ends. An answer therefore counts as complete when the response ends in order after
//! a reason or a blocked prompt, and as cut when it ends before.
//!
//! Schemas go into `parametersJsonSchema` and `responseJsonSchema`, which take JSON Schema as it is, and not into `parameters` and
//! `responseSchema`, whose OpenAPI dialect refuses usual keywords. The key goes into `x-goog-api-key` and never into the address, which
//! proxies log.

use super::{Calls, ErrorObject, Sampling, Step, calls::is_made, count, json};
use crate::{ChatRequest, Embeddings, LlmError, Message, Role, StopReason, TokenUsage, ToolChoice, embeddings::in_order, sse::Frame};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// The header of the key.
pub(super) const KEY_HEADER: &str = "x-goog-api-key";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: &'a Value,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Outcome<'a>,
}

/// The documented keys of a result that is text: `output`, or `error` of a tool that failed.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome<'a> {
    Output(&'a str),
    Error(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    description: &'a str,
    parameters_json_schema: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: CallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    max_output_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Value>,
}

pub(super) fn body(request: &ChatRequest, sampling: Sampling) -> Body<'_> {
    // A response to a call carries the name of the function, which the request has in the call alone.
    let names = request.messages.iter().flat_map(|m| &m.tool_calls).map(|call| (call.id.as_str(), call.name.as_str())).collect();
    let declared = request.tools.iter().map(|tool| Declaration {
        name: &tool.name,
        description: &tool.description,
        parameters_json_schema: &tool.input_schema,
    });
    let declared: Vec<_> = declared.collect();
    let mode = |mode, name| ToolConfig { function_calling_config: CallingConfig { mode, allowed_function_names: name } };
    Body {
        system_instruction: (!request.system.is_empty()).then(|| Content { role: None, parts: vec![text(&request.system)] }),
        contents: request.messages.iter().map(|message| content(message, &names)).collect(),
        tool_config: match &request.tool_choice {
            _ if declared.is_empty() => None,
            ToolChoice::Auto => None,
            ToolChoice::None => Some(mode("NONE", None)),
            ToolChoice::Required => Some(mode("ANY", None)),
            ToolChoice::Named(name) => Some(mode("ANY", Some([name]))),
        },
        tools: if declared.is_empty() { Vec::new() } else { vec![Tools { function_declarations: declared }] },
        generation_config: GenerationConfig {
            max_output_tokens: sampling.max_output_tokens,
            temperature: sampling.temperature,
            top_p: request.top_p,
            stop_sequences: &request.stop,
            seed: request.seed,
            response_mime_type: request.output.as_ref().map(|_| "application/json"),
            response_json_schema: request.output.as_ref().map(|output| &output.schema),
        },
    }
}

fn text(text: &str) -> Part<'_> {
    Part { text: Some(text), ..Part::default() }
}

fn content<'a>(message: &'a Message, names: &HashMap<&'a str, &'a str>) -> Content<'a> {
    // An id that was made here is unknown to the provider, which then goes by name and order.
    let known = |id: &'a str| (!is_made(id)).then_some(id);
    let said =
        (message.role != Role::Tool && (!message.content.is_empty() || message.tool_calls.is_empty())).then(|| text(&message.content));
    let calls = message.tool_calls.iter().map(|call| Part {
        function_call: Some(FunctionCall { id: known(&call.id), name: &call.name, args: &call.arguments }),
        thought_signature: call.signature.as_deref(),
        ..Part::default()
    });
    let results = message.tool_results.iter().map(|result| Part {
        function_response: Some(FunctionResponse {
            id: known(&result.call_id),
            name: names.get(result.call_id.as_str()).copied().unwrap_or_default(),
            response: if result.is_error { Outcome::Error(&result.content) } else { Outcome::Output(&result.content) },
        }),
        ..Part::default()
    });
    let role = if message.role == Role::Assistant { "model" } else { "user" };
    Content { role: Some(role), parts: said.into_iter().chain(calls).chain(results).collect() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Usage>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u32,
    content: Option<Generated>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Generated {
    parts: Option<Vec<GeneratedPart>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeneratedPart {
    text: Option<String>,
    /// The text is a summary of the model's reasoning.
    #[serde(default)]
    thought: bool,
    function_call: Option<GeneratedCall>,
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct GeneratedCall {
    id: Option<String>,
    name: Option<String>,
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

/// Counts are cumulative. `candidatesTokenCount` leaves out the thoughts, `promptTokenCount` what the provider's own tools added.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

/// Reads the frames of one answer.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    reason: Option<StopReason>,
    calls: Calls,
    slot: u64,
}

impl Parser {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, ..Self::default() }
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        let chunk: Chunk = json(&frame.data)?;
        if let Some(error) = chunk.error {
            return Err(error.into_error());
        }
        if chunk.candidates.is_none() && chunk.prompt_feedback.is_none() && chunk.usage_metadata.is_none() {
            return Err(LlmError::Garbled { what: "a message is not a generated content" });
        }
        let mut step = Step { usage: chunk.usage_metadata.as_ref().map(tokens).transpose()?, ..Step::default() };
        if chunk.prompt_feedback.and_then(|feedback| feedback.block_reason).is_some() {
            step.generated = true;
            self.reason = Some(StopReason::Refusal);
        }
        for candidate in chunk.candidates.into_iter().flatten().filter(|c| c.index == 0) {
            self.candidate(candidate, &mut step)?;
        }
        Ok(step)
    }

    /// The response ended in order.
    pub(super) fn end(&self) -> Option<StopReason> {
        match self.reason {
            // The format has no reason of its own for calls.
            Some(StopReason::EndTurn) if self.calls.any() => Some(StopReason::ToolUse),
            reason => reason,
        }
    }

    fn candidate(&mut self, candidate: Candidate, step: &mut Step) -> Result<(), LlmError> {
        for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            if let Some(text) = part.text {
                step.generated |= !text.is_empty();
                if !part.thought {
                    step.text.push_str(&text);
                }
            }
            if let Some(call) = part.function_call {
                step.generated = true;
                self.call(call, part.thought_signature, step)?;
            }
        }
        if let Some(reason) = candidate.finish_reason.filter(|r| !r.is_empty()) {
            step.generated = true;
            self.reason = Some(stop_reason(&reason));
        }
        Ok(())
    }

    fn call(&mut self, call: GeneratedCall, signature: Option<String>, step: &mut Step) -> Result<(), LlmError> {
        self.slot += 1;
        self.calls.begin(self.slot, call.id.as_deref(), call.name.unwrap_or_default(), signature, &mut step.calls)?;
        let arguments = call.args.map(|args| args.to_string()).unwrap_or_default();
        self.calls.append(self.slot, &arguments)?;
        self.calls.end(self.slot, &mut step.calls);
        Ok(())
    }
}

fn stop_reason(word: &str) -> StopReason {
    match word {
        "STOP" => StopReason::EndTurn,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => StopReason::Refusal,
        _ => StopReason::Other,
    }
}

fn tokens(usage: &Usage) -> Result<TokenUsage, LlmError> {
    let reasoning = count(usage.thoughts_token_count)?;
    let usage = TokenUsage {
        input: count(usage.prompt_token_count)? + count(usage.tool_use_prompt_token_count)?,
        output: count(usage.candidates_token_count)? + reasoning,
        cached_input: count(usage.cached_content_token_count)?,
        cache_write_input: 0,
        reasoning,
    };
    Ok(usage.plausible())
}

#[derive(Serialize)]
pub(super) struct EmbeddingsBody<'a> {
    requests: Vec<EmbeddingRequest<'a>>,
}

#[derive(Serialize)]
struct EmbeddingRequest<'a> {
    model: String,
    content: Content<'a>,
}

pub(super) fn embeddings_body<'a>(model: &str, texts: &'a [String]) -> EmbeddingsBody<'a> {
    let model = model.trim_start_matches("models/");
    let request =
        |one: &'a String| EmbeddingRequest { model: format!("models/{model}"), content: Content { role: None, parts: vec![text(one)] } };
    EmbeddingsBody { requests: texts.iter().map(request).collect() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddingsAnswer {
    embeddings: Vec<Embedding>,
    usage_metadata: Option<Usage>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
}

/// Reads the vectors, which stand in the order of the texts.
pub(super) fn embeddings(body: &str, texts: usize) -> Result<Embeddings, LlmError> {
    let answer: EmbeddingsAnswer = json(body)?;
    let usage = answer.usage_metadata.as_ref().map(tokens).transpose()?.unwrap_or_default();
    Ok(Embeddings { vectors: in_order(answer.embeddings.into_iter().map(|one| one.values).enumerate(), texts)?, usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delta, OutputSchema, Tool, ToolCall, ToolResult};
    use serde_json::json;

    fn read(parser: &mut Parser, data: &str) -> Result<Step, LlmError> {
        parser.frame(&Frame { event: None, data: data.into(), id: None })
    }

    #[test]
    fn tools_results_schema_and_sampling_stand_where_the_format_has_them() {
        let call = |id: &str, signature: Option<&str>| ToolCall {
            id: id.into(),
            name: "dose".into(),
            arguments: json!({"kg": 70}),
            signature: signature.map(Into::into),
        };
        let result = |id: &str, is_error| ToolResult { call_id: id.into(), content: "x".into(), is_error };
        let request = ChatRequest {
            system: "s".into(),
            messages: vec![
                Message::user("a"),
                Message::calling("", vec![call("g1", Some("sig")), call("made_0", None)]),
                Message::results(vec![result("g1", true), result("made_0", false)]),
            ],
            tools: vec![Tool { name: "dose".into(), description: "d".into(), input_schema: json!({"type": "object"}) }],
            tool_choice: ToolChoice::Named("dose".into()),
            output: Some(OutputSchema { name: "o".into(), schema: json!({"type": "array"}), strict: true }),
            top_p: Some(0.5),
            stop: vec!["END".into()],
            seed: Some(7),
            ..ChatRequest::default()
        };
        let sampling = Sampling { max_output_tokens: 9, temperature: None, completion_tokens: false };
        assert_eq!(
            serde_json::to_value(body(&request, sampling)).unwrap(),
            json!({
                "systemInstruction": {"parts": [{"text": "s"}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "a"}]},
                    {"role": "model", "parts": [
                        {"functionCall": {"id": "g1", "name": "dose", "args": {"kg": 70}}, "thoughtSignature": "sig"},
                        {"functionCall": {"name": "dose", "args": {"kg": 70}}}
                    ]},
                    {"role": "user", "parts": [
                        {"functionResponse": {"id": "g1", "name": "dose", "response": {"error": "x"}}},
                        {"functionResponse": {"name": "dose", "response": {"output": "x"}}}
                    ]}
                ],
                "tools": [{"functionDeclarations": [{"name": "dose", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["dose"]}},
                "generationConfig": {"maxOutputTokens": 9, "topP": 0.5, "stopSequences": ["END"], "seed": 7,
                    "responseMimeType": "application/json", "responseJsonSchema": {"type": "array"}}
            })
        );
    }

    #[test]
    fn thoughts_are_progress_but_not_text_and_their_signature_stays_with_the_call() {
        let mut parser = Parser::default();
        let thought = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]}}]}"#;
        assert_eq!(read(&mut parser, thought).unwrap(), Step { generated: true, ..Step::default() });
        let call =
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"c2ln"}]},"finishReason":"STOP"}]}"#;
        let step = read(&mut parser, call).unwrap();
        let Some(Delta::ToolCall(call)) = step.calls.last() else { panic!("{step:?}") };
        assert_eq!((call.signature.as_deref(), &call.arguments), (Some("c2ln"), &json!({})));
        assert_eq!(parser.end(), Some(StopReason::ToolUse));
    }

    #[test]
    fn a_blocked_prompt_and_blocked_answers_are_refusals_and_no_reason_is_no_end() {
        let mut parser = Parser::default();
        assert_eq!(parser.end(), None);
        read(&mut parser, r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#).unwrap();
        assert_eq!(parser.end(), Some(StopReason::Refusal));
        for (word, reason) in [
            ("SAFETY", StopReason::Refusal),
            ("RECITATION", StopReason::Refusal),
            ("SPII", StopReason::Refusal),
            ("MAX_TOKENS", StopReason::MaxTokens),
            ("MALFORMED_FUNCTION_CALL", StopReason::Other),
            ("LATER_ADDITION", StopReason::Other),
        ] {
            let mut parser = Parser::default();
            read(&mut parser, &format!(r#"{{"candidates":[{{"finishReason":"{word}"}}]}}"#)).unwrap();
            assert_eq!(parser.end(), Some(reason), "{word}");
        }
    }

    #[test]
    fn thoughts_count_as_output_and_the_cache_as_part_of_the_prompt() {
        let data = r#"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":2,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":20}}"#;
        let expected = TokenUsage { input: 12, output: 8, cached_input: 4, cache_write_input: 0, reasoning: 3 };
        assert_eq!(read(&mut Parser::default(), data).unwrap().usage, Some(expected));
    }

    #[test]
    fn wrong_types_and_foreign_messages_are_garbled_and_errors_are_typed() {
        for data in [
            "",
            "[]",
            "{}",
            r#"{"candidates":7}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":7}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}"#,
            r#"{"usageMetadata":{"promptTokenCount":-1}}"#,
        ] {
            assert!(matches!(read(&mut Parser::default(), data), Err(LlmError::Garbled { .. })), "{data}");
        }
        let error = r#"{"error":{"code":503,"message":"secret","status":"UNAVAILABLE"}}"#;
        assert_eq!(read(&mut Parser::default(), error), Err(LlmError::Status { status: 503 }));
    }
}
