use super::tests::{index_of, passage};
use super::*;
use crate::Expansion;
use proptest::prelude::*;
use std::collections::HashMap;
use uuid::Uuid;

fn ids(hits: &[Hit]) -> Vec<u128> {
    hits.iter().map(|h| h.passage.0.as_u128()).collect()
}

fn asked(index: &LexicalIndex, question: &Question) -> Vec<u128> {
    ids(&index.ask(question, 100, Filter::All).unwrap().hits)
}

fn everything(count: usize) -> Vec<PassageId> {
    (0..count as u128).map(|n| PassageId(Uuid::from_u128(n))).collect()
}

fn expansion(text: &str, of: &str, wordings: &[&str]) -> Expansion {
    let start = text.find(of).unwrap();
    Expansion {
        wordings: wordings.iter().map(|w| (*w).to_owned()).collect(),
        weight: 0.6,
        ..Expansion::of_words(text, start..start + of.len())
    }
}

#[test]
fn a_quoted_phrase_is_found_only_where_it_stands() {
    let index =
        index_of(&["the right to refuse treatment", "treatment refused by right", "to refuse the right treatment", "right to refuse"]);
    let question = Question::words("right to refuse").with_phrases(["right to refuse"]);
    let mut found = asked(&index, &question);
    found.sort_unstable();
    assert_eq!(found, [0, 3]);
    assert_eq!(asked(&index, &question.clone().with_phrases(["refuse treatment"])), [0]);
    assert!(asked(&index, &question.with_phrases(["nowhere at all", "refuse treatment"])).is_empty());
}

#[test]
fn quotation_marks_in_a_question_make_a_phrase_that_can_be_given_up() {
    let index = index_of(&["equivalence that is substantial", "substantial equivalence of a device", "other text"]);
    let question = Question::asked("what is \"substantial equivalence\"?", &[]);
    assert_eq!(asked(&index, &question), [1]);
    assert!(question.has_phrases());
    assert_eq!(asked(&index, &question.without_phrases()).len(), 2);
}

#[test]
fn a_phrase_is_found_over_hyphens_and_in_titles_but_not_over_their_ends() {
    let index = LexicalIndex::in_memory().unwrap();
    index.add(&[passage(1, 1, "Dose-finding studies", "design of trials"), passage(2, 2, "Dose", "finding studies of design")]).unwrap();
    index.commit().unwrap();
    assert_eq!(asked(&index, &Question::words("dose").with_phrases(["dose finding studies"])), [1]);
}

#[test]
fn words_that_stand_together_lift_a_passage_by_a_bounded_share() {
    let index = index_of(&[
        "device recall and then many other words about the market and about a report of removal",
        "recall of words about the market and then about a report of device removal many other",
        "nothing of the kind stands here",
    ]);
    let question = Question::words("device recall").with_nearness();
    let hits = index.ask(&question, 10, Filter::All).unwrap().hits;
    assert_eq!(ids(&hits), [0, 1]);
    let plain = hits[0].score - hits[0].near;
    assert!(hits[0].near > 0.0 && hits[0].near < plain && hits[1].near == 0.0, "{hits:?}");
}

#[test]
fn a_concept_counts_once_however_it_is_worded() {
    let bodies =
        ["MAH duties", "marketing authorisation holder duties", "MAH, marketing authorisation holder", "duties of others", "other text"];
    let index = index_of(&bodies);
    let text = "MAH duties";
    let wide = Question::words(text).with_expansions(text, &[expansion(text, "MAH", &["marketing authorisation holder"])]);
    let score = |question: &Question| -> HashMap<u128, f32> {
        index.ask(question, 10, Filter::All).unwrap().hits.iter().map(|h| (h.passage.0.as_u128(), h.score)).collect()
    };
    let (narrow, wide) = (score(&Question::words(text)), score(&wide));
    assert!(wide[&1] > narrow[&1], "the long form is found");
    assert!(wide[&0] > wide[&1] && wide[&1] > wide[&3], "what was asked for comes first, then its other wording, then the rest");
    assert!((wide[&2] - narrow[&2]).abs() < 1e-6, "a passage with both wordings gains nothing");
}

#[test]
fn words_of_a_long_form_find_its_acronym() {
    let index = index_of(&["the MAH reports", "the post office reports", "the weather reports"]);
    let text = "marketing authorisation holder reports";
    let question = Question::words(text).with_expansions(text, &[expansion(text, "marketing authorisation holder", &["MAH"])]);
    assert_eq!(asked(&index, &question)[0], 0);
}

