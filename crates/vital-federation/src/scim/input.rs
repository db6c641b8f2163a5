//! Bodies of POST and PUT, and the outcome of PATCH, as checked values (RFC 7644 sections 3.3 and 3.5.1).

use super::{
    ScimError,
    schema::ResourceKind,
    value::{MEMBERS_MAX, writable},
};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Most schemas that a body may name.
const SCHEMAS_MAX: usize = 32;

/// What a client wants a person to be. A PUT replaces everything: what is `None` becomes unassigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The identifier given by the client.
    pub external_id: Option<String>,
    /// The name to sign in with, as written. Not necessarily an e-mail address; see [`NewUser::mail_address`].
    pub user_name: String,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The name shown to others.
    pub display_name: Option<String>,
    /// Whether the person may sign in. `None` means true for a new user and no change for one that exists: to leave the attribute
    /// out of a PUT must not open an account that was closed.
    pub active: Option<bool>,
}

/// What a client wants a group to be. A PUT replaces everything, the members included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// The identifier given by the client.
    pub external_id: Option<String>,
    /// The group's name.
    pub display_name: String,
    /// Identifiers of the members, each once, in the order given. Whether they exist is for the caller to check.
    pub members: Vec<String>,
}

/// Reads a body as JSON.
///
/// # Errors
/// `invalidSyntax` when it is not JSON or nested deeper than 128 levels.
pub fn parse_body(body: &[u8]) -> Result<Value, ScimError> {
    serde_json::from_slice(body).map_err(|e| ScimError::invalid_syntax(format!("The body is not JSON (line {}).", e.line())))
}

impl NewUser {
    /// Reads the body of a POST or PUT.
    ///
    /// # Errors
    /// `invalidSyntax` for a wrong structure, `invalidValue` for a missing or wrong value.
    pub fn parse(body: &Value) -> Result<Self, ScimError> {
        let mut fields = writable(ResourceKind::User, resource(ResourceKind::User, body)?)?;
        let (given_name, family_name) = match fields.remove("name") {
            Some(Value::Object(mut name)) => (take(&mut name, "givenName"), take(&mut name, "familyName")),
            _ => (None, None),
        };
        Ok(Self {
            external_id: take(&mut fields, "externalId"),
            user_name: required(&mut fields, "userName")?,
            given_name,
            family_name,
            display_name: take(&mut fields, "displayName"),
            active: fields.get("active").and_then(Value::as_bool),
        })
    }

    /// The user name where it has the form of an e-mail address; mail can be sent to no other account.
    #[must_use]
    pub fn mail_address(&self) -> Option<&str> {
        let (local, domain) = self.user_name.rsplit_once('@')?;
        (!local.is_empty() && !domain.is_empty() && !self.user_name.contains(char::is_whitespace)).then_some(self.user_name.as_str())
    }
}

impl NewGroup {
    /// Reads the body of a POST or PUT.
    ///
    /// # Errors
    /// `invalidSyntax` for a wrong structure, `invalidValue` for a missing or wrong value.
    pub fn parse(body: &Value) -> Result<Self, ScimError> {
        let mut fields = writable(ResourceKind::Group, resource(ResourceKind::Group, body)?)?;
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        for mut member in fields.remove("members").and_then(list).unwrap_or_default() {
            let Some(id) = member.as_object_mut().and_then(|m| take(m, "value")) else {
                return Err(ScimError::invalid_value("Each of `members` needs the member's id as `value`."));
            };
            if seen.insert(id.clone()) {
                members.push(id);
            }
        }
        if members.len() > MEMBERS_MAX {
            return Err(ScimError::invalid_value(format!("A group has at most {MEMBERS_MAX} members.")));
        }
        Ok(Self { external_id: take(&mut fields, "externalId"), display_name: required(&mut fields, "displayName")?, members })
    }
}

/// Checks that a body is an object that names the core schema.
fn resource(kind: ResourceKind, body: &Value) -> Result<&Map<String, Value>, ScimError> {
    let fields = body.as_object().ok_or_else(|| ScimError::invalid_syntax("The body must be a JSON object."))?;
    require_schema(fields, kind.urn())?;
    Ok(fields)
}

