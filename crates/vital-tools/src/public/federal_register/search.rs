//! A search for documents of the Federal Register.

use super::{FIELDS, HOST, LICENCE, NAME, RATE, record};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    endpoints::below,
    public::{
        Sources,
        fetch::from_source,
        json,
        markup::plain,
        query::words,
        record::{self as records, Record},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "federal_register_search",
    title: "Federal Register search",
    summary: "Searches rules, proposed rules and notices of US agencies (guidance availability, meetings, information collections) and returns title, \
        abstract, agencies, dates of effect and comments, dockets, affected parts of the CFR and corrections. Use it for what is new, proposed or \
        withdrawn; `federal_register_document` has the full text. Agencies by their slug, such as food-and-drug-administration.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Regulation,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "Federal Register API v1 (www.federalregister.gov/developers): documents.json",
};

const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];
/// Types that can be asked for, with the source's codes.
const TYPES: [(&str, &str); 4] = [("rule", "RULE"), ("proposed_rule", "PRORULE"), ("notice", "NOTICE"), ("presidential", "PRESDOCU")];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let day = |description: &str| json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": description });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "query": { "type": "string", "minLength": 1, "maxLength": 300 },
        "agency": { "type": "string", "pattern": "^[a-z0-9-]{2,100}$", "description": "Slug of an agency" },
        "type": { "type": "array", "maxItems": TYPES.len(), "uniqueItems": true, "items": { "enum": TYPES.map(|(name, _)| name) } },
        "cfr_title": { "type": "integer", "minimum": 1, "maximum": 50 }, "cfr_part": { "type": "integer", "minimum": 1, "maximum": 99_999 },
        "docket": { "type": "string", "pattern": "^[A-Za-z0-9-]{3,40}$", "description": "Such as FDA-2021-N-0507" },
        "from": day("Published on or after"), "to": day("Published on or before"), "effective_from": day("Effective on or after"),
        "sort": { "enum": ["relevance", "newest", "oldest"], "default": "relevance" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "page": { "type": "integer", "minimum": 1, "maximum": 50, "default": 1 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| records::schema(&json!({ "pages": { "type": "integer", "minimum": 0 } })));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query: Option<String>,
    agency: Option<String>,
    #[serde(default)]
    r#type: Vec<String>,
    cfr_title: Option<u32>,
    cfr_part: Option<u32>,
    docket: Option<String>,
    from: Option<String>,
    to: Option<String>,
    effective_from: Option<String>,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "five")]
    limit: u32,
    #[serde(default = "one")]
    page: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Relevance,
    Newest,
    Oldest,
}

fn five() -> u32 {
    5
}

fn one() -> u32 {
    1
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let url = address(sources, input)?;
    let found = sources.json(url.clone(), &RATE, deadline).await?;
    let total = json::number(&found, "/count").ok_or_else(|| ToolError::unreadable("no count"))?;
    // Without a match the answer has no results at all.
    if total > 0 && input.page == 1 && !found.get("results").is_some_and(Value::is_array) {
        return Err(ToolError::unreadable("no results"));
    }
    let told =
        |document: &Value| record(document).map(|(record, facts)| record.telling(facts, plain(&json::text(document, "/abstract")), ""));
    let all: Vec<Record> = json::list(&found, "/results").iter().filter_map(told).collect();
    let pages = json::number(&found, "/total_pages").unwrap_or(u64::from(total > 0));
    let mut output = records::output(total, &all, &json!({ "pages": pages }));
    from_source(&mut output.texts, NAME, LICENCE, &url);
    Ok(output.bounded("records"))
}

fn address(sources: &Sources, input: &Input) -> Result<Url, ToolError> {
    let conditions = conditions(input)?;
    let mut url = below(&sources.endpoints.federal_register, &["api", "v1", "documents.json"]);
    let mut pairs = url.query_pairs_mut();
    for (name, value) in &conditions {
        pairs.append_pair(&format!("conditions{name}"), value);
    }
    let order = match input.sort {
        Sort::Relevance => "relevance",
        Sort::Newest => "newest",
        Sort::Oldest => "oldest",
    };
    pairs.append_pair("order", order).append_pair("per_page", &input.limit.to_string()).append_pair("page", &input.page.to_string());
    pairs.extend_pairs(FIELDS.map(|field| ("fields[]", field)));
    drop(pairs);
    Ok(url)
}

/// The conditions, with the names that follow `conditions`.
fn conditions(input: &Input) -> Result<Vec<(&'static str, String)>, ToolError> {
    let mut conditions = Vec::new();
    let term = input.query.as_deref().map(|query| words(query, &OPERATORS)).unwrap_or_default();
    if !term.is_empty() {
        conditions.push(("[term]", term));
    }
    conditions.extend(input.agency.iter().map(|agency| ("[agencies][]", agency.clone())));
    conditions.extend(input.docket.iter().map(|docket| ("[docket_id]", docket.clone())));
    match (input.cfr_title, input.cfr_part) {
        (None, Some(_)) => return Err(ToolError::argument(INFO.name, "/cfr_part", "a part needs its title in `cfr_title`")),
        (title, part) => {
            conditions.extend(title.map(|title| ("[cfr][title]", title.to_string())));
            conditions.extend(part.map(|part| ("[cfr][part]", part.to_string())));
        }
    }
    if conditions.is_empty() {
        return Err(ToolError::argument(INFO.name, "", "give at least one of query, agency, docket and cfr_title"));
    }
    let codes = input.r#type.iter().filter_map(|name| TYPES.iter().find(|(known, _)| known == name));
    conditions.extend(codes.map(|(_, code)| ("[type][]", (*code).to_owned())));
    conditions.extend(input.from.iter().map(|day| ("[publication_date][gte]", day.clone())));
    conditions.extend(input.to.iter().map(|day| ("[publication_date][lte]", day.clone())));
    conditions.extend(input.effective_from.iter().map(|day| ("[effective_date][gte]", day.clone())));
    Ok(conditions)
}
