//! An answer played again from its record.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        layout::{Section, page},
        text::{link_with, percent},
    },
    extract::Id,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::TurnId;
use vital_platform::ask::{self, Recomposed, Replay, ReplayedPassage};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Id(id): Id<TurnId>) -> Reply<Markup> {
    let replay = ask::replay(&s.platform, &caller.cx, id).await?;
    Ok(page(&view, "Replay", Section::History, &[], &content(&replay)))
}

fn content(r: &Replay) -> Markup {
    let found = match (r.same_order, r.same_passages) {
        (true, _) => "Today’s search finds the same passages in the same order.",
        (false, true) => "Today’s search finds the same passages in another order.",
        (false, false) => "Today’s search finds other passages.",
    };
    let answer = match r.answer {
        Recomposed::Same => "The same sentences are selected from the recorded passages.",
        Recomposed::Different => "Other sentences are selected today: the platform, its embedding model or a passage has changed.",
        Recomposed::WrittenByModel => "A model wrote the answer, so its words cannot be repeated; its evidence can.",
        Recomposed::NoAnswer => "The question ended without an answer from evidence.",
    };
    html! {
        p.crumbs { a href={ "/conversations/" (r.turn.conversation_id) "#turn-" (r.turn.id) } { "Back to the answer" } }
        h1 { "Replay of an answer" }
        p.question { (r.turn.question) }
        p { (found) " " (answer) }
        h2 { "Passages of the record" }
        @if r.passages.is_empty() { p.dim { "Nothing was found for this question." } }
        ol.hits { @for p in &r.passages { (passage(p)) } }
        @if !r.newcomers.is_empty() {
            h2 { "Found today beside them" }
            ul.hits {
                @for n in &r.newcomers {
                    li { a href=(address(n.document_id, n.start, n.end)) { (n.title) } p.scores { span { "place " (n.rank_now) } span { (percent(n.score)) } } }
                }
            }
        }
    }
}

fn address(document: uuid::Uuid, start: u64, end: u64) -> String {
    link_with(&format!("/library/documents/{document}"), &[("start", &start.to_string()), ("end", &end.to_string())]) + "#cited"
}

fn passage(p: &ReplayedPassage) -> Markup {
    let r = &p.recorded;
    html! {
        li {
            @if let Some(title) = &p.title { a href=(address(r.document_id, r.start, r.end)) { (title) } }
            @else { span.bad { "A passage that can no longer be opened: its document has another text, is gone, or is not yours to see." } }
            p.src-where { (p.heading_path.join(" › ")) }
            @if let Some(text) = &p.text { p.hit-text { (text) } }
            p.scores {
                span { (percent(r.score)) }
                span { "words " (r.lexical.map_or("–".to_owned(), |s| format!("{s:.2}"))) }
                span { "meaning " (r.dense.map_or("–".to_owned(), |s| format!("{s:.3}"))) }
                span { @if let Some(now) = p.rank_now { @if now == p.rank { "same place today" } @else { "place " (now) " today" } } @else { "not found today" } }
            }
        }
    }
}
