//! Groups of members: what collections and experts are shared with.

use super::{View, members, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, folded},
        text::{ago, count},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{Error, GroupId, Permission, Result, UserId, limits};
use vital_platform::identity::{self, Caller, Group, Member, MemberFilter};

const PATH: &str = "/settings/groups";

/// Lists the groups.
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    index(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn index(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let groups = identity::groups(&s.platform, &caller.cx).await?;
    let body = html! {
        p.dim { "Share a collection or an expert with a group, and who joins or leaves it gains or loses sight of it at once." }
        @if groups.is_empty() { p { "None yet. Typical ones follow the work: a product team, clinical development, pharmacovigilance." } } @else { (table(&groups)) }
        @if caller.cx.may(Permission::UserWrite) { (new(Filled::of("group", refused))) }
    };
    Ok(settings(view, caller, Tab::Groups, done, &[], &body))
}

fn table(groups: &[Group]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Members" } th { "Kept by" } th { "Changed" } } }
            tbody {
                @for group in groups {
                    tr {
                        td data-label="Name" { a href={ (PATH) "/" (group.id) } { (group.name) } }
                        td data-label="Members" { (group.members) }
                        td data-label="Kept by" { (if group.provisioned { "your directory" } else { "administrators here" }) }
                        td data-label="Changed" { (ago(group.updated_at)) }
                    }
                }
            }
        }
    }
}

fn new(filled: Filled<'_>) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { "Make a group…" }
            form.stack method="post" action=(PATH) {
                (filled.notice())
                (filled.field(&Field { name: "name", label: "Name", kind: "text", value: "", complete: "off", hint: "" }))
                button.primary type="submit" { "Make the group" }
            }
        }
    }
}

/// Makes a group.
pub(crate) async fn make(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    match identity::create_group(&s.platform, &caller.cx, given.one("name")).await {
        Ok(group) => step_up::done(jar, &Done::GroupMade.at(&format!("{PATH}/{}", group.id))),
        Err(error) => {
            let refused = Refused::new("group", given, error);
            step_up::again(jar, &refused, index(&s, &view, &caller, None, Some(&refused))).await
        }
    }
}

/// Shows one group.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<GroupId>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    page(&s, &view, &caller, id, seen.done.as_deref(), None).await
}

async fn page(s: &AppState, view: &View, caller: &Caller, id: GroupId, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let group = identity::group(p, cx, id).await?;
    let inside = identity::group_members(p, cx, id, None, limits::PAGE_SIZE_MAX).await?;
    let may_change = cx.may(Permission::UserWrite);
    let ask = step_up::asked(s, caller).await?;
    let delete = format!("{PATH}/{id}/delete");
    let act = Act {
        action: &delete,
        says: "This deletes the group. What was shared with it alone is then seen by its owner alone.",
        button: "Delete the group",
        destroys: true,
    };
    let body = html! {
        p.crumbs { a href=(PATH) { "Groups" } " › " (group.name) }
        h2 { (group.name) }
        p.dim { (count(group.members, "member", "members")) "." @if group.provisioned { " A directory of your organisation keeps this group; what you change here may be changed back from there." } }
        @if inside.is_empty() { p { "Nobody is in it yet." } } @else if may_change { (leave(&inside, id)) } @else { (members::table(&inside, cx.user())) }
        @if group.members > limits::PAGE_SIZE_MAX { p.dim { "The newest " (limits::PAGE_SIZE_MAX) " are shown; the API lists all." } }
        @if may_change {
            (join(Filled::of("join", refused), id))
            (rename(Filled::of("rename", refused), &group))
            (folded(ask, &Filled::of("delete", refused), &act, "Delete the group…", "", &html! {}))
        }
    };
    Ok(settings(view, caller, Tab::Groups, done, &["passkey.js"], &body))
}

