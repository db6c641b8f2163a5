//! Signing in: a password, then a second factor where the account has one; or a passkey alone, which is both. And stepping up.
//!
//! **Invariants:** every refusal of a first step reads and costs the same; a half-finished sign-in is single-use, ends after five minutes or
//! five wrong codes, and gives no access; failures count per account wherever they come from.

use super::{Caller, Came, Factor, FactorKind, Token, accounts, factors, hash, password, sessions, store};
use crate::Platform;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Result, TenantId, UserId, limits, now};

/// Credentials as they came in; they are never printed.
#[derive(Clone)]
pub struct SignIn {
    /// The address typed.
    pub email: String,
    /// The password typed.
    pub password: String,
    /// Where they come from.
    pub came: Came,
}

/// How far a sign-in has come.
#[derive(Debug)]
pub enum Progress {
    /// Signed in.
    Done(Token),
    /// The password was right; a second factor is needed.
    SecondFactor(Pending),
}

impl Progress {
    /// The session's token.
    ///
    /// # Errors
    /// `Unauthenticated` where a second factor is still needed.
    pub fn done(self) -> Result<Token> {
        match self {
            Self::Done(token) => Ok(token),
            Self::SecondFactor(_) => {
                Err(Error::unauthenticated("sign_in.second_factor_needed", "This account also needs its second factor to sign in."))
            }
        }
    }
}

/// A sign-in that waits for its second factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pending {
    /// Names this sign-in; good for five minutes and five attempts.
    pub ticket: String,
    /// What can be given.
    pub methods: Vec<FactorKind>,
    /// What the browser hands to `navigator.credentials.get`, where the account has a passkey.
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Value>,
}

/// Proof of a second factor; it is never printed.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// A code of an authenticator app.
    Totp(String),
    /// One of the recovery codes.
    RecoveryCode(String),
    /// The browser's answer for a passkey.
    #[schema(value_type = Object)]
    Passkey(Value),
}

/// Signs a person in by address and password.
///
/// # Errors
/// `Unauthenticated` with one text for every wrong pair of address and password; `RateLimited` after too many of them.
pub async fn sign_in(p: &Platform, given: SignIn) -> Result<Progress> {
    let email = accounts::tidy_email(&given.email);
    p.throttle.admit_account(&email)?;
    let login = if email.len() <= 254 { store::login(&p.db, &email).await? } else { None };
    let stored = login.as_ref().filter(|l| l.password_sign_in).and_then(|l| l.password_hash.clone());
    let verdict = password::verify(p, given.password.clone(), stored).await?;
    if verdict == password::Verdict::Wrong {
        if let Some(login) = &login {
            note_failure(p, TenantId(login.tenant), UserId(login.user_id), "password", p.throttle.is_waiting(&email));
        }
        return Err(refused());
    }
    let Some(login) = login else { return Err(refused()) };
    let (cx, member) = (sessions::person(TenantId(login.tenant), UserId(login.user_id)), UserId(login.user_id));
    let mut tx = p.db.read(&cx).await?;
    let account = store::account(&mut tx, member).await?;
    let known = factors::confirmed(p, &mut tx, member).await?;
    tx.end().await?;
    if !account.is_some_and(|a| a.active && a.kind == "person") {
        return Err(refused());
    }
    if verdict == password::Verdict::RightButStale {
        rehash(p, &cx, member, given.password).await?;
    }
    if known.is_empty() {
        if !login.long_password {
            return Err(Error::unauthenticated(
                "sign_in.password_too_short",
                "Your password is too short to stand without a second factor. Ask for a new password and choose a longer one.",
            ));
        }
        p.throttle.succeeded(&email);
        return sessions::start(p, &cx, "password", &given.came, None).await.map(Progress::Done);
    }
    pending(p, &cx, member, &known, "password").await.map(Progress::SecondFactor)
}

