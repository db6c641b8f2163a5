//! Ingestion as a background job: read the file in a process of its own, cut it, store it, index it. Every step can be repeated.

use super::{DocumentState, Failure, appraisal, store};
use crate::{
    Platform,
    outbox::{self, Event},
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use vital_documents::{ParseError, Parsed, Passage, PassageRules, estimated_tokens, passages};
use vital_kernel::{AuditAction, AuditEntry, DocumentId, Embedder, EmbedderStatus, Error, Kind, OpContext, PassageId, Result, limits};
use vital_store::{Claimed, JobKind, Unaudited};

/// Most of a table's first row that stands above the passages inside of it, in characters.
const TABLE_HEADER_CHARS_MAX: usize = 240;

/// Ingests the document of a job. A file that cannot be read is a result and not an error: the document says why and the job ends.
///
/// # Errors
/// What may pass with time: database, disk, index, a parser that could not be started. The caller tries again.
pub(crate) async fn ingest(p: &Platform, job: &Claimed) -> Result<()> {
    let (cx, id) = (job.context(), DocumentId(job.subject));
    let Some((file_name, bytes, origin)) = store::file(&mut p.db.read(&cx).await?, id).await? else {
        return abandon(p, &cx, job).await;
    };
    mark(p, &cx, id, DocumentState::Parsing).await?;
    let parsed = match p.sandbox.parse(&file_name, bytes).await? {
        Ok(parsed) => parsed,
        Err(why) => return fail(p, &cx, job, &failure_of(&why)).await,
    };
    let model = p.embedder.as_ref().ok().filter(|m| m.status() == EmbedderStatus::Ready).cloned();
    // Counting the tokens of a large document takes seconds of one processor.
    let work = move || (cut(&parsed, model.as_ref()), parsed);
    let (cut, parsed) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    let cut = match cut {
        Ok(cut) => cut,
        Err(why) => return fail(p, &cx, job, &Failure { code: why.code().to_owned(), detail: why.detail().to_owned() }).await,
    };
    let title =
        origin.map(|o| o.title).or_else(|| parsed.title.clone()).filter(|t| !t.trim().is_empty()).unwrap_or_else(|| title_of(&file_name));
    let version: [u8; 32] = Sha256::digest(parsed.text.as_bytes()).into();
    let mut tx = p.db.write(&cx).await?;
    if store::lock_state(&mut tx, id).await?.is_none() {
        drop(tx);
        return abandon(p, &cx, job).await;
    }
    store::store_text(&mut tx, id, &title, &parsed, &version, &cut).await?;
    let (level, issued_on) = appraisal::by_rules(&parsed, &title);
    store::appraisal::set_by_rules(&mut tx, id, level, issued_on).await?;
    tx.commit_unaudited(Unaudited::IngestionProgress).await?;
    p.indexes.put_documents(p, &cx, &[id]).await?;
    let mut tx = p.db.write(&cx).await?;
    if store::lock_state(&mut tx, id).await?.is_none() {
        drop(tx);
        p.indexes.forget_document(p, &cx, id).await;
        return abandon(p, &cx, job).await;
    }
    store::set_state(&mut tx, id, DocumentState::Ready).await?;
    outbox::enqueue(&mut tx, Event::DocumentReady { document: id }).await?;
    tx.enqueue(JobKind::EmbedDocument, id.0).await?;
    job.finish(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentIngested, "document", id)).await?;
    p.work_waiting.notify_one();
    Ok(())
}

/// Marks a document as failed after the last attempt.
///
/// # Errors
/// `Unavailable` when the database does not answer; the job's lease runs out and it is tried again.
pub(crate) async fn give_up(p: &Platform, job: &Claimed, error: &Error) -> Result<()> {
    let detail = match error.kind() {
        Kind::Internal => "Something went wrong on our side while this document was read. The file is kept; try again later.".to_owned(),
        _ => error.detail().to_owned(),
    };
    fail(p, &job.context(), job, &Failure { code: error.code().to_owned(), detail }).await
}

async fn mark(p: &Platform, cx: &OpContext, id: DocumentId, state: DocumentState) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    store::set_state(&mut tx, id, state).await?;
    tx.commit_unaudited(Unaudited::IngestionProgress).await
}

async fn fail(p: &Platform, cx: &OpContext, job: &Claimed, failure: &Failure) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    store::set_failed(&mut tx, DocumentId(job.subject), failure).await?;
    job.finish(&mut tx).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentFailed, "document", job.subject)).await
}

/// Ends a job whose document is gone.
async fn abandon(p: &Platform, cx: &OpContext, job: &Claimed) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    job.finish(&mut tx).await?;
    tx.commit_unaudited(Unaudited::IngestionProgress).await
}

fn failure_of(why: &ParseError) -> Failure {
    Failure { code: why.code().to_owned(), detail: why.to_string() }
}

/// Cuts a parsed document into passages with new ids, by the tokens of the embedding model, or by an estimate where none is ready.
///
/// # Errors
/// `Invalid` when it yields more passages than a document may have, or none.
pub(super) fn cut(parsed: &Parsed, model: Option<&Arc<dyn Embedder>>) -> Result<Vec<store::NewPassage>> {
    let cut = match model {
        Some(model) => {
            // What the model counts for a text without words are the tokens that frame every text.
            let frame = model.count_tokens("").unwrap_or(0);
            let count = |text: &str| model.count_tokens(text).map_or_else(|_| estimated_tokens(text), |all| all.saturating_sub(frame));
            passages(parsed, &PassageRules::for_model(model.tokens_max()), &count)
        }
        None => passages(parsed, &PassageRules::default(), &estimated_tokens),
    };
    if cut.is_empty() {
        return Err(Error::invalid(
            "document.no_text",
            "No text was found in this document. If it is a scan, run text recognition (OCR) over it and upload the result.",
        ));
    }
    if cut.len() > limits::DOCUMENT_PASSAGES_MAX {
        return Err(Error::invalid(
            "document.too_long",
            format!("This document has more than {} passages. Split it and upload the parts.", limits::DOCUMENT_PASSAGES_MAX),
        ));
    }
    // A passage that begins inside of a table is found, read and cited with the table's first row above it.
    let under = |cut: Passage| match cut.table_header.clone().and_then(|header| parsed.text.get(header)) {
        Some(header) => {
            let mut heading_path = cut.heading_path;
            heading_path.push(header.chars().take(TABLE_HEADER_CHARS_MAX).collect());
            Passage { heading_path, ..cut }
        }
        None => cut,
    };
    Ok(cut.into_iter().map(|cut| store::NewPassage { id: PassageId::new(), cut: under(cut) }).collect())
}

fn title_of(file_name: &str) -> String {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    stem.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
