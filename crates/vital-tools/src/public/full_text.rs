//! Open full texts of Europe PMC: the article with its sections, tables and captions, in parts, with its licence and what has become of it.

use super::{
    Sources,
    europe_pmc::{NAME, RATE, work},
    fetch::from_source,
    json,
    literature::Work,
    parts::parts,
    record::{self, Facts, Record, line, text_of},
    xml::{self, Element},
};
use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput, endpoints::below};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use vital_outbound::Accept;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "europe_pmc_full_text",
    title: "Open full texts (Europe PMC)",
    summary: "Returns the full text of an open access article or preprint by its PMCID (PMC1234567): sections, tables and captions of figures, with \
        licence and retractions. `parts` says how many parts there are, `part` which one to return. Use it after `europe_pmc_search`, where the \
        abstract does not answer the question. Articles without an open licence have none.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: "www.ebi.ac.uk" },
    family: Family::Literature,
    licence: "Each article is under its own licence, which is part of the result",
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(24 * 3_600),
    rate: Some(RATE),
    source: "Europe PMC, Articles RESTful API (europepmc.org/RestfulWebService): fullTextXML; JATS, NISO Z39.96",
};

/// Longest part of a text, in bytes.
const PART_BYTES_MAX: usize = 40 * 1024;
/// Elements that are read as one paragraph.
const PARAGRAPHS: [&str; 6] = ["p", "title", "label", "disp-formula", "disp-quote", "verse-line"];

/// Elements that are no text of the article: formulas as programs, names of files.
fn is_left_out(name: &str) -> bool {
    matches!(name, "tex-math" | "object-id" | "graphic" | "inline-graphic" | "media")
}

