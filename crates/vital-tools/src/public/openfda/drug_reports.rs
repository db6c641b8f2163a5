//! Reports of suspected adverse reactions to drugs (FAERS): how often which reaction was reported, and single reports.

use super::{Conditions, HOST, LICENCE, NAME, RATE, Search, ask, closing, day, input, record_address, remarks, remarks_schema, text};
use crate::{
    Family, Reach, SourceText, ToolError, ToolInfo, ToolOutput,
    public::{
        Sources,
        fetch::from_source,
        json,
        record::{self, Facts, Record, date, line, text_of},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "drug_adverse_events",
    title: "Adverse event reports of drugs (openFDA, FAERS)",
    summary: "Counts the reactions that were reported with a drug in the US system FAERS, or returns single reports (`mode` `reports`) with reactions, \
        outcomes, drugs and their roles, age and sex. Reports are suspicions: they prove no causation, give no frequency and have duplicates; say so \
        in an answer. Search by drug, reaction (MedDRA preferred term, British spelling), seriousness and days. Never put details of a patient into \
        the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Safety,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "openFDA, Drug Adverse Event API (open.fda.gov/apis/drug/event); E2B(R2) codes of its fields",
};

/// Part of every text and output.
pub(super) const CAVEAT: &str = "These are reports of suspicions. A report does not show that the product caused the event. Reports are incomplete, can be \
    sent more than once, and depend on how much attention a product gets. Nobody counted who used it, so that no frequency and no comparison of \
    products follows from them.";
const COLLECTION: [&str; 2] = ["drug", "event"];
const NAMES: [&str; 4] = [
    "patient.drug.medicinalproduct",
    "patient.drug.openfda.generic_name",
    "patient.drug.openfda.brand_name",
    "patient.drug.openfda.substance_name",
];
const REACTION: &str = "patient.reaction.reactionmeddrapt";
/// Most drugs and reactions that are listed of a report.
const LISTED_MAX: usize = 30;

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let properties = json!({
        "mode": { "enum": ["counts", "reports"], "default": "counts" },
        "drug": text("Brand, generic or substance name"), "reaction": text("MedDRA preferred term"),
        "serious": { "type": "boolean", "description": "Only serious reports, or only others" },
        "from": day("Received on or after"), "to": day("Received on or before")
    });
    let mut schema = input(&properties, 50, 10);
    schema["properties"]["limit"]["description"] = json!("Reactions (up to 50) or reports (up to 20)");
    schema
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let mut more = remarks_schema();
    more["caveat"] = json!({ "type": "string" });
    more["reactions"] = json!({ "type": "array", "description": "How many reports name the reaction; empty with `reports`", "items": {
        "type": "object", "additionalProperties": false, "required": ["reaction", "reports"],
        "properties": { "reaction": { "type": "string" }, "reports": { "type": "integer", "minimum": 0 } } } });
    record::schema(&more)
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    #[serde(default)]
    mode: Mode,
    drug: Option<String>,
    reaction: Option<String>,
    serious: Option<bool>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default = "ten")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Counts,
    Reports,
}

fn ten() -> u32 {
    10
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let search = Conditions::default().phrase(&NAMES, input.drug.as_deref()).phrase(&[REACTION], input.reaction.as_deref());
    // Seriousness and days alone would ask for the whole database.
    if search.is_empty() {
        return Err(ToolError::argument(INFO.name, "", "give words in at least one of drug and reaction"));
    }
    let further = Conditions::default().is("serious", input.serious.map(|serious| if serious { "1" } else { "2" })).between(
        "receivedate",
        input.from.as_deref(),
        input.to.as_deref(),
    );
    let search = search.and(further).search(INFO.name, "drug and reaction")?;
    match input.mode {
        Mode::Counts => counts(sources, input, search, deadline).await,
        Mode::Reports => reports(sources, input, search, deadline).await,
    }
}

