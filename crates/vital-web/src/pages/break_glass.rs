//! Operator access: when operators of the installation opened the organisation, why, and the review of each opening.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{Act, StepUp, folded},
        text::moment,
    },
    extract::{Form, Id, Params},
    problem::Reply,
    state::AppState,
    step_up,
};
use axum::{extract::State, response::Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{BreakGlassId, Permission, Result, limits};
use vital_platform::identity::{
    Caller,
    break_glass::{self, Opening},
};

/// The page's address.
pub(crate) const PATH: &str = "/settings/operator-access";

/// Shows the openings.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(seen): Params<Seen>) -> Reply<Markup> {
    page(&s, &view, &caller, seen.done.as_deref(), None).await
}

/// Signs an opening off.
pub(crate) async fn review(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(id): Id<BreakGlassId>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let reviewed = match by.outcome {
        Ok(()) => break_glass::review(&s.platform, &by.caller.cx, id, given.one("note")).await,
        Err(error) => Err(error),
    };
    match reviewed {
        Ok(_) => step_up::done(by.jar, &Done::Reviewed.at(PATH)),
        Err(error) => {
            let refused = Refused::new(format!("review-{id}"), given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, None, Some(&refused))).await
        }
    }
}

/// How many openings wait for their review, as far as the caller may know.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(super) async fn waiting(s: &AppState, caller: &Caller) -> Result<usize> {
    if !caller.cx.may(Permission::BreakGlassReview) {
        return Ok(0);
    }
    let openings = break_glass::openings(&s.platform, &caller.cx, None, limits::PAGE_SIZE_MAX).await?;
    Ok(openings.iter().filter(|o| o.reviewed_at.is_none()).count())
}

async fn page(s: &AppState, view: &View, caller: &Caller, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let openings = break_glass::openings(&s.platform, &caller.cx, None, limits::PAGE_SIZE_MAX).await?;
    let ask = step_up::asked(s, caller).await?;
    let may_review = caller.cx.may(Permission::BreakGlassReview);
    let body = html! {
        p.dim { "Whoever runs this installation cannot read your organisation's data by an account of theirs. When nothing else helps they can open it: with a reason, read-only, for at most " (limits::BREAK_GLASS_MAX.as_secs() / 60) " minutes. Every opening is listed here, and somebody of yours reviews it." }
        @if openings.is_empty() { p { "No operator has ever opened your organisation." } }
        ul.openings { @for opening in &openings { li { (entry(opening, ask, refused, may_review)) } } }
    };
    Ok(settings(view, caller, Tab::Operators, done, &["passkey.js"], &body))
}

fn entry(o: &Opening, ask: StepUp, refused: Option<&Refused>, may_review: bool) -> Markup {
    html! {
        h2 { (o.operator) " " (state(o)) }
        dl.facts {
            div { dt { "Why" } dd { (o.reason) } }
            div { dt { "From" } dd { (moment(o.opened_at)) } }
            div { dt { "Until" } dd { (moment(o.closed_at.unwrap_or(o.ends_at))) } }
            @if let (Some(at), Some(note)) = (o.reviewed_at, &o.review_note) { div { dt { "Review" } dd { (note) br; small { (moment(at)) } } } }
        }
        @if o.closed_at.is_none() { p { a href={ "/settings/members/" (o.member) } { "Deactivate the operator's account" } " to end it now." } }
        @if may_review && o.closed_at.is_some() && o.reviewed_at.is_none() { (reviewing(o, ask, refused)) }
    }
}

fn state(o: &Opening) -> Markup {
    html! {
        @if o.closed_at.is_none() { span.badge data-state="failed" { "open now" } }
        @else if o.reviewed_at.is_some() { span.badge data-state="ready" { "reviewed" } }
        @else if o.overdue { span.badge data-state="failed" { "review overdue" } }
        @else { span.badge { "waits for its review" } }
    }
}

fn reviewing(o: &Opening, ask: StepUp, refused: Option<&Refused>) -> Markup {
    let (form, action) = (format!("review-{}", o.id), format!("{PATH}/{}/review", o.id));
    let filled = Filled::of(&form, refused);
    let act = Act {
        action: &action,
        says: "This signs the opening off in your name, with what you found. It cannot be changed afterwards.",
        button: "Sign off",
        destroys: false,
    };
    let hint = "What you looked at, such as the audit trail, and whether the access was right.";
    let inner = html! {
        label for=(filled.id("note")) { "What you found" }
        textarea id=(filled.id("note")) name="note" rows="3" required maxlength=(limits::REVIEW_NOTE_CHARS_MAX) aria-describedby=[filled.described("note", hint)] { (filled.value("note", "")) }
        (filled.hint("note", hint))
    };
    folded(ask, &filled, &act, "Review…", &o.operator, &inner)
}
