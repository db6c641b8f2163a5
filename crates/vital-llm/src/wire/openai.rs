//! Chat completions with `stream: true`, as OpenAI documents them and Ollama, vLLM and llama.cpp speak them
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>).
//!
//! Chunks are `data` frames; the end mark is `data: [DONE]`. The reason to stop comes in a chunk before it, the tokens in
//! another, because the request asks for them with `stream_options.include_usage`.

use super::{ErrorObject, Sampling, Step, count, json};
use crate::{ChatRequest, LlmError, Message, Role, StopReason, TokenUsage, sse::Frame};
use serde::{Deserialize, Serialize};

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
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

pub(super) fn body<'a>(model: &'a str, request: &'a ChatRequest, sampling: Sampling) -> Body<'a> {
    let system = (!request.system.is_empty()).then_some(Said { role: "system", content: &request.system });
    let dialogue = request.messages.iter().map(|Message { role, content }| Said {
        role: match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        },
        content,
    });
    let limit = Some(sampling.max_output_tokens);
    Body {
        model,
        messages: system.into_iter().chain(dialogue).collect(),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_tokens: limit.filter(|_| !sampling.completion_tokens),
        max_completion_tokens: limit.filter(|_| sampling.completion_tokens),
        temperature: sampling.temperature,
    }
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
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

/// Reads the chunks of one answer.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    reason: Option<StopReason>,
    refused: bool,
}

impl Parser {
    pub(super) fn frame(&mut self, frame: &Frame) -> Result<Step, LlmError> {
        if frame.data.trim() == "[DONE]" {
            return Ok(Step { end: Some(self.reason.unwrap_or(StopReason::Other)), ..Step::default() });
        }
        let chunk: Chunk = json(&frame.data)?;
        if let Some(error) = chunk.error {
            return Err(error.into_error());
        }
        if chunk.choices.is_none() && chunk.usage.is_none() {
            return Err(LlmError::Garbled { what: "a message is not a chat completion chunk" });
        }
        let mut step = Step { usage: chunk.usage.map(tokens).transpose()?, ..Step::default() };
        // Only one choice is asked for; a second one would be another answer and must not be mixed into this one.
        for choice in chunk.choices.into_iter().flatten().filter(|c| c.index == 0) {
            self.choice(choice, &mut step);
        }
        Ok(step)
    }

    fn choice(&mut self, choice: Choice, step: &mut Step) {
        if let Some(piece) = choice.delta {
            let refusal = piece.refusal.filter(|r| !r.is_empty());
            self.refused |= refusal.is_some();
            let shown = [piece.content, refusal].into_iter().flatten().collect::<String>();
            let reasoned = [piece.reasoning_content, piece.reasoning].into_iter().flatten().any(|r| !r.is_empty());
            step.generated |= reasoned || !shown.is_empty();
            step.text.push_str(&shown);
        }
        if let Some(reason) = choice.finish_reason.as_deref().filter(|r| !r.is_empty()) {
            step.generated = true;
            self.reason = Some(match reason {
                _ if self.refused => StopReason::Refusal,
                "stop" => StopReason::EndTurn,
                "length" => StopReason::MaxTokens,
                "content_filter" => StopReason::Refusal,
                _ => StopReason::Other,
            });
        }
    }
}

fn tokens(usage: Usage) -> Result<TokenUsage, LlmError> {
    let input = count(usage.prompt_tokens)?;
    let cached = count(usage.prompt_tokens_details.and_then(|d| d.cached_tokens))?;
    Ok(TokenUsage { input, output: count(usage.completion_tokens)?, cached_input: cached.min(input) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parser: &mut Parser, data: &str) -> Result<Step, LlmError> {
        parser.frame(&Frame { event: None, data: data.into(), id: None })
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
    fn error_objects_in_the_stream_become_the_error_that_a_status_would_be() {
        for (error, expected) in [
            (r#"{"message":"secret","type":"server_error"}"#, LlmError::Status { status: 500 }),
            (r#"{"message":"secret","type":"requests","code":"rate_limit_exceeded"}"#, LlmError::RateLimited { retry_after: None }),
            (r#"{"message":"secret","code":400,"type":"BadRequestError"}"#, LlmError::Status { status: 400 }),
            (r#"{"code":"invalid_api_key"}"#, LlmError::Unauthorized),
            (r#"{"code":7,"type":[]}"#, LlmError::Status { status: 500 }),
            (r#""secret""#, LlmError::Status { status: 500 }),
        ] {
            let got = read(&mut Parser::default(), &format!(r#"{{"error":{error}}}"#)).unwrap_err();
            assert_eq!(got, expected);
            assert!(!got.to_string().contains("secret"));
        }
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
            r#"{"choices":[],"usage":{"prompt_tokens":-1}}"#,
        ] {
            assert!(matches!(read(&mut Parser::default(), data), Err(LlmError::Garbled { .. })), "{data}");
        }
        let chunk = r#"{"id":1,"timings":{},"choices":[{"index":0,"logprobs":null,"delta":{"content":"a","x":[1]},"finish_reason":null}],"usage":null}"#;
        assert_eq!(read(&mut Parser::default(), chunk).unwrap().text, "a");
    }
}
