//! The weekly reviews of activity: the queue, a week with its findings, the signature, and the working hours.

use super::{View, security::Seen};
use crate::{
    caller::SignedIn,
    components::{
        form::{Fields, Filled, Refused},
        notice::Done,
        settings::{Tab, settings},
        step_up::{self as step_up_form, Act, StepUp, folded},
        text::{count, day, link_with, moment},
        trail::{self, EXPLORER},
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
use vital_kernel::{Permission, limits};
use vital_platform::{
    audit::{self, Finding, FindingKind, Judgement, MEANING, Review, ReviewSummary, Signature, Verdict, Week, WorkingHours},
    identity::Caller,
};

/// The queue's address.
pub(crate) const PATH: &str = "/settings/reviews";
/// Names of the forms on their pages.
const SIGN: &str = "sign";
const HOURS: &str = "hours";
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Which reviews to show.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    before: Option<String>,
    done: Option<String>,
}

/// Reminds whoever can review that weeks wait for too long.
pub(crate) fn banner(overdue: i64) -> Markup {
    html! {
        @if overdue > 0 {
            p.notice.bad { strong { (count(overdue, "weekly review", "weekly reviews")) " overdue." } " What stood out has not been looked at for more than a week: " a href=(PATH) { "review and sign" } "." }
        }
    }
}

/// Shows the queue.
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Params(wanted): Params<Wanted>,
) -> Reply<Markup> {
    let before = wanted.before.as_deref().and_then(|week| week.parse().ok());
    queue(&s, &view, &caller, before, wanted.done.as_deref(), None).await
}

async fn queue(
    s: &AppState,
    view: &View,
    caller: &Caller,
    before: Option<Week>,
    done: Option<&str>,
    refused: Option<&Refused>,
) -> Reply<Markup> {
    let (p, cx) = (&s.platform, &caller.cx);
    let reviews = audit::reviews(p, cx, before, limits::PAGE_SIZE).await?;
    let (hours, overdue) = (audit::working_hours(p, cx).await?, audit::overdue_reviews(p, cx).await?);
    let ask = step_up::asked(s, caller).await?;
    let full = i64::try_from(reviews.len()).is_ok_and(|n| n == limits::PAGE_SIZE);
    let body = html! {
        (banner(overdue))
        p.dim { "After each week the trail is searched for what deserves a look: operators, exports, bulk reading, activity outside the working hours, failed sign-ins, new administrators. An auditor or administrator says what came of each and signs." }
        @if reviews.is_empty() { p { "There is no review yet. The first comes when the week that is under way has ended." } } @else { (table(&reviews)) }
        @if let Some(last) = reviews.last().filter(|_| full) { p.acts { a.button.quiet href=(link_with(PATH, &[("before", &last.week.to_string())])) { "Older weeks" } } }
        section aria-labelledby="hours-h" {
            h2 #hours-h { "Working hours" }
            p { (in_words(&hours)) }
            @if cx.may(Permission::PolicyWrite) { (hours_form(ask, &hours, refused)) }
        }
    };
    Ok(settings(view, caller, Tab::Reviews, done, &["passkey.js"], &body))
}

fn table(reviews: &[ReviewSummary]) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "Week" } th { "Findings" } th { "Entries" } th { "State" } } }
            tbody {
                @for r in reviews {
                    tr {
                        td data-label="Week" { a href={ (PATH) "/" (r.week) } { (r.week) } br; small { (r.week.monday()) " to " (r.week.sunday()) } }
                        td data-label="Findings" { (r.findings) @if r.follow_ups > 0 { br; small { (r.follow_ups) " to follow up" } } }
                        td data-label="Entries" { (r.entries) }
                        td data-label="State" {
                            @if let (Some(at), Some(name)) = (r.signed_at, &r.signer) { span.badge data-state="ready" { "signed" } br; small { (name) ", " (day(at)) } }
                            @else if r.overdue { span.badge data-state="failed" { "overdue" } }
                            @else { span.badge { "to be reviewed" } }
                        }
                    }
                }
            }
        }
    }
}

