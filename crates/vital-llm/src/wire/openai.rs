//! Chat completions with `stream: true`, as OpenAI documents them and Ollama, vLLM and llama.cpp speak them
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>), and embeddings
//! (<https://platform.openai.com/docs/api-reference/embeddings>).
//!
//! Chunks are `data` frames; the end mark is `data: [DONE]`. The reason to stop comes in a chunk before it, the tokens in
//! another, because the request asks for them with `stream_options.include_usage`. Tool calls come as fragments that are numbered by
//! `index`; only the reason to stop says that they are whole.
//!
//! The format cannot say that a tool failed: the text of such a result begins with `Error: `.

use super::{Calls, ErrorObject, Sampling, Step, count, json};
use crate::{
    ChatRequest, Embeddings, LlmError, Message, OutputSchema, Role, StopReason, TokenUsage, Tool, ToolCall, ToolChoice,
    embeddings::in_order, sse::Frame,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choose<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Default, Serialize)]
struct Said<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    /// JSON inside a string, as the format has it.
    arguments: String,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionDeclaration<'a>,
}

#[derive(Serialize)]
struct FunctionDeclaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Value,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choose<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Named<'a>,
    },
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: &'a OutputSchema,
}

pub(super) fn body<'a>(model: &'a str, request: &'a ChatRequest, sampling: Sampling) -> Body<'a> {
    let system = (!request.system.is_empty()).then(|| said("system", &request.system));
    let limit = Some(sampling.max_output_tokens);
    Body {
        model,
        messages: system.into_iter().chain(request.messages.iter().flat_map(messages)).collect(),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_tokens: limit.filter(|_| !sampling.completion_tokens),
        max_completion_tokens: limit.filter(|_| sampling.completion_tokens),
        temperature: sampling.temperature,
        top_p: request.top_p,
        stop: &request.stop,
        seed: request.seed,
        tools: request.tools.iter().map(function).collect(),
        tool_choice: match &request.tool_choice {
            _ if request.tools.is_empty() => None,
            ToolChoice::Auto => None,
            ToolChoice::None => Some(Choose::Word("none")),
            ToolChoice::Required => Some(Choose::Word("required")),
            ToolChoice::Named(name) => Some(Choose::Named { kind: "function", function: Named { name } }),
        },
        response_format: request.output.as_ref().map(|json_schema| ResponseFormat { kind: "json_schema", json_schema }),
    }
}

fn said<'a>(role: &'static str, content: impl Into<Cow<'a, str>>) -> Said<'a> {
    Said { role, content: Some(content.into()), ..Said::default() }
}

/// One message of the format for each, and one for each result of a tool.
fn messages(message: &Message) -> Vec<Said<'_>> {
    match message.role {
        Role::User => vec![said("user", &message.content)],
        Role::Assistant if message.tool_calls.is_empty() => vec![said("assistant", &message.content)],
        Role::Assistant => {
            let content = (!message.content.is_empty()).then_some(Cow::from(&message.content));
            vec![Said { role: "assistant", content, tool_calls: message.tool_calls.iter().map(called).collect(), tool_call_id: None }]
        }
        Role::Tool => {
            let results = message.tool_results.iter().map(|result| {
                let content = if result.is_error { format!("Error: {}", result.content).into() } else { Cow::from(&result.content) };
                Said { tool_call_id: Some(&result.call_id), ..said("tool", content) }
            });
            results.collect()
        }
    }
}

fn called(call: &ToolCall) -> Called<'_> {
    Called { id: &call.id, kind: "function", function: CalledFunction { name: &call.name, arguments: call.arguments.to_string() } }
}

fn function(tool: &Tool) -> Function<'_> {
    let function = FunctionDeclaration { name: &tool.name, description: &tool.description, parameters: &tool.input_schema };
    Function { kind: "function", function }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    /// Reasoning under the name that vLLM, llama.cpp and DeepSeek use.
    reasoning_content: Option<String>,
    /// Reasoning under the name that Ollama and OpenRouter use.
    reasoning: Option<String>,
    tool_calls: Option<Vec<Fragment>>,
}

#[derive(Deserialize)]
struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FragmentFunction>,
}

#[derive(Default, Deserialize)]
struct FragmentFunction {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    /// OpenRouter's, for models of providers that charge for writing to the cache.
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads the chunks of one answer.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    reason: Option<StopReason>,
    refused: bool,
    calls: Calls,
}

