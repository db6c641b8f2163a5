//! The metrics listener, and what is looked at beside the requests.

use super::listen;
use crate::{
    config::Config,
    secrets::{self, Secret},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vital_platform::Platform;
use vital_tls::Tls;
use vital_web::{Exposition, Load, Protection, Settings};

/// Connections at once: a few readers with their retries.
const CONNECTIONS_MAX: usize = 16;
/// How often observations are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often the ages of secrets are looked up, which change by the day.
const SECRETS: Duration = Duration::from_secs(120);

/// A listener that is not served yet.
pub(super) struct Prepared {
    listener: TcpListener,
    token: Option<String>,
    local: bool,
}

/// Takes the address and begins to record; none where there is no listener.
///
/// # Errors
/// When the address or the token cannot be used.
pub(super) async fn prepare(config: &Config) -> anyhow::Result<Option<Prepared>> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let token = config.metrics.token()?;
    let listener = listen::bind(address).await?;
    vital_metrics::start(env!("CARGO_PKG_VERSION"))?;
    tracing::info!(metrics = format!("http://{}/metrics", listener.local_addr()?), "metrics are told once the server is ready");
    Ok(Some(Prepared { listener, token, local: config.metrics.is_local() }))
}

impl Prepared {
    /// Serves until `closing`; over TLS where there is a certificate and other machines reach the address.
    pub(super) fn serve(self, config: &Config, platform: Arc<Platform>, tls: Option<Tls>, closing: CancellationToken) {
        let load = Load { connections: CONNECTIONS_MAX, connections_per_address: CONNECTIONS_MAX, ..Load::default() };
        let protection = Protection::new(Settings { load, ..Settings::default() });
        tokio::spawn(secret_ages(config.clone(), Arc::clone(&platform), closing.clone()));
        let router = vital_web::exposition_router(Exposition { platform, token: self.token });
        tokio::spawn(upkeep(closing.clone()));
        match tls.filter(|_| !self.local) {
            Some(tls) => drop(tokio::spawn(vital_web::serve_tls(self.listener, tls, router, protection, closing))),
            None => drop(tokio::spawn(vital_web::serve(self.listener, router, protection, closing))),
        }
    }
}

async fn upkeep(closing: CancellationToken) {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = tick.tick() => vital_metrics::upkeep(),
        }
    }
}

async fn secret_ages(config: Config, platform: Arc<Platform>, closing: CancellationToken) {
    let mut tick = tokio::time::interval(SECRETS);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = tick.tick() => {}
        }
        match secrets::secret_ages(&config, &platform).await {
            Ok(secrets) => {
                by_class(&secrets).into_iter().for_each(|(class, (age_d, overdue))| vital_metrics::secret(class, age_d, overdue));
            }
            Err(error) => tracing::debug!(%error, "the ages of secrets cannot be told"),
        }
    }
}

/// The oldest age of each class, and whether any of it is overdue.
fn by_class(secrets: &[Secret]) -> BTreeMap<&'static str, (Option<i64>, bool)> {
    let mut classes = BTreeMap::new();
    for secret in secrets {
        let (age_d, overdue) = classes.entry(secret.class).or_insert((None, false));
        *age_d = (*age_d).max(secret.age_d);
        *overdue |= secret.overdue;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_as_old_as_its_oldest_and_overdue_when_one_is() {
        let secret =
            |class, age_d, overdue| Secret { class, what: String::new(), since: None, age_d, max_age_d: None, overdue, exchange: "" };
        let secrets =
            [secret("tls", Some(3), false), secret("tls", Some(90), true), secret("tls", None, false), secret("mail", None, false)];
        assert_eq!(by_class(&secrets).into_iter().collect::<Vec<_>>(), [("mail", (None, false)), ("tls", (Some(90), true))]);
    }
}