/// Elements that stand for themselves, also within a paragraph.
fn is_nested(name: &str) -> bool {
    matches!(
        name,
        "list"
            | "def-list"
            | "table-wrap"
            | "fig"
            | "fig-group"
            | "boxed-text"
            | "disp-formula"
            | "disp-quote"
            | "p"
            | "supplementary-material"
    )
}

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["pmcid"], "properties": {
        "pmcid": { "type": "string", "pattern": "^PMC[0-9]{1,10}$" },
        "part": { "type": "integer", "minimum": 1, "maximum": 100, "default": 1 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let count = json!({ "type": "integer", "minimum": 0 });
    record::schema(&json!({ "part": count, "parts": count, "licence": { "type": "string" } }))
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pmcid: String,
    #[serde(default = "one")]
    part: usize,
}

fn one() -> usize {
    1
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let none = || record::output(0, &[], &json!({ "part": 0, "parts": 0, "licence": "" }));
    let Some(described) = described(sources, &input.pmcid, deadline).await? else { return Ok(none()) };
    let url = below(&sources.endpoints.europe_pmc, &[&input.pmcid, "fullTextXML"]);
    let accept = Accept::Types(&["application/xml", "text/xml"]);
    let answer = sources.get(url.clone(), accept, &RATE, deadline, &[200, 404]).await?;
    if answer.status == 404 {
        return Err(ToolError::domain(format!(
            "Europe PMC has no open full text of {}; its abstract is in europe_pmc_search",
            input.pmcid
        )));
    }
    let root = xml::parse(&answer.body)?;
    let article = root.at(&["article"]).ok_or_else(|| ToolError::unreadable("no article"))?;
    let mut paragraphs = Vec::new();
    for place in [&["front", "article-meta", "abstract"][..], &["body"], &["floats-group"]] {
        article.at(place).into_iter().for_each(|element| blocks(element, &mut paragraphs));
    }
    let texts = parts(&paragraphs.join("\n\n"), PART_BYTES_MAX);
    let count = texts.len().max(1);
    if input.part > count {
        return Err(ToolError::argument(INFO.name, "/part", format!("the text has {count} part(s)")));
    }
    let licence = licence(article, &described);
    let body = texts.into_iter().nth(input.part - 1).unwrap_or_default();
    let told = [told(&described, &input.pmcid, &licence, (input.part, count), &body)];
    let mut output = record::output(1, &told, &json!({ "part": input.part, "parts": count, "licence": licence }));
    output.texts.iter_mut().for_each(|text| text.identifiers.clone_from(&described.identifiers));
    from_source(&mut output.texts, NAME, &licence, &url);
    Ok(output.bounded("records"))
}

/// The article as the index describes it, with its notices; none where the index has no such article.
async fn described(sources: &Sources, pmcid: &str, deadline: Instant) -> Result<Option<Work>, ToolError> {
    let mut url = below(&sources.endpoints.europe_pmc, &["search"]);
    url.query_pairs_mut().append_pair("query", &format!("PMCID:{pmcid}")).append_pair("resultType", "core").append_pair("format", "json");
    if let Some(email) = &sources.endpoints.contact_email {
        url.query_pairs_mut().append_pair("email", email);
    }
    let found = sources.json(url, &RATE, deadline).await?;
    if json::number(&found, "/hitCount").is_none() {
        return Err(ToolError::unreadable("no hitCount"));
    }
    let own = json::list(&found, "/resultList/result").iter().find(|record| json::text(record, "/pmcid") == pmcid);
    Ok(own.map(work).filter(|work| !work.identifier.is_empty()))
}

/// The licence that the article states, else that of the index, else that there is none.
fn licence(article: &Element, described: &Work) -> String {
    let permissions = article.at(&["front", "article-meta", "permissions"]);
    let stated = permissions.map(|element| element.text_at(&["license"])).unwrap_or_default();
    let link = permissions.and_then(|element| element.at(&["license"])).map(|element| element.attribute("xlink:href").to_owned());
    let all = [described.licence.clone(), link.unwrap_or_default(), stated];
    let all = all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    if all.is_empty() { "No licence is stated: the publisher's copyright".to_owned() } else { crate::output::cut(all, 1_000) }
}

fn told(described: &Work, pmcid: &str, licence: &str, (part, count): (usize, usize), body: &str) -> Record {
    let facts = Facts::default()
        .add("authors", "Authors", described.authors.join(", "))
        .add("journal", "Published in", described.journal.clone())
        .add("date", "Date", described.date.clone())
        .add("identifiers", "Identifiers", described.identifiers.join(", "))
        .add("licence", "Licence", licence);
    let which = if count > 1 { line("Part of the full text", &format!("{part} of {count}")) } else { String::new() };
    let preprint = if described.preprint { "This is a preprint: it was not peer-reviewed when it was posted." } else { "" };
    let notices = described.notices.join("\n");
    let record = Record {
        title: if count > 1 { format!("{} (part {part} of {count})", described.title) } else { described.title.clone() },
        url: format!("https://europepmc.org/articles/{pmcid}"),
        date: described.date.clone(),
        status: described.status.clone(),
        identifier: format!("PMCID {pmcid}"),
        authority: if described.preprint { "institution" } else { "peer-reviewed" },
        ..Record::default()
    };
    record.telling(facts, text_of([notices.as_str(), preprint, &which, body]), "")
}

/// The paragraphs of an element; headings stand before them, rows of tables are lines, captions stand where they are.
fn blocks(element: &Element, out: &mut Vec<String>) {
    for inner in element.elements() {
        let name = inner.name.as_str();
        if is_left_out(name) {
            continue;
        }
        if name == "tr" {
            let cells: Vec<String> = inner.elements().map(|cell| cell.text_without(is_left_out)).collect();
            out.extend(Some(cells.join(" | ")).filter(|row| row.chars().any(char::is_alphanumeric)));
        } else if PARAGRAPHS.contains(&name) {
            // What stands within a paragraph and is one itself follows it.
            out.extend(Some(inner.text_without(|name| is_left_out(name) || is_nested(name))).filter(|text| !text.is_empty()));
            inner.elements().filter(|below| is_nested(&below.name)).for_each(|below| nested(below, out));
        } else {
            blocks(inner, out);
        }
    }
}

/// An element that stands within a paragraph.
fn nested(element: &Element, out: &mut Vec<String>) {
    if PARAGRAPHS.contains(&element.name.as_str()) && !element.elements().any(|below| is_nested(&below.name)) {
        out.extend(Some(element.text_without(is_left_out)).filter(|text| !text.is_empty()));
    } else {
        blocks(element, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_tables_and_captions_are_read_and_formulas_as_programs_are_not() {
        let xml = "<body><sec><title>Methods</title><p>We <italic>used</italic> <xref>1</xref> x<tex-math>\\documentclass</tex-math>.</p>\
            <p>Given:<list><list-item><p>one</p></list-item></list></p><table-wrap><label>Table 1</label><caption><p>Doses</p></caption>\
            <table><tr><th>Drug</th><th>mg</th></tr><tr><td>A</td><td>5</td></tr><tr><td/></tr></table></table-wrap></sec></body>";
        let root = xml::parse(xml.as_bytes()).unwrap();
        let mut out = Vec::new();
        blocks(root.at(&["body"]).unwrap(), &mut out);
        assert_eq!(out, ["Methods", "We used 1 x.", "Given:", "one", "Table 1", "Doses", "Drug | mg", "A | 5"]);
    }
}
