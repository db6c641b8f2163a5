//! Recalls of drugs and devices: weekly enforcement reports with their classes, and the device recall database with causes and actions.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask, closing, day, input, record_address, remarks, remarks_schema, text};
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
    name: "product_recalls",
    title: "Recalls of drugs and devices (openFDA)",
    summary: "Finds recalls in the US. `list`: `drug_enforcement` and `device_enforcement` are the enforcement reports with class I, II or III, \
        reason, lots and distribution; `device_recall` is the device recall database with root cause, action and the 510(k) or PMA numbers \
        concerned. Give at least one of product, firm, product_code (devices only), number. A class says how grave the hazard is that the FDA sees.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Safety,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Drug and Device Recall Enforcement Reports APIs and Device Recall API (open.fda.gov/apis/device/recall)",
};

/// Fields of enforcement reports, with what people call them.
const ENFORCEMENT: [(&str, &str); 17] = [
    ("recall_number", "Recall number"),
    ("event_id", "Recall event"),
    ("status", "State of the recall"),
    ("classification", "Class"),
    ("product_type", "Type of product"),
    ("product_description", "Product"),
    ("reason_for_recall", "Reason"),
    ("recalling_firm", "Recalling firm"),
    ("country", "Country of the firm"),
    ("voluntary_mandated", "Voluntary or mandated"),
    ("initial_firm_notification", "How customers were told"),
    ("distribution_pattern", "Distribution"),
    ("product_quantity", "Quantity"),
    ("code_info", "Lots and codes"),
    ("recall_initiation_date", "Begun on"),
    ("center_classification_date", "Classified on"),
    ("termination_date", "Terminated on"),
];

/// Fields of the device recall database, with what people call them.
const DEVICE: [(&str, &str); 20] = [
    ("product_res_number", "Recall number"),
    ("res_event_number", "Recall event"),
    ("recall_status", "State of the recall"),
    ("product_description", "Product"),
    ("product_code", "Product code"),
    ("openfda.device_name", "Classification name"),
    ("openfda.device_class", "Device class"),
    ("openfda.regulation_number", "Regulation number (21 CFR)"),
    ("k_numbers", "510(k) numbers"),
    ("pma_numbers", "PMA numbers"),
    ("reason_for_recall", "Reason"),
    ("root_cause_description", "Root cause as the FDA found it"),
    ("action", "Action of the firm"),
    ("recalling_firm", "Recalling firm"),
    ("distribution_pattern", "Distribution"),
    ("product_quantity", "Quantity"),
    ("code_info", "Lots and codes"),
    ("event_date_initiated", "Begun on"),
    ("event_date_posted", "Posted on"),
    ("event_date_terminated", "Terminated on"),
];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "list": { "enum": ["drug_enforcement", "device_enforcement", "device_recall"] },
        "product": text("Words of the product's description"), "firm": text("Words of the recalling firm's name"),
        "reason": text("Words of the reason"),
        "product_code": { "type": "string", "pattern": "^[A-Za-z]{3}$", "description": "Only with `device_recall`" },
        "number": { "type": "string", "pattern": "^[DZdz]-[0-9]{3,5}-[0-9]{2,4}$", "description": "Recall number, such as Z-1234-2020" },
        "class": { "enum": ["I", "II", "III"], "description": "Only with enforcement reports" },
        "from": day("Begun on or after"), "to": day("Begun on or before")
    });
    let mut schema = input(&properties, 20, 5);
    schema["required"] = json!(["list"]);
    schema
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| record::schema(&remarks_schema()));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    list: List,
    product: Option<String>,
    firm: Option<String>,
    reason: Option<String>,
    product_code: Option<String>,
    number: Option<String>,
    class: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default = "five")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum List {
    DrugEnforcement,
    DeviceEnforcement,
    DeviceRecall,
}

impl List {
    const fn collection(self) -> [&'static str; 2] {
        match self {
            Self::DrugEnforcement => ["drug", "enforcement"],
            Self::DeviceEnforcement => ["device", "enforcement"],
            Self::DeviceRecall => ["device", "recall"],
        }
    }
}

fn five() -> u32 {
    5
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let database = input.list == List::DeviceRecall;
    if database && input.class.is_some() {
        return Err(ToolError::argument(INFO.name, "/class", "the device recall database has no classes; ask for `device_enforcement`"));
    }
    if !database && input.product_code.is_some() {
        return Err(ToolError::argument(INFO.name, "/product_code", "enforcement reports have none; ask for `device_recall`"));
    }
    let (number, begun) =
        if database { ("product_res_number", "event_date_initiated") } else { ("recall_number", "recall_initiation_date") };
    let upper = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_uppercase());
    let class = input.class.as_ref().map(|class| format!("Class {class}"));
    let search = Conditions::default()
        .is(number, upper(&input.number).as_deref())
        .words("product_description", input.product.as_deref())
        .words("recalling_firm", input.firm.as_deref())
        .words("reason_for_recall", input.reason.as_deref())
        .is("product_code", upper(&input.product_code).as_deref())
        .is("classification", class.as_deref())
        .between(begun, input.from.as_deref(), input.to.as_deref())
        .search(INFO.name, "product, firm, reason, product_code and number")?;
    let sort = format!("{begun}:desc");
    let search =
        Search { collection: input.list.collection(), search, sort: Some(&sort), count: None, limit: input.limit, offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = closing(&found);
    let read = |result: &Value| if database { device(result, &closing) } else { enforcement(result, input.list, &closing) };
    let records: Vec<Record> = found.results.iter().filter_map(read).collect();
    let mut output = record::output(found.total, &records, &remarks(&found));
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn enforcement(result: &Value, list: List, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let number = Some(at("/recall_number")).filter(|number| is_number(number))?;
    let event = Some(at("/event_id")).filter(|event| !event.is_empty() && event.bytes().all(|byte| byte.is_ascii_digit()));
    let record = Record {
        title: format!("Recall {number}, {}: {}", at("/classification"), short(&at("/product_description"))),
        url: event.map_or_else(
            || record_address(list.collection(), "recall_number", &number),
            |event| format!("https://www.accessdata.fda.gov/scripts/ires/?Event={event}"),
        ),
        date: date(&at("/recall_initiation_date")),
        status: at("/status").to_lowercase(),
        identifier: format!("FDA recall {number}"),
        authority: "regulator",
        ..Record::default()
    };
    let facts = Facts::default().read(result, &ENFORCEMENT).read(result, &[("more_code_info", "Further lots and codes")]);
    Some(record.telling(facts, String::new(), closing))
}

fn device(result: &Value, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let number = Some(at("/product_res_number")).filter(|number| is_number(number))?;
    let id = Some(at("/cfres_id")).filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    let record = Record {
        title: format!("Device recall {number}: {}", short(&at("/product_description"))),
        url: id.map_or_else(
            || record_address(["device", "recall"], "product_res_number", &number),
            |id| format!("https://www.accessdata.fda.gov/scripts/cdrh/cfdocs/cfRES/res.cfm?id={id}"),
        ),
        date: date(&at("/event_date_initiated")),
        status: at("/recall_status").to_lowercase(),
        identifier: format!("FDA recall {number}"),
        authority: "regulator",
        ..Record::default()
    };
    Some(record.telling(Facts::default().read(result, &DEVICE), String::new(), closing))
}

/// The beginning of a description, as a title has it.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}
