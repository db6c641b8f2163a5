//! The exact cache: the answer to the very same request of the same tenant at the same target, given again without a call.
//!
//! **Invariant:** a name is a keyed hash under the tenant's own key over the target, the state of the tenant's settings, the provider's
//! settings and the whole request, so that neither another tenant nor any other model, prompt or setting can meet a kept answer, and nothing
//! of a request can be read or guessed from it.
//! **Invariant:** what is kept is sealed under the tenant's key for its name and says itself how long it counts; what does not open, is too
//! old or cannot be read is passed over, wherever it comes from. With the tenant's key all of it is gone.
//! **Invariant:** only answers that are complete, ended by the model itself and without tool calls are kept.
//! **Invariant:** no fault of the cache fails a request, and none waits longer than [`vital_throttle::BUDGET`] for it.

mod answer;

use crate::{Delta, OUTPUT_BYTES_MAX, StopReason, TokenUsage};
use moka::sync::Cache;
use ring::digest::{SHA256, digest};
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;
use vital_kernel::TenantId;
use vital_keys::{Place, TenantKeys};
use vital_throttle::Shelf;

/// What one item costs beside its text while it is recorded.
const ITEM_BYTES: usize = size_of::<Delta>();
/// What one entry in memory costs beside its bytes: key, counters and links.
const ENTRY_BYTES: usize = 256;
/// Most bytes of an answer that is recorded, overhead included; the text alone is at most [`OUTPUT_BYTES_MAX`].
const ANSWER_BYTES_MAX: usize = 4 * OUTPUT_BYTES_MAX;
/// Most bytes of one kept answer as it is stored, sealed.
pub const KEPT_BYTES_MAX: usize = 2 * OUTPUT_BYTES_MAX;
/// Longest time that an answer may be kept.
pub const KEEP_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Where a sealed answer belongs, as the associated data names it.
const PLACE: &str = "answer_cache.answer";
/// What names in Redis begin with, behind that of the installation.
const SHELF: &str = "answer";

/// Under whose keys answers are kept, and for which state of their settings.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The tenant's keys.
    pub keys: Arc<TenantKeys>,
    /// A number that changes with the tenant's providers, models and their settings.
    pub version: i64,
}

/// Whose answer to what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    tenant: TenantId,
    name: [u8; 32],
}

impl CacheKey {
    /// Makes the key for a request as [`crate::Provider::repeatable`] writes it.
    pub(super) fn new(tenant: TenantId, keeping: &Keeping, target: &str, sent: &[u8]) -> Self {
        let length = (target.len() as u64).to_be_bytes();
        let about = [length.as_slice(), target.as_bytes(), &keeping.version.to_be_bytes(), sent].concat();
        Self { tenant, name: keeping.keys.hashed_name(SHELF, &about) }
    }

    fn place(&self) -> Place {
        let half = |at: usize| self.name[at..at + 16].try_into().map_or(0, u128::from_be_bytes);
        // Both halves count: the row takes the first, the part a piece of the second.
        Place { column: PLACE, row: Uuid::from_u128(half(0)), part: (half(16) >> 64) as i64 }
    }

    /// The name in Redis.
    fn shelf(&self) -> String {
        self.name.iter().fold(beginning(self.tenant), |name, byte| format!("{name}{byte:02x}"))
    }
}

/// What the names of a tenant begin with in Redis: a hash, so that the tenant cannot be read from it and its answers can be found.
fn beginning(tenant: TenantId) -> String {
    let hash = digest(&SHA256, &[b"vital kept answers\0".as_slice(), tenant.0.as_bytes()].concat());
    let hash = hash.as_ref()[..16].iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    format!("{SHELF}:{hash}:")
}

/// Kept answers, bounded in bytes and in time. Clones are the same.
#[derive(Clone, Debug)]
pub struct ExactCache {
    kept: Kept,
    keep_for: Duration,
}

#[derive(Clone, Debug)]
enum Kept {
    Memory(Cache<CacheKey, InMemory>),
    Redis(Shelf),
}

#[derive(Clone, Debug)]
struct InMemory {
    until: Instant,
    sealed: Arc<[u8]>,
}

