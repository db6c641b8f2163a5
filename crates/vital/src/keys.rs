//! `vital keys …`: the keys that protect stored data, and every other secret of an installation with its age.

use crate::{
    config::Config,
    database,
    failure::Exit,
    operate::{Administrator, tenant_of, with_administrator, with_platform},
    secrets::{self, Secret},
    terminal,
};
use anyhow::Context as _;
use indicatif::ProgressBar;
use std::time::Duration;
use time::format_description::well_known::Rfc3339;
use vital_platform::{Platform, audit::trail, identity, keys, tenancy};
use vital_store::ExchangeStep;

/// `vital keys …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Keys {
    /// Show every class of secret: where it is, how old it is, how it is exchanged
    #[command(after_help = "Example:\n  vital keys status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a new key in place of an old one, while servers run
    #[command(
        after_help = "`root` wraps the keys of all organisations again and destroys the former root key: keep a copy of the new file.
`tenant` seals everything of an organisation again. `audit` signs checkpoints with a new key; the old public key stays valid for what it signed.
`database` gives the servers new logins and refuses the old ones after `keys.spread_s`. Whatever was cut off is finished by running it again.

Examples:
  vital keys rotate root
  vital keys rotate tenant --tenant example-pharma
  vital keys rotate audit
  vital keys rotate database"
    )]
    Rotate {
        /// What to exchange
        class: Class,
        /// Organisation, for `tenant`; without it all of them, one after the other
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What can be exchanged with this command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Class {
    /// The root key
    Root,
    /// The keys of organisations
    Tenant,
    /// The key that signs checkpoints of the audit trail
    Audit,
    /// The logins and passwords of the database's roles
    Database,
}

/// Runs a verb.
pub(crate) async fn run(config: &Config, verb: Keys) -> anyhow::Result<Exit> {
    match verb {
        Keys::Status { json } => with_platform(config, async |p| status(config, p, json).await).await,
        Keys::Rotate { class, tenant, json } => {
            with_administrator(config, async |p, administrator| match class {
                Class::Root => rotate_root(p, json).await,
                Class::Tenant => rotate_tenants(p, tenant.as_deref(), json).await,
                Class::Audit => rotate_audit(p).await,
                Class::Database => rotate_database(config, p, administrator, json).await,
            })
            .await
        }
    }
}

async fn status(config: &Config, p: &Platform, json: bool) -> anyhow::Result<Exit> {
    let keys = keys::status(p).await?;
    let mut all = secrets::secret_ages(config, p).await?;
    all.extend(secrets::of_organisations(&identity::credential_counts(p).await?));
    let done = if keys.root_keys.iter().all(|k| k.present) { Exit::Done } else { Exit::Failed };
    if json {
        terminal::json(&serde_json::json!({ "keys": keys, "secrets": all }))?;
        return Ok(done);
    }
    for secret in all {
        terminal::data(&terminal::plain(&format!("{:<14} {}", secret.class, secret.what)))?;
        terminal::data(&format!("{:<14} {}{}", "", age(&secret), secret.exchange))?;
    }
    Ok(done)
}

/// How old a secret is, for people.
fn age(secret: &Secret) -> String {
    let overdue = if secret.overdue { " OVERDUE" } else { "" };
    match (secret.since.and_then(|at| at.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()), secret.age_d, secret.max_age_d) {
        (Some(since), Some(age), Some(max)) => format!("since {since}, {age} of {max} days{overdue}; "),
        (Some(since), Some(age), None) => format!("since {since}, {age} days; "),
        (_, _, Some(max)) => format!("since an unknown time, at most {max} days; "),
        _ => String::new(),
    }
}

/// Exchanges the logins at the database; nothing of this process is connected with the old ones when they end.
async fn rotate_database(config: &Config, p: &Platform, administrator: Administrator, json: bool) -> anyhow::Result<Exit> {
    let file = database::role_file(&config.server.data);
    let window = if administrator.alone { Duration::ZERO } else { Duration::from_secs(config.keys.spread_s) };
    let bar = spinner(json);
    keys::leave_logins(p).await;
    let done = file.exchange(&administrator.options, window, |step| match step {
        ExchangeStep::Waiting { left } => bar.set_message(format!("servers move over to the new logins: {} s", left.as_secs() + 1)),
        ExchangeStep::Ending { sessions } => bar.set_message(format!("{sessions} connections of the former logins come to their end")),
    });
    let done = done.await.context("run it again to finish: the logins that the file names work in any case")?;
    bar.finish_and_clear();
    let present = file.read()?.context("the file of the database's role passwords is gone")?;
    keys::use_logins(p, &present).await?;
    keys::record_login_exchange(p, &done).await?;
    if json {
        terminal::json(&done)?;
    }
    terminal::talk(&format!(
        "{}{} and {} with new passwords are used now, {} and {} are refused",
        if done.resumed { "finished what was cut off: " } else { "" },
        done.logins[0],
        done.logins[1],
        done.former[0],
        done.former[1]
    ));
    if done.ended > 0 {
        terminal::talk(&format!(
            "{} connections of servers that did not move over were ended: give them a copy of `{}`",
            done.ended,
            file.path().display()
        ));
    }
    if done.left > 0 {
        terminal::talk(&format!(
            "{} connections with the former logins stay until their servers close them: this administrator may not end them",
            done.left
        ));
    }
    Ok(Exit::Done)
}

async fn rotate_root(p: &Platform, json: bool) -> anyhow::Result<Exit> {
    let bar = spinner(json);
    let done = keys::rotate_root(p, |keys| bar.set_message(format!("{keys} keys wrapped"))).await?;
    bar.finish_and_clear();
    if json {
        terminal::json(&done)?;
    }
    terminal::talk(&format!(
        "root key {} wraps now ({} keys); {} {}",
        done.present,
        done.keys,
        done.former.join(", "),
        if done.retired {
            "is gone. Keep a copy of the new one"
        } else {
            "wraps nothing any more: take it away where it is kept, and restart"
        }
    ));
    Ok(Exit::Done)
}

async fn rotate_tenants(p: &Platform, tenant: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let bar = spinner(json);
    let mut all = tenancy::list(p).await?;
    if let Some(slug) = tenant {
        let one = tenant_of(p, slug).await?;
        all.retain(|t| t.id == one.id);
    }
    for one in all {
        let values = keys::rotate_tenant(p, one.id, |place, n| bar.set_message(format!("{}: {place} {n}", one.slug))).await?;
        terminal::talk(&format!("`{}` has a new key: {values} values sealed again, the former key destroyed", one.slug));
    }
    bar.finish_and_clear();
    Ok(Exit::Done)
}

async fn rotate_audit(p: &Platform) -> anyhow::Result<Exit> {
    let public = trail::rotate_signing_key(p).await?;
    terminal::talk(&format!("checkpoints are signed by a new key: {public}"));
    Ok(Exit::Done)
}

fn spinner(json: bool) -> ProgressBar {
    if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() }
}
