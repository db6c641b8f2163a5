//! Background work: claims jobs, renews their leases, runs them, tries again with growing delays, and gives up with a reason.

use crate::{Platform, ask, audit, experts, idempotency, identity, knowledge, tenancy, usage, webhooks};
use futures_util::FutureExt as _;
use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use vital_kernel::{Error, JobId, Result, limits};
use vital_store::{Claimed, JobKind, Unaudited};

/// Jobs that run at once in one process: parsing and embedding want whole cores.
const AT_ONCE: usize = 2;
/// How often the queue is looked at without being told.
const POLL: Duration = Duration::from_secs(1);
/// How often leases are renewed: three times within a lease.
const RENEW: Duration = Duration::from_secs(5);
/// Delay before the second attempt; each further one waits four times as long.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Code of the failure of a job that panicked.
const PANICKED: &str = "job.panicked";

/// The jobs that this process is working on: only their leases are renewed, so that one it lost track of is taken up by somebody.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<HashSet<JobId>>>);

/// Proof that a job is being worked on here; dropping it ends that.
pub(crate) struct Holding {
    held: Held,
    job: JobId,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashSet<JobId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, job: JobId) -> Holding {
        self.lock().insert(job);
        Holding { held: self.clone(), job }
    }

    fn jobs(&self) -> Vec<JobId> {
        self.lock().iter().copied().collect()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.job);
    }
}

/// Runs background work until the platform stops.
///
/// # Errors
/// The queue of a predecessor could not be taken over at the start.
pub async fn run(p: Arc<Platform>) -> Result<()> {
    if p.alone {
        p.db.expire_leases().await?;
    }
    tenancy::reseed_all(&p).await?;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let renewing = p.tasks.spawn(renew(p.clone()));
    let watching = p.tasks.spawn(watch(p.clone()));
    let reviewing = p.tasks.spawn(prepare_reviews(p.clone()));
    let proving = p.tasks.spawn(keep_domains(p.clone()));
    let pruning = p.tasks.spawn(prune_replies(p.clone()));
    let sweeping = p.tasks.spawn(sweep_usage(p.clone()));
    p.tasks.spawn(audit::trail::work(p.clone()));
    p.tasks.spawn(webhooks::work(p.clone()));
    loop {
        tokio::select! {
            () = p.stopping.cancelled() => break,
            () = p.work_waiting.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        if let Err(error) = claim_and_start(&p, &slots).await {
            tracing::warn!(%error, "the job queue cannot be read; trying again");
        }
    }
    renewing.abort();
    watching.abort();
    reviewing.abort();
    proving.abort();
    pruning.abort();
    sweeping.abort();
    Ok(())
}

/// Access that was taken away ends running answers too.
async fn watch(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(limits::DEPROVISION_LOOK);
    loop {
        tick.tick().await;
        if let Err(error) = ask::stop_of_inactive(&p).await {
            tracing::warn!(%error, "whether people with running answers are still active cannot be read");
        }
        if let Err(error) = identity::break_glass::close_ended(&p).await {
            tracing::warn!(%error, "openings by operators whose time is over cannot be closed");
        }
    }
}

/// Each week that has ended gets its review of activity.
async fn prepare_reviews(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(limits::REVIEW_LOOK);
    loop {
        tick.tick().await;
        if let Err(error) = audit::prepare_due(&p, vital_kernel::now()).await {
            tracing::warn!(%error, "reviews of ended weeks cannot be prepared; trying again");
        }
    }
}

/// Replies that were kept for idempotency keys go when their time is over.
async fn prune_replies(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(limits::IDEMPOTENCY_LOOK);
    loop {
        tick.tick().await;
        if let Err(error) = idempotency::prune(&p, vital_kernel::now()).await {
            tracing::warn!(%error, "replies that were kept for idempotency keys cannot be deleted; trying again");
        }
    }
}

/// Requests to models whose process died are counted at their estimate.
async fn sweep_usage(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(usage::LOOK);
    loop {
        tick.tick().await;
        if let Err(error) = usage::sweep(&p, vital_kernel::now()).await {
            tracing::warn!(%error, "overdue requests to models cannot be looked for; trying again");
        }
    }
}

/// Which domain leads where is known here soon after any node changed it, and proofs are asked for again.
async fn keep_domains(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(tenancy::domains::LOOK);
    loop {
        tick.tick().await;
        if let Err(error) = tenancy::domains::recheck_domains(&p).await {
            tracing::warn!(%error, "which proofs of domains are due cannot be read");
        }
        if let Err(error) = tenancy::refresh_domains(&p).await {
            tracing::warn!(%error, "the custom domains cannot be read; those known before stay");
        }
    }
}

async fn renew(p: Arc<Platform>) {
    let mut tick = tokio::time::interval(RENEW);
    loop {
        tick.tick().await;
        if let Err(error) = p.db.renew_leases(p.node, &p.held.jobs()).await {
            tracing::warn!(%error, "leases cannot be renewed");
        }
    }
}

async fn claim_and_start(p: &Arc<Platform>, slots: &Arc<Semaphore>) -> Result<()> {
    loop {
        let free = slots.available_permits();
        if free == 0 {
            return Ok(());
        }
        let claimed = p.db.claim_jobs(p.node, free).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        for job in claimed {
            let Ok(permit) = slots.clone().acquire_owned().await else { return Ok(()) };
            let p = p.clone();
            let held = p.held.take(job.id);
            p.tasks.clone().spawn(async move {
                let stopping = p.stopping.clone();
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = attempt(&p, &job) => {}
                }
                drop(held);
                drop(permit);
                p.work_waiting.notify_one();
            });
        }
    }
}

