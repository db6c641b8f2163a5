//! SQL of collections and of what they are shared with.

use super::super::{Access, Collection, CollectionAccess, GroupName, OWN_COLLECTION};
use uuid::Uuid;
use vital_kernel::{CollectionId, GroupId, Result, UserId, now};
use vital_store::{Read, TenantTx, Write, db_error};

pub(crate) async fn list(tx: &mut TenantTx<Read>) -> Result<Vec<Collection>> {
    let rows = sqlx::query!(
        r#"select c.id, c.slug, c.name, c.starter, c.access, c.owner_id is not distinct from app.actor_id() and c.owner_id is not null as "owned!",
                  (select count(*) from documents d where d.tenant_id = c.tenant_id and d.collection_id = c.id) as "documents!"
           from collections c where c.id in (select app.visible_collections()) order by c.starter, c.slug <> $1, c.name, c.id"#,
        OWN_COLLECTION
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let collection = |r: CollectionFields| Collection {
        id: CollectionId(r.0),
        slug: r.1,
        name: r.2,
        starter: r.3,
        documents: r.6,
        access: Access::parse(&r.4),
        owned: r.5,
    };
    Ok(rows.into_iter().map(|r| collection((r.id, r.slug, r.name, r.starter, r.access, r.owned, r.documents))).collect())
}

type CollectionFields = (Uuid, String, String, bool, String, bool, i64);

/// Who may read which collection: of the actor's own ones or of all, or of one of them.
pub(crate) async fn access(tx: &mut TenantTx<Read>, all: bool, slug: Option<&str>) -> Result<Vec<CollectionAccess>> {
    let rows = sqlx::query!(
        r#"select c.slug, c.name, c.access, c.owner_id is not distinct from app.actor_id() and c.owner_id is not null as "owned!",
                  m.display_name as "owner?", c.starter or c.slug = $3 as "fixed!",
                  array(select g.group_id from collection_grants g where g.tenant_id = c.tenant_id and g.collection_id = c.id) as "groups!"
           from collections c left join members m on m.tenant_id = c.tenant_id and m.id = c.owner_id
           where ($1 or c.owner_id = app.actor_id()) and ($2::text is null or c.slug = $2) order by c.starter, c.name, c.id"#,
        all,
        slug,
        OWN_COLLECTION
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let rows = rows.into_iter().map(|r| CollectionAccess {
        slug: r.slug,
        name: r.name,
        access: Access::parse(&r.access),
        owned: r.owned,
        owner: r.owner,
        groups: r.groups.into_iter().map(GroupId).collect(),
        fixed: r.fixed,
    });
    Ok(rows.collect())
}

/// The collections that the actor may read, by id and slug.
pub(crate) async fn visible(tx: &mut TenantTx<Read>) -> Result<Vec<(CollectionId, String)>> {
    let rows = sqlx::query!("select id, slug from collections where id in (select app.visible_collections())")
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (CollectionId(r.id), r.slug)).collect())
}

/// A collection that documents can be added to: one the actor may read, outside the starter library.
pub(crate) async fn writable(tx: &mut TenantTx<Write>, slug: &str) -> Result<Option<CollectionId>> {
    let id = sqlx::query_scalar!(
        "select id from collections where slug = $1 and not starter and id in (select app.visible_collections()) for share",
        slug
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(id.map(CollectionId))
}

/// Makes a collection of the organisation, or renames the one that has the slug.
pub(crate) async fn insert_common(tx: &mut TenantTx<Write>, slug: &str, name: &str, starter: bool) -> Result<CollectionId> {
    let id = CollectionId::new();
    let row = sqlx::query!(
        "insert into collections (id, slug, name, starter, created_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, slug) do update set name = excluded.name returning id",
        id.0,
        slug,
        name,
        starter,
        now()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(CollectionId(row.id))
}

pub(crate) async fn count(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from collections"#).fetch_one(tx.conn()).await.map_err(db_error)
}

/// Makes a collection of one member. Returns false when the member has one of that name.
pub(crate) async fn insert_owned(
    tx: &mut TenantTx<Write>,
    id: CollectionId,
    slug: &str,
    name: &str,
    owner: UserId,
    access: Access,
) -> Result<bool> {
    let made = sqlx::query!(
        "insert into collections (id, slug, name, starter, owner_id, access, created_at) select $1, $2, $3, false, $4, $5, $6
         where not exists (select from collections where owner_id = $4 and lower(name) = lower($3))",
        id.0,
        slug,
        name,
        owner.0,
        access.as_str(),
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(made.rows_affected() == 1)
}

/// A collection as it stands, locked.
pub(crate) struct Locked {
    pub id: CollectionId,
    pub starter: bool,
    pub owner: Option<UserId>,
    pub visible: bool,
}

pub(crate) async fn lock(tx: &mut TenantTx<Write>, slug: &str) -> Result<Option<Locked>> {
    let row = sqlx::query!(
        r#"select id, starter, owner_id, id in (select app.visible_collections()) as "visible!" from collections where slug = $1 for update"#,
        slug
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(row.map(|r| Locked { id: CollectionId(r.id), starter: r.starter, owner: r.owner_id.map(UserId), visible: r.visible }))
}

/// Renames a collection. Returns false when its owner has another one of that name.
pub(crate) async fn rename(tx: &mut TenantTx<Write>, id: CollectionId, name: &str) -> Result<bool> {
    let renamed = sqlx::query!(
        "update collections c set name = $2 where id = $1
         and not exists (select from collections o where o.owner_id = c.owner_id and o.id <> c.id and lower(o.name) = lower($2))",
        id.0,
        name
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(renamed.rows_affected() == 1)
}

/// Sets the access; what has no owner yet then belongs to the actor, because somebody must be able to read it.
pub(crate) async fn set_access(tx: &mut TenantTx<Write>, id: CollectionId, access: Access) -> Result<()> {
    sqlx::query!("update collections set access = $2, owner_id = coalesce(owner_id, app.actor_id()) where id = $1", id.0, access.as_str())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Shares with exactly these groups. Returns false when one of them does not exist.
pub(crate) async fn replace_grants(tx: &mut TenantTx<Write>, id: CollectionId, groups: &[GroupId]) -> Result<bool> {
    sqlx::query!("delete from collection_grants where collection_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    let groups: Vec<Uuid> = groups.iter().map(|g| g.0).collect();
    let granted = sqlx::query!(
        "insert into collection_grants (collection_id, group_id) select $1, g.id from groups g where g.id = any ($2)",
        id.0,
        &groups
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(granted.rows_affected() == groups.len() as u64)
}

pub(crate) async fn documents_in(tx: &mut TenantTx<Write>, id: CollectionId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from documents where collection_id = $1"#, id.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn delete(tx: &mut TenantTx<Write>, id: CollectionId) -> Result<()> {
    sqlx::query!("delete from collections where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(crate) async fn groups(tx: &mut TenantTx<Read>) -> Result<Vec<GroupName>> {
    let rows = sqlx::query!("select id, name from groups order by lower(name), id").fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(rows.into_iter().map(|r| GroupName { id: GroupId(r.id), name: r.name }).collect())
}
