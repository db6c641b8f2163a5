//! A bounded bonus for passages in which neighbouring words of the question stand near each other.
//!
//! For each pair of terms that follow one another in the question, the inverse squares of their distances within a window are added and
//! saturate like a term frequency (Rasolofo and Savoy, ECIR 2003); the pair weighs the lesser idf of the two. Order does not matter.

use super::{question::Question, schema::Fields, scope::Part};
use std::collections::HashMap;
use tantivy::{DocId, DocSet, Term, postings::Postings, schema::IndexRecordOption};

/// Share of a pair's idf that nearness can add at most. See `docs/EVALUATION.md`.
const NEAR_WEIGHT: f32 = 0.2;
/// Most words from one term to the other.
const WINDOW_WORDS: u32 = 6;
/// Words of a question whose neighbourhoods are looked at.
const PAIRS_MAX: usize = 32;

/// Two neighbouring terms of the question and what their nearness is worth.
pub(super) struct Pair {
    terms: [Term; 2],
    weight: f32,
}

/// The pairs of a question, of terms that some passage holds.
pub(super) fn pairs(question: &Question, idf: &HashMap<String, f32>, fields: &Fields) -> Vec<Pair> {
    let mut words: Vec<(&str, f32)> = Vec::new();
    let mut last = None;
    for asked in &question.terms {
        // The whole of a compound comes first and stands for it, or its parts if no passage holds the whole.
        if let Some(idf) = idf.get(&asked.term).filter(|_| last != Some(asked.position)) {
            words.push((&asked.term, *idf));
            last = Some(asked.position);
        }
    }
    let term = |text: &str| Term::from_field_text(fields.text, text);
    let distinct = words.windows(2).filter(|pair| pair[0].0 != pair[1].0);
    distinct.take(PAIRS_MAX).map(|p| Pair { terms: [term(p[0].0), term(p[1].0)], weight: NEAR_WEIGHT * p[0].1.min(p[1].1) }).collect()
}

/// The bonus of each of some passages of a part, which are given in its order.
pub(super) fn bonuses(part: &Part<'_>, fields: &Fields, pairs: &[Pair], docs: &[DocId], norms: &[f32; 256]) -> tantivy::Result<Vec<f32>> {
    let inverted = part.reader.inverted_index(fields.text)?;
    let lengths = part.reader.get_fieldnorms_reader(fields.text)?;
    let mut bonuses = vec![0.0; docs.len()];
    let mut places = [Vec::new(), Vec::new()];
    for pair in pairs {
        let read = |term| inverted.read_postings(term, IndexRecordOption::WithFreqsAndPositions);
        let (Some(mut left), Some(mut right)) = (read(&pair.terms[0])?, read(&pair.terms[1])?) else { continue };
        for (doc, bonus) in docs.iter().zip(&mut bonuses) {
            for list in [&mut left, &mut right] {
                if list.doc() < *doc {
                    list.seek(*doc);
                }
            }
            if left.doc() == *doc && right.doc() == *doc {
                left.positions(&mut places[0]);
                right.positions(&mut places[1]);
                let times = nearness(&places[0], &places[1]);
                *bonus += pair.weight * times / (times + norms[usize::from(lengths.fieldnorm_id(*doc))]);
            }
        }
    }
    Ok(bonuses)
}

/// The sum of the inverse squares of the distances within the window; both lists are sorted.
fn nearness(left: &[u32], right: &[u32]) -> f32 {
    let mut sum = 0.0;
    let mut from = 0;
    let mut before = None;
    for place in left {
        // A term of the title is written several times at one place.
        if before.replace(*place) == Some(*place) {
            continue;
        }
        while from < right.len() && right[from] + WINDOW_WORDS < *place {
            from += 1;
        }
        let mut other = None;
        for near in right[from..].iter().take_while(|near| **near <= place + WINDOW_WORDS) {
            if other.replace(*near) != Some(*near) {
                // The parts of a compound share one place.
                sum += 1.0 / (place.abs_diff(*near).max(1) as f32).powi(2);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_adds_inverse_squares_within_the_window() {
        assert_eq!(nearness(&[0], &[1]), 1.0);
        assert_eq!(nearness(&[4], &[2, 6]), 0.5);
        assert_eq!(nearness(&[0], &[WINDOW_WORDS + 1]), 0.0);
        assert_eq!(nearness(&[3, 3], &[4, 4]), 1.0);
    }
}
