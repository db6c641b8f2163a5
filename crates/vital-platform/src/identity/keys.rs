//! API keys: how programs call. A personal key acts for its owner, a service key for a service account, each within its scopes.
//!
//! **Invariants:** a key is shown once and stored as a hash; it may do what its scopes and its member's roles both allow, looked up with every
//! request; it always ends; only a signed-in person makes one, after a recent proof of a second factor, or the operator on the
//! machine itself, so a leaked key cannot multiply.

use super::{Caller, MemberKind, members, sessions, store};
use crate::Platform;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_credentials::token::{ApiKey, KeyKind};
use vital_kernel::{AuditAction, AuditEntry, Error, KeyId, OpContext, Permission, Result, RoleSet, UserId, limits, now};
use vital_store::{TenantTx, Write};

/// An API key without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Key {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: KeyId,
    /// The name its maker gave it.
    pub name: String,
    /// The public beginning of the key, by which logs name it.
    pub prefix: String,
    /// Names of the permissions that it is limited to.
    pub scopes: Vec<String>,
    /// Id of the member it acts for.
    #[schema(value_type = uuid::Uuid)]
    pub member: UserId,
    /// Name of the member it acts for.
    pub member_name: String,
    /// Whether that is a service account.
    pub service: bool,
    /// When it was made (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends by itself (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub ends_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub used_at: Option<OffsetDateTime>,
    /// When it was revoked (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// What a new key shall be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// A name to tell it from others.
    pub name: String,
    /// Names of permissions; each must be held by the member's roles.
    pub scopes: Vec<String>,
    /// Days until it ends, from 1 to `KEY_DAYS_MAX`; 90 unless given.
    pub days: Option<i64>,
    /// The service account it acts for; none means the caller.
    pub member: Option<UserId>,
}

/// A new key; shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedKey {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: KeyId,
    /// The key itself, for `Authorization: Bearer`. It cannot be shown again.
    pub key: String,
    /// Its public beginning.
    pub prefix: String,
    /// When it ends (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
}

/// Makes a key for the caller, or for a service account of the organisation.
///
/// # Errors
/// `Forbidden` for a caller without a session, the permission, or a recent proof of a second factor; `Invalid` with a pointer per field;
/// `NotFound` for a service account that is not there; `Conflict` at the most keys one may have.
pub async fn issue_key(p: &Platform, caller: &Caller, new: NewKey) -> Result<IssuedKey> {
    if caller.session().is_none() {
        return Err(Error::forbidden("key.by_key", "A key cannot make keys. Nothing was stored; sign in and make it there."));
    }
    issue(p, &caller.cx, new, None).await
}

/// Makes a key and records it, with one entry more where it was given in an unusual way.
pub(super) async fn issue(p: &Platform, cx: &OpContext, new: NewKey, unusual: Option<AuditEntry>) -> Result<IssuedKey> {
    cx.require(if new.member.is_some() { Permission::KeyManage } else { Permission::KeyWrite })?;
    cx.require_step_up()?;
    let owner = new.member.map_or_else(|| cx.require_user(), Ok)?;
    let mut tx = p.db.write(cx).await?;
    let roles = roles_of(&mut tx, owner, new.member.is_some()).await?;
    let new = validate(new, roles)?;
    if store::working_keys(&mut tx, owner).await? >= limits::KEYS_MAX {
        let text = format!("There may be {} keys that work at once. Revoke one that is not needed; nothing was stored.", limits::KEYS_MAX);
        return Err(Error::conflict("key.too_many", text));
    }
    let key = ApiKey::generate(if new.member.is_some() { KeyKind::Service } else { KeyKind::Personal });
    let (id, prefix) = (KeyId::new(), format!("{}{}", key.kind().marker(), key.prefix()));
    let ends_at = now() + time::Duration::days(new.days.unwrap_or(limits::KEY_DAYS));
    let row = store::NewKeyRow { id, member: owner, name: &new.name, prefix: &prefix, scopes: &new.scopes, created_by: cx.user(), ends_at };
    store::insert_key(&mut tx, &row).await?;
    store::issue_token(&mut tx, &key.hash(), "key", id.0, Some(ends_at)).await?;
    let entry = AuditEntry::new(AuditAction::KeyIssued, "key", id).fields(&["name", "scopes", "ends_at"]);
    tx.commit_all(std::iter::once(entry).chain(unusual).collect()).await?;
    Ok(IssuedKey { id, key: key.reveal().to_owned(), prefix, ends_at })
}

