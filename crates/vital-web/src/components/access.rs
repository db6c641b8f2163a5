//! Who may read or ask: an icon with a word, and the fields that change it.

use super::form::{Fields, Filled};
use maud::{Markup, PreEscaped, html};
use vital_kernel::GroupId;
use vital_platform::knowledge::{Access, GroupName, Sharing};

const LOCK: PreEscaped<&str> = PreEscaped(
    r#"<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><rect x="3" y="7" width="10" height="7" rx="1.5" fill="currentColor"/><path d="M5 7V5a3 3 0 0 1 6 0v2" fill="none" stroke="currentColor" stroke-width="1.6"/></svg>"#,
);
const PEOPLE: PreEscaped<&str> = PreEscaped(
    r#"<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><circle cx="6" cy="5" r="2.5" fill="currentColor"/><path d="M1.5 13.5a4.5 4.5 0 0 1 9 0z" fill="currentColor"/><circle cx="12" cy="5.5" r="1.8" fill="none" stroke="currentColor" stroke-width="1.3"/><path d="M12.4 9.4a3.4 3.4 0 0 1 2.4 3.4" fill="none" stroke="currentColor" stroke-width="1.3"/></svg>"#,
);
const HOUSE: PreEscaped<&str> = PreEscaped(
    r#"<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 14V3h7v11M10 7h3v7M1.5 14h13M5.2 5.5h2.6M5.2 8h2.6M5.2 10.5h2.6" fill="none" stroke="currentColor" stroke-width="1.4"/></svg>"#,
);

/// The word for an access.
pub(crate) const fn word(access: Access) -> &'static str {
    match access {
        Access::Private => "private",
        Access::Group => "groups",
        Access::Tenant => "everybody",
    }
}

/// An access as an icon with its word.
pub(crate) fn sign(access: Access) -> Markup {
    let icon = match access {
        Access::Private => LOCK,
        Access::Group => PEOPLE,
        Access::Tenant => HOUSE,
    };
    html! { span.access { (icon) span { (word(access)) } } }
}

/// The fields of a form that choose who may `does` it: the access, and the groups for the access by group.
pub(crate) fn fields(filled: &Filled<'_>, does: &str, access: Access, chosen: &[GroupId], groups: &[GroupName]) -> Markup {
    let says = |a: Access| match a {
        Access::Private => "Only the owner",
        Access::Group => "Members of these groups",
        Access::Tenant => "Everybody in the organisation",
    };
    html! {
        fieldset {
            legend { "Who may " (does) }
            @for a in Access::ALL { label { input type="radio" name="access" value=(a.as_str()) required checked[filled.ticked("access", a.as_str(), a == access)]; (sign_only(a)) (says(a)) } }
        }
        fieldset.choices {
            legend { "Groups" }
            @for g in groups { label { input type="checkbox" name="groups" value=(g.id) checked[filled.ticked("groups", &g.id.to_string(), chosen.contains(&g.id))]; (g.name) } }
            @if groups.is_empty() { p.dim { "There are no groups yet. An administrator makes them." } }
        }
    }
}

fn sign_only(access: Access) -> Markup {
    match access {
        Access::Private => html! { (LOCK) },
        Access::Group => html! { (PEOPLE) },
        Access::Tenant => html! { (HOUSE) },
    }
}

/// What such a form sends: how far to share, only with the owner unless it says otherwise. Groups that are ticked while another access is chosen
/// do not count.
pub(crate) fn sharing(given: &Fields) -> Sharing {
    let access = Access::ALL.into_iter().find(|a| a.as_str() == given.one("access")).unwrap_or(Access::Private);
    Sharing { access, groups: if access == Access::Group { given.parsed("groups") } else { Vec::new() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(form: &str) -> Sharing {
        sharing(&serde_urlencoded::from_str(form).unwrap())
    }

    #[test]
    fn ticked_groups_count_only_where_groups_are_chosen() {
        let (one, other) = (GroupId::new(), GroupId::new());
        assert_eq!(sent(&format!("access=group&groups={one}&groups={other}")), Sharing { access: Access::Group, groups: vec![one, other] });
        assert_eq!(sent(&format!("access=tenant&groups={one}")), Sharing { access: Access::Tenant, groups: Vec::new() });
    }

    #[test]
    fn a_form_that_says_nothing_shares_with_nobody() {
        assert_eq!(sent("access=world&groups=x"), Sharing { access: Access::Private, groups: Vec::new() });
    }
}
