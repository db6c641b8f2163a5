//! SQL that counts credentials.

use super::super::credentials::CredentialCounts;
use vital_kernel::Result;
use vital_store::{Db, PlatformReason, Read, TenantTx, db_error};

/// The credentials of one tenant; sessions are not a tenant's, so their number is 0 here.
pub(in crate::identity) async fn credential_counts(tx: &mut TenantTx<Read>) -> Result<CredentialCounts> {
    sqlx::query_as!(
        CredentialCounts,
        r#"select 0::bigint as "sessions!",
                  (select count(*) from api_keys where revoked_at is null and (ends_at is null or ends_at > now())) as "api_keys!",
                  (select count(*) from api_keys where revoked_at is null and (ends_at is null or ends_at > now())
                       and 'directory.provision' = any (scopes)) as "scim_keys!",
                  (select count(*) from sso_providers where secret is not null) as "sso_secrets!""#
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// Sessions of all tenants that have not ended.
pub(in crate::identity) async fn open_sessions(db: &Db) -> Result<i64> {
    let mut once = db.platform_once(PlatformReason::Keys).await?;
    sqlx::query_scalar!(r#"select count(*) as "count!" from directory.sessions where ends_at > now()"#)
        .fetch_one(once.conn())
        .await
        .map_err(db_error)
}
