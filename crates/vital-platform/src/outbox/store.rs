//! SQL of the outbox: a message, its deliveries and their places in the queue, in one statement.

use super::EventType;
use time::OffsetDateTime;
use vital_kernel::{Result, WebhookId, WebhookMessageId};
use vital_store::{TenantTx, Write, db_error};

/// Stores a message where any webhook receives its type, and a delivery for each of those that is switched on. One that is switched off can
/// be given it later, as long as the log is kept.
pub(super) async fn insert(tx: &mut TenantTx<Write>, id: WebhookMessageId, kind: EventType, body: &str, at: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "with receiving as (select w.id, w.enabled from webhooks w where w.events = '{}' or $2 = any (w.events)),
              message as (insert into webhook_messages (id, event, body, created_at)
                          select $1, $2, $3, $4 where exists (select from receiving) returning id),
              made as (insert into webhook_deliveries (id, webhook_id, message_id, next_at, created_at)
                       select gen_random_uuid(), r.id, m.id, $4, $4 from receiving r, message m where r.enabled returning id, webhook_id)
         select app.queue_deliveries(array_agg(id), array_agg(webhook_id), $4) from made having count(*) > 0",
        id.0,
        kind.as_str(),
        body,
        at
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Stores a test for one webhook, with its delivery.
pub(super) async fn insert_for(
    tx: &mut TenantTx<Write>,
    id: WebhookMessageId,
    webhook: WebhookId,
    body: &str,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "with message as (insert into webhook_messages (id, event, body, created_at) values ($1, $2, $4, $5) returning id),
              made as (insert into webhook_deliveries (id, webhook_id, message_id, next_at, created_at)
                       select gen_random_uuid(), $3::uuid, m.id, $5, $5 from message m returning id, webhook_id)
         select app.queue_deliveries(array_agg(id), array_agg(webhook_id), $5) from made",
        id.0,
        EventType::Test.as_str(),
        webhook.0,
        body,
        at
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}