fn in_words(h: &WorkingHours) -> String {
    let days: Vec<&str> = h.weekdays.iter().filter_map(|d| usize::try_from(*d - 1).ok().and_then(|i| DAYS.get(i).copied())).collect();
    let whole = h.weekdays.len() > 2 && h.weekdays.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let days = match days.as_slice() {
        [first, .., last] if whole => format!("{first} to {last}"),
        days => days.join(", "),
    };
    format!("{days}, {:02}:00 to {:02}:00, {}.", h.from_hour, h.to_hour, h.time_zone)
}

fn hours_form(ask: StepUp, hours: &WorkingHours, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of(HOURS, refused);
    let act = Act {
        action: "/settings/reviews/working-hours",
        says: "What happens outside of these hours becomes a finding. The change counts for weeks that have no review yet.",
        button: "Change the hours",
        destroys: false,
    };
    let (from, to) = (hours.from_hour.to_string(), hours.to_hour.to_string());
    let zone_hint = "A name such as Europe/Berlin, America/New_York or UTC.";
    let number = |name, label, value, least: i16, most: i16| {
        html! {
            label for=(filled.id(name)) { (label) }
            input id=(filled.id(name)) type="number" name=(name) min=(least) max=(most) required value=(filled.value(name, value)) aria-describedby=[filled.described(name, "")];
            (filled.hint(name, ""))
        }
    };
    let inner = html! {
        label for=(filled.id("time_zone")) { "Time zone" }
        input id=(filled.id("time_zone")) type="text" name="time_zone" required maxlength="64" autocomplete="off" value=(filled.value("time_zone", &hours.time_zone))
            aria-invalid=[(!filled.faults("time_zone").is_empty()).then_some("true")] aria-describedby=[filled.described("time_zone", zone_hint)];
        (filled.hint("time_zone", zone_hint))
        (number("from_hour", "Work begins at (hour)", &from, 0, 23))
        (number("to_hour", "Work ends at (hour)", &to, 1, 24))
        fieldset.boxes aria-describedby=[filled.described("weekdays", "")] {
            legend { "Days of work" }
            @for (i, name) in (1_i16..).zip(DAYS) {
                label { input type="checkbox" name="weekdays" value=(i) checked[filled.ticked("weekdays", &i.to_string(), hours.weekdays.contains(&i))]; span { (name) } }
            }
        }
        (filled.hint("weekdays", ""))
    };
    folded(ask, &filled, &act, "Change the working hours…", "", &inner)
}

/// Changes the working hours.
pub(crate) async fn change_hours(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let hour = |name| given.one(name).trim().parse().unwrap_or(-1);
    let hours = WorkingHours {
        time_zone: given.one("time_zone").to_owned(),
        from_hour: hour("from_hour"),
        to_hour: hour("to_hour"),
        weekdays: given.parsed("weekdays"),
    };
    let changed = match by.outcome {
        Ok(()) => audit::set_working_hours(&s.platform, &by.caller.cx, hours).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => step_up::done(by.jar, &Done::WorkingHours.at(PATH)),
        Err(error) => {
            let refused = Refused::new(HOURS, given, error);
            step_up::again(by.jar, &refused, queue(&s, &view, &by.caller, None, None, Some(&refused))).await
        }
    }
}

/// Shows the review of a week.
pub(crate) async fn show(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(week): Id<Week>,
    Params(seen): Params<Seen>,
) -> Reply<Markup> {
    page(&s, &view, &caller, week, seen.done.as_deref(), None).await
}