async fn counts(sources: &Sources, input: &Input, search: String, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let count = format!("{REACTION}.exact");
    let counting =
        Search { collection: COLLECTION, search: search.clone(), sort: None, count: Some(&count), limit: input.limit, offset: 0 };
    let found = ask(sources, &counting, deadline).await?;
    if found.results.is_empty() {
        return Ok(record::output(0, &[], &more(remarks(&found), &[])));
    }
    // The counts come without the number of reports.
    let one = Search { collection: COLLECTION, search, sort: None, count: None, limit: 1, offset: 0 };
    let total = ask(sources, &one, deadline).await?.total;
    let terms = found.results.iter().filter_map(|one| Some((json::text(one, "/term"), json::number(one, "/count")?)));
    let reactions: Vec<(String, u64)> = terms.filter(|(term, _)| !term.is_empty()).collect();
    let about = [("drug", &input.drug), ("reaction", &input.reaction)];
    let about = about.iter().filter_map(|(what, text)| Some(format!("{what} {}", text.as_ref()?))).collect::<Vec<_>>().join(", ");
    let lines = reactions.iter().map(|(term, reports)| format!("{term}: {reports} of {total} reports."));
    let days = [
        line("Received on or after", input.from.as_deref().unwrap_or_default()),
        line("Received on or before", input.to.as_deref().unwrap_or_default()),
    ];
    let head =
        format!("FAERS has {total} reports for {about}{}.", input.serious.map_or("", |s| if s { ", serious" } else { ", not serious" }));
    let head = std::iter::once(head).chain(days).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let mut url = crate::Endpoints::default().openfda;
    url.set_path("drug/event.json");
    url.query_pairs_mut().append_pair("search", &counting.search).append_pair("count", &count);
    let mut texts = vec![SourceText {
        title: format!("Reported reactions in FAERS: {about}"),
        url: url.into(),
        identifier: format!("FAERS counts, {about}"),
        authority: "institution".to_owned(),
        text: text_of([CAVEAT, head.as_str(), &lines.collect::<Vec<_>>().join("\n"), &closing(&found)]),
        date: found.last_updated.clone(),
        ..SourceText::default()
    }];
    from_source(&mut texts, NAME, LICENCE, &found.request);
    let output = record::output(total, &[], &more(remarks(&found), &reactions));
    Ok(ToolOutput { texts, ..output })
}

fn more(mut remarks: Value, reactions: &[(String, u64)]) -> Value {
    remarks["caveat"] = json!(CAVEAT);
    remarks["reactions"] = reactions.iter().map(|(reaction, reports)| json!({ "reaction": reaction, "reports": reports })).collect();
    remarks
}

async fn reports(sources: &Sources, input: &Input, search: String, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let sort = Some("receivedate:desc");
    let search = Search { collection: COLLECTION, search, sort, count: None, limit: input.limit.min(20), offset: input.offset };
    let found = ask(sources, &search, deadline).await?;
    let closing = format!("{CAVEAT}\n\n{}", closing(&found));
    let records: Vec<Record> = found.results.iter().filter_map(|result| report(result, &closing)).collect();
    let mut output = record::output(found.total, &records, &more(remarks(&found), &[]));
    from_source(&mut output.texts, NAME, LICENCE, &found.request);
    Ok(output.bounded("records"))
}

