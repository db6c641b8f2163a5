//! Plain text: telling the encoding, and finding paragraphs, list items and headings in lines.

use crate::{BlockKind, Format, ParseError, ParseLimits, Parsed, canonical::Canonical};
use encoding_rs::Encoding;

/// A line at least this long, in characters, is taken to be wrapped: the next one continues it. Shorter ones (addresses,
/// verses, log lines) keep their line break.
const WRAPPED_CHARS_MIN: usize = 45;

/// Windows-1252 from 0x80 to 0x9F (WHATWG encoding index); `\u{fffd}` marks the five codes that are not assigned.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

/// Decoded text and, where it was guessed, a warning.
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) warning: Option<String>,
}

/// Decodes UTF-8, UTF-16 with a byte order mark, or as a last resort Windows-1252.
///
/// # Errors
/// `NotUtf8` when none fits: broken UTF-16, or bytes that are control characters in Windows-1252.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, ParseError> {
    let plain = |text: String| Decoded { text, warning: None };
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, u16::from_le_bytes).map(plain);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, u16::from_be_bytes).map(plain);
    }
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let control = |b: u8| b < 0x20 && !b.is_ascii_whitespace() && b != 0x0b;
    if let Some(offset) = body.iter().position(|b| *b == 0) {
        return Err(ParseError::NotUtf8 { offset });
    }
    let offset = match std::str::from_utf8(body) {
        Ok(text) => return Ok(plain(text.to_owned())),
        Err(error) => error.valid_up_to(),
    };
    let text: String = body
        .iter()
        .map(|&b| match b {
            0x80..=0x9f => WINDOWS_1252.get(usize::from(b - 0x80)).copied().unwrap_or('\u{fffd}'),
            _ => char::from(b),
        })
        .collect();
    if body.iter().any(|b| control(*b)) || text.contains('\u{fffd}') {
        return Err(ParseError::NotUtf8 { offset });
    }
    let warning = "The text is not UTF-8 and was read as Windows-1252; check accented letters and symbols.".to_owned();
    Ok(Decoded { text, warning: Some(warning) })
}

/// Decodes a page of HTML: as [`decode`], but in the encoding that the page states before anything is guessed.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_page(bytes: &[u8]) -> Result<Decoded, ParseError> {
    let is_unicode = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || std::str::from_utf8(bytes).is_ok();
    if is_unicode || bytes.contains(&0) {
        return decode(bytes);
    }
    match stated_encoding(bytes) {
        Some(encoding) if encoding == encoding_rs::WINDOWS_1252 => decode(bytes).map(|decoded| Decoded { warning: None, ..decoded }),
        Some(encoding) => match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(text) => Ok(Decoded { text: text.into_owned(), warning: None }),
            None => decode(bytes),
        },
        None => decode(bytes),
    }
}

/// The encoding in `<meta charset="…">`, `<meta … content="text/html; charset=…">` or an XML declaration, looked for where
/// browsers look (HTML, 13.2.3.2).
fn stated_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    const WITHIN: usize = 1024;
    let head = String::from_utf8_lossy(bytes.get(..WITHIN).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = head.split_once("charset").or_else(|| head.split_once("encoding").filter(|_| head.starts_with("<?xml")))?;
    let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let name: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')).collect();
    Encoding::for_label(name.as_bytes()).filter(|e| e.is_ascii_compatible() && *e != encoding_rs::UTF_8)
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<String, ParseError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(ParseError::NotUtf8 { offset: bytes.len() + 1 });
    }
    let units = pairs.iter().map(|pair| read(*pair));
    let mut text = String::with_capacity(bytes.len());
    for (index, unit) in char::decode_utf16(units).enumerate() {
        text.push(unit.map_err(|_| ParseError::NotUtf8 { offset: 2 + index * 2 })?);
    }
    Ok(text)
}

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let decoded = decode(bytes)?;
    let mut canonical = Canonical::new(limits);
    if let Some(warning) = decoded.warning {
        canonical.warn(warning);
    }
    let text = decoded.text.replace("\r\n", "\n").replace(['\r', '\u{c}'], "\n");
    let mut paragraph = String::new();
    let mut kind = BlockKind::Paragraph;
    let mut previous = "";
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let item = bullet(line);
        if line.is_empty() || item.is_some() {
            canonical.push(kind, &paragraph, None)?;
            paragraph.clear();
            kind = BlockKind::Paragraph;
        }
        if let Some(rule) = lines.peek().filter(|_| paragraph.is_empty() && !line.is_empty())
            && let Some(level) = underline(rule)
        {
            canonical.push(BlockKind::Heading { level }, line, None)?;
            lines.next();
            previous = "";
            continue;
        }
        if let Some(rest) = item {
            kind = BlockKind::ListItem;
            paragraph.push_str(rest);
        } else if !line.is_empty() {
            if !paragraph.is_empty() {
                paragraph.push(if previous.chars().count() >= WRAPPED_CHARS_MIN { ' ' } else { '\u{2028}' });
            }
            paragraph.push_str(line);
        }
        previous = line;
    }
    canonical.push(kind, &paragraph, None)?;
    canonical.finish(Format::Text, None, None)
}

