//! What this service provider says about itself (RFC 7644 section 4, RFC 7643 sections 5 to 7).
//!
//! `base` is the address of the SCIM root without a slash at its end.

use super::{
    RESULTS_MAX,
    list::list_response,
    schema::{Attribute, DataType, Mutability, ResourceKind},
};
use serde_json::{Value, json};

const CONFIG_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// The document at `/ServiceProviderConfig`.
#[must_use]
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": [CONFIG_URN],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": RESULTS_MAX },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token that an administrator of the organisation issued, in the Authorization header",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

/// The list at `/ResourceTypes`.
#[must_use]
pub fn resource_types(base: &str) -> Value {
    all(ResourceKind::ALL.map(|kind| resource_type_of(kind, base)))
}

/// The document at `/ResourceTypes/{id}`, if there is one.
#[must_use]
pub fn resource_type(id: &str, base: &str) -> Option<Value> {
    ResourceKind::ALL.into_iter().find(|kind| kind.name() == id).map(|kind| resource_type_of(kind, base))
}

/// The list at `/Schemas`.
#[must_use]
pub fn schema_documents(base: &str) -> Value {
    all(ResourceKind::ALL.map(|kind| schema_of(kind, base)))
}

/// The document at `/Schemas/{urn}`, if there is one.
#[must_use]
pub fn schema_document(urn: &str, base: &str) -> Option<Value> {
    ResourceKind::ALL.into_iter().find(|kind| kind.urn().eq_ignore_ascii_case(urn)).map(|kind| schema_of(kind, base))
}

fn all(documents: [Value; 2]) -> Value {
    list_response(documents.len(), 1, documents.into())
}

fn resource_type_of(kind: ResourceKind, base: &str) -> Value {
    json!({
        "schemas": [RESOURCE_TYPE_URN],
        "id": kind.name(),
        "name": kind.name(),
        "endpoint": kind.endpoint(),
        "description": kind.description(),
        "schema": kind.urn(),
        "meta": { "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name()) },
    })
}

fn schema_of(kind: ResourceKind, base: &str) -> Value {
    json!({
        "schemas": [SCHEMA_URN],
        "id": kind.urn(),
        "name": kind.name(),
        "description": kind.description(),
        "attributes": kind.attributes().iter().map(definition).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", kind.urn()) },
    })
}

fn definition(attribute: &Attribute) -> Value {
    let mut out = json!({
        "name": attribute.name,
        "type": match attribute.data_type {
            DataType::String => "string",
            DataType::Boolean => "boolean",
            DataType::DateTime => "dateTime",
            DataType::Reference => "reference",
            DataType::Complex => "complex",
        },
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
        "mutability": match attribute.mutability {
            Mutability::ReadOnly => "readOnly",
            Mutability::ReadWrite => "readWrite",
            Mutability::Immutable => "immutable",
        },
        "returned": if attribute.always { "always" } else { "default" },
    });
    if matches!(attribute.data_type, DataType::String | DataType::Reference) {
        out["caseExact"] = attribute.case_exact.into();
        out["uniqueness"] = if attribute.unique { "server" } else { "none" }.into();
    }
    for (name, values) in [("canonicalValues", attribute.canonical), ("referenceTypes", attribute.references)] {
        if !values.is_empty() {
            out[name] = json!(values);
        }
    }
    if !attribute.sub.is_empty() {
        out["subAttributes"] = attribute.sub.iter().map(definition).collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{
        GroupOfUser, User,
        resource::tests::{ada, chemists},
    };

    /// A representation with every attribute set holds what the schema documents advertise, and nothing else.
    #[test]
    fn what_is_advertised_is_what_is_returned() {
        let user = User {
            family_name: Some("King".into()),
            display_name: Some("Ada".into()),
            groups: vec![GroupOfUser { id: "g1".into(), display_name: "Chemists".into() }],
            ..ada()
        };
        for (kind, resource) in [(ResourceKind::User, user.to_json("b")), (ResourceKind::Group, chemists().to_json("b"))] {
            let document = schema_document(kind.urn(), "b").unwrap();
            let mut advertised = advertised(&document["attributes"]);
            let mut returned = Vec::new();
            let common = ["schemas", "id", "externalId", "meta"];
            for (name, value) in resource.as_object().unwrap().iter().filter(|(name, _)| !common.contains(&name.as_str())) {
                returned.push(name.clone());
                let first = value.get(0).unwrap_or(value);
                returned.extend(first.as_object().into_iter().flat_map(|o| o.keys().map(|sub| format!("{name}.{sub}"))));
            }
            advertised.sort();
            returned.sort();
            assert_eq!(advertised, returned);
        }
    }

    fn advertised(attributes: &Value) -> Vec<String> {
        let mut names = Vec::new();
        for attribute in attributes.as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            names.push(name.to_owned());
            let subs = attribute["subAttributes"].as_array().into_iter().flatten();
            names.extend(subs.map(|sub| format!("{name}.{}", sub["name"].as_str().unwrap())));
        }
        names
    }

    #[test]
    fn documents_are_found_by_their_ids() {
        for list in [resource_types("b"), schema_documents("b")] {
            for document in list["Resources"].as_array().unwrap() {
                let id = document["id"].as_str().unwrap();
                assert_eq!(resource_type(id, "b").or(schema_document(id, "b")).as_ref(), Some(document));
            }
        }
        assert!(resource_type("Device", "b").is_none() && schema_document("urn:x:y", "b").is_none());
    }
}
