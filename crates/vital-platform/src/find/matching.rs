//! Words of a query held against a text: each has to begin a word of it. Case, accents and the marks around words make no difference.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

/// Longest query, in characters.
pub const QUERY_CHARS_MAX: usize = 200;
/// Words of a query that count.
const WORDS_MAX: usize = 12;
/// Bytes of an excerpt, about.
const EXCERPT_BYTES: usize = 220;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fragment {
    /// The piece.
    pub text: String,
    /// Whether it is what matched.
    pub marked: bool,
}

impl Fragment {
    /// A text of which nothing matched.
    pub(super) fn plain(text: &str) -> Vec<Self> {
        vec![Self { text: text.to_owned(), marked: false }]
    }
}

/// The words of a query, folded.
pub(super) struct Words(Vec<String>);

impl Words {
    /// None for a query without words, or one that is too long.
    pub fn of(query: &str) -> Option<Self> {
        let words: Vec<String> = spans(query).take(WORDS_MAX).map(|span| folded(&query[span])).filter(|w| !w.is_empty()).collect();
        (!words.is_empty() && query.chars().count() <= QUERY_CHARS_MAX).then_some(Self(words))
    }

    /// The text in pieces, if every word begins a word of it.
    pub fn mark(&self, text: &str) -> Option<Vec<Fragment>> {
        let hits = self.hits(text)?;
        Some(fragments(text, 0..text.len(), &hits))
    }

    /// The piece of a long text with the first match, if every word begins a word of it.
    pub fn excerpt(&self, text: &str) -> Option<Vec<Fragment>> {
        let hits = self.hits(text)?;
        Some(fragments(text, window(text, hits.first().map_or(0, |h| h.start)), &hits))
    }

    /// The piece of a long text around the place where most words stand near each other, whichever of them it holds.
    pub fn around(&self, text: &str) -> Vec<Fragment> {
        let hits = self.all(text);
        let near = |at: usize| {
            hits.iter()
                .filter(|(h, _)| h.start >= at && h.end <= at + EXCERPT_BYTES)
                .map(|(_, word)| word)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        let best = hits.iter().map(|(h, _)| h.start).max_by_key(|&at| (near(at), std::cmp::Reverse(at))).unwrap_or(0);
        let ranges: Vec<Range<usize>> = hits.into_iter().map(|(h, _)| h).collect();
        fragments(text, window(text, best), &ranges)
    }

    /// Every match in order with the number of its word.
    fn all(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let matching = |span: Range<usize>| {
            let word = folded(&text[span.clone()]);
            self.0.iter().position(|wanted| word.starts_with(wanted.as_str())).map(|n| (span, n))
        };
        spans(text).filter_map(matching).collect()
    }

    /// The matches, if every word has one.
    fn hits(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let all = self.all(text);
        // Of two words of which one begins the other, a match of the longer is one of the shorter too.
        let stands = |wanted: &String| all.iter().any(|(span, _)| folded(&text[span.clone()]).starts_with(wanted.as_str()));
        self.0.iter().all(stands).then(|| all.into_iter().map(|(span, _)| span).collect())
    }
}

/// The words of a text: runs of letters, digits and what joins them inside of identifiers.
fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bounds = |word: &str| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    };
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(bounds)
}

/// Lower case without accents.
fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// A stretch of whole words of about `EXCERPT_BYTES` that begins a little before a place.
fn window(text: &str, at: usize) -> Range<usize> {
    let start = text.floor_char_boundary(at.saturating_sub(EXCERPT_BYTES / 4));
    let start = if start == 0 { 0 } else { text[start..at].find(' ').map_or(start, |space| start + space + 1) };
    let end = text.floor_char_boundary((start + EXCERPT_BYTES).min(text.len()));
    let end = if end == text.len() { end } else { text[start..end].rfind(' ').map_or(end, |space| start + space) };
    start..end.max(start)
}

fn fragments(text: &str, shown: Range<usize>, hits: &[Range<usize>]) -> Vec<Fragment> {
    let mut pieces = Vec::new();
    let mut push = |range: Range<usize>, marked: bool| {
        if !range.is_empty() {
            pieces.push(Fragment { text: text[range].to_owned(), marked });
        }
    };
    let mut at = shown.start;
    for hit in hits.iter().filter(|h| h.start >= shown.start && h.end <= shown.end) {
        push(at..hit.start, false);
        push(hit.clone(), true);
        at = hit.end;
    }
    push(at..shown.end, false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(query: &str, text: &str) -> Option<Vec<String>> {
        let all = Words::of(query)?.mark(text)?;
        assert_eq!(all.iter().map(|f| f.text.as_str()).collect::<String>(), text, "nothing of the text is lost");
        Some(all.into_iter().filter(|f| f.marked).map(|f| f.text).collect())
    }

    #[test]
    fn every_word_has_to_begin_a_word() {
        assert_eq!(marked("stab retest", "Retest period and stability"), Some(vec!["Retest".into(), "stability".into()]));
        assert_eq!(marked("stab dose", "Retest period and stability"), None);
        assert_eq!(marked("ability", "stability"), None);
        assert_eq!(marked("820.30", "21 CFR 820.30(c)"), Some(vec!["820".into(), "30".into()]));
        assert_eq!(marked("cafe", "Le Café"), Some(vec!["Café".into()]));
        assert_eq!(marked("re retest", "Retest"), Some(vec!["Retest".into()]));
    }

    #[test]
    fn a_query_needs_a_word_and_an_end() {
        assert!(Words::of("").is_none() && Words::of(" ?! ").is_none() && Words::of(&"x".repeat(201)).is_none());
    }

    #[test]
    fn an_excerpt_shows_the_match_in_whole_words() {
        let text = format!("{} needle {}", "hay ".repeat(200), "straw ".repeat(200));
        let shown: String = Words::of("needle").unwrap().excerpt(&text).unwrap().iter().map(|f| f.text.as_str()).collect();
        assert!(
            shown.contains(" needle ") && shown.starts_with("hay") && shown.ends_with("straw") && shown.len() <= EXCERPT_BYTES,
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_matching(query in "\\PC{0,40}", text in "\\PC{0,400}") {
            if let Some(words) = Words::of(&query) {
                let _whole = words.mark(&text);
                if let Some(part) = words.excerpt(&text) {
                    prop_assert!(text.contains(&part.iter().map(|f| f.text.as_str()).collect::<String>()));
                }
                let around: String = words.around(&text).iter().map(|f| f.text.as_str()).collect();
                prop_assert!(text.contains(&around));
            }
        }
    }
}
