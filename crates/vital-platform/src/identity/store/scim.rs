//! People and groups as a directory of the organisation sees them.

use crate::identity::GroupName;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_federation::scim::NewUser;
use vital_kernel::{Error, GroupId, Result, UserId, now};
use vital_store::{TenantTx, Write, db_error, is_unique_violation};

pub(crate) struct PersonRow {
    pub id: Uuid,
    pub user_name: String,
    pub email: String,
    pub external_id: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub display_name: Option<String>,
    pub active: bool,
    pub roles: Vec<String>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub groups: Json<Vec<GroupName>>,
}

/// Which people to read; by default all.
pub(crate) struct FindPeople<'a> {
    pub only: Option<UserId>,
    pub user_name: Option<&'a str>,
    pub external_id: Option<&'a str>,
    pub offset: i64,
    pub limit: i64,
}

impl Default for FindPeople<'_> {
    fn default() -> Self {
        Self { only: None, user_name: None, external_id: None, offset: 0, limit: i64::MAX }
    }
}

/// People who have not been removed, oldest first. Whom no directory has written yet has the address as user name.
pub(crate) async fn people<M>(tx: &mut TenantTx<M>, find: &FindPeople<'_>) -> Result<Vec<PersonRow>> {
    sqlx::query_as!(
        PersonRow,
        r#"select m.id, coalesce(m.user_name, m.email) as "user_name!", m.email, m.external_id, m.given_name, m.family_name,
                  case when m.user_name is null then m.display_name else m.directory_name end as display_name,
                  m.active, m.roles, m.created_at, m.updated_at,
                  coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name) order by g.id)
                      from group_members x join groups g on g.tenant_id = x.tenant_id and g.id = x.group_id
                      where x.tenant_id = m.tenant_id and x.member_id = m.id), '[]') as "groups!: Json<Vec<GroupName>>"
           from members m
           where m.kind = 'person' and m.removed_at is null and ($1::uuid is null or m.id = $1)
               and ($2::text is null or lower(coalesce(m.user_name, m.email)) = lower($2)) and ($3::text is null or m.external_id = $3)
           order by m.id offset $4 limit $5"#,
        find.only.map(|id| id.0),
        find.user_name,
        find.external_id,
        find.offset,
        find.limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) async fn count_people<M>(tx: &mut TenantTx<M>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from members where kind = 'person' and removed_at is null"#)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// The database's refusal of a second person of one name or address, whatever organisation the other one is in.
fn taken(e: sqlx::Error) -> Error {
    if is_unique_violation(&e) {
        Error::conflict("user.user_name_taken", "This user name or address is in use already. Nothing was stored.")
    } else {
        db_error(e)
    }
}

/// Stores what a directory says of a person, `active` aside.
pub(crate) async fn set_person(tx: &mut TenantTx<Write>, id: UserId, new: &NewUser, shown: &str, email: &str) -> Result<()> {
    sqlx::query!(
        "update members set user_name = $2, external_id = $3, given_name = $4, family_name = $5, directory_name = $6, display_name = $7,
             email = $8, updated_at = $9 where id = $1",
        id.0,
        new.user_name,
        new.external_id,
        new.given_name,
        new.family_name,
        new.display_name,
        shown,
        email,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(taken)?;
    Ok(())
}

/// Changes the address to sign in with in the directory of all organisations.
pub(crate) async fn rename_login(tx: &mut TenantTx<Write>, id: UserId, email: &str) -> Result<()> {
    sqlx::query!("select app.rename_login($1, $2)", id.0, email).execute(tx.conn()).await.map_err(taken)?;
    Ok(())
}

pub(crate) struct DirectoryGroupRow {
    pub id: Uuid,
    pub name: String,
    pub external_id: Option<String>,
    pub members: Vec<Uuid>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Which groups to read; by default all.
pub(crate) struct FindGroups<'a> {
    pub only: Option<GroupId>,
    pub name: Option<&'a str>,
    pub external_id: Option<&'a str>,
    pub offset: i64,
    pub limit: i64,
}

impl Default for FindGroups<'_> {
    fn default() -> Self {
        Self { only: None, name: None, external_id: None, offset: 0, limit: i64::MAX }
    }
}

/// Groups with the people in them, oldest first.
pub(crate) async fn directory_groups<M>(tx: &mut TenantTx<M>, find: &FindGroups<'_>) -> Result<Vec<DirectoryGroupRow>> {
    sqlx::query_as!(
        DirectoryGroupRow,
        r#"select g.id, g.name, g.external_id, g.created_at, g.updated_at,
                  array(select x.member_id from group_members x join members m on m.tenant_id = x.tenant_id and m.id = x.member_id
                      where x.tenant_id = g.tenant_id and x.group_id = g.id and m.kind = 'person' and m.removed_at is null
                      order by x.member_id) as "members!"
           from groups g
           where ($1::uuid is null or g.id = $1) and ($2::text is null or lower(g.name) = lower($2)) and ($3::text is null or g.external_id = $3)
           order by g.id offset $4 limit $5"#,
        find.only.map(|id| id.0),
        find.name,
        find.external_id,
        find.offset,
        find.limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Keeps a group as it is until the transaction ends; one that is not there is found missing afterwards.
pub(crate) async fn lock_group(tx: &mut TenantTx<Write>, id: GroupId) -> Result<()> {
    sqlx::query!(r#"select id from groups where id = $1 for update"#, id.0).fetch_optional(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(crate) async fn set_group_external_id(tx: &mut TenantTx<Write>, id: GroupId, external_id: Option<&str>) -> Result<()> {
    sqlx::query!("update groups set external_id = $2, updated_at = $3 where id = $1", id.0, external_id, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Adds those of the members who are people here. Returns how many are, whether they were in the group already or not.
pub(crate) async fn add_people_to_group(tx: &mut TenantTx<Write>, id: GroupId, members: &[UserId]) -> Result<usize> {
    let members: Vec<Uuid> = members.iter().map(|m| m.0).collect();
    let known = sqlx::query_scalar!(
        r#"with known as (select id from members where id = any ($2) and removed_at is null and kind = 'person'),
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
