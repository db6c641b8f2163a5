//! The only door to the database: a tenant transaction needs a context, a committed write needs its audit entry.
//!
//! **Invariant:** the pools never leave this module. A `TenantTx` carries its tenant in transaction-local settings, so a connection that
//! goes back to the pool carries nothing. The platform role reaches the directory and no tenant table.

mod attempt;
mod audited_read;
mod pools;
mod precondition;
mod trail;

pub use audited_read::AuditedRead;
use pools::Pools;
use precondition::Precondition;
pub use precondition::entity_tag;
use trail::Trail;
pub use trail::TrailTx;

use crate::{
    OpenError, RoleSecrets,
    error::db_error,
    keys::{KeyRing, unusable},
    logins::{admitted, was_cut_off},
};
use sqlx::{PgConnection, Postgres, Transaction, pool::PoolConnection, postgres::PgConnectOptions};
use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;
use vital_kernel::{AttemptId, AuditEntry, Error, OpContext, Result, TenantId, UserId, limits};
use vital_keys::{Place, TenantKeys};
use vital_metrics::Stopwatch;

/// How long a caller waits for a connection before it is told that the platform is overloaded.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A transaction that sits idle for longer is ended by the server: no transaction waits for a provider or a tool.
const IDLE_IN_TRANSACTION_MS: u32 = 5_000;

/// Sizes of the two pools, in connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolSizes {
    /// For tenant work.
    pub app: u32,
    /// For the directory.
    pub platform: u32,
}

impl Default for PoolSizes {
    fn default() -> Self {
        Self { app: 16, platform: 6 }
    }
}

/// Why directory data is touched without a tenant. Closed, counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformReason {
    /// Resolving a session token.
    Authenticate,
    /// Signing in or out.
    SignIn,
    /// Creating or listing tenants.
    TenantDirectory,
    /// First-run set-up.
    Setup,
    /// Finding the tenant behind a link, a half-finished sign-in, a passkey or a token issuer.
    Credential,
    /// Claiming, renewing and retrying jobs.
    JobQueue,
    /// Vectors of texts that ship with the product.
    PublicEmbeddings,
    /// Probing health.
    Readiness,
    /// Making, wrapping and destroying keys of tenants.
    Keys,
    /// Sequencing, signing and verifying the audit trail.
    Trail,
    /// Deleting replies that were kept for idempotency keys.
    Idempotency,
}

impl PlatformReason {
    const COUNT: usize = 11;

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::SignIn => "sign_in",
            Self::TenantDirectory => "tenant_directory",
            Self::Setup => "setup",
            Self::Credential => "credential",
            Self::JobQueue => "job_queue",
            Self::PublicEmbeddings => "public_embeddings",
            Self::Readiness => "readiness",
            Self::Keys => "keys",
            Self::Trail => "trail",
            Self::Idempotency => "idempotency",
        }
    }
}

/// The database: a pool for tenant work and one for the directory, both private.
#[derive(Debug)]
pub struct Db {
    pools: Pools,
    platform_uses: [AtomicU64; PlatformReason::COUNT],
    ring: KeyRing,
    trail: Arc<Trail>,
    told_cut_off: AtomicBool,
}

/// Marks a transaction that only reads.
#[derive(Debug)]
pub enum Read {}
/// Marks a transaction that may write.
#[derive(Debug)]
pub enum Write {}

/// A transaction that sees exactly one tenant.
#[derive(Debug)]
pub struct TenantTx<M> {
    tx: Transaction<'static, Postgres>,
    request: Uuid,
    keys: Arc<TenantKeys>,
    tenant: TenantId,
    trail: Arc<Trail>,
    attempt: Option<AttemptId>,
    precondition: Precondition,
    mode: PhantomData<M>,
}

/// A transaction on the directory; it has no rights on tenant tables.
#[derive(Debug)]
pub struct PlatformTx {
    tx: Transaction<'static, Postgres>,
}

/// A connection on the directory for one statement, which commits by itself: one round trip instead of three.
#[derive(Debug)]
pub struct PlatformConn(PoolConnection<Postgres>);

