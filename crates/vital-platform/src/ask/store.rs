//! SQL of conversations and turns. Titles, questions, answers and events are sealed under the tenant's key.

use super::{Conversation, Outdated, Spoken, StoredEvent, Turn, TurnState, record::TurnRecord};
use crate::{
    experts::ExpertSummary,
    outbox::{self, Event},
};
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{ConversationId, ExpertId, Result, TurnId, UserId, now};
use vital_keys::Place;
use vital_store::{Read, TenantTx, Write, db_error};

const TITLE: &str = "conversations.title";
const QUESTION: &str = "turns.question";
const ANSWER: &str = "turns.answer";

/// Where the payload of an event is stored.
fn payload_of(turn: Uuid, seq: i32) -> Place {
    Place { column: "turn_events.payload", row: turn, part: seq.into() }
}

pub(super) struct ConversationRow {
    id: Uuid,
    title: Option<Vec<u8>>,
    pub expert_id: Option<Uuid>,
    turn_count: i32,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl ConversationRow {
    fn open<M>(self, tx: &TenantTx<M>) -> Result<OpenConversation> {
        let title = self.title.as_deref().map(|sealed| tx.open_text(Place::of(TITLE, self.id), sealed)).transpose()?;
        Ok(OpenConversation { title: title.unwrap_or_default(), row: self })
    }
}

/// A conversation whose title can be read.
pub(super) struct OpenConversation {
    title: String,
    row: ConversationRow,
}

impl OpenConversation {
    pub fn expert_id(&self) -> Option<Uuid> {
        self.row.expert_id
    }

