//! Who is who: first-run set-up, sign-in with a password, server-side sessions.
//!
//! **Invariants:** tokens are 256 random bits and only their SHA-256 is stored; an unknown address costs the same work and gets the same
//! reply as a wrong password; no account has a password that its owner did not choose.

mod password;
mod store;
mod throttle;

use crate::{Platform, tenancy};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::RngCore as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{net::IpAddr, time::Duration};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{
    Actor, AuditAction, AuditEntry, Error, OpContext, Origin, Permission, RequestId, Result, Role, RoleSet, SessionId, TenantId, UserId,
    limits, now,
};

pub use throttle::Throttle;

/// A secret token: 256 random bits, shown once and stored as a hash.
pub struct Token(String);

impl Token {
    fn generate() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token itself, for the cookie, the link or the credentials file.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The context of their operations.
    pub cx: OpContext,
    /// Their session.
    pub session: SessionId,
    /// Their name.
    pub display_name: String,
    /// Their address.
    pub email: String,
    /// When the session ends unless it is used before.
    pub ends_at: OffsetDateTime,
}

/// The person behind a session, as the API shows them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    /// Id of the person.
    pub id: Uuid,
    /// Id of their organisation.
    pub tenant: Uuid,
    /// Their name.
    pub display_name: String,
    /// Their address.
    pub email: String,
    /// Their roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// When the session ends unless it is used before (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub session_ends_at: OffsetDateTime,
}

impl Caller {
    /// What the API shows of the person.
    #[must_use]
    pub fn me(&self) -> Me {
        Me {
            id: self.cx.user().map(|u| u.0).unwrap_or_default(),
            tenant: self.cx.tenant().0,
            display_name: self.display_name.clone(),
            email: self.email.clone(),
            roles: self.cx.roles().iter().collect(),
            session_ends_at: self.ends_at,
        }
    }
}

/// A new person.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their name.
    pub display_name: String,
    /// Their address; unique in the installation.
    pub email: String,
    /// Their first password.
    pub password: String,
    /// Their roles, at least one.
    pub roles: Vec<Role>,
}

/// Credentials as they came in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The address typed.
    pub email: String,
    /// The password typed.
    pub password: String,
    /// Where the request came from.
    pub address: IpAddr,
}

/// Resolves a session token to a caller.
///
/// # Errors
/// `Unauthenticated` when the session does not exist, has ended or its member is no longer active.
#[expect(clippy::disallowed_methods, reason = "this is where sessions become contexts")]
pub async fn authenticate(p: &Platform, token: &str, request: RequestId) -> Result<Caller> {
    let found = store::session_context(&p.db, &hash(token)).await?;
    let s = found.ok_or_else(|| {
        Error::unauthenticated("session.none", "You are not signed in, or your session has ended. Sign in and try again.")
    })?;
    let roles: RoleSet = s.roles.iter().filter_map(|r| r.parse::<Role>().ok()).collect();
    let cx = OpContext::establish(Origin::Session, TenantId(s.tenant), Actor::User(UserId(s.user_id)), roles, request);
    Ok(Caller { cx, session: SessionId(s.session_id), display_name: s.display_name, email: s.email, ends_at: s.ends_at })
}

/// Signs a person in and returns the token of their new session.
///
/// # Errors
/// `Unauthenticated` with one text for every wrong pair of address and password; `RateLimited` after too many of them.
pub async fn sign_in(p: &Platform, given: SignIn) -> Result<Token> {
    let email = given.email.trim().to_lowercase();
    p.throttle.admit(&email, given.address)?;
    let login = if given.password.len() <= limits::PASSWORD_BYTES_MAX { store::login(&p.db, &email).await? } else { None };
    let right = password::verify(p, given.password, login.as_ref().map(|l| l.password_hash.clone())).await?;
    let Some(login) = login.filter(|_| right) else {
        p.throttle.failed(&email);
        return Err(Error::unauthenticated("sign_in.failed", "This address and password do not match. Check both and try again."));
    };
    p.throttle.succeeded(&email);
    start_session(p, TenantId(login.tenant), UserId(login.user_id)).await
}

/// Ends the caller's session.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn sign_out(p: &Platform, caller: &Caller) -> Result<()> {
    store::end_session(&p.db, caller.session).await?;
    p.db.write(&caller.cx).await?.commit(AuditEntry::new(AuditAction::SignedOut, "session", caller.session)).await
}

/// Tells whether the installation has no tenant yet.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn setup_pending(p: &Platform) -> Result<bool> {
    Ok(!tenancy::any(p).await?)
}

