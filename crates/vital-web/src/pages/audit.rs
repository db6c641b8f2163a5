//! The auditor's explorer: every entry of the trail, newest first, with filters in the address; one entry; who saw a document.

use super::View;
use crate::{
    api::audit::{Filter, file},
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act, StepUp},
        text::{count, link_with, moment},
        trail::{self, EXPLORER, Linking},
    },
    extract::{Form, Id, Params},
    problem::{Problem, Reply},
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::HashMap;
use uuid::Uuid;
use vital_kernel::{DocumentId, Kind, Result, limits};
use vital_platform::{
    audit::{self, DownloadFormat, Entry, GROUPS, Verification},
    identity::Caller,
    knowledge,
};

/// The fields of the filter, in the order of the form.
const FIELDS: [&str; 7] = ["who", "action", "resource", "object", "since", "until", "request"];
/// Names of the forms on the page.
const FORM: &str = "filter";
const DOWNLOAD: &str = "download";

/// Shows the explorer.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Fields>) -> Response {
    let filter = filter_of(&given);
    let found = match filter.read() {
        Ok(filter) => audit::entries(&s.platform, &caller.cx, &filter).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(entries) => explorer(&s, &view, &caller, &given, &entries, &Above::default()).await.into_response(),
        Err(error) if error.kind() == Kind::Invalid => {
            let refused = Refused::new(FORM, given.clone(), error);
            let page = settings(&view, &caller, Tab::Audit, None, &[], &form(&given, Some(&refused)));
            (refused.problem().status(), page).into_response()
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

fn filter_of(given: &Fields) -> Filter {
    let text = |name| Some(given.one(name).to_owned());
    Filter {
        who: text("who"),
        action: text("action"),
        resource: text("resource"),
        object: text("object"),
        request: text("request"),
        since: text("since"),
        until: text("until"),
        before: given.one("before").parse().ok(),
        ..Filter::default()
    }
}

/// Verifies the trail and shows what came of it above the newest entries.
pub(crate) async fn verify(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View) -> Reply<Markup> {
    let found = audit::verify(&s.platform, &caller.cx).await?;
    let entries = audit::entries(&s.platform, &caller.cx, &Filter::default().read()?).await?;
    explorer(&s, &view, &caller, &Fields::default(), &entries, &Above { said: verified(&found), refused: None }).await
}

/// Downloads what the filter in the form lets through.
pub(crate) async fn download(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let made = async {
        by.outcome?;
        let format: DownloadFormat = given.one("format").parse()?;
        Ok((audit::download(&s.platform, &by.caller.cx, &filter_of(&given).read()?, format).await?, format))
    };
    match made.await {
        Ok((bytes, format)) => (by.jar, file(bytes, format)).into_response(),
        Err(error) => {
            let refused = Refused::new(DOWNLOAD, given.clone(), error);
            let page = async {
                let entries = match filter_of(&given).read() {
                    Ok(filter) => audit::entries(&s.platform, &by.caller.cx, &filter).await?,
                    // What cannot be read is told beside the form.
                    Err(_) => Vec::new(),
                };
                explorer(&s, &view, &by.caller, &given, &entries, &Above { said: html! {}, refused: Some(&refused) }).await
            };
            step_up::again(by.jar, &refused, page).await
        }
    }
}

/// What the explorer shows above its entries.
#[derive(Default)]
struct Above<'a> {
    /// What has just been found.
    said: Markup,
    /// A download that was refused.
    refused: Option<&'a Refused>,
}

fn verified(v: &Verification) -> Markup {
    let total = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    html! {
        div.notice.bad[!v.sound] role=(if v.sound { "status" } else { "alert" }) tabindex="-1" autofocus {
            @if v.sound { p { strong { "The trail is unchanged." } " " (count(total(v.entries), "entry", "entries")) " and " (count(total(v.checkpoints), "signed checkpoint", "signed checkpoints")) " fit each other." } }
            @else {
                p { strong { "The trail was changed: " (count(total(v.faults_total), "fault", "faults")) "." } " Keep the database as it is and tell whoever is responsible for your security." }
                ul { @for fault in &v.faults { li { (fault) } } }
            }
            @if let (Some(entries), Some(at)) = (v.signed_entries, v.signed_at) { p { "Signed up to entry " (entries) ", on " (moment(at)) "." } }
            @if !v.notes.is_empty() { ul { @for note in &v.notes { li { (note) } } } }
        }
    }
}

async fn explorer(s: &AppState, view: &View, caller: &Caller, given: &Fields, entries: &[Entry], above: &Above<'_>) -> Reply<Markup> {
    let linking = linking(s, caller, entries, false).await?;
    let overdue = audit::overdue_reviews(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let filtered = FIELDS.iter().any(|f| !given.one(f).trim().is_empty());
    let older = older(entries).map(|last| {
        let mut query: Vec<(&str, &str)> = FIELDS.iter().map(|f| (*f, given.one(f))).collect();
        query.push(("before", &last));
        link_with(EXPLORER, &query)
    });
    let body = html! {
        (super::reviews::banner(overdue))
        (above.said)
        div.section-head {
            p.dim { "Everything that anybody did or read in your organisation, newest first, in UTC. Entries name objects and fields, never what is in them, and cannot be changed." }
            form method="post" action={ (EXPLORER) "/verify" } { button type="submit" { "Verify the trail" } }
        }
        (form(given, None))
        @if !entries.is_empty() { (trail::table(entries, &linking)) }
        @else if filtered { p { "Nothing in the trail fits. Take a filter away, or widen the days. " a href=(EXPLORER) { "Show everything" } } }
        @else { p { "Nothing is recorded yet. As soon as somebody signs in, asks, reads or changes something, it stands here." } }
        @if let Some(older) = older { p.acts { a.button.quiet href=(older) { "Older entries" } } }
        @if !entries.is_empty() || above.refused.is_some() { (download_form(given, ask, above.refused)) }
    };
    Ok(settings(view, caller, Tab::Audit, None, &["passkey.js"], &body))
}

/// The id behind which the next page begins, where there may be one.
pub(super) fn older(entries: &[Entry]) -> Option<String> {
    let full = i64::try_from(entries.len()).is_ok_and(|n| n == limits::PAGE_SIZE);
    full.then(|| entries.last().map(|e| e.id.to_string())).flatten()
}

/// What lists of entries need, for this reader.
pub(super) async fn linking<'a>(s: &AppState, caller: &'a Caller, entries: &[Entry], own: bool) -> Result<Linking<'a>> {
    let mut ids: Vec<DocumentId> = entries
        .iter()
        .filter(|e| matches!(e.resource.as_str(), "document" | "documents"))
        .flat_map(|e| e.objects.iter().take(3))
        .filter_map(|id| id.parse().ok())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let titles = knowledge::titles(&s.platform, &caller.cx, &ids).await?;
    let titles: HashMap<String, String> = titles.into_iter().map(|(id, title)| (id.to_string(), title)).collect();
    Ok(Linking { cx: &caller.cx, titles, own })
}

