//! First-run set-up: the organisation and its administrator, through the one-time link that the server printed.

use super::View;
use crate::{
    caller::{Arrived, is_form_fault, session_cookie},
    components::layout::{Section, page},
    extract::{Form, Params},
    problem::{Problem, Reply},
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

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    token: String,
    organisation: String,
    display_name: String,
    email: String,
    password: String,
}

/// Shows the form to whoever holds a working link.
pub(crate) async fn show(State(s): State<AppState>, view: View, Params(link): Params<Link>) -> Reply<Markup> {
    let token = link.token.unwrap_or_default();
    identity::check_setup_link(&s.platform, &token).await?;
    let empty = Given { token, organisation: String::new(), display_name: String::new(), email: String::new(), password: String::new() };
    Ok(form(&view, &empty, None))
}

/// Creates both and signs the administrator in.
pub(crate) async fn complete(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Form(given): Form<Given>,
) -> Reply<Response> {
    let admin = NewUser {
        display_name: given.display_name.clone(),
        email: given.email.clone(),
        password: given.password.clone(),
        roles: Vec::new(),
    };
    match identity::complete_setup(&s.platform, &given.token, &given.organisation, admin, &came).await {
        Ok(token) => Ok((jar.add(session_cookie(&s, token.reveal())), Redirect::to("/")).into_response()),
        Err(error) if is_form_fault(&error) => {
            let problem = Problem::from(error);
            Ok((problem.status(), form(&view, &given, Some(&problem))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn form(view: &View, given: &Given, problem: Option<&Problem>) -> Markup {
    let fault = |pointer: &str| problem.and_then(|p| p.fields().iter().find(|f| f.pointer == pointer)).map(|f| f.detail.as_str());
    let field = |name: &str, label: &str, kind: &str, value: &str, complete: &str, hint: Option<String>| {
        let fault = fault(&format!("/{name}"));
        html! {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) value=(value) autocomplete=(complete) required aria-invalid=[fault.map(|_| "true")] aria-describedby={ (name) "-hint" };
            p.field-hint.bad[fault.is_some()] id={ (name) "-hint" } { (fault.map(str::to_owned).or(hint).unwrap_or_default()) }
        }
    };
    page(
        view,
        "Set up",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Set up VITAL Path" }
                p.dim { "Name your organisation and make its first account, the administrator's. This link works once." }
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                form method="post" action="/setup" {
                    input type="hidden" name="token" value=(given.token);
                    (field("organisation", "Organisation", "text", &given.organisation, "organization", None))
                    (field("display_name", "Your name", "text", &given.display_name, "name", None))
                    (field("email", "E-mail address", "email", &given.email, "username", None))
                    (field("password", "Password", "password", "", "new-password", Some(format!("At least {} characters; a sentence works well.", limits::PASSWORD_CHARS_MIN))))
                    button.primary type="submit" { "Create and sign in" }
                }
            }
        },
    )
}
