//! The frame of every page: head, navigation, footer.

use crate::{
    assets,
    components::{
        expert::initials,
        text::{link_with, moment},
    },
    pages::{Theme, View},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use vital_platform::identity::Caller;

/// Which entry of the navigation is the present one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Ask,
    History,
    Experts,
    Library,
    None,
}

/// How long a page without scripts waits before it looks for more of the answer.
const WAIT_SECONDS: u8 = 2;

const MARK: PreEscaped<&str> = PreEscaped(
    r#"<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d="M4 5l7 13 4-7" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/><circle cx="18.4" cy="5.6" r="2.6" fill="currentColor"/></svg>"#,
);

const FIND_ICON: PreEscaped<&str> = PreEscaped(
    r#"<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="8.5" cy="8.5" r="5.5" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M13 13l4.5 4.5" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/></svg>"#,
);

const THEME_ICON: PreEscaped<&str> = PreEscaped(
    r#"<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor"/></svg>"#,
);

/// Makes a page. `scripts` are names of modules beside the one every page has.
pub(crate) fn page(view: &View, title: &str, section: Section, scripts: &[&str], body: &Markup) -> Markup {
    document(view, title, scripts, None, &whole(view, section, body))
}

/// Makes a page that comes again by itself while an answer is written, for readers without scripts. `address` must have no fragment:
/// a refresh to an address with one only scrolls.
pub(crate) fn waiting_page(view: &View, title: &str, section: Section, scripts: &[&str], address: &str, body: &Markup) -> Markup {
    document(view, title, scripts, Some(address), &whole(view, section, body))
}

fn whole(view: &View, section: Section, body: &Markup) -> Markup {
    html! {
        a.skip href="#main" { "Skip to the content" }
        (header(view, section))
        @if let Some(operator) = view.caller.as_ref().filter(|c| c.break_glass.is_some()) { (operator_banner(operator)) }
        main #main tabindex="-1" { (body) }
        (footer())
    }
}

/// Makes a page of nothing but its content, for the source pane.
pub(crate) fn bare(view: &View, title: &str, body: &Markup) -> Markup {
    document(view, title, &[], None, &html! { main #main { (body) } })
}

fn document(view: &View, title: &str, scripts: &[&str], refresh: Option<&str>, body: &Markup) -> Markup {
    let theme = match view.theme {
        Theme::System => None,
        Theme::Light => Some("light"),
        Theme::Dark => Some("dark"),
    };
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] {
            head {
                meta charset="utf-8";
                title { (title) " · VITAL Path" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(assets::url("app.css"));
                @if let Some(address) = refresh { noscript { meta http-equiv="refresh" content={ (WAIT_SECONDS) "; url=" (address) }; } }
                @for name in std::iter::once(&"app.js").chain(scripts) {
                    script type="module" nonce=(view.nonce) src=(assets::url(name)) {}
                }
            }
            body { (body) }
        }
    }
}

fn header(view: &View, section: Section) -> Markup {
    html! {
        header.top {
            a.brand href="/" { (MARK) span { "VITAL" b { " Path" } } }
            @if let Some(caller) = &view.caller {
                nav.sections aria-label="Main" {
                    @for (name, path, of) in [("Ask", "/", Section::Ask), ("History", "/conversations", Section::History), ("Experts", "/experts", Section::Experts), ("Library", "/library", Section::Library)] {
                        a href=(path) aria-current=[(section == of).then_some("page")] { (name) }
                    }
                }
                (account(caller))
            } @else {
                div.account { (theme_button()) }
            }
        }
    }
}

/// Reminds an operator, and whoever looks over their shoulder, on every page.
fn operator_banner(operator: &Caller) -> Markup {
    html! {
        p.operator role="note" {
            strong { "Operator access: " (operator.display_name) }
            " reads this organisation's data" @if let Some(at) = operator.ends_at { ", until " (moment(at)) " at the latest" } ". Nothing can be changed, everything is recorded, and the organisation reviews it."
        }
    }
}

fn account(caller: &Caller) -> Markup {
    html! {
        div.account {
            a.icon.js-finder href="/find" title="Find" aria-label="Find" { (FIND_ICON) }
            (theme_button())
            details.menu {
                summary aria-label={ "Account of " (caller.display_name) } { span.monogram aria-hidden="true" { (initials(&caller.display_name)) } }
                div.menu-body {
                    p { strong { (caller.display_name) } br; small { (caller.email) } }
                    a href="/notices" { "Notices" }
                    a href="/settings" { "Settings" }
                    a href="/docs" { "API" }
                    form method="post" action="/sign-out" { button.plain type="submit" { "Sign out" } }
                }
            }
        }
    }
}

fn theme_button() -> Markup {
    html! { button.icon.js-theme type="button" hidden title="Light or dark" aria-label="Switch between light and dark" { (THEME_ICON) } }
}

fn footer() -> Markup {
    html! {
        footer.foot {
            p {
                "Business software for life-science professionals. Not a medical device, no patient-specific advice. "
                "Answers are made by AI or extracted from sources, as each is labelled: check them against the cited words."
            }
        }
    }
}

/// The address of the sign-in page that leads back to a path.
pub(crate) fn sign_in_link(next: &str) -> String {
    link_with("/sign-in", &[("next", next)])
}
