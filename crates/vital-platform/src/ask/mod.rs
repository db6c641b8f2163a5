//! Asking: conversations, turns, and the durable stream of events in which an answer is written.
//!
//! **Invariants:** a turn's events are stored before anybody sees them, numbered without gaps, and end with `done`; a generation belongs to
//! one process by lease and survives the browser; what a stopped process leaves behind ends with a typed event.

pub mod answer;
pub mod assemble;
pub mod bind;
mod by_model;
pub mod check;
pub mod compose;
pub mod confidence;
mod currency;
mod draft;
pub mod event;
pub mod evidence;
mod generate;
mod history;
mod prompt;
mod reading;
mod record;
mod recorder;
mod replay;
mod store;
mod stream;
mod tools;
mod write;

use crate::{
    Platform,
    experts::{self, ExpertSummary},
    places::Place,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, ConversationId, Error, ExpertId, OpContext, Permission, Result, TurnId, limits};
use vital_store::JobKind;

pub use answer::Answer;
pub use currency::{
    Appraised, Comparison, Notice, NoticeTurn, Outdated, Passed, Piece, Successor, appraise, compare, keep, notices, reach, see_notices,
    unseen_notices,
};
pub use event::{Candidate, StoredEvent, TurnEvent, TurnState};
pub(crate) use generate::interrupted;
pub use history::Exchange;
pub use replay::{Newcomer, PassageState, Recomposed, Replay, ReplayedPassage, replay};
pub(crate) use stream::stop_of_inactive;
pub use stream::{Streams, follow};
pub use tools::{Brought, Source, ToolOutcome, ToolUse, decide, source};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Id in this tenant.
    #[schema(value_type = uuid::Uuid)]
    pub id: ConversationId,
    /// The first question, shortened; empty before there is one.
    pub title: String,
    /// The chosen expert; none means the platform chooses for each question.
    pub expert: Option<ExpertSummary>,
    /// Number of turns.
    pub turn_count: i32,
    /// When it was opened (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When something last happened in it (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A page of a conversation: its latest turns, or those before a given one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConversationView {
    /// The conversation.
    pub conversation: Conversation,
    /// Turns in order.
    pub turns: Vec<Turn>,
    /// Whether there are turns before the first one here.
    pub earlier: bool,
}

/// A question to be asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The words.
    pub text: String,
    /// Slug of the expert for this question; none means the conversation's choice.
    pub expert: Option<String>,
    /// What was said before elsewhere, oldest first, for clients that keep conversations themselves: it comes behind the turns of the
    /// conversation. Those before the last `HISTORY_TURNS_MAX` are left out.
    pub earlier: Vec<Exchange>,
    /// Instructions that a client sent along. They are kept with the turn and have no effect: an expert works by its own.
    pub client_instructions: String,
    /// The turn of the same conversation whose question this is.
    pub repeats: Option<TurnId>,
}

/// What went wrong in a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable dotted code.
    pub code: String,
    /// What happened, whether anything was lost and what to do.
    pub detail: String,
    /// Whether asking again makes sense.
    pub retryable: bool,
}

/// One question and how it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    /// Id in this tenant.
    #[schema(value_type = uuid::Uuid)]
    pub id: TurnId,
    /// Its conversation.
    #[schema(value_type = uuid::Uuid)]
    pub conversation_id: ConversationId,
    /// Place in the conversation, from 1.
    pub ordinal: i32,
    /// The question.
    pub question: String,
    /// What the client said had been asked and answered before, outside of this conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Exchange>,
    /// Instructions that the client sent along; they had no effect on the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client_instructions: String,
    /// How it stands.
    pub state: TurnState,
    /// The expert that took it.
    pub expert: Option<ExpertSummary>,
    /// True where the platform chose the expert.
    pub automatic: bool,
    /// Who was considered, best first.
    pub candidates: Vec<Candidate>,
    /// What was searched.
    pub searched: Option<answer::Searched>,
    /// The calls of tools, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolUse>,
    /// What the reader should know about how the answer was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The answer; while running, the events tell it.
    pub answer: Option<Answer>,
    /// Documents that the answer stood on and that hold no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outdated: Vec<Outdated>,
    /// The turn whose question this asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub repeats: Option<TurnId>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// Number of the last stored event.
    pub last_seq: i32,
    /// When it was asked (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ended (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

/// Characters of the first question that make the title.
const TITLE_CHARS: usize = 90;

