//! The audit trail: verification of an export, what an entry costs a small write, and ingest (insert and sequence) on a durable cluster.

use crate::{
    row::{Aim, Report, Row},
    samples::{Samples, ms},
};
use anyhow::Context as _;
use sqlx::Executor as _;
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    num::NonZero,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread::available_parallelism,
    time::{Duration, Instant},
};
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, TenantId};
use vital_mail::Mailer;
use vital_platform::{
    ModelLoad, Parts, Platform,
    audit::trail::{self, TrailSettings},
    identity::operator_context,
};
use vital_store::{
    Db, KeySettings, PoolSizes, RoleSecrets, Unaudited,
    embedded::{Cluster, ClusterOptions, DataFolder, Install},
};
use vital_trail::{Checkpoint, Compact, Entry, ExportHeader, ExportWriter, Hash, Keys, Kind, LogId, SigningKey, Stamp, chain, verify};

/// Entries of the export, in a full and in a quick run.
const VERIFIED: [u64; 2] = [10_000_000, 1_000_000];
/// Entries to a checkpoint, as the server signs them.
const PER_CHECKPOINT: u64 = 1_000;
/// Entries that one transaction stores, and transactions.
const BATCH: usize = 1_000;
const BATCHES: [usize; 2] = [100, 20];
/// Small writes with and without an entry.
const WRITES: usize = 500;
const NAME: &str = "vital-path/bench";
const LOG: LogId = LogId(Uuid::from_u128(0x0199_f3c2_7c1e_7a51_b2a4_6f0d_9f6f_2c11));

/// Measures verification; needs no database.
pub(crate) fn measure_verification(report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let entries = VERIFIED[usize::from(quick)];
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("trail.jsonl");
    let keys = write_export(&path, entries)?;
    let threads = available_parallelism().map_or(1, NonZero::get);
    let begun = Instant::now();
    let found = verify(BufReader::with_capacity(1024 * 1024, File::open(&path)?), &keys, threads)?;
    let took_s = begun.elapsed().as_secs_f64();
    anyhow::ensure!(found.sound && found.entries == entries, "the export is not sound: {found:?}");
    let per_10_million = took_s * 10_000_000.0 / entries as f64;
    report.add(Row::new("verification of 10 million audit entries", "s", &[("", per_10_million)], Some(Aim::AtMost(30.0)), 1));
    Ok(())
}

fn entry(seq: u64) -> Entry<'static> {
    let id = |n: u64| Uuid::from_u64_pair(0x0199_f3c2_7c1e_7a51, n);
    Entry {
        log: LOG,
        seq,
        id: id(seq),
        at: Stamp(1_795_387_523_000_000 + i64::try_from(seq).unwrap_or(0)),
        node: id(seq % 2),
        counter: seq.div_ceil(2),
        actor: Some(id(9)),
        action: "document.read".into(),
        resource: "document".into(),
        resource_id: id(seq.wrapping_mul(77_777)).to_string().into(),
        fields: if seq.is_multiple_of(3) { vec!["title".into()] } else { Vec::new() },
        request: id(seq.wrapping_mul(31)),
    }
}

/// Two passes: the newest checkpoint stands before the entries.
fn write_export(path: &Path, entries: u64) -> anyhow::Result<Keys> {
    let key = SigningKey::parse(&SigningKey::generate(NAME)?, Kind::Log)?;
    let origin = Checkpoint::origin_of(NAME, LOG);
    let (mut tree, mut head): (Compact, Hash) = Default::default();
    let mut notes = Vec::new();
    for seq in 1..=entries {
        let leaf = entry(seq).leaf();
        head = chain(&head, &leaf);
        tree.push(&leaf);
        if seq.is_multiple_of(PER_CHECKPOINT) {
            notes.push(Checkpoint { origin: origin.clone(), size: seq, root: tree.root(), at: entry(seq).at, chain: head }.sign(&key));
        }
    }
    let header = ExportHeader::new(LOG, origin, entries, notes.len() as u64);
    let mut writer = ExportWriter::begin(BufWriter::new(File::create(path)?), &header, notes.pop().as_ref())?;
    let (mut older, mut head) = (notes.into_iter(), [0; 32]);
    for seq in 1..=entries {
        head = chain(&head, &entry(seq).leaf());
        writer.entry(entry(seq), head)?;
        if seq.is_multiple_of(PER_CHECKPOINT) {
            older.next().map_or(Ok(()), |note| writer.checkpoint(&note))?;
        }
    }
    writer.finish()?;
    let mut keys = Keys::default();
    keys.add(key.public().clone());
    Ok(keys)
}

