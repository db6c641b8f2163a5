//! Signing in and out.

use super::View;
use crate::{
    api::session::CLEAR_SITE_DATA,
    caller::{Arrived, SignedIn, is_form_fault, local_path, no_cookie, session_cookie},
    components::{
        layout::{Section, page},
        notice::notice,
        text::link_with,
    },
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
use vital_platform::identity::{self, FactorKind, Pending, Progress, Proof, SignIn};

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
    done: Option<String>,
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
    let seen = html! {
        (notice(given.done.as_deref()))
        @if pending { p.notice { "This installation is new. Open the set-up link that the server printed when it started; it makes the first account." } }
    };
    Ok(form(&view, "", local_path(given.next.as_deref()), &seen, None))
}

/// Signs in and goes on to where the person wanted to be, or asks for the second factor.
pub(crate) async fn sign_in(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Form(given): Form<Given>,
) -> Reply<Response> {
    let next = local_path(given.next.as_deref());
    match identity::sign_in(&s.platform, SignIn { email: given.email.clone(), password: given.password, came }).await {
        Ok(Progress::Done(token)) => Ok((jar.add(session_cookie(&s, token.reveal())), Redirect::to(next)).into_response()),
        Ok(Progress::SecondFactor(pending)) => Ok(factor_form(&view, &Asked::of(&pending), next, None).into_response()),
        Err(error) if is_form_fault(&error) => {
            let problem = Problem::from(error);
            Ok((problem.status(), form(&view, &given.email, next, &html! {}, Some(&problem))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The form of the second step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenFactor {
    ticket: String,
    next: Option<String>,
    /// Six digits, or a recovery code.
    code: String,
    /// Whether the account has a passkey, so that the form shows the button again.
    passkey: Option<String>,
}

/// Finishes a sign-in with a code. Passkeys come through the API.
pub(crate) async fn second_factor(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Form(given): Form<GivenFactor>,
) -> Reply<Response> {
    let next = local_path(given.next.as_deref());
    match identity::second_factor(&s.platform, &given.ticket, code_proof(&given.code), &came).await {
        Ok(token) => Ok((jar.add(session_cookie(&s, token.reveal())), Redirect::to(next)).into_response()),
        Err(error) if error.code() == "sign_in.ticket_gone" => {
            let problem = Problem::from(error);
            Ok((problem.status(), form(&view, "", next, &html! {}, Some(&problem))).into_response())
        }
        Err(error) if is_form_fault(&error) => {
            let problem = Problem::from(error);
            let asked = Asked { ticket: given.ticket, passkey: given.passkey };
            Ok((problem.status(), factor_form(&view, &asked, next, Some(&problem))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// What was typed into a field that takes both kinds of codes.
pub(crate) fn code_proof(typed: &str) -> Proof {
    let typed = typed.trim();
    let digits = typed.chars().filter(|c| !c.is_whitespace()).all(|c| c.is_ascii_digit());
    if digits && typed.len() <= 8 { Proof::Totp(typed.to_owned()) } else { Proof::RecoveryCode(typed.to_owned()) }
}

/// What the second step needs to know of the first.
pub(crate) struct Asked {
    ticket: String,
    /// Options for the browser, as JSON.
    passkey: Option<String>,
}

impl Asked {
    pub(crate) fn of(pending: &Pending) -> Self {
        let passkey = pending.passkey.as_ref().filter(|_| pending.methods.contains(&FactorKind::Passkey));
        Self { ticket: pending.ticket.clone(), passkey: passkey.map(ToString::to_string) }
    }
}

pub(crate) fn factor_form(view: &View, asked: &Asked, next: &str, problem: Option<&Problem>) -> Markup {
    page(
        view,
        "Second factor",
        Section::None,
        &["passkey.js"],
        &html! {
            div.gate {
                h1 { "Second factor" }
                p.dim { "The first step is done. Now prove that it is you." }
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                @if let Some(options) = &asked.passkey {
                    div.js-passkey hidden data-kind="second-factor" data-ticket=(asked.ticket) data-next=(next) data-options=(options) {
                        button.primary type="button" { "Use a passkey" }
                        p.notice.bad role="alert" hidden {}
                    }
                }
                form method="post" action="/sign-in/second-factor" {
                    input type="hidden" name="ticket" value=(asked.ticket);
                    input type="hidden" name="next" value=(next);
                    @if let Some(options) = &asked.passkey { input type="hidden" name="passkey" value=(options); }
                    label for="code" { "Code of your authenticator app, or a recovery code" }
                    input #code name="code" autocomplete="one-time-code" required autofocus maxlength="40" spellcheck="false";
                    button.primary type="submit" { "Sign in" }
                }
            }
        },
    )
}

/// Signs out and makes the browser forget.
pub(crate) async fn sign_out(State(s): State<AppState>, SignedIn(caller): SignedIn, jar: CookieJar) -> Reply<impl IntoResponse> {
    identity::sign_out(&s.platform, &caller).await?;
    Ok((jar.add(no_cookie(&s)), [CLEAR_SITE_DATA], Redirect::to("/sign-in")))
}

fn form(view: &View, email: &str, next: &str, seen: &Markup, problem: Option<&Problem>) -> Markup {
    page(
        view,
        "Sign in",
        Section::None,
        &["passkey.js"],
        &html! {
            div.gate {
                h1 { "Sign in" @if let Some(owner) = &view.on { " to " (owner.name) } }
                (seen)
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(next);
                    label for="email" { "E-mail address" }
                    input #email type="email" name="email" value=(email) autocomplete="username" required autofocus[email.is_empty()];
                    label for="password" { "Password" }
                    input #password type="password" name="password" autocomplete="current-password" required autofocus[!email.is_empty()];
                    button.primary type="submit" { "Sign in" }
                }
                // A passkey is bound to the address of the installation, so a browser offers none on another domain.
                @if view.on.is_none() {
                    div.js-passkey hidden data-kind="sign-in" data-next=(next) {
                        button type="button" { "Sign in with a passkey" }
                        p.notice.bad role="alert" hidden {}
                    }
                }
                p.acts { a href=(link_with("/sign-in/sso", &[("next", if next == "/" { "" } else { next })])) { "Sign in with your organisation" } a href="/forgot" { "Forgotten password" } }
            }
        },
    )
}
