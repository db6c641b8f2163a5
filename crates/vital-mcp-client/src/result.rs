//! What a call came back with, as text and as data, bounded and readable.

use crate::{ClientError, text::readable};
use serde_json::Value;

/// Largest text, and largest data, of one result, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// Most pieces of content that are read.
const PIECES_MAX: usize = 256;
/// Longest name, type or address in a line that stands for a piece, in characters.
const WORD_CHARS_MAX: usize = 200;

/// The result of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallResult {
    /// What it says: text as it is, a line in brackets for what is no text; the data where there is nothing else.
    pub text: String,
    /// Its data, where it has some that is an object and not too large.
    pub structured: Option<Value>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
    /// Whether something was left out because it was too large.
    pub cut: bool,
}

impl CallResult {
    pub(crate) fn read(mut result: Value) -> Result<Self, ClientError> {
        let structured = result.get_mut("structuredContent").map(Value::take).filter(Value::is_object);
        let pieces = match result.get("content") {
            Some(Value::Array(pieces)) => pieces.as_slice(),
            None if structured.is_some() => &[],
            _ => return Err(ClientError::Garbled { what: "a result has no content" }),
        };
        let (mut text, mut cut) = (String::new(), pieces.len() > PIECES_MAX);
        for piece in pieces.iter().take(PIECES_MAX) {
            if !text.is_empty() {
                cut |= append(&mut text, "\n");
            }
            let room = RESULT_BYTES_MAX.saturating_sub(text.len());
            let (said, longer) = readable(&said(piece), room);
            cut |= append(&mut text, &said) || longer;
        }
        let data = structured.as_ref().map(Value::to_string);
        let fits = data.as_ref().is_some_and(|data| data.len() <= RESULT_BYTES_MAX);
        cut |= data.is_some() && !fits;
        if text.is_empty() {
            let (said, longer) = readable(&data.unwrap_or_default(), RESULT_BYTES_MAX);
            cut |= append(&mut text, &said) || longer;
        }
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { text, structured: structured.filter(|_| fits), is_error, cut })
    }
}

/// Adds as much as there is room for, whole characters. True where something was left out.
fn append(text: &mut String, more: &str) -> bool {
    let room = RESULT_BYTES_MAX.saturating_sub(text.len());
    let end = more.floor_char_boundary(room.min(more.len()));
    text.push_str(&more[..end]);
    end < more.len()
}

fn said(piece: &Value) -> String {
    let of = |pointer: &str| piece.pointer(pointer).and_then(Value::as_str);
    let word = |pointer: &str| readable(of(pointer).unwrap_or_default(), WORD_CHARS_MAX).0;
    match of("/type") {
        Some("text") => of("/text").unwrap_or_default().to_owned(),
        Some("resource") => {
            of("/resource/text").map_or_else(|| format!("[a resource that is no text: {}]", word("/resource/uri")), ToOwned::to_owned)
        }
        Some("resource_link") => format!("[a link: {} {}]", word("/name"), word("/uri")),
        Some(kind @ ("image" | "audio")) => format!("[{kind}, {}, not shown]", word("/mimeType")),
        _ => "[something that is not known here]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn text_is_kept_and_everything_else_is_named() {
        let result = CallResult::read(json!({"isError": true, "content": [
            {"type": "text", "text": "Found\u{200b} 2."},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource_link", "uri": "https://a.example/x", "name": "x"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
            {"type": "hologram"},
        ]}));
        let text = "Found 2.\n[image, image/png, not shown]\n[a link: x https://a.example/x]\ninside\n[something that is not known here]";
        assert_eq!(result, Ok(CallResult { text: text.to_owned(), structured: None, is_error: true, cut: false }));
    }

    #[test]
    fn data_stands_in_for_text_and_both_are_bounded() {
        let data = CallResult::read(json!({"structuredContent": {"n": 7}})).unwrap();
        assert_eq!((data.text.as_str(), data.structured), ("{\"n\":7}", Some(json!({"n": 7}))));
        let long = "ä".repeat(RESULT_BYTES_MAX);
        let result = CallResult::read(json!({"content": [{"type": "text", "text": long}], "structuredContent": {"a": long}})).unwrap();
        assert!(result.cut && result.structured.is_none() && result.text.len() == RESULT_BYTES_MAX);
        for bad in [json!(null), json!({}), json!({"content": "text"}), json!({"structuredContent": [1]})] {
            assert!(matches!(CallResult::read(bad), Err(ClientError::Garbled { .. })));
        }
    }

    proptest! {
        #[test]
        fn any_pieces_stay_within_bounds(texts in prop::collection::vec(any::<String>(), 0..20), times in 0_usize..400) {
            let pieces: Vec<Value> = texts.iter().map(|t| json!({"type": "text", "text": t.repeat(times)})).collect();
            let result = CallResult::read(json!({"content": pieces})).unwrap();
            prop_assert!(result.text.len() <= RESULT_BYTES_MAX);
        }
    }
}
