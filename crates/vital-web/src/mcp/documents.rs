//! Documents as tools and as resources: passages that are found, and texts that are read in bounded parts.

use super::{handler::On, tools::Given};
use crate::{components::text::link_with, problem::Reply};
use rmcp::{
    ErrorData,
    model::{MetaObject, Resource, ResourceContents, ResourceTemplate},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use vital_kernel::{DocumentId, Error, Permission, limits};
use vital_platform::knowledge::{self, Document, DocumentFilter, DocumentState, SearchHit, SearchQuery};

/// Where documents stand among the resources.
pub(super) const DOCUMENTS: &str = "vital://documents/";
/// Passages that a search finds unless told otherwise.
pub(super) const HITS: usize = 10;
/// Most passages that a search finds.
pub(super) const HITS_MAX: usize = 50;
/// Bytes of a document that are read at once unless told otherwise.
pub(super) const WINDOW: usize = 16 * 1024;
/// Most bytes of a document that are read at once.
pub(super) const WINDOW_MAX: usize = 64 * 1024;
/// Tells in `_meta` which part of a document was read.
const PART: &str = "vital-path/part";

/// What to search for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    query: String,
    limit: Option<usize>,
    collection: Option<String>,
}

#[derive(Serialize)]
struct Found {
    by_meaning: bool,
    note: Option<String>,
    hits: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    document: Uuid,
    title: String,
    heading_path: Vec<String>,
    page: Option<u32>,
    start: u64,
    end: u64,
    text: String,
    score: f32,
    url: String,
}

/// The tool `search_documents`.
pub(super) async fn search(on: &On, given: Search) -> Reply<Given> {
    if given.query.trim().is_empty() || given.query.len() > limits::QUESTION_BYTES_MAX {
        let detail = format!("A search takes between 1 and {} bytes of words. Nothing was searched.", limits::QUESTION_BYTES_MAX);
        return Err(Error::invalid("search.empty", detail).with_field("/query", "Write some words.").into());
    }
    let limit = given.limit.unwrap_or(HITS).clamp(1, HITS_MAX);
    let query = SearchQuery { query: given.query, collections: given.collection.into_iter().collect(), limit, ..SearchQuery::default() };
    let found = knowledge::search(&on.app().platform, on.cx(), query).await?;
    let hits: Vec<Hit> = found.hits.into_iter().map(|hit| hit_of(on, hit)).collect();
    let mut text: String = hits.iter().enumerate().map(|(n, h)| format!("[{}] {} ({})\n{}\n\n", n + 1, h.title, h.url, h.text)).collect();
    if hits.is_empty() {
        "Nothing was found.".clone_into(&mut text);
    }
    Given::new(text, &Found { by_meaning: found.by_meaning, note: found.note, hits })
}

fn hit_of(on: &On, hit: SearchHit) -> Hit {
    let url = on.address(&cited(hit.document_id, hit.start, hit.end));
    let SearchHit { document_id: document, title, heading_path, page, start, end, text, score, .. } = hit;
    Hit { document, title, heading_path, page, start, end, text, score, url }
}

/// The page of a document with a range of it marked.
pub(super) fn cited(document: Uuid, start: u64, end: u64) -> String {
    let (start, end) = (start.to_string(), end.to_string());
    format!("{}#cited", link_with(&format!("/library/documents/{document}"), &[("start", &start), ("end", &end)]))
}

/// Which part of which document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    document: Uuid,
    start: Option<usize>,
    length: Option<usize>,
}

#[derive(Serialize)]
struct Read {
    document: Uuid,
    title: String,
    version: Option<String>,
    start: usize,
    end: usize,
    size: usize,
    next: Option<usize>,
    text: String,
    url: String,
}

/// The tool `read_document`.
pub(super) async fn read(on: &On, part: Part) -> Reply<Given> {
    let read = window(on, &part).await?;
    Given::new(read.text.clone(), &read)
}

async fn window(on: &On, part: &Part) -> vital_kernel::Result<Read> {
    let whole = knowledge::read_document(&on.app().platform, on.cx(), DocumentId(part.document)).await?;
    let (size, length) = (whole.text.len(), part.length.unwrap_or(WINDOW).clamp(1, WINDOW_MAX));
    let start = whole.text.floor_char_boundary(part.start.unwrap_or(0).min(size));
    let end =
        whole.text.floor_char_boundary(start.saturating_add(length).min(size)).max(whole.text.ceil_char_boundary((start + 1).min(size)));
    let text = whole.text.get(start..end).unwrap_or_default().to_owned();
    let url = on.address(&format!("/library/documents/{}", part.document));
    let next = (end < size).then_some(end);
    Ok(Read { document: part.document, title: whole.document.title, version: whole.document.version, start, end, size, next, text, url })
}

/// A page of the documents that the caller may read and that have a text, and the cursor of the next.
pub(super) async fn resources(on: &On, cursor: Option<&str>) -> Result<(Vec<Resource>, Option<String>), ErrorData> {
    if !on.cx().may(Permission::DocumentRead) {
        return Ok((Vec::new(), None));
    }
    let before = match cursor.map(str::parse::<Uuid>) {
        None => None,
        Some(Ok(id)) => Some(DocumentId(id)),
        Some(Err(_)) => return Err(on.error(Error::invalid("mcp.cursor", "This cursor is not one of ours. Begin without one."))),
    };
    let filter = DocumentFilter { before, limit: limits::PAGE_SIZE, ..DocumentFilter::default() };
    let page = knowledge::documents(&on.app().platform, on.cx(), filter).await.map_err(|e| on.error(e))?;
    let full = i64::try_from(page.len()).is_ok_and(|n| n >= limits::PAGE_SIZE);
    let next = page.last().filter(|_| full).map(|last| last.id.to_string());
    Ok((page.into_iter().filter(|d| d.state == DocumentState::Ready).map(resource).collect(), next))
}

fn resource(d: Document) -> Resource {
    Resource::new(format!("{DOCUMENTS}{}", d.id), d.file_name).with_title(d.title).with_mime_type("text/plain")
}

/// How the resource of a document is named.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{DOCUMENTS}{{id}}{{?start,length}}"), "document")
        .with_title("Document")
        .with_description("The text that citations point into, or a part of it by bytes.")
        .with_mime_type("text/plain")
}

/// Reads the resource of a document: its beginning, or the part that the address names.
pub(super) async fn resource_text(on: &On, uri: &str, named: &str) -> Result<ResourceContents, ErrorData> {
    let (id, query) = named.split_once('?').unwrap_or((named, ""));
    let unknown = || on.error(Error::not_found("document.unknown", "There is no such document, or it is not yours to see."));
    let document = id.parse().map_err(|_| unknown())?;
    let mut part = Part { document, start: None, length: None };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').map(|(name, value)| (name, value.parse::<usize>())) {
            Some(("start", Ok(n))) => part.start = Some(n),
            Some(("length", Ok(n))) => part.length = Some(n),
            _ => return Err(unknown()),
        }
    }
    let read = window(on, &Part { length: part.length.or(Some(WINDOW_MAX)), ..part }).await.map_err(|e| on.error(e))?;
    let mut told = serde_json::to_value(&read).unwrap_or_default();
    if let Value::Object(told) = &mut told {
        told.remove("text");
    }
    let meta = MetaObject(Map::from_iter([(PART.to_owned(), told)]));
    Ok(ResourceContents::text(read.text, uri).with_meta(meta))
}
