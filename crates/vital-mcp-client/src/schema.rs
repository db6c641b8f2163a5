//! Schemas of tools (JSON Schema), as far as they have to be safe to show, to send to a model and to check arguments with.
//!
//! **Invariant:** nothing in one leads out: a reference stays within the schema.

use crate::text::{is_hidden, readable};
use serde_json::{Map, Value};

/// Largest schema, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 32 * 1024;
/// Deepest schema, in values within values.
pub const SCHEMA_DEPTH_MAX: usize = 24;
/// Longest text of a schema, in characters.
const TEXT_CHARS_MAX: usize = 2_000;

/// Why a schema cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Not the schema of an object.
    #[error("is not the schema of an object")]
    NotObject,
    /// Too large.
    #[error("is larger than {SCHEMA_BYTES_MAX} bytes")]
    TooLarge,
    /// Nested too deeply.
    #[error("is nested more than {SCHEMA_DEPTH_MAX} levels deep")]
    TooDeep,
    /// It refers to something outside of itself.
    #[error("refers to something outside of itself")]
    Remote,
    /// A name or value in it cannot be seen.
    #[error("has signs in a name or value that cannot be seen")]
    Hidden,
}

/// The schema as it is used: texts for readers are readable, and what is left is safe.
pub(crate) fn checked(schema: Value) -> Result<Value, SchemaFault> {
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err(SchemaFault::TooLarge);
    }
    let Value::Object(schema) = schema else { return Err(SchemaFault::NotObject) };
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(SchemaFault::NotObject);
    }
    object(schema, 1).map(Value::Object)
}

fn object(of: Map<String, Value>, depth: usize) -> Result<Map<String, Value>, SchemaFault> {
    of.into_iter()
        .map(|(key, value)| {
            if hidden(&key) {
                return Err(SchemaFault::Hidden);
            }
            let value = match (key.as_str(), value) {
                ("description" | "title" | "$comment", Value::String(text)) => Value::String(readable(&text, TEXT_CHARS_MAX).0),
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) if !to.starts_with('#') => return Err(SchemaFault::Remote),
                (_, value) => self::value(value, depth)?,
            };
            Ok((key, value))
        })
        .collect()
}

fn value(of: Value, depth: usize) -> Result<Value, SchemaFault> {
    if depth > SCHEMA_DEPTH_MAX {
        return Err(SchemaFault::TooDeep);
    }
    Ok(match of {
        Value::Object(inner) => Value::Object(object(inner, depth + 1)?),
        Value::Array(inner) => Value::Array(inner.into_iter().map(|v| value(v, depth + 1)).collect::<Result<_, _>>()?),
        Value::String(text) if hidden(&text) => return Err(SchemaFault::Hidden),
        plain => plain,
    })
}

fn hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_become_readable_and_names_must_be() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "description": "a\u{202e}b"}}, "required": ["a"]});
        assert_eq!(checked(schema).unwrap()["properties"]["a"]["description"], "ab");
        for hidden in [json!({"a\u{200b}": {}}), json!({"a": {"enum": ["x\u{e0041}"]}})] {
            assert_eq!(checked(json!({"type": "object", "properties": hidden})), Err(SchemaFault::Hidden));
        }
    }

    #[test]
    fn a_reference_stays_within() {
        let to = |to: &str| checked(json!({"type": "object", "properties": {"a": {"$ref": to}}, "$defs": {"a": {"type": "string"}}}));
        assert!(to("#/$defs/a").is_ok());
        for remote in ["https://evil.example/s.json", "file:///etc/passwd", "other.json#/a", ""] {
            assert_eq!(to(remote), Err(SchemaFault::Remote), "{remote}");
        }
        // A property may be called so.
        assert!(checked(json!({"type": "object", "properties": {"$ref": {"type": "string"}}})).is_ok());
    }

    #[test]
    fn depth_size_and_kind_are_bounded() {
        let deep = |levels: usize| (0..levels).fold(json!({"type": "string"}), |inner, _| json!({"items": inner}));
        let of = |levels| checked(json!({"type": "object", "properties": deep(levels)}));
        assert!(of(SCHEMA_DEPTH_MAX - 2).is_ok());
        assert_eq!(of(SCHEMA_DEPTH_MAX + 2), Err(SchemaFault::TooDeep));
        let large = json!({"type": "object", "description": "x".repeat(SCHEMA_BYTES_MAX)});
        assert_eq!(checked(large), Err(SchemaFault::TooLarge));
        for other in [json!(null), json!([]), json!({}), json!({"type": "string"}), json!({"type": ["object", "null"]})] {
            assert_eq!(checked(other), Err(SchemaFault::NotObject));
        }
    }
}
