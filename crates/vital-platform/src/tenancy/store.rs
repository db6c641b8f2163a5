//! SQL of the tenant directory.

use super::{Organisation, SignInPolicy, Tenant};
use vital_kernel::{Error, Result, TenantId, now};
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
