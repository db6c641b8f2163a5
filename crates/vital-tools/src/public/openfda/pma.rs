//! Premarket approvals (PMA) of the FDA for devices, with their supplements.

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
    name: "device_pma",
    title: "Device premarket approvals (openFDA)",
    summary: "Finds the FDA's decisions on premarket approvals (PMA) of class III devices and on their supplements: number, device, applicant, \
        product code, decision, approval order statement, reason and type of a supplement. Give at least one of number, device, applicant, \
        product_code; the oldest of a number is the original approval.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Devices,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Device Premarket Approval API (open.fda.gov/apis/device/pma)",
};

/// openFDA's fields, with what people call them.
const FIELDS: [(&str, &str); 19] = [
    ("pma_number", "Number"),
    ("supplement_number", "Supplement"),
    ("trade_name", "Trade name"),
    ("generic_name", "Generic name"),
    ("applicant", "Applicant"),
    ("decision_code", "Decision code"),
    ("decision_date", "Decided on"),
    ("date_received", "Received on"),
    ("supplement_type", "Type of supplement"),
    ("supplement_reason", "Reason of the supplement"),
    ("product_code", "Product code"),
    ("openfda.device_name", "Classification name"),
    ("openfda.device_class", "Device class"),
    ("openfda.regulation_number", "Regulation number (21 CFR)"),
    ("openfda.medical_specialty_description", "Medical specialty"),
    ("advisory_committee_description", "Advisory committee"),
    ("docket_number", "Docket"),
    ("fed_reg_notice_date", "Notice in the Federal Register on"),
    ("expedited_review_flag", "Expedited review"),
];

/// Decision codes, with what they mean.
const DECISIONS: [(&str, &str); 8] = [
    ("APPR", "approved"),
    ("APRL", "approved and later reclassified"),
    ("APCV", "approved and later converted to another submission"),
    ("APWD", "withdrawn after approval"),
    ("WTDR", "withdrawn"),
    ("DENY", "denied"),
    ("LE30", "30-day notice accepted"),
    ("GT30", "no decision within 30 days"),
];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "number": { "type": "string", "pattern": "^[A-Za-z][0-9]{5,6}$", "description": "P123456, without a supplement" },
        "device": text("Words of the trade or generic name"), "applicant": text("Words of the applicant's name"),
        "product_code": { "type": "string", "pattern": "^[A-Za-z]{3}$" },
        "supplement": { "type": "string", "pattern": "^[Ss][0-9]{3,4}$", "description": "S001; only with a number" },
        "order": { "enum": ["newest", "oldest"], "default": "newest" },
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
    supplement: Option<String>,
    order: Option<String>,
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
        .is("pma_number", upper(&input.number).as_deref())
        .is("supplement_number", upper(&input.supplement).as_deref())
        .phrase(&["trade_name", "generic_name"], input.device.as_deref())
        .words("applicant", input.applicant.as_deref())
        .is("product_code", upper(&input.product_code).as_deref())
        .between("decision_date", input.from.as_deref(), input.to.as_deref())
        .search(INFO.name, "number, device, applicant and product_code")?;
    let sort = Some(if input.order.as_deref() == Some("oldest") { "decision_date:asc" } else { "decision_date:desc" });
    let search = Search { collection: ["device", "pma"], search, sort, count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = closing(&found);
    let records: Vec<Record> = found.results.iter().filter_map(|result| record(result, &closing)).collect();
    let mut output = record::output(found.total, &records, &remarks(&found));
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn record(result: &Value, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let number = format!("{}{}", at("/pma_number"), at("/supplement_number"));
    if number.len() < 6 || !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let code = at("/decision_code");
    let decision = DECISIONS.iter().find(|(known, _)| *known == code).map_or("", |(_, means)| means);
    let facts = Facts::default().add("decision", "Decision", decision).read(result, &FIELDS);
    let record = Record {
        title: format!("{number}: {} ({})", [at("/trade_name"), at("/generic_name")].iter().find(|n| !n.is_empty())?, at("/applicant")),
        url: format!("https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfpma/pma.cfm?id={number}"),
        date: date(&at("/decision_date")),
        status: if matches!(code.as_str(), "APWD" | "WTDR" | "DENY") { decision.to_owned() } else { String::new() },
        identifier: format!("PMA {number}"),
        authority: "regulator",
        ..Record::default()
    };
    Some(record.telling(facts, at("/ao_statement"), closing))
}
