//! Laws that hold for every input: property tests across the crate, and one example for each kind of unfit file.

use crate::{
    Block, BlockKind, Format, ParseError, ParseLimits, Parsed, PassageRules, estimated_tokens,
    fixtures::{self, Slide, Workbook, docx, epub, lines, pdf, pdf_of, pptx, rows},
    parse, passages, sentences,
};
use lopdf::{Object, Stream, dictionary};
use proptest::prelude::*;

fn limits() -> ParseLimits {
    ParseLimits::default()
}

#[track_caller]
fn assert_sound(parsed: &Parsed) {
    let mut end = 0;
    for block in &parsed.blocks {
        assert!(block.start >= end && block.end > block.start, "{block:?}");
        let text = parsed.text.get(block.start..block.end).expect("on character borders");
        assert!(!text.trim().is_empty());
        assert!(parsed.text[end..block.start].chars().all(|c| c == '\n'));
        end = block.end;
    }
    assert_eq!(end, parsed.text.len());
    assert!(parsed.text.lines().all(|line| line.trim_end() == line));
    assert!(unicode_normalization::is_nfc(&parsed.text));
}

#[track_caller]
fn assert_passages(parsed: &Parsed, rules: &PassageRules) {
    let cut = passages(parsed, rules, &estimated_tokens);
    let mut covered = vec![false; parsed.text.len()];
    let mut last = 0..0;
    for (passage, ordinal) in cut.iter().zip(0..) {
        assert_eq!(passage.ordinal, ordinal);
        assert!(passage.end > last.end && passage.end > passage.start);
        assert!(passage.start >= last.end || (passage.start > last.start && is_inside_a_sentence(parsed, last.end)), "{passage:?}");
        let text = parsed.text.get(passage.start..passage.end).expect("on character borders");
        let header = passage.table_header.clone().map_or("", |header| header_of(parsed, passage.start, header));
        let tokens = estimated_tokens(text) + estimated_tokens(header);
        assert!(tokens <= rules.max_tokens, "{tokens} > {}", rules.max_tokens);
        covered[passage.start..passage.end].fill(true);
        last = passage.start..passage.end;
    }
    for block in &parsed.blocks {
        for (at, c) in parsed.text[block.start..block.end].char_indices() {
            assert!(c.is_whitespace() || covered[block.start + at], "byte {} of {block:?}", block.start + at);
        }
    }
}

fn is_inside_a_sentence(parsed: &Parsed, at: usize) -> bool {
    let block = parsed.blocks.iter().find(|b| (b.start + 1..b.end).contains(&at)).expect("within a block");
    sentences(&parsed.text[block.start..block.end]).iter().any(|s| (s.start + 1..s.end).contains(&(at - block.start)))
}

/// The header of a passage, after checking that it is the first row of the table that the passage begins in.
#[track_caller]
fn header_of(parsed: &Parsed, start: usize, header: std::ops::Range<usize>) -> &str {
    let index = |at: usize| parsed.blocks.iter().position(|b| (b.start..b.end).contains(&at)).expect("within a block");
    let (first, own) = (index(header.start), index(start));
    assert!(first < own && (parsed.blocks[first].start, parsed.blocks[first].end) == (header.start, header.end));
    let rows = &parsed.blocks[first..=own];
    assert!(rows.iter().all(|b| b.kind == BlockKind::TableRow));
    assert!(rows.windows(2).all(|pair| pair[0].end + 1 == pair[1].start));
    let before = first.checked_sub(1).map(|at| &parsed.blocks[at]);
    assert!(before.is_none_or(|b| b.kind != BlockKind::TableRow || b.end + 1 < header.start));
    &parsed.text[header]
}

/// Documents made of blocks of every kind and size.
fn any_document() -> impl Strategy<Value = Parsed> {
    let kind = prop_oneof![
        (1..=6u8).prop_map(|level| BlockKind::Heading { level }),
        Just(BlockKind::Paragraph),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::TableRow),
        Just(BlockKind::Code),
    ];
    let word = prop_oneof!["[a-zé]{1,9}", "[a-z]{2,6}\\.", "[A-Z]\\.", "[0-9]{1,3}\\.[0-9]", "µ{1,40}", Just("e.g.".to_owned())];
    let text = prop::collection::vec(word, 1..250).prop_map(|words| words.join(" "));
    prop::collection::vec((kind, text, 1..4u32), 1..25).prop_map(|pieces| {
        let mut canonical = crate::canonical::Canonical::new(&limits());
        for (kind, text, page) in pieces {
            if page == 1 {
                canonical.begin_table();
            }
            canonical.push(kind, &text, Some(page)).unwrap();
        }
        canonical.finish(Format::Pdf, None, Some(4)).unwrap()
    })
}

