//! Changing a password, and a link by e-mail for who forgot it.

use super::{Caller, Token, accounts, hash, password, sessions, store};
use crate::Platform;
use vital_kernel::{AuditAction, AuditEntry, Error, Permission, Result, UserId, limits, now};
use vital_mail::Message;

/// Changes the caller's password. Their other sessions end, and this one gets a new token.
///
/// # Errors
/// `Invalid` with a pointer per field for a wrong present or an unacceptable new password.
pub async fn change_password(p: &Platform, caller: &Caller, present: &str, new: &str) -> Result<Token> {
    caller.cx.require(Permission::ProfileWrite)?;
    if caller.session().is_none() {
        caller.cx.require_step_up()?;
    }
    let member = caller.cx.require_user()?;
    p.throttle.admit_account(&caller.email)?;
    let stored = store::password(&mut p.db.read(&caller.cx).await?, member).await?;
    let verdict = password::verify(p, present.to_owned(), stored.and_then(|s| s.password_hash)).await?;
    if verdict == password::Verdict::Wrong {
        return Err(Error::invalid("password.wrong", "The present password is not right. Nothing was changed.")
            .with_field("/present", "Write the password you use now."));
    }
    p.throttle.succeeded(&caller.email);
    let hashed = checked(p, new, &[&caller.email, &caller.display_name], caller.has_factor).await?;
    let mut tx = p.db.write(&caller.cx).await?;
    if !store::set_password(&mut tx, member, &hashed, password::is_long(new)).await? {
        return Err(Error::conflict("password.no_login", "This account signs in another way, so it has no password. Nothing was changed."));
    }
    let ended = store::end_sessions(&mut tx, member, None, caller.session()).await?;
    tx.commit(AuditEntry::new(AuditAction::PasswordChanged, "user", member).fields(&["password"])).await?;
    sessions::forget(p, &ended).await;
    sessions::rotate(p, caller, None, AuditEntry::new(AuditAction::SessionRevoked, "user", member)).await
}

/// Sends a link for a new password to an address, if an account has it. Returns at once and says nothing: whether there is an account shows
/// neither in the reply nor in its timing.
pub fn ask_password_reset(p: &Platform, email: &str) {
    let email = accounts::tidy_email(email);
    let Some(p) = p.this().filter(|_| accounts::is_email(&email)) else { return };
    p.tasks.clone().spawn(async move {
        if let Err(error) = send_reset(&p, &email).await {
            tracing::warn!(?error, "a link for a new password could not be sent");
        }
    });
}

async fn send_reset(p: &Platform, email: &str) -> Result<()> {
    if !accounts::is_reachable(email) || !p.throttle.may_mail(email) {
        return Ok(());
    }
    let Some(login) = store::login(&p.db, email).await?.filter(|l| l.password_sign_in) else { return Ok(()) };
    let (cx, member) = (sessions::person(login.tenant.into(), login.user_id.into()), UserId(login.user_id));
    let mut tx = p.db.write(&cx).await?;
    if !store::account(&mut tx, member).await?.is_some_and(|a| a.active && a.kind == "person") {
        return Ok(());
    }
    let token = Token::generate();
    store::issue_token(&mut tx, &hash(token.reveal()), "reset", login.user_id, Some(now() + limits::RESET_LINK)).await?;
    tx.commit(AuditEntry::new(AuditAction::PasswordResetAsked, "user", member)).await?;
    let text = format!(
        "Somebody asked for a new password for your VITAL Path account. If it was you, open this link within 30 minutes; it works once:\n\n{}/reset?token={}\n\nIf it was not you, ignore this message: your password stays as it is.\n",
        p.site,
        token.reveal()
    );
    let message = Message { to: email.to_owned(), subject: "A new password for VITAL Path".to_owned(), text };
    p.mailer.send(&message).await.map_err(|e| Error::unavailable("mail.failed", e.to_string()))
}

/// Tells whether a link for a new password still works.
///
/// # Errors
/// `NotFound` when it does not.
pub async fn check_reset_link(p: &Platform, token: &str) -> Result<()> {
    store::linked(&p.db, &hash(token), "reset").await?.map(|_| ()).ok_or_else(reset_unknown)
}

/// Sets a new password through a link. All sessions of the account end; a second factor is still asked for at the next sign-in.
///
/// # Errors
/// `NotFound` when the link does not work, `Invalid` for an unacceptable password: then the link still works.
pub async fn reset_password(p: &Platform, token: &str, new: &str) -> Result<()> {
    let (tenant, member) = store::linked(&p.db, &hash(token), "reset").await?.ok_or_else(reset_unknown)?;
    let (cx, member) = (sessions::person(tenant, member.into()), UserId(member));
    let mut tx = p.db.read(&cx).await?;
    let account = store::account(&mut tx, member).await?.filter(|a| a.active).ok_or_else(reset_unknown)?;
    let second_factor = store::has_factor(&mut tx, member).await?;
    tx.end().await?;
    let hashed = checked(p, new, &[&account.email, &account.display_name], second_factor).await?;
    let mut tx = p.db.write(&cx).await?;
    if store::end_token(&mut tx, "reset", member.0).await?.is_empty() {
        return Err(reset_unknown());
    }
    store::set_password(&mut tx, member, &hashed, password::is_long(new)).await?;
    let ended = store::end_sessions(&mut tx, member, None, None).await?;
    tx.commit(AuditEntry::new(AuditAction::PasswordChanged, "user", member).fields(&["password"])).await?;
    sessions::forget(p, &ended).await;
    p.throttle.succeeded(&account.email);
    Ok(())
}

/// The hash of a new password after all checks.
pub(super) async fn checked(p: &Platform, new: &str, context: &[&str], second_factor: bool) -> Result<String> {
    password::acceptable(new, context, second_factor).map_err(|why| {
        Error::invalid("password.refused", "This password cannot be used. Nothing was changed.").with_field("/password", why)
    })?;
    password::hash(p, new.to_owned()).await
}

fn reset_unknown() -> Error {
    Error::not_found(
        "password.link_unknown",
        "This link does not work: it was used, replaced by a newer one, or is older than 30 minutes. Ask for a new one.",
    )
}
