//! SQL of fetched texts and of decisions about calls.

use super::{Content, NewSource};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Result, TurnId, UserId, now};
use vital_keys::Place;
use vital_store::{Read, TenantTx, Write, db_error};

fn content_of(id: Uuid) -> Place {
    Place::of("sources.content", id)
}

pub(super) async fn insert_source(tx: &mut TenantTx<Write>, turn: TurnId, tool: &str, source: &NewSource) -> Result<()> {
    let content = tx.seal_json(content_of(source.id), &source.content)?;
    sqlx::query!(
        "insert into sources (id, turn_id, tool, version_hash, content, retrieved_at) values ($1, $2, $3, $4, $5, $6)",
        source.id,
        turn.0,
        tool,
        source.version.as_slice(),
        content,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// A fetched text as it is stored.
pub(super) struct SourceRow {
    pub turn: Uuid,
    pub conversation: Uuid,
    pub tool: String,
    pub version: Vec<u8>,
    pub content: Content,
    pub retrieved_at: OffsetDateTime,
}

/// A text that was fetched for a turn of a member.
pub(super) async fn source(tx: &mut TenantTx<Read>, id: Uuid, owner: UserId) -> Result<Option<SourceRow>> {
    let row = sqlx::query!(
        "select s.turn_id, t.conversation_id, s.tool, s.version_hash, s.content, s.retrieved_at
         from sources s
         join turns t on t.tenant_id = s.tenant_id and t.id = s.turn_id
         join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
         where s.id = $1 and c.owner_id = $2",
        id,
        owner.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| {
        Ok(SourceRow {
            turn: r.turn_id,
            conversation: r.conversation_id,
            tool: r.tool,
            version: r.version_hash,
            content: tx.open_json(content_of(id), &r.content)?,
            retrieved_at: r.retrieved_at,
        })
    })
    .transpose()
}

/// Puts a call before a person.
pub(super) async fn ask_for_decision(tx: &mut TenantTx<Write>, turn: TurnId, call: i32) -> Result<()> {
    sqlx::query!("insert into tool_decisions (turn_id, call, asked_at) values ($1, $2, $3)", turn.0, call, now())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// What was decided about a call; none while nobody has.
pub(super) async fn decision(tx: &mut TenantTx<Read>, turn: TurnId, call: i32) -> Result<Option<bool>> {
    let decided = sqlx::query_scalar!("select approved from tool_decisions where turn_id = $1 and call = $2", turn.0, call)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(decided.flatten())
}

/// Decides about a call that waits, once. False where none waits.
pub(super) async fn decide(tx: &mut TenantTx<Write>, turn: TurnId, call: i32, approved: bool) -> Result<bool> {
    let decided = sqlx::query!(
        "update tool_decisions d set approved = $3, decided_by = app.actor_id(), decided_at = $4
         from turns t where t.tenant_id = d.tenant_id and t.id = d.turn_id and t.state = 'running'
           and d.turn_id = $1 and d.call = $2 and d.approved is null",
        turn.0,
        call,
        approved,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(decided.rows_affected() == 1)
}
