//! The work: claims deliveries that are due, makes an attempt at each, and records what came of it.
//!
//! **Invariant:** what was sent and not recorded, because the process ended in between, is sent again under the same id.

use super::{endpoint::OffBecause, health, previous_secret_of, schedule, secret::Secret, secret_of, send, store, url_of};
use crate::{Platform, identity::operator_context, tenancy};
use futures_util::future::join_all;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use vital_kernel::{AuditAction, AuditEntry, OpContext, Result, WebhookId, limits, now};
use vital_store::{ClaimedDelivery, Unaudited, WebhookClaim};

/// How often the queue is looked at without being told.
const POLL: Duration = Duration::from_secs(1);
/// How often the log is shortened.
const PRUNE: Duration = Duration::from_secs(60 * 60);

/// Makes deliveries until the platform stops.
pub(crate) async fn work(p: Arc<Platform>) {
    if p.alone
        && let Err(error) = p.db.expire_delivery_leases().await
    {
        tracing::warn!(%error, "deliveries of the process before this one wait until their leases run out");
    }
    let (slots, freed) = (Arc::new(Semaphore::new(limits::WEBHOOK_NODE_AT_ONCE)), Arc::new(Notify::new()));
    let mut prune_at = Instant::now();
    loop {
        tokio::select! {
            () = p.stopping.cancelled() => return,
            () = p.webhooks_waiting.notified() => {}
            () = freed.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        if let Err(error) = claim_and_start(&p, &slots, &freed).await {
            tracing::warn!(%error, "the queue of webhooks cannot be read; trying again");
        }
        if Instant::now() >= prune_at {
            prune_at = Instant::now() + PRUNE;
            if let Err(error) = prune(&p, now()).await {
                tracing::warn!(%error, "the log of webhooks cannot be shortened; trying again");
            }
        }
    }
}

async fn claim_and_start(p: &Arc<Platform>, slots: &Arc<Semaphore>, freed: &Arc<Notify>) -> Result<()> {
    let at = now();
    let oldest = p.db.oldest_delivery(at).await?;
    vital_metrics::webhooks_waiting(oldest.map(|due| (at - due).as_seconds_f64()));
    let free = slots.available_permits();
    if oldest.is_none() || free == 0 {
        return Ok(());
    }
    for claimed in p.db.claim_deliveries(WebhookClaim { node: p.node, at, limit: free }).await? {
        let Ok(permit) = slots.clone().acquire_owned().await else { return Ok(()) };
        let (p, freed) = (p.clone(), freed.clone());
        p.tasks.clone().spawn(async move {
            tokio::select! {
                () = p.stopping.cancelled() => {}
                () = attempt(&p, &claimed, now()) => {}
            }
            drop(permit);
            freed.notify_one();
        });
    }
    Ok(())
}

/// Makes every delivery that is due at a time, as the background work does. Returns how many attempts were made.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn deliver_due(p: &Platform, at: OffsetDateTime) -> Result<usize> {
    let mut made = 0;
    loop {
        let claimed = p.db.claim_deliveries(WebhookClaim { node: p.node, at, limit: limits::WEBHOOK_NODE_AT_ONCE }).await?;
        if claimed.is_empty() {
            return Ok(made);
        }
        made += claimed.len();
        join_all(claimed.iter().map(|claimed| attempt(p, claimed, at))).await;
    }
}

/// Deletes messages that are older than the log is kept, with their deliveries.
///
/// # Errors
/// `Unavailable` when the database does not answer; what was deleted stays so.
pub async fn prune(p: &Platform, at: OffsetDateTime) -> Result<()> {
    for tenant in tenancy::list(p).await? {
        let cx = operator_context(tenant.id);
        loop {
            let mut tx = p.db.write(&cx).await?;
            let more = store::delete_messages_before(&mut tx, at - limits::WEBHOOK_LOG).await?;
            tx.commit_unaudited(Unaudited::WebhookAttempt).await?;
            if !more {
                break;
            }
        }
    }
    Ok(())
}