/// Opens a conversation with a chosen expert, or with the platform choosing.
///
/// # Errors
/// `Forbidden` without the permission to ask; `NotFound` for an unknown expert.
pub async fn open_conversation(p: &Platform, cx: &OpContext, expert: Option<&str>) -> Result<Conversation> {
    cx.require(Permission::Ask)?;
    let owner = cx.require_user()?;
    let expert = match expert {
        Some(slug) => Some(experts::find(p, cx, slug).await?),
        None => None,
    };
    let id = ConversationId::new();
    let mut tx = p.db.write(cx).await?;
    store::insert_conversation(&mut tx, id, owner, expert.as_ref().map(|e| e.id)).await?;
    tx.commit(AuditEntry::new(AuditAction::ConversationOpened, "conversation", id)).await?;
    Ok(own_conversation(p, cx, id).await?.view(expert.map(|e| e.summary())))
}

/// Lists the caller's conversations, latest first.
///
/// # Errors
/// `Forbidden` without the permission to read conversations.
pub async fn conversations(p: &Platform, cx: &OpContext, before: Option<ConversationId>, limit: i64) -> Result<Vec<Conversation>> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let known = experts_by_id(p, cx).await?;
    let rows = store::conversations(&mut p.db.read(cx).await?, owner, before, limit.clamp(1, limits::PAGE_SIZE_MAX)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let expert = summary_of(&known, row.expert_id());
            row.view(expert)
        })
        .collect())
}

/// Reads a conversation of the caller: its latest turns, or those before a given place.
///
/// # Errors
/// `NotFound` when the caller has no such conversation.
pub async fn conversation(p: &Platform, cx: &OpContext, id: ConversationId, before: Option<i32>) -> Result<ConversationView> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let known = experts_by_id(p, cx).await?;
    let mut read = p.db.read_audited(cx).await?;
    let row = store::conversation(read.tx(), id, owner).await?.ok_or_else(unknown)?;
    let turns = store::turns(read.tx(), id, before, limits::PAGE_SIZE).await?;
    let unfinished = turns.iter().any(store::OpenTurn::running);
    reading::record(p, cx, read, (AuditAction::ConversationRead, "conversation", id.0), unfinished).await?;
    let expert = summary_of(&known, row.expert_id());
    let turns: Vec<Turn> = turns
        .into_iter()
        .map(|t| {
            let expert = summary_of(&known, t.expert_id());
            t.view(expert)
        })
        .collect();
    Ok(ConversationView { earlier: turns.first().is_some_and(|t| t.ordinal > 1), conversation: row.view(expert), turns })
}

/// Deletes a conversation of the caller with its turns, events and citations. A running answer is stopped.
///
/// # Errors
/// `NotFound` when the caller has no such conversation.
pub async fn delete_conversation(p: &Platform, cx: &OpContext, id: ConversationId) -> Result<()> {
    cx.require(Permission::Ask)?;
    let owner = cx.require_user()?;
    let mut tx = p.db.write(cx).await?;
    let turns = store::delete_conversation(&mut tx, id, owner).await?.ok_or_else(unknown)?;
    tx.commit(AuditEntry::new(AuditAction::ConversationDeleted, "conversation", id)).await?;
    turns.into_iter().for_each(|turn| p.streams.cancel(turn));
    Ok(())
}

/// Asks a question in a conversation of its own, with the chosen expert or with the platform choosing.
///
/// # Errors
/// Those of `open_conversation` and `ask`. A question that breaks a rule opens no conversation.
pub async fn ask_anew(p: &Arc<Platform>, cx: &OpContext, question: Question) -> Result<Turn> {
    cx.require(Permission::Ask)?;
    valid_question(&question.text)?;
    let place = place(p, cx)?;
    let opened = open_conversation(p, cx, question.expert.as_deref()).await?;
    ask_in(p, cx, opened.id, question, place).await
}

/// A place to write an answer in.
fn place(p: &Platform, cx: &OpContext) -> Result<Place> {
    p.generations.take(cx.tenant()).ok_or_else(|| {
        Error::rate_limited(
            "ask.busy",
            "The platform is writing as many answers as it can, in all or for your organisation. Your question was not stored; ask again in a moment.",
        )
        .with_retry_after(std::time::Duration::from_secs(5))
    })
}

/// Asks a question in a conversation of the caller. Returns as soon as the question is stored; the answer is written by a task of its own.
///
/// # Errors
/// `Invalid` or `TooLarge` for the question, `NotFound` for conversation or expert, `Forbidden` when the expert of the conversation is no
/// longer shared with the caller, `Conflict` while the last answer is being written or when
/// the conversation is full, `RateLimited` when the platform writes as many answers as it can.
pub async fn ask(p: &Arc<Platform>, cx: &OpContext, id: ConversationId, question: Question) -> Result<Turn> {
    cx.require(Permission::Ask)?;
    valid_question(&question.text)?;
    let place = place(p, cx)?;
    ask_in(p, cx, id, question, place).await
}

