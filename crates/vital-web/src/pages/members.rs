//! Members of the organisation: who they are, what they may do, taking access away and giving it back.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        role,
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act, StepUp, folded},
        text::{ago, day, link_with},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use vital_kernel::{Permission, Role, UserId, limits};
use vital_platform::identity::{self, Caller, Member, MemberFilter, MemberKind};

/// The list's address.
pub(crate) const PATH: &str = "/settings/members";

/// Which members to show.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    q: Option<String>,
    before: Option<String>,
    done: Option<String>,
}

/// Lists the members.
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Params(wanted): Params<Wanted>,
) -> Reply<Markup> {
    let query = wanted.q.unwrap_or_default();
    let before = wanted.before.and_then(|id| id.parse().ok());
    let filter = MemberFilter { query: query.clone(), before, limit: limits::PAGE_SIZE, ..MemberFilter::default() };
    let members = identity::members(&s.platform, &caller.cx, &filter).await?;
    let more =
        i64::try_from(members.len()).is_ok_and(|n| n == limits::PAGE_SIZE).then(|| members.last().map(|m| m.id.to_string())).flatten();
    let body = html! {
        div.section-head {
            form.search method="get" action=(PATH) role="search" {
                label.sr for="q" { "Name or address" }
                input #q type="search" name="q" value=(query) placeholder="Name or address";
                button type="submit" { "Find" }
            }
            @if caller.cx.may(Permission::UserWrite) { a.button href="/settings/invitations" { "Invite somebody" } }
        }
        @if members.is_empty() { p { "Nobody here matches." @if !query.is_empty() { " " a href=(PATH) { "Show everybody" } } } } @else { (table(&members, caller.cx.user())) }
        @if let Some(last) = more { p.acts { a.button.quiet href=(link_with(PATH, &[("q", &query), ("before", &last)])) { "Older accounts" } } }
    };
    Ok(settings(&view, &caller, Tab::Members, wanted.done.as_deref(), &[], &body))
}

/// A list of members.
pub(super) fn table(members: &[Member], oneself: Option<UserId>) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Name" } th { "Roles" } th { "Groups" } th { "Second factor" } th { "Last seen" } } }
            tbody {
                @for member in members {
                    tr {
                        td data-label="Name" {
                            a href={ (PATH) "/" (member.id) } { (member.display_name) }
                            @if Some(member.id) == oneself { " " span.badge { "you" } }
                            (standing(member))
                            @if member.kind == MemberKind::Person { br; small { (member.email) } }
                        }
                        td data-label="Roles" { (role::line(member.roles.iter().copied())) }
                        td data-label="Groups" { @if member.groups.is_empty() { "none" } @else { (member.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>().join(", ")) } }
                        td data-label="Second factor" { (if member.has_second_factor { "yes" } else { "no" }) }
                        td data-label="Last seen" { @if let Some(at) = member.last_seen_at { (ago(at)) } @else { "never" } }
                    }
                }
            }
        }
    }
}

fn standing(member: &Member) -> Markup {
    html! {
        @if !member.active { " " span.badge data-state="failed" { "deactivated" } }
        @match member.kind { MemberKind::Service => { " " span.badge { "service account" } } MemberKind::Operator => { " " span.badge { "operator" } } MemberKind::Person => {} }
    }
}

/// Shows one member.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<UserId>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    page(&s, &view, &caller, id, seen.done.as_deref(), None).await
}

async fn page(s: &AppState, view: &View, caller: &Caller, id: UserId, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let member = identity::member(&s.platform, &caller.cx, id).await?;
    let ask = step_up::asked(s, caller).await?;
    let body = html! {
        p.crumbs { a href=(PATH) { "Members" } " › " (member.display_name) }
        h2 { (member.display_name) (standing(&member)) }
        dl.facts {
            @if member.kind == MemberKind::Person { div { dt { "E-mail" } dd { (member.email) } } }
            div { dt { "Roles" } dd { (role::line(member.roles.iter().copied())) } }
            div { dt { "Groups" } dd { @if member.groups.is_empty() { "none" } @for (i, group) in member.groups.iter().enumerate() { @if i > 0 { ", " } a href={ "/settings/groups/" (group.id) } { (group.name) } } } }
            div { dt { "Second factor" } dd { (if member.has_second_factor { "yes" } else { "no" }) } }
            div { dt { "Member since" } dd { (day(member.created_at)) } }
            div { dt { "Last seen" } dd { @if let Some(at) = member.last_seen_at { (ago(at)) } @else { "never" } } }
        }
        @if caller.cx.may(Permission::UserWrite) { (changes(ask, refused, &member, caller.cx.user() == Some(id))) }
    };
    Ok(settings(view, caller, Tab::Members, done, &["passkey.js"], &body))
}

