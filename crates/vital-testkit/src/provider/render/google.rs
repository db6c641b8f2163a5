//! Gemini's generated content and embeddings.

use super::frame;
use crate::provider::script::{Stop, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

fn parts(part: &Value, id: Option<&str>) -> Bytes {
    let candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
    frame(None, id, &json!({"candidates": [candidate], "modelVersion": "scripted", "responseId": "r1"}).to_string())
}

pub(super) fn text(text: &str, id: Option<&str>) -> Bytes {
    parts(&json!({"text": text}), id)
}

pub(super) fn call(call: &str, name: &str, fragments: &[String], id: Option<&str>) -> Bytes {
    let arguments = fragments.concat();
    let args: Value = serde_json::from_str(&arguments).unwrap_or_else(|_| arguments.into());
    let mut function = json!({"name": name, "args": args});
    if !call.is_empty() {
        function["id"] = call.into();
    }
    parts(&json!({"functionCall": function, "thoughtSignature": "c2lnbmVk"}), id)
}

pub(super) fn error(kind: &str, id: Option<&str>) -> Bytes {
    let (code, status) = match kind {
        "rate_limit_error" => (429, "RESOURCE_EXHAUSTED"),
        "authentication_error" => (401, "UNAUTHENTICATED"),
        "overloaded_error" => (503, "UNAVAILABLE"),
        _ => (500, "INTERNAL"),
    };
    frame(None, id, &json!({"error": {"code": code, "message": "scripted prose", "status": status}}).to_string())
}

pub(super) fn closing(usage: Option<Usage>, stop: Stop, id: Option<&str>) -> Bytes {
    let reason = match stop {
        Stop::EndTurn | Stop::ToolUse => "STOP",
        Stop::MaxTokens => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    };
    let mut last = json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason, "index": 0}]});
    if let Some(Usage { input, output, cached_input, reasoning, .. }) = usage {
        last["usageMetadata"] = json!({
            "promptTokenCount": input,
            "cachedContentTokenCount": cached_input,
            "candidatesTokenCount": output.saturating_sub(reasoning),
            "thoughtsTokenCount": reasoning,
            "totalTokenCount": input.saturating_add(output),
        });
    }
    frame(None, id, &last.to_string())
}

pub(super) fn vectors(vectors: &[Vec<f32>], tokens: u64) -> Bytes {
    let embeddings: Vec<_> = vectors.iter().map(|values| json!({"values": values})).collect();
    json!({"embeddings": embeddings, "usageMetadata": {"promptTokenCount": tokens}}).to_string().into()
}
