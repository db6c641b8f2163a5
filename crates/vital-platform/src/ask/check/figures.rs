//! Reads the figures of a sentence: numbers with unit and bound, dates, labelled marks ("class IIa", "Article 5") and codes.
//!
//! A figure is anything that makes a sentence wrong when it changes although every word stays. Both the sentence and what it cites
//! are read by the same function, so that a spelling that is read oddly is read oddly on both sides.
//!
//! Deliberately not here: comparing them (`mod.rs`), negation (`polarity.rs`).

use super::tokens::{Token, tokens};
use super::units::{self, MULTIPLIERS, Unit};
use std::ops::Range;

/// How a number bounds what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The number itself.
    Exactly,
    /// At least, more than, not before.
    Least,
    /// At most, within, not later than.
    Most,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Figure {
    /// A number, scaled to the smallest unit of its kind.
    Number { value: String, unit: Option<Unit>, bound: Bound },
    /// A date, or a month of a year.
    Date { year: Option<u16>, month: u8, day: Option<u8> },
    /// A mark with the word that says what it counts: `class` and `iia`.
    Mark { name: String, mark: String },
    /// An identifier: letters and digits, sections, document numbers.
    Code(String),
}

/// A figure and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) figure: Figure,
    pub(crate) range: Range<usize>,
    /// A negator that belongs to the bound ("not later than") and denies nothing.
    pub(crate) bound_negator: Option<usize>,
}

/// Words whose number or letter is a name and not a quantity.
const MARKED: &[&str] = &[
    "annex",
    "appendix",
    "article",
    "art",
    "arm",
    "category",
    "cfr",
    "chapter",
    "clause",
    "class",
    "criterion",
    "directive",
    "factor",
    "form",
    "grade",
    "group",
    "guidance",
    "level",
    "module",
    "part",
    "phase",
    "principle",
    "rule",
    "schedule",
    "section",
    "stage",
    "step",
    "subpart",
    "table",
    "tier",
    "title",
    "type",
    "usc",
    "version",
    "volume",
];
const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const ORDINALS: [&str; 9] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
const WORD_NUMBERS: &[(&str, u32)] = &[
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];
/// After these, "one" is a pronoun.
const PRONOUN_AFTER: &[&str] =
    &["of", "another", "or", "can", "could", "should", "must", "may", "might", "is", "that", "who", "which", "by"];
/// Before these, "one" is a pronoun or part of one.
const PRONOUN_BEFORE: &[&str] = &["no", "any", "every", "each", "this", "that", "the", "which", "some", "another", "for", "only", "same"];

/// Reads the figures of a text in order.
#[must_use]
pub(crate) fn figures(text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, found: Vec::new() };
    let mut at = 0;
    while at < tokens.len() {
        at = reader.read(at).max(at + 1);
    }
    reader.found
}

struct Reader<'t> {
    tokens: &'t [Token<'t>],
    found: Vec<Found>,
}

