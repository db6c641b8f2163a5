//! Files built in code for the tests, so that no binary is committed.

use lopdf::{
    Document, Object, Stream,
    content::{Content, Operation},
    dictionary,
};
use std::io::{Cursor, Write};

/// A ZIP archive of the given entries.
pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A Word document with the given body.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    docx_parts(body, &[])
}

/// A Word document with the given body and further parts.
pub(crate) fn docx_parts(body: &str, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let main = format!(r#"<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#);
    let mut entries: Vec<(&str, &[u8])> = vec![("[Content_Types].xml", b"<Types/>"), ("word/document.xml", main.as_bytes())];
    entries.extend(parts);
    zip_of(&entries)
}

/// A Word document whose central directory lists one packed part six hundred times under different names, and the bytes it
/// would unpack to.
pub(crate) fn overlapping_bomb() -> (Vec<u8>, u64) {
    const COPIES: u16 = 600;
    let part = vec![b' '; 20 << 20];
    let one = zip_of(&[("word/document.xml", &part)]);
    let end = one.len() - 22;
    let number = |at: usize| u32::from_le_bytes(one[at..at + 4].try_into().unwrap());
    let directory = number(end + 16) as usize;
    let record = &one[directory..end];
    let mut file = one[..directory].to_vec();
    for copy in 0..COPIES {
        let mut record = record.to_vec();
        if copy > 0 {
            record[46..49].copy_from_slice(format!("{copy:03}").as_bytes());
        }
        file.extend(record);
    }
    let size = u32::try_from(file.len() - directory).unwrap();
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&COPIES.to_le_bytes());
    tail[10..12].copy_from_slice(&COPIES.to_le_bytes());
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    file.extend(tail);
    (file, part.len() as u64 * u64::from(COPIES))
}

/// A compound file with a stream of the given name.
pub(crate) fn ole(stream: &str) -> Vec<u8> {
    let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    file.resize(512, 0);
    file.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
    file.resize(1_024, 0);
    file
}

/// A line on a page of a PDF.
pub(crate) struct Line<'t> {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) size: i64,
    pub(crate) text: &'t str,
}

/// Lines of one size under one another, 14 points apart, from the top of a page.
pub(crate) fn lines<'t>(top: i64, size: i64, texts: &[&'t str]) -> Vec<Line<'t>> {
    texts.iter().zip(0..).map(|(text, n)| Line { x: 72, y: top - n * 14, size, text }).collect()
}

/// A PDF of the given pages in Helvetica.
pub(crate) fn pdf(pages: &[Vec<Line<'_>>]) -> Vec<u8> {
    let contents: Vec<Stream> = pages.iter().map(|page| Stream::new(dictionary! {}, page_content(page))).collect();
    let mut document = pdf_of(contents);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

fn page_content(page: &[Line<'_>]) -> Vec<u8> {
    let mut operations = vec![Operation::new("BT", vec![])];
    for line in page {
        // Windows-1252 agrees with Latin-1 for what the tests write.
        let text: Vec<u8> = line.text.chars().map(|c| u8::try_from(c as u32).unwrap()).collect();
        operations.push(Operation::new("Tf", vec!["F1".into(), line.size.into()]));
        operations.push(Operation::new("Tm", vec![1.into(), 0.into(), 0.into(), 1.into(), line.x.into(), line.y.into()]));
        operations.push(Operation::new("Tj", vec![Object::String(text, lopdf::StringFormat::Literal)]));
    }
    operations.push(Operation::new("ET", vec![]));
    Content { operations }.encode().unwrap()
}

/// A PDF with one page for each content stream.
pub(crate) fn pdf_of(contents: Vec<Stream>) -> Document {
    let mut document = Document::with_version("1.7");
    let tree = document.new_object_id();
    let font = document
        .add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding" });
    let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
    let kids: Vec<Object> = contents
        .into_iter()
        .map(|content| {
            let content = document.add_object(content);
            document.add_object(dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content }).into()
        })
        .collect();
    let count = i64::try_from(kids.len()).unwrap();
    let box_ = vec![0.into(), 0.into(), 595.into(), 842.into()];
    document.objects.insert(
        tree,
        dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources, "MediaBox" => box_ }.into(),
    );
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", catalog);
    document
        .trailer
        .set("ID", Object::Array(vec![Object::string_literal(&b"0123456789abcdef"[..]), Object::string_literal(&b"0123456789abcdef"[..])]));
    document
}
