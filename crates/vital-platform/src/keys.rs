//! The keys that protect stored data, as the operator sees them: what there is, and new ones in place of old ones while servers run.

use crate::{Platform, identity::operator_context};
use vital_kernel::{AuditAction, AuditEntry, Result, TenantId};
use vital_store::{Exchanged, KeyStatus, OpenError, RoleSecrets, RootRotation};

/// What is known about root keys and keys of organisations.
///
/// # Errors
/// `Unavailable` when the database does not answer or the root key cannot be read.
pub async fn status(p: &Platform) -> Result<KeyStatus> {
    p.db.key_status().await
}

/// Puts a new root key in place of the present one. Calls `progress` with the number of keys wrapped so far.
///
/// # Errors
/// `Unavailable`; what was done stays, and running it again finishes it.
pub async fn rotate_root(p: &Platform, progress: impl FnMut(u64)) -> Result<RootRotation> {
    let rotated = p.db.rotate_root(progress).await?;
    p.db.record_installation(AuditEntry::new(AuditAction::RootKeyRotated, "root_key", &rotated.present)).await?;
    Ok(rotated)
}

/// Ends every connection of this process to the database, because the logins that they were opened with are about to be refused.
pub async fn leave_logins(p: &Platform) {
    p.db.close().await;
}

/// Uses these logins at the database from now on; transactions under way come to their end. False where they were in use already.
///
/// # Errors
/// `Outdated` when the database refuses them; those in use then stay.
pub async fn use_logins(p: &Platform, secrets: &RoleSecrets) -> std::result::Result<bool, OpenError> {
    p.db.use_logins(secrets).await
}

/// Records that the logins at the database were exchanged.
///
/// # Errors
/// `Unavailable` when the database does not answer; the exchange itself stands.
pub async fn record_login_exchange(p: &Platform, exchanged: &Exchanged) -> Result<()> {
    p.db.record_installation(AuditEntry::new(AuditAction::DatabaseLoginsRotated, "database_login", exchanged.logins[0])).await
}

/// Gives an organisation a new key, seals everything of it again and destroys the former key. Calls `progress` for each kind of stored value
/// with how many there were. Returns how many values were sealed again.
///
/// # Errors
/// `Unavailable`; what was done stays, the former key too, and running it again finishes it.
pub async fn rotate_tenant(p: &Platform, tenant: TenantId, progress: impl FnMut(&'static str, u64)) -> Result<u64> {
    let version = p.db.add_key_version(tenant).await?;
    let values = p.db.finish_key_rotation(tenant, progress).await?;
    let entry = AuditEntry::new(AuditAction::ContentKeyRotated, "content_key", format!("{tenant}:{version}"));
    p.db.write(&operator_context(tenant)).await?.commit(entry).await?;
    Ok(values)
}
