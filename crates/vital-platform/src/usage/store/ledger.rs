//! SQL of the ledger.

use super::super::{charge::Charge, settle::Owner};
use uuid::Uuid;
use vital_kernel::{Error, Result, now};
use vital_store::{TenantTx, Write, db_error};

/// Adds a row. Returns false where there is one with this id already, which then stays as it is.
pub(in crate::usage) async fn insert_ledger(tx: &mut TenantTx<Write>, id: Uuid, owner: &Owner<'_>, charge: &Charge) -> Result<bool> {
    let count = |n: u64| i64::try_from(n).map_err(Error::internal);
    let done = sqlx::query!(
        "insert into usage_ledger (id, at, settled_at, user_id, expert_id, turn_id, purpose, provider, model, input_tokens,
             cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, basis)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing",
        id,
        owner.at,
        now(),
        owner.user,
        owner.expert,
        owner.turn,
        owner.purpose,
        charge.provider,
        charge.model,
        count(charge.usage.input)?,
        count(charge.usage.cached_input)?,
        count(charge.usage.cache_write_input)?,
        count(charge.usage.output)?,
        count(charge.usage.reasoning)?,
        charge.pico,
        charge.basis.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(done.rows_affected() == 1)
}
