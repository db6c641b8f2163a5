//! Every class of secret of an installation: where it is, how old it is, how old it should become, how it is exchanged.
//!
//! What organisations keep for themselves (sessions, API keys, secrets of identity providers) is counted and has no age here: each ends by
//! itself or in the organisation's settings. No secret is read to tell its age.

use crate::{
    config::Config,
    database::{self, SECRETS_FILE},
};
use serde::Serialize;
use std::path::Path;
use time::{Duration, OffsetDateTime};
use vital_platform::{Platform, identity::CredentialCounts, keys};
use vital_store::{KeyStatus, embedded::Cluster};

/// Ages in days after which a secret is told to be overdue; docs/KEYS.md lists them.
const ROOT_DAYS_MAX: i64 = 365;
const TENANT_DAYS_MAX: i64 = 365;
const AUDIT_DAYS_MAX: i64 = 730;
const DATABASE_DAYS_MAX: i64 = 90;
const DATABASE_ADMIN_DAYS_MAX: i64 = 365;
const PROVIDER_DAYS_MAX: i64 = 180;
const MAIL_DAYS_MAX: i64 = 180;
const REDIS_DAYS_MAX: i64 = 180;
const METRICS_DAYS_MAX: i64 = 180;
const TELEMETRY_DAYS_MAX: i64 = 180;
const TOKEN_PIN_DAYS_MAX: i64 = 365;

const SWAP_FILE: &str = "make a second one there, put it into the file: it is used from then on; end the first";
const SWAP_VARIABLE: &str =
    "make a second one there, change the variable or the configuration, restart one server after the other; end the first";

/// One secret, or one class of secrets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Secret {
    /// The stable name of its class.
    pub(crate) class: &'static str,
    /// Where it is; no secret.
    pub(crate) what: String,
    /// Since when it is in use; none where that cannot be known.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) since: Option<OffsetDateTime>,
    /// Its age in whole days.
    pub(crate) age_d: Option<i64>,
    /// The age after which it is overdue; none where it ends by itself or has no age.
    pub(crate) max_age_d: Option<i64>,
    /// Whether it is older than that, or its exchange was cut off.
    pub(crate) overdue: bool,
    /// How it is exchanged.
    pub(crate) exchange: &'static str,
}

/// Every secret of the installation with its age, for the metrics and for `vital keys status`. Costs two statements and a look at a few
/// files, and a connection where an exchange of the logins at the database was begun and not finished.
///
/// # Errors
/// When the database does not answer or the root key cannot be read.
pub(crate) async fn secret_ages(config: &Config, p: &Platform) -> anyhow::Result<Vec<Secret>> {
    let mut all = of_installation(config, &keys::status(p).await?)?;
    match exchange_was_cut_off(config).await {
        Ok(true) => all.iter_mut().filter(|secret| secret.class == "database").for_each(cut_off),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "whether an exchange of the database's role passwords was cut off cannot be told"),
    }
    Ok(all)
}

/// Whether the former logins at the database may still get in, because their exchange was cut off.
async fn exchange_was_cut_off(config: &Config) -> anyhow::Result<bool> {
    let data = &config.server.data;
    let address = match config.database.running()? {
        Some(address) => Some(address),
        None => Cluster::connect_to_running(data)?,
    };
    match address {
        Some(address) => Ok(database::role_file(data).was_cut_off(&address).await?),
        None => Ok(false),
    }
}

/// The file is as new as the exchange that was cut off, but what it took the place of is still accepted.
fn cut_off(secret: &mut Secret) {
    secret.what.push_str(": their exchange was cut off, so the former ones still get in");
    secret.exchange = "it was cut off: run `vital keys rotate database` again";
    secret.overdue = true;
}

fn of_installation(config: &Config, keys: &KeyStatus) -> anyhow::Result<Vec<Secret>> {
    let mut all = Found { now: OffsetDateTime::now_utc(), secrets: Vec::new() };
    all.of_stored_data(config, keys)?;
    all.of_server(config);
    all.of_others(config);
    Ok(all.secrets)
}

/// What organisations made for themselves.
pub(crate) fn of_organisations(counts: &CredentialCounts) -> Vec<Secret> {
    let one = |class, what, exchange| Secret { class, what, since: None, age_d: None, max_age_d: None, overdue: false, exchange };
    vec![
        one(
            "sso",
            format!("{} identity providers with a secret", counts.sso_secrets),
            "in the organisation's settings, while the old one is accepted",
        ),
        one("scim", format!("{} keys of directories", counts.scim_keys), "make a second key, give it to the directory, revoke the first"),
        one(
            "api_key",
            format!("{} API keys", counts.api_keys - counts.scim_keys),
            "make a second key, use it, revoke the first; each ends by itself",
        ),
        one("session", format!("{} open sessions", counts.sessions), "new at every sign-in and step-up; each ends by itself"),
    ]
}

struct Found {
    now: OffsetDateTime,
    secrets: Vec<Secret>,
}

impl Found {
    fn add(&mut self, class: &'static str, what: String, since: Option<OffsetDateTime>, max_age_d: Option<i64>, exchange: &'static str) {
        let age_d = since.map(|since| (self.now - since).max(Duration::ZERO).whole_days());
        let overdue = age_d.zip(max_age_d).is_some_and(|(age, max)| age > max);
        self.secrets.push(Secret { class, what, since, age_d, max_age_d, overdue, exchange });
    }

    /// A secret in a file; its age is that of the file. Nothing where there is none.
    fn file(&mut self, class: &'static str, path: &Path, max_age_d: Option<i64>, exchange: &'static str) {
        if path.exists() {
            self.add(class, path.display().to_string(), changed(path), max_age_d, exchange);
        }
    }

