//! Documents: adding, reading, finding and deleting them.
//!
//! **Invariants:** only a document in state `ready` is found or cited, and that is decided by the database, not by an index: deleting
//! the row removes it from every answer path at once; so does taking the right to read its collection away. Offsets are bytes into the canonical text, whose SHA-256 is the version.

mod access;
mod appraisal;
mod collections;
mod evidence;
mod indexes;
mod ingest;
mod quality;
mod retrieve;
mod sandbox;
mod starter;
mod store;
mod vectors;
mod wording;

use crate::{
    Platform,
    outbox::{self, Event},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_documents::{Block, PagePicture, PageRequest, ParseError};
use vital_kernel::{AuditAction, AuditEntry, DocumentId, Error, OpContext, Permission, Result, limits};
use vital_store::JobKind;

pub(crate) use access::unknown_group;
pub use access::{Access, GroupName, Sharing, groups_to_share_with};
pub(crate) use appraisal::appraise;
pub use appraisal::{AUTHORITIES, Appraisal, Status, day};
pub use collections::{
    Collection, CollectionAccess, CollectionChange, NewCollection, change_collection, collections, collections_admin, create_collection,
    delete_collection,
};
pub use evidence::{Citation, Evidence, Fetched, Recorded};
pub use indexes::Indexes;
pub(crate) use ingest::{give_up, ingest};
pub use quality::{ReadingQuality, ReadingVerdict};
pub(crate) use retrieve::reopen;
pub use retrieve::{Retrieval, SearchHit, SearchQuery, SearchResults, retrieve, search};
pub use sandbox::Sandbox;
pub(crate) use starter::seed;
pub(crate) use vectors::{Embedded, embed_document, embed_query, embed_sentences, public_vectors};
pub use vectors::{Embeddings, embed_texts, embedding_model};
pub use wording::{OtherWording, built_in_terms};

/// Slug of the collection that uploads go to unless another is named.
pub const OWN_COLLECTION: &str = "own";

/// How the ingestion of a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    /// Waits for its turn.
    Queued,
    /// Is being read.
    Parsing,
    /// Is being put into the index.
    Indexing,
    /// Can be found and cited.
    Ready,
    /// Could not be read; the failure says why.
    Failed,
}

impl DocumentState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parsing => "parsing",
            Self::Indexing => "indexing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn parse(name: &str) -> Self {
        [Self::Queued, Self::Parsing, Self::Indexing, Self::Ready].into_iter().find(|s| s.as_str() == name).unwrap_or(Self::Failed)
    }
}

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable dotted code.
    pub code: String,
    /// What happened and what to do.
    pub detail: String,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Id in this tenant.
    #[schema(value_type = uuid::Uuid)]
    pub id: DocumentId,
    /// Title: from the document itself, or its file name.
    pub title: String,
    /// Name of the file that came in.
    pub file_name: String,
    /// Slug of its collection.
    pub collection: String,
    /// True for the library that ships with the product.
    pub starter: bool,
    /// Whether the caller added it or owns its collection, and so may delete it; others need `document.manage` for that.
    pub yours: bool,
    /// Format, once it was read: `pdf`, `docx`, `pptx`, `xlsx`, `csv`, `html`, `markdown`, `text`, `jats`, `pubmed`, `epub`.
    pub format: Option<String>,
    /// Size of the file in bytes.
    pub size_bytes: i64,
    /// How its ingestion stands.
    pub state: DocumentState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What the reader should know about the reading.
    pub warnings: Vec<String>,
    /// Number of pages, where the format has pages.
    pub pages: Option<i32>,
    /// Number of passages.
    pub passages: i32,
    /// How many of them can be found by meaning.
    pub embedded: i32,
    /// What it is worth as evidence, and whether it holds.
    #[serde(flatten)]
    pub appraisal: Appraisal,
    /// Whether a person said so; else the platform's rules did.
    pub appraised: bool,
    /// How well it could be read, once it was.
    #[serde(default)]
    pub quality: Option<ReadingQuality>,
    /// Where its text was fetched, where a person kept what a tool had brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Official identifiers it is about.
    pub identifiers: Vec<String>,
    /// SHA-256 of the canonical text, hexadecimal.
    pub version: Option<String>,
    /// When it was added (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it could first be found (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub ready_at: Option<OffsetDateTime>,
}

