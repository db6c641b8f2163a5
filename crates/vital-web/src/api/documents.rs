//! Documents.

use super::{Listing, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
    upload::{Files, Upload},
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vital_documents::{BlockKind, WIDTH_PX_MAX, WIDTH_PX_MIN};
use vital_kernel::{DocumentId, Error};
use vital_platform::{
    ask::{self, Appraised},
    knowledge::{self, Appraisal, Document, DocumentFilter, PageOf},
};

/// Width of a drawn page unless the caller says otherwise, in pixels.
const WIDTH_PX: u32 = 1_000;

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Slug of a collection.
    collection: Option<String>,
    /// Only the starter library, or only what is not.
    starter: Option<bool>,
    /// Only with this in the title or file name.
    title: Option<String>,
    /// `next_cursor` of the page before.
    #[expect(dead_code, reason = "read as `Paging`")]
    cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    #[expect(dead_code, reason = "read as `Paging`")]
    limit: Option<i64>,
}

/// A file with its place.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form for the API document")]
pub(crate) struct UploadForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Slug of a collection that the caller may read; `own` unless given.
    collection: Option<String>,
}

/// The canonical text of a document.
#[derive(Serialize, ToSchema)]
pub(crate) struct Text {
    /// The document.
    document: Document,
    /// The canonical text; offsets count its bytes in UTF-8.
    text: String,
    /// Its blocks.
    blocks: Vec<TextBlock>,
}

/// A block of the canonical text.
#[derive(Serialize, ToSchema)]
pub(crate) struct TextBlock {
    /// `heading`, `paragraph`, `list_item`, `table_row`, `code`.
    kind: &'static str,
    /// Level of a heading, from 1 to 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    /// First byte.
    start: usize,
    /// One past the last byte.
    end: usize,
    /// Page, from 1.
    page: Option<u32>,
}

impl From<&vital_documents::Block> for TextBlock {
    fn from(b: &vital_documents::Block) -> Self {
        let (kind, level) = match b.kind {
            BlockKind::Heading { level } => ("heading", Some(level)),
            BlockKind::Paragraph => ("paragraph", None),
            BlockKind::ListItem => ("list_item", None),
            BlockKind::TableRow => ("table_row", None),
            BlockKind::Code => ("code", None),
        };
        Self { kind, level, start: b.start, end: b.end, page: b.page }
    }
}

/// Lists documents, newest first.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents", params(Filter), responses((status = 200, body = Listing<Document>)))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
    Params(f): Params<Filter>,
) -> Reply<Json<Listing<Document>>> {
    let filter =
        DocumentFilter { collection: f.collection, starter: f.starter, title: f.title, before: paging.before()?, limit: paging.limit };
    Ok(Json(paging.page(knowledge::documents(&s.platform, &caller.cx, filter).await?, |d| d.id)))
}

/// Adds a document: stores the file and queues its reading.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents", request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 201, body = Document, headers(("location", description = "The document")))))]
pub(crate) async fn create(State(s): State<AppState>, SignedIn(caller): SignedIn, form: Files) -> Reply<impl IntoResponse> {
    let new = Upload::read(form, 1)
        .await?
        .documents()
        .next()
        .ok_or_else(|| Error::invalid("upload.no_file", "No file came with this request."))?;
    let document = knowledge::add_document(&s.platform, &caller.cx, new).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/documents/{}", document.id))], Json(document)))
}

/// Shows a document and how its reading stands.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = Uuid, Path)), responses((status = 200, body = Document)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<Json<Document>> {
    Ok(Json(knowledge::document(&s.platform, &caller.cx, id).await?))
}

/// Shows the canonical text that citations point into.
#[utoipa::path(get, path = "/api/v1/documents/{id}/text", tag = "documents", params(("id" = Uuid, Path)), responses((status = 200, body = Text)))]
pub(crate) async fn text(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<Json<Text>> {
    let read = knowledge::read_document(&s.platform, &caller.cx, id).await?;
    Ok(Json(Text { document: read.document, blocks: read.blocks.iter().map(TextBlock::from).collect(), text: read.text }))
}

/// Says what a document is worth as evidence and whether it holds. Where it no longer does, the answers that cite it are marked and their owners told.
#[utoipa::path(put, path = "/api/v1/documents/{id}/appraisal", tag = "documents", params(("id" = Uuid, Path)), request_body = Appraisal,
    responses((status = 200, body = Appraised)))]
pub(crate) async fn appraise(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<DocumentId>,
    Body(appraisal): Body<Appraisal>,
) -> Reply<Json<Appraised>> {
    Ok(Json(ask::appraise(&s.platform, &caller.cx, id, appraisal).await?))
}

/// Shows a document with how many answers of how many people cite it.
#[utoipa::path(get, path = "/api/v1/documents/{id}/appraisal", tag = "documents", params(("id" = Uuid, Path)), responses((status = 200, body = Appraised)))]
pub(crate) async fn appraisal(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<Json<Appraised>> {
    Ok(Json(ask::reach(&s.platform, &caller.cx, id).await?))
}

/// How a page is to be drawn.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Drawing {
    /// Width in pixels, 64 to 2,400; 1,000 unless given.
    #[param(minimum = 64, maximum = 2400)]
    width: Option<u32>,
    /// First byte of the canonical text to be marked.
    start: Option<usize>,
    /// One past the last byte to be marked.
    end: Option<usize>,
}

/// Draws a page of a PDF, with a range of its text marked.
#[utoipa::path(get, path = "/api/v1/documents/{id}/pages/{page}", tag = "documents",
    params(("id" = Uuid, Path), ("page" = u32, Path, description = "Number of the page, from 1"), Drawing),
    responses((status = 200, description = "The page", content_type = "image/png", body = Vec<u8>)))]
pub(crate) async fn page(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path((id, page)): Path<(String, String)>,
    Params(given): Params<Drawing>,
) -> Reply<impl IntoResponse> {
    let unknown = || Error::not_found("document.unknown", "There is no such page, or it is not yours to see.");
    let id = id.parse().map(DocumentId).map_err(|_| unknown())?;
    let page = page.parse().ok().filter(|n| *n > 0).ok_or_else(unknown)?;
    let width_px = given.width.unwrap_or(WIDTH_PX);
    if !(WIDTH_PX_MIN..=WIDTH_PX_MAX).contains(&width_px) {
        let says = format!("A page can be drawn {WIDTH_PX_MIN} to {WIDTH_PX_MAX} pixels wide.");
        return Err(Error::invalid("document.width", says.clone()).with_field("/width", says).into());
    }
    let marks = given.start.zip(given.end).filter(|(start, end)| start < end).map(|(start, end)| start..end);
    let of = PageOf { page, width_px, marks: marks.into_iter().collect() };
    let picture = knowledge::page_picture(&s.platform, &caller.cx, id, of).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], picture.png))
}

/// Queues the reading of a failed document again.
#[utoipa::path(post, path = "/api/v1/documents/{id}/retry", tag = "documents", params(("id" = Uuid, Path)), responses((status = 202, body = Document)))]
pub(crate) async fn retry(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<impl IntoResponse> {
    Ok((StatusCode::ACCEPTED, Json(knowledge::retry_document(&s.platform, &caller.cx, id).await?)))
}

/// Deletes a document; from then on no answer can use it.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = Uuid, Path)), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<StatusCode> {
    knowledge::delete_document(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