/// Records that somebody failed to sign in to an account, and that the account has to wait now. By a task of its own: the refusal takes as long
/// as that of an address nobody has, and nothing but the attempt itself could be rolled back with it.
fn note_failure(p: &Platform, tenant: TenantId, member: UserId, what: &'static str, waits: bool) {
    let Some(p) = p.this() else { return };
    let tasks = p.tasks.clone();
    tasks.spawn(async move {
        // Whoever tried has not proven to be the member, so the entry names no actor.
        let mut entries = vec![AuditEntry::new(AuditAction::SignInFailed, "user", member).fields(&[what])];
        if waits {
            entries.push(AuditEntry::new(AuditAction::LockedOut, "user", member));
        }
        let stored = match p.db.write(&super::operator_context(tenant)).await {
            Ok(tx) => tx.commit_all(entries).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, %tenant, user = %member, "a failed sign-in could not be recorded");
        }
    });
}

async fn rehash(p: &Platform, cx: &OpContext, member: UserId, given: String) -> Result<()> {
    let long = password::is_long(&given);
    let hashed = password::hash(p, given).await?;
    let mut tx = p.db.write(cx).await?;
    store::set_password(&mut tx, member, &hashed, long).await?;
    tx.commit(AuditEntry::new(AuditAction::UserChanged, "user", member).fields(&["password_parameters"])).await
}

/// Waits for the second factor of somebody whose first step went by `method`.
pub(super) async fn pending(p: &Platform, cx: &OpContext, member: UserId, known: &[Factor], method: &str) -> Result<Pending> {
    let asked = factors::ask_passkey(p, known)?;
    let (options, state) = asked.map_or((None, Value::Null), |(options, state)| (Some(options), Value::String(state)));
    let ticket = Token::generate();
    let ceremony = store::Ceremony { tenant: Some(cx.tenant()), user: Some(member), state: json!({ "passkey": state, "method": method }) };
    store::insert_ceremony(&p.db, &hash(ticket.reveal()), "second_factor", &ceremony, limits::CEREMONY).await?;
    let mut methods: Vec<FactorKind> = known.iter().map(|f| f.kind).collect();
    methods.push(FactorKind::RecoveryCode);
    methods.sort_unstable();
    methods.dedup();
    Ok(Pending { ticket: ticket.reveal().to_owned(), methods, passkey: options })
}

/// Finishes a sign-in with the second factor.
///
/// # Errors
/// `Unauthenticated` for a wrong proof or a ticket that is used up; `RateLimited` after too many wrong proofs of one account.
pub async fn second_factor(p: &Platform, ticket: &str, proof: Proof, came: &Came) -> Result<Token> {
    let ceremony = store::try_ceremony(&p.db, &hash(ticket), "second_factor", limits::CODE_ATTEMPTS_MAX).await?.ok_or_else(|| {
        Error::unauthenticated(
            "sign_in.ticket_gone",
            "This sign-in took too long or had too many wrong codes. Begin again with your password.",
        )
    })?;
    let (Some(tenant), Some(member)) = (ceremony.tenant, ceremony.user) else { return Err(refused()) };
    let cx = sessions::person(tenant, member);
    if let Err(error) = factors::prove(p, &cx, member, proof, ceremony.state["passkey"].as_str()).await {
        if error.code() == "second_factor.refused" {
            note_failure(p, tenant, member, "second_factor", p.throttle.is_waiting(&factors::throttled(member)));
        }
        return Err(error);
    }
    if store::take_ceremony(&p.db, &hash(ticket), "second_factor").await?.is_none() {
        return Err(refused());
    }
    let mut tx = p.db.read(&cx).await?;
    let account = store::account(&mut tx, member).await?.filter(|a| a.active).ok_or_else(refused)?;
    tx.end().await?;
    p.throttle.succeeded(&account.email);
    let method = if ceremony.state["method"] == "sso" { "sso" } else { "password" };
    sessions::start(p, &cx, method, came, Some(now())).await
}

/// Begins a sign-in with a passkey and nothing else: ticket, and what the browser hands to `navigator.credentials.get`.
///
/// # Errors
/// `Invalid` where the site's address does not allow passkeys.
pub async fn passkey_sign_in_options(p: &Platform) -> Result<(Token, Value)> {
    let (options, state) = factors::ask_any_passkey(p)?;
    let ticket = Token::generate();
    let ceremony = store::Ceremony { tenant: None, user: None, state: Value::String(state) };
    store::insert_ceremony(&p.db, &hash(ticket.reveal()), "passkey_sign_in", &ceremony, limits::CEREMONY).await?;
    Ok((ticket, options))
}

