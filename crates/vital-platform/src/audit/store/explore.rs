//! SQL of looking at the trail.

use super::super::explore::OperatorAccess;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{BreakGlassId, Result};
use vital_store::{Read, TenantTx, db_error};
use vital_trail::{Fields, Hash, LogId, Stamp, Text};

/// Members that a part of a name may mean.
const MEMBERS_MAX: i64 = 200;
/// Entries about one object that a filter looks among, newest first.
const ABOUT_MAX: i64 = 10_000;

/// An entry as it is stored.
pub(crate) struct EntryRow {
    pub id: Uuid,
    pub seq: Option<i64>,
    pub at: OffsetDateTime,
    pub actor_id: Option<Uuid>,
    pub action: String,
    pub resource: String,
    pub resource_id: String,
    pub fields: Vec<String>,
    pub request_id: Uuid,
    pub node: Uuid,
    pub counter: i64,
    pub hash: Option<Vec<u8>>,
}

impl EntryRow {
    /// The entry at its place of the log, with its link of the chain; zeros where it has none.
    pub(crate) fn at_place(self, log: LogId) -> (vital_trail::Entry<'static>, Hash) {
        let hash = self.hash.as_deref().and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        let entry = vital_trail::Entry {
            log,
            seq: self.seq.and_then(|seq| u64::try_from(seq).ok()).unwrap_or_default(),
            id: self.id,
            at: Stamp::of(self.at),
            node: self.node,
            counter: u64::try_from(self.counter).unwrap_or_default(),
            actor: self.actor_id,
            action: self.action.into(),
            resource: self.resource.into(),
            resource_id: self.resource_id.into(),
            fields: self.fields.into_iter().map(Text::from).collect::<Fields<'static>>(),
            request: self.request_id,
        };
        (entry, hash)
    }
}

/// Which entries to read; none means any.
#[derive(Default)]
pub(crate) struct Wanted {
    pub actors: Option<Vec<Uuid>>,
    pub actions: Option<Vec<String>>,
    pub resource: Option<String>,
    pub object: Option<String>,
    pub object_id: Option<Uuid>,
    pub request: Option<Uuid>,
    pub since: Option<OffsetDateTime>,
    pub until: Option<OffsetDateTime>,
    /// Bounds on the id, which serve the index; the times above decide.
    pub least: Option<Uuid>,
    pub most: Option<Uuid>,
    pub before: Option<Uuid>,
    pub only: Option<Uuid>,
    pub limit: i64,
}

pub(crate) async fn entries(tx: &mut TenantTx<Read>, w: &Wanted) -> Result<Vec<EntryRow>> {
    sqlx::query_as!(
        EntryRow,
        r#"select e.id, e.seq, e.at, e.actor_id, e.action, e.resource, e.resource_id, e.fields, e.request_id,
                  e.node, e.counter, e.hash
           from audit_entries e
           where ($1::uuid[] is null or e.actor_id = any ($1)) and ($2::text[] is null or e.action = any ($2))
             and ($3::text is null or e.resource = $3)
             and ($4::text is null or e.id = any (array(
                 (select a.id from audit_entries a where a.resource_id = $4 and a.resource <> 'documents' order by a.id desc limit $13)
                 union all
                 (select o.entry_id from audit_objects o where o.object_id = $5 order by o.entry_id desc limit $13))))
             and ($6::uuid is null or e.request_id = $6) and ($7::timestamptz is null or e.at >= $7) and ($8::timestamptz is null or e.at < $8)
             and ($9::uuid is null or e.id >= $9) and ($10::uuid is null or e.id < $10) and ($11::uuid is null or e.id < $11)
             and ($12::uuid is null or e.id = $12)
           order by e.id desc limit $14"#,
        w.actors.as_deref(),
        w.actions.as_deref(),
        w.resource,
        w.object,
        w.object_id,
        w.request,
        w.since,
        w.until,
        w.least,
        w.most,
        w.before,
        w.only,
        ABOUT_MAX,
        w.limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Entries of the three ways in which a document is seen.
pub(crate) async fn sightings(tx: &mut TenantTx<Read>, document: Uuid, before: Option<Uuid>, limit: i64) -> Result<Vec<EntryRow>> {
    sqlx::query_as!(
        EntryRow,
        r#"select e.id as "id!", e.seq, e.at as "at!", e.actor_id, e.action as "action!", e.resource as "resource!",
                  e.resource_id as "resource_id!", e.fields as "fields!", e.request_id as "request_id!", e.node as "node!",
                  e.counter as "counter!", e.hash
           from ((select a.* from audit_entries a
                  where a.resource_id = $1::text and a.resource <> 'documents' and a.action = 'document.read' and ($3::uuid is null or a.id < $3)
                  order by a.id desc limit $4)
                 union all
                 (select a.* from audit_objects o join audit_entries a on a.tenant_id = o.tenant_id and a.id = o.entry_id
                  where o.object_id = $2 and a.action in ('search.performed', 'evidence.cited') and ($3::uuid is null or o.entry_id < $3)
                  order by o.entry_id desc limit $4)) e
           order by e.id desc limit $4"#,
        document.to_string(),
        document,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Whether the organisation has, or had, a document.
pub(crate) async fn had_document(tx: &mut TenantTx<Read>, document: Uuid) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from documents where id = $1)
               or exists (select from audit_entries where resource_id = $2 and resource = 'document') as "had!""#,
        document,
        document.to_string()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// Ids of members whose name or address holds this, in any case.
pub(crate) async fn members_like(tx: &mut TenantTx<Read>, part: &str) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from members where strpos(lower(display_name), lower($1)) > 0 or strpos(lower(email), lower($1)) > 0 order by id limit $2",
        part,
        MEMBERS_MAX
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Somebody of the organisation.
pub(crate) struct PersonRow {
    pub id: Uuid,
    pub display_name: String,
    pub kind: String,
    pub opening: Option<Uuid>,
}

pub(crate) async fn people(tx: &mut TenantTx<Read>, ids: &[Uuid]) -> Result<Vec<PersonRow>> {
    sqlx::query_as!(
        PersonRow,
        r#"select m.id, m.display_name, m.kind,
                  (select b.id from break_glass b where b.tenant_id = m.tenant_id and b.member_id = m.id limit 1) as opening
           from members m where m.id = any ($1)"#,
        ids
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) async fn openings(tx: &mut TenantTx<Read>, limit: i64) -> Result<Vec<OperatorAccess>> {
    let rows = sqlx::query!(
        r#"select id, operator, opened_at, coalesce(closed_at, ends_at) as "ends_at!", reviewed_at is not null as "reviewed!"
           from break_glass order by id desc limit $1"#,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let access = rows.into_iter().map(|r| OperatorAccess {
        id: BreakGlassId(r.id),
        operator: r.operator,
        opened_at: r.opened_at,
        ends_at: r.ends_at,
        reviewed: r.reviewed,
    });
    Ok(access.collect())
}