/// A small file of every format whose parts can be damaged on their own, with the text in it.
fn one_of_each(text: &str, more: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (text, more) = (quick_xml::escape::escape(text), quick_xml::escape::escape(more));
    let paragraph =
        |style: &str, text: &str| format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>");
    let table = format!("<w:tbl><w:tr><w:tc>{0}</w:tc><w:tc>{0}</w:tc></w:tr></w:tbl>", paragraph("", &more));
    let shapes = fixtures::shape("title", &format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"))
        + &fixtures::shape("", &format!("<a:p><a:r><a:t>{more}</a:t></a:r></a:p>"));
    let slides = [Slide { file: 2, body: shapes.clone(), notes: Some(&more) }, Slide { file: 1, body: shapes, notes: None }];
    let book = Workbook {
        sheets: vec![
            (&text, "", rows(&[&[&text, &more], &[&more, &text]])),
            ("S", "hidden", "<row><c t='s'><v>0</v></c></row>".to_owned()),
        ],
        strings: Some("<si><t>shared</t></si>"),
        ..Workbook::default()
    };
    let chapter = format!("<h1>{text}</h1><p>{more}<br/>{text}</p><ul><li>{more}</li></ul>");
    let jats = format!(
        "<article><front><article-meta><title-group><article-title>{text}</article-title></title-group><abstract><p>{more}</p></abstract></article-meta></front>\
         <body><sec><label>1</label><title>{text}</title><p>{more}<list><list-item><p>{text}</p></list-item></list></p>\
         <table-wrap><label>T</label><table><tr><td>{text}</td><td>{more}</td></tr></table></table-wrap></sec></body></article>"
    );
    let pubmed = format!(
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID><Article><ArticleTitle>{text}</ArticleTitle>\
         <Abstract><AbstractText Label='A'>{more}</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>"
    );
    vec![
        ("a.docx", docx(&(paragraph("Heading1", &text) + &paragraph("", &more) + &table))),
        ("a.pptx", pptx(&slides)),
        ("a.xlsx", book.build()),
        ("a.epub", epub(&[("b", &chapter), ("a", &chapter)])),
        ("a.xml", jats.into_bytes()),
        ("b.xml", pubmed.into_bytes()),
        ("a.csv", format!("h1,h2\n\"{}\",\"{}\"\n", text.replace('"', ""), more.replace('"', "")).into_bytes()),
    ]
}

/// Text in many scripts, with characters that XML escapes, marks that compose, and characters that nobody sees.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-zé]{1,9}",
        "[a-z]{2,6}\\.",
        "[<&>'\"|]{1,3}",
        "[א-ת]{1,6}",
        "[ا-ي]{1,6}",
        "[一-龥]{1,4}。?",
        Just("e\u{301}".to_owned()),
        Just("\u{202e}x\u{200b}".to_owned()),
        Just("\n".to_owned()),
        Just("_x000D_".to_owned()),
        Just("😀".to_owned()),
    ];
    prop::collection::vec(word, 1..40).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_format_obeys_the_laws_of_offsets(text in any_text(), more in any_text()) {
        for (name, file) in one_of_each(&text, &more) {
            match parse(name, &file, &limits()) {
                Ok(parsed) => {
                    assert_sound(&parsed);
                    assert_passages(&parsed, &PassageRules::default());
                    let quality = crate::quality(&parsed);
                    prop_assert!((0.0..=1.0).contains(&quality.text_coverage) && quality.words <= parsed.text.len());
                }
                Err(error) => prop_assert!(false, "{} {}", name, error),
            }
        }
    }

    #[test]
    fn passages_address_the_text_and_cover_every_block(parsed in any_document(), max in 10..320usize) {
        assert_passages(&parsed, &PassageRules::default());
        assert_passages(&parsed, &PassageRules { target_tokens: max * 3 / 4, max_tokens: max, min_tokens: max / 5 });
    }

    #[test]
    fn passages_never_cross_a_heading_of_their_level_or_above(parsed in any_document()) {
        let level = |block: &Block| if let BlockKind::Heading { level } = block.kind { Some(level) } else { None };
        for passage in passages(&parsed, &PassageRules::default(), &estimated_tokens) {
            let inside: Vec<_> = parsed.blocks.iter().filter(|b| b.start < passage.end && b.end > passage.start).collect();
            let Some(first_text) = inside.iter().position(|b| level(b).is_none()) else { continue };
            let own = inside[..first_text].iter().filter_map(|b| level(b)).next_back();
            for heading in inside[first_text..].iter().filter_map(|b| level(b)) {
                prop_assert!(own.is_none_or(|own| heading > own), "{own:?} {heading}");
            }
        }
    }

    #[test]
    fn sentences_cover_all_that_is_not_space(text in "[ \\n.!?a-zA-Z0-9é()\"\\[\\]…。]{0,300}") {
        let mut covered = vec![false; text.len()];
        let mut end = 0;
        for range in sentences(&text) {
            prop_assert!(range.start >= end && range.end > range.start);
            let sentence = text.get(range.clone()).expect("on character borders");
            prop_assert_eq!(sentence.trim(), sentence);
            covered[range.clone()].fill(true);
            end = range.end;
        }
        for (at, c) in text.char_indices() {
            prop_assert!(c.is_whitespace() || covered[at], "byte {}", at);
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), name in prop::sample::select(vec!["a.pdf", "a.docx", "a.html", "a.md", "a.txt", "a.csv", "a.xml", "a.nxml", "a.epub", "a"])) {
        for head in [&b""[..], b"%PDF-1.7\n", b"PK\x03\x04", b"<html><table><tr><td>", b"| a |\n|--|\n", b"<article><front><p>", b"<PubmedArticleSet><PubmedArticle>", b"a;b\n1;2\n"] {
            if let Ok(parsed) = parse(name, &[head, &bytes].concat(), &limits()) {
                assert_sound(&parsed);
            }
        }
    }

    #[test]
    fn no_markup_breaks_the_offsets(text in "[ \\n#*_`|>\\-<a-z/=\"&;!\\[\\]()0-9é]{0,400}") {
        for name in ["a.md", "a.html", "a.txt", "a.csv"] {
            if let Ok(parsed) = parse(name, text.as_bytes(), &limits()) {
                assert_sound(&parsed);
                assert_passages(&parsed, &PassageRules::default());
            }
        }
    }

    #[test]
    fn no_damage_to_a_whole_file_makes_a_parser_panic(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>(), cuts in any::<bool>()) {
        let mut whole = one_of_each("Scope of it", "Text, more text.");
        whole.push(("a.pdf", pdf(&[lines(780, 12, &["1 Scope", "Text of the first page.", "More text."]), lines(780, 12, &["Second page"])])));
        for (name, mut bytes) in whole {
            for (index, byte) in &at {
                let index = index.index(bytes.len());
                bytes[index] = *byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(parsed) = parse(name, &bytes, &limits()) {
                assert_sound(&parsed);
            }
        }
    }
}

