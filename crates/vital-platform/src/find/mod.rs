//! Finding things: conversations, documents, passages and experts that a person may see, as they type.
//!
//! Titles and questions are sealed, so that no index of the database can hold them: they are opened and looked through, the latest first, within
//! [`TURNS_MAX`] and [`DOCUMENTS_MAX`]. What documents say is found through the passages' index.

mod matching;

use crate::{
    Platform, ask, experts,
    knowledge::{self, SearchQuery},
};
use matching::Words;
pub use matching::{Fragment, QUERY_CHARS_MAX};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result};

/// Turns that are looked through, the latest first.
pub const TURNS_MAX: i64 = 2_000;
/// Documents whose titles are looked through, the latest first.
pub const DOCUMENTS_MAX: i64 = 5_000;
/// Findings of each kind, unless the caller says otherwise.
pub const EACH: usize = 5;
/// Most findings of each kind that a caller may ask for.
pub const EACH_MAX: usize = 50;

/// A conversation with the question or answer that matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundTurn {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The turn.
    pub turn_id: Uuid,
    /// The question.
    pub question: Vec<Fragment>,
    /// Where the answer matched, if it did.
    pub answer: Vec<Fragment>,
    /// When it was asked (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A document whose title, file name or official identifier matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundDocument {
    /// The document.
    pub document_id: Uuid,
    /// Its title.
    pub title: Vec<Fragment>,
    /// Its file name, where that is another.
    pub file_name: Vec<Fragment>,
    /// Slug of its collection.
    pub collection: String,
}

/// A passage that says something on the matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundPassage {
    /// The document.
    pub document_id: Uuid,
    /// Its title.
    pub title: String,
    /// First byte in the canonical text.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Page, from 1.
    pub page: Option<u32>,
    /// The words around the best match.
    pub text: Vec<Fragment>,
}

/// An expert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundExpert {
    /// Stable name.
    pub slug: String,
    /// Name.
    pub name: Vec<Fragment>,
    /// What the expert is for.
    pub tagline: Vec<Fragment>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Findings {
    /// Conversations of the caller, the latest first.
    pub conversations: Vec<FoundTurn>,
    /// Documents, the latest first.
    pub documents: Vec<FoundDocument>,
    /// Passages, best first.
    pub passages: Vec<FoundPassage>,
    /// Experts.
    pub experts: Vec<FoundExpert>,
    /// True where there is more than was looked through, so that older things may be missing.
    pub cut: bool,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.documents.is_empty() && self.passages.is_empty() && self.experts.is_empty()
    }
}

/// Finds what the caller may see and all words of the query stand in, as whole words or their beginnings.
///
/// # Errors
/// `Invalid` for an empty or too long query; `Forbidden` without the permission to read documents; `Unavailable` when database or index do not answer.
pub async fn find(p: &Platform, cx: &OpContext, query: &str, each: usize) -> Result<Findings> {
    cx.require(Permission::DocumentRead)?;
    let each = each.clamp(1, EACH_MAX);
    let words = Words::of(query).ok_or_else(|| {
        let says = format!("Write between one letter and {QUERY_CHARS_MAX} characters.");
        Error::invalid("find.query", format!("There is nothing to look for, or too much. {says}")).with_field("/q", says)
    })?;
    let search = SearchQuery { query: query.to_owned(), limit: each, ..SearchQuery::default() };
    let (turns, titles, hits, experts) = tokio::try_join!(
        ask::spoken(p, cx, TURNS_MAX),
        knowledge::titled(p, cx, DOCUMENTS_MAX),
        knowledge::search(p, cx, search),
        experts::list(p, cx),
    )?;
    let full = |n: usize, max: i64| i64::try_from(n).is_ok_and(|n| n >= max);
    let cut = full(turns.len(), TURNS_MAX) || full(titles.len(), DOCUMENTS_MAX);
    let conversations = turns.into_iter().filter_map(|t| {
        let (question, answer) = (words.mark(&t.question), words.excerpt(&t.answer));
        let title = words.mark(&t.title).is_some();
        (question.is_some() || answer.is_some() || (title && t.first)).then(|| FoundTurn {
            conversation_id: t.conversation.0,
            turn_id: t.turn.0,
            question: question.unwrap_or_else(|| Fragment::plain(&t.question)),
            answer: answer.unwrap_or_default(),
            created_at: t.created_at,
        })
    });
    let documents = titles.into_iter().filter_map(|d| {
        let (title, file_name) = (words.mark(&d.title), words.mark(&d.file_name));
        let identified = words.mark(&d.identifiers.join(" ")).is_some();
        (title.is_some() || file_name.is_some() || identified).then(|| FoundDocument {
            document_id: d.id.0,
            title: title.unwrap_or_else(|| Fragment::plain(&d.title)),
            file_name: file_name.filter(|_| d.file_name != d.title && !d.starter).unwrap_or_default(),
            collection: d.collection,
        })
    });
    // What only lies near in meaning is for the search bench: here the words have to stand in it.
    let passages = hits.hits.into_iter().filter(|h| h.lexical.is_some() && h.holds).map(|h| FoundPassage {
        document_id: h.document_id,
        title: h.title,
        start: h.start,
        end: h.end,
        page: h.page,
        text: words.around(&h.text),
    });
    let experts = experts.into_iter().filter_map(|e| {
        let (name, tagline) = (words.mark(&e.name), words.mark(&e.tagline));
        (name.is_some() || tagline.is_some()).then(|| FoundExpert {
            slug: e.slug,
            name: name.unwrap_or_else(|| Fragment::plain(&e.name)),
            tagline: tagline.unwrap_or_else(|| Fragment::plain(&e.tagline)),
        })
    });
    let conversations: Vec<FoundTurn> = conversations.take(each).collect();
    if !conversations.is_empty() {
        let shown = conversations.iter().map(|c| c.conversation_id);
        p.db.write(cx).await?.commit(AuditEntry::about(AuditAction::SearchPerformed, "conversations", shown)).await?;
    }
    Ok(Findings {
        conversations,
        documents: documents.take(each).collect(),
        passages: passages.take(each).collect(),
        experts: experts.take(each).collect(),
        cut,
    })
}
