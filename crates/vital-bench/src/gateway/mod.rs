//! The door for other programs beside litellm: what each adds to a model's own answer, in time, processor and memory, and how many streams
//! at once arrive whole.
//!
//! The same scripted provider, client, requests and machine for all, one after another in one run. Load comes in an open loop: every request
//! has its moment whether or not those before it are done, and its time runs from that moment, so that a pause of the server shows in all
//! requests that fall into it. What is added is the percentile through the gateway less the same percentile of the provider asked directly.
//! For VITAL Path each request is authenticated, goes through rates, the organisation's policy and a budget, and leaves its entry in the trail;
//! litellm runs with a master key and no database, so it keeps no budgets and no trail.

mod load;
mod peer;
mod process;
mod streams;

use crate::{
    Options,
    api::Api,
    row::{Aim, Report, Row},
    samples::{Samples, ms},
    server::{Server, Setting},
};
use anyhow::Context as _;
use load::{Outcome, Target};
use peer::Peer;
use process::Cpu;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use vital_testkit::provider::{Script, ScriptedProvider, Usage};

/// Requests a second, and how many of them in a full and in a quick run. litellm is asked at the first rate alone: it does not reach the other.
const RATES: [(f64, usize, usize); 2] = [(20.0, 1_200, 400), (500.0, 15_000, 5_000)];
/// The organisation's budget of a month.
const BUDGET_TOKENS: u64 = 1_000_000_000_000;
/// Requests that are not counted.
const WARM_UP: usize = 300;
/// Pieces of one answer.
const PIECES: usize = 8;
/// Answers whose first frame is timed, one after another.
const FIRST_FRAMES: usize = 300;
/// How long a gateway is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// The aims: added at p99 in ms, share of litellm's processor time and memory, the first frame in ms.
const ADDED_MS_MAX: f64 = 2.0;
const CPU_SHARE_MAX: f64 = 1.0 / 20.0;
const MEMORY_SHARE_MAX: f64 = 1.0 / 4.0;
const FIRST_FRAME_MS_MAX: f64 = 1.0;

/// What a gateway took.
#[derive(Clone, Copy, Debug)]
struct Took {
    cpu_ms: f64,
    pss_mib: f64,
}

/// Measures VITAL Path, then litellm where it is installed.
///
/// # Errors
/// When the server does not start or refuses.
pub(crate) async fn measure(setting: &Setting, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let provider = Provider::start().await?;
    let ours = vital(&setting.clone().for_relays(), &provider, options, report).await?;
    let Some(installed) = &options.litellm else {
        crate::say("litellm is not installed, so nothing is compared with it; script/bench installs it for `--only gateway`");
        return Ok(());
    };
    crate::say("starting litellm");
    let peer = Peer::start(installed, &provider.base_url()).await?;
    let theirs = litellm(&peer, &provider, options, report).await?;
    drop(peer);
    let shares = [("", ours.cpu_ms / theirs.cpu_ms)];
    report.add(Row::new("processor time a request, of litellm's", "", &shares, Some(Aim::AtMost(CPU_SHARE_MAX)), RATES[0].1));
    let shares = [("", ours.pss_mib / theirs.pss_mib)];
    report.add(Row::new("idle memory, of litellm's", "", &shares, Some(Aim::AtMost(MEMORY_SHARE_MAX)), 1));
    Ok(())
}

async fn vital(setting: &Setting, provider: &Provider, options: &Options, report: &mut Report) -> anyhow::Result<Took> {
    crate::say("starting a server whose organisation lets programs use a model");
    let server = Server::start(setting).await?;
    let api = Api::set_up(&server).await?;
    api.library_ready(false).await?;
    let api = api.with_second_factor().await?;
    let key = api.direct_model(&provider.base_url(), "bench").await?;
    tokio::time::sleep(IDLE).await;
    let (own, database) = process::memory(server.process())?;
    report.add(Row::new(
        "idle memory of the gateway (PSS), server and database",
        "MiB",
        &[("server", own), ("database", database)],
        None,
        1,
    ));
    let target = Target::new(&format!("{}/v1/chat/completions", server.base()), &key, "models/bench")?;
    let mut cpu_ms = f64::NAN;
    for (n, (rate, full, quick)) in RATES.into_iter().enumerate() {
        let count = if options.quick { quick } else { full };
        let cpu = at_rate("through VITAL Path", &target, provider, (rate, count), &[server.process()], report).await?;
        if n == 0 {
            cpu_ms = cpu;
        }
    }
    first_frames("through VITAL Path", &target, provider, Some(Aim::AtMost(FIRST_FRAME_MS_MAX)), report).await?;
    streams::measure(&target, provider, server.process(), options.quick, report).await?;
    server.stop()?;
    Ok(Took { cpu_ms, pss_mib: own + database })
}

async fn litellm(peer: &Peer, provider: &Provider, options: &Options, report: &mut Report) -> anyhow::Result<Took> {
    tokio::time::sleep(IDLE).await;
    let (own, below) = process::memory(peer.process())?;
    report.add(Row::new("idle memory of litellm (PSS)", "MiB", &[("", own + below)], None, 1));
    let target = Target::new(&peer.address(), peer::KEY, "bench")?;
    let (rate, full, quick) = RATES[0];
    let count = if options.quick { quick } else { full };
    let cpu_ms = at_rate("through litellm", &target, provider, (rate, count), &[peer.process()], report).await?;
    first_frames("through litellm", &target, provider, None, report).await?;
    Ok(Took { cpu_ms, pss_mib: own + below })
}

