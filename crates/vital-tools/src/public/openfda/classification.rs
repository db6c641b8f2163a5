//! The FDA's classification of devices: product codes with class, regulation, definition and type of submission.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask, closing, input, remarks, remarks_schema, text};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    public::{
        Sources,
        fetch::from_source,
        json,
        record::{self, Facts, Record},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "device_classification",
    title: "Device classification (openFDA)",
    summary: "Finds the FDA's product codes for kinds of devices, with class (1, 2, 3), regulation number, definition, the submission that is \
        required (510(k), PMA, exempt), and whether they are implants or life-sustaining. Use it to find the class and pathway of a device in the \
        US. Give at least one of product_code, device, regulation.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Devices,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Device Classification API (open.fda.gov/apis/device/classification)",
};

/// openFDA's fields, with what people call them.
const FIELDS: [(&str, &str); 10] = [
    ("product_code", "Product code"),
    ("device_name", "Device"),
    ("device_class", "Device class"),
    ("regulation_number", "Regulation number (21 CFR)"),
    ("medical_specialty_description", "Medical specialty"),
    ("review_panel", "Review panel"),
    ("implant_flag", "Implant"),
    ("life_sustain_support_flag", "Sustains or supports life"),
    ("gmp_exempt_flag", "Exempt from good manufacturing practice"),
    ("third_party_flag", "Third parties may review"),
];

/// Types of submission, with what they mean.
const SUBMISSIONS: [(&str, &str); 7] = [
    ("1", "510(k)"),
    ("2", "PMA"),
    ("3", "to be asked of the FDA"),
    ("4", "510(k) exempt"),
    ("6", "HDE (humanitarian device exemption)"),
    ("7", "enforcement discretion"),
    ("8", "EUA (emergency use authorization)"),
];
/// Why a device has no class.
const UNCLASSIFIED: [(&str, &str); 7] = [
    ("1", "pre-amendment"),
    ("2", "investigational (IDE)"),
    ("3", "for export only"),
    ("4", "unknown"),
    ("5", "guidance under development"),
    ("6", "enforcement discretion"),
    ("7", "not regulated by the FDA"),
];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "product_code": { "type": "string", "pattern": "^[A-Za-z]{3}$" }, "device": text("Words of the device's name"),
        "regulation": { "type": "string", "pattern": "^[0-9]{3}\\.[0-9]{2,5}$", "description": "Regulation number, such as 880.5725" },
        "device_class": { "enum": ["1", "2", "3"] }
    });
    input(&properties, 20, 5)
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| record::schema(&remarks_schema()));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    product_code: Option<String>,
    device: Option<String>,
    regulation: Option<String>,
    device_class: Option<String>,
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
        .is("product_code", code.as_deref())
        .words("device_name", input.device.as_deref())
        .is("regulation_number", input.regulation.as_deref())
        .is("device_class", input.device_class.as_deref())
        .search(INFO.name, "product_code, device and regulation")?;
    let search =
        Search { collection: ["device", "classification"], search, sort: None, count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = closing(&found);
    let records: Vec<Record> = found.results.iter().filter_map(|result| record(result, &closing)).collect();
    let mut output = record::output(found.total, &records, &remarks(&found));
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn record(result: &Value, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let code = Some(at("/product_code")).filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let means =
        |codes: &[(&str, &str)], code: String| codes.iter().find(|(known, _)| *known == code).map_or(code, |(_, text)| (*text).to_owned());
    let facts = Facts::default()
        .read(result, &FIELDS)
        .add("submission_type_id", "Submission", means(&SUBMISSIONS, at("/submission_type_id")))
        .add("unclassified_reason", "Why it is unclassified", means(&UNCLASSIFIED, at("/unclassified_reason")));
    let record = Record {
        title: format!("{} (product code {code}, class {})", at("/device_name"), at("/device_class")),
        url: format!("https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfpcd/classification.cfm?start_search=1&productcode={code}"),
        identifier: format!("Product code {code}"),
        authority: "regulator",
        ..Record::default()
    };
    Some(record.telling(facts, at("/definition"), closing))
}