fn download_form(given: &Fields, ask: StepUp, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of(DOWNLOAD, refused);
    let says = format!(
        "This hands out every entry that fits the filter above, {} at most, as a file. The download is recorded and stands in the weekly review.",
        count(i64::try_from(limits::AUDIT_DOWNLOAD_ENTRIES_MAX).unwrap_or(i64::MAX), "entry", "entries")
    );
    let act = Act { action: &format!("{EXPLORER}/download"), says: &says, button: "Download", destroys: false };
    let inner = html! {
        @for field in FIELDS { @if !given.one(field).is_empty() { input type="hidden" name=(field) value=(given.one(field)); } }
        label for=(filled.id("format")) { "Format" }
        select id=(filled.id("format")) name="format" aria-describedby=(filled.id("format-hint")) {
            option value="jsonl" { "JSON lines" }
            option value="csv" selected[filled.value("format", "") == "csv"] { "Table (CSV)" }
        }
        p.field-hint id=(filled.id("format-hint")) { "JSON lines are what the command line exports. The table names people too." }
    };
    step_up_form::folded(ask, &filled, &act, "Download these entries…", "", &inner)
}

fn form(given: &Fields, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of(FORM, refused);
    html! {
        (filled.notice())
        form.filters method="get" action=(EXPLORER) role="search" aria-label="Filter the trail" {
            (input(&filled, given, "who", "Who", "text", "Name, address or id"))
            div {
                label for=(filled.id("action")) { "What" }
                select id=(filled.id("action")) name="action" {
                    option value="" { "anything" }
                    optgroup label="Groups" { @for (group, called, _) in GROUPS { option value=(group) selected[given.one("action") == group] { (called) } } }
                    optgroup label="Single actions" {
                        @for action in vital_kernel::AuditAction::ALL { option value=(action.as_str()) selected[given.one("action") == action.as_str()] { (action.as_str()) } }
                    }
                }
                (filled.hint("action", ""))
            }
            (input(&filled, given, "object", "Object", "text", "Id of an object"))
            (input(&filled, given, "since", "From", "date", ""))
            (input(&filled, given, "until", "To", "date", ""))
            (input(&filled, given, "request", "Request", "text", "Id of a request"))
            @if !given.one("resource").is_empty() { input type="hidden" name="resource" value=(given.one("resource")); }
            div.filters-acts { button.primary type="submit" { "Show" } a href=(EXPLORER) { "Clear" } }
        }
    }
}

