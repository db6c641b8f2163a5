//! One webhook of the organisation: its settings, what was delivered, and sending again.

use super::{
    View,
    providers::UNPROVEN,
    webhooks::{PATH, fields, health, issued_page, receives},
};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, link_with, moment},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use time::{Duration, OffsetDateTime};
use vital_kernel::{Error, Permission, Result, WebhookDeliveryId, WebhookId, now};
use vital_platform::{
    identity::Caller,
    webhooks::{self, Attempt, Delivery, DeliveryFilter, DeliveryState, Outcome, Webhook, WebhookChange},
};

/// Deliveries on one page.
const SHOWN: i64 = 25;
/// Times to choose from, from when on missed messages are sent, in hours.
const SINCE: [(i64, &str); 4] = [(1, "the last hour"), (24, "the last day"), (168, "the last week"), (720, "the last 30 days")];
/// How a receiver verifies a message.
const EXAMPLE: &str = r#"from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app, hook = Flask(__name__), Webhook("whsec_…")

@app.post("/hook")
def receive():
    try: event = hook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError: return "", 400
    return "", 204"#;

/// How a receiver verifies what it is sent.
pub(super) fn verifying() -> Markup {
    html! {
        details.act {
            summary { "How your program verifies a message…" }
            p { "Messages follow the Standard Webhooks specification, so a library of it verifies them in one call; in Python, after " code { "pip install standardwebhooks" } ":" }
            pre.example { code { (EXAMPLE) } }
            p.dim { "Answer with a status from 200 to 299 at once, within 15 seconds, and work afterwards. A message may come more than once, always under the same " code { "webhook-id" } ", and not always in order." }
        }
    }
}

/// Shows one webhook.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<WebhookId>,
    Params(seen): Params<Shown>,
) -> Reply<Markup> {
    one(&s, &view, &caller, id, &seen, None).await
}

/// What the address of the page says.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Shown {
    done: Option<String>,
    before: Option<WebhookDeliveryId>,
}

async fn one(s: &AppState, view: &View, caller: &Caller, id: WebhookId, seen: &Shown, refused: Option<&Refused>) -> Reply<Markup> {
    let webhook = webhooks::webhook(&s.platform, &caller.cx, id).await?;
    let filter = DeliveryFilter { before: seen.before, limit: SHOWN, ..DeliveryFilter::default() };
    let log = webhooks::deliveries(&s.platform, &caller.cx, id, filter).await?;
    let ask = step_up::asked(s, caller).await?;
    let may = caller.cx.may(Permission::WebhookManage);
    let body = html! {
        p.crumbs { a href=(PATH) { "Webhooks" } " › " (webhook.name) }
        h2 { (webhook.name) }
        (facts(&webhook))
        @if may { (acts(ask, refused, &webhook)) }
        (verifying())
        section aria-labelledby="log-h" {
            h2 #log-h { "Deliveries" }
            @if log.is_empty() { p { "Nothing was sent in the last 30 days. " @if may { "Send a test to see whether your program takes it." } } }
            @else { (table(&log, may && webhook.enabled)) }
            @if log.len() == usize::try_from(SHOWN).unwrap_or_default() {
                @if let Some(last) = log.last() { p.acts { a.button href=(link_with(&format!("{PATH}/{id}"), &[("before", &last.id.to_string())])) { "Older deliveries" } } }
            }
        }
    };
    Ok(settings(view, caller, Tab::Webhooks, seen.done.as_deref(), &["passkey.js"], &body))
}

fn facts(w: &Webhook) -> Markup {
    html! {
        dl.facts {
            div { dt { "State" } dd { (health(w)) } }
            div { dt { "Address" } dd { code { (w.url) } } }
            div { dt { "Receives" } dd { (receives(w)) } }
            div { dt { "Secret" } dd {
                "since " (ago(w.secret_set_at)) ", never shown"
                @if let Some(until) = w.previous_secret_until { "; the former one signs as well until " (moment(until)) }
            } }
            @if let Some(since) = w.off_since { div { dt { "Off since" } dd { (moment(since)) } } }
        }
    }
}

