//! SQL of appraisals.

use crate::knowledge::{Appraisal, Status};
use time::Date;
use uuid::Uuid;
use vital_kernel::{DocumentId, Result};
use vital_store::{TenantTx, Write, db_error};

/// The columns of an appraisal as they are read.
pub(in crate::knowledge) struct Columns {
    pub authority: String,
    pub level: Option<i16>,
    pub issued_on: Option<Date>,
    pub status: String,
    pub effective_from: Option<Date>,
    pub effective_until: Option<Date>,
    pub superseded_by: Option<Uuid>,
}

impl From<Columns> for Appraisal {
    fn from(c: Columns) -> Self {
        Self {
            authority: c.authority,
            level: c.level.and_then(|l| u8::try_from(l).ok()),
            issued_on: c.issued_on,
            status: Status::parse(&c.status),
            effective_from: c.effective_from,
            effective_until: c.effective_until,
            superseded_by: c.superseded_by,
        }
    }
}

/// Stores what a person said.
pub(in crate::knowledge) async fn set(tx: &mut TenantTx<Write>, id: DocumentId, a: &Appraisal) -> Result<()> {
    sqlx::query!(
        "update documents set authority = $2, level = $3, issued_on = $4, status = $5, effective_from = $6, effective_until = $7, superseded_by = $8,
                appraised_by = app.actor_id() where id = $1",
        id.0,
        a.authority,
        a.level.map(i16::from),
        a.issued_on,
        a.status.as_str(),
        a.effective_from,
        a.effective_until,
        a.superseded_by
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Stores what the rules say, unless a person has spoken.
pub(in crate::knowledge) async fn set_by_rules(
    tx: &mut TenantTx<Write>,
    id: DocumentId,
    level: Option<u8>,
    issued_on: Option<Date>,
) -> Result<()> {
    sqlx::query!(
        "update documents set level = $2, issued_on = coalesce($3, issued_on) where id = $1 and appraised_by is null",
        id.0,
        level.map(i16::from),
        issued_on
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(in crate::knowledge) async fn successor(tx: &mut TenantTx<Write>, id: DocumentId) -> Result<Option<Uuid>> {
    let row =
        sqlx::query_scalar!("select superseded_by from documents where id = $1", id.0).fetch_optional(tx.conn()).await.map_err(db_error)?;
    Ok(row.flatten())
}
