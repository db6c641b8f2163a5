//! Prompts of other people's software, relayed to a model of the organisation as they are: no expert, no search, nothing bound to sources.
//!
//! **Invariants:** nothing is relayed unless the organisation allows it and the caller holds `model.use`; a question about the treatment of one
//! person goes nowhere, as with experts; nothing is sent that a budget has not enough left for; what is said is stored nowhere but in the
//! gateway's cache, where the operator has one; its entry in the trail holds names and counts alone and is committed with the settlement
//! (`usage/settle.rs`); dropping the stream ends the provider's answer; between a frame of the provider and that of the client nothing is
//! written.
//!
//! Deliberately not here: wire formats of clients (`vital-web`), fallback and retries (`vital-llm`).

mod safety;

use crate::{
    Platform,
    identity::{self, Caller, Credential},
    places::{Place, Places},
    providers,
    usage::{Meter, Metered, Purpose},
};
use async_stream::try_stream;
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, Stream},
};
use moka::future::Cache;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vital_kernel::{AuditAction, AuditEntry, Error, Permission, Result, TenantId};
use vital_llm::{ChatRequest, Delta};

/// How often the stream of a relay asks whether its caller may go on, and how long all relays of one key share the answer: what is revoked
/// stops within the sum.
const WATCH: Duration = Duration::from_millis(550);
const WATCH_SHARED: Duration = Duration::from_millis(300);
/// Keys and sessions whose streams are watched at once.
const WATCHED_MAX: u64 = 10_000;
/// When who found no place should come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What the platform holds of relays.
pub(crate) struct Relays {
    places: Places,
    watched: Cache<(TenantId, Credential), ()>,
}

impl Relays {
    pub(crate) fn new(places: usize) -> Self {
        let watched = Cache::builder().max_capacity(WATCHED_MAX).time_to_live(WATCH_SHARED).build();
        Self { places: Places::new(places, (places / 2).max(1)), watched }
    }
}

/// A prompt for a model.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The model, as its provider names it.
    pub model: String,
    /// What is asked of it.
    pub request: ChatRequest,
}

/// An answer that has begun.
pub struct Relayed {
    /// Provider and model that write it, as people know them.
    pub composer: String,
    /// What they write; ends after `Delta::Stop` or the first error.
    pub deltas: BoxStream<'static, Result<Delta>>,
}

/// Sends a prompt to the models of its name, in the organisation's order, until one begins to answer.
///
/// # Errors
/// `Forbidden` without the permission to use models; `NotFound` as [`providers::for_model`]; `Invalid` for a question about the treatment of
/// one person and for a prompt that no model takes; `RateLimited` when there is no place; `BudgetExhausted`; else why no model began. In the stream: why it broke
/// off, or that the caller may not go on.
pub async fn relay(p: &Arc<Platform>, caller: Caller, prompt: Prompt) -> Result<Relayed> {
    let cx = &caller.cx;
    cx.require(Permission::ModelUse)?;
    let place = p.relays.places.take(cx.tenant()).ok_or_else(busy)?;
    let choice = providers::for_model(p, cx, &prompt.model).await?;
    if safety::is_patient_specific(&prompt.request) {
        p.db.write(cx).await?.commit(AuditEntry::new(AuditAction::ModelRefused, "model", choice.composer())).await?;
        return Err(safety::refusal());
    }
    let (stream, composer) = choice.begin(p, cx, Meter::of(Purpose::Direct), &prompt.request).await?;
    Ok(Relayed { composer, deltas: deltas(p.clone(), caller, stream, place).boxed() })
}

fn busy() -> Error {
    let detail = "The platform relays as many requests to models as it can, in all or for your organisation. Nothing was sent anywhere; \
                  try again in a moment.";
    Error::rate_limited("relay.busy", detail).with_retry_after(RETRY_AFTER)
}

/// The place is given back with the stream, which settles by itself.
fn deltas(p: Arc<Platform>, caller: Caller, mut stream: Metered, place: Place) -> impl Stream<Item = Result<Delta>> + Send {
    try_stream! {
        let _place = place;
        let mut checked = Instant::now();
        while let Some(delta) = stream.next().await {
            let delta = delta.map_err(Error::from)?;
            if checked.elapsed() >= WATCH {
                still(&p, &caller).await?;
                checked = Instant::now();
            }
            yield delta;
        }
    }
}

/// Refuses once the caller may not go on. Relays of one key ask together.
async fn still(p: &Platform, caller: &Caller) -> Result<()> {
    let who = (caller.cx.tenant(), caller.credential);
    let asked = p.relays.watched.try_get_with(who, identity::still(p, caller, Permission::ModelUse)).await;
    asked.map_err(|shared| Error::new(shared.kind(), shared.code(), shared.detail()))
}
