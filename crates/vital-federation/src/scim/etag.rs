//! Weak entity tags (RFC 7644 section 3.14, RFC 7232): a digest of the representation, so that no version need be stored.

use super::ScimError;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Returns the weak tag of a resource from everything but its `meta`.
pub(super) fn version(resource: &Value) -> String {
    let mut digest = Sha256::new();
    if let Value::Object(fields) = resource {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "meta") {
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(value.to_string().as_bytes());
            digest.update([0]);
        }
    }
    let short: String = digest.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("W/\"{short}\"")
}

/// Refuses a change that was made upon another version: `If-Match` against the resource as it is stored now.
///
/// Must be called in the transaction that writes.
///
/// # Errors
/// 412 when the header is there and names another version.
pub fn precondition(if_match: Option<&str>, resource: &Value) -> Result<(), ScimError> {
    match if_match {
        Some(tags) if !names(tags, resource) => Err(ScimError::status_only(
            412,
            "The resource was changed in the meantime. Nothing was written; read it again and repeat the change.",
        )),
        _ => Ok(()),
    }
}

/// Tells whether a read can be answered with 304: `If-None-Match` names the version that is stored now.
#[must_use]
pub fn not_modified(if_none_match: Option<&str>, resource: &Value) -> bool {
    if_none_match.is_some_and(|tags| names(tags, resource))
}

/// Compares weakly (RFC 7232 section 2.3.2).
fn names(tags: &str, resource: &Value) -> bool {
    let Some(current) = resource.pointer("/meta/version").and_then(Value::as_str) else { return false };
    let opaque = current.strip_prefix("W/").unwrap_or(current);
    tags.trim() == "*" || tags.split(',').map(str::trim).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == opaque)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_changes_the_tag_and_metadata_do_not() {
        let one = json!({ "id": "1", "displayName": "a", "meta": { "lastModified": "x" } });
        let same = json!({ "id": "1", "displayName": "a", "meta": { "lastModified": "y" } });
        let other = json!({ "id": "1", "displayName": "b" });
        assert_eq!(version(&one), version(&same));
        assert_ne!(version(&one), version(&other));
    }

    #[test]
    fn a_change_upon_an_old_version_is_refused() {
        let resource = json!({ "meta": { "version": "W/\"aa\"" } });
        assert!(precondition(None, &resource).is_ok());
        assert!(precondition(Some("*"), &resource).is_ok());
        assert!(precondition(Some("\"bb\", W/\"aa\""), &resource).is_ok());
        assert_eq!(precondition(Some("W/\"bb\""), &resource).unwrap_err().status(), 412);
        assert!(not_modified(Some("W/\"aa\""), &resource) && !not_modified(Some("W/\"bb\""), &resource) && !not_modified(None, &resource));
    }
}
