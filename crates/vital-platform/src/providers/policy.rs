//! What an organisation has decided about models: whether the installation's own provider may write its answers, and whether programs may
//! send prompts of their own to the organisation's models.

use super::store;
use crate::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result};
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
    /// Whether programs whose key allows it may send prompts of their own to the organisation's models, past the experts: nothing that comes
    /// back is bound to sources.
    pub direct_models: bool,
}

/// What is to change; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderPolicyChange {
    /// Whether the installation's provider may write answers where the organisation has no model of its own in use.
    #[serde(default)]
    pub installation_allowed: Option<bool>,
    /// Whether programs whose key allows it may send prompts of their own to the organisation's models.
    #[serde(default)]
    pub direct_models: Option<bool>,
}

/// Reads what was decided about models.
///
/// # Errors
/// `Forbidden` without the permission to see model providers.
pub async fn policy(p: &Platform, cx: &OpContext) -> Result<ProviderPolicy> {
    cx.require(Permission::ProviderRead)?;
    policy_in(p, &mut p.db.read(cx).await?).await
}

async fn policy_in<M>(p: &Platform, tx: &mut TenantTx<M>) -> Result<ProviderPolicy> {
    let decided = store::decided(tx).await?;
    let installation = p.provider.as_ref().map(|provider| InstallationProvider {
        name: provider.name().to_owned(),
        model: provider.model().to_owned(),
        host: provider.host().to_owned(),
    });
    Ok(ProviderPolicy { installation, installation_allowed: decided.installation_allowed, direct_models: decided.direct_models })
}

/// Allows or forbids, from the next answer on. A decision that changes nothing leaves its entry too.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` where nothing was decided.
pub async fn set_policy(p: &Platform, cx: &OpContext, change: ProviderPolicyChange) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let mut entries = Vec::new();
    let mut decide = |decided: Option<bool>, yes, no| {
        entries.extend(decided.map(|allowed| AuditEntry::new(if allowed { yes } else { no }, "tenant", cx.tenant())));
    };
    decide(change.installation_allowed, AuditAction::InstallationProviderAllowed, AuditAction::InstallationProviderForbidden);
    decide(change.direct_models, AuditAction::DirectModelsAllowed, AuditAction::DirectModelsForbidden);
    if entries.is_empty() {
        return Err(Error::invalid(
            "provider.nothing_decided",
            "The request decides nothing. Nothing was changed; say what to allow or forbid.",
        ));
    }
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    if tx.is_conditional() {
        let present = policy_in(p, &mut tx).await?;
        tx.expect_unchanged(&present)?;
    }
    store::decide(&mut tx, change).await?;
    tx.commit_all(entries).await
}
