//! The sentence check (trust rule 2): does a sentence say what its citations say, figure by figure?
//!
//! **Invariants:** a sentence that is a sentence of its quote is always supported. A sentence that differs from its quote in one number,
//! date, mark, identifier, bound or negation never is. The check reads words and figures, not meaning: what passes it can still be an
//! unfair summary, and what fails it is shown as unsupported, never silently dropped.
//!
//! Deliberately not here: choosing the quotes (`bind.rs`), and what an answer does with the verdict.

mod figures;
mod polarity;
mod tokens;
mod units;

#[cfg(test)]
mod tests;

use super::answer::Verdict;
pub(crate) use figures::{Bound, Figure, Found, figures};
use std::collections::HashSet;
use vital_documents::sentences;
use vital_search::content_terms;

/// Least share of a sentence's content words that must stand in its quotes or their headings.
const OVERLAP_MIN: f32 = 0.4;
/// Most missing items that are named.
const MISSING_MAX: usize = 6;
/// Endings of international non-proprietary names (WHO stem book) that hardly occur in other words.
const DRUG_ENDINGS: &[&str] = &[
    "mab",
    "tinib",
    "rafenib",
    "ciclib",
    "parib",
    "zomib",
    "statin",
    "prazole",
    "sartan",
    "olol",
    "cillin",
    "mycin",
    "gliptin",
    "gliflozin",
    "glutide",
    "parin",
    "xaban",
    "gatran",
    "conazole",
    "caine",
    "cept",
    "dipine",
    "triptan",
    "setron",
    "lukast",
    "floxacin",
    "cycline",
    "vir",
    "formin",
    "barbital",
    "azepam",
    "oxetine",
    "profen",
    "darone",
    "semide",
    "thiazide",
    "lisib",
    "denib",
    "leucel",
];
/// Openings of sentences that speak about the answer itself.
const META: &[&str] = &[
    "the sources do not",
    "the sources say nothing",
    "the passages do not",
    "the provided",
    "the evidence does not",
    "none of the sources",
    "i could not",
    "i cannot",
    "i can't",
    "i do not",
    "based on the",
    "here is",
    "here are",
    "below is",
    "below are",
    "in summary:",
    "the following",
    "this answer",
    "note that the sources",
    "please ",
    "sources differ",
    "let me",
    "to summarise:",
    "to summarize:",
];

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How well the sentence stands on its quotes.
    pub verdict: Verdict,
    /// What is in the sentence and not in its quotes, in the sentence's words; empty unless unsupported.
    pub missing: Vec<String>,
}

/// Tells whether a sentence states a fact that needs a citation: no question, no bare heading, no talk about the answer.
#[must_use]
pub fn is_factual(sentence: &str) -> bool {
    let text = sentence.trim();
    let lower = text.to_lowercase();
    if text.ends_with('?') || text.ends_with(':') || META.iter().any(|m| lower.starts_with(m)) {
        return false;
    }
    let terms = content_terms(text).len();
    terms >= 3 || (terms >= 1 && !figures(text).is_empty())
}

/// Checks a sentence against the quotes it cites. `context` are titles and headings of the quotes: they may name the subject, but
/// no figure is taken from them.
#[must_use]
pub fn check(sentence: &str, quotes: &[&str], context: &[&str]) -> Checked {
    let done = |verdict| Checked { verdict, missing: Vec::new() };
    if quotes.iter().any(|q| is_verbatim(sentence, q)) {
        return done(Verdict::Supported);
    }
    if !is_factual(sentence) {
        return done(Verdict::NotFactual);
    }
    if quotes.is_empty() {
        return done(Verdict::Uncited);
    }
    let quote = quotes.join("\n");
    let (ours, theirs) = (figures(sentence), figures(&quote));
    let mut missing = unmatched(sentence, &ours, &theirs);
    let places = |found: &[Found]| found.iter().filter_map(|f| f.bound_negator).collect::<Vec<_>>();
    missing.extend(polarity::disagreements(sentence, &quote, (&places(&ours), &places(&theirs))));
    missing.extend(unknown_drugs(sentence, &quote));
    missing.extend(unknown_words(sentence, &quote, context));
    missing.truncate(MISSING_MAX);
    if missing.is_empty() { done(Verdict::Supported) } else { Checked { verdict: Verdict::Unsupported, missing } }
}

/// Whether the sentence is the quote, or whole sentences of it, but for white space.
fn is_verbatim(sentence: &str, quote: &str) -> bool {
    let squeeze = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = squeeze(sentence);
    if wanted.is_empty() {
        return false;
    }
    if wanted == squeeze(quote) {
        return true;
    }
    let parts = sentences(quote);
    (0..parts.len()).any(|from| (from..parts.len().min(from + 3)).any(|to| squeeze(&quote[parts[from].start..parts[to].end]) == wanted))
}

