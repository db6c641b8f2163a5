//! Configuration: a TOML file, over it a few environment variables, over them the flags. One file here for each section.
//!
//! **Invariant:** an unknown key, a value of the wrong kind or an unreachable combination stops the program with the key's name; nothing
//! is ignored and nothing is guessed. **Invariant:** no secret but the passwords in `database.url` and `limits.redis_url` can stand in
//! the file, and those are never printed.

mod audit;
mod cache;
mod database;
mod egress;
mod file;
mod identity;
mod keys;
mod limits;
mod log;
mod mail;
mod metrics;
mod models;
mod provider;
mod server;
mod telemetry;
mod tls;
mod tools;

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

pub(crate) use audit::Audit;
pub(crate) use cache::Cache;
pub(crate) use database::Database;
pub(crate) use egress::Egress;
pub(crate) use identity::Identity;
pub(crate) use keys::Keys;
pub(crate) use limits::Limits;
pub(crate) use log::{Log, LogFormat};
pub(crate) use mail::Mail;
pub(crate) use metrics::Metrics;
pub(crate) use models::Models;
pub(crate) use provider::Provider;
pub(crate) use server::Server;
pub(crate) use telemetry::Telemetry;
pub(crate) use tls::Tls;
pub(crate) use tools::Tools;

/// Name of the configuration file within the data folder.
const FILE_NAME: &str = "vital.toml";
/// The commented template: every key with its default.
pub(crate) const TEMPLATE: &str = include_str!("../../../../deploy/vital.toml.example");

/// The configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the server listens and keeps things.
    pub(crate) server: Server,
    /// https by the server itself.
    pub(crate) tls: Tls,
    /// The PostgreSQL to use.
    pub(crate) database: Database,
    /// The local embedding model.
    pub(crate) models: Models,
    /// The provider that writes answers, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<Provider>,
    /// How messages are sent.
    pub(crate) mail: Mail,
    /// Which identity providers are talked to.
    pub(crate) identity: Identity,
    /// Where addresses that organisations give may lead.
    pub(crate) egress: Egress,
    /// The public sources that tools ask.
    pub(crate) tools: Tools,
    /// The root key.
    pub(crate) keys: Keys,
    /// How often and how many at once.
    pub(crate) limits: Limits,
    /// Answers of models that are given again.
    pub(crate) cache: Cache,
    /// Where the checkpoints of the audit trail go.
    pub(crate) audit: Audit,
    /// The listener that Prometheus reads.
    pub(crate) metrics: Metrics,
    /// Where traces go.
    pub(crate) telemetry: Telemetry,
    /// The log.
    pub(crate) log: Log,
}

/// Settings that can be given outside of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// Where to listen.
    pub(crate) listen: Option<String>,
    /// The database to use.
    pub(crate) database_url: Option<String>,
}

impl Overrides {
    /// Reads `VITAL_CONFIG`, `VITAL_DATA`, `VITAL_LISTEN` and `DATABASE_URL`; empty ones count as not set.
    ///
    /// # Errors
    /// When a variable that must be text is not UTF-8.
    pub(crate) fn from_environment(variable: &dyn Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| {
            set(name)
                .map(OsString::into_string)
                .transpose()
                .map_err(|_| Failure::new(format!("the environment variable `{name}` is not UTF-8")))
        };
        Ok(Self {
            config: set("VITAL_CONFIG").map(PathBuf::from),
            data: set("VITAL_DATA").map(PathBuf::from),
            listen: text("VITAL_LISTEN")?,
            database_url: text("DATABASE_URL")?,
        })
    }

    /// These settings where they are given, else those of `below`.
    fn over(self, below: Self) -> Self {
        Self {
            config: self.config.or(below.config),
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            database_url: self.database_url.or(below.database_url),
        }
    }
}

/// A configuration and where it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The configuration in force.
    pub(crate) config: Config,
    /// The file it was read from; none when there is none, which is fine.
    pub(crate) file: Option<PathBuf>,
}

/// Loads the configuration: defaults, the file over them, the environment over it, the flags over all.
///
/// # Errors
/// With the file, line and key of what is wrong and what would be right.
pub(crate) fn load(flags: Overrides) -> anyhow::Result<Loaded> {
    load_with(flags, Overrides::from_environment(&|name| std::env::var_os(name))?)
}

fn load_with(flags: Overrides, environment: Overrides) -> anyhow::Result<Loaded> {
    let given = flags.over(environment);
    let file = match given.config {
        Some(named) => Some(named),
        None => default_file(given.data.as_deref()),
    };
    let mut config = match &file {
        Some(path) => file::read(path)?,
        None => Config::default(),
    };
    if let Some(data) = given.data {
        config.server.data = data;
    }
    if let Some(listen) = given.listen {
        config.server.listen =
            server::parse_address(&listen).map_err(|why| Failure::new(format!("`--listen` (or `VITAL_LISTEN`) cannot be used: {why}")))?;
    }
    if let Some(url) = given.database_url {
        config.database.url = Some(url);
    }
    config.check()?;
    Ok(Loaded { config, file })
}

