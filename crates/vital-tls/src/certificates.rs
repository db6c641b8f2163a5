//! The certificates in use: the site's own, those of custom domains, and those that answer an authority's challenge.

use crate::{Certificate, Standing};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use time::OffsetDateTime;

/// The certificates in use; connections that are open keep the one they began with.
#[derive(Debug, Default)]
pub struct Certificates(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    /// Answers every name that has none of its own, and clients that name none.
    site: Option<Arc<Certificate>>,
    domains: HashMap<String, Arc<Certificate>>,
    challenges: HashMap<String, Arc<CertifiedKey>>,
    /// Why the next certificate of a name is not there yet; the site's under the empty name.
    troubles: BTreeMap<String, String>,
}

impl Certificates {
    /// Takes a certificate for the site itself.
    pub fn set_site(&self, certificate: Certificate) {
        let mut table = self.write();
        table.troubles.remove("");
        table.site = Some(Arc::new(certificate));
    }

    /// Takes a certificate for a domain.
    pub fn set_domain(&self, domain: &str, certificate: Certificate) {
        let mut table = self.write();
        table.troubles.remove(domain);
        table.domains.insert(domain.to_owned(), Arc::new(certificate));
    }

    /// Keeps the domains of a list and forgets every other.
    pub fn keep_domains(&self, domains: &[String]) {
        let mut table = self.write();
        table.domains.retain(|domain, _| domains.contains(domain));
        table.troubles.retain(|domain, _| domain.is_empty() || domains.contains(domain));
    }

    /// Notes why the next certificate of a domain, or of the site where it is empty, is not there; the one in use stays.
    pub fn set_trouble(&self, domain: &str, why: String) {
        self.write().troubles.insert(domain.to_owned(), why);
    }

    /// The certificate of the site.
    #[must_use]
    pub fn site(&self) -> Option<Arc<Certificate>> {
        self.read().site.clone()
    }

    /// The certificate of a domain.
    #[must_use]
    pub fn domain(&self, domain: &str) -> Option<Arc<Certificate>> {
        self.read().domains.get(domain).cloned()
    }

    /// How each certificate stands at a time: the site's first under the empty name, then the domains by name. A name that has none yet
    /// is told where an attempt failed.
    #[must_use]
    pub fn standing(&self, now: OffsetDateTime) -> Vec<Standing> {
        let table = self.read();
        let trouble = |name: &str| table.troubles.get(name).cloned();
        let mut all: BTreeMap<&str, Option<&Certificate>> = table.troubles.keys().map(|name| (name.as_str(), None)).collect();
        all.extend(table.site.as_deref().map(|site| ("", Some(site))));
        all.extend(table.domains.iter().map(|(domain, certificate)| (domain.as_str(), Some(certificate.as_ref()))));
        all.into_iter().map(|(name, certificate)| Standing::of(name, certificate, trouble(name), now)).collect()
    }

    pub(crate) fn open_challenge(&self, domain: &str, answer: Arc<CertifiedKey>) {
        self.write().challenges.insert(domain.to_owned(), answer);
    }

    pub(crate) fn close_challenge(&self, domain: &str) {
        self.write().challenges.remove(domain);
    }

    pub(crate) fn challenge(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.read().challenges.get(&domain.to_ascii_lowercase()).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.read();
        let own = hello.server_name().and_then(|name| table.domains.get(&name.to_ascii_lowercase()));
        own.or(table.site.as_ref()).map(|certificate| Arc::clone(&certificate.key))
    }
}

/// Answers challenges alone (RFC 8737 section 3).
#[derive(Debug)]
pub(crate) struct Challenges(pub(crate) Arc<Certificates>);

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.challenge(hello.server_name()?)
    }
}
