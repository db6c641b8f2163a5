//! Taking up an invitation: whoever holds its link chooses a name and a password and is in.

use super::View;
use crate::{
    caller::{Arrived, session_cookie},
    components::{
        form::{Field, Fields, Filled, Refused},
        layout::{Section, page},
    },
    extract::{Form, Params},
    problem::{Problem, Reply},
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::limits;
use vital_platform::identity::{self, Progress};

/// The link's secret.
#[derive(Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

/// Shows the form to whoever holds a working link.
pub(crate) async fn show(State(s): State<AppState>, view: View, Params(link): Params<Link>) -> Reply<Markup> {
    form(&s, &view, &link.token.unwrap_or_default(), None).await
}

/// Makes the account and signs it in.
pub(crate) async fn accept(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Reply<Response> {
    let token = given.one("token").to_owned();
    match identity::accept_invitation(&s.platform, &token, given.one("display_name"), given.one("password"), &came)
        .await
        .and_then(Progress::done)
    {
        Ok(session) => Ok((jar.add(session_cookie(&s, session.reveal())), Redirect::to("/")).into_response()),
        Err(error) => {
            let refused = Refused::new("", given, error);
            Ok(step_up::again(jar, &refused, form(&s, &view, &token, Some(&refused))).await)
        }
    }
}

async fn form(s: &AppState, view: &View, token: &str, refused: Option<&Refused>) -> Result<Markup, Problem> {
    let invited = identity::check_invitation(&s.platform, token).await?;
    let filled = Filled::of("", refused);
    let hint = format!("At least {} characters; a sentence works well.", limits::PASSWORD_CHARS_MIN);
    Ok(page(
        view,
        "Invitation",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Join " (invited.organisation) }
                p.dim { "Choose a password for " strong { (invited.email) } ". This link works once." }
                (filled.notice())
                form method="post" action="/invitation" {
                    input type="hidden" name="token" value=(token);
                    input type="hidden" name="username" autocomplete="username" value=(invited.email);
                    (filled.field(&Field { name: "display_name", label: "Your name", kind: "text", value: &invited.display_name, complete: "name", hint: "" }))
                    (filled.field(&Field { name: "password", label: "Password", kind: "password", value: "", complete: "new-password", hint: &hint }))
                    button.primary type="submit" { "Create the account" }
                }
            }
        },
    ))
}
