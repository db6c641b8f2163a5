//! Signing in with one's organisation: which one, through which provider, there and back.
//!
//! **Invariants:** the way to the provider is a link and not a form, because the content security policy lets forms lead nowhere else; the
//! cookie that binds the return to this browser is taken away by whatever comes of it; an organisation that is not here looks like one
//! without single sign-on.

use super::{
    View,
    sign_in::{Asked, factor_form},
};
use crate::{
    caller::{Arrived, local_path, session_cookie, sso_cookie, sso_ticket},
    components::{
        layout::{Section, page},
        text::link_with,
    },
    extract::Params,
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{Error, Kind, ProviderId};
use vital_platform::identity::{self, Callback, Choice, Progress};

/// The page's address.
pub(crate) const PATH: &str = "/sign-in/sso";

/// Which organisation, and where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    organisation: String,
    next: Option<String>,
}

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// Asks for the organisation, and shows its providers.
pub(crate) async fn choose(State(s): State<AppState>, view: View, Params(wanted): Params<Wanted>) -> Reply<Response> {
    if let Some(elsewhere) = from_domain(&s, &view) {
        return Ok(elsewhere);
    }
    let slug = wanted.organisation.trim().to_lowercase();
    let choices = if slug.is_empty() { None } else { Some(identity::sign_in_choices(&s.platform, &slug).await?) };
    Ok(form(&view, &slug, local_path(wanted.next.as_deref()), choices.as_deref(), None).into_response())
}

/// Sends the browser to a provider.
pub(crate) async fn begin(
    State(s): State<AppState>,
    view: View,
    headers: HeaderMap,
    jar: CookieJar,
    Path((slug, provider)): Path<(String, String)>,
    Params(given): Params<Next>,
) -> Reply<Response> {
    if let Some(elsewhere) = from_domain(&s, &view) {
        return Ok(elsewhere);
    }
    let next = local_path(given.next.as_deref());
    // Another site must not sign somebody in to an organisation of its choice: a person chooses here first.
    let site = headers.get("sec-fetch-site").map(|v| v.to_str().unwrap_or("unreadable"));
    if !matches!(site, None | Some("same-origin" | "none")) {
        return Ok(Redirect::to(&link_with("/sign-in/sso", &[("organisation", &slug), ("next", next)])).into_response());
    }
    // What is no id names no provider.
    let provider = ProviderId(provider.parse().unwrap_or_default());
    match identity::begin_oidc(&s.platform, &slug, provider, next).await {
        Ok(begun) => Ok((jar.add(sso_cookie(&s, begun.ticket.reveal())), Redirect::to(&begun.url)).into_response()),
        Err(error) => refusal(&view, &slug, next, error, jar),
    }
}

/// Takes the browser back from a provider.
pub(crate) async fn finish(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    view: View,
    jar: CookieJar,
    Params(callback): Params<Callback>,
) -> Reply<Response> {
    let ticket = sso_ticket(&s, &jar);
    let jar = jar.add(sso_cookie(&s, ""));
    match identity::finish_oidc(&s.platform, ticket.as_deref(), &callback, &came).await {
        Ok((Progress::Done(token), next)) => {
            Ok((jar.add(session_cookie(&s, token.reveal())), Redirect::to(local_path(Some(&next)))).into_response())
        }
        Ok((Progress::SecondFactor(pending), next)) => {
            Ok((jar, factor_form(&view, &Asked::of(&pending), local_path(Some(&next)), None)).into_response())
        }
        Err(error) => refusal(&view, "", "/", error, jar),
    }
}

/// Providers send people back to the address of the installation alone, so from an organisation's own domain the way begins there too.
fn from_domain(s: &AppState, view: &View) -> Option<Response> {
    let owner = view.on.as_ref()?;
    let address = link_with(&format!("{}{PATH}", s.platform.site()), &[("organisation", &owner.slug)]);
    Some(Redirect::to(&address).into_response())
}

/// The page with what happened and what to do; what is no matter of the sign-in is a problem as everywhere.
fn refusal(view: &View, slug: &str, next: &str, error: Error, jar: CookieJar) -> Reply<Response> {
    if matches!(error.kind(), Kind::Internal | Kind::RateLimited) {
        return Err(error.into());
    }
    let problem = Problem::from(error);
    Ok((problem.status(), jar, form(view, slug, next, None, Some(&problem))).into_response())
}

fn form(view: &View, slug: &str, next: &str, choices: Option<&[Choice]>, problem: Option<&Problem>) -> Markup {
    page(
        view,
        "Sign in with your organisation",
        Section::None,
        &[],
        &html! {
            div.gate {
                h1 { "Sign in with your organisation" }
                @if let Some(p) = problem { p.notice.bad role="alert" { (p.detail()) } }
                @match choices {
                    Some([]) => p.notice role="status" { "There is no single sign-on for “" (slug) "” here. Check the name, or sign in with your password." },
                    Some(choices) => {
                        p.dim { "Continue to:" }
                        ul.rows { @for choice in choices { li { a.row href=(link_with(&format!("{PATH}/{slug}/{}", choice.id), &[("next", if next == "/" { "" } else { next })])) { (choice.name) } } } }
                    },
                    None => {},
                }
                form method="get" action=(PATH) {
                    input type="hidden" name="next" value=(next);
                    label for="organisation" { "Your organisation" }
                    input #organisation name="organisation" value=(slug) autocomplete="organization" autocapitalize="none" spellcheck="false" required maxlength="63" autofocus[choices.is_none()] aria-describedby="organisation-hint";
                    p.field-hint #organisation-hint { "Its short name here, such as " code { "corvane-therapeutics" } ". An administrator knows it." }
                    button.primary[choices.is_none_or(<[Choice]>::is_empty)] type="submit" { "Continue" }
                }
                p.acts { a href=(link_with("/sign-in", &[("next", if next == "/" { "" } else { next })])) { "Sign in with a password" } }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_typed_comes_back_as_text() {
        let view = View::for_test();
        let shown = form(&view, "<b>", "/library?a=1&b=2", Some(&[]), None).into_string();
        assert!(shown.contains("“&lt;b&gt;”") && !shown.contains("<b>”"), "{shown}");
        let choice = Choice { id: ProviderId::new(), name: "Entra <ID>".to_owned() };
        let shown = form(&view, "corvane", "/library", Some(std::slice::from_ref(&choice)), None).into_string();
        assert!(shown.contains(&format!("/sign-in/sso/corvane/{}?next=%2Flibrary", choice.id)) && shown.contains("Entra &lt;ID&gt;"));
    }
}
