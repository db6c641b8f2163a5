//! What a tool returns, and the rule by which it is cut to a bounded size.

use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Largest output, in bytes of its JSON: value and texts together.
pub const RESULT_BYTES_MAX: usize = 256 * 1024;
/// Largest text of one source, in bytes, before its list is looked at.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What a tool returns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolOutput {
    /// The typed output; fits the tool's output schema.
    pub value: Value,
    /// Texts that an answer may cite; none of calculators.
    pub texts: Vec<SourceText>,
}

/// A text of a public source that an answer may cite, and that can be kept as a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceText {
    /// The title as the source gives it.
    pub title: String,
    /// Where a person reads it.
    pub url: String,
    /// The source's identifier: `PMID 123`, `NCT00000000`, a set id, `RXCUI 123`.
    pub identifier: String,
    /// What stands behind it, as in the evidence of documents: `regulator`, `peer-reviewed` or `institution`.
    pub authority: String,
    /// Plain text, paragraphs separated by empty lines.
    pub text: String,
    /// When it was published, decided, received or was in force, as far as the source says: `2024`, `2024-03` or `2024-03-01`; else empty.
    pub date: String,
    /// All identifiers that the source gives, each with its kind: `PMID 123`, `DOI 10.1000/x`.
    pub identifiers: Vec<String>,
    /// What the source says has become of it, in small letters: `retracted`, `expression of concern`, `corrected`, `withdrawn`,
    /// `superseded`, `terminated`; empty where it says nothing.
    pub status: String,
    /// Where it comes from; none of a text that no public source gave.
    pub provenance: Option<Provenance>,
}

/// Where a text comes from, so that it can be asked for again and kept under the terms of its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The source, as it calls itself: `Europe PMC`.
    pub source: String,
    /// The address that was asked, without keys and without whom the operator names to the source.
    pub request: String,
    /// When the answer came; an answer from memory keeps the time of the first.
    #[serde(with = "time::serde::rfc3339")]
    pub retrieved_at: OffsetDateTime,
    /// Under which terms the text may be kept and quoted: the record's own licence where it has one, else the source's.
    pub licence: String,
}

impl SourceText {
    /// Returns the text as a plain file that can be kept as a document: title, where it comes from and under which terms, status, text.
    /// A kept document then tells its origin wherever it is read, and its sentences can be cited as before.
    #[must_use]
    pub fn document(&self) -> String {
        let mut lines = vec![self.title.split_whitespace().collect::<Vec<_>>().join(" "), String::new()];
        let mut add = |label: &str, text: &str| {
            if !text.is_empty() {
                lines.push(format!("{label}: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        };
        add("Status", &self.status);
        add("Identifiers", &if self.identifiers.is_empty() { self.identifier.clone() } else { self.identifiers.join(", ") });
        add("Date", &self.date);
        add("Address", &self.url);
        if let Some(from) = &self.provenance {
            add("Source", &from.source);
            add("Request", &from.request);
            add("Retrieved", &from.retrieved_at.format(&Rfc3339).unwrap_or_default());
            add("Licence", &from.licence);
        }
        lines.extend([String::new(), self.text.clone(), String::new()]);
        lines.join("\n")
    }

    /// Returns a name for that file from the identifier: `pmid-123.txt`; small ASCII letters, digits and hyphens alone, at most 84 bytes.
    #[must_use]
    pub fn document_name(&self) -> String {
        let words = self.identifier.to_ascii_lowercase();
        let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        let words = words.get(..words.len().min(80)).unwrap_or_default().trim_end_matches('-');
        format!("{}.txt", if words.is_empty() { "source" } else { words })
    }
}

impl ToolOutput {
    /// An output without texts.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self { value: serde_json::to_value(value).unwrap_or(Value::Null), texts: Vec::new() }
    }

    /// Cuts the output to [`RESULT_BYTES_MAX`]: the last entry of `value.<list>` goes, with the text of the same place, until the rest
    /// fits; `value.note` says how many are left out.
    pub(crate) fn bounded(mut self, list: &str) -> Self {
        let mut left_out = 0;
        while self.bytes() > RESULT_BYTES_MAX {
            let Some(entries) = self.value.get_mut(list).and_then(Value::as_array_mut).filter(|entries| !entries.is_empty()) else { break };
            entries.pop();
            self.texts.truncate(entries.len());
            left_out += 1;
        }
        if left_out > 0 {
            let note =
                format!("{left_out} further result(s) were left out because the output may have {RESULT_BYTES_MAX} bytes; ask for fewer");
            self.value["note"] = Value::String(note);
        }
        self
    }

    /// The size, in bytes of JSON.
    pub(crate) fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }
}

/// Cuts a text at a character, and says so at its end.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push_str(" [cut here]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_is_too_long_is_cut_with_its_texts_and_says_so() {
        let text = |n: usize| SourceText {
            title: n.to_string(),
            url: String::new(),
            identifier: n.to_string(),
            authority: "institution".to_owned(),
            text: "x".repeat(40_000),
            ..SourceText::default()
        };
        let output =
            ToolOutput { value: json!({ "found": (0..10).collect::<Vec<_>>() }), texts: (0..10).map(text).collect() }.bounded("found");
        assert!(output.bytes() <= RESULT_BYTES_MAX);
        assert_eq!(output.value["found"].as_array().unwrap().len(), 6);
        assert_eq!(output.texts.len(), 6);
        assert!(output.value["note"].as_str().unwrap().starts_with("4 further result(s)"), "{}", output.value["note"]);
    }

    #[test]
    fn a_kept_text_tells_where_it_comes_from_and_has_a_harmless_name() {
        let mut text = SourceText {
            title: "A trial".to_owned(),
            url: "https://x.example/1".to_owned(),
            identifier: "FR Doc. 2024-01709, ../../89 FR 7496 ä".to_owned(),
            text: "It ended.".to_owned(),
            status: "retracted".to_owned(),
            ..SourceText::default()
        };
        text.provenance = Some(Provenance {
            source: "Example".to_owned(),
            request: "https://x.example/api?id=1".to_owned(),
            retrieved_at: OffsetDateTime::UNIX_EPOCH,
            licence: "cc by\nTitle: forged".to_owned(),
        });
        assert_eq!(
            text.document(),
            "A trial\n\nStatus: retracted\nIdentifiers: FR Doc. 2024-01709, ../../89 FR 7496 ä\nAddress: https://x.example/1\nSource: Example\n\
             Request: https://x.example/api?id=1\nRetrieved: 1970-01-01T00:00:00Z\nLicence: cc by Title: forged\n\nIt ended.\n"
        );
        assert_eq!(text.document_name(), "fr-doc-2024-01709-89-fr-7496.txt");
        text.identifier = "é".repeat(200);
        assert_eq!(text.document_name(), "source.txt");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a [cut here]");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
    }
}
