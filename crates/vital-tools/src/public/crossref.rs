//! Crossref: what publishers deposit with the DOIs of their works, with licences, updates and retractions.

use super::{
    Sources,
    fetch::from_source,
    json,
    literature::{self, ABSTRACT_BYTES_MAX, Work},
    markup::{plain, plain_line},
    query::words,
};
use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput, endpoints::below, output::cut};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;
use vital_outbound::Accept;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "crossref_works",
    title: "Crossref works and retractions",
    summary: "Looks up a work by its DOI, or searches works of all subjects by words, and returns title, authors, journal, dates, licence, abstract \
        where the publisher gives one, and notices: retraction, withdrawal, expression of concern, correction, new version. Use it with `doi` to \
        check whether a cited article was retracted or corrected. Give either `doi` or `query`. Never put details of a patient into the query: it \
        leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "api.crossref.org" },
    family: Family::Literature,
    licence: "Metadata are facts that Crossref lets everybody use freely; abstracts may be under their publishers' copyright",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "Crossref REST API (api.crossref.org): /works and /works/{doi}; update-to, updated-by and relation",
};

/// Crossref's rates of lists: the public pool, and the polite one of those who give an address for mail.
const RATE: Limit = Limit { name: "tools.crossref", burst: 1, per: Duration::from_secs(1) };
const RATE_POLITE: Limit = Limit { name: "tools.crossref_polite", burst: 3, per: Duration::from_secs(1) };
const NAME: &str = "Crossref";
/// Most notices that are listed of a work.
const NOTICES_MAX: usize = 20;
static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let year = json!({ "type": "integer", "minimum": 1600, "maximum": 2100 });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "doi": { "type": "string", "minLength": 8, "maxLength": 330, "description": "With or without https://doi.org/" },
        "query": { "type": "string", "minLength": 1, "maxLength": 500, "description": "Words of title, authors, journal" },
        "type": { "enum": TYPES },
        "from_year": year, "to_year": year,
        "has_abstract": { "type": "boolean", "default": false },
        "sort": { "enum": ["relevance", "date", "cited"], "default": "relevance" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "offset": { "type": "integer", "minimum": 0, "maximum": 9_000, "default": 0 }
    } })
});

const TYPES: [&str; 7] = ["journal-article", "posted-content", "book", "book-chapter", "proceedings-article", "dataset", "report"];

static OUTPUT: LazyLock<Value> = LazyLock::new(literature::schema);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    doi: Option<String>,
    query: Option<String>,
    r#type: Option<String>,
    from_year: Option<u16>,
    to_year: Option<u16>,
    #[serde(default)]
    has_abstract: bool,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "five")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Relevance,
    Date,
    Cited,
}

fn five() -> u32 {
    5
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let (url, asked) = address(sources, input)?;
    let rate = if sources.endpoints.contact_email.is_some() { RATE_POLITE } else { RATE };
    // An unknown DOI is 404 with a line of text.
    let wanted: &[u16] = if input.doi.is_some() { &[200, 404] } else { &[200] };
    let answer = sources.get(url.clone(), Accept::Json, &rate, deadline, wanted).await?;
    let (total, works) = if answer.status == 404 {
        (0, Vec::new())
    } else {
        let found = answer.json()?;
        let message = found.get("message").filter(|message| message.is_object()).ok_or_else(|| ToolError::unreadable("no message"))?;
        let records = match input.doi {
            Some(_) => std::slice::from_ref(message),
            None if message.get("items").is_some_and(Value::is_array) => json::list(message, "/items"),
            None => return Err(ToolError::unreadable("no items")),
        };
        let works: Vec<Work> = records.iter().filter_map(work).collect();
        if input.doi.is_some() && works.is_empty() {
            return Err(ToolError::unreadable("no DOI"));
        }
        (json::number(message, "/total-results").unwrap_or(works.len() as u64), works)
    };
    let mut output = literature::output(total, &asked, None, &works, INFO.licence);
    from_source(&mut output.texts, NAME, INFO.licence, &url);
    Ok(output)
}

fn address(sources: &Sources, input: &Input) -> Result<(Url, String), ToolError> {
    let (mut url, asked) = match (&input.doi, &input.query) {
        (Some(text), None) => {
            let doi = literature::doi(text).ok_or_else(|| ToolError::argument(INFO.name, "/doi", "it is no DOI, such as 10.1000/xyz"))?;
            (below(&sources.endpoints.crossref, &["works", &doi]), doi)
        }
        (None, Some(query)) => {
            let words = words(query, &[]);
            if words.is_empty() {
                return Err(ToolError::argument(INFO.name, "/query", "the query has no words"));
            }
            let mut url = below(&sources.endpoints.crossref, &["works"]);
            search(&mut url, input, &words);
            (url, words)
        }
        _ => return Err(ToolError::argument(INFO.name, "", "give either `doi` or `query`")),
    };
    if let Some(email) = &sources.endpoints.contact_email {
        url.query_pairs_mut().append_pair("mailto", email);
    }
    Ok((url, asked))
}

fn search(url: &mut Url, input: &Input, words: &str) {
    let filters = [
        input.r#type.as_ref().map(|kind| format!("type:{kind}")),
        input.from_year.map(|year| format!("from-pub-date:{year}")),
        input.to_year.map(|year| format!("until-pub-date:{year}")),
        input.has_abstract.then(|| "has-abstract:true".to_owned()),
    ];
    let filters = filters.into_iter().flatten().collect::<Vec<_>>().join(",");
    let mut pairs = url.query_pairs_mut();
    pairs
        .append_pair("query.bibliographic", words)
        .append_pair("rows", &input.limit.to_string())
        .append_pair("offset", &input.offset.to_string());
    if !filters.is_empty() {
        pairs.append_pair("filter", &filters);
    }
    let sort = match input.sort {
        Sort::Relevance => "relevance",
        Sort::Date => "published",
        Sort::Cited => "is-referenced-by-count",
    };
    pairs.append_pair("sort", sort).append_pair("order", "desc");
}

