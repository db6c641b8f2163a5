//! One's own security: second factors, password, sessions. Where somebody lands who must add a second factor before anything else.

use super::{View, factors};
use crate::{
    caller::{SignedIn, session_cookie},
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        text::{ago, moment},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{SessionId, limits};
use vital_platform::identity::{self, Caller, Session};

/// The page's address.
pub(crate) const PATH: &str = "/settings/security";

/// What has just been done.
#[derive(Deserialize)]
pub(crate) struct Seen {
    pub(crate) done: Option<String>,
}

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// The page, with a form of it that was refused.
pub(super) async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let mut owned = identity::sessions(&s.platform, caller).await?;
    owned.sort_by_key(|session| !session.current);
    let second = factors::section(s, caller, refused).await?;
    Ok(settings(
        view,
        caller,
        Tab::Security,
        done,
        &["passkey.js"],
        &html! {
            @if caller.must_enrol {
                p.notice role="status" { "Your organisation asks for a second factor. Add an authenticator app or a passkey here; then everything else opens." }
            }
            (second)
            (password(caller, Filled::of("password", refused)))
            (sessions(&owned))
        },
    ))
}

fn password(caller: &Caller, filled: Filled<'_>) -> Markup {
    let least = if caller.has_factor { limits::PASSWORD_CHARS_MIN_WITH_FACTOR } else { limits::PASSWORD_CHARS_MIN };
    let hint = format!("At least {least} characters; a sentence works well.");
    html! {
        section aria-labelledby="password-h" {
            h2 #password-h { "Password" }
            form.stack method="post" action="/settings/security/password" {
                (filled.notice())
                input type="hidden" name="username" autocomplete="username" value=(caller.email);
                (filled.field(&Field { name: "present", label: "Present password", kind: "password", value: "", complete: "current-password", hint: "" }))
                (filled.field(&Field { name: "password", label: "New password", kind: "password", value: "", complete: "new-password", hint: &hint }))
                p.fine { "Changing it ends your other sessions." }
                button type="submit" { "Change the password" }
            }
        }
    }
}

fn sessions(owned: &[Session]) -> Markup {
    html! {
        section aria-labelledby="sessions-h" {
            h2 #sessions-h { "Sessions" }
            p.dim { "Where you are signed in. If you do not know one, end it and change your password." }
            table.sheet-list {
                thead { tr { th { "Device" } th { "Address" } th { "Signed in" } th { "Last used" } th { span.sr { "Actions" } } } }
                tbody {
                    @for session in owned {
                        tr {
                            td data-label="Device" { (device(&session.device)) @if session.current { " " span.badge data-state="ready" { "this one" } } br; small { (method(&session.method)) } }
                            td data-label="Address" { (session.address) }
                            td data-label="Signed in" { (moment(session.created_at)) }
                            td data-label="Last used" { (ago(session.seen_at)) }
                            td.acts-cell {
                                @if !session.current {
                                    form method="post" action={ "/settings/security/sessions/" (session.id) "/revoke" } {
                                        button.quiet type="submit" { "End" span.sr { " the session of " (device(&session.device)) " from " (session.address) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if owned.len() > 1 {
                form method="post" action="/settings/security/sessions/revoke-others" { button type="submit" { "End all other sessions" } }
            }
        }
    }
}

fn method(name: &str) -> &str {
    match name {
        "password" => "with a password",
        "passkey" => "with a passkey",
        "sso" => "through single sign-on",
        "break_glass" => "as an operator",
        other => other,
    }
}

/// A browser and its system, as far as the name that it gives itself tells; the name itself otherwise.
fn device(agent: &str) -> String {
    let first = |names: &[(&'static str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let browser = first(&[("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if agent.is_empty() => "Unknown device".to_owned(),
        (None, _) => agent.chars().take(60).collect(),
    }
}

/// Changes the password.
pub(crate) async fn change_password(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    match identity::change_password(&s.platform, &caller, given.one("present"), given.one("password")).await {
        Ok(token) => step_up::done(jar.add(session_cookie(&s, token.reveal())), &Done::Password.at(PATH)),
        Err(error) => {
            let refused = Refused::new("password", given, error);
            step_up::again(jar, &refused, page(&s, &view, &caller, None, Some(&refused))).await
        }
    }
}

/// Ends one session.
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<SessionId>) -> Reply<Redirect> {
    identity::revoke_session(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&Done::SessionEnded.at(PATH)))
}

/// Ends all sessions but this one.
pub(crate) async fn revoke_others(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Redirect> {
    identity::revoke_other_sessions(&s.platform, &caller).await?;
    Ok(Redirect::to(&Done::SessionsEnded.at(PATH)))
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn devices_are_named_as_people_know_them() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(device(firefox), "Firefox on Linux");
        assert_eq!(device(phone), "Safari on iPhone");
        assert_eq!(device("curl/8.5.0"), "curl/8.5.0");
        assert_eq!(device(""), "Unknown device");
    }
}
