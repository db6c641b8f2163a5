//! Hybrid retrieval: words and meaning in parallel, fused, then read through the tenant's transaction, within what the caller may read.

use super::{Evidence, OtherWording, Recorded, Status, appraisal, indexes::blocking, store, vectors, wording};
use crate::Platform;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, CollectionId, OpContext, PassageId, Permission, Result, limits, now};
use vital_search::{Filter, Found as Lexical, Fused, FusionRule, LexicalIndex, Question, collapse, fuse};
use vital_store::{Read, TenantTx};

/// Factor on the score of passages from documents that people added and from the collections that the expert prefers.
const PREFERRED: f32 = 1.05;
/// Passages of one document among the evidence, so that one long document does not crowd out the others.
const PER_DOCUMENT_MAX: usize = 5;

/// What was found for a question.
#[derive(Clone, Debug)]
pub struct Retrieval {
    /// The passages, best first.
    pub evidence: Vec<Evidence>,
    /// Vector of the question, where meaning took part.
    pub vector: Option<Vec<f32>>,
    /// Why meaning took no part.
    pub note: Option<String>,
}

/// A query of the search bench.
#[derive(Clone, Debug, Default)]
pub struct SearchQuery {
    /// The words.
    pub query: String,
    /// Only these collections, by slug; empty means all that the caller may read.
    pub collections: Vec<String>,
    /// Only passages of documents that hold on this day; none shows what holds no longer too, and says so.
    pub valid_on: Option<Date>,
    /// Only this authority.
    pub authority: Option<String>,
    /// Only findings of this level of evidence or a better one.
    pub level: Option<u8>,
    /// At most so many hits.
    pub limit: usize,
}

/// One hit with all its scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchHit {
    /// The document.
    pub document_id: Uuid,
    /// The passage.
    pub passage_id: Uuid,
    /// Title of the document.
    pub title: String,
    /// Headings above the passage.
    pub heading_path: Vec<String>,
    /// Page, from 1.
    pub page: Option<u32>,
    /// First byte in the canonical text.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The passage.
    pub text: String,
    /// Whose word it is.
    pub authority: String,
    /// Level of evidence, 1 to 5; none where it has none.
    pub level: Option<u8>,
    /// When the document was issued, where that is known.
    #[serde(default, with = "super::day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub issued_on: Option<Date>,
    /// Whether the document still holds.
    pub status: Status,
    /// Whether it is evidence for an answer on the day that was asked for, or else today.
    pub holds: bool,
    /// Documents with nearly the same words, which this hit stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Uuid>,
    /// Fused score, from 0 to 1.
    pub score: f32,
    /// BM25 score.
    pub lexical: Option<f32>,
    /// Cosine similarity.
    pub dense: Option<f32>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchResults {
    /// Whether meaning took part.
    pub by_meaning: bool,
    /// Why it did not.
    pub note: Option<String>,
    /// What share meaning had in the joint score, from 0 to 1: it follows what the words of the question reach.
    pub dense_share: f32,
    /// Other wordings by which the question was searched too.
    #[serde(default)]
    pub wordings: Vec<OtherWording>,
    /// The hits, best first.
    pub hits: Vec<SearchHit>,
}

/// Finds evidence for a question with its vector, if there is one: at most `EVIDENCE_PASSAGES_MAX` passages, those of preferred collections a little ahead.
///
/// # Errors
/// `Forbidden` without the permission to read documents; `Unavailable` when database or index do not answer.
pub async fn retrieve(p: &Platform, cx: &OpContext, question: &str, vector: Option<Vec<f32>>, preferred: &[String]) -> Result<Retrieval> {
    Box::pin(observed(retrieved(p, cx, question, vector, preferred))).await
}

/// Searches as part of a span.
async fn observed<T>(searching: impl Future<Output = Result<T>>) -> Result<T> {
    let mut span = vital_telemetry::Retrieval::begin();
    let found = vital_telemetry::within(span.context(), searching).await;
    span.ended(found.as_ref().map(|_| ()).map_err(vital_kernel::Error::code));
    found
}

async fn retrieved(p: &Platform, cx: &OpContext, question: &str, vector: Option<Vec<f32>>, preferred: &[String]) -> Result<Retrieval> {
    cx.require(Permission::DocumentRead)?;
    let index = p.indexes.of(p, cx).await?;
    let mut read = p.db.read_audited(cx).await?;
    let within = readable(read.tx(), &[]).await?;
    let (question, _) = wording::read(question);
    let lexical = lexical(&index, &question, &within).await?;
    let found = hybrid(p, read.tx(), &index, &question, lexical, vector, &within, now().date()).await?;
    let mut scored: Vec<Evidence> = found
        .rows
        .into_iter()
        .filter(|r| r.holds)
        .map(|r| {
            let preferred = if r.evidence.own || preferred.contains(&r.collection) { PREFERRED } else { 1.0 };
            let factor = preferred * appraisal::weight(&r.evidence.authority, r.evidence.level);
            Evidence { score: (r.evidence.score * factor).min(1.0), ..r.evidence }
        })
        .collect();
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    let originals: HashSet<usize> =
        collapse(&scored.iter().map(|e| e.body.as_str()).collect::<Vec<_>>()).into_iter().map(|c| c.kept).collect();
    let mut place = 0..;
    scored.retain(|_| place.next().is_some_and(|at: usize| originals.contains(&at)));
    let mut per_document: HashMap<_, usize> = HashMap::new();
    scored.retain(|e| {
        let n = per_document.entry(e.document).or_default();
        *n += 1;
        *n <= PER_DOCUMENT_MAX
    });
    scored.truncate(limits::EVIDENCE_PASSAGES_MAX);
    read.commit(AuditEntry::about(AuditAction::EvidenceRetrieved, "documents", scored.iter().map(|e| e.document))).await?;
    Ok(Retrieval { evidence: scored, vector: found.vector, note: found.note })
}

