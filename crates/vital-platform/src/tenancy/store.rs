//! SQL of the tenant directory.

use super::Tenant;
use vital_kernel::{Error, Result, TenantId, now};
use vital_store::{Db, PlatformReason, db_error, is_unique_violation};

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
