//! Signing in and out.

use super::View;
use crate::{
    api::session::CLEAR_SITE_DATA,
    caller::{SignedIn, is_form_fault, local_path, no_cookie, session_cookie},
    components::layout::{Section, page},
    extract::{Form, Params},
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    extract::{ConnectInfo, State},
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use std::net::SocketAddr;
use vital_platform::identity::{self, SignIn};

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    email: String,
    password: String,
    next: Option<String>,
}

/// Shows the form.
pub(crate) async fn show(State(s): State<AppState>, view: View, Params(given): Params<Next>) -> Reply<Markup> {
    let pending = identity::setup_pending(&s.platform).await?;
    Ok(form(&view, "", local_path(given.next.as_deref()), pending, None))
}

/// Signs in and goes on to where the person wanted to be.
pub(crate) async fn sign_in(
    State(s): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    view: View,
    jar: CookieJar,
    Form(given): Form<Given>,
) -> Reply<Response> {
    let next = local_path(given.next.as_deref());
    match identity::sign_in(&s.platform, SignIn { email: given.email.clone(), password: given.password, address: peer.ip() }).await {
        Ok(token) => Ok((jar.add(session_cookie(&s, token.reveal())), Redirect::to(next)).into_response()),
        Err(error) if is_form_fault(&error) => {
            let problem = Problem::from(error);
            Ok((problem.status(), form(&view, &given.email, next, false, Some(&problem))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Signs out and makes the browser forget.
pub(crate) async fn sign_out(State(s): State<AppState>, SignedIn(caller): SignedIn, jar: CookieJar) -> Reply<impl IntoResponse> {
    identity::sign_out(&s.platform, &caller).await?;
    Ok((jar.add(no_cookie(&s)), [CLEAR_SITE_DATA], Redirect::to("/sign-in")))
}

fn form(view: &View, email: &str, next: &str, setup_pending: bool, problem: Option<&Problem>) -> Markup {
    page(
        view,
        "Sign in",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Sign in" }
                @if setup_pending {
                    p.notice { "This installation is new. Open the set-up link that the server printed when it started; it makes the first account." }
                }
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(next);
                    label for="email" { "E-mail address" }
                    input #email type="email" name="email" value=(email) autocomplete="username" required autofocus[email.is_empty()];
                    label for="password" { "Password" }
                    input #password type="password" name="password" autocomplete="current-password" required autofocus[!email.is_empty()];
                    button.primary type="submit" { "Sign in" }
                }
            }
        },
    )
}
