//! Arguments and outputs against a JSON Schema (draft 2020-12), with bounds that hold for schemas of strangers as well.
//!
//! **Invariant:** no schema makes a request, reads a file or runs without bound: references lead within the schema alone, its size, depth
//! and patterns are limited, and patterns run on an engine without backtracking.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;

/// Largest schema, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of a schema or of a value that is checked.
pub const DEPTH_MAX: usize = 32;
/// Most nodes that a schema may have once its references are followed.
pub const UNFOLDED_MAX: usize = 20_000;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Most faults that are told of a value.
pub const FAULTS_MAX: usize = 8;
/// Longest text of a fault, in bytes.
const FAULT_BYTES_MAX: usize = 300;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the place; empty for the value itself.
    pub pointer: String,
    /// What is wrong there.
    pub why: String,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Over [`SCHEMA_BYTES_MAX`].
    #[error("the schema has more than {SCHEMA_BYTES_MAX} bytes")]
    TooLarge,
    /// Over [`DEPTH_MAX`].
    #[error("the schema is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Over [`UNFOLDED_MAX`].
    #[error("the schema unfolds to more than {UNFOLDED_MAX} nodes when its references are followed")]
    Unfolds,
    /// A reference to what it stands in.
    #[error("the schema refers to itself; write the levels out")]
    Recursive,
    /// A reference that leads out of the schema.
    #[error("the schema refers to `{0}`; only references within it (`#/…`) are followed")]
    Reference(String),
    /// Not a schema of an object, as arguments need.
    #[error("the schema is not one of an object (`\"type\": \"object\"`)")]
    NotAnObject,
    /// Not a schema of draft 2020-12.
    #[error("the schema is not valid: {0}")]
    Invalid(String),
}

/// A schema that was checked and compiled; checking a value with it sends and reads nothing.
#[derive(Clone, Debug)]
pub struct Schema(Validator);

impl Schema {
    /// Reads the schema of a tool's arguments or output.
    ///
    /// # Errors
    /// [`SchemaFault`].
    pub fn new(schema: &Value) -> Result<Self, SchemaFault> {
        if depth_over(schema, DEPTH_MAX) {
            return Err(SchemaFault::TooDeep);
        }
        if schema.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(SchemaFault::TooLarge);
        }
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SchemaFault::NotAnObject);
        }
        Unfolding { root: schema, known: HashMap::new(), open: Vec::new() }.size(schema)?;
        let invalid = |error: jsonschema::ValidationError<'_>| SchemaFault::Invalid(crate::output::cut(error.to_string(), FAULT_BYTES_MAX));
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX))
            .build(schema)
            .map(Self)
            .map_err(invalid)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first [`FAULTS_MAX`] faults, each with its place.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Fault>> {
        if depth_over(value, DEPTH_MAX) {
            return Err(vec![Fault { pointer: String::new(), why: format!("it is nested deeper than {DEPTH_MAX} levels") }]);
        }
        let fault = |error: jsonschema::ValidationError<'_>| Fault {
            pointer: crate::output::cut(error.instance_path().to_string(), FAULT_BYTES_MAX),
            why: crate::output::cut(error.to_string(), FAULT_BYTES_MAX),
        };
        let faults: Vec<Fault> = self.0.iter_errors(value).take(FAULTS_MAX).map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// Reads a schema and checks a value with it; keep a [`Schema`] where several are checked.
///
/// # Errors
/// The faults of the value, or the schema's own as one fault without a place.
pub fn check(schema: &Value, value: &Value) -> Result<(), Vec<Fault>> {
    let schema = Schema::new(schema).map_err(|fault| vec![Fault { pointer: String::new(), why: fault.to_string() }])?;
    schema.check(value)
}

fn depth_over(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if left == 0 => true,
        Value::Array(items) => items.iter().any(|item| depth_over(item, left - 1)),
        Value::Object(fields) => fields.values().any(|field| depth_over(field, left - 1)),
        _ => false,
    }
}

/// Counts the subschemas that a schema unfolds to when its references are followed.
struct Unfolding<'a> {
    root: &'a Value,
    known: HashMap<&'a str, usize>,
    open: Vec<&'a str>,
}

impl<'a> Unfolding<'a> {
    fn size(&mut self, schema: &'a Value) -> Result<usize, SchemaFault> {
        let mut size: usize = 1;
        match schema {
            Value::Array(items) => {
                for item in items {
                    size = size.saturating_add(self.size(item)?);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let more = match (name.as_str(), field) {
                        ("$ref", Value::String(reference)) => self.referred(reference)?,
                        ("$dynamicRef" | "$id", Value::String(text)) => return Err(outside(text)),
                        _ => self.size(field)?,
                    };
                    size = size.saturating_add(more);
                }
            }
            _ => {}
        }
        if size > UNFOLDED_MAX { Err(SchemaFault::Unfolds) } else { Ok(size) }
    }

