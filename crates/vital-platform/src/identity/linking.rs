//! From what a provider says about a person to a member: found again, linked to an account that is here, or made.
//!
//! **Invariants:** an account belongs to the pair of provider and subject; an address links only once, only where the provider vouches for
//! it, and only within the provider's own organisation; whoever was deactivated here stays out whatever the provider says; roles that
//! follow a claim are stored and audited when they change; an organisation keeps an administrator who can sign in.

use super::{
    MemberKind, NewUser, accounts,
    sso::{ProviderKind, ProviderSettings, Stored},
    store,
};
use crate::{Platform, tenancy};
use serde_json::Value;
use time::OffsetDateTime;
use vital_federation::{Claims, claim_values};
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Result, Role, RoleSet, UserId};
use vital_store::{TenantTx, Unaudited, Write};

/// The issuers of Microsoft Entra ID begin so; they mark addresses in a claim of their own.
const ENTRA_ISSUERS: &str = "https://login.microsoftonline.com/";

/// A member whom a provider vouched for.
pub(super) struct Vouched {
    pub member: UserId,
    pub roles: RoleSet,
    pub display_name: String,
    pub email: String,
    pub has_factor: bool,
}

/// Finds the member behind claims, linking or making the account where that is allowed. `said_at` is when the provider said it: of two
/// statements about roles the later one counts.
///
/// # Errors
/// `Forbidden` with a code `sso.…` and what to do, for whoever does not get in; `Conflict` for an address that is in use elsewhere.
pub(super) async fn member_of(
    p: &Platform,
    cx: &OpContext,
    provider: &Stored,
    claims: &Claims,
    said_at: OffsetDateTime,
) -> Result<Vouched> {
    let mut tx = p.db.read(cx).await?;
    check_tenant(&mut tx, &provider.settings, claims).await?;
    let wanted = wanted_roles(&provider.settings, claims)?;
    let known = store::identified(&mut tx, provider.id, &claims.subject).await?;
    tx.end().await?;
    if let Some(known) = &known {
        may_come(&known.kind, known.active)?;
        if known.used_at >= said_at
            || (known.used_at + time::Duration::minutes(1) > said_at && !differ(&known.roles, wanted.following.as_deref()))
        {
            return Ok(vouched(known));
        }
    }
    match settle(p, cx, provider, claims, &wanted, said_at).await {
        // Two requests met a new person at once; the other one has made the account by now.
        Err(e) if matches!(e.code(), "user.email_taken" | "sso.identity_known") => {
            let again = store::identified(&mut p.db.read(cx).await?, provider.id, &claims.subject).await?;
            again.filter(|known| known.active).as_ref().map(vouched).ok_or_else(address_taken)
        }
        settled => settled,
    }
}

fn vouched(row: &store::KnownRow) -> Vouched {
    Vouched {
        member: UserId(row.member_id),
        roles: row.roles.iter().filter_map(|name| name.parse::<Role>().ok()).collect(),
        display_name: row.display_name.clone(),
        email: row.email.clone(),
        has_factor: row.has_factor,
    }
}

/// Stores what the claims change: a new account, a link, roles, or only that they were seen.
async fn settle(
    p: &Platform,
    cx: &OpContext,
    provider: &Stored,
    claims: &Claims,
    wanted: &Wanted,
    said_at: OffsetDateTime,
) -> Result<Vouched> {
    let mut tx = p.db.write(cx).await?;
    // Whoever may lose the last administrator locks all of them first, in one order.
    let admins = store::lock_admins(&mut tx).await?;
    let known = store::identified(&mut tx, provider.id, &claims.subject).await?;
    let (member, done) = match known {
        Some(known) => {
            store::use_identity(&mut tx, provider.id, &claims.subject, said_at).await?;
            (UserId(known.member_id), None)
        }
        None => {
            let (member, action) = introduce(&mut tx, &provider.settings, claims, wanted).await?;
            store::insert_identity(&mut tx, provider.id, &claims.subject, member, said_at).await?;
            (member, Some(action))
        }
    };
    let changed = follow_roles(&mut tx, &admins, member, wanted).await?;
    let row = store::identified(&mut tx, provider.id, &claims.subject).await?.ok_or_else(inactive)?;
    let entry = match (done, changed) {
        (Some(action), _) => Some(AuditEntry::new(action, "user", member).fields(&["provider", "roles"])),
        (None, true) => Some(AuditEntry::new(AuditAction::RolesChanged, "user", member).fields(&["roles"])),
        (None, false) => None,
    };
    match entry {
        Some(entry) => {
            let raised = !admins.contains(&member) && row.roles.iter().any(|r| r == Role::TenantAdmin.as_str());
            let raised = raised.then(|| AuditEntry::new(AuditAction::AdminGranted, "user", member));
            tx.commit_all(std::iter::once(entry).chain(raised).collect()).await?;
        }
        None => tx.commit_unaudited(Unaudited::IdentityUsed).await?,
    }
    if changed {
        p.remembered.forget_all();
    }
    Ok(vouched(&row))
}

