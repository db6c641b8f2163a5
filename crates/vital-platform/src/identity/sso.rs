//! Providers of single sign-on, as an organisation sets them up: OpenID Connect for people in browsers, Supabase Auth for signed tokens.
//!
//! **Invariants:** a secret goes in, is sealed and never comes out; kind and issuer of a provider never change, because its subjects would
//! then be somebody else's; roles come from claims that the person cannot write; the role of an administrator is only given for a value
//! that names it; the keys of a token issuer lie at the issuer's own address, so that nobody can publish keys for somebody else's issuer.

use super::{sso_checks, store};
use crate::{Platform, tenancy};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Instant};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_federation::{
    FederationError, Secret,
    jwt::{Keys, Verifier},
    oidc,
};
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, ProviderId, Result, Role, limits};
use vital_keys::{Place, TenantKeys};
use vital_store::{TenantTx, Write};

/// Where a provider sends the browser back, below the site.
pub const CALLBACK_PATH: &str = "/sign-in/sso/callback";
/// What kind of provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenID Connect: people sign in at the provider in their browser.
    Oidc,
    /// Supabase Auth, or an issuer like it: programs send its access tokens in place of a session.
    Supabase,
}

impl ProviderKind {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Supabase => "supabase",
        }
    }
}

/// A secret as it came in.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct GivenSecret(pub String);

impl fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenSecret(…)")
    }
}

/// The settings of a provider, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderSettings {
    /// Its kind.
    pub kind: ProviderKind,
    /// The name that people choose it by.
    pub name: String,
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The client's id at the provider; for `supabase` the audience of its tokens.
    pub client_id: String,
    /// Where the issuer publishes its keys; only for `supabase`, in place of a secret.
    pub jwks_url: Option<String>,
    /// Scopes beyond `openid email profile`.
    pub scopes: Vec<String>,
    /// Dotted path of the claim that roles follow; empty: everybody gets the default roles.
    pub role_claim: String,
    /// Values of that claim and the roles they stand for.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub role_map: BTreeMap<String, Vec<Role>>,
    /// Roles of who has no mapped one; empty: they do not get in.
    #[schema(value_type = Vec<String>)]
    pub default_roles: Vec<Role>,
    /// Dotted path of a claim that must name the organisation's slug; empty: not asked for.
    pub tenant_claim: String,
    /// Whether people who have no account here get one when they first come.
    pub create_members: bool,
    /// Whether the provider asks everybody for a second factor.
    pub proves_second_factor: bool,
    /// Whether the provider confirms every address although its tokens do not say so.
    pub emails_verified: bool,
    /// Whether it can be used.
    pub active: bool,
}

/// A provider of single sign-on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SsoProvider {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ProviderId,
    /// Its settings.
    #[serde(flatten)]
    pub settings: ProviderSettings,
    /// Whether there is a secret; it is never shown.
    pub has_secret: bool,
    /// Whether the secret before it is still accepted.
    pub has_previous_secret: bool,
    /// Where the provider must be told to send browsers back.
    pub redirect_uri: String,
    /// Since when it is set up (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

const fn yes() -> bool {
    true
}

/// A provider to be set up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// Its kind.
    pub kind: ProviderKind,
    /// The name that people choose it by, 1 to 80 characters.
    pub name: String,
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The client's id; for `supabase` the audience, usually `authenticated`.
    pub client_id: String,
    /// The client's secret; for `supabase` the shared signing secret of at least 32 bytes, unless `jwks_url` is given.
    #[schema(value_type = Option<String>)]
    pub secret: Option<GivenSecret>,
    /// Where the issuer publishes its keys; only for `supabase`, at the issuer's own address.
    pub jwks_url: Option<String>,
    /// Scopes beyond `openid email profile`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Dotted path of the claim that roles follow.
    #[serde(default)]
    pub role_claim: String,
    /// Values of that claim and the roles they stand for.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub role_map: BTreeMap<String, Vec<Role>>,
    /// Roles of who has no mapped one; empty: they do not get in.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub default_roles: Vec<Role>,
    /// Dotted path of a claim that must name the organisation's slug.
    #[serde(default)]
    pub tenant_claim: String,
    /// Whether people who have no account here get one when they first come; true unless given.
    #[serde(default = "yes")]
    pub create_members: bool,
    /// Whether the provider asks everybody for a second factor.
    #[serde(default)]
    pub proves_second_factor: bool,
    /// Whether the provider confirms every address although its tokens do not say so.
    #[serde(default)]
    pub emails_verified: bool,
    /// Whether it can be used; true unless given.
    #[serde(default = "yes")]
    pub active: bool,
}

