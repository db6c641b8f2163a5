//! The local embedder: a thread that owns the model and works the queue off.

use crate::{
    ModelError,
    manifest::Manifest,
    queue::{Batch, Queue, Request},
    session::{Session, count_tokens},
};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Instant,
};
use tokenizers::Tokenizer;
use vital_kernel::{EmbedError, EmbedLane, Embedder, EmbedderStatus};

/// Queries that may wait at once; further ones are refused, and the caller searches without vectors.
const QUERIES_WAITING_MAX: usize = 1_024;

/// A model that is loaded in the background and embeds texts on threads of its own.
///
/// Queries are refused as unavailable while the model loads, so that an answer is not held up; bulk work waits for it. Dropping
/// the embedder ends its thread after the batch at hand and refuses what waits.
pub struct LocalEmbedder {
    name: String,
    dimensions: usize,
    tokens_max: usize,
    shared: Arc<Shared>,
}

struct Shared {
    /// There once the model is loaded.
    tokenizer: OnceLock<Arc<Tokenizer>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    status: EmbedderStatus,
    queue: Queue,
    closed: bool,
}

impl LocalEmbedder {
    /// Reads the description of the model in a folder and begins to load it; [`Embedder::status`] tells when it is ready.
    /// `threads` is the number of CPU threads a batch is computed on, at least 1.
    ///
    /// # Errors
    /// When the folder holds no description of a model. Faults of the model's files show in the status.
    pub fn load(dir: &Path, threads: usize) -> Result<Self, ModelError> {
        let manifest = Manifest::read(dir)?;
        let (name, dimensions, tokens_max) = (manifest.name.clone(), manifest.dimensions, manifest.tokens_max);
        let state = State { status: EmbedderStatus::Loading, queue: Queue::default(), closed: false };
        let shared = Arc::new(Shared { tokenizer: OnceLock::new(), state: Mutex::new(state), changed: Condvar::new() });
        let (worker, dir) = (Arc::clone(&shared), dir.to_owned());
        let thread = thread::Builder::new().name("embedder".into());
        thread.spawn(move || worker.run(&dir, &manifest, threads)).map_err(ModelError::NoThread)?;
        Ok(Self { name, dimensions, tokens_max, shared })
    }

    /// The folder that `script/setup` installs the model in: `$VITAL_MODEL_DIR`, or `minilm` in the cache folder
    /// (`$VITAL_CACHE`, by default `~/.cache/vital-path`). `None` without a home folder.
    #[must_use]
    pub fn default_dir() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("VITAL_MODEL_DIR").or_else(|| {
            let cache = set("VITAL_CACHE").or_else(|| set("HOME").map(|home| home.join(".cache/vital-path")));
            cache.map(|cache| cache.join("minilm"))
        })
    }

    /// Blocks until the model is ready or has failed, for command-line verbs and tests.
    #[must_use]
    pub fn wait(&self) -> EmbedderStatus {
        let state = self.shared.state();
        let state = self.shared.changed.wait_while(state, |s| s.status == EmbedderStatus::Loading).unwrap_or_else(PoisonError::into_inner);
        state.status.clone()
    }
}

impl Drop for LocalEmbedder {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError> {
        let tokenizer = self.shared.tokenizer.get().ok_or_else(|| EmbedError::Unavailable("it is still being loaded".to_owned()))?;
        count_tokens(tokenizer, text).map_err(EmbedError::Failed)
    }

    fn status(&self) -> EmbedderStatus {
        self.shared.state().status.clone()
    }

    fn embed(&self, lane: EmbedLane, texts: Vec<String>) -> Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, EmbedError>> + Send + '_>> {
        let (request, answer) = Request::new(texts);
        let refusal = {
            let mut state = self.shared.state();
            let refusal = match &state.status {
                EmbedderStatus::Failed(cause) => Some(cause.clone()),
                EmbedderStatus::Loading if lane == EmbedLane::Query => Some("it is still being loaded".to_owned()),
                _ if lane == EmbedLane::Query && state.queue.queries_waiting() >= QUERIES_WAITING_MAX => {
                    Some("too many questions wait for it".to_owned())
                }
                _ => None,
            };
            if refusal.is_none() {
                state.queue.push(lane, request);
            }
            refusal
        };
        self.shared.changed.notify_all();
        Box::pin(async move {
            match refusal {
                Some(cause) => Err(EmbedError::Unavailable(cause)),
                None => answer.await.unwrap_or_else(|_| Err(EmbedError::Unavailable("it was stopped".to_owned()))),
            }
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the thread: loads the model, then works the queue off until the embedder is dropped.
    fn run(&self, dir: &Path, manifest: &Manifest, threads: usize) {
        let start = Instant::now();
        let loaded = guarded(|| Session::load(dir, manifest, threads).map_err(|e| e.to_string()));
        let session = match loaded {
            Ok(session) => session,
            Err(cause) => {
                tracing::error!(model = %manifest.name, cause, "the embedding model is not available");
                let mut state = self.state();
                state.queue.refuse_all(&cause);
                state.status = EmbedderStatus::Failed(cause);
                self.changed.notify_all();
                return;
            }
        };
        tracing::info!(model = %manifest.name, threads, load_ms = start.elapsed().as_millis(), "the embedding model is ready");
        let _first = self.tokenizer.set(session.tokenizer());
        self.state().status = EmbedderStatus::Ready;
        self.changed.notify_all();
        while let Some(batch) = self.next() {
            let vectors = guarded(|| session.embed(&batch.texts()));
            if let Err(cause) = &vectors {
                tracing::error!(model = %manifest.name, cause, "embedding failed");
            }
            self.state().queue.finish(batch, vectors);
        }
        self.state().queue.refuse_all("it was stopped");
    }

    /// Waits for work; `None` when the embedder is dropped.
    fn next(&self) -> Option<Batch> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(batch) = state.queue.next() {
                return Some(batch);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Turns a panic of the inference library into an error, so that one text cannot end the thread.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the inference library failed unexpectedly".to_owned()))
}

#[cfg(test)]
mod tests;
