//! The `vital` binary: reads the command line and the configuration, wires the parts together, and tells how it went.
//!
//! It decides nothing: rules live in `vital-platform`, routes in `vital-web`. Data goes to standard output, talk and logs to standard
//! error. `anyhow` is used here alone.

mod api_key;
mod audit;
mod break_glass;
mod cli;
mod config;
mod database;
mod domains;
mod evaluate;
mod failure;
mod keys;
mod operate;
mod remote;
mod secrets;
mod serve;
mod telemetry;
mod terminal;

use clap::Parser;
use cli::{Cli, ConfigVerb, Settings, Verb};
use config::Loaded;
use failure::{Exit, Failure};
use std::{num::NonZero, process::ExitCode, thread::available_parallelism, time::Instant};
use vital_documents::child::{self, ProcessLimits};
use vital_kernel::limits;

fn main() -> ExitCode {
    let begun = Instant::now();
    let Cli { verb } = Cli::parse();
    if matches!(verb, Verb::ParseDocument) {
        let limits = ProcessLimits { memory_bytes_max: limits::PARSER_MEMORY_BYTES_MAX, cpu_seconds_max: limits::PARSER_CPU.as_secs() };
        return child::run_with(limits, vital_pages::draw);
    }
    vital_llm::ensure_crypto_provider();
    match run(verb, begun) {
        Ok(exit) => exit.into(),
        Err(error) if failure::is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            failure::report(&error);
            failure::exit_of(&error).into()
        }
    }
}

fn run(verb: Verb, begun: Instant) -> anyhow::Result<Exit> {
    if let Verb::Serve { settings, listen } = verb {
        let config = config::load(settings.overrides(listen))?.config;
        telemetry::start(&config.log)?;
        return runtime()?.block_on(serve::run(config, begun));
    }
    telemetry::start(&telemetry::for_commands())?;
    match verb {
        Verb::Config(verb) => configuration(verb),
        Verb::Openapi => {
            terminal::data(&serde_json::to_string_pretty(&vital_web::openapi())?)?;
            Ok(Exit::Done)
        }
        Verb::Tls(domains::TlsVerb::Status { settings, json }) => domains::status(&config::load(settings.overrides(None))?.config, json),
        Verb::Eval(verb) => evaluate::run(verb, &runtime()?),
        verb => runtime()?.block_on(command(verb)),
    }
}

async fn command(verb: Verb) -> anyhow::Result<Exit> {
    let load = |settings: Settings| config::load(settings.overrides(None)).map(|loaded| loaded.config);
    match verb {
        Verb::Ask(flags) => remote::ask::run(flags).await,
        Verb::Ingest(flags) => remote::ingest::run(flags).await,
        Verb::Experts(flags) => remote::experts::list(flags).await,
        Verb::Route(flags) => remote::experts::route(flags).await,
        Verb::Replay(flags) => remote::replay::run(flags).await,
        Verb::Mcp(flags) => remote::mcp::run(flags).await,
        Verb::Usage(verb) => remote::usage::run(verb).await,
        Verb::Login(flags) => remote::session::login(flags).await,
        Verb::Logout { server } => remote::session::logout(server).await,
        Verb::Tenant { settings, verb } => operate::tenant(&load(settings)?, verb).await,
        Verb::User { settings, verb } => operate::user(&load(settings)?, verb).await,
        Verb::BreakGlass { settings, verb } => break_glass::run(&load(settings)?, verb).await,
        Verb::Audit { settings, verb } => audit::run(&load(settings)?, verb).await,
        Verb::Domain { settings, verb } => domains::domain(&load(settings)?, verb).await,
        Verb::Key { settings, verb } => api_key::run(&load(settings)?, verb).await,
        Verb::Keys { settings, verb } => keys::run(&load(settings)?, verb).await,
        Verb::Migrate { settings } => operate::migrate(&load(settings)?).await,
        Verb::SetupLink { settings } => operate::setup_link(&load(settings)?).await,
        Verb::Serve { .. } | Verb::Config(_) | Verb::Eval(_) | Verb::Openapi | Verb::Tls(_) | Verb::ParseDocument => {
            Err(Failure::new("this verb does not run on the async runtime").into())
        }
    }
}

fn configuration(verb: ConfigVerb) -> anyhow::Result<Exit> {
    match verb {
        ConfigVerb::Template => terminal::data(config::TEMPLATE.trim_end())?,
        ConfigVerb::Show { settings } => {
            let Loaded { config, file } = config::load(settings.overrides(None))?;
            talk_source(file.as_deref());
            terminal::data(&config.show()?)?;
        }
        ConfigVerb::Check { settings } => {
            let Loaded { config, file } = config::load(settings.overrides(None))?;
            talk_source(file.as_deref());
            let composer = match &config.provider {
                Some(provider) => {
                    let opened = provider.open()?;
                    format!("{} {} at {}", opened.name(), opened.model(), opened.host())
                }
                None => "the built-in extractive composer".to_owned(),
            };
            terminal::talk(&format!("answers are written by {composer}"));
            let sources = config.tools.endpoints()?;
            let hosts = sources.addresses().map(|url| url.host_str().unwrap_or_default().to_owned());
            terminal::talk(&format!("tools ask {}, where an organisation allows it", hosts.join(", ")));
            match config.models.folder() {
                Ok(folder) => terminal::talk(&format!("embedding model: {}", folder.display())),
                Err(why) => terminal::talk(&why),
            }
            terminal::talk("the configuration can be used");
        }
    }
    Ok(Exit::Done)
}

fn talk_source(file: Option<&std::path::Path>) {
    match file {
        Some(file) => terminal::talk(&format!("read from {}", file.display())),
        None => terminal::talk("there is no configuration file; these are the defaults and the environment"),
    }
}

/// A runtime with a worker for each core; further threads come only for blocking work and end when idle.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?)
}
