//! Joins the result of lexical and of dense search into one ranking.
//!
//! **Invariant:** the result depends on the scores alone, not on the order in which hits are given; what stands above in
//! both lists stands above in the result (equal scores are ordered by id).
//!
//! A passage that only one search found has a score in the other too, it is only not among the best. Whoever joins the lists looks
//! it up first ([`crate::LexicalIndex::scores_of`], and the cosine from the database); of a score that stays unknown the least of the
//! list is assumed. How the default was chosen stands in `docs/EVALUATION.md`.

use std::collections::{BTreeMap, btree_map::Entry};
use vital_kernel::PassageId;

/// The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009).
pub const RRF_K: f32 = 60.0;
/// Share of the dense score where nothing is known of the question.
pub const DENSE_WEIGHT: f32 = 0.5;
/// The logistic regression of the dense share on the question: constant, factor of the reach, factor of the identifiers.
const DENSE_SHARE: [f32; 3] = [1.35, -2.8, -2.0];

/// How two rankings become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FusionRule {
    /// `w * dense + (1 - w) * lexical` of standard scores (distance from the mean of the list in standard deviations), the whole
    /// brought linearly to `0..=1`.
    Standard {
        /// The weight `w` of the dense score, 0 to 1.
        dense_weight: f32,
    },
    /// `w * dense + (1 - w) * lexical` of scores scaled to `0..=1` within their list (Bruch, Gai and Ingber, ACM TOIS 2023, section 3).
    Convex {
        /// The weight `w` of the dense score, 0 to 1.
        dense_weight: f32,
    },
    /// The sum of `1 / (60 + rank)` over the lists.
    ReciprocalRank,
}

impl Default for FusionRule {
    fn default() -> Self {
        Self::Standard { dense_weight: DENSE_WEIGHT }
    }
}

impl FusionRule {
    /// The rule for a question by what its words achieve.
    ///
    /// `reach` is the best lexical score as a share of the score that a passage full of the words of the question would have, `identifiers`
    /// the share of its terms that hold a digit; both 0 to 1. The less its words reach the more counts the meaning, and identifiers have none.
    #[must_use]
    pub fn for_question(reach: f32, identifiers: f32) -> Self {
        let [constant, by_reach, by_identifiers] = DENSE_SHARE;
        let sum = constant + by_reach * reach.clamp(0.0, 1.0) + by_identifiers * identifiers.clamp(0.0, 1.0);
        Self::Standard { dense_weight: 1.0 / (1.0 + (-sum).exp()) }
    }
}

/// A passage with its joint score and the scores it came with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// The passage.
    pub id: PassageId,
    /// The joint score: at most `2/61` for ranks, `0..=1` for the other rules.
    pub score: f32,
    /// Its BM25 score, if it was given.
    pub lexical: Option<f32>,
    /// Its similarity, if it was given.
    pub dense: Option<f32>,
}

/// Joins two lists of scores, best first. Of an id given twice the better score counts; scores that are not finite are left out.
#[must_use]
pub fn fuse(lexical: &[(PassageId, f32)], dense: &[(PassageId, f32)], rule: FusionRule) -> Vec<Fused> {
    let (lexical, dense) = (best(lexical), best(dense));
    let (left, right) = (shares(&lexical, rule), shares(&dense, rule));
    let (left_weight, right_weight) = weights(&lexical, &dense, rule);
    let mut fused: BTreeMap<PassageId, Fused> = BTreeMap::new();
    for (id, score) in &lexical {
        let share = left.get(id).copied().unwrap_or(0.0);
        fused.insert(*id, Fused { id: *id, score: left_weight * share, lexical: Some(*score), dense: None });
    }
    for (id, score) in &dense {
        let share = right.get(id).copied().unwrap_or(0.0);
        let entry = fused.entry(*id).or_insert(Fused { id: *id, score: 0.0, lexical: None, dense: None });
        entry.score += right_weight * share;
        entry.dense = Some(*score);
    }
    let mut fused: Vec<Fused> = fused.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    fused
}

fn best(hits: &[(PassageId, f32)]) -> BTreeMap<PassageId, f32> {
    let mut best = BTreeMap::new();
    for (id, score) in hits.iter().filter(|(_, score)| score.is_finite()) {
        match best.entry(*id) {
            Entry::Vacant(entry) => {
                entry.insert(*score);
            }
            Entry::Occupied(mut entry) => *entry.get_mut() = score.max(*entry.get()),
        }
    }
    best
}