impl PlatformConn {
    /// The connection, for one statement of a capability's `store.rs`.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// Writes that happen too often to be audited one by one. Whoever searches for exceptions finds all of them here.
#[derive(Clone, Copy, Debug)]
pub enum Unaudited {
    /// Events of a stream: the turn itself is audited when it is asked and when it ends.
    TurnEvents,
    /// State and progress of a document's ingestion; its end is audited.
    IngestionProgress,
    /// Vectors derived from passages.
    DerivedVectors,
    /// A used second factor: the session it opens or steps up is audited.
    FactorUsed,
    /// When an outside identity was last used: a session that it opens is audited, and so is a role that it changes.
    IdentityUsed,
    /// Reservations and settlements of requests to models: the ledger is the record, and what causes them is audited.
    Usage,
    /// An attempt to deliver a notice: it has a log of its own, and switching a webhook off is audited.
    WebhookAttempt,
    /// The same values sealed with another version of the tenant's key: the rotation itself is recorded.
    Resealed,
    /// Who runs a request with an idempotency key, and its reply: what the request does is audited by itself.
    IdempotencyKeys,
}

impl Db {
    pub(crate) fn connect_lazy(secrets: RoleSecrets, logins: [PgConnectOptions; 2], sizes: PoolSizes, ring: KeyRing) -> Self {
        let pools = Pools::lazy(secrets, logins, sizes);
        Self { pools, platform_uses: Default::default(), trail: Arc::default(), ring, told_cut_off: AtomicBool::new(false) }
    }

    /// Uses these logins of the runtime roles from now on, if the database lets them in. Transactions under way keep their connection to
    /// their end. Returns once nothing is connected with the former logins any more, with false where these were in use already. An exchange
    /// to them that was cut off is told in the log, once.
    ///
    /// # Errors
    /// `Outdated` when the database refuses these logins: the former ones then stay in use. Otherwise when it does not answer.
    pub async fn use_logins(&self, secrets: &RoleSecrets) -> Result<bool, OpenError> {
        if self.pools.use_already(secrets) {
            self.tell_if_cut_off(secrets).await;
            return Ok(false);
        }
        let logins = secrets.options(&self.pools.address())?;
        if !admitted(&logins).await? {
            return Err(OpenError::Outdated);
        }
        self.pools.replace(secrets.clone(), logins).await;
        Ok(true)
    }

    async fn tell_if_cut_off(&self, secrets: &RoleSecrets) {
        if !secrets.is_exchanging() {
            self.told_cut_off.store(false, Ordering::Relaxed);
            return;
        }
        if self.told_cut_off.load(Ordering::Relaxed) {
            return;
        }
        // A database that is away for a moment answers at the next look.
        let Ok(mut conn) = self.pools.acquire_platform().await else { return };
        if was_cut_off(&mut conn, secrets).await.unwrap_or(false) && !self.told_cut_off.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "an exchange of the database's role passwords was cut off, so the former logins still get in: run `vital keys rotate database` again"
            );
        }
    }

    /// Opens a read-only transaction for the context's tenant.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn read(&self, cx: &OpContext) -> Result<TenantTx<Read>> {
        self.begin(cx, "BEGIN READ ONLY").await
    }

    /// Opens a writing transaction for the context's tenant. Dropped without `commit`, it leaves nothing behind.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn write(&self, cx: &OpContext) -> Result<TenantTx<Write>> {
        let tx: TenantTx<Write> = self.begin(cx, precondition::begin(cx)).await?;
        if tx.keys.version() == 0 {
            return Err(Error::unavailable(
                "tenant.keyless",
                "The organisation has been erased, or its keys are lost, so nothing is written for it. Nothing was stored.",
            ));
        }
        Ok(tx)
    }

    /// Opens a writing transaction for a tenant whose keys are destroyed: what is left of it is deleted there, and the audit trail goes on.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn write_erased(&self, cx: &OpContext) -> Result<TenantTx<Write>> {
        self.begin(cx, "BEGIN").await
    }

    /// Opens a transaction on the directory.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn platform(&self, why: PlatformReason) -> Result<PlatformTx> {
        self.platform_uses[why as usize].fetch_add(1, Ordering::Relaxed);
        tracing::trace!(reason = why.as_str(), "platform transaction");
        Ok(PlatformTx { tx: self.pools.begin_platform().await.map_err(db_error)? })
    }

    /// Takes a connection to the directory for one statement.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn platform_once(&self, why: PlatformReason) -> Result<PlatformConn> {
        self.platform_uses[why as usize].fetch_add(1, Ordering::Relaxed);
        Ok(PlatformConn(self.pools.acquire_platform().await.map_err(db_error)?))
    }

    /// How often the directory was opened for a reason since the start of the process.
    #[must_use]
    pub fn platform_uses(&self, why: PlatformReason) -> u64 {
        self.platform_uses[why as usize].load(Ordering::Relaxed)
    }

    async fn begin<M>(&self, cx: &OpContext, begin: &str) -> Result<TenantTx<M>> {
        let tx = self.begin_for(cx.tenant(), cx.user(), cx.request_id().0, begin).await?;
        Ok(TenantTx { attempt: cx.attempt(), precondition: Precondition::of(cx), ..tx })
    }

    /// One round trip opens the transaction and sets what the fences and time-outs read. The values are typed ids and constants,
    /// never text from outside, which is why they may stand in the statement. The tenant's keys are read when they are not held.
    pub(crate) async fn begin_for<M>(&self, tenant: TenantId, actor: Option<UserId>, request: Uuid, begin: &str) -> Result<TenantTx<M>> {
        let actor = actor.map(|id| id.to_string()).unwrap_or_default();
        let statement = format!(
            "{begin}; SELECT set_config('app.tenant_id', '{tenant}', true), set_config('app.actor_id', '{actor}', true), \
             set_config('statement_timeout', '{}', true), set_config('idle_in_transaction_session_timeout', '{IDLE_IN_TRANSACTION_MS}', true), \
             set_config('hnsw.iterative_scan', 'strict_order', true)",
            limits::STATEMENT_TIMEOUT.as_millis(),
        );
        let mut tx = self.pools.begin_app(statement).await.map_err(db_error)?;
        let keys = match self.ring.held(tenant) {
            Some(keys) => keys,
            None => self.ring.load(self, tenant, &mut tx).await?,
        };
        Ok(TenantTx {
            tx,
            request,
            keys,
            tenant,
            trail: Arc::clone(&self.trail),
            attempt: None,
            precondition: Precondition::default(),
            mode: PhantomData,
        })
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Closes both pools and waits until every connection is back.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

impl<M> TenantTx<M> {
    /// The connection, for the SQL of a capability's `store.rs`.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// The keys of the tenant.
    pub fn keys(&self) -> &Arc<TenantKeys> {
        &self.keys
    }

    /// Seals bytes for their place under the tenant's key.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no random bytes.
    pub fn seal(&self, place: Place, value: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let watch = Stopwatch::start();
        let sealed = self.keys.seal(place, value.as_ref()).map_err(unusable);
        vital_metrics::sealed(&watch);
        sealed
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// As `seal`.
    pub fn seal_json(&self, place: Place, value: &impl serde::Serialize) -> Result<Vec<u8>> {
        self.seal(place, serde_json::to_vec(value).map_err(Error::internal)?)
    }

    /// Opens sealed bytes at their place.
    ///
    /// # Errors
    /// `Unavailable` when they were changed, moved, or their key is gone.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>> {
        let watch = Stopwatch::start();
        let opened = self.keys.open(place, sealed).map_err(unusable);
        vital_metrics::opened(&watch);
        opened
    }

    /// Opens sealed text.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_text(&self, place: Place, sealed: &[u8]) -> Result<String> {
        String::from_utf8(self.open(place, sealed)?).map_err(Error::internal)
    }

    /// Opens a value that was sealed as JSON.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_json<T: serde::de::DeserializeOwned>(&self, place: Place, sealed: &[u8]) -> Result<T> {
        serde_json::from_slice(&self.open(place, sealed)?).map_err(Error::internal)
    }
}

