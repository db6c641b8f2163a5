//! The keys of tenants as they are stored: loaded with a tenant's transaction, made when first needed, wrapped again, destroyed.
//!
//! **Invariants:** a key is stored before anything is sealed with it; a new version opens everywhere before it seals anywhere (`spread`);
//! no key leaves this process unwrapped.

use crate::{Db, PlatformReason, db_error};
use moka::sync::Cache;
use sqlx::PgConnection;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, Result, TenantId};
use vital_keys::{KeyError, Purpose, RootKeys, RootSource, TenantKeys, WrappedKey, new_key};

/// Tenants whose keys are held unwrapped at once.
const HELD_MAX: u64 = 10_000;
/// Keys wrapped again in one transaction.
const REWRAP_BATCH: i64 = 500;

/// How keys are found and how long a change of them takes to be known everywhere.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Where the root keys come from.
    pub root: RootSource,
    /// How long a new version of a tenant's key only opens. Every node reads keys again after a third of it.
    pub spread: Duration,
}

/// What is held in memory: root keys, and keys of tenants for a while.
pub(crate) struct KeyRing {
    settings: KeySettings,
    roots: RwLock<Arc<RootKeys>>,
    tenants: Cache<TenantId, Arc<TenantKeys>>,
}

impl KeyRing {
    pub(crate) fn new(settings: KeySettings, roots: RootKeys) -> Self {
        let tenants = Cache::builder().max_capacity(HELD_MAX).time_to_live(settings.spread / 3).build();
        Self { settings, roots: RwLock::new(Arc::new(roots)), tenants }
    }

    pub(crate) fn held(&self, tenant: TenantId) -> Option<Arc<TenantKeys>> {
        self.tenants.get(&tenant)
    }