/// `vital.toml` in the data folder, if it is there.
/// The secret in a file that a key of the configuration names; the file is read again when it changes.
fn secret_file(key: &str, path: &Path) -> anyhow::Result<vital_keys::SecretText> {
    vital_keys::SecretText::in_file(path, |_| Ok(())).map_err(|error| unreadable(key, path, &error).into())
}

fn unreadable(key: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("the file `{}`, named by `{key}`, cannot be used: {error}", path.display()))
}

fn default_file(data: Option<&Path>) -> Option<PathBuf> {
    let path = data.map_or_else(|| Server::default().data, Path::to_owned).join(FILE_NAME);
    path.exists().then_some(path)
}

impl Config {
    fn check(&self) -> anyhow::Result<()> {
        self.server.check(self.tls.is_on())?;
        self.tls.check(&self.server)?;
        self.database.check()?;
        self.limits.check()?;
        self.cache.check(&self.limits)?;
        self.mail.check()?;
        self.audit.check()?;
        self.metrics.check(&self.server, self.tls.is_on())?;
        self.telemetry.check()?;
        self.identity.check(&self.server)?;
        self.egress.check()?;
        self.tools.check()?;
        self.keys.check()?;
        self.log.check()
    }

    /// Where requests may go whose addresses organisations give.
    ///
    /// # Errors
    /// With the rule that cannot be used.
    pub(crate) fn egress_rules(&self) -> anyhow::Result<vital_outbound::Egress> {
        Ok(self.egress.rules()?.loopback_issuers(self.identity.allow_loopback_issuers))
    }

    /// The built-in tools. With a `throttle` the rates of public sources are counted in it, together with other nodes.
    ///
    /// # Errors
    /// When a key of a source cannot be read.
    pub(crate) fn toolbox(&self, throttle: Option<vital_throttle::Throttle>) -> anyhow::Result<vital_tools::Toolbox> {
        let toolbox = vital_tools::Toolbox::new(self.egress_rules()?, self.tools.endpoints()?)
            .map_err(|error| Failure::new(format!("`[tools]` cannot be used: {error}")))?;
        Ok(match throttle {
            Some(throttle) => toolbox.throttle(throttle),
            None => toolbox,
        })
    }

    /// The address that links and passkeys are bound to. `bound` is where the server really listens.
    pub(crate) fn site(&self, bound: std::net::SocketAddr) -> String {
        self.server.site(bound, self.tls.is_on())
    }

    /// The address for people, without a closing slash.
    pub(crate) fn address(&self, bound: std::net::SocketAddr) -> String {
        self.server.address(bound, self.tls.is_on())
    }

    /// Tells whether people reach the server by https.
    pub(crate) fn is_https(&self) -> bool {
        self.server.is_https(self.tls.is_on())
    }

    /// The configuration in force as TOML, without secrets.
    ///
    /// # Errors
    /// When a path is not UTF-8, which TOML cannot hold.
    pub(crate) fn show(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        shown.database.url = shown.database.url.as_deref().map(database::without_password);
        shown.limits.redis_url = shown.limits.redis_url.as_deref().map(database::without_password);
        Ok(toml::to_string(&shown)?.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> Overrides {
        Overrides { config: Some(path.to_owned()), ..Overrides::default() }
    }

    #[test]
    fn flags_win_over_the_environment_which_wins_over_the_file_which_wins_over_the_defaults() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("c.toml");
        std::fs::write(&path, "[server]\nlisten = \"127.0.0.1:1\"\ndata = \"from-file\"\n[database]\nurl = \"postgres://file/d\"\n")
            .unwrap();
        let file_only = load_with(at(&path), Overrides::default()).unwrap().config;
        assert_eq!(file_only.server.listen.port(), 1);
        assert_eq!(file_only.server.data, Path::new("from-file"));
        assert_eq!(file_only.log, Log::default());

        let environment = Overrides {
            listen: Some("127.0.0.1:2".into()),
            data: Some("from-environment".into()),
            database_url: Some("postgres://environment/d".into()),
            ..Overrides::default()
        };
        let config = load_with(at(&path), environment.clone()).unwrap().config;
        assert_eq!((config.server.listen.port(), config.database.url.as_deref()), (2, Some("postgres://environment/d")));

        let flags = Overrides { listen: Some("127.0.0.1:3".into()), data: Some("from-flag".into()), ..at(&path) };
        let config = load_with(flags, environment).unwrap().config;
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.server.data, Path::new("from-flag"));
        assert_eq!(config.database.url.as_deref(), Some("postgres://environment/d"));
    }

    #[test]
    fn the_file_in_the_data_folder_is_found_and_its_absence_is_fine() {
        let temp = tempfile::tempdir().unwrap();
        let flags = || Overrides { data: Some(temp.path().to_owned()), ..Overrides::default() };
        assert_eq!(load_with(flags(), Overrides::default()).unwrap().file, None);
        std::fs::write(temp.path().join(FILE_NAME), "[server]\nlisten = \"127.0.0.1:9\"").unwrap();
        let loaded = load_with(flags(), Overrides::default()).unwrap();
        assert_eq!((loaded.config.server.listen.port(), loaded.file), (9, Some(temp.path().join(FILE_NAME))));
    }

