//! Finding conversations, documents, passages and experts, as somebody types. `assets/find.js` asks for the results alone.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        layout::{Section, bare, page},
        text::{ago, link_with},
    },
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use vital_platform::find::{self, EACH, Findings, Fragment, QUERY_CHARS_MAX};

/// What to look for.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    q: String,
    /// True for the results alone.
    #[serde(default)]
    part: bool,
}

/// Shows the page, or its results alone.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Given>) -> Reply<Markup> {
    let asked = given.q.chars().any(char::is_alphanumeric);
    let found = if asked { Some(find::find(&s.platform, &caller.cx, &given.q, EACH).await?) } else { None };
    let results = results(found.as_ref(), &given.q);
    if given.part {
        return Ok(bare(&view, "Find", &results));
    }
    Ok(page(
        &view,
        "Find",
        Section::None,
        &["find.js"],
        &html! {
            h1 { "Find" }
            form.search method="get" action="/find" role="search" {
                input.js-find type="search" name="q" value=(given.q) maxlength=(QUERY_CHARS_MAX) aria-label="Find conversations, documents, passages and experts" autofocus autocomplete="off";
                button.primary type="submit" { "Find" }
            }
            div #results aria-live="polite" { (results) }
        },
    ))
}

fn results(found: Option<&Findings>, q: &str) -> Markup {
    let Some(f) = found else {
        return html! { p.dim { "Your conversations, the documents that you may read and what they say, and the experts: all that you may see, by words or their beginnings." } };
    };
    html! {
        @if f.is_empty() {
            p { "Nothing has all of these words. " a href=(link_with("/search", &[("q", q)])) { "Search passages by meaning" } " or " a href=(link_with("/", &[("question", q)])) { "ask an expert" } "." }
        }
        @if !f.conversations.is_empty() {
            (group("Conversations", &html! {
                @for c in &f.conversations {
                    li {
                        a.row href={ "/conversations/" (c.conversation_id) "#turn-" (c.turn_id) } {
                            span { (marked(&c.question)) } small { (ago(c.created_at)) }
                        }
                        @if !c.answer.is_empty() { p.hit-text { (marked(&c.answer)) } }
                    }
                }
            }))
        }
        @if !f.documents.is_empty() {
            (group("Documents", &html! {
                @for d in &f.documents {
                    li { a.row href={ "/library/documents/" (d.document_id) } { span { (marked(&d.title)) } small { @if d.file_name.is_empty() { (d.collection) } @else { (marked(&d.file_name)) } } } }
                }
            }))
        }
        @if !f.passages.is_empty() {
            (group("In documents", &html! {
                @for p in &f.passages {
                    @let (start, end) = (p.start.to_string(), p.end.to_string());
                    li {
                        a.row href={ (link_with(&format!("/library/documents/{}", p.document_id), &[("start", &start), ("end", &end)])) "#cited" } {
                            span { (p.title) } small { @if let Some(page) = p.page { "page " (page) } }
                        }
                        p.hit-text { (marked(&p.text)) }
                    }
                }
            }))
        }
        @if !f.experts.is_empty() {
            (group("Experts", &html! {
                @for e in &f.experts { li { a.row href={ "/experts/" (e.slug) } { span { (marked(&e.name)) } small { (marked(&e.tagline)) } } } }
            }))
        }
        @if f.cut { p.dim { "Only the latest were looked through; older conversations or documents may be missing here." } }
    }
}

fn group(name: &str, rows: &Markup) -> Markup {
    html! { section.found { h2 { (name) } ul.rows { (rows) } } }
}

fn marked(fragments: &[Fragment]) -> Markup {
    html! { @for f in fragments { @if f.marked { mark { (f.text) } } @else { (f.text) } } }
}
