//! Logins, members as accounts, passwords, links, first-run set-up.

use crate::{
    identity::NewUser,
    outbox::{self, Event},
};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, Result, TenantId, UserId, now};
use vital_store::{Db, PlatformReason, TenantTx, Write, db_error, is_unique_violation};

pub(crate) struct LoginRow {
    pub tenant: Uuid,
    pub user_id: Uuid,
    pub password_hash: Option<String>,
    pub long_password: bool,
    pub password_sign_in: bool,
}

pub(crate) async fn login(db: &Db, email: &str) -> Result<Option<LoginRow>> {
    let mut once = db.platform_once(PlatformReason::SignIn).await?;
    sqlx::query_as!(
        LoginRow,
        "select l.tenant, l.user_id, l.password_hash, l.long_password, t.password_sign_in
         from directory.logins l join directory.tenants t on t.id = l.tenant where l.email = $1 and t.suspended_at is null",
        email
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)
}

pub(crate) struct AccountRow {
    pub active: bool,
    pub kind: String,
    pub display_name: String,
    pub email: String,
}

/// A member who has not been removed.
pub(crate) async fn account<M>(tx: &mut TenantTx<M>, member: UserId) -> Result<Option<AccountRow>> {
    sqlx::query_as!(AccountRow, "select active, kind, display_name, email from members where id = $1 and removed_at is null", member.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) struct PasswordRow {
    pub password_hash: Option<String>,
    pub long_password: bool,
}

pub(crate) async fn password<M>(tx: &mut TenantTx<M>, member: UserId) -> Result<Option<PasswordRow>> {
    sqlx::query_as!(PasswordRow, r#"select password_hash, long_password as "long_password!" from app.password_of($1)"#, member.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn set_password(tx: &mut TenantTx<Write>, member: UserId, hash: &str, long: bool) -> Result<bool> {
    let changed =
        sqlx::query_scalar!("select app.set_password($1, $2, $3)", member.0, hash, long).fetch_one(tx.conn()).await.map_err(db_error)?;
    Ok(changed == Some(true))
}

fn taken(e: sqlx::Error) -> Error {
    if is_unique_violation(&e) {
        Error::conflict("user.email_taken", "This address is in use already. Nothing was stored.")
            .with_field("/email", "Use another address.")
    } else {
        db_error(e)
    }
}

/// Stores a member with a way in; without a password hash they come in by single sign-on or by a link.
pub(crate) async fn insert_member(
    tx: &mut TenantTx<Write>,
    id: UserId,
    new: &NewUser,
    kind: &str,
    password_hash: Option<&str>,
    long_password: bool,
) -> Result<()> {
    insert_account(tx, id, new, kind).await?;
    sqlx::query!("select app.create_login($1, $2, $3, $4)", new.email, id.0, password_hash, long_password)
        .execute(tx.conn())
        .await
        .map_err(taken)?;
    Ok(())
}

/// Stores a member who cannot sign in.
pub(crate) async fn insert_account(tx: &mut TenantTx<Write>, id: UserId, new: &NewUser, kind: &str) -> Result<()> {
    let roles: Vec<String> = new.roles.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into members (id, email, display_name, roles, kind, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $6)",
        id.0,
        new.email,
        new.display_name,
        &roles,
        kind,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    outbox::enqueue(tx, Event::MemberAdded { member: id }).await
}

/// Puts a secret of one of the kinds `key`, `invitation`, `reset` in force; an earlier one of the same subject stops working.
pub(crate) async fn issue_token(
    tx: &mut TenantTx<Write>,
    token_hash: &[u8],
    kind: &str,
    subject: Uuid,
    ends_at: Option<OffsetDateTime>,
) -> Result<()> {
    sqlx::query!("select app.issue_token($1, $2, $3, $4)", token_hash, kind, subject, ends_at)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Takes a secret out of force. Returns the hashes, so that caches can forget them.
pub(crate) async fn end_token(tx: &mut TenantTx<Write>, kind: &str, subject: Uuid) -> Result<Vec<Vec<u8>>> {
    let hashes = sqlx::query_scalar!("select app.end_token($1, $2)", kind, subject).fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(hashes.into_iter().flatten().collect())
}

/// Whom a link belongs to: tenant and subject.
pub(crate) async fn linked(db: &Db, token_hash: &[u8], kind: &str) -> Result<Option<(TenantId, Uuid)>> {
    let mut once = db.platform_once(PlatformReason::Credential).await?;
    let row = sqlx::query!(
        "select t.tenant, t.subject from directory.tokens t join directory.tenants d on d.id = t.tenant
         where t.token_hash = $1 and t.kind = $2 and (t.ends_at is null or t.ends_at > now()) and d.suspended_at is null",
        token_hash,
        kind
    )
    .fetch_optional(once.conn())
    .await
    .map_err(db_error)?;
    Ok(row.map(|r| (TenantId(r.tenant), r.subject)))
}

pub(crate) async fn replace_setup_link(db: &Db, token_hash: &[u8], valid: Duration) -> Result<()> {
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

pub(crate) async fn setup_link_valid(db: &Db, token_hash: &[u8]) -> Result<bool> {
    let mut tx = db.platform(PlatformReason::Setup).await?;
    sqlx::query_scalar!(
        r#"select exists (select from directory.setup_links where token_hash = $1 and ends_at > now()) as "valid!""#,
        token_hash
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) async fn consume_setup_link(db: &Db, token_hash: &[u8]) -> Result<bool> {
    let mut tx = db.platform(PlatformReason::Setup).await?;
    let used = sqlx::query!("delete from directory.setup_links where token_hash = $1 and ends_at > now()", token_hash)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    tx.commit().await?;
    Ok(used.rows_affected() == 1)
}
