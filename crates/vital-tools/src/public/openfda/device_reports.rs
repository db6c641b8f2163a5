//! Reports of events with devices (MAUDE): what happened, to whom, with which device, in the words of the reports.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask, closing, day, drug_reports::CAVEAT, input, remarks, remarks_schema, text};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    public::{
        Sources,
        fetch::from_source,
        json,
        record::{self, Facts, Record, date, text_of},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "device_adverse_events",
    title: "Adverse event reports of devices (openFDA, MAUDE)",
    summary: "Finds reports of malfunctions, injuries and deaths with devices in the US database MAUDE, with the narratives of reporter and \
        manufacturer, device and patient problems, model and lot. Reports are suspicions: they prove no causation and give no frequency; say so in an \
        answer. Give at least one of device, manufacturer, product_code, number, words of the narrative. Never put details of a patient into the \
        query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Safety,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Device Adverse Event API (open.fda.gov/apis/device/event)",
};

/// openFDA's fields of a report, with what people call them.
const FIELDS: [(&str, &str); 9] = [
    ("report_number", "Report number"),
    ("event_type", "Kind of event"),
    ("date_received", "Received on"),
    ("date_of_event", "Happened on"),
    ("product_problems", "Problems of the device"),
    ("source_type", "Source of the report"),
    ("reporter_occupation_code", "Occupation of the reporter"),
    ("remedial_action", "Remedial action"),
    ("manufacturer_name", "Manufacturer of the report"),
];
/// Fields of each device in a report.
const DEVICE: [(&str, &str); 7] = [
    ("brand_name", "Brand"),
    ("generic_name", "Generic name"),
    ("manufacturer_d_name", "Manufacturer"),
    ("model_number", "Model"),
    ("catalog_number", "Catalogue number"),
    ("lot_number", "Lot"),
    ("device_report_product_code", "Product code"),
];
/// Most devices, patients and narratives that are read of a report.
const PARTS_MAX: usize = 8;

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "device": text("Brand or generic name"), "manufacturer": text("Words of the manufacturer's name"),
        "product_code": { "type": "string", "pattern": "^[A-Za-z]{3}$" },
        "words": text("Words of the narratives"), "problem": text("Problem of the device, as MAUDE calls it"),
        "number": { "type": "string", "pattern": "^[0-9]{4,12}$", "description": "MDR report key" },
        "event_type": { "enum": ["Death", "Injury", "Malfunction", "Other"] },
        "from": day("Received on or after"), "to": day("Received on or before")
    });
    input(&properties, 20, 5)
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let mut more = remarks_schema();
    more["caveat"] = json!({ "type": "string" });
    record::schema(&more)
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    device: Option<String>,
    manufacturer: Option<String>,
    product_code: Option<String>,
    words: Option<String>,
    problem: Option<String>,
    number: Option<String>,
    event_type: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default = "five")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

fn five() -> u32 {
    5
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let code = input.product_code.as_ref().map(|code| code.to_ascii_uppercase());
    let search = Conditions::default()
        .is("mdr_report_key", input.number.as_deref())
        .phrase(&["device.brand_name", "device.generic_name"], input.device.as_deref())
        .words("device.manufacturer_d_name", input.manufacturer.as_deref())
        .is("device.device_report_product_code", code.as_deref())
        .words("mdr_text.text", input.words.as_deref())
        .phrase(&["product_problems"], input.problem.as_deref())
        .is("event_type", input.event_type.as_deref())
        .between("date_received", input.from.as_deref(), input.to.as_deref())
        .search(INFO.name, "device, manufacturer, product_code, words and number")?;
    let sort = Some("date_received:desc");
    let search = Search { collection: ["device", "event"], search, sort, count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = format!("{CAVEAT}\n\n{}", closing(&found));
    let records: Vec<Record> = found.results.iter().filter_map(|result| report(result, &closing)).collect();
    let mut more = remarks(&found);
    more["caveat"] = json!(CAVEAT);
    let mut output = record::output(found.total, &records, &more);
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn report(result: &Value, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let key = Some(at("/mdr_report_key")).filter(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()))?;
    let part = |path: &str| json::list(result, path).iter().take(PARTS_MAX);
    let described = |device: &Value| Facts::default().read(device, &DEVICE).text().replace(".\n", ", ").trim_end_matches('.').to_owned();
    let devices = part("/device").map(described).filter(|device| !device.is_empty()).collect::<Vec<_>>().join("; ");
    let problems = part("/patient").flat_map(|patient| json::some_texts(patient, "/patient_problems")).collect::<Vec<_>>().join(", ");
    let outcomes = part("/patient").flat_map(|patient| json::some_texts(patient, "/sequence_number_outcome")).collect::<Vec<_>>();
    let facts = Facts::default()
        .add("mdr_report_key", "MDR report key", key.clone())
        .read(result, &FIELDS)
        .add("device", "Device", devices)
        .add("patient_problems", "Problems of the patient", problems)
        .add("sequence_number_outcome", "Outcomes of the patient", outcomes.join(", "));
    let narrative = |one: &Value| {
        let (kind, text) = (json::text(one, "/text_type_code"), json::text(one, "/text"));
        if text.is_empty() { text } else { text_of([kind.as_str(), text.as_str()]) }
    };
    let narratives: Vec<String> = part("/mdr_text").map(narrative).collect();
    let brand = [at("/device/0/brand_name"), at("/device/0/generic_name")].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let record = Record {
        title: format!("MAUDE report {key}, {}: {brand}", at("/event_type").to_lowercase()),
        url: format!("https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfmaude/detail.cfm?mdrfoi__id={key}"),
        date: date(&at("/date_received")),
        identifier: format!("MAUDE {key}"),
        authority: "institution",
        ..Record::default()
    };
    Some(record.telling(facts, text_of(narratives.iter().map(String::as_str)), closing))
}
