//! Writes that count only while what they change is as their sender saw it (`If-Match`, RFC 9110 section 13.1.1).
//!
//! **Invariants:** the comparison is made in the transaction that changes, over what a reader would be shown in it; that transaction is
//! `REPEATABLE READ`, so that a row which somebody else changes meanwhile cannot be overwritten. A verb that does not compare cannot commit
//! for a request with a condition: a condition is never passed over.

use super::{TenantTx, Write};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use vital_kernel::{Error, OpContext, Result};

/// The condition of a transaction.
#[derive(Debug, Default)]
pub(super) struct Precondition {
    tags: Option<Arc<[String]>>,
    compared: bool,
}

/// The strong entity tag of a representation: the beginning of its SHA-256, quoted.
#[must_use]
pub fn entity_tag(representation: &[u8]) -> String {
    let hash = Sha256::digest(representation);
    format!("\"{}\"", hash.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>())
}

/// How a writing transaction of a context begins.
pub(super) fn begin(cx: &OpContext) -> &'static str {
    if cx.if_match().is_some() { "BEGIN ISOLATION LEVEL REPEATABLE READ" } else { "BEGIN" }
}

impl Precondition {
    pub(super) fn of(cx: &OpContext) -> Self {
        Self { tags: cx.if_match().cloned(), compared: false }
    }

    /// Refuses where there is a condition that nobody looked at.
    pub(super) fn settled(&self) -> Result<()> {
        if self.tags.is_none() || self.compared {
            return Ok(());
        }
        let detail = "What is changed here has no entity tag, so it cannot be changed on the condition of one. Nothing was changed; leave \
                      `If-Match` out.";
        Err(Error::malformed("request.if_match", detail))
    }
}

impl TenantTx<Write> {
    /// Tells whether the request set a condition, so that what is needed for comparing is only read then.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        self.precondition.tags.is_some()
    }

    /// Refuses unless what is about to be changed, as readers are shown it, has one of the entity tags that the request names.
    ///
    /// # Errors
    /// `Stale` where it was changed since.
    pub fn expect_unchanged(&mut self, shown: &impl Serialize) -> Result<()> {
        let Some(tags) = &self.precondition.tags else { return Ok(()) };
        let tag = entity_tag(&serde_json::to_vec(shown).map_err(Error::internal)?);
        if tags.iter().any(|wanted| *wanted == tag || wanted == "*") {
            self.precondition.compared = true;
            return Ok(());
        }
        let detail = "Somebody has changed this since you read it. Nothing was overwritten; read it again and decide anew.";
        Err(Error::stale("request.stale", detail))
    }
}
