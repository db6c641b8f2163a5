//! An answer beside the earlier one to the same question.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        layout::{Section, page},
        text::{count, moment},
    },
    extract::Id,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::TurnId;
use vital_platform::ask::{self, Comparison, Passed, Piece};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Id(id): Id<TurnId>) -> Reply<Markup> {
    let compared = ask::compare(&s.platform, &caller.cx, id).await?;
    Ok(page(&view, "Two answers", Section::History, &[], &content(&compared)))
}

fn content(c: &Comparison) -> Markup {
    let n = |passed| i64::try_from(c.pieces.iter().filter(|p| p.passed == passed).count()).unwrap_or(i64::MAX);
    let address = |turn: &ask::Turn| format!("/conversations/{}#turn-{}", turn.conversation_id, turn.id);
    html! {
        p.crumbs { a href=(address(&c.after)) { "Back to the answer" } }
        h1 { "What changed in the answer" }
        p.question { (c.after.question) }
        p.dim {
            "From " a href=(address(&c.before)) { (moment(c.before.created_at)) } " to " a href=(address(&c.after)) { (moment(c.after.created_at)) } ": "
            (count(n(Passed::Kept), "sentence", "sentences")) " kept, " (n(Passed::Removed)) " removed, " (n(Passed::Added)) " added."
        }
        @if c.pieces.iter().all(|p| p.passed == Passed::Kept && p.sources_before.is_empty()) { p.notice { "Both answers say the same and stand on the same documents." } }
        ol.diff { @for p in &c.pieces { (piece(p)) } }
    }
}

fn piece(p: &Piece) -> Markup {
    let (name, says) = match p.passed {
        Passed::Kept => ("kept", "kept"),
        Passed::Removed => ("removed", "removed"),
        Passed::Added => ("added", "added"),
    };
    html! {
        li data-passed=(name) {
            span.tag { (says) } " "
            @match p.passed { Passed::Removed => del { (p.text) }, Passed::Added => ins { (p.text) }, Passed::Kept => span { (p.text) } }
            @if !p.sources.is_empty() { p.src-where { (p.sources.join(" · ")) } }
            @if !p.sources_before.is_empty() { p.src-where { "before: " (p.sources_before.join(" · ")) } }
        }
    }
}
