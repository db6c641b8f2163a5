//! Making the review of each week that has ended.
//!
//! **Invariants:** a week gets its review once, whoever looks and however often; it is made a while after the week's end, when whatever began within
//! it has been stored; an organisation without any entries in or before a week gets none for it.

use super::store;
use crate::{Platform, identity::operator_context, tenancy};
use time::{Duration, OffsetDateTime};
use vital_kernel::{AuditAction, AuditEntry, Result, TenantId, limits};

/// How long after its end a week is left alone: longer than any request that began within it takes.
const GRACE: Duration = Duration::minutes(15);

/// Prepares the reviews of all weeks that ended before a moment and have none. Returns how many it made.
///
/// # Errors
/// `Unavailable` when the database does not answer; what was made stays, the next look makes the rest.
pub async fn prepare_due(p: &Platform, at: OffsetDateTime) -> Result<usize> {
    let mut made = 0;
    for tenant in tenancy::list(p).await? {
        made += prepare(p, tenant.id, at - GRACE).await?;
    }
    Ok(made)
}

async fn prepare(p: &Platform, tenant: TenantId, at: OffsetDateTime) -> Result<usize> {
    let cx = operator_context(tenant);
    let mut tx = p.db.read(&cx).await?;
    let hours = store::review::working_hours(&mut tx).await?.unwrap_or_default();
    let due = store::review::due_weeks(&mut tx, &hours.time_zone, at, limits::REVIEW_WEEKS_BACK).await?;
    tx.end().await?;
    let mut made = 0;
    for span in due {
        let mut tx = p.db.write(&cx).await?;
        store::review::take_time(&mut tx).await?;
        if !store::review::insert(&mut tx, &span, &hours).await? {
            continue;
        }
        let findings = store::review::insert_findings(&mut tx, &span, &hours).await?;
        let entry = AuditEntry::new(AuditAction::ReviewPrepared, "review", span.week);
        tx.commit(entry).await?;
        tracing::info!(%tenant, week = %span.week, findings, "the review of a week was prepared");
        made += 1;
    }
    Ok(made)
}
