//! Opening the database: version floor, migrations, role passwords, and the refusal to serve when a fence is missing.

use crate::{
    Db, PoolSizes,
    error::db_error,
    guard,
    keys::{KeyRing, KeySettings, RootsError, roots_for},
    logins::{self, RoleFileError, RoleSecrets},
    sealed,
};
use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use vital_kernel::Error;

/// The migrations of `migrations/`, in the binary.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Oldest supported server, as `server_version_num`.
const SERVER_VERSION_MIN: i32 = 160_000;
/// How long a migration waits for a lock before it gives up and leaves everything as it was.
const MIGRATION_LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";

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
    /// The passwords were exchanged, and this is a file of before.
    #[error(
        "the file of database role passwords is older than their last exchange: copy the present one from the data folder in which `vital keys rotate database` ran; where there is none, stop all servers and delete the file, new ones are made at the next start"
    )]
    Outdated,
    /// Another exchange of the passwords is going on.
    #[error("the passwords of the database's roles are being exchanged already; wait until that is done")]
    Exchanging,
    /// The database does not let the other pair of logins in.
    #[error("the database refuses the logins {} and {}, so nothing was exchanged: allow them in its `pg_hba.conf` as the other two", .0[0], .0[1])]
    Shut([&'static str; 2]),
    /// The file of the passwords cannot be used.
    #[error(transparent)]
    RoleFile(#[from] RoleFileError),
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
    /// `admin` must be able to create roles and the `vector` extension, at least for the first start and for migrations.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what is wrong; nothing is served then.
    pub async fn open(admin: &PgConnectOptions, secrets: &RoleSecrets, sizes: PoolSizes, keys: KeySettings) -> Result<Self, OpenError> {
        let runtime = secrets.options(admin)?;
        let mut conn = admin.clone().connect().await.map_err(OpenError::Connect)?;
        migrate(&mut conn).await?;
        if !logins::admitted(&runtime).await? {
            logins::let_in(&mut conn, secrets).await?;
        }
        let roots = roots_for(&mut conn, &keys.root).await?;
        let db = Self::connect_lazy(secrets.clone(), runtime, sizes, KeyRing::new(keys, roots));
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