/// Makes a new one-time link token for first-run set-up; older ones stop working.
///
/// # Errors
/// `Conflict` when set-up is done.
pub async fn issue_setup_link(p: &Platform) -> Result<Token> {
    if !setup_pending(p).await? {
        return Err(setup_done());
    }
    let token = Token::generate();
    store::replace_setup_link(&p.db, &hash(token.reveal()), limits::SETUP_LINK).await?;
    Ok(token)
}

/// Tells whether a set-up link still works.
///
/// # Errors
/// `Conflict` when set-up is done, `NotFound` when the link is unknown or too old.
pub async fn check_setup_link(p: &Platform, token: &str) -> Result<()> {
    if !setup_pending(p).await? {
        return Err(setup_done());
    }
    if store::setup_link_valid(&p.db, &hash(token)).await? { Ok(()) } else { Err(setup_link_unknown()) }
}

/// Creates the first tenant and its administrator, and signs them in. The link works once.
///
/// # Errors
/// `Conflict` when set-up is done, `NotFound` when the link does not work, `Invalid` with a pointer per field.
pub async fn complete_setup(p: &Platform, token: &str, organisation: &str, admin: NewUser) -> Result<Token> {
    check_setup_link(p, token).await?;
    let admin = validate(NewUser { roles: vec![Role::TenantAdmin, Role::Member], ..admin })?;
    tenancy::validate_name(organisation)?;
    let hashed = password::hash(p, admin.password.clone()).await?;
    if !store::consume_setup_link(&p.db, &hash(token)).await? {
        return Err(setup_link_unknown());
    }
    let tenant = tenancy::create_tenant(p, organisation).await?;
    let user = insert_user(p, &operator_context(tenant), &admin, &hashed).await?;
    tenancy::await_seeding(p, tenant).await?;
    start_session(p, tenant, user).await
}

/// Creates a person in the context's tenant.
///
/// # Errors
/// `Invalid` with a pointer per field; `Conflict` when the address is taken.
pub async fn create_user(p: &Platform, cx: &OpContext, new: NewUser) -> Result<UserId> {
    cx.require(Permission::UserWrite)?;
    let new = validate(new)?;
    let hashed = password::hash(p, new.password.clone()).await?;
    insert_user(p, cx, &new, &hashed).await
}

/// The context of operator verbs on one tenant, for the command line.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "operator verbs act for a tenant without a session")]
pub fn operator_context(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Operator, tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
}

async fn insert_user(p: &Platform, cx: &OpContext, new: &NewUser, hashed: &str) -> Result<UserId> {
    let id = UserId::new();
    let mut tx = p.db.write(cx).await?;
    store::insert_member(&mut tx, id, new, hashed).await?;
    tx.commit(AuditEntry::new(AuditAction::UserCreated, "user", id).fields(&["email", "display_name", "roles"])).await?;
    Ok(id)
}

async fn start_session(p: &Platform, tenant: TenantId, user: UserId) -> Result<Token> {
    let (token, session) = (Token::generate(), SessionId::new());
    store::insert_session(&p.db, &hash(token.reveal()), session, tenant, user, now() + limits::SESSION_ABSOLUTE).await?;
    #[expect(clippy::disallowed_methods, reason = "the person has just proved who they are")]
    let cx = OpContext::establish(Origin::Session, tenant, Actor::User(user), RoleSet::default(), RequestId::new());
    p.db.write(&cx).await?.commit(AuditEntry::new(AuditAction::SignedIn, "session", session)).await?;
    Ok(token)
}

fn validate(mut new: NewUser) -> Result<NewUser> {
    let mut error = Error::invalid("user.invalid", "Some fields need another look. Nothing was stored.");
    new.email = new.email.trim().to_lowercase();
    new.display_name = new.display_name.trim().to_owned();
    let email_ok = new.email.len() <= 254
        && new.email.split_once('@').is_some_and(|(l, d)| !l.is_empty() && d.contains('.') && !new.email.contains(char::is_whitespace));
    if !email_ok {
        error = error.with_field("/email", "Write an e-mail address such as name@example.org.");
    }
    if new.display_name.is_empty() || new.display_name.chars().count() > 120 {
        error = error.with_field("/display_name", "Write a name of 1 to 120 characters.");
    }
    if let Err(why) = password::acceptable(&new.password, &new.email) {
        error = error.with_field("/password", why);
    }
    if new.roles.is_empty() {
        error = error.with_field("/roles", "Give at least one role.");
    }
    if error.fields().is_empty() { Ok(new) } else { Err(error) }
}

fn setup_done() -> Error {
    Error::conflict("setup.done", "This installation is set up already. Sign in instead.")
}

fn setup_link_unknown() -> Error {
    Error::not_found(
        "setup.link_unknown",
        "This set-up link does not work: it was used, replaced by a newer one, or is older than 24 hours. Restart the server to have a new one printed.",
    )
}

/// How long a session may rest, for the store.
const IDLE: Duration = limits::SESSION_IDLE;
