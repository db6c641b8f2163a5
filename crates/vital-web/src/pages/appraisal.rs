//! What a document is worth as evidence and whether it holds: the page on which people correct what the rules said.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        appraisal::{AUTHORITIES, LEVELS, status_name},
        form::{Fields, Filled, Refused},
        layout::{Section, page},
        text::{authority, count},
    },
    extract::{Form, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use vital_kernel::{DocumentId, Error, Result};
use vital_platform::{
    ask::{self, Appraised},
    identity::Caller,
    knowledge::{Appraisal, Document, Status, day},
};

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Id(id): Id<DocumentId>) -> Reply<Markup> {
    whole(&s, &caller, &view, id, None).await
}

/// Corrects it.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    view: View,
    Id(id): Id<DocumentId>,
    Form(given): Form<Fields>,
) -> Response {
    let changed = match read(&given) {
        Ok(appraisal) => ask::appraise(&s.platform, &caller.cx, id, appraisal).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Redirect::to(&format!("/library/documents/{id}")).into_response(),
        Err(error) => {
            let refused = Refused::new("appraisal", given, error);
            if !refused.is_mendable() {
                return refused.problem().clone().into_response();
            }
            let status = refused.problem().status();
            match whole(&s, &caller, &view, id, Some(&refused)).await {
                Ok(page) => (status, page).into_response(),
                Err(problem) => problem.into_response(),
            }
        }
    }
}

fn read(given: &Fields) -> Result<Appraisal> {
    let date = |name: &str| match given.one(name).trim() {
        "" => Ok(None),
        text => day::parse(text).map(Some).map_err(|_| {
            Error::invalid("appraisal.invalid", "A date is written like 2026-11-23. Nothing was changed.")
                .with_field(format!("/{name}"), "Write it like 2026-11-23.")
        }),
    };
    let status = Status::parse(given.one("status"));
    // What is typed for a successor is an address or an id; the last part of an address is the id.
    let successor = given.one("superseded_by").trim().split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let superseded_by = match successor {
        "" => None,
        id => Some(id.parse().map_err(|_| {
            Error::invalid("appraisal.invalid", "The successor is named by its address in the library. Nothing was changed.")
                .with_field("/superseded_by", "Paste the address of the other document from the library.")
        })?),
    };
    Ok(Appraisal {
        authority: given.one("authority").to_owned(),
        level: given.one("level").parse().ok(),
        issued_on: date("issued_on")?,
        status,
        effective_from: date("effective_from")?,
        effective_until: date("effective_until")?,
        superseded_by: superseded_by.filter(|_| status == Status::Superseded),
    })
}

async fn whole(s: &AppState, caller: &Caller, view: &View, id: DocumentId, refused: Option<&Refused>) -> Reply<Markup> {
    let found = ask::reach(&s.platform, &caller.cx, id).await?;
    let body = content(&found, &Filled::of("appraisal", refused));
    Ok(page(view, &format!("Appraise {}", found.document.title), Section::Library, &[], &body))
}

fn content(found: &Appraised, filled: &Filled<'_>) -> Markup {
    let d = &found.document;
    let a = &d.appraisal;
    let level = a.level.map_or_else(String::new, |l| l.to_string());
    let date = |date: Option<time::Date>| date.map_or_else(String::new, |d| d.to_string());
    let successor = a.superseded_by.map_or_else(String::new, |id| format!("/library/documents/{id}"));
    let (issued, from, until) = (date(a.issued_on), date(a.effective_from), date(a.effective_until));
    html! {
        div.narrow {
            p.crumbs { a href={ "/library/documents/" (d.id) } { (d.title) } }
            h1 { "Appraise this document" }
            p { (if d.appraised { "A person has said what stands below." } else { "What stands below was read from the text by rules. Correct what is wrong." }) }
            p.notice { (reach(found)) }
            form.stack method="post" action={ "/library/documents/" (d.id) "/appraisal" } {
                (filled.notice())
                (choice(filled, "authority", "Whose word it is", &a.authority, AUTHORITIES.iter().map(|name| (*name, authority(name)))))
                (choice(filled, "level", "Level of evidence", &level, LEVELS))
                (filled.hint("level", "By the Oxford Centre for Evidence-Based Medicine, 2011. A regulation or guidance reports no findings and has none."))
                (dated(filled, "issued_on", "Issued on", &issued, ""))
                (choice(filled, "status", "Does it still hold?", a.status.as_str(), Status::ALL.map(|s| (s.as_str(), status_name(s)))))
                (line(filled, "superseded_by", "What took its place", &successor, "The address of the other document in the library, where it is superseded."))
                (dated(filled, "effective_from", "Holds from", &from, ""))
                (dated(filled, "effective_until", "No longer holds from", &until, "A superseded document without this day ends today."))
                button.primary type="submit" { "Save" }
            }
            @if !may_change(d) { p.dim { "Somebody else added this document: whoever manages documents can change this." } }
        }
    }
}

const fn may_change(d: &Document) -> bool {
    d.yours || d.starter
}

fn reach(found: &Appraised) -> String {
    if found.answers == 0 {
        return "No answer cites this document yet.".to_owned();
    }
    format!(
        "{} of {} cite this document. If it no longer holds, they are marked at once and whoever asked is told.",
        count(found.answers, "answer", "answers"),
        count(found.people, "person", "people")
    )
}

fn choice<'a>(
    filled: &Filled<'_>,
    name: &str,
    label: &str,
    at_first: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Markup {
    let chosen = filled.given().map_or(at_first, |given| given.one(name));
    html! {
        label for=(filled.id(name)) { (label) }
        select id=(filled.id(name)) name=(name) aria-describedby=[filled.described(name, "")] {
            @for (value, says) in options { option value=(value) selected[value == chosen] { (says) } }
        }
        @if name != "level" { (filled.hint(name, "")) }
    }
}

fn dated(filled: &Filled<'_>, name: &str, label: &str, at_first: &str, hint: &str) -> Markup {
    input(filled, "date", name, label, at_first, hint)
}

fn line(filled: &Filled<'_>, name: &str, label: &str, at_first: &str, hint: &str) -> Markup {
    input(filled, "text", name, label, at_first, hint)
}

fn input(filled: &Filled<'_>, kind: &str, name: &str, label: &str, at_first: &str, hint: &str) -> Markup {
    let value = filled.given().map_or(at_first, |given| given.one(name));
    html! {
        label for=(filled.id(name)) { (label) }
        input id=(filled.id(name)) name=(name) type=(kind) value=(value) autocomplete="off"
            aria-invalid=[(!filled.faults(name).is_empty()).then_some("true")] aria-describedby=[filled.described(name, hint)];
        (filled.hint(name, hint))
    }
}
