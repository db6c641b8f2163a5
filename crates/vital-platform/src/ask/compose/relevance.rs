//! How well a sentence answers a question: its words, the words around it, its meaning, and whether it has the kind of answer asked for.

use super::SentenceVectors;
use super::aliases::Aliases;
use super::answering;
use super::candidates::CandidateSentence;
use super::lexicon::{self, Group};
use super::question::{Asks, Kind, Question, Term};
use crate::knowledge::Evidence;
use std::collections::HashSet;
use vital_documents::sentences;
use vital_search::content_terms;

/// What a term counts by where it stands: in the sentence, in the title or a heading, elsewhere in the passage or the document.
const IN_SENTENCE: f32 = 1.0;
const IN_HEADING: f32 = 0.75;
const IN_PASSAGE: f32 = 0.4;
/// In another passage of the same document.
const IN_DOCUMENT: f32 = 0.25;
/// What another word for it counts.
const BY_GROUP: f32 = 0.85;
/// What a sentence loses that speaks of a special kind of the thing asked about.
const NARROWED: f32 = 0.16;
/// Cosines of unrelated and of matching sentences under small sentence models.
const COSINE: std::ops::Range<f32> = 0.15..0.75;

/// What one sentence has to do with the question.
#[derive(Clone, Debug)]
pub(crate) struct Relevance {
    /// Total, from 0 to 1.
    pub(crate) score: f32,
    /// Weighted share of the question's terms in the sentence and around it.
    pub(crate) reach: f32,
    /// Weighted share in the sentence itself.
    pub(crate) own: f32,
    /// Cosine to the question.
    pub(crate) cosine: Option<f32>,
    /// How far it has the kind of answer asked for: 0, 0.5 or 1.
    pub(crate) typed: f32,
    /// Credit of each term.
    pub(crate) credits: Vec<f32>,
    /// Content terms of the sentence itself.
    pub(crate) terms: HashSet<String>,
}

/// Terms of a text with what they also mean.
struct Words {
    terms: HashSet<String>,
    groups: HashSet<Group>,
}

impl Words {
    fn of(text: &str, aliases: &Aliases) -> Self {
        let mut terms: HashSet<String> = content_terms(text).into_iter().collect();
        aliases.widen(&mut terms);
        let groups = terms.iter().filter_map(|t| lexicon::group(t)).collect();
        Self { terms, groups }
    }

    fn credit(&self, term: &Term) -> f32 {
        if term.stems.iter().all(|s| self.terms.contains(s)) {
            1.0
        } else if term.group.is_some_and(|g| self.groups.contains(&g)) {
            BY_GROUP
        } else {
            0.0
        }
    }
}

/// The words of a passage: of its title and headings, and of each of its sentences.
struct Surroundings {
    heading: Words,
    sentences: Vec<Words>,
}

impl Surroundings {
    fn of(evidence: &Evidence, aliases: &Aliases) -> Self {
        let heading = format!("{} {}", evidence.title, evidence.heading_path.join(" "));
        let sentences = sentences(&evidence.body).into_iter().map(|r| Words::of(&evidence.body[r], aliases)).collect();
        Self { heading: Words::of(&heading, aliases), sentences }
    }

    fn credit(&self, term: &Term) -> f32 {
        let heading = self.heading.credit(term) * IN_HEADING;
        let body = self.sentences.iter().map(|s| s.credit(term)).fold(0.0, f32::max) * IN_PASSAGE;
        heading.max(body)
    }
}

/// Reads the abbreviations of the evidence.
pub(crate) fn aliases(evidence: &[Evidence]) -> Aliases {
    Aliases::read(evidence.iter().flat_map(|e| [e.body.as_str(), e.title.as_str()]))
}

