//! One certificate with its chain and key, checked before it is used.
//!
//! The chain is checked link by link here because a client only says that it is unknown, and because a server that sends a broken chain
//! works in the browsers that have seen the intermediate certificate elsewhere and fails in all others.

use crate::CertificateError;
use rustls::{
    crypto::ring,
    sign::{CertifiedKey, SigningKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer as _, ParsedExtension},
    x509::X509Name,
};

/// Most certificates of a chain.
const CHAIN_MAX: usize = 8;
/// Longest description of a subject that a message repeats, in characters.
const SUBJECT_CHARS_MAX: usize = 120;

/// A certificate that can be used.
#[derive(Debug)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    fingerprint: String,
}

impl Certificate {
    /// Reads a chain and a key, each as PEM, and checks them at a time.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_pem(chain: &[u8], key: &[u8], now: OffsetDateTime) -> Result<Self, CertificateError> {
        let certificate = Self::from_pem_at_any_time(chain, key)?;
        certificate.check_times(now)?;
        Ok(certificate)
    }

    /// As [`Self::from_pem`], but times are not looked at: one that was accepted once is better than none.
    pub(crate) fn from_pem_at_any_time(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = read_chain(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            other => CertificateError::Key(other.to_string()),
        })?;
        let signer = ring::sign::any_supported_type(&key).map_err(|error| CertificateError::Key(error.to_string()))?;
        let parsed = parse(&chain)?;
        check_links(&parsed)?;
        let (leaf, fingerprint) = (&parsed[0], fingerprint(&chain[0]));
        let (names, [not_before, not_after]) = (names(leaf), times(leaf));
        let key = Self::paired(chain.clone(), signer)?;
        Ok(Self { key: Arc::new(key), names, not_before, not_after, fingerprint })
    }

    fn paired(chain: Vec<CertificateDer<'static>>, signer: Arc<dyn SigningKey>) -> Result<CertifiedKey, CertificateError> {
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            Ok(()) => Ok(key),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::KeyMismatch),
            Err(error) => Err(CertificateError::Key(error.to_string())),
        }
    }

    fn check_times(&self, now: OffsetDateTime) -> Result<(), CertificateError> {
        for (i, certificate) in parse(&self.key.cert)?.iter().enumerate() {
            let ([not_before, not_after], position) = (times(certificate), i + 1);
            if now > not_after {
                return Err(CertificateError::Expired { position, not_after });
            }
            if now < not_before {
                return Err(CertificateError::NotYetValid { position, not_before, now });
            }
        }
        Ok(())
    }

    /// Refuses a certificate that is not for a host.
    ///
    /// # Errors
    /// [`CertificateError::WrongHost`].
    pub fn check_host(&self, host: &str) -> Result<(), CertificateError> {
        match self.covers(host) {
            true => Ok(()),
            false => {
                let names = if self.names.is_empty() { "no name at all".to_owned() } else { format!("`{}`", self.names.join("`, `")) };
                Err(CertificateError::WrongHost { host: host.to_owned(), names })
            }
        }
    }

    /// Tells whether it is for a host (RFC 6125 section 6.4: a wildcard stands for one whole left-most label).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
            None => *name == host,
        })
    }

    /// The names and addresses it is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// From when on it is valid.
    #[must_use]
    pub const fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Until when it is valid.
    #[must_use]
    pub const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// SHA-256 of the certificate, as hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Tells whether less than a third of its lifetime is left. False where the clock stands before its begin: then the clock is wrong,
    /// and orders by a wrong clock would only use up what the authority allows.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        now >= self.not_before && self.not_after - now < (self.not_after - self.not_before) / 3
    }

    /// What is left of its lifetime, never negative.
    #[must_use]
    pub fn left(&self, now: OffsetDateTime) -> Duration {
        (self.not_after - now).max(Duration::ZERO)
    }
}

fn read_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let mut chain = Vec::new();
    for (i, block) in CertificateDer::pem_slice_iter(text).enumerate() {
        chain.push(block.map_err(|error| CertificateError::Unreadable { position: i + 1, what: error.to_string() })?);
    }
    match chain.len() {
        0 => Err(CertificateError::NoCertificate),
        count if count > CHAIN_MAX => Err(CertificateError::TooMany { count, max: CHAIN_MAX }),
        _ => Ok(chain),
    }
}

fn parse<'a>(chain: &'a [CertificateDer<'static>]) -> Result<Vec<X509Certificate<'a>>, CertificateError> {
    let one = |(i, der): (usize, &'a CertificateDer<'static>)| {
        let unreadable = |what: String| CertificateError::Unreadable { position: i + 1, what };
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(certificate),
            Ok(_) => Err(unreadable("there are bytes behind its end".to_owned())),
            Err(error) => Err(unreadable(error.to_string())),
        }
    };
    chain.iter().enumerate().map(one).collect()
}

/// Each certificate is signed by the one after it.
fn check_links(chain: &[X509Certificate<'_>]) -> Result<(), CertificateError> {
    let signed_by = |one: &X509Certificate<'_>, other: &X509Certificate<'_>| {
        one.issuer() == other.subject() && one.verify_signature(Some(other.public_key())).is_ok()
    };
    for (i, pair) in chain.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if signed_by(one, next) {
            continue;
        }
        let elsewhere = chain.iter().enumerate().any(|(at, other)| at != i && signed_by(one, other));
        // A file that begins with an issuer is in the wrong order as well.
        let begins_with_issuer = i == 0 && chain.iter().skip(1).any(|other| signed_by(other, one));
        return Err(match elsewhere || begins_with_issuer {
            true => CertificateError::Order { position: i + 1 },
            false => CertificateError::Broken {
                position: i + 1,
                subject: described(one.subject()),
                issuer: described(one.issuer()),
                next: described(next.subject()),
            },
        });
    }
    Ok(())
}

/// A name as text that can be printed.
fn described(name: &X509Name<'_>) -> String {
    name.to_string().chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS_MAX).collect()
}

/// The names of the certificate: alternative ones alone, as every client of today reads it (RFC 9525 section 2).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() else { continue };
        for name in &alternative.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                _ => {}
            }
        }
    }
    names
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(|b| std::net::IpAddr::from(b).to_string());
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()))
}

fn times(certificate: &X509Certificate<'_>) -> [OffsetDateTime; 2] {
    let validity = certificate.validity();
    [validity.not_before.to_datetime(), validity.not_after.to_datetime()]
}

fn fingerprint(der: &CertificateDer<'_>) -> String {
    ::ring::digest::digest(&::ring::digest::SHA256, der).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
