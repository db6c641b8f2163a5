//! Other wordings of the concepts that a question names: acronyms and what they stand for, true synonyms.
//!
//! Data enters as tables ([`TermEntry`], `catalogue/terms/*.toml` and an organisation's own) and leaves as [`Expansion`]s of one question, which
//! [`crate::Question::with_expansions`] takes and which are shown beside the hits.
//!
//! Acronyms are matched with their case (`MAH`, and `MAHs`), words by their terms, the longest wording first. An acronym with several
//! meanings is opened only where the question holds another word of one of them; an organisation's own meaning counts before all others.
//!
//! Deliberately not here: spelling variants (analysis folds them), broader and narrower terms.

mod matching;

use crate::{SearchError, lexical::placed};
use serde::Deserialize;
use std::{collections::HashMap, ops::Range};

/// What another wording weighs against the one asked for. See `docs/EVALUATION.md`.
pub const EXPANSION_WEIGHT: f32 = 0.8;
/// Longest table that is read, in entries.
const ENTRIES_MAX: usize = 20_000;

/// One concept of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermEntry {
    /// Acronyms in their exact case.
    #[serde(default)]
    pub short: Vec<String>,
    /// What they stand for, in its spellings.
    #[serde(default)]
    pub long: Vec<String>,
    /// Wordings that mean the same.
    #[serde(default)]
    pub synonyms: Vec<String>,
    /// Whether the acronyms have other common meanings.
    #[serde(default)]
    pub ambiguous: bool,
    /// A remark for whoever keeps the table.
    #[serde(default)]
    pub note: String,
}

/// Other wordings of one concept of a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expansion {
    /// The bytes of the question that name the concept.
    pub range: Range<usize>,
    /// The words of the question that name it.
    pub matched: String,
    /// The other wordings.
    pub wordings: Vec<String>,
    /// What a wording weighs against the words asked for, 0 to 1.
    pub weight: f32,
    /// The table that knows them.
    pub domain: String,
}

impl Expansion {
    /// An expansion without other wordings of some bytes of a question; nothing is matched where they are no text.
    #[must_use]
    pub fn of_words(question: &str, range: Range<usize>) -> Self {
        let matched = question.get(range.clone()).unwrap_or_default().to_owned();
        Self { range, matched, weight: EXPANSION_WEIGHT, ..Self::default() }
    }
}

/// All tables that apply to a question.
#[derive(Clone, Debug, Default)]
pub struct Expansions {
    entries: Vec<Entry>,
    /// Entries by acronym.
    shorts: HashMap<String, Vec<usize>>,
    /// Wordings of several words or without capitals, by their first term.
    wordings: HashMap<String, Vec<Known>>,
}

#[derive(Clone, Debug)]
struct Entry {
    domain: String,
    term: TermEntry,
    own: bool,
}

/// A wording of an entry as it is matched: its terms with their places from the first.
#[derive(Clone, Debug)]
struct Known {
    entry: usize,
    terms: Vec<(u32, String)>,
}

/// The file form of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    term: Vec<TermEntry>,
}

impl Expansions {
    /// Reads the entries of a table in TOML (`[[term]]` with the keys of [`TermEntry`]).
    ///
    /// # Errors
    /// `BadTerms` when it is no such table, is too long, or has an entry with fewer than two wordings.
    pub fn read(domain: &str, toml: &str) -> Result<Vec<TermEntry>, SearchError> {
        let refused = |detail: String| SearchError::BadTerms { domain: domain.to_owned(), detail };
        let table: Table = toml::from_str(toml).map_err(|e| refused(e.to_string()))?;
        if table.term.len() > ENTRIES_MAX {
            return Err(refused(format!("it has {} entries, at most {ENTRIES_MAX} are read", table.term.len())));
        }
        if let Some(lone) = table.term.iter().find(|t| t.all().count() < 2) {
            return Err(refused(format!("`{}` has no other wording", lone.all().next().unwrap_or("an entry"))));
        }
        Ok(table.term)
    }

    /// Adds a table that comes with the product.
    #[must_use]
    pub fn with(self, domain: &str, terms: Vec<TermEntry>) -> Self {
        self.adding(domain, terms, false)
    }

    /// Adds an organisation's own table, whose meaning of an acronym counts before those of all others.
    #[must_use]
    pub fn with_own(self, domain: &str, terms: Vec<TermEntry>) -> Self {
        self.adding(domain, terms, true)
    }

    fn adding(mut self, domain: &str, terms: Vec<TermEntry>, own: bool) -> Self {
        for term in terms {
            let entry = self.entries.len();
            for short in &term.short {
                self.shorts.entry(short.trim().to_owned()).or_default().push(entry);
            }
            let several_words = term.short.iter().filter(|short| placed(short).len() > 1);
            for wording in term.long.iter().chain(&term.synonyms).chain(several_words) {
                let terms = placed(wording);
                if let Some((_, first)) = terms.first() {
                    self.wordings.entry(first.clone()).or_default().push(Known { entry, terms });
                }
            }
            self.entries.push(Entry { domain: domain.to_owned(), term, own });
        }
        self
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl TermEntry {
    fn all(&self) -> impl Iterator<Item = &str> {
        self.short.iter().chain(&self.long).chain(&self.synonyms).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
