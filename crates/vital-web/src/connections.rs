//! Connections: how many in all and from one address, and when one that does nothing is closed.

use crate::proxy::ClientAddress;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// How long a new connection has until the head of its first request is there, whatever it speaks.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection on which no request runs is kept. HTTP/1 connections end earlier, after `server::HEADER_READ`.
pub(crate) const IDLE: Duration = Duration::from_secs(120);

/// The connections that are open.
pub(crate) struct Connections {
    free: Arc<Semaphore>,
    of_address: Mutex<HashMap<IpAddr, usize>>,
    address_max: usize,
}

/// A place among them, given back when dropped.
pub(crate) struct Place {
    _free: OwnedSemaphorePermit,
    of: Option<(Arc<Connections>, IpAddr)>,
}

impl Connections {
    pub(crate) fn new(max: usize, address_max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))), of_address: Mutex::default(), address_max }
    }

    /// Waits until one more connection may be served.
    pub(crate) async fn free(&self) -> std::io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.map_err(std::io::Error::other)
    }

    /// Takes a place for a connection from an address; none when the address has as many as it may. A proxy's are not counted.
    pub(crate) fn place(self: &Arc<Self>, free: OwnedSemaphorePermit, peer: IpAddr, is_proxy: bool) -> Option<Place> {
        if is_proxy {
            return Some(Place { _free: free, of: None });
        }
        let network = ClientAddress(peer).network();
        let mut counts = self.counts();
        let count = counts.entry(network).or_default();
        if *count >= self.address_max {
            return None;
        }
        *count += 1;
        Some(Place { _free: free, of: Some((Arc::clone(self), network)) })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.of_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((connections, network)) = &self.of else { return };
        let mut counts = connections.counts();
        if let Some(count) = counts.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(network);
            }
        }
    }
}

/// What happens on one connection.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    /// Requests that have come.
    requests: u64,
    /// Requests whose response has not been sent in full.
    running: usize,
    /// When the connection began, or when the last response was sent.
    quiet_since: Instant,
}

/// A request that runs, until it is dropped.
pub(crate) struct Running(Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { requests: 0, running: 0, quiet_since: Instant::now() })))
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> Running {
        let mut state = self.state();
        state.requests += 1;
        state.running += 1;
        drop(state);
        Running(self.clone())
    }

    /// When the connection has to be looked at again; it is over when that has passed already.
    pub(crate) fn until(&self) -> Instant {
        let state = self.state();
        match (state.running, state.requests) {
            (0, 0) => state.quiet_since + FIRST_REQUEST,
            (0, _) => state.quiet_since + IDLE,
            _ => Instant::now() + IDLE,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_gets_them_back() {
        let connections = Arc::new(Connections::new(100, 2));
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let free = || async { connections.free().await.unwrap() };
        let held = [connections.place(free().await, a, false), connections.place(free().await, a, false)];
        assert!(held.iter().all(Option::is_some) && connections.place(free().await, a, false).is_none());
        assert!(connections.place(free().await, b, false).is_some(), "another address is not affected");
        assert!(connections.place(free().await, a, true).is_some(), "a proxy brings many people");
        drop(held);
        assert!(connections.place(free().await, a, false).is_some());
        assert!(connections.counts().is_empty() && connections.free.available_permits() == 100, "nothing is kept of those that are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_over_when_nothing_runs_for_long() {
        let activity = Activity::new();
        assert_eq!(activity.until(), Instant::now() + FIRST_REQUEST);
        let (one, two) = (activity.begin(), activity.begin());
        tokio::time::advance(IDLE * 3).await;
        drop(one);
        assert_eq!(activity.until(), Instant::now() + IDLE, "a stream may last");
        drop(two);
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.until(), Instant::now());
    }
}
