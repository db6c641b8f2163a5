//! How many at once: more than the server can do in time is refused at once, so that what is admitted stays fast.
//!
//! Requests hold a place until the head of their response is made, so event streams and downloads do not count here for as long as they
//! last. Requests that compute hashes or receive files have places of their own: neither a flood of passwords nor slow uploads keep
//! others out. A small queue with a short deadline takes up bursts. The probes are always let in. Event streams are counted apart.

use crate::{
    caller::SignedIn,
    held::Held,
    limits::{self, Class},
    problem::Problem,
    state::AppState,
};
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vital_kernel::{Error, limits as defaults};

/// Routes whose responses are event streams, or wait for a whole answer.
pub(crate) const STREAM_ROUTES: [&str; 5] = ["/api/v1/turns/{id}/events", "/v1/chat/completions", "/v1/messages", "/v1/responses", "/mcp"];
/// Routes of no class whose head may come when an answer is whole, so that they must not hold the places of others.
const WAITING_ROUTES: [&str; 1] = ["/mcp"];
/// Longest wait in the queue.
const QUEUE_WAIT: Duration = Duration::from_millis(250);
/// When who was refused should come back: by then the queue has turned over several times.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How many at once. The defaults are the constants of `vital_kernel::limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests in work; as many again may wait a quarter of a second.
    pub in_flight: usize,
    /// Requests with credentials in work.
    pub credentials_in_flight: usize,
    /// Uploads in work.
    pub uploads_in_flight: usize,
    /// Event streams of one person.
    pub streams_per_user: usize,
    /// Event streams in all.
    pub streams: usize,
    /// Connections in all; further ones wait in the listener's queue.
    pub connections: usize,
    /// Connections from one network address; further ones are closed at once.
    pub connections_per_address: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            in_flight: defaults::REQUESTS_IN_FLIGHT_MAX,
            credentials_in_flight: defaults::CREDENTIALS_IN_FLIGHT_MAX,
            uploads_in_flight: defaults::UPLOADS_IN_FLIGHT_MAX,
            streams_per_user: defaults::STREAMS_USER_MAX,
            streams: defaults::STREAMS_MAX,
            connections: defaults::CONNECTIONS_MAX,
            connections_per_address: defaults::CONNECTIONS_ADDRESS_MAX,
        }
    }
}

/// The places.
pub(crate) struct Admission {
    all: Pool,
    credentials: Pool,
    uploads: Pool,
    answers: Pool,
    streams: Arc<Streams>,
}

impl Admission {
    pub(crate) fn new(load: &Load) -> Self {
        Self {
            all: Pool::new(load.in_flight),
            credentials: Pool::new(load.credentials_in_flight),
            uploads: Pool::new(load.uploads_in_flight),
            answers: Pool::new(load.streams),
            streams: Arc::new(Streams { of_user: Mutex::default(), user_max: load.streams_per_user, max: load.streams }),
        }
    }
}

/// Places with a queue as long as there are places.
struct Pool {
    places: Arc<Semaphore>,
    queued: AtomicUsize,
    queue_max: usize,
}

impl Pool {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), queued: AtomicUsize::new(0), queue_max: places }
    }

    async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(permit);
        }
        let queued = Queued::join(&self.queued, self.queue_max)?;
        let entered = tokio::time::timeout(QUEUE_WAIT, Arc::clone(&self.places).acquire_owned()).await;
        drop(queued);
        entered.ok()?.ok()
    }
}

/// A place in the queue; given back also when the client goes away while it waits.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn join(queued: &'a AtomicUsize, max: usize) -> Option<Self> {
        let joined = Self(queued);
        (queued.fetch_add(1, Ordering::Relaxed) < max).then_some(joined)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request in, after a short wait if need be, or sends it away.
pub(crate) async fn admit(State(s): State<AppState>, request: Request, next: Next) -> Response {
    if limits::is_probe(&request) {
        return next.run(request).await;
    }
    let pool = match limits::class(&request) {
        Some(Class::Credentials) => &s.protection.admission.credentials,
        Some(Class::Upload) => &s.protection.admission.uploads,
        Some(Class::Door) => &s.protection.admission.answers,
        None if waits(&request) => &s.protection.admission.answers,
        Some(Class::Asking) | None => &s.protection.admission.all,
    };
    match pool.enter().await {
        Some(_place) => next.run(request).await,
        None => busy().into_response(),
    }
}