/// Measures ingest and the cost of an entry, on a cluster of its own that forces everything to the disk as in production.
pub(crate) async fn measure_ingest(report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("vital-bench-").permissions(std::fs::Permissions::from_mode(0o711)).tempdir()?;
    let claimed = DataFolder::claim(&folder.path().join("data")).await?;
    let cluster = Cluster::start(&Install::find(None)?, &claimed, &ClusterOptions::default()).await?;
    let admin = cluster.admin_options();
    let keys = KeySettings { root: vital_keys::RootSource::Fixed([7; 32]), spread: Duration::from_secs(30) };
    let db = Db::open(&admin, &RoleSecrets::generate(), PoolSizes::default(), keys).await?;
    let tenant = TenantId::new();
    let mut conn = sqlx::ConnectOptions::connect(&admin).await?;
    conn.execute(sqlx::AssertSqlSafe(format!(
        "insert into directory.tenants (id, slug, name, created_at) values ('{tenant}', 'bench', 'Bench', now())"
    )))
    .await?;
    let platform = Platform::new(Parts {
        db,
        index_folder: folder.path().join("index"),
        parser: Vec::new(),
        embedder: Err("none".to_owned()),
        provider: None,
        site: "http://localhost".to_owned(),
        mailer: Mailer::folder(folder.path().join("mail"), "vital@localhost.example")?,
        erasure_ledger: folder.path().join("erasures"),
        egress: vital_outbound::Egress::default(),
        toolbox: vital_tools::Toolbox::new(vital_outbound::Egress::default(), vital_tools::Endpoints::default())?,
        name_server: None,
        authority: None,
        trail: TrailSettings::within(folder.path()),
        alone: true,
        models: ModelLoad::default(),
        answers: None,
    })?;
    write_cost(&platform, tenant, report).await?;
    ingest(&platform, tenant, BATCHES[usize::from(quick)], report).await?;
    platform.stop().await;
    cluster.stop().await.context("the cluster did not stop")?;
    Ok(())
}

/// One small write, with its entry and without, in turn.
async fn write_cost(p: &Platform, tenant: TenantId, report: &mut Report) -> anyhow::Result<()> {
    let cx = operator_context(tenant);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for n in 0..2 * WRITES {
        let begun = Instant::now();
        let mut tx = p.db().write(&cx).await?;
        tx.conn()
            .execute(sqlx::AssertSqlSafe(format!(
                "insert into groups (id, name, created_at, updated_at) values ('{}', 'g{n}', now(), now())",
                Uuid::now_v7()
            )))
            .await?;
        if n % 2 == 0 {
            tx.commit(AuditEntry::new(AuditAction::GroupCreated, "group", n).fields(&["name"])).await?;
            with.push(ms(begun.elapsed()));
        } else {
            tx.commit_unaudited(Unaudited::DerivedVectors).await?;
            without.push(ms(begun.elapsed()));
        }
    }
    let (with, without) = (Samples::new(with), Samples::new(without));
    let figures = [
        ("p50 without", without.percentile(50.0)),
        ("p50 with", with.percentile(50.0)),
        ("p95 without", without.percentile(95.0)),
        ("p95 with", with.percentile(95.0)),
    ];
    report.add(Row::new("one small write, without and with its audit entry", "ms", &figures, None, with.len()));
    Ok(())
}

async fn ingest(p: &Platform, tenant: TenantId, batches: usize, report: &mut Report) -> anyhow::Result<()> {
    trail::run(p).await?;
    let cx = operator_context(tenant);
    let entry = |n: usize| AuditEntry::new(AuditAction::DocumentRead, "document", Uuid::from_u128(n as u128)).fields(&["title"]);
    let begun = Instant::now();
    for batch in 0..batches {
        let entries = (0..BATCH).map(|n| entry(batch * BATCH + n)).collect();
        p.db().write(&cx).await?.commit_all(entries).await?;
    }
    let inserted_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let placed = trail::run(p).await?;
    let sequenced_s = begun.elapsed().as_secs_f64();
    let total = (batches * BATCH) as f64;
    anyhow::ensure!(placed as usize == batches * BATCH, "{placed} entries were placed");
    let figures =
        [("insert", total / inserted_s), ("sequence and sign", total / sequenced_s), ("both", total / (inserted_s + sequenced_s))];
    report.add(Row::new("audit ingest of one node, 1,000 entries a transaction", "entries/s", &figures, Some(Aim::AtLeast(20_000.0)), 1));
    Ok(())
}
