//! Whether the authority of this installation may issue certificates for a custom domain, as the CAA records of the domain say (RFC 8659).
//!
//! Told to people when a domain is proven and once a day; it decides nothing, because the authority looks for itself. What was seen is held
//! in memory by the process that looked, and looked for again after a start.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::now;
use vital_tls::{Issuance, Names, acme::Authority};

/// How long the names of the authority are believed before its directory is read again.
const NAMES_AGAIN: Duration = Duration::from_secs(3600);
/// Domains whose records are remembered.
const KNOWN_MAX: usize = 10_000;

/// Whether certificates of a domain can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssuanceNotice {
    /// Whether the authority may issue; none where that is not known.
    pub may_issue: Option<bool>,
    /// The same in words.
    pub says: String,
    /// When the records were looked for (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub checked_at: OffsetDateTime,
}

/// What is known of the authority and of domains.
pub(super) struct Issuances {
    authority: Option<Authority>,
    names: tokio::sync::Mutex<Option<(Instant, Vec<String>)>>,
    known: Mutex<BTreeMap<String, IssuanceNotice>>,
}

impl Issuances {
    pub(super) fn new(authority: Option<Authority>) -> Self {
        Self { authority, names: tokio::sync::Mutex::default(), known: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, IssuanceNotice>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen last.
    pub(super) fn known(&self, domain: &str) -> Option<IssuanceNotice> {
        self.table().get(domain).cloned()
    }

    pub(super) fn forget(&self, domain: &str) {
        self.table().remove(domain);
    }

    /// Looks for the records of a domain. None where no authority is configured.
    pub(super) async fn look(&self, servers: &Names, domain: &str) -> Option<IssuanceNotice> {
        let authority = self.authority.as_ref()?;
        let (names, unreachable) = self.names_of(authority).await;
        let (may_issue, says) = match servers.issuance(domain, &names, authority.challenge).await {
            Ok(Issuance::Unnamed { .. }) if unreachable.is_some() => (None, unreachable.unwrap_or_default()),
            Ok(issuance) => (issuance.may_issue(), issuance.to_string()),
            Err(error) => (None, format!("The CAA records are not known, and authorities refuse then: {error}.")),
        };
        if may_issue == Some(false) {
            tracing::warn!(domain, says, "the authority will refuse certificates of a custom domain");
        }
        let notice = IssuanceNotice { may_issue, says, checked_at: now() };
        let mut known = self.table();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(domain.to_owned(), notice.clone());
        Some(notice)
    }

    /// The names by which records mean the authority, or why they are not known.
    async fn names_of(&self, authority: &Authority) -> (Vec<String>, Option<String>) {
        let mut names = self.names.lock().await;
        if let Some((_, known)) = names.as_ref().filter(|(at, _)| at.elapsed() < NAMES_AGAIN) {
            return (known.clone(), None);
        }
        match authority.caa_names().await {
            Ok(read) => {
                *names = Some((Instant::now(), read.clone()));
                (read, None)
            }
            Err(error) => (
                Vec::new(),
                Some(format!("The domain has CAA records, and the authority could not be asked by which name it is meant: {error}.")),
            ),
        }
    }
}