impl Reader<'_> {
    /// Reads at a token and returns the next unread one.
    fn read(&mut self, at: usize) -> usize {
        if let Some(next) = self.date(at) {
            return next;
        }
        let token = &self.tokens[at];
        if token.text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.digits(at);
        }
        let lower = token.lower.as_str();
        let singular = singular(lower);
        if MARKED.contains(&singular) {
            return self.marks(at, singular);
        }
        if lower == "§" {
            return self.marks(at, "section");
        }
        if let Some(ordinal) = ORDINALS.iter().position(|o| *o == lower) {
            self.push(Figure::Mark { name: "ordinal".into(), mark: (ordinal + 2).to_string() }, at, at);
        } else if let Some(value) = self.word_number(at) {
            return self.number(at, at, value.to_string());
        } else if token.text.chars().any(|c| c.is_ascii_digit()) {
            self.push(Figure::Code(token.code()), at, at);
        }
        at + 1
    }

    fn lower(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| t.lower.as_str())
    }

    fn push(&mut self, figure: Figure, from: usize, to: usize) {
        let range = self.tokens[from].range.start..self.tokens[to].range.end;
        self.found.push(Found { figure, range, bound_negator: None });
    }

    fn digits(&mut self, at: usize) -> usize {
        let token = &self.tokens[at];
        let next = self.lower(at + 1);
        if matches!(next, "cfr" | "usc" | "u.s.c") && token.is_plain_number() {
            self.push(Figure::Mark { name: "title".into(), mark: token.code() + next.replace('.', "").as_str() }, at, at + 1);
            return at + 1;
        }
        if let Some(ordinal) =
            token.text.strip_suffix("nd").or_else(|| token.text.strip_suffix("rd")).or_else(|| token.text.strip_suffix("th"))
            && ordinal.bytes().all(|b| b.is_ascii_digit())
        {
            self.push(Figure::Mark { name: "ordinal".into(), mark: ordinal.to_owned() }, at, at);
            return at + 1;
        }
        match token.number() {
            Some(value) => self.number(at, at, value),
            None => {
                self.push(Figure::Code(token.code()), at, at);
                at + 1
            }
        }
    }

    /// A number that ends at token `last`; its multiplier and unit follow.
    fn number(&mut self, first: usize, last: usize, mut value: String) -> usize {
        let mut next = last + 1;
        if let Some((_, zeros)) = MULTIPLIERS.iter().find(|(word, _)| *word == self.lower(next)) {
            value = units::shift(&value, *zeros);
            next += 1;
        }
        let mut unit = units::read(&self.tokens[next.min(self.tokens.len())..]);
        let money = first.checked_sub(1).and_then(|p| units::currency(self.lower(p)));
        if let Some((found, used)) = &unit {
            value = units::scale(&value, found);
            next += used;
        } else if let Some(kind) = money {
            unit = Some((Unit { kind, qualifier: None }, 0));
        }
        let unit = unit.map(|(u, _)| u.base());
        let (bound, negator) = self.bound(first, next);
        self.push(Figure::Number { value, unit, bound }, first, next - 1);
        if let Some(found) = self.found.last_mut() {
            found.bound_negator = negator;
        }
        next
    }

    fn word_number(&self, at: usize) -> Option<u32> {
        let lower = self.lower(at);
        if lower == "one" {
            let before = at.checked_sub(1).map_or("", |p| self.lower(p));
            let after = self.lower(at + 1);
            let pronoun = PRONOUN_AFTER.contains(&after) || PRONOUN_BEFORE.contains(&before) || after.is_empty();
            return (!pronoun).then_some(1);
        }
        let value = WORD_NUMBERS.iter().find(|(w, _)| *w == lower)?.1;
        Some(value)
    }

    /// Reads the marks after a word such as "class": one, or a list of them ("classes A, B and C").
    fn marks(&mut self, at: usize, name: &str) -> usize {
        let mut next = at + 1;
        let mut read = false;
        while let Some(token) = self.tokens.get(next) {
            if !token.is_mark() || (read && (self.counts_something(next) || matches!(self.lower(next + 1), "cfr" | "usc"))) {
                break;
            }
            let mark = token.code();
            self.push(Figure::Mark { name: name.to_owned(), mark }, next, next);
            read = true;
            next += 1;
            let mut ahead = next;
            while matches!(self.lower(ahead), "," | "and" | "or" | "to" | "/" | "–" | "-") && ahead < next + 2 {
                ahead += 1;
            }
            if ahead == next || !self.tokens.get(ahead).is_some_and(Token::is_mark) {
                break;
            }
            next = ahead;
        }
        if read { next } else { at + 1 }
    }

    fn counts_something(&self, at: usize) -> bool {
        units::read(&self.tokens[at + 1..]).is_some()
    }

    /// "28 May 1976", "May 28, 1976", "May 1976", "28 May".
    fn date(&mut self, at: usize) -> Option<usize> {
        let day = |t: &Token| t.text.parse::<u8>().ok().filter(|d| (1..=31).contains(d));
        let year = |t: &Token| t.text.parse::<u16>().ok().filter(|y| t.text.len() == 4 && (1800..2200).contains(y));
        let month = |t: &Token| MONTHS.iter().position(|m| *m == t.lower && t.text.starts_with(char::is_uppercase));
        let get = |i: usize| self.tokens.get(i);
        if let (Some(d), Some(m)) = (get(at).and_then(day), get(at + 1).and_then(month)) {
            let y = get(at + 2).and_then(year);
            let last = if y.is_some() { at + 2 } else { at + 1 };
            self.push(Figure::Date { year: y, month: m as u8 + 1, day: Some(d) }, at, last);
            return Some(last + 1);
        }
        let m = get(at).and_then(month)? as u8 + 1;
        if let Some(y) = get(at + 1).and_then(year) {
            self.push(Figure::Date { year: Some(y), month: m, day: None }, at, at + 1);
            return Some(at + 2);
        }
        let d = get(at + 1).and_then(day)?;
        let comma = usize::from(self.lower(at + 2) == ",");
        let y = get(at + 2 + comma).and_then(year);
        let last = if y.is_some() { at + 2 + comma } else { at + 1 };
        self.push(Figure::Date { year: y, month: m, day: Some(d) }, at, last);
        Some(last + 1)
    }

    /// The bound of the number at `first`, whose last token stands before `after`; with a negator that belongs to it.
    fn bound(&self, first: usize, after: usize) -> (Bound, Option<usize>) {
        let before = |n: usize| first.checked_sub(n).map_or("", |p| self.lower(p));
        let (a, b, c) = (before(1), before(2), before(3));
        let place = |n: usize| Some(self.tokens[first - n].range.start);
        let denied = |n: usize| matches!(before(n), "not" | "no").then(|| place(n)).flatten();
        let more = |w: &str| matches!(w, "more" | "greater" | "longer" | "later" | "higher" | "older" | "over" | "above");
        let less = |w: &str| matches!(w, "less" | "fewer" | "lower" | "shorter" | "earlier" | "younger" | "sooner");
        if a == "than" && (more(b) || less(b)) {
            let negator = denied(3);
            let most = more(b) == negator.is_some();
            return (if most { Bound::Most } else { Bound::Least }, negator);
        }
        if matches!(a, "exceed" | "exceeds" | "exceeding") {
            let negator = denied(2);
            return (if negator.is_some() { Bound::Most } else { Bound::Least }, negator);
        }
        if (a == "least" && b == "at") || matches!(a, "≥" | ">" | "minimum" | "over" | "above") || (a == "of" && b == "minimum") {
            return (Bound::Least, None);
        }
        let most = (a == "most" && b == "at")
            || (a == "to" && b == "up")
            || matches!(a, "≤" | "<" | "within" | "maximum" | "under" | "below")
            || (a == "of" && b == "maximum")
            || (a == "a" && b == "within" && !c.is_empty());
        if most {
            return (Bound::Most, None);
        }
        match (self.lower(after), self.lower(after + 1)) {
            ("or", w) if more(w) => (Bound::Least, None),
            ("or", w) if less(w) => (Bound::Most, None),
            _ => (Bound::Exactly, None),
        }
    }
}

fn singular(word: &str) -> &str {
    match word {
        "classes" => "class",
        "criteria" => "criterion",
        "categories" => "category",
        "annexes" => "annex",
        "phases" | "stages" | "articles" | "clauses" | "rules" | "modules" | "types" | "tables" | "grades" => &word[..word.len() - 1],
        _ => word.strip_suffix('s').filter(|w| MARKED.contains(w)).unwrap_or(word),
    }
}
