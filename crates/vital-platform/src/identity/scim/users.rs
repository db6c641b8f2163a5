//! People as a directory keeps them.

use super::{admit_write, base, indexed, refused, window};
use crate::{
    Platform,
    identity::{NewUser, accounts, members, sessions, store},
};
use serde_json::Value;
use vital_federation::scim::{self as wire, GroupOfUser, ListQuery, Patch, ResourceKind, ScimError, User, list_response, precondition};
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, Role, UserId};
use vital_store::{TenantTx, Write};

/// What a person whom a directory brings may do until an administrator decides otherwise.
const FIRST_ROLE: Role = Role::Member;
/// Longest name that is shown, in characters.
const NAME_CHARS_MAX: usize = 120;

impl From<store::PersonRow> for User {
    fn from(r: store::PersonRow) -> Self {
        Self {
            id: r.id.to_string(),
            external_id: r.external_id,
            user_name: r.user_name,
            given_name: r.given_name,
            family_name: r.family_name,
            display_name: r.display_name,
            active: r.active,
            groups: r.groups.0.into_iter().map(|g| GroupOfUser { id: g.id.to_string(), display_name: g.name }).collect(),
            created: r.created_at,
            last_modified: r.updated_at,
        }
    }
}

/// Lists people as a SCIM list response, in the order in which they were made.
///
/// # Errors
/// `Forbidden` without the permission to provision.
pub async fn users(p: &Platform, cx: &OpContext, query: &ListQuery) -> Result<Value> {
    cx.require(Permission::Provision)?;
    let base = base(p);
    let mut tx = p.db.read(cx).await?;
    let json = |row: store::PersonRow| User::from(row).to_json(&base);
    let mut find = store::FindPeople::default();
    if query.filter.is_none() {
        (find.offset, find.limit) = window(query);
        let total = store::count_people(&mut tx).await?;
        let page = store::people(&mut tx, &find).await?.into_iter().map(|row| query.projection.apply(ResourceKind::User, json(row)));
        return Ok(list_response(usize::try_from(total).unwrap_or_default(), query.start_index, page.collect()));
    }
    find.user_name = indexed(query, "userName");
    find.external_id = indexed(query, "externalId");
    Ok(query.respond(store::people(&mut tx, &find).await?.into_iter().map(|row| (ResourceKind::User, json(row)))))
}

/// Everybody, for a search that no index answers.
pub(super) async fn all<M>(tx: &mut TenantTx<M>) -> Result<Vec<User>> {
    Ok(store::people(tx, &store::FindPeople::default()).await?.into_iter().map(User::from).collect())
}

/// Finds one person.
///
/// # Errors
/// `NotFound` when the organisation has no such person.
pub async fn user(p: &Platform, cx: &OpContext, id: UserId) -> Result<User> {
    cx.require(Permission::Provision)?;
    Ok(person(&mut p.db.read(cx).await?, id).await?.into())
}

/// Adds a person with the role of a member and without a password.
///
/// # Errors
/// `Conflict` when the user name or the address is taken, here or in another organisation.
pub async fn provision_user(p: &Platform, cx: &OpContext, new: wire::NewUser) -> Result<User> {
    admit_write(cx)?;
    let id = UserId::new();
    let account = NewUser {
        display_name: shown_name(&new),
        email: login_address(id, &new.user_name),
        password: String::new(),
        roles: vec![FIRST_ROLE],
    };
    let mut tx = p.db.write(cx).await?;
    store::insert_member(&mut tx, id, &account, "person", None, true).await?;
    store::set_person(&mut tx, id, &new, &account.display_name, &account.email).await?;
    if new.active == Some(false) {
        store::set_active(&mut tx, id, false).await?;
    }
    let made = person(&mut tx, id).await?;
    let fields = ["user_name", "external_id", "given_name", "family_name", "display_name", "active", "roles"];
    tx.commit(AuditEntry::new(AuditAction::UserProvisioned, "user", id).fields(&fields)).await?;
    Ok(made.into())
}

/// Replaces what a directory keeps of a person. `active` left out changes nothing.
///
/// # Errors
/// `NotFound`; `Stale` when `if_match` names another version; `Conflict` for a taken name, the last administrator who would lose access,
/// or another address of an administrator.
pub async fn replace_user(p: &Platform, cx: &OpContext, id: UserId, if_match: Option<&str>, new: wire::NewUser) -> Result<User> {
    change(p, cx, id, if_match, |_| Ok(new)).await
}

/// Applies operations to a person: all or none.
///
/// # Errors
/// As `replace_user`, and `Malformed` for operations that cannot be applied.
pub async fn patch_user(p: &Platform, cx: &OpContext, id: UserId, if_match: Option<&str>, patch: &Patch) -> Result<User> {
    change(p, cx, id, if_match, |present| patch.apply_to_user(present)).await
}

