//! EPUB books: the chapters in reading order, each read as the XHTML it is.
//!
//! Follows EPUB 3.3 (W3C) and the Open Packaging Format: container, package document, spine. Not here: pages that stand
//! outside of the reading order, the table of contents, pictures and sound.

use crate::{
    Format, ParseError, ParseLimits, Parsed,
    canonical::Canonical,
    html,
    package::{Package, resolve},
    text,
    xml::{Xml, attribute},
};
use quick_xml::{Reader, events::Event};
use std::collections::HashMap;

/// Elements that HTML knows to be empty; only these may be written `<br/>` for an HTML reader.
const VOID: &[&str] = &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// Methods that only hide fonts, which are not read (EPUB 3.3, 4.2.6.3.1.2, and Adobe's older one).
const FONT_MANGLING: &[&str] = &["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut package = Package::open(Format::Epub, bytes, limits)?;
    refuse_encrypted(&mut package)?;
    let root = root_file(&mut package)?;
    let book = contents(&mut package, &root, limits)?;
    let mut canonical = Canonical::new(limits);
    for part in &book.chapters {
        let bytes = package.read(part)?.ok_or_else(|| package.damaged(format!("its chapter {part} is missing")))?;
        let page = chapter(&package, part, &bytes)?;
        html::push_page(&page, limits, &mut canonical)?;
    }
    canonical.finish(Format::Epub, book.title, None)
}

fn refuse_encrypted(package: &mut Package<'_>) -> Result<(), ParseError> {
    let mut encrypted = false;
    package.events("META-INF/encryption.xml", |event| {
        if let Xml::Open { name: "EncryptionMethod", element } = event {
            encrypted |= attribute(element, "Algorithm").is_some_and(|method| !FONT_MANGLING.contains(&method.as_str()));
        }
        Ok(())
    })?;
    if encrypted { Err(ParseError::Encrypted) } else { Ok(()) }
}

fn root_file(package: &mut Package<'_>) -> Result<String, ParseError> {
    let mut root = None;
    package.required_events("META-INF/container.xml", |event| {
        if let Xml::Open { name: "rootfile", element } = event {
            root = root.take().or_else(|| attribute(element, "full-path"));
        }
        Ok(())
    })?;
    root.map(|path| resolve("", &path)).ok_or_else(|| package.damaged("its container names no book"))
}

#[derive(Default)]
struct Book {
    title: Option<String>,
    /// The parts in reading order.
    chapters: Vec<String>,
}

fn contents(package: &mut Package<'_>, root: &str, limits: &ParseLimits) -> Result<Book, ParseError> {
    let mut book = Book::default();
    let mut parts: HashMap<String, String> = HashMap::new();
    let mut spine: Vec<String> = Vec::new();
    let mut title: Option<String> = None;
    package.required_events(root, |event| {
        match event {
            Xml::Open { name: "title", .. } if book.title.is_none() => title = Some(String::new()),
            Xml::Close { name: "title" } => book.title = title.take().or(book.title.take()),
            Xml::Text(text) => title.iter_mut().for_each(|t| t.push_str(text)),
            Xml::Open { name: "item", element } => {
                let is_text = attribute(element, "media-type").is_some_and(|m| m == "application/xhtml+xml" || m == "text/html");
                let is_contents = attribute(element, "properties").is_some_and(|p| p.split_whitespace().any(|p| p == "nav"));
                if is_text
                    && !is_contents
                    && let (Some(id), Some(href)) = (attribute(element, "id"), attribute(element, "href"))
                {
                    parts.insert(id, resolve(root, &href));
                }
            }
            Xml::Open { name: "itemref", element } => {
                let aside = attribute(element, "linear").is_some_and(|v| v == "no");
                spine.extend(attribute(element, "idref").filter(|_| !aside));
            }
            _ => {}
        }
        if spine.len() > limits.pages_max as usize {
            return Err(ParseError::TooManyPages { limit: limits.pages_max });
        }
        Ok(())
    })?;
    book.chapters = spine.iter().filter_map(|id| parts.get(id).cloned()).collect();
    Ok(book)
}

