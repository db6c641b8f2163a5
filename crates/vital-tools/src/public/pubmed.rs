//! PubMed through NCBI's E-utilities: `esearch` for the identifiers, `efetch` for the records with their abstracts.

use super::{
    Sources,
    fetch::from_source,
    json,
    literature::{self, standing},
    query::words,
    record::{Facts, text_of},
    xml,
    xml::Element,
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
use vital_outbound::Accept;
use vital_throttle::Limit;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "pubmed_search",
    title: "PubMed search",
    summary: "Searches PubMed and returns articles with PMID, title, journal, year, authors, abstract, publication types and retraction notices. \
        Use it for published evidence. Write the query as plain words (English medical terms work best); it is not read as PubMed syntax unless \
        `syntax` is `pubmed`. Never put names or details of a patient into the query: it leaves the house.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "eutils.ncbi.nlm.nih.gov" },
    family: Family::Literature,
    licence: "NLM's records are free to use; abstracts may be under their publishers' copyright, so quote them briefly and cite the PMID",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(6 * 3_600),
    rate: Some(RATE),
    source: "NCBI, Entrez Programming Utilities Help (NBK25499); PubMed XML element descriptions, NLM",
};

/// NCBI's rate without a key, and with one.
pub(super) const RATE: Limit = Limit { name: "tools.ncbi", burst: 3, per: Duration::from_secs(1) };
const RATE_WITH_KEY: Limit = Limit { name: "tools.ncbi_key", burst: 10, per: Duration::from_secs(1) };
const NAME: &str = "PubMed";
const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let year = json!({ "type": "integer", "minimum": 1800, "maximum": 2100 });
    json!({ "type": "object", "additionalProperties": false, "required": ["query"], "properties": {
        "query": { "type": "string", "minLength": 1, "maxLength": 500 },
        "syntax": { "enum": ["words", "pubmed"], "default": "words", "description": "`pubmed` sends field tags and operators as they are" },
        "publication_type": { "enum": KINDS.map(|(name, _)| name) },
        "from_year": year, "to_year": year,
        "sort": { "enum": ["relevance", "date"], "default": "relevance" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 },
        "offset": { "type": "integer", "minimum": 0, "maximum": 9_000, "default": 0 }
    } })
});

/// Publication types that can be asked for, with PubMed's own terms.
const KINDS: [(&str, &str); 7] = [
    ("randomized_controlled_trial", "randomized controlled trial"),
    ("clinical_trial", "clinical trial"),
    ("meta_analysis", "meta-analysis"),
    ("systematic_review", "systematic review"),
    ("review", "review"),
    ("practice_guideline", "practice guideline"),
    ("case_reports", "case reports"),
];

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({ "type": "object", "additionalProperties": false, "required": ["total", "query_sent", "articles"], "properties": {
        "total": { "type": "integer", "minimum": 0 }, "query_sent": text, "note": text,
        "articles": { "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["pmid", "title", "journal", "year", "authors", "abstract", "publication_types", "doi", "retracted", "notices"],
            "properties": { "pmid": text, "title": text, "journal": text, "year": text, "authors": texts,
                "abstract": { "type": "string", "description": "Empty where PubMed has none" },
                "publication_types": texts, "doi": text, "retracted": { "type": "boolean" }, "notices": texts } } }
    } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    query: String,
    #[serde(default)]
    syntax: Syntax,
    publication_type: Option<String>,
    from_year: Option<u16>,
    to_year: Option<u16>,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "five")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Syntax {
    #[default]
    Words,
    Pubmed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Relevance,
    Date,
}

fn five() -> u32 {
    5
}

#[derive(Debug, Serialize)]
struct Output {
    total: u64,
    query_sent: String,
    articles: Vec<Article>,
}

#[derive(Debug, Serialize)]
struct Article {
    pmid: String,
    title: String,
    journal: String,
    year: String,
    authors: Vec<String>,
    r#abstract: String,
    publication_types: Vec<String>,
    doi: String,
    retracted: bool,
    notices: Vec<String>,
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let term = term(input)?;
    let rate = if sources.endpoints.ncbi_key.is_some() { RATE_WITH_KEY } else { RATE };
    let found = sources.json(search_address(sources, input, &term), &rate, deadline).await?;
    let result = found.get("esearchresult").ok_or_else(|| ToolError::unreadable("no esearchresult"))?;
    let fault = json::text(result, "/ERROR");
    if !fault.is_empty() {
        return Err(ToolError::domain(format!("PubMed could not run the query: {}", cut(fault, 200))));
    }
    let total = json::number(result, "/count").ok_or_else(|| ToolError::unreadable("no count"))?;
    let ids: Vec<String> = json::texts(result, "/idlist").into_iter().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).collect();
    let (mut articles, mut texts) = (Vec::new(), Vec::new());
    if !ids.is_empty() {
        let mut url = address(sources, "efetch.fcgi");
        url.query_pairs_mut().append_pair("retmode", "xml").append_pair("id", &ids.join(","));
        let answer = sources.get(url.clone(), Accept::Types(&["text/xml", "application/xml"]), &rate, deadline, &[200]).await?;
        articles = records(&xml::parse(&answer.body)?)?;
        // In the order of the search.
        articles.sort_by_key(|article| ids.iter().position(|id| *id == article.pmid));
        texts = articles.iter().map(source).collect();
        from_source(&mut texts, NAME, INFO.licence, &url);
    }
    let value = serde_json::to_value(Output { total, query_sent: term, articles }).unwrap_or_default();
    Ok(ToolOutput { value, texts }.bounded("articles"))
}

