//! Second factors: authenticator apps, passkeys, recovery codes. Enrolling, proving, removing.
//!
//! **Invariants:** a code is good once, also for two requests at the same moment: the accepted time step only grows, in one statement;
//! adding or removing a factor needs a recent proof (of a factor where there is one, of the password where there is none).

use super::{Caller, Proof, Token, hash, password, sessions, store};
use crate::Platform;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_credentials::{
    passkey::{self, Ceremony as Asked, PasskeyError, PasskeyUser, RelyingParty, StoredPasskey},
    recovery, totp,
};
use vital_kernel::{AuditAction, AuditEntry, Error, FactorId, OpContext, Permission, Result, SessionId, UserId, limits, now};
use vital_keys::Place;
use vital_store::{TenantTx, Unaudited};

/// What kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// A passkey.
    Passkey,
    /// An authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

/// A second factor of a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Factor {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: FactorId,
    /// Its kind.
    pub kind: FactorKind,
    /// The name its owner gave it.
    pub name: String,
    /// When it was added (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last used (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub used_at: Option<OffsetDateTime>,
    #[serde(skip)]
    pub(super) passkey: Option<StoredPasskey>,
    #[serde(skip)]
    pub(super) secret: Option<Vec<u8>>,
    #[serde(skip)]
    pub(super) last_step: Option<i64>,
}

/// An authenticator app about to be added: shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolment {
    /// Id of the factor, for the confirmation.
    #[schema(value_type = uuid::Uuid)]
    pub id: FactorId,
    /// The seed in base32, for typing.
    pub secret: String,
    /// The `otpauth` address.
    pub uri: String,
    /// The same as a QR code (SVG).
    pub qr_svg: String,
}

/// A passkey about to be added.
#[derive(Debug, Serialize, ToSchema)]
pub struct PasskeyOptions {
    /// Names this registration.
    pub ticket: String,
    /// What the browser hands to `navigator.credentials.create` or `get`.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// Lists the caller's second factors.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn factors(p: &Platform, cx: &OpContext) -> Result<Vec<Factor>> {
    cx.require(Permission::ProfileWrite)?;
    let mut tx = p.db.read(cx).await?;
    confirmed(p, &mut tx, cx.require_user()?).await
}

/// How many unused recovery codes the caller has.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn recovery_codes_left(p: &Platform, cx: &OpContext) -> Result<i64> {
    cx.require(Permission::ProfileWrite)?;
    store::recovery_codes_left(&mut p.db.read(cx).await?, cx.require_user()?).await
}

pub(super) async fn confirmed<M>(_p: &Platform, tx: &mut TenantTx<M>, member: UserId) -> Result<Vec<Factor>> {
    let rows = store::factors(tx, member).await?;
    rows.into_iter()
        .map(|r| {
            Ok(Factor {
                id: FactorId(r.id),
                kind: if r.kind == "totp" { FactorKind::Totp } else { FactorKind::Passkey },
                name: r.name,
                created_at: r.created_at,
                used_at: r.used_at,
                passkey: r.passkey.map(serde_json::from_value).transpose().map_err(Error::internal)?,
                secret: r.secret,
                last_step: r.last_step,
            })
        })
        .collect()
}

/// Adding or removing a factor: the person proves a factor they have, or their password where they have none.
async fn allow_change(p: &Platform, caller: &Caller, present_password: &str) -> Result<UserId> {
    caller.cx.require(Permission::ProfileWrite)?;
    let member = caller.cx.require_user()?;
    if caller.has_factor {
        caller.cx.require_step_up()?;
        return Ok(member);
    }
    if caller.session().is_none() {
        caller.cx.require_step_up()?;
    }
    p.throttle.admit_account(&caller.email)?;
    let stored = store::password(&mut p.db.read(&caller.cx).await?, member).await?.and_then(|s| s.password_hash);
    let Some(stored) = stored else {
        p.throttle.succeeded(&caller.email);
        return if signed_in_just_now(p, caller, member).await? { Ok(member) } else { Err(sign_in_again()) };
    };
    if password::verify(p, present_password.to_owned(), Some(stored)).await? == password::Verdict::Wrong {
        return Err(Error::forbidden("password.wrong", "The password is not right. Nothing was changed.")
            .with_field("/password", "Write the password you use now."));
    }
    p.throttle.succeeded(&caller.email);
    Ok(member)
}

