//! The job queue: enqueued in the tenant's transaction, claimed with SKIP LOCKED, leased, renewed, and finished in the transaction that
//! stores the result. A worker that lost its lease cannot finish: `finish` refuses and the caller rolls back.

use crate::{Db, PlatformReason, TenantTx, Write, error::db_error};
use std::time::Duration;
use uuid::Uuid;
use vital_kernel::{Actor, Error, JobId, OpContext, Origin, RequestId, Result, RoleSet, TenantId, UserId, limits};

/// What kind of work a job is. The name is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Parse, cut and index one document.
    IngestDocument,
    /// Compute the vectors of one document's passages.
    EmbedDocument,
    /// Bring a tenant's built-in experts and starter library up to date.
    SeedTenant,
    /// Write the answer of one turn. Claimed by the process that accepted the question.
    Generate,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::IngestDocument, Self::EmbedDocument, Self::SeedTenant, Self::Generate];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IngestDocument => "ingest_document",
            Self::EmbedDocument => "embed_document",
            Self::SeedTenant => "seed_tenant",
            Self::Generate => "generate",
        }
    }
}

/// A process that works on jobs: a new one with every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(pub(crate) Uuid);

impl Node {
    /// Makes the identity of this process.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "an identity is an act, not a default value")]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

/// A job that this process holds.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// To which object of the tenant.
    pub subject: Uuid,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    tenant: TenantId,
    on_behalf: Option<UserId>,
    node: Node,
}

impl Claimed {
    /// The context of the work: the tenant that enqueued it, on behalf of the person who caused it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a claimed job carries tenant and actor")]
    pub fn context(&self) -> OpContext {
        OpContext::establish(Origin::Job, self.tenant, Actor::Job(self.on_behalf), RoleSet::default(), RequestId::new())
    }

    /// Ends the job in the transaction that stores its result.
    ///
    /// # Errors
    /// `Conflict` when the lease was lost: another worker has the job, so the transaction must be dropped.
    pub async fn finish(&self, tx: &mut TenantTx<Write>) -> Result<()> {
        let held: bool = sqlx::query_scalar("select app.finish_job($1, $2)")
            .bind(self.id.0)
            .bind(self.node.0)
            .fetch_one(tx.conn())
            .await
            .map_err(db_error)?;
        if held { Ok(()) } else { Err(Error::conflict("job.lease_lost", "Another worker has taken this job over.")) }
    }
}

impl TenantTx<Write> {
    /// Puts work into the queue, to become visible when the transaction commits. Returns false when the same work is waiting already.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn enqueue(&mut self, kind: JobKind, subject: Uuid) -> Result<bool> {
        self.insert_job(JobId::new(), kind, subject, None).await
    }

    /// Puts work into the queue that this process starts itself, already claimed.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; `Conflict` when the work is under way already.
    pub async fn enqueue_claimed(&mut self, cx: &OpContext, node: Node, kind: JobKind, subject: Uuid) -> Result<Claimed> {
        let id = JobId::new();
        if !self.insert_job(id, kind, subject, Some(node)).await? {
            return Err(Error::conflict("job.under_way", "This is being worked on already."));
        }
        Ok(Claimed { id, kind, subject, attempt: 1, tenant: cx.tenant(), on_behalf: cx.user(), node })
    }

    async fn insert_job(&mut self, id: JobId, kind: JobKind, subject: Uuid, owner: Option<Node>) -> Result<bool> {
        sqlx::query_scalar("select app.enqueue_job($1, $2, $3, $4, make_interval(secs => $5))")
            .bind(id.0)
            .bind(kind.as_str())
            .bind(subject)
            .bind(owner.map(|n| n.0))
            .bind(limits::JOB_LEASE.as_secs_f64())
            .fetch_one(self.conn())
            .await
            .map_err(db_error)
    }
}

impl Db {
    /// Claims up to `limit` jobs that are due or whose worker has fallen silent. Computing vectors comes after everything else: a new
    /// document can be found by words while the vectors of others are still being made.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn claim_jobs(&self, node: Node, limit: usize) -> Result<Vec<Claimed>> {
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        let rows: Vec<(Uuid, Uuid, Option<Uuid>, String, Uuid, i16)> = sqlx::query_as(
            "update directory.jobs j set lease_owner = $1, lease_until = now() + make_interval(secs => $2), attempts = attempts + 1
             where id in (select id from directory.jobs
                          where (lease_owner is null and run_at <= now()) or lease_until < now()
                          order by kind = 'embed_document', run_at for update skip locked limit $3)
             returning id, tenant, on_behalf, kind, subject, attempts",
        )
        .bind(node.0)
        .bind(limits::JOB_LEASE.as_secs_f64())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(once.conn())
        .await
        .map_err(db_error)?;
        let claimed = rows.into_iter().filter_map(|(id, tenant, on_behalf, kind, subject, attempt)| {
            let kind = JobKind::ALL.into_iter().find(|k| k.as_str() == kind)?;
            Some(Claimed { id: JobId(id), kind, subject, attempt, tenant: TenantId(tenant), on_behalf: on_behalf.map(UserId), node })
        });
        Ok(claimed.collect())
    }

    /// Renews the leases of the jobs that this process is working on, in one statement. A job it no longer works on is left to run out.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn renew_leases(&self, node: Node, jobs: &[JobId]) -> Result<()> {
        let ids: Vec<Uuid> = jobs.iter().map(|j| j.0).collect();
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        sqlx::query("update directory.jobs set lease_until = now() + make_interval(secs => $3) where id = any ($1) and lease_owner = $2")
            .bind(ids)
            .bind(node.0)
            .bind(limits::JOB_LEASE.as_secs_f64())
            .execute(once.conn())
            .await
            .map_err(db_error)?;
        Ok(())
    }

    /// Tells whether a job waits or is being worked on.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn job_open(&self, kind: JobKind, subject: Uuid) -> Result<bool> {
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        sqlx::query_scalar("select exists (select from directory.jobs where kind = $1 and subject = $2)")
            .bind(kind.as_str())
            .bind(subject)
            .fetch_one(once.conn())
            .await
            .map_err(db_error)
    }

    /// Gives a job back, to be tried again after a delay.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn retry_job(&self, job: &Claimed, after: Duration) -> Result<()> {
        self.on_queue(
            "update directory.jobs set lease_owner = null, lease_until = null, run_at = now() + make_interval(secs => $2) where id = $1",
            job.id.0,
            after,
        )
        .await
    }

    /// Ends every lease, for a process that knows it is alone on this database: work of its predecessor is taken up at once.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn expire_leases(&self) -> Result<()> {
        self.on_queue(
            "update directory.jobs set lease_until = now() - make_interval(secs => $2) where lease_owner <> $1",
            Uuid::nil(),
            Duration::from_secs(1),
        )
        .await
    }

    async fn on_queue(&self, statement: &'static str, subject: Uuid, interval: Duration) -> Result<()> {
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        sqlx::query(statement).bind(subject).bind(interval.as_secs_f64()).execute(once.conn()).await.map_err(db_error)?;
        Ok(())
    }
}
