//! What a person is told: answers of theirs that stood on a document which holds no longer. Seeing the page is having seen them.

use super::{Page, View, page_size};
use crate::{
    caller::SignedIn,
    components::{
        appraisal::status_name,
        layout::{Section, page},
        text::{ago, count},
    },
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_platform::ask::{self, Notice};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Page>) -> Reply<Markup> {
    let limit = page_size(given.limit);
    let all = ask::notices(&s.platform, &caller.cx, given.before, limit).await?;
    if all.iter().any(|n| n.seen_at.is_none()) && caller.break_glass.is_none() {
        ask::see_notices(&s.platform, &caller.cx).await?;
    }
    let full = usize::try_from(limit).is_ok_and(|limit| all.len() == limit);
    let next = all.last().filter(|_| full).map(|n| n.id);
    let body = html! {
        h1 { "Notices" }
        @if all.is_empty() { p.dim { "When a document that an answer of yours stands on is superseded, retracted or withdrawn, you are told here." } }
        ul.rows { @for n in &all { li { (notice(n)) } } }
        @if let Some(last) = next { p { a.button.quiet href={ "/notices?before=" (last) } { "Older" } } }
    };
    Ok(page(&view, "Notices", Section::None, &[], &body))
}

fn notice(n: &Notice) -> Markup {
    let title = n.title.as_deref().unwrap_or("A document that you can no longer see");
    html! {
        article.row-block {
            p {
                @if n.seen_at.is_none() { span.badge data-state="queued" { "new" } " " }
                @if n.title.is_some() { a href={ "/library/documents/" (n.document_id) } { (title) } } @else { (title) }
                " was " strong { (status_name(n.status)) } ". " (count(n.answers.into(), "answer", "answers")) " of yours stood on it. "
                small.dim { (ago(n.created_at)) }
            }
            @if !n.turns.is_empty() {
                ul {
                    @for t in &n.turns { li { a href={ "/conversations/" (t.conversation_id) "#turn-" (t.turn_id) } { (t.question) } } }
                }
            }
        }
    }
}

/// A line for the first page, where there are notices that nobody has seen.
pub(crate) fn banner(unseen: i64) -> Markup {
    html! {
        @if unseen > 0 {
            p.notice { "Documents that answers of yours stand on no longer hold: " a href="/notices" { (count(unseen, "new notice", "new notices")) } "." }
        }
    }
}
