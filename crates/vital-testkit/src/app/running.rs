//! One life of the server, in a runtime of its own.

use super::{LOOK, Options};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_util::sync::CancellationToken;
use vital_mail::Mailer;
use vital_outbound::Egress;
use vital_platform::{ModelLoad, Parts, Platform};
use vital_store::testdb::TestDb;
use vital_tools::Toolbox;
use vital_web::{AppState, Protection};

/// How long dropped tasks may take to be gone, which is until a piece of blocking work is done.
const KILL: Duration = Duration::from_secs(20);

/// Folder of the messages that were sent.
pub(super) const MAIL: &str = "mail";

/// Runs background work, and begins again when it could not begin, as the binary does.
async fn work(platform: Arc<Platform>) {
    while vital_platform::work::run(Arc::clone(&platform)).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    runtime: Runtime,
    platform: Arc<Platform>,
    closing: CancellationToken,
}

impl Running {
    pub(super) async fn start(db: &Arc<TestDb>, folder: &Path, options: &Options, address: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let closing = CancellationToken::new();
        let (db, folder, options, stop) = (Arc::clone(db), folder.to_owned(), options.clone(), closing.clone());
        let started = runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.expect("a free port");
            let address = listener.local_addr().unwrap();
            let parts = Parts {
                db: db.reopen().await.expect("the database can be opened"),
                index_folder: folder.join("index"),
                parser: options.parser,
                embedder: options.embedder,
                provider: options.provider,
                site: format!("http://localhost:{}", address.port()),
                mailer: Mailer::folder(folder.join(MAIL), "vital@localhost.example").expect("the folder of messages can be made"),
                erasure_ledger: folder.join("erasures.jsonl"),
                egress: Egress::default().loopback_issuers(true),
                trail: vital_platform::audit::trail::TrailSettings::within(&folder),
                toolbox: Toolbox::new(Egress::default(), *options.public_sources).expect("the tools can be made"),
                name_server: options.name_server,
                authority: options.authority,
                alone: options.alone,
                models: ModelLoad::default(),
                answers: options.answers,
            };
            let platform = Platform::new(parts).unwrap();
            vital_platform::tenancy::replay_erasures(&platform).await.unwrap();
            let protection = Protection::new(options.protection);
            let state = AppState::new(Arc::clone(&platform), false, stop.clone()).protected_by(protection.clone());
            tokio::spawn(vital_web::serve(listener, vital_web::router(state), protection, stop));
            tokio::spawn(work(Arc::clone(&platform)));
            (platform, address)
        });
        let (platform, address) = started.await.unwrap();
        Self { address, runtime, platform, closing }
    }

    pub(super) async fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, work: impl FnOnce(Arc<Platform>) -> F) -> T {
        self.runtime.spawn(work(Arc::clone(&self.platform))).await.unwrap()
    }

    /// Drops every task where it stands. Blocks.
    pub(super) fn kill(self) {
        let Self { runtime, platform, .. } = self;
        drop(platform);
        runtime.shutdown_timeout(KILL);
    }

    /// Stops as a signal would.
    pub(super) async fn stop(self) {
        let Self { runtime, platform, closing, .. } = self;
        closing.cancel();
        runtime.spawn(async move { platform.stop().await }).await.unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(KILL)).await.unwrap();
    }
}
