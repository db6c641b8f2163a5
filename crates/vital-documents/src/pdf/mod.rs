//! PDF: the text of each page, put back into lines, paragraphs, headings, lists and table rows.
//!
//! A PDF places glyphs and knows no words, so structure is inferred from geometry. lopdf reads objects, filters, encryption
//! and character maps; the text operators are interpreted here, because the ready-made extractors either stop with a panic on
//! colour spaces and fonts they do not know (pdf-extract) or give no positions (lopdf's own), without which neither
//! paragraphs nor repeated page headers can be told. lopdf's reader of character maps is not used, see `cmap`. Section
//! numbers in comments are those of ISO 32000-1:2008.

mod aligned;
mod bidi;
mod cmap;
mod content;
mod font;
mod frame;
mod furniture;
mod glyphs;
mod headings;
mod layout;
mod lines;
#[cfg(test)]
mod reading_tests;
mod rules;
mod structure;
mod trace;
mod wrap;

pub(crate) use glyphs::symbol_char;

use crate::{Format, MARKS_MAX, PageMarks, ParseError, ParseLimits, Parsed, Rect, canonical::Canonical, text_check};
use content::Interpreter;
use frame::Frame;
use lopdf::{DecompressError, Document, Error, LoadOptions, Object, xref::XrefRecovery};
use std::ops::Range;
use trace::Trace;

/// The end-of-file mark is looked for in this many bytes at the end; some servers append a few of their own.
const EOF_WITHIN: usize = 2 * 1024;
/// Most pages named one by one in a warning.
const PAGES_NAMED_MAX: usize = 8;

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    read(&load(bytes, limits)?, limits, None)
}

/// Where text stands on a page: the boxes of these byte ranges of `Parsed::text`, as far as they are on this page (counted from
/// 1), line by line. It agrees with [`crate::parse`] to the byte if the limits are the same, and takes about as long.
///
/// # Errors
/// Those of [`crate::parse`], and `NoSuchPage`.
pub fn boxes(bytes: &[u8], page: u32, ranges: &[Range<usize>], limits: &ParseLimits) -> Result<Vec<Rect>, ParseError> {
    page_marks(bytes, page, ranges, limits).map(|marks| marks.rects)
}

/// What a renderer needs to mark these ranges on a page, see [`boxes`]; of more than [`MARKS_MAX`] ranges the first.
///
/// # Errors
/// Those of [`crate::parse`], and `NoSuchPage`.
pub fn page_marks(bytes: &[u8], page: u32, ranges: &[Range<usize>], limits: &ParseLimits) -> Result<PageMarks, ParseError> {
    if bytes.len() > limits.file_bytes_max {
        return Err(ParseError::TooLarge { bytes: bytes.len(), limit: limits.file_bytes_max });
    }
    let document = load(bytes, limits)?;
    let at = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
    let Some(object) = at.and_then(|at| document.page_iter().take(limits.pages_max as usize).nth(at)) else {
        let pages = u32::try_from(document.page_iter().take(limits.pages_max as usize).count()).unwrap_or(u32::MAX);
        return Err(ParseError::NoSuchPage { page, pages });
    };
    let mut trace = Trace::new(page);
    let text_check = text_check(&read(&document, limits, Some(&mut trace))?.text);
    let frame = Frame::of(&document, object);
    let (width_pt, height_pt) = frame.size();
    let rects = trace.rects(ranges.get(..MARKS_MAX).unwrap_or(ranges), &frame);
    Ok(PageMarks { object: object.0, width_pt, height_pt, rects, text_check })
}

