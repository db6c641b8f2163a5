//! Service accounts: members that are programs. They work through keys and cannot sign in.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        role,
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
use vital_kernel::{Permission, Role, limits};
use vital_platform::identity::{self, Caller, Member, MemberFilter, MemberKind};

const PATH: &str = "/settings/service-accounts";
/// Name of the form that makes one.
const NEW: &str = "service";

/// Shows them.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// Makes one.
pub(crate) async fn make(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let made = match by.outcome {
        Ok(()) => identity::create_service_account(&s.platform, &by.caller.cx, given.one("name"), given.parsed::<Role>("roles")).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(_) => step_up::done(by.jar, &Done::ServiceMade.at(PATH)),
        Err(error) => {
            let refused = Refused::new(NEW, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    caller.cx.require(Permission::KeyManage)?;
    let filter = MemberFilter { kind: Some(MemberKind::Service), limit: limits::PAGE_SIZE_MAX, ..MemberFilter::default() };
    let accounts = identity::members(&s.platform, &caller.cx, &filter).await?;
    let ask = step_up::asked(s, caller).await?;
    let filled = Filled::of(NEW, refused);
    let act = Act {
        action: PATH,
        says: "This makes an account for a program. It does nothing until you make a key for it.",
        button: "Make the account",
        destroys: false,
    };
    let inner = html! {
        (filled.field(&Field { name: "name", label: "Name of the program", kind: "text", value: "", complete: "off", hint: "Such as “Document management”." }))
        (role::boxes(&filled, &[]))
    };
    let body = html! {
        p.dim { "For programs that work for the organisation instead of for one person: their keys go on working when people leave." }
        @if accounts.is_empty() { p { "None yet. Make one for a document management system, a report that runs at night, or a directory." } } @else { (list(&accounts)) }
        (folded(ask, &filled, &act, "Make a service account…", "", &inner))
    };
    Ok(settings(view, caller, Tab::Services, done, &["passkey.js"], &body))
}

fn list(accounts: &[Member]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Roles" } th { "Made" } th { "Access" } } }
            tbody {
                @for account in accounts {
                    tr {
                        td data-label="Name" { a href={ "/settings/members/" (account.id) } { (account.display_name) } }
                        td data-label="Roles" { (role::line(account.roles.iter().copied())) }
                        td data-label="Made" { (ago(account.created_at)) }
                        td data-label="Access" { @if account.active { "yes" } @else { span.badge data-state="failed" { "deactivated" } } }
                    }
                }
            }
        }
    }
}
