//! Lasting access that an operator gives by command: an account with a password, or a key of a service account.
//!
//! **Invariants:** each stands in the organisation's own trail with its own action, which is a finding of the weekly review of that week; every
//! administrator who was there before is told by e-mail. An installation needs these commands for its first administrator and its first directory, so
//! they are not refused later; they cannot stay unseen.

use super::{IssuedKey, NewKey, NewUser, accounts, keys, notice, password, store};
use crate::Platform;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Origin, Result, UserId};
use vital_store::TenantTx;

/// What an operator gave, and who was told.
#[derive(Debug)]
pub struct Granted<T> {
    /// The account or key.
    pub what: T,
    /// Administrators who were told by e-mail.
    pub told: usize,
    /// Administrators whose message did not leave.
    pub not_told: usize,
}

/// Creates a person in an organisation on behalf of the operator, and tells its administrators. For the operator's command line.
///
/// # Errors
/// `Invalid` with a pointer per field; `Conflict` when the address is taken; `Forbidden` for everybody but the operator.
pub async fn create_user_as_operator(p: &Platform, cx: &OpContext, new: NewUser) -> Result<Granted<UserId>> {
    operator_only(cx)?;
    let new = accounts::validate(new)?;
    let hashed = password::hash(p, new.password.clone()).await?;
    let id = UserId::new();
    let mut tx = p.db.write(cx).await?;
    let (organisation, admins) = audience(&mut tx).await?;
    store::insert_member(&mut tx, id, &new, "person", Some(&hashed), password::is_long(&new.password)).await?;
    tx.commit_all(vec![
        AuditEntry::new(AuditAction::UserCreated, "user", id).fields(&["email", "display_name", "roles"]),
        entry(id, &["roles"]),
    ])
    .await?;
    let roles: Vec<&str> = new.roles.iter().map(|role| role.as_str()).collect();
    let what = format!("an account for {} ({}), with the roles: {}", new.display_name, new.email, roles.join(", "));
    Ok(tell(p, &organisation, &admins, &what, id).await)
}

/// Makes a key for a service account on behalf of the operator, who has no session, and tells the organisation's administrators.
///
/// # Errors
/// As `issue_key`; `Forbidden` for everybody but the operator.
pub async fn issue_key_as_operator(p: &Platform, cx: &OpContext, new: NewKey) -> Result<Granted<IssuedKey>> {
    operator_only(cx)?;
    let account = new.member.ok_or_else(|| Error::internal("an operator makes keys for service accounts alone"))?;
    let what = format!("a key named {} for a service account, with the scopes: {}", new.name.trim(), new.scopes.join(", "));
    let mut tx = p.db.read(cx).await?;
    let (organisation, admins) = audience(&mut tx).await?;
    tx.end().await?;
    let issued = keys::issue(p, cx, new, Some(entry(account, &["key", "scopes"]))).await?;
    Ok(tell(p, &organisation, &admins, &what, issued).await)
}

fn operator_only(cx: &OpContext) -> Result<()> {
    if cx.origin() == Origin::Operator {
        return Ok(());
    }
    Err(Error::forbidden("operator.only", "Only the operator gives access without signing in. Nothing was stored."))
}

fn entry(account: UserId, fields: &[&'static str]) -> AuditEntry {
    AuditEntry::new(AuditAction::AccessGranted, "user", account).fields(fields)
}

/// The organisation's name, and the addresses of those who administer it.
async fn audience<M>(tx: &mut TenantTx<M>) -> Result<(String, Vec<String>)> {
    Ok((store::organisation_name(tx).await?, store::admin_emails(tx).await?))
}

async fn tell<T>(p: &Platform, organisation: &str, admins: &[String], given: &str, what: T) -> Granted<T> {
    let text = format!(
        "An operator of this VITAL Path installation has given lasting access to {organisation}.\n\nWhat: {given}\n\n\
         It was given by a command on the server, not by one of your administrators. It stands in your audit trail ({site}/settings/audit?action=operator.access_granted) \
         and in the review of this week. If you did not ask for it, take it away under {site}/settings/members or {site}/settings/keys.\n",
        site = p.site
    );
    let (told, not_told) = notice::tell(p, admins, "An operator gave access to your organisation on VITAL Path", &text).await;
    Granted { what, told, not_told }
}