/// Who signs in elsewhere has no password here: a fresh sign-in stands for it, because their provider has just vouched for them.
async fn signed_in_just_now(p: &Platform, caller: &Caller, member: UserId) -> Result<bool> {
    if caller.cx.stepped_up() {
        return Ok(true);
    }
    let sessions = store::sessions(&mut p.db.read(&caller.cx).await?, member).await?;
    Ok(sessions.iter().any(|s| Some(SessionId(s.id)) == caller.session() && now() - s.created_at < limits::STEP_UP))
}

fn sign_in_again() -> Error {
    Error::forbidden(
        "factor.sign_in_again",
        "Your account has no password here, so a fresh sign-in is needed first. Sign out, sign in again and add it within five minutes. Nothing was changed.",
    )
}

/// A key has no session whose token could change: refused before anything is done.
fn needs_a_session(caller: &Caller) -> Result<()> {
    if caller.session().is_some() { Ok(()) } else { caller.cx.require_step_up() }
}

fn valid_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if (1..=80).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(Error::invalid("factor.name", "The name cannot be used. Nothing was stored.")
        .with_field("/name", "Write a name of 1 to 80 characters."))
}

/// Begins adding an authenticator app. It counts from the first right code on.
///
/// # Errors
/// `Forbidden` without a recent proof; `Conflict` at the most factors one may have.
pub async fn enrol_totp(p: &Platform, caller: &Caller, name: &str, present_password: &str) -> Result<Enrolment> {
    let name = valid_name(name)?;
    let member = allow_change(p, caller, present_password).await?;
    let (id, secret) = (FactorId::new(), totp::Secret::generate());
    let mut tx = p.db.write(&caller.cx).await?;
    let sealed = tx.seal(place(id), secret.as_bytes())?;
    room_for_factor(&mut tx, member).await?;
    store::drop_unconfirmed(&mut tx, member).await?;
    store::insert_totp(&mut tx, id, member, name, &sealed).await?;
    tx.commit(AuditEntry::new(AuditAction::FactorAdded, "factor", id).fields(&["unconfirmed"])).await?;
    let uri = totp::otpauth_uri(&secret, &caller.email);
    Ok(Enrolment {
        id,
        secret: secret.base32().to_string(),
        qr_svg: totp::qr_svg(&uri, "QR code for your authenticator app").map_err(Error::internal)?,
        uri: uri.to_string(),
    })
}

async fn room_for_factor(tx: &mut TenantTx<vital_store::Write>, member: UserId) -> Result<()> {
    if store::factors(tx, member).await?.len() as i64 >= limits::FACTORS_MAX {
        return Err(Error::conflict(
            "factor.too_many",
            format!("You may have {} second factors. Remove one first; nothing was stored.", limits::FACTORS_MAX),
        ));
    }
    Ok(())
}

