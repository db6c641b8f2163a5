//! Tells the format of a file: magic bytes and the root element of XML decide, the extension only tells the text formats apart.
//!
//! A name that contradicts the content is an error and not a guess: it is a damaged download, a mistake, or an attack.

use crate::{
    Format, ParseError, delimited,
    xml::{self, Root},
};
use std::io::Cursor;

/// Readers accept the PDF header anywhere in the first kilobyte (ISO 32000-1, implementation note 13 of Annex H).
const PDF_HEADER_WITHIN: usize = 1024;
/// Bytes looked at to tell text from binary data.
const SNIFFED_BYTES: usize = 8 * 1024;

/// Signatures of formats that cannot be read here, with the offset at which they stand.
const FOREIGN: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftypheic", "a HEIC image"),
    (0, b"{\\rtf", "a rich text file (RTF)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ\x90\0", "a program"),
    (0, b"SQLite format 3\0", "an SQLite database"),
];

/// Compound files: legacy Office documents, and encrypted ones of any age ([MS-CFB] section 2.2).
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// What the extension claims.
enum Claim {
    /// A format that can be read.
    Known(Format),
    /// A format that cannot be read, with its article.
    Foreign(&'static str),
    /// XML of any kind.
    Xml,
    /// Nothing: no extension, or one that says nothing.
    None,
}

/// Tells the format of a file from its content and name.
///
/// # Errors
/// `Empty`, `Encrypted` for a Word document with a password, `WrongExtension` when name and content disagree,
/// `UnknownFormat` (naming what was found) and `Damaged` for a ZIP container that cannot be opened.
pub fn detect(file_name: &str, bytes: &[u8]) -> Result<Format, ParseError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::Empty);
    }
    let claim = claim(file_name);
    if bytes.starts_with(OLE) {
        return Err(ole(&claim, bytes));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return zip_member(bytes).and_then(|found| agree(&claim, found));
    }
    if is_pdf(&claim, bytes) {
        return agree(&claim, Ok(Format::Pdf));
    }
    for (at, magic, name) in FOREIGN {
        if bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)) {
            return agree(&claim, Err(name));
        }
    }
    text_format(&claim, bytes)
}

fn claim(file_name: &str) -> Claim {
    let Some((_, extension)) = file_name.rsplit_once('.') else { return Claim::None };
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => Claim::Known(Format::Pdf),
        "docx" | "docm" | "dotx" => Claim::Known(Format::Docx),
        "html" | "htm" | "xhtml" => Claim::Known(Format::Html),
        "md" | "markdown" | "mdown" => Claim::Known(Format::Markdown),
        "txt" | "text" => Claim::Known(Format::Text),
        "csv" | "tsv" | "tab" => Claim::Known(Format::Csv),
        "pptx" | "pptm" | "ppsx" | "potx" => Claim::Known(Format::Pptx),
        "xlsx" | "xlsm" | "xltx" => Claim::Known(Format::Xlsx),
        "epub" => Claim::Known(Format::Epub),
        "nxml" => Claim::Known(Format::Jats),
        "xml" => Claim::Xml,
        "json" | "jsonl" => Claim::Foreign("a JSON file"),
        "xls" => Claim::Foreign("a legacy Excel workbook (XLS)"),
        "xlsb" => Claim::Foreign("a binary Excel workbook (XLSB)"),
        "ppt" => Claim::Foreign("a legacy PowerPoint presentation (PPT)"),
        "odt" | "ods" | "odp" => Claim::Foreign("an OpenDocument file"),
        "doc" => Claim::Foreign("a legacy Word document (DOC)"),
        "rtf" => Claim::Foreign("a rich text file (RTF)"),
        "png" | "jpg" | "jpeg" | "gif" | "tif" | "tiff" | "webp" | "bmp" | "heic" => Claim::Foreign("an image"),
        "zip" | "gz" | "7z" | "rar" => Claim::Foreign("an archive"),
        _ => Claim::None,
    }
}