fn shares(scores: &BTreeMap<PassageId, f32>, rule: FusionRule) -> BTreeMap<PassageId, f32> {
    match rule {
        FusionRule::Standard { .. } | FusionRule::Convex { .. } => min_max(scores),
        FusionRule::ReciprocalRank => reciprocal_ranks(scores),
    }
}

/// The factors of the two shares; of the convex rules they sum up to 1.
///
/// A sum of standard scores is a sum of shares of the span, each times its span in standard deviations, up to a constant: so the one
/// formula serves both rules, and a score stays between 0 and 1.
fn weights(lexical: &BTreeMap<PassageId, f32>, dense: &BTreeMap<PassageId, f32>, rule: FusionRule) -> (f32, f32) {
    match rule {
        FusionRule::ReciprocalRank => (1.0, 1.0),
        FusionRule::Convex { dense_weight } => (1.0 - dense_weight.clamp(0.0, 1.0), dense_weight.clamp(0.0, 1.0)),
        FusionRule::Standard { dense_weight } => {
            let weight = f64::from(dense_weight.clamp(0.0, 1.0));
            let (left, right) = ((1.0 - weight) * deviations(lexical), weight * deviations(dense));
            let share = if left + right > 0.0 { (right / (left + right)) as f32 } else { weight as f32 };
            (1.0 - share, share)
        }
    }
}

/// How many standard deviations the span of some scores holds; 1 for equal scores, which say nothing, 0 for none at all.
fn deviations(scores: &BTreeMap<PassageId, f32>) -> f64 {
    let count = scores.len() as f64;
    let mean = scores.values().map(|s| f64::from(*s)).sum::<f64>() / count.max(1.0);
    let variance = scores.values().map(|s| (f64::from(*s) - mean).powi(2)).sum::<f64>() / count.max(1.0);
    let span = scores.values().map(|s| f64::from(*s) - mean).fold(0.0, f64::max)
        - scores.values().map(|s| f64::from(*s) - mean).fold(0.0, f64::min);
    if scores.is_empty() {
        0.0
    } else if variance > 0.0 {
        span / variance.sqrt()
    } else {
        1.0
    }
}

/// Scales to `0..=1`; a list of equal scores scales to 1. In double precision, so that the span of two scores cannot overflow.
fn min_max(scores: &BTreeMap<PassageId, f32>) -> BTreeMap<PassageId, f32> {
    let min = scores.values().copied().fold(f32::INFINITY, f32::min);
    let span = f64::from(scores.values().copied().fold(f32::NEG_INFINITY, f32::max)) - f64::from(min);
    let scale = |score: f32| if span > 0.0 { ((f64::from(score) - f64::from(min)) / span) as f32 } else { 1.0 };
    scores.iter().map(|(id, score)| (*id, scale(*score))).collect()
}

