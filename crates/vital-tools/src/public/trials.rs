//! ClinicalTrials.gov through its API, version 2.

use super::{
    Sources,
    fetch::from_source,
    json,
    query::words,
    record::{line, text_of},
};
use crate::{
    Family, Reach, SourceText, ToolError, ToolInfo, ToolOutput,
    endpoints::below,
    output::{TEXT_BYTES_MAX, cut},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "clinical_trials_search",
    title: "ClinicalTrials.gov search",
    summary: "Searches registered trials and returns NCT number, title, status, phase, conditions, interventions, sponsor, enrolment, dates, \
        primary outcomes and summary. Use it for ongoing or completed studies. Give at least one of query, condition and intervention as plain \
        words; `page_token` of one answer gets the next page. Never put details of a patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "clinicaltrials.gov" },
    family: Family::Trials,
    licence: "Free to use with attribution to ClinicalTrials.gov; entries are the sponsors' statements and not reviewed by the NLM",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "ClinicalTrials.gov API v2 (OpenAPI document at clinicaltrials.gov/data-api/api) and its study data structure",
};

/// About 50 requests a minute from one address are accepted.
const RATE: Limit = Limit::a_minute("tools.trials", 50);
const OPERATORS: [&str; 12] = ["AND", "OR", "NOT", "AREA", "SEARCH", "RANGE", "EXPANSION", "COVERAGE", "MISSING", "TILT", "ALL", "CONST"];
const STATUSES: [&str; 9] = [
    "RECRUITING",
    "NOT_YET_RECRUITING",
    "ENROLLING_BY_INVITATION",
    "ACTIVE_NOT_RECRUITING",
    "COMPLETED",
    "SUSPENDED",
    "TERMINATED",
    "WITHDRAWN",
    "UNKNOWN",
];
const PHASES: [&str; 6] = ["EARLY_PHASE1", "PHASE1", "PHASE2", "PHASE3", "PHASE4", "NA"];
const FIELDS: &str = "NCTId,BriefTitle,OverallStatus,WhyStopped,StartDate,PrimaryCompletionDate,CompletionDate,LeadSponsorName,BriefSummary,Condition,\
    Phase,StudyType,EnrollmentCount,EnrollmentType,InterventionType,InterventionName,PrimaryOutcomeMeasure,PrimaryOutcomeTimeFrame,HasResults,\
    LastUpdatePostDate";

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let words = |description: &str| json!({ "type": "string", "minLength": 1, "maxLength": 300, "description": description });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "query": words("Any words"), "condition": words("Disease or condition"), "intervention": words("Drug, device or procedure"),
        "status": { "type": "array", "maxItems": STATUSES.len(), "uniqueItems": true, "items": { "enum": STATUSES } },
        "phase": { "type": "array", "maxItems": PHASES.len(), "uniqueItems": true, "items": { "enum": PHASES } },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "page_token": { "type": "string", "pattern": "^[A-Za-z0-9_=-]{1,200}$", "description": "`next_page_token` of the answer before" }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({ "type": "object", "additionalProperties": false, "required": ["total", "trials", "next_page_token"], "properties": {
        "total": { "type": ["integer", "null"] }, "next_page_token": { "type": ["string", "null"] }, "note": text,
        "trials": { "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["nct_id", "title", "status", "why_stopped", "study_type", "phases", "conditions", "interventions", "sponsor", "enrolment",
                "start_date", "primary_completion_date", "completion_date", "last_update", "has_results", "primary_outcomes", "summary"],
            "properties": { "nct_id": text, "title": text, "status": text, "why_stopped": text, "study_type": text, "phases": texts, "conditions": texts,
                "interventions": texts, "sponsor": text, "enrolment": text, "start_date": text, "primary_completion_date": text,
                "completion_date": text, "last_update": text, "has_results": { "type": "boolean" }, "primary_outcomes": texts, "summary": text } } }
    } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query: Option<String>,
    condition: Option<String>,
    intervention: Option<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    phase: Vec<String>,
    #[serde(default = "five")]
    limit: u32,
    page_token: Option<String>,
}

fn five() -> u32 {
    5
}

#[derive(Debug, Serialize)]
struct Output {
    total: Option<u64>,
    next_page_token: Option<String>,
    trials: Vec<Trial>,
}

#[derive(Debug, Serialize)]
struct Trial {
    nct_id: String,
    title: String,
    status: String,
    why_stopped: String,
    study_type: String,
    phases: Vec<String>,
    conditions: Vec<String>,
    interventions: Vec<String>,
    sponsor: String,
    enrolment: String,
    start_date: String,
    primary_completion_date: String,
    completion_date: String,
    last_update: String,
    has_results: bool,
    primary_outcomes: Vec<String>,
    summary: String,
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let url = address(sources, input)?;
    let found = sources.json(url.clone(), &RATE, deadline).await?;
    if !found.get("studies").is_some_and(Value::is_array) {
        return Err(ToolError::unreadable("no studies"));
    }
    let trials: Vec<Trial> = json::list(&found, "/studies").iter().map(trial).filter(|trial| !trial.nct_id.is_empty()).collect();
    let mut texts: Vec<SourceText> = trials.iter().map(source).collect();
    from_source(&mut texts, "ClinicalTrials.gov", INFO.licence, &url);
    let next = Some(json::text(&found, "/nextPageToken")).filter(|token| !token.is_empty());
    let output = Output { total: json::number(&found, "/totalCount"), next_page_token: next, trials };
    Ok(ToolOutput { value: serde_json::to_value(output).unwrap_or_default(), texts }.bounded("trials"))
}

