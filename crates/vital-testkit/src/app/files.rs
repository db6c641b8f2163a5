//! Small real files, built here so that no binary is committed.

use std::io::{Cursor, Write as _};

/// A PDF with a line of Helvetica on each page; a page without a line has no text.
#[must_use]
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let contents = pages.iter().map(|line| {
        let escaped = line.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        let drawn = if line.is_empty() { "0 0 m 100 100 l S".to_owned() } else { format!("BT /F1 12 Tf 72 720 Td ({escaped}) Tj ET") };
        format!("<< /Length {} >>\nstream\n{drawn}\nendstream", drawn.len())
    });
    let kids: Vec<String> = (0..pages.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} /MediaBox [0 0 595 842] >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    for (n, content) in contents.enumerate() {
        let stream = 5 + 2 * n;
        objects.push(format!("<< /Type /Page /Parent 2 0 R /Contents {stream} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"));
        objects.push(content);
    }
    pdf_of(&objects, "")
}

/// A PDF that says it needs a password.
#[must_use]
pub fn encrypted_pdf() -> Vec<u8> {
    let zeros = "00".repeat(32);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [] /Count 0 >>".to_owned(),
        format!("<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <{zeros}> /U <{zeros}> >>"),
    ];
    pdf_of(&objects, "/Encrypt 3 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]")
}

/// Objects from number 1 on with their cross-reference table (ISO 32000-1 section 7.5).
fn pdf_of(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", n + 1).bytes());
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    file.extend(format!("trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1).bytes());
    file
}

/// A Word document of these paragraphs.
#[must_use]
pub fn docx(paragraphs: &[&str]) -> Vec<u8> {
    let body: String = paragraphs.iter().map(|p| format!("<w:p><w:r><w:t>{p}</w:t></w:r></w:p>")).collect();
    docx_of(&body)
}

/// A small Word document that unpacks to 100 MiB of spaces.
#[must_use]
pub fn zip_bomb() -> Vec<u8> {
    docx_of(&format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", " ".repeat(100 << 20)))
}

fn docx_of(body: &str) -> Vec<u8> {
    let space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let main = format!(r#"<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>"#);
    let types = r#"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("[Content_Types].xml", types), ("word/document.xml", &main)] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
