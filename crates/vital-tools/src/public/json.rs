//! Reading answers in JSON, where any field may be missing or of another type.

use super::markup::clean;
use serde_json::Value;

/// The text at a JSON Pointer, without signs that nobody sees; empty where there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => clean(text).trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The texts of the list at a JSON Pointer.
pub(crate) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().filter_map(Value::as_str).map(|text| clean(text).trim().to_owned()).collect()
}

/// The list at a JSON Pointer; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts at a JSON Pointer, whether a list or a single one stands there; empty ones are left out.
pub(crate) fn some_texts(value: &Value, pointer: &str) -> Vec<String> {
    let found = if value.pointer(pointer).is_some_and(Value::is_array) { texts(value, pointer) } else { vec![text(value, pointer)] };
    found.into_iter().filter(|text| !text.is_empty()).collect()
}

/// The whole number at a JSON Pointer, also where it is written as text.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<u64> {
    let found = value.pointer(pointer)?;
    found.as_u64().or_else(|| found.as_str()?.trim().parse().ok())
}
