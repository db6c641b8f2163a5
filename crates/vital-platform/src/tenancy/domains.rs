//! Custom domains: an organisation brings a name, proves that it is its own by a TXT record, and is reached under it.
//!
//! **Invariants:** a name leads to an organisation only while its proof was seen within [`PROOF_GRACE`]; a name server that does not answer
//! proves nothing and takes nothing away; one name leads to one organisation. What a host means is read from memory, because every
//! request asks, and is never older than a few [`LOOK`]s.

use super::{
    issuance::{IssuanceNotice, Issuances},
    store,
};
use crate::{Platform, identity::operator_context};
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::sync::watch;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, TenantId, now};
use vital_tls::{Domain, Names, acme::Authority};

/// Domains of one organisation; each costs an order at a certificate authority.
pub const DOMAINS_MAX: usize = 10;
/// How long a record may be gone until the name no longer leads here.
pub const PROOF_GRACE: Duration = Duration::from_secs(72 * 3600);
/// How often the record of a served name is asked for again.
pub const PROOF_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// How often the directory is read, so that what another node changed is known here.
pub const LOOK: Duration = Duration::from_secs(15);
/// Records asked for in one look.
const CHECKS_MAX: i64 = 20;
/// In front of the domain, where the record stands.
const RECORD_LABEL: &str = "_vital-path";
/// In front of the proof, so that people see what the record is for.
const RECORD_PREFIX: &str = "vital-path-proof=";

/// A custom domain of an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CustomDomain {
    /// The domain, in lower-case ASCII.
    pub domain: String,
    /// The name of the TXT record that proves it.
    pub record_name: String,
    /// What the record has to say.
    pub record_value: String,
    /// Since when it leads to the organisation; none while it is not proven (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub verified_at: Option<OffsetDateTime>,
    /// When the record was last seen (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub proved_at: Option<OffsetDateTime>,
    /// When it was last looked for (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub checked_at: Option<OffsetDateTime>,
    /// Since when it is claimed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Whether the authority of this installation may issue certificates for it; none where there is no authority or it was not looked for.
    pub issuance: Option<IssuanceNotice>,
}

/// The organisation that a custom domain leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainOwner {
    /// Its id.
    pub tenant: TenantId,
    /// Its stable name.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// The proven domains, as this process knows them.
pub type DomainTable = Arc<BTreeMap<String, DomainOwner>>;

/// What the platform holds of domains.
pub(crate) struct Domains {
    table: watch::Sender<DomainTable>,
    name_server: Option<SocketAddr>,
    issuances: Issuances,
}

impl Domains {
    pub(crate) fn new(name_server: Option<SocketAddr>, authority: Option<Authority>) -> Self {
        Self { table: watch::Sender::new(Arc::default()), name_server, issuances: Issuances::new(authority) }
    }
}

/// The name of the TXT record that proves a domain.
#[must_use]
pub fn record_name(domain: &str) -> String {
    format!("{RECORD_LABEL}.{domain}")
}

pub(super) fn record_value(proof: &str) -> String {
    format!("{RECORD_PREFIX}{proof}")
}

/// Lists the domains of the organisation, by name.
///
/// # Errors
/// `Forbidden` without the permission to read policies.
pub async fn domains(p: &Platform, cx: &OpContext) -> Result<Vec<CustomDomain>> {
    cx.require(Permission::PolicyRead)?;
    let mut all = store::domains(&mut p.db.read(cx).await?).await?;
    for domain in &mut all {
        domain.issuance = p.domains.issuances.known(&domain.domain);
    }
    Ok(all)
}

/// As [`domains`], for the operator's command line, which looks for the CAA records now.
///
/// # Errors
/// `Unavailable` when the database does not answer or the name servers of this machine are not known.
pub async fn domains_as_operator(p: &Platform, tenant: TenantId) -> Result<Vec<CustomDomain>> {
    let all = store::domains(&mut p.db.read(&operator_context(tenant)).await?).await?;
    let servers = &servers(p)?;
    let looked = all.into_iter().map(async |mut domain| {
        domain.issuance = p.domains.issuances.look(servers, &domain.domain).await;
        domain
    });
    Ok(futures_util::future::join_all(looked).await)
}

