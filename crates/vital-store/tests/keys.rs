//! Sealed columns and the keys behind them, on a real database: what an earlier version left, what a wrong key says, what a rotation keeps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use std::time::Duration;
use uuid::Uuid;
use vital_kernel::{Actor, AuditAction, AuditEntry, OpContext, Origin, RequestId, RoleSet, TenantId};
use vital_keys::{Place, RootSource};
use vital_store::{
    Db, KeySettings, MIGRATIONS, PlatformReason, SEALED,
    testdb::{TestDb, test_keys},
};

const CANARY: &str = "plain-quokka-7731";

#[expect(clippy::disallowed_methods, reason = "the test makes its own contexts")]
fn context(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Test, tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
}

async fn tenant(db: &Db, slug: &str) -> OpContext {
    let id = TenantId::new();
    let mut tx = db.platform(PlatformReason::TenantDirectory).await.unwrap();
    let insert = sqlx::query("insert into directory.tenants (id, slug, name, created_at) values ($1, $2, $2, now())").bind(id.0).bind(slug);
    insert.execute(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();
    context(id)
}

/// Stores a question the way the platform does, and returns its id.
async fn question(db: &Db, cx: &OpContext, text: &str) -> Uuid {
    let (member, conversation, turn) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let mut tx = db.write(cx).await.unwrap();
    let sealed = tx.seal(Place::of("turns.question", turn), text).unwrap();
    let setup = format!(
        "insert into members (id, email, display_name, roles, created_at) values ('{member}', '{member}@x.example', 'x', '{{member}}', now());
         insert into conversations (id, owner_id, created_at, updated_at) values ('{conversation}', '{member}', now(), now())"
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(tx.conn()).await.unwrap();
    sqlx::query("insert into turns (id, conversation_id, ordinal, question, state, created_at) values ($1, $2, 1, $3, 'stopped', now())")
        .bind(turn)
        .bind(conversation)
        .bind(sealed)
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit(AuditEntry::new(AuditAction::TurnAsked, "turn", turn)).await.unwrap();
    turn
}

async fn read(db: &Db, cx: &OpContext, turn: Uuid) -> vital_kernel::Result<String> {
    let mut tx = db.read(cx).await?;
    let sealed: Vec<u8> = sqlx::query_scalar("select question from turns where id = $1").bind(turn).fetch_one(tx.conn()).await.unwrap();
    tx.open_text(Place::of("turns.question", turn), &sealed)
}

fn file(folder: &tempfile::TempDir) -> KeySettings {
    KeySettings { root: RootSource::File(folder.path().join("secret.key")), ..test_keys() }
}

/// A database as the version before sealing left it, with one of everything that is sealed now.
async fn unsealed() -> (PgConnectOptions, TenantId, Uuid) {
    let (server, _) = TestDb::cluster().await.unwrap();
    let name = format!("t_{}", Uuid::new_v4().simple());
    let mut conn = server.clone().connect().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let options = server.clone().database(&name);
    let mut conn: PgConnection = options.clone().connect().await.unwrap();
    MIGRATIONS.run_direct(Some(5), &mut conn, false).await.unwrap();
    let (tenant, id) = (TenantId::new(), Uuid::now_v7());
    let rows = format!(
        "insert into directory.tenants (id, slug, name, created_at) values ('{tenant}', 'before', 'Before', now());
         insert into members (tenant_id, id, email, display_name, roles, created_at) values ('{tenant}', '{id}', 'a@x.example', 'A', '{{member}}', now());
         insert into collections (tenant_id, id, slug, name, starter, created_at) values ('{tenant}', '{id}', 'own', 'Own', false, now());
         insert into documents (tenant_id, id, collection_id, title, file_name, size_bytes, content_hash, authority, state, created_at)
             values ('{tenant}', '{id}', '{id}', '{CANARY} title', '{CANARY}.md', 9, '\\x00', 'own', 'ready', now());
         insert into document_files (tenant_id, document_id, bytes) values ('{tenant}', '{id}', convert_to('{CANARY} file', 'UTF8'));
         insert into document_texts (tenant_id, document_id, text, blocks) values ('{tenant}', '{id}', '{CANARY} text', '[]');
         insert into passages (tenant_id, id, document_id, ordinal, start_byte, end_byte, heading_path, body)
             values ('{tenant}', '{id}', '{id}', 1, 0, 9, array['{CANARY} heading'], '{CANARY} body');
         insert into conversations (tenant_id, id, owner_id, title, created_at, updated_at) values ('{tenant}', '{id}', '{id}', '', now(), now());
         insert into turns (tenant_id, id, conversation_id, ordinal, question, answer, state, created_at)
             values ('{tenant}', '{id}', '{id}', 1, '{CANARY} question', '{{\"text\": \"{CANARY}\"}}', 'answered', now());
         insert into turn_events (tenant_id, turn_id, seq, kind, payload) values ('{tenant}', '{id}', 1, 'token', '{{\"t\": \"{CANARY}\"}}')"
    );
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    (options, tenant, id)
}

#[tokio::test]
async fn what_an_earlier_version_stored_in_plain_text_is_sealed_before_anything_is_served() {
    let (options, tenant, id) = unsealed().await;
    let db = TestDb::open_with(&options, test_keys()).await.unwrap();
    let cx = context(tenant);
    let mut tx = db.read(&cx).await.unwrap();
    for (column, expected) in [
        ("documents.title", format!("{CANARY} title")),
        ("document_files.bytes", format!("{CANARY} file")),
        ("passages.heading_path", format!("[\"{CANARY} heading\"]")),
        ("turns.question", format!("{CANARY} question")),
    ] {
        let sealed = SEALED.iter().find(|c| c.place == column).unwrap();
        let query = format!("select {} from {} where {} = $1", sealed.column, sealed.table, sealed.row);
        let stored: Vec<u8> = sqlx::query_scalar(AssertSqlSafe(query)).bind(id).fetch_one(tx.conn()).await.unwrap();
        assert!(Db::is_sealed(&stored) && !stored.windows(CANARY.len()).any(|w| w == CANARY.as_bytes()), "{column}");
        assert_eq!(tx.open_text(Place::of(sealed.place, id), &stored).unwrap(), expected, "{column}");
    }
    let title: Option<Vec<u8>> = sqlx::query_scalar("select title from conversations").fetch_one(tx.conn()).await.unwrap();
    assert_eq!(title, None, "an empty title is none");
    let mut conn: PgConnection = options.clone().connect().await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from directory.unsealed").fetch_one(&mut conn).await.unwrap();
    assert_eq!(left, 0);
    let forged = format!("update turns set question = '\\x00{}'", hex::encode("forged"));
    let refused = sqlx::raw_sql(AssertSqlSafe(forged)).execute(&mut conn).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("23514"), "the database refuses what is not sealed");
}

#[tokio::test]
async fn a_sealed_value_in_another_row_or_tenant_does_not_open() {
    let t = TestDb::new().await.unwrap();
    let (a, b) = (tenant(&t.db, "alpha").await, tenant(&t.db, "beta").await);
    let (mine, other, theirs) =
        (question(&t.db, &a, "Mine?").await, question(&t.db, &a, "Another?").await, question(&t.db, &b, "Theirs?").await);
    assert_eq!(read(&t.db, &a, mine).await.unwrap(), "Mine?");
    let mut admin = t.admin().await.unwrap();
    for source in [other, theirs] {
        let moved = format!("update turns set question = (select question from turns where id = '{source}') where id = '{mine}'");
        sqlx::raw_sql(AssertSqlSafe(moved)).execute(&mut admin).await.unwrap();
        assert_eq!(read(&t.db, &a, mine).await.unwrap_err().code(), "seal.broken");
    }
    for broken in
        ["substring(question from 1 for 40)", "set_byte(question, length(question) - 1, 255 - get_byte(question, length(question) - 1))"]
    {
        let changed = format!("update turns set question = {broken} where id = '{other}'");
        sqlx::raw_sql(AssertSqlSafe(changed)).execute(&mut admin).await.unwrap();
        assert_eq!(read(&t.db, &a, other).await.unwrap_err().code(), "seal.broken", "{broken}");
    }
    assert_eq!(read(&t.db, &b, theirs).await.unwrap(), "Theirs?", "what nobody touched still opens");
}

#[tokio::test]
async fn a_wrong_or_missing_root_key_is_refused_by_name_and_nothing_is_made() {
    let t = TestDb::new().await.unwrap();
    let cx = tenant(&t.db, "alpha").await;
    question(&t.db, &cx, "Still here?").await;
    let wanted = t.db.key_status().await.unwrap().root_keys[0].id.clone();
    let folder = tempfile::tempdir().unwrap();
    let missing = TestDb::open_with(t.admin_options(), file(&folder)).await.unwrap_err().to_string();
    assert!(missing.contains(&wanted), "{missing}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no key is made over data that another one sealed");
    let other = KeySettings { root: RootSource::Fixed([9; 32]), ..test_keys() };
    let wrong = TestDb::open_with(t.admin_options(), other).await.unwrap_err().to_string();
    assert!(wrong.contains(&wanted), "{wrong}");
}

#[tokio::test]
async fn a_rotated_root_key_keeps_everything_and_ends_the_old_one_also_when_it_was_cut_off() {
    let (server, template) = TestDb::cluster().await.unwrap();
    let name = format!("t_{}", Uuid::new_v4().simple());
    let mut conn = server.clone().connect().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name} template {template} strategy file_copy"))).execute(&mut conn).await.unwrap();
    let (options, folder) = (server.clone().database(&name), tempfile::tempdir().unwrap());
    let keys = KeySettings { spread: Duration::from_millis(50), ..file(&folder) };
    let path = folder.path().join("secret.key");
    let db = TestDb::open_with(&options, keys.clone()).await.unwrap();
    let cx = tenant(&db, "alpha").await;
    let turn = question(&db, &cx, "Does it last?").await;
    let before = std::fs::read_to_string(&path).unwrap();
    // As a rotation leaves it that was killed after the new key was written: both are there, and it goes on with the one that was added.
    keys.root.add().unwrap();
    let added = keys.root.load().unwrap().unwrap().current().id().to_owned();
    let done = db.rotate_root(|_| {}).await.unwrap();
    assert_eq!((done.present.as_str(), done.keys), (added.as_str(), 2));
    assert_eq!(read(&db, &cx, turn).await.unwrap(), "Does it last?");
    assert!(!std::fs::read_to_string(&path).unwrap().contains(before.trim()), "the old key is gone");
    let again = TestDb::open_with(&options, keys.clone()).await.unwrap();
    assert_eq!(read(&again, &cx, turn).await.unwrap(), "Does it last?");
    std::fs::write(&path, &before).unwrap();
    let refused = TestDb::open_with(&options, keys).await.unwrap_err().to_string();
    assert!(refused.contains(&added), "the old root key no longer opens anything: {refused}");
}

