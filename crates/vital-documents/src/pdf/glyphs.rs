//! Glyph names and the Symbol font: what a code shows when a font carries no map to Unicode.

use lopdf::{Document, Encoding, Object, dictionary};

/// The Symbol font from 0x20 (Annex D.5; U+FFFD where no code is assigned or the glyph is only part of a bracket).
const SYMBOL_LOW: &str = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_\u{203e}αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
/// The Symbol font from 0xA1.
const SYMBOL_HIGH: &str = "ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…|─↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑";

/// The character of a code of the Symbol font.
pub(crate) fn symbol_char(code: u8) -> Option<char> {
    match code {
        0x20..=0x7e => SYMBOL_LOW.chars().nth(usize::from(code - 0x20)),
        0xa1..=0xe5 => SYMBOL_HIGH.chars().nth(usize::from(code - 0xa1)),
        0xf1 => Some('〉'),
        0xf2 => Some('∫'),
        _ => None,
    }
}

/// The marks of the dingbat fonts that serve as bullets and ticks.
pub(super) fn dingbat_char(code: u8) -> Option<char> {
    match code {
        0x20 => Some(' '),
        b'3' | b'4' | 0xfc => Some('✓'),
        b'5'..=b'8' | 0xfb => Some('✗'),
        b'l' | b'n' | b'q' | b'u' | b'v' | b'w' | 0x9f | 0xa7 | 0xd8 => Some('•'),
        0xe0 => Some('→'),
        _ => None,
    }
}

/// The text of a glyph name by the rules of the Adobe Glyph List specification, section 2: a known name, `uniXXXX`, `uXXXXX`,
/// several of them joined with `_`, anything from the first `.` on ignored.
pub(super) fn named(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let base = name.split('.').next().filter(|b| !b.is_empty())?;
    let mut text = String::new();
    for part in base.split('_') {
        text.push(component(part)?);
    }
    Some(text)
}

fn component(name: &str) -> Option<char> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    if let Some(c) = known(name) {
        return Some(c);
    }
    match name.strip_prefix("uni") {
        Some(digits) if digits.len() == 4 => hex(digits),
        _ => name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len())).and_then(hex),
    }
}

/// Looks a name up in the glyph list. lopdf keeps the list to itself, so the question is asked as a font with one difference.
fn known(name: &str) -> Option<char> {
    let font = dictionary! {
        "Type" => "Font",
        "Encoding" => dictionary! { "Differences" => vec![0.into(), Object::Name(name.as_bytes().to_vec())] },
    };
    match font.get_font_encoding(&Document::new()).ok()? {
        Encoding::Differences(differences) => {
            let unit = differences.map.get(&0)?.utf16_code_unit();
            char::from_u32(u32::from(unit)).filter(|c| *c != '\0')
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyph_names_become_text() {
        assert_eq!(named(b"Aacute").as_deref(), Some("Á"));
        assert_eq!(named(b"a.sc").as_deref(), Some("a"));
        assert_eq!(named(b"f_f_i").as_deref(), Some("ffi"));
        assert_eq!(named(b"uni2264").as_deref(), Some("≤"));
        assert_eq!(named(b"u1D6FC").as_deref(), Some("𝛼"));
        assert_eq!(named(b"g37"), None);
        assert_eq!(named(b".notdef"), None);
    }

    #[test]
    fn the_symbol_font_is_in_step_with_its_codes() {
        for (code, shown) in [
            (b'a', 'α'),
            (b'm', 'μ'),
            (b'W', 'Ω'),
            (0xa3, '≤'),
            (0xb3, '≥'),
            (0xb0, '°'),
            (0xb1, '±'),
            (0xb7, '•'),
            (0xd7, '⋅'),
            (0xe5, '∑'),
        ] {
            assert_eq!(symbol_char(code), Some(shown), "{code:#x}");
        }
    }
}
