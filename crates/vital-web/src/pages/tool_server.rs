//! One tool server: its settings, its test, and its tools with what is approved of each.
//!
//! **Invariant:** whatever a server wrote is shown as text and named as its words.

use super::{
    View,
    security::Seen,
    tool_server_fields as fields,
    tool_servers::{PATH, last_test},
};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::{ago, count, worded},
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
use vital_kernel::{Permission, Result, ToolServerId};
use vital_platform::{
    identity::Caller,
    tools::servers::{self, CheckState, SeenTool, ToolServer, ToolServerChange, ToolServerTest, ToolState, ToolVersion},
};

/// Digits of a definition's number that people are shown.
const DIGITS_SHOWN: usize = 12;

/// What the page has to say beside what is stored.
#[derive(Default)]
struct Said<'a> {
    done: Option<&'a str>,
    refused: Option<&'a Refused>,
    tested: Option<&'a ToolServerTest>,
}

/// Shows one tool server.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<ToolServerId>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    one(&s, &view, &caller, id, &Said { done: seen.done.as_deref(), ..Said::default() }).await
}

async fn one(s: &AppState, view: &View, caller: &Caller, id: ToolServerId, said: &Said<'_>) -> Reply<Markup> {
    let server = servers::tool_server(&s.platform, &caller.cx, id).await?;
    let ask = step_up::asked(s, caller).await?;
    let may = caller.cx.may(Permission::ToolManage);
    let body = html! {
        p.crumbs { a href=(PATH) { "Tool servers" } " › " (server.name) }
        h2 { (server.name) }
        @if let Some(test) = said.tested { (outcome(test)) }
        (facts(&server))
        @if may { (acts(ask, said.refused, &server)) }
        h2 { "Tools" }
        p.dim { "Titles, descriptions and schemas are the server's own words; a model is given exactly those that you approve. When the server tells other words later, the tool is withdrawn until you approve it again. Which expert may use an approved tool is chosen with the expert." }
        @if server.tools.is_empty() { p { "None known yet: test the server to read its tools." } }
        @for tool in &server.tools { (of_tool(ask, said.refused, &server, tool, may)) }
    };
    Ok(settings(view, caller, Tab::ToolServers, said.done, &["passkey.js"], &body))
}

fn outcome(test: &ToolServerTest) -> Markup {
    let fine = test.state == CheckState::Answers;
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    html! {
        p.notice.bad[!fine] role=(if fine { "status" } else { "alert" }) {
            (worded(&test.detail)) " It took " (test.took_ms) " ms."
            @if fine {
                " " (count(number(test.tools), "tool", "tools")) " can be used; " (count(number(test.changes), "is new or changed", "are new or changed")) "."
                @if !test.server.is_empty() { " It calls itself " q { (test.server) } "." }
            }
        }
        @if !test.refused.is_empty() {
            p { "These cannot be used:" }
            ul.plain { @for tool in &test.refused { li { code { (if tool.name.is_empty() { "(without a name)" } else { &tool.name }) } ": " (worded(&tool.why)) "." } } }
        }
    }
}

fn facts(s: &ToolServer) -> Markup {
    html! {
        dl.facts {
            div { dt { "State" } dd { (if s.enabled { "in use" } else { "switched off" }) } }
            div { dt { "Address" } dd { code { (s.address) } } }
            div { dt { "Short name" } dd { code { (s.slug) } } }
            div { dt { "It is shown" } dd { (fields::auth(s.auth)) @if let Some(header) = &s.auth_header { ": " code { (header) } } @if let Some(at) = s.secret_set_at { ", stored " (ago(at)) ", never shown" } } }
            div { dt { "Last test" } dd { (last_test(s)) } }
        }
    }
}

fn acts(ask: StepUp, refused: Option<&Refused>, s: &ToolServer) -> Markup {
    let at = |verb: &str| format!("{PATH}/{}{verb}", s.id);
    let (test, change, active, delete) = (at("/test"), at(""), at("/active"), at("/delete"));
    let testing = Act {
        action: &test,
        says: "The server is asked for its tools. Nothing is called, and nothing of yours is sent but its secret.",
        button: "Test the server",
        destroys: false,
    };
    let changing = Act {
        action: &change,
        says: "This counts from the next call on. Another address takes all approvals back: they belong to the server that stood there.",
        button: "Save",
        destroys: false,
    };
    let removing = Act {
        action: &delete,
        says: "This removes the server with its secret and its tools. Answers that used them stay.",
        button: "Remove the server",
        destroys: true,
    };
    let (says, button, summary) = if s.enabled {
        ("None of its tools is offered or called any more.", "Switch it off", "Switch it off…")
    } else {
        ("Its approved tools are offered again.", "Switch it on", "Switch it on…")
    };
    let switching = Act { action: &active, says, button, destroys: s.enabled };
    let changed = Filled::of("change", refused);
    let nothing = html! {};
    html! {
        (folded(ask, &Filled::of("test", refused), &testing, "Test it and read its tools…", "", &nothing))
        (folded(ask, &changed, &changing, "Change name, address or secret…", "", &fields::inputs(changed, Some(s))))
        (folded(ask, &Filled::of("active", refused), &switching, summary, "", &html! { input type="hidden" name="enabled" value=(if s.enabled { "no" } else { "yes" }); }))
        (folded(ask, &Filled::of("delete", refused), &removing, "Remove it…", "", &nothing))
    }
}

