//! Europe PMC: articles, preprints, guidelines and books of the life sciences, with abstracts, licences and links to full texts.

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
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "europe_pmc_search",
    title: "Europe PMC search",
    summary: "Searches Europe PMC (PubMed's articles, preprints, guidelines, books) and returns title, authors, journal, date, abstract, licence, \
        open access, links to the full text, retractions and corrections. Use it for preprints, for open full texts, and where PubMed finds too \
        little; it searches full texts as well. Write plain words, or `syntax` `europe_pmc` for its fields. `page_token` of one answer gets the \
        next page; `europe_pmc_full_text` has open full texts. Never put details of a patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "www.ebi.ac.uk" },
    family: Family::Literature,
    licence: "Descriptions are free to use with attribution to Europe PMC; abstracts and full texts are under the licence of each article, \
        where none is named under their publishers' copyright",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "Europe PMC, Articles RESTful API (europepmc.org/RestfulWebService): search with resultType=core",
};

/// Europe PMC states no figure; 10 a second is what it accepts of one address.
pub(super) const RATE: Limit = Limit { name: "tools.europe_pmc", burst: 10, per: Duration::from_secs(1) };
pub(super) const NAME: &str = "Europe PMC";
const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];
/// Most subjects that are listed of a work.
const SUBJECTS_MAX: usize = 20;
/// Most notices that are listed of a work.
const NOTICES_MAX: usize = 20;

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let year = json!({ "type": "integer", "minimum": 1800, "maximum": 2100 });
    json!({ "type": "object", "additionalProperties": false, "required": ["query"], "properties": {
        "query": { "type": "string", "minLength": 1, "maxLength": 500 },
        "syntax": { "enum": ["words", "europe_pmc"], "default": "words", "description": "`europe_pmc` sends fields and operators as they are" },
        "kind": { "enum": KINDS.map(|(name, _)| name), "default": "any" },
        "open_access": { "type": "boolean", "default": false, "description": "Only works whose full text may be reused" },
        "from_year": year, "to_year": year,
        "sort": { "enum": ["relevance", "date", "cited"], "default": "relevance" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "page_token": { "type": "string", "pattern": "^[A-Za-z0-9+/=_*-]{1,300}$", "description": "`next_page_token` of the answer before" }
    } })
});

/// Kinds of works that can be asked for, with Europe PMC's fields.
const KINDS: [(&str, &str); 7] = [
    ("any", ""),
    ("preprint", "SRC:PPR"),
    ("medline", "SRC:MED"),
    ("review", "PUB_TYPE:\"Review\""),
    ("systematic_review", "PUB_TYPE:\"Systematic Review\""),
    ("randomized_controlled_trial", "PUB_TYPE:\"Randomized Controlled Trial\""),
    ("guideline", "PUB_TYPE:\"Practice Guideline\""),
];

static OUTPUT: LazyLock<Value> = LazyLock::new(literature::schema);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query: String,
    #[serde(default)]
    syntax: Syntax,
    kind: Option<String>,
    #[serde(default)]
    open_access: bool,
    from_year: Option<u16>,
    to_year: Option<u16>,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "five")]
    limit: u32,
    page_token: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Syntax {
    #[default]
    Words,
    EuropePmc,
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
    let query = query(input)?;
    let url = address(sources, input, &query);
    let found = sources.json(url.clone(), &RATE, deadline).await?;
    let fault = json::text(&found, "/errMsg");
    if !fault.is_empty() {
        return Err(ToolError::domain(format!("Europe PMC could not run the query: {}", cut(fault, 200))));
    }
    let total = json::number(&found, "/hitCount").ok_or_else(|| ToolError::unreadable("no hitCount"))?;
    let works: Vec<Work> = json::list(&found, "/resultList/result").iter().map(work).filter(|work| !work.identifier.is_empty()).collect();
    // The last page names itself as the next one.
    let next = Some(json::text(&found, "/nextCursorMark")).filter(|next| !next.is_empty() && Some(next) != input.page_token.as_ref());
    let next = next.filter(|_| works.len() == input.limit as usize);
    let mut output = literature::output(total, &query, next.as_deref(), &works, INFO.licence);
    from_source(&mut output.texts, NAME, INFO.licence, &url);
    Ok(output)
}

fn query(input: &Input) -> Result<String, ToolError> {
    let asked = match input.syntax {
        Syntax::Words => words(&input.query, &OPERATORS),
        Syntax::EuropePmc => input.query.trim().to_owned(),
    };
    if asked.is_empty() {
        return Err(ToolError::argument(INFO.name, "/query", "the query has no words"));
    }
    let mut query = format!("({asked})");
    let kind = input.kind.as_deref().and_then(|name| KINDS.iter().find(|(known, _)| *known == name)).map_or("", |(_, field)| field);
    let open = if input.open_access { "OPEN_ACCESS:y" } else { "" };
    let years = match (input.from_year, input.to_year) {
        (None, None) => String::new(),
        (from, to) => format!("PUB_YEAR:[{} TO {}]", from.unwrap_or(1800), to.unwrap_or(2100)),
    };
    for filter in [kind, open, &years] {
        if !filter.is_empty() {
            query.push_str(" AND ");
            query.push_str(filter);
        }
    }
    Ok(query)
}

fn address(sources: &Sources, input: &Input, query: &str) -> Url {
    let mut url = below(&sources.endpoints.europe_pmc, &["search"]);
    let mut pairs = url.query_pairs_mut();
    pairs
        .append_pair("query", query)
        .append_pair("resultType", "core")
        .append_pair("format", "json")
        .append_pair("pageSize", &input.limit.to_string())
        .append_pair("cursorMark", input.page_token.as_deref().unwrap_or("*"));
    let sort = match input.sort {
        Sort::Relevance => None,
        Sort::Date => Some("P_PDATE_D desc"),
        Sort::Cited => Some("CITED desc"),
    };
    pairs.extend_pairs(sort.map(|sort| ("sort", sort)));
    if let Some(email) = &sources.endpoints.contact_email {
        pairs.append_pair("email", email);
    }
    drop(pairs);
    url
}

