//! Whether the installation's own provider may write the answers of an organisation.

use super::store;
use crate::Platform;
use serde::Serialize;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, OpContext, Permission, Result};
use vital_store::TenantTx;

/// The provider that whoever runs the platform configured for all organisations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InstallationProvider {
    /// Its name.
    pub name: String,
    /// Its model, in its own name.
    pub model: String,
    /// The host that questions and passages are sent to.
    pub host: String,
}

/// What an organisation has decided about the installation's provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderPolicy {
    /// The provider; none where answers are selected from the passages on this server alone.
    pub installation: Option<InstallationProvider>,
    /// Whether it may write answers where the organisation has no model of its own in use. A provider that is configured later counts too.
    pub installation_allowed: bool,
}

/// Reads what was decided about the installation's provider.
///
/// # Errors
/// `Forbidden` without the permission to see model providers.
pub async fn policy(p: &Platform, cx: &OpContext) -> Result<ProviderPolicy> {
    cx.require(Permission::ProviderRead)?;
    policy_in(p, &mut p.db.read(cx).await?).await
}

async fn policy_in<M>(p: &Platform, tx: &mut TenantTx<M>) -> Result<ProviderPolicy> {
    let installation_allowed = store::installation_allowed(tx).await?;
    let installation = p.provider.as_ref().map(|provider| InstallationProvider {
        name: provider.name().to_owned(),
        model: provider.model().to_owned(),
        host: provider.host().to_owned(),
    });
    Ok(ProviderPolicy { installation, installation_allowed })
}

/// Allows or forbids the installation's provider to write answers, from the next answer on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor.
pub async fn set_policy(p: &Platform, cx: &OpContext, installation_allowed: bool) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    if tx.is_conditional() {
        let present = policy_in(p, &mut tx).await?;
        tx.expect_unchanged(&present)?;
    }
    store::set_installation_allowed(&mut tx, installation_allowed).await?;
    let action = if installation_allowed { AuditAction::InstallationProviderAllowed } else { AuditAction::InstallationProviderForbidden };
    tx.commit(AuditEntry::new(action, "tenant", cx.tenant())).await
}
