//! Finds the concepts of the tables in a question.

use super::{Entry, Expansion, Expansions, Known};
use crate::{TermSpan, lexical::placed, term_spans};
use std::collections::HashSet;

/// Concepts of one question that are expanded; later ones are left as they are.
const CONCEPTS_MAX: usize = 12;

/// What was recognised at a place of the question.
struct Match {
    /// Words of the question that it covers.
    words: usize,
    entries: Vec<usize>,
    by_acronym: bool,
}

impl Expansions {
    /// The concepts that a question names and their other wordings, in the order of the question.
    #[must_use]
    pub fn of(&self, question: &str) -> Vec<Expansion> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut words: Vec<TermSpan> = term_spans(question);
        words.dedup_by_key(|span| span.position);
        let mut found = Vec::new();
        let mut at = 0;
        while at < words.len() && found.len() < CONCEPTS_MAX {
            let Some(hit) = self.at(question, &words, at) else {
                at += 1;
                continue;
            };
            let range = words[at].range.start..words[at + hit.words - 1].range.end;
            let wordings = self.wordings(&words[at..at + hit.words], &hit);
            if let Some(entry) = hit.entries.first().map(|entry| &self.entries[*entry]).filter(|_| !wordings.is_empty()) {
                found.push(Expansion { wordings, domain: entry.domain.clone(), ..Expansion::of_words(question, range) });
            }
            at += hit.words;
        }
        found
    }

    /// The longest wording that begins at a word, or the acronym that stands there.
    fn at(&self, question: &str, words: &[TermSpan], at: usize) -> Option<Match> {
        let known = self.wordings.get(&words[at].term).map(Vec::as_slice).unwrap_or_default();
        let fitting: Vec<&Known> = known.iter().filter(|known| stands(&known.terms, &words[at..])).collect();
        let longest = fitting.iter().map(|known| known.terms.len()).max().unwrap_or(0);
        let acronym = self.acronym(question, words, at);
        match acronym {
            Some(entries) if longest <= 1 => Some(Match { words: 1, entries, by_acronym: true }),
            _ if longest > 0 => {
                let mut entries: Vec<usize> = fitting.iter().filter(|k| k.terms.len() == longest).map(|k| k.entry).collect();
                entries.dedup();
                Some(Match { words: longest, entries: self.preferred(entries), by_acronym: false })
            }
            _ => None,
        }
    }

    /// The meanings of an acronym that the question leaves open; none where it could mean several things.
    fn acronym(&self, question: &str, words: &[TermSpan], at: usize) -> Option<Vec<usize>> {
        let raw = question.get(words[at].range.clone())?;
        let entries = self.shorts.get(raw).or_else(|| self.shorts.get(raw.strip_suffix('s')?))?;
        let entries = self.preferred(entries.clone());
        let own = entries.iter().any(|entry| self.entries[*entry].own);
        let first = entries.first().map(|entry| self.meaning(*entry))?;
        let several = entries.iter().any(|entry| self.meaning(*entry) != first);
        if own || !(several || entries.iter().any(|entry| self.entries[*entry].term.ambiguous)) {
            return Some(entries);
        }
        let others: HashSet<&str> = words.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, w)| w.term.as_str()).collect();
        let told = |entry: &usize| {
            let term = &self.entries[*entry].term;
            term.long.iter().chain(&term.synonyms).flat_map(|wording| placed(wording)).any(|(_, term)| others.contains(term.as_str()))
        };
        let told: Vec<usize> = entries.into_iter().filter(told).collect();
        (!told.is_empty()).then_some(told)
    }

    /// An organisation's own entries, if there are any among these.
    fn preferred(&self, entries: Vec<usize>) -> Vec<usize> {
        let own: Vec<usize> = entries.iter().copied().filter(|entry| self.entries[*entry].own).collect();
        if own.is_empty() { entries } else { own }
    }

    /// The terms of the first long form of an entry.
    fn meaning(&self, entry: usize) -> Vec<String> {
        let term = &self.entries[entry].term;
        term.long.first().or(term.synonyms.first()).map(|long| terms_of(long)).unwrap_or_default()
    }

    /// The other wordings of what was recognised, each once.
    fn wordings(&self, words: &[TermSpan], hit: &Match) -> Vec<String> {
        let asked: Vec<String> = words.iter().map(|w| w.term.clone()).collect();
        let mut seen = HashSet::from([asked]);
        let mut wordings = Vec::new();
        for Entry { term, .. } in hit.entries.iter().map(|entry| &self.entries[*entry]) {
            // Who asks with the long form of an acronym that means many things would be given all of them.
            let shorts = term.short.iter().filter(|_| hit.by_acronym || !term.ambiguous);
            for wording in term.long.iter().chain(&term.synonyms).chain(shorts) {
                let terms = terms_of(wording);
                if !terms.is_empty() && seen.insert(terms) {
                    wordings.push(wording.clone());
                }
            }
        }
        wordings
    }
}

/// Whether terms stand at the beginning of some words of a question, at the distances of the wording.
fn stands(terms: &[(u32, String)], words: &[TermSpan]) -> bool {
    let (Some((origin, _)), Some(start)) = (terms.first(), words.first()) else { return false };
    terms.len() <= words.len()
        && terms.iter().zip(words).all(|((at, term), word)| *term == word.term && at - origin == word.position - start.position)
}

fn terms_of(wording: &str) -> Vec<String> {
    placed(wording).into_iter().map(|(_, term)| term).collect()
}