/// Holds what was found against what the name claims; `found` is a format or the name of a foreign one.
fn agree(claim: &Claim, found: Result<Format, &str>) -> Result<Format, ParseError> {
    match (claim, found) {
        (Claim::Known(named), Ok(found)) if *named == found => Ok(found),
        (Claim::None, Ok(found)) | (Claim::Xml, Ok(found @ (Format::Jats | Format::Pubmed | Format::Html))) => Ok(found),
        (Claim::Known(named), Ok(found)) => {
            Err(ParseError::WrongExtension { named: named.described().to_owned(), found: found.described().to_owned() })
        }
        (Claim::Foreign(named), Ok(found)) => {
            Err(ParseError::WrongExtension { named: (*named).to_owned(), found: found.described().to_owned() })
        }
        (Claim::Known(named), Err(found)) => {
            Err(ParseError::WrongExtension { named: named.described().to_owned(), found: found.to_owned() })
        }
        (Claim::Xml, Ok(found)) => Err(ParseError::WrongExtension { named: "an XML file".to_owned(), found: found.described().to_owned() }),
        (Claim::Foreign(_) | Claim::Xml | Claim::None, Err(found)) => Err(ParseError::UnknownFormat { found: found.to_owned() }),
    }
}

fn is_pdf(claim: &Claim, bytes: &[u8]) -> bool {
    const MAGIC: &[u8] = b"%PDF-";
    if bytes.trim_ascii_start().starts_with(MAGIC) {
        return true;
    }
    // Further in, the header only counts for a file that calls itself a PDF: a text may well talk about "%PDF-".
    let head = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
    matches!(claim, Claim::Known(Format::Pdf)) && head.windows(MAGIC.len()).any(|w| w == MAGIC)
}

fn ole(claim: &Claim, bytes: &[u8]) -> ParseError {
    // Stream names stand in the directory as UTF-16LE; `EncryptedPackage` is that of [MS-OFFCRYPTO] section 2.3.4.4.
    let has = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes.windows(wide.len()).any(|w| w == wide)
    };
    if has("EncryptedPackage") {
        return ParseError::Encrypted;
    }
    let found = if has("WordDocument") {
        "a legacy Word document (DOC)"
    } else if has("Workbook") {
        "a legacy Excel workbook (XLS)"
    } else if has("PowerPoint Document") {
        "a legacy PowerPoint presentation (PPT)"
    } else {
        "a legacy Office document (OLE)"
    };
    match agree(claim, Err(found)) {
        Err(error) => error,
        Ok(_) => ParseError::UnknownFormat { found: found.to_owned() },
    }
}

fn zip_member(bytes: &[u8]) -> Result<Result<Format, &'static str>, ParseError> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| ParseError::Damaged {
        format: None,
        detail: "its ZIP container cannot be opened, most likely because it breaks off".to_owned(),
    })?;
    let has = |prefix: &str| archive.file_names().any(|name| name.starts_with(prefix));
    Ok(if has("word/document") {
        Ok(Format::Docx)
    } else if has("xl/workbook.bin") {
        Err("a binary Excel workbook (XLSB)")
    } else if has("xl/") {
        Ok(Format::Xlsx)
    } else if has("ppt/") {
        Ok(Format::Pptx)
    } else if has("META-INF/container.xml") {
        Ok(Format::Epub)
    } else if has("content.xml") {
        Err("an OpenDocument file")
    } else {
        Err("a ZIP archive")
    })
}

