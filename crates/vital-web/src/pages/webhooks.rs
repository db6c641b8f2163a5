//! Webhooks of the organisation: which there are, how they do, and adding one.

use super::{View, security::Seen, webhook::verifying};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        secret,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, count},
    },
    extract::{Form, Params},
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
use vital_kernel::Permission;
use vital_platform::{
    identity::Caller,
    webhooks::{self, EventType, IssuedWebhook, NewWebhook, OffBecause, Webhook},
};

pub(super) const PATH: &str = "/settings/webhooks";
/// Name of the form that adds one.
const NEW: &str = "add";

/// Shows the webhooks.
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let all = webhooks::webhooks(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let body = html! {
        p.dim { "A webhook tells a program of yours that something happened, such as an answer that is finished or a document that was read. It is sent ids and states, never content; what they stand for, the program fetches through the API with a key of its own." }
        @if all.is_empty() {
            p { "None yet. Add one with the address of your program: it is then sent a signed message for each event, and again for three days while it does not take one." }
        } @else { (table(&all)) }
        @if caller.cx.may(Permission::WebhookManage) { (add(ask, refused)) }
    };
    Ok(settings(view, caller, Tab::Webhooks, done, &["passkey.js"], &body))
}

fn table(all: &[Webhook]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Address" } th { "Receives" } th { "State" } } }
            tbody {
                @for w in all {
                    tr {
                        td data-label="Name" { a href={ (PATH) "/" (w.id) } { (w.name) } }
                        td data-label="Address" { code { (w.url) } }
                        td data-label="Receives" { (receives(w)) }
                        td data-label="State" { (health(w)) }
                    }
                }
            }
        }
    }
}

/// Which events a webhook receives, for people.
pub(super) fn receives(w: &Webhook) -> String {
    if w.events.is_empty() { "everything".to_owned() } else { w.events.iter().map(|e| e.as_str()).collect::<Vec<_>>().join(", ") }
}

/// How a webhook does, for people.
pub(super) fn health(w: &Webhook) -> Markup {
    html! {
        @match w.off_because {
            Some(OffBecause::Person) => { span.badge { "switched off" } }
            Some(OffBecause::Gone) => { span.badge data-state="failed" { "off: it answered that it is gone" } }
            Some(OffBecause::Failing) => { span.badge data-state="failed" { "off: it failed for five days" } }
            None => @if let Some(since) = w.failing_since { span.badge data-state="failed" { "failing" } " since " (ago(since)) }
                @else if let Some(at) = w.last_success_at { span.badge data-state="ready" { "working" } ", last taken " (ago(at)) }
                @else { span.badge { "nothing sent yet" } }
        }
        @if w.waiting > 0 { br; small { (count(w.waiting, "message waits", "messages wait")) } }
    }
}

fn add(ask: StepUp, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of(NEW, refused);
    let says = "From now on messages about your organisation go to this address. The secret that they are signed with is shown once, on the next page.";
    let act = Act { action: PATH, says, button: "Add the webhook", destroys: false };
    folded(ask, &filled, &act, "Add a webhook…", "", &fields(filled, None))
}

/// The inputs of a webhook, new or present.
pub(super) fn fields<'a>(filled: Filled<'a>, present: Option<&'a Webhook>) -> Markup {
    let hint = "It begins with https:// and lies on port 443 of a public host. A host in a private network has to be allowed by whoever runs this installation.";
    let (name, url) = present.map_or(("", ""), |w| (w.name.as_str(), w.url.as_str()));
    let chosen = |kind: EventType| present.is_some_and(|w| w.events.contains(&kind));
    html! {
        (filled.field(&Field { name: "name", label: "Name", kind: "text", value: name, complete: "off", hint: "What people here call it." }))
        (filled.field(&Field { name: "url", label: "Address", kind: "url", value: url, complete: "off", hint }))
        fieldset.boxes aria-describedby=[filled.described("events", "None ticked: all.")] {
            legend { "Events" }
            @for kind in EventType::ALL.into_iter().filter(|kind| *kind != EventType::Test) {
                label { input type="checkbox" name="events" value=(kind.as_str()) checked[filled.ticked("events", kind.as_str(), chosen(kind))]; span { (kind.meaning()) " " small { code { (kind.as_str()) } } } }
            }
        }
        (filled.hint("events", "Tick none for all, those of later versions included."))
    }
}

/// Adds a webhook and shows its secret, once.
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let new = NewWebhook {
        name: given.one("name").to_owned(),
        url: given.one("url").to_owned(),
        events: given.all("events").map(str::to_owned).collect(),
    };
    let added = match by.outcome {
        Ok(()) => webhooks::add_webhook(&s.platform, &by.caller.cx, new).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(issued) => (by.jar, issued_page(&view, &by.caller, &issued)).into_response(),
        Err(error) => {
            let refused = Refused::new(NEW, given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// The page that shows a secret, once.
pub(super) fn issued_page(view: &View, caller: &Caller, issued: &IssuedWebhook) -> Markup {
    let body = html! {
        p.crumbs { a href=(PATH) { "Webhooks" } " › " (issued.webhook.name) }
        h2 { "The secret of " (issued.webhook.name) }
        p { "Copy it now and give it to your program: it is never shown again." @if let Some(until) = issued.webhook.previous_secret_until { " Until " (crate::components::text::moment(until)) " messages are signed with the former one as well." } }
        (secret::once(&issued.secret))
        (verifying())
        p.acts { a.button href={ (PATH) "/" (issued.webhook.id) } { "On to the webhook" } }
    };
    settings(view, caller, Tab::Webhooks, None, &[], &body)
}
