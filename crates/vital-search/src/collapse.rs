//! Takes near copies of a passage out of a ranking: the best stands for them, and they are told.
//!
//! Two texts are near copies when the sets of their runs of three terms overlap by the bound or more (Jaccard; Broder, 1997), or, where one
//! is much longer, when nearly all runs of the shorter stand in the longer. Numbers and identifiers decide: texts whose terms with digits
//! differ are never collapsed, because `within 30 days` and `within 90 days` differ in the one word that counts, and neither are texts of which
//! one denies what the other says.

use crate::terms;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Share of common runs from which two passages count as near copies.
pub const NEAR_COPY: f32 = 0.8;
/// Share of the shorter text's runs that must stand in the longer one.
const CONTAINED: f32 = 0.95;
/// Terms in a run.
const RUN_TERMS: usize = 3;
/// Candidates that are compared; later ones stay as they are.
const COMPARED_MAX: usize = 500;
/// Words that deny, in lower case; analysis takes most of them for stop words.
const DENIALS: &[&str] = &["cannot", "except", "neither", "never", "no", "none", "nor", "not", "unless", "without"];

/// A passage that stands for its near copies, by places in the list given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapsed {
    /// The one kept, the first in the list.
    pub kept: usize,
    /// Those that it stands for, in order.
    pub copies: Vec<usize>,
}

/// What is compared of a text.
struct Sketch {
    runs: HashSet<u64>,
    numbers: BTreeSet<String>,
    denials: usize,
}

/// Collapses near copies in a ranking of texts, best first. Each place of the list stands in the result once; order stays.
#[must_use]
pub fn collapse(texts: &[&str]) -> Vec<Collapsed> {
    let mut kept: Vec<(Collapsed, Option<Sketch>)> = Vec::with_capacity(texts.len());
    // The places in `kept` of those that hold a run, so that only texts with something in common are compared.
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, text) in texts.iter().enumerate() {
        let sketch = (place < COMPARED_MAX).then(|| Sketch::of(text));
        if let Some(original) = sketch.as_ref().and_then(|sketch| original(sketch, &kept, &holders)) {
            kept[original].0.copies.push(place);
            continue;
        }
        for run in sketch.iter().flat_map(|sketch| &sketch.runs) {
            holders.entry(*run).or_default().push(kept.len());
        }
        kept.push((Collapsed { kept: place, copies: Vec::new() }, sketch));
    }
    kept.into_iter().map(|(collapsed, _)| collapsed).collect()
}

/// The first of those kept that a text is a near copy of.
fn original(sketch: &Sketch, kept: &[(Collapsed, Option<Sketch>)], holders: &HashMap<u64, Vec<usize>>) -> Option<usize> {
    let mut common: HashMap<usize, usize> = HashMap::new();
    for holder in sketch.runs.iter().filter_map(|run| holders.get(run)).flatten() {
        *common.entry(*holder).or_default() += 1;
    }
    let near = |(holder, common): &(usize, usize)| kept[*holder].1.as_ref().is_some_and(|other| sketch.is_copy_of(other, *common));
    common.into_iter().filter(near).map(|(holder, _)| holder).min()
}

impl Sketch {
    fn of(text: &str) -> Self {
        let terms = terms(text);
        let numbers = terms.iter().filter(|term| term.contains(|c: char| c.is_numeric())).cloned().collect();
        let hash = |run: &[String]| {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            run.hash(&mut hasher);
            hasher.finish()
        };
        // A text shorter than a run is one run.
        let runs = if terms.len() < RUN_TERMS {
            terms.chunks(RUN_TERMS).map(hash).collect()
        } else {
            terms.windows(RUN_TERMS).map(hash).collect()
        };
        let denials = text.split(|c: char| !c.is_alphanumeric()).filter(|word| DENIALS.contains(&word.to_lowercase().as_str())).count();
        let contracted = text.matches("n't").count() + text.matches("n\u{2019}t").count();
        Self { runs, numbers, denials: denials + contracted }
    }

    fn is_copy_of(&self, other: &Self, common: usize) -> bool {
        let (shorter, longer) = if self.runs.len() <= other.runs.len() { (self, other) } else { (other, self) };
        let union = shorter.runs.len() + longer.runs.len() - common;
        let alike = self.numbers == other.numbers && common as f32 >= NEAR_COPY * union as f32;
        // A shorter text adds nothing to a longer one that was kept before it; the other way round it would hide the rest.
        let inside = self.runs.len() < other.runs.len()
            && common as f32 >= CONTAINED * self.runs.len() as f32
            && self.numbers.is_subset(&other.numbers);
        self.denials == other.denials && (alike || (inside && self.runs.len() > RUN_TERMS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLAUSE: &str = "The manufacturer shall establish and maintain procedures for validating the device design, and design validation \
        shall be performed under defined operating conditions on initial production units, lots or batches";

    fn groups(texts: &[&str]) -> Vec<(usize, Vec<usize>)> {
        collapse(texts).into_iter().map(|c| (c.kept, c.copies)).collect()
    }

    #[test]
    fn copies_with_other_marks_or_spelling_stand_behind_the_best() {
        let shouted = CLAUSE.to_uppercase().replace(',', ";");
        let longer = format!("{CLAUSE} or equivalents.");
        assert_eq!(groups(&[CLAUSE, "something else altogether", &shouted, &longer]), [(0, vec![2, 3]), (1, vec![])]);
    }

    #[test]
    fn a_part_of_a_better_passage_is_collapsed_but_a_longer_one_is_not() {
        let longer =
            format!("{CLAUSE}. Records of the results, with the names of those who performed them, go into the history file of the design");
        assert_eq!(groups(&[&longer, CLAUSE]), [(0, vec![1])]);
        assert_eq!(groups(&[CLAUSE, &longer]), [(0, vec![]), (1, vec![])]);
    }

    #[test]
    fn passages_that_differ_in_a_number_or_in_a_denial_are_both_kept() {
        let days = |n: u32| format!("{CLAUSE} within {n} days of the decision");
        assert_eq!(groups(&[&days(30), &days(90)]).len(), 2);
        let (can, cannot) = (format!("{CLAUSE} and this can be waived"), format!("{CLAUSE} and this can not be waived"));
        assert_eq!(groups(&[&can, &cannot]).len(), 2);
        let longer = format!("{cannot}, as the records of the history file of the design show");
        assert_eq!(groups(&[&longer, &can]).len(), 2);
    }

    #[test]
    fn empty_texts_stay_each_for_itself() {
        assert_eq!(groups(&["", "", "?!"]).len(), 3);
        assert!(groups(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn each_place_stands_once_and_the_best_comes_first(texts in prop::collection::vec("(dose|of|trial|no|30|90|device| ){0,12}", 0..20)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let groups = groups(&texts);
            prop_assert!(groups.iter().all(|(kept, copies)| copies.iter().all(|copy| copy > kept)));
            prop_assert!(groups.is_sorted_by(|a, b| a.0 < b.0));
            let mut all: Vec<usize> = groups.into_iter().flat_map(|(kept, copies)| std::iter::once(kept).chain(copies)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..texts.len()).collect::<Vec<_>>());
        }
    }
}