/// Claims a domain and returns it with the record that will prove it. It leads nowhere yet.
///
/// # Errors
/// `Forbidden` without permission or recent step-up; `Invalid` for what is no such domain; `Conflict` when it is claimed already or there
/// are too many.
pub async fn add_domain(p: &Platform, cx: &OpContext, text: &str) -> Result<CustomDomain> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let invalid =
        |why: String| Error::invalid("domain.invalid", "This domain cannot be used. Nothing was stored.").with_field("/domain", why);
    let domain = Domain::parse(text).map_err(|fault| invalid(fault.to_string()))?;
    if site_host(p.site()).is_some_and(|own| is_within(&own, domain.as_str()) || is_within(domain.as_str(), &own)) {
        return Err(invalid("This is the address of the installation itself.".to_owned()));
    }
    let mut tx = p.db.write(cx).await?;
    if store::domains(&mut tx).await?.len() >= DOMAINS_MAX {
        let detail = format!("An organisation has at most {DOMAINS_MAX} domains. Nothing was stored; remove one that is not needed.");
        return Err(Error::conflict("domain.too_many", detail));
    }
    let proof = uuid::Uuid::new_v4().simple().to_string();
    if !store::add_domain(&mut tx, domain.as_str(), &proof).await? {
        return Err(Error::conflict("domain.taken", "Your organisation has added this domain already. Nothing was stored."));
    }
    let added = found(store::domains(&mut tx).await?, domain.as_str())?;
    tx.commit(AuditEntry::new(AuditAction::DomainAdded, "domain", &domain)).await?;
    Ok(added)
}

/// Looks for the record of a domain; where it is there, the domain leads to the organisation from now on.
///
/// # Errors
/// `Forbidden` without permission or recent step-up; `NotFound`; `Conflict` where the record is not there or says something else, or
/// another organisation has proven the domain; `Unavailable` when the name servers do not answer.
pub async fn verify_domain(p: &Platform, cx: &OpContext, domain: &str) -> Result<CustomDomain> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    prove(p, cx, domain).await
}

/// As [`verify_domain`], for the operator's command line.
///
/// # Errors
/// As [`verify_domain`], but for permissions.
pub async fn verify_domain_as_operator(p: &Platform, tenant: TenantId, domain: &str) -> Result<CustomDomain> {
    prove(p, &operator_context(tenant), domain).await
}

/// Removes a domain; from now on it leads nowhere.
///
/// # Errors
/// `Forbidden` without permission or recent step-up; `NotFound`.
pub async fn remove_domain(p: &Platform, cx: &OpContext, domain: &str) -> Result<()> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    if !store::remove_domain(&mut tx, domain).await? {
        return Err(unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::DomainRemoved, "domain", domain)).await?;
    p.domains.issuances.forget(domain);
    refresh_domains(p).await
}

async fn prove(p: &Platform, cx: &OpContext, domain: &str) -> Result<CustomDomain> {
    let known = found(store::domains(&mut p.db.read(cx).await?).await?, domain)?;
    // No transaction is open while the name servers are asked.
    let records = records(p, domain).await?;
    let mut tx = p.db.write(cx).await?;
    if !records.iter().any(|record| record.trim() == known.record_value) {
        if store::miss_domain(&mut tx, domain, PROOF_GRACE).await? {
            tx.commit(AuditEntry::new(AuditAction::DomainLapsed, "domain", domain)).await?;
            refresh_domains(p).await?;
        } else {
            tx.commit(AuditEntry::new(AuditAction::DomainChecked, "domain", domain)).await?;
        }
        return Err(not_there(&known, &records));
    }
    let action = if store::prove_domain(&mut tx, domain).await? { AuditAction::DomainVerified } else { AuditAction::DomainChecked };
    let mut proven = found(store::domains(&mut tx).await?, domain)?;
    tx.commit(AuditEntry::new(action, "domain", domain)).await?;
    refresh_domains(p).await?;
    proven.issuance = p.domains.issuances.look(&servers(p)?, domain).await;
    Ok(proven)
}

