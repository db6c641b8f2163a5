//! Members of an organisation: finding them, their roles, taking access away and giving it back; service accounts.
//!
//! **Invariants:** an organisation keeps an administrator who can sign in; nobody gives themselves a role; whoever is deactivated or removed
//! loses sessions, keys and open links in the same transaction. Whoever may lose the last administrator locks all administrators first, in
//! one order, so that two of them cannot take each other's role at the same moment.
//!
//! Not here: ending answers that are being written. They look for themselves whether their person still has access.

use super::{Caller, GroupName, NewUser, accounts, sessions, store};
use crate::Platform;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, GroupId, OpContext, Permission, Result, Role, UserId, limits};
use vital_store::{TenantTx, Write};

/// What kind of account a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// Somebody who signs in.
    Person,
    /// A program with keys; it cannot sign in.
    Service,
    /// An operator of the installation, for the time of one opening.
    Operator,
}

impl MemberKind {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Operator => "operator",
        }
    }
}

/// A member of an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Member {
    /// Their id.
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub display_name: String,
    /// Their roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Person, service account or operator.
    pub kind: MemberKind,
    /// Whether they have access.
    pub active: bool,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
    /// When a session of theirs was last used, to the minute (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_seen_at: Option<OffsetDateTime>,
    /// Since when they are a member (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Their groups, by name.
    pub groups: Vec<GroupName>,
}

impl From<store::MemberRow> for Member {
    fn from(r: store::MemberRow) -> Self {
        Self {
            id: UserId(r.id),
            email: r.email,
            display_name: r.display_name,
            roles: r.roles.iter().filter_map(|name| name.parse().ok()).collect(),
            kind: kind(&r.kind),
            active: r.active,
            has_second_factor: r.has_second_factor,
            last_seen_at: r.last_seen_at,
            created_at: r.created_at,
            groups: r.groups.0,
        }
    }
}

fn kind(name: &str) -> MemberKind {
    match name {
        "service" => MemberKind::Service,
        "operator" => MemberKind::Operator,
        _ => MemberKind::Person,
    }
}

/// Which members to list.
#[derive(Clone, Debug, Default)]
pub struct MemberFilter {
    /// Only with this in the name or address, whatever its case.
    pub query: String,
    /// Only of this kind.
    pub kind: Option<MemberKind>,
    /// Only of this group.
    pub group: Option<GroupId>,
    /// Only older than this one: the last id of the page before.
    pub before: Option<UserId>,
    /// At most so many.
    pub limit: i64,
}

/// Lists members, newest first.
///
/// # Errors
/// `Forbidden` without the permission to see members.
pub async fn members(p: &Platform, cx: &OpContext, filter: &MemberFilter) -> Result<Vec<Member>> {
    cx.require(Permission::UserRead)?;
    let rows = store::members(&mut p.db.read(cx).await?, None, filter).await?;
    Ok(rows.into_iter().map(Member::from).collect())
}

/// Finds one member.
///
/// # Errors
/// `NotFound` when the organisation has no such member.
pub async fn member(p: &Platform, cx: &OpContext, id: UserId) -> Result<Member> {
    cx.require(Permission::UserRead)?;
    let only = MemberFilter { limit: 1, ..MemberFilter::default() };
    let rows = store::members(&mut p.db.read(cx).await?, Some(id), &only).await?;
    rows.into_iter().next().map(Member::from).ok_or_else(unknown)
}

