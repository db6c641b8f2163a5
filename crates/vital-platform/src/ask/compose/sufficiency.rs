//! Decides whether the evidence answers the question at all. Too little evidence is an answer; a wrong topic dressed up as one is not.
//!
//! A sentence can carry an answer when it and its surroundings have every anchor of the question (names, numbers, identifiers), when it
//! has the figure that the question asks for, and when enough of the question's weight is covered: by words alone, or by fewer words and
//! a cosine that speaks for it.

use super::question::{Asks, Kind, Question, Term};
use super::relevance::{Relevance, needs_figure, scaled, uncovered};

/// Least share of the question's weight by words alone.
const REACH_MIN: f32 = 0.56;
/// Least share of the question's weight in the sentence itself, by words alone.
const OWN_MIN: f32 = 0.2;
/// With vectors: least sum of reach and scaled cosine, each from 0 to 1.
const JOINT_MIN: f32 = 1.0;
/// With vectors: least reach and least cosine, however good the other is.
const JOINT_REACH_MIN: f32 = 0.3;
const COSINE_MIN: f32 = 0.38;
/// Cosine from which a focus that is said in other words counts as said.
const COSINE_SAME: f32 = 0.62;

/// What is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Key terms that stand nowhere near.
    Terms(Vec<String>),
    /// The subject is there, but no sentence has the kind of figure that is asked for.
    Figure,
    /// Nothing comes close enough.
    Everything,
}

/// The candidates that can carry an answer, best first; or what is lacking.
pub(crate) fn judge(question: &Question, relevance: &[Relevance]) -> Result<Vec<usize>, Lack> {
    let mut order: Vec<usize> = (0..relevance.len()).collect();
    order.sort_by(|a, b| relevance[*b].score.total_cmp(&relevance[*a].score));
    if order.is_empty() {
        return Err(Lack::Everything);
    }
    let anchored: Vec<usize> = order.iter().copied().filter(|i| has_anchors(question, &relevance[*i], relevance)).collect();
    if anchored.is_empty() {
        return Err(lacking_terms(question, relevance, &order));
    }
    let close: Vec<usize> = anchored.iter().copied().filter(|i| is_close(question, &relevance[*i])).collect();
    if close.is_empty() {
        return Err(lacking_terms(question, relevance, &anchored));
    }
    let carrying: Vec<usize> = close.iter().copied().filter(|i| carries(question, &relevance[*i])).collect();
    if carrying.is_empty() { Err(Lack::Figure) } else { Ok(carrying) }
}

/// Whether all anchors stand in or around a sentence. In a comparison each side may have its own sentence.
fn has_anchors(question: &Question, candidate: &Relevance, all: &[Relevance]) -> bool {
    let credited = |i: usize| candidate.credits[i] > 0.0;
    let needed = |(_, t): &(usize, &Term)| t.kind == Kind::Anchor;
    if question.sides.is_empty() {
        return question.terms.iter().enumerate().filter(needed).all(|(i, _)| credited(i));
    }
    let side_of = |i: usize| question.sides.iter().position(|s| s.contains(&i));
    let anywhere = |i: usize| all.iter().any(|r| r.credits[i] > 0.0);
    question.terms.iter().enumerate().filter(needed).all(|(i, _)| if side_of(i).is_some() { anywhere(i) } else { credited(i) })
}

fn is_close(question: &Question, candidate: &Relevance) -> bool {
    let focus_found = question.terms.iter().zip(&candidate.credits).filter(|(t, _)| t.kind == Kind::Focus).all(|(_, c)| *c > 0.0);
    let reach = if question.sides.is_empty() { candidate.reach } else { candidate.reach.max(side_reach(question, candidate)) };
    match candidate.cosine {
        Some(cosine) => {
            let joint = reach + scaled(cosine);
            (focus_found || cosine >= COSINE_SAME) && reach >= JOINT_REACH_MIN && cosine >= COSINE_MIN && joint >= JOINT_MIN
        }
        None => focus_found && reach >= REACH_MIN && (candidate.own >= OWN_MIN || !question.sides.is_empty()),
    }
}

/// The reach of a sentence that speaks of one side of a comparison only.
fn side_reach(question: &Question, candidate: &Relevance) -> f32 {
    let of_sides: Vec<usize> = question.sides.iter().flatten().copied().collect();
    let share = |terms: &[usize]| {
        let weight: f32 = terms.iter().map(|i| question.terms[*i].weight).sum();
        terms.iter().map(|i| question.terms[*i].weight * candidate.credits[*i]).sum::<f32>() / weight.max(f32::EPSILON)
    };
    let rest: Vec<usize> = (0..question.terms.len()).filter(|i| !of_sides.contains(i) && question.terms[*i].kind != Kind::Soft).collect();
    let best = question.sides.iter().map(|s| share(s)).fold(0.0, f32::max);
    if rest.is_empty() { best } else { 0.5 * best + 0.5 * share(&rest) }
}

fn carries(question: &Question, candidate: &Relevance) -> bool {
    match question.asks {
        // A number that counts something else is no answer.
        Asks::HowMuch | Asks::HowMany => candidate.typed >= 1.0,
        asks if needs_figure(asks) => candidate.typed >= 0.5,
        _ => true,
    }
}

fn lacking_terms(question: &Question, relevance: &[Relevance], order: &[usize]) -> Lack {
    let best: Vec<&Vec<f32>> = order.iter().take(1).map(|i| &relevance[*i].credits).collect();
    let missing: Vec<String> = uncovered(question, &best).into_iter().map(|t| t.surface.clone()).collect();
    if missing.is_empty() { Lack::Everything } else { Lack::Terms(missing) }
}
