//! SQL of tool servers and their tools.

use super::{CheckState, ToolServerAuth};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, Result, ToolServerId, now};
use vital_store::{TenantTx, Write, db_error};

/// A server with its secret still sealed.
pub(super) struct ServerRow {
    pub id: ToolServerId,
    pub slug: String,
    pub name: String,
    pub address: String,
    pub auth: ToolServerAuth,
    pub auth_header: Option<String>,
    pub secret: Option<Vec<u8>>,
    pub secret_set_at: Option<OffsetDateTime>,
    pub enabled: bool,
    pub read_at: Option<OffsetDateTime>,
    pub checked_at: Option<OffsetDateTime>,
    pub check_state: Option<CheckState>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl ServerRow {
    /// A server without a short name, a secret or any tool.
    pub(super) fn new(id: ToolServerId, name: &str, address: &str, auth: ToolServerAuth) -> Self {
        Self {
            id,
            slug: String::new(),
            name: name.to_owned(),
            address: address.to_owned(),
            auth,
            auth_header: None,
            secret: None,
            secret_set_at: None,
            enabled: true,
            read_at: None,
            checked_at: None,
            check_state: None,
            created_at: now(),
            updated_at: now(),
        }
    }
}

/// A tool with its definitions still sealed.
pub(super) struct ToolRow {
    pub id: Uuid,
    pub server: ToolServerId,
    pub name: String,
    pub definition: Option<Vec<u8>>,
    pub digest: Option<Vec<u8>>,
    pub approved_definition: Option<Vec<u8>>,
    pub approved_digest: Option<Vec<u8>>,
    pub approved_at: Option<OffsetDateTime>,
    pub writes: bool,
}

/// The servers of the tenant, oldest first; only one of them where it is named.
pub(super) async fn servers<M>(tx: &mut TenantTx<M>, only: Option<ToolServerId>) -> Result<Vec<ServerRow>> {
    let rows = sqlx::query!(
        "select id, slug, name, address, auth, auth_header, secret, secret_set_at, enabled, read_at, checked_at, check_state, created_at, updated_at
         from tool_servers where $1::uuid is null or id = $1 order by id",
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(ServerRow {
                id: ToolServerId(r.id),
                slug: r.slug,
                name: r.name,
                address: r.address,
                auth: ToolServerAuth::parse(&r.auth).ok_or_else(|| Error::internal("a tool server is shown something unknown"))?,
                auth_header: r.auth_header,
                secret: r.secret,
                secret_set_at: r.secret_set_at,
                enabled: r.enabled,
                read_at: r.read_at,
                checked_at: r.checked_at,
                check_state: r.check_state.as_deref().and_then(CheckState::parse),
                created_at: r.created_at,
                updated_at: r.updated_at,
            })
        })
        .collect()
}

/// The short names of all servers; none is added or changed by another transaction until this one ends.
pub(super) async fn lock_servers(tx: &mut TenantTx<Write>) -> Result<Vec<String>> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('tool_servers' || app.tenant_id()::text, 0))")
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    sqlx::query_scalar!("select slug from tool_servers").fetch_all(tx.conn()).await.map_err(db_error)
}

/// Takes the row of a server until the transaction ends, and returns when it was last changed; none where there is no such server.
pub(super) async fn lock_server(tx: &mut TenantTx<Write>, id: ToolServerId) -> Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!("select updated_at from tool_servers where id = $1 for update", id.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

pub(super) async fn insert_server(tx: &mut TenantTx<Write>, row: &ServerRow) -> Result<()> {
    sqlx::query!(
        "insert into tool_servers (id, slug, name, address, auth, auth_header, secret, secret_set_at, enabled, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.id.0,
        row.slug,
        row.name,
        row.address,
        row.auth.as_str(),
        row.auth_header,
        row.secret,
        row.secret_set_at,
        row.enabled,
        row.created_at,
        row.updated_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn update_server(tx: &mut TenantTx<Write>, row: &ServerRow) -> Result<()> {
    sqlx::query!(
        "update tool_servers set name = $2, address = $3, auth = $4, auth_header = $5, secret = $6, secret_set_at = $7, enabled = $8, read_at = $9,
             checked_at = $10, check_state = $11, updated_at = $12 where id = $1",
        row.id.0,
        row.name,
        row.address,
        row.auth.as_str(),
        row.auth_header,
        row.secret,
        row.secret_set_at,
        row.enabled,
        row.read_at,
        row.checked_at,
        row.check_state.map(CheckState::as_str),
        row.updated_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn delete_server(tx: &mut TenantTx<Write>, id: ToolServerId) -> Result<()> {
    sqlx::query!("delete from tool_servers where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Notes what a test found.
pub(super) async fn set_checked(tx: &mut TenantTx<Write>, id: ToolServerId, state: CheckState) -> Result<()> {
    let set = sqlx::query!("update tool_servers set checked_at = $2, check_state = $3 where id = $1", id.0, now(), state.as_str());
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Notes that a server told its tools.
pub(super) async fn set_read(tx: &mut TenantTx<Write>, id: ToolServerId) -> Result<()> {
    let set = sqlx::query!("update tool_servers set read_at = $2 where id = $1", id.0, now());
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// The tools of all servers, or of one, by name.
pub(super) async fn tools<M>(tx: &mut TenantTx<M>, only: Option<ToolServerId>) -> Result<Vec<ToolRow>> {
    let rows = sqlx::query!(
        "select id, server_id, name, definition, digest, approved_definition, approved_digest, approved_at, writes
         from tool_server_tools where $1::uuid is null or server_id = $1 order by server_id, name",
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let read = rows.into_iter().map(|r| ToolRow {
        id: r.id,
        server: ToolServerId(r.server_id),
        name: r.name,
        definition: r.definition,
        digest: r.digest,
        approved_definition: r.approved_definition,
        approved_digest: r.approved_digest,
        approved_at: r.approved_at,
        writes: r.writes,
    });
    Ok(read.collect())
}

/// Stores what a server tells of a tool, new or not.
pub(super) async fn tell(tx: &mut TenantTx<Write>, server: ToolServerId, id: Uuid, name: &str, sealed: &[u8], digest: &[u8]) -> Result<()> {
    sqlx::query!(
        "insert into tool_server_tools (id, server_id, name, definition, digest) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, id) do update set definition = excluded.definition, digest = excluded.digest",
        id,
        server.0,
        name,
        sealed,
        digest
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Notes that a server tells a tool no more.
pub(super) async fn tell_no_more(tx: &mut TenantTx<Write>, id: Uuid) -> Result<()> {
    let set = sqlx::query!("update tool_server_tools set definition = null, digest = null where id = $1", id);
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(super) async fn approve(tx: &mut TenantTx<Write>, id: Uuid, sealed: &[u8], digest: &[u8], writes: bool) -> Result<()> {
    sqlx::query!(
        "update tool_server_tools set approved_definition = $2, approved_digest = $3, approved_at = $4, writes = $5 where id = $1",
        id,
        sealed,
        digest,
        now(),
        writes
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn withdraw(tx: &mut TenantTx<Write>, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update tool_server_tools set approved_definition = null, approved_digest = null, approved_at = null, writes = true where id = $1",
        id
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn delete_tool(tx: &mut TenantTx<Write>, id: Uuid) -> Result<()> {
    sqlx::query!("delete from tool_server_tools where id = $1", id).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Forgets all tools of a server.
pub(super) async fn delete_tools(tx: &mut TenantTx<Write>, server: ToolServerId) -> Result<()> {
    sqlx::query!("delete from tool_server_tools where server_id = $1", server.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}
