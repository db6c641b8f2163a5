//! Accounts of people: what a new one must look like, and making one without a message being sent.

use super::{NewUser, password, store};
use crate::Platform;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, UserId};
use vital_store::TenantTx;

/// Creates a person in the context's tenant, with a password that was chosen elsewhere.
///
/// # Errors
/// `Invalid` with a pointer per field; `Conflict` when the address is taken.
pub async fn create_user(p: &Platform, cx: &OpContext, new: NewUser) -> Result<UserId> {
    cx.require(Permission::UserWrite)?;
    cx.require_step_up()?;
    let new = validate(new)?;
    let hashed = password::hash(p, new.password.clone()).await?;
    insert(p, cx, &new, &hashed).await
}

pub(super) async fn insert(p: &Platform, cx: &OpContext, new: &NewUser, hashed: &str) -> Result<UserId> {
    let id = UserId::new();
    let mut tx = p.db.write(cx).await?;
    store::insert_member(&mut tx, id, new, "person", Some(hashed), password::is_long(&new.password)).await?;
    tx.commit(AuditEntry::new(AuditAction::UserCreated, "user", id).fields(&["email", "display_name", "roles"])).await?;
    Ok(id)
}

/// The name of an active person of the transaction's tenant; none for operators, service accounts and whoever is not active.
pub(crate) async fn person_in<M>(tx: &mut TenantTx<M>, id: UserId) -> Result<Option<String>> {
    Ok(store::account(tx, id).await?.filter(|a| a.active && a.kind == "person").map(|a| a.display_name))
}

/// Refuses what cannot be an account, field by field, and returns it tidied.
pub(super) fn validate(mut new: NewUser) -> Result<NewUser> {
    let mut error = Error::invalid("user.invalid", "Some fields need another look. Nothing was stored.");
    new.email = tidy_email(&new.email);
    new.display_name = new.display_name.trim().to_owned();
    if !is_email(&new.email) {
        error = error.with_field("/email", "Write an e-mail address such as name@example.org.");
    }
    if !is_name(&new.display_name) {
        error = error.with_field("/display_name", "Write a name of 1 to 120 characters.");
    }
    if let Err(why) = password::acceptable(&new.password, &[&new.email, &new.display_name], false) {
        error = error.with_field("/password", why);
    }
    if new.roles.is_empty() {
        error = error.with_field("/roles", "Give at least one role.");
    }
    if error.fields().is_empty() { Ok(new) } else { Err(error) }
}

/// The address as it is stored and compared.
pub(super) fn tidy_email(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(super) fn is_email(email: &str) -> bool {
    (3..=254).contains(&email.len())
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').count() >= 2
                && domain.split('.').all(|part| !part.is_empty())
                && !email.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | ',' | ';'))
        })
}

/// Whether mail may reach an address: accounts that have none carry one that nobody can have (RFC 2606).
pub(super) fn is_reachable(email: &str) -> bool {
    !email.ends_with(".invalid")
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=120).contains(&name.chars().count()) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn addresses_that_could_reach_somebody_pass() {
        for good in ["a@b.co", "first.last+tag@sub.example.org", "ü@example.org"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.co", "a@b.", "a@.co", "a b@c.de", "a@b.co\r\nBcc: x@y.zz", "a@b@c.de", "<a@b.co>"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