async fn change(
    p: &Platform,
    cx: &OpContext,
    id: UserId,
    if_match: Option<&str>,
    wanted: impl FnOnce(&User) -> Result<wire::NewUser, ScimError>,
) -> Result<User> {
    admit_write(cx)?;
    let mut tx = p.db.write(cx).await?;
    let row = locked(&mut tx, id).await?;
    let (email, is_admin) = (row.email.clone(), row.roles.iter().any(|r| r == Role::TenantAdmin.as_str()));
    let present = User::from(row);
    precondition(if_match, &present.to_json(&base(p))).map_err(refused)?;
    let wanted = wanted(&present).map_err(refused)?;
    let (fields, mut entries, mut ended) = (changed(&present, &wanted), Vec::new(), Vec::new());
    if !fields.is_empty() {
        let address = login_address(id, &wanted.user_name);
        if address != email {
            new_address(&mut tx, id, is_admin, &address).await?;
        }
        store::set_person(&mut tx, id, &wanted, &shown_name(&wanted), &address).await?;
        entries.push(AuditEntry::new(AuditAction::UserChanged, "user", id).fields(&fields));
    }
    match wanted.active {
        Some(false) if present.active => {
            members::not_oneself(cx, id)?;
            ended = members::deactivate_in(&mut tx, id).await?;
            entries.push(AuditEntry::new(AuditAction::UserDeactivated, "user", id).fields(&["active"]));
        }
        Some(true) if !present.active => {
            members::reactivate_in(&mut tx, id).await?;
            entries.push(AuditEntry::new(AuditAction::UserReactivated, "user", id).fields(&["active"]));
        }
        _ => {}
    }
    if entries.is_empty() {
        return Ok(present);
    }
    let after = person(&mut tx, id).await?;
    tx.commit_all(entries).await?;
    sessions::forget(p, &ended).await;
    p.remembered.forget_all();
    Ok(after.into())
}

/// Removes a person for good: their access ends, and their name and address are forgotten. What they made stays.
///
/// # Errors
/// `NotFound`; `Stale` when `if_match` names another version; `Conflict` for oneself and the last administrator.
pub async fn remove_user(p: &Platform, cx: &OpContext, id: UserId, if_match: Option<&str>) -> Result<()> {
    admit_write(cx)?;
    let mut tx = p.db.write(cx).await?;
    let present = User::from(locked(&mut tx, id).await?);
    precondition(if_match, &present.to_json(&base(p))).map_err(refused)?;
    members::not_oneself(cx, id)?;
    let ended = members::remove_in(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::UserRemoved, "user", id)).await?;
    sessions::forget(p, &ended).await;
    p.remembered.forget_all();
    Ok(())
}

/// Reads a person who stays as they are until the transaction ends. Administrators are locked first, as everywhere.
async fn locked(tx: &mut TenantTx<Write>, id: UserId) -> Result<store::PersonRow> {
    store::lock_admins(tx).await?;
    store::lock_member(tx, id).await?.ok_or_else(members::unknown)?;
    person(tx, id).await
}

async fn person<M>(tx: &mut TenantTx<M>, id: UserId) -> Result<store::PersonRow> {
    let only = store::FindPeople { only: Some(id), ..store::FindPeople::default() };
    store::people(tx, &only).await?.into_iter().next().ok_or_else(members::unknown)
}

/// Moves the way in to another address; a link that was sent to the old one stops working.
async fn new_address(tx: &mut TenantTx<Write>, id: UserId, is_admin: bool, address: &str) -> Result<()> {
    if is_admin {
        return Err(Error::conflict(
            "scim.admin_address",
            "This person administers the organisation, and a link for a new password goes to their address, so a directory cannot change it. \
             Nothing was changed; take the role away first and give it back afterwards.",
        ));
    }
    store::end_token(tx, "reset", id.0).await?;
    store::rename_login(tx, id, address).await
}

/// Names of what differs, `active` aside.
fn changed(present: &User, wanted: &wire::NewUser) -> Vec<&'static str> {
    let pairs = [
        ("user_name", present.user_name != wanted.user_name),
        ("external_id", present.external_id != wanted.external_id),
        ("given_name", present.given_name != wanted.given_name),
        ("family_name", present.family_name != wanted.family_name),
        ("display_name", present.display_name != wanted.display_name),
    ];
    pairs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// The address to sign in with: the user name where mail can go there, else one that nobody has (RFC 2606 reserves `.invalid`).
fn login_address(id: UserId, user_name: &str) -> String {
    let address = accounts::tidy_email(user_name);
    if accounts::is_email(&address) && accounts::is_reachable(&address) { address } else { format!("{id}@scim.invalid") }
}

/// The name that colleagues see: `displayName`, else the parts of the name, else the user name.
fn shown_name(new: &wire::NewUser) -> String {
    let parts = [&new.given_name, &new.family_name].into_iter().flatten().map(|part| part.trim()).collect::<Vec<_>>().join(" ");
    let name = new.display_name.as_deref().or_else(|| Some(parts.as_str()).filter(|p| !p.is_empty())).unwrap_or(&new.user_name);
    name.trim().chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(user_name: &str, given: Option<&str>, family: Option<&str>, display: Option<&str>) -> wire::NewUser {
        wire::NewUser {
            external_id: None,
            user_name: user_name.into(),
            given_name: given.map(Into::into),
            family_name: family.map(Into::into),
            display_name: display.map(Into::into),
            active: None,
        }
    }

    #[test]
    fn colleagues_see_the_best_name_there_is() {
        assert_eq!(shown_name(&new("ada", Some("Ada"), Some("King"), Some("Countess"))), "Countess");
        assert_eq!(shown_name(&new("ada", Some("Ada"), Some("King"), None)), "Ada King");
        assert_eq!(shown_name(&new("ada", None, Some("King"), None)), "King");
        assert_eq!(shown_name(&new("ada", None, None, None)), "ada");
        assert_eq!(shown_name(&new(&"ä".repeat(256), None, None, None)).chars().count(), 120);
    }

    #[test]
    fn only_an_address_that_mail_can_reach_is_a_way_in() {
        let id = UserId::new();
        assert_eq!(login_address(id, " Ada@Example.org"), "ada@example.org");
        for name in ["ada", "ada@localhost", "ada@scim.invalid", "removed-1@REMOVED.INVALID", "a b@example.org"] {
            assert_eq!(login_address(id, name), format!("{id}@scim.invalid"), "{name}");
        }
    }
}
