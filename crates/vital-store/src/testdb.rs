//! A database a test: a clone of a migrated template in one cluster that all test processes share.
//!
//! The cluster lives in `target/test-cluster`, is started by the first test that needs it and stays up for the next run; `script/test`
//! stops and removes it at its end. `VITAL_TEST_DATABASE_URL` names another cluster to use instead.

use crate::{
    Db, KeySettings, PoolSizes, RoleSecrets,
    embedded::{Cluster, ClusterOptions, DataFolder, Install},
    migrate,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use std::{
    fs::File,
    path::{Path, PathBuf},
    str::FromStr as _,
};
use tokio::sync::OnceCell;
use vital_kernel::TenantId;
use vital_keys::{Purpose, RootKey, RootKeys, RootSource, TenantKeys, WrappedKey};

/// Passwords of the runtime roles in the test cluster: roles belong to the cluster, so all tests share them.
const SECRETS: &str = r#"{"app":"1111111111111111111111111111111111111111111111111111111111111111","platform":"2222222222222222222222222222222222222222222222222222222222222222"}"#;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A fresh, migrated database for one test.
pub struct TestDb {
    /// The database, opened as the server opens it.
    pub db: Db,
    admin: PgConnectOptions,
}

impl TestDb {
    /// Clones the template.
    ///
    /// # Errors
    /// The cluster cannot be started, for example because `script/setup` was not run.
    pub async fn new() -> Result<Self, Failure> {
        let (_, template) = prepared().await?;
        Self::clone_of(template).await
    }

    /// Clones a database of the cluster that nobody is connected to.
    ///
    /// # Errors
    /// There is none of this name, or somebody is connected to it.
    pub async fn clone_of(template: &str) -> Result<Self, Failure> {
        let (server, _) = prepared().await?;
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let mut conn = server.clone().connect().await?;
        sqlx::query(AssertSqlSafe(format!("create database {name} template {template} strategy file_copy"))).execute(&mut conn).await?;
        conn.close().await?;
        let admin = server.clone().database(&name);
        let db = Db::open(&admin, &secrets()?, PoolSizes { app: 6, platform: 3 }, test_keys()).await?;
        Ok(Self { db, admin })
    }

    /// How to connect to the cluster itself as its administrator, and the name of the migrated template.
    ///
    /// # Errors
    /// The cluster cannot be started.
    pub async fn cluster() -> Result<(&'static PgConnectOptions, &'static str), Failure> {
        let (server, template) = prepared().await?;
        Ok((server, template))
    }

    /// Opens the same database again, as a second process would.
    ///
    /// # Errors
    /// Those of `Db::open`.
    pub async fn reopen(&self) -> Result<Db, Failure> {
        Ok(Db::open(&self.admin, &secrets()?, PoolSizes { app: 6, platform: 3 }, test_keys()).await?)
    }

    /// Opens a database of the cluster with other keys, as a server with another configuration would.
    ///
    /// # Errors
    /// Those of `Db::open`.
    pub async fn open_with(options: &PgConnectOptions, keys: KeySettings) -> Result<Db, crate::OpenError> {
        let secrets = secrets().map_err(|_| crate::OpenError::Secrets)?;
        Db::open(options, &secrets, PoolSizes { app: 6, platform: 3 }, keys).await
    }

    /// A connection as the cluster's administrator, to break things on purpose and to look behind the fences.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn admin(&self) -> Result<PgConnection, Failure> {
        Ok(self.admin.clone().connect().await?)
    }

    /// A connection as a runtime role, outside of `Db`.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn as_role(&self, role: &str) -> Result<PgConnection, Failure> {
        let password = if role == "vital_app" { "1".repeat(64) } else { "2".repeat(64) };
        Ok(self.admin.clone().username(role).password(&password).connect().await?)
    }

    /// The keys of a tenant, to seal what a test writes past the platform and to open what it finds.
    ///
    /// # Errors
    /// The tenant has no keys.
    pub async fn tenant_keys(&self, tenant: uuid::Uuid) -> Result<TenantKeys, Failure> {
        let mut conn = self.admin().await?;
        let rows: Vec<(String, i32, String, Vec<u8>)> =
            sqlx::query_as("select purpose, version, root_key, wrapped from directory.tenant_keys where tenant = $1")
                .bind(tenant)
                .fetch_all(&mut conn)
                .await?;
        conn.close().await?;
        let stored = rows.into_iter().filter_map(|(purpose, version, root_key, wrapped)| {
            Some(WrappedKey { purpose: Purpose::parse(&purpose)?, version: u32::try_from(version).ok()?, root_key, wrapped, seals: true })
        });
        let roots = RootKeys::new(RootKey::software(&TEST_ROOT_KEY)?, Vec::new());
        Ok(TenantKeys::unwrap(TenantId(tenant), &stored.collect::<Vec<_>>(), &roots)?)
    }

    /// How to connect as the administrator.
    #[must_use]
    pub fn admin_options(&self) -> &PgConnectOptions {
        &self.admin
    }
}

