//! What a call of a provider tells traces and metrics (`vital-telemetry`): its tokens, its end, and, where the configuration asks for it,
//! what was said.

use crate::{ChatRequest, Delta, Message, Role, StopReason};
use serde_json::{Value, json};
use vital_telemetry::{CONTENT_BYTES_MAX, Chat};

/// Tells what is sent, where that is wanted and fits.
pub(super) fn sends(chat: &mut Chat, request: &ChatRequest) {
    if !chat.wants_content() {
        return;
    }
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    if bytes <= CONTENT_BYTES_MAX {
        let messages = request.messages.iter().map(message).collect();
        let instructions = (!request.system.is_empty()).then(|| json!([{ "type": "text", "content": request.system }]).to_string());
        chat.sends(Value::Array(messages).to_string(), instructions);
    }
}

/// Tells of an item of the answer.
pub(super) fn item(chat: &mut Chat, item: &Delta) {
    match item {
        Delta::Text(text) => chat.chunk(Some(text)),
        Delta::ToolCallStart { .. } | Delta::ToolCall(_) | Delta::InvalidToolCall(_) => chat.chunk(None),
        Delta::Usage(usage) => chat.tokens(usage.input, [usage.cached_input, usage.cache_write_input], usage.output, usage.reasoning),
        Delta::Stop(reason) => chat.finished(finish_reason(*reason)),
    }
}

/// The reason in the words of the conventions.
const fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn => "stop",
        StopReason::ToolUse => "tool_calls",
        StopReason::MaxTokens => "length",
        StopReason::Refusal => "content_filter",
        StopReason::Other => "other",
    }
}

/// A message in the form of the conventions. What tools were given and came to is named and left out.
fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let calls = message.tool_calls.iter().map(|call| json!({ "type": "tool_call", "id": call.id, "name": call.name }));
    let results = message.tool_results.iter().map(|result| json!({ "type": "tool_call_response", "id": result.call_id }));
    let text = (!message.content.is_empty()).then(|| json!({ "type": "text", "content": message.content }));
    let parts: Vec<Value> = text.into_iter().chain(calls).chain(results).collect();
    json!({ "role": role, "parts": parts })
}
