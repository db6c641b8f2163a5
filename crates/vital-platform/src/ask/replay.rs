//! Replaying an answer from its record: the passages it was written from are opened again at their bytes, searched for again with the same query, and
//! where sentences were selected and not written by a model, selected again.

use super::{Answer, Turn, compose::Composition, experts_by_id, generate, store, summary_of, unknown_turn, write};
use crate::{
    Platform, experts,
    knowledge::{self, Evidence, Recorded, Retrieval},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, ExpertId, OpContext, Permission, Result, TurnId};

/// How a recorded passage stands today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassageState {
    /// The document still has this version, with these bytes.
    Unchanged,
    /// The document has another text, is gone, or is no longer the reader's to see.
    Gone,
}

/// A passage of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayedPassage {
    /// Its place when the answer was written, from 1.
    pub rank: u32,
    /// Its place when it is searched for again; none where it is not found.
    pub rank_now: Option<u32>,
    /// How it stands.
    pub state: PassageState,
    /// The passage as it was recorded.
    #[serde(flatten)]
    pub recorded: Recorded,
    /// Title of the document, where the passage can be opened.
    pub title: Option<String>,
    /// Headings above it.
    pub heading_path: Vec<String>,
    /// Its words.
    pub text: Option<String>,
}

/// A passage that is found today and was not then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Newcomer {
    /// Its place now, from 1.
    pub rank_now: u32,
    /// The document.
    pub document_id: Uuid,
    /// Its title.
    pub title: String,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Its score now.
    pub score: f32,
}

/// Whether the answer comes out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recomposed {
    /// The same sentences in the same order, from the recorded passages.
    Same,
    /// Other sentences: another version of the platform or of its embedding model selects otherwise, or a passage is gone.
    Different,
    /// A model wrote the answer, which says something else each time; its evidence is what can be replayed.
    WrittenByModel,
    /// The turn ended without an answer from evidence.
    NoAnswer,
}

/// An answer played again from its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// The turn.
    pub turn: Turn,
    /// The passages that it was written from, in their order.
    pub passages: Vec<ReplayedPassage>,
    /// What is found today beside them.
    pub newcomers: Vec<Newcomer>,
    /// Whether today's search finds the same passages.
    pub same_passages: bool,
    /// Whether it finds them in the same order.
    pub same_order: bool,
    /// Whether the answer comes out the same.
    pub answer: Recomposed,
}

/// Plays an answer of the caller again from its record. Nothing is stored but that it was done.
///
/// # Errors
/// `NotFound` when the caller has no such turn; `Conflict` for one that is not finished or was answered before passages were recorded.
pub async fn replay(p: &Platform, cx: &OpContext, id: TurnId) -> Result<Replay> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let known = experts_by_id(p, cx).await?;
    let mut read = p.db.read_audited(cx).await?;
    let row = store::turn(read.tx(), id, owner).await?.ok_or_else(unknown_turn)?;
    let expert_id = row.expert_id();
    let expert = summary_of(&known, expert_id);
    let turn = row.view(expert);
    let recorded = turn.searched.as_ref().map(|s| s.passages.clone()).unwrap_or_default();
    let opened = knowledge::reopen(read.tx(), &recorded).await?;
    read.commit(AuditEntry::new(AuditAction::TurnReplayed, "turn", id)).await?;
    let (Some(searched), true) = (&turn.searched, turn.finished_at.is_some()) else {
        return Err(Error::conflict(
            "turn.not_replayable",
            "This turn has not searched for evidence yet, or ended before it did. There is nothing to replay.",
        ));
    };
    if recorded.is_empty() && !searched.sources.is_empty() {
        return Err(Error::conflict(
            "turn.not_recorded",
            "This answer was written by a version that did not record the passages it found, so they cannot be replayed. The citations still open their words.",
        ));
    }
    let preferred = match expert_id {
        Some(expert) => experts::get(p, cx, ExpertId(expert)).await.map(|e| e.body.collections).unwrap_or_default(),
        None => Vec::new(),
    };
    let vector = if searched.by_meaning { knowledge::embed_query(p, &searched.query).await } else { None };
    let found = knowledge::retrieve(p, cx, &searched.query, vector.clone(), &preferred).await?;
    let answer = recomposed(p, cx, &turn, &opened, vector).await?;
    Ok(assembled(turn, &recorded, opened, &found.evidence, answer))
}

