//! Joins the result of lexical and of dense search into one ranking.
//!
//! **Invariant:** the result depends on the scores alone, not on the order in which hits are given; what stands above in
//! both lists stands above in the result (equal scores are ordered by id).

use std::collections::{BTreeMap, btree_map::Entry};
use vital_kernel::PassageId;

/// The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009).
pub const RRF_K: f32 = 60.0;
/// Share of the dense score in the default convex combination.
pub const DENSE_WEIGHT: f32 = 0.5;

/// How two rankings become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FusionRule {
    /// `w * dense + (1 - w) * lexical` of scores scaled to `0..=1` within their list; a missing score counts 0 (Bruch, Gai and
    /// Ingber, ACM TOIS 2023, section 3).
    Convex {
        /// The weight `w` of the dense score, 0 to 1.
        dense_weight: f32,
    },
    /// The sum of `1 / (60 + rank)` over the lists.
    ReciprocalRank,
}

impl Default for FusionRule {
    fn default() -> Self {
        Self::Convex { dense_weight: DENSE_WEIGHT }
    }
}

/// A passage with its joint score and the scores it came with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// The passage.
    pub id: PassageId,
    /// The joint score: `0..=1` for the convex rule, at most `2/61` for ranks.
    pub score: f32,
    /// Its BM25 score, if lexical search found it.
    pub lexical: Option<f32>,
    /// Its similarity, if dense search found it.
    pub dense: Option<f32>,
}

/// Joins two result lists, best first. Of an id given twice the better score counts; scores that are not finite are left out.
#[must_use]
pub fn fuse(lexical: &[(PassageId, f32)], dense: &[(PassageId, f32)], rule: FusionRule) -> Vec<Fused> {
    let (lexical, dense) = (best(lexical), best(dense));
    let (left, right) = (shares(&lexical, rule), shares(&dense, rule));
    let (left_weight, right_weight) = match rule {
        FusionRule::Convex { dense_weight } => (1.0 - dense_weight.clamp(0.0, 1.0), dense_weight.clamp(0.0, 1.0)),
        FusionRule::ReciprocalRank => (1.0, 1.0),
    };
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
        FusionRule::Convex { .. } => min_max(scores),
        FusionRule::ReciprocalRank => reciprocal_ranks(scores),
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
        prop_oneof![(0.0f32..=1.0).prop_map(|dense_weight| FusionRule::Convex { dense_weight }), Just(FusionRule::ReciprocalRank)]
    }

    fn hits() -> impl Strategy<Value = Vec<(PassageId, f32)>> {
        prop::collection::vec((0u8..20).prop_map(id), 0..20).prop_flat_map(|ids| {
            let scores = prop::collection::vec(prop_oneof![-5.0f32..40.0, Just(1.0)], ids.len());
            scores.prop_map(move |scores| ids.iter().copied().zip(scores).collect())
        })
    }

    #[test]
    fn a_worked_example_of_the_convex_rule() {
        let fused = fuse(&[(id(1), 10.0), (id(2), 5.0), (id(3), 0.0)], &[(id(2), 0.9), (id(4), 0.5)], FusionRule::default());
        let scores: Vec<(PassageId, f32)> = fused.iter().map(|f| (f.id, f.score)).collect();
        assert_eq!(scores, [(id(2), 0.75), (id(1), 0.5), (id(3), 0.0), (id(4), 0.0)]);
        assert_eq!((fused[0].lexical, fused[0].dense), (Some(5.0), Some(0.9)));
        assert_eq!((fused[1].lexical, fused[1].dense), (Some(10.0), None));
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
