//! Who may ask which expert.
//!
//! **Invariants:** the profiles in memory hold all experts of a tenant; nothing of an expert leaves this capability towards somebody who may
//! not ask it, except its name on their own earlier turns, and to those who decide about sharing. What a person may ask is read from the
//! database with every request, so taking a grant back works at once.

use super::{ExpertSummary, profile, store, unknown};
use crate::{
    Platform,
    knowledge::{Access, Sharing, unknown_group},
};
use serde::Serialize;
use std::collections::HashSet;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ExpertId, GroupId, OpContext, Permission, Result};
use vital_store::TenantTx;

/// Who may ask an expert, for those who decide it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExpertAccess {
    /// Stable name.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Who may ask it.
    pub access: Access,
    /// Name of the member whom it belongs to; none for what belongs to the organisation.
    pub owner: Option<String>,
    /// The groups it is shared with.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub groups: Vec<GroupId>,
}

/// Lists who may ask which expert, all experts of the organisation by name.
///
/// # Errors
/// `Forbidden` without the permission to share experts.
pub async fn experts_admin(p: &Platform, cx: &OpContext) -> Result<Vec<ExpertAccess>> {
    cx.require(Permission::ExpertShare)?;
    let mut all = named(p, cx, None).await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Chooses who may ask an expert. Made private, it belongs to the caller; open to everybody, it belongs to nobody.
///
/// # Errors
/// `Forbidden` without the permission to share experts or without a fresh second factor, `NotFound` for an unknown expert or group,
/// `Invalid` where groups do not fit the access.
pub async fn share_expert(p: &Platform, cx: &OpContext, slug: &str, sharing: Sharing) -> Result<ExpertAccess> {
    cx.require(Permission::ExpertShare)?;
    cx.require_step_up()?;
    let sharing = sharing.checked()?;
    let mut tx = p.db.write(cx).await?;
    let id = store::access::lock(&mut tx, slug).await?.ok_or_else(|| unknown(slug))?;
    store::access::set(&mut tx, id, sharing.access).await?;
    if !store::access::replace_grants(&mut tx, id, &sharing.groups).await? {
        return Err(unknown_group());
    }
    tx.commit(AuditEntry::new(AuditAction::ExpertShared, "expert", id).fields(&["access", "groups"])).await?;
    named(p, cx, Some(slug)).await?.pop().ok_or_else(|| unknown(slug))
}

/// The access of all experts or of one, with the names of the versions in force.
async fn named(p: &Platform, cx: &OpContext, slug: Option<&str>) -> Result<Vec<ExpertAccess>> {
    let profile = profile(p, cx).await?;
    let rows = store::access::list(&mut p.db.read(cx).await?, slug).await?;
    let name_of = |id: ExpertId| profile.experts.iter().find(|e| e.id == id).map(|e| e.summary());
    let rows = rows.into_iter().map(|(id, row)| match name_of(id) {
        Some(ExpertSummary { name, .. }) => ExpertAccess { name, ..row },
        None => row,
    });
    Ok(rows.collect())
}

/// The experts that the caller may ask. Jobs and operators act for the platform, but for a person they see what that person sees.
pub(super) async fn visible(p: &Platform, cx: &OpContext) -> Result<HashSet<ExpertId>> {
    store::access::visible(&mut p.db.read(cx).await?).await
}

/// Refuses when the expert that a conversation was opened with may no longer be asked by the caller.
///
/// # Errors
/// `Forbidden`, saying what to do.
pub(crate) async fn require_askable<M>(tx: &mut TenantTx<M>, id: ExpertId) -> Result<()> {
    if store::access::visible(tx).await?.contains(&id) {
        return Ok(());
    }
    Err(no_longer_shared())
}

pub(super) fn no_longer_shared() -> Error {
    Error::forbidden(
        "expert.not_shared",
        "The expert of this conversation is no longer shared with you. Your question was not asked; choose another expert for it or open a new conversation. Earlier answers stay here.",
    )
}
