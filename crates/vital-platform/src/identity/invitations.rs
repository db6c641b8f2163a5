//! Invitations: how people come to have an account without anybody else knowing their password.
//!
//! **Invariants:** a link works once, for seven days, and only while its invitation waits; taking it up and consuming it are one transaction.
//! An address belongs to one organisation of an installation. Whether it has an account in another one is told to the owner of the address by
//! e-mail and to nobody else: the invitation is stored and answered like every other, and its message says that the address is taken.

use super::{Came, NewUser, Progress, Token, accounts, hash, members, password, sessions, store};
use crate::{Platform, tenancy};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, InvitationId, OpContext, Origin, Permission, Result, Role, UserId, limits, now};
use vital_mail::Message;
use vital_store::{TenantTx, Write};

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// It can be taken up.
    Waiting,
    /// It was taken up.
    Accepted,
    /// It was taken back.
    Revoked,
    /// Its time is over; it can be sent again.
    Expired,
}

/// An invitation to an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Invitation {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: InvitationId,
    /// The address it was sent to.
    pub email: String,
    /// The name of the person, as far as it was given.
    pub display_name: String,
    /// The roles they will have.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Who invited them.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub invited_by: Option<UserId>,
    /// How it stands.
    pub state: InvitationState,
    /// When it was made (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When its link ends (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
}

impl From<store::InvitationRow> for Invitation {
    fn from(r: store::InvitationRow) -> Self {
        let state = match (r.accepted_at, r.revoked_at) {
            (Some(_), _) => InvitationState::Accepted,
            (None, Some(_)) => InvitationState::Revoked,
            (None, None) if r.ends_at <= now() => InvitationState::Expired,
            (None, None) => InvitationState::Waiting,
        };
        Self {
            id: InvitationId(r.id),
            email: r.email,
            display_name: r.display_name,
            roles: r.roles.iter().filter_map(|name| name.parse().ok()).collect(),
            invited_by: r.invited_by.map(UserId),
            state,
            created_at: r.created_at,
            ends_at: r.ends_at,
        }
    }
}

/// Whom to invite.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Their address.
    pub email: String,
    /// Their name, if it is known; they can change it.
    pub display_name: String,
    /// Their roles, at least one.
    pub roles: Vec<Role>,
}

/// An invitation and how its message fared.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SentInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Why the message did not leave, if it did not. The invitation waits all the same and can be sent again.
    pub mail_problem: Option<String>,
}

/// What somebody who opens the link of an invitation is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenInvitation {
    /// The organisation.
    pub organisation: String,
    /// The address.
    pub email: String,
    /// The name, as far as it was given.
    pub display_name: String,
}

/// Invites somebody by e-mail.
///
/// # Errors
/// `Forbidden` without the permission or, for an administrator, without a recent proof of a second factor; `Invalid` with a pointer per field;
/// `Conflict` when the address belongs to a member or has an invitation that waits, or the organisation has turned passwords off.
pub async fn invite(p: &Platform, cx: &OpContext, new: NewInvitation) -> Result<SentInvitation> {
    cx.require(Permission::UserWrite)?;
    // A key must not multiply into people, and a stolen session not into more than it holds.
    if cx.origin() == Origin::Key || new.roles.iter().any(|role| !matches!(role, Role::Viewer | Role::Member)) {
        cx.require_step_up()?;
    }
    let new = validate(new)?;
    let mut tx = p.db.write(cx).await?;
    if !tenancy::policy_in(&mut tx).await?.password_sign_in {
        return Err(passwords_off());
    }
    let waiting = store::waiting_invitations(&mut tx).await?;
    if waiting.iter().any(|(_, email)| *email == new.email) {
        return Err(Error::conflict(
            "invitation.waiting",
            "This address has been invited already. Send that invitation again; nothing was stored.",
        )
        .with_field("/email", "An invitation waits for this address."));
    }
    if waiting.len() >= limits::INVITATIONS_MAX {
        let text =
            format!("{} invitations wait already. Revoke those that nobody will take up; nothing was stored.", limits::INVITATIONS_MAX);
        return Err(Error::conflict("invitation.too_many", text));
    }
    not_a_member(&mut tx, &new.email).await?;
    let id = InvitationId::new();
    store::insert_invitation(&mut tx, id, &new, cx.user(), now() + limits::INVITATION).await?;
    issue_and_send(p, cx, tx, id, AuditEntry::new(AuditAction::UserInvited, "invitation", id).fields(&["email", "display_name", "roles"]))
        .await
}