fn leave(inside: &[Member], id: GroupId) -> Markup {
    html! {
        ul.rows {
            @for member in inside {
                li.row.row-act {
                    span { a href={ "/settings/members/" (member.id) } { (member.display_name) } " " small { (member.email) } }
                    form method="post" action={ (PATH) "/" (id) "/leave" } {
                        input type="hidden" name="member" value=(member.id);
                        button.quiet type="submit" { "Take out" span.sr { " " (member.display_name) } }
                    }
                }
            }
        }
    }
}

fn join(filled: Filled<'_>, id: GroupId) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { "Add a member…" }
            form.stack method="post" action={ (PATH) "/" (id) "/join" } {
                (filled.notice())
                (filled.field(&Field { name: "email", label: "E-mail address of the member", kind: "email", value: "", complete: "off", hint: "" }))
                button.primary type="submit" { "Add to the group" }
            }
        }
    }
}

fn rename<'a>(filled: Filled<'a>, group: &'a Group) -> Markup {
    html! {
        details.act open[filled.is_refused()] {
            summary { "Rename…" }
            form.stack method="post" action={ (PATH) "/" (group.id) "/rename" } {
                (filled.notice())
                (filled.field(&Field { name: "name", label: "Name", kind: "text", value: &group.name, complete: "off", hint: "" }))
                button.primary type="submit" { "Rename" }
            }
        }
    }
}

/// What can be done to a group.
#[derive(Clone, Copy)]
enum Change {
    Join,
    Leave,
    Rename,
    Delete,
}

/// Does it, or shows the group again with why not.
async fn change(s: AppState, caller: Caller, view: View, jar: CookieJar, id: GroupId, given: Fields, change: Change) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let form = match change {
        Change::Join => "join",
        Change::Leave => "leave",
        Change::Rename => "rename",
        Change::Delete => "delete",
    };
    let changed = match by.outcome {
        Ok(()) => apply(&s, &by.caller, id, &given, change).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(Done::GroupDeleted) => step_up::done(by.jar, &Done::GroupDeleted.at(PATH)),
        Ok(done) => step_up::done(by.jar, &done.at(&format!("{PATH}/{id}"))),
        Err(error) => {
            let refused = Refused::new(form, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, id, None, Some(&refused))).await
        }
    }
}

async fn apply(s: &AppState, caller: &Caller, id: GroupId, given: &Fields, change: Change) -> Result<Done> {
    let (p, cx) = (&s.platform, &caller.cx);
    match change {
        Change::Join => {
            let member = by_address(s, caller, given.one("email")).await?;
            identity::add_group_members(p, cx, id, &[member]).await?;
        }
        Change::Leave => {
            identity::remove_group_members(p, cx, id, &given.parsed::<UserId>("member")).await?;
        }
        Change::Rename => {
            identity::rename_group(p, cx, id, given.one("name")).await?;
        }
        Change::Delete => {
            identity::delete_group(p, cx, id).await?;
            return Ok(Done::GroupDeleted);
        }
    }
    Ok(Done::GroupChanged)
}

/// The member with an address.
async fn by_address(s: &AppState, caller: &Caller, email: &str) -> Result<UserId> {
    let email = email.trim().to_lowercase();
    let filter = MemberFilter { query: email.clone(), limit: limits::PAGE_SIZE, ..MemberFilter::default() };
    let found = identity::members(&s.platform, &caller.cx, &filter).await?;
    found.into_iter().find(|m| m.email == email).map(|m| m.id).ok_or_else(|| {
        Error::invalid("group.member_unknown", "Nobody was added: no member has this address.")
            .with_field("/email", "Write the address of a member; the list of members has them.")
    })
}

/// Adds a member.
pub(crate) async fn join_member(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<GroupId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Join).await
}

/// Takes a member out.
pub(crate) async fn leave_member(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<GroupId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Leave).await
}

/// Gives a group another name.
pub(crate) async fn rename_group(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<GroupId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Rename).await
}

/// Deletes a group.
pub(crate) async fn delete(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<GroupId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Delete).await
}
