//! SQL of the sequenced trail: a tenant's log stands in its own fenced table, the installation's in the directory, with the same columns.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::Result;
use vital_store::db_error;
use vital_trail::{Compact, Entry, Fields, Hash, LogId, Stamp, Text};

/// One writer of checkpoints at a time, across all nodes: the key of the advisory lock.
const CHECKPOINT_LOCK: i64 = 0x7669_7461_6c5f_6170;

/// The same statement for the table of tenants and for the installation's.
macro_rules! on_entries {
    ($log:expr, $before:literal, $after:literal) => {
        if $log.tenant().is_some() {
            concat!($before, "public.audit_entries", $after)
        } else {
            concat!($before, "directory.audit_entries", $after)
        }
    };
}

/// An entry as it is stored.
#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: Uuid,
    at: OffsetDateTime,
    actor_id: Option<Uuid>,
    action: String,
    resource: String,
    resource_id: String,
    fields: Vec<String>,
    request_id: Uuid,
    node: Uuid,
    counter: i64,
    seq: Option<i64>,
    prev: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
}

impl Row {
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn seq(&self) -> Option<u64> {
        self.seq.and_then(|seq| u64::try_from(seq).ok())
    }

    /// The stored links before and behind the entry; zeros where there are none, which then fit nothing.
    pub(crate) fn links(&self) -> (Hash, Hash) {
        let hash = |bytes: &Option<Vec<u8>>| bytes.as_deref().and_then(|b| b.try_into().ok()).unwrap_or_default();
        (hash(&self.prev), hash(&self.hash))
    }

    /// The entry at a place of its log.
    pub(crate) fn at_place(self, log: LogId, seq: u64) -> Entry<'static> {
        Entry {
            log,
            seq,
            id: self.id,
            at: Stamp::of(self.at),
            node: self.node,
            counter: u64::try_from(self.counter).unwrap_or(0),
            actor: self.actor_id,
            action: self.action.into(),
            resource: self.resource.into(),
            resource_id: self.resource_id.into(),
            fields: self.fields.into_iter().map(Text::from).collect::<Fields<'static>>(),
            request: self.request_id,
        }
    }
}

/// How far a log is sequenced.
pub(crate) struct State {
    pub(crate) tree: Compact,
    pub(crate) head: Hash,
}

fn state(size: i64, head: &[u8], peaks: &[u8]) -> Option<State> {
    let peaks = peaks.chunks_exact(32).map(|peak| peak.try_into().unwrap_or_default()).collect();
    Some(State { tree: Compact::restore(u64::try_from(size).ok()?, peaks)?, head: head.try_into().ok()? })
}

/// Takes a log until the transaction ends. None where its stored state contradicts itself.
pub(crate) async fn take_log(conn: &mut PgConnection, log: LogId) -> Result<Option<State>> {
    let statement = match log.tenant() {
        Some(_) => "select size, head, peaks from app.take_audit_log()",
        None => "select size, head, peaks from app.take_installation_log()",
    };
    let (size, head, peaks): (i64, Vec<u8>, Vec<u8>) = sqlx::query_as(statement).fetch_one(conn).await.map_err(db_error)?;
    Ok(state(size, &head, &peaks))
}

/// Entries that wait for their place, oldest first.
pub(crate) async fn waiting(conn: &mut PgConnection, log: LogId, at_most: i64) -> Result<Vec<Row>> {
    let statement = on_entries!(
        log,
        "select id, at, actor_id, action, resource, resource_id, fields, request_id, node, counter, seq, prev, hash from ",
        " where seq is null order by at, node, counter limit $1"
    );
    sqlx::query_as(statement).bind(at_most).fetch_all(conn).await.map_err(db_error)
}

/// How many entries wait.
pub(crate) async fn waiting_count(conn: &mut PgConnection, log: LogId) -> Result<i64> {
    let statement = on_entries!(log, "select count(*) from ", " where seq is null");
    sqlx::query_scalar(statement).fetch_one(conn).await.map_err(db_error)
}

