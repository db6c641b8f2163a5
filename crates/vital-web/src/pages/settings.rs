//! The profile: who one is, how pages look, what answers and searches, and the limits.

use super::{Theme, View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        role,
        settings::{Tab, settings},
        text::{moment, size},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{Permission, limits};
use vital_platform::{
    identity::{self, Caller},
    providers,
};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let note = s.platform.embedding_note();
    let composer = providers::composer(&s.platform, &caller.cx).await?;
    let body = html! {
        div.columns {
            div { (person(caller)) (name(caller, Filled::of("profile", refused))) (looks(view.theme)) }
            div { (platform(&composer, note.as_deref())) (bounds()) }
        }
    };
    Ok(settings(view, caller, Tab::Profile, done, &[], &body))
}

/// Changes one's name.
pub(crate) async fn change_name(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    match identity::update_profile(&s.platform, &caller, given.one("display_name")).await {
        Ok(()) => step_up::done(jar, &Done::Profile.at("/settings")),
        Err(error) => {
            let refused = Refused::new("profile", given, error);
            step_up::again(jar, &refused, page(&s, &view, &caller, None, Some(&refused))).await
        }
    }
}

fn name<'a>(caller: &'a Caller, filled: Filled<'a>) -> Markup {
    html! {
        @if caller.cx.may(Permission::ProfileWrite) {
            section aria-labelledby="name-h" {
                h2 #name-h { "Your name" }
                form.stack method="post" action="/settings/name" {
                    (filled.notice())
                    (filled.field(&Field { name: "display_name", label: "Name", kind: "text", value: &caller.display_name, complete: "name", hint: "Colleagues see it." }))
                    button type="submit" { "Change the name" }
                }
            }
        }
    }
}

fn person(caller: &Caller) -> Markup {
    html! {
        section aria-labelledby="you" {
            h2 #you { "You" }
            dl.facts {
                div { dt { "Name" } dd { (caller.display_name) } }
                div { dt { "E-mail" } dd { (caller.email) } }
                div { dt { "Roles" } dd { (role::line(caller.cx.roles().iter())) } }
                @if let Some(at) = caller.ends_at {
                    div { dt { "Session ends" } dd { (moment(at)) " unless used before" } }
                }
            }
            form method="post" action="/sign-out" { button type="submit" { "Sign out" } }
        }
    }
}

fn looks(theme: Theme) -> Markup {
    html! {
        section.js-only aria-labelledby="looks" hidden {
            h2 #looks { "Appearance" }
            fieldset.js-themes {
                legend.sr { "Colours" }
                @for (value, name, of) in [("", "As the system", Theme::System), ("light", "Light", Theme::Light), ("dark", "Dark", Theme::Dark)] {
                    label { input type="radio" name="theme" value=(value) checked[theme == of]; " " (name) }
                }
            }
        }
    }
}

fn platform(composer: &str, note: Option<&str>) -> Markup {
    html! {
        section aria-labelledby="platform" {
            h2 #platform { "Platform" }
            dl.facts {
                div { dt { "Answers" } dd { @if composer == "extractive" { "Extractive: sentences of your sources, word for word" } @else { "Written by " (composer) ", checked against your sources" } } }
                div { dt { "Search" } dd { (note.unwrap_or("By words and by meaning")) } }
                div { dt { "API" } dd { a href="/docs" { "Description" } " · " a href="/api/openapi.json" { "OpenAPI 3.1" } } }
            }
        }
    }
}

fn bounds() -> Markup {
    let bytes = |n: usize| size(i64::try_from(n).unwrap_or(i64::MAX));
    html! {
        section aria-labelledby="limits" {
            h2 #limits { "Limits" }
            dl.facts {
                div { dt { "A question" } dd { (bytes(limits::QUESTION_BYTES_MAX)) } }
                div { dt { "A file" } dd { (bytes(limits::UPLOAD_BYTES_MAX)) } }
                div { dt { "Files in one upload" } dd { (limits::UPLOAD_FILES_MAX) } }
                div { dt { "Questions in one conversation" } dd { (limits::CONVERSATION_TURNS_MAX) } }
                div { dt { "A session" } dd { (limits::SESSION_IDLE.as_secs() / 60) " min at rest, " (limits::SESSION_ABSOLUTE.as_secs() / 3_600) " h in all" } }
            }
        }
    }
}
