//! Turns text into terms: lower-cased, free of accents and stop words, stemmed (Snowball English), identifiers whole.
//!
//! Documents and questions go through the same function, so that they meet in the same terms. A compound gives its parts
//! and, as one more term, its whole in one spelling: `510(k)` and `510k` both give `510k`, `COVID-19` and `COVID19` give
//! `covid19`, `post-market` and `postmarket` give `postmarket`. Dots and slashes stay (`820.30`, `2017/745`), and so do all
//! marks of a compound without letters (`14971-2019`, also for `14971:2019`). An identifier of several words gives one more term
//! (`21cfr820.30`, `iso14971`), and American and British spellings are one.
//!
//! Deliberately not here: synonyms, other languages' stemming (their words are kept as they are written).

mod series;
mod spelling;
mod stopwords;
mod words;

use rust_stemmers::{Algorithm, Stemmer};
use series::series;
use spelling::one_spelling;
use std::ops::Range;
use stopwords::is_stop_word;
use unicode_normalization::UnicodeNormalization;
use words::{Word, is_hyphen, words};

/// Longest term in bytes; what is longer is cut, on both sides alike.
const TERM_BYTES_MAX: usize = 64;
/// Shortest letter part of an identifier that says something by itself, in characters.
const SPEAKING_PART_CHARS_MIN: usize = 3;

/// A term and the bytes of the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermSpan {
    /// The normalised term.
    pub term: String,
    /// The bytes it stands for; those of whole and parts of a compound overlap.
    pub range: Range<usize>,
    /// Words before it, stop words counted; whole and parts of a compound stand at one place, the whole first.
    pub position: u32,
}

/// Returns the search terms of a text in order, repeated as often as they occur.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    term_spans(text).into_iter().map(|s| s.term).collect()
}

/// Returns the search terms of a text with the bytes they were read from.
#[must_use]
pub fn term_spans(text: &str) -> Vec<TermSpan> {
    read(text, Reading::Search)
}

/// Returns the terms that carry the meaning of a text, for comparing sentences.
///
/// Differs from [`terms`] in that a compound counts once: hyphenated words as their parts, identifiers as their whole
/// (with the part before the bracket) and without fragments such as the `k` of `510(k)`.
#[must_use]
pub fn content_terms(text: &str) -> Vec<String> {
    content_spans(text).into_iter().map(|s| s.term).collect()
}

/// Returns the content terms of a text with the bytes they were read from.
#[must_use]
pub fn content_spans(text: &str) -> Vec<TermSpan> {
    read(text, Reading::Content)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Search,
    Content,
}

fn read(text: &str, reading: Reading) -> Vec<TermSpan> {
    let mut reader = Reader {
        text,
        reading,
        stemmer: Stemmer::create(Algorithm::English),
        spans: Vec::with_capacity(text.len() / 8),
        position: 0,
        before: Default::default(),
    };
    for word in words(text, reading == Reading::Search) {
        reader.word(&word);
        if reading == Reading::Search {
            reader.series(&word);
        }
        reader.position += 1;
    }
    reader.spans
}

struct Reader<'t> {
    text: &'t str,
    reading: Reading,
    stemmer: Stemmer,
    spans: Vec<TermSpan>,
    position: u32,
    /// The last words, nearest first, each normalised with where it begins and ends.
    before: [(String, Range<usize>); 3],
}