/// Finishes adding an authenticator app with its first code. Returns the session's new token and, with the first factor, recovery codes.
///
/// # Errors
/// `Invalid` for a wrong code: the app is not added yet, and the same seed still waits.
pub async fn confirm_totp(p: &Platform, caller: &Caller, id: FactorId, code: &str) -> Result<(Token, Vec<String>)> {
    caller.cx.require(Permission::ProfileWrite)?;
    needs_a_session(caller)?;
    let member = caller.cx.require_user()?;
    p.throttle.admit_account(&caller.email)?;
    let mut tx = p.db.write(&caller.cx).await?;
    let sealed = store::unconfirmed_totp(&mut tx, id, member)
        .await?
        .ok_or_else(|| Error::not_found("factor.unknown", "There is no authenticator app waiting to be confirmed. Begin again."))?;
    let secret = seed(&tx, id, &sealed)?;
    let Some(step) = totp::verify(&secret, code, now(), None) else {
        return Err(Error::invalid(
            "second_factor.refused",
            "This code is not right. Check that the clock of your device is, and write the code it shows now.",
        )
        .with_field("/code", "Write the six digits the app shows now."));
    };
    p.throttle.succeeded(&caller.email);
    store::confirm_factor(&mut tx, id, step.cast_signed()).await?;
    tx.commit(AuditEntry::new(AuditAction::FactorAdded, "factor", id)).await?;
    after_adding(p, caller, member).await
}

/// Begins adding a passkey.
///
/// # Errors
/// `Forbidden` without a recent proof; `Invalid` where the site's address does not allow passkeys.
pub async fn begin_passkey(p: &Platform, caller: &Caller, name: &str, present_password: &str) -> Result<PasskeyOptions> {
    let name = valid_name(name)?;
    let member = allow_change(p, caller, present_password).await?;
    let mut tx = p.db.write(&caller.cx).await?;
    room_for_factor(&mut tx, member).await?;
    let known: Vec<StoredPasskey> = confirmed(p, &mut tx, member).await?.into_iter().filter_map(|f| f.passkey).collect();
    drop(tx);
    let user = PasskeyUser { handle: member.0.as_bytes(), name: &caller.email, display_name: &caller.display_name };
    let Asked { options, state } = relying_party(p)?.start_registration(user, &known).map_err(Error::internal)?;
    let ticket = Token::generate();
    let state = serde_json::json!({ "passkey": state, "name": name });
    let ceremony = store::Ceremony { tenant: Some(caller.cx.tenant()), user: Some(member), state };
    store::insert_ceremony(&p.db, &hash(ticket.reveal()), "passkey_register", &ceremony, limits::CEREMONY).await?;
    Ok(PasskeyOptions { ticket: ticket.reveal().to_owned(), options })
}

/// Finishes adding a passkey with what the browser made. Returns the session's new token and, with the first factor, recovery codes.
///
/// # Errors
/// `Invalid` when the browser's answer does not fit what was asked; `Conflict` when the passkey is known already.
pub async fn finish_passkey(p: &Platform, caller: &Caller, ticket: &str, credential: &Value) -> Result<(Token, Vec<String>)> {
    caller.cx.require(Permission::ProfileWrite)?;
    needs_a_session(caller)?;
    let member = caller.cx.require_user()?;
    let gone = || Error::invalid("passkey.refused", "The passkey was not accepted. Nothing was stored; begin again.");
    let ceremony = store::take_ceremony(&p.db, &hash(ticket), "passkey_register").await?;
    let ceremony = ceremony.filter(|c| c.user == Some(member)).ok_or_else(gone)?;
    let state = ceremony.state["passkey"].as_str().unwrap_or_default();
    let stored = relying_party(p)?.finish_registration(state, credential).map_err(|e| gone().with_source(e))?;
    let id = FactorId::new();
    let mut tx = p.db.write(&caller.cx).await?;
    let body = serde_json::to_value(&stored).map_err(Error::internal)?;
    store::insert_passkey(&mut tx, id, member, ceremony.state["name"].as_str().unwrap_or("Passkey"), &body, &stored.credential_id).await?;
    tx.commit(AuditEntry::new(AuditAction::FactorAdded, "factor", id)).await?;
    after_adding(p, caller, member).await
}

/// A first factor brings recovery codes with it; what the session may do has grown, so its token changes.
async fn after_adding(p: &Platform, caller: &Caller, member: UserId) -> Result<(Token, Vec<String>)> {
    let codes = if caller.has_factor { Vec::new() } else { replace_recovery_codes(p, &caller.cx, member).await? };
    let entry = AuditEntry::new(AuditAction::SteppedUp, "user", member);
    Ok((sessions::rotate(p, caller, Some(now()), entry).await?, codes))
}

