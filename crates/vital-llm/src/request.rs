//! What is asked of a model, the same for every wire format.
//!
//! What a format cannot express is left out of its request only where the answer stays right without it; the fields say where.

use crate::{LlmError, ToolCall, ToolResult};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

/// Most tools of one request, the limit of OpenAI.
pub const TOOLS_MAX: usize = 128;
/// Longest name of a tool or an output schema, in bytes: the smallest limit of the formats.
pub const NAME_BYTES_MAX: usize = 64;
/// Most stop sequences, the smallest limit of the formats (OpenAI).
pub const STOP_SEQUENCES_MAX: usize = 4;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The tools that the model called.
    Tool,
}

/// One message of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said; may be empty where there are tool calls, and is not sent for [`Role::Tool`].
    pub content: String,
    /// The tools that the model called; for [`Role::Assistant`] alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// What the calls of the message before came to, one for each; for [`Role::Tool`] alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_results: Vec<ToolResult>,
}

impl Message {
    /// A message of the person who asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into(), tool_calls: Vec::new(), tool_results: Vec::new() }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, ..Self::user(content) }
    }

    /// A message of the model in which it calls tools.
    pub fn calling(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::assistant(content) }
    }

    /// What the calls of the message before came to.
    #[must_use]
    pub fn results(tool_results: Vec<ToolResult>) -> Self {
        Self { role: Role::Tool, tool_results, ..Self::user("") }
    }
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name: ASCII letters, digits, `_` and `-`, at most [`NAME_BYTES_MAX`].
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// The JSON Schema of its input, whose type is `object`.
    pub input_schema: Value,
}

/// Whether and which tools the model calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None, though it is told which there are.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The JSON that the answer has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputSchema {
    /// A name of the same form as a tool's; the OpenAI format alone sends it.
    pub name: String,
    /// The JSON Schema.
    pub schema: Value,
    /// Asks OpenAI for answers that keep to the schema without exception, which allows fewer kinds of schemas. The other formats have no
    /// such switch.
    pub strict: bool,
}

/// One request to a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChatRequest {
    /// The instructions; left out of the request when empty.
    pub system: String,
    /// The dialogue, oldest message first; at least one.
    pub messages: Vec<Message>,
    /// Most tokens to generate for this request, at least 1; cannot exceed the provider's own setting, which `None` takes.
    pub max_output_tokens: Option<u32>,
    /// The tools that the model may call, at most [`TOOLS_MAX`].
    pub tools: Vec<Tool>,
    /// Whether and which of them it calls; without tools, `Auto` or `None`.
    pub tool_choice: ToolChoice,
    /// The JSON that the answer has to be; `None` for text.
    pub output: Option<OutputSchema>,
    /// Sampling temperature, 0 to 2 and at most 1 for Anthropic, in place of the provider's own setting.
    pub temperature: Option<f32>,
    /// Nucleus sampling, more than 0 to 1. The provider's own temperature is not sent along, because newer models accept one of the two.
    pub top_p: Option<f32>,
    /// Texts at which the model stops, at most [`STOP_SEQUENCES_MAX`] and none empty.
    pub stop: Vec<String>,
    /// Asks for the same answer to the same request, as far as the provider can; the Anthropic format has no such field.
    pub seed: Option<i32>,
}

