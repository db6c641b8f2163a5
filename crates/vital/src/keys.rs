//! `vital keys …`: the keys that protect stored data, and every other secret of an installation with its age.

use crate::{
    config::Config,
    database::SECRETS_FILE,
    failure::Exit,
    operate::{tenant_of, with_platform},
    terminal,
};
use indicatif::ProgressBar;
use serde::Serialize;
use std::{path::Path, time::SystemTime};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vital_platform::{Platform, audit::trail, keys, tenancy};

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

Examples:
  vital keys rotate root
  vital keys rotate tenant --tenant example-pharma
  vital keys rotate audit"
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
}

/// Runs a verb.
pub(crate) async fn run(config: &Config, verb: Keys) -> anyhow::Result<Exit> {
    match verb {
        Keys::Status { json } => with_platform(config, async |p| status(config, p, json).await).await,
        Keys::Rotate { class, tenant, json } => with_platform(config, async |p| rotate(p, class, tenant.as_deref(), json).await).await,
    }
}

/// A class of secret, for people.
#[derive(Serialize)]
struct Secret {
    class: &'static str,
    what: String,
    since: Option<String>,
    exchange: &'static str,
}

async fn status(config: &Config, p: &Platform, json: bool) -> anyhow::Result<Exit> {
    let keys = keys::status(p).await?;
    let secrets = secrets(config, &keys)?;
    if json {
        terminal::json(&serde_json::json!({ "keys": keys, "secrets": secrets }))?;
        return Ok(Exit::Done);
    }
    for secret in secrets {
        terminal::data(&terminal::plain(&format!("{:<12} {}", secret.class, secret.what)))?;
        terminal::data(&format!("{:<12} since {}; {}", "", secret.since.as_deref().unwrap_or("an unknown time"), secret.exchange))?;
    }
    Ok(if keys.root_keys.iter().all(|k| k.present) { Exit::Done } else { Exit::Failed })
}

fn secrets(config: &Config, keys: &vital_store::KeyStatus) -> anyhow::Result<Vec<Secret>> {
    let data = &config.server.data;
    let settings = config.keys.settings(data)?;
    let mut all = Vec::new();
    for root in &keys.root_keys {
        let state = match (root.present, root.wraps) {
            (false, _) => "MISSING",
            (true, true) => "wraps",
            (true, false) => "former, still unwraps",
        };
        let what = format!("{} ({state}), {} keys of organisations, {}", root.id, root.keys, settings.root);
        let since = settings.root.changed_at().filter(|_| root.wraps).and_then(written);
        all.push(Secret { class: "root", what, since, exchange: "vital keys rotate root" });
    }
    let rotating = if keys.rotating == 0 { String::new() } else { format!(", {} in rotation", keys.rotating) };
    let oldest = keys.oldest.map(|t| t.format(&Rfc3339)).transpose()?;
    all.push(Secret {
        class: "tenant",
        what: format!("{} organisations{rotating}", keys.tenants),
        since: oldest,
        exchange: "vital keys rotate tenant",
    });
    let mut file = |class, path: &Path, exchange| {
        if path.exists() {
            all.push(Secret { class, what: path.display().to_string(), since: changed(path), exchange });
        }
    };
    let trail = config.audit.settings(&config.server);
    file("audit", &trail.key_file, "vital keys rotate audit");
    file("database", &data.join(SECRETS_FILE), "stop the server, delete the file, start it: new passwords are made");
    if let Some(files) = config.tls.files() {
        file("tls", &files.certificate, "replace both files: the server reads them again by itself");
        file("tls", &files.key, "replace both files: the server reads them again by itself");
    }
    for (class, set) in [("mail", config.mail.username.is_some()), ("provider", config.provider.is_some())] {
        if set {
            let what = "in the configuration".to_owned();
            all.push(Secret {
                class,
                what,
                since: None,
                exchange: "make a second one there, put it into the configuration, restart, end the first",
            });
        }
    }
    Ok(all)
}

fn changed(path: &Path) -> Option<String> {
    path.metadata().and_then(|m| m.modified()).ok().and_then(written)
}

fn written(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

async fn rotate(p: &Platform, class: Class, tenant: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    match class {
        Class::Root => {
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
        }
        Class::Tenant => {
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
        }
        Class::Audit => {
            let public = trail::rotate_signing_key(p).await?;
            terminal::talk(&format!("checkpoints are signed by a new key: {public}"));
        }
    }
    Ok(Exit::Done)
}