/// What shall change of a provider; what is left out stays. Kind and issuer cannot change.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    /// Another name.
    pub name: Option<String>,
    /// Another client id or audience.
    pub client_id: Option<String>,
    /// A new secret. A signing secret of `supabase` that was in force is still accepted until `forget_previous`.
    #[schema(value_type = Option<String>)]
    pub secret: Option<GivenSecret>,
    /// True: the secret before the present one is no longer accepted.
    #[serde(default)]
    pub forget_previous: bool,
    /// Published keys in place of a shared secret, which is then forgotten.
    pub jwks_url: Option<String>,
    /// Other scopes.
    pub scopes: Option<Vec<String>>,
    /// Another claim for roles.
    pub role_claim: Option<String>,
    /// Another mapping.
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>)]
    pub role_map: Option<BTreeMap<String, Vec<Role>>>,
    /// Other default roles.
    #[schema(value_type = Option<Vec<String>>)]
    pub default_roles: Option<Vec<Role>>,
    /// Another claim that names the organisation.
    pub tenant_claim: Option<String>,
    /// Whether accounts are made.
    pub create_members: Option<bool>,
    /// Whether it asks for a second factor.
    pub proves_second_factor: Option<bool>,
    /// Whether it confirms addresses.
    pub emails_verified: Option<bool>,
    /// Whether it can be used.
    pub active: Option<bool>,
}

/// What a test of a provider found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderTest {
    /// Whether it can be used.
    pub reachable: bool,
    /// What was found, for people.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// A provider with its secrets still sealed.