impl ChatRequest {
    /// Checks what would be refused by a provider or lost on the way to one.
    ///
    /// # Errors
    /// [`LlmError::Request`] with what is wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), LlmError> {
        if self.messages.is_empty() {
            return Err(refused("the request has no messages; give at least one"));
        }
        self.check_sampling()?;
        self.check_tools()?;
        self.check_dialogue()
    }

    fn check_sampling(&self) -> Result<(), LlmError> {
        if self.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
            return Err(refused("`temperature` is out of range; give a number from 0 to 2"));
        }
        if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(refused("`top_p` is out of range; give a number above 0 and at most 1"));
        }
        if self.stop.len() > STOP_SEQUENCES_MAX || self.stop.iter().any(String::is_empty) {
            return Err(refused(format!("`stop` has more than {STOP_SEQUENCES_MAX} texts or an empty one")));
        }
        Ok(())
    }

    fn check_tools(&self) -> Result<(), LlmError> {
        if self.tools.len() > TOOLS_MAX {
            return Err(refused(format!("there are more than {TOOLS_MAX} tools; offer fewer")));
        }
        let mut names = HashSet::new();
        for tool in &self.tools {
            if !is_name(&tool.name) || !names.insert(tool.name.as_str()) {
                return Err(refused(format!(
                    "a tool's name is not 1 to {NAME_BYTES_MAX} ASCII letters, digits, `_` or `-`, or there twice"
                )));
            }
            if !tool.input_schema.is_object() {
                return Err(refused("the input schema of a tool is not a JSON object"));
            }
        }
        match &self.tool_choice {
            ToolChoice::Required if self.tools.is_empty() => return Err(refused("a tool is required, but none is offered")),
            ToolChoice::Named(name) if !names.contains(name.as_str()) => {
                return Err(refused("the tool that must be called is not among those offered"));
            }
            _ => {}
        }
        if self.output.as_ref().is_some_and(|output| !is_name(&output.name) || !output.schema.is_object()) {
            return Err(refused(format!(
                "the output schema is not a JSON object, or its name not 1 to {NAME_BYTES_MAX} ASCII letters, digits, `_` or `-`"
            )));
        }
        Ok(())
    }

    /// Every format refuses a dialogue in which a call has no result, or a result no call.
    fn check_dialogue(&self) -> Result<(), LlmError> {
        let mut open: HashSet<&str> = HashSet::new();
        for message in &self.messages {
            let expected = match message.role {
                Role::User => message.tool_calls.is_empty() && message.tool_results.is_empty(),
                Role::Assistant => message.tool_results.is_empty(),
                Role::Tool => message.tool_calls.is_empty() && !message.tool_results.is_empty(),
            };
            if !expected {
                return Err(refused("a message has tool calls or tool results that its role does not allow, or lacks them"));
            }
            if message.role != Role::Tool && !open.is_empty() {
                return Err(refused("a tool call has no result in the message after it"));
            }
            for result in &message.tool_results {
                if !open.remove(result.call_id.as_str()) {
                    return Err(refused("a tool result belongs to no call of the message before it"));
                }
            }
            for call in &message.tool_calls {
                if call.name.is_empty() || !call.arguments.is_object() || !open.insert(&call.id) {
                    return Err(refused("a tool call has no name, arguments that are not an object, or the id of another call"));
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err(refused("a tool call has no result in the message after it")) }
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

pub(crate) fn refused(detail: impl Into<String>) -> LlmError {
    LlmError::Request { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> ChatRequest {
        ChatRequest { messages: vec![Message::user("a")], ..ChatRequest::default() }
    }

    fn tool(name: &str) -> Tool {
        Tool { name: name.into(), description: String::new(), input_schema: json!({"type": "object"}) }
    }

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "f".into(), arguments: json!({}), signature: None }
    }

    fn result(id: &str) -> ToolResult {
        ToolResult { call_id: id.into(), content: "7".into(), is_error: false }
    }

    #[test]
    fn requests_that_every_provider_would_refuse_are_refused_here() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let output = |name: &str, schema| Some(OutputSchema { name: name.into(), schema, strict: true });
        for bad in [
            ChatRequest::default(),
            ChatRequest { temperature: Some(2.1), ..base() },
            ChatRequest { temperature: Some(f32::NAN), ..base() },
            ChatRequest { top_p: Some(0.0), ..base() },
            ChatRequest { stop: vec![String::new()], ..base() },
            ChatRequest { stop: vec!["a".into(); STOP_SEQUENCES_MAX + 1], ..base() },
            ChatRequest { tools: vec![tool("a b")], ..base() },
            ChatRequest { tools: vec![tool(&long)], ..base() },
            ChatRequest { tools: vec![tool("f"), tool("f")], ..base() },
            ChatRequest { tools: vec![Tool { input_schema: json!([]), ..tool("f") }], ..base() },
            ChatRequest { tools: (0..=TOOLS_MAX).map(|n| tool(&n.to_string())).collect(), ..base() },
            ChatRequest { tool_choice: ToolChoice::Required, ..base() },
            ChatRequest { tools: vec![tool("f")], tool_choice: ToolChoice::Named("g".into()), ..base() },
            ChatRequest { output: output("", json!({})), ..base() },
            ChatRequest { output: output("o", json!(7)), ..base() },
        ] {
            assert!(matches!(bad.check(), Err(LlmError::Request { .. })), "{bad:?}");
        }
        let good =
            ChatRequest { tools: vec![tool("f")], tool_choice: ToolChoice::Named("f".into()), output: output("o", json!({})), ..base() };
        assert_eq!(good.check(), Ok(()));
    }

    #[test]
    fn every_call_in_the_dialogue_has_one_result_right_after_it() {
        let calling = || Message::calling("", vec![call("1"), call("2")]);
        let both = || Message::results(vec![result("2"), result("1")]);
        let check = |messages| ChatRequest { messages, ..ChatRequest::default() }.check();
        assert_eq!(check(vec![Message::user("a"), calling(), both(), Message::assistant("b")]), Ok(()));
        assert_eq!(check(vec![calling(), Message::results(vec![result("1")]), Message::results(vec![result("2")])]), Ok(()));
        for bad in [
            vec![calling()],
            vec![calling(), Message::user("b"), both()],
            vec![calling(), Message::results(vec![result("1")])],
            vec![calling(), Message::results(vec![result("1"), result("1")])],
            vec![both()],
            vec![Message::calling("", vec![call("1"), call("1")]), both()],
            vec![Message::calling("", vec![ToolCall { arguments: json!("x"), ..call("1") }]), Message::results(vec![result("1")])],
            vec![Message::results(vec![])],
            vec![Message { role: Role::User, ..calling() }, both()],
        ] {
            assert!(check(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
