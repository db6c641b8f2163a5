//! How many credentials organisations have made for themselves, for the operator's look at all secrets. They are numbers alone.

use super::{operator_context, store};
use crate::{Platform, tenancy};
use vital_kernel::Result;

/// Credentials that organisations made for themselves; each ends by itself or in the settings of its organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CredentialCounts {
    /// Sessions that have not ended.
    pub sessions: i64,
    /// API keys that can be used, those of directories included.
    pub api_keys: i64,
    /// Of these, keys with which a directory provisions people (SCIM).
    pub scim_keys: i64,
    /// Identity providers with a secret.
    pub sso_secrets: i64,
}

/// Counts the credentials of all organisations: one short transaction each, so it is for an operator and not for every scrape of metrics.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn credential_counts(p: &Platform) -> Result<CredentialCounts> {
    let mut all = CredentialCounts { sessions: store::open_sessions(&p.db).await?, ..CredentialCounts::default() };
    for tenant in tenancy::list(p).await? {
        let mut tx = p.db.read(&operator_context(tenant.id)).await?;
        let of_tenant = store::credential_counts(&mut tx).await?;
        tx.end().await?;
        all.api_keys += of_tenant.api_keys;
        all.scim_keys += of_tenant.scim_keys;
        all.sso_secrets += of_tenant.sso_secrets;
    }
    Ok(all)
}
