//! Invitations: asking people into the organisation by e-mail, sending again, taking back.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Field, Fields, Filled, Refused},
        notice::Done,
        role,
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act, StepUp, folded},
        text::{ago, day},
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{
    extract::State,
    response::{Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{InvitationId, Permission, Role, limits};
use vital_platform::identity::{self, Caller, Invitation, InvitationState, NewInvitation, SentInvitation};

const PATH: &str = "/settings/invitations";
/// Name of the form that invites.
const NEW: &str = "invite";

/// Shows them.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let sent = identity::invitations(&s.platform, &caller.cx, None, limits::PAGE_SIZE_MAX).await?;
    let ask = step_up::asked(s, caller).await?;
    let may_change = caller.cx.may(Permission::UserWrite);
    let body = html! {
        p.dim { "Who you invite gets a link by e-mail, chooses a password and is in. Nobody else ever knows the password." }
        @if may_change { (new(ask, Filled::of(NEW, refused))) }
        section aria-labelledby="sent-h" {
            h2 #sent-h { "Sent" }
            @if sent.is_empty() { p { "None yet. A link works once and for seven days; you can send it again or take it back here." } } @else { (list(&sent, ask, refused, may_change)) }
        }
    };
    Ok(settings(view, caller, Tab::Invitations, done, &["passkey.js"], &body))
}

fn new(ask: StepUp, filled: Filled<'_>) -> Markup {
    let act = Act {
        action: PATH,
        says: "This sends a link with which the person makes an account in your organisation.",
        button: "Send the invitation",
        destroys: false,
    };
    let inner = html! {
        (filled.field(&Field { name: "email", label: "E-mail address", kind: "email", value: "", complete: "off", hint: "" }))
        label for=(filled.id("display_name")) { "Name, if you know it" }
        input id=(filled.id("display_name")) name="display_name" type="text" value=(filled.value("display_name", "")) autocomplete="off" aria-describedby=[filled.described("display_name", "")];
        (filled.hint("display_name", ""))
        (role::boxes(&filled, &[Role::Member]))
    };
    html! {
        section aria-labelledby="invite-h" {
            h2 #invite-h { "Invite somebody" }
            (step_up_form::form(ask_nobody(ask), &filled, &act, &html! { (inner) (optional_code(ask, &filled)) }))
        }
    }
}

/// Inviting is dangerous for administrators only, so the form itself asks for no proof.
const fn ask_nobody(ask: StepUp) -> StepUp {
    StepUp { proven: true, ..ask }
}

/// A code that is needed for one role only.
fn optional_code(ask: StepUp, filled: &Filled<'_>) -> Markup {
    let hint = "Only to invite an administrator: the code of your authenticator app, or a recovery code.";
    html! {
        @if !ask.factor { p.fine { "Inviting an administrator needs a second factor; " a href="/settings/security" { "add one under Security" } " first." } }
        @else if !ask.proven {
            label for=(filled.id("code")) { "Code" }
            input id=(filled.id("code")) name="code" autocomplete="one-time-code" spellcheck="false" maxlength="40" aria-describedby=[filled.described("code", hint)];
            (filled.hint("code", hint))
        }
    }
}

fn list(sent: &[Invitation], ask: StepUp, refused: Option<&Refused>, may_change: bool) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Address" } th { "Roles" } th { "Sent" } th { "State" } @if may_change { th { span.sr { "Actions" } } } } }
            tbody {
                @for i in sent {
                    tr {
                        td data-label="Address" { (i.email) @if !i.display_name.is_empty() { br; small { (i.display_name) } } }
                        td data-label="Roles" { (role::line(i.roles.iter().copied())) }
                        td data-label="Sent" { (ago(i.created_at)) }
                        td data-label="State" { (state(i)) }
                        @if may_change { td.acts-cell { (acts(i, ask, refused)) } }
                    }
                }
            }
        }
    }
}

fn state(i: &Invitation) -> Markup {
    html! {
        @match i.state {
            InvitationState::Waiting => { "waits until " (day(i.ends_at)) }
            InvitationState::Accepted => { span.badge data-state="ready" { "taken up" } }
            InvitationState::Revoked => { span.badge { "taken back" } }
            InvitationState::Expired => { span.badge data-state="failed" { "expired" } }
        }
    }
}

fn acts(i: &Invitation, ask: StepUp, refused: Option<&Refused>) -> Markup {
    let (form, resend) = (format!("resend-{}", i.id), format!("{PATH}/{}/resend", i.id));
    let open = matches!(i.state, InvitationState::Waiting | InvitationState::Expired);
    let act = Act { action: &resend, says: "This sends a new link; the earlier one stops working.", button: "Send again", destroys: false };
    let ask = if i.roles.contains(&Role::TenantAdmin) { ask } else { ask_nobody(ask) };
    html! {
        @if open {
            (folded(ask, &Filled::of(&form, refused), &act, "Send again…", &i.email, &html! {}))
            details.act {
                summary { "Take back…" span.sr { " the invitation of " (i.email) } }
                form.stack method="post" action={ (PATH) "/" (i.id) "/revoke" } {
                    p { "This takes the invitation back: its link stops working." }
                    button.danger type="submit" { "Take it back" }
                }
            }
        }
    }
}

fn sent(of: &SentInvitation) -> Done {
    if of.mail_problem.is_some() { Done::NotSent } else { Done::Invited }
}

/// Invites somebody.
pub(crate) async fn invite(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let new = NewInvitation {
        email: given.one("email").to_owned(),
        display_name: given.one("display_name").to_owned(),
        roles: given.parsed("roles"),
    };
    let invited = match by.outcome {
        Ok(()) => identity::invite(&s.platform, &by.caller.cx, new).await,
        Err(error) => Err(error),
    };
    match invited {
        Ok(of) => step_up::done(by.jar, &sent(&of).at(PATH)),
        Err(error) => {
            let refused = Refused::new(NEW, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Sends an invitation again.
pub(crate) async fn resend(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<InvitationId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let again = match by.outcome {
        Ok(()) => identity::resend_invitation(&s.platform, &by.caller.cx, id).await,
        Err(error) => Err(error),
    };
    match again {
        Ok(of) => step_up::done(by.jar, &sent(&of).at(PATH)),
        Err(error) => {
            let refused = Refused::new(format!("resend-{id}"), given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// Takes an invitation back.
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<InvitationId>) -> Reply<Redirect> {
    identity::revoke_invitation(&s.platform, &caller.cx, id).await?;
    Ok(Redirect::to(&Done::InvitationRevoked.at(PATH)))
}
