//! The part of the library that makes, shares, renames and deletes collections.

use crate::{
    caller::SignedIn,
    components::{
        access::{fields, sharing, sign},
        form::{Fields, Filled},
        step_up::{self, Act, StepUp},
        text::link_with,
    },
    extract::Form,
    problem::{Problem, Reply},
    state::AppState,
    step_up::{done, prove},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use vital_kernel::{Result, limits};
use vital_platform::knowledge::{self, Access, Collection, CollectionAccess, CollectionChange, GroupName, NewCollection};

/// Makes a collection and shows it.
pub(crate) async fn create(State(s): State<AppState>, SignedIn(caller): SignedIn, Form(given): Form<Fields>) -> Reply<Redirect> {
    let new = NewCollection { sharing: sharing(&given), name: given.one("name").to_owned() };
    Ok(Redirect::to(&address(&knowledge::create_collection(&s.platform, &caller.cx, new).await?.slug)))
}

/// Changes name and access of a collection.
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    jar: CookieJar,
    Path(slug): Path<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = prove(&s, caller, jar, &given).await;
    let change = CollectionChange { sharing: Some(sharing(&given)), name: Some(given.one("name").to_owned()) };
    let changed = match by.outcome {
        Ok(()) => knowledge::change_collection(&s.platform, &by.caller.cx, &slug, change).await.map(|c| address(&c.slug)),
        Err(error) => Err(error),
    };
    ended(by.jar, changed)
}

/// Deletes an empty collection.
pub(crate) async fn delete(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    jar: CookieJar,
    Path(slug): Path<String>,
    Form(given): Form<Fields>,
) -> Response {
    let by = prove(&s, caller, jar, &given).await;
    let deleted = match by.outcome {
        Ok(()) => knowledge::delete_collection(&s.platform, &by.caller.cx, &slug).await.map(|()| "/library".to_owned()),
        Err(error) => Err(error),
    };
    ended(by.jar, deleted)
}

fn ended(jar: CookieJar, outcome: Result<String>) -> Response {
    match outcome {
        Ok(address) => done(jar, &address),
        Err(error) => (jar, Problem::from(error)).into_response(),
    }
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
    /// What forms about collections of others ask for.
    pub(super) ask: StepUp,
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
            (settings(c, governed))
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
                (fields(&Filled::of("new", None), "read it", Access::Private, &[], &governed.groups))
                button.primary type="submit" { "Make collection" }
            }
        }
    }
}

fn settings(c: &CollectionAccess, governed: &Governed) -> Markup {
    let (keep, gone) = (Filled::of("collection", None), Filled::of("collection-delete", None));
    // Own collections need no second factor.
    let ask = if c.owned { StepUp { proven: true, ..governed.ask } } else { governed.ask };
    let change = Act {
        action: &format!("/library/collections/{}", c.slug),
        says: "Whoever loses access loses it with the next request. Answers already given keep the words they quoted.",
        button: "Save",
        destroys: false,
    };
    let delete = Act {
        action: &format!("/library/collections/{}/delete", c.slug),
        says: "Only an empty collection can be deleted.",
        button: "Delete this collection",
        destroys: true,
    };
    html! {
        details.panel {
            summary { "Name and access of “" (c.name) "”…" }
            @if !c.owned { p.dim { "It belongs to " (c.owner.as_deref().unwrap_or("a member who has left")) "." } }
            (step_up::form(ask, &keep, &change, &html! { (name_field("name", &c.name)) (fields(&keep, "read it", c.access, &c.groups, &governed.groups)) }))
            (step_up::form(ask, &gone, &delete, &html! {}))
        }
    }
}

fn name_field(id: &str, name: &str) -> Markup {
    html! {
        label for=(id) { "Name" }
        input id=(id) type="text" name="name" required maxlength=(limits::COLLECTION_NAME_CHARS_MAX) value=(name) autocomplete="off";
    }
}
