//! Starting, using and stopping the private cluster.

use super::{
    DataFolder, EmbeddedError, Install,
    create::{ADMIN, ensure_data},
    folder,
    layout::{Layout, PORT},
    log::Log,
    postmaster::{PidFile, end_leftovers, signal},
    run_as::{RunAs, assignment},
};
use nix::sys::signal::Signal;
use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{
    ffi::OsStr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// The platform's database within the cluster.
const DATABASE: &str = "vital";
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After the fast shutdown ran out of time, PostgreSQL gets this long to quit before it is killed.
const QUIT_WAIT: Duration = Duration::from_secs(5);
/// SQLSTATE `invalid_catalog_name`: the database does not exist.
const NO_SUCH_DATABASE: &str = "3D000";
/// SQLSTATE `invalid_password`.
const WRONG_PASSWORD: &str = "28P01";

/// How the cluster is run; the default fits a server.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The account that runs PostgreSQL when the server is started by root.
    pub run_as: String,
    /// How long a start may take, recovery after a crash included.
    pub start_timeout: Duration,
    /// How long a fast shutdown may take before the cluster is made to quit, which the next start recovers from.
    pub stop_timeout: Duration,
    /// False only in tests: nothing is then forced to the disk, and a power cut may destroy the cluster.
    pub durable: bool,
    /// Further settings; they come after all others.
    pub settings: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            run_as: "vital-pg".to_owned(),
            start_timeout: Duration::from_secs(120),
            stop_timeout: Duration::from_secs(20),
            durable: true,
            settings: Vec::new(),
        }
    }
}

/// How a cluster ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// After a checkpoint; the next start has nothing to recover.
    Clean,
    /// Made to quit after the stop timeout. Committed data is safe; the next start replays the log.
    Forced,
}

/// A running private cluster. Dropping it asks for a fast shutdown without waiting; `stop` waits.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    log: Log,
    admin: PgConnectOptions,
    stop_timeout: Duration,
}

impl Cluster {
    /// Starts PostgreSQL on the data folder, creating the cluster and the database at the first start, and returns when it accepts connections.
    ///
    /// What an earlier, killed run left behind is ended and recovered first.
    ///
    /// # Errors
    /// Each message of [`EmbeddedError`] says what to do.
    pub async fn start(install: &Install, folder: &DataFolder, options: &ClusterOptions) -> Result<Self, EmbeddedError> {
        let begun = Instant::now();
        let run_as = RunAs::resolve(&options.run_as)?;
        let layout = Layout::of(folder.path());
        run_as.shared_folder(folder.path())?;
        run_as.shared_folder(&layout.root)?;
        let password = layout.password()?;
        let is_new = ensure_data(install, &layout, &run_as, &password, options.durable).await?;
        end_leftovers(&layout.data).await?;
        layout.write_configuration(install.major, &run_as)?;
        let socket_folder = layout.socket_folder(&run_as)?;

        let (child, log) = spawn(install, &layout, &run_as, &socket_folder, options)?;
        let admin = admin_options(&socket_folder, &password);
        let mut cluster = Self { child, log, admin, stop_timeout: options.stop_timeout };
        if let Err(error) = cluster.wait_until_ready(&layout.data, options.start_timeout).await {
            return Err(run_as.explain(&layout.data).unwrap_or(error));
        }
        cluster.ensure_database(&layout, is_new).await?;
        tracing::info!(took_ms = begun.elapsed().as_millis(), "the private database is ready");
        Ok(cluster)
    }

    /// How to connect as the cluster's superuser to the database `vital`. Other roles: change user and password.
    #[must_use]
    pub fn admin_options(&self) -> PgConnectOptions {
        self.admin.clone()
    }

