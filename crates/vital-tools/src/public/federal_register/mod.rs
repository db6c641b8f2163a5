//! The Federal Register: rules, proposed rules and notices of US agencies, as records and with their full texts.

pub(crate) mod document;
mod raw;
pub(crate) mod search;

use super::{
    json,
    markup::plain_line,
    record::{Facts, Record},
};
use serde_json::Value;
use vital_throttle::Limit;

/// The source states no figure; one a second on the average is what we allow ourselves.
pub(super) const RATE: Limit = Limit::a_minute("tools.federal_register", 60);
pub(super) const NAME: &str = "Federal Register";
pub(super) const HOST: &str = "www.federalregister.gov";
pub(super) const LICENCE: &str =
    "Public domain: a work of the US government. The web edition is not the official legal edition, which is the PDF at govinfo.gov";
/// Fields that are asked for.
pub(super) const FIELDS: [&str; 24] = [
    "document_number",
    "title",
    "type",
    "subtype",
    "abstract",
    "action",
    "dates",
    "citation",
    "publication_date",
    "effective_on",
    "comments_close_on",
    "agencies",
    "cfr_references",
    "docket_ids",
    "regulation_id_numbers",
    "html_url",
    "pdf_url",
    "raw_text_url",
    "topics",
    "significant",
    "corrections",
    "correction_of",
    "start_page",
    "signing_date",
];
/// Plain fields of a document, with what people call them.
const PLAIN: [(&str, &str); 11] = [
    ("document_number", "Document number"),
    ("citation", "Citation"),
    ("type", "Type"),
    ("subtype", "Kind"),
    ("action", "Action"),
    ("publication_date", "Published on"),
    ("effective_on", "Effective on"),
    ("comments_close_on", "Comments close on"),
    ("dates", "Dates"),
    ("docket_ids", "Dockets"),
    ("regulation_id_numbers", "Regulation identifier numbers"),
];

/// Whether a text is a number of a document: `2024-01709`, `E9-1777`, `C1-2024-01709`.
pub(super) fn is_number(text: &str) -> bool {
    (5..=24).contains(&text.len()) && text.contains('-') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A document as a record, and its facts.
pub(super) fn record(document: &Value) -> Option<(Record, Facts)> {
    let at = |path: &str| json::text(document, path);
    let number = Some(at("/document_number")).filter(|number| is_number(number))?;
    let names = json::list(document, "/agencies").iter().map(|agency| match json::text(agency, "/name") {
        name if name.is_empty() => json::text(agency, "/raw_name"),
        name => name,
    });
    let parts = json::list(document, "/cfr_references").iter().map(|one| {
        let (title, part) = (json::text(one, "/title"), json::text(one, "/part"));
        if part.is_empty() { format!("{title} CFR") } else { format!("{title} CFR part {part}") }
    });
    let corrections = json::texts(document, "/corrections").iter().filter_map(|url| number_in(url)).collect::<Vec<_>>();
    let corrects = number_in(&at("/correction_of"));
    let facts = Facts::default()
        .add("agencies", "Agencies", names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", "))
        .read(document, &PLAIN)
        .add("cfr_references", "Affects", parts.collect::<Vec<_>>().join(", "))
        .add("topics", "Topics", json::texts(document, "/topics").join(", "))
        .add("corrections", "Corrected by documents", corrections.join(", "))
        .add("correction_of", "Corrects document", corrects.clone().unwrap_or_default())
        .add("pdf_url", "Official PDF", at("/pdf_url"));
    let action = at("/action").to_lowercase();
    let status = match () {
        () if corrects.is_some() || at("/type").eq_ignore_ascii_case("correction") => "correction of another document",
        () if action.contains("withdraw") => "withdrawal",
        () if !corrections.is_empty() => "corrected",
        () => "",
    };
    let citation = at("/citation");
    let record = Record {
        title: plain_line(&at("/title")),
        url: page(&at("/html_url"), &number),
        date: at("/publication_date"),
        status: status.to_owned(),
        identifier: if citation.is_empty() { format!("FR Doc. {number}") } else { format!("FR Doc. {number}, {citation}") },
        authority: "regulator",
        ..Record::default()
    };
    Some((record, facts))
}

/// The document's own page where the answer names one of the source, else its short address.
fn page(named: &str, number: &str) -> String {
    let own = named.starts_with("https://www.federalregister.gov/documents/") && !named.contains(char::is_whitespace);
    if own { named.to_owned() } else { format!("https://www.federalregister.gov/d/{number}") }
}

/// The number at the end of the address of a document (`…/api/v1/documents/2024-01709.json`).
fn number_in(url: &str) -> Option<String> {
    let last = url.trim_end_matches(".json").rsplit('/').next()?;
    let last = last.split('?').next().unwrap_or_default().trim_end_matches(".json");
    is_number(last).then(|| last.to_owned())
}