impl Parser {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, ..Self::default() }
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        let mut step = Step::default();
        if frame.data.trim() == "[DONE]" {
            self.calls.end_all(&mut step.calls);
            step.end = Some(match self.reason {
                // Ollama and others say `stop` after a call as well.
                Some(StopReason::EndTurn) | None if self.calls.any() => StopReason::ToolUse,
                reason => reason.unwrap_or(StopReason::Other),
            });
            return Ok(step);
        }
        let chunk: Chunk = json(&frame.data)?;
        if let Some(error) = chunk.error {
            return Err(error.into_error());
        }
        if chunk.choices.is_none() && chunk.usage.is_none() {
            return Err(LlmError::Garbled { what: "a message is not a chat completion chunk" });
        }
        step.usage = chunk.usage.map(tokens).transpose()?;
        // Only one choice is asked for; a second one would be another answer and must not be mixed into this one.
        for choice in chunk.choices.into_iter().flatten().filter(|c| c.index == 0) {
            self.choice(choice, &mut step)?;
        }
        Ok(step)
    }

    fn choice(&mut self, choice: Choice, step: &mut Step) -> Result<(), LlmError> {
        if let Some(piece) = choice.delta {
            let refusal = piece.refusal.filter(|r| !r.is_empty());
            self.refused |= refusal.is_some();
            let shown = [piece.content, refusal].into_iter().flatten().collect::<String>();
            let reasoned = [piece.reasoning_content, piece.reasoning].into_iter().flatten().any(|r| !r.is_empty());
            step.generated |= reasoned || !shown.is_empty();
            step.text.push_str(&shown);
            for fragment in piece.tool_calls.into_iter().flatten() {
                step.generated = true;
                let FragmentFunction { name, arguments } = fragment.function.unwrap_or_default();
                let arguments = arguments.unwrap_or_default();
                self.calls.fragment(fragment.index, fragment.id.as_deref(), name, &arguments, &mut step.calls)?;
            }
        }
        if let Some(reason) = choice.finish_reason.as_deref().filter(|r| !r.is_empty()) {
            step.generated = true;
            self.calls.end_all(&mut step.calls);
            self.reason = Some(match reason {
                _ if self.refused => StopReason::Refusal,
                "stop" => StopReason::EndTurn,
                "tool_calls" | "function_call" => StopReason::ToolUse,
                "length" => StopReason::MaxTokens,
                "content_filter" => StopReason::Refusal,
                _ => StopReason::Other,
            });
        }
        Ok(())
    }
}

fn tokens(usage: Usage) -> Result<TokenUsage, LlmError> {
    let prompt = usage.prompt_tokens_details;
    let usage = TokenUsage {
        input: count(usage.prompt_tokens)?,
        output: count(usage.completion_tokens)?,
        cached_input: count(prompt.as_ref().and_then(|d| d.cached_tokens))?,
        cache_write_input: count(prompt.as_ref().and_then(|d| d.cache_write_tokens))?,
        reasoning: count(usage.completion_tokens_details.and_then(|d| d.reasoning_tokens))?,
    };
    Ok(usage.plausible())
}

#[derive(Serialize)]
pub(super) struct EmbeddingsBody<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

pub(super) fn embeddings_body<'a>(model: &'a str, input: &'a [String]) -> EmbeddingsBody<'a> {
    EmbeddingsBody { model, input, encoding_format: "float" }
}

