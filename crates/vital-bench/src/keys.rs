//! Keys: what sealing and opening a value cost, and wrapping the keys of 10,000 organisations again, on a durable cluster.

use crate::row::{Aim, Report, Row};
use anyhow::Context as _;
use sqlx::Executor as _;
use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};
use uuid::Uuid;
use vital_kernel::TenantId;
use vital_keys::{Place, Purpose, RootKey, RootKeys, RootSource, TenantKeys, new_key};
use vital_store::{
    Db, KeySettings, PoolSizes, RoleSecrets,
    embedded::{Cluster, ClusterOptions, DataFolder, Install},
};

/// Organisations whose keys are wrapped again; each has two.
const TENANTS: u32 = 10_000;
/// Values that are sealed and opened, and the size of each in bytes: about that of a passage.
const VALUES: usize = 20_000;
const VALUE_BYTES: usize = 1_200;

/// Measures both.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    values(report)?;
    rewrapping(report).await
}

fn values(report: &mut Report) -> anyhow::Result<()> {
    let (tenant, roots) = (TenantId::new(), RootKeys::new(RootKey::software(&[7; 32])?, Vec::new()));
    let wrapped = [new_key(tenant, Purpose::Content, 1, roots.current())?, new_key(tenant, Purpose::Index, 1, roots.current())?];
    let keys = TenantKeys::unwrap(tenant, &wrapped, &roots)?;
    let (place, value) = (Place::of("passages.body", Uuid::now_v7()), vec![b'a'; VALUE_BYTES]);
    let begun = Instant::now();
    let sealed = (0..VALUES).map(|_| keys.seal(place, &value)).collect::<Result<Vec<_>, _>>()?;
    let seal_us = begun.elapsed().as_secs_f64() * 1e6 / VALUES as f64;
    let begun = Instant::now();
    for one in &sealed {
        anyhow::ensure!(keys.open(place, one)?.len() == VALUE_BYTES, "a value came back otherwise");
    }
    let open_us = begun.elapsed().as_secs_f64() * 1e6 / VALUES as f64;
    report.add(Row::new("sealing, opening a value of 1,200 bytes", "µs", &[("seal", seal_us), ("open", open_us)], None, VALUES));
    Ok(())
}

async fn rewrapping(report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("vital-bench-").permissions(std::fs::Permissions::from_mode(0o711)).tempdir()?;
    let claimed = DataFolder::claim(&folder.path().join("data")).await?;
    let cluster = Cluster::start(&Install::find(None)?, &claimed, &ClusterOptions::default()).await?;
    let admin = cluster.admin_options();
    let root = RootSource::File(folder.path().join("root.key"));
    let settings = KeySettings { root: root.clone(), spread: Duration::from_secs(1) };
    let db = Db::open(&admin, &RoleSecrets::generate(), PoolSizes::default(), settings).await?;
    let mut conn = sqlx::ConnectOptions::connect(&admin).await?;
    conn.execute(sqlx::AssertSqlSafe(format!(
        "insert into directory.tenants (id, slug, name, created_at, keyed_at) select gen_random_uuid(), 't' || n, 't', now(), now() from generate_series(1, {TENANTS}) n"
    )))
    .await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from directory.tenants").fetch_all(&mut conn).await?;
    let roots = root.load()?.context("the root key was made")?;
    for purpose in [Purpose::Content, Purpose::Index] {
        let wrapped =
            ids.iter().map(|id| Ok(new_key(TenantId(*id), purpose, 1, roots.current())?.wrapped)).collect::<anyhow::Result<Vec<_>>>()?;
        sqlx::query("insert into directory.tenant_keys (tenant, purpose, version, root_key, wrapped) select id, $3, 1, $4, w from unnest($1::uuid[], $2::bytea[]) k (id, w)")
            .bind(&ids)
            .bind(wrapped)
            .bind(purpose.as_str())
            .bind(roots.current().id())
            .execute(&mut conn)
            .await?;
    }
    root.add()?;
    let begun = Instant::now();
    let keys = db.rewrap_all(|_| {}).await?;
    let took_s = begun.elapsed().as_secs_f64();
    anyhow::ensure!(keys == u64::from(TENANTS) * 2, "not every key was wrapped again: {keys}");
    report.add(Row::new("wrapping the keys of 10,000 organisations again", "s", &[("", took_s)], Some(Aim::AtMost(60.0)), 1));
    db.close().await;
    cluster.stop().await.context("the cluster did not stop")?;
    Ok(())
}
