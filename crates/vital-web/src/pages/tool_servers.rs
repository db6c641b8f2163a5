//! The tool servers of the organisation, and connecting one.

use super::{View, security::Seen, tool_server_fields as fields};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, folded},
        text::ago,
    },
    extract::{Form, Params},
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
    tools::servers::{self, CheckState, ToolServer, ToolState},
};

pub(super) const PATH: &str = "/settings/tool-servers";

/// Lists the tool servers.
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let all = servers::tool_servers(&s.platform, &caller.cx).await?;
    let ask = step_up::asked(s, caller).await?;
    let says = "It is asked for nothing yet, and none of its tools is used before you have approved it.";
    let act = Act { action: PATH, says, button: "Connect the server", destroys: false };
    let filled = Filled::of("new", refused);
    let body = html! {
        p.dim { "A tool server is a program with tools that experts can call while they answer: an electronic lab notebook, a document system, a database of your own. It speaks the Model Context Protocol (MCP)." }
        @if all.is_empty() {
            p { "None is connected. Connect one below, test it to read its tools, look at what each tool says it does, and approve those that your experts may be given. What is not approved is never called." }
        } @else { (table(&all)) }
        @if caller.cx.may(Permission::ToolManage) { (folded(ask, &filled, &act, "Connect a tool server…", "", &fields::inputs(filled, None))) }
    };
    Ok(settings(view, caller, Tab::ToolServers, done, &["passkey.js"], &body))
}

fn table(all: &[ToolServer]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Address" } th { "State" } th { "Tools" } th { "Last test" } } }
            tbody {
                @for server in all {
                    tr {
                        td data-label="Name" { a href={ (PATH) "/" (server.id) } { (server.name) } }
                        td data-label="Address" { (server.address) }
                        td data-label="State" { (if server.enabled { "in use" } else { "switched off" }) }
                        td data-label="Tools" { (counts(server)) }
                        td data-label="Last test" { (last_test(server)) }
                    }
                }
            }
        }
    }
}

/// How many tools are in which state, for people.
fn counts(server: &ToolServer) -> String {
    let of = |state| server.tools.iter().filter(|tool| tool.state == state).count();
    let said = [
        (of(ToolState::Approved), "approved"),
        (of(ToolState::Changed), "changed, to be looked at"),
        (of(ToolState::New), "not approved"),
        (of(ToolState::Gone), "gone"),
    ];
    let said: Vec<String> = said.into_iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
    if said.is_empty() { "none known".to_owned() } else { said.join(", ") }
}

/// What the last test found, for people.
pub(super) fn last_test(server: &ToolServer) -> Markup {
    let words = |state| match state {
        CheckState::Answers => "answered",
        CheckState::KeyRefused => "secret refused",
        CheckState::NotThere => "no tool server there",
        CheckState::NotReached => "not reached",
        CheckState::TooSlow => "too slow",
        CheckState::TooLarge => "sent too much",
        CheckState::Unreadable => "not the protocol",
        CheckState::Version => "another version",
        CheckState::Limited => "takes no more requests",
        CheckState::Refused => "refused",
    };
    html! { @match server.checked_at.zip(server.check_state) { Some((at, state)) => { (words(state)) ", " (ago(at)) } None => "never" } }
}

/// Connects a tool server.
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let added = match by.outcome {
        Ok(()) => servers::add_tool_server(&s.platform, &by.caller.cx, fields::new(&given)).await,
        Err(error) => Err(error),
    };
    match added {
        Ok(server) => step_up::done(by.jar, &Done::ToolServerAdded.at(&format!("{PATH}/{}", server.id))),
        Err(error) => {
            let refused = Refused::new("new", given, error);
            step_up::again(by.jar, &refused, index(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}