#[test]
fn the_reach_tells_how_much_of_the_question_the_best_passage_holds() {
    let index = index_of(&["aspirin dose", "placebo trial", "warfarin dose"]);
    let reach = |text: &str| index.ask(&Question::words(text), 10, Filter::All).unwrap().reach;
    assert!(reach("aspirin dose") > reach("aspirin unheard") && reach("aspirin unheard") > reach("dose unheard"));
    assert_eq!(reach("unheard of it all"), 0.0);
    assert!(reach("aspirin aspirin dose") <= 1.0);
}

#[test]
fn scores_of_passages_keep_to_the_filter_and_to_quoted_phrases() {
    let index = index_of(&["sterile filtration", "filtration of sterile air", "sterile filtration", "dry air"]);
    let odd = HashSet::from([CollectionId(Uuid::from_u128(1))]);
    let mut passages = everything(9);
    passages.push(PassageId(Uuid::from_u128(1 << 64 | 3)));
    let of = |question: &Question, filter| ids(&index.scores_of(question, &passages, filter).unwrap());
    let question = Question::words("sterile filtration");
    assert_eq!(of(&question, Filter::All), [0, 2, 1, 3]);
    assert_eq!(of(&question, Filter::Collections(&odd)), [1, 3]);
    assert_eq!(of(&question.with_phrases(["sterile filtration"]), Filter::All), [0, 2]);
}

#[test]
fn a_hashed_index_answers_as_an_open_one() {
    let bodies = ["marketing authorisation holder of 820.30", "MAH and sterile filtration", "sterile air filtration"];
    let (open, hashed) = (LexicalIndex::in_memory().unwrap(), LexicalIndex::in_memory().unwrap());
    let hashed = hashed.hashed_by(Box::new(|term| format!("x{}", term.bytes().rev().map(|b| format!("{b:02x}")).collect::<String>())));
    for index in [&open, &hashed] {
        index.add(&(0..).zip(bodies).map(|(n, body)| passage(n, n, "", body)).collect::<Vec<_>>()).unwrap();
        index.commit().unwrap();
    }
    let text = "MAH sterile filtration";
    let question =
        Question::words(text).with_expansions(text, &[expansion(text, "MAH", &["marketing authorisation holder"])]).with_nearness();
    for question in [question.clone(), question.with_phrases(["sterile filtration"])] {
        assert_eq!(open.ask(&question, 10, Filter::All).unwrap(), hashed.ask(&question, 10, Filter::All).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scores_of_passages_are_those_of_the_search(
        bodies in prop::collection::vec(prop::collection::vec(0u8..12, 0..20), 1..40),
        query in prop::collection::vec(0u8..14, 1..6),
        cut in 0usize..40,
        nearness: bool,
        expand: bool,
    ) {
        let text = |terms: &[u8]| terms.iter().map(|t| format!("w{t} ")).collect::<String>();
        let index = LexicalIndex::in_memory().unwrap();
        let passages: Vec<_> = (0..).zip(&bodies).map(|(n, body)| passage(n, n, "", &text(body))).collect();
        for part in [&passages[..cut.min(passages.len())], &passages[cut.min(passages.len())..]] {
            index.add(part).unwrap();
            index.commit().unwrap();
        }
        let text = text(&query);
        let mut question = Question::words(&text);
        if expand {
            let first = text.split(' ').next().unwrap();
            question = question.with_expansions(&text, &[expansion(&text, first, &["w3 w4", "w5"])]);
        }
        if nearness {
            question = question.with_nearness();
        }
        let found = index.ask(&question, 1_000, Filter::All).unwrap();
        let scored = index.scores_of(&question, &everything(bodies.len()), Filter::All).unwrap();
        prop_assert_eq!(scored.len(), bodies.len());
        prop_assert!((0.0..=1.0).contains(&found.reach));
        let scored: HashMap<PassageId, f32> = scored.into_iter().map(|h| (h.passage, h.score)).collect();
        for hit in &found.hits {
            prop_assert!((hit.score - scored[&hit.passage]).abs() < 1e-5, "{:?} {:?}", hit, scored);
        }
        prop_assert_eq!(scored.values().filter(|score| **score > 0.0).count(), found.hits.len());
        let few = index.ask(&question, 3, Filter::All).unwrap().hits;
        for (few, all) in few.iter().zip(&found.hits) {
            prop_assert!((few.score - all.score).abs() < 1e-5, "skipping lists changes nothing");
        }
    }

    #[test]
    fn any_question_is_answered(text in "\\PC{0,60}|[a-c0-9(). \"-]{0,40}", phrase in "\\PC{0,20}|[a-c .-]{0,12}") {
        let index = index_of(&["a b c", "b c a (820.30)", ""]);
        let question = Question::words(&text).with_nearness().with_phrases([phrase.as_str()]);
        prop_assert!(index.ask(&question, 10, Filter::All).is_ok());
    }
}