/// Where the text of a document was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    /// Name of the tool that fetched it.
    pub tool: String,
    /// Title as its source gives it.
    pub title: String,
    /// Its public address.
    pub url: String,
    /// What its source calls it, for example `PMID 12345`.
    pub identifier: String,
    /// When it was fetched (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub retrieved_at: OffsetDateTime,
}

/// A file to be added.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// Its name; a path is cut to its last part.
    pub file_name: String,
    /// Slug of the collection; none means the organisation's own.
    pub collection: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Which documents to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct DocumentFilter {
    /// Only of this collection.
    pub collection: Option<String>,
    /// Only of the starter library, or only not.
    pub starter: Option<bool>,
    /// Only with this in the title or file name, in any case.
    pub title: Option<String>,
    /// Only older than this one: the cursor of the next page.
    pub before: Option<DocumentId>,
    /// At most so many; cut to the largest page size.
    pub limit: i64,
}

/// The canonical text of a document with its blocks.
#[derive(Clone, Debug)]
pub struct DocumentText {
    /// The document.
    pub document: Document,
    /// The canonical text.
    pub text: String,
    /// Its blocks, by offset.
    pub blocks: Vec<Block>,
}

/// Stores a file and queues its ingestion.
///
/// # Errors
/// `Invalid` for a bad name or an empty file, `TooLarge` over the limit, `NotFound` for a collection that the caller cannot read, `Conflict` when the same
/// bytes are in the collection already.
pub async fn add_document(p: &Platform, cx: &OpContext, new: NewDocument) -> Result<Document> {
    add(p, cx, new, None).await
}

/// Adds a text that a tool fetched, with where it came from and whose word it is.
///
/// # Errors
/// Those of `add_document`.
pub(crate) async fn add_fetched(p: &Platform, cx: &OpContext, new: NewDocument, origin: Origin, authority: &str) -> Result<Document> {
    add(p, cx, new, Some((origin, authority))).await
}

async fn add(p: &Platform, cx: &OpContext, new: NewDocument, fetched: Option<(Origin, &str)>) -> Result<Document> {
    cx.require(Permission::DocumentWrite)?;
    let file_name = clean_file_name(&new.file_name)?;
    if new.bytes.is_empty() {
        return Err(Error::invalid(
            "document.empty",
            format!("`{file_name}` is empty. Nothing was stored; check the file and upload it again."),
        ));
    }
    if new.bytes.len() > limits::UPLOAD_BYTES_MAX {
        return Err(too_large());
    }
    let slug = new.collection.as_deref().unwrap_or(OWN_COLLECTION);
    let mut tx = p.db.write(cx).await?;
    let collection = store::collections::writable(&mut tx, slug).await?.ok_or_else(|| {
        Error::not_found("collection.unknown", format!("There is no collection `{slug}` to add documents to. Nothing was stored."))
    })?;
    let id = DocumentId::new();
    let content_hash: [u8; 32] = Sha256::digest(&new.bytes).into();
    store::insert_upload(&mut tx, id, collection, &file_name, &content_hash, &new.bytes, fetched).await?;
    tx.enqueue(JobKind::IngestDocument, id.0).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentAdded, "document", id).fields(&["file_name", "collection"])).await?;
    p.work_waiting.notify_one();
    document(p, cx, id).await
}

/// Lists documents, newest first.
///
/// # Errors
/// `Forbidden` without the permission to read documents.
pub async fn documents(p: &Platform, cx: &OpContext, filter: DocumentFilter) -> Result<Vec<Document>> {
    cx.require(Permission::DocumentRead)?;
    let filter = DocumentFilter { limit: filter.limit.clamp(1, limits::PAGE_SIZE_MAX), ..filter };
    store::documents(&mut p.db.read(cx).await?, &filter).await
}

