//! Entries as FHIR R4 `AuditEvent` resources (http://hl7.org/fhir/R4/auditevent.html), for NDJSON feeds.
//!
//! Ids and field names only, as in the trail itself. The leaf hash and the place in the log go along as details of the entity, so that a
//! receiver can ask for the proof.

use crate::{Entry, Hash};
use serde_json::{Value, json};

const EVENT_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PURPOSES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const OBJECT_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OWN_ACTIONS: &str = "urn:vital-path:audit-action";

/// What an action is to FHIR: event type (system, code, display) and C, R, U, D or E.
fn kind(action: &str) -> ((&'static str, &'static str, &'static str), &'static str) {
    let (subject, verb) = action.split_once('.').unwrap_or(("", action));
    let code = match verb {
        v if ["deleted", "removed", "erased", "revoked", "unlinked"].iter().any(|end| v.ends_with(end)) => "D",
        v if ["created", "added", "opened", "issued", "invited", "linked", "provisioned", "seeded", "granted"]
            .iter()
            .any(|end| v.ends_with(end)) =>
        {
            "C"
        }
        v if ["read", "performed", "retrieved", "cited", "exported", "listed", "verified"].iter().any(|end| v.ends_with(end)) => "R",
        v if ["changed", "renamed", "shared", "suspended", "deactivated", "reactivated", "reviewed", "rotated", "closed"]
            .iter()
            .any(|end| v.ends_with(end)) =>
        {
            "U"
        }
        _ => "E",
    };
    let event = match (subject, verb) {
        ("session", "signed_in" | "sign_in_failed" | "signed_out" | "locked_out" | "stepped_up" | "revoked") => {
            (DICOM, "110114", "User Authentication")
        }
        ("server", _) => (DICOM, "110100", "Application Activity"),
        ("break_glass", _) => (DICOM, "110127", "Emergency Override Started"),
        ("user" | "group" | "key" | "factor" | "sso" | "tenant" | "audit", _) => (DICOM, "110113", "Security Alert"),
        ("search" | "evidence" | "turn", _) => (DICOM, "110112", "Query"),
        (_, v) if v.ends_with("exported") => (DICOM, "110106", "Export"),
        _ => (EVENT_TYPES, "rest", "RESTful Operation"),
    };
    (event, code)
}

/// The outcome: `4` is a minor failure.
fn outcome(action: &str) -> &'static str {
    if ["failed", "refused", "locked_out", "suspect"].iter().any(|end| action.ends_with(end)) { "4" } else { "0" }
}

/// The resource. `leaf` is the entry's leaf hash, `covered_by` the size of the checkpoint that covers it, if there is one.
#[must_use]
pub fn audit_event(entry: &Entry<'_>, leaf: &Hash, covered_by: Option<u64>) -> Value {
    let ((system, code, display), crud) = kind(&entry.action);
    let actor = entry.actor.map_or_else(|| "platform".to_owned(), |id| id.to_string());
    let mut details = vec![
        json!({ "type": "log", "valueString": entry.log.to_string() }),
        json!({ "type": "seq", "valueString": entry.seq.to_string() }),
        json!({ "type": "leaf-sha256", "valueString": hex::encode(leaf) }),
        json!({ "type": "request", "valueString": entry.request.to_string() }),
    ];
    details.extend(covered_by.map(|size| json!({ "type": "checkpoint-size", "valueString": size.to_string() })));
    details.extend(entry.fields.iter().map(|field| json!({ "type": "field", "valueString": &**field })));
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": entry.id.to_string(),
        "type": { "system": system, "code": code, "display": display },
        "subtype": [{ "system": OWN_ACTIONS, "code": &*entry.action }],
        "action": crud,
        "recorded": entry.at.to_string(),
        "outcome": outcome(&entry.action),
        "agent": [{ "who": { "identifier": { "value": actor } }, "requestor": true }],
        "source": { "observer": { "identifier": { "value": entry.node.to_string() } } },
        "entity": [{
            "what": { "identifier": { "value": &*entry.resource_id } },
            "type": { "system": OBJECT_TYPES, "code": "2", "display": "System Object" },
            "name": &*entry.resource,
            "detail": details,
        }],
    });
    if entry.action.starts_with("break_glass.") {
        event["purposeOfEvent"] = json!([{ "coding": [{ "system": PURPOSES, "code": "BTG", "display": "break the glass" }] }]);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::any_entry;
    use proptest::prelude::*;

    proptest! {
        /// The elements that R4 requires: type, recorded, agent with requestor, source with observer.
        #[test]
        fn every_entry_has_the_required_elements(entry in any_entry()) {
            let event = audit_event(&entry, &entry.leaf(), Some(7));
            prop_assert_eq!(&event["resourceType"], "AuditEvent");
            prop_assert!(event["type"]["code"].is_string() && event["recorded"].is_string());
            prop_assert!(event["agent"][0]["requestor"].is_boolean() && event["source"]["observer"].is_object());
            prop_assert!(!event.to_string().contains('\n'));
        }
    }

    #[test]
    fn actions_map_to_codes() {
        assert_eq!((kind("document.read").1, kind("document.deleted").1, kind("turn.asked").1), ("R", "D", "E"));
        assert_eq!(kind("session.sign_in_failed").0.1, "110114");
        assert_eq!((outcome("session.sign_in_failed"), outcome("document.read")), ("4", "0"));
    }
}