impl ExactCache {
    /// Keeps answers in memory, at most about `bytes_max` of them, each for `keep_for`, at most [`KEEP_MAX`].
    #[must_use]
    pub fn in_memory(bytes_max: u64, keep_for: Duration) -> Self {
        let keep_for = keep_for.min(KEEP_MAX);
        let weigh = |_: &CacheKey, kept: &InMemory| u32::try_from(kept.sealed.len() + ENTRY_BYTES).unwrap_or(u32::MAX);
        let kept = Cache::builder().max_capacity(bytes_max).weigher(weigh).time_to_live(keep_for).build();
        Self { kept: Kept::Memory(kept), keep_for }
    }

    /// Keeps answers in a Redis that nodes share, made for values of [`KEPT_BYTES_MAX`]. How much it holds is that server's own setting.
    #[must_use]
    pub fn in_redis(shelf: Shelf, keep_for: Duration) -> Self {
        Self { kept: Kept::Redis(shelf), keep_for: keep_for.min(KEEP_MAX) }
    }

    /// Forgets every answer of a tenant, for example because it is erased. Takes time in proportion to all that is kept. Returns false where
    /// Redis did not take it; what is left there opens with the tenant's key alone, and ends with its time.
    pub async fn forget(&self, tenant: TenantId) -> bool {
        match &self.kept {
            Kept::Memory(kept) => {
                let keys: Vec<_> = kept.iter().map(|(key, _)| key).filter(|key| key.tenant == tenant).collect();
                keys.iter().for_each(|key| kept.invalidate(key.as_ref()));
                true
            }
            Kept::Redis(shelf) => shelf.forget(&beginning(tenant)).await,
        }
    }

    /// The answer that is kept, if it is one.
    pub(super) async fn get(&self, keeping: &Keeping, key: &CacheKey) -> Option<Arc<[Delta]>> {
        let sealed: Arc<[u8]> = match &self.kept {
            // The cache's own clock frees memory; this one decides, for it is the clock of every other time here.
            Kept::Memory(kept) => kept.get(key).filter(|kept| Instant::now() < kept.until)?.sealed,
            Kept::Redis(shelf) => shelf.get(&key.shelf()).await?.into(),
        };
        let opened = keeping.keys.open(key.place(), &sealed);
        let opened = opened.inspect_err(|error| tracing::debug!(%error, "a kept answer does not open and is passed over")).ok()?;
        answer::read(&opened, OffsetDateTime::now_utc(), self.keep_for)
    }

    fn put(&self, keeping: &Keeping, key: CacheKey, items: &[Delta]) {
        let Some(written) = answer::written(items, OffsetDateTime::now_utc() + self.keep_for) else { return };
        let Ok(sealed) = keeping.keys.seal(key.place(), &written) else { return };
        if sealed.len() > KEPT_BYTES_MAX {
            return;
        }
        match &self.kept {
            Kept::Memory(kept) => kept.insert(key, InMemory { until: Instant::now() + self.keep_for, sealed: sealed.into() }),
            Kept::Redis(shelf) => shelf.put(key.shelf(), sealed, self.keep_for),
        }
    }
}

/// An answer on its way to the cache.
#[derive(Debug)]
pub(super) struct Recording {
    cache: ExactCache,
    keeping: Keeping,
    key: CacheKey,
    items: Vec<Delta>,
    bytes: usize,
}

impl Recording {
    pub(super) fn new(cache: ExactCache, keeping: Keeping, key: CacheKey) -> Self {
        Self { cache, keeping, key, items: Vec::new(), bytes: 0 }
    }

    /// Takes the next item, keeps the answer if it was the last, and gives the recording up (`None`) if it cannot be kept.
    pub(super) fn item(mut self, item: &Delta) -> Option<Self> {
        let last = match item {
            Delta::Text(text) => {
                self.bytes += text.len();
                false
            }
            Delta::Usage(_) => false,
            Delta::Stop(StopReason::EndTurn) => true,
            // Cut off, refused, or with a tool call: asking again may come out otherwise, or has effects.
            _ => return None,
        };
        self.bytes += ITEM_BYTES;
        if self.bytes > ANSWER_BYTES_MAX {
            return None;
        }
        self.items.push(item.clone());
        if !last {
            return Some(self);
        }
        self.cache.put(&self.keeping, self.key, &self.items);
        None
    }
}

/// An item as it is given again: the whole prompt counts as read from a cache.
pub(super) fn again(item: &Delta) -> Delta {
    match item {
        Delta::Usage(usage) => Delta::Usage(TokenUsage { cached_input: usage.input, cache_write_input: 0, ..*usage }),
        item => item.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests;
