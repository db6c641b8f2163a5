//! PATCH (RFC 7644 section 3.5.2): all operations or none, on a person or a group.
//!
//! Attributes that are not stored are skipped, so that a directory that also sends telephone numbers can still close an account.
//! Tolerated beyond the standard, because large directories write so: operations in any case (`Replace`), paths as keys of a value
//! without path, and a list of members as the value of `remove`, which takes out those members and no others.

use super::{
    Group, NewGroup, NewUser, ScimError, User,
    filter::element_matches,
    input::require_schema,
    patch_path::PatchPath,
    schema::{Attribute, DataType, Mutability, ResourceKind, find},
    value::{checked, writable},
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Most operations of one request.
pub const OPERATIONS_MAX: usize = 1_000;

/// Operations to apply in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Vec<Operation>);

#[derive(Clone, Debug, PartialEq)]
struct Operation {
    verb: Verb,
    path: Option<PatchPath>,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Remove,
    Replace,
}

type Fields = Map<String, Value>;

impl Patch {
    /// Reads the body of a PATCH.
    ///
    /// # Errors
    /// `invalidSyntax` for a wrong structure, `invalidPath` for a path that cannot be read, `noTarget` for `remove` without a path,
    /// `tooMany` beyond [`OPERATIONS_MAX`].
    pub fn parse(body: &Value) -> Result<Self, ScimError> {
        let fields = body.as_object().ok_or_else(|| ScimError::invalid_syntax("The body must be a JSON object."))?;
        require_schema(fields, PATCH_URN)?;
        let operations = get(fields, "Operations").and_then(Value::as_array);
        let operations = operations.filter(|o| !o.is_empty()).ok_or_else(|| ScimError::invalid_syntax("`Operations` must be a list."))?;
        if operations.len() > OPERATIONS_MAX {
            return Err(ScimError::too_many(format!("A request has at most {OPERATIONS_MAX} operations. Nothing was changed.")));
        }
        operations.iter().map(Operation::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns what the person would be afterwards; `active` is always set. The caller stores it as it stores a PUT.
    ///
    /// # Errors
    /// `mutability`, `noTarget`, `invalidPath` or `invalidValue`; then nothing must be stored.
    pub fn apply_to_user(&self, user: &User) -> Result<NewUser, ScimError> {
        NewUser::parse(&self.apply(ResourceKind::User, &user.to_json(""))?)
    }

    /// Returns what the group would be afterwards. The caller stores it as it stores a PUT.
    ///
    /// # Errors
    /// `mutability`, `noTarget`, `invalidPath` or `invalidValue`; then nothing must be stored.
    pub fn apply_to_group(&self, group: &Group) -> Result<NewGroup, ScimError> {
        NewGroup::parse(&self.apply(ResourceKind::Group, &group.to_json(""))?)
    }

    fn apply(&self, kind: ResourceKind, current: &Value) -> Result<Value, ScimError> {
        let mut fields = current.as_object().map_or_else(|| Ok(Map::new()), |stored| writable(kind, stored))?;
        for operation in &self.0 {
            operation.apply(kind, &mut fields)?;
        }
        fields.insert("schemas".into(), json!([kind.urn()]));
        Ok(fields.into())
    }
}

impl Operation {
    fn parse(operation: &Value) -> Result<Self, ScimError> {
        let wrong = || ScimError::invalid_syntax("Each operation is an object whose `op` is add, remove or replace.");
        let fields = operation.as_object().ok_or_else(wrong)?;
        let verb = match get(fields, "op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("add") => Verb::Add,
            Some("remove") => Verb::Remove,
            Some("replace") => Verb::Replace,
            _ => return Err(wrong()),
        };
        let path = match get(fields, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() => None,
            Some(Value::String(path)) => Some(path.parse()?),
            Some(_) => return Err(ScimError::invalid_path("`path` must be a text.")),
        };
        let value = get(fields, "value").cloned();
        match (verb, &path, &value) {
            (Verb::Remove, None, _) => Err(ScimError::no_target("`remove` needs a path.")),
            (Verb::Add | Verb::Replace, _, None) => Err(ScimError::invalid_value("`add` and `replace` need a value.")),
            _ => Ok(Self { verb, path, value }),
        }
    }

    fn apply(&self, kind: ResourceKind, fields: &mut Fields) -> Result<(), ScimError> {
        let value = self.value.as_ref().unwrap_or(&Value::Null);
        let known = |path: &PatchPath| kind.attribute(&path.attribute.name).filter(|_| path.attribute.belongs_to(kind));
        if let Some(path) = &self.path {
            return match known(path) {
                None => Ok(()),
                Some(a) if a.mutability == Mutability::ReadOnly => Err(immutable(a)),
                Some(a) => self.change(a, path, value, fields),
            };
        }
        let values = value.as_object().ok_or_else(|| ScimError::invalid_value("Without a path the value must be an object."))?;
        for (key, value) in values {
            let Ok(path) = key.parse::<PatchPath>() else { continue };
            if let Some(attribute) = known(&path).filter(|a| a.mutability != Mutability::ReadOnly) {
                self.change(attribute, &path, value, fields)?;
            }
        }
        Ok(())
    }

    fn change(&self, attribute: &'static Attribute, path: &PatchPath, value: &Value, fields: &mut Fields) -> Result<(), ScimError> {
        match (&path.sub, attribute.multi_valued) {
            (_, false) if path.filter.is_some() => {
                Err(ScimError::invalid_path(format!("`{}` has one value; a filter in brackets cannot choose from it.", attribute.name)))
            }
            (None, false) => self.set(attribute, value, fields),
            (Some(sub), false) => self.set_sub(attribute, sub, value, fields),
            (Some(sub), true) => match find(attribute.sub, sub) {
                Some(known) => Err(immutable(known)),
                None => Ok(()),
            },
            (None, true) => self.change_list(attribute, path, value, fields),
        }
    }

    /// Sets, merges or unassigns an attribute of one value.
    fn set(&self, attribute: &'static Attribute, value: &Value, fields: &mut Fields) -> Result<(), ScimError> {
        let new = if self.verb == Verb::Remove { None } else { checked(attribute, value)? };
        match new {
            None if attribute.required && self.verb == Verb::Remove => Err(immutable(attribute)),
            None if attribute.required => Err(ScimError::invalid_value(format!("`{}` is required.", attribute.name))),
            None => {
                fields.remove(attribute.name);
                Ok(())
            }
            // Sub-attributes that the value does not name stay as they are (RFC 7644 section 3.5.2.3).
            Some(Value::Object(new)) => {
                match fields.get_mut(attribute.name).and_then(Value::as_object_mut) {
                    Some(old) => old.extend(new),
                    None => drop(fields.insert(attribute.name.to_owned(), new.into())),
                }
                Ok(())
            }
            Some(new) => {
                fields.insert(attribute.name.to_owned(), new);
                Ok(())
            }
        }
    }

    fn set_sub(&self, attribute: &'static Attribute, sub: &str, value: &Value, fields: &mut Fields) -> Result<(), ScimError> {
        if attribute.data_type != DataType::Complex {
            return Err(ScimError::invalid_path(format!("`{}` has no sub-attributes.", attribute.name)));
        }
        let Some(sub) = find(attribute.sub, sub) else { return Ok(()) };
        let mut inner = match fields.remove(attribute.name) {
            Some(Value::Object(inner)) => inner,
            _ => Map::new(),
        };
        let outcome = self.set(sub, value, &mut inner);
        if !inner.is_empty() {
            fields.insert(attribute.name.to_owned(), inner.into());
        }
        outcome
    }

    /// Changes a multi-valued attribute: all of it, or the elements that the path chooses.
    fn change_list(&self, attribute: &'static Attribute, path: &PatchPath, value: &Value, fields: &mut Fields) -> Result<(), ScimError> {
        let mut elements = match fields.remove(attribute.name) {
            Some(Value::Array(elements)) => elements,
            _ => vec![],
        };
        let given =
            || Ok(checked(attribute, value)?.and_then(|v| if let Value::Array(v) = v { Some(v) } else { None }).unwrap_or_default());
        match (self.verb, &path.filter) {
            (Verb::Remove, Some(filter)) => elements.retain(|e| !element_matches(filter, attribute, e)),
            (Verb::Remove, None) if value.is_null() => elements.clear(),
            (Verb::Remove, None) => {
                let gone = given()?;
                let gone: HashSet<&str> = gone.iter().filter_map(id).collect();
                elements.retain(|e| id(e).is_none_or(|id| !gone.contains(id)));
            }
            (Verb::Replace, None) => elements = given()?,
            (Verb::Add, None) => {
                let present: HashSet<String> = elements.iter().filter_map(id).map(str::to_owned).collect();
                elements.extend(given()?.into_iter().filter(|e| id(e).is_none_or(|id| !present.contains(id))));
            }
            (Verb::Replace, Some(filter)) => {
                let before = elements.len();
                elements.retain(|e| !element_matches(filter, attribute, e));
                if elements.len() == before {
                    return Err(ScimError::no_target(format!("No element of `{}` matches the path. Nothing was changed.", attribute.name)));
                }
                elements.extend(given()?);
            }
            (Verb::Add, Some(_)) => return Err(ScimError::invalid_path("`add` needs a path without a filter.")),
        }
        if !elements.is_empty() {
            fields.insert(attribute.name.to_owned(), elements.into());
        }
        Ok(())
    }
}

fn id(element: &Value) -> Option<&str> {
    element.get("value").and_then(Value::as_str)
}

fn get<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn immutable(attribute: &Attribute) -> ScimError {
    ScimError::mutability(format!("`{}` cannot be changed or removed this way. Nothing was changed.", attribute.name))
}
