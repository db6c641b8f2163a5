//! Sessions, half-finished sign-ins, and whom a token belongs to.

use serde_json::Value;
use sqlx::FromRow;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{KeyId, Result, SessionId, TenantId, UserId, now};
use vital_store::{Db, PlatformReason, Read, TenantTx, Write, db_error};

#[derive(FromRow)]
pub(crate) struct ResolvedRow {
    pub tenant: Uuid,
    pub user_id: Uuid,
    pub session_id: Option<Uuid>,
    pub key_id: Option<Uuid>,
    pub roles: Vec<String>,
    pub scopes: Option<Vec<String>>,
    pub display_name: String,
    pub email: String,
    pub kind: String,
    pub ends_at: Option<OffsetDateTime>,
    pub proved_at: Option<OffsetDateTime>,
    pub has_factor: bool,
    pub factor_required: bool,
    pub break_glass: Option<Uuid>,
    pub cors_origins: Vec<String>,
}

pub(crate) async fn resolve(db: &Db, token_hash: &[u8]) -> Result<Option<ResolvedRow>> {
    let mut once = db.platform_once(PlatformReason::Authenticate).await?;
    sqlx::query_as!(
        ResolvedRow,
        r#"select tenant as "tenant!", user_id as "user_id!", session_id, key_id, roles as "roles!", scopes, display_name as "display_name!",
                  email as "email!", kind as "kind!", case when isfinite(ends_at) then ends_at end as ends_at, proved_at, has_factor as "has_factor!",
                  factor_required as "factor_required!", break_glass, cors_origins as "cors_origins!"
           from app.resolve($1)"#,
        token_hash
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)
}

pub(crate) struct NewSession<'a> {
    pub token_hash: &'a [u8],
    pub id: SessionId,
    pub member: UserId,
    pub method: &'a str,
    pub device: &'a str,
    pub address: &'a str,
    pub proved_at: Option<OffsetDateTime>,
    /// When it ends at the latest, where that is sooner than the tenant's policy says.
    pub ends_at: Option<OffsetDateTime>,
}

/// Returns false where the tenant is suspended.
pub(crate) async fn insert_session(tx: &mut TenantTx<Write>, new: &NewSession<'_>) -> Result<bool> {
    let ends = sqlx::query_scalar!(
        "select app.start_session($1, $2, $3, $4, $5, $6, $7, $8)",
        new.token_hash,
        new.id.0,
        new.member.0,
        new.method,
        new.device,
        new.address,
        new.proved_at,
        new.ends_at
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("update members set last_seen_at = $2 where id = $1", new.member.0, now()).execute(tx.conn()).await.map_err(db_error)?;
    Ok(ends.is_some())
}

pub(crate) struct SessionRow {
    pub id: Uuid,
    pub created_at: OffsetDateTime,
    pub seen_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub proved_at: Option<OffsetDateTime>,
    pub method: String,
    pub device: String,
    pub address: String,
}

pub(crate) async fn sessions(tx: &mut TenantTx<Read>, member: UserId) -> Result<Vec<SessionRow>> {
    sqlx::query_as!(
        SessionRow,
        r#"select id as "id!", created_at as "created_at!", seen_at as "seen_at!", ends_at as "ends_at!", proved_at, method as "method!",
                  device as "device!", address as "address!" from app.sessions_of($1)"#,
        member.0
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Ends sessions of a member: one, or all but one. Returns the hashes of their tokens.
pub(crate) async fn end_sessions(
    tx: &mut TenantTx<Write>,
    member: UserId,
    only: Option<SessionId>,
    but_not: Option<SessionId>,
) -> Result<Vec<Vec<u8>>> {
    let hashes = sqlx::query_scalar!("select app.end_sessions($1, $2, $3)", member.0, only.map(|s| s.0), but_not.map(|s| s.0))
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(hashes.into_iter().flatten().collect())
}

/// Gives a session a new token. Returns the hash of the old one, none where the session has ended.
pub(crate) async fn rotate_session(
    tx: &mut TenantTx<Write>,
    member: UserId,
    session: SessionId,
    token_hash: &[u8],
    proved_at: Option<OffsetDateTime>,
) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!("select app.rotate_session($1, $2, $3, $4)", member.0, session.0, token_hash, proved_at)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// The present roles of a member who is active and whose session or key, if one is named, still works.
pub(crate) async fn still_in(
    tx: &mut TenantTx<Read>,
    member: UserId,
    session: Option<SessionId>,
    key: Option<KeyId>,
) -> Result<Option<Vec<String>>> {
    sqlx::query_scalar!(
        "select roles from members where id = $1 and active and removed_at is null
         and ($2::uuid is null or exists (select from app.sessions_of($1) s where s.id = $2))
         and ($3::uuid is null or exists (select from api_keys k where k.id = $3 and k.revoked_at is null and (k.ends_at is null or k.ends_at > now())))",
        member.0,
        session.map(|s| s.0),
        key.map(|k| k.0)
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

/// A half-finished sign-in or registration.
pub(crate) struct Ceremony {
    pub tenant: Option<TenantId>,
    pub user: Option<UserId>,
    pub state: Value,
}

pub(crate) async fn insert_ceremony(db: &Db, token_hash: &[u8], kind: &str, ceremony: &Ceremony, lasts: Duration) -> Result<()> {
    let mut tx = db.platform(PlatformReason::Credential).await?;
    sqlx::query!("delete from directory.ceremonies where ends_at < now()").execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into directory.ceremonies (token_hash, kind, tenant, user_id, state, ends_at) values ($1, $2, $3, $4, $5, $6)",
        token_hash,
        kind,
        ceremony.tenant.map(|t| t.0),
        ceremony.user.map(|u| u.0),
        ceremony.state,
        now() + lasts
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    tx.commit().await
}

/// Takes a ceremony: it can be taken once.
pub(crate) async fn take_ceremony(db: &Db, token_hash: &[u8], kind: &str) -> Result<Option<Ceremony>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let row = sqlx::query!(
        "delete from directory.ceremonies where token_hash = $1 and kind = $2 and ends_at > now() returning tenant, user_id, state",
        token_hash,
        kind
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)?;
    Ok(row.map(|r| Ceremony { tenant: r.tenant.map(TenantId), user: r.user_id.map(UserId), state: r.state }))
}

/// Counts an attempt on a ceremony and reads it; after the allowed number it is gone.
pub(crate) async fn try_ceremony(db: &Db, token_hash: &[u8], kind: &str, attempts_max: i16) -> Result<Option<Ceremony>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let row = sqlx::query!(
        "update directory.ceremonies set attempts = attempts + 1
         where token_hash = $1 and kind = $2 and ends_at > now() and attempts < $3 returning tenant, user_id, state",
        token_hash,
        kind,
        attempts_max
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)?;
    Ok(row.map(|r| Ceremony { tenant: r.tenant.map(TenantId), user: r.user_id.map(UserId), state: r.state }))
}

pub(crate) async fn purge_sessions(db: &Db) -> Result<()> {
    let mut once = db.platform_once(PlatformReason::SignIn).await?;
    sqlx::query!("delete from directory.sessions where ends_at < now()").execute(once.conn()).await.map_err(db_error)?;
    Ok(())
}
