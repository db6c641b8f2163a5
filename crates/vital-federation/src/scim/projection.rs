//! Partial representations: `attributes` and `excludedAttributes` (RFC 7644 section 3.9).

use super::{AttrPath, ScimError, schema::ResourceKind};
use serde_json::{Map, Value};

/// Most attributes that one parameter may name.
const ATTRIBUTES_MAX: usize = 64;

/// Which attributes a response holds. Those that are always returned (`schemas`, `id`) are never left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// All that have a value.
    #[default]
    All,
    /// These alone.
    Only(Vec<AttrPath>),
    /// All but these.
    Without(Vec<AttrPath>),
}

impl Projection {
    /// Reads the two parameters, each a list of names; empty lists count as absent.
    ///
    /// # Errors
    /// `invalidValue` when both are given, or one names something that is no attribute or more than 64.
    pub fn new<'a>(only: impl IntoIterator<Item = &'a str>, without: impl IntoIterator<Item = &'a str>) -> Result<Self, ScimError> {
        let (only, without) = (paths(only)?, paths(without)?);
        match (only.is_empty(), without.is_empty()) {
            (true, true) => Ok(Self::All),
            (false, true) => Ok(Self::Only(only)),
            (true, false) => Ok(Self::Without(without)),
            (false, false) => Err(ScimError::invalid_value("`attributes` and `excludedAttributes` exclude each other.")),
        }
    }

    /// Returns the part of a representation that was asked for.
    #[must_use]
    pub fn apply(&self, kind: ResourceKind, resource: Value) -> Value {
        let Value::Object(fields) = resource else { return resource };
        let keep = |(name, value): (String, Value)| {
            let always = kind.attribute(&name).is_none_or(|a| a.always);
            let named = |paths: &[AttrPath]| -> Vec<AttrPath> {
                paths.iter().filter(|p| p.belongs_to(kind) && p.name.eq_ignore_ascii_case(&name)).cloned().collect()
            };
            let value = match self {
                _ if always => Some(value),
                Self::All => Some(value),
                Self::Only(paths) => part(value, &named(paths), true),
                Self::Without(paths) => part(value, &named(paths), false),
            };
            value.map(|v| (name, v))
        };
        Value::Object(fields.into_iter().filter_map(keep).collect())
    }
}

/// Keeps or drops what the paths, all of one attribute, name of its value.
fn part(value: Value, paths: &[AttrPath], keep: bool) -> Option<Value> {
    if paths.is_empty() {
        return (!keep).then_some(value);
    }
    if paths.iter().any(|p| p.sub.is_none()) {
        return keep.then_some(value);
    }
    let wanted = |name: &str| paths.iter().any(|p| p.sub().is_some_and(|s| s.eq_ignore_ascii_case(name))) == keep;
    let of_one = |fields: Map<String, Value>| -> Map<String, Value> { fields.into_iter().filter(|(name, _)| wanted(name)).collect() };
    match value {
        Value::Object(fields) => Some(of_one(fields)).filter(|f| !f.is_empty()).map(Value::Object),
        Value::Array(items) => {
            let items: Vec<Value> =
                items.into_iter().map(|item| if let Value::Object(fields) = item { of_one(fields).into() } else { item }).collect();
            Some(items.into())
        }
        simple => (!keep).then_some(simple),
    }
}

fn paths<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<AttrPath>, ScimError> {
    let mut out = Vec::new();
    for name in names.into_iter().map(str::trim).filter(|n| !n.is_empty()) {
        if out.len() == ATTRIBUTES_MAX {
            return Err(ScimError::invalid_value(format!("At most {ATTRIBUTES_MAX} attributes can be named.")));
        }
        out.push(name.parse().map_err(|e: ScimError| ScimError::invalid_value(e.to_string()))?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::resource::tests::{ada, chemists};

    fn names(only: &[&str], without: &[&str]) -> Vec<String> {
        let projection = Projection::new(only.iter().copied(), without.iter().copied()).unwrap();
        let json = projection.apply(ResourceKind::User, ada().to_json("b"));
        let mut names: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_always_returned_stays() {
        assert_eq!(names(&["USERNAME"], &[]), ["id", "schemas", "userName"]);
        assert_eq!(names(&["unknown"], &[]), ["id", "schemas"]);
        assert_eq!(names(&[], &["id", "schemas", "meta", "name.givenName"]), ["active", "externalId", "id", "schemas", "userName"]);
        assert_eq!(names(&["urn:ietf:params:scim:schemas:core:2.0:User:name.givenName"], &[]), ["id", "name", "schemas"]);
    }

    #[test]
    fn sub_attributes_of_members_are_cut() {
        let projection = Projection::new(["members.value"], []).unwrap();
        let json = projection.apply(ResourceKind::Group, chemists().to_json("b"));
        assert_eq!(json["members"], serde_json::json!([{ "value": "u1" }, { "value": "u2" }]));
    }

    #[test]
    fn the_two_parameters_exclude_each_other() {
        assert!(Projection::new(["a"], ["b"]).is_err() && Projection::new(["a b"], []).is_err());
        assert_eq!(Projection::new([" ", ""], []).unwrap(), Projection::All);
    }
}