/// One rate: the provider alone, then through a gateway. Returns the processor time of the gateway for one request, in ms, its database included.
async fn at_rate(
    how: &str,
    target: &Target,
    provider: &Provider,
    (rate, count): (f64, usize),
    gateway: &[u32],
    report: &mut Report,
) -> anyhow::Result<f64> {
    crate::say(&format!("{how}, {rate} requests a second"));
    let direct = Target::new(&provider.address(), "sk-bench", "bench")?;
    load::open_loop(&direct, rate, WARM_UP.min(count)).await;
    let alone = load::open_loop(&direct, rate, count).await;
    load::open_loop(target, rate, WARM_UP.min(count)).await;
    let before = Cpu::of(gateway)?;
    let through = load::open_loop(target, rate, count).await;
    let cpu = Cpu::of(gateway)?.since(before);
    let percentiles = |outcome: &Outcome| [outcome.times.percentile(50.0), outcome.times.percentile(99.0)];
    let ([own50, own99], [p50, p99]) = (percentiles(&alone), percentiles(&through));
    let failed = if through.failed > 0 { format!(", {} FAILED", through.failed) } else { String::new() };
    let at = format!("{rate} requests/s");
    report.add(Row::new(format!("(provider alone, {at})"), "ms", &[("p50", own50), ("p99", own99)], None, alone.times.len()));
    let aim = (how.contains("VITAL") && rate > 100.0).then_some(Aim::AtMost(ADDED_MS_MAX));
    let added = [("p50", p50 - own50), ("p99", p99 - own99)];
    report.add(Row::new(format!("added {how}, {at}{failed}"), "ms", &added, aim, through.times.len()));
    let (own, below) = (cpu.own_ms / count as f64, cpu.below_ms / count as f64);
    let figures = [("gateway", own), ("database", below), ("both", own + below)];
    report.add(Row::new(format!("processor time a request {how}, {at}"), "ms", &figures, None, count));
    Ok(own + below)
}

/// From the provider's first frame to that of the client, one request after another.
async fn first_frames(how: &str, target: &Target, provider: &Provider, aim: Option<Aim>, report: &mut Report) -> anyhow::Result<()> {
    let direct = Target::new(&provider.address(), "sk-bench", "bench")?;
    for (what, target, aim) in
        [("(first frame, provider alone)".to_owned(), &direct, None), (format!("first frame after the provider's, {how}"), target, aim)]
    {
        let mut took = Vec::with_capacity(FIRST_FRAMES);
        for n in 0..FIRST_FRAMES + 20 {
            let arrived = target.first_frame().await?;
            let began = provider.began().context("the provider was not asked")?;
            if n >= 20 {
                took.push(ms(arrived.saturating_duration_since(began)));
            }
        }
        let took = Samples::new(took);
        report.add(Row::new(what, "ms", &[("p50", took.percentile(50.0)), ("p99", took.percentile(99.0))], aim, took.len()));
    }
    Ok(())
}

/// A provider that answers at once and notes when.
struct Provider {
    scripted: ScriptedProvider,
    began: Arc<Mutex<Option<Instant>>>,
}

impl Provider {
    async fn start() -> anyhow::Result<Self> {
        let scripted = ScriptedProvider::start().await.context("the scripted provider could not start")?;
        let provider = Self { scripted, began: Arc::default() };
        provider.at_once();
        Ok(provider)
    }

    fn base_url(&self) -> String {
        format!("{}/v1", self.scripted.base_url())
    }

    fn address(&self) -> String {
        format!("{}/chat/completions", self.base_url())
    }

    /// Answers with a few pieces at once.
    fn at_once(&self) {
        let began = Arc::clone(&self.began);
        self.scripted.reply_with(move |_| {
            *began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            let usage = Usage { input: 20, output: PIECES as u64, ..Usage::default() };
            (0..PIECES).fold(Script::new().usage(usage), |script, _| script.text("word "))
        });
    }

    /// Answers with so many pieces, so far apart.
    fn slowly(&self, pieces: usize, apart: Duration) {
        self.scripted.reply_with(move |_| (0..pieces).fold(Script::new(), |script, _| script.text("word ").pause(apart)));
    }

    fn began(&self) -> Option<Instant> {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api {
    /// Sets a provider with one model up, lets programs use it within a budget of tokens that no run uses up, and makes a key for them.
    async fn direct_model(&self, base_url: &str, model: &str) -> anyhow::Result<String> {
        let new = json!({ "name": "bench", "format": "openai", "base_url": base_url, "models": [{ "name": model }] });
        self.post("/api/v1/providers", &new).await?;
        self.put("/api/v1/provider-policy", &json!({ "direct_models": true })).await?;
        self.put("/api/v1/budgets", &json!({ "scope": "organisation", "period": "month", "limit_tokens": BUDGET_TOKENS })).await?;
        let made: Value = self.post("/api/v1/keys", &json!({ "name": "bench", "scopes": ["model.use"] })).await?;
        Ok(made["key"].as_str().context("a key came without its secret")?.to_owned())
    }
}