/// Makes ten new recovery codes; the old ones stop working. They are shown once.
///
/// # Errors
/// `Forbidden` without a recent proof of a second factor.
pub async fn make_recovery_codes(p: &Platform, cx: &OpContext) -> Result<Vec<String>> {
    cx.require(Permission::ProfileWrite)?;
    cx.require_step_up()?;
    replace_recovery_codes(p, cx, cx.require_user()?).await
}

async fn replace_recovery_codes(p: &Platform, cx: &OpContext, member: UserId) -> Result<Vec<String>> {
    let codes = recovery::generate();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|c| c.hash().to_vec()).collect();
    let mut tx = p.db.write(cx).await?;
    store::replace_recovery_codes(&mut tx, member, &hashes).await?;
    tx.commit(AuditEntry::new(AuditAction::RecoveryCodesMade, "user", member)).await?;
    Ok(codes.iter().map(|c| c.reveal()).collect())
}

/// Removes one of the caller's second factors.
///
/// # Errors
/// `Forbidden` without a recent proof; `Conflict` for the last one where the organisation asks for one or the password is too short to stand
/// alone; `NotFound`.
pub async fn remove_factor(p: &Platform, caller: &Caller, id: FactorId) -> Result<()> {
    caller.cx.require(Permission::ProfileWrite)?;
    caller.cx.require_step_up()?;
    let member = caller.cx.require_user()?;
    let mut tx = p.db.write(&caller.cx).await?;
    if !store::remove_factor(&mut tx, id, member).await? {
        return Err(Error::not_found("factor.unknown", "There is no such second factor."));
    }
    if store::factors(&mut tx, member).await?.is_empty() {
        if crate::tenancy::policy_in(&mut tx).await?.require_second_factor {
            return Err(Error::conflict(
                "factor.required",
                "Your organisation asks for a second factor. Add another one first; nothing was changed.",
            ));
        }
        if store::password(&mut tx, member).await?.is_some_and(|s| !s.long_password) {
            return Err(Error::conflict(
                "factor.password_short",
                "Your password is too short to stand alone. Choose one of 15 characters or more first; nothing was changed.",
            ));
        }
        store::replace_recovery_codes(&mut tx, member, &[]).await?;
    }
    tx.commit(AuditEntry::new(AuditAction::FactorRemoved, "factor", id)).await?;
    p.remembered.forget_all();
    Ok(())
}

/// Verifies a proof of a second factor and marks it used. `state` is what was kept when a passkey was asked for.
///
/// # Errors
/// `Unauthenticated` with the code `second_factor.refused` for whatever is wrong with it; `RateLimited` after too many.
pub(super) async fn prove(p: &Platform, cx: &OpContext, member: UserId, proof: Proof, state: Option<&str>) -> Result<()> {
    let account = throttled(member);
    p.throttle.admit_account(&account)?;
    let proved = match proof {
        Proof::Totp(code) => prove_totp(p, cx, member, &code).await?,
        Proof::RecoveryCode(code) => prove_recovery_code(p, cx, member, &code).await?,
        Proof::Passkey(credential) => prove_passkey(p, cx, member, &credential, state.unwrap_or_default()).await?,
    };
    if proved {
        p.throttle.succeeded(&account);
        return Ok(());
    }
    tracing::info!(tenant = %cx.tenant(), user = %member, "a second factor was refused");
    Err(Error::unauthenticated(
        "second_factor.refused",
        "This was not accepted: a code counts once and for about a minute. Wait for the next code and try again.",
    ))
}

/// What the wrong second factors of a member are counted under.
pub(super) fn throttled(member: UserId) -> String {
    format!("factor:{member}")
}

