//! Premarket notifications (510(k)) and De Novo decisions of the FDA for devices.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask, closing, day, input, remarks, remarks_schema, text};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    public::{
        Sources,
        fetch::from_source,
        json,
        record::{self, Facts, Record, date},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "device_510k",
    title: "Device 510(k) clearances (openFDA)",
    summary: "Finds the FDA's decisions on premarket notifications (510(k)) and De Novo requests: K or DEN number, device, applicant, product code, \
        decision, dates, regulation. Use it to find predicates and what is cleared. Give at least one of number, device, applicant, product_code. \
        A clearance is for the intended use in its summary, which is not part of the record.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Devices,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Device 510(k) API (open.fda.gov/apis/device/510k)",
};

/// openFDA's fields, with what people call them.
const FIELDS: [(&str, &str); 18] = [
    ("k_number", "Number"),
    ("device_name", "Device"),
    ("applicant", "Applicant"),
    ("country_code", "Country of the applicant"),
    ("decision_description", "Decision"),
    ("decision_code", "Decision code"),
    ("decision_date", "Decided on"),
    ("date_received", "Received on"),
    ("clearance_type", "Type of submission"),
    ("product_code", "Product code"),
    ("openfda.device_name", "Classification name"),
    ("openfda.device_class", "Device class"),
    ("openfda.regulation_number", "Regulation number (21 CFR)"),
    ("openfda.medical_specialty_description", "Medical specialty"),
    ("advisory_committee_description", "Advisory committee"),
    ("statement_or_summary", "Public document"),
    ("third_party_flag", "Reviewed by a third party"),
    ("expedited_review_flag", "Expedited review"),
];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "number": { "type": "string", "pattern": "^([Kk][0-9]{6}|[Dd][Ee][Nn][0-9]{6})$", "description": "K123456 or DEN123456" },
        "device": text("Words of the device's name"), "applicant": text("Words of the applicant's name"),
        "product_code": { "type": "string", "pattern": "^[A-Za-z]{3}$" },
        "from": day("Decided on or after"), "to": day("Decided on or before")
    });
    input(&properties, 20, 5)
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| record::schema(&remarks_schema()));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    number: Option<String>,
    device: Option<String>,
    applicant: Option<String>,
    product_code: Option<String>,
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
    let upper = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_uppercase());
    let search = Conditions::default()
        .is("k_number", upper(&input.number).as_deref())
        .words("device_name", input.device.as_deref())
        .words("applicant", input.applicant.as_deref())
        .is("product_code", upper(&input.product_code).as_deref())
        .between("decision_date", input.from.as_deref(), input.to.as_deref())
        .search(INFO.name, "number, device, applicant and product_code")?;
    let sort = Some("decision_date:desc");
    let search = Search { collection: ["device", "510k"], search, sort, count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = closing(&found);
    let records: Vec<Record> = found.results.iter().filter_map(|result| record(result, &closing)).collect();
    let mut output = record::output(found.total, &records, &remarks(&found));
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn record(result: &Value, closing: &str) -> Option<Record> {
    let number =
        Some(json::text(result, "/k_number")).filter(|number| number.bytes().all(|b| b.is_ascii_alphanumeric()) && number.len() > 5)?;
    let page = if number.starts_with("DEN") { "denovo" } else { "pmn" };
    let record = Record {
        title: format!("{number}: {} ({})", json::text(result, "/device_name"), json::text(result, "/applicant")),
        url: format!("https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfpmn/{page}.cfm?ID={number}"),
        date: date(&json::text(result, "/decision_date")),
        identifier: number,
        authority: "regulator",
        ..Record::default()
    };
    Some(record.telling(Facts::default().read(result, &FIELDS), String::new(), closing))
}
