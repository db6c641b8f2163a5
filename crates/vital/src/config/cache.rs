//! `[cache]`: answers of models that are given again to equal requests.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `answers` | `off` | Where answers are kept: `off`, `memory` of this process, or `redis`, which nodes share (`limits.redis_url`). |
//! | `keep_s` | `3600` | How long, in seconds, 1 to 86400. |
//! | `memory_mb` | `32` | Most megabytes in memory, 1 to 16384. How much a Redis holds is its own setting. |

use super::Limits;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vital_llm::gateway::{ExactCache, KEEP_MAX, KEPT_BYTES_MAX};
use vital_throttle::Shelf;

/// Most megabytes in memory.
const MEMORY_MB_MAX: u64 = 16_384;

/// Where answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answers {
    /// Nowhere.
    Off,
    /// In the memory of this process.
    Memory,
    /// In the Redis of `[limits]`.
    Redis,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    /// Where answers are kept.
    pub(crate) answers: Answers,
    /// How long, in seconds.
    pub(crate) keep_s: u64,
    /// Most megabytes in memory.
    pub(crate) memory_mb: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { answers: Answers::Off, keep_s: 3_600, memory_mb: 32 }
    }
}

impl Cache {
    pub(super) fn check(&self, limits: &Limits) -> anyhow::Result<()> {
        if !(1..=KEEP_MAX.as_secs()).contains(&self.keep_s) {
            return Err(Failure::new(format!("`cache.keep_s` must be 1 to {}", KEEP_MAX.as_secs())).into());
        }
        if !(1..=MEMORY_MB_MAX).contains(&self.memory_mb) {
            return Err(Failure::new(format!("`cache.memory_mb` must be 1 to {MEMORY_MB_MAX}")).into());
        }
        if self.answers == Answers::Redis && limits.redis_url.is_none() {
            return Err(Failure::new("`cache.answers` is `redis`, but there is no `limits.redis_url`").into());
        }
        Ok(())
    }

    /// What keeps answers, if anything does. Redis is reached when the first answer is looked for.
    ///
    /// # Errors
    /// When the address of Redis cannot be one, or a file named for it cannot be read.
    pub(crate) fn open(&self, limits: &Limits) -> anyhow::Result<Option<ExactCache>> {
        let keep_for = Duration::from_secs(self.keep_s);
        Ok(match self.answers {
            Answers::Off => None,
            Answers::Memory => Some(ExactCache::in_memory(self.memory_mb << 20, keep_for)),
            Answers::Redis => match limits.redis()? {
                None => None,
                Some(at) => {
                    let shelf = Shelf::new(&at, KEPT_BYTES_MAX).map_err(|error| Failure::new(format!("`limits.redis_url`: {error}")))?;
                    Some(ExactCache::in_redis(shelf, keep_for))
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_unless_somebody_says_where() {
        let limits = Limits::default();
        assert!(Cache::default().open(&limits).unwrap().is_none());
        let read = |text: &str| toml::from_str::<Cache>(text).unwrap();
        assert!(read("answers = 'memory'").open(&limits).unwrap().is_some());
        let shared = Limits { redis_url: Some("redis://127.0.0.1".into()), ..Limits::default() };
        assert!(read("answers = 'redis'").check(&shared).is_ok() && read("answers = 'redis'").open(&shared).unwrap().is_some());
        for (text, key) in [
            ("answers = 'redis'", "limits.redis_url"),
            ("keep_s = 0", "cache.keep_s"),
            ("keep_s = 86401", "cache.keep_s"),
            ("memory_mb = 0", "cache.memory_mb"),
            ("memory_mb = 16385", "cache.memory_mb"),
        ] {
            let error = read(text).check(&limits).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
