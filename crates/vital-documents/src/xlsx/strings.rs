//! The strings that cells share (ECMA-376 Part 1, 18.4), held in one piece of memory.

use crate::{ParseError, ParseLimits, package::Package, xml::Xml};

#[derive(Default)]
pub(super) struct Strings {
    text: String,
    /// Where each string ends in the text.
    ends: Vec<usize>,
}

impl Strings {
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end)
    }
}

/// Reads the shared strings; without the part there are none.
///
/// # Errors
/// `TooMuchText` and `TooManyBlocks` when they alone pass the limits of a document; what a file declares about their number
/// is not looked at.
pub(super) fn read(package: &mut Package<'_>, part: &str, limits: &ParseLimits) -> Result<Strings, ParseError> {
    /// Strings a block may have: a row of cells is one block.
    const PER_BLOCK: usize = 16;
    let mut strings = Strings::default();
    let (mut in_text, mut phonetic) = (false, 0_usize);
    package.events(part, |event| {
        match event {
            Xml::Open { name: "rPh", .. } => phonetic += 1,
            Xml::Close { name: "rPh" } => phonetic = phonetic.saturating_sub(1),
            Xml::Open { name: "t", .. } => in_text = phonetic == 0,
            Xml::Close { name: "t" } => in_text = false,
            Xml::Close { name: "si" } => strings.ends.push(strings.text.len()),
            Xml::Text(text) if in_text => strings.text.push_str(text),
            _ => {}
        }
        if strings.text.len() > limits.text_bytes_max {
            return Err(ParseError::TooMuchText { limit: limits.text_bytes_max });
        }
        if strings.ends.len() > limits.blocks_max.saturating_mul(PER_BLOCK) {
            return Err(ParseError::TooManyBlocks { limit: limits.blocks_max });
        }
        Ok(())
    })?;
    Ok(strings)
}

/// Resolves the escapes `_xHHHH_` of characters that XML cannot hold (18.17.7's `ST_Xstring`).
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let code = from.get(2..6).filter(|_| from.get(6..7) == Some("_")).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = from.get(7..).unwrap_or_default();
            }
            None => {
                out.push_str("_x");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_characters_are_resolved_and_other_text_stays() {
        assert_eq!(unescaped("a_x000D_b _x005F_x0041_ _x_ _xÄÖ_ _x12"), "a\rb _x0041_ _x_ _xÄÖ_ _x12");
    }
}
