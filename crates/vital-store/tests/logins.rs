//! Passwords of the runtime roles are exchanged while a server works. Roles belong to the cluster, so every test here starts one of its own.

#![expect(clippy::disallowed_methods, reason = "a test connects to the cluster that it started and makes its own contexts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use vital_kernel::{Actor, OpContext, Origin, RequestId, RoleSet, TenantId};
use vital_store::{
    Db, ExchangeStep, OpenError, PlatformReason, PoolSizes, RoleFile,
    embedded::{Cluster, ClusterOptions, DataFolder, Install},
    testdb::test_keys,
};

/// Long enough for the server below to look at the file several times.
const WINDOW: Duration = Duration::from_millis(500);
const SIZES: PoolSizes = PoolSizes { app: 4, platform: 3 };

struct Place {
    cluster: Cluster,
    file: RoleFile,
    _folder: DataFolder,
    _temp: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::claim(temp.path()).await.unwrap();
        let options = ClusterOptions { durable: false, ..ClusterOptions::default() };
        let cluster = Cluster::start(&Install::find(None).unwrap(), &folder, &options).await.unwrap();
        let file = RoleFile::at(temp.path().join("role-secrets.json"));
        Self { cluster, file, _folder: folder, _temp: temp }
    }

    fn admin(&self) -> PgConnectOptions {
        self.cluster.admin_options()
    }

    async fn open(&self) -> Result<Db, OpenError> {
        let secrets = match self.file.read()? {
            Some(secrets) => secrets,
            None => self.file.make()?,
        };
        Db::open(&self.admin(), &secrets, SIZES, test_keys()).await
    }

    /// Whether a login and password that stood in a file get in.
    async fn admits(&self, role: &str, text: &str) -> bool {
        let password = serde_json::from_str::<serde_json::Value>(text).unwrap()["app"].as_str().unwrap().to_owned();
        match self.admin().username(role).password(&password).connect().await {
            Ok(conn) => conn.close().await.is_ok(),
            Err(error) => {
                let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
                assert!(["28P01", "28000"].contains(&code.as_str()), "{error}");
                false
            }
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file.path()).unwrap()
    }

    async fn stop(self) {
        self.cluster.stop().await.unwrap();
    }
}

fn context() -> OpContext {
    OpContext::establish(Origin::Test, TenantId::new(), Actor::Job(None), RoleSet::default(), RequestId::new())
}

/// Work that goes on until it is told to stop: more of it at once than there are connections. Every failure fails the test.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn on(db: &Arc<Db>) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let task = |n: usize| {
            let (db, stop, done) = (Arc::clone(db), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if n.is_multiple_of(2) {
                        let mut tx = db.read(&context()).await.unwrap();
                        sqlx::query("select pg_sleep(0.01), count(*) from members").execute(tx.conn()).await.unwrap();
                        tx.end().await.unwrap();
                    } else {
                        let mut tx = db.platform(PlatformReason::Readiness).await.unwrap();
                        sqlx::query("select count(*) from directory.tenants").execute(tx.conn()).await.unwrap();
                        tx.commit().await.unwrap();
                        let mut one = db.platform_once(PlatformReason::Readiness).await.unwrap();
                        sqlx::query("select 1").execute(one.conn()).await.unwrap();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        Self { tasks: (0..12).map(task).collect(), stop, done }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.done.load(Ordering::Relaxed)
    }
}

