//! `vital-bench`: measures the real binary on a temporary data folder and prints one table.
//!
//! Every figure is a reading and never a test: nothing fails because a machine is slow. What each row means, and under which load it
//! was taken, is written in docs/BENCHMARKS.md. Deliberately not here: profiling, and comparing runs.

mod api;
mod burst;
mod corpus;
mod cost;
mod currency;
mod embedding;
mod gateway;
mod identity;
mod keys;
mod latency;
mod machine;
mod memory;
mod provider;
mod retrieval;
mod row;
mod samples;
mod server;
mod slowloris;
mod start_up;
mod statements;
mod stream;
mod trail;

use anyhow::Context as _;
use api::Api;
use clap::{Parser, ValueEnum};
use provider::Paced;
use row::Report;
use server::{Server, Setting};
use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Measures the whole of VITAL Path on this machine and prints a table
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  script/bench --quick --only latency,memory")]
struct Options {
    /// The server to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/vital")]
    server: PathBuf,
    /// Measure these parts alone
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Fewer samples, and random unit vectors for the 10,000 passages (the table says so)
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// The program of litellm to compare with
    #[arg(long, value_name = "FILE")]
    litellm: Option<PathBuf>,
    /// Milliseconds from a request to the provider's first token
    #[arg(long, value_name = "MS", default_value_t = 500)]
    provider_first_ms: u64,
    /// Milliseconds between two of the provider's 40 pieces of text
    #[arg(long, value_name = "MS", default_value_t = 25)]
    provider_piece_ms: u64,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The embedding model by itself
    Embedding,
    /// Latency of answers over the provider's own
    Latency,
    /// Statements to open a long conversation
    Statements,
    /// Memory of an idle server
    Memory,
    /// Start on an existing data folder
    StartUp,
    /// Hybrid retrieval at 10,000 passages
    Retrieval,
    /// Good users while 2,000 hostile connections drip bytes
    Slowloris,
    /// What is allowed of ten times a limit
    Burst,
    /// Signing in, being recognised, and how long a revoked key works on
    Identity,
    /// The audit trail: verification, ingest, cost of an entry
    Trail,
    /// Sealing and opening a value, wrapping the keys of 10,000 organisations again
    Keys,
    /// What encryption and the audit trail cost an answer
    Cost,
    /// Marking the answers that stood on a document
    Currency,
    /// The door to models for other programs beside litellm, and 5,000 streams
    Gateway,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn wants_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.wants(*part))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    vital_llm::ensure_crypto_provider();
    let report = tokio::select! {
        report = measure(options) => report?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped; the temporary data folder was removed"),
    };
    let text = if options.json { report.json()? } else { report.table() };
    std::io::stdout().lock().write_all(text.as_bytes()).context("the table could not be printed")
}

/// Says on standard error what is being done.
fn say(text: &str) {
    // A closed standard error must not end a measurement.
    let _ = writeln!(std::io::stderr().lock(), "==> {text}");
}

