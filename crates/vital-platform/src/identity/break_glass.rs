//! Break-glass: how an operator of the installation comes to see an organisation's data, when nothing else helps.
//!
//! **Invariants:** an opening has a person, a reason and at most an hour; it reads and changes nothing, whatever its roles; every active
//! administrator of the organisation is told; somebody of the organisation reviews it afterwards, and never the operator. Each opening is an
//! account of its own, which ends with it, so the audit trail tells openings apart.

use super::{NewUser, Token, hash, notice as notices, sessions, store};
use crate::Platform;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{
    AuditAction, AuditEntry, BreakGlassId, Error, Kind, OpContext, Permission, Result, Role, Scopes, SessionId, TenantId, UserId, limits,
    now,
};

/// What an operator may do in an organisation: read.
const READING: [Permission; 12] = [
    Permission::ExpertRead,
    Permission::DocumentRead,
    Permission::UserRead,
    Permission::SettingsRead,
    Permission::ProviderRead,
    Permission::UsageRead,
    Permission::ToolRead,
    Permission::WebhookRead,
    Permission::PolicyRead,
    Permission::BreakGlassRead,
    Permission::AuditRead,
    Permission::ConversationRead,
];

/// The limits of an operator's account.
pub(super) fn reading() -> Scopes {
    READING.into_iter().collect()
}

/// An opening as the organisation sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Opening {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: BreakGlassId,
    /// Id of the operator's account: the actor in the audit trail.
    #[schema(value_type = uuid::Uuid)]
    pub member: UserId,
    /// The operator's name.
    pub operator: String,
    /// Why they came.
    pub reason: String,
    /// When it began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// When it ends at the latest (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// When it ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub closed_at: Option<OffsetDateTime>,
    /// Who reviewed it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub reviewed_by: Option<UserId>,
    /// When it was reviewed (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub reviewed_at: Option<OffsetDateTime>,
    /// What the reviewer wrote.
    pub review_note: Option<String>,
    /// Whether it has been waiting for its review for too long.
    pub overdue: bool,
}

impl From<store::OpeningRow> for Opening {
    fn from(r: store::OpeningRow) -> Self {
        let closed_at = r.closed_at.or(Some(r.ends_at).filter(|end| *end <= now()));
        Self {
            id: BreakGlassId(r.id),
            member: UserId(r.member_id),
            operator: r.operator,
            reason: r.reason,
            opened_at: r.opened_at,
            ends_at: r.ends_at,
            closed_at,
            reviewed_by: r.reviewed_by.map(UserId),
            reviewed_at: r.reviewed_at,
            review_note: r.review_note,
            overdue: r.reviewed_at.is_none() && closed_at.is_some_and(|at| now() - at > limits::BREAK_GLASS_REVIEW),
        }
    }
}

/// What the operator gets; the token is shown once.
#[derive(Debug)]
pub struct Opened {
    /// The opening.
    pub id: BreakGlassId,
    /// The token of the session.
    pub token: Token,
    /// When the access ends by itself.
    pub ends_at: OffsetDateTime,
    /// Administrators who were told by e-mail.
    pub told: usize,
    /// Administrators whose message did not leave.
    pub not_told: usize,
}