/// The text of a list item without its bullet.
pub(crate) fn bullet(line: &str) -> Option<&str> {
    const BULLETS: [char; 14] = ['-', '*', '•', '◦', '▪', '▫', '‣', '·', '●', '○', '■', '□', '–', '➢'];
    let rest = line.strip_prefix(BULLETS)?;
    let text = rest.trim_start();
    (text.len() < rest.len() && !text.is_empty()).then_some(text)
}

/// The level of a heading underlined with `===` (1) or `---` (2).
fn underline(line: &str) -> Option<u8> {
    let ruled = |mark: char| line.len() >= 3 && line.chars().all(|c| c == mark);
    if ruled('=') {
        Some(1)
    } else if ruled('-') {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<(BlockKind, String)> {
        let parsed = parse(source.as_bytes(), &ParseLimits::default()).unwrap();
        parsed.blocks.iter().map(|b| (b.kind, parsed.text[b.start..b.end].to_owned())).collect()
    }

    #[test]
    fn wrapped_lines_join_and_short_lines_stay() {
        let source =
            "The sponsor shall ensure that the investigation\nis conducted in accordance with the plan.\n\nQA Unit\n1 Main Street\n";
        assert_eq!(
            kinds(source),
            [
                (
                    BlockKind::Paragraph,
                    "The sponsor shall ensure that the investigation is conducted in accordance with the plan.".to_owned()
                ),
                (BlockKind::Paragraph, "QA Unit\n1 Main Street".to_owned()),
            ]
        );
    }

    #[test]
    fn bullets_and_underlined_headings_are_seen() {
        assert_eq!(
            kinds("Scope\n=====\n- one\n- two\nText - with a dash"),
            [
                (BlockKind::Heading { level: 1 }, "Scope".to_owned()),
                (BlockKind::ListItem, "one".to_owned()),
                (BlockKind::ListItem, "two\nText - with a dash".to_owned()),
            ]
        );
    }

    #[test]
    fn utf16_and_byte_order_marks_are_read() {
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("µg ≥ 5".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(decode(&wide).unwrap().text, "µg ≥ 5");
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain("µg".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        assert_eq!(decode(&big).unwrap().text, "µg");
        assert_eq!(decode(b"\xef\xbb\xbfabc").unwrap().text, "abc");
    }

    #[test]
    fn windows_1252_is_read_with_a_warning() {
        let decoded = decode(b"caf\xe9 \x80 5 \x96 10").unwrap();
        assert_eq!(decoded.text, "café € 5 – 10");
        assert!(decoded.warning.unwrap().contains("Windows-1252"));
    }

    #[test]
    fn pages_are_read_in_the_encoding_that_they_state() {
        let read = |bytes: &[u8]| decode_page(bytes).map(|d| (d.text, d.warning));
        let (text, warning) = read(b"<meta charset=\"windows-1251\"><p>\xc1\xee\xeb\xfc").unwrap();
        assert!(text.ends_with("Боль") && warning.is_none());
        let (text, _) = read(b"<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'>\x92\xc9\x82\xdd").unwrap();
        assert!(text.ends_with("痛み"), "{text}");
        assert!(read(b"<?xml version='1.0' encoding='iso-8859-2'?><p>\xb1").unwrap().0.ends_with('ą'));
        assert_eq!(read(b"<meta charset=latin1>\xe9").unwrap().1, None);
        let (text, warning) = read(b"<meta charset=utf-8>caf\xe9").unwrap();
        assert!(text.ends_with("café") && warning.is_some(), "a false statement is not believed");
        assert!(read("<meta charset=windows-1251>µ".as_bytes()).unwrap().0.ends_with('µ'), "what is UTF-8 is UTF-8");
        assert!(read(b"<meta charset=klingon>\xe9").unwrap().1.is_some());
    }

    #[test]
    fn invalid_utf8_that_is_not_windows_1252_either_is_refused() {
        assert_eq!(decode(b"abc\xff\x01").err(), Some(ParseError::NotUtf8 { offset: 3 }));
        assert_eq!(decode(b"abc\x81").err(), Some(ParseError::NotUtf8 { offset: 3 }));
        assert_eq!(decode(b"a\0b").err(), Some(ParseError::NotUtf8 { offset: 1 }));
        assert_eq!(decode(b"\xff\xfe\x00\xd8").err(), Some(ParseError::NotUtf8 { offset: 2 }));
    }
}
