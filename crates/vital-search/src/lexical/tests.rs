use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) fn passage(n: u128, document: u128, title: &str, body: &str) -> PassageEntry {
    PassageEntry {
        passage: PassageId(Uuid::from_u128(n)),
        document: DocumentId(Uuid::from_u128(document)),
        collection: CollectionId(Uuid::from_u128(document % 2)),
        title: title.into(),
        headings: String::new(),
        body: body.into(),
    }
}

pub(super) fn index_of(bodies: &[&str]) -> LexicalIndex {
    let index = LexicalIndex::in_memory().unwrap();
    let passages: Vec<_> = (0..).zip(bodies).map(|(n, body)| passage(n, n, "", body)).collect();
    index.add(&passages).unwrap();
    index.commit().unwrap();
    index
}

fn found(index: &LexicalIndex, query: &str) -> Vec<u128> {
    index.search(query, 100, Filter::All).unwrap().iter().map(|h| h.passage.0.as_u128()).collect()
}

#[test]
fn the_score_is_bm25_with_lucenes_idf() {
    let index = index_of(&["aspirin aspirin trial", "placebo trial", "warfarin dose ranging study"]);
    let hits = index.search("aspirin", 10, Filter::All).unwrap();
    let idf = (1.0f32 + (3.0 - 1.0 + 0.5) / (1.0 + 0.5)).ln();
    let expected = idf * 2.0 / (2.0 + 0.9 * (1.0 - 0.4 + 0.4 * 3.0 / 3.0));
    assert_eq!(hits.len(), 1);
    assert!((hits[0].score - expected).abs() < 1e-6, "{} {expected}", hits[0].score);
}

#[test]
fn a_word_in_the_title_weighs_more_than_one_in_the_body() {
    let index = LexicalIndex::in_memory().unwrap();
    index.add(&[passage(1, 1, "Stability", "storage at high humidity"), passage(2, 2, "Storage", "stability at high humidity")]).unwrap();
    index.commit().unwrap();
    assert_eq!(found(&index, "stability"), [1, 2]);
}

#[test]
fn an_identifier_finds_its_clause_before_its_fragments() {
    let index = index_of(&["design controls of 820.30(b) planning", "part 820 has 30 sections", "820.30 design controls"]);
    assert_eq!(found(&index, "820.30(b)")[0], 0);
    assert_eq!(found(&index, "what is 820.30?").len(), 3);
    assert_ne!(found(&index, "what is 820.30?")[2], 0);
    assert_ne!(found(&index, "what is 820.30?")[2], 2);
}

#[test]
fn a_clause_is_not_taken_for_one_that_begins_alike() {
    let index =
        index_of(&["under 820.3 terms are defined", "under 820.30 design is controlled", "820.3 and 820.3 and 30 of 820", "other text"]);
    assert_eq!(found(&index, "820.30")[0], 1);
    assert_eq!(found(&index, "21 CFR 820.30(a)")[0], 1);
    let index = index_of(&["E9 on statistics", "E9(R1) on estimands", "R1 of another guideline", "E9 R1 in short"]);
    let first: HashSet<u128> = found(&index, "ICH E9(R1)")[..2].iter().copied().collect();
    assert_eq!(first, HashSet::from([1, 3]));
}

#[test]
fn nothing_is_found_before_the_commit_and_nothing_after_deletion() {
    let index = LexicalIndex::in_memory().unwrap();
    index.add(&[passage(1, 7, "", "sterile filtration"), passage(2, 8, "", "sterile fill")]).unwrap();
    assert!(index.is_empty() && found(&index, "sterile").is_empty());
    index.commit().unwrap();
    assert_eq!((index.len(), found(&index, "sterile").len()), (2, 2));
    index.delete_document(DocumentId(Uuid::from_u128(7))).unwrap();
    index.commit().unwrap();
    assert_eq!((index.len(), found(&index, "sterile")), (1, vec![2]));
    index.clear().unwrap();
    index.commit().unwrap();
    assert!(index.is_empty() && found(&index, "sterile").is_empty());
}

#[test]
fn a_document_is_replaced_in_one_commit() {
    let index = index_of(&["old wording"]);
    index.delete_document(DocumentId(Uuid::from_u128(0))).unwrap();
    index.add(&[passage(9, 0, "", "new wording")]).unwrap();
    index.commit().unwrap();
    assert_eq!(found(&index, "wording"), [9]);
}

#[test]
fn a_rollback_forgets_the_changes_and_frees_the_writer() {
    let index = index_of(&["kept"]);
    index.add(&[passage(5, 5, "", "forgotten")]).unwrap();
    index.rollback().unwrap();
    index.commit().unwrap();
    assert_eq!((found(&index, "kept forgotten"), index.writer().is_none()), (vec![0], true));
}

