//! SCIM 2.0: the directory of an organisation keeps its members and groups here (RFC 7644). The wire format is that of `vital-federation`.
//!
//! **Invariants:** directories see people, never service accounts or operators; who is closed or removed by a directory loses sessions, keys
//! and links as if an administrator had done it, and the last administrator stays; a version is compared in the transaction that writes; a
//! directory neither gives nor takes roles, and does not change the address of an administrator, since a link for a new password goes there.
//!
//! A write through a key needs no second factor, because there is nobody to ask; a person who writes is asked.

mod groups;
mod users;

pub use groups::{group, groups, patch_group, provision_group, remove_group, replace_group};
pub use users::{patch_user, provision_user, remove_user, replace_user, user, users};

use crate::Platform;
use serde_json::Value;
use vital_federation::scim::{ListQuery, ResourceKind, ScimError, ScimType};
use vital_kernel::{Error, Kind, OpContext, Permission, Result};

/// The address of the SCIM root, without a closing slash.
#[must_use]
pub fn base(p: &Platform) -> String {
    format!("{}/scim/v2", p.site)
}

/// Searches people and groups together: people first, each in the order in which they were made.
///
/// # Errors
/// `Forbidden` without the permission to provision.
pub async fn search(p: &Platform, cx: &OpContext, query: &ListQuery) -> Result<Value> {
    cx.require(Permission::Provision)?;
    let base = base(p);
    let mut tx = p.db.read(cx).await?;
    let people = users::all(&mut tx).await?.into_iter().map(|u| (ResourceKind::User, u.to_json(&base)));
    let groups = groups::all(&mut tx).await?.into_iter().map(|g| (ResourceKind::Group, g.to_json(&base)));
    Ok(query.respond(people.chain(groups)))
}

/// A refusal of the wire format as the domain's error. Nothing was stored.
#[must_use]
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
pub fn refused(error: ScimError) -> Error {
    let code = match error.scim_type() {
        Some(ScimType::InvalidFilter) => "scim.invalid_filter",
        Some(ScimType::TooMany) => "scim.too_many",
        Some(ScimType::Uniqueness) => "scim.uniqueness",
        Some(ScimType::Mutability) => "scim.mutability",
        Some(ScimType::InvalidSyntax) => "scim.invalid_syntax",
        Some(ScimType::InvalidPath) => "scim.invalid_path",
        Some(ScimType::NoTarget) => "scim.no_target",
        Some(ScimType::InvalidValue) => "scim.invalid_value",
        None => "scim.refused",
    };
    let kind = match error.status() {
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        412 => Kind::Stale,
        _ => Kind::Malformed,
    };
    Error::new(kind, code, error.to_string())
}

/// Refuses who may not write.
fn admit_write(cx: &OpContext) -> Result<()> {
    cx.require(Permission::Provision)?;
    // Only a key that was scoped for it: a provider's token stands for a person, who has a second factor to be asked for.
    if cx.is_limited() { Ok(()) } else { cx.require_step_up() }
}

/// Position and length of a page in the database's numbers.
fn window(query: &ListQuery) -> (i64, i64) {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    (number(query.start_index - 1), number(query.count))
}

/// What an index can answer of a filter: its one equality with one of these attributes. The filter itself is applied to what is found.
///
/// Text beyond ASCII is left to the filter, whose rules of case are not the database's.
fn indexed<'q>(query: &'q ListQuery, attribute: &str) -> Option<&'q str> {
    let (path, text) = query.filter.as_ref()?.equality()?;
    (path.is(attribute) && text.is_ascii()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_status() {
        for (error, kind, code) in [
            (ScimError::not_found(), Kind::NotFound, "scim.refused"),
            (ScimError::uniqueness("x"), Kind::Conflict, "scim.uniqueness"),
            (ScimError::status_only(412, "x"), Kind::Stale, "scim.refused"),
            (ScimError::no_target("x"), Kind::Malformed, "scim.no_target"),
        ] {
            let refused = refused(error);
            assert_eq!((refused.kind(), refused.code()), (kind, code));
        }
    }

    #[test]
    fn only_one_plain_equality_is_left_to_an_index() {
        let find = |filter: &str| {
            let query = ListQuery::from_pairs([("filter", filter)]).unwrap();
            indexed(&query, "userName").map(str::to_owned)
        };
        assert_eq!(find("username eq \"Ada\"").as_deref(), Some("Ada"));
        for other in ["userName eq \"Äda\"", "userName ne \"Ada\"", "not (userName eq \"Ada\")", "userName eq \"a\" and active eq true"] {
            assert_eq!(find(other), None, "{other}");
        }
    }
}
