//! Tokens that a provider of the tenant has signed, accepted in place of a session.
//!
//! **Invariants:** the issuer that a token names only chooses whose keys are tried; a token leads to the tenant whose provider verifies it,
//! and to none where two tenants' providers do and no claim names one of them. It acts like a key: nobody can be asked for a second factor.
//! Why a token is refused stands in the log alone.

use super::{
    Caller, Credential, linking, not_signed_in, oidc_sign_in,
    sso::{self, ProviderKind, Stored},
    store,
};
use crate::{Platform, tenancy};
use futures_util::future::join_all;
use moka::sync::Cache;
use std::sync::Arc;
use time::OffsetDateTime;
use vital_federation::{Claims, claim_values, jwt};
use vital_kernel::{Actor, Error, Kind, OpContext, Origin, ProviderId, RequestId, Result, TenantId};

/// Verifiers that are kept at once; the least used are forgotten first.
const VERIFIERS_MAX: u64 = 1_000;

/// Verifiers by provider and version, so that its secret is unsealed once.
pub(crate) struct Verifiers(Cache<(ProviderId, OffsetDateTime), Arc<jwt::Verifier>>);

impl Default for Verifiers {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(VERIFIERS_MAX).build())
    }
}

/// Tells whether a bearer token has the shape of a signed one (three parts, RFC 7519).
pub(super) fn is_signed_token(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 2
}

/// A provider that verified a token.
struct Verified {
    cx: OpContext,
    provider: Stored,
    claims: Claims,
}

/// Resolves a signed token to a caller.
pub(super) async fn caller(p: &Platform, token: &str) -> Result<Caller> {
    let Some(issuer) = jwt::peek_issuer(token) else {
        tracing::info!(code = "token.malformed", "a signed token was refused");
        return Err(not_signed_in());
    };
    let trusting = store::trusting(&p.db, &issuer).await?;
    if trusting.is_empty() {
        tracing::info!(code = "token.issuer", "a signed token was refused");
    }
    // All at once: a provider that is slow to answer for one tenant takes no time of another's.
    let tried = join_all(trusting.into_iter().map(|(tenant, provider)| verify(p, tenant, provider, token))).await;
    let mut verified: Vec<Verified> = Vec::new();
    let mut away = None;
    for outcome in tried {
        match outcome {
            Ok(Some(found)) => verified.push(found),
            Ok(None) => {}
            Err(why) => away = Some(why),
        }
    }
    // A claim that names the tenant decides. Without one the provider that was there first does, so that an organisation that sets up
    // somebody else's issuer takes nothing away from those who use it.
    if verified.iter().any(|v| !v.provider.settings.tenant_claim.is_empty()) {
        verified.retain(|v| !v.provider.settings.tenant_claim.is_empty());
    }
    if verified.len() > 1 {
        tracing::warn!(code = "token.ambiguous", "several organisations accept a signed token; the oldest provider decides");
    }
    let first = verified.into_iter().next();
    match (first, away) {
        (Some(found), _) => admitted(p, found).await,
        (None, Some(why)) => Err(why),
        (None, None) => Err(not_signed_in()),
    }
}

/// Checks a token under the keys of one tenant's provider; none where it is not accepted there.
///
/// # Errors
/// Only what is no fault of the token: a database or a provider that does not answer.
async fn verify(p: &Platform, tenant: TenantId, provider: ProviderId, token: &str) -> Result<Option<Verified>> {
    let cx = oidc_sign_in::nobody(tenant);
    let mut tx = p.db.read(&cx).await?;
    let Ok(found) = sso::stored(&mut tx, provider).await else { return Ok(None) };
    let slug = tenancy::slug_in(&mut tx).await?;
    tx.end().await?;
    if !found.settings.active || found.settings.kind != ProviderKind::Supabase {
        return Ok(None);
    }
    let key = (provider, found.updated_at);
    let verifier = match p.verifiers.0.get(&key) {
        Some(verifier) => verifier,
        None => {
            let verifier = Arc::new(sso::verifier(p, &found)?);
            p.verifiers.0.insert(key, Arc::clone(&verifier));
            verifier
        }
    };
    let outcome = verifier.verify(&p.federation, token).await;
    let refused = |code| tracing::info!(%tenant, %provider, code, "a signed token was refused");
    match outcome {
        Ok(claims) => {
            let path = &found.settings.tenant_claim;
            if !path.is_empty() && !claim_values(&claims.raw, path).contains(&slug) {
                refused("token.tenant");
                return Ok(None);
            }
            Ok(Some(Verified { cx, provider: found, claims }))
        }
        Err(why) => {
            refused(why.code());
            let error = Error::from(why);
            match error.kind() {
                Kind::Upstream | Kind::UpstreamTimeout => Err(Error::unavailable(
                    "token.provider_away",
                    "The provider that signed your token does not answer, so the token cannot be checked. Nothing was changed; try again in a moment.",
                )
                .with_source(error)),
                _ => Ok(None),
            }
        }
    }
}

/// The caller behind a verified token.
#[expect(clippy::disallowed_methods, reason = "this is where tokens of trusted providers become contexts")]
async fn admitted(p: &Platform, Verified { cx, provider, claims }: Verified) -> Result<Caller> {
    let (tenant, id) = (cx.tenant(), provider.id);
    let said_at = claims.raw.get("iat").and_then(serde_json::Value::as_f64);
    #[expect(clippy::cast_possible_truncation, reason = "the token's times were checked; fractions do not matter")]
    let said_at = said_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at as i64).ok()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let vouched = linking::member_of(p, &cx, &provider, &claims, said_at).await.map_err(|why| {
        tracing::info!(%tenant, provider = %id, code = why.code(), "a signed token was refused");
        if matches!(why.kind(), Kind::Forbidden | Kind::Conflict) { not_signed_in() } else { why }
    })?;
    let cors_origins = tenancy::policy_in(&mut p.db.read(&cx).await?).await?.cors_origins;
    Ok(Caller {
        cx: OpContext::establish(Origin::Key, tenant, Actor::User(vouched.member), vouched.roles, RequestId::new()),
        credential: Credential::Federated(id),
        display_name: vouched.display_name,
        email: vouched.email,
        ends_at: Some(claims.expires_at),
        has_factor: vouched.has_factor,
        must_enrol: false,
        break_glass: None,
        cors_origins: cors_origins.into(),
    })
}