/// What tells a passage of one version of a document from all others.
type Bytes = (Uuid, String, u64, u64);

fn bytes_of(e: &Evidence) -> Bytes {
    (e.document.0, hex::encode(e.version), e.start as u64, (e.start + e.body.len()) as u64)
}

fn assembled(turn: Turn, recorded: &[Recorded], mut opened: Vec<Option<Evidence>>, now: &[Evidence], answer: Recomposed) -> Replay {
    let ranks: HashMap<Bytes, u32> = (1..).zip(now).map(|(rank, e)| (bytes_of(e), rank)).collect();
    let bytes = |r: &Recorded| (r.document_id, r.version.clone(), r.start, r.end);
    let then: Vec<Bytes> = recorded.iter().map(bytes).collect();
    let newcomers: Vec<Newcomer> = (1..)
        .zip(now)
        .filter(|(_, e)| !then.contains(&bytes_of(e)))
        .map(|(rank_now, e)| Newcomer {
            rank_now,
            document_id: e.document.0,
            title: e.title.clone(),
            start: e.start as u64,
            end: (e.start + e.body.len()) as u64,
            score: e.score,
        })
        .collect();
    let passages: Vec<ReplayedPassage> = (1..)
        .zip(recorded)
        .zip(opened.iter_mut())
        .map(|((rank, r), opened)| {
            let opened = opened.take();
            ReplayedPassage {
                rank,
                rank_now: ranks.get(&bytes(r)).copied(),
                state: if opened.is_some() { PassageState::Unchanged } else { PassageState::Gone },
                recorded: r.clone(),
                title: opened.as_ref().map(|e| e.title.clone()),
                heading_path: opened.as_ref().map(|e| e.heading_path.clone()).unwrap_or_default(),
                text: opened.map(|e| e.body),
            }
        })
        .collect();
    let same_passages = newcomers.is_empty() && passages.iter().all(|p| p.rank_now.is_some());
    let same_order = same_passages && passages.iter().all(|p| p.rank_now == Some(p.rank));
    Replay { turn, passages, newcomers, same_passages, same_order, answer }
}

/// Selects the sentences again from the recorded passages, with the scores of the record.
async fn recomposed(
    p: &Platform,
    cx: &OpContext,
    turn: &Turn,
    opened: &[Option<Evidence>],
    vector: Option<Vec<f32>>,
) -> Result<Recomposed> {
    let Some(answer) = turn.answer.as_ref().filter(|a| !a.citations.is_empty()) else { return Ok(Recomposed::NoAnswer) };
    if answer.composer != "extractive" {
        return Ok(Recomposed::WrittenByModel);
    }
    let Some(evidence) = opened.iter().cloned().collect::<Option<Vec<_>>>() else { return Ok(Recomposed::Different) };
    let earlier = generate::earlier(p, cx, turn.conversation_id, turn.ordinal, &turn.earlier).await?;
    let questions: Vec<&str> = earlier.iter().map(|e| e.question.as_str()).collect();
    let composition = write::composition(p, &turn.question, &questions, &Retrieval { evidence, vector, note: None }).await;
    Ok(if says(&composition) == said(answer) { Recomposed::Same } else { Recomposed::Different })
}

fn says(composition: &Composition) -> Vec<&str> {
    match composition {
        Composition::Answer(blocks) => blocks.iter().flat_map(|b| &b.sentences).map(|s| s.text.trim()).collect(),
        Composition::InsufficientEvidence(_) => Vec::new(),
    }
}

fn said(answer: &Answer) -> Vec<&str> {
    answer.blocks.iter().flat_map(|b| &b.sentences).map(|s| s.text.trim()).collect()
}
