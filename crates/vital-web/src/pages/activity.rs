//! One's own trail: everything recorded with oneself as the actor, and when operators were in the organisation.

use super::{Page, View};
use crate::{
    caller::SignedIn,
    components::{
        settings::{Tab, settings},
        text::{link_with, moment},
        trail,
    },
    extract::Params,
    problem::Reply,
    state::AppState,
};
use axum::extract::State;
use maud::{Markup, html};
use vital_kernel::{Permission, limits};
use vital_platform::audit::{self, OperatorAccess};

const PATH: &str = "/settings/activity";

/// Shows the page.
pub(crate) async fn show(State(s): State<AppState>, SignedIn(caller): SignedIn, view: View, Params(given): Params<Page>) -> Reply<Markup> {
    let own = audit::own_entries(&s.platform, &caller.cx, given.before, limits::PAGE_SIZE).await?;
    let operators = audit::operator_accesses(&s.platform, &caller.cx).await?;
    let linking = super::audit::linking(&s, &caller, &own, true).await?;
    let body = html! {
        p.dim { "What is recorded about you, newest first, in UTC: what you did and what you read. Auditors and administrators of your organisation can see it; if you do not recognise something, tell them." }
        @if own.is_empty() { p { "Nothing is recorded about you yet. What you ask, read and change will stand here." } } @else { (trail::table(&own, &linking)) }
        @if let Some(last) = super::audit::older(&own) { p.acts { a.button.quiet href=(link_with(PATH, &[("before", &last)])) { "Older entries" } } }
        (by_operators(&operators, caller.cx.may(Permission::BreakGlassRead)))
    };
    Ok(settings(&view, &caller, Tab::Activity, None, &[], &body))
}

fn by_operators(operators: &[OperatorAccess], may_see_why: bool) -> Markup {
    html! {
        section aria-labelledby="operators-h" {
            h2 #operators-h { "Operators in your organisation" }
            @if operators.is_empty() { p.dim { "Whoever runs this installation has never opened your organisation. If they do, it stands here." } }
            @else {
                p.dim { "Whoever runs this installation opened your organisation at these times, to read." @if may_see_why { " " a href="/settings/operator-access" { "Why, and what came of it" } "." } }
                table.sheet-list {
                    thead { tr { th { "Who" } th { "From" } th { "Until" } th { "Reviewed" } } }
                    tbody {
                        @for o in operators {
                            tr {
                                td data-label="Who" { (o.operator) }
                                td data-label="From" { (moment(o.opened_at)) }
                                td data-label="Until" { (moment(o.ends_at)) }
                                td data-label="Reviewed" { (if o.reviewed { "yes, by your organisation" } else { "not yet" }) }
                            }
                        }
                    }
                }
            }
        }
    }
}
