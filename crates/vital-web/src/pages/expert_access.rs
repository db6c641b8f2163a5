//! Who may ask an expert: the page on which those who share experts choose it.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        access::{Sent, fields, sign},
        layout::{Section, page},
    },
    extract::Form,
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::{Path, State},
    response::Redirect,
};
use maud::{Markup, html};
use vital_kernel::Error;
use vital_platform::{
    experts::{self, ExpertAccess},
    knowledge::{self, GroupName},
};

/// Shows the page, also for an expert that the caller may not ask.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Path(slug): Path<String>) -> Reply<Markup> {
    let all = experts::experts_admin(&s.platform, &caller.cx).await?;
    let expert = all.into_iter().find(|e| e.slug == slug).ok_or_else(|| Error::not_found("expert.unknown", "There is no such expert."))?;
    let groups = knowledge::groups_to_share_with(&s.platform, &caller.cx).await?;
    Ok(page(&view, &format!("Who may ask {}", expert.name), Section::Experts, &[], &content(&expert, &groups)))
}

/// Changes it.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Form(given): Form<Vec<(String, String)>>,
) -> Reply<Redirect> {
    let changed = experts::share_expert(&s.platform, &caller.cx, &slug, Sent::of(given).sharing()).await?;
    Ok(Redirect::to(&format!("/experts/{}/access", changed.slug)))
}

fn content(e: &ExpertAccess, groups: &[GroupName]) -> Markup {
    html! {
        div.narrow {
            p.crumbs { a href="/experts" { "Experts" } }
            h1 { "Who may ask " (e.name) }
            p { "Now: " (sign(e.access)) @if let Some(owner) = &e.owner { ", owned by " (owner) } }
            form.panel method="post" action={ "/experts/" (e.slug) "/access" } {
                (fields("ask", e.access, &e.groups, groups))
                p.dim { "“Only the owner” makes you the owner. Whoever loses the expert cannot ask it from the next question on; earlier answers stay." }
                button.primary type="submit" { "Save" }
            }
        }
    }
}
