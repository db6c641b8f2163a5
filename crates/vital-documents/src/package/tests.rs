use crate::{
    ParseError, ParseLimits,
    fixtures::{self, docx, epub, pptx, zip_of},
    parse,
};

const RIGHT_TO_LEFT: &str = "المريض 5 mg עברית";

#[test]
fn a_package_of_too_many_parts_is_a_bomb() {
    let names: Vec<String> = (0..=super::ENTRIES_MAX).map(|n| format!("word/media/{n}")).collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("word/document.xml", b"<w:document/>")];
    entries.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
    let error = parse("a.docx", &zip_of(&entries), &ParseLimits::default()).unwrap_err();
    assert_eq!(error, ParseError::Bomb { detail: "it has more than 20000 parts".into() });
}

#[test]
fn a_part_in_utf16_is_read_and_names_are_the_same_in_large_and_small_letters() {
    let main = "\u{feff}<?xml version='1.0' encoding='UTF-16'?><w:document xmlns:w='w'><w:body><w:p><w:r><w:t>µg ≥ 5</w:t></w:r></w:p></w:body></w:document>";
    let wide: Vec<u8> = main.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let rels = b"<Relationships><Relationship Id='r' Type='x/officeDocument' Target='/Word/Document.XML'/></Relationships>";
    let file = zip_of(&[("_rels/.rels", rels), ("word/document.xml", &wide)]);
    assert_eq!(parse("a.docx", &file, &ParseLimits::default()).unwrap().text, "µg ≥ 5");
}

#[test]
fn right_to_left_text_keeps_its_logical_order_in_every_package() {
    let slide = fixtures::Slide { file: 1, body: fixtures::text_box(RIGHT_TO_LEFT), notes: None };
    for (name, file) in [
        ("a.docx", docx(&format!("<w:p><w:r><w:rPr><w:rtl/></w:rPr><w:t>{RIGHT_TO_LEFT}</w:t></w:r></w:p>"))),
        ("a.pptx", pptx(&[slide])),
        ("a.epub", epub(&[("c", &format!("<p dir='rtl'>{RIGHT_TO_LEFT}</p>"))])),
    ] {
        assert_eq!(parse(name, &file, &ParseLimits::default()).unwrap().text, RIGHT_TO_LEFT, "{name}");
    }
}

#[test]
fn all_parts_together_may_unpack_to_the_limit_and_no_further() {
    let chapter = format!("<html><body><p>{}</p></body></html>", "words of a chapter ".repeat(2_000));
    let chapters: Vec<(&str, String)> = ["a", "b", "c", "d"].into_iter().map(|id| (id, chapter.clone())).collect();
    let file = fixtures::epub_parts(&chapters, &[]);
    let limits = |unpacked_bytes_max| ParseLimits { unpacked_bytes_max, ..ParseLimits::default() };
    assert!(parse("a.epub", &file, &limits(5 * chapter.len())).is_ok());
    assert!(matches!(parse("a.epub", &file, &limits(3 * chapter.len())), Err(ParseError::Bomb { .. })));
}