/// Opens an organisation for an operator, and tells its administrators. For the operator's command line.
///
/// # Errors
/// `Invalid` with a pointer per field; `Conflict` for a suspended organisation; `NotFound` for one that is not there.
pub async fn open(p: &Platform, tenant: TenantId, operator: &str, reason: &str, minutes: i64) -> Result<Opened> {
    let (operator, reason) = validate(operator, reason, minutes)?;
    let cx = super::operator_context(tenant);
    let (id, member, session, token) = (BreakGlassId::new(), UserId::new(), SessionId::new(), Token::generate());
    let (opened_at, ends_at) = (now(), now() + time::Duration::minutes(minutes));
    let account = NewUser {
        display_name: operator.to_owned(),
        email: format!("operator-{member}@operator.invalid"),
        password: String::new(),
        roles: vec![Role::Viewer, Role::Auditor],
    };
    let mut tx = p.db.write(&cx).await?;
    store::insert_member(&mut tx, member, &account, "operator", None, false).await?;
    store::insert_opening(&mut tx, id, &store::NewOpening { member, operator, reason, opened_at, ends_at }).await?;
    let new = store::NewSession {
        token_hash: &hash(token.reveal()),
        id: session,
        member,
        method: "break_glass",
        device: "vital break-glass",
        address: "",
        proved_at: None,
        ends_at: Some(ends_at),
    };
    if !store::insert_session(&mut tx, &new).await? {
        return Err(Error::conflict("tenant.suspended", "This organisation is suspended, so nobody can be let in. Nothing was stored."));
    }
    let (organisation, admins) = (store::organisation_name(&mut tx).await?, store::admin_emails(&mut tx).await?);
    // Both in one request: so the trail alone tells which opening an operator's account, the actor of all that follows, belongs to.
    tx.commit_all(vec![
        AuditEntry::new(AuditAction::BreakGlassOpened, "break_glass", id).fields(&["operator", "reason", "ends_at"]),
        AuditEntry::new(AuditAction::UserCreated, "user", member).fields(&["display_name", "roles"]),
    ])
    .await?;
    let text = notice(&organisation, operator, reason, ends_at, &p.site);
    let (told, not_told) = notices::tell(p, &admins, "An operator opened your organisation on VITAL Path", &text).await;
    Ok(Opened { id, token, ends_at, told, not_told })
}

fn validate<'a>(operator: &'a str, reason: &'a str, minutes: i64) -> Result<(&'a str, &'a str)> {
    let mut error = Error::invalid("break_glass.invalid", "The opening needs another look. Nothing was stored.");
    let (operator, reason) = (operator.trim(), reason.trim());
    let (least, most) = limits::BREAK_GLASS_REASON_CHARS;
    let most_minutes = limits::BREAK_GLASS_MAX.as_secs() / 60;
    if !super::accounts::is_name(operator) {
        error = error.with_field("/operator", "Give your name, in 1 to 120 characters.");
    }
    if !(least..=most).contains(&reason.chars().count()) || reason.contains(|c: char| c.is_control() && c != '\n') {
        error = error.with_field("/reason", format!("Say why, in {least} to {most} characters; the organisation reads it."));
    }
    if minutes < 1 || minutes.unsigned_abs() > most_minutes {
        error = error.with_field("/minutes", format!("Choose 1 to {most_minutes} minutes."));
    }
    if error.fields().is_empty() { Ok((operator, reason)) } else { Err(error) }
}

fn notice(organisation: &str, operator: &str, reason: &str, ends_at: OffsetDateTime, site: &str) -> String {
    format!(
        "An operator of this VITAL Path installation has opened {organisation} to read its data.\n\nWho: {operator}\nWhy: {reason}\nUntil: {} {} UTC\n\n\
         The access is read-only, ends by itself, and everything done with it is in your audit trail. To end it now, deactivate the operator's account \
         among your members. Afterwards an administrator or auditor of yours has to review it: {site}/settings/operator-access\n",
        ends_at.date(),
        format_args!("{:02}:{:02}", ends_at.hour(), ends_at.minute()),
    )
}

/// Ends an opening before its time. For the operator's command line.
///
/// # Errors
/// `NotFound` when there is no such opening, or it has ended.
pub async fn close(p: &Platform, tenant: TenantId, id: BreakGlassId) -> Result<()> {
    let cx = super::operator_context(tenant);
    let mut tx = p.db.write(&cx).await?;
    let member = store::close_opening(&mut tx, id, now()).await?.ok_or_else(unknown)?;
    let ended = store::end_sessions(&mut tx, member, None, None).await?;
    store::dismiss_operator(&mut tx, member).await?;
    tx.commit(AuditEntry::new(AuditAction::BreakGlassClosed, "break_glass", id)).await?;
    sessions::forget(p, &ended).await;
    Ok(())
}