async fn attempt(p: &Platform, claimed: &ClaimedDelivery, at: OffsetDateTime) {
    if let Err(error) = try_once(p, claimed, at).await {
        tracing::warn!(?error, delivery = %claimed.id, "a delivery could not be recorded; its lease runs out and it is made again");
    }
}

/// What is sent, with everything opened.
struct Due {
    webhook: WebhookId,
    url: String,
    secrets: Vec<Secret>,
    id: String,
    body: String,
}

async fn try_once(p: &Platform, claimed: &ClaimedDelivery, at: OffsetDateTime) -> Result<()> {
    let cx = claimed.context();
    let Some(due) = load(p, &cx, claimed, at).await? else {
        let mut tx = p.db.write(&cx).await?;
        claimed.settle(&mut tx, None).await?;
        return tx.commit_unaudited(Unaudited::WebhookAttempt).await;
    };
    let begun = Instant::now();
    let message = send::Outgoing { url: &due.url, id: &due.id, body: &due.body, secrets: &due.secrets, at };
    let result = send::send(&p.webhooks, &message).await;
    vital_metrics::webhook_attempt(result.metric(), begun.elapsed());
    record(p, &cx, claimed, due.webhook, at, result, begun.elapsed()).await
}

/// What is to be sent; none where the delivery is gone, done, or its webhook is switched off.
async fn load(p: &Platform, cx: &OpContext, claimed: &ClaimedDelivery, at: OffsetDateTime) -> Result<Option<Due>> {
    let mut tx = p.db.read(cx).await?;
    let Some(row) = store::due(&mut tx, claimed.id).await? else { return Ok(None) };
    let webhook = WebhookId(row.webhook);
    let mut secrets = vec![Secret::of(tx.open(secret_of(webhook), &row.secret)?)];
    if let Some((former, _)) = row.previous_secret.zip(row.previous_until).filter(|(_, until)| *until > at) {
        secrets.push(Secret::of(tx.open(previous_secret_of(webhook), &former)?));
    }
    let url = tx.open_text(url_of(webhook), &row.url)?;
    Ok(Some(Due { webhook, url, secrets, id: row.message.to_string(), body: row.body }))
}

async fn record(
    p: &Platform,
    cx: &OpContext,
    claimed: &ClaimedDelivery,
    webhook: WebhookId,
    at: OffsetDateTime,
    result: send::Result,
    took: Duration,
) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    let Some(hook) = store::lock_webhook(&mut tx, webhook).await? else { return Ok(()) };
    let Some(made) = store::count_attempt(&mut tx, claimed.id).await? else { return Ok(()) };
    store::insert_attempt(&mut tx, claimed.id, at, result, took).await?;
    if result.is_taken() {
        claimed.settle(&mut tx, None).await?;
        store::set_delivered(&mut tx, claimed.id, webhook, at).await?;
        return tx.commit_unaudited(Unaudited::WebhookAttempt).await;
    }
    let next = schedule::next(made, at, result.asked);
    if !claimed.settle(&mut tx, next).await? {
        // Somebody else makes it, or nobody is to: the attempt is in the log, and that is all.
        return tx.commit_unaudited(Unaudited::WebhookAttempt).await;
    }
    store::set_next(&mut tx, claimed.id, next, at).await?;
    let judged = health::judge(hook.failing_since, hook.last_failure_at, at, result);
    store::set_failing(&mut tx, webhook, judged.failing_since, at).await?;
    let Some(because) = judged.off else { return tx.commit_unaudited(Unaudited::WebhookAttempt).await };
    store::switch_off(&mut tx, webhook, because, at).await?;
    tx.commit(AuditEntry::new(AuditAction::WebhookSwitchedOff, "webhook", webhook).fields(&["enabled"])).await?;
    tell(p, cx, webhook, hook.name, because);
    Ok(())
}

/// Tells in a task of its own: a mail server may take its time.
fn tell(p: &Platform, cx: &OpContext, webhook: WebhookId, name: String, because: OffBecause) {
    tracing::warn!(%webhook, because = because.as_str(), "a webhook was switched off");
    let (Some(p), cx) = (p.this(), cx.clone()) else { return };
    p.tasks.clone().spawn(async move { health::tell(&p, &cx, webhook, &name, because).await });
}
