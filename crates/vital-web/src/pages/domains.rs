//! Custom domains of an organisation: which there are, what proves one, how it stands.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, worded},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::Permission;
use vital_platform::{
    identity::Caller,
    tenancy::{self, CustomDomain},
};

const PATH: &str = "/settings/domains";

/// Lists the domains.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let domains = tenancy::domains(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let may_change = caller.cx.may(Permission::PolicyWrite);
    let body = html! {
        p.dim { "People of your organisation reach it under a name of your own, and nobody of another organisation can sign in there." }
        @if domains.is_empty() { (teaching()) }
        @for domain in &domains { (one(ask, refused, domain, may_change)) }
        @if may_change { (add(ask, refused)) }
    };
    Ok(settings(view, caller, Tab::Domains, done, &["passkey.js"], &body))
}

fn teaching() -> Markup {
    html! {
        p { "There is no domain yet. It takes three steps, and the first two can be done by whoever runs your DNS:" }
        ol.steps {
            li { "Let the name, for example " code { "path.example.com" } ", lead to this server with a CNAME or an A and AAAA record." }
            li { "Add the name below, and publish the TXT record that you are then shown: its name is " code { "_vital-path.path.example.com" } ", its value begins with " code { "vital-path-proof=" } "." }
            li { "Come back and press “Look for the record”. The certificate follows by itself where the installation has an authority." }
        }
    }
}

fn one(ask: StepUp, refused: Option<&Refused>, d: &CustomDomain, may_change: bool) -> Markup {
    html! {
        section {
            h2 { (d.domain) }
            dl.facts {
                div { dt { "State" } dd { (state(d)) } }
                div { dt { "TXT record" } dd { code { (d.record_name) } } }
                div { dt { "Its value" } dd { code { (d.record_value) } } }
                @if let Some(at) = d.proved_at { div { dt { "Last seen" } dd { (ago(at)) } } }
                @if let Some(at) = d.checked_at { div { dt { "Last looked for" } dd { (ago(at)) } } }
                @if let Some(notice) = &d.issuance { div { dt { "Certificates" } dd { (worded(&notice.says)) } } }
            }
            @if may_change { (verification(ask, refused, d)) (removal(ask, refused, d)) }
        }
    }
}

fn state(d: &CustomDomain) -> &'static str {
    match (d.verified_at, d.proved_at) {
        (Some(_), proved) if proved == d.checked_at => "in use",
        (Some(_), _) => "in use, but its record was not there at the last look; put it back within three days",
        (None, Some(_)) => "not in use: its record was gone for more than three days",
        (None, None) => "waits for its record",
    }
}

fn verification(ask: StepUp, refused: Option<&Refused>, d: &CustomDomain) -> Markup {
    let (action, form) = (format!("{PATH}/{}/verify", d.domain), format!("verify-{}", d.domain));
    let says = "Once the record is seen, the name leads to your organisation. The record has to stay: it is looked for every day.";
    let act = Act { action: &action, says, button: "Look for the record", destroys: false };
    folded(ask, &Filled::of(&form, refused), &act, "Look for the record…", "", &html! {})
}

fn removal(ask: StepUp, refused: Option<&Refused>, d: &CustomDomain) -> Markup {
    let (action, form) = (format!("{PATH}/{}/delete", d.domain), format!("delete-{}", d.domain));
    let says =
        "The name no longer leads to your organisation. Whoever is signed in there signs in again at the address of the installation.";
    let act = Act { action: &action, says, button: "Remove the domain", destroys: true };
    folded(ask, &Filled::of(&form, refused), &act, "Remove it…", "", &html! {})
}

fn add(ask: StepUp, refused: Option<&Refused>) -> Markup {
    let act = Act { action: PATH, says: "The name leads nowhere until its record was seen.", button: "Add the domain", destroys: false };
    let filled = Filled::of("add", refused);
    let hint = "A name such as path.example.com, without https:// and path.";
    let inner = filled.field(&Field { name: "domain", label: "Domain", kind: "text", value: "", complete: "off", hint });
    folded(ask, &filled, &act, "Add a domain…", "", &inner)
}

/// Claims a domain.
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let added = match by.outcome {
        Ok(()) => tenancy::add_domain(&s.platform, &by.caller.cx, given.one("domain")).await.map(drop),
        Err(error) => Err(error),
    };
    match added {
        Ok(()) => step_up::done(by.jar, &Done::DomainAdded.at(PATH)),
        Err(error) => {
            let refused = Refused::new("add", given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Looks for the record of a domain.
pub(crate) async fn verify(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(domain): Id<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let verified = match by.outcome {
        Ok(()) => tenancy::verify_domain(&s.platform, &by.caller.cx, &domain).await.map(drop),
        Err(error) => Err(error),
    };
    match verified {
        Ok(()) => step_up::done(by.jar, &Done::DomainVerified.at(PATH)),
        Err(error) => {
            let refused = Refused::new(format!("verify-{domain}"), given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Removes a domain.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(domain): Id<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => tenancy::remove_domain(&s.platform, &by.caller.cx, &domain).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => step_up::done(by.jar, &Done::DomainRemoved.at(PATH)),
        Err(error) => {
            let refused = Refused::new(format!("delete-{domain}"), given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}
