//! How people sign in to the organisation, how long they stay, and which other sites may call its API.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act},
    },
    extract::{Form, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{Permission, limits};
use vital_platform::{
    identity::Caller,
    tenancy::{self, SignInPolicy},
};

const PATH: &str = "/settings/policy";
/// Name of the form on its page.
const FORM: &str = "policy";
const ORIGINS_HINT: &str =
    "One a line, such as https://app.example.org: scheme and host, a port where it is not the usual one. Leave it empty to allow none.";

/// Shows the policy.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// Changes the policy.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => tenancy::set_policy(&s.platform, &by.caller.cx, read(&given)).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => step_up::done(by.jar, &Done::Policy.at(PATH)),
        Err(error) => {
            let refused = Refused::new(FORM, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// What the form says. A number that cannot be read is out of range, so that the verb tells what would be right.
fn read(given: &Fields) -> SignInPolicy {
    let minutes = |name| given.one(name).trim().parse().unwrap_or(0);
    SignInPolicy {
        idle_minutes: minutes("idle_minutes"),
        absolute_minutes: minutes("absolute_minutes"),
        require_second_factor: given.has("require_second_factor", "yes"),
        password_sign_in: given.has("password_sign_in", "yes"),
        cors_origins: given.one("cors_origins").lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect(),
    }
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let organisation = tenancy::organisation(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let filled = Filled::of(FORM, refused);
    let act = Act {
        action: PATH,
        says: "This changes how everybody in your organisation signs in. Sessions that are then too old end with their next request.",
        button: "Change the policy",
        destroys: false,
    };
    let body = html! {
        p.dim { "For " (organisation.name) "." }
        @if caller.cx.may(Permission::PolicyWrite) { (step_up_form::form(ask, &filled, &act, &fields(&filled, &organisation.policy))) }
        @else { (facts(&organisation.policy)) }
    };
    Ok(settings(view, caller, Tab::Policy, done, &["passkey.js"], &body))
}

fn fields(filled: &Filled<'_>, policy: &SignInPolicy) -> Markup {
    let (idle, absolute) = (policy.idle_minutes.to_string(), policy.absolute_minutes.to_string());
    let range = |(least, most): (i32, i32)| format!("{} to {} minutes.", least / 60, most / 60);
    let (idle_hint, absolute_hint) = (range(limits::SESSION_IDLE_S), range(limits::SESSION_ABSOLUTE_S));
    let filled = *filled;
    html! {
        (filled.field(&Field { name: "idle_minutes", label: "A session ends without use after (minutes)", kind: "number", value: &idle, complete: "off", hint: &idle_hint }))
        (filled.field(&Field { name: "absolute_minutes", label: "A session ends in any case after (minutes)", kind: "number", value: &absolute, complete: "off", hint: &absolute_hint }))
        fieldset.boxes {
            legend { "Signing in" }
            label { input type="checkbox" name="require_second_factor" value="yes" checked[filled.ticked("require_second_factor", "yes", policy.require_second_factor)]; span { "Everybody needs a second factor " small { "who has none adds one before anything else" } } }
            label { input type="checkbox" name="password_sign_in" value="yes" checked[filled.ticked("password_sign_in", "yes", policy.password_sign_in)]; span { "Passwords are accepted " small { "without, people use single sign-on or a passkey" } } }
        }
        (origins(&filled, &policy.cors_origins))
    }
}

fn origins(filled: &Filled<'_>, allowed: &[String]) -> Markup {
    let (id, lines) = (filled.id("cors_origins"), allowed.join("\n"));
    let faults = filled.faults("cors_origins");
    html! {
        label for=(id) { "Other sites whose scripts may call the API" }
        textarea id=(id) name="cors_origins" rows=(allowed.len().clamp(3, 12)) spellcheck="false" aria-invalid=[(!faults.is_empty()).then_some("true")] aria-describedby={ (id) "-hint" } { (filled.value("cors_origins", &lines)) }
        div id={ (id) "-hint" } {
            p.field-hint { (ORIGINS_HINT) }
            @for (place, detail) in faults {
                p.field-hint.bad { @if let Ok(i) = place.parse::<usize>() { "Line " (i + 1) ": " } (detail) }
            }
        }
    }
}

fn facts(policy: &SignInPolicy) -> Markup {
    html! {
        dl.facts {
            div { dt { "A session ends" } dd { "after " (policy.idle_minutes) " minutes without use, after " (policy.absolute_minutes) " minutes in any case" } }
            div { dt { "Second factor" } dd { (if policy.require_second_factor { "everybody needs one" } else { "everybody may have one" }) } }
            div { dt { "Passwords" } dd { (if policy.password_sign_in { "accepted" } else { "not accepted" }) } }
            div { dt { "Other sites" } dd { @if policy.cors_origins.is_empty() { "none" } @else { @for origin in &policy.cors_origins { code { (origin) } br; } } } }
        }
        p.dim { "An administrator can change it." }
    }
}
