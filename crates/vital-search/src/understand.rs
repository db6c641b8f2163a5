//! Reads what a question says besides its subject: quoted phrases, identifiers, years and dates, kinds of document.
//!
//! A pure function of the text. What it finds is for filters and for the search bench to show; nothing of it is applied by itself, because a
//! year in a question may as well be the subject.

mod dates;
mod kinds;

pub use dates::Years;
pub use kinds::DocumentKind;

use crate::term_spans;
use std::ops::Range;

/// Longest quoted phrase, in bytes; what is longer is a citation and no phrase to search for.
const PHRASE_BYTES_MAX: usize = 200;
/// Phrases of one question that count.
const PHRASES_MAX: usize = 8;

/// A question taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Understood {
    /// What stands in quotation marks, without them.
    pub phrases: Vec<String>,
    /// Identifiers as they are written: `21 CFR 820.30`, `NCT01234567`.
    pub identifiers: Vec<String>,
    /// The years that the question asks for, if it says so: `since 2020`, `2019-2021`, `before March 2018`.
    pub years: Option<Years>,
    /// The kinds of document that the question names.
    pub kinds: Vec<DocumentKind>,
    /// The question without quotation marks and without the words that gave years, with single blanks.
    pub rest: String,
}

/// Takes a question apart. Any text is accepted.
#[must_use]
pub fn understand(question: &str) -> Understood {
    let (years, said) = dates::years(question);
    Understood {
        phrases: phrases(question),
        identifiers: identifiers(question),
        years,
        kinds: kinds::kinds(question),
        rest: rest(question, said),
    }
}

/// What stands between a pair of quotation marks and holds a word. An apostrophe is none.
fn phrases(question: &str) -> Vec<String> {
    let mut phrases = Vec::new();
    let mut from = 0;
    while let Some(open) = question[from..].char_indices().find(|(_, c)| closing(*c).is_some()) {
        let (at, mark) = (from + open.0, open.1);
        let inside = at + mark.len_utf8();
        let closings = closing(mark).unwrap_or_default();
        let Some(end) = question[inside..].char_indices().find(|(_, c)| closings.contains(c)) else { break };
        let phrase = question[inside..inside + end.0].trim();
        if phrase.len() <= PHRASE_BYTES_MAX && !term_spans(phrase).is_empty() && phrases.len() < PHRASES_MAX {
            phrases.push(phrase.to_owned());
        }
        from = inside + end.0 + end.1.len_utf8();
    }
    phrases
}

/// The marks that may close what a mark opens: English, German and French quotation marks.
const fn closing(open: char) -> Option<&'static [char]> {
    match open {
        '"' | '\u{201c}' => Some(&['"', '\u{201d}']),
        '\u{201e}' => Some(&['\u{201c}', '\u{201d}', '"']),
        '\u{ab}' => Some(&['\u{bb}']),
        _ => None,
    }
}

/// The identifiers of a question as written, longest first where they overlap.
fn identifiers(question: &str) -> Vec<String> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for span in term_spans(question).into_iter().filter(|span| is_identifier(&span.term)) {
        ranges.push(span.range);
    }
    // What lies in another is a part of it.
    let whole: Vec<&Range<usize>> =
        ranges.iter().filter(|r| !ranges.iter().any(|o| o != *r && o.start <= r.start && r.end <= o.end)).collect();
    let mut found: Vec<String> = Vec::new();
    for range in whole {
        let text = question.get(range.clone()).unwrap_or_default().to_owned();
        if !text.is_empty() && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Whether a term names one thing: digits with letters, or a number with a mark in it. Ordinals, decades and doses are none.
fn is_identifier(term: &str) -> bool {
    let digits = term.bytes().filter(u8::is_ascii_digit).count();
    let letters = term.chars().filter(|c| c.is_alphabetic()).count();
    let marked = term.contains(['.', '/', '(', '-']);
    let unit = term.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let measured = matches!(unit, "mg" | "g" | "kg" | "ml" | "l" | "mm" | "cm" | "h" | "min" | "s" | "st" | "nd" | "rd" | "th" | "d" | "x");
    digits > 0 && !measured && ((letters > 0 && term.len() >= 2 && digits + letters >= 2) || (marked && digits >= 3))
}

/// The question without quotation marks and without some of its bytes.
fn rest(question: &str, without: Option<Range<usize>>) -> String {
    let without = without.unwrap_or(0..0);
    let kept = [question.get(..without.start), Some(" "), question.get(without.end..)];
    let kept: String = kept.into_iter().flatten().flat_map(str::chars).filter(|c| !is_quotation_mark(*c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_words_are_phrases() {
        let phrases = |text: &str| understand(text).phrases;
        assert_eq!(
            phrases("what is \"substantial equivalence\" and \u{201c}predicate device\u{201d}?"),
            ["substantial equivalence", "predicate device"]
        );
        assert_eq!(phrases("\u{201e}klinische Pr\u{fc}fung\u{201c} \u{ab}essai\u{bb}"), ["klinische Pr\u{fc}fung", "essai"]);
        assert!(phrases("the sponsor's \"\" and \" ? \" and 5\" needles").is_empty());
    }

    #[test]
    fn identifiers_are_given_as_written_and_whole() {
        let identifiers = |text: &str| understand(text).identifiers;
        assert_eq!(identifiers("Does 21 CFR 820.30(c) apply to K123456?"), ["21 CFR 820.30(c)", "K123456"]);
        assert_eq!(identifiers("ICH E9(R1), E9 R1 and NCT01234567"), ["E9(R1)", "E9 R1", "NCT01234567"]);
        assert_eq!(identifiers("ISO 14971:2019 and 2017/745"), ["ISO 14971:2019", "2017/745"]);
        assert_eq!(identifiers("10.1056/NEJMoa2034577 or EMEA/H/C/004444"), ["10.1056/NEJMoa2034577", "EMEA/H/C/004444"]);
        assert!(identifiers("the 2nd dose of 10 mg in 2020 after 1.5 ml").is_empty());
    }

    #[test]
    fn a_question_is_taken_apart() {
        let found = understand("FDA guidance on \"real-world evidence\" since 2021");
        assert_eq!(found.phrases, ["real-world evidence"]);
        assert_eq!(found.years, Some(Years { from: Some(2021), to: None }));
        assert_eq!(found.kinds, [DocumentKind::Guidance]);
        assert_eq!(found.rest, "FDA guidance on real-world evidence");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(text in "\\PC{0,80}|[\"a-c0-9 (.)/-]{0,60}|((since|before|between|and|in|2019|2031|May|\"|guidance|1/2/2020)[ -]){0,10}") {
            let found = understand(&text);
            prop_assert!(found.phrases.iter().chain(&found.identifiers).all(|part| text.contains(part.as_str())));
            prop_assert!(!found.rest.contains("  "));
        }
    }
}
