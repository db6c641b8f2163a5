//! One's own second factors: authenticator apps, passkeys, recovery codes. Passkeys are made by `assets/passkey.js` through the API.

use super::{View, security};
use crate::{
    caller::{SignedIn, session_cookie},
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        secret,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded, proof},
        text::{ago, count},
    },
    extract::{Form, Id},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, PreEscaped, html};
use vital_kernel::FactorId;
use vital_platform::identity::{self, Caller, Enrolment, Factor, FactorKind};

/// Recovery codes of which people are told that they run out.
const CODES_LOW: i64 = 3;

/// The section of the security page.
pub(super) async fn section(s: &AppState, caller: &Caller, refused: Option<&Refused>) -> Reply<Markup> {
    let held = identity::factors(&s.platform, &caller.cx).await?;
    let left = identity::recovery_codes_left(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    Ok(html! {
        section aria-labelledby="factors-h" {
            h2 #factors-h { "Second factors" }
            @if held.is_empty() {
                p.dim { "None yet. With a second factor, a stolen password alone opens nothing. An authenticator app shows a new code every 30 seconds; a passkey is kept by your device or your password manager and also signs you in without a password." }
            } @else {
                (list(&held, ask, refused))
                (recovery(left, ask, refused))
            }
            (add_app(ask, Filled::of("totp", refused), held.is_empty()))
            (add_passkey(ask))
        }
    })
}

fn list(held: &[Factor], ask: StepUp, refused: Option<&Refused>) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Kind" } th { "Added" } th { "Last used" } th { span.sr { "Actions" } } } }
            tbody {
                @for factor in held {
                    @let (form, action) = (format!("remove-{}", factor.id), format!("/settings/security/factors/{}/remove", factor.id));
                    @let act = Act { action: &action, says: "This removes it: it no longer signs you in or proves that it is you.", button: "Remove", destroys: true };
                    tr {
                        td data-label="Name" { (factor.name) }
                        td data-label="Kind" { (if factor.kind == FactorKind::Passkey { "Passkey" } else { "Authenticator app" }) }
                        td data-label="Added" { (ago(factor.created_at)) }
                        td data-label="Last used" { @if let Some(at) = factor.used_at { (ago(at)) } @else { "never" } }
                        td.acts-cell { (folded(ask, &Filled::of(&form, refused), &act, "Remove…", &factor.name, &html! {})) }
                    }
                }
            }
        }
    }
}

fn recovery(left: i64, ask: StepUp, refused: Option<&Refused>) -> Markup {
    let act = Act {
        action: "/settings/security/recovery-codes",
        says: "This makes ten new recovery codes, shown once; the ones you have stop working.",
        button: "Make new codes",
        destroys: false,
    };
    html! {
        p.warn[left <= CODES_LOW] { (count(left, "recovery code", "recovery codes")) " left." @if left <= CODES_LOW { " Make new ones before you need them." } }
        (folded(ask, &Filled::of("recovery", refused), &act, "New recovery codes…", "", &html! {}))
    }
}

/// What proves that it is the owner of the account who adds a factor: a factor, or the password while there is none.
fn owner(ask: StepUp, filled: &Filled<'_>) -> Markup {
    html! {
        @if ask.factor { (proof(ask, filled)) }
        @else { (filled.field(&Field { name: "password", label: "Your password", kind: "password", value: "", complete: "current-password", hint: "Proves that it is you." })) }
    }
}

fn add_app(ask: StepUp, filled: Filled<'_>, first: bool) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { "Add an authenticator app…" }
            form.stack method="post" action="/settings/security/totp" {
                (filled.notice())
                p { "This shows a QR code to scan with an app on your phone, such as the one that came with it." @if first { " You also get recovery codes." } }
                (filled.field(&Field { name: "name", label: "Name of the app or device", kind: "text", value: "Authenticator app", complete: "off", hint: "" }))
                (owner(ask, &filled))
                button.primary type="submit" { "Show the QR code" }
            }
        }
    }
}

