//! `[tools]`: the public sources that built-in tools search, where an organisation allows it.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `pubmed_url` | `https://eutils.ncbi.nlm.nih.gov/entrez/eutils/` | NCBI E-utilities, or a mirror of them. |
//! | `trials_url` | `https://clinicaltrials.gov/api/v2/` | ClinicalTrials.gov, version 2 of its API. |
//! | `openfda_url` | `https://api.fda.gov/` | openFDA. |
//! | `rxnorm_url` | `https://rxnav.nlm.nih.gov/REST/` | RxNorm. |
//! | `europe_pmc_url` | `https://www.ebi.ac.uk/europepmc/webservices/rest/` | Europe PMC. |
//! | `crossref_url` | `https://api.crossref.org/` | Crossref. |
//! | `openalex_url` | `https://api.openalex.org/` | OpenAlex. |
//! | `ecfr_url` | `https://www.ecfr.gov/` | The electronic Code of Federal Regulations. |
//! | `federal_register_url` | `https://www.federalregister.gov/` | The Federal Register. |
//! | `allow_http` | `false` | Allows plain HTTP to another machine, for a mirror inside a network that is encrypted otherwise. |
//! | `contact_email` | none | Sent to NCBI, Europe PMC, Crossref and OpenAlex with every search, so that they can write when requests trouble them; Crossref then answers more often. |
//! | `ncbi_key_file` | none | File (mode 0600) with a key of NCBI: 10 requests a second instead of 3. Read again when it changes. |
//! | `openfda_key_file` | none | File (mode 0600) with a key of openFDA. Read again when it changes. |
//! | `openalex_key_file` | none | File (mode 0600) with a key of OpenAlex, which answers few searches a day without one. Read again when it changes. |
//!
//! Whether words of questions go out at all is for each organisation to decide, not for this file. docs/TOOLS.md has the rest.

use super::secret_file;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vital_outbound::Url;
use vital_store::transport::is_this_machine;
use vital_tools::Endpoints;

/// Longest address for mail, in bytes (RFC 5321 with its angle brackets off).
const EMAIL_BYTES_MAX: usize = 254;

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tools {
    /// NCBI E-utilities.
    pub(crate) pubmed_url: String,
    /// ClinicalTrials.gov.
    pub(crate) trials_url: String,
    /// openFDA.
    pub(crate) openfda_url: String,
    /// RxNorm.
    pub(crate) rxnorm_url: String,
    /// Europe PMC.
    pub(crate) europe_pmc_url: String,
    /// Crossref.
    pub(crate) crossref_url: String,
    /// OpenAlex.
    pub(crate) openalex_url: String,
    /// The electronic Code of Federal Regulations.
    pub(crate) ecfr_url: String,
    /// The Federal Register.
    pub(crate) federal_register_url: String,
    /// Allows plain HTTP to another machine.
    pub(crate) allow_http: bool,
    /// Where sources may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact_email: Option<String>,
    /// File with the key of NCBI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ncbi_key_file: Option<PathBuf>,
    /// File with the key of openFDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) openfda_key_file: Option<PathBuf>,
    /// File with the key of OpenAlex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) openalex_key_file: Option<PathBuf>,
}

impl Default for Tools {
    fn default() -> Self {
        let Endpoints { pubmed, trials, openfda, rxnorm, europe_pmc, crossref, openalex, ecfr, federal_register, .. } =
            Endpoints::default();
        Self {
            pubmed_url: pubmed.into(),
            trials_url: trials.into(),
            openfda_url: openfda.into(),
            rxnorm_url: rxnorm.into(),
            europe_pmc_url: europe_pmc.into(),
            crossref_url: crossref.into(),
            openalex_url: openalex.into(),
            ecfr_url: ecfr.into(),
            federal_register_url: federal_register.into(),
            allow_http: false,
            contact_email: None,
            ncbi_key_file: None,
            openfda_key_file: None,
            openalex_key_file: None,
        }
    }
}

