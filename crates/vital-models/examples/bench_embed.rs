//! Measures the local embedding model: passages per second, latency of a query alone and behind bulk work, memory.
//!
//! Run with `cargo run --release -p vital-models --example bench_embed [MODEL_DIR] [THREADS]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement for the terminal")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use vital_kernel::{EmbedLane, Embedder, EmbedderStatus};
use vital_models::LocalEmbedder;

const QUERY: &str = "how do I rotate an API key for my tenant?";
const MEASURED: Duration = Duration::from_secs(6);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map(PathBuf::from).or_else(LocalEmbedder::default_dir).expect("a model folder");
    let threads = arguments.next().map_or(2, |t| t.parse().expect("a number of threads"));
    println!("before loading                 {}", memory());
    let start = Instant::now();
    let embedder = LocalEmbedder::load(&dir, threads).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(embedder.wait(), EmbedderStatus::Ready);
    println!("loaded in {:>4} ms              {}", start.elapsed().as_millis(), memory());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let embed = |lane, texts: Vec<String>| runtime.block_on(embedder.embed(lane, texts)).unwrap();

    embed(EmbedLane::Query, vec![QUERY.into()]);
    report("a query alone", (0..200).map(|_| timed(|| drop(embed(EmbedLane::Query, vec![QUERY.into()])))).collect());
    println!("after queries                  {}", memory());

    let passage =
        "retrieval augmented generation stores document passages in a vector index and each tenant sees only its rows ".repeat(30);
    for batch in [1usize, 8, 32] {
        let (start, cpu, mut done) = (Instant::now(), cpu_seconds(), 0);
        while start.elapsed() < MEASURED {
            done += embed(EmbedLane::Bulk, vec![passage.clone(); batch]).len();
        }
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("{batch:>2} passages of 256 tokens      {:.1} passages/s, {:.1} a CPU second", done as f64 / wall, done as f64 / cpu);
    }
    let mixed: Vec<String> = (1..=64).map(|n| passage.chars().take(n * 18).collect()).collect();
    let elapsed = timed(|| drop(embed(EmbedLane::Bulk, mixed.clone())));
    println!("64 passages of 4 to 256 tokens {:.1} passages/s", 64.0 / elapsed.as_secs_f64());

    let times = runtime.block_on(async {
        let mut bulk = std::pin::pin!(embedder.embed(EmbedLane::Bulk, vec![passage.clone(); 100]));
        let mut times = Vec::new();
        loop {
            let start = Instant::now();
            tokio::select! {
                _ = &mut bulk => break times,
                answer = embedder.embed(EmbedLane::Query, vec![QUERY.into()]) => { answer.unwrap(); times.push(start.elapsed()); }
            }
        }
    });
    report("a query behind bulk work", times);
    println!("after bulk work                {}", memory());
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    println!("{name:<30} p50 {:.1} ms, p95 {:.1} ms", at(50), at(95));
}

/// Resident memory now and at its peak, from `/proc/self/status`.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mib = |field: &str| {
        let line = status.lines().find(|l| l.starts_with(field));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    format!("resident {} MiB (peak {} MiB)", mib("VmRSS"), mib("VmHWM"))
}

/// CPU time of the process so far, in seconds; Linux counts it in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