    pub(crate) fn roots(&self) -> Arc<RootKeys> {
        self.roots.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the root keys again: somebody may have added one while this process runs.
    fn reload(&self) -> Result<Arc<RootKeys>> {
        let found = self.settings.root.load().map_err(unusable)?;
        let fresh = Arc::new(found.ok_or_else(|| unusable(KeyError::Source("the root key is gone".into())))?);
        *self.roots.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(fresh)
    }

    /// Unwraps, with the root keys that are held or those that are there now.
    fn unwrap(&self, tenant: TenantId, wrapped: &[WrappedKey]) -> Result<TenantKeys> {
        match TenantKeys::unwrap(tenant, wrapped, &self.roots()) {
            Err(KeyError::NoRoot { .. }) => TenantKeys::unwrap(tenant, wrapped, &*self.reload()?),
            other => other,
        }
        .map_err(unusable)
    }

    /// Loads the keys of the transaction's tenant, and makes them where there are none yet.
    pub(crate) async fn load(&self, db: &Db, tenant: TenantId, conn: &mut PgConnection) -> Result<Arc<TenantKeys>> {
        let mut wrapped = stored(conn, self.settings.spread).await?;
        if wrapped.is_empty() {
            make_first(db, tenant, &*self.reload()?).await?;
            wrapped = stored(conn, self.settings.spread).await?;
        }
        if wrapped.is_empty() {
            // Nobody's tenant: sign-in asks for one that does not exist in the same way as for one that does. Or one whose keys were
            // destroyed or lost: nothing of it opens, and nothing is sealed for it.
            return TenantKeys::none(tenant).map(Arc::new).map_err(unusable);
        }
        let keys = Arc::new(self.unwrap(tenant, &wrapped)?);
        self.tenants.insert(tenant, keys.clone());
        Ok(keys)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({:?})", self.roots())
    }
}

/// What a sealed value or key that cannot be used means to whoever asked.
#[must_use]
pub fn unusable(error: KeyError) -> Error {
    let said = match &error {
        KeyError::Malformed | KeyError::Broken | KeyError::NoVersion(_) => Error::unavailable(
            "seal.broken",
            "Something that is stored cannot be opened: it was changed outside of the platform, or its key is gone. Tell whoever runs the server; nothing was changed now.",
        ),
        _ => Error::unavailable(
            "keys.unavailable",
            "The keys that protect stored data cannot be used at the moment. Nothing was lost; tell whoever runs the server.",
        ),
    };
    said.with_source(error)
}

async fn stored(conn: &mut PgConnection, spread: Duration) -> Result<Vec<WrappedKey>> {
    let rows: Vec<(String, i32, String, Vec<u8>, bool)> =
        sqlx::query_as("select purpose, version, root_key, wrapped, seals from app.tenant_keys(make_interval(secs => $1))")
            .bind(spread.as_secs_f64())
            .fetch_all(conn)
            .await
            .map_err(db_error)?;
    rows.into_iter().map(|(purpose, version, root_key, wrapped, seals)| wrapped_key(&purpose, version, root_key, wrapped, seals)).collect()
}

fn wrapped_key(purpose: &str, version: i32, root_key: String, wrapped: Vec<u8>, seals: bool) -> Result<WrappedKey> {
    let purpose = Purpose::parse(purpose).ok_or_else(|| Error::internal("a key has an unknown purpose"))?;
    Ok(WrappedKey { purpose, version: u32::try_from(version).map_err(Error::internal)?, root_key, wrapped, seals })
}

async fn insert(conn: &mut PgConnection, tenant: TenantId, key: &WrappedKey) -> Result<()> {
    sqlx::query(
        "insert into directory.tenant_keys (tenant, purpose, version, root_key, wrapped)
         select id, $2, $3, $4, $5 from directory.tenants where id = $1
            and not exists (select from directory.erasures where tenant_hash = sha256(convert_to(id::text, 'UTF8')))
         on conflict do nothing",
    )
    .bind(tenant.0)
    .bind(key.purpose.as_str())
    .bind(i32::try_from(key.version).map_err(Error::internal)?)
    .bind(&key.root_key)
    .bind(&key.wrapped)
    .execute(conn)
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Makes the first keys of a tenant, in a transaction of their own, so that nothing is ever sealed with a key that was rolled back.
async fn make_first(db: &Db, tenant: TenantId, roots: &RootKeys) -> Result<()> {
    let mut tx = db.platform(PlatformReason::Keys).await?;
    let never_keyed = sqlx::query("update directory.tenants set keyed_at = now() where id = $1 and keyed_at is null")
        .bind(tenant.0)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    if never_keyed.rows_affected() == 0 {
        return Ok(());
    }
    for purpose in [Purpose::Content, Purpose::Index] {
        let key = new_key(tenant, purpose, 1, roots.current()).map_err(unusable)?;
        insert(tx.conn(), tenant, &key).await?;
    }
    tx.commit().await
}

/// What is known about the keys of an installation.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyStatus {
    /// The root key that wraps, and those that still unwrap.
    pub root_keys: Vec<RootKeyStatus>,
    /// Tenants that have keys.
    pub tenants: i64,
    /// Tenants in which values of a former version of their key may still be.
    pub rotating: i64,
    /// Age of the oldest key that seals, as the time it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub oldest: Option<OffsetDateTime>,
}

/// A root key and what stands on it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RootKeyStatus {
    /// Its id.
    pub id: String,
    /// Whether it wraps what is wrapped from now on.
    pub wraps: bool,
    /// Whether it is there.
    pub present: bool,
    /// Keys of tenants that it wraps.
    pub keys: i64,
}

/// What a rotation of the root key did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RootRotation {
    /// The id of the key that wraps now.
    pub present: String,
    /// The ids of the keys that wrap nothing any more.
    pub former: Vec<String>,
    /// Whether the former keys are gone. If not, whoever keeps them takes them away.
    pub retired: bool,
    /// Keys that were wrapped again.
    pub keys: u64,
}

impl Db {
    /// The keys of a tenant, for work outside of a transaction, such as the words of the lexical index.
    ///
    /// # Errors
    /// `Unavailable` when the keys cannot be read.
    pub async fn keys(&self, cx: &vital_kernel::OpContext) -> Result<Arc<TenantKeys>> {
        match self.ring().held(cx.tenant()) {
            Some(keys) => Ok(keys),
            None => Ok(self.read(cx).await?.keys().clone()),
        }
    }

