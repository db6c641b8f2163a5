//! Sessions in memory, each with its owner. How their messages flow is rmcp's; whose they are and how many, is decided here.

use crate::{Bounds, Owner};
use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError, SessionConfig},
    },
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

tokio::task_local! {
    /// On whose behalf the request in work may open a session.
    static OPENING: Opening;
}

/// A request that may open a session.
#[derive(Clone)]
pub(crate) struct Opening {
    owner: Owner,
    /// Set when there was no place.
    full: Arc<AtomicBool>,
}

impl Opening {
    /// Runs a request for an owner, and tells whether it wanted a session that there was no place for.
    pub(crate) async fn by<F: Future>(owner: Owner, work: F) -> (F::Output, bool) {
        let full = Arc::new(AtomicBool::new(false));
        let done = OPENING.scope(Self { owner, full: Arc::clone(&full) }, work).await;
        (done, full.load(Ordering::Relaxed))
    }
}

/// Why a session could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("there is no place for a further session")]
    Full,
    #[error("a session without an owner")]
    Nobody,
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// A session's owner, and when they last sent something.
struct Held {
    owner: Owner,
    used: Instant,
}

/// All sessions.
pub(crate) struct Sessions {
    local: LocalSessionManager,
    held: Mutex<HashMap<SessionId, Held>>,
    /// One opens at a time, so that counting and opening are one step.
    opening: tokio::sync::Mutex<()>,
    bounds: Bounds,
}

impl Sessions {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(bounds.idle);
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        Self { local, held: Mutex::default(), opening: tokio::sync::Mutex::default(), bounds }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an owner uses a session; false where it is not theirs.
    pub(crate) fn used(&self, id: &str, owner: &Owner) -> bool {
        match self.lock().get_mut(id) {
            Some(held) if held.owner == *owner => {
                held.used = Instant::now();
                true
            }
            _ => false,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Takes a place for an owner: their longest unused session where they have too many, which is then to be closed.
    fn make_place(&self, owner: &Owner) -> Result<Option<SessionId>, Failure> {
        let mut held = self.lock();
        let own = held.iter().filter(|(_, h)| h.owner == *owner);
        let oldest = own.clone().min_by_key(|(_, h)| h.used).map(|(id, _)| id.clone());
        if own.count() >= self.bounds.sessions_per_owner {
            return Ok(oldest.inspect(|id| drop(held.remove(id))));
        }
        if held.len() >= self.bounds.sessions { Err(Failure::Full) } else { Ok(None) }
    }
}

impl SessionManager for Sessions {
    type Error = Failure;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Failure> {
        let opening = OPENING.try_with(Clone::clone).map_err(|_| Failure::Nobody)?;
        let _one = self.opening.lock().await;
        let unused = self.make_place(&opening.owner).inspect_err(|_| opening.full.store(true, Ordering::Relaxed))?;
        if let Some(unused) = unused {
            self.local.close_session(&unused).await?;
        }
        let (id, transport) = self.local.create_session().await?;
        self.lock().insert(id.clone(), Held { owner: opening.owner, used: Instant::now() });
        Ok((id, transport))
    }

    async fn initialize_session(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<ServerJsonRpcMessage, Failure> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Failure> {
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Failure> {
        self.lock().remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Failure> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}