fn two_pages() -> Vec<u8> {
    pdf(&[lines(780, 12, &["Text of the first page."]), lines(780, 12, &["Text of the second page."])])
}

#[test]
fn an_empty_file_says_so() {
    for name in ["a.pdf", "a.docx", "a.txt"] {
        assert_eq!(parse(name, b"", &limits()), Err(ParseError::Empty));
    }
}

#[test]
fn a_file_over_the_limit_says_so() {
    let limits = ParseLimits { file_bytes_max: 10, ..limits() };
    assert_eq!(parse("a.txt", b"eleven byte", &limits), Err(ParseError::TooLarge { bytes: 11, limit: 10 }));
}

#[test]
fn a_truncated_pdf_is_damaged() {
    let whole = two_pages();
    for share in [30, 60, 90, 97] {
        let error = parse("a.pdf", &whole[..whole.len() * share / 100], &limits()).unwrap_err();
        assert_eq!(error.code(), "document.damaged", "{share} %: {error}");
    }
}

#[test]
fn a_pdf_without_text_suggests_text_recognition() {
    let mut document = pdf_of(vec![Stream::new(dictionary! {}, b"0 0 100 100 re f".to_vec()), Stream::new(dictionary! {}, vec![])]);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    let error = parse("a.pdf", &bytes, &limits()).unwrap_err();
    assert_eq!(error, ParseError::NoText { pages: Some(2) });
    assert!(error.to_string().contains("OCR"));
}

#[test]
fn a_single_page_without_text_is_a_warning() {
    let parsed = parse("a.pdf", &pdf(&[lines(780, 12, &["Text of the page."]), vec![]]), &limits()).unwrap();
    assert!(parsed.warnings[0].starts_with("Page 2 holds no text"), "{:?}", parsed.warnings);
}

#[test]
fn a_pdf_with_too_many_pages_says_so() {
    let limits = ParseLimits { pages_max: 1, ..limits() };
    assert_eq!(parse("a.pdf", &two_pages(), &limits), Err(ParseError::TooManyPages { limit: 1 }));
}

