//! `[tls]`: https by the server itself. Without certificate files and without an authority the server speaks plain HTTP.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `certificate_file` | none | The chain as PEM, the server's certificate first. Read again when it changes. |
//! | `key_file` | none | Its private key as PEM, readable by the server alone. |
//! | `redirect_listen` | none | An address for plain HTTP, usually port 80: it answers challenges of the authority and sends everybody else to https. |
//! | `hsts_s` | `63072000` | For how many seconds browsers insist on https: 0 for not at all, else 300 to 94608000. |
//! | `name_server` | those of the machine | The name server that proofs of custom domains are read from, as address and port. |
//! | `acme.directory` | none | The directory of an ACME authority, for example `https://acme-v02.api.letsencrypt.org/directory`. Using it accepts its terms. |
//! | `acme.contact` | none | E-mail addresses that the authority writes to. |
//! | `acme.challenge` | `http-01` | How names are proven: `http-01` (port 80) or `tls-alpn-01` (port 443). |
//! | `acme.ca_file` | none | Further roots to trust when talking to the authority, as PEM. |
//!
//! Certificate files are for the site itself; with an authority beside them it is asked for custom domains alone.

use super::{Server, server::is_on_this_machine};
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use vital_tls::{
    Files,
    acme::{Authority, Challenge},
};

/// Seconds for which browsers insist on https: two years, as lists of such sites ask for.
const HSTS_S: u32 = 63_072_000;
/// The shortest and the longest other time, in seconds.
const HSTS_RANGE_S: std::ops::RangeInclusive<u32> = 300..=94_608_000;
/// Largest file of roots, in bytes.
const ROOTS_BYTES_MAX: u64 = 1024 * 1024;

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// The chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_file: Option<PathBuf>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// Where plain HTTP sends people to https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_listen: Option<SocketAddr>,
    /// For how long browsers insist on https.
    pub(crate) hsts_s: u32,
    /// The name server that proofs are read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_server: Option<SocketAddr>,
    /// The authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acme: Option<Acme>,
}

/// `[tls.acme]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acme {
    /// Its directory.
    pub(crate) directory: String,
    /// Whom it writes to.
    #[serde(default)]
    pub(crate) contact: Vec<String>,
    /// How names are proven.
    #[serde(default)]
    pub(crate) challenge: Challenge,
    /// Further roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate_file: None, key_file: None, redirect_listen: None, hsts_s: HSTS_S, name_server: None, acme: None }
    }
}

impl Tls {
    /// Tells whether the server speaks https itself.
    pub(crate) const fn is_on(&self) -> bool {
        self.certificate_file.is_some() || self.acme.is_some()
    }

    /// The certificate files, if the site's certificate comes from files.
    pub(crate) fn files(&self) -> Option<Files> {
        Some(Files { certificate: self.certificate_file.clone()?, key: self.key_file.clone()? })
    }

    /// The authority, with its roots read.
    ///
    /// # Errors
    /// When the file of roots cannot be read.
    pub(crate) fn authority(&self) -> anyhow::Result<Option<Authority>> {
        let Some(Acme { directory, contact, challenge, ca_file }) = self.acme.clone() else { return Ok(None) };
        let roots = ca_file.as_deref().map(read_roots).transpose()?;
        let contact = contact.into_iter().map(|address| format!("mailto:{address}")).collect();
        Ok(Some(Authority { directory, contact, challenge, roots }))
    }

