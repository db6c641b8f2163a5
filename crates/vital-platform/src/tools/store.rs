//! SQL of what an organisation lets its experts do with tools.

use std::collections::HashMap;
use vital_kernel::{ExpertId, Result, now};
use vital_store::{Read, TenantTx, Write, db_error};

pub(super) async fn public_sources(tx: &mut TenantTx<Read>) -> Result<bool> {
    let allowed = sqlx::query_scalar!("select public_sources from tool_settings").fetch_optional(tx.conn()).await.map_err(db_error)?;
    Ok(allowed.unwrap_or(false))
}

pub(super) async fn set_public_sources(tx: &mut TenantTx<Write>, are_allowed: bool) -> Result<()> {
    sqlx::query!(
        "insert into tool_settings (public_sources, updated_at) values ($1, $2)
         on conflict (tenant_id) do update set public_sources = excluded.public_sources, updated_at = excluded.updated_at",
        are_allowed,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Where an expert departs from the catalogue.
pub(super) async fn changed(tx: &mut TenantTx<Read>, expert: ExpertId) -> Result<HashMap<String, bool>> {
    let rows = sqlx::query!("select tool, granted from expert_tools where expert_id = $1", expert.0)
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (r.tool, r.granted)).collect())
}

pub(super) async fn forget(tx: &mut TenantTx<Write>, expert: ExpertId) -> Result<()> {
    sqlx::query!("delete from expert_tools where expert_id = $1", expert.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(super) async fn set(tx: &mut TenantTx<Write>, expert: ExpertId, tool: &str, granted: bool) -> Result<()> {
    sqlx::query!("insert into expert_tools (expert_id, tool, granted, updated_at) values ($1, $2, $3, $4)", expert.0, tool, granted, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}
