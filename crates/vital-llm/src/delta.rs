//! What comes back from a model, the same for every wire format.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most tool calls of one answer.
pub const TOOL_CALLS_MAX: usize = 64;
/// Most bytes of the arguments of one tool call. Those of all calls together are at most [`crate::OUTPUT_BYTES_MAX`].
pub const TOOL_ARGUMENT_BYTES_MAX: usize = 128 * 1024;

/// Tokens of one request as the provider counts them; reported, not verified beyond what is impossible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens of the prompt, those read from or written to a cache included.
    pub input: u64,
    /// Tokens generated, those of reasoning included.
    pub output: u64,
    /// Tokens of the prompt read from the provider's cache; at most `input`.
    pub cached_input: u64,
    /// Tokens of the prompt written to the provider's cache, which some providers charge more for; at most `input - cached_input`. Zero
    /// where the format does not report them.
    #[serde(default)]
    pub cache_write_input: u64,
    /// Tokens generated that are reasoning; at most `output`. Zero where the format does not report them.
    #[serde(default)]
    pub reasoning: u64,
}

impl TokenUsage {
    /// The same figures with each part cut to the whole that it is a part of: a provider may lie about them.
    #[must_use]
    pub(crate) fn plausible(self) -> Self {
        let cached_input = self.cached_input.min(self.input);
        Self {
            cached_input,
            cache_write_input: self.cache_write_input.min(self.input - cached_input),
            reasoning: self.reasoning.min(self.output),
            ..self
        }
    }
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It had said what it wanted to say, or met a stop sequence.
    EndTurn,
    /// It waits for the results of the tools that it called.
    ToolUse,
    /// It reached the allowed number of tokens, so the answer is cut off.
    MaxTokens,
    /// It refused, or a content filter of the provider did.
    Refusal,
    /// The format gave no reason or one that is unknown here.
    Other,
}

/// A call of a tool that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Which call it is: ASCII letters, digits, `_` and `-`, at most 128, unique within one answer. The provider's own where it has that
    /// form, and made here otherwise.
    pub id: String,
    /// The tool, as the model wrote it: it may not exist.
    pub name: String,
    /// What the tool is given: an object. Whether it fits the tool's schema is not checked here.
    pub arguments: Value,
    /// Google's opaque `thoughtSignature`: newer models refuse a dialogue in which a call comes back without it. No other format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What came back for a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// [`ToolCall::id`] of the call.
    pub call_id: String,
    /// The result as text; JSON where the tool gives some.
    pub content: String,
    /// The tool failed, and `content` says why.
    pub is_error: bool,
}

/// What is wrong with the arguments of an [`InvalidToolCall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentsFault {
    /// They cannot be read as JSON, for example because the answer was cut off.
    #[error("The arguments are not valid JSON, so the tool was not run. Call it again with a JSON object that fits its schema.")]
    NotJson,
    /// They are JSON but not an object.
    #[error("The arguments are not a JSON object, so the tool was not run. Call it again with a JSON object that fits its schema.")]
    NotAnObject,
}

/// A tool call whose arguments cannot be used. The stream goes on; the model can be told with [`InvalidToolCall::answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidToolCall {
    /// As [`ToolCall::id`].
    pub id: String,
    /// As [`ToolCall::name`].
    pub name: String,
    /// The arguments as the model wrote them, at most [`TOOL_ARGUMENT_BYTES_MAX`].
    pub raw: String,
    /// What is wrong with them.
    pub fault: ArgumentsFault,
    /// As [`ToolCall::signature`].
    pub signature: Option<String>,
}

impl InvalidToolCall {
    /// The call as the dialogue can carry it, with empty arguments, and the result that tells the model what was wrong.
    #[must_use]
    pub fn answer(&self) -> (ToolCall, ToolResult) {
        let arguments = Value::Object(serde_json::Map::new());
        let call = ToolCall { id: self.id.clone(), name: self.name.clone(), arguments, signature: self.signature.clone() };
        (call, ToolResult { call_id: self.id.clone(), content: self.fault.to_string(), is_error: true })
    }
}

/// One step of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The next piece of text; never empty. With a schema for the output, the pieces together are the JSON.
    Text(String),
    /// The model begins a tool call; its arguments follow in [`Delta::ToolCall`] or [`Delta::InvalidToolCall`] with the same id.
    ToolCallStart {
        /// Which call of the answer it is, from 0.
        index: usize,
        /// As [`ToolCall::id`].
        id: String,
        /// As [`ToolCall::name`].
        name: String,
    },
    /// A tool call is complete.
    ToolCall(ToolCall),
    /// A tool call is complete, but its arguments cannot be used.
    InvalidToolCall(InvalidToolCall),
    /// The tokens of the whole request so far: it replaces any earlier figure.
    Usage(TokenUsage),
    /// The answer is complete; always the last item.
    Stop(StopReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_never_more_than_its_whole() {
        let lie = TokenUsage { input: 10, output: 2, cached_input: 8, cache_write_input: 9, reasoning: 3 };
        assert_eq!(lie.plausible(), TokenUsage { cache_write_input: 2, reasoning: 2, ..lie });
        let lie = TokenUsage { input: 1, cached_input: u64::MAX, cache_write_input: u64::MAX, ..TokenUsage::default() };
        assert_eq!(lie.plausible(), TokenUsage { input: 1, cached_input: 1, ..TokenUsage::default() });
    }

    #[test]
    fn usage_that_was_stored_before_it_had_all_figures_can_be_read() {
        let stored: TokenUsage = serde_json::from_str(r#"{"input":3,"output":2,"cached_input":1}"#).unwrap();
        assert_eq!(stored, TokenUsage { input: 3, output: 2, cached_input: 1, ..TokenUsage::default() });
    }
}
