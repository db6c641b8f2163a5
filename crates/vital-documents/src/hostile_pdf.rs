//! PDFs made to break a reader: each ends with a result or a clear error, within the limits.

use crate::{
    ParseError, ParseLimits, Parsed, boxes,
    fixtures::{lines, pdf, pdf_of},
    parse,
};
use flate2::{Compression, write::ZlibEncoder};
use lopdf::{Dictionary, Document, Object, Stream, dictionary};
use std::{fmt::Write as _, io::Write as _};

/// Far less than in production, so that what is not bounded shows.
fn limits() -> ParseLimits {
    ParseLimits { unpacked_bytes_max: 4 << 20, text_bytes_max: 1 << 20, pages_max: 50, ..ParseLimits::default() }
}

fn read(file: &[u8]) -> Result<Parsed, ParseError> {
    parse("a.pdf", file, &limits())
}

/// A PDF of these objects, numbered from 1, the first of them the catalogue; `trailer` is added to its trailer.
fn raw(objects: &[&str], trailer: &str) -> Vec<u8> {
    let mut file = String::from("%PDF-1.7\n");
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(file.len());
        writeln!(file, "{number} 0 obj\n{object}\nendobj").unwrap();
    }
    let start = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    write!(file, "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF", objects.len() + 1).unwrap();
    file.into_bytes()
}

fn stream(content: &str) -> String {
    format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len())
}

const CATALOG: &str = "<< /Type /Catalog /Pages 2 0 R >>";
const FONT: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";