/// Reads one document's record.
///
/// # Errors
/// `NotFound` when the tenant has no such document.
pub async fn document(p: &Platform, cx: &OpContext, id: DocumentId) -> Result<Document> {
    cx.require(Permission::DocumentRead)?;
    store::document(&mut p.db.read(cx).await?, id).await?.ok_or_else(unknown)
}

/// Reads a document's canonical text. Who read it is recorded with it.
///
/// # Errors
/// `NotFound` when the tenant has no such document; `Conflict` while it has not been read.
pub async fn read_document(p: &Platform, cx: &OpContext, id: DocumentId) -> Result<DocumentText> {
    cx.require(Permission::DocumentRead)?;
    let mut read = p.db.read_audited(cx).await?;
    let document = store::document(read.tx(), id).await?.ok_or_else(unknown)?;
    let (text, blocks) = store::text(read.tx(), id).await?.ok_or_else(|| {
        Error::conflict("document.not_ready", "This document has no text yet: it is still being read, or could not be read.")
    })?;
    read.commit(AuditEntry::new(AuditAction::DocumentRead, "document", id)).await?;
    Ok(DocumentText { document, text, blocks })
}

/// A page of a PDF to be drawn.
#[derive(Clone, Debug)]
pub struct PageOf {
    /// Number of the page, from 1.
    pub page: u32,
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Bytes of the canonical text to be marked.
    pub marks: Vec<std::ops::Range<usize>>,
}

/// Draws a page of a PDF with some bytes of its canonical text marked. Who saw it is recorded.
///
/// # Errors
/// `NotFound` when the tenant has no such document or it has no such page; `Invalid` where it is no PDF or the page cannot be drawn.
pub async fn page_picture(p: &Platform, cx: &OpContext, id: DocumentId, of: PageOf) -> Result<PagePicture> {
    cx.require(Permission::DocumentRead)?;
    let mut read = p.db.read_audited(cx).await?;
    let document = store::document(read.tx(), id).await?.ok_or_else(unknown)?;
    if document.format.as_deref() != Some("pdf") {
        return Err(Error::invalid("document.no_pages", "Only a PDF that was read has pages to be shown. Read its text instead."));
    }
    let (_, bytes, _) = store::file(read.tx(), id).await?.ok_or_else(unknown)?;
    // The file is read again for the marks: they are made only where that gives the text that their bytes count in.
    let text = if of.marks.is_empty() { None } else { store::text(read.tx(), id).await? };
    read.commit(AuditEntry::new(AuditAction::DocumentRead, "document", id)).await?;
    let text_check = text.map(|(text, _)| vital_documents::text_check(&text));
    let request = PageRequest { page: of.page, width_px: of.width_px, marks: of.marks, text_check };
    p.sandbox.draw(&request, bytes).await?.map_err(|why| match why {
        ParseError::NoSuchPage { .. } => Error::not_found(why.code(), why.to_string()),
        _ => Error::invalid(why.code(), why.to_string()),
    })
}

/// Queues the ingestion of a failed document again.
///
/// # Errors
/// `NotFound` when the tenant has no such document; `Conflict` unless it has failed.
pub async fn retry_document(p: &Platform, cx: &OpContext, id: DocumentId) -> Result<Document> {
    cx.require(Permission::DocumentWrite)?;
    let mut tx = p.db.write(cx).await?;
    let state = store::lock_visible(&mut tx, id).await?.ok_or_else(unknown)?;
    if state != DocumentState::Failed {
        return Err(Error::conflict("document.not_failed", "Only a document that could not be read can be tried again."));
    }
    store::set_state(&mut tx, id, DocumentState::Queued).await?;
    tx.enqueue(JobKind::IngestDocument, id.0).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentRetried, "document", id)).await?;
    p.work_waiting.notify_one();
    document(p, cx, id).await
}