async fn page(s: &AppState, view: &View, caller: &Caller, week: Week, done: Option<&str>, refused: Option<&Refused>) -> Reply<Markup> {
    let review = audit::review(&s.platform, &caller.cx, week).await?;
    let ask = step_up::asked(s, caller).await?;
    let body = html! {
        p.crumbs { a href=(PATH) { "Weekly reviews" } " › " (week) }
        h2 { "Week " (week) " " @if review.overdue { span.badge data-state="failed" { "overdue" } } }
        p.dim { (week.monday()) " to " (week.sunday()) " · " (count(review.entries, "entry", "entries")) " in the trail · working hours: " (in_words(&review.hours)) }
        @match (&review.signature, caller.cx.may(Permission::ReviewSign)) {
            (Some(signature), _) => { (findings(&review)) (signed(signature)) }
            (None, true) => (signing(&review, ask, refused)),
            (None, false) => (findings(&review)),
        }
    };
    Ok(settings(view, caller, Tab::Reviews, done, &["passkey.js"], &body))
}

fn findings(review: &Review) -> Markup {
    html! {
        @if review.findings.is_empty() { p { "Nothing stood out in this week." } }
        ol.findings {
            @for f in &review.findings {
                li {
                    (says(f))
                    @if let (Some(verdict), Some(note)) = (f.verdict, &f.note) { p { span.badge data-state=[(verdict == Verdict::FollowUp).then_some("failed")] { (word(verdict)) } " " (note) } }
                }
            }
        }
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Explained => "explained",
        Verdict::FollowUp => "to follow up",
    }
}

/// A finding in words, with the way to the entries behind it.
fn says(f: &Finding) -> Markup {
    let who = f.subject.as_ref().map_or("The platform", trail::name);
    let documents = count(f.events, "document", "documents");
    let (id, since, until) = (f.subject.as_ref().map(|w| w.id.to_string()), f.first_at.date().to_string(), f.last_at.date().to_string());
    let action = match f.kind {
        FindingKind::BulkRead | FindingKind::UnusualVolume => "document.read",
        FindingKind::SignInSpray => "session.sign_in_failed",
        FindingKind::AdminGranted => "user.admin_granted",
        FindingKind::OperatorGrant => "operator.access_granted",
        FindingKind::BreakGlass | FindingKind::Export | FindingKind::OffHours => "",
    };
    let link = link_with(EXPLORER, &[("who", id.as_deref().unwrap_or_default()), ("action", action), ("since", &since), ("until", &until)]);
    html! {
        h3 {
            @match f.kind {
                FindingKind::BreakGlass => { "The operator " (who) " opened the organisation" }
                FindingKind::OperatorGrant => { "An operator gave " (f.object_name.as_deref().unwrap_or("somebody who is gone")) " lasting access by command" }
                FindingKind::Export => { (who) " exported, " (count(f.events, "time", "times")) }
                FindingKind::BulkRead => { (who) " opened " (documents) " within an hour" }
                FindingKind::UnusualVolume => { (who) " opened " (documents) "; in a usual week it is " (f.usual.unwrap_or(0)) }
                FindingKind::OffHours => { (who) " was active outside the working hours, " (count(f.events, "entry", "entries")) }
                FindingKind::SignInSpray => { "Sign-in failed for " (count(f.events, "account", "accounts")) " within an hour" }
                FindingKind::AdminGranted => { (who) " made " (f.object_name.as_deref().unwrap_or("somebody who is gone")) " an administrator" }
            }
        }
        p.fine { (moment(f.first_at)) @if f.first_at != f.last_at { " to " (moment(f.last_at)) } " · " a href=(link) { "what is recorded" span.sr { " about finding " (f.n) } } }
    }
}

fn signing(review: &Review, ask: StepUp, refused: Option<&Refused>) -> Markup {
    let filled = Filled::of(SIGN, refused);
    let action = format!("{PATH}/{}/sign", review.week);
    let act = Act {
        action: &action,
        says: "This signs the review with your name, the time and what it means. It cannot be changed afterwards.",
        button: "Sign the review",
        destroys: false,
    };
    let faults = filled.faults("judgements");
    let inner = html! {
        @if review.findings.is_empty() { p { "Nothing stood out in this week. Signing says that you have seen so." } }
        ol.findings {
            @for f in &review.findings { li { (says(f)) (judging(f, &filled, faults.iter().find(|(n, _)| *n == f.n.to_string()).map(|(_, fault)| *fault))) } }
        }
        p { strong { "Meaning of your signature: " } (MEANING) }
    };
    html! { div.signing { (step_up_form::form(ask, &filled, &act, &inner)) } }
}

