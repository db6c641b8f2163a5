//! The database that every app with organisations is cloned from: two of them, with mirrored people, documents and answers, and the
//! experts and articles that ship with the product. Made once for each build of the test program, because it takes seconds.

use super::{Options, PASSWORD, Persona, running::Running, until};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::OnceCell;
use vital_kernel::{RequestId, TenantId};
use vital_platform::{
    Platform,
    ask::{self, Question},
    identity::{self, Came, NewUser, SignIn},
    knowledge::{self, NewDocument},
    tenancy,
};
use vital_store::testdb::TestDb;

/// A word that stands in everything organisation A owns and nowhere else.
pub const CANARY_A: &str = "aldebaran";
/// A word that stands in everything organisation B owns and nowhere else.
pub const CANARY_B: &str = "betelgeuse";
/// What the member of organisation A asked.
pub const QUESTION_A: &str = "What is the shelf life of aldebaran granules?";
/// What the member of organisation B asked.
pub const QUESTION_B: &str = "What is the shelf life of betelgeuse granules?";

/// What an organisation has that the other must not see.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Id of the organisation.
    pub tenant: String,
    /// A document of its own, ready.
    pub document: String,
    /// The member's conversation.
    pub conversation: String,
    /// The answered turn in it.
    pub turn: String,
}

#[derive(Debug)]
pub(super) struct Seed {
    pub(super) database: String,
    folder: PathBuf,
}