/// Weighs every candidate.
pub(crate) fn weigh(
    question: &Question,
    evidence: &[Evidence],
    candidates: &[CandidateSentence],
    vectors: Option<&SentenceVectors>,
) -> Vec<Relevance> {
    let aliases = aliases(evidence);
    let around: Vec<Surroundings> = evidence.iter().map(|e| Surroundings::of(e, &aliases)).collect();
    let words: Vec<Words> = candidates.iter().map(|c| Words::of(&c.text, &aliases)).collect();
    let rarity = rarity(question, &words);
    let top = evidence.iter().map(|e| e.score).fold(f32::EPSILON, f32::max);
    let mut found = Vec::with_capacity(candidates.len());
    for (index, candidate) in candidates.iter().enumerate() {
        let Some(surroundings) = around.get(candidate.evidence) else { continue };
        let own: Vec<f32> = question.terms.iter().map(|t| words[index].credit(t) * IN_SENTENCE).collect();
        let document = evidence[candidate.evidence].document;
        let relatives: Vec<&Surroundings> = evidence.iter().zip(&around).filter(|(e, _)| e.document == document).map(|(_, s)| s).collect();
        let near = |t: &Term| relatives.iter().map(|s| s.credit(t)).fold(0.0, f32::max).min(IN_DOCUMENT).max(surroundings.credit(t));
        let credits: Vec<f32> = question.terms.iter().zip(&own).map(|(t, own)| own.max(near(t))).collect();
        let cosine = vectors.and_then(|v| v.cosine(index));
        let typed = answering::typed(question, &candidate.text);
        let passage = evidence[candidate.evidence].score / top;
        let share = |credits: &[f32], rarity: &[f32]| {
            let weight = |i: usize| question.terms[i].weight * rarity[i];
            let whole: f32 = (0..credits.len()).map(weight).sum();
            (0..credits.len()).map(|i| weight(i) * credits[i]).sum::<f32>() / whole.max(f32::EPSILON)
        };
        let flat = vec![1.0; rarity.len()];
        let words_part = 0.65 * share(&credits, &rarity) + 0.35 * share(&own, &rarity);
        let score = match cosine {
            Some(c) => 0.40 * words_part + 0.33 * scaled(c) + 0.17 * typed + 0.10 * passage,
            None => 0.68 * words_part + 0.20 * typed + 0.12 * passage,
        };
        let score = score - if answering::narrows(question, &candidate.text) { NARROWED } else { 0.0 };
        let terms = content_terms(&candidate.text).into_iter().collect();
        found.push(Relevance { score, reach: share(&credits, &flat), own: share(&own, &flat), cosine, typed, credits, terms });
    }
    found
}

/// A cosine on the scale from unrelated to matching.
pub(crate) fn scaled(cosine: f32) -> f32 {
    ((cosine - COSINE.start) / (COSINE.end - COSINE.start)).clamp(0.0, 1.0)
}

/// How much a term tells the candidates apart, from 0.4 to 1.
fn rarity(question: &Question, words: &[Words]) -> Vec<f32> {
    let total = words.len().max(1) as f32;
    let of = |t: &Term| {
        let share = words.iter().filter(|w| w.credit(t) > 0.0).count() as f32 / total;
        1.0 - 0.6 * share
    };
    question.terms.iter().map(of).collect()
}

/// Orders sentences by their words alone, best first: a first choice before anything is embedded.
pub(super) fn lexical_order(question: &Question, evidence: &[Evidence], candidates: &[CandidateSentence]) -> Vec<usize> {
    let relevance = weigh(question, evidence, candidates, None);
    let mut order: Vec<usize> = (0..relevance.len()).collect();
    order.sort_by(|a, b| relevance[*b].score.total_cmp(&relevance[*a].score));
    order
}

/// Terms that narrow the question down and stand in none of the given credits.
pub(crate) fn uncovered<'q>(question: &'q Question, credits: &[&Vec<f32>]) -> Vec<&'q Term> {
    let covered = |i: usize| credits.iter().any(|c| c.get(i).is_some_and(|v| *v > 0.0));
    let narrow = |t: &Term| t.kind != Kind::Soft && t.weight >= 0.5;
    question.terms.iter().enumerate().filter(|(i, t)| narrow(t) && !covered(*i)).map(|(_, t)| t).collect()
}

/// Kinds of question that only a figure answers.
pub(crate) fn needs_figure(asks: Asks) -> bool {
    matches!(asks, Asks::HowLong | Asks::HowMany | Asks::HowMuch)
}
