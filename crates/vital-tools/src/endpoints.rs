//! Where the public sources are asked: their documented addresses, or what the operator sets instead (a mirror, a proxy).

use url::Url;
use vital_keys::SecretText;

/// The addresses of the public sources and what they may be told of the operator; the configuration sets them.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// NCBI E-utilities.
    pub pubmed: Url,
    /// ClinicalTrials.gov API, version 2.
    pub trials: Url,
    /// openFDA.
    pub openfda: Url,
    /// RxNorm REST.
    pub rxnorm: Url,
    /// Europe PMC's REST interface.
    pub europe_pmc: Url,
    /// Crossref's REST interface.
    pub crossref: Url,
    /// OpenAlex.
    pub openalex: Url,
    /// The electronic Code of Federal Regulations.
    pub ecfr: Url,
    /// The Federal Register.
    pub federal_register: Url,
    /// An address for mail that sources may write to when requests trouble them: NCBI (`email`, with `tool=vital-path`), Europe PMC
    /// (`email`), Crossref and OpenAlex (`mailto`); none is sent without it.
    pub contact_email: Option<String>,
    /// A key of NCBI (parameter `api_key`).
    pub ncbi_key: Option<SecretText>,
    /// A key of openFDA (parameter `api_key`).
    pub openfda_key: Option<SecretText>,
    /// A key of OpenAlex (parameter `api_key`); without one it answers few searches a day.
    pub openalex_key: Option<SecretText>,
}

impl Endpoints {
    /// Every address that tools ask.
    #[must_use]
    pub const fn addresses(&self) -> [&Url; 9] {
        let Self { pubmed, trials, openfda, rxnorm, europe_pmc, crossref, openalex, ecfr, federal_register, .. } = self;
        [pubmed, europe_pmc, crossref, openalex, trials, openfda, rxnorm, ecfr, federal_register]
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            pubmed: address("https://eutils.ncbi.nlm.nih.gov/entrez/eutils/"),
            trials: address("https://clinicaltrials.gov/api/v2/"),
            openfda: address("https://api.fda.gov/"),
            rxnorm: address("https://rxnav.nlm.nih.gov/REST/"),
            europe_pmc: address("https://www.ebi.ac.uk/europepmc/webservices/rest/"),
            crossref: address("https://api.crossref.org/"),
            openalex: address("https://api.openalex.org/"),
            ecfr: address("https://www.ecfr.gov/"),
            federal_register: address("https://www.federalregister.gov/"),
            contact_email: None,
            ncbi_key: None,
            openfda_key: None,
            openalex_key: None,
        }
    }
}

#[expect(clippy::expect_used, reason = "constants of this file, which a test reads")]
fn address(constant: &'static str) -> Url {
    Url::parse(constant).expect("a constant address")
}

/// Returns the address of a path below a base, each segment escaped.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_with_and_without_a_closing_slash_and_escaped() {
        for base in ["http://127.0.0.1:1/a", "http://127.0.0.1:1/a/"] {
            let url = below(&Url::parse(base).unwrap(), &["rxcui", "1/2?x#y"]);
            assert_eq!(url.as_str(), "http://127.0.0.1:1/a/rxcui/1%2F2%3Fx%23y");
        }
    }

    #[test]
    fn the_documented_addresses_can_be_read_and_keys_stay_out_of_logs() {
        let endpoints = Endpoints { ncbi_key: Some(SecretText::given("hush-hush")), ..Endpoints::default() };
        assert_eq!(endpoints.trials.host_str(), Some("clinicaltrials.gov"));
        assert!(!format!("{endpoints:?}").contains("hush"));
    }
}
