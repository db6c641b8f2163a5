//! What the fixtures hand out: smallest files of their kinds, and the schemas that the suite looks for.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// A PNG of one pixel, in Base64.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A WAV without a sample, in Base64.
pub(crate) const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// The object of a JSON value.
pub(crate) fn object(value: Value) -> JsonObject {
    if let Value::Object(object) = value { object } else { JsonObject::new() }
}

/// Names and schemas of the tools.
pub(crate) fn tools() -> Vec<(&'static str, Value)> {
    let nothing = || json!({ "type": "object", "properties": {} });
    let word = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    vec![
        ("test_simple_text", nothing()),
        ("test_image_content", nothing()),
        ("test_audio_content", nothing()),
        ("test_embedded_resource", nothing()),
        ("test_multiple_content_types", nothing()),
        ("test_tool_with_logging", nothing()),
        ("test_tool_with_progress", nothing()),
        ("test_error_handling", nothing()),
        ("test_reconnection", nothing()),
        ("test_sampling", word("prompt")),
        ("test_elicitation", word("message")),
        ("test_elicitation_sep1034_defaults", nothing()),
        ("test_elicitation_sep1330_enums", nothing()),
        (
            "json_schema_2020_12_tool",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "$defs": { "address": { "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } } },
                "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
                "additionalProperties": false,
            }),
        ),
    ]
}

/// The schema by which a tool asks the person; none for tools that do not ask.
pub(crate) fn asks(tool: &str) -> Option<Value> {
    let titled = |key: &str, kind: &str| json!([{ key: "value1", "title": format!("First {kind}") }, { key: "value2", "title": format!("Second {kind}") }, { key: "value3", "title": format!("Third {kind}") }]);
    let options = json!(["option1", "option2", "option3"]);
    match tool {
        "test_elicitation" => Some(json!({
            "type": "object",
            "properties": {
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            },
            "required": ["username", "email"],
        })),
        "test_elicitation_sep1034_defaults" => Some(json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true },
            },
            "required": [],
        })),
        "test_elicitation_sep1330_enums" => Some(json!({
            "type": "object",
            "properties": {
                "untitledSingle": { "type": "string", "enum": options },
                "titledSingle": { "type": "string", "oneOf": titled("const", "Option") },
                "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"] },
                "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
                "titledMulti": { "type": "array", "items": { "anyOf": titled("const", "Choice") } },
            },
            "required": [],
        })),
        _ => None,
    }
}
