//! API keys: one's own, and for administrators everybody's and those of service accounts.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        secret,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, day},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{KeyId, Permission, Result, RoleSet, limits};
use vital_platform::identity::{self, Caller, IssuedKey, Key, Member, MemberFilter, MemberKind, NewKey};

const PATH: &str = "/settings/keys";
/// Name of the form that makes a key.
const NEW: &str = "key";
/// Lives of keys to choose from, in days.
const DAYS: [(i64, &str); 4] = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")];

/// Shows the keys.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// Makes a key and shows it, once.
pub(crate) async fn make(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let issued = match by.outcome {
        Ok(()) => identity::issue_key(&s.platform, &by.caller, read(&given)).await,
        Err(error) => Err(error),
    };
    match issued {
        Ok(key) => (by.jar, settings(&view, &by.caller, Tab::Keys, None, &[], &issued_key(&key))).into_response(),
        Err(error) => {
            let refused = Refused::new(NEW, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

fn read(given: &Fields) -> NewKey {
    NewKey {
        name: given.one("name").to_owned(),
        scopes: given.all("scopes").map(str::to_owned).collect(),
        days: Some(given.one("days").parse().unwrap_or(0)),
        member: given.one("member").parse().ok(),
    }
}

/// Revokes a key.
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<KeyId>) -> Reply<Redirect> {
    identity::revoke_key(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&Done::KeyRevoked.at(PATH)))
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let own = identity::keys(p, cx).await?;
    let others = others(s, caller).await?;
    let services = services(s, caller).await?;
    let ask = step_up::asked(s, caller).await?;
    let body = html! {
        p.dim { "A key lets a program call the API in your name, within the scopes you choose and never beyond your roles. " a href="/docs" { "Description of the API" } }
        section aria-labelledby="own-h" {
            h2 #own-h { "Your keys" }
            @if own.is_empty() { p { "None yet. Make one for each program, so that you can revoke it without touching the others." } } @else { (list(&own, false)) }
            (new(ask, refused, cx.roles(), &services))
        }
        @if !others.is_empty() { section aria-labelledby="others-h" { h2 #others-h { "Keys of others" } (list(&others, true)) } }
    };
    Ok(settings(view, caller, Tab::Keys, done, &["passkey.js"], &body))
}

/// What administrators see of everybody else's keys.
async fn others(s: &AppState, caller: &Caller) -> Result<Vec<Key>> {
    if !caller.cx.may(Permission::KeyManage) {
        return Ok(Vec::new());
    }
    let all = identity::all_keys(&s.platform, &caller.cx, None, limits::PAGE_SIZE_MAX).await?;
    Ok(all.into_iter().filter(|k| Some(k.member) != caller.cx.user()).collect())
}

/// Service accounts that keys can be made for.
async fn services(s: &AppState, caller: &Caller) -> Result<Vec<Member>> {
    if !caller.cx.may(Permission::KeyManage) {
        return Ok(Vec::new());
    }
    let filter = MemberFilter { kind: Some(MemberKind::Service), limit: limits::PAGE_SIZE_MAX, ..MemberFilter::default() };
    Ok(identity::members(&s.platform, &caller.cx, &filter).await?.into_iter().filter(|m| m.active).collect())
}

fn list(keys: &[Key], owners: bool) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } @if owners { th { "Of" } } th { "Scopes" } th { "Ends" } th { "Last used" } th { span.sr { "Actions" } } } }
            tbody {
                @for key in keys {
                    tr {
                        td data-label="Name" { (key.name) br; small { code { (key.prefix) "…" } } }
                        @if owners { td data-label="Of" { (key.member_name) @if key.service { br; small { "service account" } } } }
                        td data-label="Scopes" { (key.scopes.join(", ")) }
                        td data-label="Ends" { @if key.revoked_at.is_some() { span.badge data-state="failed" { "revoked" } } @else if let Some(at) = key.ends_at { (day(at)) } }
                        td data-label="Last used" { @if let Some(at) = key.used_at { (ago(at)) } @else { "never" } }
                        td.acts-cell {
                            @if key.revoked_at.is_none() {
                                details.act {
                                    summary { "Revoke…" span.sr { " " (key.name) } }
                                    form.stack method="post" action={ "/settings/keys/" (key.id) "/revoke" } {
                                        p { "This ends the key at once; programs that use it are refused. It cannot be undone." }
                                        button.danger type="submit" { "Revoke the key" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn new(ask: StepUp, refused: Option<&Refused>, roles: RoleSet, services: &[Member]) -> Markup {
    let filled = Filled::of(NEW, refused);
    let act = Act {
        action: PATH,
        says: "This makes a key with which a program can do what the scopes say until it ends.",
        button: "Make the key",
        destroys: false,
    };
    // A service account may have roles that the administrator has not.
    let offered = Permission::ALL.into_iter().filter(|p| !services.is_empty() || p.held_by(roles));
    let inner = html! {
        (filled.field(&Field { name: "name", label: "Name of the program", kind: "text", value: "", complete: "off", hint: "" }))
        @if !services.is_empty() {
            label for="key-member" { "Acts for" }
            select #key-member name="member" {
                option value="" { "yourself" }
                @for service in services { option value=(service.id) selected[filled.ticked("member", &service.id.to_string(), false)] { (service.display_name) " (service account)" } }
            }
        }
        fieldset.boxes aria-describedby=[filled.described("scopes", "")] {
            legend { "Scopes" }
            @for permission in offered {
                label { input type="checkbox" name="scopes" value=(permission) checked[filled.ticked("scopes", permission.as_str(), false)]; span { (permission.meaning()) " " small { code { (permission) } } } }
            }
        }
        (filled.hint("scopes", ""))
        label for="key-days" { "Ends after" }
        select #key-days name="days" aria-describedby=[filled.described("days", "")] { @for (days, name) in DAYS { option value=(days) selected[filled.ticked("days", &days.to_string(), days == limits::KEY_DAYS)] { (name) } } }
        (filled.hint("days", ""))
    };
    folded(ask, &filled, &act, "Make a key…", "", &inner)
}

fn issued_key(key: &IssuedKey) -> Markup {
    html! {
        h2 { "Your new key" }
        p { "Copy it now: it is not stored in a form that could be shown again. It ends on " (day(key.ends_at)) "." }
        (secret::once(&key.key))
        p.dim { "Programs send it with every request:" }
        p { code { "Authorization: Bearer " (key.prefix) "…" } }
        p.acts { a.button href=(PATH) { "Back to the keys" } }
    }
}
