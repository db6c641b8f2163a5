//! Roles by the names that people use.

use super::form::Filled;
use maud::{Markup, html};
use vital_kernel::Role;

/// Name and meaning of a role.
pub(crate) const fn words(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Viewer => ("Viewer", "reads what is shared with them"),
        Role::Member => ("Member", "asks experts, adds documents"),
        Role::ExpertAuthor => ("Expert author", "builds experts and collections"),
        Role::Reviewer => ("Reviewer", "approves and signs"),
        Role::TenantAdmin => ("Administrator", "manages people and policies"),
        Role::Auditor => ("Auditor", "reads everybody's trail, changes nothing"),
    }
}

/// Roles in one line.
pub(crate) fn line(roles: impl IntoIterator<Item = Role>) -> String {
    roles.into_iter().map(|r| words(r).0).collect::<Vec<_>>().join(", ")
}

/// Boxes to choose roles with.
pub(crate) fn boxes(filled: &Filled<'_>, held: &[Role]) -> Markup {
    html! {
        fieldset.boxes aria-describedby=[filled.described("roles", "")] {
            legend { "Roles" }
            @for role in Role::ALL {
                label {
                    input type="checkbox" name="roles" value=(role) checked[filled.ticked("roles", role.as_str(), held.contains(&role))];
                    span { (words(role).0) " " small { (words(role).1) } }
                }
            }
        }
        (filled.hint("roles", ""))
    }
}
