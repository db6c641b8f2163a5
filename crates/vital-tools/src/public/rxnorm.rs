//! Names of medicines and what they stand for: RxNorm through NLM's RxNav REST interface.

use super::{Sources, fetch::from_source, json, query::words};
use crate::{Family, Reach, SourceText, ToolError, ToolInfo, ToolOutput, endpoints::below};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "drug_names",
    title: "Drug names (RxNorm)",
    summary: "Finds the RxNorm concept (RXCUI) of a drug's name, also of a misspelt one, with its ingredients and US brand names. Use it to find \
        out what a brand contains, which brands an ingredient has, or which of two spellings is meant. English names; US market.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "rxnav.nlm.nih.gov" },
    family: Family::Medicines,
    licence: "RxNorm's own names are free to use with attribution to the NLM",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "NLM, RxNorm API: findRxcuiByString, getApproximateMatch, getRxConceptProperties, getRelatedByType",
};

/// RxNav accepts 20 requests a second from one address.
const RATE: Limit = Limit { name: "tools.rxnav", burst: 20, per: Duration::from_secs(1) };
/// Most brands and ingredients that are listed of a concept.
const RELATED_MAX: usize = 50;

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["name"], "properties": {
        "name": { "type": "string", "minLength": 1, "maxLength": 200 },
        "limit": { "type": "integer", "minimum": 1, "maximum": 5, "default": 3, "description": "Concepts at most, where the name is not exact" }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let related = json!({ "type": "array", "items": { "type": "object", "additionalProperties": false, "required": ["rxcui", "name"],
        "properties": { "rxcui": text, "name": text } } });
    json!({ "type": "object", "additionalProperties": false, "required": ["match", "concepts"], "properties": {
        "match": { "enum": ["exact", "approximate", "none"] }, "note": text,
        "concepts": { "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["rxcui", "name", "synonym", "term_type", "ingredients", "brands"],
            "properties": { "rxcui": text, "name": text, "synonym": text, "term_type": text, "ingredients": related, "brands": related } } }
    } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    name: String,
    #[serde(default = "three")]
    limit: usize,
}

fn three() -> usize {
    3
}

#[derive(Debug, Serialize)]
struct Output {
    r#match: &'static str,
    concepts: Vec<Concept>,
}

#[derive(Debug, Serialize)]
struct Concept {
    rxcui: String,
    name: String,
    synonym: String,
    term_type: String,
    ingredients: Vec<Related>,
    brands: Vec<Related>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Related {
    rxcui: String,
    name: String,
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let name = words(&input.name, &[]);
    if name.is_empty() {
        return Err(ToolError::argument(INFO.name, "/name", "the name has no words"));
    }
    let (kind, ids) = find(sources, &name, input.limit, deadline).await?;
    let mut concepts = Vec::new();
    for id in ids {
        concepts.extend(concept(sources, &id, deadline).await?);
    }
    let mut texts: Vec<SourceText> = concepts.iter().map(source).collect();
    for (text, concept) in texts.iter_mut().zip(&concepts) {
        let asked = below(&sources.endpoints.rxnorm, &["rxcui", &concept.rxcui, "properties.json"]);
        from_source(std::slice::from_mut(text), "RxNorm", INFO.licence, &asked);
    }
    let kind = if concepts.is_empty() { "none" } else { kind };
    let value = serde_json::to_value(Output { r#match: kind, concepts }).unwrap_or_default();
    Ok(ToolOutput { value, texts }.bounded("concepts"))
}

/// The concepts of the name itself (search=2: exact, then normalised), else those of names alike, best first.
async fn find(sources: &Sources, name: &str, limit: usize, deadline: Instant) -> Result<(&'static str, Vec<String>), ToolError> {
    let mut url = below(&sources.endpoints.rxnorm, &["rxcui.json"]);
    url.query_pairs_mut().append_pair("name", name).append_pair("search", "2");
    let found = sources.json(url, &RATE, deadline).await?;
    if found.get("idGroup").is_none() {
        return Err(ToolError::unreadable("no idGroup"));
    }
    let exact = ids(json::texts(&found, "/idGroup/rxnormId"), limit);
    if !exact.is_empty() {
        return Ok(("exact", exact));
    }
    let mut url = below(&sources.endpoints.rxnorm, &["approximateTerm.json"]);
    // Several names of one concept are candidates of their own.
    url.query_pairs_mut().append_pair("term", name).append_pair("maxEntries", "20").append_pair("option", "1");
    let found = sources.json(url, &RATE, deadline).await?;
    let candidates = json::list(&found, "/approximateGroup/candidate").iter().map(|candidate| json::text(candidate, "/rxcui")).collect();
    Ok(("approximate", ids(candidates, limit)))
}

/// The first different identifiers.
fn ids(found: Vec<String>, limit: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in found {
        if ids.len() < limit && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

async fn concept(sources: &Sources, id: &str, deadline: Instant) -> Result<Option<Concept>, ToolError> {
    let properties = sources.json(below(&sources.endpoints.rxnorm, &["rxcui", id, "properties.json"]), &RATE, deadline).await?;
    if json::text(&properties, "/properties/rxcui").is_empty() {
        // A concept that was retired has none.
        return Ok(None);
    }
    let mut url = below(&sources.endpoints.rxnorm, &["rxcui", id, "related.json"]);
    url.query_pairs_mut().append_pair("tty", "IN BN");
    let related = sources.json(url, &RATE, deadline).await?;
    let of = |kind: &str| {
        let groups = json::list(&related, "/relatedGroup/conceptGroup").iter().filter(|group| json::text(group, "/tty") == kind);
        let concepts = groups.flat_map(|group| json::list(group, "/conceptProperties"));
        concepts.map(|one| Related { rxcui: json::text(one, "/rxcui"), name: json::text(one, "/name") }).take(RELATED_MAX).collect()
    };
    Ok(Some(Concept {
        rxcui: id.to_owned(),
        name: json::text(&properties, "/properties/name"),
        synonym: json::text(&properties, "/properties/synonym"),
        term_type: json::text(&properties, "/properties/tty"),
        ingredients: of("IN"),
        brands: of("BN"),
    }))
}

fn source(concept: &Concept) -> SourceText {
    let names = |list: &[Related]| list.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let line = |what: &str, names: String| if names.is_empty() { String::new() } else { format!("{what} {names}.") };
    let parts = [
        format!("RxNorm lists {} as concept {} (type {}).", concept.name, concept.rxcui, concept.term_type),
        line("Ingredients:", names(&concept.ingredients)),
        line("Brand names in the United States:", names(&concept.brands)),
    ];
    SourceText {
        title: format!("{} (RxNorm)", concept.name),
        url: format!("https://mor.nlm.nih.gov/RxNav/search?searchBy=RXCUI&searchTerm={}", concept.rxcui),
        identifier: format!("RXCUI {}", concept.rxcui),
        authority: "institution".to_owned(),
        text: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"),
        identifiers: vec![format!("RXCUI {}", concept.rxcui)],
        ..SourceText::default()
    }
}
