//! Settings: who one is, how pages look, what answers and searches, and the limits.

use super::{Theme, View};
use crate::{
    caller::SignedIn,
    components::{
        layout::{Section, page},
        text::size,
    },
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::{Role, iso, limits};
use vital_platform::identity::Caller;

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View) -> Markup {
    let note = s.platform.embedding_note();
    page(
        &view,
        "Settings",
        Section::None,
        &[],
        &html! {
            h1 { "Settings" }
            div.columns {
                div { (person(&caller)) (looks(view.theme)) }
                div { (platform(&s.platform.composer(), note.as_deref())) (bounds()) }
            }
        },
    )
}

fn person(caller: &Caller) -> Markup {
    let roles: Vec<&str> = caller.cx.roles().iter().map(Role::as_str).collect();
    html! {
        section aria-labelledby="you" {
            h2 #you { "You" }
            dl.facts {
                div { dt { "Name" } dd { (caller.display_name) } }
                div { dt { "E-mail" } dd { (caller.email) } }
                div { dt { "Roles" } dd { (roles.join(", ").replace('_', " ")) } }
                @if let Some(at) = caller.ends_at {
                    div { dt { "Session ends" } dd { time datetime=(iso(at)) { (iso(at.replace_nanosecond(0).unwrap_or(at)).replace('T', " ").replace('Z', " UTC")) } " unless used before" } }
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
                div { dt { "API" } dd { a href="/api/docs" { "Description" } " · " a href="/api/openapi.json" { "OpenAPI 3.1" } } }
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