    fn referred(&mut self, reference: &'a str) -> Result<usize, SchemaFault> {
        if let Some(&size) = self.known.get(reference) {
            return Ok(size);
        }
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer = pointer.filter(|pointer| !pointer.contains('%')).ok_or_else(|| outside(reference))?;
        if pointer.is_empty() || self.open.contains(&reference) {
            return Err(SchemaFault::Recursive);
        }
        let target = self.root.pointer(pointer).ok_or_else(|| outside(reference))?;
        self.open.push(reference);
        let size = self.size(target)?;
        self.open.pop();
        self.known.insert(reference, size);
        Ok(size)
    }
}

fn outside(text: &str) -> SchemaFault {
    SchemaFault::Reference(crate::output::cut(text.to_owned(), 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_fault_has_its_place() {
        let schema = json!({ "type": "object", "required": ["n"], "additionalProperties": false,
            "properties": { "n": { "type": "integer", "minimum": 1 }, "list": { "type": "array", "items": { "type": "string" } } } });
        assert_eq!(check(&schema, &json!({ "n": 3, "list": ["a"] })), Ok(()));
        for (value, pointer, why) in [
            (json!({ "n": 0 }), "/n", "minimum"),
            (json!({ "n": 1, "list": ["a", 2] }), "/list/1", "string"),
            (json!({}), "", "required"),
            (json!({ "n": 1, "m": 2 }), "", "'m'"),
            (json!([]), "", "object"),
        ] {
            let faults = check(&schema, &value).unwrap_err();
            assert_eq!(faults[0].pointer, pointer, "{value}");
            assert!(faults[0].why.contains(why), "{value}: {}", faults[0].why);
        }
    }

    #[test]
    fn what_leads_out_of_a_schema_or_grows_without_bound_is_refused() {
        let deep = (0..40).fold(json!({ "type": "string" }), |inner, _| json!({ "type": "object", "properties": { "a": inner } }));
        let mut doubling = serde_json::Map::new();
        for n in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            doubling.insert(format!("d{n}"), json!({ "allOf": [next, next] }));
        }
        doubling.insert("d40".to_owned(), json!({ "type": "object" }));
        for (schema, expected) in [
            (deep, "TooDeep"),
            (json!({ "type": "object", "$defs": doubling, "$ref": "#/$defs/d0" }), "Unfolds"),
            (json!({ "type": "object", "properties": { "a": { "$ref": "https://schemas.example/a.json" } } }), "Reference"),
            (json!({ "type": "object", "properties": { "a": { "$ref": "file:///etc/passwd" } } }), "Reference"),
            (json!({ "type": "object", "$id": "https://schemas.example/a.json" }), "Reference"),
            (json!({ "type": "object", "properties": { "a": { "$ref": "#" } } }), "Recursive"),
            (json!({ "type": "object", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/a" }] } }, "$ref": "#/$defs/a" }), "Recursive"),
            (json!({ "type": "object", "description": "x".repeat(SCHEMA_BYTES_MAX) }), "TooLarge"),
            (json!({ "type": "string" }), "NotAnObject"),
            (json!(true), "NotAnObject"),
            (json!({ "type": "object", "properties": { "a": { "type": "text" } } }), "Invalid"),
            (json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }), "Invalid"),
            (json!({ "type": "object", "properties": { "a": { "pattern": "(a{1000}){1000}" } } }), "Invalid"),
        ] {
            let fault = Schema::new(&schema).unwrap_err();
            assert!(format!("{fault:?}").starts_with(expected), "{fault:?} instead of {expected}");
        }
    }

    #[test]
    fn references_within_a_schema_are_followed() {
        let schema =
            json!({ "type": "object", "$defs": { "dose": { "type": "number" } }, "properties": { "a": { "$ref": "#/$defs/dose" } } });
        assert_eq!(check(&schema, &json!({ "a": 1.5 })), Ok(()));
        assert_eq!(check(&schema, &json!({ "a": "x" })).unwrap_err()[0].pointer, "/a");
    }

    #[test]
    fn a_value_that_is_nested_deeply_is_refused_and_many_faults_are_cut() {
        let schema = Schema::new(&json!({ "type": "object", "additionalProperties": { "type": "string" } })).unwrap();
        let deep = (0..40).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert!(schema.check(&deep).unwrap_err()[0].why.contains("deeper"));
        let many: serde_json::Map<String, Value> = (0..50).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(schema.check(&Value::Object(many)).unwrap_err().len(), FAULTS_MAX);
    }
}