/// Refuses a body whose `schemas` does not name a schema (RFC 7643 section 3).
pub(super) fn require_schema(fields: &Map<String, Value>, urn: &str) -> Result<(), ScimError> {
    let wrong = || ScimError::invalid_syntax(format!("`schemas` must be a list of texts that holds `{urn}`."));
    let (_, schemas) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).ok_or_else(wrong)?;
    let schemas = schemas.as_array().filter(|s| s.len() <= SCHEMAS_MAX).ok_or_else(wrong)?;
    let named = schemas.iter().map(|s| s.as_str().map(|s| s.eq_ignore_ascii_case(urn)));
    match named.collect::<Option<Vec<bool>>>() {
        Some(found) if found.contains(&true) => Ok(()),
        _ => Err(wrong()),
    }
}

fn list(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(items) = value { Some(items) } else { None }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn required(fields: &mut Map<String, Value>, name: &str) -> Result<String, ScimError> {
    take(fields, name).ok_or_else(|| ScimError::invalid_value(format!("`{name}` is required.")))
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use proptest::prelude::*;
    use serde_json::json;

    fn user(mut fields: Value) -> Result<NewUser, ScimError> {
        fields["schemas"] = json!([USER_URN]);
        NewUser::parse(&fields)
    }

    #[test]
    fn names_are_read_in_any_case_and_strangers_are_ignored() {
        let read = user(json!({
            "USERNAME": "ada@example.org", "Name": { "givenname": "Ada", "formatted": "Countess", "familyName": null },
            "id": "mine", "meta": { "version": 7 }, "groups": "nonsense", "emails": [{ "value": "x" }], "displayName": " ",
            ENTERPRISE_URN: { "department": 7 }
        }))
        .unwrap();
        assert_eq!(
            (read.user_name.as_str(), read.given_name.as_deref(), read.family_name.as_deref()),
            ("ada@example.org", Some("Ada"), None)
        );
        assert!(read.active.is_none() && read.display_name.is_none() && read.mail_address().is_some());
    }

    #[test]
    fn wrong_types_and_values_are_refused() {
        for (fields, word) in [
            (json!({}), "userName"),
            (json!({ "userName": "" }), "userName"),
            (json!({ "userName": 7 }), "userName"),
            (json!({ "userName": "a\u{0}b" }), "control"),
            (json!({ "userName": "a".repeat(257) }), "256"),
            (json!({ "userName": "a", "displayName": "a".repeat(121) }), "120"),
            (json!({ "userName": "a", "active": "perhaps" }), "active"),
            (json!({ "userName": "a", "name": "Ada" }), "name"),
            (json!({ "userName": "a", "name": { "givenName": [] } }), "givenName"),
        ] {
            let error = user(fields).unwrap_err();
            assert_eq!(error.scim_type(), Some(ScimType::InvalidValue));
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn an_attribute_given_twice_in_different_case_is_refused() {
        let error = user(json!({ "userName": "a", "active": false, "Active": null })).unwrap_err();
        assert_eq!(error.scim_type(), Some(ScimType::InvalidSyntax));
    }

    #[test]
    fn schemas_are_required() {
        for body in
            [json!([]), json!({ "userName": "a" }), json!({ "schemas": [GROUP_URN], "userName": "a" }), json!({ "schemas": [USER_URN, 1] })]
        {
            assert_eq!(NewUser::parse(&body).unwrap_err().scim_type(), Some(ScimType::InvalidSyntax));
        }
        assert!(NewUser::parse(&json!({ "Schemas": [ENTERPRISE_URN, USER_URN], "userName": "a" })).is_ok());
    }

    #[test]
    fn members_are_users_and_each_counts_once() {
        let group = |members: Value| NewGroup::parse(&json!({ "schemas": [GROUP_URN], "displayName": "g", "members": members }));
        let members = group(json!([{ "value": "a", "display": "A" }, { "Value": "b", "type": "user" }, { "value": "a" }])).unwrap().members;
        assert_eq!(members, ["a", "b"]);
        for wrong in [json!([{ "display": "A" , "type": "User"}]), json!([{ "value": "g2", "type": "Group" }]), json!(["a"]), json!("a")] {
            assert_eq!(group(wrong).unwrap_err().scim_type(), Some(ScimType::InvalidValue));
        }
    }

    proptest! {
        /// What was read can be stored, written and read again without a change.
        #[test]
        fn what_is_read_reads_back(name in "[^\\p{C}]{1,40}", given in proptest::option::of("[a-zé ]{0,8}"), active: bool) {
            prop_assume!(!name.trim().is_empty());
            let first = user(json!({ "userName": name, "name": { "givenName": given }, "active": active })).unwrap();
            let stored = User { user_name: first.user_name.clone(), given_name: first.given_name.clone(), active,
                external_id: None, ..resource::tests::ada() };
            prop_assert_eq!(NewUser::parse(&stored.to_json("b")).unwrap(), first);
        }
    }
}
