//! First-run set-up: a one-time link makes the first organisation and its administrator.

use super::{Came, NewUser, Token, accounts, hash, operator_context, password, sessions, store};
use crate::{Platform, tenancy};
use vital_kernel::{Error, Result, Role, limits};

/// Tells whether the installation has no tenant yet.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn setup_pending(p: &Platform) -> Result<bool> {
    Ok(!tenancy::any(p).await?)
}

/// Makes a new one-time link token for first-run set-up; older ones stop working.
///
/// # Errors
/// `Conflict` when set-up is done.
pub async fn issue_setup_link(p: &Platform) -> Result<Token> {
    if !setup_pending(p).await? {
        return Err(setup_done());
    }
    let token = Token::generate();
    store::replace_setup_link(&p.db, &hash(token.reveal()), limits::SETUP_LINK).await?;
    Ok(token)
}

/// Tells whether a set-up link still works.
///
/// # Errors
/// `Conflict` when set-up is done, `NotFound` when the link is unknown or too old.
pub async fn check_setup_link(p: &Platform, token: &str) -> Result<()> {
    if !setup_pending(p).await? {
        return Err(setup_done());
    }
    if store::setup_link_valid(&p.db, &hash(token)).await? { Ok(()) } else { Err(setup_link_unknown()) }
}

/// Creates the first tenant and its administrator, and signs them in. The link works once.
///
/// # Errors
/// `Conflict` when set-up is done, `NotFound` when the link does not work, `Invalid` with a pointer per field.
pub async fn complete_setup(p: &Platform, token: &str, organisation: &str, admin: NewUser, came: &Came) -> Result<Token> {
    check_setup_link(p, token).await?;
    let admin = accounts::validate(NewUser { roles: vec![Role::TenantAdmin, Role::Member], ..admin })?;
    tenancy::validate_name(organisation)?;
    let hashed = password::hash(p, admin.password.clone()).await?;
    if !store::consume_setup_link(&p.db, &hash(token)).await? {
        return Err(setup_link_unknown());
    }
    let tenant = tenancy::create_tenant(p, organisation).await?;
    let user = accounts::insert(p, &operator_context(tenant), &admin, &hashed).await?;
    tenancy::await_seeding(p, tenant).await?;
    sessions::start(p, &sessions::person(tenant, user), "password", came, None).await
}

fn setup_done() -> Error {
    Error::conflict("setup.done", "This installation is set up already. Sign in instead.")
}

fn setup_link_unknown() -> Error {
    Error::not_found(
        "setup.link_unknown",
        "This set-up link does not work: it was used, replaced by a newer one, or is older than 24 hours. Restart the server to have a new one printed.",
    )
}
