//! Home: the composer, recent conversations, the state of the library.

use super::{View, break_glass};
use crate::{
    caller::SignedIn,
    components::{
        composer::{Composer, composer},
        layout::{Section, page},
        text::{ago, count, link_with},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
};
use axum::{extract::State, response::Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{Permission, limits};
use vital_platform::{
    ask::{self, Conversation, Question},
    audit,
    experts::{self, ExpertSummary},
    knowledge::{self, Collection, Document, DocumentFilter, DocumentState},
};

/// Conversations shown on the page.
const RECENT: i64 = 6;
/// Questions for a first visit: one a field, each answered from the starter library.
const FIRST_QUESTIONS: [(&str, &str); 4] = [
    ("Safety", "When is a 7-day IND safety report due, and when does the clock start?"),
    ("Regulatory", "What does FDA expect in a 510(k) for software with machine learning?"),
    ("Clinical", "What are the five attributes of an estimand under ICH E9(R1)?"),
    ("Market access", "What is the scope of the EU joint clinical assessment, and since when?"),
];

/// A question to begin with.
#[derive(Deserialize)]
pub(crate) struct Prefill {
    question: Option<String>,
    expert: Option<String>,
}

/// The composer's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) question: String,
    #[serde(default)]
    pub(crate) expert: String,
}

impl Asked {
    /// The question; no expert means that the platform or the conversation chooses.
    pub(crate) fn into_question(self) -> Question {
        Question { text: self.question, expert: Some(self.expert).filter(|e| !e.is_empty()), ..Question::default() }
    }
}

/// Shows the page.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Params(given): Params<Prefill>,
) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let own = DocumentFilter { starter: Some(false), limit: limits::PAGE_SIZE_MAX, ..DocumentFilter::default() };
    let experts = experts::list(p, cx).await?;
    let may_read = Permission::ConversationRead.held_by(cx.roles());
    let recent = if may_read { ask::conversations(p, cx, None, RECENT).await? } else { Vec::new() };
    let documents = if may_read { knowledge::documents(p, cx, own).await? } else { Vec::new() };
    let collections = if may_read { knowledge::collections(p, cx).await? } else { Vec::new() };
    let unreviewed = break_glass::waiting(&s, &caller).await?;
    let overdue = audit::overdue_reviews(p, cx).await?;
    let unseen = ask::unseen_notices(p, cx).await?;
    let ask = Permission::Ask.held_by(cx.roles()).then(|| start(&experts, &given));
    Ok(page(
        &view,
        "Ask",
        Section::Ask,
        &[],
        &html! {
            (super::reviews::banner(overdue))
            (super::notices::banner(unseen))
            @if unreviewed > 0 {
                p.notice { "An operator of the installation has opened your organisation. " (count(i64::try_from(unreviewed).unwrap_or(i64::MAX), "opening", "openings")) " not reviewed yet: " a href=(break_glass::PATH) { "see who, why and until when" } "." }
            }
            @if let Some(ask) = ask { (ask) } @else { h1 { "Welcome" } p.notice { "Your role reads, but does not ask. An administrator of your organisation can change that." } }
            div.columns {
                (recent_conversations(&recent))
                div { (library(&documents, &collections, s.platform.embedding_note().as_deref())) (gallery(&experts)) }
            }
        },
    ))
}

/// Asks a first question: opens a conversation and goes to it.
pub(crate) async fn ask(State(s): State<AppState>, SignedIn(caller): SignedIn, Form(asked): Form<Asked>) -> Reply<Redirect> {
    let question = asked.into_question();
    if question.text.trim().is_empty() {
        return Ok(Redirect::to("/"));
    }
    let opened = ask::open_conversation(&s.platform, &caller.cx, question.expert.as_deref()).await?;
    let turn = ask::ask(&s.platform, &caller.cx, opened.id, question).await?;
    Ok(Redirect::to(&format!("/conversations/{}#turn-{}", opened.id, turn.id)))
}

fn start(experts: &[ExpertSummary], given: &Prefill) -> Markup {
    let question = given.question.as_deref().unwrap_or_default();
    html! {
        section.start aria-labelledby="start" {
            h1 #start { "What do you need to know?" }
            (composer(&Composer { action: "/ask", label: "Your question", experts, chosen: given.expert.as_deref().filter(|e| !e.is_empty()), question, follow_up: false }))
        }
    }
}

fn recent_conversations(recent: &[Conversation]) -> Markup {
    html! {
        section aria-labelledby="recent" {
            div.section-head { h2 #recent { "Recent conversations" } @if !recent.is_empty() { a href="/conversations" { "All" } } }
            @if recent.is_empty() {
                p.dim { "Nothing asked yet. A question works best when it names the product, the region and what you have to decide. Try one of these:" }
                ul.rows {
                    @for (field, question) in FIRST_QUESTIONS {
                        li { a.row href=(link_with("/", &[("question", question)])) { span { (question) } small { (field) } } }
                    }
                }
            } @else {
                ul.rows { @for c in recent { (conversation_row(c)) } }
            }
        }
    }
}

/// A conversation in a list.
pub(crate) fn conversation_row(c: &Conversation) -> Markup {
    html! {
        li data-filter=(c.title) {
            a.row href={ "/conversations/" (c.id) } {
                span { (if c.title.is_empty() { "(nothing asked yet)" } else { &c.title }) }
                small { (c.expert.as_ref().map_or("Automatic", |e| &e.name)) " · " (count(c.turn_count.into(), "question", "questions")) " · " (ago(c.updated_at)) }
            }
        }
    }
}

fn library(documents: &[Document], collections: &[Collection], note: Option<&str>) -> Markup {
    let with = |states: &[DocumentState]| documents.iter().filter(|d| states.contains(&d.state)).count();
    let (ready, failed) = (with(&[DocumentState::Ready]), with(&[DocumentState::Failed]));
    let working = documents.len() - ready - failed;
    let starter: i64 = collections.iter().filter(|c| c.starter).map(|c| c.documents).sum();
    html! {
        section aria-labelledby="lib" {
            div.section-head { h2 #lib { "Library" } a href="/library" { "Open" } }
            dl.figures {
                div { dt { "Your documents" } dd { (ready) } }
                div { dt { "Starter library" } dd { (starter) } }
                @if working > 0 { div { dt { "Being read" } dd { (working) } } }
                @if failed > 0 { div { dt { "Need a look" } dd.bad { (failed) } } }
            }
            @if documents.is_empty() { p.dim { "Answers come from the starter library until you " a href="/library" { "add your own documents" } ": SOPs, protocols, dossiers, meeting minutes." } }
            @if let Some(note) = note { p.dim { (note) } }
        }
    }
}

fn gallery(experts: &[ExpertSummary]) -> Markup {
    html! {
        section aria-labelledby="who" {
            div.section-head { h2 #who { "Experts" } a href="/experts" { "All " (experts.len()) } }
            @if experts.is_empty() { p.dim { "The experts and the starter library are being set up. Reload in a moment." } }
            ul.tags {
                @for domain in experts::Domain::ALL {
                    @let n = experts.iter().filter(|e| e.domain == domain).count();
                    @if n > 0 { li { a.tag href={ "/experts#" (super::experts::anchor(domain)) } { (domain.title()) " " b { (n) } } } }
                }
            }
        }
    }
}
