//! Reading what people wrote: the entry that says who read it is stored in the transaction that read it.
//!
//! **Invariant:** dropped without `commit` it leaves nothing, so a verb that shows content only after `commit` cannot show it unrecorded; where
//! the entry cannot be stored, nothing is shown. The transaction is typed as reading: statements that change something do not accept it.

use super::{Db, Read, TenantTx, Write};
use std::marker::PhantomData;
use vital_kernel::{AuditEntry, OpContext, Result};
use vital_metrics::Stopwatch;

/// A transaction that reads content and ends with the entry about it.
#[derive(Debug)]
pub struct AuditedRead(TenantTx<Read>);

impl Db {
    /// Opens a transaction for reading content of the context's tenant.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer or has no free connection.
    pub async fn read_audited(&self, cx: &OpContext) -> Result<AuditedRead> {
        Ok(AuditedRead(self.begin(cx, "BEGIN").await?))
    }
}

impl AuditedRead {
    /// The transaction, for the reading statements of a capability's store.
    pub fn tx(&mut self) -> &mut TenantTx<Read> {
        &mut self.0
    }

    /// Stores the entry and commits. Only then may what was read be shown.
    ///
    /// # Errors
    /// `Unavailable` when the database went away.
    pub async fn commit(self, entry: AuditEntry) -> Result<()> {
        let TenantTx { tx, request, keys, tenant, trail, attempt, precondition, mode: _ } = self.0;
        let mut tx = TenantTx::<Write> { tx, request, keys, tenant, trail, attempt, precondition, mode: PhantomData };
        tx.trail.store(&mut tx.tx, tenant, request, vec![entry]).await?;
        // Without the entry there were nothing to wait for.
        let watch = Stopwatch::start();
        let committed = tx.commit_stored().await;
        vital_metrics::audit_committed(&watch);
        committed
    }

    /// Ends the reading without an entry, where the same reader's reading of the same object has just been recorded.
    ///
    /// # Errors
    /// `Unavailable` when the connection is gone.
    pub async fn end(self) -> Result<()> {
        self.0.end().await
    }
}
