//! Openings by operators, and the accounts they come with.

use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{BreakGlassId, Result, TenantId, UserId, now};
use vital_store::{Db, PlatformReason, Read, TenantTx, Write, db_error};

pub(crate) struct NewOpening<'a> {
    pub member: UserId,
    pub operator: &'a str,
    pub reason: &'a str,
    pub opened_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
}

pub(crate) async fn insert_opening(tx: &mut TenantTx<Write>, id: BreakGlassId, new: &NewOpening<'_>) -> Result<()> {
    sqlx::query!(
        "insert into break_glass (id, member_id, operator, reason, opened_at, ends_at) values ($1, $2, $3, $4, $5, $6)",
        id.0,
        new.member.0,
        new.operator,
        new.reason,
        new.opened_at,
        new.ends_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(crate) struct OpeningRow {
    pub id: Uuid,
    pub member_id: Uuid,
    pub operator: String,
    pub reason: String,
    pub opened_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub closed_at: Option<OffsetDateTime>,
    pub reviewed_by: Option<Uuid>,
    pub reviewed_at: Option<OffsetDateTime>,
    pub review_note: Option<String>,
}

/// Openings, newest first, or one of them.
pub(crate) async fn openings<M>(
    tx: &mut TenantTx<M>,
    only: Option<BreakGlassId>,
    before: Option<BreakGlassId>,
    limit: i64,
) -> Result<Vec<OpeningRow>> {
    sqlx::query_as!(
        OpeningRow,
        "select id, member_id, operator, reason, opened_at, ends_at, closed_at, reviewed_by, reviewed_at, review_note from break_glass
         where ($1::uuid is null or id = $1) and ($2::uuid is null or id < $2) order by id desc limit $3",
        only.map(|b| b.0),
        before.map(|b| b.0),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Marks an opening as closed, at its planned end at the latest. Returns the operator's account, none where it is not open.
pub(crate) async fn close_opening(tx: &mut TenantTx<Write>, id: BreakGlassId, at: OffsetDateTime) -> Result<Option<UserId>> {
    let member = sqlx::query_scalar!(
        "update break_glass set closed_at = least($2, ends_at) where id = $1 and closed_at is null returning member_id",
        id.0,
        at
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(member.map(UserId))
}

/// Takes the operator's account out of use; its name stays in the trail.
pub(crate) async fn dismiss_operator(tx: &mut TenantTx<Write>, member: UserId) -> Result<()> {
    sqlx::query!("select app.remove_login($1)", member.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("update members set active = false, removed_at = $2, updated_at = $2 where id = $1", member.0, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Openings that are not marked as closed though their time is over.
pub(crate) async fn ended_openings(tx: &mut TenantTx<Read>) -> Result<Vec<BreakGlassId>> {
    let ids = sqlx::query_scalar!("select id from break_glass where closed_at is null and ends_at <= now()")
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(ids.into_iter().map(BreakGlassId).collect())
}

/// Signs an opening off. Returns false where that has been done.
pub(crate) async fn review_opening(tx: &mut TenantTx<Write>, id: BreakGlassId, by: UserId, note: &str) -> Result<bool> {
    let reviewed = sqlx::query!(
        "update break_glass set reviewed_by = $2, reviewed_at = $3, review_note = $4 where id = $1 and reviewed_at is null",
        id.0,
        by.0,
        now(),
        note
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(reviewed.rows_affected() == 1)
}

/// The addresses of the active administrators.
pub(crate) async fn admin_emails<M>(tx: &mut TenantTx<M>) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "select email from members where 'tenant_admin' = any (roles) and kind = 'person' and active and removed_at is null order by id"
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Tenants in which an operator has an account: it goes when the opening is closed.
pub(crate) async fn tenants_with_operators(db: &Db) -> Result<Vec<TenantId>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let ids = sqlx::query_scalar!("select distinct tenant from directory.logins where email like 'operator-%@operator.invalid'")
        .fetch_all(once.conn())
        .await
        .map_err(db_error)?;
    Ok(ids.into_iter().map(TenantId).collect())
}