/// Where a tool stands, for people.
const fn state(tool: &SeenTool) -> &'static str {
    match (tool.state, tool.writes) {
        (ToolState::New, _) => "not approved: it is not offered",
        (ToolState::Approved, true) => "approved; a person agrees to every call",
        (ToolState::Approved, false) => "approved; it changes nothing, so nobody is asked",
        (ToolState::Changed, _) => "changed since it was approved: withdrawn until you approve it again",
        (ToolState::Gone, _) => "the server tells it no more: withdrawn",
    }
}

fn of_tool(ask: StepUp, refused: Option<&Refused>, s: &ToolServer, tool: &SeenTool, may: bool) -> Markup {
    let withdraw = format!("{PATH}/{}/withdraw", s.id);
    html! {
        section.model aria-labelledby={ "tool-" (tool.name) } {
            div.section-head {
                h3 id={ "tool-" (tool.name) } { (tool.name) }
                @if may && tool.approved.is_some() {
                    form method="post" action=(withdraw) {
                        input type="hidden" name="tool" value=(tool.name);
                        button type="submit" { (if tool.state == ToolState::Gone { "Forget it" } else { "Withdraw" }) span.sr { " " (tool.name) } }
                    }
                }
            }
            p.dim { (state(tool)) " · offered as " code { (tool.offered_as) } @if let Some(at) = tool.approved_at { " · approved " (ago(at)) } }
            @match (&tool.told, &tool.approved) {
                (Some(told), Some(approved)) if told != approved => (differences(approved, told)),
                (Some(told), _) => (version(told)),
                (None, Some(approved)) => (version(approved)),
                (None, None) => {}
            }
            @if may { @if let Some(told) = tool.told.as_ref().filter(|_| tool.state != ToolState::Approved) { (approval(ask, refused, s, tool, told)) } }
        }
    }
}

fn effects(of: &ToolVersion) -> &'static str {
    match (of.says_read_only, of.says_destructive) {
        (true, _) => "it says that it changes nothing",
        (false, true) => "it may change or destroy something",
        (false, false) => "it changes something, and says that it destroys nothing",
    }
}

fn json(of: &serde_json::Value) -> String {
    serde_json::to_string_pretty(of).unwrap_or_default()
}

/// The parts of a definition by name, as texts.
fn parts(of: &ToolVersion) -> [(&'static str, String); 5] {
    [
        ("Title", of.title.clone()),
        ("Description", of.description.clone()),
        ("Effects", effects(of).to_owned()),
        ("Arguments", json(&of.input_schema)),
        ("Results", of.output_schema.as_ref().map(json).unwrap_or_default()),
    ]
}

fn version(of: &ToolVersion) -> Markup {
    let [title, description, effects, arguments, results] = parts(of);
    html! {
        div.canonical {
            @if !title.1.is_empty() { p { strong { (title.1) } } }
            pre { (if description.1.is_empty() { "(It says nothing of what it does.)" } else { &description.1 }) }
        }
        p.dim { (effects.1) " · definition " code { (of.digest[..DIGITS_SHOWN.min(of.digest.len())]) } }
        @for (name, text) in [arguments, results].iter().filter(|(_, text)| !text.is_empty()) {
            details.act { summary { (name) } div.canonical { pre { (text) } } }
        }
    }
}

/// What was approved beside what the server tells now, part by part where they differ.
fn differences(approved: &ToolVersion, told: &ToolVersion) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Part" } th { "Approved" } th { "Told now" } } }
            tbody {
                @for ((name, before), (_, now)) in parts(approved).into_iter().zip(parts(told)).filter(|(a, b)| a != b) {
                    tr {
                        td data-label="Part" { (name) }
                        td.canonical data-label="Approved" { pre { (before) } }
                        td.canonical data-label="Told now" { pre { (now) } }
                    }
                }
            }
        }
    }
}

/// The name of the form that approves a definition.
fn form_of(digest: &str) -> String {
    format!("approve-{}", digest.chars().filter(char::is_ascii_alphanumeric).take(DIGITS_SHOWN).collect::<String>())
}

