//! Labels of medicines in the United States (structured product labels) through openFDA.

use super::{Sources, json, query::words};
use crate::{Family, Reach, SourceText, ToolError, ToolInfo, ToolOutput, endpoints::below, output::cut};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;
use vital_outbound::Accept;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "drug_labels",
    title: "Drug labels (openFDA)",
    summary: "Returns sections of US drug labels (SPL): indications, boxed warning, dosage, contraindications, warnings, adverse reactions, \
        interactions, use in specific populations. Search by brand, generic or substance name, in English. Choose the sections you need. Labels \
        are those of the US; other countries' differ. Never put details of a patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "api.fda.gov" },
    family: Family::Medicines,
    licence: "Public domain (CC0) with openFDA's terms of service; its disclaimer is part of every result",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Drug Labeling API (open.fda.gov/apis/drug/label)",
};

/// openFDA accepts 240 requests a minute from one address.
const RATE: Limit = Limit::a_minute("tools.openfda", 240);
const OPERATORS: [&str; 4] = ["AND", "OR", "NOT", "TO"];
/// Longest section, in bytes.
const SECTION_BYTES_MAX: usize = 24 * 1024;
const DISCLAIMER: &str = "Do not rely on openFDA to make decisions regarding medical care.";

/// Sections that can be asked for, by openFDA's field names, with what people call them.
const SECTIONS: [(&str, &str); 14] = [
    ("boxed_warning", "Boxed warning"),
    ("indications_and_usage", "Indications and usage"),
    ("dosage_and_administration", "Dosage and administration"),
    ("contraindications", "Contraindications"),
    ("warnings_and_cautions", "Warnings and precautions"),
    ("warnings", "Warnings"),
    ("adverse_reactions", "Adverse reactions"),
    ("drug_interactions", "Drug interactions"),
    ("use_in_specific_populations", "Use in specific populations"),
    ("pregnancy", "Pregnancy"),
    ("pediatric_use", "Pediatric use"),
    ("geriatric_use", "Geriatric use"),
    ("overdosage", "Overdosage"),
    ("mechanism_of_action", "Mechanism of action"),
];
/// What is returned where no section is asked for.
const USUAL: [&str; 7] = [
    "boxed_warning",
    "indications_and_usage",
    "dosage_and_administration",
    "contraindications",
    "warnings_and_cautions",
    "warnings",
    "adverse_reactions",
];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["drug"], "properties": {
        "drug": { "type": "string", "minLength": 1, "maxLength": 200, "description": "Brand, generic or substance name" },
        "by": { "enum": ["any", "brand", "generic", "substance"], "default": "any" },
        "sections": { "type": "array", "minItems": 1, "uniqueItems": true, "maxItems": SECTIONS.len(), "items": { "enum": SECTIONS.map(|(name, _)| name) } },
        "limit": { "type": "integer", "minimum": 1, "maximum": 5, "default": 1 },
        "offset": { "type": "integer", "minimum": 0, "maximum": 1_000, "default": 0 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({ "type": "object", "additionalProperties": false, "required": ["total", "disclaimer", "labels"], "properties": {
        "total": { "type": "integer", "minimum": 0 }, "disclaimer": text, "note": text,
        "labels": { "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["set_id", "version", "effective_date", "brand_names", "generic_names", "substances", "manufacturers", "routes", "sections"],
            "properties": { "set_id": text, "version": text, "effective_date": text, "brand_names": texts, "generic_names": texts, "substances": texts,
                "manufacturers": texts, "routes": texts,
                "sections": { "type": "object", "additionalProperties": text, "description": "By openFDA's names of the sections; those the label has" } } } }
    } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    drug: String,
    #[serde(default)]
    by: By,
    sections: Option<Vec<String>>,
    #[serde(default = "one")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Any,
    Brand,
    Generic,
    Substance,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Serialize)]
struct Output {
    total: u64,
    disclaimer: String,
    labels: Vec<Label>,
}

#[derive(Debug, Serialize)]
struct Label {
    set_id: String,
    version: String,
    /// ISO 8601.
    effective_date: String,
    brand_names: Vec<String>,
    generic_names: Vec<String>,
    substances: Vec<String>,
    manufacturers: Vec<String>,
    routes: Vec<String>,
    sections: BTreeMap<String, String>,
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let answer = sources.get(address(sources, input)?, Accept::Json, &RATE, deadline, &[200, 404]).await?;
    let (total, disclaimer, labels) = if answer.status == 404 {
        // A search without a match is answered with this status and this code.
        if json::text(&answer.json()?, "/error/code") != "NOT_FOUND" {
            return Err(ToolError::Refused { status: 404 });
        }
        (0, DISCLAIMER.to_owned(), Vec::new())
    } else {
        let found = answer.json()?;
        if !found.get("results").is_some_and(Value::is_array) {
            return Err(ToolError::unreadable("no results"));
        }
        let wanted: Vec<&str> =
            input.sections.as_ref().map_or_else(|| USUAL.to_vec(), |sections| sections.iter().map(String::as_str).collect());
        let labels: Vec<Label> = json::list(&found, "/results").iter().map(|result| label(result, &wanted)).collect();
        let said = json::text(&found, "/meta/disclaimer");
        let total = json::number(&found, "/meta/results/total").unwrap_or(labels.len() as u64);
        (total, if said.is_empty() { DISCLAIMER.to_owned() } else { cut(said, 1_000) }, labels)
    };
    let texts = labels.iter().map(|label| source(label, &disclaimer)).collect();
    let value = serde_json::to_value(Output { total, disclaimer, labels }).unwrap_or_default();
    Ok(ToolOutput { value, texts }.bounded("labels"))
}

fn address(sources: &Sources, input: &Input) -> Result<Url, ToolError> {
    let name = words(&input.drug, &OPERATORS);
    if name.is_empty() {
        return Err(ToolError::argument(INFO.name, "/drug", "the name has no words"));
    }
    let fields: &[&str] = match input.by {
        By::Any => &["brand_name", "generic_name", "substance_name"],
        By::Brand => &["brand_name"],
        By::Generic => &["generic_name"],
        By::Substance => &["substance_name"],
    };
    let search = fields.iter().map(|field| format!("openfda.{field}:\"{name}\"")).collect::<Vec<_>>().join(" OR ");
    let mut url = below(&sources.endpoints.openfda, &["drug", "label.json"]);
    url.query_pairs_mut()
        .append_pair("search", &search)
        .append_pair("limit", &input.limit.to_string())
        .append_pair("skip", &input.offset.to_string());
    if let Some(key) = &sources.endpoints.openfda_key {
        url.query_pairs_mut().append_pair("api_key", &key.now());
    }
    Ok(url)
}

fn label(result: &Value, wanted: &[&str]) -> Label {
    let names = |field: &str| json::texts(result, &format!("/openfda/{field}"));
    let section = |name: &&str| {
        let text = json::texts(result, &format!("/{name}")).join("\n\n");
        (!text.is_empty()).then(|| ((*name).to_owned(), cut(text, SECTION_BYTES_MAX)))
    };
    Label {
        set_id: json::text(result, "/set_id"),
        version: json::text(result, "/version"),
        effective_date: date(&json::text(result, "/effective_time")),
        brand_names: names("brand_name"),
        generic_names: names("generic_name"),
        substances: names("substance_name"),
        manufacturers: names("manufacturer_name"),
        routes: names("route"),
        sections: wanted.iter().filter_map(section).collect(),
    }
}

/// `20240131` as ISO 8601; anything else as it is.
fn date(text: &str) -> String {
    match (text.len(), text.bytes().all(|byte| byte.is_ascii_digit())) {
        (8, true) => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        _ => text.to_owned(),
    }
}

fn source(label: &Label, disclaimer: &str) -> SourceText {
    let name = label.brand_names.first().or_else(|| label.generic_names.first()).cloned().unwrap_or_default();
    let title = format!("{name} (US label, version {}, effective {})", label.version, label.effective_date);
    let parts = SECTIONS.iter().filter_map(|(field, title)| Some(format!("{title}\n\n{}", label.sections.get(*field)?)));
    SourceText {
        title,
        url: format!("https://dailymed.nlm.nih.gov/dailymed/drugInfo.cfm?setid={}", label.set_id),
        identifier: format!("SPL {}", label.set_id),
        authority: "regulator".to_owned(),
        text: parts.chain([format!("openFDA: {disclaimer}")]).collect::<Vec<_>>().join("\n\n"),
    }
}