fn text_format(claim: &Claim, bytes: &[u8]) -> Result<Format, ParseError> {
    let head = bytes.get(..SNIFFED_BYTES).unwrap_or(bytes);
    let marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    match claim {
        Claim::Known(named @ (Format::Markdown | Format::Text)) => return Ok(*named),
        Claim::Foreign(found) => return Err(ParseError::UnknownFormat { found: (*found).to_owned() }),
        _ => {}
    }
    if let Some(root) = xml::root(head).as_ref() {
        match (xml_format(root), claim) {
            (Some(found), _) => return agree(claim, Ok(found)),
            (None, Claim::Xml | Claim::Known(Format::Jats)) => {
                return agree(claim, Err(&format!("an XML file of another kind (<{}>)", root.name)));
            }
            // A page of HTML may begin with any element, and a table with a comparison.
            (None, _) => {}
        }
    }
    let binary = !marked && head.contains(&0);
    match claim {
        Claim::Known(Format::Html) => Ok(Format::Html),
        Claim::Known(Format::Csv) if !binary => Ok(Format::Csv),
        Claim::Known(_) if binary => agree(claim, Err("unrecognised binary data")),
        _ if binary => agree(claim, Err("binary data of an unrecognised format")),
        Claim::Xml => Err(ParseError::Damaged { format: None, detail: "it is named like XML and does not begin like it".to_owned() }),
        Claim::None if delimited::is_table(head) => Ok(Format::Csv),
        _ => agree(claim, Ok(Format::Text)),
    }
}

