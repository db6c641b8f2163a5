//! Concurrency limits, overall and per target, with fair queueing over tenants.
//!
//! A request gets a slot at once if its target and the whole have room; otherwise it waits in its tenant's queue. Each slot that
//! becomes free goes to the tenant whose turn it is among those that can use it, and that tenant goes to the end of the round,
//! where it keeps its place even while nothing of it waits. So a tenant that asks twenty times as much waits twenty times as
//! long, and the others wait for at most one turn of it.
//! Source of the discipline: John Nagle, "On Packet Switches With Infinite Storage", RFC 970, section 4: round robin over the
//! sources, one packet each.
//!
//! **Invariant:** while a request waits, its target or the whole is full (work conserving), so nobody who comes later overtakes.
//! **Invariant:** a slot is held by exactly one [`Permit`], and dropping that frees it, wherever it is: in a stream, or in the
//! channel to a waiter that was dropped.

use super::error::Overloaded;
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use vital_kernel::TenantId;

/// Shortest and longest wait that an overload asks for.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Each slot that is freed moves the mean time of holding one by a sixteenth.
const MEAN_WEIGHT: u32 = 16;

/// The bounds of all targets together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLimits {
    /// Most requests under way at once; 0 is taken as 1.
    pub concurrent: usize,
    /// Most requests waiting; 0 lets nobody wait.
    pub waiting: usize,
    /// Most requests waiting of one tenant.
    pub waiting_per_tenant: usize,
}

impl Default for SlotLimits {
    fn default() -> Self {
        Self { concurrent: 512, waiting: 4_096, waiting_per_tenant: 128 }
    }
}

/// The slots of every target. One lock guards them all, for a few instructions and never across an await.
#[derive(Debug)]
pub(super) struct Slots {
    limits: SlotLimits,
    state: Mutex<State>,
}

/// One target's share of the slots; whoever may ask for a slot holds it, so that it goes with the last of them.
#[derive(Debug)]
pub(super) struct Lane {
    slots: Arc<Slots>,
    id: LaneId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LaneId(u64);

#[derive(Debug, Default)]
struct State {
    in_use: usize,
    waiting: usize,
    next_id: u64,
    lanes: HashMap<LaneId, Room>,
    queues: HashMap<TenantId, Queue>,
    /// The tenants that wait, or waited since they had a turn, each once; the one whose turn it is first. The same as in `queues`.
    round: VecDeque<TenantId>,
    /// Mean time that a slot was held.
    held: Duration,
}

#[derive(Debug)]
struct Room {
    in_use: usize,
    limit: usize,
}

/// The waiting requests of one tenant, by target.
#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    lanes: Vec<(LaneId, VecDeque<Place>)>,
}

#[derive(Debug)]
struct Place {
    id: u64,
    grant: oneshot::Sender<Permit>,
}

/// One slot; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Permit {
    /// None once somebody else frees the slot.
    slots: Option<Arc<Slots>>,
    lane: LaneId,
    since: Instant,
}

/// A place in the queue; dropping it gives the place up, or the slot if it has been granted meanwhile.
#[derive(Debug)]
pub(super) struct Waiting {
    slots: Arc<Slots>,
    tenant: TenantId,
    lane: LaneId,
    id: u64,
    granted: oneshot::Receiver<Permit>,
}

#[derive(Debug)]
pub(super) enum Entered {
    Now(Permit),
    Later(Waiting),
}

/// How full a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests under way.
    pub in_use: usize,
    /// Requests waiting for a slot.
    pub waiting: usize,
}

impl Slots {
    pub(super) fn new(limits: SlotLimits) -> Arc<Self> {
        Arc::new(Self { limits: SlotLimits { concurrent: limits.concurrent.max(1), ..limits }, state: Mutex::default() })
    }

    /// Adds a target with its own limit.
    pub(super) fn open(self: &Arc<Self>, limit: usize) -> Lane {
        let mut state = self.lock();
        let id = LaneId(state.next_id());
        state.lanes.insert(id, Room { in_use: 0, limit });
        Lane { slots: Arc::clone(self), id }
    }

    pub(super) fn total(&self) -> Load {
        let state = self.lock();
        Load { in_use: state.in_use, waiting: state.waiting }
    }

    fn room(&self, state: &State, lane: LaneId) -> bool {
        state.in_use < self.limits.concurrent && state.lanes.get(&lane).is_some_and(|lane| lane.in_use < lane.limit)
    }

    fn permit(self: &Arc<Self>, lane: LaneId) -> Permit {
        Permit { slots: Some(Arc::clone(self)), lane, since: Instant::now() }
    }

    /// Gives free slots to the tenants whose turn it is, until nobody who waits can use one.
    fn grant(self: &Arc<Self>, state: &mut State) {
        while state.waiting > 0 && state.in_use < self.limits.concurrent {
            let Some((tenant, lane, place)) = state.next() else { return };
            state.take(lane);
            if let Err(mut permit) = place.grant.send(self.permit(lane)) {
                // The waiter is gone. The lock is held here, so the permit must not free its slot by itself.
                permit.slots = None;
                state.give_back(lane);
            } else {
                state.end_turn(tenant);
            }
        }
    }

    /// An estimate of when a place is free: the time to work off the queue at the present pace.
    fn retry_after(&self, state: &State) -> Duration {
        let rounds = state.waiting / self.limits.concurrent.min(state.in_use).max(1) + 1;
        let wait = state.held.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }

