//! Which columns are sealed under the tenant's key, and sealing them again: what an earlier version stored unsealed, and what a former
//! version of a tenant's key sealed.
//!
//! **Invariant:** the list here, the checks in the database and `data_classes` name the same columns; a test compares them.

use crate::{Db, OpenError, PlatformReason, Read, TenantTx, Unaudited, Write, db_error, keys::unusable};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use vital_kernel::{Error, Result, TenantId};
use vital_keys::{KeyError, Place, sealed_version};

/// Bytes that one transaction seals again at most, by the largest values the column may hold.
const BATCH_BYTES: i64 = 64 << 20;
/// Values that one transaction seals again at most.
const BATCH_VALUES: i64 = 500;

/// A column whose values are sealed.
#[derive(Clone, Copy, Debug)]
pub struct SealedColumn {
    /// Table and column: what the associated data names.
    pub place: &'static str,
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The column that holds the row's id.
    pub row: &'static str,
    /// The second column of the key, where the row's id is not unique.
    pub part: Option<&'static str>,
}

const fn column(place: &'static str, table: &'static str, column: &'static str, row: &'static str) -> SealedColumn {
    SealedColumn { place, table, column, row, part: None }
}

/// Every sealed column.
pub const SEALED: [SealedColumn; 24] = [
    column("conversations.title", "conversations", "title", "id"),
    column("turns.question", "turns", "question", "id"),
    column("turns.answer", "turns", "answer", "id"),
    SealedColumn { part: Some("seq"), ..column("turn_events.payload", "turn_events", "payload", "turn_id") },
    column("documents.title", "documents", "title", "id"),
    column("documents.file_name", "documents", "file_name", "id"),
    column("documents.origin", "documents", "origin", "id"),
    column("document_files.bytes", "document_files", "bytes", "document_id"),
    column("document_texts.text", "document_texts", "text", "document_id"),
    column("document_texts.blocks", "document_texts", "blocks", "document_id"),
    column("passages.heading_path", "passages", "heading_path", "id"),
    column("passages.body", "passages", "body", "id"),
    column("factors.secret", "factors", "secret", "id"),
    column("sso_providers.secret", "sso_providers", "secret", "id"),
    column("sso_providers.previous_secret", "sso_providers", "previous_secret", "id"),
    column("providers.api_key", "providers", "api_key", "id"),
    column("idempotency_keys.reply", "idempotency_keys", "reply", "attempt"),
    column("tool_servers.secret", "tool_servers", "secret", "id"),
    column("tool_server_tools.definition", "tool_server_tools", "definition", "id"),
    column("tool_server_tools.approved_definition", "tool_server_tools", "approved_definition", "id"),
    column("sources.content", "sources", "content", "id"),
    column("webhooks.url", "webhooks", "url", "id"),
    column("webhooks.secret", "webhooks", "secret", "id"),
    column("webhooks.previous_secret", "webhooks", "previous_secret", "id"),
];

/// What may stand in a column that is sealed again. What is not sealed is accepted once, while the migration that introduced sealing is being
/// finished: later it would make genuine what somebody wrote into the database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepts {
    Sealed,
    Unsealed,
}

type Value = (Uuid, i64, Vec<u8>);

impl SealedColumn {
    /// Values whose first five bytes (format and key version) are not `header`, after a key, in key order.
    fn select(&self) -> String {
        let Self { table, column, row, .. } = self;
        let part = self.part.map_or_else(|| "0::bigint".to_owned(), |p| format!("{p}::bigint"));
        let order = self.part.map_or_else(|| (*row).to_owned(), |p| format!("{row}, {p}"));
        format!(
            "select row, part, value from (
                 select {row} as row, {part} as part, {column} as value, sum(length({column})) over (order by {order}) as bytes
                 from public.{table} where {column} is not null and substring({column} from 1 for 5) <> $1 and ({row}, {part}) > ($2, $3)
                 order by {order} limit {BATCH_VALUES}) t
             where bytes - length(value) < {BATCH_BYTES} order by row, part"
        )
    }

    /// Replaces a value that nobody changed meanwhile.
    fn update(&self) -> String {
        let Self { table, column, row, .. } = self;
        let part = self.part.map_or_else(|| "$2 = 0".to_owned(), |p| format!("{p} = $2"));
        format!("update public.{table} set {column} = $4 where {row} = $1 and {part} and {column} = $3")
    }

    /// Seals every value of the tenant in this column with the version that seals now. Returns how many there were.
    async fn reseal(&self, db: &Db, tenant: TenantId, accepts: Accepts) -> Result<u64> {
        let (mut after, mut done) = ((Uuid::nil(), -1_i64), 0);
        loop {
            let mut tx: TenantTx<Write> = db.begin_for(tenant, None, Uuid::nil(), "BEGIN").await?;
            let header = [&[2_u8], tx.keys().version().to_be_bytes().as_slice()].concat();
            let values: Vec<Value> = sqlx::query_as(AssertSqlSafe(self.select()))
                .bind(header)
                .bind(after.0)
                .bind(after.1)
                .fetch_all(tx.conn())
                .await
                .map_err(db_error)?;
            let Some((row, part, _)) = values.last() else { return Ok(done) };
            after = (*row, *part);
            for (row, part, stored) in &values {
                let place = Place { column: self.place, row: *row, part: *part };
                let plain = self.plain(db, &tx, tenant, place, stored, accepts)?;
                let sealed = tx.seal(place, zeroize::Zeroizing::new(plain).as_slice())?;
                let update = sqlx::query(AssertSqlSafe(self.update())).bind(row).bind(part).bind(stored).bind(sealed);
                done += update.execute(tx.conn()).await.map_err(db_error)?.rows_affected();
            }
            tx.commit_unaudited(Unaudited::Resealed).await?;
        }
    }

    /// The value behind what is stored: of the present format, or of one of the two before it.
    fn plain(&self, db: &Db, tx: &TenantTx<Write>, tenant: TenantId, place: Place, stored: &[u8], accepts: Accepts) -> Result<Vec<u8>> {
        match stored {
            _ if accepts == Accepts::Sealed => tx.open(place, stored),
            [0, plain @ ..] => Ok(plain.to_vec()),
            [1, ..] => {
                let about =
                    [&[1], tenant.0.as_bytes().as_slice(), place.row.as_bytes(), before_tenant_keys(self.place).as_bytes()].concat();
                let roots = db.ring().roots();
                let opened = roots.all().find_map(|root| root.open_before_tenant_keys(&about, stored).ok());
                opened.ok_or_else(|| unusable(KeyError::Broken))
            }
            _ => tx.open(place, stored),
        }
    }
}

