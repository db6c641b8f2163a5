//! SQL of the tenant directory.

use super::{
    Organisation, SignInPolicy, Tenant,
    domains::{CustomDomain, DomainOwner, record_name, record_value},
};
use sqlx::postgres::types::PgInterval;
use std::{collections::BTreeMap, time::Duration};
use time::OffsetDateTime;
use vital_kernel::{Error, OpContext, Result, TenantId, now};
use vital_store::{Db, PlatformReason, TenantTx, Write, db_error, is_unique_violation};

pub(super) async fn any(db: &Db) -> Result<bool> {
    let mut tx = db.platform(PlatformReason::TenantDirectory).await?;
    sqlx::query_scalar!(r#"select exists (select from directory.tenants) as "any!""#).fetch_one(tx.conn()).await.map_err(db_error)
}

pub(super) async fn list(db: &Db) -> Result<Vec<Tenant>> {
    let mut tx = db.platform(PlatformReason::TenantDirectory).await?;
    let rows =
        sqlx::query!("select id, slug, name from directory.tenants order by name, id").fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(rows.into_iter().map(|r| Tenant { id: TenantId(r.id), slug: r.slug, name: r.name }).collect())
}

pub(super) async fn insert(db: &Db, id: TenantId, slug: &str, name: &str) -> Result<()> {
    let mut tx = db.platform(PlatformReason::TenantDirectory).await?;
    sqlx::query!("insert into directory.tenants (id, slug, name, created_at) values ($1, $2, $3, $4)", id.0, slug, name, now())
        .execute(tx.conn())
        .await
        .map_err(|e| {
            if is_unique_violation(&e) {
                Error::conflict("tenant.name_taken", "An organisation of this name exists already. Nothing was stored.")
                    .with_field("/organisation", "Use another name.")
            } else {
                db_error(e)
            }
        })?;
    tx.commit().await
}

pub(super) async fn organisation<M>(tx: &mut TenantTx<M>) -> Result<Organisation> {
    let r = sqlx::query!(
        r#"select slug as "slug!", name as "name!", idle_s as "idle_s!", absolute_s as "absolute_s!", require_second_factor as "require_second_factor!",
                  password_sign_in as "password_sign_in!", cors_origins as "cors_origins!" from app.tenant_policy()"#
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    let policy = SignInPolicy {
        idle_minutes: r.idle_s / 60,
        absolute_minutes: r.absolute_s / 60,
        require_second_factor: r.require_second_factor,
        password_sign_in: r.password_sign_in,
        cors_origins: r.cors_origins,
    };
    Ok(Organisation { slug: r.slug, name: r.name, policy })
}

pub(super) async fn set_policy(tx: &mut TenantTx<Write>, policy: &SignInPolicy) -> Result<()> {
    sqlx::query!(
        "select app.set_tenant_policy($1, $2, $3, $4, $5)",
        policy.idle_minutes * 60,
        policy.absolute_minutes * 60,
        policy.require_second_factor,
        policy.password_sign_in,
        &policy.cors_origins
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Whether somebody could sign in without a password.
pub(super) async fn has_other_way_in(tx: &mut TenantTx<Write>) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from sso_providers where active and kind = 'oidc') as "has!""#)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(super) async fn origin_known(db: &Db, origin: &str) -> Result<bool> {
    let mut once = db.platform_once(PlatformReason::TenantDirectory).await?;
    sqlx::query_scalar!(
        r#"select exists (select from directory.tenants where $1 = any (cors_origins) and suspended_at is null) as "known!""#,
        origin
    )
    .fetch_one(once.conn())
    .await
    .map_err(db_error)
}

pub(super) async fn domains<M>(tx: &mut TenantTx<M>) -> Result<Vec<CustomDomain>> {
    let rows = sqlx::query!(
        r#"select domain as "domain!", proof as "proof!", created_at as "created_at!", verified_at, proved_at, checked_at from app.domains()"#
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows
        .into_iter()
        .map(|r| CustomDomain {
            record_name: record_name(&r.domain),
            record_value: record_value(&r.proof),
            domain: r.domain,
            created_at: r.created_at,
            issuance: None,
            verified_at: r.verified_at,
            proved_at: r.proved_at,
            checked_at: r.checked_at,
        })
        .collect())
}

/// Claims a domain. False where it is claimed already.
pub(super) async fn add_domain(tx: &mut TenantTx<Write>, domain: &str, proof: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"select app.add_domain($1, $2) as "added!""#, domain, proof).fetch_one(tx.conn()).await.map_err(db_error)
}

/// Notes that the record of a domain was seen, and returns whether the domain is served only now.
pub(super) async fn prove_domain(tx: &mut TenantTx<Write>, domain: &str) -> Result<bool> {
    let proven = sqlx::query_scalar!("select app.prove_domain($1)", domain).fetch_one(tx.conn()).await.map_err(|e| {
        if is_unique_violation(&e) {
            Error::conflict(
                "domain.owned",
                "Another organisation of this installation has proven this domain and still uses it. Nothing was changed; once its record is gone for three days, yours counts.",
            )
        } else {
            db_error(e)
        }
    })?;
    Ok(proven.unwrap_or(false))
}

/// Notes that the record of a domain was not there, and returns whether the domain is no longer served.
pub(super) async fn miss_domain(tx: &mut TenantTx<Write>, domain: &str, grace: Duration) -> Result<bool> {
    let grace = PgInterval::try_from(grace).map_err(Error::internal)?;
    let lapsed = sqlx::query_scalar!("select app.miss_domain($1, $2)", domain, grace).fetch_one(tx.conn()).await.map_err(db_error)?;
    Ok(lapsed.unwrap_or(false))
}

pub(super) async fn remove_domain(tx: &mut TenantTx<Write>, domain: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"select app.remove_domain($1) as "removed!""#, domain).fetch_one(tx.conn()).await.map_err(db_error)
}

pub(super) async fn proven_domains(db: &Db) -> Result<BTreeMap<String, DomainOwner>> {
    let mut once = db.platform_once(PlatformReason::TenantDirectory).await?;
    let rows = sqlx::query!(
        "select d.domain, t.id, t.slug, t.name from directory.domains d join directory.tenants t on t.id = d.tenant
         where d.verified_at is not null and t.suspended_at is null"
    )
    .fetch_all(once.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (r.domain, DomainOwner { tenant: TenantId(r.id), slug: r.slug, name: r.name })).collect())
}

pub(super) async fn domains_to_check(db: &Db, before: OffsetDateTime, most: i64) -> Result<Vec<(TenantId, String)>> {
    let mut once = db.platform_once(PlatformReason::TenantDirectory).await?;
    let rows = sqlx::query!(
        "select tenant, domain from directory.domains where verified_at is not null and checked_at < $1 order by checked_at limit $2",
        before,
        most
    )
    .fetch_all(once.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (TenantId(r.tenant), r.domain)).collect())
}

