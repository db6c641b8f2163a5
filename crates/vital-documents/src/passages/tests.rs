use super::*;
use crate::{ParseLimits, parse};

fn cut(markdown: &str) -> (Parsed, Vec<Passage>) {
    let parsed = parse("a.md", markdown.as_bytes(), &ParseLimits::default()).unwrap();
    let passages = passages(&parsed, &PassageRules::default(), &estimated_tokens);
    (parsed, passages)
}

fn sentences_of(words: &str, count: usize) -> String {
    (0..count).map(|n| format!("{words} number {n} is written down here. ")).collect()
}

#[test]
fn sections_of_one_level_never_share_a_passage() {
    let (parsed, passages) = cut("# A

one

## B

two

## C

three");
    let texts: Vec<_> = passages.iter().map(|p| &parsed.text[p.start..p.end]).collect();
    assert_eq!(
        texts,
        ["A

one

B

two

C

three"],
        "small subsections join the section above them"
    );
    let (parsed, passages) = cut("## B

two

## C

three

# D

four");
    let texts: Vec<_> = passages.iter().map(|p| &parsed.text[p.start..p.end]).collect();
    assert_eq!(
        texts,
        [
            "B

two", "C

three", "D

four"
        ]
    );
}

#[test]
fn headings_stay_with_their_text_and_label_it() {
    let (parsed, passages) = cut(&format!(
        "# Guide

## Scope

{}

## Terms

Short.",
        sentences_of("Fact", 60)
    ));
    assert!(parsed.text[passages[0].start..passages[0].end].starts_with(
        "Guide

Scope

Fact number 0"
    ));
    assert_eq!(passages[0].heading_path, ["Guide", "Scope"]);
    assert_eq!(passages[1].heading_path, ["Guide", "Scope"]);
    assert_eq!(passages.last().unwrap().heading_path, ["Guide", "Terms"]);
}

#[test]
fn long_paragraphs_are_cut_between_sentences() {
    let (parsed, passages) = cut(&sentences_of("Measurement", 96));
    assert!(passages.len() > 3);
    for passage in &passages {
        let text = &parsed.text[passage.start..passage.end];
        assert!(text.starts_with("Measurement") && text.ends_with('.'), "{text}");
        assert!((56..=224).contains(&estimated_tokens(text)), "{text}");
    }
}

#[test]
fn a_heading_over_a_paragraph_near_the_limit_is_not_left_alone() {
    let (parsed, passages) = cut(&format!(
        "# {}

{}",
        "Long heading ".repeat(30),
        sentences_of("Result", 21)
    ));
    assert!(parsed.text[passages[0].start..passages[0].end].contains("Result number 0"));
}

#[test]
fn a_sentence_too_long_for_a_passage_is_cut_at_spaces_and_repeats_a_few_words() {
    let words: String = (0..1_000).map(|n| format!("w{n} ")).collect();
    let (parsed, passages) = cut(&words);
    assert!(passages.len() > 3);
    for pair in passages.windows(2) {
        let repeated = &parsed.text[pair[1].start..pair[0].end];
        assert_eq!(repeated.split(' ').count(), 8, "{repeated}");
        assert!(parsed.text[..pair[1].start].ends_with(' ') && parsed.text[pair[0].end..].starts_with(' '));
    }
}

#[test]
fn passages_between_sentences_repeat_nothing() {
    let (_, passages) = cut(&sentences_of("Measurement", 100));
    assert!(passages.windows(2).all(|pair| pair[0].end < pair[1].start));
}

#[test]
fn a_heading_over_an_endless_sentence_is_not_left_alone() {
    let (parsed, passages) = cut(&format!("# Heading\n\n{}", "word ".repeat(1_000)));
    assert!(parsed.text[passages[0].start..passages[0].end].starts_with("Heading\n\nword word"));
}

#[test]
fn a_passage_that_continues_a_table_names_its_header() {
    let rows: String = (0..100).map(|n| format!("| {n} | a value in the row of that number |\n")).collect();
    let (parsed, passages) = cut(&format!("Before.\n\n| N | Value |\n|---|---|\n{rows}\nAfter."));
    assert!(passages.len() > 3);
    assert_eq!(passages[0].table_header, None);
    assert_eq!(passages[0].with_header(&parsed.text), &parsed.text[passages[0].start..passages[0].end]);
    for passage in &passages[1..] {
        let header = passage.table_header.clone().unwrap();
        assert_eq!(&parsed.text[header], "N | Value");
        assert!(!parsed.text[passage.start..passage.end].contains("N | Value"));
        assert!(passage.with_header(&parsed.text).starts_with("N | Value\n"));
    }
}

#[test]
fn the_header_of_one_table_is_not_that_of_the_next() {
    let rows: String = (0..60).map(|n| format!("| {n} | a value in the row of that number |\n")).collect();
    let (parsed, passages) = cut(&format!("| A | B |\n|---|---|\n{rows}\n\n| C | D |\n|---|---|\n{rows}"));
    let headers: Vec<_> = passages.iter().filter_map(|p| p.table_header.clone()).map(|range| &parsed.text[range]).collect();
    assert!(headers.contains(&"A | B") && headers.contains(&"C | D"), "{headers:?}");
    let at = parsed.text.find("C | D").unwrap();
    for passage in &passages {
        if let Some(header) = passage.table_header.clone() {
            assert_eq!(passage.start > at, &parsed.text[header] == "C | D");
        }
    }
}

#[test]
fn a_header_that_would_fill_the_passage_is_left_off() {
    let long = "heading of a column ".repeat(40);
    let (_, passages) = cut(&format!("| {long} | B |\n|---|---|\n{}", "| 1 | 2 is a short value |\n".repeat(90)));
    assert!(passages.len() > 2 && passages.iter().all(|p| p.table_header.is_none()));
}

#[test]
fn sizes_are_those_of_the_callers_model() {
    let parsed = parse("a.txt", sentences_of("Measurement", 100).as_bytes(), &ParseLimits::default()).unwrap();
    let rules = PassageRules { target_tokens: 40, max_tokens: 50, min_tokens: 10 };
    let by_words = passages(&parsed, &rules, &|text| text.split_whitespace().count());
    let words = |p: &Passage| parsed.text[p.start..p.end].split_whitespace().count();
    assert!(by_words.iter().all(|p| (30..=50).contains(&words(p))), "{:?}", by_words.iter().map(words).collect::<Vec<_>>());
}

#[test]
fn each_block_is_counted_once_and_each_sentence_of_a_cut_block_once_more() {
    let parsed = parse("a.txt", sentences_of("Measurement", 200).as_bytes(), &ParseLimits::default()).unwrap();
    let counted = std::cell::Cell::new(0);
    let count = |text: &str| {
        counted.set(counted.get() + text.len());
        estimated_tokens(text)
    };
    assert!(!passages(&parsed, &PassageRules::default(), &count).is_empty());
    assert!(counted.get() <= 2 * parsed.text.len(), "{} of {}", counted.get(), parsed.text.len());
}

#[test]
fn rules_of_a_model_leave_room_for_title_and_frame() {
    assert_eq!(PassageRules::default(), PassageRules { target_tokens: 192, max_tokens: 224, min_tokens: 56 });
    assert_eq!(PassageRules::for_model(512).max_tokens, 448);
}
