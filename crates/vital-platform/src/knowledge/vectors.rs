//! Vectors of passages, of questions and of public texts. Everything here may be missing: then search goes by words alone and says so.

use super::store;
use crate::Platform;
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, sync::Arc, time::Duration};
use uuid::Uuid;
use vital_kernel::{
    AuditAction, AuditEntry, DocumentId, EmbedError, EmbedLane, Embedder, EmbedderStatus, Error, OpContext, Permission, Result, limits,
};
use vital_store::{Claimed, Unaudited};

/// Passages embedded between two writes: small enough that a query waits for one batch of the model at most.
const BATCH: i64 = 32;
/// How long a job waits for a model that is still loading.
const MODEL_WAIT: Duration = Duration::from_secs(2);

/// What traces call a model that failed.
const EMBEDDING_FAILED: &str = "embedding.failed";

fn ready(p: &Platform) -> Option<&Arc<dyn Embedder>> {
    p.embedder.as_ref().ok().filter(|m| m.status() == EmbedderStatus::Ready)
}

/// Begins to trace and to measure the making of vectors.
fn observed(model: &dyn Embedder) -> vital_telemetry::Embeddings {
    let name = model.model();
    vital_telemetry::Embeddings::begin(vital_telemetry::Model { provider: vital_telemetry::OWN_PROVIDER, name, label: name }, None)
}

/// The vector of a question, or none where the model is not ready or failed on it.
pub(crate) async fn embed_query(p: &Platform, question: &str) -> Option<Vec<f32>> {
    embed_sentences(p, vec![question.to_owned()]).await?.pop()
}

/// Vectors of the few sentences an answer is chosen from, ahead of all background work.
pub(crate) async fn embed_sentences(p: &Platform, texts: Vec<String>) -> Option<Vec<Vec<f32>>> {
    let model = ready(p)?;
    let mut observed = observed(&**model);
    match model.embed(EmbedLane::Query, texts).await {
        Ok(vectors) => {
            observed.made(model.dimensions(), None);
            Some(vectors)
        }
        Err(error) => {
            observed.failed(EMBEDDING_FAILED);
            tracing::warn!(%error, "no vector for a question; searching by words alone");
            None
        }
    }
}

/// Vectors of a caller's own texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// Name of the model that made them.
    pub model: String,
    /// A unit vector for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read.
    pub tokens: usize,
}

/// Name of the model that [`embed_texts`] uses and the length of its vectors; none where there is no model.
#[must_use]
pub fn embedding_model(p: &Platform) -> Option<(&str, usize)> {
    p.embedder.as_ref().ok().map(|m| (m.model(), m.dimensions()))
}

/// Makes vectors of a caller's own texts, in the lane behind every question. Nothing is stored.
///
/// # Errors
/// `Forbidden` without the permission to ask; `Invalid` for no text, an empty text or one that the model would cut; `TooLarge` for too many;
/// `RateLimited` while the model works for as many callers as it can; `Unavailable` without a model.
pub async fn embed_texts(p: &Platform, cx: &OpContext, texts: Vec<String>) -> Result<Embeddings> {
    cx.require(Permission::Ask)?;
    if texts.is_empty() || texts.len() > limits::EMBEDDING_TEXTS_MAX {
        let detail = format!("Send from 1 to {} texts at once; these are {}.", limits::EMBEDDING_TEXTS_MAX, texts.len());
        return Err(Error::too_large("embedding.too_many", detail).with_field("/input", "Send them in several requests."));
    }
    let model = ready(p).cloned().ok_or_else(|| no_model(p))?;
    let _place = p.embeddings.take(cx.tenant()).ok_or_else(|| {
        let detail = "The embedding model works for as many callers as it can. Try again in a moment.";
        Error::rate_limited("embedding.busy", detail).with_retry_after(MODEL_WAIT)
    })?;
    let counting = Arc::clone(&model);
    let (texts, tokens) = tokio::task::spawn_blocking(move || counted(&*counting, texts)).await.map_err(Error::internal)??;
    let mut vectors = Vec::with_capacity(texts.len());
    let mut observed = observed(&*model);
    for batch in texts.chunks(usize::try_from(BATCH).unwrap_or(1)) {
        let made = model.embed(EmbedLane::Bulk, batch.to_vec()).await;
        vectors.extend(made.inspect_err(|_| observed.failed(EMBEDDING_FAILED)).map_err(failed_on_texts)?);
    }
    observed.made(model.dimensions(), Some(tokens as u64));
    Ok(Embeddings { model: model.model().to_owned(), vectors, tokens })
}

