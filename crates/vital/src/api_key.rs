//! `vital key …`: the first key of a program, such as a directory, where nobody can sign in yet.

use crate::{
    config::Config,
    failure::{Exit, Failure},
    operate::{tenant_of, told, with_platform},
    terminal,
};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use vital_kernel::{OpContext, Permission, Role, UserId, limits};
use vital_platform::{
    Platform,
    identity::{self, Member, MemberFilter, MemberKind, NewKey},
};

/// `vital key …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Key {
    /// Issue a key for a service account, which is made if it is not there
    #[command(
        after_help = "The key is for `Authorization: Bearer`, is shown once and ends by itself. Scopes are names of permissions (docs/ACCESS.md).

Example:
  vital key issue --tenant example-pharma --service-account \"Entra ID\" --role tenant_admin --scope directory.provision"
    )]
    Issue(Issue),
}

/// Flags of `vital key issue`.
#[derive(Debug, clap::Args)]
pub(crate) struct Issue {
    /// Organisation (`vital tenant list` shows the slugs)
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// Name of the service account
    #[arg(long, value_name = "NAME")]
    service_account: String,
    /// Role of the service account; the key does what its scopes and this role both allow
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Permission that the key is limited to; give it several times for several
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Permission>,
    /// Days until it ends, 1 to 365
    #[arg(long, value_name = "N", default_value_t = limits::KEY_DAYS)]
    days: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Issues a key.
pub(crate) async fn run(config: &Config, verb: Key) -> anyhow::Result<Exit> {
    let Key::Issue(flags) = verb;
    with_platform(config, async |p| {
        let tenant = tenant_of(p, &flags.tenant).await?;
        let cx = identity::operator_context(tenant.id);
        let account = service_account(p, &cx, &flags.service_account, flags.role).await?;
        let new = NewKey {
            name: flags.service_account.trim().chars().take(80).collect(),
            scopes: flags.scopes.iter().map(ToString::to_string).collect(),
            days: Some(flags.days),
            member: Some(account),
        };
        let granted = identity::issue_key_as_operator(p, &cx, new).await?;
        let issued = &granted.what;
        let ends_at = issued.ends_at.format(&Rfc3339)?;
        if flags.json {
            terminal::json(&json!({ "id": issued.id, "key": issued.key, "ends_at": ends_at, "service_account": account }))?;
        } else {
            terminal::data(&issued.key)?;
        }
        let told = told(granted.told, granted.not_told);
        terminal::talk(&format!("issued key {} in `{}`, until {ends_at}; it is not shown again{told}", issued.id, tenant.slug));
        Ok(Exit::Done)
    })
    .await
}

/// The service account of this name. One that is there keeps its roles: a key must not change what other keys may do.
async fn service_account(p: &Platform, cx: &OpContext, name: &str, role: Role) -> anyhow::Result<UserId> {
    let name = name.trim();
    let filter = MemberFilter {
        query: name.to_owned(),
        kind: Some(MemberKind::Service),
        limit: limits::SERVICE_ACCOUNTS_MAX,
        ..MemberFilter::default()
    };
    let found = identity::members(p, cx, &filter).await?;
    match found.into_iter().find(|m: &Member| m.active && m.display_name == name) {
        None => Ok(identity::create_service_account(p, cx, name, vec![role]).await?.id),
        Some(account) if account.roles == [role] => Ok(account.id),
        Some(account) => {
            let roles = account.roles.iter().map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", ");
            Err(Failure::new(format!("the service account `{}` is there with other roles: {roles}", terminal::plain(name)))
                .hint("nothing was stored; name its role, or another service account")
                .exit(Exit::Usage)
                .into())
        }
    }
}
