//! Sentence borders in professional English, by rule.
//!
//! A full stop ends a sentence unless it belongs to an abbreviation, an initial, an enumerator or a number. The rules lean
//! towards not cutting: a citation of two sentences is honest, half a sentence is not. A line break always ends a sentence,
//! because canonical text only holds one between list items, rows and lines that are not wrapped.

use std::ops::Range;

/// Abbreviations that are always followed by more of their sentence.
const NEVER_LAST: &[&str] = &[
    "e.g", "i.e", "vs", "viz", "cf", "fig", "figs", "art", "arts", "sec", "secs", "sect", "eq", "eqs", "ref", "refs", "tab", "vol", "vols",
    "pp", "p", "ch", "chap", "para", "paras", "reg", "regs", "dir", "suppl", "app", "dr", "mr", "mrs", "ms", "prof", "st", "rev", "gen",
    "hon", "approx", "appr", "ca", "resp", "nos", "ed", "eds", "incl", "excl", "esp", "max", "min", "avg", "std", "pat", "lit", "ex", "cl",
    "subsec", "subpt", "pt", "pts", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept", "oct", "nov", "dec", "dept", "div", "tel",
];

/// Abbreviations that may also be the last word; then the next sentence must start like one.
const MAY_BE_LAST: &[&str] = &[
    "etc", "inc", "ltd", "co", "corp", "llc", "al", "jr", "sr", "bros", "assn", "plc", "gmbh", "sp", "spp", "subsp", "var", "assoc",
    "intl", "natl", "univ", "conc", "vitro",
];

/// Words that commonly open a sentence and rarely follow an abbreviation inside one.
const OPENERS: &[&str] = &[
    "the",
    "this",
    "these",
    "that",
    "those",
    "it",
    "in",
    "a",
    "an",
    "however",
    "we",
    "they",
    "he",
    "she",
    "you",
    "if",
    "for",
    "when",
    "where",
    "as",
    "at",
    "by",
    "on",
    "to",
    "there",
    "such",
    "but",
    "and",
    "or",
    "moreover",
    "therefore",
    "thus",
    "no",
    "not",
    "each",
    "any",
    "all",
    "both",
    "some",
    "our",
    "its",
    "his",
    "her",
    "their",
    "after",
    "before",
    "during",
    "while",
    "although",
    "because",
    "since",
    "with",
    "without",
    "under",
    "from",
    "also",
    "furthermore",
    "additionally",
    "then",
    "once",
    "only",
    "patients",
    "sponsors",
    "manufacturers",
    "what",
    "which",
    "who",
    "why",
    "how",
    "is",
    "are",
    "does",
    "do",
    "use",
    "see",
    "note",
];

/// Finds the sentences of a text.
///
/// Ranges are in bytes, ordered, disjoint, trimmed of white space, never empty, and together cover all text that is not
/// white space.
#[must_use]
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        sentences_of_line(line, line_start, &mut found);
        line_start += line.len();
    }
    found
}

fn sentences_of_line(line: &str, offset: usize, found: &mut Vec<Range<usize>>) {
    let mut start = 0;
    let mut at = 0;
    while let Some(hit) = line.get(at..).and_then(|rest| rest.find(is_stop)) {
        let stop = at + hit;
        let rest = line.get(stop..).unwrap_or_default();
        let after_stops = rest.trim_start_matches(is_stop);
        let end = stop + (rest.len() - after_stops.len()) + closing(after_stops);
        let tail = line.get(end..).unwrap_or_default();
        at = end;
        if tail.is_empty() || (tail.starts_with(is_wide_or_space(rest)) && ends_here(line, start, stop, tail)) {
            push_trimmed(line, start..end, offset, found);
            start = end;
        }
    }
    push_trimmed(line, start..line.len(), offset, found);
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

/// After an ideographic stop no space is needed; after any other, white space must follow.
fn is_wide_or_space(stop: &str) -> fn(char) -> bool {
    if stop.starts_with(['。', '！', '？']) { |_| true } else { char::is_whitespace }
}

/// How many bytes after the stop still belong to the sentence: closing brackets and quotes, raised or bracketed references.
fn closing(rest: &str) -> usize {
    let mut used = 0;
    loop {
        let left = rest.get(used..).unwrap_or_default();
        let close = left.trim_start_matches([')', ']', '}', '"', '\'', '”', '’', '»', '⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹']);
        let mut next = left.len() - close.len();
        if let Some(inner) = close.strip_prefix('[')
            && let Some(length) = inner.find(']').filter(|n| *n <= 20)
            && inner.get(..length).is_some_and(|r| r.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' ' | '-' | '–')))
        {
            next += length + 2;
        }
        if next == 0 {
            return used;
        }
        used += next;
    }
}

fn push_trimmed(line: &str, range: Range<usize>, offset: usize, found: &mut Vec<Range<usize>>) {
    let Some(raw) = line.get(range.clone()) else { return };
    let trimmed = raw.trim();
    if trimmed.is_empty() {
        return;
    }
    let start = offset + range.start + (raw.len() - raw.trim_start().len());
    found.push(start..start + trimmed.len());
}

