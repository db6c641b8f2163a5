//! SQL of experts.

pub(super) mod access;

use super::{Expert, ExpertBody};
use sqlx::types::Json;
use uuid::Uuid;
use vital_kernel::{ExpertId, Result, now};
use vital_store::{Read, TenantTx, Write, db_error};

pub(super) async fn all(tx: &mut TenantTx<Read>) -> Result<Vec<Expert>> {
    let rows = sqlx::query!(
        r#"select e.id, e.version, v.body as "body: Json<ExpertBody>"
           from experts e join expert_versions v on v.tenant_id = e.tenant_id and v.expert_id = e.id and v.version = e.version
           order by e.slug"#
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| Expert { id: ExpertId(r.id), version: r.version, body: r.body.0 }).collect())
}

pub(super) struct Known {
    pub id: Uuid,
    pub slug: String,
    pub version: i32,
    pub content_hash: Vec<u8>,
}

pub(super) async fn hashes(tx: &mut TenantTx<Write>) -> Result<Vec<Known>> {
    sqlx::query_as!(
        Known,
        "select e.id, e.slug, e.version, v.content_hash
         from experts e join expert_versions v on v.tenant_id = e.tenant_id and v.expert_id = e.id and v.version = e.version
         for update of e"
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

pub(super) async fn insert(tx: &mut TenantTx<Write>, id: ExpertId, slug: &str) -> Result<()> {
    sqlx::query!("insert into experts (id, slug, version, created_at) values ($1, $2, 1, $3)", id.0, slug, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(super) async fn add_version(tx: &mut TenantTx<Write>, id: ExpertId, version: i32, hash: &[u8], body: serde_json::Value) -> Result<()> {
    sqlx::query!(
        "insert into expert_versions (expert_id, version, content_hash, body, created_at) values ($1, $2, $3, $4, $5)",
        id.0,
        version,
        hash,
        body,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("update experts set version = $2 where id = $1", id.0, version).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}
