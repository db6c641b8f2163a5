//! Hybrid retrieval: words and meaning in parallel, fused, then read through the tenant's transaction.

use super::{Evidence, indexes::blocking, store, vectors};
use crate::Platform;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{OpContext, PassageId, Permission, Result, limits};
use vital_search::{Filter, Fused, FusionRule, LexicalIndex, fuse};

/// Factor on the score of passages from the collections that the expert prefers.
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
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words.
    pub query: String,
    /// Only these collections, by slug; empty means all.
    pub collections: Vec<String>,
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
    /// The hits, best first.
    pub hits: Vec<SearchHit>,
}

/// Finds evidence for a question with its vector, if there is one: at most `EVIDENCE_PASSAGES_MAX` passages, those of preferred collections a little ahead.
///
/// # Errors
/// `Forbidden` without the permission to read documents; `Unavailable` when database or index do not answer.
pub async fn retrieve(p: &Platform, cx: &OpContext, question: &str, vector: Option<Vec<f32>>, preferred: &[String]) -> Result<Retrieval> {
    cx.require(Permission::DocumentRead)?;
    let index = p.indexes.of(p, cx).await?;
    let lexical = lexical(&index, question).await?;
    let found = hybrid(p, cx, &index, lexical, vector).await?;
    let mut scored: Vec<Evidence> = found
        .rows
        .into_iter()
        .map(|r| {
            let factor = if preferred.contains(&r.collection) || r.collection == super::OWN_COLLECTION { PREFERRED } else { 1.0 };
            Evidence { score: (r.evidence.score * factor).min(1.0), ..r.evidence }
        })
        .collect();
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    let mut per_document: HashMap<_, usize> = HashMap::new();
    scored.retain(|e| {
        let n = per_document.entry(e.document).or_default();
        *n += 1;
        *n <= PER_DOCUMENT_MAX
    });
    scored.truncate(limits::EVIDENCE_PASSAGES_MAX);
    Ok(Retrieval { evidence: scored, vector: found.vector, note: found.note })
}

/// Searches passages and shows every score.
///
/// # Errors
/// `Forbidden` without the permission to read documents; `Unavailable` when database or index do not answer.
pub async fn search(p: &Platform, cx: &OpContext, query: SearchQuery) -> Result<SearchResults> {
    cx.require(Permission::DocumentRead)?;
    let index = p.indexes.of(p, cx).await?;
    let (lexical, vector) = tokio::join!(lexical(&index, &query.query), vectors::embed_query(p, &query.query));
    let found = hybrid(p, cx, &index, lexical?, vector).await?;
    let wanted: HashSet<&str> = query.collections.iter().map(String::as_str).collect();
    let hits = found
        .rows
        .into_iter()
        .filter(|r| wanted.is_empty() || wanted.contains(r.collection.as_str()))
        .take(query.limit.clamp(1, limits::RETRIEVE_CANDIDATES));
    let hits = hits
        .map(|r| {
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
                score: e.score,
                lexical: e.lexical,
                dense: e.dense,
            }
        })
        .collect();
    Ok(SearchResults { by_meaning: found.vector.is_some(), note: found.note, hits })
}

struct Found {
    rows: Vec<store::FoundRow>,
    vector: Option<Vec<f32>>,
    note: Option<String>,
}

async fn lexical(index: &Arc<LexicalIndex>, query: &str) -> Result<Vec<(PassageId, f32)>> {
    let (index, words) = (index.clone(), query.to_owned());
    let hits = blocking(move || index.search(&words, limits::RETRIEVE_CANDIDATES, Filter::All)).await?;
    Ok(hits.into_iter().map(|h| (h.passage, h.score)).collect())
}

async fn hybrid(
    p: &Platform,
    cx: &OpContext,
    index: &LexicalIndex,
    lexical: Vec<(PassageId, f32)>,
    vector: Option<Vec<f32>>,
) -> Result<Found> {
    let passages = i64::try_from(index.len()).unwrap_or(i64::MAX);
    let mut tx = p.db.read(cx).await?;
    let dense = match (&vector, &p.embedder) {
        (Some(v), Ok(model)) => {
            store::nearest(&mut tx, model.model(), v, i64::try_from(limits::RETRIEVE_CANDIDATES).unwrap_or(100), passages).await?
        }
        _ => Vec::new(),
    };
    let fused = fuse(&lexical, &dense, FusionRule::default());
    let rows = read(&mut tx, &fused[..fused.len().min(limits::RETRIEVE_CANDIDATES)]).await?;
    Ok(Found { rows, note: if vector.is_some() { None } else { p.embedding_note() }, vector })
}

async fn read(tx: &mut vital_store::TenantTx<vital_store::Read>, fused: &[Fused]) -> Result<Vec<store::FoundRow>> {
    let ids: Vec<Uuid> = fused.iter().map(|f| f.id.0).collect();
    let mut rows: HashMap<PassageId, store::FoundRow> =
        store::evidence(tx, &ids).await?.into_iter().map(|r| (r.evidence.passage, r)).collect();
    let scored = fused.iter().filter_map(|f| {
        let mut row = rows.remove(&f.id)?;
        row.evidence.score = f.score;
        row.evidence.lexical = f.lexical;
        row.evidence.dense = f.dense;
        Some(row)
    });
    Ok(scored.collect())
}
