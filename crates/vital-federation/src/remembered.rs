//! Documents of providers, remembered for a while: discovery metadata and key sets.
//!
//! **Invariant:** at most one fetch of a document runs at a time; a failed fetch is not repeated for [`FAILURE_PAUSE`]; a document
//! that was found wanting (an unknown key id) is renewed at most once per [`RENEWAL_PAUSE`], whatever strangers send.
//! A document older than [`REMEMBERED_FOR`] is never used, even when the provider is down: a withdrawn key must stop working.

use crate::FederationError;
use moka::sync::Cache;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// How long a document is used before it is fetched again.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(10 * 60);
/// Shortest time between two renewals of a document.
pub const RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// How long a failure is answered again without asking the provider.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// Most documents that are remembered; the least used ones go first.
const DOCUMENTS_MAX: u64 = 1_000;
/// A document that nobody asked for is forgotten after this time.
const IDLE_FOR: Duration = Duration::from_secs(60 * 60);

/// Documents by their address.
pub(crate) struct Remembered<T> {
    slots: Cache<String, Arc<Mutex<Slot<T>>>>,
}

struct Slot<T> {
    document: Option<(Instant, Arc<T>)>,
    failure: Option<(Instant, FederationError)>,
    renewed: Option<Instant>,
}

impl<T> Slot<T> {
    const fn empty() -> Self {
        Self { document: None, failure: None, renewed: None }
    }

    fn fresh(&self) -> Option<Arc<T>> {
        self.document.as_ref().filter(|(fetched, _)| fetched.elapsed() < REMEMBERED_FOR).map(|(_, document)| Arc::clone(document))
    }

    fn recent_failure(&self) -> Option<FederationError> {
        self.failure.as_ref().filter(|(failed, _)| failed.elapsed() < FAILURE_PAUSE).map(|(_, error)| error.clone())
    }

    fn keep(&mut self, fetched: Result<T, FederationError>) -> Result<Arc<T>, FederationError> {
        match fetched {
            Ok(document) => {
                let document = Arc::new(document);
                self.document = Some((Instant::now(), Arc::clone(&document)));
                self.failure = None;
                Ok(document)
            }
            Err(error) => {
                self.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl<T: Send + Sync + 'static> Remembered<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Cache::builder().max_capacity(DOCUMENTS_MAX).time_to_idle(IDLE_FOR).build() }
    }

    /// Returns the document, fetched if it is not known or too old.
    pub(crate) async fn get(
        &self,
        address: &str,
        fetch: impl Future<Output = Result<T, FederationError>> + Send,
    ) -> Result<Arc<T>, FederationError> {
        let slot = self.slot(address);
        let mut slot = slot.lock().await;
        if let Some(document) = slot.fresh() {
            return Ok(document);
        }
        if let Some(error) = slot.recent_failure() {
            return Err(error);
        }
        let fetched = fetch.await;
        slot.keep(fetched)
    }

    /// Returns a newer document than `stale`, or nothing while renewing has to wait.
    pub(crate) async fn renew(
        &self,
        address: &str,
        stale: &Arc<T>,
        fetch: impl Future<Output = Result<T, FederationError>> + Send,
    ) -> Result<Option<Arc<T>>, FederationError> {
        let slot = self.slot(address);
        let mut slot = slot.lock().await;
        if let Some(document) = slot.fresh().filter(|document| !Arc::ptr_eq(document, stale)) {
            return Ok(Some(document));
        }
        if slot.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWAL_PAUSE) {
            return Ok(None);
        }
        slot.renewed = Some(Instant::now());
        let fetched = fetch.await;
        slot.keep(fetched).map(Some)
    }

    fn slot(&self, address: &str) -> Arc<Mutex<Slot<T>>> {
        self.slots.get_with_by_ref(address, || Arc::new(Mutex::new(Slot::empty())))
    }
}

// Derived, it would ask that documents can be cloned.
impl<T> Clone for Remembered<T> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone() }
    }
}

impl<T> fmt::Debug for Remembered<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remembered").finish_non_exhaustive()
    }
}