/// Encrypts a PDF with AES-128 for the given passwords.
fn encrypted(user: &str) -> Vec<u8> {
    use lopdf::encryption::crypt_filters::{Aes128CryptFilter, CryptFilter};
    use std::{collections::BTreeMap, sync::Arc};
    let mut document = lopdf::Document::load_mem(&two_pages()).unwrap();
    let filter: Arc<dyn CryptFilter> = Arc::new(Aes128CryptFilter);
    let version = lopdf::EncryptionVersion::V4 {
        document: &document,
        encrypt_metadata: true,
        crypt_filters: BTreeMap::from([(b"StdCF".to_vec(), filter)]),
        stream_filter: b"StdCF".to_vec(),
        string_filter: b"StdCF".to_vec(),
        owner_password: "owner",
        user_password: user,
        permissions: lopdf::Permissions::empty(),
    };
    let state = lopdf::EncryptionState::try_from(version).unwrap();
    document.encrypt(&state).unwrap();
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_pdf_that_needs_a_password_is_encrypted_and_one_that_opens_without_is_read() {
    assert_eq!(parse("a.pdf", &encrypted("secret"), &limits()), Err(ParseError::Encrypted));
    let parsed = parse("a.pdf", &encrypted(""), &limits()).unwrap();
    assert_eq!(parsed.text, "Text of the first page.\n\nText of the second page.");
}

#[test]
fn a_page_packed_twice_at_a_hundred_thousand_to_one_is_a_bomb() {
    const RAW: usize = 96 << 20;
    let mut once = Stream::new(dictionary! {}, vec![b' '; RAW]);
    once.compress().unwrap();
    let mut twice = Stream::new(dictionary! {}, once.content);
    twice.compress().unwrap();
    let packed = twice.content.len();
    twice.dict.set("Filter", vec![Object::from("FlateDecode"), Object::from("FlateDecode")]);
    assert!(RAW / packed > 100_000, "{packed}");
    let mut document = pdf_of(vec![twice]);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    let limits = ParseLimits { unpacked_bytes_max: 16 << 20, ..limits() };
    assert!(matches!(parse("a.pdf", &bytes, &limits), Err(ParseError::Bomb { .. })));
}

#[test]
fn a_package_inside_a_package_stays_closed() {
    let inner = docx("<w:p><w:r><w:t>inner words</w:t></w:r></w:p>");
    let outer = fixtures::docx_parts("<w:p><w:r><w:t>outer words</w:t></w:r></w:p>", &[("word/embeddings/a.docx", &inner)]);
    assert_eq!(parse("a.docx", &outer, &limits()).unwrap().text, "outer words");
    let mut nested = inner;
    for _ in 0..20 {
        nested = fixtures::zip_of(&[("a.zip", &nested)]);
    }
    assert_eq!(parse("a.zip", &nested, &limits()).unwrap_err().code(), "document.unknown_format");
    assert_eq!(parse("a.xlsx", &nested, &limits()).unwrap_err().code(), "document.wrong_extension");
}

#[test]
fn every_package_format_refuses_a_bomb_in_a_part_that_it_reads() {
    let spaces = vec![b' '; 16 << 20];
    for (name, marker, part) in [
        ("a.docx", "word/document.xml", "word/styles.xml"),
        ("a.pptx", "ppt/presentation.xml", "docProps/core.xml"),
        ("a.xlsx", "xl/workbook.xml", "xl/sharedStrings.xml"),
        ("a.epub", "META-INF/container.xml", "META-INF/encryption.xml"),
    ] {
        let file = fixtures::zip_of(&[(marker, b"<x/>"), (part, &spaces)]);
        assert!(matches!(parse(name, &file, &limits()), Err(ParseError::Bomb { .. })), "{name}");
    }
}

#[test]
fn a_name_that_lies_is_refused() {
    assert_eq!(parse("a.docx", &two_pages(), &limits()).unwrap_err().code(), "document.wrong_extension");
    assert_eq!(parse("a.pdf", &docx("<w:p/>"), &limits()).unwrap_err().code(), "document.wrong_extension");
    assert_eq!(parse("a.docx", &fixtures::ole("EncryptedPackage"), &limits()), Err(ParseError::Encrypted));
}

#[test]
fn invalid_utf8_is_refused_in_every_text_format() {
    for name in ["a.txt", "a.md", "a.html"] {
        assert_eq!(parse(name, b"text \xff\xfe\x00\x01", &limits()).unwrap_err().code(), "document.not_utf8", "{name}");
    }
}

#[test]
fn parsed_documents_cross_the_process_border_unchanged() {
    let parsed = parse("a.pdf", &two_pages(), &limits()).unwrap();
    let json = serde_json::to_string(&parsed).unwrap();
    assert_eq!(serde_json::from_str::<Parsed>(&json).unwrap(), parsed);
    let mut named = Vec::new();
    for (name, file) in one_of_each("a", "b") {
        let parsed = parse(name, &file, &limits()).unwrap();
        assert_eq!(serde_json::to_value(parsed.format).unwrap(), parsed.format.as_str());
        assert_eq!(serde_json::from_str::<Parsed>(&serde_json::to_string(&parsed).unwrap()).unwrap(), parsed);
        named.push(parsed.format.as_str());
    }
    assert_eq!(named, ["docx", "pptx", "xlsx", "epub", "jats", "pubmed", "csv"]);
}