pub(super) struct Stored {
    pub id: ProviderId,
    pub settings: ProviderSettings,
    pub sealed: store::SealedSecrets,
    keys: Arc<TenantKeys>,
    created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Stored {
    fn shown(self, p: &Platform) -> SsoProvider {
        SsoProvider {
            id: self.id,
            settings: self.settings,
            has_secret: self.sealed.secret.is_some(),
            has_previous_secret: self.sealed.previous.is_some(),
            redirect_uri: redirect_uri(p),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Stored {
    fn read<M>(tx: &TenantTx<M>, r: store::ProviderRow) -> Result<Self> {
        let settings = ProviderSettings {
            kind: if r.kind == "supabase" { ProviderKind::Supabase } else { ProviderKind::Oidc },
            name: r.name,
            issuer: r.issuer,
            client_id: r.client_id,
            jwks_url: r.jwks_url,
            scopes: r.scopes,
            role_claim: r.role_claim,
            role_map: serde_json::from_value(r.role_map).map_err(Error::internal)?,
            default_roles: r.default_roles.iter().filter_map(|name| name.parse().ok()).collect(),
            tenant_claim: r.tenant_claim,
            create_members: r.create_members,
            proves_second_factor: r.proves_second_factor,
            emails_verified: r.emails_verified,
            active: r.active,
        };
        let sealed = store::SealedSecrets { secret: r.secret, previous: r.previous_secret };
        Ok(Self { id: ProviderId(r.id), settings, sealed, keys: Arc::clone(tx.keys()), created_at: r.created_at, updated_at: r.updated_at })
    }
}

/// Where every provider must be told to send browsers back.
#[must_use]
pub fn redirect_uri(p: &Platform) -> String {
    format!("{}{CALLBACK_PATH}", p.site)
}

/// Lists the providers of the organisation.
///
/// # Errors
/// `Forbidden` without the permission to read policies.
pub async fn providers(p: &Platform, cx: &OpContext) -> Result<Vec<SsoProvider>> {
    cx.require(Permission::PolicyRead)?;
    let mut tx = p.db.read(cx).await?;
    let rows = store::providers(&mut tx, None).await?;
    rows.into_iter().map(|r| Stored::read(&tx, r).map(|s| s.shown(p))).collect()
}

/// Finds one provider.
///
/// # Errors
/// `Forbidden` without the permission to read policies; `NotFound`.
pub async fn provider(p: &Platform, cx: &OpContext, id: ProviderId) -> Result<SsoProvider> {
    cx.require(Permission::PolicyRead)?;
    Ok(stored(&mut p.db.read(cx).await?, id).await?.shown(p))
}

/// How many people a provider has vouched for.
///
/// # Errors
/// `Forbidden` without the permission to read policies.
pub async fn provider_people(p: &Platform, cx: &OpContext, id: ProviderId) -> Result<i64> {
    cx.require(Permission::PolicyRead)?;
    store::identities_of(&mut p.db.read(cx).await?, id).await
}

pub(super) async fn stored<M>(tx: &mut TenantTx<M>, id: ProviderId) -> Result<Stored> {
    let found = store::providers(tx, Some(id)).await?.into_iter().next().ok_or_else(unknown)?;
    Stored::read(tx, found)
}

/// Sets a provider up.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `Conflict` at the most there may be.
pub async fn add_provider(p: &Platform, cx: &OpContext, new: NewProvider) -> Result<SsoProvider> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let settings = ProviderSettings {
        kind: new.kind,
        name: new.name,
        issuer: new.issuer,
        client_id: new.client_id,
        jwks_url: new.jwks_url,
        scopes: new.scopes,
        role_claim: new.role_claim,
        role_map: new.role_map,
        default_roles: new.default_roles,
        tenant_claim: new.tenant_claim,
        create_members: new.create_members,
        proves_second_factor: new.proves_second_factor,
        emails_verified: new.emails_verified,
        active: new.active,
    };
    let secret = new.secret.filter(|s| !s.0.is_empty());
    let settings = sso_checks::validate(p, settings, secret.is_some(), secret.as_ref())?;
    let id = ProviderId::new();
    let mut tx = p.db.write(cx).await?;
    let sealed = store::SealedSecrets { secret: secret.map(|s| tx.seal(secret_of(id), s.0.as_bytes())).transpose()?, previous: None };
    if store::lock_providers(&mut tx).await? >= limits::PROVIDERS_MAX {
        let text =
            format!("An organisation may have {} providers. Remove one that is not needed; nothing was stored.", limits::PROVIDERS_MAX);
        return Err(Error::conflict("sso.too_many", text));
    }
    store::put_provider(&mut tx, id, &settings, &sealed).await?;
    tx.commit(AuditEntry::new(AuditAction::ProviderAdded, "sso_provider", id).fields(&["kind", "issuer", "client_id", "role_map"])).await?;
    provider(p, cx, id).await
}

/// Changes a provider. It counts from the next sign-in and the next token on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `Conflict` where nobody could
/// sign in any more; `NotFound`.
pub async fn change_provider(p: &Platform, cx: &OpContext, id: ProviderId, change: ProviderChange) -> Result<SsoProvider> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::lock_providers(&mut tx).await?;
    expect_unchanged(p, &mut tx, id).await?;
    let Stored { settings: before, sealed, .. } = stored(&mut tx, id).await?;
    let fields = changed_fields(&change);
    let secret = change.secret.clone().filter(|s| !s.0.is_empty());
    let after = apply(before.clone(), change.clone(), secret.is_some());
    // Published keys take the place of a shared secret, and the other way round.
    let keeps_secret = sealed.secret.is_some() && after.jwks_url.is_none();
    let after = sso_checks::validate(p, after, secret.is_some() || keeps_secret, secret.as_ref())?;
    let mut next = if keeps_secret { sealed } else { store::SealedSecrets::default() };
    if let Some(secret) = secret {
        let rotates = after.kind == ProviderKind::Supabase;
        let before = next.secret.replace(tx.seal(secret_of(id), secret.0.as_bytes())?);
        let again = |sealed: Vec<u8>| tx.seal(previous_secret_of(id), zeroize::Zeroizing::new(tx.open(secret_of(id), &sealed)?).as_slice());
        next.previous = before.filter(|_| rotates).map(again).transpose()?;
    }
    if change.forget_previous {
        next.previous = None;
    }
    if before.active && !after.active {
        keep_a_way_in(&mut tx, id).await?;
    }
    store::put_provider(&mut tx, id, &after, &next).await?;
    tx.commit(AuditEntry::new(AuditAction::ProviderChanged, "sso_provider", id).fields(&fields)).await?;
    p.remembered.forget_all();
    provider(p, cx, id).await
}

/// Refuses where the request says that the provider has to be as it was read, and it is not.
async fn expect_unchanged(p: &Platform, tx: &mut TenantTx<Write>, id: ProviderId) -> Result<()> {
    if tx.is_conditional() {
        let present = stored(tx, id).await?.shown(p);
        tx.expect_unchanged(&present)?;
    }
    Ok(())
}

fn changed_fields(c: &ProviderChange) -> Vec<&'static str> {
    let all = [
        (c.name.is_some(), "name"),
        (c.client_id.is_some(), "client_id"),
        (c.secret.is_some() || c.forget_previous, "secret"),
        (c.jwks_url.is_some(), "jwks_url"),
        (c.scopes.is_some(), "scopes"),
        (c.role_claim.is_some(), "role_claim"),
        (c.role_map.is_some(), "role_map"),
        (c.default_roles.is_some(), "default_roles"),
        (c.tenant_claim.is_some(), "tenant_claim"),
        (c.create_members.is_some(), "create_members"),
        (c.proves_second_factor.is_some(), "proves_second_factor"),
        (c.emails_verified.is_some(), "emails_verified"),
        (c.active.is_some(), "active"),
    ];
    all.into_iter().filter(|(changed, _)| *changed).map(|(_, name)| name).collect()
}

fn apply(mut s: ProviderSettings, c: ProviderChange, new_secret: bool) -> ProviderSettings {
    fn put<T>(place: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *place = given;
        }
    }
    put(&mut s.name, c.name);
    put(&mut s.client_id, c.client_id);
    put(&mut s.scopes, c.scopes);
    put(&mut s.role_claim, c.role_claim);
    put(&mut s.role_map, c.role_map);
    put(&mut s.default_roles, c.default_roles);
    put(&mut s.tenant_claim, c.tenant_claim);
    put(&mut s.create_members, c.create_members);
    put(&mut s.proves_second_factor, c.proves_second_factor);
    put(&mut s.emails_verified, c.emails_verified);
    put(&mut s.active, c.active);
    match c.jwks_url {
        Some(url) => s.jwks_url = Some(url),
        None if new_secret => s.jwks_url = None,
        None => {}
    }
    s
}

