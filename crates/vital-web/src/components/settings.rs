//! The frame of the settings: their own navigation, what has just been done, and the content.

use super::{
    layout::{Section, page},
    notice::notice,
};
use crate::pages::View;
use maud::{Markup, html};
use vital_kernel::{OpContext, Permission};
use vital_platform::identity::Caller;

macro_rules! tabs {
    ($($variant:ident $name:literal $path:literal $permission:ident $own:literal;)+) => {
        /// Which entry of the settings is the present one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Tab {
            $($variant,)+
        }

        impl Tab {
            const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Name, address, the permission that shows it, and whether it is about oneself.
            const fn words(self) -> (&'static str, &'static str, Permission, bool) {
                match self {
                    $(Self::$variant => ($name, $path, Permission::$permission, $own),)+
                }
            }
        }
    };
}

tabs! {
    Profile "Profile" "/settings" SettingsRead true;
    Security "Security" "/settings/security" ProfileWrite true;
    Keys "Keys" "/settings/keys" KeyWrite true;
    Activity "Your activity" "/settings/activity" SettingsRead true;
    Usage "Use and cost" "/settings/usage" SettingsRead true;
    Members "Members" "/settings/members" UserRead false;
    Groups "Groups" "/settings/groups" UserRead false;
    Roles "Roles" "/settings/roles" SettingsRead false;
    Invitations "Invitations" "/settings/invitations" UserRead false;
    Services "Service accounts" "/settings/service-accounts" KeyManage false;
    Providers "Model providers" "/settings/providers" ProviderRead false;
    Tools "Tools" "/settings/tools" ToolRead false;
    ToolServers "Tool servers" "/settings/tool-servers" ToolRead false;
    Webhooks "Webhooks" "/settings/webhooks" WebhookRead false;
    Policy "Sign-in policy" "/settings/policy" PolicyRead false;
    Sso "Single sign-on" "/settings/sso" PolicyRead false;
    Domains "Domains" "/settings/domains" PolicyRead false;
    Operators "Operator access" "/settings/operator-access" BreakGlassRead false;
    Audit "Audit trail" "/settings/audit" AuditRead false;
    Reviews "Weekly reviews" "/settings/reviews" AuditRead false;
}

/// Makes a page of the settings. `done` is what the address says was done.
pub(crate) fn settings(view: &View, caller: &Caller, tab: Tab, done: Option<&str>, scripts: &[&str], body: &Markup) -> Markup {
    let (name, ..) = tab.words();
    page(
        view,
        name,
        Section::None,
        scripts,
        &html! {
            div.settings {
                (navigation(&caller.cx, tab))
                div.settings-body {
                    h1 { (name) }
                    (notice(done))
                    (body)
                }
            }
        },
    )
}

fn navigation(cx: &OpContext, present: Tab) -> Markup {
    let shown = |own: bool| Tab::ALL.into_iter().map(|t| (t, t.words())).filter(move |(_, w)| w.3 == own && cx.may(w.2));
    html! {
        nav.settings-nav aria-label="Settings" {
            @for (title, own) in [("You", true), ("Organisation", false)] {
                p { (title) }
                ul { @for (tab, (name, path, ..)) in shown(own) { li { a href=(path) aria-current=[(tab == present).then_some("page")] { (name) } } } }
            }
        }
    }
}