    pub(super) fn check(&self, server: &Server) -> anyhow::Result<()> {
        let refuse = |what: &str, hint: &str| Err(Failure::new(what).hint(hint).into());
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return refuse(
                "`tls.certificate_file` and `tls.key_file` go together, and one of them is missing",
                "name both files, or neither",
            );
        }
        if self.hsts_s != 0 && !HSTS_RANGE_S.contains(&self.hsts_s) {
            return refuse(
                "`tls.hsts_s` is out of its range",
                "write 300 to 94608000 seconds, or 0 to leave it out; 63072000 is two years",
            );
        }
        if !self.is_on() {
            if self.redirect_listen.is_some() {
                return refuse(
                    "`tls.redirect_listen` is set, and there is no https to send people to",
                    "name `tls.certificate_file` and `tls.key_file`, or set `tls.acme.directory`",
                );
            }
            return Ok(());
        }
        if server.public_url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
            return refuse("`server.public_url` is not https, and the server speaks https itself", "write it with `https://`");
        }
        let Some(acme) = &self.acme else { return Ok(()) };
        let loopback = acme.directory.starts_with("http://") && is_on_this_machine(&acme.directory);
        if !acme.directory.starts_with("https://") && !loopback {
            return refuse("`tls.acme.directory` is not an https address", "for example `https://acme-v02.api.letsencrypt.org/directory`");
        }
        if acme.contact.iter().any(|address| !address.contains('@') || address.contains(['?', ',', ' ', ':'])) {
            return refuse("`tls.acme.contact` has something that is no e-mail address", "for example `[\"ops@example.org\"]`");
        }
        if self.files().is_none() && server.host().is_none_or(|host| host.parse::<std::net::IpAddr>().is_ok()) {
            return refuse(
                "an authority gives certificates for names, and the name of this site is not known",
                "set `server.public_url`, for example `https://vital.example`",
            );
        }
        if acme.challenge == Challenge::Http && self.redirect_listen.is_none() {
            return refuse(
                "`tls.acme.challenge` is `http-01`, which the authority asks on port 80, and nothing listens there",
                "set `tls.redirect_listen = \"0.0.0.0:80\"`, or use `challenge = \"tls-alpn-01\"`",
            );
        }
        Ok(())
    }
}

fn read_roots(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let fault = |what: String| Failure::new(format!("`tls.acme.ca_file` names `{}`, which {what}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    file.take(ROOTS_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| fault(format!("cannot be read: {error}")))?;
    if !bytes.windows(17).any(|w| w == b"BEGIN CERTIFICATE") {
        return Err(fault("holds no certificate".to_owned()).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(tls: &str, public_url: Option<&str>) -> Result<(), String> {
        let tls: Tls = toml::from_str(tls).map_err(|e| e.to_string())?;
        let server = Server { public_url: public_url.map(str::to_owned), ..Server::default() };
        tls.check(&server).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_is_plain_http_and_a_pair_of_files_or_an_authority_is_https() {
        const ACME: &str = "acme = { directory = \"https://acme.example/dir\", challenge = \"tls-alpn-01\" }";
        for (text, on) in [("", false), ("certificate_file = \"c\"\nkey_file = \"k\"", true), (ACME, true)] {
            assert_eq!(checked(text, Some("https://vital.example")), Ok(()), "{text}");
            assert_eq!(toml::from_str::<Tls>(text).unwrap().is_on(), on);
        }
    }

    #[test]
    fn what_could_not_work_is_refused_with_what_would() {
        let site = Some("https://vital.example");
        let acme = |rest: &str| format!("acme = {{ directory = \"https://acme.example/dir\"{rest} }}");
        for (text, url, says) in [
            ("certificate_file = \"c\"".to_owned(), site, "go together"),
            ("key_file = \"k\"".to_owned(), site, "go together"),
            ("hsts_s = 5".to_owned(), site, "out of its range"),
            ("redirect_listen = \"127.0.0.1:80\"".to_owned(), site, "no https to send people to"),
            ("certificate_file = \"c\"\nkey_file = \"k\"".to_owned(), Some("http://vital.example"), "is not https"),
            (acme(""), site, "nothing listens there"),
            (acme(", challenge = \"tls-alpn-01\""), None, "name of this site is not known"),
            (acme(", challenge = \"tls-alpn-01\""), Some("https://192.0.2.1"), "name of this site is not known"),
            (acme(", challenge = \"dns-01\""), site, "unknown variant"),
            (acme(", challenge = \"tls-alpn-01\", contact = [\"ops\"]"), site, "no e-mail address"),
            ("acme = { directory = \"http://acme.example/dir\" }".to_owned(), site, "not an https address"),
        ] {
            let refused = checked(&text, url).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
