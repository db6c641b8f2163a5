//! The cluster's behaviour, on the real binaries. Without them every test here fails and says to run script/setup.

use super::{
    Cluster, ClusterOptions, DataFolder, EmbeddedError, Install, Stopped,
    layout::Layout,
    postmaster::{PidFile, signal},
    run_as::RunAs,
};
use nix::sys::signal::Signal;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::{fs, path::Path, process::Command, time::Duration};
use tempfile::TempDir;

/// A claimed folder in a temporary place, and the installed PostgreSQL.
struct Place {
    temp: TempDir,
    folder: DataFolder,
    install: Install,
}

impl Place {
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::claim(temp.path()).await.unwrap();
        Self { temp, folder, install: Install::find(None).unwrap() }
    }

    async fn start(&self) -> Cluster {
        self.try_start().await.unwrap()
    }

    async fn try_start(&self) -> Result<Cluster, EmbeddedError> {
        let options = ClusterOptions { durable: false, ..ClusterOptions::default() };
        Cluster::start(&self.install, &self.folder, &options).await
    }

    fn layout(&self) -> Layout {
        Layout::of(self.folder.path())
    }

    fn postmaster(&self) -> i32 {
        PidFile::read(&self.layout().data).unwrap().pid
    }
}

async fn connect(cluster: &Cluster) -> PgConnection {
    cluster.admin_options().connect().await.unwrap()
}

