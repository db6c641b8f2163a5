//! The trail against those who can write the database, and against crashes, full disks and clocks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use vital_kernel::{AuditAction, AuditEntry, TenantId};
use vital_mail::Mailer;
use vital_outbound::Egress;
use vital_platform::{
    ModelLoad, Parts, Platform,
    audit::trail::{self, Format, TrailSettings, Which},
    identity::operator_context,
};
use vital_store::testdb::TestDb;
use vital_tools::{Endpoints, Toolbox};
use vital_trail::{Checkpoint, Compact, Entry, Fault, Keys, LogId, Note, Report, Stamp, chain};

/// An entry as it is stored: id, time, action, resource, its id, fields, request, node, counter.
type Stored = (uuid::Uuid, time::OffsetDateTime, String, String, String, Vec<String>, uuid::Uuid, uuid::Uuid, i64);

struct Stage {
    test: TestDb,
    p: Arc<Platform>,
    folder: tempfile::TempDir,
    tenant: TenantId,
    settings: TrailSettings,
}

async fn platform(test: &TestDb, folder: &Path, settings: TrailSettings) -> Arc<Platform> {
    Platform::new(Parts {
        db: test.reopen().await.unwrap(),
        index_folder: folder.join("index"),
        parser: Vec::new(),
        embedder: Err("none".to_owned()),
        provider: None,
        site: "http://localhost".to_owned(),
        mailer: Mailer::folder(folder.join("mail"), "vital@localhost.example").unwrap(),
        erasure_ledger: folder.join("erasures.jsonl"),
        egress: Egress::default(),
        toolbox: Toolbox::new(Egress::default(), Endpoints::default()).unwrap(),
        name_server: None,
        authority: None,
        trail: settings,
        alone: true,
        models: ModelLoad::default(),
        answers: None,
    })
    .unwrap()
}

impl Stage {
    async fn new() -> Self {
        let (test, folder) = (TestDb::new().await.unwrap(), tempfile::tempdir().unwrap());
        let settings = TrailSettings::within(folder.path());
        let p = platform(&test, folder.path(), settings.clone()).await;
        let tenant = TenantId::new();
        let mut admin = test.admin().await.unwrap();
        let id = tenant.to_string();
        let made = format!("insert into directory.tenants (id, slug, name, created_at) values ('{id}', 't-{id}', 'T', now())");
        admin.execute(AssertSqlSafe(made)).await.unwrap();
        Self { test, p, folder, tenant, settings }
    }

    fn log(&self) -> LogId {
        LogId(self.tenant.0)
    }

    async fn write(&self, entries: usize) {
        let tx = self.p.db().write(&operator_context(self.tenant)).await.unwrap();
        let entry = |n| AuditEntry::new(AuditAction::DocumentRead, "document", format!("d{n}")).fields(&["title"]);
        tx.commit_all((0..entries).map(entry).collect()).await.unwrap();
    }

    /// Writes three times, each signed.
    async fn signed_thrice(&self) {
        for _ in 0..3 {
            self.write(10).await;
            trail::run(&self.p).await.unwrap();
        }
    }

    async fn verify(&self) -> Report {
        verify(&self.p, Which::One(self.log())).await.remove(0)
    }

    /// A connection that the fences, triggers and grants do not hold.
    async fn superuser(&self) -> PgConnection {
        let mut admin = self.test.admin().await.unwrap();
        admin.execute("set session_replication_role = replica").await.unwrap();
        admin
    }