fn acts(ask: StepUp, refused: Option<&Refused>, w: &Webhook) -> Markup {
    let at = |verb: &str| format!("{PATH}/{}{verb}", w.id);
    let (change, active, rotate, test, recover, delete) =
        (at(""), at("/active"), at("/secret"), at("/test"), at("/recover"), at("/delete"));
    let changed = Filled::of("change", refused);
    let (says, button, summary) = if w.enabled {
        ("Nothing is sent any more. What happens meanwhile is kept for 30 days and can be sent later.", "Switch it off", "Switch it off…")
    } else {
        (
            "What waited is sent at once, and everything from now on. What happened while it was off you can have sent afterwards.",
            "Switch it on",
            "Switch it on…",
        )
    };
    let on = html! { input type="hidden" name="enabled" value=(if w.enabled { "no" } else { "yes" }); };
    html! {
        @if w.enabled {
            (folded(UNPROVEN, &Filled::of("test", refused), &Act { action: &test, says: "A message of the type webhook.test is sent, signed and tried again as any other.", button: "Send a test", destroys: false }, "Send a test…", "", &html! {}))
            (folded(UNPROVEN, &Filled::of("recover", refused), &Act { action: &recover, says: "Everything that the webhook did not take is sent again, what happened while it was off included. What it took is not.", button: "Send what was missed", destroys: false }, "Send what was missed…", "", &since()))
        }
        (folded(ask, &changed, &Act { action: &change, says: "Messages that wait go to the new address too.", button: "Save", destroys: false }, "Change name, address or events…", "", &fields(changed, Some(w))))
        (folded(ask, &Filled::of("secret", refused), &Act { action: &rotate, says: "You are shown a new secret. For 24 hours messages are signed with both, so that you can change your program in between.", button: "Make a new secret", destroys: false }, "Make a new secret…", "", &html! {}))
        (folded(UNPROVEN, &Filled::of("active", refused), &Act { action: &active, says, button, destroys: w.enabled }, summary, "", &on))
        (folded(ask, &Filled::of("delete", refused), &Act { action: &delete, says: "This removes the webhook with its secret, the messages that wait for it and its log.", button: "Remove the webhook", destroys: true }, "Remove it…", "", &html! {}))
    }
}

fn since() -> Markup {
    html! {
        label for="since" { "From" }
        select #since name="hours" { @for (hours, name) in SINCE { option value=(hours) selected[hours == 24] { (name) } } }
    }
}