/// Closes openings whose time is over: their sessions have ended by themselves, now their accounts go as well. Returns how many.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn close_ended(p: &Platform) -> Result<usize> {
    let mut closed = 0;
    for tenant in store::tenants_with_operators(&p.db).await? {
        let mut tx = p.db.read(&super::operator_context(tenant)).await?;
        let ended = store::ended_openings(&mut tx).await?;
        tx.end().await?;
        for id in ended {
            match close(p, tenant, id).await {
                Ok(()) => closed += 1,
                // Another process was quicker.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(closed)
}

/// Lists the openings of the organisation, newest first, from behind the id of the page before.
///
/// # Errors
/// `Forbidden` without the permission to see them.
pub async fn openings(p: &Platform, cx: &OpContext, before: Option<BreakGlassId>, limit: i64) -> Result<Vec<Opening>> {
    cx.require(Permission::BreakGlassRead)?;
    let rows = store::openings(&mut p.db.read(cx).await?, None, before, limit).await?;
    Ok(rows.into_iter().map(Opening::from).collect())
}

/// Signs off what an operator did, once the opening has ended.
///
/// # Errors
/// `Forbidden` without the permission or a recent proof of a second factor, and for operators; `Invalid` for a bad note; `Conflict` while it is
/// open or when it is reviewed already; `NotFound`.
pub async fn review(p: &Platform, cx: &OpContext, id: BreakGlassId, note: &str) -> Result<Opening> {
    cx.require(Permission::BreakGlassReview)?;
    cx.require_step_up()?;
    let (reviewer, note) = (cx.require_user()?, note.trim());
    if note.is_empty() || note.chars().count() > limits::REVIEW_NOTE_CHARS_MAX {
        let text = format!("Write what you found, in at most {} characters.", limits::REVIEW_NOTE_CHARS_MAX);
        return Err(Error::invalid("break_glass.note", "The review needs a note. Nothing was stored.").with_field("/note", text));
    }
    let mut tx = p.db.write(cx).await?;
    if store::account(&mut tx, reviewer).await?.is_none_or(|a| a.kind != "person") {
        return Err(Error::forbidden(
            "break_glass.not_yours",
            "Somebody of the organisation reviews this, not an operator. Nothing was stored.",
        ));
    }
    let found = store::openings(&mut tx, Some(id), None, 1).await?.pop().map(Opening::from).ok_or_else(unknown)?;
    if found.closed_at.is_none() {
        return Err(Error::conflict("break_glass.open", "The opening has not ended yet, so it cannot be reviewed. Nothing was stored."));
    }
    if !store::review_opening(&mut tx, id, reviewer, note).await? {
        return Err(Error::conflict("break_glass.reviewed", "This opening is reviewed already. Nothing was stored."));
    }
    let reviewed = store::openings(&mut tx, Some(id), None, 1).await?.pop().map(Opening::from).ok_or_else(unknown)?;
    tx.commit(AuditEntry::new(AuditAction::BreakGlassReviewed, "break_glass", id).fields(&["review_note"])).await?;
    Ok(reviewed)
}

fn unknown() -> Error {
    Error::not_found("break_glass.unknown", "There is no such opening, or it has ended.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_kernel::RoleSet;

    #[test]
    fn an_operator_holds_every_reading_and_no_changing_permission() {
        let roles = RoleSet::from_iter([Role::Viewer, Role::Auditor]);
        for permission in Permission::ALL {
            let reads = permission.as_str().ends_with(".read");
            assert_eq!(reading().has(permission), reads, "{permission}");
            assert!(!reads || permission.held_by(roles), "{permission} is not among the roles of an operator");
        }
    }

    #[test]
    fn an_opening_needs_a_name_a_reason_and_at_most_an_hour() {
        let reason = "Restoring the index after a failed disk, ticket 4711.";
        assert!(validate("Ada Operator", reason, 60).is_ok());
        for (operator, reason, minutes, pointer) in [
            (" ", reason, 30, "/operator"),
            ("Ada", "too short", 30, "/reason"),
            ("Ada", &"x".repeat(1_001), 30, "/reason"),
            ("Ada", reason, 0, "/minutes"),
            ("Ada", reason, 61, "/minutes"),
            ("Ada", reason, i64::MIN, "/minutes"),
        ] {
            assert_eq!(validate(operator, reason, minutes).unwrap_err().fields()[0].pointer, pointer);
        }
    }
}