/// Deletes a document with its file, text, passages and vectors. From the commit on no answer can use it.
///
/// # Errors
/// `NotFound` when the tenant has no such document; `Conflict` for the starter library; `Forbidden` for what somebody else added to a collection that
/// is not the caller's, without the permission to manage documents.
pub async fn delete_document(p: &Platform, cx: &OpContext, id: DocumentId) -> Result<()> {
    cx.require(Permission::DocumentWrite)?;
    let found = document(p, cx, id).await?;
    if found.starter {
        return Err(Error::conflict(
            "document.starter",
            "This article belongs to the starter library and comes back with every update, so it cannot be deleted.",
        ));
    }
    let mut tx = p.db.write(cx).await?;
    store::lock_visible(&mut tx, id).await?.ok_or_else(unknown)?;
    if tx.is_conditional() {
        let present = store::document(&mut tx, id).await?.ok_or_else(unknown)?;
        tx.expect_unchanged(&present)?;
    }
    if !store::delete(&mut tx, id, cx.may(Permission::DocumentManage)).await? {
        return Err(Error::forbidden(
            "document.not_yours",
            "Somebody else added this document, so it is not yours to delete. Nothing was deleted; ask whoever added it, or an administrator of your organisation.",
        ));
    }
    outbox::enqueue(&mut tx, Event::DocumentDeleted { document: id }).await?;
    tx.commit(AuditEntry::new(AuditAction::DocumentDeleted, "document", id)).await?;
    p.indexes.forget_document(p, cx, id).await;
    Ok(())
}

/// The titles of those of these documents that the caller may see, for pages that link to them.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn titles(p: &Platform, cx: &OpContext, ids: &[DocumentId]) -> Result<Vec<(DocumentId, String)>> {
    if ids.is_empty() || !cx.may(Permission::DocumentRead) {
        return Ok(Vec::new());
    }
    let mut tx = p.db.read(cx).await?;
    let mut titles = Vec::new();
    for id in ids.iter().take(limits::AUDIT_OBJECTS_MAX) {
        if let Some(found) = store::document(&mut tx, *id).await? {
            titles.push((*id, found.title));
        }
    }
    Ok(titles)
}

/// A document by its names.
pub(crate) struct Titled {
    pub id: DocumentId,
    pub title: String,
    pub file_name: String,
    pub identifiers: Vec<String>,
    pub collection: String,
    pub starter: bool,
}

/// The names of the caller's documents, the latest first.
///
/// # Errors
/// `Forbidden` without the permission to read documents.
pub(crate) async fn titled(p: &Platform, cx: &OpContext, limit: i64) -> Result<Vec<Titled>> {
    cx.require(Permission::DocumentRead)?;
    store::titled(&mut p.db.read(cx).await?, limit).await
}

fn unknown() -> Error {
    Error::not_found("document.unknown", "There is no such document, or it is not yours to see.")
}

/// The refusal of an upload over the limit, also for the layer that sees the size first.
#[must_use]
pub fn too_large() -> Error {
    Error::too_large(
        "document.too_large",
        format!(
            "A file may have at most {} MiB. Nothing was stored; split the document and upload the parts.",
            limits::UPLOAD_BYTES_MAX / 1024 / 1024
        ),
    )
}

/// Keeps the last part of a path, without control characters.
fn clean_file_name(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let chars = last.chars().count();
    if chars == 0 || chars > limits::FILE_NAME_CHARS_MAX || last.chars().any(char::is_control) || matches!(last, "." | "..") {
        return Err(Error::invalid(
            "document.name",
            format!("A file needs a name of 1 to {} ordinary characters. Nothing was stored.", limits::FILE_NAME_CHARS_MAX),
        ));
    }
    Ok(last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::clean_file_name;

    #[test]
    fn file_names_lose_their_path_and_refuse_control_characters() {
        assert_eq!(clean_file_name("C:\\docs\\plan.pdf").unwrap(), "plan.pdf");
        assert_eq!(clean_file_name("../../etc/passwd").unwrap(), "passwd");
        for bad in ["", "..", "a\nb.pdf", "x/", &"n".repeat(201)] {
            assert!(clean_file_name(bad).is_err(), "{bad:?}");
        }
    }
}
