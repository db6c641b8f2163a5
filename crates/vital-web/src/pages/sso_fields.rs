//! The fields of a provider of single sign-on, and what a sent form says. Roles are mapped in lines: `claim value = role, role`.

use crate::components::{
    form::{Field, Fields, Filled},
    role,
};
use maud::{Markup, html};
use std::collections::BTreeMap;
use vital_kernel::{Error, Result, Role};
use vital_platform::identity::{GivenSecret, NewProvider, ProviderChange, ProviderKind, ProviderSettings, SsoProvider};

/// The inputs, filled with what was sent, else with what is in force.
pub(super) fn inputs(filled: Filled<'_>, kind: ProviderKind, present: Option<&SsoProvider>) -> Markup {
    let now = present.map(|p| &p.settings);
    let oidc = kind == ProviderKind::Oidc;
    let text = |of: fn(&ProviderSettings) -> &str| now.map(of).unwrap_or_default();
    let client = if oidc { "" } else { "authenticated" };
    let (lines, scopes) = (now.map(lines).unwrap_or_default(), now.map(|s| s.scopes.join(" ")).unwrap_or_default());
    let roles: &[Role] = now.map_or(&[], |s| &s.default_roles);
    let claim = if oidc {
        "For example groups or roles. Empty: everybody gets the roles below."
    } else {
        "For example app_metadata.roles. Empty: everybody gets the roles below."
    };
    let secret = if present.is_some_and(|p| p.has_secret) {
        "Empty: the present one stays. It is never shown."
    } else if oidc {
        "Empty for a public client."
    } else {
        "At least 32 bytes; leave it empty where keys are published."
    };
    html! {
        (required(&filled, &Field { name: "name", label: "Name, as people see it", kind: "text", value: text(|s| &s.name), complete: "off", hint: "" }))
        @if present.is_none() { (required(&filled, &Field { name: "issuer", label: "Issuer", kind: "url", value: "", complete: "off", hint: "Exactly as the provider writes it." })) }
        (required(&filled, &Field { name: "client_id", label: if oidc { "Client id" } else { "Audience" }, kind: "text", value: now.map_or(client, |s| &s.client_id), complete: "off", hint: "" }))
        (optional(&filled, &Field { name: "secret", label: if oidc { "Client secret" } else { "Shared JWT secret" }, kind: "password", value: "", complete: "off", hint: secret }))
        @if oidc {
            (optional(&filled, &Field { name: "scopes", label: "Further scopes", kind: "text", value: &scopes, complete: "off", hint: "Beyond openid email profile; with blanks between them." }))
        } @else {
            (optional(&filled, &Field { name: "jwks_url", label: "Address of the published keys", kind: "url", value: now.and_then(|s| s.jwks_url.as_deref()).unwrap_or_default(), complete: "off", hint: "At the issuer's own address." }))
            @if present.is_some_and(|p| p.has_previous_secret) {
                fieldset.boxes { legend { "Rotation" } (tick(&filled, "forget_previous", false, "Stop accepting the secret before the present one")) }
            }
        }
        (optional(&filled, &Field { name: "role_claim", label: "Claim that roles follow", kind: "text", value: text(|s| &s.role_claim), complete: "off", hint: claim }))
        (mapping(&filled, &lines))
        (default_roles(&filled, roles))
        (optional(&filled, &Field { name: "tenant_claim", label: "Claim that names your organisation", kind: "text", value: text(|s| &s.tenant_claim), complete: "off", hint: "Only where one provider serves several organisations here; it must then hold your short name." }))
        fieldset.boxes {
            legend { "People" }
            (tick(&filled, "create_members", now.is_none_or(|s| s.create_members), "Make an account for who has none yet"))
            @if oidc { (tick(&filled, "proves_second_factor", now.is_some_and(|s| s.proves_second_factor), "The provider asks everybody for a second factor")) }
            (tick(&filled, "emails_verified", now.is_some_and(|s| s.emails_verified), "The provider confirms every address, although its tokens do not say so"))
        }
    }
}

pub(super) fn required<'a>(filled: &Filled<'a>, f: &Field<'a>) -> Markup {
    input(filled, f, true)
}

pub(super) fn optional<'a>(filled: &Filled<'a>, f: &Field<'a>) -> Markup {
    input(filled, f, false)
}

fn input<'a>(filled: &Filled<'a>, f: &Field<'a>, required: bool) -> Markup {
    let id = filled.id(f.name);
    let value = if f.kind == "password" { "" } else { filled.value(f.name, f.value) };
    html! {
        label for=(id) { (f.label) }
        input id=(id) name=(f.name) type=(f.kind) value=(value) autocomplete=(f.complete) spellcheck="false" required[required]
            aria-invalid=[(!filled.faults(f.name).is_empty()).then_some("true")] aria-describedby=[filled.described(f.name, f.hint)];
        (filled.hint(f.name, f.hint))
    }
}

fn tick(filled: &Filled<'_>, name: &str, at_first: bool, label: &str) -> Markup {
    html! { label { input type="checkbox" name=(name) value="yes" checked[filled.ticked(name, "yes", at_first)]; span { (label) } } }
}

