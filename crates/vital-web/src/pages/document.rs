//! A document as it was read, with the cited words highlighted.
//!
//! A long document is shown in windows of whole blocks, so that opening a citation costs the same in a letter and in a dossier.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        appraisal,
        document::{badge, facts},
        layout::{Section, bare, page},
        passage::{self, Window},
        text::{count, link_with, moment},
        trail,
    },
    extract::{Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::{collections::HashMap, ops::Range};
use vital_kernel::{DocumentId, Kind, Permission};
use vital_platform::{
    audit::{self, Sighting},
    identity::Caller,
    knowledge::{self, Document, DocumentText, ReadingQuality, ReadingVerdict, Status},
};

/// Bytes of text on one page.
const PAGE_BYTES: usize = 60_000;
/// Bytes of text in the source pane.
const PANE_BYTES: usize = 12_000;
/// How many of those who saw it the page shows.
const SIGHTINGS: i64 = 10;

/// What to show of the document.
#[derive(Deserialize)]
pub(crate) struct Given {
    /// First cited byte.
    start: Option<usize>,
    /// One past the last cited byte.
    end: Option<usize>,
    /// Where the window begins, in bytes; around the citation unless given.
    from: Option<usize>,
    /// A page of a PDF to show as it looks, from 1.
    page: Option<u32>,
    /// True for the source pane: nothing but the text.
    #[serde(default)]
    pub(crate) pane: bool,
}

impl Given {
    /// The cited bytes.
    pub(crate) fn cited(&self) -> Option<Range<usize>> {
        self.start.zip(self.end).filter(|(start, end)| start < end).map(|(start, end)| start..end)
    }
}

/// Shows the page.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<DocumentId>,
    Params(given): Params<Given>,
) -> Reply<Markup> {
    let read = match knowledge::read_document(&s.platform, &caller.cx, id).await {
        Err(error) if error.kind() == Kind::Conflict => return Ok(unread(&view, &knowledge::document(&s.platform, &caller.cx, id).await?)),
        read => read?,
    };
    let seen = if !given.pane && caller.cx.may(Permission::AuditRead) {
        Some(audit::who_saw(&s.platform, &caller.cx, id, None, SIGHTINGS).await?)
    } else {
        None
    };
    let bytes = if given.pane { PANE_BYTES } else { PAGE_BYTES };
    let window = Window::choose(&read.blocks, given.from, given.start, bytes);
    let text = passage::text(&read.text, &read.blocks, &window, given.cited().as_ref());
    if let Some(number) = given.page.filter(|_| !given.pane && has_pages(&read.document)) {
        return Ok(page(&view, &read.document.title, Section::Library, &[], &picture(&read.document, number, given.cited().as_ref())));
    }
    Ok(if given.pane {
        bare(&view, &read.document.title, &text)
    } else {
        page(
            &view,
            &read.document.title,
            Section::Library,
            &[],
            &whole(&caller, &read, &window, &text, seen.as_deref(), given.cited().as_ref()),
        )
    })
}

fn whole(
    caller: &Caller,
    read: &DocumentText,
    window: &Window,
    text: &Markup,
    seen: Option<&[Sighting]>,
    cited: Option<&Range<usize>>,
) -> Markup {
    let d = &read.document;
    html! {
        article.document {
            (head(d))
            @if has_pages(d) {
                p { a.button.quiet href=(page_address(d, page_of(read, cited), cited)) { "Show the page as it looks" } }
            }
            (turner(d, window))
            (text)
            (turner(d, window))
            @if let Some(seen) = seen { (who_saw(caller, d, seen)) }
        }
    }
}

/// Whether its pages can be shown as they look.
fn has_pages(d: &Document) -> bool {
    d.format.as_deref() == Some("pdf")
}

/// The page on which the cited words begin, or the first.
fn page_of(read: &DocumentText, cited: Option<&Range<usize>>) -> u32 {
    let holds = |b: &&vital_documents::Block| cited.is_some_and(|c| b.end > c.start);
    read.blocks.iter().find(holds).and_then(|b| b.page).unwrap_or(1)
}

fn page_address(d: &Document, number: u32, cited: Option<&Range<usize>>) -> String {
    let (start, end) = cited.map_or_else(Default::default, |c| (c.start.to_string(), c.end.to_string()));
    link_with(&format!("/library/documents/{}", d.id), &[("page", &number.to_string()), ("start", &start), ("end", &end)])
}

