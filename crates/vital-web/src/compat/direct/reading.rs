//! What both formats of a prompt need: parameters into their types, and refusals that name the place.

use crate::problem::{Problem, Reply};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use vital_kernel::Error;

/// Reads parameters whose names were checked already.
pub(super) fn parameters<T: DeserializeOwned>(given: BTreeMap<String, Value>) -> Reply<T> {
    let all = Value::Object(given.into_iter().filter(|(_, value)| !value.is_null()).collect());
    serde_path_to_error::deserialize(all).map_err(|error| {
        let pointer = crate::extract::pointer(error.path());
        let detail = "A parameter is not of the expected form. Nothing was sent to a model.";
        Error::invalid("request.field", detail).with_field(pointer, format!("{}.", error.inner())).into()
    })
}

/// A refusal of something at a place.
pub(super) fn refused(code: &'static str, detail: &str, pointer: impl Into<String>) -> Problem {
    Error::invalid(code, format!("{detail} Nothing was sent to a model.")).with_field(pointer, "Change it, or leave it out.").into()
}

/// The JSON that stands in a text, which has to be an object; an empty text stands for one without members.
pub(super) fn object(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(text).ok().filter(Value::is_object)
}