fn mapping<'a>(filled: &Filled<'a>, lines: &'a str) -> Markup {
    let (id, hint) = (
        filled.id("role_map"),
        "A line for each value: value = role, role. Roles are viewer, member, expert_author, reviewer, tenant_admin, auditor.",
    );
    html! {
        label for=(id) { "Values and roles" }
        textarea id=(id) name="role_map" rows="4" spellcheck="false" placeholder="vital-authors = member, expert_author"
            aria-invalid=[(!filled.faults("role_map").is_empty()).then_some("true")] aria-describedby=[filled.described("role_map", hint)] { (filled.value("role_map", lines)) }
        (filled.hint("role_map", hint))
    }
}

fn default_roles(filled: &Filled<'_>, held: &[Role]) -> Markup {
    let hint = "None: who has no value in the list does not get in.";
    html! {
        fieldset.boxes aria-describedby=[filled.described("default_roles", hint)] {
            legend { "Roles of everybody else" }
            @for role in Role::ALL.into_iter().filter(|r| *r != Role::TenantAdmin) {
                label {
                    input type="checkbox" name="default_roles" value=(role) checked[filled.ticked("default_roles", role.as_str(), held.contains(&role))];
                    span { (role::words(role).0) " " small { (role::words(role).1) } }
                }
            }
        }
        (filled.hint("default_roles", hint))
    }
}

fn lines(s: &ProviderSettings) -> String {
    let line =
        |(value, roles): (&String, &Vec<Role>)| format!("{value} = {}", roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(", "));
    s.role_map.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The mapping that lines say.
fn read_map(text: &str) -> Result<BTreeMap<String, Vec<Role>>> {
    let mut map = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fault = |what: String| {
            Error::invalid("sso.invalid", "Some fields need another look. Nothing was stored.")
                .with_field("/role_map", format!("Line {}: {what}", i + 1))
        };
        // The last equals sign: distinguished names of directories have several.
        let (value, roles) = line.rsplit_once('=').ok_or_else(|| fault("write value = role, role.".to_owned()))?;
        let roles: std::result::Result<Vec<Role>, String> = roles.split(',').map(|r| r.trim().parse()).collect();
        let roles = roles.map_err(|why| fault(format!("{why}.")))?;
        if map.insert(value.trim().to_owned(), roles).is_some() {
            return Err(fault("this value stands in the list twice.".to_owned()));
        }
    }
    Ok(map)
}

fn secret(given: &Fields) -> Option<GivenSecret> {
    Some(given.one("secret")).filter(|s| !s.is_empty()).map(|s| GivenSecret(s.to_owned()))
}

fn scopes(given: &Fields) -> Vec<String> {
    given.one("scopes").split_whitespace().map(str::to_owned).collect()
}

/// The new provider that a form describes.
pub(super) fn new(given: &Fields) -> Result<NewProvider> {
    let text = |name| given.one(name).to_owned();
    Ok(NewProvider {
        kind: if given.one("kind") == ProviderKind::Supabase.as_str() { ProviderKind::Supabase } else { ProviderKind::Oidc },
        name: text("name"),
        issuer: text("issuer"),
        client_id: text("client_id"),
        secret: secret(given),
        jwks_url: Some(text("jwks_url")),
        scopes: scopes(given),
        role_claim: text("role_claim"),
        role_map: read_map(given.one("role_map"))?,
        default_roles: given.parsed("default_roles"),
        tenant_claim: text("tenant_claim"),
        create_members: given.has("create_members", "yes"),
        proves_second_factor: given.has("proves_second_factor", "yes"),
        emails_verified: given.has("emails_verified", "yes"),
        active: true,
    })
}

/// The change that a form describes: all of it but state, kind and issuer.
pub(super) fn change(given: &Fields) -> Result<ProviderChange> {
    let text = |name| Some(given.one(name).to_owned());
    let secret = secret(given);
    Ok(ProviderChange {
        name: text("name"),
        client_id: text("client_id"),
        // A new secret takes the place of published keys; an address that was left as it was does not stand against it.
        jwks_url: text("jwks_url").filter(|_| secret.is_none()),
        secret,
        forget_previous: given.has("forget_previous", "yes"),
        scopes: Some(scopes(given)),
        role_claim: text("role_claim"),
        role_map: Some(read_map(given.one("role_map"))?),
        default_roles: Some(given.parsed("default_roles")),
        tenant_claim: text("tenant_claim"),
        create_members: Some(given.has("create_members", "yes")),
        proves_second_factor: Some(given.has("proves_second_factor", "yes")),
        emails_verified: Some(given.has("emails_verified", "yes")),
        active: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_which_value_stands_for_which_roles() {
        let map = read_map("  authors = member, expert_author \n\nCN=VITAL Admins,OU=Groups = tenant_admin\n").unwrap();
        assert_eq!(map["authors"], [Role::Member, Role::ExpertAuthor]);
        assert_eq!(map["CN=VITAL Admins,OU=Groups"], [Role::TenantAdmin]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (text, said) in [
            ("authors", "Line 1"),
            ("a = member\nb = king", "Line 2: unknown role `king`"),
            ("a = member\na = viewer", "twice"),
            ("a =", "Line 1"),
        ] {
            let error = read_map(text).unwrap_err();
            assert!(error.fields()[0].detail.contains(said), "{text}: {:?}", error.fields());
        }
    }
}
