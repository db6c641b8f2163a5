//! The laws of the slots: nothing lost, nothing over the limit, nobody overtaken.

use super::*;
use futures_util::FutureExt;
use proptest::prelude::*;
use uuid::Uuid;

const WIDE: SlotLimits = SlotLimits { concurrent: 1_000, waiting: 100_000, waiting_per_tenant: 100_000 };

fn tenant(number: usize) -> TenantId {
    TenantId(Uuid::from_u128(number as u128))
}

fn now(entered: Result<Entered, Overloaded>) -> Permit {
    match entered {
        Ok(Entered::Now(permit)) => permit,
        other => panic!("not at once: {other:?}"),
    }
}

fn later(entered: Result<Entered, Overloaded>) -> Waiting {
    match entered {
        Ok(Entered::Later(waiting)) => waiting,
        other => panic!("no wait: {other:?}"),
    }
}

impl Waiting {
    /// The permit, if it has been granted.
    fn now(&mut self) -> Option<Permit> {
        self.now_or_never()
    }
}

#[test]
fn a_tenant_at_twenty_times_the_load_delays_the_others_by_one_turn() {
    let slots = Slots::new(WIDE);
    let lane = slots.open(1);
    let mut held = Some(now(lane.enter(tenant(0))));
    let mut noisy: VecDeque<_> = (0..20).map(|_| later(lane.enter(tenant(0)))).collect();
    let mut quiet = later(lane.enter(tenant(1)));
    held.take();
    let first = noisy[0].now().expect("it came first");
    assert!(quiet.now().is_none());
    drop(first);
    assert!(quiet.now().is_some(), "the second free slot is the quiet tenant's");
}

#[test]
fn a_full_queue_is_refused_with_a_time_to_come_back_and_leaves_room_to_other_tenants() {
    let slots = Slots::new(SlotLimits { concurrent: 1, waiting: 3, waiting_per_tenant: 2 });
    let lane = slots.open(1);
    let _held = now(lane.enter(tenant(0)));
    let waiting: Vec<_> = (0..2).map(|_| later(lane.enter(tenant(0)))).collect();
    assert_eq!(lane.enter(tenant(0)).expect_err("full").retry_after, RETRY_AFTER_MIN);
    let _other = later(lane.enter(tenant(1)));
    assert!(lane.enter(tenant(2)).is_err(), "the whole queue is full");
    drop(waiting);
    assert_eq!(slots.total(), Load { in_use: 1, waiting: 1 });
    later(lane.enter(tenant(0)));
}

#[test]
fn a_full_target_does_not_hold_up_another() {
    let slots = Slots::new(WIDE);
    let (full, free) = (slots.open(1), slots.open(1));
    let _held = now(full.enter(tenant(0)));
    let _waiting = later(full.enter(tenant(0)));
    now(free.enter(tenant(0)));
}

#[test]
fn a_higher_limit_admits_those_who_wait() {
    let slots = Slots::new(WIDE);
    let lane = slots.open(1);
    let _held = now(lane.enter(tenant(0)));
    let mut waiting = later(lane.enter(tenant(1)));
    lane.resize(2);
    assert!(waiting.now().is_some());
}

#[test]
fn slots_of_a_removed_target_come_back_to_the_whole() {
    let slots = Slots::new(SlotLimits { concurrent: 1, ..WIDE });
    let (gone, kept) = (slots.open(1), slots.open(1));
    let held = now(gone.enter(tenant(0)));
    drop(gone);
    let mut waiting = later(kept.enter(tenant(1)));
    drop(held);
    assert!(waiting.now().is_some());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { tenant: usize, lane: usize },
    Free(usize),
    GiveUp(usize),
}

fn steps(lanes: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_usize, 0..lanes).prop_map(|(tenant, lane)| Step::Enter { tenant, lane }),
        // The first tenant is the noisy one.
        3 => (0..lanes).prop_map(|lane| Step::Enter { tenant: 0, lane }),
        4 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::GiveUp),
    ];
    prop::collection::vec(step, 0..200)
}

