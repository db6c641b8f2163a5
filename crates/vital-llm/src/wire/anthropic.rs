//! Anthropic messages with `stream: true`, version 2023-06-01 (<https://docs.anthropic.com/en/api/messages-streaming>).
//!
//! An answer is `message_start`, blocks of `content_block_*`, `message_delta` with the reason to stop, and `message_stop` as
//! the end mark. The kind of an event is read from the `type` inside the data, which the `event` field only repeats.

use super::{ErrorObject, Sampling, Step, count, json};
use crate::{ChatRequest, LlmError, Message, StopReason, TokenUsage, sse::Frame};
use serde::{Deserialize, Serialize};

/// The value of the `anthropic-version` header.
pub(super) const VERSION: &str = "2023-06-01";

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    messages: &'a [Message],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

pub(super) fn body<'a>(model: &'a str, request: &'a ChatRequest, sampling: Sampling) -> Body<'a> {
    Body {
        model,
        max_tokens: sampling.max_output_tokens,
        system: &request.system,
        messages: &request.messages,
        stream: true,
        temperature: sampling.temperature,
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: BlockDelta,
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
    /// `ping`, `content_block_stop` and whatever is added to the format later, as its versioning rules allow.
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
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockDelta {
    TextDelta {
        text: String,
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
}

impl Parser {
    pub(super) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        let mut step = Step::default();
        match json(&frame.data)? {
            Event::MessageStart { message } => step.usage = self.merge(&message.usage)?,
            Event::ContentBlockStart { content_block } => step.text = content_block.text.unwrap_or_default(),
            Event::ContentBlockDelta { delta } => {
                step.generated = true;
                if let BlockDelta::TextDelta { text } = delta {
                    step.text = text;
                }
            }
            Event::MessageDelta { delta, usage } => {
                step.generated = true;
                step.usage = self.merge(&usage)?;
                self.reason = delta.stop_reason.as_deref().map(reason).or(self.reason);
            }
            Event::MessageStop => step.end = Some(self.reason.unwrap_or(StopReason::Other)),
            Event::Error { error } => return Err(error.into_error()),
            Event::Other => {}
        }
        Ok(step)
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
        let input = count(usage.input_tokens)? + count(usage.cache_creation_input_tokens)? + cached_input;
        Ok(Some(TokenUsage { input, output: count(usage.output_tokens)?, cached_input }))
    }
}

fn reason(word: &str) -> StopReason {
    match word {
        "end_turn" | "stop_sequence" => StopReason::EndTurn,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parser: &mut Parser, data: &str) -> Result<Step, LlmError> {
        parser.frame(&Frame { event: None, data: data.into(), id: None })
    }

    #[test]
    fn cached_tokens_are_part_of_the_input_and_absent_counts_keep_their_value() {
        let mut parser = Parser::default();
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":30,"cache_creation_input_tokens":5,"output_tokens":1}}}"#;
        assert_eq!(read(&mut parser, start).unwrap().usage, Some(TokenUsage { input: 45, output: 1, cached_input: 30 }));
        let end = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}"#;
        assert_eq!(read(&mut parser, end).unwrap().usage, Some(TokenUsage { input: 45, output: 7, cached_input: 30 }));
        assert_eq!(read(&mut parser, r#"{"type":"message_stop"}"#).unwrap().end, Some(StopReason::MaxTokens));
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
            r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":"7"}}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":18446744073709551615}}}"#,
        ] {
            assert!(matches!(read(&mut Parser::default(), data), Err(LlmError::Garbled { .. })), "{data}");
        }
    }
}
