//! Members as an organisation sees them.

use crate::{
    identity::{GroupName, MemberFilter, MemberKind},
    outbox::{self, Event},
};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{KeyId, Result, Role, UserId, now};
use vital_store::{TenantTx, Write, db_error};

pub(crate) struct MemberRow {
    pub id: Uuid,
    pub email: String,
    pub display_name: String,
    pub roles: Vec<String>,
    pub kind: String,
    pub active: bool,
    pub has_second_factor: bool,
    pub last_seen_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub groups: Json<Vec<GroupName>>,
}

/// Members who have not been removed, newest first.
pub(crate) async fn members<M>(tx: &mut TenantTx<M>, only: Option<UserId>, f: &MemberFilter) -> Result<Vec<MemberRow>> {
    sqlx::query_as!(
        MemberRow,
        r#"select m.id, m.email, m.display_name, m.roles, m.kind, m.active, m.last_seen_at, m.created_at,
                  exists (select from factors f where f.tenant_id = m.tenant_id and f.member_id = m.id and f.confirmed_at is not null)
                      as "has_second_factor!",
                  coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name) order by g.name)
                      from group_members x join groups g on g.tenant_id = x.tenant_id and g.id = x.group_id
                      where x.tenant_id = m.tenant_id and x.member_id = m.id), '[]') as "groups!: Json<Vec<GroupName>>"
           from members m
           where m.removed_at is null and ($1::uuid is null or m.id = $1) and ($2::uuid is null or m.id < $2) and ($3::text is null or m.kind = $3)
               and ($4::uuid is null or exists (select from group_members x where x.tenant_id = m.tenant_id and x.member_id = m.id and x.group_id = $4))
               and ($5 = '' or position(lower($5) in lower(m.display_name)) > 0 or position(lower($5) in m.email) > 0)
           order by m.id desc limit $6"#,
        only.map(|m| m.0),
        f.before.map(|m| m.0),
        f.kind.map(MemberKind::as_str),
        f.group.map(|g| g.0),
        f.query,
        f.limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) struct LockedMember {
    pub kind: String,
    pub active: bool,
    pub roles: Vec<String>,
}

/// Reads and locks a member who has not been removed.
pub(crate) async fn lock_member(tx: &mut TenantTx<Write>, id: UserId) -> Result<Option<LockedMember>> {
    sqlx::query_as!(LockedMember, "select kind, active, roles from members where id = $1 and removed_at is null for update", id.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

/// The administrators who can sign in, locked in the order of their ids.
pub(crate) async fn lock_admins(tx: &mut TenantTx<Write>) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        "select m.id from members m where 'tenant_admin' = any (m.roles) and m.kind = 'person' and m.active and m.removed_at is null
             and exists (select from app.password_of(m.id)) order by m.id for update of m"
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(ids.into_iter().map(UserId).collect())
}

pub(crate) async fn set_roles(tx: &mut TenantTx<Write>, id: UserId, roles: &[Role]) -> Result<()> {
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    sqlx::query!("update members set roles = $2, updated_at = $3 where id = $1", id.0, &roles, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn set_active(tx: &mut TenantTx<Write>, id: UserId, active: bool) -> Result<()> {
    sqlx::query!("update members set active = $2, updated_at = $3 where id = $1", id.0, active, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    if active { Ok(()) } else { outbox::enqueue(tx, Event::MemberDeactivated { member: id }).await }
}

pub(crate) async fn set_display_name(tx: &mut TenantTx<Write>, id: UserId, name: &str) -> Result<()> {
    sqlx::query!("update members set display_name = $2, updated_at = $3 where id = $1", id.0, name, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Takes the way in away and leaves a row that names nobody, so that the address is free again and what the member made keeps its owner.
pub(crate) async fn bury(tx: &mut TenantTx<Write>, id: UserId) -> Result<()> {
    sqlx::query!("select app.remove_login($1)", id.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "update members set removed_at = $2, updated_at = $2, active = false, email = 'removed-' || id || '@removed.invalid',
             display_name = 'Removed member', given_name = null, family_name = null, external_id = null, user_name = null,
             directory_name = null where id = $1",
        id.0,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("delete from identities where member_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("delete from factors where member_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("delete from recovery_codes where member_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Active service accounts.
pub(crate) async fn service_accounts(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from members where kind = 'service' and active and removed_at is null"#)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// Marks the working keys of a member as revoked and returns them.
pub(crate) async fn revoke_keys_of(tx: &mut TenantTx<Write>, member: UserId) -> Result<Vec<KeyId>> {
    let ids = sqlx::query_scalar!(
        "update api_keys set revoked_at = $2 where member_id = $1 and revoked_at is null returning id",
        member.0,
        now()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let ids: Vec<KeyId> = ids.into_iter().map(KeyId).collect();
    for key in &ids {
        outbox::enqueue(tx, Event::KeyRevoked { key: *key }).await?;
    }
    Ok(ids)
}
