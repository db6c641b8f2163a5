use super::*;
use crate::{
    ParseLimits,
    canonical::Canonical,
    fixtures::{self, lines, pdf},
    parse,
};

const ENGLISH: &str = "The sponsor shall ensure that the clinical investigation is conducted in accordance with the plan, \
    and that every serious adverse event is reported to the authority without delay. ";
const GERMAN: &str = "Der Sponsor stellt sicher, dass die klinische Prüfung nach dem Prüfplan durchgeführt wird und jedes \
    schwerwiegende unerwünschte Ereignis der Behörde unverzüglich gemeldet wird. ";
const HEBREW: &str = "היזם יבטיח שהמחקר הקליני נערך בהתאם לתוכנית ושכל אירוע חריג חמור מדווח לרשות ללא דיחוי. ";

fn judge(name: &str, bytes: &[u8]) -> Quality {
    quality(&parse(name, bytes, &ParseLimits::default()).unwrap())
}

#[test]
fn a_sound_document_is_good_and_counted() {
    let source =
        format!("# Plan\n\n{0}\n\n{0}\n\n- one\n- two\n\nText.\n\n- three\n\n| A | B |\n|--|--|\n| 1 | 2 |\n\n```\ncode\n```\n", ENGLISH);
    let found = judge("a.md", source.as_bytes());
    assert_eq!((found.verdict, found.reasons.as_slice()), (Verdict::Good, [].as_slice()));
    assert_eq!((found.headings, found.paragraphs, found.lists, found.list_items), (1, 3, 2, 3));
    assert_eq!((found.tables, found.table_rows, found.code_blocks), (1, 2, 1));
    assert_eq!((found.pages, found.pages_without_text, found.direction), (None, None, Direction::LeftToRight));
    let language = found.language.unwrap();
    assert!(language.code == "eng" && language.reliable && language.confidence > 0.9, "{language:?}");
    assert!((60..80).contains(&found.words), "{}", found.words);
}

#[test]
fn languages_and_directions_are_told() {
    assert_eq!(judge("a.txt", GERMAN.repeat(3).as_bytes()).language.unwrap().name, "German");
    let hebrew = judge("a.txt", HEBREW.repeat(4).as_bytes());
    assert_eq!((hebrew.language.unwrap().code.as_str(), hebrew.direction), ("heb", Direction::RightToLeft));
    assert_eq!(judge("a.txt", format!("{}\n\n{HEBREW}", ENGLISH.repeat(4)).as_bytes()).direction, Direction::Mixed);
    assert_eq!(judge("a.txt", "疼痛轻微，患者继续接受治疗。".repeat(20).as_bytes()).language.unwrap().code, "cmn");
}

#[test]
fn a_foreign_title_page_does_not_decide_the_language() {
    let source = format!("{GERMAN}\n\n{}", format!("{ENGLISH}\n\n").repeat(200));
    assert_eq!(judge("a.txt", source.as_bytes()).language.unwrap().code, "eng");
}

#[test]
fn pages_without_text_are_counted_and_judged() {
    // Lines that are the same on every page would be taken for page furniture.
    let first = || lines(700, 12, &["The sponsor shall ensure that the investigation", "is conducted in accordance with the plan."]);
    let second = lines(640, 12, &["Every serious adverse event is reported", "to the authority without any delay."]);
    let third = lines(500, 12, &["Subjects may withdraw their consent", "at any time and for any reason."]);
    let one = judge("a.pdf", &pdf(&[first(), vec![], second, third]));
    assert_eq!((one.pages, one.pages_without_text, one.text_coverage), (Some(4), Some(1), 0.75));
    assert_eq!(one.verdict, Verdict::Fair);
    assert!(one.reasons[0].starts_with("1 of 4 pages hold no text"), "{:?}", one.reasons);
    let most = judge("a.pdf", &pdf(&[vec![], first(), vec![], vec![]]));
    assert_eq!((most.pages_without_text, most.verdict), (Some(3), Verdict::Poor));
}

#[test]
fn a_block_that_runs_over_pages_leaves_none_without_text() {
    let mut canonical = Canonical::new(&ParseLimits::default());
    canonical.push(BlockKind::Paragraph, &ENGLISH.repeat(30), Some(1)).unwrap();
    canonical.push(BlockKind::Paragraph, ENGLISH, Some(4)).unwrap();
    let found = quality(&canonical.finish(Format::Pdf, None, Some(4)).unwrap());
    assert_eq!(found.pages_without_text, Some(0));
}

#[test]
fn unreadable_and_misdecoded_letters_are_said() {
    let few = judge("a.txt", format!("{} \u{fffd}", ENGLISH.repeat(5)).as_bytes());
    assert_eq!((few.replacement_chars, few.verdict), (1, Verdict::Fair));
    let many = judge("a.txt", format!("{ENGLISH} {ENGLISH} {}", "\u{f0b7}x ".repeat(40)).as_bytes());
    assert_eq!((many.private_use_chars, many.verdict), (40, Verdict::Poor));
    let twice = judge("a.txt", format!("{} MÃ¼ller donâ€™t", ENGLISH.repeat(5)).as_bytes());
    assert_eq!(twice.misdecoded, 2);
    assert!(twice.reasons[0].contains("decoded twice"), "{:?}", twice.reasons);
}

#[test]
fn letters_set_apart_are_poor() {
    let apart: String = ENGLISH.chars().filter(|c| c.is_alphabetic()).flat_map(|c| [c, ' ']).collect();
    let found = judge("a.txt", apart.as_bytes());
    assert_eq!(found.verdict, Verdict::Poor);
    assert!(found.reasons.iter().any(|r| r.contains("set apart")), "{:?}", found.reasons);
}

#[test]
fn a_table_of_numbers_has_no_language_and_is_still_good() {
    let rows: String = (0..100).map(|n| format!("{n},{},{}\n", n * 2, n * 3)).collect();
    let found = judge("a.csv", rows.as_bytes());
    assert_eq!((found.language, found.verdict, found.tables, found.table_rows), (None, Verdict::Good, 1, 100));
}

#[test]
fn slides_without_text_are_called_slides() {
    let text = fixtures::shape("body", &format!("<a:p><a:r><a:t>{}</a:t></a:r></a:p>", ENGLISH.repeat(3)));
    let slides = [
        fixtures::Slide { file: 1, body: text, notes: None },
        fixtures::Slide { file: 2, body: "<p:pic/>".into(), notes: None },
        fixtures::Slide { file: 3, body: fixtures::text_box("More"), notes: None },
    ];
    let found = judge("a.pptx", &fixtures::pptx(&slides));
    assert!(found.reasons[0].starts_with("1 of 3 slides hold no text"), "{:?}", found.reasons);
}

#[test]
fn a_report_crosses_borders_unchanged_and_its_reasons_are_sentences() {
    let found = judge("a.pdf", &pdf(&[lines(780, 12, &["A few words \u{e4}"]), vec![], vec![]]));
    assert!(found.reasons.len() >= 2 && found.reasons.iter().all(|r| r.ends_with('.')), "{:?}", found.reasons);
    assert_eq!(found.verdict, Verdict::Poor);
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Quality>(&json).unwrap(), found);
    assert!(json.contains("\"verdict\":\"poor\""));
}