/// The roles of the member that a key shall act for; the member stays locked, so that keys made at once are counted one after the other.
async fn roles_of(tx: &mut TenantTx<Write>, owner: UserId, service: bool) -> Result<RoleSet> {
    let kind = if service { MemberKind::Service } else { MemberKind::Person };
    let member = store::lock_member(tx, owner).await?.filter(|m| m.active && m.kind == kind.as_str());
    let member = member.ok_or_else(|| if service { service_unknown() } else { members::unknown() })?;
    Ok(member.roles.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Refuses what cannot be a key, field by field, and returns it tidied.
fn validate(mut new: NewKey, roles: RoleSet) -> Result<NewKey> {
    let mut error = Error::invalid("key.invalid", "Some fields need another look. Nothing was stored.");
    new.name = new.name.trim().to_owned();
    if !(1..=80).contains(&new.name.chars().count()) || new.name.contains(char::is_control) {
        error = error.with_field("/name", "Write a name of 1 to 80 characters.");
    }
    if new.days.is_some_and(|days| !(1..=limits::KEY_DAYS_MAX).contains(&days)) {
        error = error.with_field("/days", format!("Choose 1 to {} days.", limits::KEY_DAYS_MAX));
    }
    if new.scopes.is_empty() || new.scopes.len() > Permission::ALL.len() {
        error = error.with_field("/scopes", "Choose at least one scope, each once.");
    }
    for (i, scope) in new.scopes.iter().take(Permission::ALL.len()).enumerate() {
        match scope.parse::<Permission>() {
            Ok(permission) if permission.held_by(roles) => {}
            Ok(_) => error = error.with_field(format!("/scopes/{i}"), "The roles of the key's member do not include this."),
            Err(_) => error = error.with_field(format!("/scopes/{i}"), "There is no such permission; docs/ACCESS.md lists them."),
        }
    }
    new.scopes.sort();
    new.scopes.dedup();
    if error.fields().is_empty() { Ok(new) } else { Err(error) }
}

/// Lists the caller's own keys, newest first.
///
/// # Errors
/// `Forbidden` without the permission to have keys.
pub async fn keys(p: &Platform, cx: &OpContext) -> Result<Vec<Key>> {
    cx.require(Permission::KeyWrite)?;
    store::keys(&mut p.db.read(cx).await?, Some(cx.require_user()?), None, limits::PAGE_SIZE_MAX).await
}

/// Lists the keys of everybody in the organisation, newest first, from behind the id of the page before.
///
/// # Errors
/// `Forbidden` without the permission to see them.
pub async fn all_keys(p: &Platform, cx: &OpContext, before: Option<KeyId>, limit: i64) -> Result<Vec<Key>> {
    if !cx.may(Permission::KeyManage) {
        cx.require(Permission::UserRead)?;
    }
    store::keys(&mut p.db.read(cx).await?, None, before, limit).await
}

/// Revokes a key: an own one, or anybody's with the permission to manage keys. It stops working at once here, within a second elsewhere.
///
/// # Errors
/// `NotFound` when there is no such key that works, or it is somebody else's.
pub async fn revoke_key(p: &Platform, cx: &OpContext, id: KeyId) -> Result<()> {
    let owner = if cx.may(Permission::KeyManage) {
        None
    } else {
        cx.require(Permission::KeyWrite)?;
        Some(cx.require_user()?)
    };
    let mut tx = p.db.write(cx).await?;
    if !store::revoke_key(&mut tx, id, owner).await? {
        return Err(Error::not_found("key.unknown", "There is no such key, or it was revoked already."));
    }
    let ended = store::end_token(&mut tx, "key", id.0).await?;
    tx.commit(AuditEntry::new(AuditAction::KeyRevoked, "key", id)).await?;
    sessions::forget(p, &ended).await;
    Ok(())
}

fn service_unknown() -> Error {
    Error::not_found("service_account.unknown", "There is no such service account in your organisation, or it is not active.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_kernel::Role;

    fn faults(new: NewKey) -> Vec<String> {
        let roles = RoleSet::from_iter([Role::Member]);
        validate(new, roles).map_or_else(|e| e.fields().iter().map(|f| f.pointer.clone()).collect(), |_| Vec::new())
    }

    #[test]
    fn each_fault_of_a_new_key_is_told_with_its_place() {
        let scopes = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let good = NewKey { name: " ci ".into(), scopes: scopes(&["ask", "document.read"]), ..NewKey::default() };
        assert!(faults(good.clone()).is_empty());
        assert_eq!(faults(NewKey { name: "\n".into(), ..good.clone() }), ["/name"]);
        assert_eq!(faults(NewKey { days: Some(0), ..good.clone() }), ["/days"]);
        assert_eq!(faults(NewKey { days: Some(limits::KEY_DAYS_MAX + 1), ..good.clone() }), ["/days"]);
        assert_eq!(faults(NewKey { scopes: vec![], ..good.clone() }), ["/scopes"]);
        assert_eq!(faults(NewKey { scopes: scopes(&["ask", "user.write", "no.such"]), ..good }), ["/scopes/1", "/scopes/2"]);
    }
}