    /// What is known about keys, for the operator.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn key_status(&self) -> Result<KeyStatus> {
        let roots = self.ring().reload()?;
        let mut tx = self.platform(PlatformReason::Keys).await?;
        let wrapped: Vec<(String, i64)> =
            sqlx::query_as("select root_key, count(*) from directory.tenant_keys group by root_key order by root_key")
                .fetch_all(tx.conn())
                .await
                .map_err(db_error)?;
        let (tenants, rotating, oldest): (i64, i64, Option<OffsetDateTime>) = sqlx::query_as(
            "select count(distinct tenant), count(distinct tenant) filter (where superseded), min(created_at) filter (where not superseded)
             from (select tenant, created_at, purpose = 'content' and version < max(version) over (partition by tenant, purpose) as superseded
                   from directory.tenant_keys) k",
        )
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)?;
        let count = |id: &str| wrapped.iter().find(|(root, _)| root == id).map_or(0, |(_, n)| *n);
        let mut root_keys: Vec<RootKeyStatus> = roots
            .all()
            .map(|k| RootKeyStatus { id: k.id().to_owned(), wraps: k.id() == roots.current().id(), present: true, keys: count(k.id()) })
            .collect();
        for (id, keys) in wrapped.iter().filter(|(id, _)| roots.named(id).is_err()) {
            root_keys.push(RootKeyStatus { id: id.clone(), wraps: false, present: false, keys: *keys });
        }
        Ok(KeyStatus { root_keys, tenants, rotating, oldest })
    }

    /// Wraps the keys of all tenants with the present root key. What was wrapped is sealed by the same keys as before: nothing else
    /// changes, nothing has to stop, and a run that was cut off is simply run again. Calls `progress` with the number done so far.
    ///
    /// # Errors
    /// `Unavailable` when a root key is missing or the database does not answer; what was wrapped already stays so.
    pub async fn rewrap_all(&self, mut progress: impl FnMut(u64)) -> Result<u64> {
        let roots = self.ring().reload()?;
        let mut done = 0;
        loop {
            let mut tx = self.platform(PlatformReason::Keys).await?;
            let rows: Vec<(Uuid, String, i32, String, Vec<u8>)> = sqlx::query_as(
                "select tenant, purpose, version, root_key, wrapped from directory.tenant_keys where root_key <> $1
                 order by tenant, purpose, version limit $2 for update",
            )
            .bind(roots.current().id())
            .bind(REWRAP_BATCH)
            .fetch_all(tx.conn())
            .await
            .map_err(db_error)?;
            if rows.is_empty() {
                return Ok(done);
            }
            let (mut tenants, mut purposes, mut versions, mut wrappings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for (tenant, purpose, version, root_key, wrapped) in rows {
                let key = wrapped_key(&purpose, version, root_key, wrapped, true)?;
                wrappings.push(key.rewrap(TenantId(tenant), &roots).map_err(unusable)?.wrapped);
                tenants.push(tenant);
                purposes.push(purpose);
                versions.push(version);
            }
            done += tenants.len() as u64;
            sqlx::query(
                "update directory.tenant_keys k set wrapped = n.wrapped, root_key = $5, rewrapped_at = now()
                 from unnest($1::uuid[], $2::text[], $3::int[], $4::bytea[]) n (tenant, purpose, version, wrapped)
                 where k.tenant = n.tenant and k.purpose = n.purpose and k.version = n.version",
            )
            .bind(tenants)
            .bind(purposes)
            .bind(versions)
            .bind(wrappings)
            .bind(roots.current().id())
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
            tx.commit().await?;
            progress(done);
        }
    }

    /// Puts a new root key in place of the present one, while servers run: adds it, wraps every tenant's keys with it, waits until every node
    /// has read it, and takes the former ones away. Cut off, it is run again and goes on with the key that was added.
    ///
    /// # Errors
    /// `Unavailable` when the root key is not in a file this process can change or the database does not answer: the former key then stays.
    pub async fn rotate_root(&self, mut progress: impl FnMut(u64)) -> Result<RootRotation> {
        let source = &self.ring().settings.root;
        let mut roots = self.ring().reload()?;
        if roots.all().count() == 1 {
            source.add().map_err(unusable)?;
            roots = self.ring().reload()?;
        }
        let former: Vec<String> = roots.all().skip(1).map(|k| k.id().to_owned()).collect();
        let mut keys = self.rewrap_all(&mut progress).await?;
        // A node may have made the first keys of a tenant with the former key a moment ago.
        tokio::time::sleep(self.ring().spread()).await;
        keys += self.rewrap_all(&mut progress).await?;
        source.retire().map_err(unusable)?;
        let present = self.ring().reload()?.current().id().to_owned();
        Ok(RootRotation { present, former, retired: matches!(source, RootSource::File(_)), keys })
    }

    /// Adds a new version of a tenant's content key. It opens at once and seals after the spread.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or the root key cannot be used.
    pub async fn add_key_version(&self, tenant: TenantId) -> Result<u32> {
        let mut tx = self.platform(PlatformReason::Keys).await?;
        let newest: Option<i32> =
            sqlx::query_scalar("select max(version) from directory.tenant_keys where tenant = $1 and purpose = 'content'")
                .bind(tenant.0)
                .fetch_one(tx.conn())
                .await
                .map_err(db_error)?;
        let version = u32::try_from(newest.unwrap_or(0) + 1).map_err(Error::internal)?;
        let key = new_key(tenant, Purpose::Content, version, self.ring().reload()?.current()).map_err(unusable)?;
        insert(tx.conn(), tenant, &key).await?;
        tx.commit().await?;
        Ok(version)
    }

    /// Destroys the former versions of a tenant's content key. The caller has made sure that nothing is sealed with them any more.
    pub(crate) async fn destroy_versions_before(&self, tenant: TenantId, version: u32) -> Result<u64> {
        let mut tx = self.platform(PlatformReason::Keys).await?;
        let gone = sqlx::query("delete from directory.tenant_keys where tenant = $1 and purpose = 'content' and version < $2")
            .bind(tenant.0)
            .bind(i32::try_from(version).map_err(Error::internal)?)
            .execute(tx.conn())
            .await
            .map_err(db_error)?
            .rows_affected();
        tx.commit().await?;
        self.ring().forget(tenant);
        Ok(gone)
    }
}

