//! Organisations: creating them and listing them. What belongs to one is seeded by a job of its own.

pub mod domains;
mod erasure;
mod issuance;
mod pending;
mod policy;
mod store;

use crate::{Platform, identity::operator_context};
use serde::Serialize;
use std::time::{Duration, Instant};
use vital_kernel::{AuditAction, AuditEntry, Error, Result, TenantId};
use vital_store::JobKind;

pub use domains::{
    CustomDomain, DomainOwner, DomainTable, add_domain, domains, domains_as_operator, owner_of_host, proven_domains, refresh_domains,
    remove_domain, verify_domain, verify_domain_as_operator,
};
pub(crate) use erasure::{certificates, settled};
pub use erasure::{erase_tenant, replay_erasures};
pub use issuance::IssuanceNotice;
pub(crate) use pending::replace;
pub use policy::{Organisation, SignInPolicy, organisation, origin_known, set_policy};
pub(crate) use policy::{policy_in, slug_in};

/// An organisation, as the directory knows it.
#[derive(Clone, Debug, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its stable name.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// Tells whether any tenant exists.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn any(p: &Platform) -> Result<bool> {
    store::any(&p.db).await
}

/// Lists all tenants, by name. For the operator's command line: no page shows it.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list(p: &Platform) -> Result<Vec<Tenant>> {
    store::list(&p.db).await
}

/// Refuses a name that cannot be an organisation's.
///
/// # Errors
/// `Invalid` with a pointer to the field.
pub fn validate_name(name: &str) -> Result<()> {
    if (1..=200).contains(&name.trim().chars().count()) {
        return Ok(());
    }
    Err(Error::invalid("tenant.invalid", "The organisation needs a name. Nothing was stored.")
        .with_field("/organisation", "Write a name of 1 to 200 characters."))
}

/// Creates a tenant and queues the seeding of its experts and starter library.
///
/// # Errors
/// `Invalid` for a bad name; `Conflict` when the name is taken.
pub async fn create_tenant(p: &Platform, name: &str) -> Result<TenantId> {
    validate_name(name)?;
    let id = TenantId::new();
    store::insert(&p.db, id, &slug(name), name.trim()).await?;
    let mut tx = p.db.write(&operator_context(id)).await?;
    tx.enqueue(JobKind::SeedTenant, id.0).await?;
    tx.commit(AuditEntry::new(AuditAction::TenantCreated, "tenant", id)).await?;
    p.work_waiting.notify_one();
    Ok(id)
}

/// How long the first page may wait for the experts and the starter library.
const SEEDING_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked at.
const SEEDING_LOOK: Duration = Duration::from_millis(50);

/// Waits until the experts and the starter library of a new tenant are there, so that its first page is not empty. Gives up quietly after
/// a while: they come all the same.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn await_seeding(p: &Platform, tenant: TenantId) -> Result<()> {
    let until = Instant::now() + SEEDING_WAIT;
    while Instant::now() < until && p.db.job_open(JobKind::SeedTenant, tenant.0).await? {
        tokio::time::sleep(SEEDING_LOOK).await;
    }
    Ok(())
}

/// Queues the seeding of every tenant, so that a new release brings its new content.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn reseed_all(p: &Platform) -> Result<()> {
    for tenant in list(p).await? {
        let mut tx = p.db.write(&operator_context(tenant.id)).await?;
        if tx.enqueue(JobKind::SeedTenant, tenant.id.0).await? {
            tx.commit(AuditEntry::new(AuditAction::TenantSeeded, "tenant", tenant.id)).await?;
        }
    }
    p.work_waiting.notify_one();
    Ok(())
}

/// Makes a stable name: lower-case letters, digits and single hyphens, at most 63.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() == 63 {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "organisation".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("  Müller & Söhne GmbH "), "m-ller-s-hne-gmbh");
        assert_eq!(slug("日本"), "organisation");
        assert_eq!(slug(&"x".repeat(80)).len(), 63);
    }
}