/// Counts the tokens of texts, each of which has to fit the model.
fn counted(model: &dyn Embedder, texts: Vec<String>) -> Result<(Vec<String>, usize)> {
    let mut tokens = 0;
    for (i, text) in texts.iter().enumerate() {
        let wrong = |says: String| Err(Error::invalid("embedding.text", says.clone()).with_field(format!("/input/{i}"), says));
        if text.trim().is_empty() {
            return wrong("A text is empty. Nothing was embedded.".to_owned());
        }
        let count = model.count_tokens(text).map_err(failed_on_texts)?;
        if count > model.tokens_max() {
            let detail =
                format!("Text {i} is longer than the {} tokens that the model reads. Nothing was embedded; divide it.", model.tokens_max());
            return wrong(detail);
        }
        tokens += count;
    }
    Ok((texts, tokens))
}

fn failed_on_texts(why: EmbedError) -> Error {
    Error::unavailable("embedding.failed", "The embedding model failed on these texts. Nothing was stored; try again.").with_source(why)
}

fn no_model(p: &Platform) -> Error {
    let why = p.embedding_note().unwrap_or_else(|| "There is no embedding model.".to_owned());
    Error::unavailable("embedding.no_model", format!("No vectors can be made now. {why}"))
}

/// What of a passage is embedded: its place in the document gives short passages their subject.
fn passage_text(title: &str, heading_path: &[String], body: &str) -> String {
    match heading_path.last().filter(|h| h.as_str() != title) {
        Some(heading) => format!("{title}. {heading}. {body}"),
        None => format!("{title}. {body}"),
    }
}

/// Vectors of texts that ship with the product, computed once an installation.
pub(crate) async fn public_vectors(p: &Platform, texts: &[String]) -> Result<Option<Vec<Vec<f32>>>> {
    let Some(model) = ready(p).cloned() else { return Ok(None) };
    let hashes: Vec<Vec<u8>> = texts.iter().map(|t| Sha256::digest(t.as_bytes()).to_vec()).collect();
    let mut known: HashMap<Vec<u8>, Vec<f32>> = store::public_embeddings(&p.db, model.model(), &hashes).await?.into_iter().collect();
    let missing: Vec<usize> = (0..texts.len()).filter(|&i| !known.contains_key(&hashes[i])).collect();
    for batch in missing.chunks(usize::try_from(BATCH).unwrap_or(1)) {
        let vectors = model.embed(EmbedLane::Bulk, batch.iter().map(|&i| texts[i].clone()).collect()).await.map_err(unavailable)?;
        let fresh: Vec<(Vec<u8>, Vec<f32>)> = batch.iter().map(|&i| hashes[i].clone()).zip(vectors).collect();
        store::insert_public_embeddings(&p.db, model.model(), &fresh).await?;
        known.extend(fresh);
    }
    Ok(hashes.iter().map(|h| known.get(h).cloned()).collect())
}

/// Computes the vectors of one document's passages that have none. Interrupted, it goes on where it stopped.
pub(crate) async fn embed_document(p: &Platform, job: &Claimed) -> Result<Embedded> {
    let model = match &p.embedder {
        Err(_) => None,
        Ok(model) => match model.status() {
            EmbedderStatus::Ready => Some(model.clone()),
            EmbedderStatus::Loading => return Ok(Embedded::Later(MODEL_WAIT)),
            EmbedderStatus::Failed(_) => None,
        },
    };
    let (cx, document) = (job.context(), DocumentId(job.subject));
    if let Some(model) = model {
        loop {
            let rows = store::unembedded(&mut p.db.read(&cx).await?, document, model.model(), BATCH).await?;
            if rows.is_empty() {
                break;
            }
            let ids: Vec<Uuid> = rows.iter().map(|r| r.id).collect();
            let public = rows.iter().all(|r| r.starter);
            let texts: Vec<String> = rows.iter().map(|r| passage_text(&r.title, &r.heading_path, &r.body)).collect();
            let vectors = if public {
                public_vectors(p, &texts).await?.ok_or_else(|| unavailable("the model went away"))?
            } else {
                model.embed(EmbedLane::Bulk, texts).await.map_err(unavailable)?
            };
            let mut tx = p.db.write(&cx).await?;
            store::insert_embeddings(&mut tx, document, model.model(), &ids, &vectors).await?;
            tx.commit_unaudited(Unaudited::DerivedVectors).await?;
        }
    }
    let mut tx = p.db.write(&cx).await?;
    job.finish(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentIngested, "document", document).fields(&["embeddings"])).await?;
    Ok(Embedded::Done)
}

/// How an embedding job went.
pub(crate) enum Embedded {
    /// All passages have vectors, or there is no model to make any.
    Done,
    /// The model is still loading.
    Later(Duration),
}

fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("embedding.failed", "The embedding model failed; the document can be found by words meanwhile.").with_source(why)
}
