//! The one way to call a built-in tool: arguments are checked, time and size bounded, and equal searches answered from memory.

use crate::{
    Endpoints, ToolError, ToolInfo, ToolOutput,
    catalogue::find,
    local,
    output::cut,
    public::{self, Sources},
};
use moka::{Expiry, future::Cache};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};
use tokio::time::{Instant, timeout_at};
use vital_outbound::Egress;
use vital_throttle::Throttle;

/// Largest arguments of a call, in bytes of JSON.
pub const ARGUMENT_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of outputs that are remembered.
const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Calls the built-in tools; clones share rates and memory.
///
/// What is remembered is the public source's answer to a public query, for every organisation alike and with nothing of who asked.
#[derive(Clone)]
pub struct Toolbox {
    sources: Arc<Sources>,
    cache: Cache<String, Remembered>,
}

#[derive(Clone)]
struct Remembered {
    output: Arc<ToolOutput>,
    bytes: u32,
    lifetime: Duration,
}

struct ByTool;

impl Expiry<String, Remembered> for ByTool {
    fn expire_after_create(&self, _: &String, value: &Remembered, _: StdInstant) -> Option<Duration> {
        Some(value.lifetime)
    }
}

impl Toolbox {
    /// Makes the tools; nothing is sent. Rates are counted in this process unless [`Self::throttle`] sets another place.
    ///
    /// # Errors
    /// [`ToolError::Setup`] when no HTTP client can be made.
    pub fn new(egress: Egress, endpoints: Endpoints) -> Result<Self, ToolError> {
        let cache = Cache::builder()
            .max_capacity(CACHE_BYTES_MAX)
            .weigher(|key: &String, value: &Remembered| value.bytes.saturating_add(u32::try_from(key.len()).unwrap_or(u32::MAX)))
            .expire_after(ByTool)
            .build();
        Ok(Self { sources: Arc::new(Sources::new(egress, endpoints)?), cache })
    }

    /// Counts the sources' rates in a throttle that is shared with other nodes. To be called before the first clone.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        if let Some(sources) = Arc::get_mut(&mut self.sources) {
            sources.throttle = throttle;
        }
        self
    }

    /// Calls a tool by its name.
    ///
    /// # Errors
    /// [`ToolError`]; none of them changed anything anywhere.
    pub async fn call(&self, name: &str, arguments: &Value, deadline: Instant) -> Result<ToolOutput, ToolError> {
        let (tool, schema) = find(name).ok_or_else(|| ToolError::UnknownTool { name: cut(name.to_owned(), 64) })?;
        let text = arguments.to_string();
        if text.len() > ARGUMENT_BYTES_MAX {
            return Err(ToolError::argument(tool.name, "", format!("the arguments have more than {ARGUMENT_BYTES_MAX} bytes")));
        }
        schema.check(arguments).map_err(|faults| refused(tool.name, faults))?;
        let deadline = deadline.min(Instant::now() + tool.timeout);
        if tool.cache.is_zero() {
            return timeout_at(deadline, self.run(tool, arguments, deadline)).await.unwrap_or(Err(ToolError::TooSlow));
        }
        let key = format!("{name} {text}");
        if let Some(remembered) = self.cache.get(&key).await {
            return Ok(remembered.output.as_ref().clone());
        }
        let output = timeout_at(deadline, self.run(tool, arguments, deadline)).await.unwrap_or(Err(ToolError::TooSlow))?;
        let bytes = u32::try_from(output.bytes()).unwrap_or(u32::MAX);
        self.cache.insert(key, Remembered { output: Arc::new(output.clone()), bytes, lifetime: tool.cache }).await;
        Ok(output)
    }

    async fn run(&self, tool: &'static ToolInfo, arguments: &Value, deadline: Instant) -> Result<ToolOutput, ToolError> {
        let sources = &self.sources;
        match tool.name {
            "calculate" => local::calculate::run(&typed(tool, arguments)?),
            "date_arithmetic" => local::dates::run(&typed(tool, arguments)?),
            "sample_size_two_means" => local::sample_size::means::run(&typed(tool, arguments)?),
            "sample_size_two_proportions" => local::sample_size::proportions::run(&typed(tool, arguments)?),
            "two_by_two" => local::two_by_two::run(&typed(tool, arguments)?),
            "pubmed_search" => public::pubmed::run(sources, &typed(tool, arguments)?, deadline).await,
            "clinical_trials_search" => public::trials::run(sources, &typed(tool, arguments)?, deadline).await,
            "europe_pmc_search" => public::europe_pmc::run(sources, &typed(tool, arguments)?, deadline).await,
            "europe_pmc_full_text" => public::full_text::run(sources, &typed(tool, arguments)?, deadline).await,
            "crossref_works" => public::crossref::run(sources, &typed(tool, arguments)?, deadline).await,
            "openalex_works" => public::openalex::run(sources, &typed(tool, arguments)?, deadline).await,
            "drug_labels" => public::openfda::labels::run(sources, &typed(tool, arguments)?, deadline).await,
            "drug_names" => public::rxnorm::run(sources, &typed(tool, arguments)?, deadline).await,
            "drug_adverse_events" => public::openfda::drug_reports::run(sources, &typed(tool, arguments)?, deadline).await,
            "device_adverse_events" => public::openfda::device_reports::run(sources, &typed(tool, arguments)?, deadline).await,
            "product_recalls" => public::openfda::recalls::run(sources, &typed(tool, arguments)?, deadline).await,
            "device_classification" => public::openfda::classification::run(sources, &typed(tool, arguments)?, deadline).await,
            "device_510k" => public::openfda::clearances::run(sources, &typed(tool, arguments)?, deadline).await,
            "device_pma" => public::openfda::pma::run(sources, &typed(tool, arguments)?, deadline).await,
            "ecfr_search" => public::ecfr::search::run(sources, &typed(tool, arguments)?, deadline).await,
            "ecfr_text" => public::ecfr::text::run(sources, &typed(tool, arguments)?, deadline).await,
            "federal_register_search" => public::federal_register::search::run(sources, &typed(tool, arguments)?, deadline).await,
            "federal_register_document" => public::federal_register::document::run(sources, &typed(tool, arguments)?, deadline).await,
            _ => Err(ToolError::UnknownTool { name: tool.name.to_owned() }),
        }
    }
}

/// The arguments as the tool's type; the schema has been checked before.
fn typed<T: DeserializeOwned>(tool: &'static ToolInfo, arguments: &Value) -> Result<T, ToolError> {
    T::deserialize(arguments).map_err(|error| ToolError::argument(tool.name, "", cut(error.to_string(), 300)))
}

fn refused(tool: &'static str, faults: Vec<crate::schema::Fault>) -> ToolError {
    let pointer = faults.first().map(|fault| fault.pointer.clone()).unwrap_or_default();
    let why =
        faults.into_iter().map(|fault| if fault.pointer == pointer { fault.why } else { format!("at `{}`: {}", fault.pointer, fault.why) });
    ToolError::Arguments { tool, pointer: pointer.clone(), why: why.collect::<Vec<_>>().join("; ") }
}
