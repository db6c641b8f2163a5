//! How often: token buckets per key, in memory and, where configured, exact across nodes in Redis.