fn report(result: &Value, closing: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let id = Some(at("/safetyreportid")).filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))?;
    let reactions = json::list(result, "/patient/reaction").iter().take(LISTED_MAX).map(|one| {
        let outcome = meaning(&OUTCOMES, &json::text(one, "/reactionoutcome"));
        let term = json::text(one, "/reactionmeddrapt");
        if outcome.is_empty() { term } else { format!("{term} ({outcome})") }
    });
    let reactions = reactions.filter(|term| !term.is_empty()).collect::<Vec<_>>().join("; ");
    let drugs = json::list(result, "/patient/drug").iter().take(LISTED_MAX).map(drug).filter(|drug| !drug.is_empty()).collect::<Vec<_>>();
    let criteria = CRITERIA.iter().filter(|(field, _)| at(&format!("/{field}")) == "1").map(|(_, means)| *means).collect::<Vec<_>>();
    let facts = Facts::default()
        .add("safetyreportid", "Report", format!("{id}, version {}", at("/safetyreportversion")))
        .add("receivedate", "First received on", date(&at("/receivedate")))
        .add("receiptdate", "Last information on", date(&at("/receiptdate")))
        .add("serious", "Serious", meaning(&[("1", "yes"), ("2", "no")], &at("/serious")))
        .add("seriousness", "Why it is serious", criteria.join(", "))
        .add("reactions", "Reactions", reactions.clone())
        .add("drugs", "Drugs", drugs.join("; "))
        .add("patientonsetage", "Age at onset", age(result))
        .add("patientsex", "Sex", meaning(&[("1", "male"), ("2", "female")], &at("/patient/patientsex")))
        .add("occurcountry", "Country", at("/occurcountry"))
        .add("qualification", "Reported by", meaning(&REPORTERS, &at("/primarysource/qualification")))
        .add("duplicate", "Known to be reported more than once", meaning(&[("1", "yes")], &at("/duplicate")));
    let record = Record {
        title: format!("FAERS report {id}"),
        url: record_address(COLLECTION, "safetyreportid", &id),
        date: date(&at("/receivedate")),
        identifier: format!("FAERS {id}"),
        authority: "institution",
        ..Record::default()
    };
    Some(record.telling(facts, String::new(), closing))
}

fn drug(one: &Value) -> String {
    let at = |path: &str| json::text(one, path);
    let name = at("/medicinalproduct");
    let details = [
        meaning(&ROLES, &at("/drugcharacterization")).to_owned(),
        Some(at("/activesubstance/activesubstancename")).filter(|substance| !substance.eq_ignore_ascii_case(&name)).unwrap_or_default(),
        at("/drugdosagetext"),
        Some(at("/drugindication")).filter(|text| !text.is_empty()).map(|text| format!("for {text}")).unwrap_or_default(),
    ];
    let details = details.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    if name.is_empty() || details.is_empty() { name } else { format!("{name} ({details})") }
}

fn age(result: &Value) -> String {
    let number = json::text(result, "/patient/patientonsetage");
    let unit = meaning(&UNITS, &json::text(result, "/patient/patientonsetageunit"));
    if number.is_empty() || unit.is_empty() { String::new() } else { format!("{number} {unit}") }
}

/// What a code means; empty where it is not known.
fn meaning(codes: &[(&str, &'static str)], code: &str) -> &'static str {
    codes.iter().find(|(known, _)| *known == code).map_or("", |(_, means)| means)
}

const OUTCOMES: [(&str, &str); 6] = [
    ("1", "recovered"),
    ("2", "recovering"),
    ("3", "not recovered"),
    ("4", "recovered with sequelae"),
    ("5", "fatal"),
    ("6", "outcome unknown"),
];
const ROLES: [(&str, &str); 3] = [("1", "suspect"), ("2", "concomitant"), ("3", "interacting")];
const REPORTERS: [(&str, &str); 5] =
    [("1", "physician"), ("2", "pharmacist"), ("3", "other health professional"), ("4", "lawyer"), ("5", "consumer")];
const UNITS: [(&str, &str); 6] =
    [("800", "decades"), ("801", "years"), ("802", "months"), ("803", "weeks"), ("804", "days"), ("805", "hours")];
const CRITERIA: [(&str, &str); 6] = [
    ("seriousnessdeath", "death"),
    ("seriousnesslifethreatening", "life-threatening"),
    ("seriousnesshospitalization", "hospitalisation"),
    ("seriousnessdisabling", "disabling"),
    ("seriousnesscongenitalanomali", "congenital anomaly"),
    ("seriousnessother", "another important condition"),
];
