//! When a certificate is ordered: for a name that has none, and once less than a third of its lifetime is left; after a failure later
//! and later, never more than the authority lets everybody do.

use super::Orders;
use crate::{AcmeError, Certificate, Certificates};
use rand::Rng as _;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use time::OffsetDateTime;
use tokio::time::Instant;

/// Orders begun within an hour, over all names; authorities count them and stop whoever has too many.
pub const ORDERS_AN_HOUR: usize = 40;
/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(120);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);
/// By how much a pause varies, so that many servers do not come back together after an authority was down.
const JITTER: f64 = 0.2;
const HOUR: Duration = Duration::from_secs(3600);

/// The names that certificates are ordered for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the site itself; its certificate also answers every other name.
    pub site: Option<String>,
    /// The custom domains that are proven.
    pub domains: Vec<String>,
}

/// What was tried for one name.
#[derive(Debug)]
struct Tried {
    failures: u32,
    again: Instant,
}

/// Keeps the certificates of the wanted names fresh.
pub struct Renewal {
    orders: Orders,
    certificates: Arc<Certificates>,
    tried: HashMap<String, Tried>,
    begun: VecDeque<Instant>,
}

impl Renewal {
    /// Begins with the certificates that the folder keeps.
    #[must_use]
    pub fn new(orders: Orders) -> Self {
        let certificates = Arc::clone(&orders.certificates);
        Self { orders, certificates, tried: HashMap::new(), begun: VecDeque::new() }
    }

    /// Takes from the folder what is wanted and not in use yet, also what has ended: it is better than none until the next one is there.
    pub fn take_kept(&self, wanted: &Wanted) {
        let all = wanted.site.iter().map(|site| (site, true)).chain(wanted.domains.iter().map(|domain| (domain, false)));
        for (name, is_site) in all {
            if self.in_use(name, is_site).is_some() {
                continue;
            }
            match self.orders.folder.certificate(name) {
                Ok(Some(certificate)) => self.put(name, is_site, certificate),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, domain = name, "a kept certificate cannot be used; a new one is ordered"),
            }
        }
    }

    /// Orders what is due at a time, one after the other, and puts it into use. Names that are no longer wanted are forgotten. Returns
    /// the names that got a new certificate.
    pub async fn look(&mut self, wanted: &Wanted, now: OffsetDateTime) -> Vec<String> {
        self.certificates.keep_domains(&wanted.domains);
        self.take_kept(wanted);
        let mut renewed = Vec::new();
        let all = wanted.site.iter().map(|site| (site, true)).chain(wanted.domains.iter().map(|domain| (domain, false)));
        for (name, is_site) in all {
            if !self.in_use(name, is_site).is_none_or(|certificate| certificate.is_due(now)) || !self.may_try(name) {
                continue;
            }
            self.begun.push_back(Instant::now());
            match self.orders.order(name).await {
                Ok(certificate) => {
                    tracing::info!(domain = name, not_after = %certificate.not_after(), "a certificate was issued");
                    self.tried.remove(name);
                    self.put(name, is_site, certificate);
                    renewed.push(name.clone());
                }
                Err(error) => self.failed(name, is_site, &error).await,
            }
        }
        renewed
    }

    async fn failed(&mut self, name: &str, is_site: bool, error: &AcmeError) {
        // The directory or the account of the authority may be what changed.
        self.orders.begin_anew().await;
        let failures = self.tried.get(name).map_or(0, |tried| tried.failures) + 1;
        let pause = pause_after(failures, rand::rng().random_range(-JITTER..=JITTER));
        self.tried.insert(name.to_owned(), Tried { failures, again: Instant::now() + pause });
        let in_use = self.in_use(name, is_site).is_some();
        tracing::warn!(%error, domain = name, failures, again_in_s = pause.as_secs(), in_use, "no certificate was issued; one in use stays");
        self.certificates.set_trouble(if is_site { "" } else { name }, error.to_string());
    }

    fn may_try(&mut self, name: &str) -> bool {
        let now = Instant::now();
        while self.begun.front().is_some_and(|begun| now.duration_since(*begun) >= HOUR) {
            self.begun.pop_front();
        }
        self.begun.len() < ORDERS_AN_HOUR && self.tried.get(name).is_none_or(|tried| tried.again <= now)
    }

    fn in_use(&self, name: &str, is_site: bool) -> Option<Arc<Certificate>> {
        if is_site { self.certificates.site() } else { self.certificates.domain(name) }
    }

    fn put(&self, name: &str, is_site: bool, certificate: Certificate) {
        if is_site {
            self.certificates.set_site(certificate);
        } else {
            self.certificates.set_domain(name, certificate);
        }
    }
}

fn pause_after(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(20)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_PAUSE).mul_f64(1.0 + jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_day_and_vary() {
        let minutes = |failures| pause_after(failures, 0.0).as_secs() / 60;
        assert_eq!([1, 2, 3, 5].map(minutes), [2, 4, 8, 32]);
        assert_eq!([20, 1000, u32::MAX].map(minutes), [720; 3]);
        assert!(pause_after(1, JITTER) > pause_after(1, 0.0) && pause_after(1, -JITTER) < pause_after(1, 0.0));
    }
}