fn changes(ask: StepUp, refused: Option<&Refused>, member: &Member, oneself: bool) -> Markup {
    let at = |act: &str| format!("{PATH}/{}/{act}", member.id);
    let (roles, deactivate, reactivate, remove) = (at("roles"), at("deactivate"), at("reactivate"), at("remove"));
    let filled = Filled::of("roles", refused);
    let set = Act {
        action: &roles,
        says: "This changes what the member may do from their next request on.",
        button: "Change the roles",
        destroys: false,
    };
    let off = Act {
        action: &deactivate,
        says: "This takes the access away at once: sessions, keys and answers that are being written end. What they made stays, and you can give the access back.",
        button: "Deactivate",
        destroys: true,
    };
    let on = Act { action: &reactivate, says: "This gives the access back. Keys stay revoked.", button: "Reactivate", destroys: false };
    let gone = Act {
        action: &remove,
        says: "This removes the member for good: access, groups, name and address. What they made stays. It cannot be undone.",
        button: "Remove for good",
        destroys: true,
    };
    html! {
        section aria-labelledby="roles-h" {
            h2 #roles-h { "Roles" }
            (step_up_form::form(ask, &filled, &set, &role::boxes(&filled, &member.roles)))
        }
        @if !oneself {
            section aria-labelledby="access-h" {
                h2 #access-h { "Access" }
                @if member.active { (folded(ask, &Filled::of("deactivate", refused), &off, "Deactivate…", "", &html! {})) }
                @else if member.kind != MemberKind::Operator { (folded(ask, &Filled::of("reactivate", refused), &on, "Reactivate…", "", &html! {})) }
                (folded(ask, &Filled::of("remove", refused), &gone, "Remove…", "", &html! {}))
            }
        } @else { p.dim { "Your own access can be taken away by another administrator only." } }
    }
}

/// What can be done to a member.
#[derive(Clone, Copy)]
enum Change {
    Roles,
    Deactivate,
    Reactivate,
    Remove,
}

impl Change {
    const fn form(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::Remove => "remove",
        }
    }
}

/// Does it, or shows the member again with why not.
async fn change(s: AppState, caller: Caller, view: View, jar: CookieJar, id: UserId, given: Fields, change: Change) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let (p, cx) = (&s.platform, &by.caller.cx);
    let changed = match (by.outcome, change) {
        (Err(error), _) => Err(error),
        (Ok(()), Change::Roles) => identity::change_roles(p, cx, id, given.parsed::<Role>("roles")).await.map(|_| Done::Roles),
        (Ok(()), Change::Deactivate) => identity::deactivate(p, cx, id).await.map(|()| Done::Deactivated),
        (Ok(()), Change::Reactivate) => identity::reactivate(p, cx, id).await.map(|()| Done::Reactivated),
        (Ok(()), Change::Remove) => identity::remove(p, cx, id).await.map(|()| Done::Removed),
    };
    match changed {
        Ok(Done::Removed) => step_up::done(by.jar, &Done::Removed.at(PATH)),
        Ok(done) => step_up::done(by.jar, &done.at(&format!("{PATH}/{id}"))),
        Err(error) => {
            let refused = Refused::new(change.form(), given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, id, None, Some(&refused))).await
        }
    }
}

/// Changes the roles.
pub(crate) async fn change_roles(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<UserId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Roles).await
}

/// Takes the access away.
pub(crate) async fn deactivate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<UserId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Deactivate).await
}

/// Gives the access back.
pub(crate) async fn reactivate(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<UserId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Reactivate).await
}

/// Removes the member for good.
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<UserId>,
    Form(given): Form<Fields>,
) -> Response {
    change(s, caller, view, jar, id, given, Change::Remove).await
}