impl Tools {
    /// Refuses addresses that are none, and those that send queries over a network in the clear. Reads no file.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.without_keys().map(|_| ())
    }

    /// Where the sources are and what they are told. Reads the keys.
    ///
    /// # Errors
    /// With the key of the configuration that cannot be used.
    pub(crate) fn endpoints(&self) -> anyhow::Result<Endpoints> {
        let key = |name: &str, path: &Option<PathBuf>| path.as_deref().map(|path| secret_file(name, path)).transpose();
        Ok(Endpoints {
            ncbi_key: key("tools.ncbi_key_file", &self.ncbi_key_file)?,
            openfda_key: key("tools.openfda_key_file", &self.openfda_key_file)?,
            openalex_key: key("tools.openalex_key_file", &self.openalex_key_file)?,
            ..self.without_keys()?
        })
    }

    fn without_keys(&self) -> anyhow::Result<Endpoints> {
        Ok(Endpoints {
            pubmed: self.address("pubmed_url", &self.pubmed_url)?,
            trials: self.address("trials_url", &self.trials_url)?,
            openfda: self.address("openfda_url", &self.openfda_url)?,
            rxnorm: self.address("rxnorm_url", &self.rxnorm_url)?,
            europe_pmc: self.address("europe_pmc_url", &self.europe_pmc_url)?,
            crossref: self.address("crossref_url", &self.crossref_url)?,
            openalex: self.address("openalex_url", &self.openalex_url)?,
            ecfr: self.address("ecfr_url", &self.ecfr_url)?,
            federal_register: self.address("federal_register_url", &self.federal_register_url)?,
            contact_email: self.contact()?,
            ncbi_key: None,
            openfda_key: None,
            openalex_key: None,
        })
    }

    fn address(&self, key: &str, text: &str) -> anyhow::Result<Url> {
        let refused = |why: &str, hint: &str| Failure::new(format!("`tools.{key}` cannot be used: {why}")).hint(hint);
        let plain = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && plain(url)).ok_or_else(|| {
            refused("it is no plain web address", "write for example `https://mirror.example.org/path/`; keys have settings of their own")
        })?;
        let host = url.host_str().unwrap_or_default();
        if url.scheme() == "http" && !self.allow_http && !is_this_machine(host.trim_matches(['[', ']'])) {
            let hint = "use https; inside a network that is encrypted otherwise, set `allow_http = true` in `[tools]`";
            return Err(refused("queries would cross the network unencrypted", hint).into());
        }
        Ok(url)
    }

    fn contact(&self) -> anyhow::Result<Option<String>> {
        let Some(email) = &self.contact_email else { return Ok(None) };
        let is_address = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
            && email.len() <= EMAIL_BYTES_MAX
            && !email.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_address {
            return Err(Failure::new("`tools.contact_email` is no address for mail").into());
        }
        Ok(Some(email.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn of(text: &str) -> Tools {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn sources_are_at_their_own_addresses_or_at_those_of_a_mirror() {
        assert_eq!(of("").endpoints().unwrap().pubmed, Endpoints::default().pubmed);
        let mirror = of("trials_url = \"https://mirror.example/v2/\"\ncontact_email = \"it@corvane.example\"").endpoints().unwrap();
        assert_eq!((mirror.trials.as_str(), mirror.rxnorm), ("https://mirror.example/v2/", Endpoints::default().rxnorm));
        assert_eq!(mirror.contact_email.as_deref(), Some("it@corvane.example"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, told) in [
            ("pubmed_url = \"http://127.0.0.1:8080/\"", None),
            ("pubmed_url = \"http://10.0.0.7/\"", Some("`tools.pubmed_url` cannot be used: queries would cross")),
            ("pubmed_url = \"http://10.0.0.7/\"\nallow_http = true", None),
            ("openfda_url = \"api.fda.gov\"", Some("`tools.openfda_url`")),
            ("openfda_url = \"ftp://api.fda.gov\"", Some("no plain web address")),
            ("crossref_url = \"http://10.0.0.7/\"", Some("`tools.crossref_url` cannot be used: queries would cross")),
            ("federal_register_url = \"www.federalregister.gov\"", Some("`tools.federal_register_url`")),
            ("openalex_key_file = \"/nonexistent/key\"", Some("`tools.openalex_key_file`")),
            ("rxnorm_url = \"https://u:p@mirror.example/\"", Some("no plain web address")),
            ("trials_url = \"https://mirror.example/?api_key=1\"", Some("no plain web address")),
            ("contact_email = \"it at corvane\"", Some("`tools.contact_email`")),
            ("ncbi_key_file = \"/nonexistent/key\"", Some("`tools.ncbi_key_file`")),
        ] {
            let error = of(text).endpoints().err().map(|error| error.to_string());
            assert_eq!(error.is_some(), told.is_some(), "{text}: {error:?}");
            assert!(told.is_none_or(|told| error.unwrap().contains(told)), "{text}");
        }
        assert!(toml::from_str::<Tools>("ncbi_key = \"hush\"").is_err(), "a key never stands in the file");
    }

    #[test]
    fn a_key_is_read_from_a_file_of_its_own_and_is_in_nothing_that_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "hush-hush\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let tools = Tools { ncbi_key_file: Some(path.clone()), ..Tools::default() };
        let endpoints = tools.endpoints().unwrap();
        assert_eq!(endpoints.ncbi_key.as_ref().unwrap().now().as_str(), "hush-hush");
        assert!(!format!("{endpoints:?} {tools:?}").contains("hush"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(tools.check().is_ok() && tools.endpoints().is_err(), "others can read it");
    }
}
