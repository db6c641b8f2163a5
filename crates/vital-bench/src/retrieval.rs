//! Hybrid retrieval over 10,000 passages through the API: lexical index, embedding of the question, dense search, fusion, reading.

use crate::{
    api::Api,
    corpus::Author,
    row::{Aim, Report, Row},
    samples::Samples,
    server::{Server, Setting},
};
use anyhow::Context as _;
use sqlx::{ConnectOptions as _, Connection as _};
use std::{path::Path, time::Instant};
use vital_store::embedded::Cluster;

/// Passages to search, those of the starter library included.
const PASSAGES: u64 = 10_000;
/// Sections of one document.
const SECTIONS: usize = 100;
/// Searches that are counted, and those before them that are not.
const SEARCHES: usize = 500;
const WARM_UP: usize = 50;
/// The aim, in milliseconds at p95.
const SEARCH_MS_MAX: f64 = 15.0;

/// Random unit vectors for passages that have none. They cost a search the same as real ones while the tenant is scanned exactly; only
/// what is found by meaning is meaningless. The administrator's connection is not fenced, and no tenant but the measured one exists.
const RANDOM_VECTORS: &str = "insert into passage_embeddings (tenant_id, passage_id, document_id, model, embedding)
    select p.tenant_id, p.id, p.document_id, (select model from passage_embeddings limit 1), l2_normalize(v.embedding)
    from passages p
    cross join lateral (select array_agg(random_normal())::real[]::vector(384) as embedding from generate_series(1, 384) where p.id is not null) v
    on conflict do nothing";
const COUNT_VECTORS: &str = "update documents set embedded_count = passage_count";

/// Fills a data folder that has the starter library with vectors, then searches it.
///
/// # Errors
/// When the server refuses or background work stands still.
pub(crate) async fn measure(setting: &Setting, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    crate::say(if quick {
        "ingesting 10,000 passages; their vectors are random"
    } else {
        "ingesting and embedding 10,000 passages, which takes about ten minutes on two cores"
    });
    let passages = if quick { fill_quickly(setting).await? } else { fill(setting, true).await? };
    crate::say(&format!("{passages} passages after {:.0} s", begun.elapsed().as_secs_f64()));
    let server = Server::start(setting).await?;
    let api = Api::sign_in(&server).await?;
    api.model_ready().await?;
    let mut author = Author::new();
    let mut taken = Vec::with_capacity(SEARCHES);
    for n in 0..WARM_UP + SEARCHES {
        let query: String = author.query().bytes().map(encoded).collect();
        let ms = api.search(&query).await?;
        if n >= WARM_UP {
            taken.push(ms);
        }
    }
    server.stop()?;
    let taken = Samples::new(taken);
    let what = format!("hybrid retrieval over {passages} passages{}", if quick { " (random vectors)" } else { "" });
    let figures = [("p50", taken.percentile(50.0)), ("p99", taken.percentile(99.0)), ("p95", taken.percentile(95.0))];
    report.add(Row::new(what, "ms", &figures, Some(Aim::AtMost(SEARCH_MS_MAX)), taken.len()));
    Ok(())
}

async fn fill(setting: &Setting, by_meaning: bool) -> anyhow::Result<u64> {
    let server = Server::start(setting).await?;
    let api = Api::sign_in(&server).await?;
    let mut author = Author::new();
    let mut passages = api.documents_ready(false).await?;
    while passages < PASSAGES {
        let missing = usize::try_from(PASSAGES - passages)?.div_ceil(SECTIONS);
        for _ in 0..missing {
            let (name, text) = author.document(SECTIONS);
            api.upload(&name, text).await?;
        }
        passages = api.documents_ready(false).await?;
    }
    if by_meaning {
        passages = api.documents_ready(true).await?;
    }
    server.stop()?;
    Ok(passages)
}

/// Without the model the server does not embed; the vectors are then made by the database.
async fn fill_quickly(setting: &Setting) -> anyhow::Result<u64> {
    let without = setting.clone().without_model();
    let passages = fill(&without, false).await?;
    let server = Server::start(&without).await?;
    random_vectors(setting.data()).await?;
    server.stop()?;
    Ok(passages)
}

async fn random_vectors(data: &Path) -> anyhow::Result<()> {
    let running = Cluster::connect_to_running(data)?.context("the private database does not run")?;
    let mut connection = running.connect().await?;
    sqlx::query("select setseed(0.5)").execute(&mut connection).await?;
    sqlx::query(RANDOM_VECTORS).execute(&mut connection).await?;
    sqlx::query(COUNT_VECTORS).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// A byte in a query string.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}