    /// No code that can panic runs with the lock held, and what it guards is consistent between calls.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Takes a slot, or a place in the queue.
    ///
    /// # Errors
    /// [`Overloaded`] if the tenant's queue or the whole queue is full.
    pub(super) fn enter(&self, tenant: TenantId) -> Result<Entered, Overloaded> {
        let (slots, lane) = (&self.slots, self.id);
        let mut state = slots.lock();
        if slots.room(&state, lane) {
            state.take(lane);
            return Ok(Entered::Now(slots.permit(lane)));
        }
        let of_tenant = state.queues.get(&tenant).map_or(0, |queue| queue.waiting);
        if of_tenant >= slots.limits.waiting_per_tenant || state.waiting >= slots.limits.waiting {
            return Err(Overloaded { retry_after: slots.retry_after(&state) });
        }
        let id = state.next_id();
        let (grant, granted) = oneshot::channel();
        state.wait(tenant, lane, Place { id, grant });
        Ok(Entered::Later(Waiting { slots: Arc::clone(slots), tenant, lane, id, granted }))
    }

    /// Changes the target's limit; what is under way goes on.
    pub(super) fn resize(&self, limit: usize) {
        let mut state = self.slots.lock();
        if let Some(room) = state.lanes.get_mut(&self.id) {
            room.limit = limit;
        }
        self.slots.grant(&mut state);
    }

    pub(super) fn load(&self) -> Load {
        let state = self.slots.lock();
        let lanes = state.queues.values().flat_map(|queue| &queue.lanes);
        Load {
            in_use: state.lanes.get(&self.id).map_or(0, |room| room.in_use),
            waiting: lanes.filter(|(lane, _)| *lane == self.id).map(|(_, places)| places.len()).sum(),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Nobody waits for it: a waiter's request holds the lane. Permits that are still out free their slot of the whole.
        self.slots.lock().lanes.remove(&self.id);
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn take(&mut self, lane: LaneId) {
        self.in_use += 1;
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.in_use += 1;
        }
    }

    fn give_back(&mut self, lane: LaneId) {
        self.in_use -= 1;
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.in_use -= 1;
        }
    }

    fn wait(&mut self, tenant: TenantId, lane: LaneId, place: Place) {
        let queue = self.queues.entry(tenant).or_insert_with(|| {
            self.round.push_back(tenant);
            Queue::default()
        });
        queue.waiting += 1;
        self.waiting += 1;
        match queue.lanes.iter_mut().find(|(id, _)| *id == lane) {
            Some((_, places)) => places.push_back(place),
            None => queue.lanes.push((lane, VecDeque::from([place]))),
        }
    }

    /// Takes the first place, in the order of the round, whose target has room.
    fn next(&mut self) -> Option<(TenantId, LaneId, Place)> {
        let (lanes, queues) = (&self.lanes, &mut self.queues);
        let mut found = self.round.iter().enumerate().filter_map(|(at, tenant)| Some((at, *tenant, queues.get_mut(tenant)?.take(lanes)?)));
        let (at, tenant, (lane, place)) = found.next()?;
        // Those before it whose turn it was and who want nothing leave the round.
        for at in (0..at).rev() {
            if queues.get(&self.round[at]).is_some_and(|queue| queue.waiting == 0)
                && let Some(idle) = self.round.remove(at)
            {
                queues.remove(&idle);
            }
        }
        self.left(tenant);
        Some((tenant, lane, place))
    }

    /// Removes one place, if it still waits.
    fn leave(&mut self, tenant: TenantId, lane: LaneId, id: u64) {
        let places = self.queues.get_mut(&tenant).and_then(|queue| queue.lanes.iter_mut().find(|(of, _)| *of == lane));
        let Some((_, places)) = places else { return };
        if let Ok(at) = places.binary_search_by_key(&id, |place| place.id) {
            places.remove(at);
            self.left(tenant);
        }
    }

    /// Counts a place less. The tenant stays in the round until its turn comes, so that one request at a time waits no longer than
    /// many; once nobody waits there is no round.
    fn left(&mut self, tenant: TenantId) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.queues.clear();
            self.round.clear();
        } else if let Some(queue) = self.queues.get_mut(&tenant) {
            queue.waiting -= 1;
            queue.lanes.retain(|(_, places)| !places.is_empty());
        }
    }

    /// Moves a tenant that got a slot to the end of the round.
    fn end_turn(&mut self, tenant: TenantId) {
        if let Some(at) = self.round.iter().position(|waiting| *waiting == tenant) {
            self.round.remove(at);
            self.round.push_back(tenant);
        }
    }
}

impl Queue {
    /// Takes the place that came first among those whose target has room.
    fn take(&mut self, lanes: &HashMap<LaneId, Room>) -> Option<(LaneId, Place)> {
        let has_room = |lane: &LaneId| lanes.get(lane).is_some_and(|room| room.in_use < room.limit);
        let places = self.lanes.iter_mut().filter(|(lane, _)| has_room(lane));
        let (lane, places) = places.min_by_key(|(_, places)| places.front().map_or(u64::MAX, |place| place.id))?;
        Some((*lane, places.pop_front()?))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(slots) = self.slots.take() else { return };
        let mut state = slots.lock();
        let held = self.since.elapsed();
        state.held = if state.held.is_zero() { held } else { (state.held * (MEAN_WEIGHT - 1) + held) / MEAN_WEIGHT };
        state.give_back(self.lane);
        slots.grant(&mut state);
    }
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        match Pin::new(&mut self.granted).poll(cx) {
            Poll::Ready(Ok(permit)) => Poll::Ready(permit),
            // The sender is only dropped together with the place, which is removed by this waiter alone.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.slots.lock().leave(self.tenant, self.lane, self.id);
        // A permit that was granted and not taken frees its slot when the channel is dropped, after this, without the lock.
    }
}

#[cfg(test)]
mod tests;
