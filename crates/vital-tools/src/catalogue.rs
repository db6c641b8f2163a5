//! The closed list of built-in tools, with what a model, a person and the limits need to know of each.

use crate::{local, public, schema::Schema};
use serde_json::Value;
use std::{sync::LazyLock, time::Duration};
use vital_throttle::Limit;

/// Where a tool's call leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing leaves the process.
    Local,
    /// The query goes to a public source.
    Public {
        /// The documented host; the operator may have set another.
        host: &'static str,
    },
}

/// What a tool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Arithmetic, units and dates.
    Calculation,
    /// Design and analysis of studies.
    Statistics,
    /// Published articles.
    Literature,
    /// Registered trials.
    Trials,
    /// Medicines: names and labels.
    Medicines,
    /// Reports of adverse events, and recalls.
    Safety,
    /// Devices: classes, clearances and approvals.
    Devices,
    /// Regulations and what agencies publish.
    Regulation,
}

impl Family {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calculation => "calculation",
            Self::Statistics => "statistics",
            Self::Literature => "literature",
            Self::Trials => "trials",
            Self::Medicines => "medicines",
            Self::Safety => "safety",
            Self::Devices => "devices",
            Self::Regulation => "regulation",
        }
    }
}

/// What is known of a tool without calling it.
#[derive(Debug)]
pub struct ToolInfo {
    /// The stable name: `^[a-z][a-z0-9_]{0,63}$`.
    pub name: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// What a model is told: when to use it, and in which units.
    pub summary: &'static str,
    /// Returns the JSON Schema (2020-12) of the arguments: an object without further properties.
    pub input_schema: fn() -> &'static Value,
    /// Returns the JSON Schema of the output's value.
    pub output_schema: fn() -> &'static Value,
    /// Where a call leads.
    pub reach: Reach,
    /// What it is for.
    pub family: Family,
    /// Under which terms the results may be used.
    pub licence: &'static str,
    /// Longest call, unless the caller's deadline is nearer.
    pub timeout: Duration,
    /// How long an equal call is answered from memory; zero is never.
    pub cache: Duration,
    /// How often the source is asked at most, over all callers of this process; none of what runs here.
    pub rate: Option<Limit>,
    /// The source of the formula or the documentation of the interface.
    pub source: &'static str,
}

/// Returns all built-in tools, in the order in which they are offered.
#[must_use]
pub fn catalogue() -> &'static [ToolInfo] {
    &ALL
}

static ALL: [ToolInfo; 23] = [
    local::calculate::INFO,
    local::dates::INFO,
    local::sample_size::means::INFO,
    local::sample_size::proportions::INFO,
    local::two_by_two::INFO,
    public::pubmed::INFO,
    public::europe_pmc::INFO,
    public::full_text::INFO,
    public::crossref::INFO,
    public::openalex::INFO,
    public::trials::INFO,
    public::openfda::labels::INFO,
    public::rxnorm::INFO,
    public::openfda::drug_reports::INFO,
    public::openfda::device_reports::INFO,
    public::openfda::recalls::INFO,
    public::openfda::classification::INFO,
    public::openfda::clearances::INFO,
    public::openfda::pma::INFO,
    public::ecfr::search::INFO,
    public::ecfr::text::INFO,
    public::federal_register::search::INFO,
    public::federal_register::document::INFO,
];

/// The compiled schemas of the arguments, in the order of the list.
static INPUTS: LazyLock<Vec<Option<Schema>>> = LazyLock::new(|| ALL.iter().map(|tool| Schema::new((tool.input_schema)()).ok()).collect());

/// The tool of a name, with its compiled schema.
pub(crate) fn find(name: &str) -> Option<(&'static ToolInfo, &'static Schema)> {
    let place = ALL.iter().position(|tool| tool.name == name)?;
    Some((&ALL[place], INPUTS.get(place)?.as_ref()?))
}