impl Reader<'_> {
    fn word(&mut self, word: &Word) {
        let parts: Vec<String> = word.parts.iter().map(|p| normalise(&self.text[p.clone()])).collect();
        let raw = &self.text[word.start()..word.end];
        if parts.len() == 1 {
            return self.part(&parts[0], word.parts[0].clone());
        }
        if raw.contains('.') && parts.iter().all(|p| p.chars().count() == 1 && p.chars().all(char::is_alphabetic)) {
            let acronym = parts.concat();
            if !matches!(acronym.as_str(), "eg" | "ie") {
                self.push(&acronym, word.start()..word.end);
            }
            return;
        }
        let identifier = raw.chars().any(char::is_numeric);
        let spelt_as_one = !identifier && !raw.contains(['.', '/']);
        if identifier || (spelt_as_one && self.reading == Reading::Search) {
            let whole = self.whole(word, &parts, parts.len());
            self.push(&whole, word.start()..word.end);
        }
        if let Some(group) = word.first_group.filter(|g| identifier && *g > 1) {
            let base = self.whole(word, &parts, group);
            self.push(&base, word.start()..word.parts[group - 1].end);
        }
        for (index, (part, range)) in parts.iter().zip(&word.parts).enumerate() {
            let before_bracket = index == 0 && word.first_group == Some(1);
            let speaks = part.chars().count() >= SPEAKING_PART_CHARS_MIN && part.chars().all(char::is_alphabetic);
            if self.reading == Reading::Search || !identifier || before_bracket || speaks {
                self.part(part, range.clone());
            }
        }
    }

    /// Adds the one term of an identifier of several words that ends with this one.
    fn series(&mut self, word: &Word) {
        let parts: Vec<String> = word.parts.iter().map(|p| normalise(&self.text[p.clone()])).collect();
        let whole = self.whole(word, &parts, word.first_group.unwrap_or(parts.len()).max(1));
        // No more than blanks, a bracket or a section sign between them: a full stop ends an identifier.
        let joins = |from: usize, to: usize| self.text[from..to].chars().all(|c| c.is_whitespace() || matches!(c, '(' | '\u{a7}' | '-'));
        let mut near = ["", "", ""];
        let mut next = word.start();
        for (near, (text, range)) in near.iter_mut().zip(&self.before) {
            if text.is_empty() || !joins(range.end, next) {
                break;
            }
            *near = text;
            next = range.start;
        }
        if let Some((count, term)) = series(near, &whole) {
            let start = self.before[count - 1].1.start;
            self.push(&term, start..word.end);
        }
        self.before.rotate_right(1);
        self.before[0] = (whole, word.start()..word.end);
    }

    /// Joins the first parts of a compound in the one spelling that its variants share.
    fn whole(&self, word: &Word, parts: &[String], count: usize) -> String {
        let has_letter = parts[..count].iter().any(|p| p.chars().any(char::is_alphabetic));
        let mut whole = parts[0].clone();
        for (gap, part) in word.parts.windows(2).zip(&parts[1..count]) {
            let mark = self.text[gap[0].end..gap[1].start].chars().last().unwrap_or('-');
            match mark {
                '.' | '/' => whole.push(mark),
                mark if !has_letter => whole.push(if is_hyphen(mark) || mark == ':' { '-' } else { mark }),
                _ => {}
            }
            whole.push_str(part);
        }
        whole
    }

    fn part(&mut self, part: &str, range: Range<usize>) {
        if !is_stop_word(part, &self.text[range.clone()]) {
            self.push(part, range);
        }
    }

    fn push(&mut self, normalised: &str, range: Range<usize>) {
        let term = &normalised[..normalised.floor_char_boundary(TERM_BYTES_MAX)];
        if term.is_empty() {
            return;
        }
        let term = match self.reading {
            _ if !term.bytes().all(|b| b.is_ascii_lowercase()) => term.to_owned(),
            Reading::Search => self.stemmer.stem(&one_spelling(term)).into_owned(),
            Reading::Content => self.stemmer.stem(term).into_owned(),
        };
        self.spans.push(TermSpan { term, range, position: self.position });
    }
}

/// Lower-cases, resolves compatibility forms (ligatures, full width, superscripts), drops accents and possessives.
fn normalise(part: &str) -> String {
    if part.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return part.to_ascii_lowercase();
    }
    let part = part.strip_suffix("'s").or_else(|| part.strip_suffix("\u{2019}s")).unwrap_or(part);
    let folded = part.chars().flat_map(char::to_lowercase).nfkd().filter(|c| c.is_alphanumeric() || is_script_mark(*c)).nfc();
    let folded: String = folded.collect();
    let mut greek = folded.char_indices().filter(|(_, c)| ('\u{370}'..='\u{3ff}').contains(c));
    if let (Some((at, letter)), None) = (greek.next(), greek.next())
        && let Some(name) = greek_name(letter)
    {
        return [&folded[..at], name, &folded[at + letter.len_utf8()..]].concat();
    }
    folded
}

/// Marks that are letters in their scripts, unlike the accents of Latin, Greek and Cyrillic.
fn is_script_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c) && !('\u{300}'..='\u{36f}').contains(&c)
}

