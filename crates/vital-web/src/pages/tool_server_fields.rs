//! The fields of a tool server, and what a sent form says.

use super::sso_fields::{optional, required};
use crate::components::form::{Field, Fields, Filled};
use maud::{Markup, html};
use vital_platform::{
    identity::GivenSecret,
    tools::servers::{NewToolServer, ToolApproval, ToolServer, ToolServerAuth, ToolServerChange},
};

/// What people call a way of showing a secret.
pub(super) const fn auth(of: ToolServerAuth) -> &'static str {
    match of {
        ToolServerAuth::None => "nothing",
        ToolServerAuth::Bearer => "a token (Authorization: Bearer)",
        ToolServerAuth::Header => "a secret in a header of its own",
    }
}

/// The inputs of a tool server: one to be connected, or one that is there.
pub(super) fn inputs(filled: Filled<'_>, present: Option<&ToolServer>) -> Markup {
    let text = |of: fn(&ToolServer) -> &str| present.map_or("", of);
    let secret = match present {
        Some(server) if server.has_secret => {
            "Empty: the present one stays. It is never shown, and goes to no other address and in no other header."
        }
        _ => "Empty: none. It is stored sealed and never shown.",
    };
    html! {
        (required(&filled, &Field { name: "name", label: "Name, as your colleagues see it", kind: "text", value: text(|s| &s.name), complete: "off", hint: "" }))
        @if present.is_none() {
            (optional(&filled, &Field { name: "slug", label: "Short name", kind: "text", value: "", complete: "off", hint: "Stands before the names of its tools, such as `eln` in `eln__find_entry`. Empty: made of the name. It never changes." }))
        }
        (required(&filled, &Field { name: "address", label: "Address", kind: "url", value: text(|s| &s.address), complete: "off", hint: "Where the server takes requests of the Model Context Protocol, often ending in `/mcp`." }))
        (ways(filled, present.map_or(ToolServerAuth::None, |server| server.auth)))
        (optional(&filled, &Field { name: "auth_header", label: "Header", kind: "text", value: text(|s| s.auth_header.as_deref().unwrap_or_default()), complete: "off", hint: "Only for a header of its own, such as `X-Api-Key`." }))
        (optional(&filled, &Field { name: "secret", label: "Token or secret", kind: "password", value: "", complete: "off", hint: secret }))
    }
}

fn ways(filled: Filled<'_>, present: ToolServerAuth) -> Markup {
    let id = filled.id("auth");
    let chosen = filled.value("auth", present.as_str());
    html! {
        label for=(id) { "It is shown" }
        select id=(id) name="auth" {
            @for way in ToolServerAuth::ALL { option value=(way.as_str()) selected[way.as_str() == chosen] { (auth(way)) } }
        }
    }
}

fn secret(given: &Fields) -> Option<GivenSecret> {
    Some(given.one("secret")).filter(|secret| !secret.is_empty()).map(|secret| GivenSecret(secret.to_owned()))
}

fn way(given: &Fields) -> Option<ToolServerAuth> {
    ToolServerAuth::parse(given.one("auth"))
}

/// What a field holds; none where it was left empty.
fn filled_in(given: &Fields, name: &str) -> Option<String> {
    Some(given.one(name).trim()).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// The new tool server that a form describes.
pub(super) fn new(given: &Fields) -> NewToolServer {
    NewToolServer {
        name: given.one("name").to_owned(),
        slug: filled_in(given, "slug"),
        address: given.one("address").to_owned(),
        auth: way(given).unwrap_or(ToolServerAuth::None),
        auth_header: filled_in(given, "auth_header"),
        secret: secret(given),
    }
}

/// The change that a form describes: all of it but the state.
pub(super) fn change(given: &Fields) -> ToolServerChange {
    ToolServerChange {
        name: Some(given.one("name").to_owned()),
        address: Some(given.one("address").to_owned()),
        auth: way(given),
        auth_header: filled_in(given, "auth_header"),
        secret: secret(given),
        enabled: None,
    }
}

/// The approval that a form describes.
pub(super) fn approval(given: &Fields) -> ToolApproval {
    ToolApproval { tool: given.one("tool").to_owned(), digest: given.one("digest").to_owned(), read_only: given.has("read_only", "yes") }
}
