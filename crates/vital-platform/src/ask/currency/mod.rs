//! Answers whose evidence holds no longer: they are found and marked in the transaction that appraises the document, their owners are told, and a new
//! answer can be held against the old one.
//!
//! **Invariant:** an answer that cites a document which was superseded, retracted or withdrawn has a mark, whichever of the two was stored first:
//! both transactions lock the document's row (`store::mark`, `ask::store::end_turn`).

mod compare;
pub(super) mod store;

use crate::{
    Platform,
    knowledge::{self, Appraisal, Document, NewDocument, Origin, Status},
    outbox::{self, Event},
};
pub use compare::{Comparison, Passed, Piece, compare};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, DocumentId, OpContext, Permission, Result, limits, now};

/// A document that an answer stood on and that holds no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outdated {
    /// The document.
    pub document_id: Uuid,
    /// What became of it.
    pub status: Status,
    /// What took its place, where that is here and the reader may see it.
    pub successor: Option<Successor>,
    /// When the answer was marked (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub marked_at: OffsetDateTime,
}

/// A document that took another one's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Successor {
    /// The document.
    pub document_id: Uuid,
    /// Its title.
    pub title: String,
}

/// A document after its appraisal, with how far that reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Appraised {
    /// The document.
    pub document: Document,
    /// How many answers cite it, of everybody.
    pub answers: i64,
    /// How many people asked for them.
    pub people: i64,
}

/// Something that a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Its id.
    pub id: Uuid,
    /// The document.
    pub document_id: Uuid,
    /// Its title; none where the reader may no longer see it.
    pub title: Option<String>,
    /// What became of it.
    pub status: Status,
    /// How many answers of the reader stood on it.
    pub answers: i32,
    /// The latest of them, at most `NOTICE_TURNS_MAX`.
    pub turns: Vec<NoticeTurn>,
    /// When it was told (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was seen (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub seen_at: Option<OffsetDateTime>,
}

/// An answer that a notice tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeTurn {
    /// The turn.
    pub turn_id: Uuid,
    /// Its conversation.
    pub conversation_id: Uuid,
    /// The question.
    pub question: String,
}

/// Answers that one notice names.
pub const NOTICE_TURNS_MAX: i64 = 10;

/// Says what a document is worth and whether it holds. Where it no longer does, every answer that cites it is marked and its owner told, at once; where it
/// holds again, the marks go.
///
/// # Errors
/// Those of `knowledge::appraise`.
pub async fn appraise(p: &Platform, cx: &OpContext, id: DocumentId, appraisal: Appraisal) -> Result<Appraised> {
    let mut tx = p.db.write(cx).await?;
    let changed = knowledge::appraise(&mut tx, cx, id, appraisal).await?;
    let reach = match (changed.was, changed.is) {
        (was, is) if was == is => store::reach(&mut tx, id).await?,
        (_, Status::Current) => store::unmark(&mut tx, id).await?,
        (_, is) => store::mark(&mut tx, id, is).await?,
    };
    if changed.was != changed.is {
        outbox::enqueue(&mut tx, Event::DocumentStatus { document: id, status: changed.is.as_str(), answers: reach.answers }).await?;
    }
    tx.commit(AuditEntry::new(AuditAction::DocumentAppraised, "document", id).fields(&["appraisal"])).await?;
    Ok(Appraised { document: knowledge::document(p, cx, id).await?, answers: reach.answers, people: reach.people })
}

/// How many answers of how many people cite a document. Whose they are and what they say is shown to nobody but their owners.
///
/// # Errors
/// `NotFound` for a document that the caller cannot read.
pub async fn reach(p: &Platform, cx: &OpContext, id: DocumentId) -> Result<Appraised> {
    let document = knowledge::document(p, cx, id).await?;
    let reach = store::reach(&mut p.db.read(cx).await?, id).await?;
    Ok(Appraised { document, answers: reach.answers, people: reach.people })
}

/// What the caller was told, latest first.
///
/// # Errors
/// `Forbidden` without the permission to read conversations.
pub async fn notices(p: &Platform, cx: &OpContext, before: Option<Uuid>, limit: i64) -> Result<Vec<Notice>> {
    cx.require(Permission::ConversationRead)?;
    let person = cx.require_user()?;
    store::notices(&mut p.db.read(cx).await?, person, before, limit.clamp(1, limits::PAGE_SIZE_MAX)).await
}

/// How many notices the caller has not seen.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn unseen_notices(p: &Platform, cx: &OpContext) -> Result<i64> {
    match cx.user() {
        Some(person) if cx.may(Permission::ConversationRead) => store::unseen(&mut p.db.read(cx).await?, person).await,
        _ => Ok(0),
    }
}

/// Records that the caller has seen all that they were told.
///
/// # Errors
/// `Forbidden` without the permission to read conversations.
pub async fn see_notices(p: &Platform, cx: &OpContext) -> Result<()> {
    cx.require(Permission::ConversationRead)?;
    let person = cx.require_user()?;
    let mut tx = p.db.write(cx).await?;
    store::see(&mut tx, person, now()).await?;
    tx.commit(AuditEntry::new(AuditAction::NoticesSeen, "notices", person)).await
}

/// Keeps a text that a tool fetched for an answer of the caller as a document, with where it came from.
///
/// # Errors
/// `NotFound` when no such text was fetched for the caller, `Invalid` for what was calculated, and those of `knowledge::add_document`.
pub async fn keep(p: &Platform, cx: &OpContext, source: Uuid, collection: Option<String>) -> Result<Document> {
    cx.require(Permission::DocumentWrite)?;
    let source = super::source(p, cx, source).await?;
    if source.url.is_empty() {
        return Err(vital_kernel::Error::invalid(
            "source.calculated",
            "This text was calculated here and not fetched, so there is no source to keep. Nothing was stored.",
        ));
    }
    let name = if source.identifier.is_empty() { &source.title } else { &source.identifier };
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || " .-()".contains(c) { c } else { '-' }).take(120).collect();
    let new = NewDocument { file_name: format!("{}.txt", name.trim()), collection, bytes: source.text.into_bytes().into() };
    let origin = Origin {
        tool: source.tool,
        title: source.title,
        url: source.url,
        identifier: source.identifier,
        retrieved_at: source.retrieved_at,
    };
    knowledge::add_fetched(p, cx, new, origin, &source.authority).await
}