/// The format of an XML document by its root element; `article` is also the root of other kinds of XML, such as DocBook.
fn xml_format(root: &Root) -> Option<Format> {
    match root.name.as_str() {
        "PubmedArticleSet" | "PubmedArticle" | "PubmedBookArticleSet" | "PubmedBookArticle" => Some(Format::Pubmed),
        "pmc-articleset" => Some(Format::Jats),
        "article" if root.doctype.contains("JATS") || root.doctype.contains("NLM") => Some(Format::Jats),
        "article" if root.child.as_deref() == Some("front") => Some(Format::Jats),
        "article" if ["article-type", "dtd-version", "xmlns:mml", "xmlns:ali"].iter().any(|a| root.attributes.contains(a)) => {
            Some(Format::Jats)
        }
        name if name.eq_ignore_ascii_case("html") => Some(Format::Html),
        _ if root.doctype.get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("html")) => Some(Format::Html),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, zip_of};

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn the_extension_tells_the_text_formats_apart() {
        for (name, format) in [
            ("a.md", Format::Markdown),
            ("a.HTM", Format::Html),
            ("a.txt", Format::Text),
            ("README", Format::Text),
            ("a.b.c", Format::Text),
        ] {
            assert_eq!(detect(name, b"plain words"), Ok(format), "{name}");
        }
        assert_eq!(detect("page", b" <!DOCTYPE html><p>x"), Ok(Format::Html));
    }

    #[test]
    fn magic_bytes_decide_without_an_extension() {
        assert_eq!(detect("file", b"%PDF-1.7\n"), Ok(Format::Pdf));
        assert_eq!(detect("file", &fixtures::docx("<w:p/>")), Ok(Format::Docx));
        assert_eq!(detect("notes.txt", b"A file starts with %PDF-1.7"), Ok(Format::Text));
    }

    #[test]
    fn a_wrong_extension_names_both_sides() {
        let wrong = |named: &str, found: &str| Err(ParseError::WrongExtension { named: named.into(), found: found.into() });
        assert_eq!(detect("a.docx", b"%PDF-1.7\n"), wrong("a Word document (DOCX)", "a PDF"));
        assert_eq!(detect("scan.pdf", PNG), wrong("a PDF", "a PNG image"));
        assert_eq!(detect("a.pdf", b"just text"), wrong("a PDF", "a plain text file"));
        assert_eq!(detect("a.pdf", b"\0\x01\x02"), wrong("a PDF", "unrecognised binary data"));
        assert_eq!(detect("a.txt", &fixtures::docx("<w:p/>")), wrong("a plain text file", "a Word document (DOCX)"));
        assert_eq!(detect("a.docx", &zip_of(&[("xl/workbook.xml", b"<x/>")])), wrong("a Word document (DOCX)", "an Excel workbook (XLSX)"));
    }

    #[test]
    fn formats_that_cannot_be_read_are_named() {
        let unknown = |found: &str| Err(ParseError::UnknownFormat { found: found.into() });
        assert_eq!(detect("a.png", PNG), unknown("a PNG image"));
        assert_eq!(detect("a.xlsb", &zip_of(&[("xl/workbook.bin", b"x")])), unknown("a binary Excel workbook (XLSB)"));
        assert_eq!(detect("a.odt", &zip_of(&[("content.xml", b"<x/>")])), unknown("an OpenDocument file"));
        assert_eq!(detect("a.xml", b"<?xml version='1.0'?><invoice/>"), unknown("an XML file of another kind (<invoice>)"));
        assert_eq!(detect("a.xml", b"<article><title>DocBook</title></article>"), unknown("an XML file of another kind (<article>)"));
        assert_eq!(detect("a.zip", &zip_of(&[("a.txt", b"x")])), unknown("a ZIP archive"));
        assert_eq!(detect("a.rtf", b"{\\rtf1 x}"), unknown("a rich text file (RTF)"));
        assert_eq!(detect("a.json", b"{}"), unknown("a JSON file"));
        assert_eq!(detect("a.doc", &fixtures::ole("WordDocument")), unknown("a legacy Word document (DOC)"));
        assert_eq!(detect("a", b"\0\x01\x02"), unknown("binary data of an unrecognised format"));
    }

    #[test]
    fn xml_is_told_by_its_root_and_tables_by_their_fields() {
        for (name, content, format) in [
            ("a.xml", &b"<?xml version='1.0'?><!-- x --><PubmedArticleSet/>"[..], Format::Pubmed),
            ("download", b"<PubmedArticleSet></PubmedArticleSet>", Format::Pubmed),
            ("a.nxml", b"<!DOCTYPE article PUBLIC '-//NLM//DTD Journal Publishing DTD v2.3//EN' 'x.dtd'><article/>", Format::Jats),
            ("a.xml", b"<article article-type='research-article'>", Format::Jats),
            ("a.xml", b"<?xml version='1.0'?><!DOCTYPE html><html/>", Format::Html),
            (
                "a.csv",
                b"p,n
<0.05,3
",
                Format::Csv,
            ),
            (
                "export",
                b"a	b	c
1	2	3
4	5	6
",
                Format::Csv,
            ),
            ("a.html", b"<p>part of a page", Format::Html),
        ] {
            assert_eq!(detect(name, content), Ok(format), "{name}");
        }
        let wide: Vec<u8> = "<?xml version='1.0'?><PubmedArticleSet/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(detect("a.xml", &wide), Ok(Format::Pubmed));
        assert_eq!(detect("a.csv", b"<!doctype html><html><body>Please log in").unwrap_err().code(), "document.wrong_extension");
        assert_eq!(detect("a.xml", b"plain words").unwrap_err().code(), "document.damaged");
    }

    #[test]
    fn packages_are_told_by_their_parts() {
        for (name, format) in
            [("xl/workbook.xml", Format::Xlsx), ("ppt/presentation.xml", Format::Pptx), ("META-INF/container.xml", Format::Epub)]
        {
            assert_eq!(detect("file", &zip_of(&[("[Content_Types].xml", b"<x/>"), (name, b"<x/>")])), Ok(format), "{name}");
        }
        let inner = fixtures::docx("<w:p/>");
        assert_eq!(detect("a", &zip_of(&[("a.docx", &inner)])).unwrap_err().code(), "document.unknown_format");
    }

    #[test]
    fn a_word_document_with_a_password_is_encrypted() {
        assert_eq!(detect("a.docx", &fixtures::ole("EncryptedPackage")), Err(ParseError::Encrypted));
    }

    #[test]
    fn nothing_but_white_space_is_empty() {
        assert_eq!(detect("a.pdf", b""), Err(ParseError::Empty));
        assert_eq!(detect("a.txt", b" \r\n\t"), Err(ParseError::Empty));
    }

    #[test]
    fn a_zip_that_breaks_off_is_damaged() {
        let whole = fixtures::docx("<w:p/>");
        assert!(matches!(detect("a.docx", &whole[..whole.len() / 2]), Err(ParseError::Damaged { .. })));
    }
}
