//! Single sign-on of an organisation: its providers, how to set one up, who gets which role.

use super::{View, security::Seen, sso_fields as fields};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        role,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, count},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{Permission, ProviderId};
use vital_platform::{
    identity::{self, Caller, ProviderChange, ProviderKind, ProviderTest, SsoProvider},
    tenancy,
};

const PATH: &str = "/settings/sso";

/// Lists the providers.
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let providers = identity::providers(&s.platform, &caller.cx).await?;
    let slug = tenancy::organisation(&s.platform, &caller.cx).await?.slug;
    let ask = step_up::asked(s, caller).await?;
    let link = format!("{}/sign-in/sso?organisation={slug}", s.platform.site());
    let body = html! {
        p.dim { "People sign in where your organisation keeps its accounts, and get the roles that their groups there stand for." }
        @if providers.is_empty() { p { "No provider is set up yet." } } @else {
            (table(&providers))
            p { "People begin at " a href=(link) { (link) } ", or with “Sign in with your organisation” and the name " code { (slug) } "." }
        }
        @if caller.cx.may(Permission::PolicyWrite) {
            (add(s, ask, ProviderKind::Oidc, refused))
            (add(s, ask, ProviderKind::Supabase, refused))
        }
    };
    Ok(settings(view, caller, Tab::Sso, done, &["passkey.js"], &body))
}

fn table(providers: &[SsoProvider]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Kind" } th { "Issuer" } th { "State" } th { "Changed" } } }
            tbody {
                @for p in providers {
                    tr {
                        td data-label="Name" { a href={ (PATH) "/" (p.id) } { (p.settings.name) } }
                        td data-label="Kind" { (kind(p.settings.kind)) }
                        td data-label="Issuer" { (p.settings.issuer) }
                        td data-label="State" { (if p.settings.active { "in use" } else { "switched off" }) }
                        td data-label="Changed" { (ago(p.updated_at)) }
                    }
                }
            }
        }
    }
}

const fn kind(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Oidc => "OpenID Connect",
        ProviderKind::Supabase => "Supabase Auth",
    }
}

fn add(s: &AppState, ask: StepUp, of: ProviderKind, refused: Option<&Refused>) -> Markup {
    let says = "Whoever the provider vouches for, and whose claims lead to a role below, gets in from now on.";
    let act = Act { action: PATH, says, button: "Add the provider", destroys: false };
    let filled = Filled::of(of.as_str(), refused);
    let inner = html! {
        input type="hidden" name="kind" value=(of.as_str());
        (guide(of, &identity::redirect_uri(&s.platform)))
        (fields::inputs(filled, of, None))
    };
    folded(ask, &filled, &act, &format!("Add {}…", kind(of)), "", &inner)
}

fn guide(of: ProviderKind, redirect: &str) -> Markup {
    html! {
        @match of {
            ProviderKind::Oidc => ol.steps {
                li { "At your provider (Entra ID, Okta, Google, Keycloak and others), register a web application with the authorization code flow and PKCE." }
                li { "Give it this redirect address: " code { (redirect) } }
                li { "Copy issuer, client id and client secret from there to here, and let it send the groups of people as a claim." }
            },
            ProviderKind::Supabase => ol.steps {
                li { "The issuer is the address of your project followed by " code { "/auth/v1" } "; the audience is usually " code { "authenticated" } "." }
                li { "Give either the address of the published keys (" code { "…/auth/v1/.well-known/jwks.json" } ") or the shared JWT secret." }
                li { "Programs then send the project's access tokens as " code { "Authorization: Bearer …" } "." }
            },
        }
    }
}

