//! OpenAlex: an open index of works of all subjects, with abstracts, open versions and retractions.

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
use std::{collections::BTreeMap, sync::LazyLock, time::Duration};
use tokio::time::Instant;
use url::Url;
use vital_outbound::Accept;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "openalex_works",
    title: "OpenAlex works",
    summary: "Searches an open index of works of all subjects, or looks one up by DOI, PMID or OpenAlex id, and returns title, authors, journal, \
        date, abstract, citations, where an open version is and under which licence, and whether it is retracted. Use it for what lies beside \
        biomedicine, and to find open versions. Give either `id` or `query`; `page_token` of one answer gets the next page. Never put details of a \
        patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "api.openalex.org" },
    family: Family::Literature,
    licence: "OpenAlex's data are CC0; abstracts may be under their publishers' copyright, works under the licences named",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "OpenAlex API (developers.openalex.org): /works, with abstract_inverted_index and is_retracted",
};

/// OpenAlex accepts more by the second, and few searches a day without a key; 10 a second is the rate of its guide.
const RATE: Limit = Limit { name: "tools.openalex", burst: 10, per: Duration::from_secs(1) };
const NAME: &str = "OpenAlex";
const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];
/// Most words of an abstract; the index may claim any place.
const WORDS_MAX: u64 = 10_000;
const FIELDS: &str = "id,doi,display_name,publication_date,type,ids,authorships,primary_location,best_oa_location,open_access,cited_by_count,biblio,\
    is_retracted,abstract_inverted_index,primary_topic,keywords";

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let year = json!({ "type": "integer", "minimum": 1600, "maximum": 2100 });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "id": { "type": "string", "minLength": 2, "maxLength": 330, "description": "A DOI, `PMID 123` or an OpenAlex id such as W123" },
        "query": { "type": "string", "minLength": 1, "maxLength": 500 },
        "type": { "enum": ["article", "preprint", "review", "book", "book-chapter", "dataset", "dissertation", "report"] },
        "open_access": { "type": "boolean", "default": false, "description": "Only works with an open version" },
        "retracted": { "type": "boolean", "description": "Only retracted works, or only others" },
        "from_year": year, "to_year": year,
        "sort": { "enum": ["relevance", "date", "cited"], "default": "relevance" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "page_token": { "type": "string", "pattern": "^[A-Za-z0-9+/=_*-]{1,400}$", "description": "`next_page_token` of the answer before" }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(literature::schema);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    id: Option<String>,
    query: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    open_access: bool,
    retracted: Option<bool>,
    from_year: Option<u16>,
    to_year: Option<u16>,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "five")]
    limit: u32,
    page_token: Option<String>,
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
    let wanted: &[u16] = if input.id.is_some() { &[200, 404] } else { &[200] };
    let answer = sources.get(url.clone(), Accept::Json, &RATE, deadline, wanted).await?;
    let (total, next, works) = match (answer.status, &input.id) {
        (404, _) => (0, None, Vec::new()),
        (_, Some(_)) => {
            let found = work(&answer.json()?).ok_or_else(|| ToolError::unreadable("no id"))?;
            (1, None, vec![found])
        }
        (_, None) => {
            let found = answer.json()?;
            if !found.get("results").is_some_and(Value::is_array) {
                return Err(ToolError::unreadable("no results"));
            }
            let works: Vec<Work> = json::list(&found, "/results").iter().filter_map(work).collect();
            let next = Some(json::text(&found, "/meta/next_cursor")).filter(|next| !next.is_empty() && !works.is_empty());
            (json::number(&found, "/meta/count").unwrap_or(works.len() as u64), next, works)
        }
    };
    let mut output = literature::output(total, &asked, next.as_deref(), &works, INFO.licence);
    from_source(&mut output.texts, NAME, INFO.licence, &url);
    Ok(output)
}

fn address(sources: &Sources, input: &Input) -> Result<(Url, String), ToolError> {
    let base = &sources.endpoints.openalex;
    let (mut url, asked) = match (&input.id, &input.query) {
        (Some(id), None) => {
            let id = name_of(id).ok_or_else(|| ToolError::argument(INFO.name, "/id", "it is no DOI, PMID or OpenAlex id"))?;
            (below(base, &["works", &id]), id)
        }
        (None, Some(query)) => {
            let words = words(query, &OPERATORS);
            if words.is_empty() {
                return Err(ToolError::argument(INFO.name, "/query", "the query has no words"));
            }
            let mut url = below(base, &["works"]);
            search(&mut url, input, &words);
            (url, words)
        }
        _ => return Err(ToolError::argument(INFO.name, "", "give either `id` or `query`")),
    };
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("select", FIELDS);
    if let Some(email) = &sources.endpoints.contact_email {
        pairs.append_pair("mailto", email);
    }
    if let Some(key) = &sources.endpoints.openalex_key {
        pairs.append_pair("api_key", &key.now());
    }
    drop(pairs);
    Ok((url, asked))
}

/// An identifier as the path of a work has it.
fn name_of(id: &str) -> Option<String> {
    if let Some(doi) = literature::doi(id) {
        return Some(format!("doi:{doi}"));
    }
    let digits = |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = id.trim().to_ascii_uppercase();
    let own = id.rsplit('/').next().unwrap_or_default();
    if own.strip_prefix('W').is_some_and(digits) {
        return Some(own.to_owned());
    }
    let number = id.strip_prefix("PMID").unwrap_or(&id).trim_start_matches([':', ' ']);
    digits(number).then(|| format!("pmid:{number}"))
}

