//! A text that a tool fetched for an answer, as it was then, with the cited words highlighted.

use super::{View, document::Given};
use crate::{
    api::tools::SourceId,
    caller::SignedIn,
    components::{
        layout::{Section, bare, page},
        passage::{self, Window},
        text::{authority, moment},
    },
    extract::{Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{extract::State, response::Redirect};
use maud::{Markup, html};
use vital_documents::{Block, BlockKind};
use vital_platform::ask::{self, Source};

/// Shows the page; a source is short, so it is never cut into windows.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<SourceId>,
    Params(given): Params<Given>,
) -> Reply<Markup> {
    let source = ask::source(&s.platform, &caller.cx, id.0).await?;
    let blocks = blocks(&source.text);
    let window = Window { blocks: 0..blocks.len(), previous: None, next: None };
    let text = passage::text(&source.text, &blocks, &window, given.cited().as_ref());
    Ok(if given.pane {
        bare(&view, &source.title, &html! { (head(&source)) (text) })
    } else {
        page(&view, &source.title, Section::None, &[], &html! { article.document { h1 { (source.title) } (head(&source)) (text) } })
    })
}

/// Keeps it as a document.
pub(crate) async fn keep(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<SourceId>) -> Reply<Redirect> {
    let document = ask::keep(&s.platform, &caller.cx, id.0, None).await?;
    Ok(Redirect::to(&format!("/library/documents/{}", document.id)))
}

/// The lines of a text as blocks.
fn blocks(text: &str) -> Vec<Block> {
    let mut start = 0;
    let lines = text.split('\n').filter_map(|line| {
        let here = start;
        start += line.len() + 1;
        (!line.trim().is_empty()).then_some(Block { kind: BlockKind::Paragraph, start: here, end: here + line.len(), page: None })
    });
    lines.collect()
}

fn head(s: &Source) -> Markup {
    html! {
        p.dim {
            (authority(&s.authority)) @if !s.identifier.is_empty() { " · " (s.identifier) }
            @if s.authority != "calculated" { " · fetched" } " " (moment(s.retrieved_at))
        }
        @if s.url.starts_with("https://") { p { a href=(s.url) rel="noreferrer noopener" { "Open it at its source" } span.dim { " · it may have changed since" } } }
        @if s.authority != "calculated" && !s.url.is_empty() {
            form method="post" action={ "/sources/" (s.id) "/keep" } { button.quiet type="submit" { "Keep as a document" } }
        }
        p { a href={ "/conversations/" (s.conversation_id) "#turn-" (s.turn_id) } { "The answer that it was made for" } }
        details.fine { summary { "Version" } p { "SHA-256 of the text: " code { (s.version) } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_block_that_covers_it() {
        let text = "First line.\n\nSecond ä line.\nThird";
        let lines: Vec<&str> = blocks(text).iter().map(|b| &text[b.start..b.end]).collect();
        assert_eq!(lines, ["First line.", "Second ä line.", "Third"]);
    }
}