fn servers(p: &Platform) -> Result<Names> {
    Names::new(p.domains.name_server).map_err(|error| Error::unavailable("domain.no_name_servers", error.to_string()))
}

async fn records(p: &Platform, domain: &str) -> Result<Vec<String>> {
    servers(p)?
        .txt(&record_name(domain))
        .await
        .map_err(|error| Error::unavailable("domain.no_answer", format!("{error}. Nothing was changed.")))
}

fn not_there(domain: &CustomDomain, seen: &[String]) -> Error {
    let CustomDomain { record_name, record_value, .. } = domain;
    let others = seen.iter().any(|record| record.starts_with(RECORD_PREFIX));
    let what = match (seen.is_empty(), others) {
        (true, _) => format!("There is no TXT record at {record_name} yet; a new one can take some minutes to be seen everywhere."),
        (_, true) => format!("The TXT record at {record_name} has the proof of another organisation or an older one."),
        _ => format!("The TXT records at {record_name} say something else."),
    };
    Error::conflict("domain.not_proven", format!("{what} It has to be `{record_value}`."))
}

fn found(all: Vec<CustomDomain>, domain: &str) -> Result<CustomDomain> {
    all.into_iter().find(|d| d.domain == domain).ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found("domain.unknown", "Your organisation has no such domain. It may have been removed.")
}

/// The organisation that a host leads to, if it is a proven domain.
#[must_use]
pub fn owner_of_host(p: &Platform, host: &str) -> Option<DomainOwner> {
    p.domains.table.borrow().get(host).cloned()
}

/// The proven domains, and whether they change.
#[must_use]
pub fn proven_domains(p: &Platform) -> watch::Receiver<DomainTable> {
    p.domains.table.subscribe()
}

/// Reads the proven domains from the directory. After a failure the ones known before stay.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn refresh_domains(p: &Platform) -> Result<()> {
    let table = Arc::new(store::proven_domains(&p.db).await?);
    p.domains.table.send_if_modified(|known| {
        let changed = *known != table;
        if changed {
            *known = table;
        }
        changed
    });
    Ok(())
}

/// Asks for the records of served domains again, those first that were not looked for the longest; and for CAA records that this process has
/// not seen yet.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn recheck_domains(p: &Platform) -> Result<()> {
    for (tenant, domain) in store::domains_to_check(&p.db, now() - PROOF_AGAIN, CHECKS_MAX).await? {
        match prove(p, &operator_context(tenant), &domain).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, domain, "the proof of a custom domain was not seen"),
        }
    }
    let table = Arc::clone(&p.domains.table.borrow());
    let unseen = table.keys().filter(|domain| p.domains.issuances.known(domain).is_none());
    for domain in unseen.take(usize::try_from(CHECKS_MAX).unwrap_or_default()) {
        p.domains.issuances.look(&servers(p)?, domain).await;
    }
    Ok(())
}

/// The host of the site's own address.
fn site_host(site: &str) -> Option<String> {
    let (_, rest) = site.split_once("://")?;
    let host = if rest.starts_with('[') { rest.split(']').next()? } else { rest.split([':', '/']).next()? };
    Some(host.trim_start_matches('[').to_ascii_lowercase())
}

/// Whether a name is another one or below it.
fn is_within(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_site_is_known_in_all_its_forms() {
        for (site, host) in [("https://Vital.example", "vital.example"), ("http://localhost:8080", "localhost"), ("http://[::1]:80", "::1")]
        {
            assert_eq!(site_host(site).as_deref(), Some(host));
        }
        assert!(is_within("a.vital.example", "vital.example") && is_within("vital.example", "vital.example"));
        assert!(!is_within("evital.example", "vital.example"));
    }
}