fn waits(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_some_and(|m| WAITING_ROUTES.contains(&m.as_str()))
}

fn busy() -> Problem {
    let detail = "The server has more to do than it can do in time. Nothing was changed; try again in a moment.";
    Error::unavailable("server.busy", detail).with_retry_after(RETRY_AFTER).into()
}

/// The event streams that are open, by person.
struct Streams {
    of_user: Mutex<Open>,
    user_max: usize,
    max: usize,
}

#[derive(Default)]
struct Open {
    all: usize,
    of_user: HashMap<String, usize>,
}

/// A place among the streams, given back when the stream ends.
struct Following {
    streams: Arc<Streams>,
    user: String,
}

impl Streams {
    fn enter(self: &Arc<Self>, user: String) -> Result<Following, Problem> {
        let mut open = self.of_user.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.max {
            return Err(busy());
        }
        let count = open.of_user.entry(user.clone()).or_default();
        if *count >= self.user_max {
            let detail = format!("This account follows {} answers at once already. Close one, and follow this one again.", self.user_max);
            return Err(Error::rate_limited("rate.streams", detail).with_retry_after(RETRY_AFTER).into());
        }
        *count += 1;
        open.all += 1;
        Ok(Following { streams: Arc::clone(self), user })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut open = self.streams.of_user.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.of_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.of_user.remove(&self.user);
            }
        }
    }
}

/// Counts event streams, for as long as they last.
pub(crate) async fn streams(State(s): State<AppState>, request: Request, next: Next) -> Response {
    let streams = request.extensions().get::<MatchedPath>().is_some_and(|m| STREAM_ROUTES.contains(&m.as_str()));
    let Some(SignedIn(caller)) = request.extensions().get::<SignedIn>().filter(|_| streams) else { return next.run(request).await };
    match s.protection.admission.streams.enter(limits::person(caller)) {
        Ok(following) => next.run(request).await.map(|body| Body::new(Held::new(body, following))),
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_house_queues_a_few_briefly_and_sends_the_rest_away_at_once() {
        let pool = Arc::new(Pool::new(2));
        let inside = [pool.enter().await, pool.enter().await];
        assert!(inside.iter().all(Option::is_some));
        let began = tokio::time::Instant::now();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn({
                    let pool = Arc::clone(&pool);
                    async move { pool.enter().await.is_some() }
                })
            })
            .collect();
        while pool.queued.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        assert!(pool.enter().await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO, "the queue is full, so nobody waits for the answer");
        for waiting in waiting {
            assert!(!waiting.await.unwrap(), "nobody left within the deadline");
        }
        assert_eq!((began.elapsed() >= QUEUE_WAIT, pool.queued.load(Ordering::Relaxed)), (true, 0));
        drop(inside);
        assert!(pool.enter().await.is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_becomes_free_and_who_goes_away_leaves_the_queue() {
        let pool = Arc::new(Pool::new(1));
        let inside = pool.enter().await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.enter().await.is_some() }
        });
        while pool.queued.load(Ordering::Relaxed) < 1 {
            tokio::task::yield_now().await;
        }
        drop(inside);
        assert!(waiting.await.unwrap());
        let _inside = pool.enter().await;
        assert!(futures_util::FutureExt::now_or_never(pool.enter()).is_none(), "it waits, and is given up");
        assert_eq!(pool.queued.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn streams_are_counted_by_person_and_in_all() {
        let streams = Arc::new(Streams { of_user: Mutex::default(), user_max: 2, max: 3 });
        let enter = |user: &str| streams.enter(user.to_owned());
        let held = [enter("a").unwrap(), enter("a").unwrap()];
        assert_eq!(enter("a").err().unwrap().status(), 429);
        let other = enter("b").unwrap();
        assert_eq!(enter("c").err().unwrap().status(), 503);
        drop((held, other));
        assert!(enter("a").is_ok() && streams.of_user.lock().unwrap().of_user.is_empty(), "nothing is kept of those that are gone");
    }
}