    #[test]
    fn a_named_file_that_is_not_there_is_an_error() {
        let error = load_with(at(Path::new("/nonexistent/vital.toml")), Overrides::default()).unwrap_err();
        assert!(format!("{error:#}").contains("/nonexistent/vital.toml"));
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        let none = Overrides::from_environment(&|_| Some(OsString::new())).unwrap();
        assert_eq!(none, Overrides::default());
        let set = Overrides::from_environment(&|name| Some(OsString::from(name))).unwrap();
        assert_eq!(set.database_url.as_deref(), Some("DATABASE_URL"));
    }

    #[test]
    fn an_address_for_everybody_is_refused_wherever_it_comes_from() {
        let flags = Overrides { listen: Some("0.0.0.0:8080".into()), ..Overrides::default() };
        let error = load_with(flags, Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("plain HTTP"), "{error}");
    }

    #[test]
    fn what_is_shown_can_be_read_again_and_holds_no_password() {
        let config = Config {
            database: Database { url: Some("postgres://u:s3cret@h/d".into()), ..Database::default() },
            limits: Limits { redis_url: Some("redis://:s3cret@h:6379".into()), ..Limits::default() },
            ..Config::default()
        };
        let shown = config.show().unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        let again: Config = toml::from_str(&shown).unwrap();
        assert_eq!(again.server, config.server);
    }

    /// The template documents every key with its default: commented in, it must be the default configuration.
    #[test]
    fn the_template_is_the_default_configuration() {
        assert_eq!(toml::from_str::<Config>(TEMPLATE).unwrap(), Config::default());
        let mut config: Config = toml::from_str(&uncomment(TEMPLATE)).unwrap();
        let provider = config.provider.take().unwrap();
        assert_eq!(Provider { base_url: None, name: None, api_key_env: None, api_key_file: None, ..provider.clone() }, {
            let text = format!("format = \"openai\"\nmodel = \"{}\"", provider.model);
            toml::from_str::<Provider>(&text).unwrap()
        });
        let Config { server, tls, database, models, identity, egress, tools, limits, cache, audit, metrics, telemetry, log, .. } = config;
        assert_eq!(cache, Cache::default());
        assert!(audit.folder.is_some() && audit.key_file.is_some() && audit.public_file.is_some());
        assert_eq!(Audit { folder: None, key_file: None, public_file: None, ..audit }, Audit::default());
        assert_eq!((identity, egress), (Identity::default(), Egress::default()));
        assert_eq!(
            Tools { contact_email: None, ncbi_key_file: None, openfda_key_file: None, openalex_key_file: None, ..tools.clone() },
            Tools::default()
        );
        assert_eq!(Limits { redis_url: None, redis_password_file: None, redis_ca_file: None, ..limits.clone() }, Limits::default());
        assert_eq!(
            (Server { public_url: None, hosts: Vec::new(), trusted_proxies: Vec::new(), ..server.clone() }, log),
            (Server::default(), Log::default())
        );
        assert_eq!(Database { url: None, ca_file: None, pg_home: None, ..database.clone() }, Database::default());
        assert_eq!(tls.hsts_s, Tls::default().hsts_s);
        assert_eq!(Telemetry { otlp_endpoint: None, headers_file: None, ca_file: None, ..telemetry.clone() }, Telemetry::default());
        let optional = [
            metrics.listen.is_some() && metrics.token_file.is_some(),
            telemetry.otlp_endpoint.is_some(),
            telemetry.headers_file.is_some(),
            telemetry.ca_file.is_some(),
            tools.contact_email.is_some(),
            tools.ncbi_key_file.is_some() && tools.openfda_key_file.is_some(),
            tls.files().is_some(),
            tls.redirect_listen.is_some(),
            tls.name_server.is_some(),
            tls.acme.is_some_and(|acme| !acme.contact.is_empty() && acme.ca_file.is_some()),
            !server.hosts.is_empty(),
            limits.redis_url.is_some(),
            limits.redis_password_file.is_some(),
            limits.redis_ca_file.is_some(),
            database.ca_file.is_some(),
            !server.trusted_proxies.is_empty(),
            server.public_url.is_some(),
            database.url.is_some(),
            database.pg_home.is_some(),
            models.dir.is_some(),
        ];
        let of_provider =
            [provider.base_url.is_some(), provider.name.is_some(), provider.api_key_env.is_some(), provider.api_key_file.is_some()];
        assert!(optional.iter().chain(&of_provider).all(|documented| *documented), "{optional:?} {of_provider:?}");
    }

    /// Commented settings begin with `#` at once; prose has a blank after it.
    fn uncomment(template: &str) -> String {
        template
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#'])).unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