    /// Rewrites chain and state of the log as the platform itself would have made them of the entries that are there now.
    async fn recompute(&self) {
        let mut admin = self.superuser().await;
        let rows: Vec<Stored> = sqlx::query_as(
            "select id, at, action, resource, resource_id, fields, request_id, node, counter from audit_entries where seq is not null order by seq, id",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        sqlx::query("update audit_entries set seq = null, prev = null, hash = null").execute(&mut admin).await.unwrap();
        let (mut tree, mut head) = (Compact::default(), [0; 32]);
        for (id, at, action, resource, resource_id, fields, request, node, counter) in rows {
            let entry = Entry {
                log: self.log(),
                seq: tree.size() + 1,
                id,
                at: Stamp::of(at),
                node,
                counter: counter.try_into().unwrap(),
                actor: None,
                action: action.into(),
                resource: resource.into(),
                resource_id: resource_id.into(),
                fields: fields.into_iter().map(Into::into).collect(),
                request,
            };
            let (before, leaf) = (head, entry.leaf());
            tree.push(&leaf);
            head = chain(&head, &leaf);
            sqlx::query("update audit_entries set seq = $2, prev = $3, hash = $4 where id = $1")
                .bind(id)
                .bind(i64::try_from(tree.size()).unwrap())
                .bind(before.as_slice())
                .bind(head.as_slice())
                .execute(&mut admin)
                .await
                .unwrap();
        }
        sqlx::query("update directory.audit_logs set size = $1, head = $2, peaks = $3, checkpoint_size = least(checkpoint_size, $1)")
            .bind(i64::try_from(tree.size()).unwrap())
            .bind(head.as_slice())
            .bind(tree.peaks().concat())
            .execute(&mut admin)
            .await
            .unwrap();
    }

    fn keys(&self) -> Keys {
        trail::public_keys(&self.p).unwrap()
    }

    async fn exported(&self, format: Format) -> String {
        let to = Shared::default();
        trail::export(&self.p, self.log(), format, to.clone(), |_| {}).await.unwrap();
        String::from_utf8(to.0.lock().unwrap().clone()).unwrap()
    }
}

async fn verify(p: &Platform, which: Which) -> Vec<Report> {
    trail::verify(p, which, None, |_| false, |_| {}).await.unwrap()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn faults(report: &Report) -> Vec<&Fault> {
    report.faults.iter().map(|f| &f.what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_get_places_and_checkpoints_and_verify() {
    let stage = Stage::new().await;
    stage.write(5).await;
    let before = stage.verify().await;
    assert!(before.sound && before.notes[0].what == Note::Waiting { entries: 5 }, "{before:?}");
    assert_eq!(trail::status(&stage.p).await.unwrap().logs.len(), 0);
    stage.signed_thrice().await;
    let report = stage.verify().await;
    assert!(report.sound && report.notes.is_empty(), "{report:?}");
    assert_eq!((report.entries, report.checkpoints, report.newest.unwrap().size), (35, 3, 35));
    let status = trail::status(&stage.p).await.unwrap();
    assert_eq!((status.logs[0].entries, status.logs[0].signed, status.unsigned, status.lag_s), (35, 35, 0, 0));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stage.settings.key_file), 0o600);
    assert_eq!(mode(&stage.settings.folder.join(format!("{}.checkpoints", stage.tenant))), 0o600);
    // Nothing new: nothing is signed again.
    trail::run(&stage.p).await.unwrap();
    assert_eq!(stage.verify().await.checkpoints, 3);
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_sequencer_changes_an_entry() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    for statement in [
        "update audit_entries set action = 'x'",
        "delete from audit_entries",
        "truncate audit_entries",
        "update audit_entries set seq = 99",
    ] {
        for role in ["vital_app", "vital_owner"] {
            let mut admin = stage.test.admin().await.unwrap();
            let mut tx = admin.begin().await.unwrap();
            tx.execute(AssertSqlSafe(format!("set local role {role}"))).await.unwrap();
            tx.execute(AssertSqlSafe(format!("set local app.tenant_id = '{}'", stage.tenant))).await.unwrap();
            let refused = tx.execute(AssertSqlSafe(statement)).await;
            assert!(refused.is_err(), "{role} could: {statement}");
        }
    }
    // A runtime role cannot claim a place, a time or an actor of its choice either.
    let mut app = stage.test.as_role("vital_app").await.unwrap();
    app.execute(AssertSqlSafe(format!("set app.tenant_id = '{}'", stage.tenant))).await.unwrap();
    let columns = "insert into audit_entries (id, action, resource, resource_id, fields, request_id";
    let values = "values (gen_random_uuid(), 'a', 'b', 'c', '{}', gen_random_uuid()";
    for (column, value) in [("seq", "1"), ("at", "now()"), ("actor_id", "gen_random_uuid()"), ("hash", "'\\x00'")] {
        assert!(app.execute(AssertSqlSafe(format!("{columns}, {column}) {values}, {value})"))).await.is_err(), "{column}");
    }
    assert!(app.execute(AssertSqlSafe(format!("{columns}) {values})"))).await.is_ok());
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_superuser_does_without_recomputing_is_named() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let mut admin = stage.superuser().await;
    admin.execute("update audit_entries set action = 'document.deleted' where seq = 7").await.unwrap();
    assert_eq!(faults(&stage.verify().await), [&Fault::Altered { seq: 7 }]);
    admin.execute("update audit_entries set action = 'document.read' where seq = 7").await.unwrap();
    assert!(stage.verify().await.sound);
    for (from, to) in [(4, 1004), (5, 4), (1004, 5)] {
        admin.execute(AssertSqlSafe(format!("update audit_entries set seq = {to} where seq = {from}"))).await.unwrap();
    }
    assert_eq!(faults(&stage.verify().await)[0], &Fault::Altered { seq: 4 });
    admin.execute("delete from audit_entries where seq in (12, 13)").await.unwrap();
    assert!(faults(&stage.verify().await).contains(&&Fault::Deleted { from: 12, to: 13 }));
    admin.execute("delete from audit_entries where seq > 25").await.unwrap();
    assert!(faults(&stage.verify().await).contains(&&Fault::TailCut { found: 25, signed: 30 }));
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_who_recomputes_everything_is_found_by_the_checkpoints() {
    for (change, expected) in [
        ("update audit_entries set action = 'document.deleted' where seq = 17", Fault::Rewritten { after: 10, by: 20, checkpoints: 2 }),
        (
            "insert into audit_entries (tenant_id, id, action, resource, resource_id, fields, request_id, seq, prev, hash)
             select tenant_id, gen_random_uuid(), 'x', 'y', 'z', '{}', request_id, null, null, null from audit_entries where seq = 1",
            Fault::Rewritten { after: 0, by: 10, checkpoints: 3 },
        ),
        ("delete from audit_entries where seq = 25", Fault::TailCut { found: 29, signed: 30 }),
    ] {
        let stage = Stage::new().await;
        stage.signed_thrice().await;
        let mut admin = stage.superuser().await;
        for constraint in ["audit_entries_check", "audit_entries_seq_check"] {
            admin.execute(AssertSqlSafe(format!("alter table audit_entries drop constraint {constraint}"))).await.unwrap();
        }
        admin.execute(change).await.unwrap();
        // What was inserted stands first.
        admin.execute("update audit_entries set seq = 0 where seq is null").await.unwrap();
        stage.recompute().await;
        let report = stage.verify().await;
        assert!(faults(&report).contains(&&expected), "{change}: {report:?}");
        // The chain alone would have been satisfied.
        assert!(!faults(&report).iter().any(|f| matches!(f, Fault::Altered { .. } | Fault::Deleted { .. })), "{report:?}");
        stage.p.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_is_missing_unless_its_tenant_was_erased() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let mut admin = stage.superuser().await;
    for statement in ["delete from audit_entries", "delete from directory.audit_logs", "delete from directory.tenants"] {
        admin.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let reports = verify(&stage.p, Which::All).await;
    let report = reports.iter().find(|r| r.log == Some(stage.log())).unwrap();
    assert_eq!(faults(report), [&Fault::Missing { signed: 30 }]);
    let tenant = stage.tenant.0;
    let reports = trail::verify(&stage.p, Which::All, None, |id| id == tenant, |_| {}).await.unwrap();
    assert!(reports.iter().all(|r| r.sound), "{reports:?}");
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_or_missing_checkpoint_store_keeps_entries_and_catches_up() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let blocked = TrailSettings { folder: stage.folder.path().join("audit.key").join("no-folder"), ..stage.settings.clone() };
    let other = platform(&stage.test, stage.folder.path(), blocked).await;
    stage.write(10).await;
    assert_eq!(trail::sequence(&other).await.unwrap(), 10);
    assert_eq!(trail::sign_checkpoints(&other).await.unwrap_err().code(), "audit.unwritable");
    let report = stage.verify().await;
    assert!(report.sound && report.notes.iter().any(|n| n.what == Note::Unsigned { from: 31, to: 40 }), "{report:?}");
    assert_eq!(trail::status(&stage.p).await.unwrap().unsigned, 10);
    trail::sign_checkpoints(&stage.p).await.unwrap();
    assert_eq!(stage.verify().await.newest.unwrap().size, 40);
    other.stop().await;
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_entries_are_counted_and_a_fault_stays_on_record_until_all_logs_are_sound() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    assert_eq!(trail::last_verified(&stage.p), None);
    verify(&stage.p, Which::All).await;
    let first = trail::last_verified(&stage.p).unwrap();
    assert!(first.sound && first.entries >= 30, "{first:?}");
    verify(&stage.p, Which::One(stage.log())).await;
    assert_eq!(trail::last_verified(&stage.p), Some(first), "one sound log says nothing about the others");

    stage.write(7).await;
    let standing = trail::standing(&stage.p).await.unwrap();
    assert!(standing.waiting == 7 && standing.lag_s >= 0.0 && standing.unsigned == 0 && standing.checkpoint_at.is_some(), "{standing:?}");
    trail::sequence(&stage.p).await.unwrap();
    let standing = trail::standing(&stage.p).await.unwrap();
    assert_eq!((standing.waiting, standing.lag_s, standing.unsigned), (0, 0.0, 7));

    let mut admin = stage.superuser().await;
    admin.execute("update audit_entries set action = 'document.deleted' where seq = 3").await.unwrap();
    verify(&stage.p, Which::One(stage.log())).await;
    assert!(!trail::last_verified(&stage.p).unwrap().sound);
    admin.execute("update audit_entries set action = 'document.read' where seq = 3").await.unwrap();
    verify(&stage.p, Which::One(stage.log())).await;
    assert!(!trail::last_verified(&stage.p).unwrap().sound, "one log alone does not take it back");
    verify(&stage.p, Which::All).await;
    assert!(trail::last_verified(&stage.p).unwrap().sound);
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_policy_changes_are_refused_while_checkpoints_cannot_be_written() {
    let stage = Stage::new().await;
    let blocked = TrailSettings {
        folder: stage.folder.path().join("file").join("no-folder"),
        refuse_after: Some(Duration::ZERO),
        ..stage.settings.clone()
    };
    fs::write(stage.folder.path().join("file"), "").unwrap();
    let p = platform(&stage.test, stage.folder.path(), blocked.clone()).await;
    let write = async || {
        let tx = p.db().write(&operator_context(stage.tenant)).await.unwrap();
        tx.commit(AuditEntry::new(AuditAction::DocumentRead, "document", "d")).await
    };
    vital_metrics::start("test").unwrap();
    write().await.unwrap();
    assert!(!trail::checkpoints_writable(&p), "the folder cannot be made");
    trail::round(&p).await;
    assert_eq!(write().await.unwrap_err().code(), "audit.refused");
    assert!(vital_metrics::render().contains("\nvital_audit_refused_writes_total 1\n"));
    assert!(trail::status(&p).await.is_err() || trail::status(&p).await.unwrap().trouble.is_some());
    fs::remove_file(stage.folder.path().join("file")).unwrap();
    trail::round(&p).await;
    assert!(trail::checkpoints_writable(&p));
    write().await.unwrap();
    p.stop().await;
    stage.p.stop().await;
}

/// The three places where a process can die: before the places are committed nothing happened; after it, and after the file was written,
/// the next round finishes. Each state is made as the crash would leave it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_crash_interrupts_the_next_round_finishes() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    // Died between the database and the checkpoint.
    stage.write(10).await;
    trail::sequence(&stage.p).await.unwrap();
    let again = platform(&stage.test, stage.folder.path(), stage.settings.clone()).await;
    trail::run(&again).await.unwrap();
    assert_eq!(stage.verify().await.newest.unwrap().size, 40);
    // Died between the checkpoint and the database's note of it: it is not written twice.
    let mut admin = stage.superuser().await;
    admin.execute("update directory.audit_logs set checkpoint_size = 30").await.unwrap();
    trail::run(&again).await.unwrap();
    assert_eq!(stage.verify().await.checkpoints, 4);
    // Died while the line was being written: half of it stands there.
    let path = stage.settings.folder.join(format!("{}.checkpoints", stage.tenant));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"{\"checkpoint\":\"vital"].concat()).unwrap();
    assert!(stage.verify().await.sound);
    stage.write(10).await;
    trail::run(&again).await.unwrap();
    let report = stage.verify().await;
    assert!(report.sound && report.newest.unwrap().size == 50 && report.checkpoints == 5);
    again.stop().await;
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_gets_no_second_history_signed() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let mut admin = stage.superuser().await;
    admin.execute("delete from audit_entries where seq > 20").await.unwrap();
    stage.recompute().await;
    stage.write(5).await;
    trail::sequence(&stage.p).await.unwrap();
    assert_eq!(trail::sign_checkpoints(&stage.p).await.unwrap_err().code(), "audit.set_back");
    assert!(faults(&stage.verify().await).contains(&&Fault::TailCut { found: 25, signed: 30 }));
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_stepped_back_is_a_note_and_stops_nothing() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    stage.write(2).await;
    // As the database would have stamped them with its clock an hour back; they wait for their places.
    stage.superuser().await.execute("update audit_entries set at = at - interval '1 hour' where seq is null").await.unwrap();
    stage.superuser().await.execute("update directory.audit_logs set checkpoint_at = now() + interval '1 day'").await.unwrap();
    trail::round(&stage.p).await;
    let report = stage.verify().await;
    assert!(report.sound && report.newest.as_ref().unwrap().size == 32, "{report:?}");
    assert!(report.notes.iter().any(|n| matches!(n.what, Note::ClockBack { seq: 31, seconds: 3590.. })), "{report:?}");
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_deleted_before_it_had_its_place_leaves_a_gap_in_the_counter() {
    let stage = Stage::new().await;
    stage.write(10).await;
    stage.superuser().await.execute("delete from audit_entries where counter = 4").await.unwrap();
    trail::run(&stage.p).await.unwrap();
    let report = stage.verify().await;
    assert!(report.sound && matches!(report.notes[0].what, Note::CounterGap { after: 3, missing: 1, .. }), "{report:?}");
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_and_exports_hold_with_the_public_keys_alone_and_across_a_change_of_keys() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let old = stage.keys();
    trail::rotate_signing_key(&stage.p).await.unwrap();
    stage.write(10).await;
    trail::run(&stage.p).await.unwrap();
    assert!(stage.verify().await.sound);
    assert_eq!(stage.keys().all().len(), 2);

    let mut admin = stage.test.admin().await.unwrap();
    let id: uuid::Uuid = sqlx::query_scalar("select id from audit_entries where seq = 17").fetch_one(&mut admin).await.unwrap();
    let proof = trail::prove(&stage.p, stage.log(), id).await.unwrap();
    let (seq, checkpoint) = proof.verify(&stage.keys()).unwrap();
    assert_eq!((seq, checkpoint.size), (17, 40));
    assert!(proof.verify(&old).is_err(), "the new key is not in the old list");
    let proof = trail::consistency(&stage.p, stage.log(), 10, Some(30)).await.unwrap();
    assert_eq!(proof.verify(&old).unwrap().1.size, 30);
    assert!(trail::consistency(&stage.p, stage.log(), 11, None).await.is_err());
    assert!(trail::prove(&stage.p, stage.log(), uuid::Uuid::nil()).await.is_err());
    let request = trail::witness_request(&stage.p, stage.log(), 20).await.unwrap();
    assert_eq!(Checkpoint::parse(&request.note.text).unwrap().size, 40);

    let export = stage.exported(Format::Jsonl).await;
    let report = vital_trail::verify(export.as_bytes(), &stage.keys(), 2).unwrap();
    assert!(report.sound && report.entries == 40 && report.checkpoints == 4, "{report:?}");
    for line in stage.exported(Format::Fhir).await.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["resourceType"], "AuditEvent");
    }
    assert!(stage.exported(Format::Syslog).await.lines().all(|line| line.starts_with("<109>1 ")));
    // Exports are entries themselves, and so is the change of the key.
    trail::run(&stage.p).await.unwrap();
    assert_eq!(stage.verify().await.entries, 43);
    let own = verify(&stage.p, Which::One(LogId::INSTALLATION)).await.remove(0);
    assert!(own.sound && own.entries == 1, "{own:?}");
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn since_begins_behind_a_checkpoint_and_still_finds_what_came_after() {
    let stage = Stage::new().await;
    stage.signed_thrice().await;
    let since = vital_kernel::now();
    stage.write(10).await;
    trail::run(&stage.p).await.unwrap();
    let look = async || trail::verify(&stage.p, Which::One(stage.log()), Some(since), |_| false, |_| {}).await.unwrap().remove(0);
    let report = look().await;
    assert!(report.sound && report.entries == 10 && report.newest.as_ref().unwrap().size == 40, "{report:?}");
    stage.superuser().await.execute("update audit_entries set action = 'document.deleted' where seq = 35").await.unwrap();
    assert_eq!(faults(&look().await), [&Fault::Altered { seq: 35 }]);
    stage.p.stop().await;
}

/// Two processes sequence the same logs at once: no place is given twice and none is left out.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work() {
    let stage = Stage::new().await;
    let other = platform(&stage.test, stage.folder.path(), stage.settings.clone()).await;
    for _ in 0..10 {
        stage.write(20).await;
        let (one, two) = tokio::join!(trail::run(&stage.p), trail::run(&other));
        assert_eq!(one.unwrap() + two.unwrap(), 20);
    }
    trail::run(&stage.p).await.unwrap();
    let report = stage.verify().await;
    assert!(report.sound && report.entries == 200 && report.newest.as_ref().unwrap().size == 200, "{report:?}");
    other.stop().await;
    stage.p.stop().await;
}

/// Asserts that a certificate is whole, and the only file in its folder. Returns the purposes of the keys, and who destroyed them.
fn certified(stage: &Stage, certificate: &Path) -> (Vec<String>, String) {
    let keys = Keys::parse(&fs::read_to_string(&stage.settings.public_file).unwrap()).unwrap();
    let erasure = vital_trail::Erasure::open(&fs::read(certificate).unwrap(), &keys).unwrap().unwrap();
    assert_eq!((erasure.tenant, erasure.rows["members"]), (stage.tenant.0, 1), "{erasure:?}");
    assert_eq!(fs::metadata(certificate).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(certificate.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [certificate], "nothing else is left in the folder");
    (erasure.keys.into_iter().map(|key| key.purpose).collect(), erasure.operator)
}

async fn member(stage: &Stage) {
    let member = format!(
        "insert into members (tenant_id, id, email, display_name, roles, created_at) values ('{}', gen_random_uuid(), 'a@b.example', 'Ada', '{{member}}', now())",
        stage.tenant
    );
    stage.superuser().await.execute(AssertSqlSafe(member)).await.unwrap();
}

/// An organisation with keys and a row, whose erasure is cut off once its keys are destroyed: the database refuses to delete anything.
async fn cut_off() -> Stage {
    let stage = Stage::new().await;
    stage.write(1).await;
    member(&stage).await;
    let mut admin = stage.superuser().await;
    let refuse = "create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'cut off'; end $$;
                  create trigger cut_off before delete on members for each statement execute function public.refuse()";
    admin.execute(refuse).await.unwrap();
    trail::erase_with_certificate(&stage.p, stage.tenant, "Ada Operator").await.unwrap_err();
    let keys: i64 = sqlx::query_scalar("select count(*) from directory.tenant_keys").fetch_one(&mut admin).await.unwrap();
    assert_eq!(keys, 0, "the keys are gone by then");
    stage
}

async fn goes_on(stage: &Stage) {
    stage.superuser().await.execute("drop trigger cut_off on members; drop function public.refuse()").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_off_and_is_run_again_is_certified_with_the_keys_that_the_first_run_destroyed() {
    let stage = cut_off().await;
    trail::erase_with_certificate(&stage.p, stage.tenant, "Grace Operator").await.unwrap_err();
    goes_on(&stage).await;
    let done = trail::erase_with_certificate(&stage.p, stage.tenant, "Grace Operator").await.unwrap();
    let told = (vec!["content".to_owned(), "index".to_owned()], "Ada Operator".to_owned());
    assert_eq!(certified(&stage, &done.certificate), told, "who destroyed the keys is named");
    assert!(trail::replay_erasures(&stage.p).await.unwrap().is_empty(), "one certificate is enough");

    // With another data folder nobody knows which keys there were: a certificate that names none is not signed.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = platform(&stage.test, elsewhere.path(), TrailSettings::within(elsewhere.path())).await;
    let refused = trail::erase_with_certificate(&other, stage.tenant, "Eve").await.unwrap_err();
    assert_eq!(refused.code(), "erasure.elsewhere");
    other.stop().await;
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_refuses_to_serve_beside_an_unfinished_erasure_and_certifies_it_when_it_is_finished() {
    let stage = cut_off().await;
    let refused = trail::replay_erasures(&stage.p).await.unwrap_err();
    let ledger = stage.folder.path().join("erasures.jsonl").display().to_string();
    assert!(refused.detail().contains(&stage.tenant.to_string()) && refused.detail().contains(&ledger), "{refused}");
    goes_on(&stage).await;
    // The last run got as far as the directory: no list of organisations has it any more.
    stage.superuser().await.execute("delete from directory.tenants").await.unwrap();
    let done = trail::replay_erasures(&stage.p).await.unwrap().remove(0);
    assert_eq!(certified(&stage, &done.certificate), (vec!["content".to_owned(), "index".to_owned()], "Ada Operator".to_owned()));
    stage.p.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_at_the_rows_of_an_erasure_has_the_time_for_a_large_organisation() {
    let stage = Stage::new().await;
    stage.write(1).await;
    member(&stage).await;
    // Every statement on the table fails that would be cut off after the ordinary time.
    let hurried = "create function public.unhurried() returns boolean language plpgsql stable as $$ begin
                       if current_setting('statement_timeout') <> '1h' then raise exception 'hurried'; end if;
                       return true;
                   end $$;
                   create policy unhurried on members as restrictive using (public.unhurried())";
    stage.superuser().await.execute(hurried).await.unwrap();
    let mut tx = stage.p.db().write_erased(&operator_context(stage.tenant)).await.unwrap();
    assert!(tx.rows_by_table().await.is_err(), "the ordinary time is noticed");
    drop(tx);
    trail::erase_with_certificate(&stage.p, stage.tenant, "Ada Operator").await.unwrap();
    stage.p.stop().await;
}