fn add_passkey(ask: StepUp) -> Markup {
    let filled = Filled::of("passkey", None);
    html! {
        details.act {
            summary { "Add a passkey…" }
            noscript { p.dim { "Passkeys are made by your browser through a script, and scripts are off here. An authenticator app works without." } }
            form.stack.js-passkey hidden data-kind="add" {
                p { "Your browser asks where to keep the passkey: on this device, in a password manager, on a security key." }
                (filled.field(&Field { name: "name", label: "Name of the passkey", kind: "text", value: "Passkey", complete: "off", hint: "" }))
                (owner(ask, &filled))
                p.notice.bad role="alert" hidden {}
                button.primary type="submit" { "Add the passkey" }
            }
        }
    }
}

/// Begins adding an authenticator app: shows its seed.
pub(crate) async fn begin_app(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let begun = match by.outcome {
        Ok(()) => identity::enrol_totp(&s.platform, &by.caller, given.one("name"), given.one("password")).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(enrolment) => (by.jar, confirmation(&view, &by.caller, enrolment.id, Some(&enrolment), None)).into_response(),
        Err(error) => {
            let refused = Refused::new("totp", given, error);
            step_up::again(by.jar, &refused, security::page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Finishes adding an authenticator app.
pub(crate) async fn confirm_app(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let id = given.one("id").parse().unwrap_or(FactorId(uuid::Uuid::nil()));
    match identity::confirm_totp(&s.platform, &caller, id, given.one("code")).await {
        Ok((token, codes)) => added(jar.add(session_cookie(&s, token.reveal())), &view, &caller, &codes),
        Err(error) => {
            let refused = Refused::new("confirm", given, error);
            let page = std::future::ready(Ok(confirmation(&view, &caller, id, None, Some(&refused))));
            step_up::again(jar, &refused, page).await
        }
    }
}

/// The second step of adding an app. The seed is shown once: a wrong code keeps it in the app, and the page need not show it again.
fn confirmation(view: &View, caller: &Caller, id: FactorId, shown: Option<&Enrolment>, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of("confirm", refused);
    settings(
        view,
        caller,
        Tab::Security,
        None,
        &[],
        &html! {
            h2 { "Add an authenticator app" }
            @if let Some(e) = shown {
                div.enrol {
                    div.qr { (PreEscaped(&e.qr_svg)) }
                    div {
                        p { "Scan this with the app. If you cannot, type this key into it instead: time-based, six digits." }
                        p.secret { code { (grouped(&e.secret)) } }
                    }
                }
            } @else { p { "Your app has the key already. If it has not, " a href=(security::PATH) { "begin again" } "." } }
            form.stack method="post" action="/settings/security/totp/confirm" {
                (filled.notice())
                input type="hidden" name="id" value=(id);
                (filled.field(&Field { name: "code", label: "The code that the app shows now", kind: "text", value: "", complete: "one-time-code", hint: "" }))
                p.acts { button.primary type="submit" { "Add the app" } a.button.quiet href=(security::PATH) { "Cancel" } }
            }
        },
    )
}

/// A key in groups of four, which are easier to type.
fn grouped(secret: &str) -> String {
    secret.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>().join(" ")
}

/// A factor was added: with the first one come recovery codes, shown once.
fn added(jar: CookieJar, view: &View, caller: &Caller, codes: &[String]) -> Response {
    let next = Done::FactorAdded.at(security::PATH);
    if codes.is_empty() {
        return step_up::done(jar, &next);
    }
    (jar, settings(view, caller, Tab::Security, None, &[], &secret::recovery_codes(codes, &next))).into_response()
}

/// Removes a second factor.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<FactorId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => identity::remove_factor(&s.platform, &by.caller, id).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => step_up::done(by.jar, &Done::FactorRemoved.at(security::PATH)),
        Err(error) => {
            let refused = Refused::new(format!("remove-{id}"), given, error);
            step_up::again(by.jar, &refused, security::page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Makes new recovery codes and shows them.
pub(crate) async fn new_codes(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let made = match by.outcome {
        Ok(()) => identity::make_recovery_codes(&s.platform, &by.caller.cx).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(codes) => {
            let shown = secret::recovery_codes(&codes, security::PATH);
            (by.jar, settings(&view, &by.caller, Tab::Security, None, &[], &shown)).into_response()
        }
        Err(error) => {
            let refused = Refused::new("recovery", given, error);
            step_up::again(by.jar, &refused, security::page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn keys_are_easy_to_type() {
        assert_eq!(grouped("JBSWY3DPEHPK3PXP"), "JBSW Y3DP EHPK 3PXP");
        assert_eq!(grouped("ABCDE"), "ABCD E");
    }
}