/// Looks at the file and moves over, as a server does.
fn follow(db: &Arc<Db>, path: PathBuf) -> tokio::task::JoinHandle<()> {
    let db = Arc::clone(db);
    tokio::spawn(async move {
        let file = RoleFile::at(path);
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            db.use_logins(&file.read().unwrap().unwrap()).await.unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_exchanged_under_load_and_no_transaction_fails() {
    let place = Place::new().await;
    let db = Arc::new(place.open().await.unwrap());
    let follower = follow(&db, place.file.path().to_owned());
    let load = Load::on(&db);
    let mut before = place.text();
    let mut done = 0;
    for (former, present) in [("vital_app", "vital_app_b"), ("vital_app_b", "vital_app")] {
        assert!(place.admits(former, &before).await);
        let exchanged = place.file.exchange(&place.admin(), WINDOW, |_| {}).await.unwrap();
        assert_eq!((exchanged.former[0], exchanged.logins[0], exchanged.ended, exchanged.left), (former, present, 0, 0));
        assert!(!exchanged.resumed);
        let after = place.text();
        assert!(!place.admits(former, &before).await, "the old password of {former} is refused");
        assert!(!place.admits(former, &after).await && !place.admits(present, &before).await && place.admits(present, &after).await);
        let now = load.done.load(Ordering::Relaxed);
        assert!(now > done, "work went on");
        (before, done) = (after, now);
        assert_eq!(db.violations().await.unwrap(), vec![]);
    }
    assert!(!place.text().contains("login"), "with the first pair in use an earlier version can read the file: {}", place.text().len());
    assert!(load.end().await > done);
    follower.abort();
    db.close().await;
    place.stop().await;
}

#[tokio::test]
async fn an_exchange_that_was_cut_off_is_finished_by_running_it_again() {
    let place = Place::new().await;
    let db = place.open().await.unwrap();
    let before = place.text();
    {
        let (waits, admin) = (AtomicBool::new(false), place.admin());
        let cut = place.file.exchange(&admin, Duration::from_secs(600), |step| {
            waits.store(matches!(step, ExchangeStep::Waiting { .. }), Ordering::Relaxed);
        });
        let mut cut = Box::pin(cut);
        while !waits.load(Ordering::Relaxed) {
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut cut).await.is_err());
        }
        let second = place.file.exchange(&admin, WINDOW, |_| {}).await;
        assert!(matches!(second, Err(OpenError::Exchanging)), "{second:?}");
    }
    let between = place.text();
    until_cut_off(&place).await;
    assert!(place.admits("vital_app", &before).await && place.admits("vital_app_b", &between).await, "both pairs get in meanwhile");
    db.platform(PlatformReason::Readiness).await.unwrap();
    place.open().await.unwrap().close().await;
    // What the command does: it leaves the database with the logins of the file and comes back with the same ones.
    let command = place.open().await.unwrap();
    command.close().await;
    let exchanged = place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
    assert!(command.use_logins(&place.file.read().unwrap().unwrap()).await.unwrap());
    command.platform(PlatformReason::Trail).await.unwrap();
    command.close().await;
    assert!(!place.file.was_cut_off(&place.admin()).await.unwrap());
    assert!(exchanged.resumed && exchanged.logins[0] == "vital_app_b");
    assert!(exchanged.ended > 0, "a server that never looked at the file is disconnected");
    assert!(
        !place.admits("vital_app", &before).await && place.admits("vital_app_b", &between).await,
        "the passwords are those of the first try"
    );
    // A copy of the file from meanwhile still says that an exchange is under way; it was finished, so a new one begins.
    std::fs::write(place.file.path(), &between).unwrap();
    assert!(!place.file.was_cut_off(&place.admin()).await.unwrap());
    let again = place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
    assert!(!again.resumed && again.logins[0] == "vital_app");
    assert!(!place.admits("vital_app_b", &between).await && place.admits("vital_app", &place.text()).await);
    // By now that copy names the pair that was refused: it must not end the present one.
    let copy = RoleFile::at(place.file.path().with_file_name("copy.json"));
    copy_private(&between, copy.path());
    let refused = copy.exchange(&place.admin(), Duration::ZERO, |_| {}).await;
    assert!(matches!(refused, Err(OpenError::Outdated)), "{refused:?}");
    assert!(place.admits("vital_app", &place.text()).await);
    place.open().await.unwrap().close().await;
    place.stop().await;
}

/// The database notices a moment later that whoever was cut off is gone, and then gives its lock back.
async fn until_cut_off(place: &Place) {
    while !place.file.was_cut_off(&place.admin()).await.unwrap() {
        tokio::task::yield_now().await;
    }
}

fn copy_private(text: &str, path: &std::path::Path) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_file_of_exchanges_long_ago_brings_no_password_back() {
    let place = Place::new().await;
    place.open().await.unwrap().close().await;
    let mut files = vec![place.text()];
    for role in ["vital_app_b", "vital_app", "vital_app_b"] {
        place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
        for old in &files {
            let refused = Db::open(&place.admin(), &serde_json::from_str(old).unwrap(), SIZES, test_keys()).await;
            assert!(matches!(refused, Err(OpenError::Outdated)), "{role}: {refused:?}");
            assert!(!place.admits("vital_app", old).await && !place.admits("vital_app_b", old).await);
        }
        assert!(place.admits(role, &place.text()).await, "the present ones were not touched");
        files.push(place.text());
    }
    // A role whose password was lost in the database gets that of the present file back.
    let mut admin = place.admin().connect().await.unwrap();
    sqlx::raw_sql("alter role vital_app_b password null").execute(&mut admin).await.unwrap();
    place.open().await.unwrap().close().await;
    assert!(place.admits("vital_app_b", &place.text()).await);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_the_former_logins_cannot_let_itself_in_again() {
    let place = Place::new().await;
    place.open().await.unwrap().close().await;
    let own = format!("{{\"app\":\"{}\"}}", "ab".repeat(32));
    let password = serde_json::from_str::<serde_json::Value>(&place.text()).unwrap()["app"].as_str().unwrap().to_owned();
    let mut conn = place.admin().username("vital_app").password(&password).connect().await.unwrap();
    // Within a transaction it is not idle, so it is not ended at once.
    sqlx::raw_sql("begin").execute(&mut conn).await.unwrap();
    let (shut, mut is_shut) = tokio::sync::watch::channel(false);
    let former = tokio::spawn(async move {
        is_shut.wait_for(|shut| *shut).await.unwrap();
        let set = format!("alter role vital_app password '{}'; commit", "ab".repeat(32));
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut conn).await.unwrap();
        conn
    });
    let exchanged = place
        .file
        .exchange(&place.admin(), Duration::ZERO, |step| {
            shut.send_replace(matches!(step, ExchangeStep::Ending { .. }));
        })
        .await
        .unwrap();
    drop(former.await.unwrap());
    assert_eq!((exchanged.ended, exchanged.left), (1, 0));
    assert!(!place.admits("vital_app", &own).await);
    place.stop().await;
}

#[tokio::test]
async fn a_file_of_before_the_exchange_opens_nothing_and_brings_no_password_back() {
    let place = Place::new().await;
    place.open().await.unwrap().close().await;
    let first = place.text();
    place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
    let second = place.text();
    for (old, role) in [(&first, "vital_app"), (&second, "vital_app_b")] {
        let outdated = serde_json::from_str(old).unwrap();
        if role == "vital_app_b" {
            place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
        }
        let refused = Db::open(&place.admin(), &outdated, SIZES, test_keys()).await;
        assert!(matches!(refused, Err(OpenError::Outdated)), "{role}: {refused:?}");
        assert!(!place.admits(role, old).await);
    }
    // Whoever has no file any more stops everything, deletes it and begins anew.
    place.file.exchange(&place.admin(), Duration::ZERO, |_| {}).await.unwrap();
    let lost = place.text();
    std::fs::remove_file(place.file.path()).unwrap();
    place.open().await.unwrap().close().await;
    assert!(place.admits("vital_app", &place.text()).await && !place.admits("vital_app_b", &lost).await);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_at_once_do_not_hinder_one_another() {
    let place = Place::new().await;
    let secrets = place.file.make().unwrap();
    Db::open(&place.admin(), &secrets, SIZES, test_keys()).await.unwrap().close().await;
    let mut admin = place.admin().connect().await.unwrap();
    for _ in 0..5 {
        sqlx::raw_sql("alter role vital_app password null; alter role vital_platform password null").execute(&mut admin).await.unwrap();
        let open = || async { Db::open(&place.admin(), &secrets, SIZES, test_keys()).await.unwrap().close().await };
        tokio::join!(open(), open(), open(), open());
    }
    admin.close().await.unwrap();
    place.stop().await;
}
