//! The record of who reads conversations and answers.
//!
//! **Invariant:** what is shown was recorded in the transaction that read it. The one exception: a page that comes again by itself and a client
//! that polls while an answer is being written are one reading a minute, because the object, the reader and the request to read are the same.

use crate::Platform;
use moka::sync::Cache;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, OpContext, Result, TenantId, UserId, limits};
use vital_store::AuditedRead;

/// Readings kept in mind at once; one that is forgotten is recorded again.
const KEPT_MAX: u64 = 50_000;

/// Who is reading which unfinished answer.
pub(super) struct Readings(Cache<(TenantId, UserId, Uuid), ()>);

impl Default for Readings {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KEPT_MAX).time_to_live(limits::READING).build())
    }
}

/// Ends the reading of a conversation or a turn with its entry. `unfinished` tells whether an answer in it is being written.
pub(super) async fn record(
    p: &Platform,
    cx: &OpContext,
    read: AuditedRead,
    (action, resource, id): (AuditAction, &'static str, Uuid),
    unfinished: bool,
) -> Result<()> {
    let key = (cx.tenant(), cx.require_user()?, id);
    let readings = &p.streams.readings.0;
    if unfinished && readings.contains_key(&key) {
        return read.end().await;
    }
    read.commit(AuditEntry::new(action, resource, id)).await?;
    if unfinished {
        readings.insert(key, ());
    }
    Ok(())
}
