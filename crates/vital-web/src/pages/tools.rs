//! Which tools experts have, and what may leave the organisation through them.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::Permission;
use vital_platform::{
    experts,
    identity::Caller,
    tools::{self, Reach, ToolPolicy, ToolView},
};

const PATH: &str = "/settings/tools";
/// Name of the form on its page.
const FORM: &str = "tools";

/// Shows the tools.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// Changes what may leave the organisation.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => tools::set_policy(&s.platform, &by.caller.cx, given.has("public_sources", "yes")).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => step_up::done(by.jar, &Done::ToolPolicy.at(PATH)),
        Err(error) => {
            let refused = Refused::new(FORM, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let policy = tools::policy(&s.platform, &caller.cx).await?;
    let experts = experts::list(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let filled = Filled::of(FORM, refused);
    let act = Act {
        action: PATH,
        says: "Where a model writes answers, experts may search public sources. The words of such a search leave your organisation; documents and answers never do.",
        button: "Save",
        destroys: false,
    };
    let body = html! {
        p { "A model that writes an answer can call tools: it searches further, calculates, or looks into public sources. What a tool returns is kept with the answer, and sentences that stand on it cite it. Answers that are selected from your sources word for word use no tools." }
        section aria-labelledby="public-h" {
            h2 #public-h { "Public sources" }
            @if caller.cx.may(Permission::ToolManage) { (step_up_form::form(ask, &filled, &act, &switch(&filled, &policy))) }
            @else { p { (if policy.public_sources { "Experts may search public sources." } else { "Experts may not search public sources." }) } }
        }
        section aria-labelledby="tools-h" {
            h2 #tools-h { "Tools" }
            ul.rows { @for tool in &policy.tools { (row(tool)) } }
        }
        section aria-labelledby="experts-h" {
            h2 #experts-h { "Which expert has which" }
            p.dim { "Every expert searches the documents; further tools come with its field and can be changed for each." }
            ul.rows { @for e in &experts { li { a.row href={ "/experts/" (e.slug) "/tools" } { span { (e.name) } small { (e.domain.title()) } } } } }
        }
    };
    Ok(settings(view, caller, Tab::Tools, done, &["passkey.js"], &body))
}

fn switch(filled: &Filled<'_>, policy: &ToolPolicy) -> Markup {
    html! {
        label { input type="checkbox" name="public_sources" value="yes" checked[filled.ticked("public_sources", "yes", policy.public_sources)]; span { " Experts may search public sources" } }
    }
}

fn row(tool: &ToolView) -> Markup {
    html! {
        li.tool {
            h3 { (tool.title) }
            p.dim {
                @match (tool.reach, &tool.host) {
                    (Reach::Public, Some(host)) => { "Asks " code { (host) } @if !tool.allowed { " · not allowed at present" } },
                    (Reach::Server, _) => { "Of a tool server that was connected" },
                    _ => { "Nothing leaves this server" },
                }
            }
            details.fine {
                summary { "What the model is told of it" }
                p { (tool.summary) }
                @if !tool.licence.is_empty() { p { "Terms: " (tool.licence) } }
            }
        }
    }
}
