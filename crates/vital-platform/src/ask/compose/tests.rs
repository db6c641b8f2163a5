use super::*;
use crate::ask::answer::Verdict;
use crate::ask::check::check;
use proptest::prelude::*;
use vital_kernel::{DocumentId, PassageId};

fn passage(title: &str, heading: &str, body: &str) -> Evidence {
    Evidence {
        passage: PassageId::new(),
        document: DocumentId::new(),
        title: title.into(),
        version: [1; 32],
        start: 40,
        body: body.into(),
        heading_path: vec![title.into(), heading.into()],
        page: Some(2),
        authority: "own".into(),
        score: 0.5,
        lexical: Some(9.0),
        dense: None,
        own: false,
        level: None,
        issued_on: None,
        fetched: None,
    }
}

/// A plant's own procedures: nothing of the starter library.
fn procedures() -> Vec<Evidence> {
    vec![
        passage(
            "Change control procedure",
            "Timelines",
            "Timelines\nThe quality unit closes a minor change within 30 days of approval. A major change of the filling line is closed within 60 days of approval; the plant manager signs the closure. An emergency change may start before approval.",
        ),
        passage(
            "Change control procedure",
            "Roles",
            "Roles\nThe change owner prepares the impact assessment for a major change. The quality unit approves every change before it is carried out.",
        ),
        passage("Site master file", "Changes", "Changes\nA major change of the filling line is closed within 90 days of approval."),
        passage(
            "Cleaning of vessels",
            "Steps",
            "Steps\nVessels are rinsed with purified water, washed with detergent and dried with filtered air. A Clean Hold Time (CHT) of 72 hours applies to dried vessels.",
        ),
    ]
}

fn answer(question: &str, evidence: &[Evidence]) -> Composition {
    compose(question, &[], evidence, &candidates(question, evidence), None)
}

fn blocks(question: &str, evidence: &[Evidence]) -> Vec<ComposedBlock> {
    match answer(question, evidence) {
        Composition::Answer(blocks) => blocks,
        Composition::InsufficientEvidence(short) => panic!("refused: {short:?}"),
    }
}

fn refusal(question: &str, evidence: &[Evidence]) -> Shortfall {
    match answer(question, evidence) {
        Composition::InsufficientEvidence(short) => short,
        Composition::Answer(blocks) => panic!("answered: {blocks:?}"),
    }
}

#[test]
fn the_lead_has_the_kind_of_answer_that_is_asked_for() {
    let lead = |q: &str| blocks(q, &procedures())[0].sentences[0].text.clone();
    assert_eq!(lead("How long may a minor change take to close?"), "The quality unit closes a minor change within 30 days of approval.");
    assert_eq!(
        lead("Who prepares the impact assessment of a major change?"),
        "The change owner prepares the impact assessment for a major change."
    );
    assert_eq!(lead("What is the CHT of dried vessels?"), "A Clean Hold Time (CHT) of 72 hours applies to dried vessels.");
}

#[test]
fn contradicting_documents_stand_side_by_side() {
    let blocks = blocks("How long does it take to close a major change of the filling line?", &procedures());
    let at = blocks.iter().position(|b| b.kind == BlockKind::Heading && b.sentences[0].text == "Sources differ");
    let at = at.expect("a heading");
    let both: String = blocks[at + 1..at + 3].iter().map(|b| b.sentences[0].text.as_str()).collect();
    assert!(both.contains("60 days") && both.contains("90 days"), "{both}");
}

#[test]
fn the_same_sentence_of_two_documents_is_one_point_with_two_citations() {
    let mut evidence = procedures();
    evidence.push(passage("Training deck", "Changes", "The quality unit closes a minor change within 30 days of its approval."));
    let blocks = blocks("How long may a minor change take to close?", &evidence);
    assert_eq!(blocks[0].sentences[0].spans.len(), 2);
    assert_eq!(blocks.iter().flat_map(|b| &b.sentences).filter(|s| s.text.contains("minor change")).count(), 1);
}

#[test]
fn no_heading_is_the_name_of_a_source() {
    let evidence = procedures();
    for question in ["How are changes closed and who approves a major change?", "What steps does the cleaning of vessels have?"] {
        for block in blocks(question, &evidence).iter().filter(|b| b.kind == BlockKind::Heading) {
            assert!(!evidence.iter().any(|e| e.title == block.sentences[0].text), "{block:?}");
        }
    }
}