impl Seed {
    /// Copies the lexical indexes, so that they need not be rebuilt.
    pub(super) fn copy_index(&self, to: &Path) {
        copy(&self.folder.join("index"), &to.join("index"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The seed of this build; the first process that needs it makes it while the others wait.
pub(super) async fn ready(parser: &[String]) -> &'static Seed {
    static SEED: OnceCell<Seed> = OnceCell::const_new();
    SEED.get_or_init(|| async {
        let (server, migrated) = TestDb::cluster().await.expect("the test cluster");
        let program = std::env::current_exe().unwrap();
        let series = format!("seeded_{}", digest(&[program.to_str().unwrap()]));
        let database = format!("{series}_{}", digest(&[migrated, &built(&program), &built(Path::new(&parser[0]))]));
        let folder = program.ancestors().nth(3).unwrap().join("test-seeds").join(&database);
        let mut admin = server.clone().connect().await.unwrap();
        // Held until the connection closes.
        sqlx::query("select pg_advisory_lock(hashtext($1))").bind(&series).execute(&mut admin).await.unwrap();
        if !exists(&mut admin, &database).await {
            drop_series(&mut admin, &series, folder.parent().unwrap()).await;
            make(&database, &folder, parser).await;
        }
        admin.close().await.unwrap();
        Seed { database, folder }
    })
    .await
}

fn digest(parts: &[&str]) -> String {
    hex::encode(&Sha256::digest(parts.join("\n"))[..6])
}

/// When and how large a program was built.
fn built(program: &Path) -> String {
    let meta = fs::metadata(program).unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    format!("{:?} {}", meta.modified().unwrap(), meta.len())
}

async fn exists(admin: &mut PgConnection, database: &str) -> bool {
    sqlx::query_scalar("select exists (select from pg_database where datname = $1)").bind(database).fetch_one(admin).await.unwrap()
}

/// Drops the seeds of earlier builds; one that is still being cloned stays.
async fn drop_series(admin: &mut PgConnection, series: &str, folder: &Path) {
    let old: Vec<String> = sqlx::query_scalar("select datname::text from pg_database where starts_with(datname::text, $1)")
        .bind(series)
        .fetch_all(&mut *admin)
        .await
        .unwrap();
    for name in old {
        let dropped = sqlx::query(AssertSqlSafe(format!("drop database {name}"))).execute(&mut *admin).await;
        if dropped.is_ok() && folder.join(&name).exists() {
            fs::remove_dir_all(folder.join(&name)).unwrap();
        }
    }
}

pub(super) async fn drop_database(name: &str) {
    let (server, _) = TestDb::cluster().await.unwrap();
    let mut admin = server.clone().connect().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

async fn make(database: &str, folder: &Path, parser: &[String]) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    let db = Arc::new(TestDb::new().await.expect("a database"));
    let command: Vec<&str> = parser.iter().map(String::as_str).collect();
    let options = Options { embedder: Err("No model while seeding.".to_owned()), ..Options::new(&command) };
    let running = Running::start(&db, folder, &options, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    running
        .run(|p| async move {
            let a = organisation(&p, CANARY_A, &Persona::ALL[1..7]).await;
            let b = organisation(&p, CANARY_B, &[Persona::OtherMember, Persona::OtherAdmin]).await;
            (a, b)
        })
        .await;
    let mut admin = db.admin().await.unwrap();
    idle(&mut admin).await;
    running
        .run(|p| async move {
            belongings(&p, Persona::Member, CANARY_A, 36, QUESTION_A).await;
            belongings(&p, Persona::OtherMember, CANARY_B, 24, QUESTION_B).await;
        })
        .await;
    idle(&mut admin).await;
    running.stop().await;
    let own = db.admin_options().get_database().unwrap().to_owned();
    admin.close().await.unwrap();
    db.db.close().await;
    let (server, _) = TestDb::cluster().await.unwrap();
    let mut admin = server.clone().connect().await.unwrap();
    let statements = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{own}'; alter database {own} rename to {database}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// Waits until no background work is left.
async fn idle(admin: &mut PgConnection) {
    let admin = tokio::sync::Mutex::new(admin);
    until("background work to be done", || async {
        let left: i64 = sqlx::query_scalar("select count(*) from directory.jobs").fetch_one(&mut **admin.lock().await).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
}

async fn organisation(p: &Platform, canary: &str, people: &[Persona]) -> TenantId {
    let tenant = tenancy::create_tenant(p, &format!("{canary} Therapeutics")).await.unwrap();
    let cx = identity::operator_context(tenant);
    for person in people {
        let new = NewUser {
            display_name: format!("{} of {canary}", person.name()),
            email: person.email(),
            password: PASSWORD.to_owned(),
            roles: person.role().into_iter().collect(),
        };
        identity::create_user(p, &cx, new).await.unwrap();
    }
    tenant
}

/// Gives a member a document, and a conversation about it.
async fn belongings(p: &Arc<Platform>, member: Persona, canary: &str, months: u32, question: &str) {
    let came = Came { address: IpAddr::from([127, 0, 0, 1]), device: "seed".to_owned(), domain_of: None };
    let given = SignIn { email: member.email(), password: PASSWORD.to_owned(), came };
    let token = identity::sign_in(p, given).await.unwrap().done().unwrap();
    let cx = identity::authenticate(p, token.reveal(), RequestId::new()).await.unwrap().cx;
    let text = format!(
        "# Shelf life of {canary} granules\n\nThe shelf life of {canary} granules is {months} months when stored below 25 °C. \
         The shelf life of {canary} granules after first opening is 6 weeks.\n\n\
         ## Storage of {canary} granules\n\nThe {canary} granules are stored in the original container, protected from moisture."
    );
    let new = NewDocument { file_name: format!("{canary}-stability.md"), collection: None, bytes: text.into_bytes().into() };
    let id = knowledge::add_document(p, &cx, new).await.unwrap().id;
    until("the document to be ready", || async {
        let found = knowledge::document(p, &cx, id).await.unwrap();
        assert_ne!(found.state, knowledge::DocumentState::Failed, "{found:?}");
        (found.state == knowledge::DocumentState::Ready).then_some(())
    })
    .await;
    let conversation = ask::open_conversation(p, &cx, None).await.unwrap().id;
    let turn = ask::ask(p, &cx, conversation, Question { text: question.to_owned(), ..Question::default() }).await.unwrap().id;
    let answered = until("the answer", || async {
        let turn = ask::turn(p, &cx, turn).await.unwrap();
        (turn.state != ask::TurnState::Running).then_some(turn)
    })
    .await;
    assert_eq!(answered.state, ask::TurnState::Answered, "{answered:#?}");
}

/// What the two organisations have.
pub(super) async fn mirrors(admin: &mut PgConnection) -> [Mirror; 2] {
    let mut found = Vec::new();
    for member in [Persona::Member, Persona::OtherMember] {
        let row: (String, String, String, String) = sqlx::query_as(
            "select l.tenant::text, d.id::text, c.id::text, t.id::text
             from directory.logins l
             join documents d on d.tenant_id = l.tenant and d.uploaded_by = l.user_id
             join conversations c on c.tenant_id = l.tenant and c.owner_id = l.user_id
             join turns t on t.tenant_id = l.tenant and t.conversation_id = c.id
             where l.email = $1",
        )
        .bind(member.email())
        .fetch_one(&mut *admin)
        .await
        .unwrap();
        found.push(Mirror { tenant: row.0, document: row.1, conversation: row.2, turn: row.3 });
    }
    found.try_into().unwrap()
}