/// Searches passages and shows every score. What was shown to whom is recorded, the words searched for are not.
///
/// # Errors
/// `Forbidden` without the permission to read documents; `Unavailable` when database or index do not answer.
pub async fn search(p: &Platform, cx: &OpContext, query: SearchQuery) -> Result<SearchResults> {
    Box::pin(observed(searched(p, cx, query))).await
}

async fn searched(p: &Platform, cx: &OpContext, query: SearchQuery) -> Result<SearchResults> {
    cx.require(Permission::DocumentRead)?;
    let index = p.indexes.of(p, cx).await?;
    // Not one transaction for all of it: the model is awaited in between.
    let within = readable(&mut p.db.read(cx).await?, &query.collections).await?;
    let (question, wordings) = wording::read(&query.query);
    let (lexical, vector) = tokio::join!(lexical(&index, &question, &within), vectors::embed_query(p, &query.query));
    let mut read = p.db.read_audited(cx).await?;
    let on = query.valid_on.unwrap_or_else(|| now().date());
    let found = hybrid(p, read.tx(), &index, &question, lexical?, vector, &within, on).await?;
    let wanted = |r: &store::FoundRow| {
        (r.holds || query.valid_on.is_none())
            && query.authority.as_ref().is_none_or(|a| *a == r.evidence.authority)
            && query.level.is_none_or(|worst| r.evidence.level.is_some_and(|level| level <= worst))
    };
    let rows: Vec<store::FoundRow> = found.rows.into_iter().filter(wanted).collect();
    let collapsed = collapse(&rows.iter().map(|r| r.evidence.body.as_str()).collect::<Vec<_>>());
    let mut rows: Vec<Option<store::FoundRow>> = rows.into_iter().map(Some).collect();
    let hits: Vec<SearchHit> = collapsed
        .into_iter()
        .take(query.limit.clamp(1, limits::RETRIEVE_CANDIDATES))
        .filter_map(|c| {
            let copies = c.copies.iter().filter_map(|&at| Some(rows.get(at)?.as_ref()?.evidence.document.0)).collect();
            Some((rows.get_mut(c.kept)?.take()?, copies))
        })
        .map(|(r, copies)| {
            let e = r.evidence;
            SearchHit {
                document_id: e.document.0,
                passage_id: e.passage.0,
                start: e.start as u64,
                end: (e.start + e.body.len()) as u64,
                title: e.title,
                heading_path: e.heading_path,
                page: e.page,
                text: e.body,
                authority: e.authority,
                level: e.level,
                issued_on: e.issued_on,
                status: r.status,
                holds: r.holds,
                copies,
                score: e.score,
                lexical: e.lexical,
                dense: e.dense,
            }
        })
        .collect();
    read.commit(AuditEntry::about(AuditAction::SearchPerformed, "documents", hits.iter().map(|h| h.document_id))).await?;
    Ok(SearchResults { by_meaning: found.vector.is_some(), note: found.note, dense_share: found.dense_share, wordings, hits })
}

/// Opens passages of a record again at their bytes, with the scores of the record; none for one whose document has another text now, is gone, or is not the
/// caller's to read.
pub(crate) async fn reopen(tx: &mut TenantTx<Read>, recorded: &[Recorded]) -> Result<Vec<Option<Evidence>>> {
    let rows = store::evidence_at(tx, recorded).await?;
    let matching = |r: &Recorded| {
        let row =
            rows.iter().find(|e| e.document.0 == r.document_id && e.start as u64 == r.start && (e.start + e.body.len()) as u64 == r.end)?;
        let same = hex::encode(row.version) == r.version;
        same.then(|| Evidence { score: r.score, lexical: r.lexical, dense: r.dense, ..row.clone() })
    };
    Ok(recorded.iter().map(matching).collect())
}

struct Found {
    rows: Vec<store::FoundRow>,
    vector: Option<Vec<f32>>,
    note: Option<String>,
    dense_share: f32,
}

