//! How an operator enters an organisation in the browser: with the token that `vital break-glass open` printed, and with nothing else.

use super::View;
use crate::{
    caller::session_cookie,
    components::layout::{Section, page},
    extract::Form,
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
use vital_kernel::{Error, Kind};
use vital_platform::identity;

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    token: String,
}

/// Shows the form.
pub(crate) async fn show(view: View) -> Markup {
    form(&view, None)
}

/// Takes the token of an opening as the session of this browser.
pub(crate) async fn enter(State(s): State<AppState>, view: View, jar: CookieJar, Form(given): Form<Given>) -> Reply<Response> {
    let token = given.token.trim();
    match identity::authenticate(&s.platform, token, view.request_id).await {
        Ok(caller) if caller.break_glass.is_some() => Ok((jar.add(session_cookie(&s, token)), Redirect::to("/")).into_response()),
        Err(error) if error.kind() != Kind::Unauthenticated => Err(error.into()),
        _ => {
            let problem = Problem::from(Error::unauthenticated(
                "operator.token",
                "This is not the token of an opening, or the opening has ended. Open the organisation anew with `vital break-glass open`.",
            ));
            Ok((problem.status(), form(&view, Some(&problem))).into_response())
        }
    }
}

fn form(view: &View, problem: Option<&Problem>) -> Markup {
    page(
        view,
        "Operator access",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Operator access" }
                p.dim { "Paste the token that " code { "vital break-glass open" } " printed. The organisation was told; the access is read-only and ends by itself." }
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                form method="post" action="/sign-in/operator" {
                    label for="token" { "Token" }
                    input #token type="password" name="token" autocomplete="off" required autofocus maxlength="200" spellcheck="false";
                    button.primary type="submit" { "Enter" }
                }
            }
        },
    )
}