/// The figures of the sentence that do not stand in the quote. Each figure of the quote stands for one of the sentence, as long as
/// the quote has others that the sentence leaves out: else "7 days" could become a second "15 days".
fn unmatched(sentence: &str, ours: &[Found], theirs: &[Found]) -> Vec<String> {
    let mut used = vec![false; theirs.len()];
    let mut missing = Vec::new();
    let mut repeated = Vec::new();
    let mut exact_first: Vec<&Found> = ours.iter().collect();
    exact_first.sort_by_key(|f| matches!(f.figure, Figure::Number { unit: None, .. }));
    for found in exact_first {
        let fits = |i: &usize| agrees(&found.figure, &theirs[*i].figure);
        let candidates: Vec<usize> = (0..theirs.len()).filter(fits).collect();
        let same = |i: &&usize| theirs[**i].figure == found.figure;
        let free = candidates.iter().filter(|i| !used[**i]);
        let choice = free.clone().find(same).or_else(|| free.clone().next());
        match choice {
            Some(at) => used[*at] = true,
            None if candidates.is_empty() || matches!(found.figure, Figure::Number { unit: None, .. }) => {
                missing.push(sentence[found.range.clone()].to_owned());
            }
            None => repeated.push(sentence[found.range.clone()].to_owned()),
        }
    }
    if used.contains(&false) {
        missing.extend(repeated);
    }
    missing
}

/// Whether a figure of a sentence is said by a figure of a quote.
fn agrees(ours: &Figure, theirs: &Figure) -> bool {
    match (ours, theirs) {
        (Figure::Number { value: a, unit: u, bound: b }, Figure::Number { value: c, unit: v, bound: d }) => {
            let units = match (u, v) {
                (Some(u), Some(v)) => u.kind == v.kind && (u.qualifier.is_none() || u.qualifier == v.qualifier),
                (Some(_), None) => false,
                (None, _) => true,
            };
            let bounds = b == d || *b == Bound::Exactly || (*b == Bound::Most && *d == Bound::Exactly);
            a == c && units && bounds
        }
        (Figure::Number { value, unit: None, .. }, Figure::Date { year: Some(year), .. }) => *value == year.to_string(),
        (Figure::Number { value, unit: None, .. }, Figure::Mark { mark, .. }) => value == mark,
        (Figure::Mark { mark, .. }, Figure::Code(code)) => mark == code,
        (Figure::Code(code), Figure::Mark { mark, .. }) => is_within(mark, code),
        (Figure::Date { year, month, day }, Figure::Date { year: y, month: m, day: d }) => {
            month == m && (year.is_none() || year == y) && (day.is_none() || day == d)
        }
        (Figure::Mark { name, mark }, Figure::Mark { name: n, mark: m }) => name == n && is_within(m, mark),
        (Figure::Code(code), Figure::Code(other)) => is_within(other, code),
        _ => false,
    }
}

/// Whether a reference is the given one or lies below it: `312.32(c)(1)` below `312.32`.
fn is_within(specific: &str, general: &str) -> bool {
    specific.strip_prefix(general).is_some_and(|rest| rest.is_empty() || rest.starts_with('('))
}

fn unknown_drugs(sentence: &str, quote: &str) -> Vec<String> {
    let known: HashSet<String> = polarity::word_ranges(quote).map(|r| quote[r].to_lowercase()).collect();
    let words = polarity::word_ranges(sentence).map(|r| &sentence[r]);
    words.filter(|w| is_drug_like(w) && !known.contains(&w.to_lowercase())).map(str::to_owned).collect()
}

/// Tells whether a word ends like a non-proprietary name of a medicine.
#[must_use]
pub(crate) fn is_drug_like(word: &str) -> bool {
    let lower = word.to_lowercase();
    lower.len() >= 7 && DRUG_ENDINGS.iter().any(|e| lower.ends_with(e))
}

/// The words that are missing, where so many are that the sentence does not follow from the quote.
fn unknown_words(sentence: &str, quote: &str, context: &[&str]) -> Vec<String> {
    let mut known: HashSet<String> = content_terms(quote).into_iter().collect();
    for text in context {
        known.extend(content_terms(text));
    }
    let spans = vital_search::content_spans(sentence);
    let unknown: Vec<&str> = spans.iter().filter(|s| !known.contains(&s.term)).map(|s| &sentence[s.range.clone()]).collect();
    let share = 1.0 - unknown.len() as f32 / spans.len().max(1) as f32;
    if share >= OVERLAP_MIN { Vec::new() } else { unknown.into_iter().map(str::to_owned).collect() }
}
