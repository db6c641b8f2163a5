//! A write that came with an idempotency key takes effect once: the transaction that has the effect says so in the row of the key.
//!
//! **Invariant:** an attempt that another one has taken the place of commits nothing, however late it wakes up; one whose effect is committed
//! is never taken over. Both follow from the row's lock: mark and effect become visible together.

use crate::error::db_error;
use sqlx::PgConnection;
use vital_kernel::{AttemptId, Error, Result};

/// Marks the attempt as one that had its effect, from the commit of this transaction on.
///
/// # Errors
/// `Conflict` where the attempt is no longer the one that counts.
pub(super) async fn mark(conn: &mut PgConnection, attempt: AttemptId) -> Result<()> {
    let marked = sqlx::query(
        "update public.idempotency_keys set state = case when state = 'started' then 'effected' else state end where attempt = $1",
    )
    .bind(attempt.0)
    .execute(conn)
    .await
    .map_err(db_error)?;
    if marked.rows_affected() == 1 {
        return Ok(());
    }
    let detail = "This request took so long that an equal one with the same idempotency key was begun in its place. Nothing was stored by \
                  this one; send it again with the same key for the other one's reply.";
    Err(Error::conflict("idempotency.taken_over", detail))
}
