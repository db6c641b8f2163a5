//! A turn: question, expert, answer, how sure it is, why this expert, what was searched. `assets/stream.js` fills the same elements
//! while the answer is written, so that nothing jumps when it is finished.

use super::{
    answer, appraisal, confidence,
    expert::monogram,
    text::{bar, percent},
    tools,
};
use maud::{Markup, html};
use vital_platform::ask::{Candidate, Turn, TurnState, answer::Searched};

/// Renders a turn; `may_ask` adds what only those who may ask can use.
pub(crate) fn turn(t: &Turn, may_ask: bool) -> Markup {
    let running = t.state == TurnState::Running;
    let events = running.then(|| format!("/api/v1/turns/{}/events", t.id));
    let a = t.answer.as_ref();
    html! {
        article.turn id={ "turn-" (t.id) } data-turn=(t.id) data-state=(t.state.as_str()) data-events=[events] aria-busy=[running.then_some("true")] aria-labelledby={ "q-" (t.id) } {
            h2.question id={ "q-" (t.id) } { (t.question) }
            div.who { (who(t)) }
            (appraisal::outdated(&t.outdated, |id| a.and_then(|a| a.citations.iter().find(|c| c.document_id == id)).map(|c| c.title.clone())))
            div.answer { @if let Some(a) = a { (answer::blocks(a)) } }
            (tools::tools(t, may_ask))
            p.turn-note role="status" hidden[note(t).is_none()] { (note(t).unwrap_or_default()) }
            div.measures hidden[a.is_none_or(|a| a.confidence.is_none())] {
                @if let Some(a) = a { (confidence::summary(a.confidence.as_ref(), a.trust.as_ref())) }
            }
            div.turn-acts {
                span.label title="What wrote this answer" { (a.map_or("", |a| label(&a.composer))) }
                @if may_ask {
                    form method="post" action={ "/turns/" (t.id) "/cancel" } hidden[!running] { button.quiet.js-stop type="submit" { "Stop" } }
                    form method="post" action={ "/turns/" (t.id) "/regenerate" } hidden[running] { button.quiet type="submit" { "Ask again" } }
                    @if t.repeats.is_some() { a.button.quiet href={ "/turns/" (t.id) "/comparison" } { "Compare" } }
                }
                button.quiet.js-copy type="button" hidden { "Copy" }
            }
            details.sources open hidden[a.is_none_or(|a| a.citations.is_empty())] {
                summary { "Sources" }
                ol { @if let Some(a) = a { (answer::sources(&a.citations)) } }
            }
            details.sure hidden[a.is_none_or(|a| a.confidence.is_none())] {
                summary { "How sure, and why" }
                div { @if let Some(c) = a.and_then(|a| a.confidence.as_ref()) { (confidence::parts(c)) } }
            }
            details.why hidden[t.candidates.is_empty()] {
                summary { "Why this expert" }
                ol { (candidates(t, may_ask)) }
            }
            details.searched hidden[t.searched.is_none()] {
                summary { "What was searched" }
                div { @if let Some(s) = &t.searched { (searched(s)) } }
                p { a href={ "/turns/" (t.id) "/replay" } { "Replay this answer from its record" } }
            }
            @if !t.earlier.is_empty() {
                details.earlier {
                    summary { "What the client said came before" }
                    dl { @for e in &t.earlier { dt { (e.question) } dd { (e.answer) } } }
                }
            }
        }
    }
}

fn who(t: &Turn) -> Markup {
    html! {
        @if let Some(e) = &t.expert {
            span.who-name { (monogram(&e.name)) a href={ "/experts/" (e.slug) } { (e.name) } } " "
            span.tag { (if t.automatic { "chosen automatically" } else { "chosen by you" }) }
        } @else if t.state == TurnState::Running {
            span.who-name { span.monogram.wait aria-hidden="true" {} span.dim { "Finding the expert…" } }
        }
    }
}

/// What a reader must know about how a turn ended.
fn note(t: &Turn) -> Option<String> {
    match (&t.problem, t.state) {
        (Some(p), _) => Some(p.detail.clone()),
        (None, TurnState::NoEvidence) if t.answer.as_ref().is_some_and(|a| !a.blocks.is_empty()) => None,
        (None, TurnState::NoEvidence) => Some("There was not enough evidence for an answer, so none was written.".to_owned()),
        (None, TurnState::Stopped) => Some("You stopped this answer. What had been written is kept.".to_owned()),
        (None, TurnState::Interrupted) => Some("The server stopped while this was written. Your question is kept; ask again.".to_owned()),
        (None, TurnState::Failed) => Some("This answer failed. Your question is kept; ask again.".to_owned()),
        (None, TurnState::Running | TurnState::Answered) => None,
    }
}

fn label(composer: &str) -> &str {
    if composer == "extractive" { "Extractive: sentences of your sources, word for word" } else { composer }
}

fn candidates(t: &Turn, may_ask: bool) -> Markup {
    let chosen = t.expert.as_ref().map(|e| e.slug.as_str());
    html! { @for c in &t.candidates { (candidate(t, c, chosen == Some(c.slug.as_str()), may_ask)) } }
}

fn candidate(t: &Turn, c: &Candidate, chosen: bool, may_ask: bool) -> Markup {
    html! {
        li {
            div.cand { a href={ "/experts/" (c.slug) } { (c.name) } " " (bar(c.score)) " " span { (percent(c.score)) } }
            p { (c.reasons.join("; ")) }
            @if may_ask && !chosen {
                form method="post" action={ "/turns/" (t.id) "/ask-again" } {
                    input type="hidden" name="expert" value=(c.slug);
                    button.quiet type="submit" { "Ask this one instead" }
                }
            }
        }
    }
}

fn searched(s: &Searched) -> Markup {
    html! {
        p { "Searched " strong { (if s.collections.is_empty() { "all collections".to_owned() } else { s.collections.join(", ") }) } " for " q { (s.query) } (if s.by_meaning { ", by words and by meaning." } else { ", by words alone." }) }
        @if let Some(note) = &s.note { p.dim { (note) } }
        @if s.sources.is_empty() { p { "Nothing was found." } }
        ul {
            @for source in &s.sources {
                li { a href={ "/library/documents/" (source.document_id) } { (source.title) } " " (bar(source.score)) " " span.dim { (percent(source.score)) " · " (source.passages) " read" } }
            }
        }
    }
}
