//! Events of Anthropic messages. Block 0 is text; it stops where the first tool call begins.

use super::{frame, quoted};
use crate::provider::script::{Stop, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

fn event(kind: &str, id: Option<&str>, mut data: Value) -> Bytes {
    data["type"] = kind.into();
    frame(Some(kind), id, &data.to_string())
}

pub(super) fn opening(usage: Option<Usage>, id: Option<&str>) -> Vec<Bytes> {
    let mut message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "scripted", "stop_reason": null,
        "stop_sequence": null,
    });
    if let Some(Usage { input, cached_input, cache_write_input, .. }) = usage {
        // The format leaves tokens of the cache out of `input_tokens`.
        let fresh = input.saturating_sub(cached_input).saturating_sub(cache_write_input);
        message["usage"] = json!({
            "input_tokens": fresh, "cache_creation_input_tokens": cache_write_input, "cache_read_input_tokens": cached_input,
            "output_tokens": 1,
        });
    }
    vec![
        event("message_start", id, json!({"message": message})),
        event("content_block_start", id, json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
        event("ping", id, json!({})),
    ]
}

pub(super) fn text(text: &str, id: Option<&str>) -> Bytes {
    let data = format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{}}}}}"#, quoted(text));
    frame(Some("content_block_delta"), id, &data)
}

pub(super) fn call(calls: usize, call: &str, name: &str, fragments: &[String], id: Option<&str>) -> Vec<Bytes> {
    let index = calls + 1;
    let mut block = json!({"type": "tool_use", "name": name, "input": {}});
    if !call.is_empty() {
        block["id"] = call.into();
    }
    let stop = |index: usize| event("content_block_stop", id, json!({"index": index}));
    let pieces = fragments.iter().map(|fragment| {
        event("content_block_delta", id, json!({"index": index, "delta": {"type": "input_json_delta", "partial_json": fragment}}))
    });
    let text_ends = (calls == 0).then(|| stop(0));
    let begins = event("content_block_start", id, json!({"index": index, "content_block": block}));
    text_ends.into_iter().chain([begins]).chain(pieces).chain([stop(index)]).collect()
}

pub(super) fn error(kind: &str, id: Option<&str>) -> Bytes {
    event("error", id, json!({"error": {"type": kind, "message": "scripted prose"}}))
}

pub(super) fn closing(usage: Option<Usage>, stop: Stop, calls: usize, id: Option<&str>) -> Vec<Bytes> {
    let reason = match stop {
        Stop::EndTurn => "end_turn",
        Stop::ToolUse => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::Refusal => "refusal",
    };
    let mut delta = json!({"delta": {"stop_reason": reason, "stop_sequence": null}});
    if let Some(usage) = usage {
        delta["usage"] = json!({"output_tokens": usage.output});
    }
    let text_ends = (calls == 0).then(|| event("content_block_stop", id, json!({"index": 0})));
    let ends = [event("message_delta", id, delta), event("message_stop", id, json!({}))];
    text_ends.into_iter().chain(ends).collect()
}