#[test]
fn filters_keep_to_documents_and_collections() {
    let index = index_of(&["dose", "dose", "dose", "dose"]);
    let search = |filter| index.search("dose", 10, filter).unwrap().iter().map(|h| h.document.0.as_u128()).collect::<Vec<_>>();
    let documents = HashSet::from([2, 77].map(|n| DocumentId(Uuid::from_u128(n))));
    let collections = HashSet::from([CollectionId(Uuid::from_u128(1))]);
    let none = HashSet::new();
    assert_eq!(search(Filter::Documents(&documents)), [2]);
    assert_eq!(search(Filter::Collections(&collections)), [1, 3]);
    assert!(search(Filter::Collections(&none)).is_empty());
}

#[test]
fn questions_without_terms_and_endless_ones_are_answered() {
    let index = index_of(&["dose finding"]);
    assert!(found(&index, "").is_empty() && found(&index, "what is the ?!").is_empty());
    assert!(index.search("dose", 0, Filter::All).unwrap().is_empty());
    let endless: String = (0..20_000).map(|n| format!("dose w{n} ")).collect();
    assert_eq!(found(&index, &endless), [0]);
}

#[test]
fn an_index_is_found_again_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("tenant");
    let index = LexicalIndex::open(&home).unwrap();
    index.add(&[passage(1, 1, "Stability", "storage conditions")]).unwrap();
    index.commit().unwrap();
    drop(index);
    let index = LexicalIndex::open(&home).unwrap();
    assert_eq!(found(&index, "storage"), [1]);
    index.verify(&home).unwrap();
}

#[test]
fn a_second_writer_is_told_that_the_index_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (LexicalIndex::open(dir.path()).unwrap(), LexicalIndex::open(dir.path()).unwrap());
    first.add(&[passage(1, 1, "", "a dose")]).unwrap();
    assert!(matches!(second.add(&[passage(2, 2, "", "a dose")]), Err(SearchError::Locked)));
    first.commit().unwrap();
    second.add(&[passage(2, 2, "", "a dose")]).unwrap();
    second.commit().unwrap();
    assert_eq!(found(&second, "dose"), [1, 2]);
}

#[test]
fn damage_and_foreign_layouts_ask_for_a_rebuild() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 5] = [
        ("marker of another version", |d| fs::write(d.join(VERSION_FILE), "vital-lexical-0").unwrap()),
        ("no marker", |d| fs::remove_file(d.join(VERSION_FILE)).unwrap()),
        ("marker is not text", |d| fs::write(d.join(VERSION_FILE), [0xff, 0xfe]).unwrap()),
        ("garbage in the table of contents", |d| fs::write(d.join("meta.json"), "{").unwrap()),
        ("segments cut", |d| {
            for file in
                fs::read_dir(d).unwrap().map(|f| f.unwrap().path()).filter(|f| f.extension().is_some_and(|e| e == "idx" || e == "term"))
            {
                fs::OpenOptions::new().write(true).open(file).unwrap().set_len(10).unwrap();
            }
        }),
    ];
    for (name, harm) in harms {
        let dir = tempfile::tempdir().unwrap();
        let index = LexicalIndex::open(dir.path()).unwrap();
        index.add(&[passage(1, 1, "", "a dose")]).unwrap();
        index.commit().unwrap();
        drop(index);
        harm(dir.path());
        let refusal = LexicalIndex::open(dir.path()).err().unwrap_or_else(|| panic!("{name}: opened"));
        assert!(refusal.needs_rebuild(), "{name}: {refusal}");
        let index = LexicalIndex::recreate(dir.path()).unwrap();
        assert!(index.is_empty(), "{name}");
    }
}

#[test]
fn verification_sees_a_changed_byte() {
    let dir = tempfile::tempdir().unwrap();
    let index = LexicalIndex::open(dir.path()).unwrap();
    index.add(&[passage(1, 1, "", "a dose")]).unwrap();
    index.commit().unwrap();
    drop(index);
    let file = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).find(|f| f.extension().is_some_and(|e| e == "idx")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] ^= 1;
    fs::write(&file, bytes).unwrap();
    let index = LexicalIndex::open(dir.path()).unwrap();
    assert!(index.verify(dir.path()).unwrap_err().needs_rebuild());
}

