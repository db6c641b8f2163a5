//! Chooses the sentences of an answer: the lead, then what adds to it; near-duplicates of several sources become one point.

use super::candidates::CandidateSentence;
use super::question::{Asks, Kind, Question};
use super::relevance::Relevance;
use crate::ask::check::{Figure, figures};
use std::collections::HashSet;

/// Share of common terms from which two sentences say the same.
const SAME_MIN: f32 = 0.72;
/// Share of the lead's score that a further point must have.
const POINT_SHARE_MIN: f32 = 0.62;
/// How much likeness to a chosen sentence costs.
const REDUNDANCY: f32 = 0.25;
/// What a sentence of a passage already used is worth more: it goes on where the lead began.
const SAME_SECTION: f32 = 0.03;
/// The same where parts are asked for: they stand side by side and are alike.
const SAME_LIST: f32 = 0.12;

/// A chosen sentence: the candidate and those that say the same.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) index: usize,
    pub(crate) same: Vec<usize>,
}

/// Chooses the lead, one sentence or, in a comparison, one for each side, and the points. `carrying` can answer, best first.
pub(crate) fn select(
    question: &Question,
    candidates: &[CandidateSentence],
    relevance: &[Relevance],
    carrying: &[usize],
) -> (Vec<Chosen>, Vec<Chosen>) {
    let mut picker = Picker { question, candidates, relevance, chosen: Vec::new() };
    let leads = picker.leads(carrying);
    let lead_score = leads.iter().map(|i| relevance[*i].score).fold(0.0, f32::max);
    for lead in &leads {
        picker.take(*lead);
    }
    let count = picker.chosen.len();
    while picker.chosen.len() < most_sentences(question.asks) {
        let Some(next) = picker.next(lead_score) else { break };
        picker.take(next);
    }
    let points = picker.chosen.split_off(count);
    (picker.chosen, points)
}

fn most_sentences(asks: Asks) -> usize {
    match asks {
        Asks::HowLong | Asks::HowMany | Asks::HowMuch | Asks::Who => 5,
        Asks::When | Asks::Whether | Asks::Definition | Asks::Why => 6,
        Asks::Comparison | Asks::List | Asks::How | Asks::Open => 8,
    }
}

struct Picker<'a> {
    question: &'a Question,
    candidates: &'a [CandidateSentence],
    relevance: &'a [Relevance],
    chosen: Vec<Chosen>,
}

impl Picker<'_> {
    fn leads(&self, carrying: &[usize]) -> Vec<usize> {
        let best_typed = |of: &mut dyn Iterator<Item = usize>| {
            of.max_by(|a, b| {
                let worth = |i: usize| self.relevance[i].score + 0.1 * self.relevance[i].typed;
                worth(*a).total_cmp(&worth(*b))
            })
        };
        if self.question.sides.len() >= 2 {
            let mut leads: Vec<usize> = Vec::new();
            for side in &self.question.sides {
                let credit = |i: &usize| side.iter().map(|t| self.relevance[*i].credits[*t]).sum::<f32>();
                let most = carrying.iter().map(credit).fold(0.0, f32::max);
                let mut of_side = carrying.iter().copied().filter(|i| most > 0.0 && credit(i) >= most - 0.01);
                leads.extend(best_typed(&mut of_side).filter(|i| !leads.contains(i)));
            }
            leads.truncate(3);
            if !leads.is_empty() {
                return leads;
            }
        }
        best_typed(&mut carrying.iter().copied()).into_iter().collect()
    }

    /// Takes a candidate with all that say the same in other documents.
    fn take(&mut self, index: usize) {
        let others = (0..self.candidates.len()).filter(|i| *i != index && self.says_same(*i, index));
        let same = others.take(3).collect();
        self.chosen.push(Chosen { index, same });
    }

    fn says_same(&self, a: usize, b: usize) -> bool {
        let (a_terms, b_terms) = (&self.relevance[a].terms, &self.relevance[b].terms);
        self.candidates[a].evidence != self.candidates[b].evidence
            && jaccard(a_terms, b_terms) >= SAME_MIN
            && same_figures(&self.candidates[a].text, &self.candidates[b].text)
    }

    /// The best further sentence, if one is good enough.
    fn next(&self, lead_score: f32) -> Option<usize> {
        let list = self.question.asks == Asks::List;
        let (redundancy, going_on) = if list { (0.0, SAME_LIST) } else { (REDUNDANCY, SAME_SECTION) };
        let worth = |i: usize| {
            let relevance = &self.relevance[i];
            let likeness = self.chosen.iter().map(|c| jaccard(&relevance.terms, &self.relevance[c.index].terms)).fold(0.0, f32::max);
            let near = self.chosen.iter().any(|c| self.candidates[c.index].evidence == self.candidates[i].evidence);
            relevance.score - redundancy * (likeness - 0.4).max(0.0) + if near { going_on } else { 0.0 }
        };
        let fits = |i: &usize| {
            let fresh = !self
                .chosen
                .iter()
                .any(|c| c.index == *i || c.same.contains(i) || overlaps(&self.candidates[c.index], &self.candidates[*i]));
            fresh && !self.chosen.iter().any(|c| self.says_same(c.index, *i)) && self.on_subject(*i)
        };
        let best = (0..self.candidates.len()).filter(fits).map(|i| (i, worth(i))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (best.1 >= POINT_SHARE_MIN * lead_score).then_some(best.0)
    }

    /// A point may leave out some anchors of the question, but not all.
    fn on_subject(&self, index: usize) -> bool {
        let credits = &self.relevance[index].credits;
        let anchors: Vec<usize> = (0..self.question.terms.len()).filter(|i| self.question.terms[*i].kind == Kind::Anchor).collect();
        anchors.is_empty() || 2 * anchors.iter().filter(|i| credits[**i] > 0.0).count() >= anchors.len()
    }
}

fn overlaps(a: &CandidateSentence, b: &CandidateSentence) -> bool {
    a.evidence == b.evidence && a.range.start < b.range.end && b.range.start < a.range.end
}

pub(crate) fn jaccard(a: &HashSet<String>, b: &HashSet<String>) -> f32 {
    let common = a.intersection(b).count() as f32;
    let all = a.len() as f32 + b.len() as f32 - common;
    if all == 0.0 { 0.0 } else { common / all }
}

fn same_figures(a: &str, b: &str) -> bool {
    let read = |s: &str| {
        figures(s).into_iter().map(|f| f.figure).filter(|f| matches!(f, Figure::Number { .. } | Figure::Date { .. })).collect::<Vec<_>>()
    };
    let (a, b) = (read(a), read(b));
    a.iter().all(|f| b.contains(f)) && b.iter().all(|f| a.contains(f))
}
