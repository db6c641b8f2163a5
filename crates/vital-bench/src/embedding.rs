//! The embedding model by itself, called in this process: passages of the model's full length, and short queries.

use crate::{
    corpus::{Author, questions, sentences},
    row::{Aim, Report, Row},
    samples::{Samples, ms},
};
use anyhow::Context as _;
use std::{
    num::NonZero,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Instant,
};
use vital_kernel::{EmbedLane, Embedder as _, EmbedderStatus};
use vital_models::LocalEmbedder;

/// Passages embedded in one request, in a full and in a quick run.
const PASSAGES: [usize; 2] = [128, 48];
/// Requests that are counted.
const REQUESTS: usize = 3;
/// Queries that are counted; twenty before them are not.
const QUERIES: usize = 300;
const QUERIES_WARM_UP: usize = 20;
/// A query has at most so many words, about twelve tokens.
const QUERY_WORDS: usize = 9;
/// English of the library has under 6 bytes a token, so that this many fill the model's 256 tokens and the rest is cut.
const PASSAGE_BYTES: usize = 256 * 6;

/// Measures throughput and query latency.
///
/// # Errors
/// When the model is not installed.
pub(crate) async fn measure(report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let folder = folder().context("the embedding model is not installed; run script/setup")?;
    let threads = available_parallelism().map_or(1, NonZero::get);
    let model = LocalEmbedder::load(&folder, threads)?;
    let status = model.wait();
    anyhow::ensure!(status == EmbedderStatus::Ready, "the embedding model could not be loaded: {status:?}");

    let passages = passages(PASSAGES[usize::from(quick)]);
    model.embed(EmbedLane::Bulk, passages.iter().take(8).cloned().collect()).await?;
    let mut rates = Vec::new();
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let vectors = model.embed(EmbedLane::Bulk, passages.clone()).await?;
        rates.push(vectors.len() as f64 / begun.elapsed().as_secs_f64());
    }
    let rates = Samples::new(rates);
    report.add(Row::new(
        "embedding of passages of 256 tokens",
        "passages/s",
        &[("median", rates.percentile(50.0))],
        Some(Aim::AtLeast(18.0)),
        rates.len(),
    ));

    let queries: Vec<String> = questions()?.iter().map(|q| q.split(' ').take(QUERY_WORDS).collect::<Vec<_>>().join(" ")).collect();
    let mut taken = Vec::with_capacity(QUERIES);
    for (n, query) in queries.iter().cycle().take(QUERIES_WARM_UP + QUERIES).enumerate() {
        let begun = Instant::now();
        model.embed(EmbedLane::Query, vec![query.clone()]).await?;
        if n >= QUERIES_WARM_UP {
            taken.push(ms(begun.elapsed()));
        }
    }
    let taken = Samples::new(taken);
    let figures = [("p99", taken.percentile(99.0)), ("p50", taken.percentile(50.0))];
    report.add(Row::new("embedding of a short query", "ms", &figures, Some(Aim::AtMost(8.0)), taken.len()));
    Ok(())
}

/// Where the server finds the model as well: the user's cache, else what root installed.
fn folder() -> Option<PathBuf> {
    let places = LocalEmbedder::default_dir().into_iter().chain([PathBuf::from("/var/cache/vital-path/minilm")]);
    places.into_iter().find(|place: &PathBuf| Path::new(place).join("MODEL.json").is_file())
}

fn passages(count: usize) -> Vec<String> {
    let all = sentences();
    let mut author = Author::new();
    let mut sentences = all.iter().cycle();
    (0..count)
        .map(|_| {
            let mut text = author.query();
            while text.len() < PASSAGE_BYTES {
                text.push(' ');
                text.push_str(sentences.next().copied().unwrap_or("text"));
            }
            text
        })
        .collect()
}
