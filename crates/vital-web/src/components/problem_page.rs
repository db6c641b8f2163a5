//! A problem as a page: what happened, whether anything was lost, what to do.

use super::{layout::sign_in_link, text::worded};
use crate::{pages::View, problem::Problem};
use maud::{Markup, html};

/// The content of the page.
pub(crate) fn body(problem: &Problem, view: &View) -> Markup {
    html! {
        div.narrow.problem {
            p.problem-status { (problem.status().as_u16()) }
            h1 { (problem.title()) }
            p.lead { (worded(problem.detail())) }
            @if !problem.fields().is_empty() {
                ul { @for field in problem.fields() { li { code { (field.pointer) } " " (worded(&field.detail)) } } }
            }
            p.acts {
                @if view.caller.is_some() { a.button href="/" { "Back to the start" } a.button.quiet href="/library" { "Library" } }
                @else { a.button href=(sign_in_link("/")) { "Sign in" } }
            }
            p.fine { "Code " code { (problem.code()) } " · request " code { (view.request_id) } }
        }
    }
}