/// What the format before tenants had keys called a column: both secrets of a provider had one name.
fn before_tenant_keys(place: &'static str) -> &'static str {
    if place == "sso_providers.previous_secret" { "sso_providers.secret" } else { place }
}

async fn tenants(db: &Db) -> Result<Vec<TenantId>> {
    let mut tx = db.platform(PlatformReason::Keys).await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from directory.tenants order by id").fetch_all(tx.conn()).await.map_err(db_error)?;
    Ok(ids.into_iter().map(TenantId).collect())
}

/// Seals what an earlier version of the platform stored unsealed, and rewrites the tables, so that nothing of it stays in their files.
/// Cut off, it goes on where it was at the next start. Write-ahead log from before is overwritten by the server in its own time.
pub(crate) async fn seal_what_is_not(db: &Db, admin: &mut PgConnection) -> Result<(), OpenError> {
    let open: Vec<String> = sqlx::query_scalar("select place from directory.unsealed order by place")
        .fetch_all(&mut *admin)
        .await
        .map_err(OpenError::Statement)?;
    if open.is_empty() {
        return Ok(());
    }
    tracing::warn!(columns = open.len(), "sealing what an earlier version stored in plain text; this happens once");
    let all = tenants(db).await.map_err(OpenError::Seal)?;
    for column in SEALED.iter().filter(|c| open.iter().any(|p| p == c.place)) {
        for tenant in &all {
            column.reseal(db, *tenant, Accepts::Unsealed).await.map_err(OpenError::Seal)?;
        }
        sqlx::query(AssertSqlSafe(format!("vacuum (full) public.{}", column.table)))
            .execute(&mut *admin)
            .await
            .map_err(OpenError::Statement)?;
        let sealed = format!("set role vital_owner; select app.seal_column('public.{}', '{}'); reset role", column.table, column.column);
        sqlx::raw_sql(AssertSqlSafe(sealed)).execute(&mut *admin).await.map_err(OpenError::Statement)?;
        sqlx::query("delete from directory.unsealed where place = $1")
            .bind(column.place)
            .execute(&mut *admin)
            .await
            .map_err(OpenError::Statement)?;
    }
    Ok(())
}

impl Db {
    /// Seals everything of a tenant with the newest version of its key and destroys the former versions. Waits until the newest version
    /// is known to every node. Cut off, it is simply run again.
    ///
    /// # Errors
    /// `Unavailable` when something cannot be opened or the database does not answer; former keys are kept then.
    pub async fn finish_key_rotation(&self, tenant: TenantId, mut progress: impl FnMut(&'static str, u64)) -> Result<u64> {
        // A node that read the keys just before the new version sealed goes on for a third of the spread; a transaction may be open then.
        tokio::time::sleep(self.ring().spread() * 2).await;
        self.ring().forget(tenant);
        let version = {
            let tx: TenantTx<Read> = self.begin_for(tenant, None, Uuid::nil(), "BEGIN READ ONLY").await?;
            tx.keys().version()
        };
        let mut total = 0;
        for column in SEALED {
            let done = column.reseal(self, tenant, Accepts::Sealed).await?;
            total += done;
            progress(column.place, done);
        }
        for column in SEALED {
            self.nothing_left(tenant, column, version).await?;
        }
        self.destroy_versions_before(tenant, version).await?;
        Ok(total)
    }

    /// Fails when a value of the tenant is still sealed with a former version.
    async fn nothing_left(&self, tenant: TenantId, column: SealedColumn, version: u32) -> Result<()> {
        let mut tx: TenantTx<Read> = self.begin_for(tenant, None, Uuid::nil(), "BEGIN READ ONLY").await?;
        let SealedColumn { table, column: name, .. } = column;
        let headers: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select distinct substring({name} from 1 for 5) from public.{table} where {name} is not null"
        )))
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
        let newer =
            |h: &Vec<u8>| matches!(h.as_slice(), [2, v @ ..] if v.first_chunk::<4>().is_some_and(|v| u32::from_be_bytes(*v) >= version));
        if headers.iter().all(newer) {
            return Ok(());
        }
        Err(Error::unavailable(
            "keys.still_used",
            format!("Something in {} is still sealed with a former key, so that key was kept. Run the rotation again.", column.place),
        ))
    }

    /// Tells whether a stored value is of the present format.
    #[must_use]
    pub fn is_sealed(stored: &[u8]) -> bool {
        sealed_version(stored).is_some()
    }
}
