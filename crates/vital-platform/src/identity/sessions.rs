//! Sessions: starting one, listing them, ending them, giving one a new token, and stepping up.
//!
//! **Invariants:** a session belongs to one sign-in of one person; its token changes whenever what it may do grows; ending it works at once
//! on this node and within a second on every other.

use super::{Caller, Came, Credential, Token, hash, store};
use crate::Platform;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{
    Actor, AuditAction, AuditEntry, Error, OpContext, Origin, Permission, RequestId, Result, RoleSet, SessionId, TenantId, UserId,
};

/// One sign-in of a person, as they see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Session {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// How the person signed in: `password`, `passkey`, `sso` or `break_glass`.
    pub method: String,
    /// What the browser or program called itself.
    pub device: String,
    /// Where it came from.
    pub address: String,
    /// When it began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last used, to the minute (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub seen_at: OffsetDateTime,
    /// When it ends unless it is used before (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// When a second factor was last proven in it (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub proved_at: Option<OffsetDateTime>,
}

/// Lists the caller's sessions, last used first.
///
/// # Errors
/// `Unauthenticated` where nobody is behind the call.
pub async fn sessions(p: &Platform, caller: &Caller) -> Result<Vec<Session>> {
    caller.cx.require(Permission::ProfileWrite)?;
    let member = caller.cx.require_user()?;
    let rows = store::sessions(&mut p.db.read(&caller.cx).await?, member).await?;
    let current = caller.session();
    Ok(rows
        .into_iter()
        .map(|r| Session {
            current: Some(SessionId(r.id)) == current,
            id: SessionId(r.id),
            method: r.method,
            device: r.device,
            address: r.address,
            created_at: r.created_at,
            seen_at: r.seen_at,
            ends_at: r.ends_at,
            proved_at: r.proved_at,
        })
        .collect())
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// `NotFound` when the caller has no such session.
pub async fn revoke_session(p: &Platform, cx: &OpContext, session: SessionId) -> Result<()> {
    cx.require(Permission::ProfileWrite)?;
    let mut tx = p.db.write(cx).await?;
    let ended = store::end_sessions(&mut tx, cx.require_user()?, Some(session), None).await?;
    if ended.is_empty() {
        return Err(Error::not_found("session.unknown", "There is no such session, or it has ended already."));
    }
    tx.commit(AuditEntry::new(AuditAction::SessionRevoked, "session", session)).await?;
    forget(p, &ended).await;
    Ok(())
}

/// Ends all of the caller's sessions but the one that asks. Returns how many.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn revoke_other_sessions(p: &Platform, caller: &Caller) -> Result<usize> {
    caller.cx.require(Permission::ProfileWrite)?;
    let member = caller.cx.require_user()?;
    let mut tx = p.db.write(&caller.cx).await?;
    let ended = store::end_sessions(&mut tx, member, None, caller.session()).await?;
    tx.commit(AuditEntry::new(AuditAction::SessionRevoked, "user", member)).await?;
    forget(p, &ended).await;
    Ok(ended.len())
}

/// Ends the caller's session.
///
/// # Errors
/// `Invalid` for a caller with a key: a key is revoked, not signed out.
pub async fn sign_out(p: &Platform, caller: &Caller) -> Result<()> {
    let Credential::Session(session) = caller.credential else {
        return Err(Error::invalid("session.not_one", "A key has no session to end. Revoke the key instead."));
    };
    let mut tx = p.db.write(&caller.cx).await?;
    let ended = store::end_sessions(&mut tx, caller.cx.require_user()?, Some(session), None).await?;
    tx.commit(AuditEntry::new(AuditAction::SignedOut, "session", session)).await?;
    forget(p, &ended).await;
    Ok(())
}

/// The context of somebody who has just proved who they are: for starting the session and nothing else.
#[expect(clippy::disallowed_methods, reason = "the person has just proved who they are")]
pub(super) fn person(tenant: TenantId, user: UserId) -> OpContext {
    OpContext::establish(Origin::Session, tenant, Actor::User(user), RoleSet::default(), RequestId::new())
}

/// Starts a session and returns its token.
pub(super) async fn start(p: &Platform, cx: &OpContext, method: &str, came: &Came, proved_at: Option<OffsetDateTime>) -> Result<Token> {
    if came.domain_of.is_some_and(|tenant| tenant != cx.tenant()) {
        return Err(Error::unauthenticated(
            "sign_in.other_organisation",
            "This address belongs to another organisation than your account. You are not signed in; use the address of your own organisation.",
        ));
    }
    let (token, id) = (Token::generate(), SessionId::new());
    let device: String = came.device.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut tx = p.db.write(cx).await?;
    let new = store::NewSession {
        token_hash: &hash(token.reveal()),
        id,
        member: cx.require_user()?,
        method,
        device: &device,
        address: &came.address.to_string(),
        proved_at,
        ends_at: None,
    };
    if !store::insert_session(&mut tx, &new).await? {
        return Err(Error::forbidden("tenant.suspended", "Your organisation is suspended here. Ask whoever runs this installation."));
    }
    tx.commit(AuditEntry::new(AuditAction::SignedIn, "session", id)).await?;
    store::purge_sessions(&p.db).await?;
    Ok(token)
}

/// Gives the caller's session a new token, because what it may do has grown; the old token stops working.
pub(super) async fn rotate(p: &Platform, caller: &Caller, proved_at: Option<OffsetDateTime>, entry: AuditEntry) -> Result<Token> {
    let gone = || Error::unauthenticated("session.none", "Your session has ended. Sign in and try again.");
    let session = caller.session().ok_or_else(gone)?;
    let token = Token::generate();
    let mut tx = p.db.write(&caller.cx).await?;
    let old = store::rotate_session(&mut tx, caller.cx.require_user()?, session, &hash(token.reveal()), proved_at).await?;
    let old = old.ok_or_else(gone)?;
    tx.commit(entry).await?;
    forget(p, &[old]).await;
    Ok(token)
}

/// Forgets tokens that have just stopped working.
pub(super) async fn forget(p: &Platform, token_hashes: &[Vec<u8>]) {
    for hash in token_hashes {
        p.remembered.forget(hash).await;
    }
}
