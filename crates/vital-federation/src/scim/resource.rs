//! Users and groups as they leave: from what is stored to JSON (RFC 7643 sections 4.1, 4.2 and 3.1).

use super::{etag, schema::ResourceKind};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A person as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The identifier given by the platform.
    pub id: String,
    /// The identifier given by the provisioning client.
    pub external_id: Option<String>,
    /// The name to sign in with.
    pub user_name: String,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The name shown to others.
    pub display_name: Option<String>,
    /// Whether the person may sign in.
    pub active: bool,
    /// The groups of the person, in a stable order.
    pub groups: Vec<GroupOfUser>,
    /// When the person was added.
    pub created: OffsetDateTime,
    /// When the person was last changed.
    pub last_modified: OffsetDateTime,
}

/// A group that a person is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOfUser {
    /// The group's identifier.
    pub id: String,
    /// The group's name.
    pub display_name: String,
}

/// A group as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The identifier given by the platform.
    pub id: String,
    /// The identifier given by the provisioning client.
    pub external_id: Option<String>,
    /// The group's name.
    pub display_name: String,
    /// Identifiers of the members, in a stable order.
    pub members: Vec<String>,
    /// When the group was added.
    pub created: OffsetDateTime,
    /// When the group was last changed.
    pub last_modified: OffsetDateTime,
}

impl User {
    /// The complete representation. `base` is the address of the SCIM root without a slash at its end.
    #[must_use]
    pub fn to_json(&self, base: &str) -> Value {
        let mut out = start(ResourceKind::User, &self.id, self.external_id.as_deref());
        out.insert("userName".into(), self.user_name.as_str().into());
        let mut name = Map::new();
        put(&mut name, "givenName", self.given_name.as_deref());
        put(&mut name, "familyName", self.family_name.as_deref());
        if !name.is_empty() {
            out.insert("name".into(), name.into());
        }
        put(&mut out, "displayName", self.display_name.as_deref());
        out.insert("active".into(), self.active.into());
        if !self.groups.is_empty() {
            let group =
                |g: &GroupOfUser| json!({ "value": g.id, "$ref": location(base, ResourceKind::Group, &g.id), "display": g.display_name });
            out.insert("groups".into(), self.groups.iter().map(group).collect());
        }
        finish(out, ResourceKind::User, base, &self.id, self.created, self.last_modified)
    }
}

impl Group {
    /// The complete representation. `base` is the address of the SCIM root without a slash at its end.
    #[must_use]
    pub fn to_json(&self, base: &str) -> Value {
        let mut out = start(ResourceKind::Group, &self.id, self.external_id.as_deref());
        out.insert("displayName".into(), self.display_name.as_str().into());
        if !self.members.is_empty() {
            let member = |id: &String| json!({ "value": id, "$ref": location(base, ResourceKind::User, id), "type": "User" });
            out.insert("members".into(), self.members.iter().map(member).collect());
        }
        finish(out, ResourceKind::Group, base, &self.id, self.created, self.last_modified)
    }
}

fn start(kind: ResourceKind, id: &str, external_id: Option<&str>) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("schemas".into(), json!([kind.urn()]));
    out.insert("id".into(), id.into());
    put(&mut out, "externalId", external_id);
    out
}

fn finish(out: Map<String, Value>, kind: ResourceKind, base: &str, id: &str, created: OffsetDateTime, changed: OffsetDateTime) -> Value {
    let mut out = Value::Object(out);
    out["meta"] = json!({
        "resourceType": kind.name(),
        "created": date_time(created),
        "lastModified": date_time(changed),
        "location": location(base, kind, id),
        "version": etag::version(&out),
    });
    out
}

fn put(out: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.insert(name.to_owned(), value.into());
    }
}

fn location(base: &str, kind: ResourceKind, id: &str) -> String {
    format!("{base}{}/{id}", kind.endpoint())
}

fn date_time(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use time::macros::datetime;

    pub(crate) fn ada() -> User {
        User {
            id: "u1".into(),
            external_id: Some("ext-1".into()),
            user_name: "Ada@example.org".into(),
            given_name: Some("Ada".into()),
            family_name: None,
            display_name: None,
            active: true,
            groups: vec![],
            created: datetime!(2026-01-02 03:04:05 UTC),
            last_modified: datetime!(2026-02-03 04:05:06 UTC),
        }
    }

    pub(crate) fn chemists() -> Group {
        Group {
            id: "g1".into(),
            external_id: None,
            display_name: "Chemists".into(),
            members: vec!["u1".into(), "u2".into()],
            created: datetime!(2026-01-02 03:04:05 UTC),
            last_modified: datetime!(2026-01-02 03:04:05 UTC),
        }
    }

    #[test]
    fn unassigned_attributes_are_left_out() {
        let json = ada().to_json("https://x.example/scim/v2");
        assert_eq!(json["meta"]["location"], "https://x.example/scim/v2/Users/u1");
        assert_eq!(json["name"], json!({ "givenName": "Ada" }));
        assert!(json.get("displayName").is_none() && json.get("groups").is_none());
        assert!(json["meta"]["version"].as_str().unwrap().starts_with("W/\""));
    }

    #[test]
    fn members_carry_what_the_schema_says() {
        let json = chemists().to_json("b");
        assert_eq!(json["members"][1], json!({ "value": "u2", "$ref": "b/Users/u2", "type": "User" }));
    }
}
