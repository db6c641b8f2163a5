//! Second factors and recovery codes.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, FactorId, Result, TenantId, UserId, now};
use vital_store::{Db, PlatformReason, TenantTx, Write, db_error, is_unique_violation};

pub(crate) struct FactorRow {
    pub id: Uuid,
    pub kind: String,
    pub name: String,
    pub secret: Option<Vec<u8>>,
    pub passkey: Option<Value>,
    pub last_step: Option<i64>,
    pub created_at: OffsetDateTime,
    pub used_at: Option<OffsetDateTime>,
}

/// The confirmed factors of a member, oldest first.
pub(crate) async fn factors<M>(tx: &mut TenantTx<M>, member: UserId) -> Result<Vec<FactorRow>> {
    sqlx::query_as!(
        FactorRow,
        "select id, kind, name, secret, passkey, last_step, created_at, used_at from factors
         where member_id = $1 and confirmed_at is not null order by id",
        member.0
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) async fn has_factor<M>(tx: &mut TenantTx<M>, member: UserId) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from factors where member_id = $1 and confirmed_at is not null) as "has!""#, member.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn drop_unconfirmed(tx: &mut TenantTx<Write>, member: UserId) -> Result<()> {
    sqlx::query!("delete from factors where member_id = $1 and confirmed_at is null", member.0)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn insert_totp(tx: &mut TenantTx<Write>, id: FactorId, member: UserId, name: &str, sealed: &[u8]) -> Result<()> {
    sqlx::query!(
        "insert into factors (id, member_id, kind, name, secret, created_at) values ($1, $2, 'totp', $3, $4, $5)",
        id.0,
        member.0,
        name,
        sealed,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// The sealed seed of an authenticator app that waits for its first code; locked for the rest of the transaction.
pub(crate) async fn unconfirmed_totp(tx: &mut TenantTx<Write>, id: FactorId, member: UserId) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query_scalar!(
        "select secret from factors where id = $1 and member_id = $2 and kind = 'totp' and confirmed_at is null for update",
        id.0,
        member.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(row.flatten())
}

pub(crate) async fn confirm_factor(tx: &mut TenantTx<Write>, id: FactorId, step: i64) -> Result<()> {
    sqlx::query!("update factors set confirmed_at = $2, used_at = $2, last_step = $3 where id = $1", id.0, now(), step)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn insert_passkey(
    tx: &mut TenantTx<Write>,
    id: FactorId,
    member: UserId,
    name: &str,
    passkey: &Value,
    credential_id: &[u8],
) -> Result<()> {
    sqlx::query!(
        "insert into factors (id, member_id, kind, name, passkey, confirmed_at, created_at) values ($1, $2, 'passkey', $3, $4, $5, $5)",
        id.0,
        member.0,
        name,
        passkey,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("select app.register_passkey($1, $2, $3)", credential_id, member.0, id.0).execute(tx.conn()).await.map_err(|e| {
        if is_unique_violation(&e) {
            Error::conflict("passkey.known", "This passkey is known here already. Nothing was stored.")
        } else {
            db_error(e)
        }
    })?;
    Ok(())
}

/// Accepts a time step if it is later than every accepted one.
pub(crate) async fn use_step(tx: &mut TenantTx<Write>, id: FactorId, step: i64) -> Result<bool> {
    let used = sqlx::query!(
        "update factors set last_step = $2, used_at = $3 where id = $1 and (last_step is null or last_step < $2)",
        id.0,
        step,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(used.rows_affected() == 1)
}

pub(crate) async fn use_passkey(tx: &mut TenantTx<Write>, id: FactorId, passkey: &Value) -> Result<()> {
    sqlx::query!("update factors set passkey = $2, used_at = $3 where id = $1", id.0, passkey, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn remove_factor(tx: &mut TenantTx<Write>, id: FactorId, member: UserId) -> Result<bool> {
    let gone =
        sqlx::query!("delete from factors where id = $1 and member_id = $2", id.0, member.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("select app.forget_passkey($1)", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(gone.rows_affected() == 1)
}

pub(crate) async fn passkey_owner(db: &Db, credential_id: &[u8]) -> Result<Option<(TenantId, UserId)>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let row = sqlx::query!("select tenant, user_id from directory.passkeys where credential_id = $1", credential_id)
        .fetch_optional(once.conn())
        .await
        .map_err(db_error)?;
    Ok(row.map(|r| (TenantId(r.tenant), UserId(r.user_id))))
}

pub(crate) async fn recovery_codes_left<M>(tx: &mut TenantTx<M>, member: UserId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from recovery_codes where member_id = $1 and used_at is null"#, member.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn replace_recovery_codes(tx: &mut TenantTx<Write>, member: UserId, hashes: &[Vec<u8>]) -> Result<()> {
    sqlx::query!("delete from recovery_codes where member_id = $1", member.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into recovery_codes (member_id, code_hash, created_at) select $1, h, $3 from unnest($2::bytea[]) h",
        member.0,
        hashes,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn use_recovery_code(tx: &mut TenantTx<Write>, member: UserId, hash: &[u8]) -> Result<bool> {
    let used = sqlx::query!(
        "update recovery_codes set used_at = $3 where member_id = $1 and code_hash = $2 and used_at is null",
        member.0,
        hash,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(used.rows_affected() == 1)
}
