//! Counts in memory: bounded, and the keys longest unused are forgotten first.
//!
//! Each shard has two generations. A key that is used moves into the young one; when that is full, the old one is forgotten and the
//! young one becomes old. So at most twice the capacity is kept, and a key is forgotten only after as many others were used since.

use crate::window::Window;
use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Name of a counter: a hash, so that its length does not depend on what was sent.
pub(crate) type Key = [u8; 16];
/// Shards, so that checks rarely wait for one another.
const SHARDS: usize = 16;

/// A counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) window: Window,
    /// True where something was counted here that Redis does not know yet.
    pub(crate) alone: bool,
}

/// All counters.
pub(crate) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    generation_max: usize,
}

#[derive(Default)]
struct Shard {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
}

impl Memory {
    /// Room for at least `keys_max` keys and at most twice as many.
    pub(crate) fn new(keys_max: usize) -> Self {
        Self { shards: Default::default(), generation_max: keys_max.div_ceil(SHARDS).max(1) }
    }

    /// Works on the counter of a key, which is new where it was not known.
    pub(crate) fn with<T>(&self, key: &Key, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut shard = self.shard(key);
        if !shard.young.contains_key(key) {
            let entry = shard.old.remove(key).unwrap_or_default();
            if shard.young.len() >= self.generation_max {
                shard.old = mem::take(&mut shard.young);
            }
            shard.young.insert(*key, entry);
        }
        work(shard.young.entry(*key).or_default())
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(key[0]) % SHARDS];
        // What is done under the lock cannot panic half-way through a change.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    fn count(memory: &Memory, n: u32) {
        memory.with(&key(n), |entry| entry.window.count += 1);
    }

    #[test]
    fn a_flood_of_other_keys_takes_bounded_room_and_never_the_key_in_use() {
        let memory = Memory::new(160);
        for n in 0..10_000 {
            count(&memory, n);
            if n % 3 == 0 {
                count(&memory, u32::MAX);
            }
        }
        let kept: usize = memory.shards.iter().map(|s| s.lock().unwrap()).map(|s| s.young.len() + s.old.len()).sum();
        assert!((16..=320).contains(&kept), "{kept} keys are kept");
        assert_eq!(memory.with(&key(u32::MAX), |e| e.window.count), 3_334, "the key in use lost nothing");
        assert_eq!(memory.with(&key(0), |e| e.window.count), 0, "the oldest is forgotten");
    }
}