/// Sends an invitation again, with a new link; the earlier one stops working. It waits for another seven days.
///
/// # Errors
/// `NotFound` when it was taken up or revoked; `Conflict` when the address belongs to a member by now; `RateLimited` when it was sent too often.
pub async fn resend_invitation(p: &Platform, cx: &OpContext, id: InvitationId) -> Result<SentInvitation> {
    cx.require(Permission::UserWrite)?;
    let mut tx = p.db.write(cx).await?;
    let found = store::extend_invitation(&mut tx, id, now() + limits::INVITATION).await?.map(Invitation::from).ok_or_else(unknown)?;
    if found.roles.contains(&Role::TenantAdmin) {
        cx.require_step_up()?;
    }
    not_a_member(&mut tx, &found.email).await?;
    if !p.throttle.may_mail(&format!("invitation:{id}")) {
        return Err(Error::rate_limited(
            "invitation.too_often",
            "This invitation was sent several times within the hour. Nothing was sent; try again later.",
        )
        .with_retry_after(std::time::Duration::from_secs(60 * 60)));
    }
    issue_and_send(p, cx, tx, id, AuditEntry::new(AuditAction::UserInvited, "invitation", id).fields(&["ends_at"])).await
}

/// Puts a new link in force, commits, and sends it. The message is sent after the commit: no transaction waits for a mail server.
async fn issue_and_send(
    p: &Platform,
    cx: &OpContext,
    mut tx: TenantTx<Write>,
    id: InvitationId,
    entry: AuditEntry,
) -> Result<SentInvitation> {
    let invitation = store::invitations(&mut tx, Some(id), None, 1).await?.pop().map(Invitation::from).ok_or_else(unknown)?;
    let organisation = store::organisation_name(&mut tx).await?;
    let token = Token::generate();
    store::issue_token(&mut tx, &hash(token.reveal()), "invitation", id.0, Some(invitation.ends_at)).await?;
    tx.commit(entry).await?;
    let elsewhere = store::login(&p.db, &invitation.email).await?.is_some_and(|l| l.tenant != cx.tenant().0);
    let text = if elsewhere { taken_text(&organisation) } else { link_text(&p.site, &organisation, &token) };
    let message = Message { to: invitation.email.clone(), subject: subject(&organisation), text };
    let mail_problem = p.mailer.send(&message).await.err().map(|why| {
        tracing::warn!(invitation = %id, %why, "an invitation could not be sent");
        why.to_string()
    });
    Ok(SentInvitation { invitation, mail_problem })
}

/// A subject of one line that the mailer takes, whatever the organisation is called.
fn subject(organisation: &str) -> String {
    let name: String = organisation.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("Invitation to {name} on VITAL Path")
}

fn link_text(site: &str, organisation: &str, token: &Token) -> String {
    format!(
        "You are invited to join {organisation} on VITAL Path. Open this link within seven days, choose a password, and you are in; it works once:\n\n\
         {site}/invitation?token={}\n\nIf you do not know what this is about, ignore this message: no account is made without you.\n",
        token.reveal()
    )
}

fn taken_text(organisation: &str) -> String {
    format!(
        "You are invited to join {organisation} on VITAL Path, but this e-mail address already has an account here, in another organisation, and an \
         account belongs to one organisation. Your account is unchanged.\n\nTo join {organisation} as well, ask whoever invited you to invite another \
         address of yours. They cannot see that this one is taken: we tell nobody but you.\n"
    )
}

/// Lists invitations, newest first, from behind the id of the page before.
///
/// # Errors
/// `Forbidden` without the permission to see them.
pub async fn invitations(p: &Platform, cx: &OpContext, before: Option<InvitationId>, limit: i64) -> Result<Vec<Invitation>> {
    cx.require(Permission::UserRead)?;
    let rows = store::invitations(&mut p.db.read(cx).await?, None, before, limit).await?;
    Ok(rows.into_iter().map(Invitation::from).collect())
}

/// Takes an invitation back; its link stops working at once.
///
/// # Errors
/// `NotFound` when it was taken up or revoked already.
pub async fn revoke_invitation(p: &Platform, cx: &OpContext, id: InvitationId) -> Result<()> {
    cx.require(Permission::UserWrite)?;
    let mut tx = p.db.write(cx).await?;
    if !store::revoke_invitation(&mut tx, id).await? {
        return Err(unknown());
    }
    store::end_token(&mut tx, "invitation", id.0).await?;
    tx.commit(AuditEntry::new(AuditAction::InvitationRevoked, "invitation", id)).await
}

