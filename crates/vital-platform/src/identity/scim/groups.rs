//! Groups as a directory keeps them: the same groups that administrators see. Service accounts in a group are neither shown nor touched.

use super::{admit_write, base, indexed, refused, window};
use crate::{
    Platform,
    identity::{groups as own, store},
};
use serde_json::Value;
use std::collections::HashSet;
use vital_federation::scim::{Group, ListQuery, NewGroup, Patch, ResourceKind, ScimError, list_response, precondition};
use vital_kernel::{AuditAction, AuditEntry, GroupId, OpContext, Permission, Result, UserId};
use vital_store::{TenantTx, Write};

impl From<store::DirectoryGroupRow> for Group {
    fn from(r: store::DirectoryGroupRow) -> Self {
        Self {
            id: r.id.to_string(),
            external_id: r.external_id,
            display_name: r.name,
            members: r.members.iter().map(ToString::to_string).collect(),
            created: r.created_at,
            last_modified: r.updated_at,
        }
    }
}

/// Lists groups as a SCIM list response, in the order in which they were made.
///
/// # Errors
/// `Forbidden` without the permission to provision.
pub async fn groups(p: &Platform, cx: &OpContext, query: &ListQuery) -> Result<Value> {
    cx.require(Permission::Provision)?;
    let base = base(p);
    let mut tx = p.db.read(cx).await?;
    let json = |row: store::DirectoryGroupRow| Group::from(row).to_json(&base);
    let mut find = store::FindGroups::default();
    if query.filter.is_none() {
        (find.offset, find.limit) = window(query);
        let total = store::count_groups(&mut tx).await?;
        let page = store::directory_groups(&mut tx, &find).await?.into_iter();
        let page = page.map(|row| query.projection.apply(ResourceKind::Group, json(row))).collect();
        return Ok(list_response(usize::try_from(total).unwrap_or_default(), query.start_index, page));
    }
    find.name = indexed(query, "displayName");
    find.external_id = indexed(query, "externalId");
    Ok(query.respond(store::directory_groups(&mut tx, &find).await?.into_iter().map(|row| (ResourceKind::Group, json(row)))))
}

/// All groups, for a search that no index answers.
pub(super) async fn all<M>(tx: &mut TenantTx<M>) -> Result<Vec<Group>> {
    Ok(store::directory_groups(tx, &store::FindGroups::default()).await?.into_iter().map(Group::from).collect())
}

/// Finds one group.
///
/// # Errors
/// `NotFound` when the organisation has no such group.
pub async fn group(p: &Platform, cx: &OpContext, id: GroupId) -> Result<Group> {
    cx.require(Permission::Provision)?;
    found(&mut p.db.read(cx).await?, id).await
}

/// Makes a group with its members.
///
/// # Errors
/// `Conflict` when the name is taken or there are as many groups as there may be; `Malformed` for a member who is not there.
pub async fn provision_group(p: &Platform, cx: &OpContext, new: NewGroup) -> Result<Group> {
    admit_write(cx)?;
    let (id, name) = (GroupId::new(), own::valid_name(&new.display_name)?);
    let mut tx = p.db.write(cx).await?;
    own::room_for_group(&mut tx).await?;
    store::insert_group(&mut tx, id, name).await?;
    store::set_group_external_id(&mut tx, id, new.external_id.as_deref()).await?;
    add(&mut tx, id, &ids(&new.members)?).await?;
    let made = found(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::GroupCreated, "group", id).fields(&["name", "external_id", "members"])).await?;
    Ok(made)
}

/// Replaces a group and its members.
///
/// # Errors
/// `NotFound`; `Stale` when `if_match` names another version; otherwise as `provision_group`.
pub async fn replace_group(p: &Platform, cx: &OpContext, id: GroupId, if_match: Option<&str>, new: NewGroup) -> Result<Group> {
    change(p, cx, id, if_match, |_| Ok(new)).await
}

/// Applies operations to a group: all or none.
///
/// # Errors
/// As `replace_group`, and `Malformed` for operations that cannot be applied.
pub async fn patch_group(p: &Platform, cx: &OpContext, id: GroupId, if_match: Option<&str>, patch: &Patch) -> Result<Group> {
    change(p, cx, id, if_match, |present| patch.apply_to_group(present)).await
}

async fn change(
    p: &Platform,
    cx: &OpContext,
    id: GroupId,
    if_match: Option<&str>,
    wanted: impl FnOnce(&Group) -> Result<NewGroup, ScimError>,
) -> Result<Group> {
    admit_write(cx)?;
    let mut tx = p.db.write(cx).await?;
    store::lock_group(&mut tx, id).await?;
    let present = found(&mut tx, id).await?;
    precondition(if_match, &present.to_json(&base(p))).map_err(refused)?;
    let wanted = wanted(&present).map_err(refused)?;
    let mut fields = Vec::new();
    let name = own::valid_name(&wanted.display_name)?;
    if name != present.display_name {
        store::rename_group(&mut tx, id, name).await?;
        fields.push("name");
    }
    if wanted.external_id != present.external_id {
        store::set_group_external_id(&mut tx, id, wanted.external_id.as_deref()).await?;
        fields.push("external_id");
    }
    let (before, after) = (ids(&present.members)?, ids(&wanted.members)?);
    if before != after {
        store::touch_group(&mut tx, id).await?;
        store::remove_from_group(&mut tx, id, &before.difference(&after).copied().collect::<Vec<_>>()).await?;
        add(&mut tx, id, &after.difference(&before).copied().collect()).await?;
        fields.push("members");
    }
    if fields.is_empty() {
        return Ok(present);
    }
    let now = found(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::GroupChanged, "group", id).fields(&fields)).await?;
    Ok(now)
}

/// Deletes a group; what was shared with it alone is then seen by its owner alone.
///
/// # Errors
/// `NotFound`; `Stale` when `if_match` names another version.
pub async fn remove_group(p: &Platform, cx: &OpContext, id: GroupId, if_match: Option<&str>) -> Result<()> {
    admit_write(cx)?;
    let mut tx = p.db.write(cx).await?;
    store::lock_group(&mut tx, id).await?;
    let present = found(&mut tx, id).await?;
    precondition(if_match, &present.to_json(&base(p))).map_err(refused)?;
    store::delete_group(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::GroupDeleted, "group", id)).await
}

async fn found<M>(tx: &mut TenantTx<M>, id: GroupId) -> Result<Group> {
    let only = store::FindGroups { only: Some(id), ..store::FindGroups::default() };
    store::directory_groups(tx, &only).await?.into_iter().next().map(Group::from).ok_or_else(own::unknown)
}

async fn add(tx: &mut TenantTx<Write>, id: GroupId, members: &HashSet<UserId>) -> Result<()> {
    let list: Vec<UserId> = members.iter().copied().collect();
    if store::add_people_to_group(tx, id, &list).await? == list.len() { Ok(()) } else { Err(no_such_member()) }
}

fn ids(members: &[String]) -> Result<HashSet<UserId>> {
    members.iter().map(|id| id.parse()).collect::<Result<_, _>>().map_err(|_| no_such_member())
}

fn no_such_member() -> vital_kernel::Error {
    refused(ScimError::invalid_value("One of `members` is the id of no user here. Nothing was stored; provision the user first."))
}
