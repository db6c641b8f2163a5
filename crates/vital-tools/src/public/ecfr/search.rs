//! A search for sections of the Code by words.

use super::{HOST, LICENCE, NAME, RATE, REMARK, is_day, page, up_to_date};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    endpoints::below,
    public::{
        Sources,
        fetch::from_source,
        json,
        markup::{plain, plain_line},
        query::words,
        record::{self, Facts, Record},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "ecfr_search",
    title: "US regulations: search (eCFR)",
    summary: "Searches one title of the Code of Federal Regulations by words and returns sections with their headings, an excerpt, and since when (and \
        until when) the text is in force. Use it to find the section, then `ecfr_text` for its whole text. FDA: title 21; HHS and human subjects: 45; \
        CMS: 42.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Regulation,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(12 * 3_600),
    rate: Some(RATE),
    source: "eCFR API, search service (www.ecfr.gov/developers): results",
};

const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];
/// The levels of the Code above a section, with what people call them.
const LEVELS: [(&str, &str); 4] = [("chapter", "Chapter"), ("subchapter", "Subchapter"), ("part", "Part"), ("subpart", "Subpart")];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["query", "title"], "properties": {
        "query": { "type": "string", "minLength": 1, "maxLength": 300 },
        "title": { "type": "integer", "minimum": 1, "maximum": 50 },
        "part": { "type": "string", "pattern": "^[0-9]{1,5}[a-z]?$" },
        "date": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "Texts in force on this day; without it, the current ones" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 10 },
        "page": { "type": "integer", "minimum": 1, "maximum": 50, "default": 1 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| record::schema(&json!({ "as_of": { "type": "string" } })));

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query: String,
    title: u64,
    part: Option<String>,
    date: Option<String>,
    #[serde(default = "ten")]
    limit: u32,
    #[serde(default = "one")]
    page: u32,
}

fn ten() -> u32 {
    10
}

fn one() -> u32 {
    1
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let words = words(&input.query, &OPERATORS);
    if words.is_empty() {
        return Err(ToolError::argument(INFO.name, "/query", "the query has no words"));
    }
    // Without a day, texts that are no longer in force are found as well.
    let latest = up_to_date(sources, input.title, deadline).await?;
    let day = input.date.clone().unwrap_or_else(|| latest.clone());
    if !is_day(&day) || day > latest {
        return Err(ToolError::argument(INFO.name, "/date", format!("title {} is up to date as of {latest}", input.title)));
    }
    let url = address(sources, input, &words, &day);
    let found = sources.json(url.clone(), &RATE, deadline).await?;
    if !found.get("results").is_some_and(Value::is_array) {
        return Err(ToolError::unreadable("no results"));
    }
    let records: Vec<Record> = json::list(&found, "/results").iter().filter_map(|result| record(result, input.title, &day)).collect();
    let total = json::number(&found, "/meta/total_count").unwrap_or(records.len() as u64);
    let mut output = record::output(total, &records, &json!({ "as_of": day }));
    from_source(&mut output.texts, NAME, LICENCE, &url);
    Ok(output.bounded("records"))
}

fn address(sources: &Sources, input: &Input, words: &str, day: &str) -> Url {
    let mut url = below(&sources.endpoints.ecfr, &["api", "search", "v1", "results"]);
    let mut pairs = url.query_pairs_mut();
    pairs
        .append_pair("query", words)
        .append_pair("date", day)
        .append_pair("hierarchy[title]", &input.title.to_string())
        .append_pair("per_page", &input.limit.to_string())
        .append_pair("page", &input.page.to_string());
    if let Some(part) = &input.part {
        pairs.append_pair("hierarchy[part]", part);
    }
    drop(pairs);
    url
}

fn record(result: &Value, title: u64, day: &str) -> Option<Record> {
    let at = |path: &str| json::text(result, path);
    let plain_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".()-".contains(&byte));
    let (section, part) = (at("/hierarchy/section"), at("/hierarchy/part"));
    let (identifier, place) = match (plain_number(&section), plain_number(&part)) {
        (true, _) => (format!("{title} CFR {section}"), format!("section-{section}")),
        (false, true) => {
            let appendix = at("/hierarchy/appendix");
            let appendix = if appendix.is_empty() { appendix } else { format!(", {appendix}") };
            (format!("{title} CFR part {part}{appendix}"), format!("part-{part}"))
        }
        _ => return None,
    };
    let heading =
        ["section", "appendix", "part"].iter().map(|level| plain_line(&at(&format!("/headings/{level}")))).find(|text| !text.is_empty());
    let mut facts = Facts::default().add("citation", "Citation", identifier.clone());
    for (level, label) in LEVELS {
        let (number, name) = (at(&format!("/hierarchy/{level}")), plain_line(&at(&format!("/headings/{level}"))));
        facts = facts.add(level, label, format!("{number} {name}").trim());
    }
    let ends = at("/ends_on");
    let facts = facts.add("starts_on", "In force from", at("/starts_on")).add("ends_on", "In force until", ends.clone());
    let status = match ends.as_str() {
        _ if result.get("removed").and_then(Value::as_bool) == Some(true) => "removed",
        "" if result.get("reserved").and_then(Value::as_bool) == Some(true) => "reserved",
        "" => "",
        _ => "superseded",
    };
    let record = Record {
        title: format!("{identifier}: {}", heading.unwrap_or_default()),
        url: page(&format!("on/{day}"), title, &place),
        date: at("/starts_on"),
        status: status.to_owned(),
        identifier,
        authority: "regulator",
        ..Record::default()
    };
    let excerpt = plain(&at("/full_text_excerpt"));
    let excerpt = if excerpt.is_empty() { excerpt } else { format!("Excerpt: {excerpt}") };
    Some(record.telling(facts, excerpt, REMARK))
}
