//! A certificate authority for tests: a root, an intermediate below it, and certificates of any names and times.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests")]

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};

pub struct Authority {
    pub root_pem: String,
    pub intermediate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Chain and key as PEM.
pub struct Issued {
    /// The certificate alone.
    pub leaf: String,
    /// The certificate, then the intermediate one.
    pub chain: String,
    pub key: String,
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, KeyPair::generate().unwrap())
}

impl Default for Authority {
    fn default() -> Self {
        let (root, root_key) = authority("Scripted root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let (params, key) = authority("Scripted intermediate");
        let intermediate_pem = params.signed_by(&key, &root).unwrap().pem();
        Self { root_pem, intermediate_pem, issuer: Issuer::new(params, key) }
    }
}

impl Authority {
    /// A certificate that is valid from yesterday on for 90 days.
    pub fn issue(&self, names: &[&str]) -> Issued {
        let now = OffsetDateTime::now_utc();
        self.issue_for(names, now - Duration::DAY, now + Duration::days(89))
    }

    pub fn issue_for(&self, names: &[&str], not_before: OffsetDateTime, not_after: OffsetDateTime) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (not_before, not_after);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain: format!("{leaf}{}", self.intermediate_pem), leaf, key: key.serialize_pem() }
    }
}
