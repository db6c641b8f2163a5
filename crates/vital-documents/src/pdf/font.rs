//! Fonts: which characters a string of codes shows, and how wide they are.

use super::{
    cmap::CMap,
    glyphs::{dingbat_char, named, symbol_char},
};
use lopdf::{Dictionary, Document, Object, Stream, dictionary};
use std::collections::HashMap;

/// Largest character map or font header that is unpacked, in bytes.
const MAP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most codes of one `/W` array that get a width of their own.
const WIDTHS_MAX: usize = 65_536;

pub(super) struct Font {
    codes: Codes,
    pub(super) bold: bool,
}

enum Codes {
    /// One byte a code: the text and the width of each.
    Single(Box<[(Option<Box<str>>, f32)]>),
    /// Two bytes a code (9.7), where the map is too large to lay out.
    Double { to_unicode: Option<CMap>, utf16: bool, widths: HashMap<u32, f32>, default_width: f32 },
}

/// A shown code.
pub(super) struct Shown {
    /// What it shows; `None` when the font does not say.
    pub(super) text: Option<String>,
    /// Its advance in units of the font size.
    pub(super) width: f32,
    /// Whether word spacing applies: the single-byte code 32 (9.3.3).
    pub(super) is_space: bool,
}

impl Font {
    pub(super) fn read(dict: &Dictionary, document: &Document) -> Self {
        let name = dict.get_deref(b"BaseFont", document).and_then(Object::as_name).unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_lowercase();
        let bold = ["bold", "black", "heavy", "-semibold", "demi"].iter().any(|word| name.contains(word));
        let composite = dict.get_deref(b"Subtype", document).and_then(Object::as_name).is_ok_and(|s| s == b"Type0");
        let codes = if composite { double(dict, document) } else { single(dict, document, &name) };
        Self { codes, bold }
    }

    /// Reads a string into shown codes.
    pub(super) fn shown<'s>(&'s self, string: &'s [u8]) -> Box<dyn Iterator<Item = Shown> + 's> {
        match &self.codes {
            Codes::Single(table) => Box::new(string.iter().map(|byte| {
                let (text, width) = table.get(usize::from(*byte)).map_or((None, 0.5), |(text, width)| (text.as_deref(), *width));
                Shown { text: text.map(str::to_owned), width, is_space: *byte == 32 }
            })),
            Codes::Double { to_unicode, utf16, widths, default_width } => Box::new(string.chunks(2).map(move |pair| {
                let code = pair.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
                let mapped = to_unicode.as_ref().and_then(|map| map.get(code));
                let direct = || (*utf16 && pair.len() == 2).then(|| vec![u16::try_from(code).unwrap_or(0xfffd)]);
                let text = mapped.or_else(direct).and_then(|units| text_of(&units, false));
                Shown { text, width: widths.get(&code).copied().unwrap_or(*default_width), is_space: false }
            })),
        }
    }
}

/// The text of UTF-16 units out of a character map, `None` when they say nothing.
fn text_of(units: &[u16], dingbats: bool) -> Option<String> {
    let text: String = char::decode_utf16(units.iter().copied())
        .map(|unit| match unit.unwrap_or('\u{fffd}') {
            // Symbol fonts of Windows stand in the private use area at U+F000 plus their code.
            c @ '\u{f020}'..='\u{f0ff}' => {
                let low = u8::try_from(c as u32 & 0xff).unwrap_or(0);
                if dingbats { dingbat_char(low) } else { symbol_char(low) }.unwrap_or('\u{fffd}')
            }
            c => c,
        })
        .collect();
    let known = !text.is_empty() && !text.contains(['\u{fffd}', '\0']);
    known.then(|| unligated(&text))
}