fn work(record: &Value) -> Option<Work> {
    let at = |path: &str| json::text(record, path);
    let doi = literature::doi(&at("/DOI"))?;
    let title = [at("/title/0"), at("/subtitle/0")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let (notices, kinds) = notices(record);
    let preprint = at("/subtype") == "preprint" || (at("/type") == "posted-content" && at("/subtype").is_empty());
    let trials = json::list(record, "/clinical-trial-number").iter().map(|trial| json::text(trial, "/clinical-trial-number"));
    Some(Work {
        identifier: format!("DOI {doi}"),
        identifiers: vec![format!("DOI {doi}")],
        url: below(&doi_base()?, &doi.split('/').collect::<Vec<_>>()).into(),
        title: plain_line(&title),
        journal: journal(record),
        publisher: at("/publisher"),
        date: [date(record, "/published/date-parts/0"), date(record, "/issued/date-parts/0")]
            .into_iter()
            .find(|date| !date.is_empty())
            .unwrap_or_default(),
        authors: literature::authors(json::list(record, "/author").iter().map(name)),
        r#abstract: cut(plain(&at("/abstract")), ABSTRACT_BYTES_MAX),
        types: [at("/type"), at("/subtype")].into_iter().filter(|kind| !kind.is_empty()).collect(),
        preprint,
        status: literature::standing(kinds.iter().map(String::as_str)).to_owned(),
        notices,
        licence: licence(record),
        open_access: None,
        full_text: json::list(record, "/link")
            .iter()
            .map(|link| json::text(link, "/URL"))
            .filter(|url| url.starts_with("http"))
            .take(4)
            .collect(),
        subjects: Vec::new(),
        cited_by: json::number(record, "/is-referenced-by-count"),
        trials: trials.filter(|trial| !trial.is_empty()).take(10).collect(),
    })
}

fn doi_base() -> Option<Url> {
    Url::parse("https://doi.org/").ok()
}

fn name(author: &Value) -> String {
    let text = |path: &str| json::text(author, path);
    match text("/name") {
        name if name.is_empty() => format!("{} {}", text("/family"), text("/given")).trim().to_owned(),
        name => name,
    }
}

fn journal(record: &Value) -> String {
    let at = |path: &str| json::text(record, path);
    let title = plain_line(&at("/container-title/0"));
    let place = [("volume ", at("/volume")), ("issue ", at("/issue")), ("pages ", at("/page"))];
    let place = place.iter().filter(|(_, text)| !title.is_empty() && !text.is_empty()).map(|(what, text)| format!("{what}{text}"));
    std::iter::once(title.clone()).chain(place).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `[2020, 3, 1]` as ISO 8601, as far as it goes.
fn date(record: &Value, path: &str) -> String {
    let parts: Vec<u64> = json::list(record, path).iter().map_while(Value::as_u64).take(3).collect();
    match parts[..] {
        [year, month, day] => format!("{year:04}-{month:02}-{day:02}"),
        [year, month] => format!("{year:04}-{month:02}"),
        [year] => format!("{year:04}"),
        _ => String::new(),
    }
}

/// The licence of the version of record, else of another version.
fn licence(record: &Value) -> String {
    let all = json::list(record, "/license");
    let best = all.iter().find(|one| json::text(one, "/content-version") == "vor").or_else(|| all.first());
    best.map(|one| json::text(one, "/URL")).unwrap_or_default()
}

/// What has become of the work, told plainly, with the kinds that decide its status.
fn notices(record: &Value) -> (Vec<String>, Vec<String>) {
    let (mut told, mut kinds) = (Vec::new(), Vec::new());
    for update in json::list(record, "/updated-by") {
        let kind = json::text(update, "/type");
        told.push(format!("This work has a notice of the kind {}{}.", label(update), place(update)));
        kinds.push(kind);
    }
    for update in json::list(record, "/update-to") {
        told.push(format!("This work is itself a notice of the kind {} about another work{}.", label(update), place(update)));
    }
    for (relation, says) in [
        ("is-preprint-of", "This preprint was published as"),
        ("has-preprint", "A preprint of this work is"),
        ("is-replaced-by", "This work is replaced by"),
        ("replaces", "This work replaces"),
        ("has-version", "Another version of this work is"),
        ("is-version-of", "This work is a version of"),
        ("is-same-as", "This work is the same as"),
    ] {
        for other in json::list(record, &format!("/relation/{relation}")) {
            let id = json::text(other, "/id");
            if !id.is_empty() {
                told.push(format!("{says} {} {id}.", json::text(other, "/id-type")).replace("  ", " "));
                if relation == "is-replaced-by" {
                    kinds.push("new_version".to_owned());
                }
            }
        }
    }
    told.truncate(NOTICES_MAX);
    (told, kinds)
}

fn label(update: &Value) -> String {
    let label = json::text(update, "/label");
    let kind = json::text(update, "/type").replace('_', " ");
    if label.is_empty() || label.eq_ignore_ascii_case(&kind) { kind } else { format!("{kind} ({label})") }
}

/// Where and when the notice is, and who says so.
fn place(update: &Value) -> String {
    let doi = json::text(update, "/DOI");
    let date = date(update, "/updated/date-parts/0");
    let by = json::text(update, "/source");
    [("DOI ", doi), ("dated ", date), ("recorded by ", by)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(what, text)| format!(", {what}{text}"))
        .collect()
}
