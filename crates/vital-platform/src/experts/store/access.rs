//! SQL of who may ask which expert.

use super::super::ExpertAccess;
use crate::knowledge::Access;
use std::collections::HashSet;
use uuid::Uuid;
use vital_kernel::{ExpertId, GroupId, Result};
use vital_store::{Read, TenantTx, Write, db_error};

/// The experts that the actor may ask.
pub(crate) async fn visible<M>(tx: &mut TenantTx<M>) -> Result<HashSet<ExpertId>> {
    let ids = sqlx::query_scalar!(r#"select app.visible_experts() as "id!""#).fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(ids.into_iter().map(ExpertId).collect())
}

/// Who may ask which expert: of all, or of one of them. Names are not here: they are in the version in force.
pub(crate) async fn list(tx: &mut TenantTx<Read>, slug: Option<&str>) -> Result<Vec<(ExpertId, ExpertAccess)>> {
    let rows = sqlx::query!(
        r#"select e.id, e.slug, e.access, m.display_name as "owner?",
                  array(select g.group_id from expert_grants g where g.tenant_id = e.tenant_id and g.expert_id = e.id) as "groups!"
           from experts e left join members m on m.tenant_id = e.tenant_id and m.id = e.owner_id
           where $1::text is null or e.slug = $1 order by e.slug"#,
        slug
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let row = |r: (Uuid, String, String, Option<String>, Vec<Uuid>)| {
        let (id, slug, access, owner, groups) = r;
        (
            ExpertId(id),
            ExpertAccess {
                name: slug.clone(),
                slug,
                access: Access::parse(&access),
                owner,
                groups: groups.into_iter().map(GroupId).collect(),
            },
        )
    };
    Ok(rows.into_iter().map(|r| row((r.id, r.slug, r.access, r.owner, r.groups))).collect())
}

/// Locks an expert by its stable name, whoever may ask it.
pub(crate) async fn lock(tx: &mut TenantTx<Write>, slug: &str) -> Result<Option<ExpertId>> {
    let id =
        sqlx::query_scalar!("select id from experts where slug = $1 for update", slug).fetch_optional(tx.conn()).await.map_err(db_error)?;
    Ok(id.map(ExpertId))
}

/// Sets the access. Who makes an expert private becomes its owner; an expert open to everybody belongs to nobody.
pub(crate) async fn set(tx: &mut TenantTx<Write>, id: ExpertId, access: Access) -> Result<()> {
    sqlx::query!(
        "update experts set access = $2, owner_id = case $2 when 'private' then app.actor_id() when 'tenant' then null else owner_id end
         where id = $1",
        id.0,
        access.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Shares with exactly these groups. Returns false when one of them does not exist.
pub(crate) async fn replace_grants(tx: &mut TenantTx<Write>, id: ExpertId, groups: &[GroupId]) -> Result<bool> {
    sqlx::query!("delete from expert_grants where expert_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    let groups: Vec<Uuid> = groups.iter().map(|g| g.0).collect();
    let granted =
        sqlx::query!("insert into expert_grants (expert_id, group_id) select $1, g.id from groups g where g.id = any ($2)", id.0, &groups)
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
    Ok(granted.rows_affected() == groups.len() as u64)
}
