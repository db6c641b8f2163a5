//! `[database]`: the PostgreSQL to use.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `url` | none | A running PostgreSQL 16 or later with pgvector, as `postgres://user:password@host/name`. `DATABASE_URL` and `--database-url` win over it. None: a private one in the data folder. |
//! | `ca_file` | public authorities | Certificates (PEM) of the authorities that may have signed the certificate of the PostgreSQL at `url`. |
//! | `allow_plain_database` | `false` | Allows a PostgreSQL on another machine without verified TLS. |
//! | `pg_home` | found | Folder of the PostgreSQL binaries for the private one. Else `VITAL_PG_HOME`, else what `script/setup` installed. |
//! | `run_as` | `vital-pg` | The account that runs the private one when the server is started by root. |
//! | `start_timeout_s` | `120` | How long the private one may take to start, recovery after a crash included. |

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use vital_store::{
    embedded::ClusterOptions,
    transport::{AddressError, PgConnectOptions, Transport, connect_options},
};

/// Longest start that can be waited for, in seconds.
const START_TIMEOUT_S_MAX: u64 = 24 * 60 * 60;

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    /// Address of a running PostgreSQL; it may hold a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Certificates of the authorities that vouch for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allows one on another machine without verified TLS.
    pub(crate) allow_plain_database: bool,
    /// Folder of the PostgreSQL binaries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pg_home: Option<PathBuf>,
    /// The account that runs PostgreSQL.
    pub(crate) run_as: String,
    /// How long a start may take, in seconds.
    pub(crate) start_timeout_s: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, ca_file: None, allow_plain_database: false, pg_home: None, run_as: "vital-pg".to_owned(), start_timeout_s: 120 }
    }
}

impl Database {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.url.as_ref().is_some_and(|url| !url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
            // The address may hold a password, so it is not repeated here.
            return Err(Failure::new("`database.url` is not the address of a PostgreSQL database")
                .hint("write `postgres://user:password@host:5432/name`; for the private database leave it out")
                .into());
        }
        if !(1..=START_TIMEOUT_S_MAX).contains(&self.start_timeout_s) {
            return Err(Failure::new(format!("`database.start_timeout_s` must be 1 to {START_TIMEOUT_S_MAX}")).into());
        }
        if self.url.is_none() && self.ca_file.is_some() {
            return Err(
                Failure::new("`database.ca_file` is set, but there is no `database.url` whose certificate it could vouch for").into()
            );
        }
        self.running().map(|_| ())
    }

    /// How to connect to the running PostgreSQL; none for the private one.
    ///
    /// # Errors
    /// When the address cannot be read, or leads to another machine whose certificate and name would not be verified.
    pub(crate) fn running(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        let Some(url) = &self.url else { return Ok(None) };
        let transport = Transport { ca_file: self.ca_file.clone(), allow_plain: self.allow_plain_database };
        connect_options(url, &transport).map(Some).map_err(|error| {
            let failure = Failure::new(error.to_string());
            match error {
                AddressError::Unreadable | AddressError::SeveralHosts => {
                    failure.hint("write `postgres://user:password@host:5432/name` into `DATABASE_URL` or `database.url`").into()
                }
                AddressError::Unverified { .. } => failure
                    .hint("write `sslmode=verify-full` and, for an authority of your own, name its certificate as `ca_file` in `[database]`; inside a network that is encrypted otherwise, set `allow_plain_database = true` there")
                    .into(),
                AddressError::Ca(_) | AddressError::CaTwice => failure.into(),
            }
        })
    }

    /// How the private cluster is run.
    pub(crate) fn cluster_options(&self) -> ClusterOptions {
        ClusterOptions {
            run_as: self.run_as.clone(),
            start_timeout: Duration::from_secs(self.start_timeout_s),
            ..ClusterOptions::default()
        }
    }
}

/// The address without its password and its parameters, which may hold one as well.
pub(super) fn without_password(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let shown = match (bare.split_once("://"), bare.rsplit_once('@')) {
        (Some((scheme, _)), Some((credentials, place))) => {
            let user = credentials.get(scheme.len() + 3..).unwrap_or_default().split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:(hidden)@{place}")
        }
        _ => bare.to_owned(),
    };
    if bare.len() < url.len() { format!("{shown}?(hidden)") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_address_holds_no_password() {
        for (url, shown) in [
            ("postgres://vital:s3cret@db.example:5432/vital", "postgres://vital:(hidden)@db.example:5432/vital"),
            ("postgres://vital:s3@cret@db.example/vital", "postgres://vital:(hidden)@db.example/vital"),
            ("postgres:///vital?host=/run&password=s3cret", "postgres:///vital?(hidden)"),
            ("postgres://db.example/vital", "postgres://db.example/vital"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn a_database_elsewhere_needs_verified_tls_or_a_deliberate_setting() {
        let section = |text: &str| toml::from_str::<Database>(text).unwrap();
        for (text, fine) in [
            ("url = 'postgres://u@db.internal/d?sslmode=verify-full'", true),
            ("url = 'postgres://u@db.internal/d'", true),
            ("url = 'postgres://u@127.0.0.1/d?sslmode=disable'", true),
            ("url = 'postgres://u@db.internal/d?sslmode=require'", false),
            ("url = 'postgres://u@127.0.0.1/d?host=10.0.0.5&sslmode=disable'", false),
            ("url = 'postgres://u@10.0.0.5/d?sslmode=disable'\nallow_plain_database = true", true),
            ("url = 'postgres://u@db.internal/d'\nca_file = '/nonexistent/ca.pem'", false),
            ("ca_file = '/nonexistent/ca.pem'", false),
        ] {
            assert_eq!(section(text).check().is_ok(), fine, "{text}");
        }
        let error = section("url = 'postgres://u:s3cret@db.internal/d?sslmode=require'").check().unwrap_err();
        let said = format!("{:?}", error.downcast_ref::<Failure>().unwrap());
        assert!(said.contains("allow_plain_database") && said.contains("verify-full") && !said.contains("s3cret"), "{said}");
    }

    #[test]
    fn an_address_of_another_kind_is_refused_without_repeating_it() {
        let error = Database { url: Some("mysql://u:s3cret@h/d".into()), ..Database::default() }.check().unwrap_err();
        assert!(error.to_string().contains("database.url") && !error.to_string().contains("s3cret"));
    }
}
