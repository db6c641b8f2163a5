//! A forgotten password: asking for a link by e-mail, and setting a new password through it.

use super::View;
use crate::{
    caller::is_form_fault,
    components::{
        form::{Field, Fields, Filled, Refused},
        layout::{Section, page},
        notice::Done,
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::limits;
use vital_platform::identity;

/// The link's secret.
#[derive(Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

/// Shows the form for an address.
pub(crate) async fn show(view: View) -> Markup {
    asking(&view)
}

/// Sends a link, if an account has the address. The reply is the same for every address.
pub(crate) async fn ask(State(s): State<AppState>, view: View, Form(given): Form<Fields>) -> Markup {
    identity::ask_password_reset(&s.platform, given.one("email"));
    asked(&view)
}

fn asking(view: &View) -> Markup {
    let filled = Filled::of("", None);
    gate(
        view,
        "Forgotten password",
        &html! {
            p.dim { "Write the address you sign in with. If an account has it, a link for a new password goes there." }
            form method="post" action="/forgot" {
                (filled.field(&Field { name: "email", label: "E-mail address", kind: "email", value: "", complete: "username", hint: "" }))
                button.primary type="submit" { "Send the link" }
            }
            p.acts { a href="/sign-in" { "Back to signing in" } }
        },
    )
}

fn asked(view: &View) -> Markup {
    gate(
        view,
        "Look into your mail",
        &html! {
            p role="status" { "If an account has this address, a link for a new password is on its way. It works once and for " (limits::RESET_LINK.as_secs() / 60) " minutes." }
            p.dim { "Nothing arrived? Look into the spam folder, check the address, or ask an administrator of your organisation." }
            p.acts { a href="/sign-in" { "Back to signing in" } }
        },
    )
}

/// Shows the form for a new password to whoever holds a working link.
pub(crate) async fn show_reset(State(s): State<AppState>, view: View, Params(link): Params<Link>) -> Reply<Markup> {
    let token = link.token.unwrap_or_default();
    identity::check_reset_link(&s.platform, &token).await?;
    Ok(resetting(&view, &token, None))
}

/// Sets the new password.
pub(crate) async fn reset(State(s): State<AppState>, view: View, Form(given): Form<Fields>) -> Reply<Response> {
    let token = given.one("token").to_owned();
    match identity::reset_password(&s.platform, &token, given.one("password")).await {
        Ok(()) => Ok(Redirect::to(&Done::Reset.at("/sign-in")).into_response()),
        Err(error) if is_form_fault(&error) => {
            let refused = Refused::new("", given, error);
            Ok((refused.problem().status(), resetting(&view, &token, Some(&refused))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn resetting(view: &View, token: &str, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of("", refused);
    let hint = format!(
        "At least {} characters, or {} if you have a second factor; a sentence works well.",
        limits::PASSWORD_CHARS_MIN,
        limits::PASSWORD_CHARS_MIN_WITH_FACTOR
    );
    gate(
        view,
        "New password",
        &html! {
            p.dim { "All your sessions end with it, also where somebody else may be signed in." }
            (filled.notice())
            form method="post" action="/reset" {
                input type="hidden" name="token" value=(token);
                (filled.field(&Field { name: "password", label: "New password", kind: "password", value: "", complete: "new-password", hint: &hint }))
                button.primary type="submit" { "Set the password" }
            }
        },
    )
}

fn gate(view: &View, title: &str, body: &Markup) -> Markup {
    page(view, title, Section::None, &[], &html! { div.gate { h1 { (title) } (body) } })
}