fn table(log: &[Delivery], may_resend: bool) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Event" } th { "When" } th { "State" } th { "Last attempt" } @if may_resend { th { span.sr { "Actions" } } } } }
            tbody {
                @for d in log {
                    tr id={ "d-" (d.id) } {
                        td data-label="Event" { code { (d.event.as_str()) } br; small { code { (d.message_id) } } }
                        td data-label="When" { (ago(d.created_at)) }
                        td data-label="State" { (state(d)) }
                        td data-label="Last attempt" { (attempts(&d.attempts)) }
                        @if may_resend {
                            td.acts-cell {
                                form method="post" action={ (PATH) "/deliveries/" (d.id) "/resend" } {
                                    button type="submit" { "Send again" span.sr { " " (d.event.as_str()) " " (d.message_id) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(d: &Delivery) -> Markup {
    html! {
        @match d.state {
            DeliveryState::Delivered => { span.badge data-state="ready" { "delivered" } }
            DeliveryState::GivenUp => { span.badge data-state="failed" { "given up" } }
            DeliveryState::Pending => {
                span.badge { "waiting" }
                @if let Some(at) = d.next_at.filter(|_| !d.attempts.is_empty()) { br; small { "next at " (moment(at)) } }
            }
        }
    }
}

fn attempts(all: &[Attempt]) -> Markup {
    html! {
        @match all {
            [] => "none yet"
            [only] => (attempt(only))
            [last, earlier @ ..] => {
                (attempt(last))
                details.act {
                    summary { (earlier.len()) " earlier" }
                    ul.plain { @for a in earlier { li { (attempt(a)) } } }
                }
            }
        }
    }
}

fn attempt(a: &Attempt) -> Markup {
    let words = match a.outcome {
        Outcome::Answered => "",
        Outcome::NotReached => "not reached",
        Outcome::TooSlow => "no answer in time",
        Outcome::CutOff => "the connection broke off",
        Outcome::Unreadable => "not a readable answer",
        Outcome::AddressRefused => "the address is not allowed",
    };
    html! { @match a.status { Some(status) => { "answered " (status) } None => (words) } ", " (ago(a.at)) ", " (a.took_ms) " ms" }
}

/// Changes a webhook.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = WebhookChange {
        name: Some(given.one("name").to_owned()),
        url: Some(given.one("url").to_owned()),
        events: Some(given.all("events").map(str::to_owned).collect()),
        enabled: None,
    };
    let by = step_up::prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => webhooks::change_webhook(&s.platform, &by.caller.cx, id, change).await,
        Err(error) => Err(error),
    };
    answer(&s, &view, &by.caller, by.jar, id, "change", given, changed.map(|_| Done::WebhookChanged)).await
}

/// Switches a webhook on or off.
pub(crate) async fn activate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let enabled = given.has("enabled", "yes");
    let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
    let changed = webhooks::change_webhook(&s.platform, &caller.cx, id, change).await;
    let done = if enabled { Done::WebhookOn } else { Done::WebhookOff };
    answer(&s, &view, &caller, jar, id, "active", given, changed.map(|_| done)).await
}

/// Makes a new secret and shows it, once.
pub(crate) async fn rotate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let rotated = match by.outcome {
        Ok(()) => webhooks::rotate_secret(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match rotated {
        Ok(issued) => (by.jar, issued_page(&view, &by.caller, &issued)).into_response(),
        Err(error) => answer(&s, &view, &by.caller, by.jar, id, "secret", given, Err(error)).await,
    }
}

/// Sends a test.
pub(crate) async fn test(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let sent = webhooks::test_webhook(&s.platform, &caller.cx, id).await;
    answer(&s, &view, &caller, jar, id, "test", given, sent.map(|_| Done::WebhookTested)).await
}

/// Sends what was missed.
pub(crate) async fn recover(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let sent = match from(given.one("hours")) {
        Ok(since) => webhooks::recover(&s.platform, &caller.cx, id, since).await,
        Err(error) => Err(error),
    };
    answer(&s, &view, &caller, jar, id, "recover", given, sent.map(|_| Done::WebhookRecovered)).await
}

/// The moment so many hours ago, of those that the form offers.
fn from(hours: &str) -> Result<OffsetDateTime> {
    let hours = hours.parse().ok().filter(|hours| SINCE.iter().any(|(offered, _)| offered == hours));
    let hours = hours.ok_or_else(|| Error::invalid("webhook.since", "Choose one of the times that are offered. Nothing was sent."))?;
    Ok(now() - Duration::hours(hours))
}

/// Removes a webhook.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<WebhookId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => webhooks::remove_webhook(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => step_up::done(by.jar, &Done::WebhookRemoved.at(PATH)),
        Err(error) => answer(&s, &view, &by.caller, by.jar, id, "delete", given, Err(error)).await,
    }
}

/// Sends one message again.
pub(crate) async fn resend(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<WebhookDeliveryId>) -> Reply<Redirect> {
    let delivery = webhooks::resend(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&format!("{}#d-{id}", Done::WebhookResent.at(&format!("{PATH}/{}", delivery.webhook_id)))))
}

/// On to the webhook's own page, or that page again with what was refused.
#[expect(clippy::too_many_arguments, reason = "what the forms of one page have in common")]
async fn answer(
    s: &AppState,
    view: &View,
    caller: &Caller,
    jar: CookieJar,
    id: WebhookId,
    form: &str,
    given: Fields,
    outcome: Result<Done>,
) -> Response {
    match outcome {
        Ok(done) => step_up::done(jar, &done.at(&format!("{PATH}/{id}"))),
        Err(error) => {
            let refused = Refused::new(form, given, error);
            step_up::again(jar, &refused, one(s, view, caller, id, &Shown::default(), Some(&refused))).await
        }
    }
}
