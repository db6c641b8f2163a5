//! One text against all rules.

use crate::{
    Error,
    rule::{RULES, Rule},
};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use sha2::{Digest as _, Sha256};
use std::{fmt, ops::Range};

/// Memory that the search may use for its automata, in bytes; beyond it the search is slower and still right.
const AUTOMATON_LIMIT: usize = 32 << 20;
/// Most secrets that are told of one text; whoever sees so many looks at the whole of it.
const HITS_MAX: usize = 1000;
/// Most letters of a secret that a report shows.
const SHOWN: usize = 4;
/// Hexadecimal digits of a fingerprint: 64 bits.
const FINGERPRINT_DIGITS: usize = 16;

/// A secret in a text.
#[derive(Clone)]
pub struct Hit {
    /// The kind.
    pub rule: &'static Rule,
    /// Its line, from 1.
    pub line: usize,
    secret: String,
}

impl Hit {
    /// The first letters and the length: enough to find it, too little to use it.
    #[must_use]
    pub fn masked(&self) -> String {
        let shown: String = self.secret.chars().take(SHOWN.min(self.secret.len() / 4)).collect();
        format!("{shown}… ({} characters)", self.secret.chars().count())
    }

    /// What the list of allowed findings knows it by: the first 64 bits of SHA-256 over rule, path and secret, in hexadecimal. It does not depend on the line.
    #[must_use]
    pub fn fingerprint(&self, path: &str) -> String {
        let mut hash = Sha256::new();
        for part in [self.rule.id, path, &self.secret] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut digits = hex::encode(hash.finalize());
        digits.truncate(FINGERPRINT_DIGITS);
        digits
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hit({}, line {}, {})", self.rule.id, self.line, self.masked())
    }
}

/// All rules, ready to be used.
pub struct Scanner {
    any: RegexSet,
    each: Vec<Regex>,
}

impl Scanner {
    /// Prepares the rules.
    ///
    /// # Errors
    /// `Pattern` when a rule is not a pattern.
    pub fn new() -> Result<Self, Error> {
        let patterns = || RULES.iter().map(|rule| rule.pattern);
        let any = RegexSetBuilder::new(patterns()).unicode(false).dfa_size_limit(AUTOMATON_LIMIT).build()?;
        let each =
            patterns().map(|p| RegexBuilder::new(p).unicode(false).dfa_size_limit(AUTOMATON_LIMIT).build()).collect::<Result<_, _>>()?;
        Ok(Self { any, each })
    }

    /// Finds the secrets of a text, in the order of their places. Where rules meet in one place the first one counts.
    #[must_use]
    pub fn scan(&self, text: &[u8]) -> Vec<Hit> {
        let mut taken: Vec<(Range<usize>, &'static Rule, String)> = Vec::new();
        for index in &self.any.matches(text) {
            for found in self.each[index].captures_iter(text) {
                let Some(place) = found.get(1).or_else(|| found.get(0)) else { continue };
                let Ok(secret) = std::str::from_utf8(place.as_bytes()) else { continue };
                let free = taken.iter().all(|(other, ..)| place.end() <= other.start || other.end <= place.start());
                if free && taken.len() < HITS_MAX && (RULES[index].is_one)(secret) {
                    taken.push((place.range(), &RULES[index], secret.to_owned()));
                }
            }
        }
        taken.sort_by_key(|(range, ..)| range.start);
        let (mut line, mut seen) = (1, 0);
        taken
            .into_iter()
            .map(|(range, rule, secret)| {
                line += text[seen..range.start].iter().filter(|b| **b == b'\n').count();
                seen = range.start;
                Hit { rule, line, secret }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new().unwrap());

    fn key(start: &str) -> String {
        format!("{start}{}", "7kQ2xV9bT4mZ8pL1wR6sY3nH5cJ0dF".repeat(2))
    }

    #[test]
    fn a_hit_knows_its_line_and_hides_its_secret() {
        let secret = key("sk-ant-api03-");
        let hits = SCANNER.scan(format!("one\ntwo\nkey = {secret}\n").as_bytes());
        assert_eq!(hits.len(), 1);
        assert_eq!((hits[0].rule.id, hits[0].line), ("anthropic-key", 3));
        assert_eq!(hits[0].masked(), "sk-a… (73 characters)");
        assert!(!format!("{hits:?}").contains(&secret));
    }

    #[test]
    fn a_place_is_named_once_and_by_the_narrowest_rule() {
        let text = format!("api_key = \"{}\"", key("sk-ant-api03-"));
        let hits = Scanner::new().unwrap().scan(text.as_bytes());
        assert_eq!(hits.iter().map(|h| h.rule.id).collect::<Vec<_>>(), ["anthropic-key"]);
    }

    #[test]
    fn a_fingerprint_belongs_to_rule_path_and_secret() {
        let one = SCANNER.scan(key("sk-ant-api03-").as_bytes()).remove(0);
        let moved = SCANNER.scan(format!("\n\n{}", key("sk-ant-api03-")).as_bytes()).remove(0);
        let other = SCANNER.scan(key("sk-ant-api04-").as_bytes()).remove(0);
        assert_eq!(one.fingerprint("a"), moved.fingerprint("a"));
        assert_ne!(one.fingerprint("a"), one.fingerprint("b"));
        assert_ne!(one.fingerprint("a"), other.fingerprint("a"));
        assert_eq!(one.fingerprint("a").len(), FINGERPRINT_DIGITS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = SCANNER.scan(&text);
        }
    }
}