/// Makes a chapter readable for an HTML reader: decodes it, refuses declarations of entities, and closes the elements that
/// XHTML may close in themselves, because `<title/>` opens a title without an end in HTML.
fn chapter(package: &Package<'_>, part: &str, bytes: &[u8]) -> Result<String, ParseError> {
    let source = text::decode_page(bytes).map_err(|_| package.damaged(format!("its chapter {part} is in no known encoding")))?.text;
    let mut page = String::with_capacity(source.len());
    let mut reader = Reader::from_str(&source);
    let mut from = 0;
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) => return Ok(page),
            // What is no XML is read as browsers read it.
            Err(_) => {
                page.push_str(source.get(from..).unwrap_or_default());
                return Ok(page);
            }
            Ok(event) => event,
        };
        let to = usize::try_from(reader.buffer_position()).unwrap_or(source.len());
        let raw = source.get(from..to).unwrap_or_default();
        from = to;
        match event {
            Event::DocType(declared) if declared.contains('[') => {
                return Err(package.damaged(format!("its chapter {part} declares entities of its own")));
            }
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Empty(element) if !VOID.contains(&element.name().into_inner()) => {
                page.push_str(raw.strip_suffix("/>").unwrap_or(raw));
                page.push_str("></");
                page.push_str(element.name().into_inner());
                page.push('>');
            }
            _ => page.push_str(raw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BlockKind,
        fixtures::{epub, epub_parts, zip_of},
        parse,
    };

    fn error(bytes: &[u8]) -> ParseError {
        parse("a.epub", bytes, &ParseLimits::default()).unwrap_err()
    }

    #[test]
    fn chapters_stand_in_the_order_of_the_spine() {
        let file = epub(&[
            ("z", "<h1>First</h1><p>One<br/>two.</p>"),
            ("a", "<section epub:type='chapter'><h1>Second</h1><ul><li>x</li></ul></section>"),
        ]);
        let parsed = parse("a.epub", &file, &ParseLimits::default()).unwrap();
        assert_eq!(parsed.text, "First\n\nOne\ntwo.\n\nSecond\n\nx");
        assert_eq!(parsed.blocks[2].kind, BlockKind::Heading { level: 1 });
        assert_eq!((parsed.title.as_deref(), parsed.pages), (Some("A book & its title"), None));
    }

    #[test]
    fn elements_closed_in_themselves_swallow_nothing() {
        let anchors = "<a id='p'/><span class='x'/>".repeat(1_000);
        let file = epub_parts(
            &[("c", "<html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='x.js'/></head><body><p>{}Words</p><div/><p>stay</p></body></html>".replace("{}", &anchors))],
            &[],
        );
        assert_eq!(parse("a.epub", &file, &ParseLimits::default()).unwrap().text, "Words\n\nstay");
    }

    #[test]
    fn protected_books_are_encrypted_and_mangled_fonts_are_not() {
        let with = |method: &str| {
            let xml = format!("<encryption><EncryptedData><EncryptionMethod Algorithm='{method}'/></EncryptedData></encryption>");
            epub_parts(&[("c", "<html><body><p>x</p></body></html>".to_owned())], &[("META-INF/encryption.xml", xml.as_bytes())])
        };
        assert_eq!(error(&with("http://www.w3.org/2001/04/xmlenc#aes128-cbc")), ParseError::Encrypted);
        assert!(parse("a.epub", &with(FONT_MANGLING[0]), &ParseLimits::default()).is_ok());
    }

    #[test]
    fn missing_parts_are_damage() {
        assert!(error(&zip_of(&[("META-INF/container.xml", b"<container/>")])).to_string().contains("names no book"));
        let container = b"<container><rootfiles><rootfile full-path='../../etc/passwd'/></rootfiles></container>";
        assert!(error(&zip_of(&[("META-INF/container.xml", container)])).to_string().contains("etc/passwd is missing"));
        let root = b"<package><manifest><item id='c' href='c.xhtml' media-type='application/xhtml+xml'/></manifest><spine><itemref idref='c'/></spine></package>";
        let container = b"<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>";
        assert!(error(&zip_of(&[("META-INF/container.xml", container), ("b.opf", root)])).to_string().contains("c.xhtml is missing"));
    }

    #[test]
    fn hostile_chapters_end_with_their_own_error() {
        let chapter = |page: String| error(&epub_parts(&[("c", page)], &[]));
        let entity = "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><html><body><p>&x;</p></body></html>";
        assert!(chapter(entity.into()).to_string().contains("entities of its own"));
        assert_eq!(chapter("<div>".repeat(1_000)), ParseError::TooDeep { limit: 512 });
        assert!(matches!(chapter(" ".repeat(16 << 20)), ParseError::Bomb { .. }));
        let spine: Vec<(&str, &str)> = std::iter::repeat_n(("c", "<p>x</p>"), 6_000).collect();
        assert_eq!(error(&epub(&spine)), ParseError::TooManyPages { limit: 5_000 });
    }

    #[test]
    fn a_chapter_that_is_no_xml_is_read_as_browsers_read_it() {
        let file = epub_parts(&[("c", "<html><body><p>One<p>two & <b>three</p></body>".to_owned())], &[]);
        assert_eq!(parse("a.epub", &file, &ParseLimits::default()).unwrap().text, "One\n\ntwo & three");
    }
}