/// Someone who waits, and how many grants each tenant got at this target since it waits or its tenant had its last turn.
struct Waiter {
    tenant: usize,
    lane: usize,
    waiting: Waiting,
    overtaken_by: [usize; 4],
}

#[derive(Default)]
struct World {
    held: Vec<(usize, Permit)>,
    waiters: Vec<Waiter>,
}

impl World {
    /// Collects what was granted; at most one slot was freed, so at most one was granted.
    fn collect(&mut self) -> Result<(), TestCaseError> {
        let mut granted = Vec::new();
        for (at, waiter) in self.waiters.iter_mut().enumerate() {
            if let Some(permit) = waiter.waiting.now() {
                granted.push((at, permit));
            }
        }
        prop_assert!(granted.len() <= 1);
        for (at, permit) in granted {
            let Waiter { tenant, lane, .. } = self.waiters.remove(at);
            self.held.push((lane, permit));
            for other in &mut self.waiters {
                if other.tenant == tenant {
                    other.overtaken_by = [0; 4];
                } else if other.lane == lane {
                    other.overtaken_by[tenant] += 1;
                    prop_assert!(other.overtaken_by[tenant] <= 1, "tenant {} got two turns while {} waited", tenant, other.tenant);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_slot_is_lost_none_is_given_twice_and_nobody_waits_more_than_a_turn(
        steps in steps(2),
        limits in [1..4_usize, 1..4_usize],
        concurrent in 1..6_usize,
    ) {
        let slots = Slots::new(SlotLimits { concurrent, ..WIDE });
        let lanes = limits.map(|limit| slots.open(limit));
        let mut world = World::default();
        for step in steps {
            match step {
                Step::Enter { tenant: number, lane } => match lanes[lane].enter(tenant(number)) {
                    Ok(Entered::Now(permit)) => world.held.push((lane, permit)),
                    Ok(Entered::Later(waiting)) => world.waiters.push(Waiter { tenant: number, lane, waiting, overtaken_by: [0; 4] }),
                    Err(overloaded) => return Err(TestCaseError::fail(overloaded.to_string())),
                },
                Step::Free(_) if world.held.is_empty() => {}
                Step::Free(at) => drop(world.held.swap_remove(at % world.held.len())),
                Step::GiveUp(_) if world.waiters.is_empty() => {}
                Step::GiveUp(at) => drop(world.waiters.remove(at % world.waiters.len())),
            }
            world.collect()?;
            let in_use = [0, 1].map(|lane| world.held.iter().filter(|(of, _)| *of == lane).count());
            prop_assert_eq!(slots.total(), Load { in_use: world.held.len(), waiting: world.waiters.len() });
            prop_assert!(world.held.len() <= concurrent && in_use[0] <= limits[0] && in_use[1] <= limits[1]);
            for waiter in &world.waiters {
                prop_assert!(world.held.len() == concurrent || in_use[waiter.lane] == limits[waiter.lane], "a free slot and a waiter");
            }
        }
        drop(world);
        prop_assert_eq!(slots.total(), Load::default());
        let state = slots.lock();
        prop_assert!(state.queues.is_empty() && state.round.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_survive_waiters_that_are_dropped_at_any_moment_from_many_threads() {
    let slots = Slots::new(SlotLimits { concurrent: 4, ..WIDE });
    let lane = Arc::new(slots.open(3));
    let tasks: Vec<_> = (0..2_000)
        .map(|number| {
            let lane = Arc::clone(&lane);
            tokio::spawn(async move {
                let permit = match lane.enter(tenant(number % 7)).expect("the queue is wide") {
                    Entered::Now(permit) => permit,
                    Entered::Later(waiting) => waiting.await,
                };
                tokio::task::yield_now().await;
                drop(permit);
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        if number % 3 == 0 {
            task.abort();
        }
        // Aborted ones end with an error, which is what they are for; a lost slot would leave the others waiting.
        let _ = tokio::time::timeout(Duration::from_secs(20), task).await.expect("a slot was lost");
    }
    assert_eq!(slots.total(), Load::default());
}
