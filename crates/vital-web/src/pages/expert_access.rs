//! Who may ask an expert: the page on which those who share experts choose it.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        access::{fields, sharing, sign},
        form::{Fields, Filled, Refused},
        layout::{Section, page},
        step_up::{self, Act, StepUp},
    },
    extract::Form,
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
use vital_kernel::Error;
use vital_platform::{
    experts::{self, ExpertAccess},
    identity::Caller,
    knowledge::{self, GroupName},
};

/// Shows the page, also for an expert that the caller may not ask.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Path(slug): Path<String>) -> Reply<Markup> {
    whole(&s, &caller, &view, &slug, None).await
}

/// Changes it.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Path(slug): Path<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => experts::share_expert(&s.platform, &by.caller.cx, &slug, sharing(&given)).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(expert) => done(by.jar, &format!("/experts/{}/access", expert.slug)),
        Err(error) => {
            let refused = Refused::new("access", given, error);
            again(by.jar, &refused, whole(&s, &by.caller, &view, &slug, Some(&refused))).await
        }
    }
}

async fn whole(s: &AppState, caller: &Caller, view: &View, slug: &str, refused: Option<&Refused>) -> Reply<Markup> {
    let all = experts::experts_admin(&s.platform, &caller.cx).await?;
    let expert = all.into_iter().find(|e| e.slug == slug).ok_or_else(|| Error::not_found("expert.unknown", "There is no such expert."))?;
    let groups = knowledge::groups_to_share_with(&s.platform, &caller.cx).await?;
    let body = content(&expert, &groups, asked(s, caller).await?, &Filled::of("access", refused));
    Ok(page(view, &format!("Who may ask {}", expert.name), Section::Experts, &[], &body))
}

fn content(e: &ExpertAccess, groups: &[GroupName], ask: StepUp, filled: &Filled<'_>) -> Markup {
    let act = Act {
        action: &format!("/experts/{}/access", e.slug),
        says: "“Only the owner” makes you the owner. Whoever loses the expert cannot ask it from the next question on; earlier answers stay.",
        button: "Save",
        destroys: false,
    };
    html! {
        div.narrow {
            p.crumbs { a href="/experts" { "Experts" } }
            h1 { "Who may ask " (e.name) }
            p { "Now: " (sign(e.access)) @if let Some(owner) = &e.owner { ", owned by " (owner) } }
            (step_up::form(ask, filled, &act, &fields(filled, "ask", e.access, &e.groups, groups)))
        }
    }
}
