//! Values that clients wrote, checked against the table of attributes and brought to canonical names.

use super::{
    ScimError,
    schema::{Attribute, DataType, Mutability, ResourceKind, find},
};
use serde_json::{Map, Value};

/// Longest text value, in characters.
pub const TEXT_CHARS_MAX: usize = 256;
/// Longest name of a person or group that is shown to others, in characters.
pub const DISPLAY_CHARS_MAX: usize = 120;
/// Longest reference, in characters. References are read for their form alone.
pub const REFERENCE_CHARS_MAX: usize = 2_048;
/// Most members of one group.
pub const MEMBERS_MAX: usize = 10_000;

/// Returns the writable attributes of an object under their canonical names; the rest is left out.
///
/// # Errors
/// `invalidValue` for a wrong type or a value beyond a limit, `invalidSyntax` for an attribute that is given twice.
pub(super) fn writable(kind: ResourceKind, object: &Map<String, Value>) -> Result<Map<String, Value>, ScimError> {
    let mut out = Map::new();
    for (name, value) in object {
        let Some(attribute) = kind.attribute(name).filter(|a| a.mutability != Mutability::ReadOnly) else { continue };
        keep(&mut out, attribute, value)?;
    }
    Ok(out)
}

fn keep(out: &mut Map<String, Value>, attribute: &'static Attribute, value: &Value) -> Result<(), ScimError> {
    // Null stays until the end, so that `{"active": false, "Active": null}` is still seen as twice.
    let value = checked(attribute, value)?.unwrap_or(Value::Null);
    if out.insert(attribute.name.to_owned(), value).is_some() {
        return Err(ScimError::invalid_syntax(format!("`{}` is given twice.", attribute.name)));
    }
    Ok(())
}

/// Returns the canonical form of a value, or nothing where it means that the attribute is unassigned (RFC 7643 section 2.5).
///
/// A single object is read as a list of one where a list is expected, because several directories write it so.
pub(super) fn checked(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    match value {
        Value::Null => Ok(None),
        _ if !attribute.multi_valued => single(attribute, value),
        Value::Array(items) if items.len() > MEMBERS_MAX => {
            Err(ScimError::invalid_value(format!("`{}` has more than {MEMBERS_MAX} values.", attribute.name)))
        }
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                out.extend(single(attribute, item)?);
            }
            Ok((!out.is_empty()).then_some(Value::Array(out)))
        }
        Value::Object(_) => Ok(single(attribute, value)?.map(|v| Value::Array(vec![v]))),
        _ => Err(wrong_type(attribute, "a list")),
    }
}

fn single(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    match (attribute.data_type, value) {
        (DataType::Complex, Value::Object(fields)) => complex(attribute, fields),
        (DataType::Complex, _) => Err(wrong_type(attribute, "an object")),
        (DataType::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        // Microsoft Entra ID writes booleans of PATCH operations as "True" and "False".
        (DataType::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
        (DataType::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
        (DataType::Boolean, _) => Err(wrong_type(attribute, "true or false")),
        (DataType::String | DataType::Reference, Value::String(written)) => text(attribute, written),
        (DataType::String | DataType::Reference | DataType::DateTime, _) => Err(wrong_type(attribute, "a text")),
    }
}

fn complex(attribute: &'static Attribute, fields: &Map<String, Value>) -> Result<Option<Value>, ScimError> {
    let mut out = Map::new();
    for (name, value) in fields {
        if let Some(sub) = find(attribute.sub, name) {
            keep(&mut out, sub, value)?;
        }
    }
    out.retain(|_, value| !value.is_null());
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

fn text(attribute: &Attribute, text: &str) -> Result<Option<Value>, ScimError> {
    let (name, chars_max) = (attribute.name, attribute.chars_max);
    if text.chars().count() > chars_max {
        return Err(ScimError::invalid_value(format!("`{name}` is longer than {chars_max} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(ScimError::invalid_value(format!("`{name}` holds a line break or another control character.")));
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    match attribute.canonical {
        [] => Ok(Some(text.into())),
        allowed => match allowed.iter().find(|c| c.eq_ignore_ascii_case(text)) {
            Some(canonical) => Ok(Some((*canonical).into())),
            None => Err(ScimError::invalid_value(format!("`{name}` must be one of: {}.", allowed.join(", ")))),
        },
    }
}

fn wrong_type(attribute: &Attribute, expected: &str) -> ScimError {
    ScimError::invalid_value(format!("`{}` must be {expected}.", attribute.name))
}
