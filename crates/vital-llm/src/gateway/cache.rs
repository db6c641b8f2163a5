//! The exact cache: the answer to the very same request of the same tenant at the same target, given again without a call.
//!
//! **Invariant:** the tenant is part of the key by type, and the key's digest covers the whole request and the provider's
//! settings, so that neither another tenant nor any other model, prompt or setting can meet a kept answer.
//! **Invariant:** only answers that are complete, ended by the model itself and without tool calls are kept.
//!
//! In memory alone so far; [`ExactCache`] is where a second place, such as Redis, would be chosen.

use crate::{Delta, OUTPUT_BYTES_MAX, StopReason, TokenUsage};
use moka::sync::Cache;
use ring::digest::{SHA256, digest};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use vital_kernel::TenantId;

/// What one kept item costs beside its text: the item itself and its share of the tables.
const ITEM_BYTES: usize = size_of::<Delta>();
/// What one entry costs beside its items: key, counters and links.
const ENTRY_BYTES: usize = 256;
/// Most bytes of one kept answer, overhead included; the text alone is at most [`OUTPUT_BYTES_MAX`].
const ANSWER_BYTES_MAX: usize = 4 * OUTPUT_BYTES_MAX;

/// Whose answer to what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    tenant: TenantId,
    target: Arc<str>,
    request: [u8; 32],
}

impl CacheKey {
    /// Makes the key for a request as [`crate::Provider::repeatable`] writes it.
    pub(super) fn new(tenant: TenantId, target: &Arc<str>, sent: &[u8]) -> Self {
        let mut request = [0; 32];
        request.copy_from_slice(digest(&SHA256, sent).as_ref());
        Self { tenant, target: Arc::clone(target), request }
    }
}

/// Kept answers, bounded in bytes and in time.
#[derive(Clone, Debug)]
pub struct ExactCache {
    kept: Cache<CacheKey, Kept>,
    keep_for: Duration,
}

#[derive(Clone, Debug)]
struct Kept {
    until: Instant,
    items: Arc<[Delta]>,
    bytes: u32,
}

impl ExactCache {
    /// Keeps answers in memory, at most about `bytes_max` of them, each for `keep_for`.
    #[must_use]
    pub fn in_memory(bytes_max: u64, keep_for: Duration) -> Self {
        let kept = Cache::builder().max_capacity(bytes_max).weigher(|_, kept: &Kept| kept.bytes).time_to_live(keep_for).build();
        Self { kept, keep_for }
    }

    /// Forgets every answer of a tenant, for example because it is erased. Takes time in proportion to all that is kept.
    pub fn forget(&self, tenant: TenantId) {
        let keys: Vec<_> = self.kept.iter().map(|(key, _)| key).filter(|key| key.tenant == tenant).collect();
        keys.iter().for_each(|key| self.kept.invalidate(key.as_ref()));
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<[Delta]>> {
        // The cache's own clock frees memory; this one decides, for it is the clock of every other time here.
        self.kept.get(key).filter(|kept| Instant::now() < kept.until).map(|kept| kept.items)
    }

    fn put(&self, key: CacheKey, items: Vec<Delta>, bytes: usize) {
        let bytes = u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX);
        self.kept.insert(key, Kept { until: Instant::now() + self.keep_for, items: items.into(), bytes });
    }
}

/// An answer on its way to the cache.
#[derive(Debug)]
pub(super) struct Recording {
    cache: ExactCache,
    key: CacheKey,
    items: Vec<Delta>,
    bytes: usize,
}

impl Recording {
    pub(super) fn new(cache: ExactCache, key: CacheKey) -> Self {
        Self { cache, key, items: Vec::new(), bytes: 0 }
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
        self.cache.put(self.key, self.items, self.bytes);
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
mod tests;