/// Links a subject that nobody knows to the member with its address, or makes a member.
async fn introduce(tx: &mut TenantTx<Write>, s: &ProviderSettings, claims: &Claims, wanted: &Wanted) -> Result<(UserId, AuditAction)> {
    let email = claims.email.as_deref().map(accounts::tidy_email).filter(|email| accounts::is_email(email));
    let email = email.filter(|_| vouches_for_address(s, claims)).ok_or_else(unverified)?;
    if let Some(member) = store::member_of_address(tx, &email).await? {
        let locked = store::lock_member(tx, member).await?.ok_or_else(inactive)?;
        may_come(&locked.kind, locked.active)?;
        return Ok((member, AuditAction::IdentityLinked));
    }
    if !s.create_members {
        return Err(Error::forbidden(
            "sso.no_account",
            "You have no account here, and your organisation makes none by single sign-on. Ask an administrator of your organisation to invite you. Nobody was signed in.",
        ));
    }
    let new = NewUser { display_name: name_of(claims, &email), email, password: String::new(), roles: wanted.first.clone() };
    let id = UserId::new();
    store::insert_member(tx, id, &new, MemberKind::Person.as_str(), None, true).await?;
    Ok((id, AuditAction::UserCreated))
}

/// Gives a member the roles that their claims say. Returns whether that changed anything.
async fn follow_roles(tx: &mut TenantTx<Write>, admins: &[UserId], member: UserId, wanted: &Wanted) -> Result<bool> {
    let present = store::lock_member(tx, member).await?.ok_or_else(inactive)?;
    may_come(&present.kind, present.active)?;
    let Some(following) = &wanted.following else { return Ok(false) };
    let mut roles = following.clone();
    if admins == [member] && !roles.contains(&Role::TenantAdmin) {
        tracing::warn!(user = %member, "the provider takes the role of the last administrator away; it was kept, so that somebody can manage the organisation");
        roles.push(Role::TenantAdmin);
    }
    if !differ(&present.roles, Some(&roles)) {
        return Ok(false);
    }
    store::set_roles(tx, member, &roles).await?;
    Ok(true)
}

/// The roles that claims lead to.
struct Wanted {
    /// Those of a new account.
    first: Vec<Role>,
    /// Those that an account is given at every sign-in; none where roles do not follow a claim.
    following: Option<Vec<Role>>,
}

fn wanted_roles(s: &ProviderSettings, claims: &Claims) -> Result<Wanted> {
    let mut roles: Vec<Role> = Vec::new();
    if !s.role_claim.is_empty() {
        roles = claim_values(&claims.raw, &s.role_claim).iter().filter_map(|value| s.role_map.get(value)).flatten().copied().collect();
    }
    if roles.is_empty() {
        roles.clone_from(&s.default_roles);
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(Error::forbidden(
            "sso.no_role",
            "Your provider vouches for you, but none of your groups there has a role here. Ask an administrator of your organisation for one. Nobody was signed in.",
        ));
    }
    Ok(Wanted { following: (!s.role_claim.is_empty()).then(|| roles.clone()), first: roles })
}

fn differ(present: &[String], wanted: Option<&[Role]>) -> bool {
    wanted.is_some_and(|wanted| {
        let present: RoleSet = present.iter().filter_map(|name| name.parse().ok()).collect();
        present != wanted.iter().copied().collect()
    })
}

/// Refuses claims that are meant for another organisation.
async fn check_tenant<M>(tx: &mut TenantTx<M>, s: &ProviderSettings, claims: &Claims) -> Result<()> {
    if s.tenant_claim.is_empty() {
        return Ok(());
    }
    let slug = tenancy::slug_in(tx).await?;
    if claim_values(&claims.raw, &s.tenant_claim).contains(&slug) {
        return Ok(());
    }
    Err(Error::forbidden(
        "sso.other_organisation",
        "Your provider vouches for you, but not for this organisation. Ask an administrator of your organisation. Nobody was signed in.",
    ))
}

/// Whether the provider says that the address is the person's own.
fn vouches_for_address(s: &ProviderSettings, claims: &Claims) -> bool {
    let says = |value: Option<&Value>| {
        value.is_some_and(|v| *v == Value::Bool(true) || matches!(v.as_str(), Some("true" | "1")) || v.as_i64() == Some(1))
    };
    let by_server = claims.raw.get("app_metadata").and_then(|metadata| metadata.get("email_verified"));
    s.emails_verified
        || claims.email_verified
        || claims.issuer.starts_with(ENTRA_ISSUERS) && says(claims.raw.get("xms_edov"))
        || s.kind == ProviderKind::Supabase && says(by_server)
}

/// A name that can be stored: what the provider says, else the address before its at sign.
fn name_of(claims: &Claims, email: &str) -> String {
    let said = claims.name.as_deref().unwrap_or_else(|| email.split('@').next().unwrap_or(email));
    let name: String = said.chars().filter(|c| !c.is_control()).take(120).collect();
    if accounts::is_name(name.trim()) { name.trim().to_owned() } else { email.chars().take(120).collect() }
}

fn may_come(kind: &str, active: bool) -> Result<()> {
    if kind == MemberKind::Person.as_str() && active { Ok(()) } else { Err(inactive()) }
}

fn inactive() -> Error {
    Error::forbidden(
        "sso.inactive",
        "Your account here has been deactivated. Ask an administrator of your organisation. Nobody was signed in.",
    )
}

fn unverified() -> Error {
    Error::forbidden(
        "sso.email_unverified",
        "Your provider does not say that it has confirmed your e-mail address, so no account can be found or made for it. Confirm the address there, or ask an administrator. Nobody was signed in.",
    )
}

fn address_taken() -> Error {
    Error::conflict(
        "sso.address_taken",
        "Your e-mail address belongs to another account here, perhaps of another organisation, so no account was made. Ask whoever runs this installation. Nobody was signed in.",
    )
}