#[test]
fn what_the_sources_do_not_say_is_refused_with_its_reason() {
    let evidence = procedures();
    assert_eq!(refusal("How long does a minor change take under SOP-4711?", &evidence).missing_terms, ["SOP-4711"]);
    assert_eq!(refusal("How much does a major change of the filling line cost?", &evidence).reason, Reason::FigureMissing);
    assert_eq!(refusal("Which lots did Novarentis recall in 2019?", &evidence).reason, Reason::TermsMissing);
    assert_eq!(refusal("How long may a minor change take?", &[]).reason, Reason::NothingFound);
    assert_eq!(refusal("Should my father take warfarin tablets after surgery?", &evidence).reason, Reason::PatientSpecific);
}

#[test]
fn questions_of_professionals_are_not_taken_for_patients() {
    for question in [
        "Should I take the 510(k) route?",
        "How do I treat missing data in my patient-reported outcome?",
        "Can our company stop a trial early?",
        "What dose groups does my protocol need?",
    ] {
        assert!(!is_patient_specific(question), "{question}");
    }
    for question in [
        "Can I take ibuprofen with lisinopril?",
        "My son has a fever after his vaccination, what now?",
        "What dose of insulin should I take for my diabetes?",
        "Should my patient stop apixaban before surgery?",
    ] {
        assert!(is_patient_specific(question), "{question}");
    }
}

#[test]
fn a_follow_up_keeps_the_subject_of_the_question_before() {
    let evidence = procedures();
    let question = "And who approves it?";
    let found = compose(question, &["How is a change of the filling line closed?"], &evidence, &candidates(question, &evidence), None);
    let Composition::Answer(blocks) = found else { panic!("refused: {found:?}") };
    let texts: Vec<&str> = blocks.iter().flat_map(|b| &b.sentences).map(|s| s.text.as_str()).collect();
    assert!(texts.contains(&"The quality unit approves every change before it is carried out."), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains("filling line")), "{texts:?}");
}

#[test]
fn vectors_let_an_answer_in_other_words_through() {
    let evidence = procedures();
    let question = "What is the washing sequence for tanks?";
    let sentences = candidates(question, &evidence);
    assert!(matches!(compose(question, &[], &evidence, &sentences, None), Composition::InsufficientEvidence(_)));
    let close = |c: &CandidateSentence| if c.text.contains("rinsed") { vec![0.75, 0.66] } else { vec![0.1, 0.99] };
    let vectors = SentenceVectors { question: vec![1.0, 0.0], sentences: sentences.iter().map(close).collect() };
    let found = compose(question, &[], &evidence, &sentences, Some(&vectors));
    let Composition::Answer(blocks) = found else { panic!("refused: {found:?}") };
    assert!(blocks[0].sentences[0].text.starts_with("Vessels are rinsed"));
}

proptest! {
    #[test]
    fn every_sentence_is_verbatim_and_every_citation_holds(question in "(how long|what is|who|why|difference between|,|\\?| |[A-Z]{2,4}|major change|vessels|approval|\\PC{0,5}){1,12}", bodies in prop::collection::vec("(The owner must report it|within [0-9]{1,3} days|[A-Z][a-z]{2,9} |vessels |; |\\. |\n|\\PC{0,8}){0,20}", 0..5)) {
        let mut evidence = procedures();
        evidence.extend(bodies.iter().map(|b| passage("Extra", "Part", b)));
        let sentences = candidates(&question, &evidence);
        prop_assert!(sentences.len() <= 40);
        if let Composition::Answer(blocks) = compose(&question, &[], &evidence, &sentences, None) {
            for sentence in blocks.iter().flat_map(|b| &b.sentences).filter(|s| !s.spans.is_empty()) {
                let quotes: Vec<&str> = sentence.spans.iter().map(|s| s.quote(&evidence)).collect();
                prop_assert_eq!(sentence.text.split_whitespace().collect::<Vec<_>>(), quotes[0].split_whitespace().collect::<Vec<_>>());
                prop_assert_eq!(check(&sentence.text, &quotes, &[]).verdict, Verdict::Supported);
                for span in &sentence.spans {
                    let citation = evidence[span.evidence].cite(1, span.range.clone());
                    prop_assert!(citation.is_some_and(|c| evidence[span.evidence].holds(&c)));
                }
            }
        }
    }
}
