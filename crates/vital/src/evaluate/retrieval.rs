//! `vital eval retrieval`.

use super::model::ModelFlags;
use crate::{failure::Exit, terminal};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use tokio::runtime::Runtime;
use vital_kernel::Embedder;
use vital_platform::knowledge::built_in_terms;
use vital_search::eval::{BeirSet, Report, Stage, evaluate_with};

/// Flags of `vital eval retrieval`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelFlags,
}

pub(super) fn run(flags: &Flags, runtime: &Runtime) -> anyhow::Result<Exit> {
    let set = BeirSet::read(&flags.folder)?;
    let model = flags.model.load()?;
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    let progress = |stage: Stage| {
        let (name, done, all) = match stage {
            Stage::Indexing => ("indexing", 0, set.documents.len()),
            Stage::Embedding(done, all) => ("embedding", done, all),
            Stage::Searching(done, all) => ("searching", done, all),
        };
        bar.set_message(name);
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let embedder = model.as_ref().map(|model| model as &dyn Embedder);
    let report = runtime.block_on(evaluate_with(&set, embedder, built_in_terms(), &progress))?;
    bar.finish_and_clear();
    if flags.json {
        terminal::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Exit::Done)
}

fn print(report: &Report) -> anyhow::Result<()> {
    terminal::data(&format!(
        "{:<24} {:>8} {:>10} {:>11} {:>7} {:>9} {:>9}",
        "system", "nDCG@10", "recall@10", "recall@100", "MRR", "p50 ms", "p95 ms"
    ))?;
    for system in &report.systems {
        let m = &system.measures;
        terminal::data(&format!(
            "{:<24} {:>8.4} {:>10.4} {:>11.4} {:>7.4} {:>9.2} {:>9.2}",
            system.name, m.ndcg_at_10, m.recall_at_10, m.recall_at_100, m.mrr, system.p50_ms, system.p95_ms
        ))?;
    }
    let questions = report.systems.first().map_or(0, |system| system.measures.questions);
    let embedding =
        report.embedding_s.map(|s| format!(", embedding {s:.1} s ({:.1} documents/s)", report.documents as f64 / s)).unwrap_or_default();
    Ok(terminal::data(&format!("{} documents, {questions} questions; indexing {:.2} s{embedding}", report.documents, report.indexing_s))?)
}
