//! All conversations of the caller, with a filter.

use super::{Page, View, home::conversation_row, page_size};
use crate::{
    caller::SignedIn,
    components::layout::{Section, page},
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::ConversationId;
use vital_platform::ask::{self, Conversation};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Page>) -> Reply<Markup> {
    let limit = page_size(given.limit);
    let all = ask::conversations(&s.platform, &caller.cx, given.before.map(ConversationId), limit).await?;
    let full = usize::try_from(limit).is_ok_and(|limit| all.len() == limit);
    let next = all.last().filter(|_| full).map(|c| c.id);
    Ok(page(&view, "History", Section::History, &["filter.js"], &list(&all, next)))
}

fn list(all: &[Conversation], next: Option<ConversationId>) -> Markup {
    html! {
        div.section-head { h1 { "History" } a.button href="/" { "Ask a question" } }
        @if all.is_empty() {
            p.dim { "Your conversations are kept here, each with its answers, sources and checks. Nobody else sees them." }
        } @else {
            input.filter.js-filter type="search" placeholder="Filter as you type" aria-label="Filter conversations" hidden;
            ul.rows.js-filtered { @for c in all { (conversation_row(c)) } }
            p.dim.js-none hidden { "No conversation has these words in its title." }
            @if let Some(last) = next { p { a.button.quiet href={ "/conversations?before=" (last) } { "Older" } } }
        }
    }
}