    pub fn view(self, expert: Option<ExpertSummary>) -> Conversation {
        let Self { title, row } = self;
        Conversation {
            id: ConversationId(row.id),
            title,
            expert,
            turn_count: row.turn_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

pub(super) async fn insert_conversation(
    tx: &mut TenantTx<Write>,
    id: ConversationId,
    owner: UserId,
    expert: Option<ExpertId>,
) -> Result<()> {
    sqlx::query!(
        "insert into conversations (id, owner_id, title, expert_id, created_at, updated_at) values ($1, $2, null, $3, $4, $4)",
        id.0,
        owner.0,
        expert.map(|e| e.0),
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn conversation(tx: &mut TenantTx<Read>, id: ConversationId, owner: UserId) -> Result<Option<OpenConversation>> {
    let row = sqlx::query_as!(
        ConversationRow,
        r#"select id, title, expert_id, turn_count, created_at, updated_at from conversations where id = $1 and owner_id = $2"#,
        id.0,
        owner.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| r.open(tx)).transpose()
}

pub(super) async fn conversations(
    tx: &mut TenantTx<Read>,
    owner: UserId,
    before: Option<ConversationId>,
    limit: i64,
) -> Result<Vec<OpenConversation>> {
    let rows = sqlx::query_as!(
        ConversationRow,
        r#"select id, title, expert_id, turn_count, created_at, updated_at from conversations
           where owner_id = $1 and turn_count > 0
             and ($2::uuid is null or (updated_at, id) < (select b.updated_at, b.id from conversations b where b.id = $2))
           order by updated_at desc, id desc limit $3"#,
        owner.0,
        before.map(|b| b.0),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter().map(|r| r.open(tx)).collect()
}

pub(super) async fn delete_conversation(tx: &mut TenantTx<Write>, id: ConversationId, owner: UserId) -> Result<Option<Vec<TurnId>>> {
    let turns = sqlx::query_scalar!("select id from turns where conversation_id = $1 and state = 'running'", id.0)
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    let gone = sqlx::query!("delete from conversations where id = $1 and owner_id = $2", id.0, owner.0)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok((gone.rows_affected() == 1).then(|| turns.into_iter().map(TurnId).collect()))
}

pub(super) struct Locked {
    pub expert_id: Option<ExpertId>,
    pub turn_count: i32,
    pub running: bool,
}

/// Locks a conversation of the owner. Whether its last turn still runs is asked by a statement of its own, which begins when the lock is
/// held: the statement that waited for the lock would not see the turn that somebody asked meanwhile.
pub(super) async fn lock_conversation(tx: &mut TenantTx<Write>, id: ConversationId, owner: UserId) -> Result<Option<Locked>> {
    let row = sqlx::query!("select expert_id, turn_count from conversations where id = $1 and owner_id = $2 for update", id.0, owner.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)?;
    let Some(row) = row else { return Ok(None) };
    let running = sqlx::query_scalar!(
        r#"select exists (select from turns where conversation_id = $1 and ordinal = $2 and state = 'running') as "running!""#,
        id.0,
        row.turn_count
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(Some(Locked { expert_id: row.expert_id.map(ExpertId), turn_count: row.turn_count, running }))
}

/// A turn as it is asked.
pub(super) struct NewTurn<'a> {
    pub conversation: ConversationId,
    pub ordinal: i32,
    pub question: &'a str,
    pub title: &'a str,
    pub repeats: Option<TurnId>,
}

/// Stores a new turn and counts it in its conversation, which takes its title from the first question.
pub(super) async fn insert_turn(tx: &mut TenantTx<Write>, id: TurnId, new: &NewTurn<'_>) -> Result<()> {
    let question = tx.seal(Place::of(QUESTION, id.0), new.question)?;
    let title = tx.seal(Place::of(TITLE, new.conversation.0), new.title)?;
    sqlx::query!(
        "with counted as (
             update conversations set turn_count = $3, updated_at = $5, title = coalesce(title, $6) where id = $2)
         insert into turns (id, conversation_id, ordinal, question, state, created_at, repeats) values ($1, $2, $3, $4, 'running', $5, $7)",
        id.0,
        new.conversation.0,
        new.ordinal,
        question,
        now(),
        title,
        new.repeats.map(|t| t.0)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Appends events of a running turn, in one statement. Events that are stored already are left as they are, so that a repeated write after
/// a lost connection does no harm. Returns false when the turn no longer runs: somebody else has ended it.
pub(super) async fn insert_events(tx: &mut TenantTx<Write>, turn: TurnId, events: &[StoredEvent]) -> Result<bool> {
    let seqs: Vec<i32> = events.iter().map(|e| e.seq).collect();
    let kinds: Vec<String> = events.iter().map(|e| e.event.kind().to_owned()).collect();
    let payloads = events.iter().map(|e| tx.seal_json(payload_of(turn.0, e.seq), &e.event)).collect::<Result<Vec<_>>>()?;
    sqlx::query_scalar!(
        r#"with running as (select id from turns where id = $1 and state = 'running' for share),
                added as (insert into turn_events (turn_id, seq, kind, payload)
                          select $1, e.seq, e.kind, e.payload from running, unnest($2::int[], $3::text[], $4::bytea[]) as e (seq, kind, payload)
                          on conflict do nothing)
           select exists (select from running) as "running!""#,
        turn.0,
        &seqs,
        &kinds,
        &payloads
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

pub(super) async fn events_after(tx: &mut TenantTx<Read>, turn: TurnId, after: i32) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query!("select seq, payload from turn_events where turn_id = $1 and seq > $2 order by seq", turn.0, after)
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    rows.into_iter().map(|r| Ok(StoredEvent { seq: r.seq, event: tx.open_json(payload_of(turn.0, r.seq), &r.payload)? })).collect()
}

/// All events of a turn, for the process that takes it over.
pub(super) async fn all_events(tx: &mut TenantTx<Write>, turn: TurnId) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query!("select seq, payload from turn_events where turn_id = $1 order by seq", turn.0)
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    rows.into_iter().map(|r| Ok(StoredEvent { seq: r.seq, event: tx.open_json(payload_of(turn.0, r.seq), &r.payload)? })).collect()
}

pub(super) struct TurnRow {
    id: Uuid,
    conversation_id: Uuid,
    ordinal: i32,
    question: Vec<u8>,
    pub expert_id: Option<Uuid>,
    state: String,
    record: Option<Vec<u8>>,
    repeats: Option<Uuid>,
    marks: Option<serde_json::Value>,
    last_seq: i32,
    created_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
}

impl TurnRow {
    fn open<M>(mut self, tx: &TenantTx<M>) -> Result<OpenTurn> {
        let outdated = super::currency::store::outdated(tx, self.marks.take())?;
        let question = tx.open_text(Place::of(QUESTION, self.id), &self.question)?;
        let record = self.record.as_deref().map(|sealed| tx.open_json(Place::of(ANSWER, self.id), sealed)).transpose()?;
        Ok(OpenTurn { question, record: record.unwrap_or_default(), outdated, row: self })
    }
}

/// A turn that can be read.
pub(super) struct OpenTurn {
    question: String,
    record: TurnRecord,
    outdated: Vec<Outdated>,
    row: TurnRow,
}

impl OpenTurn {
    pub fn running(&self) -> bool {
        self.row.state == TurnState::Running.as_str()
    }

    pub fn expert_id(&self) -> Option<Uuid> {
        self.row.expert_id
    }

    pub fn view(self, expert: Option<ExpertSummary>) -> Turn {
        let Self { question, record, outdated, row } = self;
        Turn {
            id: TurnId(row.id),
            conversation_id: ConversationId(row.conversation_id),
            ordinal: row.ordinal,
            question,
            earlier: record.earlier,
            client_instructions: record.client_instructions,
            state: TurnState::parse(&row.state).unwrap_or(TurnState::Failed),
            expert,
            automatic: record.automatic,
            candidates: record.candidates,
            searched: record.searched,
            tools: record.tools,
            steps: record.steps,
            answer: record.answer,
            outdated,
            repeats: row.repeats.map(TurnId),
            problem: record.problem,
            last_seq: row.last_seq,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

pub(super) async fn turns(tx: &mut TenantTx<Read>, conversation: ConversationId, before: Option<i32>, limit: i64) -> Result<Vec<OpenTurn>> {
    let mut rows = sqlx::query_as!(
        TurnRow,
        r#"select t.id, t.conversation_id, t.ordinal, t.question, t.expert_id, t.state, t.answer as record, t.repeats,
                  (select jsonb_agg(jsonb_build_object('document', m.document_id, 'status', m.status, 'marked_at', m.marked_at, 'successor', s.id,
                                                       'title', encode(s.title, 'hex')) order by m.marked_at, m.document_id)
                   from answer_marks m join documents d on d.tenant_id = m.tenant_id and d.id = m.document_id
                   left join documents s on s.tenant_id = d.tenant_id and s.id = d.superseded_by and s.collection_id in (select app.visible_collections())
                   where m.turn_id = t.id) as marks,
                  coalesce((select max(e.seq) from turn_events e where e.turn_id = t.id), 0) as "last_seq!", t.created_at, t.finished_at
           from turns t where t.conversation_id = $1 and ($2::int is null or t.ordinal < $2) order by t.ordinal desc limit $3"#,
        conversation.0,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.reverse();
    rows.into_iter().map(|r| r.open(tx)).collect()
}

pub(super) async fn turn(tx: &mut TenantTx<Read>, id: TurnId, owner: UserId) -> Result<Option<OpenTurn>> {
    let row = sqlx::query_as!(
        TurnRow,
        r#"select t.id, t.conversation_id, t.ordinal, t.question, t.expert_id, t.state, t.answer as record, t.repeats,
                  (select jsonb_agg(jsonb_build_object('document', m.document_id, 'status', m.status, 'marked_at', m.marked_at, 'successor', s.id,
                                                       'title', encode(s.title, 'hex')) order by m.marked_at, m.document_id)
                   from answer_marks m join documents d on d.tenant_id = m.tenant_id and d.id = m.document_id
                   left join documents s on s.tenant_id = d.tenant_id and s.id = d.superseded_by and s.collection_id in (select app.visible_collections())
                   where m.turn_id = t.id) as marks,
                  coalesce((select max(e.seq) from turn_events e where e.turn_id = t.id), 0) as "last_seq!", t.created_at, t.finished_at
           from turns t join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
           where t.id = $1 and c.owner_id = $2"#,
        id.0,
        owner.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| r.open(tx)).transpose()
}

/// The latest turns of a person with their titles and texts.
pub(super) async fn spoken(tx: &mut TenantTx<Read>, owner: UserId, limit: i64) -> Result<Vec<Spoken>> {
    let rows = sqlx::query!(
        r#"select t.id, t.conversation_id, t.ordinal, t.question, t.answer, t.created_at, c.title
           from turns t join conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
           where c.owner_id = $1 order by t.created_at desc, t.id desc limit $2"#,
        owner.0,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            let record: Option<TurnRecord> = r.answer.map(|sealed| tx.open_json(Place::of(ANSWER, r.id), &sealed)).transpose()?;
            let title = r.title.map(|sealed| tx.open_text(Place::of(TITLE, r.conversation_id), &sealed)).transpose()?;
            Ok(Spoken {
                turn: TurnId(r.id),
                conversation: ConversationId(r.conversation_id),
                first: r.ordinal == 1,
                title: title.unwrap_or_default(),
                question: tx.open_text(Place::of(QUESTION, r.id), &r.question)?,
                answer: record.and_then(|r| r.answer).map(|a| a.plain_text()).unwrap_or_default(),
                created_at: r.created_at,
            })
        })
        .collect()
}

/// Earlier questions and answers of a conversation, oldest first.
pub(super) async fn history(
    tx: &mut TenantTx<Read>,
    conversation: ConversationId,
    before: i32,
    limit: i64,
) -> Result<Vec<(String, Option<TurnRecord>)>> {
    let mut rows = sqlx::query!(
        r#"select id, question, answer from turns
           where conversation_id = $1 and ordinal < $2 and state in ('answered', 'no_evidence', 'stopped') order by ordinal desc limit $3"#,
        conversation.0,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.reverse();
    let open = |id: Uuid, question: Vec<u8>, answer: Option<Vec<u8>>| {
        let record = answer.map(|sealed| tx.open_json(Place::of(ANSWER, id), &sealed)).transpose()?;
        Ok((tx.open_text(Place::of(QUESTION, id), &question)?, record))
    };
    rows.into_iter().map(|r| open(r.id, r.question, r.answer)).collect()
}

/// What the end of a turn stores.
pub(super) struct Ending<'a> {
    pub state: TurnState,
    pub expert: Option<(ExpertId, i32)>,
    pub composer: &'a str,
    pub record: &'a TurnRecord,
}

/// Ends a running turn: its state, record and citations. Returns false when somebody else has ended it.
pub(super) async fn end_turn(tx: &mut TenantTx<Write>, id: TurnId, ending: &Ending<'_>) -> Result<bool> {
    let record = tx.seal_json(Place::of(ANSWER, id.0), ending.record)?;
    let ended = sqlx::query_scalar!(
        "update turns set state = $2, expert_id = $3, expert_version = $4, composer = $5, answer = $6, finished_at = $7 where id = $1 and state = 'running'
         returning conversation_id",
        id.0,
        ending.state.as_str(),
        ending.expert.map(|e| e.0.0),
        ending.expert.map(|e| e.1),
        ending.composer,
        record,
        now()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    let Some(conversation) = ended.map(ConversationId) else { return Ok(false) };
    if let Some(answer) = &ending.record.answer {
        insert_citations(tx, id, answer).await?;
        let documents: Vec<Uuid> = answer.citations.iter().filter(|c| c.fetched.is_none()).map(|c| c.document_id).collect();
        super::currency::store::mark_ended(tx, id, &documents).await?;
    }
    outbox::enqueue(tx, Event::TurnFinished { turn: id, conversation, state: ending.state.as_str() }).await?;
    Ok(true)
}

async fn insert_citations(tx: &mut TenantTx<Write>, turn: TurnId, answer: &super::Answer) -> Result<()> {
    let sentences = answer.blocks.iter().flat_map(|b| &b.sentences);
    let rows: Vec<serde_json::Value> = sentences
        .flat_map(|s| s.citations.iter().map(move |n| (s.index, *n)))
        .filter_map(|(sentence, n)| answer.citations.iter().find(|c| c.n == n).map(|c| (sentence, c)))
        .map(|(sentence, c)| {
            serde_json::json!({ "n": c.n, "sentence": sentence, "document_id": c.document_id, "version": c.version, "start_byte": c.start, "end_byte": c.end })
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into citations (turn_id, n, sentence, document_id, version_hash, start_byte, end_byte)
         select $1, n, sentence, document_id, decode(version, 'hex'), start_byte, end_byte
         from jsonb_to_recordset($2) as r (n int, sentence int, document_id uuid, version text, start_byte int, end_byte int)
         on conflict do nothing",
        turn.0,
        serde_json::Value::Array(rows)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Number of the last stored event and state of a turn, for the process that takes it over.
pub(super) async fn left_behind(tx: &mut TenantTx<Write>, id: TurnId) -> Result<Option<(bool, i32)>> {
    let row = sqlx::query!(
        r#"select t.state = 'running' as "running!", coalesce((select max(e.seq) from turn_events e where e.turn_id = t.id), 0) as "last_seq!"
           from turns t where t.id = $1 for update"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(row.map(|r| (r.running, r.last_seq)))
}
