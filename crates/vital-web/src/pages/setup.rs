//! First-run set-up: the organisation and its administrator, through the one-time link that the server printed.

use super::View;
use crate::{
    caller::{Arrived, is_form_fault, session_cookie},
    components::{
        form::{Field, Fields, Filled, Refused},
        layout::{Section, page},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::limits;
use vital_platform::identity::{self, NewUser};

/// The link's secret.
#[derive(Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

/// Shows the form to whoever holds a working link.
pub(crate) async fn show(State(s): State<AppState>, view: View, Params(link): Params<Link>) -> Reply<Markup> {
    let token = link.token.unwrap_or_default();
    identity::check_setup_link(&s.platform, &token).await?;
    Ok(form(&view, &token, None))
}

/// Creates both and signs the administrator in.
pub(crate) async fn complete(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Reply<Response> {
    let admin = NewUser {
        display_name: given.one("display_name").to_owned(),
        email: given.one("email").to_owned(),
        password: given.one("password").to_owned(),
        roles: Vec::new(),
    };
    let token = given.one("token").to_owned();
    match identity::complete_setup(&s.platform, &token, given.one("organisation"), admin, &came).await {
        Ok(session) => Ok((jar.add(session_cookie(&s, session.reveal())), Redirect::to("/")).into_response()),
        Err(error) if is_form_fault(&error) => {
            let refused = Refused::new("", given, error);
            Ok((refused.problem().status(), form(&view, &token, Some(&refused))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn form(view: &View, token: &str, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of("", refused);
    let hint = format!("At least {} characters; a sentence works well.", limits::PASSWORD_CHARS_MIN);
    page(
        view,
        "Set up",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Set up VITAL Path" }
                p.dim { "Name your organisation and make its first account, the administrator's. This link works once." }
                (filled.notice())
                form method="post" action="/setup" {
                    input type="hidden" name="token" value=(token);
                    (filled.field(&Field { name: "organisation", label: "Organisation", kind: "text", value: "", complete: "organization", hint: "" }))
                    (filled.field(&Field { name: "display_name", label: "Your name", kind: "text", value: "", complete: "name", hint: "" }))
                    (filled.field(&Field { name: "email", label: "E-mail address", kind: "email", value: "", complete: "username", hint: "" }))
                    (filled.field(&Field { name: "password", label: "Password", kind: "password", value: "", complete: "new-password", hint: &hint }))
                    button.primary type="submit" { "Create and sign in" }
                }
            }
        },
    )
}
