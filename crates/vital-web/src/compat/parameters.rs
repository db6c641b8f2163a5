//! Parameters of the two APIs besides those that handlers read: which are without effect, and which are refused.

use crate::problem::Reply;
use serde_json::Value;
use std::collections::BTreeMap;
use vital_kernel::Error;

/// A parameter that would change the result.
pub(super) struct Unsupported {
    pub name: &'static str,
    /// Values that ask for what happens anyway.
    pub harmless: fn(&Value) -> bool,
    /// Why another value is refused, after the parameter's name.
    pub why: &'static str,
}

/// Refuses what is not supported and would change the result, and what is not known.
pub(super) fn check(given: &BTreeMap<String, Value>, unsupported: &[Unsupported], without_effect: &[&str]) -> Reply<()> {
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        if without_effect.contains(&name.as_str()) {
            continue;
        }
        let refused = match unsupported.iter().find(|u| u.name == name) {
            Some(u) if (u.harmless)(value) => continue,
            Some(u) => Error::invalid("parameter.unsupported", format!("`{name}` {}. Nothing was asked.", u.why)),
            None => {
                let name: String = name.chars().take(60).collect();
                Error::invalid("parameter.unknown", format!("There is no parameter `{name}` here. Nothing was asked; leave it out."))
            }
        };
        return Err(refused.with_field(format!("/{}", name.replace('~', "~0").replace('/', "~1")), "Leave it out.").into());
    }
    Ok(())
}

/// No elements or members at all.
pub(super) fn empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_str() == Some("")
}

/// The value `false`.
pub(super) fn off(value: &Value) -> bool {
    *value == Value::Bool(false)
}

/// No choice among tools, or none to be made.
pub(super) fn no_choice(value: &Value) -> bool {
    let kind = value.as_str().or_else(|| value.get("type").and_then(Value::as_str));
    matches!(kind, Some("none" | "auto"))
}

/// Why no tools of the client are called.
pub(super) const NO_TOOLS: &str =
    "is not offered: an expert uses the tools that the organisation has granted it, and calls none of the client's. Leave it out";