/// Whether the stop at `stop`, followed by white space and `tail`, ends the sentence that began at `start`.
fn ends_here(line: &str, start: usize, stop: usize, tail: &str) -> bool {
    let next = tail.trim_start();
    let body = next.trim_start_matches(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
    if continues_in_lower_case(body) {
        return false;
    }
    let rest = line.get(stop..).unwrap_or_default();
    if !rest.starts_with('.') || rest.starts_with("..") {
        return true;
    }
    let sentence = line.get(start..stop).unwrap_or_default();
    let token = sentence.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = token.trim_start_matches(|c: char| !c.is_alphanumeric());
    if sentence.trim_start() == token && is_enumerator(word) {
        return false;
    }
    let lower = word.to_lowercase();
    if lower == "no" {
        return !next.starts_with(|c: char| c.is_ascii_digit());
    }
    // Compounds such as "Smith/Fig" or "(sub-sec" count by their last part.
    let last = lower.rsplit(['/', '-', '–', '(', '[']).next().unwrap_or_default();
    if NEVER_LAST.contains(&last) {
        return false;
    }
    if MAY_BE_LAST.contains(&last) || is_initials(word) {
        return opens_a_sentence(body);
    }
    true
}

/// A small letter goes on with the sentence, except in words such as "mRNA" or "pH" that are never written large.
fn continues_in_lower_case(body: &str) -> bool {
    let word: String = body.chars().take_while(|c| c.is_alphanumeric()).collect();
    word.starts_with(char::is_lowercase) && !word.chars().any(char::is_uppercase)
}

/// Enumerators at the start of a sentence: "3", "3.2", "61(10)", "a", "iv", "A.1".
fn is_enumerator(word: &str) -> bool {
    let roman = !word.is_empty() && word.len() <= 5 && word.chars().all(|c| matches!(c.to_ascii_lowercase(), 'i' | 'v' | 'x'));
    let letter = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    let numbered = word.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, '.' | '(' | ')'))
        && word.len() <= 8;
    roman || letter || numbered
}

/// "J", "U.S", "Ph.D", "a.m": letters in groups of at most two between stops.
fn is_initials(word: &str) -> bool {
    let single = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let parts = || word.split('.');
    let dotted = parts().count() > 1 && parts().all(|p| (1..=2).contains(&p.chars().count()) && p.chars().all(char::is_alphabetic));
    single || dotted
}

fn opens_a_sentence(body: &str) -> bool {
    let word: String = body.chars().take_while(|c| c.is_alphabetic()).collect();
    let after = body.get(word.len()..).unwrap_or_default();
    !after.starts_with('.') && OPENERS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|r| &text[r]).collect()
    }

    #[track_caller]
    fn one(text: &str) {
        assert_eq!(split(text), [text]);
    }

    #[track_caller]
    fn two(first: &str, second: &str) {
        assert_eq!(split(&format!("{first} {second}")), [first, second]);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        one("Use a validated method, e.g. HPLC, i.e. one with a known range, vs. the reference of Fig. 3 and Sec. 4.");
        one("Dr. Smith et al. (2019) gave approx. 5 mg, cf. Art. 61 of Reg. 2017/745.");
        one("The U.S. Food and Drug Administration and Acme Inc. Research signed it.");
        one("See No. 5 and Nos. 7 to 9, pp. 10–12.");
        one("J. A. Müller reviewed the file.");
        one("It was given at 9 a.m. on site.");
    }

    #[test]
    fn abbreviations_that_close_a_sentence_are_seen_by_what_follows() {
        two("It is marketed in the U.S.", "The agency agreed.");
        two("The sponsor is Acme Inc.", "It holds the file.");
        two("Bottles, caps, etc.", "These are tested.");
        assert_eq!(split("Is it exempt? No. The rule applies."), ["Is it exempt?", "No.", "The rule applies."]);
    }

    #[test]
    fn numbers_and_section_numbers_stay_whole() {
        one("Under 21 CFR 812.2 and Art. 61(10) the value 0.05 counts.");
        one("3.2. Scope of the investigation");
        one("1. Introduction");
        two("The dose was 0.5.", "2 patients left.");
        two("See 21 CFR 812.2.", "The sponsor shall comply.");
    }

    #[test]
    fn closing_marks_and_references_belong_to_the_sentence() {
        two("He said \"stop.\"", "They did.");
        two("(It was closed.)", "Then it opened.");
        two("This was shown.[3,4]", "It holds.");
        two("This was shown.¹²", "It holds.");
        two("Is it safe?", "Yes!");
    }

    #[test]
    fn a_small_letter_continues_unless_the_word_is_never_written_large() {
        one("It rose by 3 pts. and then fell.");
        two("The vector was stable.", "mRNA was measured.");
        two("It dissolved.", "pH was 7.4.");
    }

    #[test]
    fn each_line_is_its_own() {
        assert_eq!(split("first item\nsecond item. Third\n\n  fourth  "), ["first item", "second item.", "Third", "fourth"]);
    }

    #[test]
    fn no_text_has_no_sentence() {
        assert!(split(" \n ").is_empty());
        assert_eq!(split("..."), ["..."]);
        assert_eq!(split("。続き"), ["。", "続き"]);
    }
}