#[derive(Deserialize)]
struct EmbeddingsAnswer {
    data: Vec<Embedding>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Embedding {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// Reads the vectors; they are numbered, and stand in the order of the texts where they are not.
pub(super) fn embeddings(body: &str, texts: usize) -> Result<Embeddings, LlmError> {
    let answer: EmbeddingsAnswer = json(body)?;
    let numbered = answer.data.into_iter().enumerate().map(|(at, one)| (one.index.unwrap_or(at), one.embedding));
    let usage = answer.usage.map(tokens).transpose()?.unwrap_or_default();
    Ok(Embeddings { vectors: in_order(numbered, texts)?, usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delta, ToolResult};
    use serde_json::json;

    fn read(parser: &mut Parser, data: &str) -> Result<Step, LlmError> {
        parser.frame(&Frame { event: None, data: data.into(), id: None })
    }

    const SAMPLING: Sampling = Sampling { max_output_tokens: 9, temperature: None, completion_tokens: false };

    #[test]
    fn tools_results_schema_and_sampling_stand_where_the_format_has_them() {
        let call = ToolCall { id: "c1".into(), name: "dose".into(), arguments: json!({"kg": 70}), signature: None };
        let failed = ToolResult { call_id: "c1".into(), content: "no such drug".into(), is_error: true };
        let request = ChatRequest {
            messages: vec![Message::user("a"), Message::calling("", vec![call]), Message::results(vec![failed])],
            tools: vec![Tool { name: "dose".into(), description: "d".into(), input_schema: json!({"type": "object"}) }],
            tool_choice: ToolChoice::Named("dose".into()),
            output: Some(OutputSchema { name: "o".into(), schema: json!({"type": "object"}), strict: true }),
            top_p: Some(0.5),
            stop: vec!["END".into()],
            seed: Some(7),
            ..ChatRequest::default()
        };
        let sent = serde_json::to_value(body("m", &request, SAMPLING)).unwrap();
        let call = json!({"id": "c1", "type": "function", "function": {"name": "dose", "arguments": "{\"kg\":70}"}});
        assert_eq!(
            sent,
            json!({
                "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9, "top_p": 0.5,
                "stop": ["END"], "seed": 7,
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "c1", "content": "Error: no such drug"}
                ],
                "tools": [{"type": "function", "function": {"name": "dose", "description": "d", "parameters": {"type": "object"}}}],
                "tool_choice": {"type": "function", "function": {"name": "dose"}},
                "response_format": {"type": "json_schema", "json_schema": {"name": "o", "schema": {"type": "object"}, "strict": true}}
            })
        );
    }

    #[test]
    fn a_refusal_is_shown_and_named_although_the_format_says_stop() {
        let mut parser = Parser::default();
        let step = read(&mut parser, r#"{"choices":[{"index":0,"delta":{"refusal":"I cannot."}}]}"#).unwrap();
        assert_eq!(step.text, "I cannot.");
        read(&mut parser, r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#).unwrap();
        assert_eq!(read(&mut parser, "[DONE]").unwrap().end, Some(StopReason::Refusal));
    }

    #[test]
    fn a_call_before_stop_or_no_reason_at_all_is_a_call() {
        for reason in [r#","finish_reason":"stop""#, ""] {
            let mut parser = Parser::default();
            let call = r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#;
            read(&mut parser, &format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call}]}}{reason}}}]}}"#)).unwrap();
            assert_eq!(read(&mut parser, "[DONE]").unwrap().end, Some(StopReason::ToolUse));
        }
    }

    #[test]
    fn arguments_cut_off_by_the_limit_are_an_invalid_call_and_the_reason_stays() {
        let mut parser = Parser::default();
        let call = r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":"}}"#;
        let step =
            read(&mut parser, &format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call}]}},"finish_reason":"length"}}]}}"#)).unwrap();
        assert!(matches!(step.calls.last(), Some(Delta::InvalidToolCall(_))));
        assert_eq!(read(&mut parser, "[DONE]").unwrap().end, Some(StopReason::MaxTokens));
    }

    #[test]
    fn reasoning_is_progress_but_not_text_and_a_second_choice_is_not_mixed_in() {
        let mut parser = Parser::default();
        for data in [r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, r#"{"choices":[{"delta":{"content":"","reasoning":"hm"}}]}"#]
        {
            assert_eq!(read(&mut parser, data).unwrap(), Step { generated: true, ..Step::default() });
        }
        let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}},{"index":1,"delta":{"content":"other"}}]}"#;
        assert_eq!(read(&mut parser, role).unwrap(), Step::default());
    }

    #[test]
    fn usage_has_cached_and_reasoning_tokens_and_an_error_object_ends_the_stream() {
        let data = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}"#;
        let expected = TokenUsage { input: 10, output: 5, cached_input: 4, cache_write_input: 3, reasoning: 2 };
        assert_eq!(read(&mut Parser::default(), data).unwrap().usage, Some(expected));
        let error = read(&mut Parser::default(), r#"{"error":{"message":"secret","type":"server_error"}}"#);
        assert_eq!(error, Err(LlmError::Status { status: 500 }));
    }

    #[test]
    fn wrong_types_and_foreign_messages_are_garbled_and_unknown_fields_are_not() {
        for data in [
            "",
            "{",
            "[]",
            "{}",
            "null",
            "7",
            r#"{"choices":7}"#,
            r#"{"choices":[{"delta":{"content":1}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":-1}}"#,
        ] {
            assert!(matches!(read(&mut Parser::default(), data), Err(LlmError::Garbled { .. })), "{data}");
        }
        let chunk = r#"{"id":1,"timings":{},"choices":[{"index":0,"logprobs":null,"delta":{"content":"a","x":[1],"tool_calls":null},"finish_reason":null}],"usage":null}"#;
        assert_eq!(read(&mut Parser::default(), chunk).unwrap().text, "a");
    }
}