fn reciprocal_ranks(scores: &BTreeMap<PassageId, f32>) -> BTreeMap<PassageId, f32> {
    let mut ranked: Vec<(PassageId, f32)> = scores.iter().map(|(id, score)| (*id, *score)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.into_iter().enumerate().map(|(above, (id, _))| (id, 1.0 / (RRF_K + 1.0 + above as f32))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn id(n: u8) -> PassageId {
        PassageId(Uuid::from_u128(u128::from(n)))
    }

    fn rules() -> impl Strategy<Value = FusionRule> {
        prop_oneof![
            (0.0f32..=1.0).prop_map(|dense_weight| FusionRule::Convex { dense_weight }),
            (0.0f32..=1.0).prop_map(|dense_weight| FusionRule::Standard { dense_weight }),
            Just(FusionRule::ReciprocalRank)
        ]
    }

    fn hits() -> impl Strategy<Value = Vec<(PassageId, f32)>> {
        prop::collection::vec((0u8..20).prop_map(id), 0..20).prop_flat_map(|ids| {
            let scores = prop::collection::vec(prop_oneof![-5.0f32..40.0, Just(1.0)], ids.len());
            scores.prop_map(move |scores| ids.iter().copied().zip(scores).collect())
        })
    }

    #[test]
    fn a_worked_example_of_the_convex_rule() {
        let fused =
            fuse(&[(id(1), 10.0), (id(2), 5.0), (id(3), 0.0)], &[(id(2), 0.9), (id(4), 0.5)], FusionRule::Convex { dense_weight: 0.5 });
        let scores: Vec<(PassageId, f32)> = fused.iter().map(|f| (f.id, f.score)).collect();
        assert_eq!(scores, [(id(2), 0.75), (id(1), 0.5), (id(3), 0.0), (id(4), 0.0)]);
        assert_eq!((fused[0].lexical, fused[0].dense), (Some(5.0), Some(0.9)));
        assert_eq!((fused[1].lexical, fused[1].dense), (Some(10.0), None));
    }

    #[test]
    fn a_worked_example_of_the_standard_rule() {
        let lexical = [(id(1), 12.0), (id(2), 6.0), (id(3), 0.0)];
        let dense = [(id(1), 0.2), (id(2), 0.8), (id(3), 0.2)];
        let fused = fuse(&lexical, &dense, FusionRule::Standard { dense_weight: 0.5 });
        // The spans hold 12 / sqrt(24) and 0.6 / sqrt(0.08) standard deviations.
        let (left, right) = (12.0 / 24f32.sqrt(), 0.6 / 0.08f32.sqrt());
        let expected = [(id(2), (0.5 * left + right) / (left + right)), (id(1), left / (left + right)), (id(3), 0.0)];
        for (fused, (id, score)) in fused.iter().zip(expected) {
            assert!(fused.id == id && (fused.score - score).abs() < 1e-6, "{fused:?} {score}");
        }
    }

    #[test]
    fn the_less_the_words_reach_the_more_counts_the_meaning() {
        let weight = |reach, identifiers| match FusionRule::for_question(reach, identifiers) {
            FusionRule::Standard { dense_weight } => dense_weight,
            other => panic!("{other:?}"),
        };
        assert!(weight(0.1, 0.0) > 0.7 && weight(0.9, 0.0) < 0.3);
        assert!(weight(0.5, 0.8) < weight(0.5, 0.0));
        assert!((0.0..=1.0).contains(&weight(-3.0, -1.0)) && (0.0..=1.0).contains(&weight(9.0, 9.0)));
    }

    #[test]
    fn a_half_without_hits_leaves_the_order_to_the_other() {
        let lexical = [(id(1), 3.0), (id(2), 2.0)];
        let fused = fuse(&lexical, &[], FusionRule::for_question(0.1, 0.0));
        assert_eq!(fused.iter().map(|f| (f.id, f.score)).collect::<Vec<_>>(), [(id(1), 1.0), (id(2), 0.0)]);
    }

    #[test]
    fn a_worked_example_of_reciprocal_ranks() {
        let fused = fuse(&[(id(1), 9.0), (id(2), 8.0)], &[(id(2), 0.9)], FusionRule::ReciprocalRank);
        assert_eq!(fused.iter().map(|f| f.score).collect::<Vec<_>>(), [1.0 / 62.0 + 1.0 / 61.0, 1.0 / 61.0]);
    }

    #[test]
    fn scores_that_are_not_finite_are_left_out() {
        assert!(fuse(&[(id(1), f32::NAN), (id(2), f32::INFINITY)], &[], FusionRule::default()).is_empty());
    }

    proptest! {
        #[test]
        fn the_order_of_the_hits_does_not_matter(lexical in hits(), dense in hits(), rule in rules()) {
            let fused = fuse(&lexical, &dense, rule);
            let reversed = |hits: &[(PassageId, f32)]| hits.iter().rev().copied().collect::<Vec<_>>();
            prop_assert_eq!(fused, fuse(&reversed(&lexical), &reversed(&dense), rule));
        }

        #[test]
        fn each_passage_stands_once_and_scores_fall(lexical in hits(), dense in hits(), rule in rules()) {
            let fused = fuse(&lexical, &dense, rule);
            prop_assert!(fused.is_sorted_by(|a, b| a.score >= b.score));
            let ids: std::collections::BTreeSet<_> = lexical.iter().chain(&dense).map(|h| h.0).collect();
            prop_assert_eq!(fused.len(), ids.len());
            prop_assert!(fused.iter().all(|f| (0.0..=1.0).contains(&f.score)));
        }

        #[test]
        fn what_is_above_in_both_lists_stays_above(lexical in hits(), dense in hits(), rule in rules()) {
            let fused = fuse(&lexical, &dense, rule);
            for (position, above) in fused.iter().enumerate() {
                for below in &fused[position + 1..] {
                    let beaten = below.lexical > above.lexical && below.dense > above.dense;
                    prop_assert!(!beaten || below.score >= above.score - f32::EPSILON, "{below:?} under {above:?}");
                }
            }
        }
    }
}
