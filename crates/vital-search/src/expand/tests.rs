use super::*;
use proptest::prelude::*;

const TABLE: &str = r#"
[[term]]
short = ["MAH"]
long = ["marketing authorisation holder", "marketing authorization holder"]

[[term]]
long = ["myocardial infarction"]
synonyms = ["heart attack"]
short = ["MI"]

[[term]]
short = ["PI"]
long = ["principal investigator"]
ambiguous = true

[[term]]
short = ["PI"]
long = ["prescribing information"]
ambiguous = true

[[term]]
short = ["510(k)"]
long = ["premarket notification"]
"#;

fn tables() -> Expansions {
    Expansions::default().with("regulatory", Expansions::read("regulatory", TABLE).unwrap())
}

fn wordings(question: &str) -> Vec<(String, Vec<String>)> {
    tables().of(question).into_iter().map(|e| (e.matched, e.wordings)).collect()
}

fn one(matched: &str, wordings: &[&str]) -> Vec<(String, Vec<String>)> {
    vec![(matched.to_owned(), wordings.iter().map(|w| (*w).to_owned()).collect())]
}

#[test]
fn an_acronym_is_opened_in_its_case_and_in_the_plural() {
    assert_eq!(wordings("duties of the MAH")[0].1[0], "marketing authorisation holder");
    assert_eq!(wordings("duties of MAHs").len(), 1);
    assert!(wordings("a mah and a Mah").is_empty());
    assert_eq!(wordings("when is a 510(k) needed"), one("510(k)", &["premarket notification"]));
}

#[test]
fn long_forms_and_synonyms_find_each_other() {
    assert_eq!(wordings("aspirin after heart attacks"), one("heart attacks", &["myocardial infarction", "MI"]));
    assert_eq!(wordings("Myocardial infarction"), one("Myocardial infarction", &["heart attack", "MI"]));
    assert!(wordings("attack of the heart").is_empty(), "the words stand otherwise");
}

#[test]
fn an_ambiguous_acronym_is_opened_only_where_the_question_tells_its_meaning() {
    assert!(wordings("who signs for the PI").is_empty());
    assert_eq!(wordings("is the PI an investigator"), one("PI", &["principal investigator"]));
    assert_eq!(wordings("does prescribing follow the PI")[0].1, ["prescribing information"]);
    assert!(wordings("the principal investigator signs").is_empty(), "the acronym would find the other meanings");
}

#[test]
fn the_own_meaning_of_an_organisation_counts_first() {
    let own = vec![TermEntry { short: vec!["PI".into(), "MAH".into()], long: vec!["product integrity".into()], ..TermEntry::default() }];
    let tables = tables().with_own("own", own);
    let found = tables.of("PI of the MAH");
    assert_eq!(
        found.iter().map(|e| (e.domain.as_str(), e.wordings[0].as_str())).collect::<Vec<_>>(),
        [("own", "product integrity"), ("own", "product integrity")]
    );
}

#[test]
fn a_table_that_cannot_be_used_is_refused_with_its_reason() {
    let refusal = |toml: &str| Expansions::read("own", toml).unwrap_err().to_string();
    assert!(refusal("[[term]]\nshort = [\"MAH\"]").contains("`MAH` has no other wording"));
    assert!(refusal("[[term]]\nshrt = [\"MAH\"]").contains("shrt"));
    assert!(refusal("term").contains("`own`"));
    assert!(Expansions::read("own", "").unwrap().is_empty());
}

proptest! {
    #[test]
    fn ranges_address_the_matched_words_in_order(text in "\\PC{0,60}|((MAH|PI|MI|heart|attacks?|510\\(k\\)|holder|of|the)[ ,.-]){0,12}") {
        let mut at = 0;
        for expansion in tables().of(&text) {
            prop_assert!(expansion.range.start >= at && !expansion.wordings.is_empty());
            prop_assert_eq!(text.get(expansion.range.clone()), Some(expansion.matched.as_str()));
            at = expansion.range.end;
        }
    }
}
