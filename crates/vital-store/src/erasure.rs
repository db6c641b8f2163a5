//! What an erasure destroys, as it is told afterwards: the keys of an organisation, and how much of it each table holds.

use crate::{Db, PlatformReason, TenantTx, Write, db_error};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use vital_kernel::{Error, Result, TenantId};

/// A key that was destroyed, or that an erasure is about to destroy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestroyedKey {
    /// What it was for.
    pub purpose: String,
    /// Its version.
    pub version: u32,
    /// Id of the root key that wrapped it.
    pub root_key: String,
}

type Row = (String, i32, String);

fn keys(rows: Vec<Row>) -> Result<Vec<DestroyedKey>> {
    let key = |(purpose, version, root_key): Row| {
        Ok(DestroyedKey { purpose, version: u32::try_from(version).map_err(Error::internal)?, root_key })
    };
    rows.into_iter().map(key).collect()
}

impl Db {
    /// The keys of a tenant that an erasure would destroy.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn keys_to_destroy(&self, tenant: TenantId) -> Result<Vec<DestroyedKey>> {
        let mut tx = self.platform(PlatformReason::Keys).await?;
        let there = sqlx::query_as("select purpose, version, root_key from directory.tenant_keys where tenant = $1").bind(tenant.0);
        keys(there.fetch_all(tx.conn()).await.map_err(db_error)?)
    }

    /// Destroys every key of a tenant: nothing that was sealed for it opens from here on, and no new key is made for it. The tenant is marked
    /// as erased in the same transaction. Other nodes hold its keys for a third of the spread at most.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; then nothing was destroyed.
    pub async fn destroy_keys(&self, tenant: TenantId, tenant_hash: &[u8]) -> Result<Vec<DestroyedKey>> {
        let mut tx = self.platform(PlatformReason::Keys).await?;
        sqlx::query("insert into directory.erasures (tenant_hash, erased_at) values ($1, now()) on conflict do nothing")
            .bind(tenant_hash)
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
        sqlx::query("update directory.tenants set suspended_at = coalesce(suspended_at, now()) where id = $1")
            .bind(tenant.0)
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
        let gone: Vec<Row> = sqlx::query_as("delete from directory.tenant_keys where tenant = $1 returning purpose, version, root_key")
            .bind(tenant.0)
            .fetch_all(tx.conn())
            .await
            .map_err(db_error)?;
        tx.commit().await?;
        self.ring().forget(tenant);
        keys(gone)
    }
}

impl TenantTx<Write> {
    /// How many rows of the transaction's tenant each table holds that an erasure deletes from; tables without any are left out. It reads
    /// every row: the caller has given the transaction the time for that.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn rows_by_table(&mut self) -> Result<BTreeMap<String, u64>> {
        // The names come from the catalogue and are quoted by the database.
        let counts: Option<String> = sqlx::query_scalar(
            "select string_agg(format('select %L::text, count(*) from public.%I where tenant_id = app.tenant_id()', c.relname, c.relname), ' union all ')
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and c.relname not like 'audit\\_%'
               and has_table_privilege(c.oid, 'select')
               and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)",
        )
        .fetch_one(self.conn())
        .await
        .map_err(db_error)?;
        let Some(counts) = counts else { return Ok(BTreeMap::new()) };
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(counts)).fetch_all(self.conn()).await.map_err(db_error)?;
        Ok(rows.into_iter().filter(|(_, rows)| *rows > 0).map(|(table, rows)| (table, rows.unsigned_abs())).collect())
    }
}
