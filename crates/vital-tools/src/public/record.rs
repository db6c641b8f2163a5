//! Records of registers as facts with names, and as text whose lines can be cited one by one.

use super::json;
use crate::{
    SourceText, ToolOutput,
    output::{TEXT_BYTES_MAX, cut},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest single fact, in bytes.
const FACT_BYTES_MAX: usize = 12 * 1024;

/// What a source says of one thing, field by field, in the order in which it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    named: BTreeMap<&'static str, String>,
    lines: Vec<String>,
}

impl Facts {
    /// Adds what the fields of a record say: the field's name as the source has it, and what people call it.
    pub(crate) fn read(mut self, record: &Value, fields: &[(&'static str, &str)]) -> Self {
        for (field, label) in fields {
            let texts = json::some_texts(record, &format!("/{}", field.replace('.', "/")));
            self = self.add(field, label, texts.join(", "));
        }
        self
    }

    /// Adds a fact; nothing where it is empty.
    pub(crate) fn add(mut self, name: &'static str, label: &str, text: impl Into<String>) -> Self {
        let text = cut(text.into(), FACT_BYTES_MAX);
        if !text.is_empty() {
            self.lines.push(line(label, &text));
            self.named.insert(name, text);
        }
        self
    }

    /// The facts by their names.
    pub(crate) fn named(self) -> BTreeMap<&'static str, String> {
        self.named
    }

    /// One line for each.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// A line that is a sentence of its own; empty where there is nothing to say.
pub(crate) fn line(label: &str, text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    if text.is_empty() { String::new() } else { format!("{label}: {text}{end}") }
}

/// Parts that are not empty, as paragraphs.
pub(crate) fn text_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// `20240131` as ISO 8601; anything else as it is.
pub(crate) fn date(text: &str) -> String {
    match (text.len(), text.bytes().all(|byte| byte.is_ascii_digit())) {
        (8, true) => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        _ => text.to_owned(),
    }
}

/// An entry of a register.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Record {
    pub(crate) identifier: String,
    pub(crate) title: String,
    pub(crate) url: String,
    /// ISO 8601.
    pub(crate) date: String,
    pub(crate) status: String,
    /// By the source's names of its fields.
    pub(crate) facts: BTreeMap<&'static str, String>,
    /// What the source tells in sentences.
    pub(crate) text: String,
    /// All that can be cited: facts and text.
    #[serde(skip)]
    pub(crate) citable: String,
    #[serde(skip)]
    pub(crate) authority: &'static str,
}

impl Record {
    /// Sets facts, text, and what can be cited of both, with a closing remark.
    pub(crate) fn telling(mut self, facts: Facts, text: String, remark: &str) -> Self {
        let text = cut(text, TEXT_BYTES_MAX);
        // The remark stays whatever is cut.
        let told = cut(text_of([facts.text().as_str(), &text]), TEXT_BYTES_MAX.saturating_sub(remark.len() + 32));
        self.citable = text_of([told.as_str(), remark]);
        self.facts = facts.named();
        self.text = text;
        self
    }

    fn source(&self) -> SourceText {
        SourceText {
            title: self.title.clone(),
            url: self.url.clone(),
            identifier: self.identifier.clone(),
            authority: self.authority.to_owned(),
            text: self.citable.clone(),
            date: self.date.clone(),
            identifiers: vec![self.identifier.clone()],
            status: self.status.clone(),
            provenance: None,
        }
    }
}

/// The schema of outputs with records; `more` are further required fields.
pub(crate) fn schema(more: &Value) -> Value {
    let text = json!({ "type": "string" });
    let record = json!({ "type": "object", "additionalProperties": false,
        "required": ["identifier", "title", "url", "date", "status", "facts", "text"],
        "properties": { "identifier": text, "title": text, "url": text, "date": text,
            "status": { "type": "string", "description": "What has become of it, as the source says; empty where it says nothing" },
            "facts": { "type": "object", "additionalProperties": text, "description": "By the source's names of its fields; those the record has" },
            "text": text } });
    let mut required = vec!["total".to_owned(), "records".to_owned()];
    let mut properties =
        json!({ "total": { "type": "integer", "minimum": 0 }, "note": text, "records": { "type": "array", "items": record } });
    for (name, schema) in more.as_object().into_iter().flatten() {
        required.push(name.clone());
        properties[name] = schema.clone();
    }
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// The output of a search of a register.
pub(crate) fn output(total: u64, records: &[Record], more: &Value) -> ToolOutput {
    let mut value = json!({ "total": total, "records": records });
    for (name, field) in more.as_object().into_iter().flatten() {
        value[name] = field.clone();
    }
    ToolOutput { value, texts: records.iter().map(Record::source).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_lines_that_end_and_empty_ones_are_none() {
        let record = json!({ "a": "One.", "b": ["x", "y"], "c": "", "d": null, "e": { "f": 7 } });
        let facts = Facts::default().read(&record, &[("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("e.f", "F"), ("g", "G")]);
        assert_eq!(facts.text(), "A: One.\nB: x, y.\nF: 7.");
        assert_eq!(facts.named().keys().copied().collect::<Vec<_>>(), ["a", "b", "e.f"]);
    }

    #[test]
    fn only_eight_digits_are_a_date() {
        assert_eq!((date("20240131").as_str(), date("2024").as_str(), date("２０２").as_str()), ("2024-01-31", "2024", "２０２"));
    }
}
