//! Storing audit entries, and the way in for the sequencer.
//!
//! Each process counts the entries that it begins for each log. A number that never appears is a transaction that was given up, or an entry
//! that somebody deleted before it got its place in the log: the only trace that such a deletion leaves.

use super::Db;
use crate::{PlatformReason, error::db_error};
use sqlx::{PgConnection, Postgres, Transaction};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use uuid::Uuid;
use vital_kernel::{AuditEntry, Error, Result, TenantId};
use vital_metrics::Stopwatch;

/// Between the names of fields, which are identifiers.
const SEPARATOR: &str = "\u{1f}";
/// Longest statement of the sequencer, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 60_000;

/// What this process knows of the logs that it writes.
#[derive(Debug)]
pub(super) struct Trail {
    node: Uuid,
    logs: Mutex<Logs>,
    refusing: AtomicBool,
}

#[derive(Debug, Default)]
struct Logs {
    counters: HashMap<Uuid, i64>,
    written: HashSet<TenantId>,
}

impl Default for Trail {
    fn default() -> Self {
        Self { node: Uuid::new_v4(), logs: Mutex::default(), refusing: AtomicBool::new(false) }
    }
}

impl Trail {
    fn lock(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes numbers and returns the first.
    fn count(&self, log: Uuid, entries: usize) -> i64 {
        let mut logs = self.lock();
        let counter = logs.counters.entry(log).or_insert(0);
        let first = *counter + 1;
        *counter += i64::try_from(entries).unwrap_or(0);
        first
    }

    pub(super) fn wrote(&self, tenant: TenantId) {
        self.lock().written.insert(tenant);
    }

    /// Inserts entries in one statement; how long that takes is what the trail adds to a write.
    pub(super) async fn store(&self, conn: &mut PgConnection, tenant: TenantId, request: Uuid, entries: Vec<AuditEntry>) -> Result<()> {
        if self.refusing.load(Ordering::Relaxed) {
            vital_metrics::audit_refused();
            return Err(Error::unavailable(
                "audit.refused",
                "The audit trail cannot be secured at the moment, and this installation then changes nothing. Nothing was stored; tell whoever runs the server.",
            ));
        }
        let first = self.count(tenant.0, entries.len());
        let watch = Stopwatch::start();
        match <[AuditEntry; 1]>::try_from(entries) {
            Ok([entry]) => self.store_one(conn, request, entry, first).await?,
            Err(entries) if entries.is_empty() => return Ok(()),
            Err(entries) => self.store_many(conn, request, entries, first).await?,
        }
        vital_metrics::audit_stored(&watch);
        Ok(())
    }

    async fn store_one(&self, conn: &mut PgConnection, request: Uuid, entry: AuditEntry, first: i64) -> Result<()> {
        sqlx::query(
            "insert into audit_entries (id, action, resource, resource_id, fields, request_id, node, counter)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(Uuid::now_v7())
        .bind(entry.action.as_str())
        .bind(entry.resource)
        .bind(entry.resource_id)
        .bind(entry.fields)
        .bind(request)
        .bind(self.node)
        .bind(first)
        .execute(conn)
        .await
        .map_err(db_error)?;
        Ok(())
    }

    async fn store_many(&self, conn: &mut PgConnection, request: Uuid, entries: Vec<AuditEntry>, first: i64) -> Result<()> {
        let ids: Vec<Uuid> = entries.iter().map(|_| Uuid::now_v7()).collect();
        let actions: Vec<&str> = entries.iter().map(|e| e.action.as_str()).collect();
        let resources: Vec<&str> = entries.iter().map(|e| e.resource).collect();
        let fields: Vec<String> = entries.iter().map(|e| e.fields.join(SEPARATOR)).collect();
        let about: Vec<String> = entries.into_iter().map(|e| e.resource_id).collect();
        sqlx::query(
            "insert into audit_entries (id, action, resource, resource_id, fields, request_id, node, counter)
             select id, action, resource, about, string_to_array(fields, E'\\x1f'), $6, $7, $8 + n - 1
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
                  with ordinality e (id, action, resource, about, fields, n)",
        )
        .bind(ids)
        .bind(actions)
        .bind(resources)
        .bind(about)
        .bind(fields)
        .bind(request)
        .bind(self.node)
        .bind(first)
        .execute(conn)
        .await
        .map_err(db_error)?;
        Ok(())
    }
}

/// A transaction on one log of the trail: a tenant's, or the installation's own. It reads entries and calls the functions that give them
/// their places; it needs no keys, because entries hold no content, and works for a tenant whose keys are destroyed.
#[derive(Debug)]
pub struct TrailTx(Transaction<'static, Postgres>);

impl TrailTx {
    /// The connection, for the SQL of the trail's store.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Commits.
    ///
    /// # Errors
    /// `Unavailable` when the database went away; then nothing was stored.
    pub async fn commit(self) -> Result<()> {
        self.0.commit().await.map_err(db_error)
    }
}

impl Db {
    /// Opens a transaction on the log of a tenant, or on the installation's own.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn trail(&self, tenant: Option<TenantId>) -> Result<TrailTx> {
        let Some(tenant) = tenant else {
            return Ok(TrailTx(self.platform(PlatformReason::Trail).await?.tx));
        };
        // A typed id and constants, never text from outside.
        let statement = format!(
            "BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true), set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true)"
        );
        Ok(TrailTx(self.pools.begin_app(statement).await.map_err(db_error)?))
    }

    /// The tenants whose entries this process has committed since it was asked last.
    pub fn take_written(&self) -> Vec<TenantId> {
        self.trail.lock().written.drain().collect()
    }

    /// Refuses to commit entries, or no longer: for installations that would rather stand still than go on without a secured trail.
    pub fn refuse_entries(&self, refuse: bool) {
        self.trail.refusing.store(refuse, Ordering::Relaxed);
    }

    /// Stores an entry of the installation's own log.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn record_installation(&self, entry: AuditEntry) -> Result<()> {
        let first = self.trail.count(Uuid::nil(), 1);
        let mut once = self.platform_once(PlatformReason::Trail).await?;
        sqlx::query(
            "insert into directory.audit_entries (id, action, resource, resource_id, fields, request_id, node, counter)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(Uuid::now_v7())
        .bind(entry.action.as_str())
        .bind(entry.resource)
        .bind(entry.resource_id)
        .bind(entry.fields)
        .bind(Uuid::nil())
        .bind(self.trail.node)
        .bind(first)
        .execute(once.conn())
        .await
        .map_err(db_error)?;
        Ok(())
    }
}