/// Tells what an invitation is for, if its link still works.
///
/// # Errors
/// `NotFound` when it does not.
pub async fn check_invitation(p: &Platform, token: &str) -> Result<OpenInvitation> {
    let (tenant, id) = store::linked(&p.db, &hash(token), "invitation").await?.ok_or_else(link_unknown)?;
    let mut tx = p.db.read(&sessions::person(tenant, UserId::new())).await?;
    let row = store::invitations(&mut tx, Some(InvitationId(id)), None, 1).await?.pop().map(Invitation::from);
    let found = row.filter(|i| i.state == InvitationState::Waiting).ok_or_else(link_unknown)?;
    let organisation = store::organisation_name(&mut tx).await?;
    Ok(OpenInvitation { organisation, email: found.email, display_name: found.display_name })
}

/// Takes an invitation up: makes the account and signs it in. The link works once; with an error it still works.
///
/// # Errors
/// `NotFound` when the link does not work; `Invalid` with a pointer per field; `Conflict` when the address has an account by now, or the
/// organisation has turned passwords off.
pub async fn accept_invitation(p: &Platform, token: &str, display_name: &str, new_password: &str, came: &Came) -> Result<Progress> {
    let (tenant, id) = store::linked(&p.db, &hash(token), "invitation").await?.ok_or_else(link_unknown)?;
    let (id, member) = (InvitationId(id), UserId::new());
    let cx = sessions::person(tenant, member);
    let mut tx = p.db.read(&cx).await?;
    let row = store::invitations(&mut tx, Some(id), None, 1).await?.pop().map(Invitation::from).ok_or_else(link_unknown)?;
    if !tenancy::policy_in(&mut tx).await?.password_sign_in {
        return Err(passwords_off());
    }
    tx.end().await?;
    let new = NewUser { display_name: display_name.to_owned(), email: row.email, password: new_password.to_owned(), roles: row.roles };
    let new = accounts::validate(new)?;
    let hashed = password::hash(p, new.password.clone()).await?;
    let mut tx = p.db.write(&cx).await?;
    if store::end_token(&mut tx, "invitation", id.0).await?.is_empty() || !store::accept_invitation(&mut tx, id).await? {
        return Err(link_unknown());
    }
    store::insert_member(&mut tx, member, &new, "person", Some(&hashed), password::is_long(&new.password)).await?;
    let mut entries = vec![
        AuditEntry::new(AuditAction::InvitationAccepted, "invitation", id),
        AuditEntry::new(AuditAction::UserCreated, "user", member).fields(&["email", "display_name", "roles"]),
    ];
    if new.roles.contains(&Role::TenantAdmin) {
        entries.push(AuditEntry::new(AuditAction::AdminGranted, "user", member));
    }
    tx.commit_all(entries).await?;
    sessions::start(p, &cx, "password", came, None).await.map(Progress::Done)
}

/// Refuses what cannot be invited, field by field, and returns it tidied.
fn validate(mut new: NewInvitation) -> Result<NewInvitation> {
    let mut error = Error::invalid("invitation.invalid", "Some fields need another look. Nothing was stored.");
    new.email = accounts::tidy_email(&new.email);
    new.display_name = new.display_name.trim().to_owned();
    if !accounts::is_email(&new.email) || new.email.ends_with(".invalid") {
        error = error.with_field("/email", "Write an e-mail address such as name@example.org.");
    }
    if !new.display_name.is_empty() && !accounts::is_name(&new.display_name) {
        error = error.with_field("/display_name", "Write a name of at most 120 characters, or none.");
    }
    match members::valid_roles(new.roles.clone()) {
        Ok(roles) => new.roles = roles,
        Err(_) => error = error.with_field("/roles", "Give at least one role."),
    }
    if error.fields().is_empty() { Ok(new) } else { Err(error) }
}

async fn not_a_member(tx: &mut TenantTx<Write>, email: &str) -> Result<()> {
    if store::is_member_email(tx, email).await? {
        return Err(Error::conflict("user.email_taken", "Somebody in your organisation has this address already. Nothing was stored.")
            .with_field("/email", "Use another address."));
    }
    Ok(())
}

fn passwords_off() -> Error {
    Error::conflict(
        "invitation.passwords_off",
        "This organisation accepts no passwords: people sign in through its single sign-on, which makes their accounts. Nothing was stored.",
    )
}

fn unknown() -> Error {
    Error::not_found("invitation.unknown", "There is no such invitation, or it was taken up or revoked already.")
}

fn link_unknown() -> Error {
    Error::not_found(
        "invitation.link_unknown",
        "This invitation does not work: it was used, taken back, replaced by a newer one, or is older than seven days. Ask whoever invited you for a new one.",
    )
}