/// A PDF of one page with this text, whose objects from the sixth on are given.
fn page_with(resources: &str, content: &str, more: &[&str]) -> Vec<u8> {
    let page = format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << {resources} >> /MediaBox [0 0 595 842] >>");
    let content = stream(content);
    let objects = [CATALOG, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", &page, &content, FONT];
    raw(&[&objects, more].concat(), "")
}

const WORDS: &str = "BT /F1 10 Tf 72 700 Td (Some words of the page) Tj ET";

#[track_caller]
fn assert_refused(read: &Result<Parsed, ParseError>, codes: &[&str]) {
    let error = read.as_ref().unwrap_err();
    assert!(codes.contains(&error.code()), "{error}");
}

#[test]
fn the_plain_page_of_these_tests_is_read() {
    assert_eq!(read(&page_with("/Font << /F1 5 0 R >>", WORDS, &[])).unwrap().text, "Some words of the page");
}

/// A page of words among a hundred thousand objects that refer to each other.
pub(crate) fn crowded() -> Vec<u8> {
    page_with("/Font << /F1 5 0 R >>", WORDS, &vec!["<< /Kids [1 0 R 2 0 R] /Next 6 0 R >>"; 100_000])
}

/// A page whose content unpacks to far more than any page has.
pub(crate) fn bomb() -> Vec<u8> {
    saved(pdf_of(vec![packed(dictionary! {}, 40 << 20)]))
}

#[test]
fn a_hundred_thousand_objects_are_read_past() {
    assert_eq!(read(&crowded()).unwrap().text, "Some words of the page");
}

#[test]
fn a_page_tree_that_holds_itself_ends() {
    let page = "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>";
    let content = stream(WORDS);
    for tree in [
        "<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 3 /Parent 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2147483647 /Parent 6 0 R >>",
        "<< /Type /Pages /Kids [6 0 R 3 0 R] /Count -5 >>",
    ] {
        let more = "<< /Type /Pages /Kids [2 0 R 6 0 R] /Count 2 /Parent 2 0 R >>";
        let file = raw(&[CATALOG, tree, page, &content, FONT, more], "");
        match read(&file) {
            Ok(parsed) => assert!(parsed.text.starts_with("Some words of the page"), "{tree}"),
            Err(error) => assert!(["document.damaged", "document.too_many_pages"].contains(&error.code()), "{tree}: {error}"),
        }
        assert!(boxes(&file, 1, std::slice::from_ref(&(0..4)), &limits()).is_ok_and(|rects| !rects.is_empty()) || read(&file).is_err());
    }
}

#[test]
fn one_page_named_a_million_times_is_too_many_pages() {
    let kids = format!("<< /Type /Pages /Kids [{}] /Count 1000000 >>", "3 0 R ".repeat(1_000_000));
    let page = "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>";
    let result = read(&raw(&[CATALOG, &kids, page, &stream(WORDS), FONT], ""));
    // The reader of objects looks at no more kids than the file has objects.
    let is_refused = result == Err(ParseError::TooManyPages { limit: 50 });
    assert!(is_refused || result.as_ref().is_ok_and(|parsed| parsed.pages < Some(10)), "{result:?}");
}

#[test]
fn resources_fonts_and_forms_that_refer_to_themselves_end() {
    let form = |content: &str, resources: &str| {
        let (start, length) = ("<< /Type /XObject /Subtype /Form /BBox [0 0 9 9]", content.len());
        format!("{start} /Resources << {resources} >> /Length {length} >>\nstream\n{content}\nendstream")
    };
    let own = form("/X Do /X Do /X Do /X Do", "/XObject << /X 6 0 R >>");
    let file = page_with("/Font << /F1 5 0 R >> /XObject << /X 6 0 R >>", &format!("{WORDS} /X Do"), &[&own]);
    match read(&file) {
        Ok(parsed) => assert_eq!(parsed.text, "Some words of the page"),
        Err(error) => assert_eq!(error.code(), "document.bomb"),
    }
    for font in [
        "<< /Type /Font /Subtype /Type0 /DescendantFonts [6 0 R] /ToUnicode 6 0 R /Encoding 6 0 R >>",
        "<< /Type /Font /Subtype /Type1 /Encoding << /BaseEncoding 6 0 R /Differences 6 0 R >> /Widths 6 0 R /FontDescriptor 6 0 R >>",
        "6 0 R",
        "[6 0 R 7 0 R]",
    ] {
        let result = read(&page_with("/Font << /F1 6 0 R >>", WORDS, &[font, "7 0 R"]));
        assert!(
            result.as_ref().map_or_else(|error| matches!(error.code(), "document.no_text" | "document.damaged"), |p| !p.text.is_empty()),
            "{font}"
        );
    }
    let looped = page_with("/Font 6 0 R /XObject 7 0 R", WORDS, &["7 0 R", "6 0 R"]);
    assert_refused(&read(&looped), &["document.no_text", "document.damaged"]);
}

#[test]
fn tables_of_objects_that_point_at_themselves_end() {
    let file = page_with("/Font << /F1 5 0 R >>", WORDS, &[]);
    let text = String::from_utf8(file).unwrap();
    let start: usize = text.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    for trailer in
        [format!("/Prev {start}"), "/Prev 0".to_owned(), format!("/XRefStm {start} /Prev {start}"), "/Prev 99999999999".to_owned()]
    {
        let looped = text.replace("/Root 1 0 R", &format!("/Root 1 0 R {trailer}"));
        match read(looped.as_bytes()) {
            Ok(parsed) => assert_eq!(parsed.text, "Some words of the page"),
            Err(error) => assert_eq!(error.code(), "document.damaged", "{trailer}"),
        }
    }
}

#[test]
fn object_streams_within_each_other_end() {
    let nest = |holds: usize, extends: usize| {
        let content = format!("{holds} 0 << /Type /ObjStm /N 1 /First 4 /Length 0 >>");
        format!("<< /Type /ObjStm /N 1 /First 4 /Extends {extends} 0 R /Length {} >>\nstream\n{content}\nendstream", content.len())
    };
    let (a, b) = (nest(7, 7), nest(6, 6));
    let file = page_with("/Font << /F1 5 0 R >>", WORDS, &[&a, &b]);
    match read(&file) {
        Ok(parsed) => assert_eq!(parsed.text, "Some words of the page"),
        Err(error) => assert_eq!(error.code(), "document.damaged"),
    }
}

#[test]
fn arrays_and_strings_nested_a_hundred_thousand_deep_end() {
    for (open, close) in [("[", "]"), ("<< /A ", ">>"), ("(", ")")] {
        let deep = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        let file = page_with("/Font << /F1 5 0 R >>", &format!("{WORDS} {deep} TJ"), &[&deep]);
        match read(&file) {
            Ok(parsed) => assert_eq!(parsed.text, "Some words of the page"),
            Err(error) => assert!(["document.damaged", "document.bomb"].contains(&error.code()), "{open}: {error}"),
        }
    }
}

fn saved(mut document: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn packed(dict: Dictionary, bytes: usize) -> Stream {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![b' '; 1 << 20];
    (0..bytes >> 20).for_each(|_| packer.write_all(&piece).unwrap());
    let mut stream = Stream::new(dict, packer.finish().unwrap());
    stream.dict.set("Filter", "FlateDecode");
    stream
}

#[test]
fn pages_forms_and_fonts_that_unpack_without_end_are_bombs_or_pass_over() {
    assert_refused(&read(&saved(pdf_of(vec![packed(dictionary! {}, 9 << 20)]))), &["document.bomb"]);
    // Each page within the limit, all together beyond it.
    let pages = (0..8).map(|_| packed(dictionary! {}, 1 << 20)).collect();
    assert_refused(&read(&saved(pdf_of(pages))), &["document.bomb"]);
    let mut document = pdf_of(vec![Stream::new(dictionary! {}, format!("/X Do {WORDS}").into_bytes())]);
    let form = document.add_object(packed(dictionary! { "Type" => "XObject", "Subtype" => "Form" }, 9 << 20));
    let map = document.add_object(packed(dictionary! {}, 9 << 20));
    for object in document.objects.values_mut() {
        if let Object::Dictionary(dict) = object {
            if dict.get(b"Font").is_ok() {
                dict.set("XObject", dictionary! { "X" => form });
            } else if dict.get(b"BaseFont").is_ok() {
                dict.set("ToUnicode", map);
            }
        }
    }
    assert_refused(&read(&saved(document)), &["document.bomb"]);
}

#[test]
fn an_index_that_unpacks_without_end_is_a_bomb_or_damaged() {
    let mut index = packed(
        dictionary! { "Type" => "XRef", "Size" => 10, "W" => vec![1.into(), 4.into(), 2.into()], "Root" => Object::Reference((1, 0)) },
        9 << 20,
    );
    index.dict.set("Length", i64::try_from(index.content.len()).unwrap());
    let mut file = b"%PDF-1.7\n".to_vec();
    let start = file.len();
    file.extend_from_slice(
        format!(
            "9 0 obj\n<< /Type /XRef /Size 10 /W [1 4 2] /Root 1 0 R /Filter /FlateDecode /Length {} >>\nstream\n",
            index.content.len()
        )
        .as_bytes(),
    );
    file.extend_from_slice(&index.content);
    file.extend_from_slice(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF").as_bytes());
    assert_refused(&read(&file), &["document.bomb", "document.damaged"]);
}

#[test]
fn numbers_beyond_all_measure_place_nothing_and_break_nothing() {
    for content in [
        "BT /F1 1e38 Tf 1e38 0 0 1e38 1e38 1e38 Tm (x) Tj ET",
        "q 1e30 0 0 1e30 0 0 cm q 1e30 0 0 1e30 0 0 cm BT /F1 10 Tf (x) Tj ET Q Q",
        "-9999999999 9999999999 1e39 nan re S 0 0 m 1e38 1e38 l S",
        "BT /F1 0 Tf (x) Tj /F1 10 Tf 0 0 0 0 0 0 Tm (x) Tj 99999999999 Tz (x) Tj 100 Tz ET",
    ] {
        let both = format!("{content} {WORDS}");
        let parsed = read(&page_with("/Font << /F1 5 0 R >>", &both, &[])).unwrap_or_else(|error| panic!("{content}: {error}"));
        assert!(parsed.text.ends_with("Some words of the page"), "{content}: {}", parsed.text);
    }
}

#[test]
fn a_page_full_of_rules_and_scattered_letters_is_read_in_time() {
    let mut content = String::from("BT /F1 5 Tf ");
    for n in 0..40_000_u32 {
        write!(content, "1 0 0 1 {} {} Tm (a) Tj ", n.wrapping_mul(7_919) % 590, n.wrapping_mul(104_729) % 840).unwrap();
    }
    content.push_str("ET ");
    for n in 0..20_000_u32 {
        write!(content, "{} 0 m {} 842 l S 0 {} m 595 {} l S ", n % 595, n % 595, n % 842, n % 842).unwrap();
    }
    let parsed = read(&page_with("/Font << /F1 5 0 R >>", &content, &[])).unwrap();
    assert_eq!(parsed.text.matches('a').count(), 40_000);
}

#[test]
fn a_page_that_draws_more_letters_than_a_page_holds_is_a_bomb() {
    let content = format!("BT /F1 5 Tf ({}) Tj ET", "a".repeat(1_100_000));
    assert_refused(&read(&page_with("/Font << /F1 5 0 R >>", &content, &[])), &["document.bomb", "document.too_much_text"]);
}

#[test]
fn text_beyond_its_limit_ends_before_all_pages_are_read() {
    let text = "word ".repeat(200);
    let page = || lines(800, 10, &[text.as_str(); 50]);
    let file = pdf(&(0..45).map(|_| page()).collect::<Vec<_>>());
    assert_eq!(parse("a.pdf", &file, &ParseLimits { text_bytes_max: 10_000, ..limits() }), Err(ParseError::TooMuchText { limit: 10_000 }));
}