    /// A secret that stands in a file, or else where no age can be told.
    fn given(&mut self, class: &'static str, file: Option<&Path>, elsewhere: Option<String>, max_age_d: i64) {
        match (file, elsewhere) {
            (Some(path), _) => self.file(class, path, Some(max_age_d), SWAP_FILE),
            (None, Some(place)) => self.add(class, place, None, Some(max_age_d), SWAP_VARIABLE),
            (None, None) => {}
        }
    }

    /// What seals and signs.
    fn of_stored_data(&mut self, config: &Config, keys: &KeyStatus) -> anyhow::Result<()> {
        let settings = config.keys.settings(&config.server.data)?;
        for root in &keys.root_keys {
            let state = match (root.present, root.wraps) {
                (false, _) => "MISSING",
                (true, true) => "wraps",
                (true, false) => "former, still unwraps",
            };
            let what = format!("{} ({state}), {} keys of organisations, {}", root.id, root.keys, settings.root);
            let since = settings.root.changed_at().filter(|_| root.wraps).map(OffsetDateTime::from);
            self.add("root", what, since, Some(ROOT_DAYS_MAX), "vital keys rotate root");
        }
        if let Some(pin) = &config.keys.token_pin_file {
            self.file(
                "token_pin",
                pin,
                Some(TOKEN_PIN_DAYS_MAX),
                "change it in the token and in the file, restart one server after the other",
            );
        }
        let rotating = if keys.rotating == 0 { String::new() } else { format!(", {} in rotation", keys.rotating) };
        let what = format!("{} organisations{rotating}", keys.tenants);
        self.add("tenant", what, keys.oldest, Some(TENANT_DAYS_MAX), "vital keys rotate tenant");
        self.file("audit", &config.audit.settings(&config.server).key_file, Some(AUDIT_DAYS_MAX), "vital keys rotate audit");
        Ok(())
    }

    /// What the server shows to its own database and to browsers.
    fn of_server(&mut self, config: &Config) {
        let data = &config.server.data;
        self.file("database", &data.join(SECRETS_FILE), Some(DATABASE_DAYS_MAX), "vital keys rotate database");
        match &config.database.url {
            Some(url) if url.contains('@') => self.add(
                "database_admin",
                "in the address of the database, used at starts and by commands".to_owned(),
                None,
                Some(DATABASE_ADMIN_DAYS_MAX),
                "change it in the database and in the address; running servers do not use it",
            ),
            Some(_) => {}
            None => self.file(
                "database_admin",
                &data.join("postgres/admin.password"),
                Some(DATABASE_ADMIN_DAYS_MAX),
                "docs/KEYS.md; running servers do not use it",
            ),
        }
        if let Some(files) = config.tls.files() {
            for path in [&files.certificate, &files.key] {
                self.file("tls", path, None, "replace both files: the server reads them again by itself; `vital tls status` has the end");
            }
        } else if config.tls.acme.is_some() {
            let folder = data.join(crate::serve::tls::FOLDER).display().to_string();
            self.add("tls", folder, None, None, "renewed with a new key by itself; `vital tls status` has the end");
        }
    }

    /// What the server shows to others.
    fn of_others(&mut self, config: &Config) {
        if let Some(provider) = &config.provider {
            let variable = provider.api_key_env.as_ref().map(|name| format!("variable {name}"));
            self.given("provider", provider.api_key_file.as_deref(), variable, PROVIDER_DAYS_MAX);
        }
        let variable = config.mail.password_env.as_ref().map(|name| format!("variable {name}"));
        self.given("mail", config.mail.password_file.as_deref(), variable, MAIL_DAYS_MAX);
        let address = config.limits.redis_url.as_ref().filter(|url| url.contains('@')).map(|_| "in `limits.redis_url`".to_owned());
        self.given("redis", config.limits.redis_password_file.as_deref(), address, REDIS_DAYS_MAX);
        self.given("telemetry", config.telemetry.headers_file.as_deref(), None, TELEMETRY_DAYS_MAX);
        if let Some(path) = &config.metrics.token_file {
            self.file(
                "metrics",
                path,
                Some(METRICS_DAYS_MAX),
                "change the file here and at the reader, restart one server after the other",
            );
        }
    }
}

fn changed(path: &Path) -> Option<OffsetDateTime> {
    path.metadata().and_then(|m| m.modified()).ok().map(OffsetDateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, time::SystemTime};

    #[test]
    fn a_secret_is_overdue_by_the_age_of_its_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("provider.key");
        fs::write(&key, "s3cret").unwrap();
        let mut config = Config::default();
        config.server.data = folder.path().to_owned();
        config.provider = toml::from_str(&format!("format = 'openai'\nmodel = 'm'\napi_key_file = '{}'", key.display())).unwrap();
        config.limits.redis_url = Some("redis://:s3cret@localhost".to_owned());
        let keys = KeyStatus { root_keys: Vec::new(), tenants: 2, rotating: 0, oldest: None };
        for (days, overdue) in [(0, false), (PROVIDER_DAYS_MAX, false), (PROVIDER_DAYS_MAX + 1, true)] {
            let at = SystemTime::now() - std::time::Duration::from_secs(u64::try_from(days).unwrap() * 86_400 + 60);
            fs::File::options().write(true).open(&key).unwrap().set_modified(at).unwrap();
            let all = of_installation(&config, &keys).unwrap();
            let provider = all.iter().find(|s| s.class == "provider").unwrap();
            assert_eq!((provider.age_d, provider.overdue), (Some(days), overdue));
            let redis = all.iter().find(|s| s.class == "redis").unwrap();
            assert!(redis.age_d.is_none() && !redis.overdue);
            assert!(!serde_json::to_string(&all).unwrap().contains("s3cret"));
        }
    }
}
