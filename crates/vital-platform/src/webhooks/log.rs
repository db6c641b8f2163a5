//! The log of deliveries, and sending again: one message, or what a webhook missed since a time.

use super::{
    endpoint::{need_enabled, unknown},
    send::Outcome,
    store,
};
use crate::{Platform, outbox::EventType};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{
    AuditAction, AuditEntry, Error, OpContext, Permission, Result, WebhookDeliveryId, WebhookId, WebhookMessageId, limits, now,
};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Attempts are left.
    Pending,
    /// The receiver took it.
    Delivered,
    /// The last attempt failed.
    GivenUp,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::GivenUp];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// One attempt at a delivery.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// When (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What came of it.
    pub outcome: Outcome,
    /// The status of the answer, where there was one; 200 to 299 is a delivery.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
}

/// A message on its way to a webhook, or at its end.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: WebhookDeliveryId,
    /// Its webhook.
    #[schema(value_type = uuid::Uuid)]
    pub webhook_id: WebhookId,
    /// The message: what the receiver sees as `webhook-id`, at every attempt.
    #[schema(value_type = uuid::Uuid)]
    pub message_id: WebhookMessageId,
    /// The type of the event.
    #[schema(value_type = String)]
    pub event: EventType,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the event was (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the next attempt is due (RFC 3339), while the webhook is switched on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    /// When it was delivered or given up (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// The attempts, newest first.
    pub attempts: Vec<Attempt>,
}

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFilter {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only of older messages than that of this delivery.
    pub before: Option<WebhookDeliveryId>,
    /// At most so many.
    pub limit: i64,
}

/// Lists the deliveries of a webhook, those of the newest messages first.
///
/// # Errors
/// `Forbidden` without the permission to see webhooks; `NotFound`.
pub async fn deliveries(p: &Platform, cx: &OpContext, id: WebhookId, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
    cx.require(Permission::WebhookRead)?;
    let mut tx = p.db.read(cx).await?;
    if store::webhooks(&mut tx, Some(id)).await?.is_empty() {
        return Err(unknown());
    }
    store::deliveries(&mut tx, &store::Wanted { webhook: Some(id), filter, ..store::Wanted::default() }).await
}

/// The delivery of a message to a webhook.
pub(super) async fn of_message(p: &Platform, cx: &OpContext, id: WebhookId, message: WebhookMessageId) -> Result<Delivery> {
    let filter = DeliveryFilter { limit: 1, ..DeliveryFilter::default() };
    let wanted = store::Wanted { webhook: Some(id), message: Some(message), filter, ..store::Wanted::default() };
    store::deliveries(&mut p.db.read(cx).await?, &wanted).await?.into_iter().next().ok_or_else(delivery_unknown)
}

/// Sends a message to its webhook again, under the same id: a new round of attempts begins at once.
///
/// # Errors
/// `Forbidden` without permission; `Conflict` for a webhook that is switched off; `NotFound`.
pub async fn resend(p: &Platform, cx: &OpContext, id: WebhookDeliveryId) -> Result<Delivery> {
    cx.require(Permission::WebhookManage)?;
    let mut tx = p.db.write(cx).await?;
    let webhook = store::webhook_of(&mut tx, id).await?.ok_or_else(delivery_unknown)?;
    need_enabled(&mut tx, webhook).await?;
    store::begin_again(&mut tx, id, now()).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookResent, "webhook", webhook)).await?;
    p.webhooks_waiting.notify_one();
    let filter = DeliveryFilter { limit: 1, ..DeliveryFilter::default() };
    let wanted = store::Wanted { delivery: Some(id), filter, ..store::Wanted::default() };
    store::deliveries(&mut p.db.read(cx).await?, &wanted).await?.into_iter().next().ok_or_else(delivery_unknown)
}

/// Sends a webhook what it missed since a time: messages of its types that it did not take, those from while it was switched off included.
/// Returns how many; at most [`limits::WEBHOOK_RECOVER_MAX`], the oldest first.
///
/// # Errors
/// `Forbidden` without permission; `Conflict` for a webhook that is switched off; `NotFound`.
pub async fn recover(p: &Platform, cx: &OpContext, id: WebhookId, since: OffsetDateTime) -> Result<u64> {
    cx.require(Permission::WebhookManage)?;
    let mut tx = p.db.write(cx).await?;
    need_enabled(&mut tx, id).await?;
    let sent = store::recover(&mut tx, id, since, now(), limits::WEBHOOK_RECOVER_MAX).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookResent, "webhook", id)).await?;
    p.webhooks_waiting.notify_one();
    Ok(sent)
}

fn delivery_unknown() -> Error {
    Error::not_found("webhook.delivery_unknown", "There is no such delivery in your organisation; the log is kept for 30 days.")
}
