//! Webhooks themselves.

use crate::{outbox::EventType, webhooks::OffBecause};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Result, WebhookId, now};
use vital_store::{TenantTx, Write, db_error};

/// A webhook with its address and secrets still sealed.
pub(in crate::webhooks) struct WebhookRow {
    pub id: Uuid,
    pub name: String,
    pub url: Vec<u8>,
    pub events: Vec<String>,
    pub secret_set_at: OffsetDateTime,
    pub previous_until: Option<OffsetDateTime>,
    pub enabled: bool,
    pub off_because: Option<String>,
    pub off_since: Option<OffsetDateTime>,
    pub failing_since: Option<OffsetDateTime>,
    pub last_success_at: Option<OffsetDateTime>,
    pub waiting: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// The webhooks of the tenant, oldest first; only one of them where it is named.
pub(in crate::webhooks) async fn webhooks<M>(tx: &mut TenantTx<M>, only: Option<WebhookId>) -> Result<Vec<WebhookRow>> {
    sqlx::query_as!(
        WebhookRow,
        r#"select w.id, w.name, w.url, w.events, w.secret_set_at, w.previous_until, w.enabled, w.off_because, w.off_since, w.failing_since,
                  w.last_success_at, w.created_at, w.updated_at,
                  (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state = 'pending') as "waiting!"
           from webhooks w where $1::uuid is null or w.id = $1 order by w.id"#,
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// What is decided by, of a webhook that is locked for the rest of the transaction.
pub(in crate::webhooks) struct LockedWebhook {
    pub name: String,
    pub secret: Vec<u8>,
    pub enabled: bool,
    pub failing_since: Option<OffsetDateTime>,
    pub last_failure_at: Option<OffsetDateTime>,
}

/// Locks a webhook. It comes before the locks of its deliveries, everywhere; writing a message for it does not wait.
pub(in crate::webhooks) async fn lock_webhook(tx: &mut TenantTx<Write>, id: WebhookId) -> Result<Option<LockedWebhook>> {
    sqlx::query_as!(
        LockedWebhook,
        "select name, secret, enabled, failing_since, last_failure_at from webhooks where id = $1 for no key update",
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

pub(in crate::webhooks) async fn count_webhooks(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from webhooks"#).fetch_one(tx.conn()).await.map_err(db_error)
}

pub(in crate::webhooks) async fn insert_webhook(
    tx: &mut TenantTx<Write>,
    id: WebhookId,
    name: &str,
    url: &[u8],
    events: &[String],
    secret: &[u8],
) -> Result<()> {
    sqlx::query!(
        "insert into webhooks (id, name, url, events, secret, secret_set_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $6, $6)",
        id.0,
        name,
        url,
        events,
        secret,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(in crate::webhooks) async fn set_name(tx: &mut TenantTx<Write>, id: WebhookId, name: &str) -> Result<()> {
    let set = sqlx::query!("update webhooks set name = $2, updated_at = $3 where id = $1", id.0, name, now());
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(in crate::webhooks) async fn set_url(tx: &mut TenantTx<Write>, id: WebhookId, url: &[u8]) -> Result<()> {
    let set = sqlx::query!("update webhooks set url = $2, updated_at = $3 where id = $1", id.0, url, now());
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(in crate::webhooks) async fn set_events(tx: &mut TenantTx<Write>, id: WebhookId, events: &[String]) -> Result<()> {
    let set = sqlx::query!("update webhooks set events = $2, updated_at = $3 where id = $1", id.0, events, now());
    set.execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Stores a new secret, and the present one as the former until a time.
pub(in crate::webhooks) async fn set_secret(
    tx: &mut TenantTx<Write>,
    id: WebhookId,
    secret: &[u8],
    former: &[u8],
    until: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update webhooks set secret = $2, previous_secret = $3, previous_until = $4, secret_set_at = $5, updated_at = $5 where id = $1",
        id.0,
        secret,
        former,
        until,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Switches a webhook on: what waits for it is due, and former failures do not count.
pub(in crate::webhooks) async fn switch_on(tx: &mut TenantTx<Write>, id: WebhookId, at: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "update webhooks set enabled = true, off_because = null, off_since = null, failing_since = null, last_failure_at = null, updated_at = $2
         where id = $1",
        id.0,
        at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!(
        "with waiting as (update webhook_deliveries set next_at = $2 where webhook_id = $1 and state = 'pending' returning id, webhook_id)
         select app.queue_deliveries(array_agg(id), array_agg(webhook_id), $2) from waiting having count(*) > 0",
        id.0,
        at
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Switches a webhook off and takes its deliveries out of the queue; they go on waiting.
pub(in crate::webhooks) async fn switch_off(
    tx: &mut TenantTx<Write>,
    id: WebhookId,
    because: OffBecause,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update webhooks set enabled = false, off_because = $2, off_since = $3, updated_at = $3 where id = $1",
        id.0,
        because.as_str(),
        at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("select app.unqueue_webhook($1)", id.0).fetch_one(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Deletes a webhook with its deliveries, in the queue too. Messages that nobody else receives are left to the end of the log.
pub(in crate::webhooks) async fn delete_webhook(tx: &mut TenantTx<Write>, id: WebhookId) -> Result<()> {
    sqlx::query!("select app.unqueue_webhook($1)", id.0).fetch_one(tx.conn()).await.map_err(db_error)?;
    sqlx::query!("delete from webhooks where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Notes a failure.
pub(in crate::webhooks) async fn set_failing(
    tx: &mut TenantTx<Write>,
    id: WebhookId,
    since: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!("update webhooks set failing_since = $2, last_failure_at = $3 where id = $1", id.0, since, at)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// How many tests the organisation has sent since a time.
pub(in crate::webhooks) async fn tests_since(tx: &mut TenantTx<Write>, since: OffsetDateTime) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "n!" from webhook_messages where created_at > $1 and event = $2"#,
        since,
        EventType::Test.as_str()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}