/// Adds a provider.
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let added = match by.outcome.and_then(|()| fields::new(&given)) {
        Ok(new) => identity::add_provider(&s.platform, &by.caller.cx, new).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(provider) => step_up::done(by.jar, &Done::ProviderAdded.at(&format!("{PATH}/{}", provider.id))),
        Err(error) => {
            let refused = Refused::new(given.one("kind").to_owned(), given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Shows one provider.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<ProviderId>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    one(&s, &view, &caller, id, seen.done.as_deref(), None, None).await
}

async fn one(
    s: &AppState,
    view: &View,
    caller: &Caller,
    id: ProviderId,
    done: Option<&str>,
    refused: Option<&Refused>,
    tested: Option<&ProviderTest>,
) -> Reply<Markup> {
    let provider = identity::provider(&s.platform, &caller.cx, id).await?;
    let people = identity::provider_people(&s.platform, &caller.cx, id).await?;
    let ask = step_up::asked(s, caller).await?;
    let body = html! {
        p.crumbs { a href=(PATH) { "Single sign-on" } " › " (provider.settings.name) }
        h2 { (provider.settings.name) }
        @if let Some(test) = tested {
            p.notice.bad[!test.reachable] role=(if test.reachable { "status" } else { "alert" }) { (test.detail) " It took " (test.took_ms) " ms." }
        }
        (facts(&provider, people))
        @if caller.cx.may(Permission::PolicyWrite) {
            (check(ask, refused, &provider))
            (change_form(ask, refused, &provider))
            (switch(ask, refused, &provider))
            (removal(ask, refused, &provider, people))
        }
    };
    Ok(settings(view, caller, Tab::Sso, done, &["passkey.js"], &body))
}

fn facts(p: &SsoProvider, people: i64) -> Markup {
    let s = &p.settings;
    html! {
        dl.facts {
            div { dt { "State" } dd { (if s.active { "in use" } else { "switched off" }) } }
            div { dt { "Kind" } dd { (kind(s.kind)) } }
            div { dt { "Issuer" } dd { code { (s.issuer) } } }
            @if s.kind == ProviderKind::Oidc {
                div { dt { "Client id" } dd { code { (s.client_id) } } }
                div { dt { "Redirect address" } dd { code { (p.redirect_uri) } } }
            } @else {
                div { dt { "Audience" } dd { code { (s.client_id) } } }
            }
            div { dt { "Secret" } dd {
                @if let Some(url) = &s.jwks_url { "published keys at " code { (url) } }
                @else if p.has_secret { "stored, never shown" @if p.has_previous_secret { "; the one before it is still accepted" } }
                @else { "none" }
            } }
            div { dt { "Roles" } dd {
                @if s.role_claim.is_empty() { "everybody: " (role::line(s.default_roles.iter().copied())) }
                @else { @for (value, roles) in &s.role_map { code { (value) } " " (role::line(roles.iter().copied())) br; } "from " code { (s.role_claim) } "; otherwise " (if s.default_roles.is_empty() { "no access".to_owned() } else { role::line(s.default_roles.iter().copied()) }) }
            } }
            div { dt { "People" } dd { (count(people, "account has", "accounts have")) " come through it" } }
        }
    }
}

fn check(ask: StepUp, refused: Option<&Refused>, p: &SsoProvider) -> Markup {
    let action = format!("{PATH}/{}/test", p.id);
    let says = "This server asks the provider for its metadata and keys, as a sign-in would.";
    let act = Act { action: &action, says, button: "Test the provider", destroys: false };
    folded(ask, &Filled::of("test", refused), &act, "Test it…", "", &html! {})
}

fn change_form(ask: StepUp, refused: Option<&Refused>, p: &SsoProvider) -> Markup {
    let action = format!("{PATH}/{}", p.id);
    let says = "This counts from the next sign-in and the next token on. Kind and issuer cannot change: add another provider for that.";
    let act = Act { action: &action, says, button: "Save", destroys: false };
    let filled = Filled::of("change", refused);
    folded(ask, &filled, &act, "Change the settings…", "", &fields::inputs(filled, p.settings.kind, Some(p)))
}

fn switch(ask: StepUp, refused: Option<&Refused>, p: &SsoProvider) -> Markup {
    let action = format!("{PATH}/{}/active", p.id);
    let (says, button, summary) = if p.settings.active {
        (
            "Nobody signs in through it while it is switched off; tokens of it are refused at once. Sessions that are open go on.",
            "Switch it off",
            "Switch it off…",
        )
    } else {
        ("People can sign in through it again.", "Switch it on", "Switch it on…")
    };
    let act = Act { action: &action, says, button, destroys: p.settings.active };
    let inner = html! { input type="hidden" name="active" value=(if p.settings.active { "no" } else { "yes" }); };
    folded(ask, &Filled::of("active", refused), &act, summary, "", &inner)
}

fn removal(ask: StepUp, refused: Option<&Refused>, p: &SsoProvider, people: i64) -> Markup {
    let action = format!("{PATH}/{}/delete", p.id);
    let says = format!(
        "This removes the provider and forgets which {} came through it. Accounts and what they made stay; who has no password here cannot sign in until another provider vouches for their address.",
        count(people, "account", "accounts")
    );
    let act = Act { action: &action, says: &says, button: "Remove the provider", destroys: true };
    folded(ask, &Filled::of("delete", refused), &act, "Remove it…", "", &html! {})
}

/// Changes a provider.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let changed = fields::change(&given);
    act(&s, caller, &view, jar, id, "change", given, changed, Done::ProviderChanged).await
}

/// Switches a provider on or off.
pub(crate) async fn activate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = ProviderChange { active: Some(given.has("active", "yes")), ..ProviderChange::default() };
    act(&s, caller, &view, jar, id, "active", given, Ok(change), Done::ProviderChanged).await
}

#[expect(clippy::too_many_arguments, reason = "what two forms of one page have in common")]
async fn act(
    s: &AppState,
    caller: Caller,
    view: &View,
    jar: CookieJar,
    id: ProviderId,
    form: &str,
    given: Fields,
    change: vital_kernel::Result<ProviderChange>,
    done: Done,
) -> Response {
    let by = step_up::prove(s, caller, jar, &given).await;
    let changed = match by.outcome.and(change) {
        Ok(change) => identity::change_provider(&s.platform, &by.caller.cx, id, change).await.map(|_| ()),
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => step_up::done(by.jar, &done.at(&format!("{PATH}/{id}"))),
        Err(error) => {
            let refused = Refused::new(form, given, error);
            step_up::again(by.jar, &refused, one(s, view, &by.caller, id, None, Some(&refused), None)).await
        }
    }
}

/// Tests a provider and shows what came.
pub(crate) async fn test(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let tested = match by.outcome {
        Ok(()) => identity::test_provider(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match tested {
        Ok(test) => (by.jar, one(&s, &view, &by.caller, id, None, None, Some(&test)).await).into_response(),
        Err(error) => {
            let refused = Refused::new("test", given, error);
            step_up::again(by.jar, &refused, one(&s, &view, &by.caller, id, None, Some(&refused), None)).await
        }
    }
}

/// Removes a provider.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ProviderId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => identity::remove_provider(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => step_up::done(by.jar, &Done::ProviderRemoved.at(PATH)),
        Err(error) => {
            let refused = Refused::new("delete", given, error);
            step_up::again(by.jar, &refused, one(&s, &view, &by.caller, id, None, Some(&refused), None)).await
        }
    }
}