fn term(input: &Input) -> Result<String, ToolError> {
    let term = match input.syntax {
        Syntax::Words => words(&input.query, &OPERATORS),
        Syntax::Pubmed => input.query.trim().to_owned(),
    };
    if term.is_empty() {
        return Err(ToolError::argument(INFO.name, "/query", "the query has no words"));
    }
    let kind = input.publication_type.as_deref().and_then(|name| KINDS.iter().find(|(known, _)| *known == name));
    Ok(kind.map_or_else(|| term.clone(), |(_, kind)| format!("({term}) AND \"{kind}\"[Publication Type]")))
}

fn address(sources: &Sources, verb: &str) -> Url {
    let mut url = below(&sources.endpoints.pubmed, &[verb]);
    url.query_pairs_mut().append_pair("db", "pubmed");
    if let Some(email) = &sources.endpoints.contact_email {
        url.query_pairs_mut().append_pair("tool", "vital-path").append_pair("email", email);
    }
    if let Some(key) = &sources.endpoints.ncbi_key {
        url.query_pairs_mut().append_pair("api_key", &key.now());
    }
    url
}

fn search_address(sources: &Sources, input: &Input, term: &str) -> Url {
    let mut url = address(sources, "esearch.fcgi");
    let sort = if input.sort == Sort::Date { "pub_date" } else { "relevance" };
    url.query_pairs_mut()
        .append_pair("retmode", "json")
        .append_pair("retmax", &input.limit.to_string())
        .append_pair("retstart", &input.offset.to_string())
        .append_pair("sort", sort)
        .append_pair("term", term);
    if input.from_year.is_some() || input.to_year.is_some() {
        url.query_pairs_mut()
            .append_pair("datetype", "pdat")
            .append_pair("mindate", &input.from_year.unwrap_or(1800).to_string())
            .append_pair("maxdate", &input.to_year.unwrap_or(2100).to_string());
    }
    url
}

fn records(answer: &Element) -> Result<Vec<Article>, ToolError> {
    let set = answer.at(&["PubmedArticleSet"]).ok_or_else(|| ToolError::unreadable("no PubmedArticleSet"))?;
    // Chapters of books, such as those of GeneReviews, are records of another kind.
    let read = |record: &Element| match record.name.as_str() {
        "PubmedArticle" => record.at(&["MedlineCitation"]).map(|citation| article(record, citation)),
        "PubmedBookArticle" => record.at(&["BookDocument"]).map(chapter),
        _ => None,
    };
    Ok(set.elements().filter_map(read).filter(|article| !article.pmid.is_empty()).collect())
}

fn chapter(document: &Element) -> Article {
    let book = document.text_at(&["Book", "BookTitle"]);
    let title = document.text_at(&["ArticleTitle"]);
    Article {
        pmid: document.text_at(&["PMID"]),
        title: if title.is_empty() { book.clone() } else { title },
        journal: book,
        year: document.text_at(&["Book", "PubDate", "Year"]),
        authors: authors(document.at(&["AuthorList"])),
        r#abstract: cut(document.at(&["Abstract"]).map(sections).unwrap_or_default(), TEXT_BYTES_MAX),
        publication_types: document.all("PublicationType").map(Element::text).collect(),
        doi: String::new(),
        retracted: false,
        notices: Vec::new(),
    }
}

fn article(record: &Element, citation: &Element) -> Article {
    let publication_types: Vec<String> = citation
        .at(&["Article", "PublicationTypeList"])
        .map(|list| list.all("PublicationType").map(Element::text).collect())
        .unwrap_or_default();
    let notices = notices(citation);
    let doi = record.at(&["PubmedData", "ArticleIdList"]).and_then(|list| list.all("ArticleId").find(|id| id.attribute("IdType") == "doi"));
    let retracted = publication_types.iter().any(|kind| kind == "Retracted Publication")
        || notices.iter().any(|notice| notice.starts_with("Retracted"));
    Article {
        pmid: citation.text_at(&["PMID"]),
        title: citation.text_at(&["Article", "ArticleTitle"]),
        journal: citation.text_at(&["Article", "Journal", "Title"]),
        year: year(citation),
        authors: authors(citation.at(&["Article", "AuthorList"])),
        r#abstract: cut(abstract_of(citation), TEXT_BYTES_MAX),
        publication_types,
        doi: doi.map(Element::text).unwrap_or_default(),
        retracted,
        notices,
    }
}