/// Gives a member other roles. They count from the member's next request on.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor, or for a role that one gives oneself; `Conflict` for the last administrator.
pub async fn change_roles(p: &Platform, cx: &OpContext, id: UserId, roles: Vec<Role>) -> Result<Member> {
    cx.require(Permission::UserWrite)?;
    cx.require_step_up()?;
    let roles = valid_roles(roles)?;
    let mut tx = p.db.write(cx).await?;
    let admins = store::lock_admins(&mut tx).await?;
    let present = known(&mut tx, id).await?;
    if tx.is_conditional() {
        let only = MemberFilter { limit: 1, ..MemberFilter::default() };
        let shown = store::members(&mut tx, Some(id), &only).await?.into_iter().next().map(Member::from).ok_or_else(unknown)?;
        tx.expect_unchanged(&shown)?;
    }
    if kind(&present.kind) == MemberKind::Operator {
        return Err(Error::conflict(
            "member.operator",
            "An operator's access is to read for a limited time, so it has no other roles. Nothing was changed.",
        ));
    }
    if cx.user() == Some(id) && roles.iter().any(|r| !present.roles.iter().any(|had| had == r.as_str())) {
        return Err(Error::forbidden(
            "member.raise_self",
            "Nobody gives themselves a role. Ask another administrator of your organisation; nothing was changed.",
        ));
    }
    if !roles.contains(&Role::TenantAdmin) {
        keep_an_admin(&admins, id)?;
    }
    store::set_roles(&mut tx, id, &roles).await?;
    let was_admin = present.roles.iter().any(|had| had == Role::TenantAdmin.as_str());
    let mut entries = vec![AuditEntry::new(AuditAction::RolesChanged, "user", id).fields(&["roles"])];
    if !was_admin && roles.contains(&Role::TenantAdmin) {
        entries.push(AuditEntry::new(AuditAction::AdminGranted, "user", id));
    }
    tx.commit_all(entries).await?;
    p.remembered.forget_all();
    member(p, cx, id).await
}

/// Takes a member's access away: sessions, keys and open links end at once. What they made stays.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor; `Conflict` for oneself and for the last administrator.
pub async fn deactivate(p: &Platform, cx: &OpContext, id: UserId) -> Result<()> {
    cx.require(Permission::UserWrite)?;
    cx.require_step_up()?;
    not_oneself(cx, id)?;
    let mut tx = p.db.write(cx).await?;
    let ended = deactivate_in(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::UserDeactivated, "user", id).fields(&["active"])).await?;
    sessions::forget(p, &ended).await;
    Ok(())
}

/// The deactivation within a transaction. Returns the hashes of the tokens that ended, to be forgotten after the commit.
pub(super) async fn deactivate_in(tx: &mut TenantTx<Write>, id: UserId) -> Result<Vec<Vec<u8>>> {
    let admins = store::lock_admins(tx).await?;
    known(tx, id).await?;
    keep_an_admin(&admins, id)?;
    store::set_active(tx, id, false).await?;
    end_access(tx, id).await
}

/// Gives a member their access back. Keys stay revoked.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor; `NotFound`.
pub async fn reactivate(p: &Platform, cx: &OpContext, id: UserId) -> Result<()> {
    cx.require(Permission::UserWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    reactivate_in(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::UserReactivated, "user", id).fields(&["active"])).await?;
    p.remembered.forget_all();
    Ok(())
}

/// The reactivation within a transaction.
pub(super) async fn reactivate_in(tx: &mut TenantTx<Write>, id: UserId) -> Result<()> {
    let present = known(tx, id).await?;
    if kind(&present.kind) == MemberKind::Operator {
        return Err(Error::conflict(
            "member.operator",
            "An operator's access cannot be given back; it is opened anew, with a reason. Nothing was changed.",
        ));
    }
    store::set_active(tx, id, true).await
}

/// Removes a member for good: their access ends, they leave their groups, their name and address are forgotten. What they made stays.
///
/// # Errors
/// `Forbidden` for a person without a recent proof of a second factor; `Conflict` for oneself and for the last administrator; `NotFound`.
pub async fn remove(p: &Platform, cx: &OpContext, id: UserId) -> Result<()> {
    cx.require(Permission::Provision)?;
    // A directory that provisions through a key has nobody to ask; a person is asked.
    if !cx.is_limited() {
        cx.require_step_up()?;
    }
    not_oneself(cx, id)?;
    let mut tx = p.db.write(cx).await?;
    let ended = remove_in(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::UserRemoved, "user", id)).await?;
    sessions::forget(p, &ended).await;
    Ok(())
}

/// The removal within a transaction. Returns the hashes of the tokens that ended, to be forgotten after the commit.
pub(super) async fn remove_in(tx: &mut TenantTx<Write>, id: UserId) -> Result<Vec<Vec<u8>>> {
    let ended = deactivate_in(tx, id).await?;
    store::leave_all_groups(tx, id).await?;
    store::bury(tx, id).await?;
    Ok(ended)
}