fn approval(ask: StepUp, refused: Option<&Refused>, s: &ToolServer, tool: &SeenTool, told: &ToolVersion) -> Markup {
    let action = format!("{PATH}/{}/approve", s.id);
    let says = "Experts can then be given this tool, with exactly these words. Read them as you would read an instruction to a colleague: a model follows what it is told.";
    let form = form_of(&told.digest);
    let filled = Filled::of(&form, refused);
    let inner = html! {
        input type="hidden" name="tool" value=(tool.name);
        input type="hidden" name="digest" value=(told.digest);
        @if told.says_read_only {
            fieldset.boxes {
                legend.sr { "Effects" }
                label { input type="checkbox" name="read_only" value="yes" checked[filled.ticked("read_only", "yes", false)]; span { "I know that it changes nothing: it may be called without asking a person" } }
            }
        } @else { p { "A person will be asked before every call." } }
    };
    let act = Act { action: &action, says, button: "Approve the tool", destroys: false };
    folded(ask, &filled, &act, "Approve it…", &tool.name, &inner)
}

/// Changes a tool server.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = fields::change(&given);
    let by = step_up::prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => servers::change_tool_server(&s.platform, &by.caller.cx, id, change).await.map(drop),
        Err(error) => Err(error),
    };
    let sent = Sent { form: "change".to_owned(), given, outcome: changed.map(|()| own(Done::ToolServerChanged, id)) };
    answer(&s, &view, &by.caller, by.jar, id, sent).await
}

/// Switches a tool server on or off.
pub(crate) async fn activate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let change = ToolServerChange { enabled: Some(given.has("enabled", "yes")), ..ToolServerChange::default() };
    let by = step_up::prove(&s, caller, jar, &given).await;
    let changed = match by.outcome {
        Ok(()) => servers::change_tool_server(&s.platform, &by.caller.cx, id, change).await.map(drop),
        Err(error) => Err(error),
    };
    let sent = Sent { form: "active".to_owned(), given, outcome: changed.map(|()| own(Done::ToolServerChanged, id)) };
    answer(&s, &view, &by.caller, by.jar, id, sent).await
}

/// Removes a tool server.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let removed = match by.outcome {
        Ok(()) => servers::remove_tool_server(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    let sent = Sent { form: "delete".to_owned(), given, outcome: removed.map(|()| Done::ToolServerRemoved.at(PATH)) };
    answer(&s, &view, &by.caller, by.jar, id, sent).await
}

/// Approves a tool in the definition that the page showed.
pub(crate) async fn approve(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let approval = fields::approval(&given);
    let by = step_up::prove(&s, caller, jar, &given).await;
    let approved = match by.outcome {
        Ok(()) => servers::approve_tool(&s.platform, &by.caller.cx, id, &approval).await,
        Err(error) => Err(error),
    };
    let sent = Sent { form: form_of(&approval.digest), given, outcome: approved.map(|()| own(Done::ToolApproved, id)) };
    answer(&s, &view, &by.caller, by.jar, id, sent).await
}

/// Takes the approval of a tool back.
pub(crate) async fn withdraw(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let withdrawn = servers::withdraw_tool(&s.platform, &caller.cx, id, given.one("tool")).await;
    let sent = Sent { form: "withdraw".to_owned(), given, outcome: withdrawn.map(|()| own(Done::ToolWithdrawn, id)) };
    answer(&s, &view, &caller, jar, id, sent).await
}

/// Tests a tool server and shows what came.
pub(crate) async fn test(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<ToolServerId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let tested = match by.outcome {
        Ok(()) => servers::test_tool_server(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match tested {
        Ok(test) => {
            let said = Said { tested: Some(&test), ..Said::default() };
            (by.jar, one(&s, &view, &by.caller, id, &said).await).into_response()
        }
        Err(error) => answer(&s, &view, &by.caller, by.jar, id, Sent { form: "test".to_owned(), given, outcome: Err(error) }).await,
    }
}

/// A form as it was sent, and what came of it: the address of the next page.
struct Sent {
    form: String,
    given: Fields,
    outcome: Result<String>,
}

fn own(done: Done, id: ToolServerId) -> String {
    done.at(&format!("{PATH}/{id}"))
}

/// On to the next page, or the server's own again with what was refused.
async fn answer(s: &AppState, view: &View, caller: &Caller, jar: CookieJar, id: ToolServerId, sent: Sent) -> Response {
    match sent.outcome {
        Ok(address) => step_up::done(jar, &address),
        Err(error) => {
            let refused = Refused::new(sent.form, sent.given, error);
            let said = Said { refused: Some(&refused), ..Said::default() };
            step_up::again(jar, &refused, one(s, view, caller, id, &said)).await
        }
    }
}
