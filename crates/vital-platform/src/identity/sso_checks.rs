//! What the settings of a provider must be before they are stored.
//!
//! **Invariants:** nothing follows from parts of a token that the person writes; keys of a token issuer lie at the issuer's own address;
//! nobody becomes an administrator by default.

use super::sso::{GivenSecret, ProviderKind, ProviderSettings};
use crate::Platform;
use vital_federation::jwt::SECRET_BYTES_MIN;
use vital_kernel::{Error, Result, Role, limits};

/// Parts of a token that the person can write, by the name at which they begin.
const WRITTEN_BY_THE_PERSON: [&str; 3] = ["user_metadata", "raw_user_meta_data", "unsafe_metadata"];
/// What an issuer must be.
const ISSUER: &str = "Write the issuer exactly as the provider does: an address that begins with `https://`, without a query. It must lie on port 443 of a public host, unless whoever runs the platform allows it.";
/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 1_000;

/// Refuses what cannot be a provider, field by field, and returns it tidied.
pub(super) fn validate(
    p: &Platform,
    mut s: ProviderSettings,
    has_secret: bool,
    new_secret: Option<&GivenSecret>,
) -> Result<ProviderSettings> {
    for text in [&mut s.name, &mut s.issuer, &mut s.client_id, &mut s.role_claim, &mut s.tenant_claim] {
        *text = text.trim().to_owned();
    }
    s.jwks_url = s.jwks_url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    let mut faults = Faults(Error::invalid("sso.invalid", "Some fields need another look. Nothing was stored."));
    faults.text("/name", &s.name, 80, "Write a name of 1 to 80 characters.");
    faults.text("/client_id", &s.client_id, 300, "Write the id that the provider gave this application, or the audience of its tokens.");
    check_addresses(p, &s, &mut faults);
    check_secret(&s, has_secret, new_secret, &mut faults);
    s.scopes.retain(|scope| !scope.trim().is_empty());
    let word = |scope: &String| (1..=100).contains(&scope.len()) && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if s.scopes.len() > limits::PROVIDER_SCOPES_MAX || !s.scopes.iter().all(word) {
        faults.add("/scopes", format!("At most {} scopes, each a word.", limits::PROVIDER_SCOPES_MAX));
    }
    check_roles(&mut s, &mut faults);
    faults.outcome().map(|()| s)
}

fn check_addresses(p: &Platform, s: &ProviderSettings, faults: &mut Faults) {
    let issuer = p.federation.address(&s.issuer).ok().filter(|url| url.query().is_none() && (8..=500).contains(&s.issuer.len()));
    if issuer.is_none() {
        faults.add("/issuer", ISSUER);
    }
    let Some(jwks) = &s.jwks_url else { return };
    let at_issuer = p.federation.address(jwks).ok().zip(issuer).is_some_and(|(jwks, issuer)| jwks.origin() == issuer.origin());
    if s.kind == ProviderKind::Oidc {
        faults.add("/jwks_url", "The keys of an OpenID Connect provider are found through its issuer. Leave this empty.");
    } else if !at_issuer {
        faults.add("/jwks_url", "The keys must lie at the issuer's own address: the same scheme, host and port.");
    }
}

fn check_secret(s: &ProviderSettings, has_secret: bool, new: Option<&GivenSecret>, faults: &mut Faults) {
    if new.is_some_and(|secret| secret.0.len() > SECRET_BYTES_MAX || secret.0.contains(char::is_control)) {
        faults.add("/secret", format!("A secret has at most {SECRET_BYTES_MAX} bytes and no line breaks."));
    }
    if s.kind != ProviderKind::Supabase {
        return;
    }
    if has_secret == s.jwks_url.is_some() {
        faults.add("/secret", "Give either the shared signing secret or the address of the published keys.");
    }
    if new.is_some_and(|secret| secret.0.len() < SECRET_BYTES_MIN) {
        faults.add("/secret", format!("A signing secret has at least {SECRET_BYTES_MIN} bytes."));
    }
}

/// Claims of every token of Supabase Auth, whose values may happen to be the name of an organisation.
const COMMON_CLAIMS: [&str; 14] = [
    "iss",
    "aud",
    "sub",
    "exp",
    "iat",
    "role",
    "aal",
    "amr",
    "email",
    "phone",
    "session_id",
    "is_anonymous",
    "app_metadata.provider",
    "app_metadata.providers",
];

fn check_roles(s: &mut ProviderSettings, faults: &mut Faults) {
    for (pointer, path) in [("/role_claim", &s.role_claim), ("/tenant_claim", &s.tenant_claim)] {
        if path.len() > 250 || path.contains(char::is_control) {
            faults.add(pointer, "Write the name of a claim, or a path with dots such as `app_metadata.roles`.");
        }
        if WRITTEN_BY_THE_PERSON.iter().any(|name| path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))) {
            faults.add(pointer, "People can write this part of their token themselves, so nothing may follow from it. Use `app_metadata`.");
        }
    }
    if COMMON_CLAIMS.contains(&s.tenant_claim.as_str()) {
        faults.add(
            "/tenant_claim",
            "Every token has this claim, so it names no organisation. Use one of your own, such as `app_metadata.organisation`.",
        );
    }
    let value = |value: &String| (1..=200).contains(&value.chars().count()) && !value.contains(char::is_control);
    for roles in s.role_map.values_mut().chain([&mut s.default_roles]) {
        roles.sort_unstable();
        roles.dedup();
    }
    if s.role_map.len() > limits::PROVIDER_ROLES_MAX || !s.role_map.keys().all(value) || s.role_map.values().any(Vec::is_empty) {
        faults.add(
            "/role_map",
            format!("At most {} values of 1 to 200 characters, each with at least one role.", limits::PROVIDER_ROLES_MAX),
        );
    }
    if !s.role_map.is_empty() && s.role_claim.is_empty() {
        faults.add("/role_claim", "Name the claim whose values are mapped.");
    }
    if s.default_roles.contains(&Role::TenantAdmin) {
        faults.add("/default_roles", "Administrators must be named by a value of the claim; nobody becomes one by default.");
    }
    if s.default_roles.is_empty() && s.role_map.is_empty() {
        faults.add("/default_roles", "Give default roles, or map values of a claim to roles; otherwise nobody gets in.");
    }
}

struct Faults(Error);

impl Faults {
    fn add(&mut self, pointer: &str, detail: impl Into<String>) {
        let error = std::mem::replace(&mut self.0, Error::invalid("sso.invalid", ""));
        self.0 = error.with_field(pointer, detail);
    }

    fn text(&mut self, pointer: &str, text: &str, chars_max: usize, detail: &str) {
        if !(1..=chars_max).contains(&text.chars().count()) || text.contains(char::is_control) {
            self.add(pointer, detail);
        }
    }

    fn outcome(self) -> Result<()> {
        if self.0.fields().is_empty() { Ok(()) } else { Err(self.0) }
    }
}