#[tokio::test]
async fn a_tenants_new_key_seals_everything_again_and_the_former_one_is_destroyed() {
    let t = TestDb::new().await.unwrap();
    let cx = tenant(&t.db, "alpha").await;
    let turn = question(&t.db, &cx, "Once more?").await;
    let old = t.tenant_keys(cx.tenant().0).await.unwrap();
    assert_eq!(t.db.add_key_version(cx.tenant()).await.unwrap(), 2);
    assert_eq!(t.db.finish_key_rotation(cx.tenant(), |_, _| {}).await.unwrap(), 1);
    assert_eq!(read(&t.db, &cx, turn).await.unwrap(), "Once more?");
    let mut admin = t.admin().await.unwrap();
    let stored: Vec<u8> = sqlx::query_scalar("select question from turns").fetch_one(&mut admin).await.unwrap();
    assert!(old.open(Place::of("turns.question", turn), &stored).is_err(), "the former key opens it no more");
    let versions: Vec<i32> =
        sqlx::query_scalar("select version from directory.tenant_keys where purpose = 'content'").fetch_all(&mut admin).await.unwrap();
    assert_eq!(versions, [2]);
}

#[tokio::test]
async fn plain_text_that_somebody_wrote_into_the_database_is_not_made_genuine_by_a_rotation() {
    let t = TestDb::new().await.unwrap();
    let cx = tenant(&t.db, "alpha").await;
    let turn = question(&t.db, &cx, "Mine?").await;
    let forged = format!("alter table turns drop constraint question_sealed; update turns set question = '\\x00{}'", hex::encode("forged"));
    sqlx::raw_sql(AssertSqlSafe(forged)).execute(&mut t.admin().await.unwrap()).await.unwrap();
    t.db.add_key_version(cx.tenant()).await.unwrap();
    assert_eq!(t.db.finish_key_rotation(cx.tenant(), |_, _| {}).await.unwrap_err().code(), "seal.broken");
    assert_eq!(read(&t.db, &cx, turn).await.unwrap_err().code(), "seal.broken");
    assert_eq!(t.tenant_keys(cx.tenant().0).await.unwrap().version(), 2, "both versions are kept");
}

#[tokio::test]
async fn lost_keys_are_told_and_not_made_anew() {
    let t = TestDb::new().await.unwrap();
    let cx = tenant(&t.db, "alpha").await;
    let turn = question(&t.db, &cx, "Where is the key?").await;
    sqlx::raw_sql("delete from directory.tenant_keys").execute(&mut t.admin().await.unwrap()).await.unwrap();
    let db = t.reopen().await.unwrap();
    assert_eq!(read(&db, &cx, turn).await.unwrap_err().code(), "seal.broken");
    let keys: i64 =
        sqlx::query_scalar("select count(*) from directory.tenant_keys").fetch_one(&mut t.admin().await.unwrap()).await.unwrap();
    assert_eq!(keys, 0);
}