/// Writes ligatures, Arabic letters in the form of their place, and full-width letters as the letters they stand for.
fn unligated(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let compatible = |c: char| matches!(c, '\u{fb00}'..='\u{fb06}' | '\u{fb50}'..='\u{fdfb}' | '\u{fe70}'..='\u{fefc}' | '\u{ff01}'..='\u{ff5e}' | 'ĳ' | 'Ĳ' | 'ŉ');
    text.chars().flat_map(|c| if compatible(c) { c.nfkc().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn to_unicode(dict: &Dictionary, document: &Document) -> Option<CMap> {
    let stream = dict.get_deref(b"ToUnicode", document).and_then(Object::as_stream).ok()?;
    CMap::read(&stream.get_plain_content_with_limit(MAP_BYTES_MAX).ok()?)
}

fn single(dict: &Dictionary, document: &Document, name: &str) -> Codes {
    let map = to_unicode(dict, document);
    let dingbats = name.contains("dingbats") || name.contains("wingdings");
    let symbol = !dingbats && (name.ends_with("symbol") || name.contains("symbolmt"));
    let encoding = dict.get_deref(b"Encoding", document).ok();
    let base = base_table(dict, encoding, document);
    let mut differences = built_in(dict, document);
    differences.extend(encoding.and_then(|e| e.as_dict().ok()).map(|e| difference_names(e, document)).unwrap_or_default());
    let widths = single_widths(dict, document);
    let table = (0..=255u8).map(|code| {
        let mapped = map.as_ref().and_then(|map| map.get(u32::from(code)));
        let text = mapped.and_then(|units| text_of(&units, dingbats)).or_else(|| match differences.get(&code) {
            Some(glyph) => named(glyph),
            None if symbol => symbol_char(code).map(String::from),
            None if dingbats => dingbat_char(code).map(String::from),
            None => base.get(usize::from(code)).cloned().flatten(),
        });
        let text = text.map(|t| unligated(&t));
        let width = widths.get(&code).copied().unwrap_or_else(|| usual_width(text.as_deref(), name));
        (text.map(String::into_boxed_str), width)
    });
    Codes::Single(table.collect())
}

/// What each code shows before differences (table 114); embedded TrueType fonts nearly always mean Windows-1252.
fn base_table(dict: &Dictionary, encoding: Option<&Object>, document: &Document) -> Vec<Option<String>> {
    let stated = match encoding {
        Some(Object::Name(name)) => Some(name.as_slice()),
        Some(Object::Dictionary(dict)) => dict.get_deref(b"BaseEncoding", document).and_then(Object::as_name).ok(),
        _ => None,
    };
    let true_type = dict.get_deref(b"Subtype", document).and_then(Object::as_name).is_ok_and(|s| s == b"TrueType");
    let fallback: &[u8] = if true_type { b"WinAnsiEncoding" } else { b"StandardEncoding" };
    let known: [&[u8]; 4] = [b"WinAnsiEncoding", b"MacRomanEncoding", b"MacExpertEncoding", b"StandardEncoding"];
    let name = stated.filter(|name| known.contains(name)).unwrap_or(fallback);
    let font = dictionary! { "Type" => "Font", "Encoding" => Object::Name(name.to_vec()) };
    let encoding = font.get_font_encoding(document).ok();
    let shown = |code: u8| encoding.as_ref().and_then(|e| e.bytes_to_string(&[code]).ok()).filter(|t| !t.is_empty() && t != "\0");
    (0..=255).map(shown).collect()
}

fn difference_names(encoding: &Dictionary, document: &Document) -> HashMap<u8, Vec<u8>> {
    let mut names = HashMap::new();
    let mut code = 0_i64;
    for object in encoding.get_deref(b"Differences", document).and_then(Object::as_array).map_or(&[][..], Vec::as_slice) {
        match object {
            Object::Integer(next) => code = *next,
            Object::Name(name) => {
                if let Ok(code) = u8::try_from(code) {
                    names.insert(code, name.clone());
                }
                code = code.saturating_add(1);
            }
            _ => {}
        }
    }
    names
}

fn descriptor<'d>(dict: &'d Dictionary, document: &'d Document) -> Option<&'d Dictionary> {
    dict.get_deref(b"FontDescriptor", document).and_then(Object::as_dict).ok()
}

/// The encoding inside an embedded Type 1 font, which stands in its clear-text head as `dup 65 /A put` (Adobe Type 1 Font
/// Format, section 2.3).
fn built_in(dict: &Dictionary, document: &Document) -> HashMap<u8, Vec<u8>> {
    let file = descriptor(dict, document).and_then(|d| d.get_deref(b"FontFile", document).and_then(Object::as_stream).ok());
    let Some(content) = file.and_then(|file: &Stream| file.get_plain_content_with_limit(MAP_BYTES_MAX).ok()) else { return HashMap::new() };
    let clear = content.windows(5).position(|w| w == b"eexec").and_then(|end| content.get(..end)).unwrap_or_default();
    let text = String::from_utf8_lossy(clear);
    let tokens: Vec<&str> = text.split_ascii_whitespace().collect();
    tokens
        .windows(4)
        .filter_map(|entry| match entry {
            ["dup", code, name, "put"] => Some((code.parse().ok()?, name.strip_prefix('/')?.as_bytes().to_vec())),
            _ => None,
        })
        .collect()
}

fn single_widths(dict: &Dictionary, document: &Document) -> HashMap<u8, f32> {
    // Widths of Type 3 fonts are in their own glyph space, all others in thousandths (9.2.4).
    let matrix = dict.get_deref(b"FontMatrix", document).and_then(Object::as_array).ok();
    let unit = matrix.and_then(|m| m.first()).and_then(|a| a.as_float().ok()).map_or(0.001, f32::abs);
    let first = dict.get_deref(b"FirstChar", document).and_then(Object::as_i64).unwrap_or(0);
    let widths = dict.get_deref(b"Widths", document).and_then(Object::as_array).map_or(&[][..], Vec::as_slice);
    let wide = widths.iter().take(256).zip(first..).filter_map(|(width, code)| {
        let (_, width) = document.dereference(width).ok()?;
        Some((u8::try_from(code).ok()?, width.as_float().ok()? * unit))
    });
    wide.collect()
}

/// A width for fonts that state none, as the 14 standard fonts may (9.6.2.2): near that of Helvetica, or of Courier.
fn usual_width(text: Option<&str>, font: &str) -> f32 {
    if font.contains("courier") || font.contains("mono") {
        return 0.6;
    }
    match text.and_then(|t| t.chars().next()) {
        Some('i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | '!' | ' ' | 'I' | 'f' | 't' | '/' | '[' | ']') => 0.278,
        Some('r' | '(' | ')' | '-' | '"') => 0.333,
        Some('m' | 'M' | 'w' | 'W' | '%' | '@') => 0.83,
        Some(c) if c.is_uppercase() => 0.69,
        Some('c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z') => 0.5,
        _ => 0.556,
    }
}

fn double(dict: &Dictionary, document: &Document) -> Codes {
    let encoding = dict.get_deref(b"Encoding", document).and_then(Object::as_name).unwrap_or_default();
    let map_name = dict.get_deref(b"ToUnicode", document).and_then(Object::as_name).is_ok();
    let utf16 = map_name || encoding.windows(4).any(|w| w == b"UCS2") || encoding.windows(5).any(|w| w == b"UTF16");
    let descendants = dict.get_deref(b"DescendantFonts", document).and_then(Object::as_array).ok();
    let cid = descendants.and_then(|d| d.first()).and_then(|d| document.dereference(d).ok()).and_then(|(_, d)| d.as_dict().ok());
    let default_width = cid.and_then(|c| c.get_deref(b"DW", document).and_then(Object::as_float).ok()).map_or(1.0, |w| w / 1000.0);
    let widths = cid.map(|c| double_widths(c, document)).unwrap_or_default();
    Codes::Double { to_unicode: to_unicode(dict, document), utf16, widths, default_width }
}

/// Reads `/W`: `first [w w w]` and `first last w` (9.7.4.3).
fn double_widths(cid: &Dictionary, document: &Document) -> HashMap<u32, f32> {
    let mut widths = HashMap::new();
    let array = cid.get_deref(b"W", document).and_then(Object::as_array).map_or(&[][..], Vec::as_slice);
    let mut resolved = array.iter().filter_map(|o| document.dereference(o).ok()).map(|(_, o)| o);
    while let (Some(first), Some(second)) = (resolved.next(), resolved.next()) {
        let Some(first) = first.as_i64().ok().and_then(|f| u32::try_from(f).ok()) else { continue };
        if let Ok(list) = second.as_array() {
            let each = list.iter().filter_map(|w| document.dereference(w).ok()?.1.as_float().ok());
            widths.extend((first..).zip(each.map(|w| w / 1000.0)));
        } else if let (Ok(last), Some(Ok(width))) = (second.as_i64(), resolved.next().map(Object::as_float)) {
            let last = u32::try_from(last).unwrap_or(0).min(0xffff);
            widths.extend((first..=last).map(|code| (code, width / 1000.0)));
        }
        if widths.len() > WIDTHS_MAX {
            break;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(font: &Font, string: &[u8]) -> String {
        font.shown(string).filter_map(|s| s.text).collect()
    }

    #[test]
    fn differences_and_ligatures_become_letters() {
        let document = Document::new();
        let encoding = dictionary! { "BaseEncoding" => "WinAnsiEncoding", "Differences" => vec![2.into(), "fi".into(), "uni2265".into(), "g99".into()] };
        let font =
            Font::read(&dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "X-Bold", "Encoding" => encoding }, &document);
        assert_eq!(shown(&font, b"\x02t \x03 5\x04 \x80"), "fit ≥ 5 €");
        assert!(font.bold);
    }

    #[test]
    fn a_map_to_unicode_wins_over_the_encoding() {
        let mut document = Document::new();
        let map = b"/CIDInit /ProcSet findresource begin 1 begincodespacerange <00> <FF> endcodespacerange\n2 beginbfchar <41> <03B1> <42> <F0B3> endbfchar endcmap".to_vec();
        let map = document.add_object(Stream::new(Dictionary::new(), map));
        let dict = dictionary! { "Type" => "Font", "Subtype" => "TrueType", "BaseFont" => "Y", "Encoding" => "WinAnsiEncoding", "ToUnicode" => map };
        assert_eq!(shown(&Font::read(&dict, &document), b"ABC"), "α≥C");
    }

    #[test]
    fn composite_fonts_read_two_bytes_and_their_widths() {
        let mut document = Document::new();
        let map = b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n1 beginbfrange <0003> <0005> <0041> endbfrange".to_vec();
        let map = document.add_object(Stream::new(Dictionary::new(), map));
        let cid = document.add_object(
            dictionary! { "Type" => "Font", "DW" => 500, "W" => vec![3.into(), vec![250.into()].into(), 4.into(), 5.into(), 750.into()] },
        );
        let dict = dictionary! { "Type" => "Font", "Subtype" => "Type0", "Encoding" => "Identity-H", "DescendantFonts" => vec![cid.into()], "ToUnicode" => map };
        let font = Font::read(&dict, &document);
        assert_eq!(shown(&font, &[0, 3, 0, 5]), "AC");
        assert_eq!(font.shown(&[0, 3, 0, 4, 0, 9]).map(|s| s.width).collect::<Vec<_>>(), [0.25, 0.75, 0.5]);
        assert!(font.shown(&[0, 9]).all(|s| s.text.is_none()));
    }

    #[test]
    fn the_encoding_inside_a_type_1_font_is_read() {
        let mut document = Document::new();
        let head = b"%!PS-AdobeFont /Encoding 256 array dup 1 /alpha put\ndup 2 /beta put readonly def eexec xx".to_vec();
        let file = document.add_object(Stream::new(Dictionary::new(), head));
        let dict = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Z", "FontDescriptor" => dictionary! { "FontFile" => file } };
        assert_eq!(shown(&Font::read(&dict, &document), &[1, 2]), "αβ");
    }
}
