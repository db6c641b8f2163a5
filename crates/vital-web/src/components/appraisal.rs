//! What a document is worth and whether it holds, as people read it.

use super::text::authority;
use maud::{Markup, html};
use vital_platform::{
    ask::Outdated,
    knowledge::{self, Appraisal, Status},
};

/// Whose word a document can be.
pub(crate) use knowledge::AUTHORITIES;

/// The levels of evidence with what they mean; the empty one is no level.
pub(crate) const LEVELS: [(&str, &str); 6] = [
    ("", "none: it reports no findings"),
    ("1", "1: systematic review of trials"),
    ("2", "2: randomised trial"),
    ("3", "3: cohort or other controlled study"),
    ("4", "4: case-control study, case series"),
    ("5", "5: reasoning or opinion"),
];

/// A status in words.
pub(crate) const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Current => "current",
        Status::Superseded => "superseded",
        Status::Retracted => "retracted",
        Status::Withdrawn => "withdrawn",
    }
}

/// A badge for what no longer holds; nothing for what does.
pub(crate) fn badge(status: Status) -> Markup {
    html! { @if status != Status::Current { span.badge data-state="failed" { (status_name(status)) } } }
}

/// Authority, level, dates and status in one line.
pub(crate) fn summary(a: &Appraisal) -> Markup {
    html! {
        (authority(&a.authority))
        @if let Some(level) = a.level { " · evidence level " (level) }
        @if let Some(date) = a.issued_on { " · issued " (date) }
        @if let Some(date) = a.effective_from { " · holds from " (date) }
        @if let Some(date) = a.effective_until { " · until " (date) }
        @if a.status != Status::Current { " " (badge(a.status)) }
    }
}

/// What a reader of an answer must know of documents that it stood on.
pub(crate) fn outdated(marks: &[Outdated], title_of: impl Fn(uuid::Uuid) -> Option<String>) -> Markup {
    html! {
        @if !marks.is_empty() {
            div.notice.bad role="note" {
                p { strong { "This answer stands on what no longer holds." } }
                ul {
                    @for m in marks {
                        li {
                            a href={ "/library/documents/" (m.document_id) } { (title_of(m.document_id).unwrap_or_else(|| "A document".to_owned())) }
                            " was " (status_name(m.status))
                            @if let Some(s) = &m.successor { " by " a href={ "/library/documents/" (s.document_id) } { (s.title) } }
                            "."
                        }
                    }
                }
                p { "Ask again to have it answered from what holds today; the two answers can then be compared." }
            }
        }
    }
}