pub(super) fn work(record: &Value) -> Work {
    let at = |path: &str| json::text(record, path);
    let (source, id) = (at("/source"), at("/id"));
    let plain_id =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if !plain_id(&source) || !plain_id(&id) {
        return Work::default();
    }
    let named = |kind: &str, path: &str| Some(at(path)).filter(|text| !text.is_empty()).map(|text| format!("{kind} {text}"));
    let identifier = if source == "MED" { format!("PMID {id}") } else { format!("Europe PMC {source}/{id}") };
    let mut identifiers = vec![identifier.clone()];
    identifiers.extend([named("PMCID", "/pmcid"), named("DOI", "/doi")].into_iter().flatten());
    let types = json::some_texts(record, "/pubTypeList/pubType");
    let links = json::list(record, "/commentCorrectionList/commentCorrection");
    let (notices, mut kinds) = notices(links);
    // A notice of retraction is of the type "Retraction of Publication" and is not retracted itself.
    kinds
        .extend(types.iter().filter(|kind| matches!(kind.to_lowercase().as_str(), "retracted publication" | "retracted-article")).cloned());
    let names = json::list(record, "/authorList/author").iter().map(|author| match json::text(author, "/fullName") {
        name if name.is_empty() => json::text(author, "/collectiveName"),
        name => name,
    });
    let mut authors = literature::authors(names);
    if authors.is_empty() {
        authors.extend(Some(at("/authorString").trim_end_matches('.').to_owned()).filter(|names| !names.is_empty()));
    }
    let date = Some(at("/firstPublicationDate")).filter(|date| !date.is_empty()).unwrap_or_else(|| at("/pubYear"));
    let topics = json::list(record, "/meshHeadingList/meshHeading").iter().map(|heading| json::text(heading, "/descriptorName"));
    Work {
        url: format!("https://europepmc.org/article/{source}/{id}"),
        identifier,
        identifiers,
        title: plain_line(&at("/title")),
        journal: journal(record),
        publisher: at("/bookOrReportDetails/publisher"),
        date,
        authors,
        r#abstract: cut(plain(&at("/abstractText")), ABSTRACT_BYTES_MAX),
        preprint: source == "PPR" || types.iter().any(|kind| kind.eq_ignore_ascii_case("preprint")),
        types,
        status: literature::standing(kinds.iter().map(String::as_str)).to_owned(),
        notices,
        licence: at("/license"),
        open_access: yes(record, "/isOpenAccess"),
        full_text: links_of(record),
        subjects: topics
            .chain(json::some_texts(record, "/keywordList/keyword"))
            .filter(|topic| !topic.is_empty())
            .take(SUBJECTS_MAX)
            .collect(),
        cited_by: json::number(record, "/citedByCount"),
        trials: Vec::new(),
    }
}

fn journal(record: &Value) -> String {
    let at = |path: &str| json::text(record, path);
    let name = [at("/journalInfo/journal/title"), at("/bookOrReportDetails/comprisingTitle")].into_iter().find(|name| !name.is_empty());
    let Some(name) = name else { return String::new() };
    let place = [("", at("/journalInfo/volume")), ("issue ", at("/journalInfo/issue")), ("pages ", at("/pageInfo"))];
    let place = place.iter().filter(|(_, text)| !text.is_empty()).map(|(what, text)| format!("{what}{text}"));
    std::iter::once(name).chain(place).collect::<Vec<_>>().join(", ")
}

/// `Y` or `N`.
fn yes(record: &Value, path: &str) -> Option<bool> {
    match json::text(record, path).as_str() {
        "Y" => Some(true),
        "N" => Some(false),
        _ => None,
    }
}

/// Links to the full text that are web addresses, free ones first.
fn links_of(record: &Value) -> Vec<String> {
    let mut links: Vec<(bool, String)> = json::list(record, "/fullTextUrlList/fullTextUrl")
        .iter()
        .map(|link| (json::text(link, "/availabilityCode") == "S", json::text(link, "/url")))
        .filter(|(_, url)| url.starts_with("https://") || url.starts_with("http://"))
        .collect();
    links.sort_by_key(|(paid, _)| *paid);
    links.into_iter().map(|(_, url)| url).take(6).collect()
}

/// The notices that say what has become of the work, with their kinds; comments and citations are none.
fn notices(links: &[Value]) -> (Vec<String>, Vec<String>) {
    let told = |link: &Value| {
        let kind = json::text(link, "/type");
        let small = kind.to_lowercase();
        // "... in" points at the notice, "... of" and "... for" from it.
        let against = small.ends_with(" in") && !literature::standing([small.as_str()]).is_empty();
        let about =
            small.starts_with("retraction of") || small.starts_with("erratum for") || small.starts_with("expression of concern for");
        let version = small.starts_with("preprint") || small.starts_with("update");
        if !(against || about || version) {
            return None;
        }
        let (id, reference) = (json::text(link, "/id"), json::text(link, "/reference"));
        let reference = reference.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = [reference, if id.is_empty() { id } else { format!("({} {id})", json::text(link, "/source")) }];
        let place = place.into_iter().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ");
        Some((format!("{kind}: {place}.").replace("..", "."), if against { kind } else { String::new() }))
    };
    links.iter().filter_map(told).take(NOTICES_MAX).unzip()
}