impl KeyRing {
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.tenants.invalidate(&tenant);
    }

    pub(crate) fn spread(&self) -> Duration {
        self.settings.spread
    }
}

/// Finds the root keys for a database, or makes the first one where nothing was sealed yet.
///
/// # Errors
/// Says which key the database wants when it is not there; nothing is made then.
pub(crate) async fn roots_for(conn: &mut PgConnection, source: &RootSource) -> Result<RootKeys, RootsError> {
    let wanted: Vec<String> = sqlx::query_scalar("select distinct root_key from directory.tenant_keys order by root_key")
        .fetch_all(&mut *conn)
        .await
        .map_err(RootsError::Statement)?;
    let sealed_before: bool = sqlx::query_scalar(
        "select exists (select from directory.unsealed where place in ('factors.secret', 'sso_providers.secret'))
            and (exists (select from public.factors where secret is not null) or exists (select from public.sso_providers where secret is not null))",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(RootsError::Statement)?;
    let Some(roots) = source.load().map_err(RootsError::Key)? else {
        return match wanted.first() {
            Some(id) => Err(RootsError::Missing { id: id.clone(), looked: source.to_string() }),
            None if sealed_before => Err(RootsError::Missing { id: "of the former `secret.key`".into(), looked: source.to_string() }),
            None => source.make().map_err(RootsError::Key),
        };
    };
    for id in &wanted {
        roots.named(id).map_err(RootsError::Key)?;
    }
    Ok(roots)
}

/// Why there are no root keys to serve with.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// None is there, and the database was sealed with one.
    #[error(
        "stored data was sealed with root key {id}, and there is none in {looked}; put it back from where you keep it, a new one opens nothing"
    )]
    Missing {
        /// The id that is asked for.
        id: String,
        /// Where it was looked for.
        looked: String,
    },
    /// One cannot be read, made or is not the right one.
    #[error("the root key cannot be used: {0}")]
    Key(#[source] KeyError),
    /// The database did not answer.
    #[error("the database did not say which root key it wants: {0}")]
    Statement(#[source] sqlx::Error),
}