/// How long counting or deleting what is stored of one organisation may take.
const ERASURE_MINUTES_MAX: i32 = 60;

/// Gives the statements of the transaction the time that an erasure needs.
async fn take_time(conn: &mut sqlx::PgConnection) -> Result<()> {
    sqlx::query!("select set_config('statement_timeout', $1, true)", format!("{ERASURE_MINUTES_MAX}min"))
        .fetch_one(conn)
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Opens a transaction that erases, or counts what would be erased: everything in it has the time that takes.
pub(super) async fn erasing(db: &Db, cx: &OpContext) -> Result<TenantTx<Write>> {
    let mut tx = db.write_erased(cx).await?;
    take_time(tx.conn()).await?;
    Ok(tx)
}

/// Deletes everything of the transaction's tenant but its audit trail.
pub(super) async fn erase(tx: &mut TenantTx<Write>) -> Result<()> {
    sqlx::query_scalar!(r#"select app.erase_tenant() as "rows!""#).fetch_one(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Takes an erased tenant out of the directory, and with it logins, sessions, tokens and waiting jobs.
pub(super) async fn forget(db: &Db, id: TenantId) -> Result<()> {
    let mut tx = db.platform(PlatformReason::TenantDirectory).await?;
    take_time(tx.conn()).await?;
    sqlx::query!("delete from directory.sessions where tenant = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("delete from directory.tenants where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    tx.commit().await
}

/// What was erased, as SHA-256 of ids, and when.
pub(super) async fn erasures(db: &Db) -> Result<Vec<(Vec<u8>, time::OffsetDateTime)>> {
    let mut tx = db.platform(PlatformReason::TenantDirectory).await?;
    let rows = sqlx::query!("select tenant_hash, erased_at from directory.erasures").fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (r.tenant_hash, r.erased_at)).collect())
}
