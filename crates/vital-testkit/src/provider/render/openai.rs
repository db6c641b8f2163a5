//! Chat completion chunks and embeddings.

use super::{frame, quoted};
use crate::provider::script::{Stop, Usage};
use bytes::Bytes;
use serde_json::json;

fn chunk(choices: &str, usage: &str, id: Option<&str>) -> Bytes {
    let data = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"scripted","choices":{choices},"usage":{usage}}}"#
    );
    frame(None, id, &data)
}

fn delta(delta: &str, id: Option<&str>) -> Bytes {
    chunk(&format!(r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]"#), "null", id)
}

pub(super) fn opening(id: Option<&str>) -> Vec<Bytes> {
    vec![delta(r#"{"role":"assistant","content":""}"#, id)]
}

pub(super) fn text(text: &str, id: Option<&str>) -> Bytes {
    delta(&format!(r#"{{"content":{}}}"#, quoted(text)), id)
}

pub(super) fn call(index: usize, call: &str, name: &str, fragments: &[String], id: Option<&str>) -> Vec<Bytes> {
    let mut begin = json!({"index": index, "type": "function", "function": {"name": name, "arguments": ""}});
    if !call.is_empty() {
        begin["id"] = call.into();
    }
    let rest = fragments.iter().map(|fragment| json!({"index": index, "function": {"arguments": fragment}}));
    std::iter::once(begin).chain(rest).map(|one| delta(&json!({"tool_calls": [one]}).to_string(), id)).collect()
}

pub(super) fn error(kind: &str, id: Option<&str>) -> Bytes {
    frame(None, id, &format!(r#"{{"error":{{"message":"scripted prose","type":{},"param":null,"code":null}}}}"#, quoted(kind)))
}

pub(super) fn closing(usage: Option<Usage>, stop: Stop, id: Option<&str>) -> Vec<Bytes> {
    let reason = match stop {
        Stop::EndTurn => "stop",
        Stop::ToolUse => "tool_calls",
        Stop::MaxTokens => "length",
        Stop::Refusal => "content_filter",
    };
    let mut frames = vec![chunk(&format!(r#"[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}]"#), "null", id)];
    if let Some(Usage { input, output, cached_input, cache_write_input, reasoning }) = usage {
        let usage = json!({
            "prompt_tokens": input,
            "completion_tokens": output,
            "total_tokens": input.saturating_add(output),
            "prompt_tokens_details": {"cached_tokens": cached_input, "cache_write_tokens": cache_write_input},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        });
        frames.push(chunk("[]", &usage.to_string(), id));
    }
    frames.push(frame(None, id, "[DONE]"));
    frames
}

/// The vectors, the last one first: only their numbers tell which text each belongs to.
pub(super) fn vectors(vectors: &[Vec<f32>], tokens: u64) -> Bytes {
    let data = vectors.iter().enumerate().rev().map(|(index, one)| json!({"object": "embedding", "index": index, "embedding": one}));
    let data: Vec<_> = data.collect();
    json!({"object": "list", "data": data, "model": "scripted", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
        .to_string()
        .into()
}