fn input(filled: &Filled<'_>, given: &Fields, name: &str, label: &str, kind: &str, example: &str) -> Markup {
    html! {
        div {
            label for=(filled.id(name)) { (label) }
            input id=(filled.id(name)) type=(kind) name=(name) value=(given.one(name)) placeholder=[(!example.is_empty()).then_some(example)] maxlength="200"
                autocomplete="off" aria-invalid=[(!filled.faults(name).is_empty()).then_some("true")] aria-describedby=[filled.described(name, "")];
            (filled.hint(name, ""))
        }
    }
}

/// Shows one entry.
pub(crate) async fn entry(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Id(id): Id<Uuid>) -> Reply<Markup> {
    let found = audit::entry(&s.platform, &caller.cx, id).await?;
    let l = linking(&s, &caller, std::slice::from_ref(&found), false).await?;
    let request = found.request_id.to_string();
    let body = html! {
        p.crumbs { a href=(EXPLORER) { "Audit trail" } " › entry" }
        h2 { (trail::sentence(&found)) }
        dl.facts {
            div { dt { "When" } dd { (moment(found.at)) } }
            div { dt { "Who" } dd { (trail::who_of(&found, &l)) } }
            div { dt { "What" } dd { (found.says) br; code { (found.action) } } }
            div { dt { "Object" } dd { (trail::objects(&found, &l, limits::AUDIT_OBJECTS_MAX)) } }
            @for id in &found.objects { div { dt { "Id" } dd { a href=(link_with(EXPLORER, &[("object", id)])) { code { (id) } } } } }
            div { dt { "Fields" } dd { @if found.fields.is_empty() { "none" } @else { (found.fields.join(", ")) } } }
            div { dt { "Request" } dd { a href=(link_with(EXPLORER, &[("request", &request)])) { code { (request) } } " and what else it did" } }
            div { dt { "In the chain" } dd { (trail::chain(found.seq)) } }
            div { dt { "Entry" } dd { code { (found.id) } } }
        }
    };
    Ok(settings(&view, &caller, Tab::Audit, None, &[], &body))
}

/// Where the next page begins.
#[derive(Deserialize)]
pub(crate) struct Before {
    before: Option<Uuid>,
}

/// Shows who saw a document, also one that is gone or that the reader may not open.
pub(crate) async fn document(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<DocumentId>,
    Params(given): Params<Before>,
) -> Reply<Markup> {
    let seen = audit::who_saw(&s.platform, &caller.cx, id, given.before, limits::PAGE_SIZE).await?;
    let title = knowledge::titles(&s.platform, &caller.cx, &[id]).await?.pop().map(|(_, title)| title);
    let full = i64::try_from(seen.len()).is_ok_and(|n| n == limits::PAGE_SIZE);
    let l = Linking { cx: &caller.cx, titles: HashMap::new(), own: false };
    let body = html! {
        p.crumbs { a href=(EXPLORER) { "Audit trail" } " › who saw a document" }
        h2 { "Who saw " @if let Some(title) = &title { a href={ "/library/documents/" (id) } { (title) } } @else { "document " code { (id) } } }
        @if seen.is_empty() { p { "Nobody has seen it yet." } } @else { (trail::sightings(&seen, &l)) }
        @if let Some(last) = seen.last().filter(|_| full) { p.acts { a.button.quiet href=(link_with(&format!("{EXPLORER}/documents/{id}"), &[("before", &last.entry.to_string())])) { "Older" } } }
        p { a href=(link_with(EXPLORER, &[("object", &id.to_string())])) { "Everything recorded about it" } }
    };
    Ok(settings(&view, &caller, Tab::Audit, None, &[], &body))
}