/// Gives entries their places behind the first `base`.
pub(crate) async fn sequence(
    conn: &mut PgConnection,
    log: LogId,
    (base, head): (u64, &Hash),
    ids: Vec<Uuid>,
    hashes: Vec<Vec<u8>>,
    tree: &Compact,
) -> Result<()> {
    let statement = match log.tenant() {
        Some(_) => "select app.sequence_audit($1, $2, $3, $4, $5)",
        None => "select app.sequence_installation($1, $2, $3, $4, $5)",
    };
    sqlx::query(statement)
        .bind(i64::try_from(base).unwrap_or(i64::MAX))
        .bind(head.as_slice())
        .bind(ids)
        .bind(hashes)
        .bind(tree.peaks().concat())
        .execute(conn)
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Sequenced entries behind a place, in their order.
pub(crate) async fn page(conn: &mut PgConnection, log: LogId, behind: u64, at_most: i64) -> Result<Vec<Row>> {
    let statement = on_entries!(
        log,
        "select id, at, actor_id, action, resource, resource_id, fields, request_id, node, counter, seq, prev, hash from ",
        " where seq > $1 order by seq limit $2"
    );
    sqlx::query_as(statement).bind(i64::try_from(behind).unwrap_or(i64::MAX)).bind(at_most).fetch_all(conn).await.map_err(db_error)
}

/// One entry by its id.
pub(crate) async fn entry(conn: &mut PgConnection, log: LogId, id: Uuid) -> Result<Option<Row>> {
    let statement = on_entries!(
        log,
        "select id, at, actor_id, action, resource, resource_id, fields, request_id, node, counter, seq, prev, hash from ",
        " where id = $1"
    );
    sqlx::query_as(statement).bind(id).fetch_optional(conn).await.map_err(db_error)
}

/// A log whose newest entries are not signed.
pub(crate) struct Unsigned {
    pub(crate) log: LogId,
    pub(crate) state: Option<State>,
    pub(crate) signed: u64,
    pub(crate) signed_at: Option<OffsetDateTime>,
}

/// Takes the right to write checkpoints until the transaction ends. False where another node has it.
pub(crate) async fn take_checkpoints(conn: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(CHECKPOINT_LOCK).fetch_one(conn).await.map_err(db_error)
}

pub(crate) async fn unsigned(conn: &mut PgConnection) -> Result<Vec<Unsigned>> {
    type Columns = (Uuid, i64, Vec<u8>, Vec<u8>, i64, Option<OffsetDateTime>);
    let rows: Vec<Columns> = sqlx::query_as(
        "select log, size, head, peaks, checkpoint_size, checkpoint_at from directory.audit_logs where size > checkpoint_size",
    )
    .fetch_all(conn)
    .await
    .map_err(db_error)?;
    let unsigned = rows.into_iter().map(|(log, size, head, peaks, signed, signed_at)| Unsigned {
        log: LogId(log),
        state: state(size, &head, &peaks),
        signed: u64::try_from(signed).unwrap_or(0),
        signed_at,
    });
    Ok(unsigned.collect())
}

/// Notes that a checkpoint stands outside of the database.
pub(crate) async fn signed(conn: &mut PgConnection, log: LogId, size: u64, at: OffsetDateTime) -> Result<()> {
    sqlx::query("update directory.audit_logs set checkpoint_size = $2, checkpoint_at = $3 where log = $1")
        .bind(log.0)
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .bind(at)
        .execute(conn)
        .await
        .map_err(db_error)?;
    Ok(())
}

/// Logs whose entries wait, and since when.
pub(crate) async fn logs_waiting(conn: &mut PgConnection) -> Result<Vec<(LogId, OffsetDateTime)>> {
    let rows: Vec<(Uuid, OffsetDateTime)> =
        sqlx::query_as("select log, since from app.audit_waiting()").fetch_all(conn).await.map_err(db_error)?;
    Ok(rows.into_iter().map(|(log, since)| (LogId(log), since)).collect())
}

/// A log as the directory knows it: its size, how much of it is signed, and when.
pub(crate) async fn logs(conn: &mut PgConnection) -> Result<Vec<(LogId, i64, i64, Option<OffsetDateTime>)>> {
    let rows: Vec<(Uuid, i64, i64, Option<OffsetDateTime>)> =
        sqlx::query_as("select log, size, checkpoint_size, checkpoint_at from directory.audit_logs order by log")
            .fetch_all(conn)
            .await
            .map_err(db_error)?;
    Ok(rows.into_iter().map(|(log, size, signed, at)| (LogId(log), size, signed, at)).collect())
}
