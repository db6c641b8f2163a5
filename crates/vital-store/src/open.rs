//! Opening the database: version floor, migrations, role passwords, and the refusal to serve when a fence is missing.

use crate::{
    Db, PoolSizes,
    error::db_error,
    guard,
    keys::{KeyRing, KeySettings, RootsError, roots_for},
    sealed,
};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use vital_kernel::Error;

/// The migrations of `migrations/`, in the binary.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Oldest supported server, as `server_version_num`.
const SERVER_VERSION_MIN: i32 = 160_000;
/// How long a migration waits for a lock before it gives up and leaves everything as it was.
const MIGRATION_LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";

/// Passwords of the two runtime roles.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSecrets {
    app: String,
    platform: String,
}

impl RoleSecrets {
    /// Makes two random passwords of 256 bits.
    #[must_use]
    pub fn generate() -> Self {
        let secret = || {
            let mut bytes = [0_u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            hex::encode(bytes)
        };
        Self { app: secret(), platform: secret() }
    }

    fn are_hex(&self) -> bool {
        [&self.app, &self.platform].iter().all(|s| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

impl std::fmt::Debug for RoleSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoleSecrets(…)")
    }
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not reachable, or it refused the credentials.
    #[error("cannot connect to the database: {0}")]
    Connect(#[source] sqlx::Error),
    /// Older than the oldest supported server.
    #[error("the database server is version {found}; PostgreSQL 16 or newer is needed")]
    Version {
        /// `server_version_num` of the server.
        found: i32,
    },
    /// A migration failed; the database is as it was before that migration.
    #[error("a database migration failed: {0}")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A fence is missing or wrong, or the runtime role has rights it must not have.
    #[error("the database does not protect tenant data, so the server will not start: {}", guard::describe(.0))]
    Unprotected(Vec<guard::Violation>),
    /// The file of role passwords does not hold two 256-bit hexadecimal passwords.
    #[error("the file of database role passwords is damaged; delete it to have new ones made")]
    Secrets,
    /// The root key is missing or not the one that stored data was sealed with.
    #[error(transparent)]
    Keys(#[from] RootsError),
    /// What an earlier version stored unsealed could not be sealed; what was sealed already stays so.
    #[error("stored data could not be sealed: {0}")]
    Seal(#[source] Error),
    /// A statement failed while opening.
    #[error("opening the database failed: {0}")]
    Statement(#[source] sqlx::Error),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Connect(e) | OpenError::Statement(e) => db_error(e),
            other => Self::internal(other),
        }
    }
}

impl Db {
    /// Migrates, lets the runtime roles in, seals what an earlier version stored unsealed, and refuses a database that does not protect
    /// tenant data or wants another root key.
    ///
    /// `admin` must be able to create roles and the `vector` extension, at least for the first start.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what is wrong; nothing is served then.
    pub async fn open(admin: &PgConnectOptions, secrets: &RoleSecrets, sizes: PoolSizes, keys: KeySettings) -> Result<Self, OpenError> {
        if !secrets.are_hex() {
            return Err(OpenError::Secrets);
        }
        let mut conn = admin.clone().connect().await.map_err(OpenError::Connect)?;
        migrate(&mut conn).await?;
        let runtime = |user: &str, password: &str| admin.clone().username(user).password(password);
        let (app, platform) = (runtime("vital_app", &secrets.app), runtime("vital_platform", &secrets.platform));
        if !admits(&app).await? || !admits(&platform).await? {
            set_passwords(&mut conn, secrets).await.map_err(OpenError::Statement)?;
        }
        let roots = roots_for(&mut conn, &keys.root).await?;
        let db = Self::connect_lazy(app, platform, sizes, KeyRing::new(keys, roots));
        let violations = db.violations().await.map_err(OpenError::Statement)?;
        if !violations.is_empty() {
            return Err(OpenError::Unprotected(violations));
        }
        sealed::seal_what_is_not(&db, &mut conn).await?;
        conn.close().await.map_err(OpenError::Statement)?;
        Ok(db)
    }
}

/// Brings the schema up to date: forward only, checksummed, one migrator at a time.
///
/// # Errors
/// `Version` and `Migrate`.
pub async fn migrate(conn: &mut PgConnection) -> Result<(), OpenError> {
    let found: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&mut *conn)
        .await
        .map_err(OpenError::Statement)?;
    if found < SERVER_VERSION_MIN {
        return Err(OpenError::Version { found });
    }
    sqlx::query(MIGRATION_LOCK_TIMEOUT).execute(&mut *conn).await.map_err(OpenError::Statement)?;
    MIGRATIONS.run_direct(None, &mut *conn, false).await.map_err(OpenError::Migrate)
}

/// Whether a role gets in with its password. Any other failure is an error.
async fn admits(options: &PgConnectOptions) -> Result<bool, OpenError> {
    match options.clone().connect().await {
        Ok(conn) => conn.close().await.map(|()| true).map_err(OpenError::Statement),
        Err(e) if e.as_database_error().and_then(|d| d.code()).is_some_and(|c| c == "28P01") => Ok(false),
        Err(e) => Err(OpenError::Connect(e)),
    }
}

/// Sets the passwords of the runtime roles. They are hexadecimal (checked), so they may stand in the statement.
async fn set_passwords(conn: &mut PgConnection, secrets: &RoleSecrets) -> Result<(), sqlx::Error> {
    for (role, password) in [("vital_app", &secrets.app), ("vital_platform", &secrets.platform)] {
        sqlx::query(AssertSqlSafe(format!("alter role {role} password '{password}'"))).execute(&mut *conn).await?;
    }
    Ok(())
}