async fn ask_in(p: &Arc<Platform>, cx: &OpContext, id: ConversationId, question: Question, place: Place) -> Result<Turn> {
    let owner = cx.require_user()?;
    let text = valid_question(&question.text)?;
    let earlier = history::recent(question.earlier);
    let client_instructions = question.client_instructions;
    let chosen = match &question.expert {
        Some(slug) => Some(experts::find(p, cx, slug).await?),
        None => None,
    };
    let turn = TurnId::new();
    let mut tx = p.db.write(cx).await?;
    let row = store::lock_conversation(&mut tx, id, owner).await?.ok_or_else(unknown)?;
    row.takes_a_turn()?;
    if let (None, Some(expert)) = (&chosen, row.expert_id) {
        experts::require_askable(&mut tx, expert).await?;
    }
    let title: String = text.chars().take(TITLE_CHARS).collect();
    let new = store::NewTurn { conversation: id, ordinal: row.turn_count + 1, question: &text, title: &title, repeats: question.repeats };
    store::insert_turn(&mut tx, turn, &new).await?;
    let (turn_id, conversation_id) = (turn.0, id.0);
    let accepted =
        TurnEvent::Accepted { turn_id, conversation_id, earlier: earlier.clone(), client_instructions: client_instructions.clone() };
    store::insert_events(&mut tx, turn, &[StoredEvent { seq: 1, event: accepted }]).await?;
    let job = tx.enqueue_claimed(cx, p.node, JobKind::Generate, turn.0).await?;
    let live = p.streams.open(turn, cx);
    let stored = tx.commit(AuditEntry::new(AuditAction::TurnAsked, "turn", turn)).await;
    if let Err(error) = stored {
        p.streams.close(turn);
        return Err(error);
    }
    let expert_id = chosen.as_ref().map(|e| e.id).or(row.expert_id);
    let work = generate::Work {
        turn,
        conversation: id,
        ordinal: row.turn_count + 1,
        question: text.clone(),
        earlier: earlier.clone(),
        client_instructions: client_instructions.clone(),
        expert_id,
        job,
        held: p.held.take(job.id),
        cx: cx.clone().detached(),
        live,
    };
    // The answer outlives the request, and is still part of what it began.
    p.tasks.spawn(vital_telemetry::within(vital_telemetry::current(), generate::run(p.clone(), work, place)));
    Ok(Turn {
        id: turn,
        conversation_id: id,
        ordinal: row.turn_count + 1,
        question: text,
        earlier,
        client_instructions,
        state: TurnState::Running,
        expert: chosen.map(|e| e.summary()),
        automatic: expert_id.is_none(),
        candidates: Vec::new(),
        searched: None,
        tools: Vec::new(),
        steps: Vec::new(),
        answer: None,
        outdated: Vec::new(),
        repeats: question.repeats,
        problem: None,
        last_seq: 1,
        created_at: vital_kernel::now(),
        finished_at: None,
    })
}

/// What was asked and answered in a turn, as text.
pub(crate) struct Spoken {
    pub turn: TurnId,
    pub conversation: ConversationId,
    /// Whether it is the first of its conversation.
    pub first: bool,
    pub title: String,
    pub question: String,
    pub answer: String,
    pub created_at: OffsetDateTime,
}

/// The latest turns of the caller, for a search that shows parts of them; none for somebody who reads no conversations.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn spoken(p: &Platform, cx: &OpContext, limit: i64) -> Result<Vec<Spoken>> {
    match cx.user() {
        Some(owner) if cx.may(Permission::ConversationRead) => store::spoken(&mut p.db.read(cx).await?, owner, limit).await,
        _ => Ok(Vec::new()),
    }
}

/// Reads one turn of the caller.
///
/// # Errors
/// `NotFound` when the caller has no such turn.
pub async fn turn(p: &Platform, cx: &OpContext, id: TurnId) -> Result<Turn> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let known = experts_by_id(p, cx).await?;
    let mut read = p.db.read_audited(cx).await?;
    let row = store::turn(read.tx(), id, owner).await?.ok_or_else(unknown_turn)?;
    reading::record(p, cx, read, (AuditAction::TurnRead, "turn", id.0), row.running()).await?;
    let expert = summary_of(&known, row.expert_id());
    Ok(row.view(expert))
}

