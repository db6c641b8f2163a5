//! The queue of deliveries to webhooks: filled in the tenant's transaction, claimed fairly, leased, and settled in the transaction that
//! records the attempt.
//!
//! **Invariants:** at most so many deliveries of one webhook and of one tenant are under way at once, over all nodes, so that one that
//! answers slowly or has thousands waiting takes no place from another. A claim looks at a few rows of each webhook, however many wait.
//! Time comes from the caller.

use crate::{Db, Node, PlatformReason, TenantTx, Write, error::db_error};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Actor, OpContext, Origin, RequestId, Result, RoleSet, TenantId, WebhookDeliveryId, limits};

/// How long a claimed delivery stays claimed: an exchange, and ample time to record it.
const LEASE: Duration = Duration::from_secs(60);
/// Key of the lock that lets one node claim at a time, so that the bounds hold: `webhooks` in ASCII.
const CLAIMING: i64 = 0x7765_6268_6f6f_6b73;

/// What a node wants to claim.
#[derive(Clone, Copy, Debug)]
pub struct WebhookClaim {
    /// Who claims.
    pub node: Node,
    /// The present time.
    pub at: OffsetDateTime,
    /// At most so many.
    pub limit: usize,
}

/// A delivery that this process holds.
#[derive(Clone, Copy, Debug)]
pub struct ClaimedDelivery {
    /// The delivery.
    pub id: WebhookDeliveryId,
    tenant: TenantId,
    node: Node,
}

impl ClaimedDelivery {
    /// The tenant whose delivery it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The context of the work: the tenant that the notice belongs to.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a claimed delivery carries its tenant")]
    pub fn context(&self) -> OpContext {
        OpContext::establish(Origin::Job, self.tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
    }

    /// Ends the claim in the transaction that records the attempt: with a time the delivery waits for it, without one it is done. Returns
    /// false when the lease was lost, or nobody is to make the delivery any more.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn settle(&self, tx: &mut TenantTx<Write>, next: Option<OffsetDateTime>) -> Result<bool> {
        sqlx::query_scalar("select app.settle_delivery($1, $2, $3)")
            .bind(self.id.0)
            .bind(self.node.0)
            .bind(next)
            .fetch_one(tx.conn())
            .await
            .map_err(db_error)
    }
}

/// The due rows of every webhook, by a walk over the index from one webhook to the next; of each only as many as it may have at once.
const CLAIM: &str = "
with recursive hooks as (
    (select webhook from directory.webhook_queue order by webhook limit 1)
    union all
    select (select q.webhook from directory.webhook_queue q where q.webhook > h.webhook order by q.webhook limit 1) from hooks h
    where h.webhook is not null),
free as (
    select webhook, greatest(0, $4 - (select count(*) from directory.webhook_queue q where q.webhook = hooks.webhook and q.lease_owner is not null
                               and q.lease_until > $1)) as places
    from hooks where webhook is not null),
due as (
    select d.delivery, d.tenant, d.due_at, row_number() over (partition by d.tenant order by d.due_at, d.delivery) as turn
    from free cross join lateral (
        select delivery, tenant, due_at from directory.webhook_queue q
        where q.webhook = free.webhook and q.due_at <= $1 and (q.lease_until is null or q.lease_until <= $1)
        order by q.due_at limit free.places) d),
busy as (select tenant, count(*) as under_way from directory.webhook_queue where lease_owner is not null and lease_until > $1 group by tenant),
chosen as (
    select delivery from due left join busy using (tenant) where turn + coalesce(under_way, 0) <= $5 order by turn, due_at limit $6)
update directory.webhook_queue q set lease_owner = $2, lease_until = $1 + make_interval(secs => $3) from chosen
where q.delivery = chosen.delivery
returning q.delivery, q.tenant";

impl Db {
    /// Claims deliveries that are due, those first whose tenants have the fewest before them. Nothing while another node claims.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn claim_deliveries(&self, claim: WebhookClaim) -> Result<Vec<ClaimedDelivery>> {
        let mut tx = self.platform(PlatformReason::JobQueue).await?;
        let may: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(CLAIMING).fetch_one(tx.conn()).await.map_err(db_error)?;
        if !may {
            return Ok(Vec::new());
        }
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(CLAIM)
            .bind(claim.at)
            .bind(claim.node.0)
            .bind(LEASE.as_secs_f64())
            .bind(limits::WEBHOOK_AT_ONCE)
            .bind(limits::WEBHOOK_TENANT_AT_ONCE)
            .bind(i64::try_from(claim.limit).unwrap_or(i64::MAX))
            .fetch_all(tx.conn())
            .await
            .map_err(db_error)?;
        tx.commit().await?;
        let claimed =
            rows.into_iter().map(|(id, tenant)| ClaimedDelivery { id: WebhookDeliveryId(id), tenant: TenantId(tenant), node: claim.node });
        Ok(claimed.collect())
    }

    /// When the delivery was due that has waited longest; none where none is due.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn oldest_delivery(&self, at: OffsetDateTime) -> Result<Option<OffsetDateTime>> {
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        sqlx::query_scalar("select due_at from directory.webhook_queue where due_at <= $1 order by due_at limit 1")
            .bind(at)
            .fetch_optional(once.conn())
            .await
            .map_err(db_error)
    }

    /// Ends every lease, for a process that knows it is alone on this database: what its predecessor sent without recording is sent again.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn expire_delivery_leases(&self) -> Result<()> {
        let mut once = self.platform_once(PlatformReason::JobQueue).await?;
        sqlx::query("update directory.webhook_queue set lease_owner = null, lease_until = null where lease_owner is not null")
            .execute(once.conn())
            .await
            .map_err(db_error)?;
        Ok(())
    }
}
