//! API keys; their hashes stand in the directory.

use crate::{
    identity::Key,
    outbox::{self, Event},
};
use time::OffsetDateTime;
use vital_kernel::{KeyId, Result, UserId, now};
use vital_store::{Read, TenantTx, Write, db_error};

pub(crate) struct NewKeyRow<'a> {
    pub id: KeyId,
    pub member: UserId,
    pub name: &'a str,
    pub prefix: &'a str,
    pub scopes: &'a [String],
    pub created_by: Option<UserId>,
    pub ends_at: OffsetDateTime,
}

pub(crate) async fn insert_key(tx: &mut TenantTx<Write>, new: &NewKeyRow<'_>) -> Result<()> {
    sqlx::query!(
        "insert into api_keys (id, member_id, name, prefix, scopes, created_by, created_at, ends_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id.0,
        new.member.0,
        new.name,
        new.prefix,
        new.scopes,
        new.created_by.map(|u| u.0),
        now(),
        new.ends_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    outbox::enqueue(tx, Event::KeyCreated { key: new.id, member: new.member }).await
}

/// How many keys of a member work now.
pub(crate) async fn working_keys(tx: &mut TenantTx<Write>, member: UserId) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "n!" from api_keys where member_id = $1 and revoked_at is null and (ends_at is null or ends_at > now())"#,
        member.0
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// Keys of one member or of everybody, newest first.
pub(crate) async fn keys(tx: &mut TenantTx<Read>, member: Option<UserId>, before: Option<KeyId>, limit: i64) -> Result<Vec<Key>> {
    let rows = sqlx::query!(
        r#"select k.id, k.name, k.prefix, k.scopes, k.member_id, m.display_name, m.kind = 'service' as "service!", k.created_at, k.ends_at, k.used_at,
                  k.revoked_at
           from api_keys k join members m on m.tenant_id = k.tenant_id and m.id = k.member_id
           where ($1::uuid is null or k.member_id = $1) and ($2::uuid is null or k.id < $2) order by k.id desc limit $3"#,
        member.map(|m| m.0),
        before.map(|k| k.0),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows
        .into_iter()
        .map(|r| Key {
            id: KeyId(r.id),
            name: r.name,
            prefix: r.prefix,
            scopes: r.scopes,
            member: UserId(r.member_id),
            member_name: r.display_name,
            service: r.service,
            created_at: r.created_at,
            ends_at: r.ends_at,
            used_at: r.used_at,
            revoked_at: r.revoked_at,
        })
        .collect())
}

/// Marks a key as revoked, if it is the owner's where one is given. Returns false where there is none.
pub(crate) async fn revoke_key(tx: &mut TenantTx<Write>, id: KeyId, owner: Option<UserId>) -> Result<bool> {
    let revoked = sqlx::query!(
        "update api_keys set revoked_at = $3 where id = $1 and ($2::uuid is null or member_id = $2) and revoked_at is null",
        id.0,
        owner.map(|u| u.0),
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    if revoked.rows_affected() == 0 {
        return Ok(false);
    }
    outbox::enqueue(tx, Event::KeyRevoked { key: id }).await?;
    Ok(true)
}
