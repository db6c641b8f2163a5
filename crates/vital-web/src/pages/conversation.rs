//! A conversation: turns, the live answer, the follow-up, and the source pane.

use super::{View, home::Asked};
use crate::{
    api::{
        conversations::Turns,
        tools::{number, turn as turn_of},
    },
    caller::SignedIn,
    components::{
        composer::{Composer, composer},
        layout::{self, Section},
        text::{count, link_with},
        turn::turn,
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::{Path, State},
    response::Redirect,
};
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{ConversationId, Permission, TurnId};
use vital_platform::{
    ask::{self, ConversationView, Turn, TurnState},
    experts::{self, ExpertSummary},
};

/// The choice of another expert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    expert: String,
}

/// Shows the page.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<ConversationId>,
    Params(given): Params<Turns>,
) -> Reply<Markup> {
    let shown = ask::conversation(&s.platform, &caller.cx, id, given.before).await?;
    let experts = experts::list(&s.platform, &caller.cx).await?;
    let may_ask = Permission::Ask.held_by(caller.cx.roles());
    let title = if shown.conversation.title.is_empty() { "Conversation" } else { &shown.conversation.title };
    let running = shown.turns.iter().any(|t| t.state == TurnState::Running);
    let (scripts, body) = (["stream.js", "cite.js"], content(&shown, &experts, may_ask));
    Ok(if running {
        layout::waiting_page(&view, title, Section::History, &scripts, &format!("/conversations/{id}"), &body)
    } else {
        layout::page(&view, title, Section::History, &scripts, &body)
    })
}

/// Asks a follow-up.
pub(crate) async fn ask(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ConversationId>,
    Form(asked): Form<Asked>,
) -> Reply<Redirect> {
    Ok(to_turn(&ask::ask(&s.platform, &caller.cx, id, asked.into_question()).await?))
}

/// Deletes the conversation.
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ConversationId>) -> Reply<Redirect> {
    ask::delete_conversation(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to("/conversations"))
}

/// Stops an answer.
pub(crate) async fn cancel(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<Redirect> {
    let conversation = ask::cancel(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&format!("/conversations/{conversation}#turn-{id}")))
}

/// What somebody decided about a call of a tool.
#[derive(Deserialize)]
pub(crate) struct Decision {
    approved: bool,
}

/// Approves or rejects a call of a tool that waits.
pub(crate) async fn decide(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path((id, call)): Path<(String, String)>,
    Form(decision): Form<Decision>,
) -> Reply<Redirect> {
    let id = turn_of(&id)?;
    ask::decide(&s.platform, &caller.cx, id, number(&call)?, decision.approved).await?;
    let conversation = ask::turn(&s.platform, &caller.cx, id).await?.conversation_id;
    Ok(Redirect::to(&format!("/conversations/{conversation}#turn-{id}")))
}

/// Asks the same question again.
pub(crate) async fn regenerate(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<Redirect> {
    Ok(to_turn(&ask::regenerate(&s.platform, &caller.cx, id).await?))
}

/// Overrules the choice of the expert: asks the same question to another one.
pub(crate) async fn ask_again(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<TurnId>,
    Form(other): Form<Other>,
) -> Reply<Redirect> {
    Ok(to_turn(&ask::ask_again(&s.platform, &caller.cx, id, other.expert).await?))
}

fn to_turn(turn: &Turn) -> Redirect {
    Redirect::to(&format!("/conversations/{}#turn-{}", turn.conversation_id, turn.id))
}

fn content(shown: &ConversationView, experts: &[ExpertSummary], may_ask: bool) -> Markup {
    let c = &shown.conversation;
    let action = format!("/conversations/{}/ask", c.id);
    let chosen = c.expert.as_ref().map(|e| e.slug.as_str());
    html! {
        div.conversation {
            div.thread {
                div.thread-head {
                    h1.sr { "Conversation: " (c.title) }
                    span.dim { (count(c.turn_count.into(), "question", "questions")) " · " (c.expert.as_ref().map_or("expert chosen for each question", |e| &e.name)) }
                    @if may_ask { (delete_form(c.id)) }
                }
                @if let Some(first) = shown.turns.first().filter(|_| shown.earlier) {
                    p { a.button.quiet href=(link_with(&format!("/conversations/{}", c.id), &[("before", &first.ordinal.to_string())])) { "Earlier questions" } }
                }
                @for t in &shown.turns { (turn(t, may_ask)) }
                @if shown.turns.is_empty() { p.dim { "Nothing asked yet. Write the first question below." } }
                @if may_ask { (composer(&Composer { action: &action, label: "Ask a follow-up", experts, chosen, question: "", follow_up: true })) }
            }
            aside.pane aria-label="Source" hidden {
                div.pane-head { h2 { "Source" } a.pane-open href="/library" { "Open the document" } button.icon.js-close type="button" aria-label="Close the source" { "×" } }
                div.pane-body tabindex="0" {}
            }
        }
        div #preview role="tooltip" hidden {}
        div.sr #announce role="status" {}
    }
}

fn delete_form(id: ConversationId) -> Markup {
    html! {
        details.confirm {
            summary { "Delete…" }
            form method="post" action={ "/conversations/" (id) "/delete" } {
                p { "Delete this conversation with its answers? This cannot be undone." }
                button.danger type="submit" { "Delete for good" }
            }
        }
    }
}
