use crate::{
    BlockKind, ParseError, ParseLimits, Parsed,
    fixtures::{self, Slide, pptx, pptx_parts, zip_of},
    parse,
};

fn read(slides: &[Slide<'_>]) -> Parsed {
    parse("a.pptx", &pptx(slides), &ParseLimits::default()).unwrap()
}

fn shape(placeholder: &str, paragraphs: &[&str]) -> String {
    fixtures::shape(placeholder, &paragraphs.iter().map(|p| format!("<a:p><a:r><a:t>{p}</a:t></a:r></a:p>")).collect::<String>())
}

#[test]
fn slides_stand_in_the_order_of_the_show_with_their_notes() {
    let slides = [
        Slide { file: 7, body: shape("ctrTitle", &["Trial plan"]) + &shape("subTitle", &["Version 2"]), notes: Some("Welcome all.") },
        Slide { file: 2, body: shape("", &["First point", "Second point"]) + &shape("title", &["Endpoints"]), notes: None },
    ];
    let parsed = read(&slides);
    assert_eq!(parsed.text, "Trial plan\n\nVersion 2\n\nWelcome all.\n\nEndpoints\n\nFirst point\nSecond point");
    use BlockKind::{Heading, ListItem, Paragraph};
    let found: Vec<_> = parsed.blocks.iter().map(|b| (b.kind, b.page.unwrap())).collect();
    let expected = [(Heading { level: 1 }, 1), (Paragraph, 1), (Paragraph, 1), (Heading { level: 2 }, 2), (ListItem, 2), (ListItem, 2)];
    assert_eq!(found, expected);
    assert_eq!((parsed.pages, parsed.title.as_deref()), (Some(2), Some("Trial plan")));
    assert_eq!(parsed.warnings, ["Speaker notes stand after the text of their slide (slides with notes: 1)."]);
}

#[test]
fn bullets_tables_and_furniture_are_told_apart() {
    let table = "<p:graphicFrame><a:graphic><a:graphicData uri='x/table'><a:tbl>\
        <a:tr><a:tc><a:txBody><a:p><a:r><a:t>Arm</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>N</a:t></a:r></a:p></a:txBody></a:tc></a:tr>\
        <a:tr><a:tc><a:txBody><a:p><a:r><a:t>A</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>12</a:t></a:r></a:p></a:txBody></a:tc></a:tr>\
        </a:tbl></a:graphicData></a:graphic></p:graphicFrame>";
    let body = "<a:p><a:pPr><a:buNone/></a:pPr><a:r><a:t>Plain</a:t></a:r></a:p><a:p><a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline='30000'/><a:t>6</a:t></a:r></a:p>";
    let body =
        shape("title", &["Results"]) + &fixtures::shape("body", body) + table + &shape("ftr", &["Confidential"]) + &shape("sldNum", &["3"]);
    let parsed = read(&[Slide { file: 1, body, notes: None }]);
    assert_eq!(parsed.text, "Results\n\nPlain\n\n10⁶\n\nArm | N\nA | 12");
}

#[test]
fn a_slide_without_a_title_is_headed_by_its_first_short_text() {
    let slides = [
        Slide { file: 1, body: shape("title", &["One"]), notes: None },
        Slide { file: 2, body: fixtures::text_box("Loose text") + &fixtures::text_box("More of it"), notes: None },
    ];
    let parsed = read(&slides);
    assert_eq!(parsed.blocks[1].kind, BlockKind::Heading { level: 2 });
    assert_eq!(parsed.blocks[2].kind, BlockKind::Paragraph);
}

#[test]
fn hidden_slides_and_charts_are_said() {
    let chart = "<p:graphicFrame><a:graphic><a:graphicData uri='http://x/chart'/></a:graphic></p:graphicFrame>";
    let main = format!("<p:sld xmlns:p='p' xmlns:a='a' show='0'>{}{chart}</p:sld>", shape("title", &["Hidden"]));
    let file = pptx_parts(&[(1, main)], &[]);
    let parsed = parse("a.pptx", &file, &ParseLimits::default()).unwrap();
    assert_eq!(parsed.warnings.len(), 2, "{:?}", parsed.warnings);
    assert!(parsed.warnings[1].contains("(1 of them: 1)"));
}

#[test]
fn a_missing_slide_is_damage_and_a_deck_of_pictures_has_no_text() {
    let limits = ParseLimits::default();
    let main = b"<p:presentation xmlns:p='p' xmlns:r='r'><p:sldIdLst><p:sldId id='1' r:id='rId9'/></p:sldIdLst></p:presentation>";
    let file = zip_of(&[("ppt/presentation.xml", main)]);
    assert!(parse("a.pptx", &file, &limits).unwrap_err().to_string().contains("slide 1 is missing"));
    assert!(matches!(parse("a.pptx", &zip_of(&[("ppt/presProps.xml", b"<x/>")]), &limits), Err(ParseError::Damaged { .. })));
    let pictures = pptx(&[Slide { file: 1, body: "<p:pic/>".into(), notes: None }]);
    assert_eq!(parse("a.pptx", &pictures, &limits), Err(ParseError::NoText { pages: None }));
}

#[test]
fn relations_in_a_ring_and_a_slide_shown_too_often_meet_their_limits() {
    // The slide names itself as its notes.
    let rels: &[u8] = br#"<Relationships><Relationship Id="r1" Type="x/notesSlide" Target="slide1.xml"/></Relationships>"#;
    let main = format!("<p:sld xmlns:p='p' xmlns:a='a'>{}</p:sld>", shape("title", &["Ring"]));
    let file = pptx_parts(&[(1, main.clone())], &[("ppt/slides/_rels/slide1.xml.rels", rels)]);
    assert_eq!(parse("a.pptx", &file, &ParseLimits::default()).unwrap().text, "Ring");
    let often: Vec<(u32, String)> = std::iter::repeat_n((1, main), 40).collect();
    let limits = ParseLimits { pages_max: 39, ..ParseLimits::default() };
    assert_eq!(parse("a.pptx", &pptx_parts(&often, &[]), &limits), Err(ParseError::TooManyPages { limit: 39 }));
}

#[test]
fn hostile_slides_end_with_their_own_error() {
    let limits = ParseLimits::default();
    let slide = |inner: &str| pptx_parts(&[(1, inner.to_owned())], &[]);
    let deep = format!("<p:sld xmlns:p='p'>{}", "<p:grpSp>".repeat(2_000));
    assert_eq!(parse("a.pptx", &slide(&deep), &limits), Err(ParseError::TooDeep { limit: 512 }));
    let bomb = format!("<p:sld xmlns:p='p'>{}</p:sld>", " ".repeat(16 << 20));
    assert!(matches!(parse("a.pptx", &slide(&bomb), &limits), Err(ParseError::Bomb { .. })));
    let entity = "<!DOCTYPE p [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p:sld xmlns:p='p'>&x;</p:sld>";
    assert!(matches!(parse("a.pptx", &slide(entity), &limits), Err(ParseError::Damaged { .. })));
}
