//! Signing in through a provider of the organisation (OpenID Connect), from the button to the session.
//!
//! **Invariants:** a sign-in is finished in the browser that began it, once, within five minutes, at the provider it was begun with; what
//! must stay secret until then is kept on this side and named by a ticket in a cookie. A second factor that is enrolled here is asked for
//! unless the provider is known to have asked for its own.

use super::{
    Came, Progress, Token, factors, hash, linking, sessions, sign_in,
    sso::{self, ProviderKind},
    store,
};
use crate::Platform;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vital_federation::{FederationError, oidc};
use vital_kernel::{Actor, Error, OpContext, Origin, ProviderId, RequestId, Result, RoleSet, TenantId, limits, now};

pub use oidc::Callback;

/// Longest path that a sign-in leads back to, in bytes.
const NEXT_BYTES_MAX: usize = 1_000;
/// Longest name of an organisation that is looked up, in bytes.
const SLUG_BYTES_MAX: usize = 63;

/// A provider that people can choose.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its id.
    pub id: ProviderId,
    /// Its name.
    pub name: String,
}

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What the browser must bring back, besides what the provider adds.
    pub ticket: Token,
}

/// What is kept until the browser returns.
#[derive(Serialize, Deserialize)]
struct Kept {
    provider: Uuid,
    next: String,
    ceremony: oidc::Ceremony,
}

/// The context of somebody who has not yet proved who they are: it reads the organisation's own settings and may do nothing else.
#[expect(clippy::disallowed_methods, reason = "nobody is known before the provider has answered")]
pub(super) fn nobody(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Session, tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
}

/// The providers through which people of an organisation can sign in; none for an organisation that is not here.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn sign_in_choices(p: &Platform, slug: &str) -> Result<Vec<Choice>> {
    let slug = slug.trim().to_lowercase();
    let tenant = if slug.len() <= SLUG_BYTES_MAX { store::tenant_of_slug(&p.db, &slug).await? } else { None };
    // An organisation that is not here costs the same look-up.
    let rows = store::providers(&mut p.db.read(&nobody(tenant.unwrap_or(TenantId(Uuid::nil())))).await?, None).await?;
    let usable = rows.into_iter().filter(|r| r.active && r.kind == ProviderKind::Oidc.as_str());
    Ok(usable.map(|r| Choice { id: ProviderId(r.id), name: r.name }).collect())
}

/// Begins a sign-in at a provider. `next` is where the person wants to be afterwards, a path of this site.
///
/// # Errors
/// `NotFound` where the organisation has no such active provider; `Upstream…` when the provider cannot be used; `RateLimited`.
pub async fn begin_oidc(p: &Platform, slug: &str, provider: ProviderId, next: &str) -> Result<Begun> {
    let tenant = if slug.len() <= SLUG_BYTES_MAX { store::tenant_of_slug(&p.db, slug).await? } else { None };
    let tenant = tenant.ok_or_else(not_here)?;
    let cx = nobody(tenant);
    let found = usable(p, &cx, provider).await?;
    let begun = oidc::begin(&p.federation, &sso::relying_party(p, &found)?, &oidc::SignIn::default()).await?;
    let next = if next.len() <= NEXT_BYTES_MAX { next.to_owned() } else { "/".to_owned() };
    let kept = Kept { provider: provider.0, next, ceremony: begun.ceremony };
    let state = serde_json::to_value(&kept).map_err(Error::internal)?;
    let ticket = Token::generate();
    let ceremony = store::Ceremony { tenant: Some(tenant), user: None, state };
    store::insert_ceremony(&p.db, &hash(ticket.reveal()), "oidc", &ceremony, limits::CEREMONY).await?;
    Ok(Begun { url: begun.url.into(), ticket })
}

/// Finishes a sign-in with what the provider sent the browser back with. Returns how far it has come and where the person wanted to be.
///
/// # Errors
/// `Unauthenticated` when the return does not belong to a sign-in of this browser, or the provider declined; `Upstream…` when the provider
/// cannot be used; `Forbidden` or `Conflict` with a code `sso.…` for somebody who does not get in. Nobody is signed in by any of them.
pub async fn finish_oidc(p: &Platform, ticket: Option<&str>, callback: &Callback, came: &Came) -> Result<(Progress, String)> {
    let ticket = ticket.ok_or_else(not_begun)?;
    // Taken before it is looked at: whatever comes next, it cannot come twice.
    let ceremony = store::take_ceremony(&p.db, &hash(ticket), "oidc").await?.ok_or_else(not_begun)?;
    let tenant = ceremony.tenant.ok_or_else(not_begun)?;
    let kept: Kept = serde_json::from_value(ceremony.state).map_err(Error::internal)?;
    let cx = nobody(tenant);
    let found = usable(p, &cx, ProviderId(kept.provider)).await?;
    let outcome = oidc::finish(&p.federation, &sso::relying_party(p, &found)?, &kept.ceremony, callback).await;
    let claims = outcome.inspect_err(|why| refused(tenant, found.id, why))?;
    let vouched = linking::member_of(p, &cx, &found, &claims, now())
        .await
        .inspect_err(|why| tracing::info!(%tenant, provider = %found.id, code = why.code(), "a person of a provider was not let in"))?;
    let cx = sessions::person(tenant, vouched.member);
    if found.settings.proves_second_factor {
        return Ok((Progress::Done(sessions::start(p, &cx, "sso", came, Some(now())).await?), kept.next));
    }
    let known = factors::confirmed(p, &mut p.db.read(&cx).await?, vouched.member).await?;
    if known.is_empty() {
        return Ok((Progress::Done(sessions::start(p, &cx, "sso", came, None).await?), kept.next));
    }
    Ok((Progress::SecondFactor(sign_in::pending(p, &cx, vouched.member, &known, "sso").await?), kept.next))
}

fn refused(tenant: TenantId, provider: ProviderId, why: &FederationError) {
    tracing::info!(%tenant, %provider, code = why.code(), "a sign-in through a provider failed");
}

async fn usable(p: &Platform, cx: &OpContext, provider: ProviderId) -> Result<sso::Stored> {
    let mut tx = p.db.read(cx).await?;
    let found = sso::stored(&mut tx, provider).await.map_err(|e| if e.code() == "sso.unknown" { not_here() } else { e })?;
    tx.end().await?;
    if found.settings.active && found.settings.kind == ProviderKind::Oidc { Ok(found) } else { Err(not_here()) }
}

fn not_here() -> Error {
    Error::not_found(
        "sso.not_here",
        "This organisation has no such single sign-on here. Check the name of the organisation, or ask an administrator for the right link.",
    )
}

fn not_begun() -> Error {
    Error::unauthenticated(
        "sso.not_begun",
        "This sign-in was not begun in this browser, took longer than five minutes, or was finished already. Nobody was signed in; begin again.",
    )
}
