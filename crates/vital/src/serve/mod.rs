//! `vital serve`: starts the parts, says when it is ready, and stops them in the order in which they need one another.
//!
//! The port is taken first, so that a taken one is told at once and early visitors wait instead of being refused; the database starts
//! meanwhile, the model loads beside it, and requests are answered once the database was found to protect tenant data.

pub(crate) mod embedder;
mod listen;
mod logins;
mod metrics;
mod signals;
mod supervise;
pub(crate) mod tls;

use crate::{config::Config, database, failure::Exit, operate::setup_address, terminal};
use signals::Signals;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use supervise::Supervisor;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use vital_platform::{Parts, Platform, audit::trail, identity};
use vital_store::embedded::DataFolder;
use vital_throttle::Throttle;
use vital_web::{Protection, Settings};

/// Folder of the lexical indexes within the data folder.
pub(crate) const INDEX_FOLDER: &str = "index";
/// Pause before background work is started again after it could not be.
const WORK_RETRY: Duration = Duration::from_secs(2);

/// What runs.
struct Running {
    platform: Arc<Platform>,
    supervisor: Option<Supervisor>,
    web: JoinHandle<std::io::Result<()>>,
    work: JoinHandle<()>,
    closing: CancellationToken,
    /// Held to the end where the supervisor does not hold it: no other server may use the folder while anything here still writes.
    _folder: Option<DataFolder>,
}

/// Serves until a signal or a fault ends it. `begun` is when the process started.
///
/// # Errors
/// When a part cannot start, or the private database ended and cannot be started again.
pub(crate) async fn run(config: Config, begun: Instant) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    listen::make_room(config.limits.connections);
    let listener = listen::bind(config.server.listen).await?;
    let bound = listener.local_addr()?;
    let plain = match config.tls.redirect_listen {
        Some(address) => Some(listen::bind(address).await?),
        None => None,
    };
    let metrics = metrics::prepare(&config).await?;
    let spans = Spans::start(&config)?;
    let mut running = tokio::select! {
        started = start(&config, Listeners { listener, plain, metrics }, bound) => started?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before it was ready");
            return Ok(Exit::Done);
        }
    };
    announce(&config, &running.platform, bound, begun).await?;
    let fault = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping; a second signal stops at once");
            None
        }
        fault = supervise::failed(&mut running.supervisor) => Some(fault),
        ended = &mut running.web => Some(anyhow::anyhow!("the web server ended by itself: {ended:?}")),
    };
    tokio::select! {
        stopped = async {
            running.stop().await?;
            spans.stop().await;
            Ok::<_, anyhow::Error>(())
        } => stopped?,
        _ = signals.next() => tracing::warn!("stopped at once; what was being written ends with a typed event at the next start"),
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Exit::Done),
    }
}

/// What sends spans, if anything does.
struct Spans(Option<(JoinHandle<()>, CancellationToken)>);

impl Spans {
    fn start(config: &Config) -> anyhow::Result<Self> {
        let Some(exporter) = config.telemetry.start()? else { return Ok(Self(None)) };
        let closing = CancellationToken::new();
        let running = tokio::spawn(exporter.run(closing.clone().cancelled_owned()));
        Ok(Self(Some((running, closing))))
    }

    /// Sends what waits, within the exporter's own time, and ends. Comes last, so that what stops has told of it.
    async fn stop(self) {
        if let Some((running, closing)) = self.0 {
            closing.cancel();
            let _ = running.await;
        }
    }
}

/// The addresses that were taken.
struct Listeners {
    listener: TcpListener,
    /// For plain HTTP beside https.
    plain: Option<TcpListener>,
    metrics: Option<metrics::Prepared>,
}