fn judging(f: &Finding, filled: &Filled<'_>, fault: Option<&str>) -> Markup {
    let (verdict, note) = (format!("verdict-{}", f.n), format!("note-{}", f.n));
    html! {
        fieldset.boxes {
            legend { "What you found" span.sr { " in finding " (f.n) } }
            label { input type="radio" name=(verdict) value="explained" required checked[filled.ticked(&verdict, "explained", false)]; span { "Explained" } }
            label { input type="radio" name=(verdict) value="follow_up" checked[filled.ticked(&verdict, "follow_up", false)]; span { "To follow up" } }
        }
        label for=(filled.id(&note)) { "Note" span.sr { " on finding " (f.n) } }
        textarea id=(filled.id(&note)) name=(note) rows="2" required maxlength=(limits::REVIEW_NOTE_CHARS_MAX) aria-invalid=[fault.map(|_| "true")]
            aria-describedby=[fault.map(|_| format!("{}-hint", filled.id(&note)))] { (filled.value(&note, "")) }
        @if let Some(fault) = fault { p.field-hint.bad id={ (filled.id(&note)) "-hint" } { (fault) } }
    }
}

/// The signature as it is printed: name, time and meaning.
fn signed(s: &Signature) -> Markup {
    html! {
        section aria-labelledby="signature-h" {
            h2 #signature-h { "Signature" }
            @if s.intact { p { span.badge data-state="ready" { "unchanged since it was signed" } } }
            @else { p.notice.bad role="alert" { "This record is no longer the one that was signed: somebody changed it in the database. Keep it as it is and tell whoever is responsible for your security." } }
            dl.facts {
                div { dt { "Signed by" } dd { (s.name) } }
                div { dt { "When" } dd { (moment(s.at)) } }
                div { dt { "Meaning" } dd { (s.meaning) } }
                @if s.sole_reviewer { div { dt { "Note" } dd { "The signer is a subject of this review: there was no other active administrator or auditor who could sign." } } }
                div { dt { "Record" } dd { "SHA-256 " code { (s.record_hash) } } }
            }
        }
    }
}

/// Signs the review.
pub(crate) async fn sign(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    jar: CookieJar,
    Id(week): Id<Week>,
    Form(given): Form<Fields>,
) -> Response {
    let by = step_up::prove(&s, caller, jar, &given).await;
    let signed = match by.outcome {
        Ok(()) => judged(&s, &by.caller, week, &given).await,
        Err(error) => Err(error),
    };
    match signed {
        Ok(_) => step_up::done(by.jar, &Done::ReviewSigned.at(&format!("{PATH}/{week}"))),
        Err(error) => {
            let refused = Refused::new(SIGN, given, error);
            step_up::again(by.jar, &refused, page(&s, &view, &by.caller, week, None, Some(&refused))).await
        }
    }
}

async fn judged(s: &AppState, caller: &Caller, week: Week, given: &Fields) -> vital_kernel::Result<Review> {
    let review = audit::review(&s.platform, &caller.cx, week).await?;
    let judgement = |f: &Finding| {
        let verdict = given.one(&format!("verdict-{}", f.n)).parse().ok()?;
        Some(Judgement { finding: f.n, verdict, note: given.one(&format!("note-{}", f.n)).to_owned() })
    };
    let judgements: Vec<Judgement> = review.findings.iter().filter_map(judgement).collect();
    audit::sign_review(&s.platform, &caller.cx, week, &judgements).await
}
