//! What the indexes of literature have in common: a work, its notices, and the text that can be cited of it.

use super::{
    fetch::licensed,
    record::{Facts, text_of},
};
use crate::{
    SourceText, ToolOutput,
    output::{TEXT_BYTES_MAX, cut},
};
use serde::Serialize;
use serde_json::{Value, json};

/// Most authors that are listed of a work.
const AUTHORS_MAX: usize = 20;
/// Longest abstract in an output, in bytes.
pub(crate) const ABSTRACT_BYTES_MAX: usize = 32 * 1024;
/// What is said of what nobody has reviewed.
const PREPRINT: &str = "This is a preprint: it was not peer-reviewed when it was posted";

/// A published work as an index describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Work {
    /// The index's own name of it, with its kind.
    pub(crate) identifier: String,
    /// All names of it.
    pub(crate) identifiers: Vec<String>,
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) journal: String,
    pub(crate) publisher: String,
    /// As far as it is known: year, month, day.
    pub(crate) date: String,
    pub(crate) authors: Vec<String>,
    pub(crate) r#abstract: String,
    pub(crate) types: Vec<String>,
    pub(crate) preprint: bool,
    /// What has become of it; empty where the index says nothing.
    pub(crate) status: String,
    /// Retractions, concerns, corrections and versions, each as a sentence.
    pub(crate) notices: Vec<String>,
    /// The work's own licence; empty where the index names none.
    pub(crate) licence: String,
    pub(crate) open_access: Option<bool>,
    /// Where the full text is.
    pub(crate) full_text: Vec<String>,
    pub(crate) subjects: Vec<String>,
    pub(crate) cited_by: Option<u64>,
    /// Numbers of registered trials that it names.
    pub(crate) trials: Vec<String>,
}

impl Work {
    /// Its citable text. `licence` is that of the index: the text holds its description, and the work's own licence goes before.
    fn source(&self, licence: &str) -> SourceText {
        let facts = Facts::default()
            .add("authors", "Authors", self.authors.join(", "))
            .add("journal", "Published in", self.journal.clone())
            .add("publisher", "Publisher", self.publisher.clone())
            .add("date", "Date", self.date.clone())
            .add("types", "Type", self.types.join(", "))
            .add("identifiers", "Identifiers", self.identifiers.join(", "))
            .add("trials", "Registered trials", self.trials.join(", "))
            .add("subjects", "Subjects", self.subjects.join(", "))
            .add("licence", "Licence of the work", self.licence.clone())
            .add("open_access", "Open access", self.open_access.map_or("", |open| if open { "yes" } else { "no" }))
            .add("cited_by", "Cited by", self.cited_by.map(|count| format!("{count} works in this index")).unwrap_or_default());
        let notices = self.notices.join("\n");
        let preprint = if self.preprint { format!("{PREPRINT}.") } else { String::new() };
        let text = text_of([notices.as_str(), &preprint, &self.title, &facts.text(), &self.r#abstract]);
        let own =
            if self.licence.is_empty() { licence.to_owned() } else { format!("The work: {}. Its description: {licence}", self.licence) };
        SourceText {
            title: self.title.clone(),
            url: self.url.clone(),
            identifier: self.identifier.clone(),
            authority: if self.preprint { "institution" } else { "peer-reviewed" }.to_owned(),
            text: cut(text, TEXT_BYTES_MAX),
            date: self.date.clone(),
            identifiers: self.identifiers.clone(),
            status: self.status.clone(),
            provenance: licensed(own),
        }
    }
}

/// The schema of outputs with works.
pub(crate) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({ "type": "object", "additionalProperties": false, "required": ["total", "query_sent", "next_page_token", "works"], "properties": {
        "total": { "type": "integer", "minimum": 0 }, "query_sent": text, "next_page_token": { "type": ["string", "null"] }, "note": text,
        "works": { "type": "array", "items": { "type": "object", "additionalProperties": false,
            "required": ["identifier", "identifiers", "title", "url", "journal", "publisher", "date", "authors", "abstract", "types", "preprint",
                "status", "notices", "licence", "open_access", "full_text", "subjects", "cited_by", "trials"],
            "properties": { "identifier": text, "identifiers": texts, "title": text, "url": text, "journal": text, "publisher": text, "date": text,
                "authors": texts, "abstract": { "type": "string", "description": "Empty where the index has none" }, "types": texts,
                "preprint": { "type": "boolean" },
                "status": { "type": "string", "description": "`retracted`, `expression of concern`, `corrected` and the like; empty where the index says nothing" },
                "notices": texts, "licence": { "type": "string", "description": "The work's own; empty where none is named" },
                "open_access": { "type": ["boolean", "null"] }, "full_text": texts, "subjects": texts,
                "cited_by": { "type": ["integer", "null"], "minimum": 0 }, "trials": texts } } }
    } })
}

/// The output of a search of an index.
pub(crate) fn output(total: u64, query_sent: &str, next: Option<&str>, works: &[Work], licence: &str) -> ToolOutput {
    let value = json!({ "total": total, "query_sent": query_sent, "next_page_token": next, "works": works });
    ToolOutput { value, texts: works.iter().map(|work| work.source(licence)).collect() }.bounded("works")
}

/// The first authors, and how many more there are.
pub(crate) fn authors(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let all: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let more = all.len().saturating_sub(AUTHORS_MAX);
    let mut shown: Vec<String> = all.into_iter().take(AUTHORS_MAX).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown
}

/// What has become of a work, from the kinds of notices that point at it; the gravest counts.
pub(crate) fn standing<'a>(kinds: impl IntoIterator<Item = &'a str>) -> &'static str {
    const GRAVEST_FIRST: [(&str, &str); 9] = [
        ("partial", "partially retracted"),
        ("retract", "retracted"),
        ("withdraw", "withdrawn"),
        ("remov", "removed"),
        ("concern", "expression of concern"),
        ("corr", "corrected"),
        ("errat", "corrected"),
        ("version", "superseded"),
        ("edition", "superseded"),
    ];
    const RANK: [&str; 7] =
        ["retracted", "withdrawn", "removed", "partially retracted", "expression of concern", "corrected", "superseded"];
    let rank = |kind: &str| {
        let kind = kind.to_lowercase();
        let found = GRAVEST_FIRST.iter().find(|(part, _)| kind.contains(part))?.1;
        RANK.iter().position(|known| *known == found)
    };
    kinds.into_iter().filter_map(rank).min().map_or("", |place| RANK[place])
}

