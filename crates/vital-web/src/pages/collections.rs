//! The part of the library that makes, shares, renames and deletes collections.

use crate::{
    caller::SignedIn,
    components::{
        access::{Sent, fields, sign},
        text::link_with,
    },
    extract::Form,
    problem::Reply,
    state::AppState,
};
use axum::{
    extract::{Path, State},
    response::Redirect,
};
use maud::{Markup, html};
use vital_kernel::limits;
use vital_platform::knowledge::{self, Access, Collection, CollectionAccess, CollectionChange, GroupName, NewCollection};

type Fields = Form<Vec<(String, String)>>;

/// Makes a collection and shows it.
pub(crate) async fn create(State(s): State<AppState>, SignedIn(caller): SignedIn, Form(given): Fields) -> Reply<Redirect> {
    let sent = Sent::of(given);
    let new = NewCollection { sharing: sent.sharing(), name: sent.name.unwrap_or_default() };
    Ok(Redirect::to(&address(&knowledge::create_collection(&s.platform, &caller.cx, new).await?.slug)))
}

/// Changes name and access of a collection.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Form(given): Fields,
) -> Reply<Redirect> {
    let sent = Sent::of(given);
    let change = CollectionChange { sharing: Some(sent.sharing()), name: sent.name };
    Ok(Redirect::to(&address(&knowledge::change_collection(&s.platform, &caller.cx, &slug, change).await?.slug)))
}

/// Deletes an empty collection.
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Path(slug): Path<String>) -> Reply<Redirect> {
    knowledge::delete_collection(&s.platform, &caller.cx, &slug).await?;
    Ok(Redirect::to("/library"))
}

fn address(slug: &str) -> String {
    link_with("/library", &[("collection", slug)])
}

/// What the caller decides about collections.
pub(super) struct Governed {
    /// Own collections, or all for those who manage collections; without those that cannot be changed.
    pub(super) all: Vec<CollectionAccess>,
    /// The groups to share with.
    pub(super) groups: Vec<GroupName>,
}

/// The filter by collection: each with its access, by icon and word.
pub(super) fn tags(chosen: Option<&str>, starter: bool, collections: &[Collection]) -> Markup {
    let shown = |c: &&Collection| c.starter == starter && (!c.starter || c.documents > 0);
    html! {
        ul.tags aria-label="Collections" {
            @for c in collections.iter().filter(shown) {
                @let here = chosen == Some(c.slug.as_str());
                li {
                    a.tag href=(link_with("/library", &[("starter", if starter { "true" } else { "" }), ("collection", if here { "" } else { &c.slug })])) aria-current=[here.then_some("true")] {
                        (c.name) " " b { (c.documents) } @if !c.starter { (sign(c.access)) }
                    }
                }
            }
        }
    }
}

/// The forms: to change the chosen collection, to make one, and the list of what else the caller decides about.
pub(super) fn forms(chosen: Option<&str>, readable: &[Collection], governed: &Governed) -> Markup {
    let found = governed.all.iter().find(|c| Some(c.slug.as_str()) == chosen);
    let hidden = |c: &&CollectionAccess| !readable.iter().any(|r| r.slug == c.slug);
    html! {
        @if let Some(c) = found {
            @if hidden(&c) { p.notice { "You decide who may read this collection; its documents are not yours to see." } }
            (settings(c, &governed.groups))
        }
        @if governed.all.iter().any(|c| hidden(&c)) {
            details.panel {
                summary { "Collections of others" }
                ul.rows {
                    @for c in governed.all.iter().filter(hidden) {
                        li { a.row href=(address(&c.slug)) { span { (c.name) } small { (sign(c.access)) @if let Some(owner) = &c.owner { " of " (owner) } } } }
                    }
                }
            }
        }
        details.panel {
            summary { "New collection…" }
            form method="post" action="/library/collections" {
                (name_field("new-name", ""))
                (fields("read it", Access::Private, &[], &governed.groups))
                button.primary type="submit" { "Make collection" }
            }
        }
    }
}

fn settings(c: &CollectionAccess, groups: &[GroupName]) -> Markup {
    let owner = c.owner.as_deref().unwrap_or("a member who has left");
    html! {
        details.panel {
            summary { "Name and access of “" (c.name) "”…" }
            form method="post" action={ "/library/collections/" (c.slug) } {
                @if !c.owned { p.dim { "It belongs to " (owner) ". Changing it needs your second factor." } }
                (name_field("name", &c.name))
                (fields("read it", c.access, &c.groups, groups))
                p.dim { "Whoever loses access loses it with the next request. Answers already given keep the words they quoted." }
                button.primary type="submit" { "Save" }
            }
            form method="post" action={ "/library/collections/" (c.slug) "/delete" } {
                button.danger type="submit" { "Delete this collection" }
                p.dim { "Only an empty collection can be deleted." }
            }
        }
    }
}

fn name_field(id: &str, name: &str) -> Markup {
    html! {
        label for=(id) { "Name" }
        input id=(id) type="text" name="name" required maxlength=(limits::COLLECTION_NAME_CHARS_MAX) value=(name) autocomplete="off";
    }
}
