//! One document of the Federal Register with its full text.

use super::{FIELDS, HOST, LICENCE, NAME, RATE, is_number, raw, record};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    endpoints::below,
    public::{
        Sources,
        fetch::from_source,
        json,
        markup::plain,
        parts::parts,
        record::{self as records, Record, line, text_of},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;
use vital_outbound::Accept;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "federal_register_document",
    title: "Federal Register document: full text",
    summary: "Returns one document of the Federal Register by its number (2024-01709): abstract, dates, dockets, corrections, and the full text in parts; \
        `parts` says how many there are, `part` which one to return. Use it after `federal_register_search`.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Regulation,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "Federal Register API v1 (www.federalregister.gov/developers): documents/{number}.json and raw_text_url",
};

/// Longest part of a text, in bytes.
const PART_BYTES_MAX: usize = 40 * 1024;

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["number"], "properties": {
        "number": { "type": "string", "pattern": "^[A-Za-z0-9]{1,5}(-[A-Za-z0-9]{1,8}){1,2}$", "description": "Document number, such as 2024-01709" },
        "part": { "type": "integer", "minimum": 1, "maximum": 400, "default": 1 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let count = json!({ "type": "integer", "minimum": 0 });
    records::schema(&json!({ "part": count, "parts": count }))
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    number: String,
    #[serde(default = "one")]
    part: usize,
}

fn one() -> usize {
    1
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    if !is_number(&input.number) {
        return Err(ToolError::argument(INFO.name, "/number", "it is no document number, such as 2024-01709"));
    }
    let base = &sources.endpoints.federal_register;
    let mut url = below(base, &["api", "v1", "documents", &format!("{}.json", input.number)]);
    url.query_pairs_mut().extend_pairs(FIELDS.map(|field| ("fields[]", field)));
    let answer = sources.get(url.clone(), Accept::Json, &RATE, deadline, &[200, 404]).await?;
    if answer.status == 404 {
        return Ok(records::output(0, &[], &json!({ "part": 0, "parts": 0 })));
    }
    let document = answer.json()?;
    let (described, facts) = record(&document).ok_or_else(|| ToolError::unreadable("no document number"))?;
    let summary = plain(&json::text(&document, "/abstract"));
    let (asked, texts) = match raw_address(base, &json::text(&document, "/raw_text_url")) {
        Some(address) => (address.clone(), full_text(sources, address, &input.number, deadline).await?),
        // Older documents have none; the abstract is what there is.
        None => (url, Vec::new()),
    };
    let count = texts.len().max(1);
    if input.part > count {
        return Err(ToolError::argument(INFO.name, "/part", format!("the document has {count} part(s)")));
    }
    let body = texts.into_iter().nth(input.part - 1).unwrap_or_default();
    let which = if count > 1 { line("Part of the full text", &format!("{} of {count}", input.part)) } else { String::new() };
    let abstract_once = if input.part == 1 { summary.as_str() } else { "" };
    let titled = if count > 1 { format!("{} (part {} of {count})", described.title, input.part) } else { described.title.clone() };
    let told: Vec<Record> = vec![Record { title: titled, ..described }.telling(facts, text_of([abstract_once, &which, &body]), "")];
    let mut output = records::output(1, &told, &json!({ "part": input.part, "parts": count }));
    from_source(&mut output.texts, NAME, LICENCE, &asked);
    Ok(output.bounded("records"))
}

/// The address of the raw text: the path that the answer names, at the source that the operator set. Another host, or another kind of
/// path, is not asked.
fn raw_address(base: &Url, named: &str) -> Option<Url> {
    let named = Url::parse(named).ok()?;
    let segments: Vec<&str> = named.path_segments()?.collect();
    let is_text = matches!(segments[..], ["documents", "full_text", "text", year, month, day, file]
        if [year, month, day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            && file.strip_suffix(".txt").is_some_and(is_number));
    is_text.then(|| below(base, &segments))
}

async fn full_text(sources: &Sources, url: Url, number: &str, deadline: Instant) -> Result<Vec<String>, ToolError> {
    // The text comes as a page with the text in it, and says so.
    let accept = Accept::Types(&["text/plain", "text/html"]);
    let answer = sources.get(url, accept, &RATE, deadline, &[200, 404]).await?;
    if answer.status == 404 {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&answer.body);
    // A page about a failure has another text.
    if !text.contains(number) || !text.contains("Federal Register") {
        return Err(ToolError::unreadable("the full text is not that of the document"));
    }
    Ok(parts(&raw::unwrapped(&text), PART_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_text_is_asked_of_the_set_source_alone() {
        let base = Url::parse("http://127.0.0.1:9/fr/").unwrap();
        let asked = |named: &str| raw_address(&base, named).map(String::from);
        let path = "documents/full_text/text/2024/02/02/2024-01709.txt";
        assert_eq!(asked(&format!("https://www.federalregister.gov/{path}")), Some(format!("http://127.0.0.1:9/fr/{path}")));
        assert_eq!(asked(&format!("https://evil.example/{path}")), Some(format!("http://127.0.0.1:9/fr/{path}")));
        for named in ["", "x", "https://www.federalregister.gov/other", "file:///documents/full_text/text/2024/02/02/a.pdf"] {
            assert_eq!(asked(named), None, "{named}");
        }
    }
}
