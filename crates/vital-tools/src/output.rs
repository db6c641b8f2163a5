//! What a tool returns, and the rule by which it is cut to a bounded size.

use serde::Serialize;
use serde_json::Value;

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

/// A text of a public source that an answer may cite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        };
        let output =
            ToolOutput { value: json!({ "found": (0..10).collect::<Vec<_>>() }), texts: (0..10).map(text).collect() }.bounded("found");
        assert!(output.bytes() <= RESULT_BYTES_MAX);
        assert_eq!(output.value["found"].as_array().unwrap().len(), 6);
        assert_eq!(output.texts.len(), 6);
        assert!(output.value["note"].as_str().unwrap().starts_with("4 further result(s)"), "{}", output.value["note"]);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a [cut here]");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
    }
}
