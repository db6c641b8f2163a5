//! The parts that verbs work with, assembled once by the binary or the test kit.

use crate::{
    ask,
    audit::trail::{Trail, TrailSettings},
    experts, idempotency,
    identity::{Remembered, Throttle, Verifiers},
    knowledge,
    places::Places,
    providers, relay,
    tenancy::domains::Domains,
    tools,
    work::Held,
};
use std::{
    path::PathBuf,
    sync::{Arc, Weak},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vital_federation::Http;
use vital_kernel::{Embedder, Error, Result, limits};
use vital_llm::{
    Provider,
    gateway::{ExactCache, Gateway, SlotLimits},
};
use vital_mail::Mailer;
use vital_outbound::{Egress, Outbound, Purpose};
use vital_store::{Db, Node};
use vital_tools::Toolbox;

/// What the binary hands over.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Folder of the lexical indexes: derived data, rebuilt when lost.
    pub index_folder: PathBuf,
    /// The program that parses documents in a process of its own, and its arguments.
    pub parser: Vec<String>,
    /// The local embedding model, or why there is none.
    pub embedder: Result<Arc<dyn Embedder>, String>,
    /// The provider that writes answers; none means the built-in extractive composer.
    pub provider: Option<Provider>,
    /// The address people use, without a closing slash: links in messages and passkeys are bound to it.
    pub site: String,
    /// Sends messages.
    pub mailer: Mailer,
    /// The file that keeps what was erased, outside of the database and its backups.
    pub erasure_ledger: PathBuf,
    /// Where addresses that organisations give may lead.
    pub egress: Egress,
    /// The built-in tools, with where their public sources are.
    pub toolbox: Toolbox,
    /// The name server that proofs of custom domains are read from; none means those of this machine.
    pub name_server: Option<std::net::SocketAddr>,
    /// The authority that certificates of custom domains are ordered from, if there is one.
    pub authority: Option<vital_tls::acme::Authority>,
    /// Where the checkpoints of the audit trail and their keys are kept.
    pub trail: TrailSettings,
    /// True where this process is alone on its database, so that work of a predecessor can be taken up at once.
    pub alone: bool,
    /// How many requests to models at once.
    pub models: ModelLoad,
    /// Where answers of models are kept for equal requests; none keeps none.
    pub answers: Option<ExactCache>,
}

/// How many requests to models at once. The defaults are the constants of `vital_kernel::limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLoad {
    /// Requests under way, answers of experts included; further ones wait their turn.
    pub requests: usize,
    /// Of these, requests to one model.
    pub of_model: usize,
    /// Requests of other software that are relayed or wait for it; one organisation may have half. Further ones are refused.
    pub relays: usize,
}

impl Default for ModelLoad {
    fn default() -> Self {
        Self { requests: limits::MODEL_REQUESTS_MAX, of_model: limits::MODEL_REQUESTS_MODEL_MAX, relays: limits::RELAYS_MAX }
    }
}

/// The running platform.
pub struct Platform {
    pub(crate) db: Db,
    pub(crate) node: Node,
    pub(crate) alone: bool,
    pub(crate) sandbox: knowledge::Sandbox,
    pub(crate) profiles: experts::Profiles,
    pub(crate) indexes: knowledge::Indexes,
    pub(crate) embedder: Result<Arc<dyn Embedder>, String>,
    pub(crate) provider: Option<Provider>,
    pub(crate) installation: Option<providers::Writer>,
    pub(crate) gateway: Gateway,
    pub(crate) providers: providers::Remembered,
    pub(crate) tool_servers: tools::servers::Remembered,
    pub(crate) relays: relay::Relays,
    pub(crate) egress: Egress,
    pub(crate) toolbox: Toolbox,
    pub(crate) streams: ask::Streams,
    pub(crate) site: String,
    pub(crate) mailer: Mailer,
    pub(crate) trail: Trail,
    pub(crate) erasure_ledger: PathBuf,
    pub(crate) remembered: Remembered,
    pub(crate) federation: Http,
    pub(crate) verifiers: Verifiers,
    pub(crate) domains: Domains,
    pub(crate) throttle: Throttle,
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) generations: Places,
    pub(crate) embeddings: Places,
    pub(crate) webhooks: Outbound,
    pub(crate) webhooks_waiting: tokio::sync::Notify,
    pub(crate) work_waiting: tokio::sync::Notify,
    pub(crate) held: Held,
    pub(crate) attempts: idempotency::Attempts,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    this: Weak<Self>,
}