/// The root key of all test databases.
pub const TEST_ROOT_KEY: [u8; 32] = [7; 32];

/// Keys whose new versions seal after a moment.
#[must_use]
pub fn test_keys() -> KeySettings {
    KeySettings { root: RootSource::Fixed(TEST_ROOT_KEY), spread: std::time::Duration::from_millis(300) }
}

fn secrets() -> Result<RoleSecrets, Failure> {
    Ok(serde_json::from_str(SECRETS)?)
}

async fn prepared() -> Result<&'static (PgConnectOptions, String), Failure> {
    static TEMPLATE: OnceCell<(PgConnectOptions, String)> = OnceCell::const_new();
    TEMPLATE.get_or_try_init(prepare).await
}

/// Makes sure of cluster and template, one process at a time.
async fn prepare() -> Result<(PgConnectOptions, String), Failure> {
    let folder = target().join("test-cluster");
    std::fs::create_dir_all(&folder)?;
    let lock = File::create(target().join("test-cluster.lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    let server = match std::env::var("VITAL_TEST_DATABASE_URL") {
        Ok(url) => PgConnectOptions::from_str(&url)?,
        Err(_) => shared_cluster(&folder).await?,
    };
    let template = template(&server).await?;
    drop(lock);
    Ok((server, template))
}

async fn shared_cluster(folder: &Path) -> Result<PgConnectOptions, Failure> {
    let folder = folder.canonicalize()?;
    if let Some(server) = Cluster::endpoint(&folder)?
        && server.clone().connect().await.is_ok()
    {
        return Ok(server);
    }
    let claimed = DataFolder::claim(&folder).await?;
    let options = ClusterOptions { durable: false, settings: vec![("max_connections".into(), "400".into())], ..ClusterOptions::default() };
    let cluster = Cluster::start(&Install::find(None)?, &claimed, &options).await?;
    let server = cluster.admin_options();
    // It outlives this test on purpose: the next one finds it running.
    std::mem::forget(cluster);
    Ok(server)
}

/// The template's name carries the checksums of its migrations: a changed migration makes a new template.
async fn template(server: &PgConnectOptions) -> Result<String, Failure> {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    crate::MIGRATIONS.iter().for_each(|m| digest.update(&m.checksum));
    let name = format!("template_{}", &hex::encode(digest.finalize())[..16]);
    let mut conn = server.clone().connect().await?;
    let found: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)").bind(&name).fetch_one(&mut conn).await?;
    if !found {
        let unfinished = format!("{name}_new");
        sqlx::query(AssertSqlSafe(format!("drop database if exists {unfinished}"))).execute(&mut conn).await?;
        sqlx::query(AssertSqlSafe(format!("create database {unfinished}"))).execute(&mut conn).await?;
        let mut fresh = server.clone().database(&unfinished).connect().await?;
        migrate(&mut fresh).await?;
        // Roles belong to the cluster and the lock of `Db::open` to one database: here one process at a time is held apart by the file.
        crate::logins::let_in(&mut fresh, &secrets()?).await?;
        fresh.close().await?;
        sqlx::query(AssertSqlSafe(format!("alter database {unfinished} rename to {name}"))).execute(&mut conn).await?;
    }
    conn.close().await?;
    Ok(name)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from)
}

/// The broken rules as an open transaction of the administrator sees them, for mutations that are rolled back.
///
/// # Errors
/// The statement failed.
pub async fn violations_seen_by(conn: &mut PgConnection) -> Result<Vec<crate::Violation>, sqlx::Error> {
    let found = crate::guard::violations(conn).await?;
    // The administrator itself is not a runtime role.
    Ok(found.into_iter().filter(|v| v.rule != "session_role_wrong").collect())
}