/// The names under which single Greek letters stand in biomedical terms: `TNF-α` is also written `TNF-alpha`.
fn greek_name(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' => "epsilon",
        'κ' => "kappa",
        'λ' => "lambda",
        'ω' => "omega",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_lower_cased_stemmed_and_freed_of_stop_words() {
        assert_eq!(terms("What are the Regulations for manufacturers' devices?"), ["regul", "manufactur", "devic"]);
        assert_eq!(terms("the patient's e\u{fb03}cacy in M\u{e9}ni\u{e8}re"), ["patient", "efficaci", "menier"]);
    }

    #[test]
    fn identifiers_stay_whole_and_give_their_parts() {
        assert_eq!(terms("510(k)"), ["510k", "510", "k"]);
        assert_eq!(terms("21 CFR 820.30(b)(1)"), ["21", "cfr", "820.30b1", "820.30", "820", "30", "b", "1", "21cfr820.30"]);
        assert_eq!(terms("ICH E9(R1)"), ["ich", "e9r1", "e9", "r1"]);
        assert_eq!(terms("NCT01234567 (EU) 2017/745"), ["nct01234567", "eu", "2017/745", "2017", "745"]);
        assert_eq!(terms("ISO 14971-2019"), ["iso", "14971-2019", "14971", "2019", "iso14971"]);
    }

    #[test]
    fn every_identifier_of_the_field_has_a_term_of_its_own() {
        for (text, whole) in [
            ("21 CFR 820.30(c)", "820.30c"),
            ("21 CFR 820.30(c)", "21cfr820.30"),
            ("21 CFR Part 11", "21cfr11"),
            ("21 CFR \u{a7} 11.10", "21cfr11.10"),
            ("ICH E9(R1)", "e9r1"),
            ("ICH E9 R1", "e9r1"),
            ("ICH E9 (R1)", "e9r1"),
            ("NCT01234567", "nct01234567"),
            ("K123456", "k123456"),
            ("P210012", "p210012"),
            ("DEN200001", "den200001"),
            ("ISO 14971:2019", "14971-2019"),
            ("EN ISO 14971:2019", "iso14971"),
            ("IEC 62304", "iec62304"),
            ("Regulation (EU) 2017/745", "2017/745"),
            ("MDR Article 61(10)", "61(10"),
            ("doi:10.1056/NEJMoa2034577", "10.1056/nejmoa2034577"),
            ("PMID 12345678", "12345678"),
            ("EMEA/H/C/004444", "emea/h/c/004444"),
            ("lot AB-2023-0045A", "ab20230045a"),
            ("a 510 (k)", "510k"),
        ] {
            assert!(terms(text).iter().any(|term| term == whole), "{text}: {:?}", terms(text));
        }
    }

    #[test]
    fn what_a_full_stop_or_a_time_divides_is_no_identifier() {
        assert!(!terms("see 21 CFR. 11 sites").contains(&"21cfr11".to_owned()));
        assert_eq!(terms("at 12:30"), ["12", "30"]);
    }

    #[test]
    fn spellings_of_one_thing_share_a_term() {
        for (a, b) in [
            ("COVID-19", "covid19"),
            ("510(k)", "510k"),
            ("E6(R3)", "E6R3"),
            ("post-market", "Postmarket"),
            ("TNF-\u{3b1}", "TNF-alpha"),
            ("U.S.", "US"),
            ("COVID\u{2011}19", "COVID-19"),
            ("non\u{ad}inferior", "noninferior"),
            ("marketing authorisations", "authorization"),
            ("ISO 14971:2019", "ISO 14971-2019"),
        ] {
            let (a, b) = (terms(a), terms(b));
            assert!(a.iter().any(|t| b.contains(t)), "{a:?} {b:?}");
        }
    }

    #[test]
    fn content_terms_count_a_compound_once() {
        assert_eq!(content_terms("a 510(k) for post-market COVID-19 tests"), ["510k", "510", "post", "market", "covid19", "covid", "test"]);
        assert_eq!(content_terms("under 820.30(b)"), ["under", "820.30b", "820.30"]);
        assert_eq!(content_terms("ISO 14971:2019"), ["iso", "14971", "2019"]);
    }

    #[test]
    fn abbreviations_of_latin_are_no_terms() {
        assert_eq!(terms("e.g. toxicity, i.e. harm"), ["toxic", "harm"]);
    }

    #[test]
    fn spans_address_the_words_of_the_text() {
        let text = "Un \u{201c}510(k)\u{201d} submission";
        let found: Vec<&str> = term_spans(text).iter().map(|s| &text[s.range.clone()]).collect();
        assert_eq!(found, ["Un", "510(k)", "510", "k", "submission"]);
    }

    proptest! {
        #[test]
        fn any_text_gives_terms_within_the_limit(text in "\\PC{0,80}|[a-zA-Z0-9().'/\u{ad}\u{301}\u{3b1} -]{0,80}") {
            for span in term_spans(&text).iter().chain(&content_spans(&text)) {
                prop_assert!(!span.term.is_empty() && span.term.len() <= TERM_BYTES_MAX && text.get(span.range.clone()).is_some());
            }
        }
    }
}