async fn text(connection: &mut PgConnection, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

async fn remember(cluster: &Cluster) {
    let mut connection = connect(cluster).await;
    sqlx::raw_sql("create table note (text text); insert into note values ('kept')").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn remembers(cluster: &Cluster) -> bool {
    text(&mut connect(cluster).await, "select text from note").await == "kept"
}

#[tokio::test]
async fn a_fresh_cluster_is_what_the_platform_needs() {
    let place = Place::new().await;
    let cluster = place.start().await;
    let mut connection = connect(&cluster).await;
    assert!(text(&mut connection, "show server_version_num").await.parse::<u32>().unwrap() >= 160_000);
    assert_eq!(text(&mut connection, "show data_checksums").await, "on");
    assert_eq!(text(&mut connection, "show server_encoding").await, "UTF8");
    assert_eq!(text(&mut connection, "select current_database()::text").await, "vital");
    assert_eq!(text(&mut connection, "select lower('ÄÉΣ')").await, "äéσ");
    sqlx::raw_sql("create extension vector").execute(&mut connection).await.unwrap();
    let version = text(&mut connection, "select extversion from pg_extension where extname = 'vector'").await;
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(parts >= vec![0, 8, 2], "CVE-2026-3172 is open in pgvector {version}");
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn nothing_listens_on_the_network_and_nobody_connects_without_the_password() {
    let place = Place::new().await;
    let cluster = place.start().await;
    let listening: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| table.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
        .filter_map(|line| line.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]")))
        .collect();
    let open: Vec<String> = fs::read_dir(format!("/proc/{}/fd", place.postmaster()))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).map_or_else(|_| String::new(), |to| to.display().to_string()))
        .collect();
    assert!(open.iter().any(|target| target.starts_with("socket:")), "its own socket at least");
    assert!(open.iter().all(|target| !listening.contains(target)));
    let refused = cluster.admin_options().password("guess").connect().await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "28P01");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_started_by_root_runs_without_privileges_or_groups() {
    let place = Place::new().await;
    let cluster = place.start().await;
    let status = fs::read_to_string(format!("/proc/{}/status", place.postmaster())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert!(field("Uid:").iter().all(|uid| *uid != "0"), "{status}");
    assert!(field("Gid:").iter().chain(field("Groups:").iter()).all(|gid| *gid != "0"), "{status}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_the_data_and_a_stop_leaves_it_shut_down() {
    let place = Place::new().await;
    let cluster = place.start().await;
    remember(&cluster).await;
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Clean);
    let control =
        Command::new(place.install.bin.join("pg_controldata")).arg("-D").arg(place.layout().data).env("LC_ALL", "C").output().unwrap();
    let control = String::from_utf8_lossy(&control.stdout).into_owned();
    assert!(control.lines().any(|line| line.starts_with("Database cluster state:") && line.ends_with(" shut down")), "{control}");
    let cluster = place.start().await;
    assert!(remembers(&cluster).await);
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused_while_the_command_line_may_connect() {
    let place = Place::new().await;
    assert!(Cluster::connect_to_running(place.temp.path()).unwrap().is_none());
    let cluster = place.start().await;
    remember(&cluster).await;
    let error = DataFolder::claim(place.temp.path()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::FolderInUse { pid: Some(_), .. }), "{error}");
    let options = Cluster::connect_to_running(place.temp.path()).unwrap().unwrap();
    let mut connection = options.connect().await.unwrap();
    assert_eq!(text(&mut connection, "select text from note").await, "kept");
    connection.close().await.unwrap();
    cluster.stop().await.unwrap();
    assert!(Cluster::connect_to_running(place.temp.path()).unwrap().is_none());
    assert!(Cluster::connect_to_running(Path::new("/nonexistent")).unwrap().is_none());
}

#[tokio::test]
async fn a_postgres_that_a_killed_server_left_running_is_ended_and_its_data_kept() {
    let place = Place::new().await;
    let cluster = place.start().await;
    remember(&cluster).await;
    let left = place.postmaster();
    // As after `kill -9` of the server alone: nothing is told to stop.
    std::mem::forget(cluster);
    let cluster = place.start().await;
    assert_ne!(place.postmaster(), left);
    assert!(remembers(&cluster).await);
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_killed_postgres_is_noticed_and_recovered_with_a_stale_pid_file() {
    let place = Place::new().await;
    let mut cluster = place.start().await;
    remember(&cluster).await;
    signal(place.postmaster(), Signal::SIGKILL);
    assert!(matches!(cluster.died().await, EmbeddedError::Died { .. }));
    assert!(PidFile::path(&place.layout().data).exists());
    drop(cluster);
    let cluster = place.start().await;
    assert!(remembers(&cluster).await);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_whose_number_was_given_out_again_does_not_prevent_a_start() {
    let place = Place::new().await;
    let cluster = place.start().await;
    remember(&cluster).await;
    let file = PidFile::path(&place.layout().data);
    let text = fs::read_to_string(&file).unwrap();
    cluster.stop().await.unwrap();
    // A process of PostgreSQL's own user that lives on and is no PostgreSQL.
    let run_as = RunAs::resolve(&ClusterOptions::default().run_as).unwrap();
    let mut other = run_as.command(Path::new("/usr/bin/tail")).args(["-f", "/dev/null"]).spawn().unwrap();
    let rest = text.split_once('\n').unwrap().1;
    let stale = format!("{}\n{rest}", other.id().unwrap());
    fs::write(&file, &stale).unwrap();
    fs::write(place.layout().root.join("run/.s.PGSQL.5432.lock"), &stale).unwrap();
    let cluster = place.start().await;
    assert!(remembers(&cluster).await);
    assert!(other.try_wait().unwrap().is_none(), "the innocent process lives");
    other.kill().await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_or_a_damaged_folder_is_refused_untouched() {
    let place = Place::new().await;
    place.start().await.stop().await.unwrap();
    let version = place.layout().data.join("PG_VERSION");
    fs::write(&version, "13\n").unwrap();
    let error = place.try_start().await.unwrap_err();
    assert!(matches!(&error, EmbeddedError::OtherMajor { found, .. } if found == "13"), "{error}");
    fs::remove_file(&version).unwrap();
    let error = place.try_start().await.unwrap_err();
    assert!(matches!(error, EmbeddedError::NotACluster { .. }), "{error}");
}

#[tokio::test]
async fn a_start_that_fails_says_what_postgres_said() {
    let place = Place::new().await;
    let options =
        ClusterOptions { settings: vec![("shared_buffers".into(), "nonsense".into())], durable: false, ..ClusterOptions::default() };
    let error = Cluster::start(&place.install, &place.folder, &options).await.unwrap_err();
    assert!(matches!(&error, EmbeddedError::StartFailed { log } if log.contains("shared_buffers")), "{error}");
}

#[tokio::test]
async fn an_interrupted_first_start_is_begun_again() {
    let place = Place::new().await;
    let staging = place.layout().staging;
    fs::create_dir_all(staging.join("base")).unwrap();
    fs::write(staging.join("PG_VERSION"), "18\n").unwrap();
    let cluster = place.start().await;
    assert!(!staging.exists());
    // Interrupted after initdb and before the database was made.
    let mut connection = cluster.admin_options().database("postgres").connect().await.unwrap();
    sqlx::raw_sql("drop database vital").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    cluster.stop().await.unwrap();
    let cluster = place.start().await;
    assert_eq!(text(&mut connect(&cluster).await, "select current_database()::text").await, "vital");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_puts_the_socket_elsewhere_and_works() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("p".repeat(120)).join("with, comma and 'quote");
    // Root's temporary folder is closed to others; the data folder itself is opened as far as needed by the start.
    #[cfg(unix)]
    fs::set_permissions(temp.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let folder = DataFolder::claim(&path).await.unwrap();
    let place = Place { temp, folder, install: Install::find(None).unwrap() };
    let cluster = place.start().await;
    remember(&cluster).await;
    assert!(remembers(&cluster).await);
    let socket_folder = PidFile::read(&place.layout().data).unwrap().socket_folder.unwrap();
    assert!(socket_folder.starts_with("/tmp"), "{}", socket_folder.display());
    cluster.stop().await.unwrap();
    fs::remove_dir(socket_folder).unwrap();
}

#[tokio::test]
async fn a_cluster_that_will_not_stop_in_time_is_forced_and_loses_nothing() {
    let place = Place::new().await;
    let options = ClusterOptions { stop_timeout: Duration::ZERO, ..ClusterOptions::default() };
    let cluster = Cluster::start(&place.install, &place.folder, &options).await.unwrap();
    remember(&cluster).await;
    // Frozen, the postmaster can react to nothing but SIGKILL.
    signal(place.postmaster(), Signal::SIGSTOP);
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Forced);
    let cluster = place.start().await;
    assert!(remembers(&cluster).await);
    cluster.stop().await.unwrap();
}
