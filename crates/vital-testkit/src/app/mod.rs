//! A running platform for tests: a real server on the loopback over a database of its own, with people who are signed in.
//!
//! The server has a runtime of its own, so that [`TestApp::restart`] can end it as `kill -9` would: tasks are dropped where they stand.
//!
//! **Invariant:** nothing here waits for a guessed time: [`until`] looks until a condition holds, up to [`PATIENCE`].
//! What goes wrong here is a failed test, so it panics with what it saw.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod client;
mod events;
pub mod files;
mod persona;
mod running;
mod seed;

pub use client::{Client, Form, Reply, Request};
pub use events::{Event, Events};
pub use persona::{PASSWORD, Persona};
pub use seed::{CANARY_A, CANARY_B, Mirror, QUESTION_A, QUESTION_B};

use running::Running;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use std::{
    fmt::Display,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use vital_kernel::Embedder;
use vital_keys::{Place, TenantKeys};
use vital_llm::Provider;
use vital_platform::Platform;
use vital_store::testdb::TestDb;
use vital_web::{Load, Rates, Settings};

/// How long a test waits for a condition before it has failed.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Where no name server answers: tests ask none outside of this machine.
const NO_NAME_SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Public sources at one address on this machine; a test that asks none names a port where nothing listens.
///
/// # Panics
/// Where `base` is no address.
#[must_use]
pub fn public_sources(base: &str) -> Box<vital_tools::Endpoints> {
    let at = |path: &str| format!("{base}/{path}/").parse().expect("an address");
    Box::new(vital_tools::Endpoints {
        pubmed: at("eutils"),
        trials: at("trials"),
        openfda: at("openfda"),
        rxnorm: at("rxnorm"),
        europe_pmc: at("europe-pmc"),
        crossref: at("crossref"),
        openalex: at("openalex"),
        ecfr: at("ecfr"),
        federal_register: at("federal-register"),
        ..Default::default()
    })
}

/// What an app is made of.
#[derive(Clone)]
pub struct Options {
    /// The program that parses documents, with its arguments.
    pub parser: Vec<String>,
    /// Writes answers; none means the built-in composer.
    pub provider: Option<Provider>,
    /// The embedding model, or why there is none.
    pub embedder: Result<Arc<dyn Embedder>, String>,
    /// Whether the two organisations with their people and documents are there; otherwise the installation is new.
    pub tenants: bool,
    /// The name server that proofs of custom domains are read from.
    pub name_server: Option<SocketAddr>,
    /// Where the public sources of tools are; nowhere that answers unless a test says so.
    pub public_sources: Box<vital_tools::Endpoints>,
    /// The authority whose rights to issue are looked for; it is asked for no certificate.
    pub authority: Option<vital_tls::acme::Authority>,
    /// How often and how many at once. By default so much that no test comes near: all requests of a test come from one address.
    pub protection: Settings,
    /// Whether no other node works on the same database.
    pub alone: bool,
    /// Where answers of models are kept for equal requests.
    pub answers: Option<vital_llm::gateway::ExactCache>,
}

impl Options {
    /// Two organisations, the built-in composer and no model.
    #[must_use]
    pub fn new(parser: &[&str]) -> Self {
        let parser = parser.iter().map(ToString::to_string).collect();
        Self {
            parser,
            provider: None,
            embedder: Err("There is no model in this test.".to_owned()),
            tenants: true,
            name_server: Some(NO_NAME_SERVER),
            public_sources: public_sources("http://127.0.0.1:9"),
            authority: None,
            protection: generous(),
            alone: true,
            answers: None,
        }
    }

    /// With a provider that writes the answers.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// With the model that set-up has installed.
    #[must_use]
    pub fn model(mut self) -> Self {
        let folder = vital_models::LocalEmbedder::default_dir().expect("VITAL_MODEL_DIR or HOME is set");
        let model = vital_models::LocalEmbedder::load(&folder, 1).expect("the model can be loaded");
        self.embedder = Ok(Arc::new(model));
        self
    }

    /// With other limits than those that no test comes near.
    #[must_use]
    pub fn protection(mut self, protection: Settings) -> Self {
        self.protection = protection;
        self
    }

    /// A new installation: nobody is there yet.
    #[must_use]
    pub fn nobody(mut self) -> Self {
        self.tenants = false;
        self
    }
}

fn generous() -> Settings {
    const MANY: u32 = 1_000_000;
    let rates = Rates { address: MANY, user: MANY, tenant: MANY, credentials: MANY, asking: MANY, upload: MANY };
    let load =
        Load { in_flight: 1_000, uploads_in_flight: 1_000, streams_per_user: 1_000, connections_per_address: 4_000, ..Load::default() };
    Settings { rates, load, ..Settings::default() }
}

/// A running platform; its database goes with it.
pub struct TestApp {
    db: Arc<TestDb>,
    folder: tempfile::TempDir,
    options: Options,
    running: Option<Running>,
    address: SocketAddr,
    http: reqwest::Client,
    mirrors: Option<[Mirror; 2]>,
    keys: tokio::sync::OnceCell<TenantKeys>,
    admin: Mutex<Option<PgConnection>>,
}

impl TestApp {
    /// Starts one.
    pub async fn start(options: Options) -> Self {
        vital_llm::ensure_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let db = if options.tenants {
            let seed = seed::ready(&options.parser).await;
            seed.copy_index(folder.path());
            TestDb::clone_of(&seed.database).await
        } else {
            TestDb::new().await
        };
        let db = Arc::new(db.expect("a database for this test"));
        let mirrors = if options.tenants {
            let mut admin = db.admin().await.unwrap();
            persona::sign_all_in(&mut admin).await;
            Some(seed::mirrors(&mut admin).await)
        } else {
            None
        };
        let running = Running::start(&db, folder.path(), &options, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let address = running.address;
        #[expect(clippy::disallowed_methods, reason = "the client of the server that the test started")]
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self {
            db,
            folder,
            options,
            running: Some(running),
            address,
            http,
            mirrors,
            keys: tokio::sync::OnceCell::new(),
            admin: Mutex::default(),
        }
    }

    /// Ends the server as `kill -9` would and starts another one on the same address, database and folder.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.running = Some(Running::start(&self.db, self.folder.path(), &self.options, self.address).await);
    }

    /// Ends the server as `kill -9` would.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            tokio::task::spawn_blocking(move || running.kill()).await.unwrap();
        }
    }

    /// Ends the server in order, as a signal would, and starts another one.
    pub async fn restart_in_order(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.running = Some(Running::start(&self.db, self.folder.path(), &self.options, self.address).await);
    }

    /// Starts a second node on the same database, with a folder of its own.
    pub async fn second_node(&self) -> SecondNode {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { alone: false, ..self.options.clone() };
        let running = Running::start(&self.db, folder.path(), &options, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        SecondNode { running: Some(running), http: self.http.clone(), _folder: folder }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that acts as somebody.
    #[must_use]
    pub fn client(&self, persona: Persona) -> Client {
        Client::new(self.http.clone(), self.base_url(), persona.token())
    }

    /// A client with a token of its own.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(self.http.clone(), self.base_url(), Some(token.to_owned()))
    }

    /// A client with a session of its own, which can be ended without ending anybody else's.
    pub async fn new_session(&self, persona: Persona) -> Client {
        let token = uuid::Uuid::new_v4().to_string();
        persona::sign_in(&mut self.db.admin().await.unwrap(), persona, &token).await;
        self.with_token(&token)
    }

    /// A client that acts as the member of organisation A, whose things the mirror names.
    #[must_use]
    pub fn member(&self) -> Client {
        self.client(Persona::Member)
    }

    /// What organisation A has.
    #[must_use]
    pub fn a(&self) -> &Mirror {
        &self.mirrors.as_ref().expect("an app with organisations")[0]
    }

    /// What organisation B has.
    #[must_use]
    pub fn b(&self) -> &Mirror {
        &self.mirrors.as_ref().expect("an app with organisations")[1]
    }

    /// Runs something on the platform, in the server's own runtime.
    pub async fn on_platform<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, work: impl FnOnce(Arc<Platform>) -> F) -> T {
        self.running.as_ref().expect("a running server").run(work).await
    }

    /// The administrator's connection, which is kept: tests look behind the fences thousands of times.
    async fn admin(&self) -> MappedMutexGuard<'_, PgConnection> {
        let mut kept = self.admin.lock().await;
        let alive = match kept.as_mut() {
            Some(conn) => conn.ping().await.is_ok(),
            None => false,
        };
        if !alive {
            *kept = Some(self.db.admin().await.unwrap());
        }
        MutexGuard::map(kept, |conn| conn.as_mut().unwrap())
    }

    /// Runs statements as the administrator of the cluster, outside of every fence.
    pub async fn sql(&self, statements: &str) {
        let mut admin = self.admin().await;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *admin).await.unwrap_or_else(|e| panic!("{statements}: {e}"));
    }

    /// The same on a connection of its own, while [`TestApp::sql`] holds a transaction open.
    pub async fn sql_aside(&self, statements: &str) {
        let mut admin = self.db.admin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap_or_else(|e| panic!("{statements}: {e}"));
    }

    /// Text sealed for its place in organisation A, as an SQL literal, for what a test writes past the platform.
    pub async fn sealed(&self, column: &'static str, row: &str, text: &str) -> String {
        let tenant = self.a().tenant.parse().unwrap();
        let keys = self.keys.get_or_init(async || self.db.tenant_keys(tenant).await.unwrap()).await;
        format!("'\\x{}'::bytea", hex::encode(keys.seal(Place::of(column, row.parse().unwrap()), text.as_bytes()).unwrap()))
    }

    /// The first column of the first row, as text.
    pub async fn sql_text(&self, query: &str) -> Option<String> {
        let mut admin = self.admin().await;
        let row: Option<Option<String>> =
            sqlx::query_scalar(AssertSqlSafe(format!("select ({query})::text"))).fetch_optional(&mut *admin).await.unwrap();
        row.flatten()
    }

    /// The server's data folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The messages that were sent, oldest first, as they are on the wire.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        let folder = self.folder.path().join(running::MAIL);
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "eml"));
        files.sort();
        files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
    }

    /// Ends every connection of the server to the database, as a restarted database would.
    pub async fn cut_database(&self) {
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
            .await;
    }

    /// Lets nobody into the database, or lets them in again. What is connected is cut.
    pub async fn database_away(&self, away: bool) {
        let (server, _) = TestDb::cluster().await.unwrap();
        let name = self.database();
        let mut admin = server.clone().connect().await.unwrap();
        let statements = format!(
            "alter database {name} allow_connections {}; select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and {away}",
            !away
        );
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    }

    fn database(&self) -> String {
        self.db.admin_options().get_database().unwrap_or_default().to_owned()
    }
}

/// A second node on the database of an app; it has to go before the app.
pub struct SecondNode {
    running: Option<Running>,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl SecondNode {
    /// A client of this node that acts as somebody.
    #[must_use]
    pub fn client(&self, persona: Persona) -> Client {
        let address = self.running.as_ref().expect("a running server").address;
        Client::new(self.http.clone(), format!("http://{address}"), persona.token())
    }
}

impl Drop for SecondNode {
    fn drop(&mut self) {
        let running = self.running.take();
        // A thread of its own, because a runtime cannot wait inside another one.
        let ended = std::thread::spawn(move || running.map(Running::kill)).join();
        assert!(ended.is_ok() || std::thread::panicking(), "the node could not be taken down");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let (running, name) = (self.running.take(), self.database());
        // A thread of its own, because a runtime cannot wait inside another one.
        let ending = std::thread::spawn(move || {
            if let Some(running) = running {
                running.kill();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(seed::drop_database(&name));
        });
        if ending.join().is_err() && !std::thread::panicking() {
            panic!("the app could not be taken down");
        }
    }
}

/// Looks until a condition holds and returns what it found.
pub async fn until<T, F: Future<Output = Option<T>>>(what: impl Display, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
    }
}