/// Finishes a sign-in with a passkey.
///
/// # Errors
/// `Unauthenticated` with one text for whatever does not fit.
pub async fn passkey_sign_in(p: &Platform, ticket: &str, credential: &Value, came: &Came) -> Result<Token> {
    let ceremony = store::take_ceremony(&p.db, &hash(ticket), "passkey_sign_in").await?.ok_or_else(passkey_refused)?;
    let id = factors::credential_id(credential).ok_or_else(passkey_refused)?;
    let (tenant, member) = store::passkey_owner(&p.db, &id).await?.ok_or_else(passkey_refused)?;
    let cx = sessions::person(tenant, member);
    let mut tx = p.db.read(&cx).await?;
    let account = store::account(&mut tx, member).await?;
    tx.end().await?;
    if !account.is_some_and(|a| a.active && a.kind == "person") {
        return Err(passkey_refused());
    }
    let state = ceremony.state.as_str().unwrap_or_default();
    factors::prove(p, &cx, member, Proof::Passkey(credential.clone()), Some(state)).await.map_err(|_| passkey_refused())?;
    sessions::start(p, &cx, "passkey", came, Some(now())).await
}

/// Begins stepping up with a passkey: ticket, and what the browser hands to `navigator.credentials.get`.
///
/// # Errors
/// `NotFound` where the caller has no passkey.
pub async fn step_up_options(p: &Platform, caller: &Caller) -> Result<(Token, Value)> {
    let member = caller.cx.require_user()?;
    let known = factors::confirmed(p, &mut p.db.read(&caller.cx).await?, member).await?;
    let (options, state) = factors::ask_passkey(p, &known)?
        .ok_or_else(|| Error::not_found("passkey.none", "You have no passkey here. Use a code of your authenticator app."))?;
    let ticket = Token::generate();
    let ceremony = store::Ceremony { tenant: Some(caller.cx.tenant()), user: Some(member), state: Value::String(state) };
    store::insert_ceremony(&p.db, &hash(ticket.reveal()), "passkey_step_up", &ceremony, limits::CEREMONY).await?;
    Ok((ticket, options))
}

/// Proves the caller's second factor for the next five minutes. The session gets a new token. `ticket` goes with a passkey.
///
/// # Errors
/// `Forbidden` for a wrong proof or an account without a second factor; `RateLimited` after too many wrong ones.
pub async fn step_up(p: &Platform, caller: &Caller, proof: Proof, ticket: Option<&str>) -> Result<Token> {
    let member = caller.cx.require_user()?;
    if caller.session().is_none() {
        caller.cx.require_step_up()?;
    }
    if !caller.has_factor {
        return Err(Error::forbidden(
            "step_up.no_factor",
            "You have no second factor yet. Add an authenticator app or a passkey under Settings, Security, then do this again. Nothing was changed.",
        ));
    }
    let state = match (ticket, &proof) {
        (Some(ticket), Proof::Passkey(_)) => {
            let found = store::take_ceremony(&p.db, &hash(ticket), "passkey_step_up").await?;
            found.filter(|c| c.user == Some(member)).and_then(|c| c.state.as_str().map(str::to_owned))
        }
        _ => None,
    };
    factors::prove(p, &caller.cx, member, proof, state.as_deref())
        .await
        .map_err(|e| if e.code() == "second_factor.refused" { Error::forbidden("step_up.refused", e.detail()) } else { e })?;
    sessions::rotate(p, caller, Some(now()), AuditEntry::new(AuditAction::SteppedUp, "user", member)).await
}

fn refused() -> Error {
    Error::unauthenticated("sign_in.failed", "This address and password do not match. Check both and try again.")
}

fn passkey_refused() -> Error {
    Error::unauthenticated("sign_in.passkey_failed", "This passkey was not accepted here. Try again, or sign in with your password.")
}