/// Removes a provider and forgets whom it vouched for. Their accounts and what they made stay.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Conflict` where nobody could sign in any more; `NotFound`.
pub async fn remove_provider(p: &Platform, cx: &OpContext, id: ProviderId) -> Result<()> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::lock_providers(&mut tx).await?;
    stored(&mut tx, id).await?;
    expect_unchanged(p, &mut tx, id).await?;
    keep_a_way_in(&mut tx, id).await?;
    store::delete_provider(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::ProviderRemoved, "sso_provider", id)).await?;
    p.remembered.forget_all();
    Ok(())
}

/// Refuses to take away the last provider of an organisation that accepts no passwords.
async fn keep_a_way_in(tx: &mut TenantTx<Write>, without: ProviderId) -> Result<()> {
    if tenancy::policy_in(tx).await?.password_sign_in {
        return Ok(());
    }
    let others = store::providers(tx, None).await?;
    if others.iter().any(|r| r.active && r.kind == ProviderKind::Oidc.as_str() && r.id != without.0) {
        return Ok(());
    }
    Err(Error::conflict(
        "sso.last_way_in",
        "Your organisation accepts no passwords, so without this provider nobody could sign in. Allow passwords in the sign-in policy first; nothing was changed.",
    ))
}

/// Asks a provider for its metadata and keys, as a sign-in would, and tells what came. A provider that is not reached is told in one way
/// and after one time, whatever the reason: the test is no map of our network.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `NotFound`. A provider that cannot be used is no error: the answer says why.
pub async fn test_provider(p: &Platform, cx: &OpContext, id: ProviderId) -> Result<ProviderTest> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let mut tx = p.db.read(cx).await?;
    let found = stored(&mut tx, id).await?;
    tx.end().await?;
    // What is remembered of the provider would hide that it is down now.
    let http = p.federation.forgetful();
    let begun = Instant::now();
    let s = &found.settings;
    let (outcome, fine) = match (s.kind, &s.jwks_url) {
        (ProviderKind::Oidc, _) => (
            oidc::reach(&http, &s.issuer).await,
            "The provider answers, names the same issuer and publishes keys. Sign in with it once to see the rest.",
        ),
        (ProviderKind::Supabase, Some(_)) => {
            (verifier(p, &found)?.reach(&http).await, "The keys can be fetched. Send a token once to see the rest.")
        }
        (ProviderKind::Supabase, None) => {
            (Ok(()), "Tokens are checked with the shared secret, so there is nothing to ask. Send a token once to see the rest.")
        }
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(match outcome {
        Ok(()) => ProviderTest { reachable: true, detail: fine.to_owned(), took_ms },
        Err(why) => ProviderTest { reachable: false, detail: without_sign_in(&why), took_ms },
    })
}