async fn measure(options: &Options) -> anyhow::Result<Report> {
    let mut report = Report::new(machine::Machine::read(), options.quick);
    if options.wants(Part::Embedding) {
        say("embedding model by itself");
        embedding::measure(&mut report, options.quick).await?;
    }
    if options.wants(Part::Trail) {
        say("the audit trail");
        trail::measure_verification(&mut report, options.quick)?;
        trail::measure_ingest(&mut report, options.quick).await?;
    }
    if options.wants(Part::Keys) {
        say("keys");
        keys::measure(&mut report).await?;
    }
    let binary = options
        .server
        .canonicalize()
        .with_context(|| format!("there is no server at {}; script/bench builds it", options.server.display()))?;
    // The user that runs PostgreSQL for root has to pass through the folder, which temporary folders do not allow by default.
    let folder = tempfile::Builder::new().prefix("vital-bench-").permissions(std::fs::Permissions::from_mode(0o711)).tempdir()?;
    let provider = Paced::start().await?;
    if options.wants_any(&[Part::Latency, Part::Statements, Part::Memory]) {
        without_model(options, &binary, folder.path(), &provider, &mut report).await?;
    }
    if options.wants(Part::Cost) {
        let setting = Setting::new(&binary, &folder.path().join("cost")).without_model();
        cost::measure(&setting, &provider, options, &mut report).await?;
    }
    if options.wants(Part::Currency) {
        let setting = Setting::new(&binary, &folder.path().join("currency")).without_model();
        currency::measure(&setting, &mut report).await?;
    }
    if options.wants(Part::Slowloris) {
        let setting = Setting::new(&binary, &folder.path().join("slowloris")).without_model();
        slowloris::measure(&setting, options.quick, &mut report).await?;
    }
    if options.wants(Part::Burst) {
        let setting = Setting::new(&binary, &folder.path().join("burst")).without_model().with_own_limits();
        burst::measure(&setting, options.quick, &mut report).await?;
    }
    if options.wants(Part::Identity) {
        let setting = Setting::new(&binary, &folder.path().join("identity")).without_model();
        identity::measure(&setting, options.quick, &mut report).await?;
    }
    if options.wants(Part::Gateway) {
        let setting = Setting::new(&binary, &folder.path().join("gateway")).without_model();
        gateway::measure(&setting, options, &mut report).await?;
    }
    if options.wants_any(&[Part::Latency, Part::Memory, Part::StartUp, Part::Retrieval]) {
        with_model(options, &binary, folder.path(), &provider, &mut report).await?;
    }
    Ok(report)
}

async fn without_model(options: &Options, binary: &Path, folder: &Path, provider: &Paced, report: &mut Report) -> anyhow::Result<()> {
    let setting = Setting::new(binary, &folder.join("words")).without_model();
    if options.wants_any(&[Part::Latency, Part::Statements]) {
        say("starting a server without the embedding model on an empty folder");
        let server = Server::start(&setting.clone().with_provider(&provider.base_url())).await?;
        let api = Api::set_up(&server).await?;
        api.library_ready(false).await?;
        if options.wants(Part::Latency) {
            latency::measure(&api, provider, options, false, report).await?;
        }
        let long = if options.wants(Part::Statements) { Some(statements::long_conversation(&api, provider).await?) } else { None };
        server.stop()?;
        if let Some(conversation) = long {
            statements::measure(&setting, &api, &conversation, report).await?;
        }
    } else {
        settle(&setting, false).await?;
    }
    if options.wants(Part::Memory) {
        memory::measure(&setting, "without the model", 80.0, report).await?;
    }
    Ok(())
}

async fn with_model(options: &Options, binary: &Path, folder: &Path, provider: &Paced, report: &mut Report) -> anyhow::Result<()> {
    let setting = Setting::new(binary, &folder.join("meaning"));
    if options.wants(Part::Latency) {
        say("starting a server with the embedding model on an empty folder; the starter library is embedded first");
        let server = Server::start(&setting.clone().with_provider(&provider.base_url())).await?;
        let api = Api::set_up(&server).await?;
        api.library_ready(true).await?;
        latency::measure(&api, provider, options, true, report).await?;
        server.stop()?;
    } else {
        settle(&setting, true).await?;
    }
    if options.wants(Part::Memory) {
        memory::measure(&setting, "with the model", 250.0, report).await?;
    }
    if options.wants(Part::StartUp) {
        start_up::measure(&setting, report).await?;
    }
    if options.wants(Part::Retrieval) {
        retrieval::measure(&setting, options.quick, report).await?;
    }
    Ok(())
}

/// Makes a data folder with an organisation and the starter library, indexed and, if asked for, embedded.
async fn settle(setting: &Setting, by_meaning: bool) -> anyhow::Result<()> {
    say("preparing a data folder");
    let server = Server::start(setting).await?;
    Api::set_up(&server).await?.library_ready(by_meaning).await?;
    server.stop()
}
