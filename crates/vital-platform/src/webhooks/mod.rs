//! Webhooks: addresses that an organisation has messages sent to, by the Standard Webhooks specification 1.0 (standardwebhooks.com).
//!
//! **Invariants:** a message is sent at least once, under one id and with one body however often; every attempt is signed with the time it is
//! made at. Addresses lead where the operator lets addresses of organisations lead, judged when they are given and at each attempt. Of an answer
//! the status alone is read. A secret is made here, sealed, and shown once. One webhook that is slow, failing or far behind takes no place from
//! another (`vital_store::WebhookClaim`). No transaction is open while a receiver is awaited.
//!
//! Order is not promised: a message that is tried again arrives after those that came later.
//! Not here: what is told of, and the rule that it is written with what it tells of (`outbox`).

mod deliver;
mod endpoint;
mod health;
mod log;
mod schedule;
mod secret;
mod send;
mod store;

pub use crate::outbox::EventType;
pub(crate) use deliver::work;
pub use deliver::{deliver_due, prune};
pub use endpoint::{
    IssuedWebhook, NewWebhook, OffBecause, Webhook, WebhookChange, add_webhook, change_webhook, remove_webhook, rotate_secret,
    test_webhook, webhook, webhooks,
};
pub use log::{Attempt, Delivery, DeliveryFilter, DeliveryState, deliveries, recover, resend};
pub use schedule::ATTEMPTS_MAX;
pub use send::Outcome;

use serde::Serialize;
use utoipa::ToSchema;
use vital_kernel::{OpContext, Permission, Result, WebhookId};
use vital_keys::Place;

fn url_of(id: WebhookId) -> Place {
    Place::of("webhooks.url", id.0)
}

fn secret_of(id: WebhookId) -> Place {
    Place::of("webhooks.secret", id.0)
}

fn previous_secret_of(id: WebhookId) -> Place {
    Place::of("webhooks.previous_secret", id.0)
}

/// A type of event that a webhook can receive.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EventDescription {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it is sent.
    pub meaning: &'static str,
}

/// The types of events that a webhook can choose.
///
/// # Errors
/// `Forbidden` without the permission to see webhooks.
pub fn event_types(cx: &OpContext) -> Result<Vec<EventDescription>> {
    cx.require(Permission::WebhookRead)?;
    let chosen = EventType::ALL.into_iter().filter(|kind| *kind != EventType::Test);
    Ok(chosen.map(|kind| EventDescription { kind, meaning: kind.meaning() }).collect())
}
