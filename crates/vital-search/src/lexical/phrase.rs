//! Passages in which terms stand one after the other, read from the positions of the index.

use super::{schema::Fields, scope::Part};
use tantivy::{
    DocId, DocSet, TERMINATED, Term,
    postings::{Postings, SegmentPostings},
    schema::IndexRecordOption,
};

/// A term of a phrase and how many words it stands behind the first.
pub(super) type Placed = (u32, Term);

/// The passages of a part that hold a phrase, in order, with how often each does; those that the filter hides are left out.
///
/// A term may stand one word nearer than the phrase says, because the parts of `dose-finding` share one place.
pub(super) fn holders(part: &Part<'_>, fields: &Fields, phrase: &[Placed]) -> tantivy::Result<Vec<(DocId, u32)>> {
    let inverted = part.reader.inverted_index(fields.text)?;
    let mut lists: Vec<(usize, SegmentPostings)> = Vec::with_capacity(phrase.len());
    for (index, (_, term)) in phrase.iter().enumerate() {
        let Some(postings) = inverted.read_postings(term, IndexRecordOption::WithFreqsAndPositions)? else { return Ok(Vec::new()) };
        lists.push((index, postings));
    }
    lists.sort_by_key(|(_, postings)| postings.doc_freq());
    let mut found = Vec::new();
    let mut places = vec![Vec::new(); phrase.len()];
    'passages: while let Some((_, rarest)) = lists.first_mut().filter(|(_, rarest)| rarest.doc() != TERMINATED) {
        let doc = rarest.doc();
        for (_, postings) in &mut lists[1..] {
            if postings.doc() < doc {
                postings.seek(doc);
            }
            let at = postings.doc();
            if at == TERMINATED {
                break 'passages;
            }
            if at > doc {
                lists[0].1.seek(at);
                continue 'passages;
            }
        }
        if part.allowed.contains(doc) {
            for (index, postings) in &mut lists {
                postings.positions(&mut places[*index]);
            }
            let times = occurrences(phrase, &places);
            if times > 0 {
                found.push((doc, times));
            }
        }
        lists[0].1.advance();
    }
    Ok(found)
}

/// How often the terms stand in the places that the phrase gives them.
fn occurrences(phrase: &[Placed], places: &[Vec<u32>]) -> u32 {
    let mut times = 0;
    let mut before = None;
    for start in places.first().map(Vec::as_slice).unwrap_or_default() {
        // A term of the title is written several times at one place.
        if before.replace(*start) == Some(*start) {
            continue;
        }
        let mut at = *start;
        let complete = phrase.windows(2).zip(&places[1..]).all(|(pair, places)| {
            let gap = pair[1].0.saturating_sub(pair[0].0);
            let next = [gap, gap.saturating_sub(1)].into_iter().map(|gap| at + gap).find(|place| places.binary_search(place).is_ok());
            at = next.unwrap_or(at);
            next.is_some()
        });
        times += u32::from(complete);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use tantivy::schema::Field;

    fn phrase(offsets: &[u32]) -> Vec<Placed> {
        offsets.iter().map(|offset| (*offset, Term::from_field_text(Field::from_field_id(0), "term"))).collect()
    }

    #[test]
    fn a_phrase_is_counted_where_all_its_terms_follow() {
        assert_eq!(occurrences(&phrase(&[0, 1]), &[vec![0, 4, 9], vec![1, 6, 10]]), 2);
        assert_eq!(occurrences(&phrase(&[0, 2]), &[vec![0, 4], vec![2, 5]]), 2);
        assert_eq!(occurrences(&phrase(&[0, 1, 2]), &[vec![3], vec![4], vec![6]]), 0);
    }

    #[test]
    fn a_term_written_twice_at_one_place_counts_once() {
        assert_eq!(occurrences(&phrase(&[0, 1]), &[vec![7, 7], vec![8, 8]]), 1);
    }
}