/// Scores every passage by the formula, without index, skipping or rounding of short lengths.
fn by_definition(bodies: &[Vec<u8>], query: &[u8], limit: usize) -> BTreeMap<usize, f32> {
    let total = bodies.len() as f32;
    let average = (bodies.iter().map(Vec::len).sum::<usize>() as f32 / total).max(1.0);
    let mut scores: Vec<(usize, f32)> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| {
            let score = query.iter().map(|term| {
                let frequency = bodies.iter().filter(|b| b.contains(term)).count() as f32;
                let times = body.iter().filter(|t| *t == term).count() as f32;
                let idf = (1.0 + (total - frequency + 0.5) / (frequency + 0.5)).ln();
                idf * times / (times + 0.9 * (0.6 + 0.4 * body.len() as f32 / average))
            });
            (n, score.sum())
        })
        .filter(|(_, score)| *score > 0.0)
        .collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.truncate(limit);
    scores.into_iter().collect()
}

#[test]
fn who_may_read_little_finds_it_behind_any_number_of_better_hits() {
    let index = LexicalIndex::in_memory().unwrap();
    let crowd: Vec<_> = (0..500).map(|n| passage(n, 2 * n, "dose dose", "dose dose dose")).collect();
    index.add(&crowd).unwrap();
    index.add(&[passage(900, 901, "", "one dose among many other words of a long passage")]).unwrap();
    index.commit().unwrap();
    let readable = HashSet::from([CollectionId(Uuid::from_u128(1))]);
    let hits = index.search("dose", 10, Filter::Collections(&readable)).unwrap();
    assert_eq!(hits.iter().map(|h| h.passage.0.as_u128()).collect::<Vec<_>>(), [900]);
}

#[test]
fn a_score_does_not_tell_how_often_a_word_stands_in_what_may_not_be_read() {
    let score = |hidden: &str| {
        let index = index_of(&[hidden, "codename trial of a dose", hidden, "another trial"]);
        let readable = HashSet::from([CollectionId(Uuid::from_u128(1))]);
        index.search("codename trial", 10, Filter::Collections(&readable)).unwrap()[0].score
    };
    assert_eq!(score("codename codename codename"), score("nothing of the kind in this long passage"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_filtered_search_is_a_search_of_an_index_of_the_rest(
        bodies in prop::collection::vec(prop::collection::vec(0u8..12, 0..20), 1..60),
        query in prop::collection::vec(0u8..14, 1..6),
        limit in 1usize..12,
        cut in 0usize..60,
        readable in prop::collection::hash_set(0u128..60, 0..60),
    ) {
        let text = |terms: &[u8]| terms.iter().map(|t| format!("w{t} ")).collect::<String>();
        let passages: Vec<_> = (0..).zip(&bodies).map(|(n, body)| passage(n, n, "", &text(body))).collect();
        let (whole, rest) = (LexicalIndex::in_memory().unwrap(), LexicalIndex::in_memory().unwrap());
        for part in [&passages[..cut.min(passages.len())], &passages[cut.min(passages.len())..]] {
            whole.add(part).unwrap();
            whole.commit().unwrap();
        }
        let kept: Vec<_> = passages.iter().filter(|p| readable.contains(&p.document.0.as_u128())).cloned().collect();
        rest.add(&kept).unwrap();
        rest.commit().unwrap();
        let readable: HashSet<DocumentId> = readable.into_iter().map(|n| DocumentId(Uuid::from_u128(n))).collect();
        let filtered = whole.search(&text(&query), limit, Filter::Documents(&readable)).unwrap();
        let alone = rest.search(&text(&query), limit, Filter::All).unwrap();
        prop_assert_eq!(filtered.len(), alone.len());
        for (one, other) in filtered.iter().zip(&alone) {
            prop_assert!((one.score - other.score).abs() < 1e-5, "{filtered:?} {alone:?}");
        }
    }

    #[test]
    fn skipping_lists_finds_what_scoring_everything_finds(
        bodies in prop::collection::vec(prop::collection::vec(0u8..12, 0..20), 1..60),
        query in prop::collection::vec(0u8..14, 1..6),
        limit in 1usize..12,
        cut in 0usize..60,
    ) {
        let text = |terms: &[u8]| terms.iter().map(|t| format!("w{t} ")).collect::<String>();
        let index = LexicalIndex::in_memory().unwrap();
        let passages: Vec<_> = (0..).zip(&bodies).map(|(n, body)| passage(n, n, "", &text(body))).collect();
        for part in [&passages[..cut.min(passages.len())], &passages[cut.min(passages.len())..]] {
            index.add(part).unwrap();
            index.commit().unwrap();
        }
        let hits = index.search(&text(&query), limit, Filter::All).unwrap();
        let expected = by_definition(&bodies, &query, limit);
        let mut expected: Vec<f32> = expected.into_values().collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        prop_assert_eq!(hits.len(), expected.len());
        for (hit, expected) in hits.iter().zip(expected) {
            prop_assert!((hit.score - expected).abs() < 1e-4, "{hits:?} {expected}");
        }
    }
}
