//! The calls of tools in a turn. `assets/stream.js` builds the same elements.

use maud::{Markup, html};
use serde_json::Value;
use vital_platform::ask::{Brought, ToolOutcome, ToolUse, Turn, TurnState};

/// The calls, with a decision where one waits for the reader.
pub(crate) fn tools(t: &Turn, may_ask: bool) -> Markup {
    let running = t.state == TurnState::Running;
    html! {
        details.tools open[waits(t)] hidden[t.tools.is_empty()] {
            summary { "Tools used" }
            ol { @for used in &t.tools { (tool(t, used, may_ask && running)) } }
        }
        @for says in &t.steps { p.turn-step.dim { (says) } }
    }
}

fn waits(t: &Turn) -> bool {
    t.state == TurnState::Running && t.tools.iter().any(|used| used.approval.is_some() && used.outcome.is_none())
}

fn tool(t: &Turn, used: &ToolUse, may_decide: bool) -> Markup {
    html! {
        li data-call=(used.call) {
            p { strong { (used.title) } " " span.tool-says { (says(used)) } }
            (given(&used.arguments))
            @if let Some(outcome) = &used.outcome { (brought(outcome)) }
            @else if let Some(why) = used.approval.as_ref().filter(|_| may_decide) {
                form.tool-decision method="post" action={ "/turns/" (t.id) "/tool-calls/" (used.call) "/decision" } {
                    p { (why) " Shall this call be made?" }
                    button.primary type="submit" name="approved" value="true" { "Make the call" }
                    button type="submit" name="approved" value="false" { "Do without" }
                }
            }
        }
    }
}

fn says(used: &ToolUse) -> String {
    match &used.outcome {
        Some(outcome) => outcome.says.clone(),
        None if used.approval.is_some() => "waits for you".to_owned(),
        None => "is running".to_owned(),
    }
}

/// What a call was given, as pairs.
fn given(arguments: &Value) -> Markup {
    html! {
        @if let Some(map) = arguments.as_object().filter(|map| !map.is_empty()) {
            dl.tool-given { @for (name, value) in map { div { dt { (name.replace('_', " ")) } dd { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) } } } }
        }
    }
}

fn brought(outcome: &ToolOutcome) -> Markup {
    html! {
        @if !outcome.brought.is_empty() {
            ul.tool-brought { @for b in &outcome.brought { li { a href=(address(b)) { (b.title) } } } }
        }
    }
}

/// Where something that was brought in is read: a document in the library, a fetched text with its answer.
fn address(b: &Brought) -> String {
    if b.fetched { format!("/sources/{}", b.id) } else { format!("/library/documents/{}", b.id) }
}
