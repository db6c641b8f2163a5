//! https by the server itself: which certificates there are at the start, and one task that keeps them fresh.
//!
//! **Invariant:** the server starts with a certificate that browsers accept, or with an authority that will give one; once it runs, nothing
//! about certificates stops it.

use crate::{config::Config, failure::Failure};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use time::OffsetDateTime;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use vital_platform::{Platform, tenancy};
use vital_tls::{
    Certificates, Files, Folder, RELOAD_LOOK, Standing, State, Tls, Watch,
    acme::{HttpAnswers, Orders, Renewal, Wanted},
};
use vital_web::{Protection, Redirect};

/// Folder of what an authority gave, within the data folder.
pub(crate) const FOLDER: &str = "tls";

/// What serving needs.
pub(super) struct Prepared {
    pub(super) tls: Tls,
    keeping: Keeping,
    answers: Arc<HttpAnswers>,
}

/// What keeps the certificates fresh.
struct Keeping {
    certificates: Arc<Certificates>,
    folder: Folder,
    files: Option<Watch>,
    renewal: Option<Renewal>,
    /// The name of the site where an authority is asked for it.
    site: Option<String>,
    hangup: Signal,
    /// What was told last.
    told: Vec<Standing>,
}

/// Reads the certificates; none where the server speaks plain HTTP.
///
/// # Errors
/// When the certificate files cannot be used, or the folder cannot be made.
pub(super) async fn prepare(config: &Config, platform: &Platform, data: &Path) -> anyhow::Result<Option<Prepared>> {
    // Custom domains are known before the first request, so that none is answered as the installation's own site.
    tenancy::refresh_domains(platform).await?;
    if !config.tls.is_on() {
        return Ok(None);
    }
    let (certificates, answers) = (Arc::new(Certificates::default()), Arc::new(HttpAnswers::default()));
    let folder = Folder::open(&data.join(FOLDER)).map_err(|error| Failure::new(error.to_string()))?;
    let host = config.server.host();
    let files = config.tls.files().map(|files| open(files, host.clone(), &certificates)).transpose()?;
    let site = if files.is_none() { host } else { None };
    let authority = config.tls.authority()?;
    let renewal =
        authority.map(|authority| Renewal::new(Orders::new(authority, folder.clone(), Arc::clone(&certificates), Arc::clone(&answers))));
    let tls = Tls::new(Arc::clone(&certificates))?;
    let keeping = Keeping { certificates, folder, files, renewal, site, hangup: signal(SignalKind::hangup())?, told: Vec::new() };
    if let Some(renewal) = &keeping.renewal {
        renewal.take_kept(&keeping.wanted(&tenancy::proven_domains(platform).borrow()));
    }
    Ok(Some(Prepared { tls, keeping, answers }))
}

fn open(files: Files, host: Option<String>, certificates: &Certificates) -> anyhow::Result<Watch> {
    if let Some(warning) = files.warning() {
        tracing::warn!("{warning}");
    }
    let shown = files.certificate.display().to_string();
    Watch::start(files, host, certificates, OffsetDateTime::now_utc()).map_err(|error| {
        let failure = Failure::new(format!("`tls.certificate_file` `{shown}` and its key cannot be used: {error}"));
        failure
            .hint("the server does not start with a certificate that browsers refuse; docs/TLS.md says what the files have to hold")
            .into()
    })
}

impl Prepared {
    /// Begins to keep the certificates fresh, until `closing`.
    pub(super) fn keep(self, platform: &Platform, closing: CancellationToken) {
        let domains = tenancy::proven_domains(platform);
        tokio::spawn(self.keeping.run(domains, closing));
    }

    /// Serves plain HTTP beside https, until `closing`.
    pub(super) fn redirect(&self, listener: TcpListener, platform: &Arc<Platform>, protection: Protection, closing: CancellationToken) {
        let redirect = Redirect { platform: Arc::clone(platform), answers: Arc::clone(&self.answers) };
        tokio::spawn(vital_web::serve(listener, vital_web::redirect_router(redirect), protection, closing));
    }
}

impl Keeping {
    async fn run(mut self, mut domains: watch::Receiver<tenancy::DomainTable>, closing: CancellationToken) {
        let mut tick = tokio::time::interval(RELOAD_LOOK);
        let mut again = false;
        loop {
            let wanted = self.wanted(&domains.borrow_and_update());
            let looked = self.look(&wanted, again);
            tokio::select! {
                () = closing.cancelled() => return,
                () = looked => {}
            }
            self.tell();
            again = tokio::select! {
                () = closing.cancelled() => return,
                _ = tick.tick() => false,
                _ = self.hangup.recv() => true,
                // A platform that is gone changes nothing any more; the token ends this.
                changed = domains.changed() => changed.is_err() && pause().await,
            };
        }
    }

    fn wanted(&self, domains: &tenancy::DomainTable) -> Wanted {
        Wanted { site: self.site.clone(), domains: domains.keys().cloned().collect() }
    }

    /// Looks at the files, also where they look as before when somebody asked for it, and orders what is due.
    async fn look(&mut self, wanted: &Wanted, asked: bool) {
        let now = OffsetDateTime::now_utc();
        if let Some(files) = &mut self.files {
            let news = if asked { files.reload(&self.certificates, now) } else { files.look(&self.certificates, now) };
            match news {
                Some(Ok(())) => tracing::info!("the certificate files were read again; new connections get the new certificate"),
                Some(Err(error)) => {
                    tracing::error!(%error, "the certificate files changed and cannot be used; the certificate in use stays");
                }
                None if asked => tracing::info!("the certificate files hold what is in use already"),
                None => {}
            }
        }
        if let Some(renewal) = &mut self.renewal {
            renewal.look(wanted, now).await;
        }
    }

    /// Warns where a certificate became more urgent, and keeps how all stand for the command line.
    fn tell(&mut self) {
        let standing = self.certificates.standing(OffsetDateTime::now_utc());
        vital_metrics::certificates(
            standing.iter().map(|one| (site_or(&one.domain).to_owned(), one.not_after.map(SystemTime::from))).collect(),
        );
        for one in &standing {
            let before = self.told.iter().find(|told| told.domain == one.domain).map(|told| told.state);
            if one.state != State::Good && before != Some(one.state) {
                let site = site_or(&one.domain);
                tracing::warn!(
                    domain = site,
                    left_s = one.left_s,
                    trouble = one.trouble,
                    "a certificate needs attention: {}",
                    one.state.as_str()
                );
            }
        }
        // The time that is left changes with every look and follows from the end.
        let facts = |all: &[Standing]| all.iter().map(|s| Standing { left_s: 0, ..s.clone() }).collect::<Vec<_>>();
        if facts(&standing) != facts(&self.told)
            && let Err(error) = self.folder.keep_standing(&standing)
        {
            tracing::warn!(%error, "how the certificates stand cannot be kept for `vital tls status`");
        }
        self.told = standing;
    }
}

/// What a certificate is for, for people: the site itself has no name here.
fn site_or(domain: &str) -> &str {
    if domain.is_empty() { "site" } else { domain }
}

/// Waits as long as between two looks.
async fn pause() -> bool {
    tokio::time::sleep(Duration::from_secs(RELOAD_LOOK.as_secs())).await;
    false
}
