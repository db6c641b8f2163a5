//! Entries of the trail for people: who did what to which object, and whether the entry stands in the chain yet.

use super::text::{link_with, moment};
use maud::{Markup, html};
use std::collections::HashMap;
use vital_kernel::{OpContext, Permission, UserId};
use vital_platform::audit::{Entry, How, Sighting, Who};

/// The explorer's address.
pub(crate) const EXPLORER: &str = "/settings/audit";

/// Objects of one entry that a list names; the page of the entry names all.
const NAMED_MAX: usize = 3;

/// What a list needs to know to link objects for its reader.
pub(crate) struct Linking<'a> {
    /// Who reads.
    pub(crate) cx: &'a OpContext,
    /// Titles of the documents that the reader may see.
    pub(crate) titles: HashMap<String, String>,
    /// Whether the reader is the actor of all entries, so that who acted goes without saying.
    pub(crate) own: bool,
}

/// A list of entries.
pub(crate) fn table(entries: &[Entry], l: &Linking<'_>) -> Markup {
    html! {
        table.sheet-list.trail {
            thead { tr { th { "When" } @if !l.own { th { "Who" } } th { "What" } th { "Object" } @if !l.own { th { "In the chain" } } } }
            tbody {
                @for e in entries {
                    tr {
                        td data-label="When" { @if l.own { (moment(e.at)) } @else { a href={ (EXPLORER) "/entries/" (e.id) } { (moment(e.at)) } } }
                        @if !l.own { td data-label="Who" { (who_of(e, l)) } }
                        td data-label="What" { (e.says) }
                        td data-label="Object" { (objects(e, l, NAMED_MAX)) }
                        @if !l.own { td data-label="In the chain" { (chain(e.seq)) } }
                    }
                }
            }
        }
    }
}

/// The number in the chain, or that it is still to come.
pub(crate) fn chain(seq: Option<i64>) -> Markup {
    html! { @if let Some(seq) = seq { "no. " (seq) } @else { span.badge { "waiting" } } }
}

/// Who acted in an entry.
pub(crate) fn who_of(e: &Entry, l: &Linking<'_>) -> Markup {
    html! { @if e.actor.is_none() && is_unproven(e) { span.dim { "somebody unknown" } } @else { (who(e.actor.as_ref(), l)) } }
}

/// Whether nobody had proven who they are when it happened.
fn is_unproven(e: &Entry) -> bool {
    matches!(e.action.as_str(), "session.sign_in_failed" | "session.locked_out" | "user.password_reset_asked")
}

/// Who acted, with a way to everything they did.
pub(crate) fn who(who: Option<&Who>, l: &Linking<'_>) -> Markup {
    html! {
        @match who {
            None => span.dim { "the platform" },
            Some(who) => {
                a href=(link_with(EXPLORER, &[("who", &who.id.to_string())])) { (name(who)) }
                @if l.cx.user() == Some(who.id) { " " span.badge { "you" } }
                @match who.kind.as_str() {
                    "operator" => { " " @if who.opening.is_some() { a.badge href="/settings/operator-access" data-state="failed" { "operator" } } @else { span.badge data-state="failed" { "operator" } } }
                    "service" => { " " span.badge { "service account" } }
                    _ => {}
                }
            }
        }
    }
}

/// Somebody's name, or that they are gone.
pub(crate) fn name(who: &Who) -> &str {
    if who.name.is_empty() { "somebody who is gone" } else { &who.name }
}

/// What happened, in one sentence.
pub(crate) fn sentence(e: &Entry) -> String {
    let subject = match &e.actor {
        Some(who) => name(who),
        None if is_unproven(e) => "Somebody unknown",
        None => "The platform",
    };
    format!("{subject} {}", e.says)
}

/// The objects of an entry, at most so many of them.
pub(crate) fn objects(e: &Entry, l: &Linking<'_>, most: usize) -> Markup {
    html! {
        @if e.objects.is_empty() { "none" }
        @for (i, id) in e.objects.iter().take(most).enumerate() { @if i > 0 { br; } (object(e, id, l)) }
        @if e.objects.len() > most { br; small { "and " (e.objects.len() - most) " more" } }
    }
}

fn object(e: &Entry, id: &str, l: &Linking<'_>) -> Markup {
    let may = |permission| l.cx.may(permission);
    let mine = e.actor.as_ref().is_some_and(|who| l.cx.user() == Some(who.id));
    let address = match e.resource.as_str() {
        "document" | "documents" => l.titles.contains_key(id).then(|| format!("/library/documents/{id}")),
        "user" if id.parse().is_ok_and(|id: UserId| l.cx.user() == Some(id)) => Some("/settings".to_owned()),
        "user" => (may(Permission::UserRead) && e.member.is_some()).then(|| format!("/settings/members/{id}")),
        "conversation" => {
            (mine && may(Permission::ConversationRead) && e.action != "conversation.deleted").then(|| format!("/conversations/{id}"))
        }
        "group" => (may(Permission::UserRead) && e.action != "group.deleted").then(|| format!("/settings/groups/{id}")),
        "break_glass" => may(Permission::BreakGlassRead).then(|| "/settings/operator-access".to_owned()),
        "review" if id.contains("-W") => may(Permission::AuditRead).then(|| format!("/settings/reviews/{id}")),
        _ => None,
    };
    let called = l.titles.get(id).or(e.member.as_ref());
    html! {
        @match (address, called) {
            (Some(address), Some(called)) => a href=(address) { (called) },
            (Some(address), None) => a href=(address) { (kind(&e.resource)) " " code { (short(id)) } },
            (None, Some(called)) => (called),
            (None, None) => { (kind(&e.resource)) " " code title=(id) { (short(id)) } },
        }
    }
}

/// The kind of an object, for people.
pub(crate) fn kind(resource: &str) -> &str {
    match resource {
        "documents" => "document",
        "user" => "member",
        "break_glass" => "opening",
        "turn" => "question",
        "tenant" => "the organisation",
        "sso_provider" => "provider",
        other => other,
    }
}

/// The end of an id, which is what tells ids of version 7 apart.
fn short(id: &str) -> &str {
    if id.len() == 36 { &id[24..] } else { id.get(..16).unwrap_or(id) }
}

/// Who saw a document.
pub(crate) fn sightings(seen: &[Sighting], l: &Linking<'_>) -> Markup {
    html! {
        table.sheet-list {
            thead { tr { th { "When" } th { "Who" } th { "How" } } }
            tbody {
                @for s in seen {
                    tr {
                        td data-label="When" { a href={ (EXPLORER) "/entries/" (s.entry) } { (moment(s.at)) } }
                        td data-label="Who" { (who(s.who.as_ref(), l)) }
                        td data-label="How" { (how(s.how)) }
                    }
                }
            }
        }
    }
}

const fn how(how: How) -> &'static str {
    match how {
        How::Read => "opened its text",
        How::Found => "was shown passages by a search",
        How::Cited => "got an answer that cites it",
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ids_are_shortened_and_nothing_else_panics() {
        assert_eq!(short("0199d7a2-55bc-7bb0-9c3e-0123456789ab"), "0123456789ab");
        for odd in ["", "own", "öööööööööööööööööö", "2026-W47"] {
            assert!(odd.starts_with(short(odd)));
        }
    }
}
