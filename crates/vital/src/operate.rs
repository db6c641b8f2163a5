//! Verbs of the operator, directly on the database: tenants, people, migrations, the set-up link.
//!
//! They work beside a running server (over its private socket), without one (the private database is started for the moment) and on a
//! database elsewhere. They see the directory and create people; no verb here reads a tenant's content.

use crate::{
    config::Config,
    database::{self, Missing, Opened},
    failure::{Exit, Failure},
    terminal,
};
use std::sync::Arc;
use vital_kernel::Role;
use vital_platform::{
    ModelLoad, Parts, Platform,
    audit::trail,
    identity::{self, NewUser},
    tenancy,
};
use vital_store::transport::PgConnectOptions;

/// `vital tenant …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Tenant {
    /// Create an organisation and queue the seeding of its experts and starter library
    #[command(after_help = "Example:\n  vital tenant create \"Example Pharma\"")]
    Create {
        /// Its name
        name: String,
    },
    /// Erase an organisation for good: destroy its keys, delete everything that is stored of it
    #[command(
        after_help = "The audit trail stays: it holds ids and names of fields. A signed certificate of what was destroyed is printed and kept in `erasures` in the data
folder; `vital-verify` checks it with the public keys of the trail. Whoever holds a backup and the root key of its time could still open that
backup; `vital keys rotate root` ends that when the former key is destroyed everywhere. docs/DATA.md has the whole of it.