/// The collections that the caller may read, of those wanted or of all. Searching among them alone gives full recall to somebody who may read
/// little; what keeps the rest from them is the reading of the passages.
async fn readable(tx: &mut TenantTx<Read>, wanted: &[String]) -> Result<HashSet<CollectionId>> {
    let visible = store::collections::visible(tx).await?;
    Ok(visible.into_iter().filter(|(_, slug)| wanted.is_empty() || wanted.contains(slug)).map(|(id, _)| id).collect())
}

async fn lexical(index: &Arc<LexicalIndex>, question: &Question, within: &HashSet<CollectionId>) -> Result<Lexical> {
    let (index, question, within) = (index.clone(), question.clone(), within.clone());
    blocking(move || {
        let found = index.ask(&question, limits::RETRIEVE_CANDIDATES, Filter::Collections(&within))?;
        // A question whose quoted words stand nowhere is better answered by its other words than not at all.
        if found.hits.is_empty() && question.has_phrases() {
            return index.ask(&question.without_phrases(), limits::RETRIEVE_CANDIDATES, Filter::Collections(&within));
        }
        Ok(found)
    })
    .await
}

/// Joins both searches. What only one of them brought up gets its true score of the other first, so that a passage is judged by both.
#[expect(clippy::too_many_arguments, reason = "the parts of one search, which two callers make in different orders")]
async fn hybrid(
    p: &Platform,
    tx: &mut TenantTx<Read>,
    index: &Arc<LexicalIndex>,
    question: &Question,
    words: Lexical,
    vector: Option<Vec<f32>>,
    within: &HashSet<CollectionId>,
    on: Date,
) -> Result<Found> {
    let mut lexical: Vec<(PassageId, f32)> = words.hits.iter().map(|h| (h.passage, h.score)).collect();
    let mut near = Vec::new();
    if let (Some(vector), Ok(model)) = (&vector, &p.embedder) {
        near = dense(tx, index, model.model(), vector, within).await?;
        let by_words: HashSet<PassageId> = lexical.iter().map(|(id, _)| *id).collect();
        let by_meaning: HashSet<PassageId> = near.iter().map(|(id, _)| *id).collect();
        let only_near: Vec<PassageId> = by_meaning.difference(&by_words).copied().collect();
        let only_words: Vec<Uuid> = by_words.difference(&by_meaning).map(|id| id.0).collect();
        let (searched, asked, readable) = (index.clone(), question.clone(), within.clone());
        let asked = if lexical.is_empty() { asked.without_phrases() } else { asked };
        let scored = blocking(move || searched.scores_of(&asked, &only_near, Filter::Collections(&readable))).await?;
        // Passages without a score lack the quoted words.
        let scored: HashMap<PassageId, f32> = scored.into_iter().map(|h| (h.passage, h.score)).collect();
        near.retain(|(id, _)| by_words.contains(id) || scored.contains_key(id));
        lexical.extend(scored);
        near.extend(store::similarities(tx, model.model(), vector, &only_words).await?);
    }
    let rule = if near.is_empty() {
        FusionRule::Standard { dense_weight: 0.0 }
    } else {
        FusionRule::for_question(words.reach, question.identifiers())
    };
    let fused = fuse(&lexical, &near, rule);
    let rows = read(tx, &fused[..fused.len().min(limits::RETRIEVE_CANDIDATES)], on).await?;
    let dense_share = if let FusionRule::Standard { dense_weight } = rule { dense_weight } else { 0.0 };
    Ok(Found { rows, note: if vector.is_some() { None } else { p.embedding_note() }, vector, dense_share })
}

/// Finds the nearest passages. How the scan goes depends on the passages that it can return: among few of many, the index of all would find
/// too little.
async fn dense(
    tx: &mut TenantTx<Read>,
    index: &Arc<LexicalIndex>,
    model: &str,
    vector: &[f32],
    within: &HashSet<CollectionId>,
) -> Result<Vec<(PassageId, f32)>> {
    let within: Vec<Uuid> = within.iter().map(|c| c.0).collect();
    let all = i64::try_from(index.len()).unwrap_or(i64::MAX);
    let passages = if all > limits::EXACT_SCAN_PASSAGES_MAX { store::visible_passages(tx, &within).await? } else { all };
    store::nearest(tx, model, vector, &within, i64::try_from(limits::RETRIEVE_CANDIDATES).unwrap_or(100), passages).await
}

async fn read(tx: &mut TenantTx<Read>, fused: &[Fused], on: Date) -> Result<Vec<store::FoundRow>> {
    let ids: Vec<Uuid> = fused.iter().map(|f| f.id.0).collect();
    let mut rows: HashMap<PassageId, store::FoundRow> =
        store::evidence(tx, &ids, on).await?.into_iter().map(|r| (r.evidence.passage, r)).collect();
    let scored = fused.iter().filter_map(|f| {
        let mut row = rows.remove(&f.id)?;
        row.evidence.score = f.score;
        // 0 says that no word of the question stands in it.
        row.evidence.lexical = f.lexical.filter(|score| *score > 0.0);
        row.evidence.dense = f.dense;
        Some(row)
    });
    Ok(scored.collect())
}
