//! Holds that nobody settled, because the process that made them died: they become rows of the ledger at the most that the request could cost.

use super::{
    charge::{Basis, Charge},
    settle::{self, Owner},
    store,
};
use crate::{Platform, identity::operator_context, tenancy};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Result, TenantId};
use vital_llm::TokenUsage;

/// How often overdue holds are looked for.
pub(crate) const LOOK: Duration = Duration::from_secs(5 * 60);
/// Holds of one organisation that one look settles.
const AT_ONCE: i64 = 500;

/// A hold as it is stored.
pub(super) struct Overdue {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub user: Option<Uuid>,
    pub expert: Option<Uuid>,
    pub turn: Option<Uuid>,
    pub purpose: String,
    pub provider: String,
    pub model: String,
    pub input: i64,
    pub output: i64,
    pub pico: Option<i64>,
}

/// Settles what is overdue at a moment, in all organisations. Returns how many requests that were.
///
/// # Errors
/// `Unavailable` when the organisations cannot be listed. What cannot be settled is swept at a later look.
pub async fn sweep(p: &Platform, at: OffsetDateTime) -> Result<usize> {
    let mut swept = 0;
    for tenant in tenancy::list(p).await? {
        match sweep_tenant(p, tenant.id, at).await {
            Ok(n) => swept += n,
            // One organisation, such as one that is being erased, holds up no other.
            Err(error) => tracing::warn!(%error, tenant = %tenant.id, "overdue requests to models cannot be settled; trying again"),
        }
    }
    Ok(swept)
}

async fn sweep_tenant(p: &Platform, tenant: TenantId, at: OffsetDateTime) -> Result<usize> {
    let cx = operator_context(tenant);
    let mut tx = p.db.read(&cx).await?;
    let overdue = store::overdue(&mut tx, at, AT_ONCE).await?;
    tx.end().await?;
    let mut swept = 0;
    for hold in overdue {
        let owner = Owner { id: hold.id, at: hold.at, user: hold.user, expert: hold.expert, turn: hold.turn, purpose: &hold.purpose };
        let usage = TokenUsage {
            input: u64::try_from(hold.input).unwrap_or_default(),
            output: u64::try_from(hold.output).unwrap_or_default(),
            ..TokenUsage::default()
        };
        let charge = Charge { provider: hold.provider, model: hold.model, usage, pico: hold.pico, basis: Basis::Overdue };
        swept += usize::from(settle::settle(p, &cx, &owner, &[(hold.id, charge)]).await?);
    }
    if swept > 0 {
        tracing::warn!(%tenant, swept, "requests to models that nobody settled were counted at the most that they could cost");
    }
    Ok(swept)
}