/// Reads the text, and traces one page of it if asked.
fn read(document: &Document, limits: &ParseLimits, trace: Option<&mut Trace>) -> Result<Parsed, ParseError> {
    let pages: Vec<_> = document.page_iter().take(limits.pages_max as usize + 1).collect();
    let count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    if count > limits.pages_max {
        return Err(ParseError::TooManyPages { limit: limits.pages_max });
    }
    if count == 0 {
        return Err(damaged("no page can be found in it"));
    }
    let mut canonical = Canonical::new(limits);
    let mut interpreter = Interpreter::new(document, limits);
    let mut all = Vec::with_capacity(pages.len());
    let mut textless = Vec::new();
    let mut held = 0;
    for (page, number) in pages.into_iter().zip(1..) {
        let traced = trace.as_ref().is_some_and(|t| t.is_of(number));
        let lines = lines::from_page(&interpreter.page(page)?, number, traced);
        if lines.is_empty() {
            textless.push(number);
        }
        held += lines.iter().map(|l| l.text.len()).sum::<usize>();
        // Joining lines into paragraphs only ever shrinks the text by its page furniture.
        if held > limits.text_bytes_max.saturating_mul(2) {
            return Err(ParseError::TooMuchText { limit: limits.text_bytes_max });
        }
        all.push(lines);
    }
    if textless.len() == count as usize {
        return Err(ParseError::NoText { pages: Some(count) });
    }
    warn_about(&mut canonical, &textless, document, interpreter.unmapped);
    furniture::remove(&mut all);
    structure::push_blocks(&all, &mut canonical, trace)?;
    canonical.finish(Format::Pdf, title(document), Some(count))
}

fn load(bytes: &[u8], limits: &ParseLimits) -> Result<Document, ParseError> {
    let options = LoadOptions::with_max_decompressed_size(limits.unpacked_bytes_max);
    let document = Document::load_mem_with_options(bytes, options).map_err(|error| explain(&error))?;
    if document.is_encrypted() {
        return Err(ParseError::Encrypted);
    }
    // A file cut short can often be opened in part by scanning for objects. Half a protocol would be worse than none.
    let tail = bytes.get(bytes.len().saturating_sub(EOF_WITHIN)..).unwrap_or(bytes);
    if document.xref_recovery == Some(XrefRecovery::Reconstructed) && !tail.windows(5).any(|w| w == b"%%EOF") {
        return Err(damaged("it breaks off before its end"));
    }
    Ok(document)
}

/// Says in our terms why lopdf could not go on.
fn explain(error: &Error) -> ParseError {
    match error {
        Error::Decompress(DecompressError::MemoryLimitExceeded { limit }) => {
            ParseError::Bomb { detail: format!("a compressed part unpacks to more than {limit} bytes") }
        }
        Error::InvalidPassword | Error::Decryption(_) | Error::UnsupportedSecurityHandler(_) => ParseError::Encrypted,
        _ => damaged("its structure cannot be read, most likely because the file breaks off or was changed in transfer"),
    }
}

fn damaged(detail: &str) -> ParseError {
    ParseError::damaged(Format::Pdf, detail)
}

fn warn_about(canonical: &mut Canonical, textless: &[u32], document: &Document, unmapped: usize) {
    if !textless.is_empty() {
        let named: Vec<String> = textless.iter().take(PAGES_NAMED_MAX).map(u32::to_string).collect();
        let more = textless.len().saturating_sub(PAGES_NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (noun, verb) = if textless.len() == 1 { ("Page", "holds") } else { ("Pages", "hold") };
        canonical
            .warn(format!("{noun} {}{more} {verb} no text: blank, or scanned and in need of text recognition (OCR).", named.join(", ")));
    }
    if document.xref_recovery == Some(XrefRecovery::Reconstructed) {
        canonical.warn("The index of the PDF was broken and was rebuilt; parts may be missing.");
    }
    if unmapped > 0 {
        canonical.warn(format!("{unmapped} characters are set in fonts that do not say which letters they show, and were left out."));
    }
}

/// The title in the document information (14.3.3), unless a program filled it with the name of a file.
fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get_deref(b"Info", document).and_then(Object::as_dict).ok()?;
    let title = lopdf::decode_text_string(info.get_deref(b"Title", document).ok()?).ok()?;
    let lower = title.trim().to_lowercase();
    let file_like = [".doc", ".docx", ".pdf", ".indd", ".tex", ".dvi", ".qxd", ".rtf"].iter().any(|end| lower.ends_with(end));
    let filled_in = lower.is_empty() || lower.starts_with("microsoft word") || lower.starts_with("untitled") || file_like;
    (!filled_in).then_some(title)
}
