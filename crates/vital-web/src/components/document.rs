//! Documents in lists: state, failure, and what can be done.

use super::text::{ago, count, size};
use maud::{Markup, html};
use vital_platform::knowledge::{Document, DocumentState};

/// The state as a badge; `assets/upload.js` renews it by its `data-state`.
pub(crate) fn badge(d: &Document) -> Markup {
    let (state, says) = match d.state {
        DocumentState::Queued => ("queued", "waiting"),
        DocumentState::Parsing => ("parsing", "being read"),
        DocumentState::Indexing => ("indexing", "being indexed"),
        DocumentState::Ready => ("ready", "ready"),
        DocumentState::Failed => ("failed", "not readable"),
    };
    html! { span.badge data-state=(state) { (says) } }
}

/// What somebody may do with documents.
#[derive(Clone, Copy)]
pub(crate) struct May {
    /// Add documents and delete own ones.
    pub(crate) write: bool,
    /// Delete those of others too.
    pub(crate) manage: bool,
}

/// A row of the library.
pub(crate) fn row(d: &Document, may: May) -> Markup {
    let moving = matches!(d.state, DocumentState::Queued | DocumentState::Parsing | DocumentState::Indexing);
    html! {
        li.doc-row id={ "doc-" (d.id) } data-filter={ (d.title) " " (d.file_name) " " (d.identifiers.join(" ")) } data-poll=[moving.then(|| format!("/api/v1/documents/{}", d.id))] {
            div.doc-name {
                @if d.state == DocumentState::Ready { a href={ "/library/documents/" (d.id) } { (d.title) } } @else { span { (d.title) } }
                small { (facts(d)) }
                (super::appraisal::badge(d.appraisal.status))
                @if let Some(f) = &d.failure { p.bad { (f.detail) } }
                @for warning in &d.warnings { p.warn { (warning) } }
            }
            (badge(d))
            @if may.write && !d.starter {
                div.doc-acts {
                    @if d.state == DocumentState::Failed { form method="post" action={ "/library/documents/" (d.id) "/retry" } { button.quiet type="submit" { "Try again" } } }
                    details.confirm {
                        summary aria-label={ "Delete " (d.title) } { "Delete…" }
                        @if d.yours || may.manage {
                            form method="post" action={ "/library/documents/" (d.id) "/delete" } {
                                p { "Delete this document? No further answer will use it; this cannot be undone." @if !d.yours { " Somebody else added it." } }
                                button.danger type="submit" { "Delete for good" }
                            }
                        } @else { p { "Somebody else added this document. Whoever added it can delete it, and so can an administrator." } }
                    }
                }
            }
        }
    }
}

/// What is known of a document, in one line.
pub(crate) fn facts(d: &Document) -> Markup {
    html! {
        @if d.title != d.file_name && !d.starter { (d.file_name) " · " }
        @if let Some(pages) = d.pages { (count(pages.into(), "page", "pages")) " · " }
        @if d.state == DocumentState::Ready { (count(d.passages.into(), "passage", "passages")) " · " }
        @if d.state == DocumentState::Ready && d.embedded < d.passages { (d.embedded) " found by meaning so far · " }
        @if !d.starter { (size(d.size_bytes)) " · " (ago(d.created_at)) }
        @else if d.identifiers.is_empty() { (super::text::authority(&d.appraisal.authority)) }
        @else { (d.identifiers.join(", ")) }
    }
}
