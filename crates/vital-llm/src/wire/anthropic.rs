//! Anthropic messages with `stream: true`, version 2023-06-01 (<https://docs.anthropic.com/en/api/messages-streaming>), tools
//! (<https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview>) and structured output
//! (<https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs>).
//!
//! An answer is `message_start`, blocks of `content_block_*`, `message_delta` with the reason to stop, and `message_stop` as
//! the end mark. The kind of an event is read from the `type` inside the data, which the `event` field only repeats. A tool call is a
//! block: its arguments come as pieces of JSON text and are whole when the block stops.
//!
//! The format has no `seed` and no embeddings, takes temperatures up to 1, and does not report reasoning tokens apart.

use super::{Calls, ErrorObject, Sampling, Step, count, json};
use crate::{ChatRequest, LlmError, Message, Role, StopReason, TokenUsage, ToolChoice, sse::Frame};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The value of the `anthropic-version` header.
pub(super) const VERSION: &str = "2023-06-01";

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choose<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Blocks(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a Value,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a Value,
}

#[derive(Serialize)]
struct Choose<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    format: OutputFormat<'a>,
}

#[derive(Serialize)]
struct OutputFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a Value,
}

pub(super) fn body<'a>(model: &'a str, request: &'a ChatRequest, sampling: Sampling) -> Body<'a> {
    Body {
        model,
        max_tokens: sampling.max_output_tokens,
        system: &request.system,
        messages: request.messages.iter().map(said).collect(),
        stream: true,
        temperature: sampling.temperature,
        top_p: request.top_p,
        stop_sequences: &request.stop,
        tools: request
            .tools
            .iter()
            .map(|tool| Tool { name: &tool.name, description: &tool.description, input_schema: &tool.input_schema })
            .collect(),
        tool_choice: match &request.tool_choice {
            _ if request.tools.is_empty() => None,
            ToolChoice::Auto => None,
            ToolChoice::None => Some(Choose { kind: "none", name: None }),
            ToolChoice::Required => Some(Choose { kind: "any", name: None }),
            ToolChoice::Named(name) => Some(Choose { kind: "tool", name: Some(name) }),
        },
        output_config: request
            .output
            .as_ref()
            .map(|output| OutputConfig { format: OutputFormat { kind: "json_schema", schema: &output.schema } }),
    }
}

/// The results of tools are messages of the user in this format, and blocks of text must not be empty.
fn said(message: &Message) -> Said<'_> {
    let role = if message.role == Role::Assistant { "assistant" } else { "user" };
    if message.tool_calls.is_empty() && message.tool_results.is_empty() {
        return Said { role, content: Content::Text(&message.content) };
    }
    let text = (message.role != Role::Tool && !message.content.is_empty()).then_some(Part::Text { text: &message.content });
    let calls = message.tool_calls.iter().map(|call| Part::ToolUse { id: &call.id, name: &call.name, input: &call.arguments });
    let results = message.tool_results.iter().map(|result| Part::ToolResult {
        tool_use_id: &result.call_id,
        content: &result.content,
        is_error: result.is_error,
    });
    Said { role, content: Content::Blocks(text.into_iter().chain(calls).chain(results).collect()) }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        #[serde(default)]
        index: u64,
        content_block: Block,
    },
    ContentBlockDelta {
        #[serde(default)]
        index: u64,
        delta: BlockDelta,
    },
    ContentBlockStop {
        #[serde(default)]
        index: u64,
    },
    MessageDelta {
        delta: MessageDelta,
        #[serde(default)]
        usage: Usage,
    },
    MessageStop,
    Error {
        error: ErrorObject,
    },
    /// `ping` and whatever is added to the format later, as its versioning rules allow.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default, rename = "type")]
    kind: String,
    text: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockDelta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    /// Reasoning and what is added later: generated, but not text to show.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

/// Counts are cumulative, and a field that is absent keeps its earlier value.
#[derive(Debug, Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

/// Reads the events of one answer.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    usage: Usage,
    reason: Option<StopReason>,
    calls: Calls,
}

impl Parser {
    pub(super) fn new(calls: Calls) -> Self {
        Self { calls, ..Self::default() }
    }

