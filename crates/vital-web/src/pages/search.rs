//! The search bench: passages with the scores that found them.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        appraisal::{self, AUTHORITIES, LEVELS},
        layout::{Section, page},
        text::{authority, bar, link_with, percent},
    },
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use vital_platform::knowledge::{self, SearchHit, SearchQuery, SearchResults};

/// Hits on the page.
const HITS: usize = 20;

/// What to search for.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    q: String,
    /// Only what holds on this day.
    #[serde(default)]
    valid_on: String,
    /// Only this authority.
    #[serde(default)]
    authority: String,
    /// Only this level of evidence or a better one.
    #[serde(default)]
    level: String,
}

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Given>) -> Reply<Markup> {
    let found = if given.q.trim().is_empty() {
        None
    } else {
        let valid_on = if given.valid_on.is_empty() { None } else { Some(crate::api::search::day(&given.valid_on)?) };
        let authority = Some(given.authority.clone()).filter(|a| !a.is_empty());
        let query = SearchQuery {
            query: given.q.clone(),
            valid_on,
            authority,
            level: given.level.parse().ok(),
            limit: HITS,
            ..SearchQuery::default()
        };
        Some(knowledge::search(&s.platform, &caller.cx, query).await?)
    };
    Ok(page(
        &view,
        "Search",
        Section::Library,
        &[],
        &html! {
            h1 { "Search passages" }
            form.search method="get" action="/search" role="search" {
                input type="search" name="q" value=(given.q) aria-label="Search passages" required autofocus;
                button.primary type="submit" { "Search" }
                details.narrowing open[!given.valid_on.is_empty() || !given.authority.is_empty() || !given.level.is_empty()] {
                    summary { "Filters" }
                    label { "Holds on" input type="date" name="valid_on" value=(given.valid_on); }
                    label { "Authority" select name="authority" {
                        option value="" { "any" }
                        @for name in AUTHORITIES { option value=(name) selected[name == given.authority] { (authority(name)) } }
                    } }
                    label { "Evidence level at least" select name="level" {
                        @for (value, says) in LEVELS { option value=(value) selected[value == given.level] { (if value.is_empty() { "any" } else { says }) } }
                    } }
                }
            }
            @if let Some(found) = &found { (results(found)) }
            @else { p.dim { "This searches what answers are made of: passages of your documents and of the starter library, each with the scores that found it." } }
        },
    ))
}

fn results(found: &SearchResults) -> Markup {
    html! {
        p.dim { (if found.by_meaning { "By words and by meaning." } else { "By words alone." }) @if let Some(note) = &found.note { " " (note) } }
        @if found.by_meaning { p.dim { "Meaning counts " (percent(found.dense_share)) " of the joint score: the share follows what the words reach." } }
        @for w in &found.wordings { p.dim { "Also searched for " q { (w.matched) } ": " (w.wordings.join(", ")) } }
        @if found.hits.is_empty() { p { "Nothing was found. Fewer or other words may help." } }
        ol.hits { @for hit in &found.hits { (result(hit)) } }
    }
}

fn result(hit: &SearchHit) -> Markup {
    let (start, end) = (hit.start.to_string(), hit.end.to_string());
    let link = link_with(&format!("/library/documents/{}", hit.document_id), &[("start", &start), ("end", &end)]);
    html! {
        li {
            a href={ (link) "#cited" } { (hit.title) }
            @if !hit.holds { " " (appraisal::badge(hit.status)) @if hit.status == vital_platform::knowledge::Status::Current { span.badge { "not in effect" } } }
            p.src-where { (authority(&hit.authority)) " · " @if let Some(level) = hit.level { "evidence level " (level) " · " } @if let Some(date) = hit.issued_on { (date) " · " } @if let Some(page) = hit.page { "page " (page) " · " } (hit.heading_path.join(" › ")) }
            p.hit-text { (hit.text) }
            @if !hit.copies.is_empty() { p.dim { "Nearly the same words stand in " @for (i, id) in hit.copies.iter().enumerate() { @if i > 0 { ", " } a href={ "/library/documents/" (id) } { "another document" } } "." } }
            p.scores {
                span { (bar(hit.score)) " " (percent(hit.score)) }
                span { "words " (hit.lexical.map_or("–".to_owned(), |s| format!("{s:.2}"))) }
                span { "meaning " (hit.dense.map_or("–".to_owned(), |s| format!("{s:.3}"))) }
            }
        }
    }
}
