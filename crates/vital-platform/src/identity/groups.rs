//! Groups of members: what collections and experts are shared with.
//!
//! **Invariant:** who leaves a group, or whose group is deleted, sees what was shared with it no more from their next request on; nothing
//! about groups is remembered between requests.

use super::{Member, MemberFilter, members, store};
use crate::Platform;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, GroupId, OpContext, Permission, Result, UserId, limits};
use vital_store::{TenantTx, Write};

/// A group by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupName {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: GroupId,
    /// Its name.
    pub name: String,
}

/// A group of members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Group {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: GroupId,
    /// Its name, unique in the organisation.
    pub name: String,
    /// How many members it has.
    pub members: i64,
    /// Whether a directory of the organisation keeps it (SCIM); what is changed here may be changed back from there.
    pub provisioned: bool,
    /// When it was made (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When its name or its members last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Lists the groups by name.
///
/// # Errors
/// `Forbidden` without the permission to see groups.
pub async fn groups(p: &Platform, cx: &OpContext) -> Result<Vec<Group>> {
    cx.require(Permission::UserRead)?;
    store::groups(&mut p.db.read(cx).await?, None).await
}

/// Finds one group.
///
/// # Errors
/// `NotFound` when the organisation has no such group.
pub async fn group(p: &Platform, cx: &OpContext, id: GroupId) -> Result<Group> {
    cx.require(Permission::UserRead)?;
    store::groups(&mut p.db.read(cx).await?, Some(id)).await?.pop().ok_or_else(unknown)
}

/// Lists members of a group, newest account first.
///
/// # Errors
/// `NotFound` when the organisation has no such group.
pub async fn group_members(p: &Platform, cx: &OpContext, id: GroupId, before: Option<UserId>, limit: i64) -> Result<Vec<Member>> {
    group(p, cx, id).await?;
    members::members(p, cx, &MemberFilter { group: Some(id), before, limit, ..MemberFilter::default() }).await
}

/// Makes a group.
///
/// # Errors
/// `Invalid` for a bad name; `Conflict` when the name is taken or the organisation has as many groups as it may.
pub async fn create_group(p: &Platform, cx: &OpContext, name: &str) -> Result<Group> {
    cx.require(Permission::UserWrite)?;
    let (id, name) = (GroupId::new(), valid_name(name)?);
    let mut tx = p.db.write(cx).await?;
    room_for_group(&mut tx).await?;
    store::insert_group(&mut tx, id, name).await?;
    tx.commit(AuditEntry::new(AuditAction::GroupCreated, "group", id).fields(&["name"])).await?;
    group(p, cx, id).await
}

/// Refuses when the organisation has as many groups as it may.
pub(super) async fn room_for_group(tx: &mut TenantTx<Write>) -> Result<()> {
    if store::count_groups(tx).await? >= limits::GROUPS_MAX {
        let text = format!("An organisation may have {} groups. Delete one; nothing was stored.", limits::GROUPS_MAX);
        return Err(Error::conflict("group.too_many", text));
    }
    Ok(())
}

/// Gives a group another name.
///
/// # Errors
/// `Invalid` for a bad name; `Conflict` when the name is taken; `NotFound`.
pub async fn rename_group(p: &Platform, cx: &OpContext, id: GroupId, name: &str) -> Result<Group> {
    cx.require(Permission::UserWrite)?;
    let name = valid_name(name)?;
    let mut tx = p.db.write(cx).await?;
    expect_unchanged(&mut tx, id).await?;
    if !store::rename_group(&mut tx, id, name).await? {
        return Err(unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::GroupChanged, "group", id).fields(&["name"])).await?;
    group(p, cx, id).await
}

/// Refuses where the request says that the group has to be as it was read, and it is not.
async fn expect_unchanged(tx: &mut TenantTx<Write>, id: GroupId) -> Result<()> {
    if tx.is_conditional() {
        let present = store::groups(tx, Some(id)).await?.pop().ok_or_else(unknown)?;
        tx.expect_unchanged(&present)?;
    }
    Ok(())
}

/// Deletes a group; what was shared with it alone is then seen by its owner alone.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor; `NotFound`.
pub async fn delete_group(p: &Platform, cx: &OpContext, id: GroupId) -> Result<()> {
    cx.require(Permission::UserWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    expect_unchanged(&mut tx, id).await?;
    if !store::delete_group(&mut tx, id).await? {
        return Err(unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::GroupDeleted, "group", id)).await
}

/// Adds members to a group. Who is in it already stays; either all are added or none.
///
/// # Errors
/// `NotFound` when the group or one of the members is not there; `Invalid` for more than one request may name.
pub async fn add_group_members(p: &Platform, cx: &OpContext, id: GroupId, members: &[UserId]) -> Result<Group> {
    cx.require(Permission::UserWrite)?;
    let mut tx = p.db.write(cx).await?;
    touch(&mut tx, id, members).await?;
    if store::add_to_group(&mut tx, id, members).await? != distinct(members) {
        return Err(members::unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::GroupChanged, "group", id).fields(&["members"])).await?;
    group(p, cx, id).await
}

/// Takes members out of a group. Who is not in it is passed over.
///
/// # Errors
/// `NotFound` when the group is not there; `Invalid` for more than one request may name.
pub async fn remove_group_members(p: &Platform, cx: &OpContext, id: GroupId, members: &[UserId]) -> Result<Group> {
    cx.require(Permission::UserWrite)?;
    let mut tx = p.db.write(cx).await?;
    touch(&mut tx, id, members).await?;
    store::remove_from_group(&mut tx, id, members).await?;
    tx.commit(AuditEntry::new(AuditAction::GroupChanged, "group", id).fields(&["members"])).await?;
    group(p, cx, id).await
}

/// Marks the group as changed, after checking the size of the request.
async fn touch(tx: &mut TenantTx<Write>, id: GroupId, members: &[UserId]) -> Result<()> {
    if members.is_empty() || members.len() > limits::GROUP_MEMBERS_MAX {
        return Err(Error::invalid("group.members", "The members need another look. Nothing was changed.")
            .with_field("/members", format!("Name 1 to {} members at once.", limits::GROUP_MEMBERS_MAX)));
    }
    if store::touch_group(tx, id).await? { Ok(()) } else { Err(unknown()) }
}

fn distinct(members: &[UserId]) -> usize {
    members.iter().collect::<std::collections::HashSet<_>>().len()
}

/// The name as it is stored.
pub(super) fn valid_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if (1..=120).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(Error::invalid("group.name", "The group needs another name. Nothing was stored.")
        .with_field("/name", "Write a name of 1 to 120 characters."))
}

pub(super) fn unknown() -> Error {
    Error::not_found("group.unknown", "There is no such group in your organisation.")
}
