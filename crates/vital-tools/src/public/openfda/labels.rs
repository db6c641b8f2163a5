//! Labels of medicines in the United States (structured product labels) through openFDA.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask};
use crate::{
    Family, Reach, SourceText, ToolError, ToolInfo, ToolOutput,
    output::cut,
    public::{Sources, fetch::from_source, json, record::date},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};
use tokio::time::Instant;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "drug_labels",
    title: "Drug labels (openFDA)",
    summary: "Returns sections of US drug labels (SPL): indications, boxed warning, dosage, contraindications, warnings, adverse reactions, \
        interactions, use in specific populations. Search by brand, generic or substance name, in English. Choose the sections you need. Labels \
        are those of the US; other countries' differ. Never put details of a patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Medicines,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Drug Labeling API (open.fda.gov/apis/drug/label)",
};

/// Longest section, in bytes.
const SECTION_BYTES_MAX: usize = 24 * 1024;

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
    let fields: &[&str] = match input.by {
        By::Any => &["openfda.brand_name", "openfda.generic_name", "openfda.substance_name"],
        By::Brand => &["openfda.brand_name"],
        By::Generic => &["openfda.generic_name"],
        By::Substance => &["openfda.substance_name"],
    };
    let search = Conditions::default()
        .phrase(fields, Some(&input.drug))
        .search(INFO.name, "drug")
        .map_err(|_| ToolError::argument(INFO.name, "/drug", "the name has no words"))?;
    let search = Search { collection: ["drug", "label"], search, sort: None, count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let wanted: Vec<&str> =
        input.sections.as_ref().map_or_else(|| USUAL.to_vec(), |sections| sections.iter().map(String::as_str).collect());
    let labels: Vec<Label> = found.results.iter().map(|result| label(result, &wanted)).collect();
    let mut texts: Vec<SourceText> = labels.iter().map(|label| source(label, &found.disclaimer)).collect();
    from_source(&mut texts, NAME, LICENCE, &found.request);
    let value = serde_json::to_value(Output { total: found.total, disclaimer: found.disclaimer, labels }).unwrap_or_default();
    Ok(ToolOutput { value, texts }.bounded("labels"))
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
        date: label.effective_date.clone(),
        identifiers: vec![format!("SPL {}", label.set_id)],
        ..SourceText::default()
    }
}