/// The gateway's limits. One organisation has a third of the queue at most.
fn slots(load: ModelLoad) -> SlotLimits {
    let usual = SlotLimits::default();
    let waiting = usual.waiting.max(load.relays);
    SlotLimits { concurrent: load.requests, waiting, waiting_per_tenant: usual.waiting_per_tenant.max(load.relays / 3) }
}

impl Platform {
    /// Assembles the platform. Nothing runs yet: `work::run` starts the background work.
    ///
    /// # Errors
    /// `Unavailable` when the system's certificates cannot be read.
    pub fn new(parts: Parts) -> Result<Arc<Self>> {
        let load = parts.models;
        let gateway = Gateway::new(slots(load), parts.answers);
        let federation = Http::builder().egress(parts.egress.clone()).build()?;
        let webhooks = Outbound::builder(Purpose::Webhook).egress(parts.egress.clone()).build();
        let webhooks = webhooks.map_err(|e| Error::unavailable("webhook.client", e.to_string()))?;
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            db: parts.db,
            node: Node::new(),
            alone: parts.alone,
            sandbox: knowledge::Sandbox::new(parts.parser),
            profiles: experts::Profiles::default(),
            indexes: knowledge::Indexes::new(parts.index_folder),
            embedder: parts.embedder,
            installation: parts.provider.as_ref().map(|provider| providers::Writer::installation(&gateway, provider, load.of_model)),
            provider: parts.provider,
            gateway,
            providers: providers::Remembered::new(load.of_model),
            relays: relay::Relays::new(load.relays),
            tool_servers: tools::servers::Remembered::new(parts.egress.clone()),
            egress: parts.egress,
            toolbox: parts.toolbox,
            streams: ask::Streams::default(),
            site: parts.site,
            mailer: parts.mailer,
            trail: Trail::new(parts.trail),
            erasure_ledger: parts.erasure_ledger,
            remembered: Remembered::default(),
            federation,
            verifiers: Verifiers::default(),
            domains: Domains::new(parts.name_server, parts.authority),
            throttle: Throttle::default(),
            hashing: Arc::new(Semaphore::new(limits::PASSWORD_HASHES_MAX)),
            generations: Places::new(limits::GENERATIONS_MAX, limits::GENERATIONS_TENANT_MAX),
            embeddings: Places::new(limits::EMBEDDINGS_MAX, limits::EMBEDDINGS_TENANT_MAX),
            webhooks,
            webhooks_waiting: tokio::sync::Notify::new(),
            work_waiting: tokio::sync::Notify::new(),
            held: Held::default(),
            attempts: idempotency::Attempts::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }))
    }

    /// A handle that a task of its own can hold.
    pub(crate) fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// The database, for the health probes and operator verbs of the binary.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The address people use, without a closing slash.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Name of what writes the answers of organisations without models of their own: `extractive`, or provider and model.
    #[must_use]
    pub fn composer(&self) -> String {
        self.provider.as_ref().map_or_else(|| "extractive".to_owned(), |p| format!("{} {}", p.name(), p.model()))
    }

    /// State of the embedding model, for people.
    #[must_use]
    pub fn embedding_note(&self) -> Option<String> {
        use vital_kernel::EmbedderStatus::{Failed, Loading, Ready};
        match &self.embedder {
            Err(why) => Some(why.clone()),
            Ok(model) => match model.status() {
                Ready => None,
                Loading => Some("The embedding model is still loading; until then search works by words alone.".to_owned()),
                Failed(why) => Some(format!("The embedding model failed ({why}); search works by words alone.")),
            },
        }
    }

    /// Stops background work and running answers, each with its typed end, and waits for them.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.db.close().await;
    }
}
