//! Providers of single sign-on, and who their subjects are here.

use crate::identity::sso::{ProviderKind, ProviderSettings};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, ProviderId, Result, TenantId, UserId, limits, now};
use vital_store::{Db, PlatformReason, TenantTx, Write, db_error, is_unique_violation};

pub(crate) struct ProviderRow {
    pub id: Uuid,
    pub kind: String,
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub secret: Option<Vec<u8>>,
    pub previous_secret: Option<Vec<u8>>,
    pub jwks_url: Option<String>,
    pub scopes: Vec<String>,
    pub role_claim: String,
    pub role_map: Value,
    pub default_roles: Vec<String>,
    pub tenant_claim: String,
    pub create_members: bool,
    pub proves_second_factor: bool,
    pub emails_verified: bool,
    pub active: bool,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// The providers of the tenant, oldest first; only one of them where it is named.
pub(crate) async fn providers<M>(tx: &mut TenantTx<M>, only: Option<ProviderId>) -> Result<Vec<ProviderRow>> {
    sqlx::query_as!(
        ProviderRow,
        "select id, kind, name, issuer, client_id, secret, previous_secret, jwks_url, scopes, role_claim, role_map, default_roles, tenant_claim,
                create_members, proves_second_factor, emails_verified, active, created_at, updated_at
         from sso_providers where $1::uuid is null or id = $1 order by id",
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Locks the providers of the tenant until the transaction ends, and counts them.
pub(crate) async fn lock_providers(tx: &mut TenantTx<Write>) -> Result<i64> {
    let ids = sqlx::query_scalar!("select id from sso_providers order by id for update").fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(i64::try_from(ids.len()).unwrap_or(i64::MAX))
}

/// Secrets as they are stored.
#[derive(Default)]
pub(crate) struct SealedSecrets {
    pub secret: Option<Vec<u8>>,
    pub previous: Option<Vec<u8>>,
}

/// Stores a provider, or what it has become.
pub(crate) async fn put_provider(tx: &mut TenantTx<Write>, id: ProviderId, s: &ProviderSettings, sealed: &SealedSecrets) -> Result<()> {
    let roles: Vec<String> = s.default_roles.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into sso_providers (id, kind, name, issuer, client_id, secret, previous_secret, jwks_url, scopes, role_claim, role_map, default_roles,
                                    tenant_claim, create_members, proves_second_factor, emails_verified, active, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18)
         on conflict (tenant_id, id) do update set name = excluded.name, client_id = excluded.client_id, secret = excluded.secret,
             previous_secret = excluded.previous_secret, jwks_url = excluded.jwks_url, scopes = excluded.scopes, role_claim = excluded.role_claim,
             role_map = excluded.role_map, default_roles = excluded.default_roles, tenant_claim = excluded.tenant_claim,
             create_members = excluded.create_members, proves_second_factor = excluded.proves_second_factor,
             emails_verified = excluded.emails_verified, active = excluded.active, updated_at = excluded.updated_at",
        id.0,
        s.kind.as_str(),
        s.name,
        s.issuer,
        s.client_id,
        sealed.secret,
        sealed.previous,
        s.jwks_url,
        &s.scopes,
        s.role_claim,
        serde_json::to_value(&s.role_map).map_err(Error::internal)?,
        &roles,
        s.tenant_claim,
        s.create_members,
        s.proves_second_factor,
        s.emails_verified,
        s.active,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    // Only tokens that are sent in place of a session are looked up by their issuer, and only while the provider is active.
    let issuer = (s.active && s.kind == ProviderKind::Supabase).then_some(s.issuer.as_str());
    sqlx::query!("select app.register_issuer($1, $2)", id.0, issuer).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Deletes a provider with the identities that it vouched for. Returns false where there is none.
pub(crate) async fn delete_provider(tx: &mut TenantTx<Write>, id: ProviderId) -> Result<bool> {
    sqlx::query!("select app.register_issuer($1, null)", id.0).execute(tx.conn()).await.map_err(db_error)?;
    let gone = sqlx::query!("delete from sso_providers where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(gone.rows_affected() == 1)
}

pub(crate) async fn provider_active<M>(tx: &mut TenantTx<M>, id: ProviderId) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from sso_providers where id = $1 and active) as "active!""#, id.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// How many people each provider has vouched for.
pub(crate) async fn identities_of<M>(tx: &mut TenantTx<M>, id: ProviderId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from identities where provider_id = $1"#, id.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// The organisation of a slug, unless it is suspended.
pub(crate) async fn tenant_of_slug(db: &Db, slug: &str) -> Result<Option<TenantId>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let id = sqlx::query_scalar!("select id from directory.tenants where slug = $1 and suspended_at is null", slug)
        .fetch_optional(once.conn())
        .await
        .map_err(db_error)?;
    Ok(id.map(TenantId))
}

/// The tenants that trust an issuer, each with its provider.
pub(crate) async fn trusting(db: &Db, issuer: &str) -> Result<Vec<(TenantId, ProviderId)>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let rows = sqlx::query!(
        "select i.tenant, i.provider from directory.issuers i join directory.tenants t on t.id = i.tenant
         where i.issuer = $1 and t.suspended_at is null order by i.provider limit $2",
        issuer,
        limits::ISSUER_PROVIDERS_MAX
    )
    .fetch_all(once.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (TenantId(r.tenant), ProviderId(r.provider))).collect())
}

/// A member behind an outside identity.
pub(crate) struct KnownRow {
    pub member_id: Uuid,
    pub used_at: OffsetDateTime,
    pub kind: String,
    pub active: bool,
    pub roles: Vec<String>,
    pub display_name: String,
    pub email: String,
    pub has_factor: bool,
}

pub(crate) async fn identified<M>(tx: &mut TenantTx<M>, provider: ProviderId, subject: &str) -> Result<Option<KnownRow>> {
    sqlx::query_as!(
        KnownRow,
        r#"select i.member_id, i.used_at, m.kind, m.active, m.roles, m.display_name, m.email,
                  exists (select from factors f where f.tenant_id = m.tenant_id and f.member_id = m.id and f.confirmed_at is not null) as "has_factor!"
           from identities i join members m on m.tenant_id = i.tenant_id and m.id = i.member_id and m.removed_at is null
           where i.provider_id = $1 and i.subject = $2"#,
        provider.0,
        subject
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

/// The member with this address, if there is one in the tenant.
pub(crate) async fn member_of_address(tx: &mut TenantTx<Write>, email: &str) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!("select id from members where email = $1 and removed_at is null", email)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(id.map(UserId))
}

/// Remembers who a subject is. Two requests may find at once that nobody knows it: the second one is told to look again.
pub(crate) async fn insert_identity(
    tx: &mut TenantTx<Write>,
    provider: ProviderId,
    subject: &str,
    member: UserId,
    used_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "insert into identities (provider_id, subject, member_id, created_at, used_at) values ($1, $2, $3, $4, $5)",
        provider.0,
        subject,
        member.0,
        now(),
        used_at
    )
    .execute(tx.conn())
    .await
    .map_err(|e| {
        if is_unique_violation(&e) { Error::conflict("sso.identity_known", "This identity has just been linked.") } else { db_error(e) }
    })?;
    Ok(())
}

pub(crate) async fn use_identity(tx: &mut TenantTx<Write>, provider: ProviderId, subject: &str, used_at: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "update identities set used_at = greatest(used_at, $3) where provider_id = $1 and subject = $2",
        provider.0,
        subject,
        used_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}