/// A turn of the caller for a verb that acts on it and shows nothing of it.
async fn own_turn(p: &Platform, cx: &OpContext, id: TurnId) -> Result<Turn> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let known = experts_by_id(p, cx).await?;
    let row = store::turn(&mut p.db.read(cx).await?, id, owner).await?.ok_or_else(unknown_turn)?;
    let expert = summary_of(&known, row.expert_id());
    Ok(row.view(expert))
}

/// Stops the answer of a turn. What has been written is kept. Stopping a finished turn changes nothing. Returns its conversation.
///
/// # Errors
/// `NotFound` when the caller has no such turn.
pub async fn cancel(p: &Platform, cx: &OpContext, id: TurnId) -> Result<ConversationId> {
    cx.require(Permission::Ask)?;
    let turn = own_turn(p, cx, id).await?;
    if turn.state == TurnState::Running {
        p.streams.cancel(id);
        p.db.write(cx).await?.commit(AuditEntry::new(AuditAction::TurnCancelled, "turn", id)).await?;
    }
    Ok(turn.conversation_id)
}

/// Asks the question of a turn again, as a new turn at the end of the conversation.
///
/// # Errors
/// Those of `ask`; `NotFound` when the caller has no such turn.
pub async fn regenerate(p: &Arc<Platform>, cx: &OpContext, id: TurnId) -> Result<Turn> {
    cx.require(Permission::Ask)?;
    let old = own_turn(p, cx, id).await?;
    let expert = if old.automatic { None } else { old.expert.map(|e| e.slug) };
    let Turn { question: text, earlier, client_instructions, .. } = old;
    ask(p, cx, old.conversation_id, Question { text, expert, earlier, client_instructions, repeats: Some(id) }).await
}

/// Asks the question of a turn again, of another expert, as a new turn at the end of the conversation.
///
/// # Errors
/// Those of `ask`; `NotFound` when the caller has no such turn.
pub async fn ask_again(p: &Arc<Platform>, cx: &OpContext, id: TurnId, expert: String) -> Result<Turn> {
    cx.require(Permission::Ask)?;
    let old = own_turn(p, cx, id).await?;
    let Turn { question: text, earlier, client_instructions, .. } = old;
    ask(p, cx, old.conversation_id, Question { text, expert: Some(expert), earlier, client_instructions, repeats: Some(id) }).await
}

impl store::Locked {
    fn takes_a_turn(&self) -> Result<()> {
        if self.running {
            return Err(Error::conflict(
                "turn.running",
                "The answer to the last question is still being written. Stop it or wait for it, then ask again. Your question was not stored.",
            ));
        }
        if i64::from(self.turn_count) >= limits::CONVERSATION_TURNS_MAX {
            return Err(Error::conflict(
                "conversation.full",
                format!(
                    "A conversation may have {} questions. Open a new one; this question was not stored.",
                    limits::CONVERSATION_TURNS_MAX
                ),
            ));
        }
        Ok(())
    }
}

fn valid_question(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(
            Error::invalid("question.empty", "There is no question. Nothing was stored.").with_field("/question", "Write a question.")
        );
    }
    if text.len() > limits::QUESTION_BYTES_MAX {
        return Err(Error::too_large("question.too_long", format!("A question may have at most {} bytes; this one has {}. Nothing was stored: shorten it, or add long material as a document.", limits::QUESTION_BYTES_MAX, text.len()))
            .with_field("/question", "Shorten the question."));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Error::invalid("question.control_characters", "The question holds control characters. Nothing was stored.")
            .with_field("/question", "Remove control characters."));
    }
    Ok(text.to_owned())
}

async fn own_conversation(p: &Platform, cx: &OpContext, id: ConversationId) -> Result<store::OpenConversation> {
    let owner = cx.require_user()?;
    store::conversation(&mut p.db.read(cx).await?, id, owner).await?.ok_or_else(unknown)
}

async fn experts_by_id(p: &Platform, cx: &OpContext) -> Result<Vec<(ExpertId, ExpertSummary)>> {
    experts::by_id(p, cx).await
}

fn summary_of(known: &[(ExpertId, ExpertSummary)], id: Option<uuid::Uuid>) -> Option<ExpertSummary> {
    known.iter().find(|(known, _)| Some(known.0) == id).map(|(_, e)| e.clone())
}

fn unknown() -> Error {
    Error::not_found("conversation.unknown", "There is no such conversation, or it is not yours to see.")
}

fn unknown_turn() -> Error {
    Error::not_found("turn.unknown", "There is no such question, or it is not yours to see.")
}
