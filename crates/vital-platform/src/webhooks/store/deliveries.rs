//! Messages on their way, and the log of attempts.

use crate::{
    outbox::EventType,
    webhooks::{Attempt, Delivery, DeliveryFilter, DeliveryState, Outcome, send},
};
use std::{collections::HashMap, time::Duration};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, Result, WebhookDeliveryId, WebhookId, WebhookMessageId};
use vital_store::{Read, TenantTx, Write, db_error};

/// Attempts that are shown of one delivery: those of the last rounds.
const ATTEMPTS_SHOWN: i64 = 20;
/// Messages that one transaction deletes at most.
const DELETED_AT_ONCE: i64 = 5_000;

/// What an attempt needs, with address and secrets still sealed.
pub(in crate::webhooks) struct DueRow {
    pub webhook: Uuid,
    pub message: Uuid,
    pub body: String,
    pub url: Vec<u8>,
    pub secret: Vec<u8>,
    pub previous_secret: Option<Vec<u8>>,
    pub previous_until: Option<OffsetDateTime>,
}

/// A delivery that is to be made; none where it is gone, done, or its webhook is switched off.
pub(in crate::webhooks) async fn due(tx: &mut TenantTx<Read>, id: WebhookDeliveryId) -> Result<Option<DueRow>> {
    sqlx::query_as!(
        DueRow,
        "select w.id as webhook, m.id as message, m.body, w.url, w.secret, w.previous_secret, w.previous_until
           from webhook_deliveries d join webhooks w on w.tenant_id = d.tenant_id and w.id = d.webhook_id
                join webhook_messages m on m.tenant_id = d.tenant_id and m.id = d.message_id
           where d.id = $1 and d.state = 'pending' and w.enabled",
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

/// Counts an attempt at a delivery that is still to be made. Returns the number of those in this round.
pub(in crate::webhooks) async fn count_attempt(tx: &mut TenantTx<Write>, id: WebhookDeliveryId) -> Result<Option<usize>> {
    let made = sqlx::query_scalar!(
        "update webhook_deliveries set attempts = attempts + 1 where id = $1 and state = 'pending' returning attempts",
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    made.map(|made| usize::try_from(made).map_err(Error::internal)).transpose()
}

pub(in crate::webhooks) async fn insert_attempt(
    tx: &mut TenantTx<Write>,
    id: WebhookDeliveryId,
    at: OffsetDateTime,
    result: send::Result,
    took: Duration,
) -> Result<()> {
    sqlx::query!(
        "insert into webhook_attempts (id, delivery_id, at, outcome, status, took_ms) values ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        id.0,
        at,
        result.outcome.as_str(),
        result.status.map(i16::try_from).transpose().map_err(Error::internal)?,
        i32::try_from(took.as_millis()).unwrap_or(i32::MAX)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Notes a success, of the delivery and of its webhook.
pub(in crate::webhooks) async fn set_delivered(
    tx: &mut TenantTx<Write>,
    id: WebhookDeliveryId,
    webhook: WebhookId,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "with taken as (update webhook_deliveries set state = 'delivered', next_at = null, ended_at = $3 where id = $1)
         update webhooks set failing_since = null, last_failure_at = null, last_success_at = $3 where id = $2",
        id.0,
        webhook.0,
        at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Notes when a delivery is tried again; without a time it is given up.
pub(in crate::webhooks) async fn set_next(
    tx: &mut TenantTx<Write>,
    id: WebhookDeliveryId,
    next: Option<OffsetDateTime>,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update webhook_deliveries set next_at = $2, state = case when $2::timestamptz is null then 'given_up' else 'pending' end,
                ended_at = case when $2::timestamptz is null then $3::timestamptz end where id = $1",
        id.0,
        next,
        at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// The webhook of a delivery.
pub(in crate::webhooks) async fn webhook_of(tx: &mut TenantTx<Write>, id: WebhookDeliveryId) -> Result<Option<WebhookId>> {
    let id = sqlx::query_scalar!("select webhook_id from webhook_deliveries where id = $1", id.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(id.map(WebhookId))
}

/// Begins a new round of attempts, due at a time.
pub(in crate::webhooks) async fn begin_again(tx: &mut TenantTx<Write>, id: WebhookDeliveryId, at: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "with again as (update webhook_deliveries set state = 'pending', attempts = 0, next_at = $2, ended_at = null where id = $1
                        returning id, webhook_id)
         select app.queue_deliveries(array_agg(id), array_agg(webhook_id), $2) from again having count(*) > 0",
        id.0,
        at
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Begins a round of attempts for what a webhook has not taken since a time. Returns how many messages.
pub(in crate::webhooks) async fn recover(
    tx: &mut TenantTx<Write>,
    id: WebhookId,
    since: OffsetDateTime,
    at: OffsetDateTime,
    limit: i64,
) -> Result<u64> {
    let sent = sqlx::query_scalar!(
        r#"with missed as (
               select m.id from webhook_messages m join webhooks w on w.id = $1
               where m.created_at >= $2 and m.event <> $5 and (w.events = '{}' or m.event = any (w.events))
                 and not exists (select from webhook_deliveries d where d.webhook_id = $1 and d.message_id = m.id and d.state = 'delivered')
               order by m.id limit $4),
           again as (
               insert into webhook_deliveries (id, webhook_id, message_id, next_at, created_at)
               select gen_random_uuid(), $1, id, $3, $3 from missed
               on conflict (tenant_id, webhook_id, message_id) do update set state = 'pending', attempts = 0, next_at = $3, ended_at = null
               returning id, webhook_id),
           queued as (select app.queue_deliveries(array_agg(id), array_agg(webhook_id), $3) from again having count(*) > 0)
           select (select count(*) from again) + 0 * (select count(*) from queued) as "n!""#,
        id.0,
        since,
        at,
        limit,
        EventType::Test.as_str()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(sent.unsigned_abs())
}

/// Deletes some of the messages before a time, with their deliveries and attempts. Returns whether there may be more.
pub(in crate::webhooks) async fn delete_messages_before(tx: &mut TenantTx<Write>, before: OffsetDateTime) -> Result<bool> {
    let deleted = sqlx::query!(
        "delete from webhook_messages where id in (select id from webhook_messages where created_at < $1 limit $2)",
        before,
        DELETED_AT_ONCE
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(i64::try_from(deleted.rows_affected()).unwrap_or(0) == DELETED_AT_ONCE)
}

/// Which deliveries are read.
#[derive(Default)]
pub(in crate::webhooks) struct Wanted {
    pub webhook: Option<WebhookId>,
    pub message: Option<WebhookMessageId>,
    pub delivery: Option<WebhookDeliveryId>,
    pub filter: DeliveryFilter,
}

/// Deliveries with their attempts, those of the newest messages first.
pub(in crate::webhooks) async fn deliveries(tx: &mut TenantTx<Read>, wanted: &Wanted) -> Result<Vec<Delivery>> {
    let rows = sqlx::query!(
        "select d.id, d.webhook_id, d.message_id, m.event, d.state, m.created_at, d.next_at, d.ended_at
         from webhook_deliveries d join webhook_messages m on m.tenant_id = d.tenant_id and m.id = d.message_id
         where ($1::uuid is null or d.webhook_id = $1) and ($2::uuid is null or d.message_id = $2) and ($3::uuid is null or d.id = $3)
           and ($4::text is null or d.state = $4)
           and ($5::uuid is null or d.message_id < (select b.message_id from webhook_deliveries b where b.id = $5))
         order by d.message_id desc limit $6",
        wanted.webhook.map(|id| id.0),
        wanted.message.map(|id| id.0),
        wanted.delivery.map(|id| id.0),
        wanted.filter.state.map(DeliveryState::as_str),
        wanted.filter.before.map(|id| id.0),
        wanted.filter.limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let ids: Vec<Uuid> = rows.iter().map(|r| r.id).collect();
    let mut attempts = attempts(tx, &ids).await?;
    rows.into_iter()
        .map(|r| {
            Ok(Delivery {
                id: WebhookDeliveryId(r.id),
                webhook_id: WebhookId(r.webhook_id),
                message_id: WebhookMessageId(r.message_id),
                event: EventType::parse(&r.event).ok_or_else(|| Error::internal("a message has an unknown type"))?,
                state: DeliveryState::parse(&r.state).ok_or_else(|| Error::internal("a delivery has an unknown state"))?,
                created_at: r.created_at,
                next_at: r.next_at,
                ended_at: r.ended_at,
                attempts: attempts.remove(&r.id).unwrap_or_default(),
            })
        })
        .collect()
}

async fn attempts(tx: &mut TenantTx<Read>, of: &[Uuid]) -> Result<HashMap<Uuid, Vec<Attempt>>> {
    let rows = sqlx::query!(
        "select a.delivery_id, a.at, a.outcome, a.status, a.took_ms
           from unnest($1::uuid[]) o (id) cross join lateral
                (select * from webhook_attempts a where a.delivery_id = o.id order by a.at desc, a.id desc limit $2) a",
        of,
        ATTEMPTS_SHOWN
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let mut all: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for r in rows {
        let attempt = Attempt {
            at: r.at,
            outcome: Outcome::parse(&r.outcome).ok_or_else(|| Error::internal("an attempt has an unknown outcome"))?,
            status: r.status.map(u16::try_from).transpose().map_err(Error::internal)?,
            took_ms: u32::try_from(r.took_ms).unwrap_or_default(),
        };
        all.entry(r.delivery_id).or_default().push(attempt);
    }
    Ok(all)
}
