//! The library: adding, finding, retrying and deleting documents.

use super::{
    View,
    collections::{Governed, forms, tags},
    page_size,
};
use crate::{
    caller::SignedIn,
    components::{
        access::word,
        document::{May, row},
        layout::{Section, page},
        text::{link_with, size},
    },
    extract::{Id, Params},
    problem::Reply,
    state::AppState,
    step_up::asked,
    upload::{Files, Upload},
};
use axum::{extract::State, response::Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;
use vital_kernel::{DocumentId, Permission, limits};
use vital_platform::{
    identity::Caller,
    knowledge::{self, Collection, Document, DocumentFilter},
};

/// File name endings that can be read, for the file chooser.
const ACCEPT: &str = ".pdf,.docx,.pptx,.xlsx,.csv,.tsv,.html,.htm,.md,.markdown,.txt,.xml,.nxml,.epub";

/// Which documents to show.
#[derive(Default, Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    starter: bool,
    collection: Option<String>,
    title: Option<String>,
    before: Option<Uuid>,
}

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Given>) -> Reply<Markup> {
    let limit = page_size(None);
    let filter = DocumentFilter {
        collection: given.collection.clone().filter(|c| !c.is_empty()),
        starter: Some(given.starter),
        title: given.title.clone().filter(|t| !t.is_empty()),
        before: given.before.map(DocumentId),
        limit,
    };
    let documents = knowledge::documents(&s.platform, &caller.cx, filter).await?;
    let collections = knowledge::collections(&s.platform, &caller.cx).await?;
    let governed = if caller.cx.may(Permission::CollectionWrite) { Some(governed(&s, &caller).await?) } else { None };
    let shelf = Shelf {
        documents,
        collections,
        governed,
        may: May { write: caller.cx.may(Permission::DocumentWrite), manage: caller.cx.may(Permission::DocumentManage) },
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    Ok(page(&view, "Library", Section::Library, &["upload.js", "filter.js"], &content(&given, &shelf)))
}

/// What the page shows.
struct Shelf {
    documents: Vec<Document>,
    collections: Vec<Collection>,
    governed: Option<Governed>,
    may: May,
    /// Documents of a full page.
    limit: usize,
}

async fn governed(s: &AppState, caller: &Caller) -> Reply<Governed> {
    let mut all = knowledge::collections_admin(&s.platform, &caller.cx).await?;
    all.retain(|c| !c.fixed);
    Ok(Governed { all, groups: knowledge::groups_to_share_with(&s.platform, &caller.cx).await?, ask: asked(s, caller).await? })
}

/// Adds the files of a form, for browsers without scripts.
pub(crate) async fn upload(State(s): State<AppState>, SignedIn(caller): SignedIn, form: Files) -> Reply<Redirect> {
    for new in Upload::read(form, limits::UPLOAD_FILES_MAX).await?.documents() {
        knowledge::add_document(&s.platform, &caller.cx, new).await?;
    }
    Ok(Redirect::to("/library"))
}

/// Queues a failed document again.
pub(crate) async fn retry(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<Redirect> {
    knowledge::retry_document(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to("/library"))
}

/// Deletes a document.
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<DocumentId>) -> Reply<Redirect> {
    knowledge::delete_document(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to("/library"))
}

fn content(given: &Given, shelf: &Shelf) -> Markup {
    let Shelf { documents, collections, governed, may, limit } = shelf;
    let chosen = given.collection.as_deref();
    html! {
        div.section-head { h1 { "Library" } (search_form()) }
        nav.tabs aria-label="Library" {
            @let count = |starter: bool| collections.iter().filter(|c| c.starter == starter).map(|c| c.documents).sum::<i64>();
            a href="/library" aria-current=[(!given.starter).then_some("page")] { "Your documents " b { (count(false)) } }
            a href="/library?starter=true" aria-current=[given.starter.then_some("page")] { "Starter library " b { (count(true)) } }
        }
        @if may.write && !given.starter { (drop_zone(chosen, collections)) }
        (tags(chosen, given.starter, collections))
        @if let Some(governed) = governed.as_ref().filter(|_| !given.starter) { (forms(chosen, collections, governed)) }
        (list(given, documents, *may))
        @if let Some(last) = documents.last().filter(|_| documents.len() == *limit) {
            @let starter = if given.starter { "true" } else { "" };
            @let before = last.id.to_string();
            p { a.button.quiet href=(link_with("/library", &[("starter", starter), ("collection", given.collection.as_deref().unwrap_or_default()), ("title", given.title.as_deref().unwrap_or_default()), ("before", &before)])) { "Older" } }
        }
    }
}

fn list(given: &Given, documents: &[Document], may: May) -> Markup {
    let sought = given.title.as_deref().unwrap_or_default();
    html! {
        form.filter-form method="get" action="/library" {
            @if given.starter { input type="hidden" name="starter" value="true"; }
            input.filter.js-filter type="search" name="title" value=(sought) placeholder="Filter by title or file name" aria-label="Filter documents";
            noscript { button type="submit" { "Filter" } }
        }
        ul.docs.js-filtered.js-docs { @for d in documents { (row(d, may)) } }
        p.dim.js-none hidden { "No document here has these words in its title." }
        @if documents.is_empty() && sought.is_empty() && !given.starter {
            p.dim.js-empty { "Nothing here yet. What you add is read, cut into passages with exact offsets, and can be cited as soon as it is ready. Only who may read its collection sees it." }
        } @else if documents.is_empty() {
            p.dim { "No document fits. " a href="/library" { "Show all" } }
        }
    }
}

fn search_form() -> Markup {
    html! {
        form.search method="get" action="/search" role="search" {
            input type="search" name="q" placeholder="Search passages" aria-label="Search passages" required;
            button.quiet type="submit" { "Search" }
        }
    }
}

fn drop_zone(chosen: Option<&str>, collections: &[Collection]) -> Markup {
    let size_max = size(i64::try_from(limits::UPLOAD_BYTES_MAX).unwrap_or(i64::MAX));
    html! {
        form.drop.js-drop method="post" action="/library/upload" enctype="multipart/form-data" data-bytes-max=(limits::UPLOAD_BYTES_MAX) data-files-max=(limits::UPLOAD_FILES_MAX) {
            label for="files" { strong { "Add documents" } span.dim { " PDF, DOCX, HTML, Markdown or text; up to " (size_max) " each. Drop them here or choose:" } }
            input #files type="file" name="file" multiple required accept=(ACCEPT);
            label.choice {
                span.choice-name { "Collection" }
                select name="collection" {
                    @for c in collections.iter().filter(|c| !c.starter) { option value=(c.slug) selected[chosen == Some(c.slug.as_str())] { (c.name) " (" (word(c.access)) ")" } }
                }
            }
            button.primary type="submit" { "Upload" }
        }
        ul.uploads.js-uploads aria-live="polite" {}
    }
}
