//! Groups and who is in them.

use crate::identity::Group;
use uuid::Uuid;
use vital_kernel::{Error, GroupId, Result, UserId, now};
use vital_store::{TenantTx, Write, db_error, is_unique_violation};

/// Groups by name, or one of them.
pub(crate) async fn groups<M>(tx: &mut TenantTx<M>, only: Option<GroupId>) -> Result<Vec<Group>> {
    let rows = sqlx::query!(
        r#"select g.id, g.name, g.external_id is not null as "provisioned!", g.created_at, g.updated_at,
                  (select count(*) from group_members x where x.tenant_id = g.tenant_id and x.group_id = g.id) as "members!"
           from groups g where $1::uuid is null or g.id = $1 order by lower(g.name), g.id"#,
        only.map(|g| g.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows
        .into_iter()
        .map(|r| Group {
            id: GroupId(r.id),
            name: r.name,
            members: r.members,
            provisioned: r.provisioned,
            created_at: r.created_at,
            updated_at: r.updated_at,
        })
        .collect())
}

pub(crate) async fn count_groups<M>(tx: &mut TenantTx<M>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from groups"#).fetch_one(tx.conn()).await.map_err(db_error)
}

fn taken(e: sqlx::Error) -> Error {
    if is_unique_violation(&e) {
        Error::conflict("group.name_taken", "A group of this name exists already. Nothing was stored.")
            .with_field("/name", "Use another name.")
    } else {
        db_error(e)
    }
}

pub(crate) async fn insert_group(tx: &mut TenantTx<Write>, id: GroupId, name: &str) -> Result<()> {
    sqlx::query!("insert into groups (id, name, created_at, updated_at) values ($1, $2, $3, $3)", id.0, name, now())
        .execute(tx.conn())
        .await
        .map_err(taken)?;
    Ok(())
}

pub(crate) async fn rename_group(tx: &mut TenantTx<Write>, id: GroupId, name: &str) -> Result<bool> {
    let renamed = sqlx::query!("update groups set name = $2, updated_at = $3 where id = $1", id.0, name, now())
        .execute(tx.conn())
        .await
        .map_err(taken)?;
    Ok(renamed.rows_affected() == 1)
}

pub(crate) async fn delete_group(tx: &mut TenantTx<Write>, id: GroupId) -> Result<bool> {
    let deleted = sqlx::query!("delete from groups where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(deleted.rows_affected() == 1)
}

/// Marks a group as changed now. Returns false where it does not exist.
pub(crate) async fn touch_group(tx: &mut TenantTx<Write>, id: GroupId) -> Result<bool> {
    let touched =
        sqlx::query!("update groups set updated_at = $2 where id = $1", id.0, now()).execute(tx.conn()).await.map_err(db_error)?;
    Ok(touched.rows_affected() == 1)
}

/// Adds those of the members who exist. Returns how many do, whether they were in the group already or not.
pub(crate) async fn add_to_group(tx: &mut TenantTx<Write>, id: GroupId, members: &[UserId]) -> Result<usize> {
    let members: Vec<Uuid> = members.iter().map(|m| m.0).collect();
    let known = sqlx::query_scalar!(
        r#"with known as (select id from members where id = any ($2) and removed_at is null and kind <> 'operator'),
               added as (insert into group_members (group_id, member_id) select $1, id from known on conflict do nothing)
           select count(*) as "n!" from known"#,
        id.0,
        &members
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(usize::try_from(known).unwrap_or_default())
}

pub(crate) async fn remove_from_group(tx: &mut TenantTx<Write>, id: GroupId, members: &[UserId]) -> Result<()> {
    let members: Vec<Uuid> = members.iter().map(|m| m.0).collect();
    sqlx::query!("delete from group_members where group_id = $1 and member_id = any ($2)", id.0, &members)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(crate) async fn leave_all_groups(tx: &mut TenantTx<Write>, member: UserId) -> Result<()> {
    sqlx::query!("delete from group_members where member_id = $1", member.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}