/// Changes the caller's own name.
///
/// # Errors
/// `Invalid` with a pointer for a name that cannot be used.
pub async fn update_profile(p: &Platform, caller: &Caller, display_name: &str) -> Result<()> {
    caller.cx.require(Permission::ProfileWrite)?;
    let member = caller.cx.require_user()?;
    let name = valid_name(display_name, "/display_name")?;
    let mut tx = p.db.write(&caller.cx).await?;
    store::set_display_name(&mut tx, member, &name).await?;
    tx.commit(AuditEntry::new(AuditAction::UserChanged, "user", member).fields(&["display_name"])).await?;
    p.remembered.forget_all();
    Ok(())
}

/// Makes a service account: a member that works through keys and cannot sign in.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor; `Invalid` with a pointer per field; `Conflict` at the most there may be.
pub async fn create_service_account(p: &Platform, cx: &OpContext, name: &str, roles: Vec<Role>) -> Result<Member> {
    cx.require(Permission::KeyManage)?;
    cx.require_step_up()?;
    let (name, roles) = (valid_name(name, "/name")?, valid_roles(roles)?);
    let id = UserId::new();
    let mut tx = p.db.write(cx).await?;
    if store::service_accounts(&mut tx).await? >= limits::SERVICE_ACCOUNTS_MAX {
        return Err(Error::conflict(
            "service_account.too_many",
            format!("An organisation may have {} service accounts. Deactivate one; nothing was stored.", limits::SERVICE_ACCOUNTS_MAX),
        ));
    }
    let new = NewUser { display_name: name, email: format!("service-{id}@service.invalid"), password: String::new(), roles };
    store::insert_account(&mut tx, id, &new, MemberKind::Service.as_str()).await?;
    tx.commit(AuditEntry::new(AuditAction::UserCreated, "user", id).fields(&["display_name", "roles", "kind"])).await?;
    member(p, cx, id).await
}

/// Ends sessions, keys and open links of a member. Returns the hashes of their tokens.
async fn end_access(tx: &mut TenantTx<Write>, id: UserId) -> Result<Vec<Vec<u8>>> {
    let mut ended = store::end_sessions(tx, id, None, None).await?;
    for key in store::revoke_keys_of(tx, id).await? {
        ended.extend(store::end_token(tx, "key", key.0).await?);
    }
    store::end_token(tx, "reset", id.0).await?;
    Ok(ended)
}

/// A member that is here, locked for the rest of the transaction.
async fn known(tx: &mut TenantTx<Write>, id: UserId) -> Result<store::LockedMember> {
    store::lock_member(tx, id).await?.ok_or_else(unknown)
}

/// Refuses when the member is the only administrator who can sign in.
fn keep_an_admin(admins: &[UserId], id: UserId) -> Result<()> {
    if admins == [id] {
        return Err(Error::conflict(
            "member.last_admin",
            "This is the last administrator of your organisation who can sign in. Make somebody else one first; nothing was changed.",
        ));
    }
    Ok(())
}

pub(super) fn not_oneself(cx: &OpContext, id: UserId) -> Result<()> {
    if cx.user() == Some(id) {
        return Err(Error::conflict(
            "member.self",
            "You cannot take your own access away. Ask another administrator; nothing was changed.",
        ));
    }
    Ok(())
}

/// At least one role, each once, in the order of the policy table.
pub(super) fn valid_roles(mut roles: Vec<Role>) -> Result<Vec<Role>> {
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(Error::invalid("member.roles", "The roles need another look. Nothing was stored.")
            .with_field("/roles", "Give at least one role."));
    }
    Ok(roles)
}

fn valid_name(name: &str, pointer: &'static str) -> Result<String> {
    let name = name.trim();
    if accounts::is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid("member.name", "The name cannot be used. Nothing was stored.")
        .with_field(pointer, "Write a name of 1 to 120 characters."))
}

pub(super) fn unknown() -> Error {
    Error::not_found("member.unknown", "There is no such member in your organisation.")
}
