//! SQL of identity. The directory tables are reached through platform transactions, members through tenant transactions.

use super::{IDLE, NewUser};
use sqlx::FromRow;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, Result, SessionId, TenantId, UserId, now};
use vital_store::{Db, PlatformReason, TenantTx, Write, db_error, is_unique_violation};

#[derive(FromRow)]
pub(super) struct SessionRow {
    pub tenant: Uuid,
    pub user_id: Uuid,
    pub session_id: Uuid,
    pub roles: Vec<String>,
    pub display_name: String,
    pub email: String,
    pub ends_at: OffsetDateTime,
}

pub(super) async fn session_context(db: &Db, token_hash: &[u8]) -> Result<Option<SessionRow>> {
    let mut once = db.platform_once(PlatformReason::Authenticate).await?;
    sqlx::query_as!(
        SessionRow,
        r#"select tenant as "tenant!", user_id as "user_id!", session_id as "session_id!", roles as "roles!", display_name as "display_name!",
                  email as "email!", ends_at as "ends_at!"
           from app.session_context($1, make_interval(secs => $2))"#,
        token_hash,
        IDLE.as_secs_f64()
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)
}

pub(super) struct LoginRow {
    pub tenant: Uuid,
    pub user_id: Uuid,
    pub password_hash: String,
}

pub(super) async fn login(db: &Db, email: &str) -> Result<Option<LoginRow>> {
    let mut tx = db.platform(PlatformReason::SignIn).await?;
    sqlx::query_as!(LoginRow, "select tenant, user_id, password_hash from directory.logins where email = $1", email)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

pub(super) async fn insert_session(
    db: &Db,
    token_hash: &[u8],
    id: SessionId,
    tenant: TenantId,
    user: UserId,
    ends_at: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.platform(PlatformReason::SignIn).await?;
    sqlx::query!("delete from directory.sessions where ends_at < now()").execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into directory.sessions (token_hash, id, tenant, user_id, created_at, seen_at, ends_at) values ($1, $2, $3, $4, $5, $5, $6)",
        token_hash,
        id.0,
        tenant.0,
        user.0,
        now(),
        ends_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    tx.commit().await
}

pub(super) async fn end_session(db: &Db, id: SessionId) -> Result<()> {
    let mut tx = db.platform(PlatformReason::SignIn).await?;
    sqlx::query!("delete from directory.sessions where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    tx.commit().await
}

pub(super) async fn insert_member(tx: &mut TenantTx<Write>, id: UserId, new: &NewUser, password_hash: &str) -> Result<()> {
    let roles: Vec<String> = new.roles.iter().map(ToString::to_string).collect();
    let taken = |e: sqlx::Error| {
        if is_unique_violation(&e) {
            Error::conflict("user.email_taken", "This address is in use already. Nothing was stored.")
                .with_field("/email", "Use another address.")
        } else {
            db_error(e)
        }
    };
    sqlx::query!(
        "insert into members (id, email, display_name, roles, created_at) values ($1, $2, $3, $4, $5)",
        id.0,
        new.email,
        new.display_name,
        &roles,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    sqlx::query!("select app.create_login($1, $2, $3)", new.email, id.0, password_hash).execute(tx.conn()).await.map_err(taken)?;
    Ok(())
}

pub(super) async fn replace_setup_link(db: &Db, token_hash: &[u8], valid: Duration) -> Result<()> {
    let mut tx = db.platform(PlatformReason::Setup).await?;
    sqlx::query!("delete from directory.setup_links").execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into directory.setup_links (token_hash, created_at, ends_at) values ($1, $2, $3)",
        token_hash,
        now(),
        now() + valid
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    tx.commit().await
}

pub(super) async fn setup_link_valid(db: &Db, token_hash: &[u8]) -> Result<bool> {
    let mut tx = db.platform(PlatformReason::Setup).await?;
    sqlx::query_scalar!(
        r#"select exists (select from directory.setup_links where token_hash = $1 and ends_at > now()) as "valid!""#,
        token_hash
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

pub(super) async fn consume_setup_link(db: &Db, token_hash: &[u8]) -> Result<bool> {
    let mut tx = db.platform(PlatformReason::Setup).await?;
    let used = sqlx::query!("delete from directory.setup_links where token_hash = $1 and ends_at > now()", token_hash)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    tx.commit().await?;
    Ok(used.rows_affected() == 1)
}