    pub(super) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        let mut step = Step::default();
        match json(&frame.data)? {
            Event::MessageStart { message } => step.usage = self.merge(&message.usage)?,
            Event::ContentBlockStart { index, content_block } => self.begin(index, content_block, &mut step)?,
            Event::ContentBlockDelta { index, delta } => {
                step.generated = true;
                match delta {
                    BlockDelta::TextDelta { text } => step.text = text,
                    BlockDelta::InputJsonDelta { partial_json } => self.calls.append(index, &partial_json)?,
                    BlockDelta::Other => {}
                }
            }
            Event::ContentBlockStop { index } => self.calls.end(index, &mut step.calls),
            Event::MessageDelta { delta, usage } => {
                step.generated = true;
                step.usage = self.merge(&usage)?;
                self.reason = delta.stop_reason.as_deref().map(reason).or(self.reason);
            }
            Event::MessageStop => {
                self.calls.end_all(&mut step.calls);
                step.end = Some(self.reason.unwrap_or(if self.calls.any() { StopReason::ToolUse } else { StopReason::Other }));
            }
            Event::Error { error } => return Err(error.into_error()),
            Event::Other => {}
        }
        Ok(step)
    }

    fn begin(&mut self, index: u64, block: Block, step: &mut Step) -> Result<(), LlmError> {
        if block.kind != "tool_use" {
            step.text = block.text.unwrap_or_default();
            return Ok(());
        }
        step.generated = true;
        self.calls.begin(index, block.id.as_deref(), block.name.unwrap_or_default(), None, &mut step.calls)?;
        // An empty object stands for arguments that follow; a gateway may send them here as a whole.
        match block.input {
            Some(input) if input.as_object().is_some_and(|input| !input.is_empty()) => self.calls.append(index, &input.to_string()),
            _ => Ok(()),
        }
    }

    /// Takes newer figures, if there are any. `input_tokens` leaves out what was read from or written to the cache, which the
    /// prompt had all the same.
    fn merge(&mut self, newer: &Usage) -> Result<Option<TokenUsage>, LlmError> {
        if newer.input_tokens.is_none() && newer.output_tokens.is_none() {
            return Ok(None);
        }
        let usage = &mut self.usage;
        usage.input_tokens = newer.input_tokens.or(usage.input_tokens);
        usage.output_tokens = newer.output_tokens.or(usage.output_tokens);
        usage.cache_creation_input_tokens = newer.cache_creation_input_tokens.or(usage.cache_creation_input_tokens);
        usage.cache_read_input_tokens = newer.cache_read_input_tokens.or(usage.cache_read_input_tokens);
        let cached_input = count(usage.cache_read_input_tokens)?;
        let cache_write_input = count(usage.cache_creation_input_tokens)?;
        let input = count(usage.input_tokens)? + cache_write_input + cached_input;
        Ok(Some(TokenUsage { input, output: count(usage.output_tokens)?, cached_input, cache_write_input, reasoning: 0 }))
    }
}

