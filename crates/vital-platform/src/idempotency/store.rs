//! SQL of idempotency keys.

use super::{KeptReply, Keyed, LEASE};
use crate::{Platform, identity::Caller};
use time::OffsetDateTime;
use vital_kernel::{AttemptId, Error, OpContext, Result, limits, now};
use vital_keys::{Place, TenantKeys};
use vital_store::{Db, PlatformReason, Unaudited, db_error};
use zeroize::Zeroizing;

/// How far a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Started,
    Effected,
    Recorded,
    TooLarge,
    Turn,
}

impl State {
    const ALL: [Self; 5] = [Self::Started, Self::Effected, Self::Recorded, Self::TooLarge, Self::Turn];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Effected => "effected",
            Self::Recorded => "recorded",
            Self::TooLarge => "too_large",
            Self::Turn => "turn",
        }
    }
}

/// What is known of a key.
pub(super) struct Row {
    pub state: State,
    /// Whether the same was asked as now.
    pub same_request: bool,
    pub stepped_up: bool,
    pub reply: Option<KeptReply>,
    pub lease_until: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl Row {
    /// Whether an equal request may run: the time of the key is over, or nobody runs it and nothing took effect.
    pub(super) fn is_free(&self, at: OffsetDateTime) -> bool {
        self.expires_at <= at || self.same_request && self.state == State::Started && self.lease_until <= at
    }
}

fn place(attempt: AttemptId) -> Place {
    Place::of("idempotency_keys.reply", attempt.0)
}

/// Of what was asked, under the tenant's key: who reads the database cannot try texts.
fn asked(keys: &TenantKeys, keyed: Keyed<'_>) -> [u8; 16] {
    let hex: String = keyed.fingerprint.iter().map(|b| format!("{b:02x}")).collect();
    keys.hashed_word(&format!("idempotency fingerprint\n{hex}"))
}

/// Claims a key in one statement, under the unique index.
pub(super) async fn claim(p: &Platform, caller: &Caller, keyed: Keyed<'_>, scope: &str) -> Result<Option<AttemptId>> {
    let (attempt, at) = (AttemptId::new(), now());
    let mut tx = p.db.write(&caller.cx).await?;
    let (scope, fingerprint) = (tx.keys().hashed_word(scope), asked(tx.keys(), keyed));
    let claimed = sqlx::query!(
        "insert into idempotency_keys as k (attempt, scope, fingerprint, stepped_up, state, lease_until, created_at, expires_at)
         values ($1, $2, $3, $4, 'started', $5, $6, $7)
         on conflict (tenant_id, scope) do update
         set attempt = excluded.attempt, fingerprint = excluded.fingerprint, stepped_up = excluded.stepped_up, state = 'started', status = null,
             reply = null, lease_until = excluded.lease_until, created_at = excluded.created_at, expires_at = excluded.expires_at
         where k.expires_at <= $6 or (k.state = 'started' and k.lease_until <= $6 and k.fingerprint = excluded.fingerprint)",
        attempt.0,
        scope.as_slice(),
        fingerprint.as_slice(),
        caller.cx.stepped_up(),
        at + LEASE,
        at,
        at + limits::IDEMPOTENCY_KEPT,
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    tx.commit_unaudited(Unaudited::IdempotencyKeys).await?;
    Ok((claimed.rows_affected() == 1).then_some(attempt))
}

/// Looks at a key.
pub(super) async fn look(p: &Platform, caller: &Caller, keyed: Keyed<'_>, scope: &str) -> Result<Option<Row>> {
    let mut tx = p.db.read(&caller.cx).await?;
    let (scope, fingerprint) = (tx.keys().hashed_word(scope), asked(tx.keys(), keyed));
    let row = sqlx::query!(
        "select attempt, fingerprint, stepped_up, state, status, reply, lease_until, expires_at from idempotency_keys where scope = $1",
        scope.as_slice(),
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    let Some(row) = row else { return Ok(None) };
    let reply = match (row.status, row.reply) {
        (Some(status), Some(sealed)) => {
            let status = u16::try_from(status).map_err(Error::internal)?;
            Some(KeptReply::from_bytes(status, &tx.open(place(AttemptId(row.attempt)), &sealed)?)?)
        }
        _ => None,
    };
    let state = State::ALL.into_iter().find(|s| s.as_str() == row.state);
    Ok(Some(Row {
        state: state.ok_or_else(|| Error::internal("a key is in no known state"))?,
        same_request: row.fingerprint == fingerprint,
        stepped_up: row.stepped_up,
        reply,
        lease_until: row.lease_until,
        expires_at: row.expires_at,
    }))
}

/// Goes on holding a key.
pub(super) async fn renew(p: &Platform, cx: &OpContext, attempt: AttemptId) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    sqlx::query!("update idempotency_keys set lease_until = $2 where attempt = $1 and reply is null", attempt.0, now() + LEASE)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    tx.commit_unaudited(Unaudited::IdempotencyKeys).await
}

/// Gives a key free. `keep_effect`: where something was committed, it stays taken instead, and its holder is gone.
pub(super) async fn release(p: &Platform, cx: &OpContext, attempt: AttemptId, keep_effect: bool) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    sqlx::query!("delete from idempotency_keys where attempt = $1 and (state = 'started' or not $2)", attempt.0, keep_effect)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    if keep_effect {
        sqlx::query!("update idempotency_keys set lease_until = $2 where attempt = $1", attempt.0, now())
            .execute(tx.conn())
            .await
            .map_err(db_error)?;
    }
    tx.commit_unaudited(Unaudited::IdempotencyKeys).await
}

/// Keeps a reply. Where another attempt has taken over, nothing is kept: the reply of that one counts.
pub(super) async fn keep(p: &Platform, cx: &OpContext, attempt: AttemptId, state: State, reply: &KeptReply) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    let sealed = tx.seal(place(attempt), Zeroizing::new(reply.bytes()?).as_slice())?;
    let status = i16::try_from(reply.status).map_err(Error::internal)?;
    sqlx::query!(
        "update idempotency_keys set state = $2, status = $3, reply = $4 where attempt = $1",
        attempt.0,
        state.as_str(),
        status,
        sealed
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    tx.commit_unaudited(Unaudited::IdempotencyKeys).await
}

/// Deletes what expired until `at`, of every tenant.
pub(super) async fn prune(db: &Db, at: OffsetDateTime) -> Result<u64> {
    let mut tx = db.platform(PlatformReason::Idempotency).await?;
    let deleted =
        sqlx::query_scalar!(r#"select app.prune_idempotency_keys($1) as "deleted!""#, at).fetch_one(tx.conn()).await.map_err(db_error)?;
    tx.commit().await?;
    u64::try_from(deleted).map_err(Error::internal)
}