/// A page as it looks, with the cited words marked.
fn picture(d: &Document, number: u32, cited: Option<&Range<usize>>) -> Markup {
    let (start, end) = cited.map_or_else(Default::default, |c| (c.start.to_string(), c.end.to_string()));
    let source = link_with(&format!("/api/v1/documents/{}/pages/{number}", d.id), &[("width", "1400"), ("start", &start), ("end", &end)]);
    let text = link_with(&format!("/library/documents/{}", d.id), &[("start", &start), ("end", &end)]);
    let last = d.pages.and_then(|n| u32::try_from(n).ok()).unwrap_or(number);
    html! {
        article.document {
            p.crumbs { a href={ (text) "#cited" } { "Back to the text" } }
            h1 { (d.title) }
            nav.turner aria-label="Pages" {
                @if number > 1 { a.button.quiet href=(page_address(d, number - 1, cited)) { "← Page " (number - 1) } }
                span { "Page " (number) " of " (last) }
                @if number < last { a.button.quiet href=(page_address(d, number + 1, cited)) { "Page " (number + 1) " →" } }
            }
            a href={ (text) "#cited" } { img.leaf src=(source) alt={ "Page " (number) " of " (d.title) " as a picture; the link leads to its text" }; }
        }
    }
}

/// For those who read everybody's trail: the last people who saw the document. Its own readers are not shown each other's reading.
fn who_saw(caller: &Caller, d: &Document, seen: &[Sighting]) -> Markup {
    let linking = trail::Linking { cx: &caller.cx, titles: HashMap::new(), own: false };
    html! {
        section.seen aria-labelledby="seen-h" {
            h2 #seen-h { "Who saw this document" }
            @if seen.is_empty() { p.dim { "Nobody yet." } } @else { (trail::sightings(seen, &linking)) }
            p { a href={ (trail::EXPLORER) "/documents/" (d.id) } { "Everybody who saw it" } }
        }
    }
}

fn head(d: &Document) -> Markup {
    html! {
        p.crumbs { a href=(if d.starter { "/library?starter=true" } else { "/library" }) { (if d.starter { "Starter library" } else { "Library" }) } }
        h1 { (d.title) }
        p.dim { (appraisal::summary(&d.appraisal)) " · " (facts(d)) }
        @if let Some(o) = &d.origin {
            p.dim {
                "Fetched by a tool " (moment(o.retrieved_at)) @if !o.identifier.is_empty() { " as " (o.identifier) }
                @if o.url.starts_with("https://") { " · " a href=(o.url) rel="noreferrer noopener" { "open it at its source" } }
            }
        }
        @if d.appraisal.status != Status::Current {
            p.notice.bad {
                "This document is " strong { (appraisal::status_name(d.appraisal.status)) } " and is no evidence for new answers."
                @if let Some(successor) = d.appraisal.superseded_by { " " a href={ "/library/documents/" (successor) } { "What took its place" } "." }
            }
        }
        p { a href={ "/library/documents/" (d.id) "/appraisal" } { "Appraise: authority, level, dates, status" } }
        @if let Some(q) = &d.quality { (reading(q)) }
        @for warning in &d.warnings { p.warn { (warning) } }
        @if let Some(version) = &d.version { details.fine { summary { "Version" } p { "SHA-256 of the text: " code { (version) } } } }
    }
}

/// How well the document could be read.
fn reading(q: &ReadingQuality) -> Markup {
    let (says, open) = match q.verdict {
        ReadingVerdict::Good => ("Read well", false),
        ReadingVerdict::Fair => ("Read, with something to keep in mind", true),
        ReadingVerdict::Poor => ("Read badly: look at it before you rely on it", true),
    };
    let n = |n: u64, one: &str, many: &str| count(i64::try_from(n).unwrap_or(i64::MAX), one, many);
    html! {
        details.fine open[open] {
            summary { (says) }
            @for reason in &q.reasons { p.warn { (reason) } }
            p {
                (n(q.words, "word", "words")) " · " (n(q.headings, "heading", "headings")) " · " (n(q.tables, "table", "tables")) " · " (n(q.lists, "list", "lists"))
                @if let Some(pages) = q.pages_without_text.filter(|n| *n > 0) { " · " (count(pages.into(), "page", "pages")) " without text" }
                @if q.unreadable > 0 { " · " (n(q.unreadable, "unreadable character", "unreadable characters")) }
                @if let Some(language) = &q.language { " · language " (language) }
                @if q.right_to_left { " · read from right to left" }
            }
        }
    }
}

fn turner(d: &Document, window: &Window) -> Markup {
    html! {
        @if window.previous.is_some() || window.next.is_some() {
            nav.turner aria-label="Parts of the document" {
                @if let Some(from) = window.previous { a.button.quiet href={ "/library/documents/" (d.id) "?from=" (from) } { "← Before" } }
                @if let Some(from) = window.next { a.button.quiet href={ "/library/documents/" (d.id) "?from=" (from) } { "After →" } }
            }
        }
    }
}

/// A document that has no text (yet).
fn unread(view: &View, d: &Document) -> Markup {
    page(
        view,
        &d.title,
        Section::Library,
        &[],
        &html! {
            article.document {
                (head(d))
                p { (badge(d)) }
                @if let Some(failure) = &d.failure { p.notice.bad { (failure.detail) } }
                @else { p.notice { "This document is still being read. Its text appears here when it is ready." } }
            }
        },
    )
}