Example:
  vital tenant erase example-pharma --confirm example-pharma"
    )]
    Erase {
        /// Its slug (`vital tenant list`)
        slug: String,
        /// The slug once more: there is no way back
        #[arg(long, value_name = "SLUG")]
        confirm: String,
        /// Your name, as the certificate will tell it; without it your account on this machine
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the organisations
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `vital user …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum User {
    /// Create a person; their first password is asked for
    #[command(after_help = "Roles: viewer, member, expert_author, reviewer, tenant_admin, auditor.

Example:
  vital user create --tenant example-pharma --email ada@example.org --name \"Ada Example\" --role member --role reviewer")]
    Create(NewPerson),
}

/// Flags of `vital user create`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewPerson {
    /// Organisation (`vital tenant list` shows the slugs)
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// E-mail address, unique in the installation
    #[arg(long)]
    email: String,
    /// Name
    #[arg(long)]
    name: String,
    /// Role; give it several times for several roles
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Creates or lists organisations.
pub(crate) async fn tenant(config: &Config, verb: Tenant) -> anyhow::Result<Exit> {
    match verb {
        Tenant::Create { name } => {
            with_platform(config, async |p| {
                let id = tenancy::create_tenant(p, &name).await?;
                let slug = tenancy::list(p).await?.into_iter().find(|t| t.id == id).map(|t| t.slug).unwrap_or_default();
                terminal::data(&slug)?;
                terminal::talk(&format!("created organisation `{slug}`; a running server now seeds its experts and starter library"));
                Ok(Exit::Done)
            })
            .await
        }
        Tenant::Erase { slug, confirm, operator, json } => {
            if slug != confirm {
                let failure = Failure::new("`--confirm` does not repeat the organisation").exit(Exit::Usage);
                return Err(failure
                    .hint(format!("nothing was erased; to erase it for good add `--confirm {}`", terminal::plain(&slug)))
                    .into());
            }
            with_platform(config, async |p| erase(p, &slug, operator, json).await).await
        }
        Tenant::List { json } => {
            with_platform(config, async |p| {
                let tenants = tenancy::list(p).await?;
                if json {
                    terminal::json(&tenants)?;
                    return Ok(Exit::Done);
                }
                let width = tenants.iter().map(|t| t.slug.len()).max().unwrap_or_default();
                for tenant in tenants {
                    terminal::data(&terminal::plain(&format!("{:<width$}  {}", tenant.slug, tenant.name)))?;
                }
                Ok(Exit::Done)
            })
            .await
        }
    }
}

async fn erase(p: &Platform, slug: &str, operator: Option<String>, json: bool) -> anyhow::Result<Exit> {
    let tenant = tenant_of(p, slug).await?;
    let done = trail::erase_with_certificate(p, tenant.id, &operator.unwrap_or_else(account)).await?;
    if json {
        terminal::json(&done)?;
        return Ok(Exit::Done);
    }
    let (keys, rows) = (done.erasure.keys.len(), done.erasure.rows.values().sum::<u64>());
    terminal::talk(&format!("erased `{slug}`: {keys} keys destroyed, {rows} rows deleted, its search index removed; the certificate:"));
    terminal::data(&terminal::plain(&done.certificate.display().to_string()))?;
    Ok(Exit::Done)
}

/// The account that runs this command.
fn account() -> String {
    let id = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
    name.unwrap_or_else(|| format!("account {id}"))
}

/// Creates a person.
pub(crate) async fn user(config: &Config, verb: User) -> anyhow::Result<Exit> {
    let User::Create(person) = verb;
    // Asked for first: the private database must not be started for somebody who then gives up.
    let password = terminal::password("Password: ", person.password_stdin)?;
    if !person.password_stdin && terminal::password("Once more: ", false)? != password {
        return Err(Failure::new("the two passwords differ").hint("nothing was stored; try again").exit(Exit::Usage).into());
    }
    with_platform(config, async |p| {
        let tenant = tenant_of(p, &person.tenant).await?;
        let new = NewUser { display_name: person.name.clone(), email: person.email.clone(), password, roles: person.roles.clone() };
        let granted = identity::create_user_as_operator(p, &identity::operator_context(tenant.id), new).await?;
        terminal::talk(&format!("created {} in `{}`{}", terminal::plain(&person.email), tenant.slug, told(granted.told, granted.not_told)));
        Ok(Exit::Done)
    })
    .await
}

/// Which administrators know of access that an operator gave.
pub(crate) fn told(told: usize, not_told: usize) -> String {
    match (told, not_told) {
        (0, 0) => "; the organisation has no administrator yet who could be told".to_owned(),
        (_, 0) => format!("; administrators told by e-mail: {told}"),
        _ => format!("; administrators told by e-mail: {told}, messages that did not leave: {not_told}"),
    }
}

/// The organisation with this slug.
pub(crate) async fn tenant_of(p: &Platform, slug: &str) -> anyhow::Result<tenancy::Tenant> {
    let tenants = tenancy::list(p).await?;
    let known = tenants.iter().map(|t| format!("`{}`", t.slug)).collect::<Vec<_>>().join(", ");
    tenants.into_iter().find(|t| t.slug == slug).ok_or_else(|| {
        let hint = if known.is_empty() { "create one with `vital tenant create`".to_owned() } else { format!("organisations are {known}") };
        Failure::new(format!("there is no organisation `{}`", terminal::plain(slug))).hint(hint).into()
    })
}

/// Brings the schema up to date. Opening a database does it; this verb does nothing else.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<Exit> {
    let opened = database::for_command(config, Missing::Make).await?;
    opened.db.close().await;
    close(opened).await?;
    terminal::talk("the database is up to date");
    Ok(Exit::Done)
}

/// Prints a new one-time link for first-run set-up; older ones stop working.
pub(crate) async fn setup_link(config: &Config) -> anyhow::Result<Exit> {
    with_platform(config, async |p| {
        let token = identity::issue_setup_link(p).await?;
        terminal::data(&setup_address(&config.address(config.server.listen), token.reveal()))?;
        terminal::talk("the link works once, for 24 hours, while the server runs; older ones no longer work");
        Ok(Exit::Done)
    })
    .await
}

/// The address of the set-up page.
pub(crate) fn setup_address(site: &str, token: &str) -> String {
    format!("{site}/setup?token={token}")
}

/// Runs a verb on the platform of the configured database, without models, indexes and background work.
pub(crate) async fn with_platform(config: &Config, verb: impl AsyncFnOnce(&Platform) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    with_administrator(config, async |p, _| verb(p).await).await
}

/// Who administers the database of a verb.
pub(crate) struct Administrator {
    /// How to connect.
    pub(crate) options: PgConnectOptions,
    /// Whether nobody else can be using the database, because this process runs it.
    pub(crate) alone: bool,
}

/// Runs a verb as `with_platform` does, which may also administer the database.
pub(crate) async fn with_administrator(
    config: &Config,
    verb: impl AsyncFnOnce(&Platform, Administrator) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let Opened { db, admin, cluster, folder } = database::for_command(config, Missing::Refuse).await?;
    let platform: Arc<Platform> = Platform::new(Parts {
        db,
        index_folder: config.server.data.join(crate::serve::INDEX_FOLDER),
        parser: Vec::new(),
        embedder: Err("Commands of the operator use no model.".to_owned()),
        provider: None,
        site: config.site(config.server.listen),
        mailer: config.mail.open(&config.server.data)?,
        toolbox: config.toolbox(None)?,
        erasure_ledger: config.server.data.join(crate::database::ERASURES_FILE),
        egress: config.egress_rules()?,
        trail: config.audit.settings(&config.server),
        name_server: config.tls.name_server,
        authority: config.tls.authority()?,
        alone: false,
        models: ModelLoad::default(),
        answers: config.cache.open(&config.limits)?,
    })?;
    let done = verb(&platform, Administrator { options: admin, alone: cluster.is_some() }).await;
    platform.stop().await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    drop(folder);
    done
}

async fn close(opened: Opened) -> anyhow::Result<()> {
    if let Some(cluster) = opened.cluster {
        cluster.stop().await?;
    }
    Ok(())
}
