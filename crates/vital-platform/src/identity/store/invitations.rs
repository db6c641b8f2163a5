//! Invitations; the hashes of their links stand in the directory.

use crate::identity::NewInvitation;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{InvitationId, Result, UserId, now};
use vital_store::{TenantTx, Write, db_error};

pub(crate) struct InvitationRow {
    pub id: Uuid,
    pub email: String,
    pub display_name: String,
    pub roles: Vec<String>,
    pub invited_by: Option<Uuid>,
    pub created_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub accepted_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

pub(crate) async fn insert_invitation(
    tx: &mut TenantTx<Write>,
    id: InvitationId,
    new: &NewInvitation,
    by: Option<UserId>,
    ends_at: OffsetDateTime,
) -> Result<()> {
    let roles: Vec<String> = new.roles.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into invitations (id, email, display_name, roles, invited_by, created_at, ends_at) values ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        new.email,
        new.display_name,
        &roles,
        by.map(|u| u.0),
        now(),
        ends_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Invitations, newest first, or one of them.
pub(crate) async fn invitations<M>(
    tx: &mut TenantTx<M>,
    only: Option<InvitationId>,
    before: Option<InvitationId>,
    limit: i64,
) -> Result<Vec<InvitationRow>> {
    sqlx::query_as!(
        InvitationRow,
        "select id, email, display_name, roles, invited_by, created_at, ends_at, accepted_at, revoked_at from invitations
         where ($1::uuid is null or id = $1) and ($2::uuid is null or id < $2) order by id desc limit $3",
        only.map(|i| i.0),
        before.map(|i| i.0),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// Invitations that can be taken up, with their addresses. No two invitations of a tenant are made at the same moment.
pub(crate) async fn waiting_invitations(tx: &mut TenantTx<Write>) -> Result<Vec<(InvitationId, String)>> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('invitations ' || app.tenant_id(), 0))")
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    let rows = sqlx::query!("select id, email from invitations where accepted_at is null and revoked_at is null and ends_at > now()")
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (InvitationId(r.id), r.email)).collect())
}

/// Lets an invitation that was neither taken up nor revoked wait until another time.
pub(crate) async fn extend_invitation(tx: &mut TenantTx<Write>, id: InvitationId, until: OffsetDateTime) -> Result<Option<InvitationRow>> {
    sqlx::query_as!(
        InvitationRow,
        "update invitations set ends_at = $2 where id = $1 and accepted_at is null and revoked_at is null
         returning id, email, display_name, roles, invited_by, created_at, ends_at, accepted_at, revoked_at",
        id.0,
        until
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

/// Marks an invitation as revoked. Returns false where none waits.
pub(crate) async fn revoke_invitation(tx: &mut TenantTx<Write>, id: InvitationId) -> Result<bool> {
    let revoked =
        sqlx::query!("update invitations set revoked_at = $2 where id = $1 and accepted_at is null and revoked_at is null", id.0, now())
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
    Ok(revoked.rows_affected() == 1)
}

/// Marks an invitation as taken up. Returns false where it waits no longer.
pub(crate) async fn accept_invitation(tx: &mut TenantTx<Write>, id: InvitationId) -> Result<bool> {
    let accepted = sqlx::query!(
        "update invitations set accepted_at = $2 where id = $1 and accepted_at is null and revoked_at is null and ends_at > $2",
        id.0,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(accepted.rows_affected() == 1)
}

/// Whether a member of the tenant has an address.
pub(crate) async fn is_member_email(tx: &mut TenantTx<Write>, email: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from members where email = $1 and removed_at is null) as "is!""#, email)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// The name of the transaction's organisation.
pub(crate) async fn organisation_name<M>(tx: &mut TenantTx<M>) -> Result<String> {
    sqlx::query_scalar!(r#"select name as "name!" from app.tenant_policy()"#).fetch_one(tx.conn()).await.map_err(db_error)
}