fn search(url: &mut Url, input: &Input, words: &str) {
    let filters = [
        input.r#type.as_ref().map(|kind| format!("type:{kind}")),
        input.open_access.then(|| "is_oa:true".to_owned()),
        input.retracted.map(|retracted| format!("is_retracted:{retracted}")),
        input.from_year.map(|year| format!("from_publication_date:{year}-01-01")),
        input.to_year.map(|year| format!("to_publication_date:{year}-12-31")),
    ];
    let filters = filters.into_iter().flatten().collect::<Vec<_>>().join(",");
    let mut pairs = url.query_pairs_mut();
    pairs
        .append_pair("search", words)
        .append_pair("per_page", &input.limit.to_string())
        .append_pair("cursor", input.page_token.as_deref().unwrap_or("*"));
    if !filters.is_empty() {
        pairs.append_pair("filter", &filters);
    }
    let sort = match input.sort {
        Sort::Relevance => None,
        Sort::Date => Some("publication_date:desc"),
        Sort::Cited => Some("cited_by_count:desc"),
    };
    pairs.extend_pairs(sort.map(|sort| ("sort", sort)));
}

fn work(record: &Value) -> Option<Work> {
    let at = |path: &str| json::text(record, path);
    let id = at("/id").rsplit('/').next().filter(|id| id.starts_with('W'))?.to_owned();
    let last = |path: &str| at(path).trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let named = |kind: &str, text: String| (!text.is_empty()).then(|| format!("{kind} {text}"));
    let doi = literature::doi(&at("/doi"));
    let retracted = record.get("is_retracted").and_then(Value::as_bool).unwrap_or(false);
    let identifier = format!("OpenAlex {id}");
    let others = [named("DOI", doi.unwrap_or_default()), named("PMID", last("/ids/pmid")), named("PMCID", last("/ids/pmcid"))];
    let notices = if retracted { vec!["OpenAlex marks this work as retracted.".to_owned()] } else { Vec::new() };
    let topics = json::list(record, "/keywords").iter().map(|keyword| json::text(keyword, "/display_name"));
    let links = [at("/best_oa_location/pdf_url"), at("/best_oa_location/landing_page_url"), at("/open_access/oa_url")];
    let mut full_text: Vec<String> = Vec::new();
    for link in links {
        if link.starts_with("http") && !full_text.contains(&link) {
            full_text.push(link);
        }
    }
    let licence = [at("/best_oa_location/license"), at("/primary_location/license")].into_iter().find(|licence| !licence.is_empty());
    Some(Work {
        url: format!("https://openalex.org/{id}"),
        identifiers: std::iter::once(identifier.clone()).chain(others.into_iter().flatten()).collect(),
        identifier,
        title: plain_line(&at("/display_name")),
        journal: journal(record),
        publisher: at("/primary_location/source/host_organization_name"),
        date: at("/publication_date"),
        authors: literature::authors(json::list(record, "/authorships").iter().map(|one| json::text(one, "/author/display_name"))),
        r#abstract: cut(plain(&inverted(record.get("abstract_inverted_index"))), ABSTRACT_BYTES_MAX),
        preprint: at("/type") == "preprint",
        types: Some(at("/type")).filter(|kind| !kind.is_empty()).into_iter().collect(),
        status: if retracted { "retracted".to_owned() } else { String::new() },
        notices,
        licence: licence.unwrap_or_default(),
        open_access: record.pointer("/open_access/is_oa").and_then(Value::as_bool),
        full_text,
        subjects: std::iter::once(at("/primary_topic/display_name")).chain(topics).filter(|topic| !topic.is_empty()).take(12).collect(),
        cited_by: json::number(record, "/cited_by_count"),
        trials: Vec::new(),
    })
}

fn journal(record: &Value) -> String {
    let at = |path: &str| json::text(record, path);
    let name = at("/primary_location/source/display_name");
    let pages =
        [at("/biblio/first_page"), at("/biblio/last_page")].into_iter().filter(|page| !page.is_empty()).collect::<Vec<_>>().join("-");
    let place = [("volume ", at("/biblio/volume")), ("issue ", at("/biblio/issue")), ("pages ", pages)];
    let place = place.iter().filter(|(_, text)| !name.is_empty() && !text.is_empty()).map(|(what, text)| format!("{what}{text}"));
    std::iter::once(name.clone()).chain(place).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The abstract from its inverted index: each word with the places at which it stands.
fn inverted(index: Option<&Value>) -> String {
    let mut words: BTreeMap<u64, &str> = BTreeMap::new();
    for (word, places) in index.and_then(Value::as_object).into_iter().flatten() {
        for place in places.as_array().into_iter().flatten().filter_map(Value::as_u64).filter(|place| *place < WORDS_MAX) {
            words.insert(place, word);
        }
    }
    words.into_values().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn identifiers_of_works_are_told_apart() {
        for (text, name) in [
            ("https://doi.org/10.1000/a", Some("doi:10.1000/a")),
            ("W2741809807", Some("W2741809807")),
            ("https://openalex.org/W27", Some("W27")),
            ("PMID 123", Some("pmid:123")),
            ("123", Some("pmid:123")),
            ("A123", None),
            ("W12/../x", None),
        ] {
            assert_eq!(name_of(text).as_deref(), name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_abstract_is_the_words_of_its_inverted_index_in_their_order(words in prop::collection::vec("[a-z]{1,4}", 0..60)) {
            let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
            words.iter().enumerate().for_each(|(place, word)| index.entry(word).or_default().push(place));
            prop_assert_eq!(inverted(Some(&json!(index))), words.join(" "));
        }

        #[test]
        fn an_index_of_any_kind_is_read(places in prop::collection::vec(any::<u64>(), 0..20)) {
            let index = json!({ "a": places, "b": "x", "c": [null, -1, 1.5], "d": {} });
            prop_assert!(inverted(Some(&index)).len() <= 2 * places.len());
        }
    }
}
