//! The terms and phrases of a question, each with its weight.
//!
//! A term weighs its idf for each time it is asked for. Another wording of a concept weighs its own idf or that of the words asked for,
//! whichever is less, times the weight of the expansion: it stands for those words and must not outweigh them.

use super::{
    phrase::{self, Placed},
    question::{Question, Wording},
    schema::Fields,
    scope::Scope,
};
use std::collections::{HashMap, HashSet};
use tantivy::{DocId, Term};

/// Distinct terms of a question that are looked up at all.
const LOOKED_UP_TERMS_MAX: usize = 1_024;
/// Terms of a question that are scored: of a longer one, those that weigh most.
const SCORED_TERMS_MAX: usize = 64;

/// What a clause looks for.
pub(super) enum What {
    Term(Term),
    /// The passages that hold a phrase, for each part of the scope.
    Phrase(Vec<Vec<(DocId, u32)>>),
}

/// Which part of the question a clause stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// Words of a concept as they were asked for.
    Asked(usize),
    /// Another wording of a concept.
    Instead(usize),
}

/// One list to be scored.
pub(super) struct Clause {
    pub(super) what: What,
    pub(super) weight: f32,
    pub(super) role: Role,
}

/// All lists of a question, heaviest first.
pub(super) struct Clauses {
    pub(super) all: Vec<Clause>,
    /// Number of concepts.
    pub(super) concepts: usize,
    /// What all words asked for weigh, those that no passage holds included.
    pub(super) worth: f32,
    /// Of each part of the scope the passages in which all quoted phrases stand; none if nothing is quoted.
    required: Option<Vec<HashSet<DocId>>>,
    /// The idf of each term asked for that some passage holds.
    idf: HashMap<String, f32>,
}

impl Clauses {
    /// Looks up and weighs what a question asks for; its terms are as they are written in the index.
    pub(super) fn of(question: &Question, fields: &Fields, scope: &Scope<'_>) -> tantivy::Result<Self> {
        let mut times: HashMap<&str, (f32, Option<usize>)> = HashMap::new();
        for asked in &question.terms {
            if times.len() < LOOKED_UP_TERMS_MAX || times.contains_key(asked.term.as_str()) {
                let entry = times.entry(&asked.term).or_insert((0.0, asked.concept));
                entry.0 += 1.0;
                entry.1 = entry.1.or(asked.concept);
            }
        }
        let concepts =
            question.wordings.iter().map(|w| w.concept + 1).chain(question.terms.iter().filter_map(|t| t.concept.map(|c| c + 1)));
        let concepts = concepts.max().unwrap_or(0);
        // What the words asked for are worth, whether some passage holds them or not.
        let mut worth = vec![0.0; concepts];
        let mut total = 0.0;
        let mut idf = HashMap::new();
        let mut all = Vec::with_capacity(times.len());
        for (text, (times, concept)) in times {
            let term = Term::from_field_text(fields.text, text);
            let frequency = scope.frequency(&term)?;
            let value = scope.idf(frequency);
            total += value * times;
            if let Some(concept) = concept {
                worth[concept] += value * times;
            }
            if frequency > 0 {
                idf.insert(text.to_owned(), value);
                all.push(Clause { what: What::Term(term), weight: times * value, role: concept.map_or(Role::Plain, Role::Asked) });
            }
        }
        all.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.term().cmp(&b.term())));
        all.truncate(SCORED_TERMS_MAX);
        for wording in &question.wordings {
            all.extend(instead(wording, worth[wording.concept], fields, scope)?);
        }
        all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let required = if question.phrases.is_empty() { None } else { Some(required(question, fields, scope)?) };
        Ok(Self { all, concepts, worth: total, required, idf })
    }

    /// The passages of a part that may be found, if phrases restrict them.
    pub(super) fn required(&self, part: usize) -> Option<&HashSet<DocId>> {
        self.required.as_ref().and_then(|parts| parts.get(part))
    }

    /// The idf of each term asked for that some passage holds.
    pub(super) const fn idf(&self) -> &HashMap<String, f32> {
        &self.idf
    }
}

impl Clause {
    fn term(&self) -> Option<&Term> {
        match &self.what {
            What::Term(term) => Some(term),
            What::Phrase(_) => None,
        }
    }
}

/// The clause of another wording of a concept whose words asked for are worth `worth`; none if no passage holds it.
fn instead(wording: &Wording, worth: f32, fields: &Fields, scope: &Scope<'_>) -> tantivy::Result<Option<Clause>> {
    let (what, frequency) = match wording.terms.as_slice() {
        [(_, term)] => {
            let term = Term::from_field_text(fields.text, term);
            let frequency = scope.frequency(&term)?;
            (What::Term(term), frequency)
        }
        terms => {
            let holders = holders(terms, fields, scope)?;
            let frequency = holders.iter().map(|h| h.len() as u64).sum();
            (What::Phrase(holders), frequency)
        }
    };
    let weight = wording.weight * worth.min(scope.idf(frequency));
    Ok((frequency > 0).then_some(Clause { what, weight, role: Role::Instead(wording.concept) }))
}

/// Of each part the passages that hold a phrase.
fn holders(terms: &[(u32, String)], fields: &Fields, scope: &Scope<'_>) -> tantivy::Result<Vec<Vec<(DocId, u32)>>> {
    let phrase: Vec<Placed> = terms.iter().map(|(at, term)| (*at, Term::from_field_text(fields.text, term))).collect();
    scope.parts.iter().map(|part| phrase::holders(part, fields, &phrase)).collect()
}

/// Of each part the passages in which every quoted phrase stands.
fn required(question: &Question, fields: &Fields, scope: &Scope<'_>) -> tantivy::Result<Vec<HashSet<DocId>>> {
    let mut required: Option<Vec<HashSet<DocId>>> = None;
    for phrase in &question.phrases {
        let found = holders(phrase, fields, scope)?.into_iter().map(|part| part.into_iter().map(|(doc, _)| doc).collect());
        required = Some(match required {
            None => found.collect(),
            Some(before) => {
                before.into_iter().zip(found).map(|(a, b): (_, HashSet<DocId>)| a.intersection(&b).copied().collect()).collect()
            }
        });
    }
    Ok(required.unwrap_or_default())
}