/// The year of the issue; older records have it at the start of a free date such as `1998 Dec-1999 Jan`.
fn year(citation: &Element) -> String {
    let date = ["Article", "Journal", "JournalIssue", "PubDate"];
    let year = citation.at(&date).map(|date| date.text_at(&["Year"])).unwrap_or_default();
    if !year.is_empty() {
        return year;
    }
    let free = citation.at(&date).map(|date| date.text_at(&["MedlineDate"])).unwrap_or_default();
    free.split(|c: char| !c.is_ascii_digit()).find(|part| part.len() == 4).unwrap_or_default().to_owned()
}

fn authors(list: Option<&Element>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    let name = |author: &Element| match author.text_at(&["CollectiveName"]) {
        collective if !collective.is_empty() => collective,
        _ => format!("{} {}", author.text_at(&["LastName"]), author.text_at(&["Initials"])).trim().to_owned(),
    };
    literature::authors(list.all("Author").map(name))
}

/// The abstract, and those that stand beside it: in plain language, of the publisher, in other languages.
fn abstract_of(citation: &Element) -> String {
    let own = citation.at(&["Article", "Abstract"]).map(sections).unwrap_or_default();
    let others = citation.all("OtherAbstract").map(|other| match (other.attribute("Type"), sections(other)) {
        (_, text) if text.is_empty() => text,
        (kind, text) => {
            let language = Some(other.attribute("Language")).filter(|language| !language.is_empty() && *language != "eng");
            format!("Further abstract ({}):\n\n{text}", [Some(kind), language].into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    });
    text_of(std::iter::once(own).chain(others).collect::<Vec<_>>().iter().map(String::as_str))
}

/// The sections of an abstract, each with its label.
fn sections(found: &Element) -> String {
    let section = |part: &Element| match (part.attribute("Label"), part.text()) {
        ("", text) => text,
        (_, text) if text.is_empty() => text,
        (label, text) => format!("{label}: {text}"),
    };
    found.all("AbstractText").map(section).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Retractions, concerns and errata that PubMed links to the record.
fn notices(citation: &Element) -> Vec<String> {
    let Some(list) = citation.at(&["CommentsCorrectionsList"]) else { return Vec::new() };
    let notice = |entry: &Element| {
        let what = match entry.attribute("RefType") {
            "RetractionIn" => "Retracted in",
            "PartialRetractionIn" => "Partially retracted in",
            "ExpressionOfConcernIn" => "Expression of concern in",
            "ErratumIn" => "Erratum in",
            "CorrectedandRepublishedIn" => "Corrected and republished in",
            _ => return None,
        };
        let pmid = entry.text_at(&["PMID"]);
        let place = entry.text_at(&["RefSource"]);
        Some(if pmid.is_empty() { format!("{what} {place}") } else { format!("{what} {place} (PMID {pmid})") })
    };
    list.all("CommentsCorrections").filter_map(notice).collect()
}

fn source(article: &Article) -> SourceText {
    let pmid = format!("PMID {}", article.pmid);
    let doi = if article.doi.is_empty() { String::new() } else { format!("DOI {}", article.doi) };
    let identifiers: Vec<String> = [pmid.clone(), doi].into_iter().filter(|identifier| !identifier.is_empty()).collect();
    let facts = Facts::default()
        .add("authors", "Authors", article.authors.join(", "))
        .add("journal", "Published in", article.journal.clone())
        .add("year", "Year", article.year.clone())
        .add("publication_types", "Type", article.publication_types.join(", "))
        .add("identifiers", "Identifiers", identifiers.join(", "));
    // The kind alone decides, and no word of the journal's name.
    let status = standing(article.notices.iter().filter_map(|notice| notice.split(" in ").next()));
    SourceText {
        title: article.title.clone(),
        url: format!("https://pubmed.ncbi.nlm.nih.gov/{}/", article.pmid),
        identifier: pmid,
        authority: "peer-reviewed".to_owned(),
        text: text_of([article.notices.join("\n").as_str(), &article.title, &facts.text(), &article.r#abstract]),
        date: article.year.clone(),
        identifiers,
        status: if article.retracted && status != "partially retracted" { "retracted" } else { status }.to_owned(),
        provenance: None,
    }
}