/// The words of a failure for an administrator who only tested.
fn without_sign_in(why: &FederationError) -> String {
    why.to_string().replace(", so nobody was signed in", "")
}

fn secret_of(id: ProviderId) -> Place {
    Place::of("sso_providers.secret", id.0)
}

fn previous_secret_of(id: ProviderId) -> Place {
    Place::of("sso_providers.previous_secret", id.0)
}

fn open(keys: &TenantKeys, place: Place, sealed: &[u8]) -> Result<Secret> {
    let bytes = keys.open(place, sealed).map_err(vital_store::key_error)?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| Error::internal("a stored secret is not text"))
}

/// The provider as the relying party sees it.
pub(super) fn relying_party(p: &Platform, s: &Stored) -> Result<oidc::Provider> {
    Ok(oidc::Provider {
        issuer: s.settings.issuer.clone(),
        client_id: s.settings.client_id.clone(),
        client_secret: s.sealed.secret.as_deref().map(|sealed| open(&s.keys, secret_of(s.id), sealed)).transpose()?,
        scopes: s.settings.scopes.clone(),
        redirect_uri: redirect_uri(p),
        needed_claims: [&s.settings.role_claim, &s.settings.tenant_claim].into_iter().filter(|path| !path.is_empty()).cloned().collect(),
    })
}

/// What checks the tokens of a provider of the kind `supabase`.
pub(super) fn verifier(p: &Platform, s: &Stored) -> Result<Verifier> {
    let keys = match &s.settings.jwks_url {
        Some(url) => Keys::Jwks(p.federation.address(url)?),
        None => {
            let sealed = [(secret_of(s.id), &s.sealed.secret), (previous_secret_of(s.id), &s.sealed.previous)];
            let there = sealed.into_iter().filter_map(|(place, sealed)| Some((place, sealed.as_ref()?)));
            Keys::Hs256(there.map(|(place, sealed)| open(&s.keys, place, sealed)).collect::<Result<_>>()?)
        }
    };
    Ok(Verifier::new(s.settings.issuer.clone(), s.settings.client_id.clone(), keys)?)
}

fn unknown() -> Error {
    Error::not_found("sso.unknown", "There is no such provider in your organisation.")
}