async fn attempt(p: &Arc<Platform>, job: &Claimed) {
    let done = if is_spent(job) { Err(spent()) } else { caught(perform(p, job)).await };
    let Err(error) = done else { return };
    tracing::warn!(?error, kind = job.kind.as_str(), attempt = job.attempt, "a job failed");
    let last = job.attempt >= limits::JOB_ATTEMPTS_MAX;
    let outcome = match job.kind {
        JobKind::IngestDocument if last => knowledge::give_up(p, job, &error).await,
        // Its attempts count waits for the model too, so that only a panic ends it. The document is found by its words.
        JobKind::EmbedDocument if last && error.code() == PANICKED => set_aside(p, job).await,
        _ => {
            let factor = 4_u32.saturating_pow(u32::try_from(job.attempt - 1).unwrap_or(0).min(5));
            p.db.retry_job(job, RETRY_DELAY * factor).await
        }
    };
    if let Err(error) = outcome {
        tracing::warn!(%error, "a failed job could not be given back; its lease will run out");
    }
}

/// Whether a document's reading began as often as it may and never came to an end, not even to a failure: it took the process with it each time.
fn is_spent(job: &Claimed) -> bool {
    job.kind == JobKind::IngestDocument && job.attempt > limits::JOB_ATTEMPTS_MAX
}

fn spent() -> Error {
    Error::unavailable(
        "document.reader_ended",
        "Each time this document was read the server stopped, so it is left alone. Nothing else was harmed and the file is kept; try again after an update, or convert it.",
    )
}

/// Runs a job so that a panic in it is a failure like others: it waits and is counted, instead of being begun anew as soon as its lease runs out.
async fn caught(work: impl Future<Output = Result<()>>) -> Result<()> {
    // What a panic may leave half done lies in a transaction, which is dropped with it.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        tracing::error!(panic = said.unwrap_or_default(), "a job panicked");
        let detail = "Something went wrong on our side in the background. What was stored before is still there; whoever runs the server finds it in the log.";
        Err(Error::unavailable(PANICKED, detail))
    })
}

/// Takes a job that keeps panicking out of the queue.
async fn set_aside(p: &Platform, job: &Claimed) -> Result<()> {
    tracing::error!(kind = job.kind.as_str(), subject = %job.subject, "a job panicked too often and is set aside");
    let mut tx = p.db.write(&job.context()).await?;
    job.finish(&mut tx).await?;
    tx.commit_unaudited(Unaudited::DerivedVectors).await
}

async fn perform(p: &Arc<Platform>, job: &Claimed) -> Result<()> {
    match job.kind {
        JobKind::IngestDocument => knowledge::ingest(p, job).await,
        JobKind::EmbedDocument => match knowledge::embed_document(p, job).await? {
            knowledge::Embedded::Done => Ok(()),
            knowledge::Embedded::Later(wait) => p.db.retry_job(job, wait).await,
        },
        JobKind::SeedTenant => seed(p, job).await,
        JobKind::Generate => ask::interrupted(p, job).await,
    }
}

async fn seed(p: &Arc<Platform>, job: &Claimed) -> Result<()> {
    let cx = job.context();
    experts::seed(p, &cx).await?;
    knowledge::seed(p, &cx).await?;
    let mut tx = p.db.write(&cx).await?;
    job.finish(&mut tx).await?;
    tx.commit(vital_kernel::AuditEntry::new(vital_kernel::AuditAction::TenantSeeded, "tenant", cx.tenant())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_with_a_code_and_other_ends_stay_what_they_are() {
        assert_eq!(caught(async { panic!("on purpose") }).await.unwrap_err().code(), PANICKED);
        assert_eq!(caught(async { Err(Error::conflict("other", "Other.")) }).await.unwrap_err().code(), "other");
        assert!(caught(async { Ok(()) }).await.is_ok());
    }
}
