//! What each role may do: the policy table of the kernel, for people.

use super::View;
use crate::{
    caller::SignedIn,
    components::{
        role::words,
        settings::{Tab, settings},
    },
};
use maud::{Markup, html};
use vital_kernel::{Permission, Role, RoleSet};

/// Shows the table.
pub(crate) async fn show(SignedIn(caller): SignedIn, view: View) -> Markup {
    settings(
        &view,
        &caller,
        Tab::Roles,
        None,
        &[],
        &html! {
            p.dim { "What somebody may do is what any of their roles allows. The table is the same in every organisation and is what the server enforces." }
            dl.facts { @for role in Role::ALL { div { dt { (words(role).0) } dd { (words(role).1) } } } }
            (table())
        },
    )
}

fn table() -> Markup {
    html! {
        div.table-scroll tabindex="0" role="region" aria-label="What each role may do" {
            table.matrix {
                thead { tr { th scope="col" { "Permission" } @for role in Role::ALL { th scope="col" { (words(role).0) } } } }
                tbody {
                    @for permission in Permission::ALL {
                        tr {
                            th scope="row" { (permission.meaning()) br; code { (permission) } }
                            @for role in Role::ALL {
                                @let held = permission.held_by(RoleSet::from_iter([role]));
                                td data-label=(words(role).0) data-held=[held.then_some("")] { @if held { span aria-hidden="true" { "✓" } span.sr { "yes" } } @else { span aria-hidden="true" { "–" } span.sr { "no" } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_policy_says() {
        let html = table().into_string();
        let held: usize = Permission::ALL.iter().map(|p| p.holders().len()).sum();
        assert_eq!(html.matches(">yes<").count(), held);
        assert_eq!(html.matches(">no<").count(), Permission::ALL.len() * Role::ALL.len() - held);
        assert!(Permission::ALL.iter().all(|p| html.contains(p.meaning()) && html.contains(p.as_str())));
    }
}