fn reason(word: &str) -> StopReason {
    match word {
        "end_turn" | "stop_sequence" => StopReason::EndTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delta, OutputSchema, ToolCall, ToolResult};
    use serde_json::json;

    fn read(parser: &mut Parser, data: &str) -> Result<Step, LlmError> {
        parser.frame(&Frame { event: None, data: data.into(), id: None })
    }

    #[test]
    fn tools_results_schema_and_sampling_stand_where_the_format_has_them() {
        let call = ToolCall { id: "c1".into(), name: "dose".into(), arguments: json!({"kg": 70}), signature: Some("google's".into()) };
        let failed = ToolResult { call_id: "c1".into(), content: "no such drug".into(), is_error: true };
        let request = ChatRequest {
            messages: vec![Message::user("a"), Message::calling("I look.", vec![call]), Message::results(vec![failed])],
            tools: vec![crate::Tool { name: "dose".into(), description: "d".into(), input_schema: json!({"type": "object"}) }],
            tool_choice: ToolChoice::Required,
            output: Some(OutputSchema { name: "o".into(), schema: json!({"type": "object"}), strict: true }),
            top_p: Some(0.5),
            stop: vec!["END".into()],
            seed: Some(7),
            ..ChatRequest::default()
        };
        let sampling = Sampling { max_output_tokens: 9, temperature: None, completion_tokens: false };
        assert_eq!(
            serde_json::to_value(body("m", &request, sampling)).unwrap(),
            json!({
                "model": "m", "stream": true, "max_tokens": 9, "top_p": 0.5, "stop_sequences": ["END"],
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": [
                        {"type": "text", "text": "I look."},
                        {"type": "tool_use", "id": "c1", "name": "dose", "input": {"kg": 70}}
                    ]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": "no such drug", "is_error": true}
                    ]}
                ],
                "tools": [{"name": "dose", "description": "d", "input_schema": {"type": "object"}}],
                "tool_choice": {"type": "any"},
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}
            })
        );
    }

    #[test]
    fn cached_tokens_are_part_of_the_input_and_absent_counts_keep_their_value() {
        let mut parser = Parser::default();
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":30,"cache_creation_input_tokens":5,"output_tokens":1}}}"#;
        let usage = TokenUsage { input: 45, output: 1, cached_input: 30, cache_write_input: 5, reasoning: 0 };
        assert_eq!(read(&mut parser, start).unwrap().usage, Some(usage));
        let end = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}"#;
        assert_eq!(read(&mut parser, end).unwrap().usage, Some(TokenUsage { output: 7, ..usage }));
        assert_eq!(read(&mut parser, r#"{"type":"message_stop"}"#).unwrap().end, Some(StopReason::MaxTokens));
    }

    #[test]
    fn a_call_without_pieces_or_with_all_of_its_input_at_once_is_whole() {
        let mut parser = Parser::default();
        let mut calls = Vec::new();
        for (index, input) in [(0, "{}"), (1, r#"{"kg":70}"#)] {
            let block = format!(r#"{{"type":"tool_use","id":"c{index}","name":"dose","input":{input}}}"#);
            read(&mut parser, &format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)).unwrap();
            calls.extend(read(&mut parser, &format!(r#"{{"type":"content_block_stop","index":{index}}}"#)).unwrap().calls);
        }
        let arguments: Vec<_> = calls.iter().filter_map(|d| if let Delta::ToolCall(c) = d { Some(&c.arguments) } else { None }).collect();
        assert_eq!(arguments, [&json!({}), &json!({"kg": 70})]);
        assert_eq!(read(&mut parser, r#"{"type":"message_stop"}"#).unwrap().end, Some(StopReason::ToolUse));
    }

    #[test]
    fn the_provider_s_own_tools_are_not_ours_to_run() {
        let mut parser = Parser::default();
        let start = r#"{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#;
        assert_eq!(read(&mut parser, start).unwrap(), Step::default());
        let piece = r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"}}"#;
        assert_eq!(read(&mut parser, piece).unwrap(), Step { generated: true, ..Step::default() });
        assert_eq!(read(&mut parser, r#"{"type":"content_block_stop","index":1}"#).unwrap(), Step::default());
    }

    #[test]
    fn reasoning_is_progress_but_not_text_and_pings_are_neither() {
        let mut parser = Parser::default();
        let thinking = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#;
        assert_eq!(read(&mut parser, thinking).unwrap(), Step { generated: true, ..Step::default() });
        for quiet in [r#"{"type":"ping"}"#, r#"{"type":"later_addition","delta":7}"#, r#"{"type":"content_block_stop","index":0}"#] {
            assert_eq!(read(&mut parser, quiet).unwrap(), Step::default());
        }
    }

    #[test]
    fn error_events_become_the_error_that_a_status_would_be() {
        for (kind, expected) in [
            ("overloaded_error", LlmError::Status { status: 529 }),
            ("rate_limit_error", LlmError::RateLimited { retry_after: None }),
            ("authentication_error", LlmError::Unauthorized),
            ("api_error", LlmError::Status { status: 500 }),
        ] {
            let data = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"secret"}}}}"#);
            assert_eq!(read(&mut Parser::default(), &data).unwrap_err(), expected);
        }
    }

    #[test]
    fn wrong_types_and_missing_kinds_are_garbled() {
        for data in [
            "",
            "{",
            "{}",
            "[DONE]",
            r#"{"type":7}"#,
            r#"{"type":"content_block_delta"}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":1}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a"}}"#,
            r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":"7"}}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":18446744073709551615}}}"#,
        ] {
            assert!(matches!(read(&mut Parser::default(), data), Err(LlmError::Garbled { .. })), "{data}");
        }
    }
}