async fn start(config: &Config, listeners: Listeners, bound: SocketAddr) -> anyhow::Result<Running> {
    let Listeners { listener, plain, metrics } = listeners;
    let throttle = config.limits.throttle()?;
    let provider = config.provider.as_ref().map(crate::config::Provider::open).transpose()?;
    // The model is read on a thread of its own while the database starts.
    let embedder = embedder::load(&config.models);
    let folder = DataFolder::claim(&config.server.data).await?;
    let path = folder.path().to_owned();
    let (db, cluster) = database::for_server(config, &folder).await?;
    let platform = Platform::new(Parts {
        db,
        index_folder: path.join(INDEX_FOLDER),
        parser: parser()?,
        embedder,
        provider,
        site: config.site(bound),
        mailer: config.mail.open(&path)?,
        toolbox: config.toolbox(Some(throttle.clone()))?,
        erasure_ledger: path.join(crate::database::ERASURES_FILE),
        egress: config.egress_rules()?,
        trail: config.audit.settings(&config.server),
        name_server: config.tls.name_server,
        authority: config.tls.authority()?,
        alone: cluster.is_some(),
        models: config.limits.models(),
        answers: config.cache.open(&config.limits)?,
    })?;
    // Before anything is served: a database restored from a backup must not bring back what was erased.
    trail::replay_erasures(&platform).await?;
    if let Some(note) = platform.embedding_note() {
        tracing::info!(note, "embedding model");
    }
    let closing = CancellationToken::new();
    let protection = protection(config, throttle);
    let state = vital_web::AppState::new(Arc::clone(&platform), config.is_https(), closing.clone())
        .protected_by(protection.clone())
        .with_hosts(config.server.hosts.clone())
        .with_hsts(config.tls.hsts_s);
    let router = vital_web::router(state);
    let prepared = tls::prepare(config, &platform, &path).await?;
    if let Some(metrics) = metrics {
        metrics.serve(config, Arc::clone(&platform), prepared.as_ref().map(|p| p.tls.clone()), closing.clone());
    }
    let web = match prepared {
        None => tokio::spawn(vital_web::serve(listener, router, protection, closing.clone())),
        Some(prepared) => {
            if let Some(plain) = plain {
                prepared.redirect(plain, &platform, protection.clone(), closing.clone());
            }
            let tls = prepared.tls.clone();
            prepared.keep(&platform, closing.clone());
            tokio::spawn(vital_web::serve_tls(listener, tls, router, protection, closing.clone()))
        }
    };
    let window = Duration::from_secs(config.keys.spread_s);
    tokio::spawn(logins::follow(Arc::clone(&platform), database::role_file(&path), window, closing.clone()));
    let work = tokio::spawn(work(Arc::clone(&platform), closing.clone()));
    let (supervisor, folder) = match cluster {
        Some(cluster) => (Some(Supervisor::new(cluster, folder, config.clone())), None),
        None => (None, Some(folder)),
    };
    Ok(Running { platform, supervisor, web, work, closing, _folder: folder })
}

fn protection(config: &Config, throttle: Throttle) -> Protection {
    let proxies = config.server.proxies();
    Protection::new(Settings { proxies, rates: config.limits.rates(), load: config.limits.load(), throttle })
}

/// The program that parses documents in a process of its own: this one. On Linux the path stays right when the file on disk is
/// replaced by another version.
fn parser() -> anyhow::Result<Vec<String>> {
    let own = std::path::Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    Ok(vec![program.to_string_lossy().into_owned(), crate::cli::PARSE_DOCUMENT.to_owned()])
}

/// Runs background work, and begins again when it could not begin.
async fn work(platform: Arc<Platform>, closing: CancellationToken) {
    while let Err(error) = vital_platform::work::run(Arc::clone(&platform)).await {
        tracing::error!(%error, "background work cannot start; trying again");
        tokio::select! {
            () = closing.cancelled() => return,
            () = tokio::time::sleep(WORK_RETRY) => {}
        }
    }
}

async fn announce(config: &Config, platform: &Platform, bound: SocketAddr, begun: Instant) -> anyhow::Result<()> {
    let address = config.address(bound);
    let took_ms = begun.elapsed().as_millis();
    tracing::info!(took_ms, address, composer = platform.composer(), version = env!("CARGO_PKG_VERSION"), "ready");
    tell(&format!("ready in {took_ms} ms at {address}"));
    if identity::setup_pending(platform).await? {
        let token = identity::issue_setup_link(platform).await?;
        tell(&format!("set up your organisation with this one-time link: {}", setup_address(&address, token.reveal())));
    }
    Ok(())
}

/// Tells whoever started the server; log lines go to standard error, so this stays readable beside JSON. Nobody has to be reading.
fn tell(line: &str) {
    let _ = terminal::data(line);
}

impl Running {
    /// Requests first, then background work and answers, then the database.
    async fn stop(self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.closing.cancel();
        // One that ended by itself has been reported already.
        if !self.web.is_finished() {
            self.web.await??;
        }
        self.platform.stop().await;
        let _ = self.work.await;
        if let Some(supervisor) = self.supervisor {
            supervisor.stop().await?;
        }
        tracing::info!(took_ms = begun.elapsed().as_millis(), "stopped");
        Ok(())
    }
}