impl TenantTx<Read> {
    /// Ends the reading. Dropping does the same; this one reports a lost connection.
    ///
    /// # Errors
    /// `Unavailable` when the connection is gone.
    pub async fn end(self) -> Result<()> {
        self.tx.commit().await.map_err(db_error)
    }
}

impl TenantTx<Write> {
    /// Stores the audit entry and commits: both or neither.
    ///
    /// # Errors
    /// `Unavailable` when the database went away; then nothing was stored.
    pub async fn commit(self, entry: AuditEntry) -> Result<()> {
        self.commit_all(vec![entry]).await
    }

    /// Stores several audit entries and commits.
    ///
    /// # Errors
    /// `Unavailable` when the database went away, `Conflict` when another request with the same idempotency key took over; then nothing was
    /// stored.
    pub async fn commit_all(mut self, entries: Vec<AuditEntry>) -> Result<()> {
        self.precondition.settled()?;
        if let Some(attempt) = self.attempt {
            attempt::mark(&mut self.tx, attempt).await?;
        }
        self.trail.store(&mut self.tx, self.tenant, self.request, entries).await?;
        self.commit_stored().await
    }

    async fn commit_stored(self) -> Result<()> {
        self.tx.commit().await.map_err(db_error)?;
        self.trail.wrote(self.tenant);
        Ok(())
    }

    /// Commits without an audit entry, for the closed list of high-volume writes.
    ///
    /// # Errors
    /// `Unavailable` when the database went away; then nothing was stored.
    pub async fn commit_unaudited(self, _why: Unaudited) -> Result<()> {
        self.tx.commit().await.map_err(db_error)
    }
}

impl PlatformTx {
    /// The connection, for the SQL of a capability's `store.rs`.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Commits.
    ///
    /// # Errors
    /// `Unavailable` when the database went away; then nothing was stored.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await.map_err(db_error)
    }
}