    /// How to reach, as its superuser, the cluster of a server that is running on `folder`; `None` when none is or it is not ready.
    ///
    /// # Errors
    /// When the folder or the password in it cannot be read by this user.
    pub fn connect_to_running(folder: &Path) -> Result<Option<PgConnectOptions>, EmbeddedError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let folder = folder.canonicalize().map_err(|error| EmbeddedError::io("reading", folder, error))?;
        if !folder::is_owned(&folder)? {
            return Ok(None);
        }
        Self::endpoint(&folder)
    }

    /// How to reach the cluster in `folder` by what its files say, whoever started it.
    pub(crate) fn endpoint(folder: &Path) -> Result<Option<PgConnectOptions>, EmbeddedError> {
        let layout = Layout::of(folder);
        let Some(PidFile { ready: true, socket_folder: Some(socket_folder), .. }) = PidFile::read(&layout.data) else { return Ok(None) };
        Ok(Some(admin_options(&socket_folder, &layout.password()?)))
    }

    /// Returns once PostgreSQL has ended without being asked to, with what it said last; for the server to notice.
    pub async fn died(&mut self) -> EmbeddedError {
        // A failure to wait means that the child is gone as well.
        let _ = self.child.wait().await;
        EmbeddedError::Died { log: self.log.last_lines().await }
    }

    /// Stops PostgreSQL: a fast shutdown (open transactions are rolled back, a checkpoint is written), and after the stop timeout by force.
    ///
    /// # Errors
    /// `Died` when it had already ended in another way.
    pub async fn stop(mut self) -> Result<Stopped, EmbeddedError> {
        let steps = [(Signal::SIGINT, self.stop_timeout), (Signal::SIGQUIT, QUIT_WAIT)];
        for (request, wait) in steps {
            self.signal(request);
            match tokio::time::timeout(wait, self.child.wait()).await {
                Ok(Ok(status)) if status.success() => return Ok(Stopped::Clean),
                Ok(_) if request == Signal::SIGQUIT => return Ok(Stopped::Forced),
                Ok(_) => return Err(EmbeddedError::Died { log: self.log.last_lines().await }),
                Err(_) => tracing::warn!(waited_s = wait.as_secs(), "PostgreSQL did not stop in time and is now made to"),
            }
        }
        // The outcome is the same whether it ends by this or had just ended.
        let _ = self.child.kill().await;
        Ok(Stopped::Forced)
    }

    /// Waits for the status in `postmaster.pid`, which is how PostgreSQL itself tells `pg_ctl`: unlike a connection
    /// attempt it costs PostgreSQL nothing.
    async fn wait_until_ready(&mut self, data: &Path, timeout: Duration) -> Result<(), EmbeddedError> {
        let until = Instant::now() + timeout;
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        loop {
            if PidFile::read(data).is_some_and(|file| file.ready && Some(file.pid) == pid) {
                return Ok(());
            }
            if tokio::time::timeout(LOOK_EVERY, self.child.wait()).await.is_ok() {
                return Err(EmbeddedError::StartFailed { log: self.log.last_lines().await });
            }
            if Instant::now() > until {
                self.signal(Signal::SIGQUIT);
                let _ = tokio::time::timeout(QUIT_WAIT, self.child.wait()).await;
                return Err(EmbeddedError::StartTimeout { seconds: timeout.as_secs(), log: self.log.last_lines().await });
            }
        }
    }

    /// Connects once, which proves that the cluster answers, and creates the database when it is not there: at the first
    /// start, or when that one was interrupted.
    async fn ensure_database(&self, layout: &Layout, is_new: bool) -> Result<(), EmbeddedError> {
        if !is_new {
            match self.admin.connect().await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
                    Some(NO_SUCH_DATABASE) => {}
                    Some(WRONG_PASSWORD) => return Err(EmbeddedError::AdminPassword { path: layout.password.clone() }),
                    _ => return Err(error.into()),
                },
            }
        }
        let mut connection = self.admin.clone().database("postgres").connect().await?;
        sqlx::raw_sql("create database vital").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    fn signal(&self, request: Signal) {
        // No id means that the child has been waited for, so that its number may belong to another process.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            signal(pid, request);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGINT);
        }
    }
}

fn admin_options(socket_folder: &Path, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_folder)
        .port(PORT)
        .username(ADMIN)
        .password(password)
        .database(DATABASE)
        .ssl_mode(PgSslMode::Disable)
        .application_name("vital")
}

/// Starts the postmaster as a direct child. What keeps the cluster private is said on the command line, where no file and
/// no `ALTER SYSTEM` can change it.
fn spawn(
    install: &Install,
    layout: &Layout,
    run_as: &RunAs,
    socket_folder: &Path,
    options: &ClusterOptions,
) -> Result<(Child, Log), EmbeddedError> {
    let program = install.bin.join("postgres");
    let failed = |error| run_as.explain(&program).unwrap_or_else(|| EmbeddedError::io("running", &program, error));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let log = Log::follow(reader, &layout.log).map_err(|error| EmbeddedError::io("opening", &layout.log, error))?;
    let mut command: Command = run_as.command(&program);
    command.arg("-D").arg(&layout.data);
    let mut set = |name: &str, value: &OsStr| {
        command.arg("-c").arg(assignment(name, value));
    };
    set("config_file", layout.configuration.as_os_str());
    set("hba_file", layout.authentication.as_os_str());
    set("listen_addresses", OsStr::new(""));
    set("port", OsStr::new(&PORT.to_string()));
    set("unix_socket_directories", socket_folder.as_os_str());
    set("unix_socket_permissions", OsStr::new("0700"));
    set("password_encryption", OsStr::new("scram-sha-256"));
    if !options.durable {
        set("fsync", OsStr::new("off"));
        set("full_page_writes", OsStr::new("off"));
    }
    for (name, value) in &options.settings {
        set(name, OsStr::new(value));
    }
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let child = command.spawn().map_err(failed)?;
    Ok((child, log))
}