fn address(sources: &Sources, input: &Input) -> Result<Url, ToolError> {
    let mut url = below(&sources.endpoints.trials, &["studies"]);
    let mut asked = false;
    for (name, text) in [("query.term", &input.query), ("query.cond", &input.condition), ("query.intr", &input.intervention)] {
        let words = text.as_deref().map(|text| words(text, &OPERATORS)).unwrap_or_default();
        if !words.is_empty() {
            url.query_pairs_mut().append_pair(name, &words);
            asked = true;
        }
    }
    if !asked {
        return Err(ToolError::argument(INFO.name, "", "give words in at least one of query, condition and intervention"));
    }
    let mut pairs = url.query_pairs_mut();
    if !input.status.is_empty() {
        pairs.append_pair("filter.overallStatus", &input.status.join(","));
    }
    if !input.phase.is_empty() {
        pairs.append_pair("filter.advanced", &format!("AREA[Phase]({})", input.phase.join(" OR ")));
    }
    pairs.append_pair("fields", FIELDS).append_pair("countTotal", "true").append_pair("pageSize", &input.limit.to_string());
    if let Some(token) = &input.page_token {
        pairs.append_pair("pageToken", token);
    }
    drop(pairs);
    Ok(url)
}

fn trial(study: &Value) -> Trial {
    let at = |path: &str| json::text(study, &format!("/protocolSection/{path}"));
    let all = |path: &str| json::texts(study, &format!("/protocolSection/{path}"));
    let interventions = json::list(study, "/protocolSection/armsInterventionsModule/interventions");
    let outcomes = json::list(study, "/protocolSection/outcomesModule/primaryOutcomes");
    let (count, kind) = (at("designModule/enrollmentInfo/count"), at("designModule/enrollmentInfo/type"));
    Trial {
        nct_id: Some(at("identificationModule/nctId")).filter(|id| id.starts_with("NCT")).unwrap_or_default(),
        title: at("identificationModule/briefTitle"),
        status: at("statusModule/overallStatus"),
        why_stopped: at("statusModule/whyStopped"),
        study_type: at("designModule/studyType"),
        phases: all("designModule/phases"),
        conditions: all("conditionsModule/conditions"),
        interventions: interventions.iter().map(|one| pair(&json::text(one, "/type"), ": ", &json::text(one, "/name"))).collect(),
        sponsor: at("sponsorCollaboratorsModule/leadSponsor/name"),
        enrolment: pair(&count, " ", &kind.to_lowercase()),
        start_date: at("statusModule/startDateStruct/date"),
        primary_completion_date: at("statusModule/primaryCompletionDateStruct/date"),
        completion_date: at("statusModule/completionDateStruct/date"),
        last_update: at("statusModule/lastUpdatePostDateStruct/date"),
        has_results: study.get("hasResults").and_then(Value::as_bool).unwrap_or(false),
        primary_outcomes: outcomes.iter().map(|one| pair(&json::text(one, "/measure"), " - ", &json::text(one, "/timeFrame"))).collect(),
        summary: cut(at("descriptionModule/briefSummary"), TEXT_BYTES_MAX),
    }
}

fn pair(first: &str, between: &str, second: &str) -> String {
    if first.is_empty() || second.is_empty() { format!("{first}{second}") } else { format!("{first}{between}{second}") }
}

fn source(trial: &Trial) -> SourceText {
    let facts = [
        line("Status", &trial.status),
        line("Why stopped", &trial.why_stopped),
        line("Study type", &trial.study_type),
        line("Phase", &trial.phases.join(", ")),
        line("Conditions", &trial.conditions.join(", ")),
        line("Interventions", &trial.interventions.join(", ")),
        line("Sponsor", &trial.sponsor),
        line("Enrolment", &trial.enrolment),
        line("Start", &trial.start_date),
        line("Primary completion", &trial.primary_completion_date),
        line("Completion", &trial.completion_date),
        line("Primary outcomes", &trial.primary_outcomes.join("; ")),
    ];
    let facts = facts.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    SourceText {
        title: trial.title.clone(),
        url: format!("https://clinicaltrials.gov/study/{}", trial.nct_id),
        identifier: trial.nct_id.clone(),
        authority: "institution".to_owned(),
        text: text_of([facts.as_str(), &trial.summary]),
        date: trial.last_update.clone(),
        identifiers: vec![trial.nct_id.clone()],
        status: if matches!(trial.status.as_str(), "WITHDRAWN" | "TERMINATED" | "SUSPENDED") {
            trial.status.to_lowercase()
        } else {
            String::new()
        },
        provenance: None,
    }
}
