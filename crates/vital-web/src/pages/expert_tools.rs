//! The tools of one expert.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        layout::{Section, page},
        notice::{Done, notice},
        step_up::{self, Act, StepUp},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
    step_up::{again, asked, done, prove},
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::Permission;
use vital_platform::{
    experts::{self, ExpertTools},
    identity::Caller,
    tools::{self, Reach, ToolPolicy, ToolView},
};

/// Name of the form on its page.
const FORM: &str = "tools";

/// Shows the page, also for an expert that the caller may not ask.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Path(slug): Path<String>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    whole(&s, &caller, &view, &slug, seen.done.as_deref(), None).await
}

/// Changes them.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Path(slug): Path<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = prove(&s, caller, jar, &given).await;
    let wanted: Vec<String> = given.all("tools").map(str::to_owned).collect();
    let changed = match by.outcome {
        Ok(()) => experts::grant_tools(&s.platform, &by.caller.cx, &slug, &wanted).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(expert) => done(by.jar, &Done::ExpertTools.at(&format!("/experts/{}/tools", expert.slug))),
        Err(error) => {
            let refused = Refused::new(FORM, given, error);
            again(by.jar, &refused, whole(&s, &by.caller, &view, &slug, None, Some(&refused))).await
        }
    }
}

async fn whole(s: &AppState, caller: &Caller, view: &View, slug: &str, said: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let expert = experts::expert_tools(&s.platform, &caller.cx, slug).await?;
    let policy = tools::policy(&s.platform, &caller.cx).await?;
    let may = caller.cx.may(Permission::ToolManage);
    let body = content(&expert, &policy, may.then_some(asked(s, caller).await?), &Filled::of(FORM, refused), said);
    Ok(page(view, &format!("Tools of {}", expert.name), Section::Experts, &["passkey.js"], &body))
}

fn content(e: &ExpertTools, policy: &ToolPolicy, ask: Option<StepUp>, filled: &Filled<'_>, said: Option<&str>) -> Markup {
    let act = Act {
        action: &format!("/experts/{}/tools", e.slug),
        says: "From its next answer on the expert uses exactly the tools that are ticked.",
        button: "Save",
        destroys: false,
    };
    html! {
        div.narrow {
            p.crumbs { a href={ "/experts/" (e.slug) } { (e.name) } " · " a href="/settings/tools" { "All tools" } }
            h1 { "Tools of " (e.name) }
            (notice(said))
            @if !policy.public_sources { p.notice { "Public sources are not allowed in your organisation, so tools that ask them are not used, ticked or not." } }
            @match ask {
                Some(ask) => (step_up::form(ask, filled, &act, &boxes(e, policy, filled))),
                None => ul { @for tool in policy.tools.iter().filter(|t| e.granted.contains(&t.name)) { li { (tool.title) } } },
            }
        }
    }
}

fn boxes(e: &ExpertTools, policy: &ToolPolicy, filled: &Filled<'_>) -> Markup {
    html! {
        fieldset.boxes {
            legend { "Tools" }
            @for tool in &policy.tools {
                label {
                    input type="checkbox" name="tools" value=(tool.name) checked[filled.ticked("tools", &tool.name, e.granted.contains(&tool.name))];
                    span { (tool.title) " " small { (note(e, tool)) } }
                }
            }
        }
    }
}

fn note(e: &ExpertTools, tool: &ToolView) -> String {
    let asks = match (tool.reach, &tool.host) {
        (Reach::Server, _) => "asks a tool server that was connected".to_owned(),
        (_, Some(host)) => format!("asks {host}"),
        (_, None) => "nothing leaves this server".to_owned(),
    };
    if e.given.contains(&tool.name) { format!("{asks}; comes with the expert") } else { asks }
}
