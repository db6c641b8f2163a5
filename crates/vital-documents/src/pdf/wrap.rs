//! Joins wrapped lines, deciding at each hyphen whether the word was broken there or has the hyphen of its own.

use super::lines::Line;
use std::collections::HashSet;

const HYPHENS: [char; 3] = ['-', '\u{2010}', '\u{ad}'];

/// The words of a document, as evidence of how they are written.
pub(super) struct Words<'t> {
    seen: HashSet<&'t str>,
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && !HYPHENS.contains(&c)
}

/// Whether a text ends in a letter and a hyphen.
pub(super) fn is_hyphenated(text: &str) -> bool {
    text.strip_suffix(HYPHENS).is_some_and(|stem| stem.ends_with(char::is_alphabetic))
}

impl<'t> Words<'t> {
    pub(super) fn of(lines: &[&'t Line]) -> Self {
        let mut seen = HashSet::new();
        for line in lines {
            for word in line.text.split_whitespace().map(|w| w.trim_matches(is_mark)) {
                if !word.ends_with(HYPHENS) {
                    seen.insert(word);
                    seen.extend(word.split(HYPHENS).filter(|part| !part.is_empty()));
                }
            }
        }
        Self { seen }
    }

    /// Appends the next line to a text.
    pub(super) fn join(&self, text: &mut String, line: &str) {
        let Some(stem) = text.strip_suffix(HYPHENS).filter(|_| is_hyphenated(text)) else {
            // A range or a minus at the end of a line has its other half on the next.
            if !text.ends_with(['–', '/']) {
                text.push(' ');
            }
            text.push_str(line);
            return;
        };
        let head = stem.rsplit(|c: char| c.is_whitespace() || is_mark(c)).next().unwrap_or_default();
        let tail: &str = line.split(|c: char| c.is_whitespace() || is_mark(c)).next().unwrap_or_default();
        if !self.keeps_hyphen(head, tail) {
            text.truncate(stem.len());
        }
        text.push_str(line);
    }

    /// A hyphen stays if the document writes the word with it elsewhere, if what follows is no small letter, or if both
    /// halves are words of the document and their union is not.
    fn keeps_hyphen(&self, head: &str, tail: &str) -> bool {
        if !tail.starts_with(char::is_lowercase) {
            return true;
        }
        let has = |word: &str| self.seen.contains(word);
        let last = head.rsplit(HYPHENS).next().unwrap_or(head);
        let joined = format!("{last}{tail}");
        has(&format!("{head}-{tail}")) || (!has(&joined) && has(last) && has(tail) && tail.chars().count() > 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(first: &str, second: &str, elsewhere: &str) -> String {
        let line = |text: &str| Line {
            text: text.to_owned(),
            x0: 0.0,
            x1: 0.0,
            y: 0.0,
            size: 10.0,
            turns: 0,
            bold: false,
            page: 1,
            row: false,
            inks: vec![],
        };
        let lines = [line(first), line(second), line(elsewhere)];
        let words = Words::of(&lines.iter().collect::<Vec<_>>());
        let mut text = first.to_owned();
        words.join(&mut text, second);
        text
    }

    #[test]
    fn broken_words_are_mended_and_compounds_keep_their_hyphen() {
        assert_eq!(join("the investi-", "gation of", ""), "the investigation of");
        assert_eq!(join("the risk-", "based plan", "a risk-based view"), "the risk-based plan");
        assert_eq!(join("the long-", "term view", "a long wait and a term"), "the long-term view");
        assert_eq!(join("the COVID-", "19 wave", ""), "the COVID-19 wave");
        assert_eq!(join("pages 3–", "5", ""), "pages 3–5");
        assert_eq!(join("two", "words", ""), "two words");
    }
}