async fn prove_totp(p: &Platform, cx: &OpContext, member: UserId, code: &str) -> Result<bool> {
    let mut tx = p.db.write(cx).await?;
    for factor in confirmed(p, &mut tx, member).await?.into_iter().filter(|f| f.kind == FactorKind::Totp) {
        let Some(sealed) = &factor.secret else { continue };
        let secret = seed(&tx, factor.id, sealed)?;
        let Some(step) = totp::verify(&secret, code, now(), factor.last_step.map(i64::cast_unsigned)) else { continue };
        if store::use_step(&mut tx, factor.id, step.cast_signed()).await? {
            tx.commit_unaudited(Unaudited::FactorUsed).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

async fn prove_recovery_code(p: &Platform, cx: &OpContext, member: UserId, code: &str) -> Result<bool> {
    let Some(hash) = recovery::read(code) else { return Ok(false) };
    let mut tx = p.db.write(cx).await?;
    if !store::use_recovery_code(&mut tx, member, &hash).await? {
        return Ok(false);
    }
    tx.commit(AuditEntry::new(AuditAction::RecoveryCodeUsed, "user", member)).await?;
    Ok(true)
}

async fn prove_passkey(p: &Platform, cx: &OpContext, member: UserId, credential: &Value, state: &str) -> Result<bool> {
    let Some(id) = credential_id(credential) else { return Ok(false) };
    let mut tx = p.db.write(cx).await?;
    let known = confirmed(p, &mut tx, member).await?;
    let Some((factor, stored)) = known.iter().find_map(|f| f.passkey.as_ref().filter(|s| s.credential_id == id).map(|s| (f.id, s))) else {
        return Ok(false);
    };
    match relying_party(p)?.finish_authentication(state, credential, stored) {
        Ok(updated) => {
            store::use_passkey(&mut tx, factor, &serde_json::to_value(&updated).map_err(Error::internal)?).await?;
            tx.commit_unaudited(Unaudited::FactorUsed).await?;
            Ok(true)
        }
        Err(PasskeyError::CounterRegressed { .. }) => {
            tracing::warn!(tenant = %cx.tenant(), user = %member, "the counter of a passkey went backwards: it may have been copied");
            tx.commit(AuditEntry::new(AuditAction::PasskeySuspect, "factor", factor)).await?;
            Ok(false)
        }
        Err(why) => {
            tracing::info!(%why, "a passkey was refused");
            Ok(false)
        }
    }
}

/// Asks for one of the known passkeys; none where there is none. Returns options for the browser and what to keep.
pub(super) fn ask_passkey(p: &Platform, known: &[Factor]) -> Result<Option<(Value, String)>> {
    let passkeys: Vec<StoredPasskey> = known.iter().filter_map(|f| f.passkey.clone()).collect();
    if passkeys.is_empty() {
        return Ok(None);
    }
    relying_party(p)?.start_authentication(&passkeys).map(|a| Some((a.options, a.state))).map_err(Error::internal)
}

/// Asks for any passkey of this site.
pub(super) fn ask_any_passkey(p: &Platform) -> Result<(Value, String)> {
    relying_party(p)?.start_discoverable().map(|a| (a.options, a.state)).map_err(Error::internal)
}

/// The credential id in a browser's answer.
pub(super) fn credential_id(credential: &Value) -> Option<Vec<u8>> {
    passkey::claim(credential).ok().map(|c| c.credential_id)
}

fn relying_party(p: &Platform) -> Result<RelyingParty> {
    RelyingParty::new(&p.site).map_err(|why| Error::invalid("passkey.unavailable", why.to_string()))
}

fn place(id: FactorId) -> Place {
    Place::of("factors.secret", id.0)
}

fn seed<M>(tx: &TenantTx<M>, id: FactorId, sealed: &[u8]) -> Result<totp::Secret> {
    let bytes = tx.open(place(id), sealed)?;
    totp::Secret::from_bytes(&bytes).ok_or_else(|| Error::internal("a stored seed has the wrong length"))
}