/// A DOI without the address before it; nothing where it is none.
pub(crate) fn doi(text: &str) -> Option<String> {
    let text = text.trim();
    let start = text.find("10.").filter(|at| {
        let before = text[..*at].to_ascii_lowercase();
        ["", "doi:", "doi: ", "https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/"].contains(&before.as_str())
    })?;
    let found = &text[start..];
    let (prefix, suffix) = found.split_once('/')?;
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '"' | '\\' | '|' | '{' | '}' | '^' | '`');
    let fits = prefix[3..].chars().all(|c| c.is_ascii_digit() || c == '.') && prefix.len() > 6 && !suffix.is_empty();
    (fits && found.len() <= 300 && found.chars().all(plain)).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_notice_counts() {
        assert_eq!(standing(["erratum", "Retraction in"]), "retracted");
        assert_eq!(standing(["partial_retraction", "corrigendum"]), "partially retracted");
        assert_eq!(standing(["Comment in", "expression_of_concern"]), "expression of concern");
        assert_eq!(standing(["Comment in", "Cites"]), "");
    }

    #[test]
    fn a_doi_is_read_with_and_without_its_address() {
        for text in ["10.1000/x.(1)<2>;3", "doi:10.1000/x.(1)<2>;3", "https://doi.org/10.1000/x.(1)<2>;3"] {
            assert_eq!(doi(text).as_deref(), Some("10.1000/x.(1)<2>;3"), "{text}");
        }
        for text in ["", "10.1000", "10.1000/", "10.abc/x", "see 10.1000/x", "10.1000/a b", "10.1000/a\"b", "11.1000/x", "10./x"] {
            assert_eq!(doi(text), None, "{text}");
        }
    }

    #[test]
    fn many_authors_are_counted() {
        let names = authors((0..25).map(|n| n.to_string()));
        assert_eq!((names.len(), names[20].as_str()), (21, "and 5 more"));
    }
}
