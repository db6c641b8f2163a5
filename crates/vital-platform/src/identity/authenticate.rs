//! From what a request brings to who calls: session tokens, API keys, and tokens of providers that a tenant trusts.
//!
//! **Invariant:** who a token belongs to is remembered for at most `AUTHENTICATION_CACHE`, so whatever is revoked, anywhere, stops working
//! within a second on every node; what this node revokes itself stops at once.

use super::{Caller, Credential, MemberKind, break_glass, federated, hash, not_signed_in, store};
use crate::Platform;
use moka::future::Cache;
use std::{sync::Arc, time::Instant};
use vital_credentials::token::ApiKey;
use vital_kernel::{
    Actor, BreakGlassId, Error, KeyId, OpContext, Origin, Permission, RequestId, Result, Role, RoleSet, Scopes, SessionId, TenantId,
    UserId, limits,
};

/// Who tokens belong to, for a moment.
pub struct Remembered(Cache<[u8; 32], Arc<Caller>>);

impl Default for Remembered {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(limits::AUTHENTICATION_CACHE_MAX).time_to_live(limits::AUTHENTICATION_CACHE);
        Self(cache.build())
    }
}

impl Remembered {
    /// Forgets a token that was just revoked here.
    pub(super) async fn forget(&self, token_hash: &[u8]) {
        if let Ok(key) = <[u8; 32]>::try_from(token_hash) {
            self.0.invalidate(&key).await;
        }
    }

    /// Forgets everybody: what they may do has just changed here.
    pub(crate) fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// Resolves a token to a caller.
///
/// # Errors
/// `Unauthenticated` when the token does not exist, has ended, or its member or organisation is no longer active.
pub async fn authenticate(p: &Platform, token: &str, request: RequestId) -> Result<Caller> {
    let digest = hash(token);
    let found = p.remembered.0.try_get_with(digest, resolve(p, token, digest)).await;
    match found {
        Ok(caller) => Ok(Caller { cx: caller.cx.clone().for_request(request), ..(*caller).clone() }),
        // Several requests may share one failed look-up; each gets an error of its own.
        Err(shared) => {
            let error = Error::new(shared.kind(), shared.code(), shared.detail()).with_source(format!("{shared:?}"));
            Err(match shared.retry_after() {
                Some(after) => error.with_retry_after(after),
                None => error,
            })
        }
    }
}

async fn resolve(p: &Platform, token: &str, digest: [u8; 32]) -> Result<Arc<Caller>> {
    if federated::is_signed_token(token) {
        return Box::pin(federated::caller(p, token)).await.map(Arc::new);
    }
    // The checksum of a key is verified before the database is asked.
    let looked_up = if token.starts_with("vital_") { ApiKey::read(token).map_err(|_| not_signed_in())?.hash } else { digest };
    let row = store::resolve(&p.db, &looked_up).await?.ok_or_else(not_signed_in)?;
    Ok(Arc::new(caller(row)))
}

/// Goes on asking whether a caller may still do what they began, for work that outlives its request.
#[derive(Clone, Debug)]
pub struct Watch {
    caller: Caller,
    checked: Instant,
}

impl Watch {
    /// Watches a caller who was authenticated just now.
    #[must_use]
    pub fn new(caller: Caller) -> Self {
        Self { caller, checked: Instant::now() }
    }

    /// The context of the caller.
    #[must_use]
    pub const fn cx(&self) -> &OpContext {
        &self.caller.cx
    }

    /// Refuses once the session or key was revoked, the person deactivated, or no role of theirs holds the permission. Asks the database
    /// at most every `AUTHENTICATION_CACHE`.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden`, as a new request would get; `Unavailable` when the database does not answer.
    pub async fn still(&mut self, p: &Platform, permission: Permission) -> Result<()> {
        if self.checked.elapsed() < limits::AUTHENTICATION_CACHE {
            return Ok(());
        }
        still(p, &self.caller, permission).await?;
        self.checked = Instant::now();
        Ok(())
    }
}

/// Asks the database whether a caller may still do what they began.
///
/// # Errors
/// As [`Watch::still`].
pub(crate) async fn still(p: &Platform, caller: &Caller, permission: Permission) -> Result<()> {
    let member = caller.cx.require_user()?;
    let (session, key, provider) = match caller.credential {
        Credential::Session(session) => (Some(session), None, None),
        Credential::Key(key) => (None, Some(key), None),
        Credential::Federated(provider) => (None, None, Some(provider)),
    };
    let mut tx = p.db.read(&caller.cx).await?;
    let roles = store::still_in(&mut tx, member, session, key).await?.ok_or_else(not_signed_in)?;
    if let Some(provider) = provider
        && !store::provider_active(&mut tx, provider).await?
    {
        return Err(not_signed_in());
    }
    tx.end().await?;
    let roles: RoleSet = roles.iter().filter_map(|r| r.parse::<Role>().ok()).collect();
    if !permission.held_by(roles) {
        return Err(Error::forbidden("access.revoked", "Your role was changed meanwhile and no longer allows this."));
    }
    Ok(())
}

/// Whether a person may still use the platform at all.
pub(crate) async fn is_active(p: &Platform, cx: &OpContext) -> Result<bool> {
    let Some(member) = cx.user() else { return Ok(true) };
    Ok(store::account(&mut p.db.read(cx).await?, member).await?.is_some_and(|a| a.active))
}

#[expect(clippy::disallowed_methods, reason = "this is where sessions and keys become contexts")]
fn caller(row: store::ResolvedRow) -> Caller {
    let roles: RoleSet = row.roles.iter().filter_map(|r| r.parse::<Role>().ok()).collect();
    let (origin, credential) = match (row.session_id, row.key_id) {
        (Some(session), _) => (Origin::Session, Credential::Session(SessionId(session))),
        (None, key) => (Origin::Key, Credential::Key(KeyId(key.unwrap_or_default()))),
    };
    let mut cx = OpContext::establish(origin, TenantId(row.tenant), Actor::User(UserId(row.user_id)), roles, RequestId::new());
    cx = cx.proved_at(row.proved_at);
    if let Some(scopes) = row.scopes {
        let scopes: Scopes = scopes.iter().filter_map(|s| s.parse::<Permission>().ok()).collect();
        cx = cx.limited_to(scopes);
    }
    if row.kind == MemberKind::Operator.as_str() {
        cx = cx.limited_to(break_glass::reading());
    }
    Caller {
        must_enrol: row.factor_required
            && !row.has_factor
            && row.proved_at.is_none()
            && matches!(credential, Credential::Session(_))
            && row.break_glass.is_none(),
        cx,
        credential,
        display_name: row.display_name,
        email: row.email,
        ends_at: row.ends_at,
        has_factor: row.has_factor,
        break_glass: row.break_glass.map(BreakGlassId),
        cors_origins: row.cors_origins.into(),
    }
}
