//! `vital domain` and `vital tls`: custom domains and certificates, for the operator.

use crate::{
    config::Config,
    failure::{Exit, Failure},
    operate::{tenant_of, with_platform},
    serve::tls::FOLDER,
    terminal,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vital_platform::tenancy::{self, CustomDomain};
use vital_tls::{Folder, Standing, State};

/// `vital domain …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DomainVerb {
    /// List the custom domains of an organisation, and the records that prove them
    #[command(after_help = "Example:\n  vital domain list --tenant example-pharma")]
    List {
        /// Organisation (`vital tenant list` shows the slugs)
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for the record of a domain; where it is there, the domain leads to the organisation
    #[command(after_help = "Example:\n  vital domain verify --tenant example-pharma path.example.com")]
    Verify {
        /// Organisation (`vital tenant list` shows the slugs)
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The domain
        domain: String,
    },
}

/// `vital tls …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TlsVerb {
    /// Show how the certificates stand; exits with 1 where one is expired, missing or cannot be used
    #[command(after_help = "Example:\n  vital tls status --json")]
    Status {
        #[command(flatten)]
        settings: crate::cli::Settings,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Lists or verifies domains.
pub(crate) async fn domain(config: &Config, verb: DomainVerb) -> anyhow::Result<Exit> {
    match verb {
        DomainVerb::List { tenant, json } => {
            with_platform(config, async |p| {
                let domains = tenancy::domains_as_operator(p, tenant_of(p, &tenant).await?.id).await?;
                if json {
                    terminal::json(&domains)?;
                    return Ok(Exit::Done);
                }
                for d in &domains {
                    terminal::data(&line(d))?;
                    if let Some(notice) = &d.issuance {
                        terminal::data(&terminal::plain(&format!("{:<8} {}", "", notice.says)))?;
                    }
                }
                Ok(Exit::Done)
            })
            .await
        }
        DomainVerb::Verify { tenant, domain } => {
            with_platform(config, async |p| {
                let tenant = tenant_of(p, &tenant).await?;
                let domain = tenancy::verify_domain_as_operator(p, tenant.id, &domain.to_lowercase()).await?;
                terminal::talk(&format!("`{}` leads to `{}`; a running server knows it within 15 s", domain.domain, tenant.slug));
                if let Some(notice) = &domain.issuance {
                    terminal::talk(&terminal::plain(&notice.says));
                }
                Ok(Exit::Done)
            })
            .await
        }
    }
}

fn line(d: &CustomDomain) -> String {
    let state = if d.verified_at.is_some() { "in use" } else { "waits" };
    format!("{:<8} {}  TXT {} \"{}\"", state, d.domain, d.record_name, d.record_value)
}

/// Shows how the certificates stand: as the files are now, with what a server last said was in the way.
pub(crate) fn status(config: &Config, json: bool) -> anyhow::Result<Exit> {
    if !config.tls.is_on() {
        return Err(Failure::new("this server speaks plain HTTP, so there is no certificate")
            .hint("docs/TLS.md says how to set `[tls]`; behind a proxy the proxy has the certificate")
            .into());
    }
    let all = standing(config, OffsetDateTime::now_utc());
    if json {
        terminal::json(&all)?;
    } else {
        for one in &all {
            terminal::data(&terminal::plain(&described(one)))?;
        }
    }
    let bad = |s: &Standing| matches!(s.state, State::Expired | State::Missing | State::ClockBehind);
    Ok(if all.is_empty() || all.iter().any(bad) { Exit::Failed } else { Exit::Done })
}

fn standing(config: &Config, now: OffsetDateTime) -> Vec<Standing> {
    let folder = Folder::at(&config.server.data.join(FOLDER));
    let told = folder.standing();
    let trouble = |domain: &str| told.iter().find(|s| s.domain == domain).and_then(|s| s.trouble.clone());
    let mut all = Vec::new();
    match (config.tls.files(), config.server.host()) {
        (Some(files), host) => {
            let loaded = files.load(now).and_then(|c| host.map_or(Ok(()), |host| c.check_host(&host)).map(|()| c));
            all.push(match loaded {
                Ok(certificate) => Standing::of("", Some(&certificate), None, now),
                Err(error) => Standing::of("", None, Some(error.to_string()), now),
            });
        }
        (None, Some(host)) => all.push(kept(&folder, "", &host, trouble(""), now)),
        (None, None) => {}
    }
    let domains = told.iter().filter(|s| !s.domain.is_empty());
    all.extend(domains.map(|s| kept(&folder, &s.domain, &s.domain, trouble(&s.domain), now)));
    all
}

fn kept(folder: &Folder, name: &str, domain: &str, trouble: Option<String>, now: OffsetDateTime) -> Standing {
    match folder.certificate(domain) {
        Ok(certificate) => Standing::of(name, certificate.as_ref(), trouble, now),
        Err(error) => Standing::of(name, None, Some(error.to_string()), now),
    }
}

fn described(one: &Standing) -> String {
    let name = if one.domain.is_empty() { "site" } else { &one.domain };
    let until = one.not_after.and_then(|at| at.format(&Rfc3339).ok()).map(|at| format!(", until {at} ({} days)", one.left_s / 86_400));
    let names = if one.names.is_empty() { String::new() } else { format!(", for {}", one.names.join(" ")) };
    let trouble = one.trouble.as_ref().map(|why| format!("\n  {why}")).unwrap_or_default();
    format!("{name}: {}{}{names}{trouble}", one.state.as_str(), until.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Server, Tls};
    use vital_tls::scripted::Authority;

    #[test]
    fn the_state_of_certificate_files_is_told_without_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        let config = Config {
            server: Server { public_url: Some("https://vital.example".to_owned()), data: folder.path().to_owned(), ..Server::default() },
            tls: Tls { certificate_file: at("chain.pem"), key_file: at("key.pem"), ..Tls::default() },
            ..Config::default()
        };
        assert_eq!(status(&config, false).unwrap(), Exit::Failed);
        for (name, state) in [("vital.example", State::Good), ("other.example", State::Missing)] {
            let issued = Authority::default().issue(&[name]);
            std::fs::write(at("chain.pem").unwrap(), issued.chain).unwrap();
            std::fs::write(at("key.pem").unwrap(), issued.key).unwrap();
            let all = standing(&config, OffsetDateTime::now_utc());
            assert_eq!((all.len(), all[0].state), (1, state), "{all:?}");
            assert!(described(&all[0]).starts_with("site: "), "{}", described(&all[0]));
        }
        assert!(status(&Config::default(), false).unwrap_err().to_string().contains("plain HTTP"));
    }
}
