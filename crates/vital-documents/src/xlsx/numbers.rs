//! Number formats: which cells show a date, a time, a duration or a percentage (ECMA-376 Part 1, 18.8.30).

use crate::{
    ParseError,
    package::Package,
    xml::{Xml, attribute},
};
use std::collections::HashMap;

/// What a number in a cell is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    #[default]
    Number,
    Percent,
    Date,
    Time,
    DateTime,
    /// Hours that go on beyond a day, as in `[h]:mm`.
    Duration,
}

/// What the cell styles make of a number, by their index.
#[derive(Default)]
pub(super) struct Formats(Vec<Shown>);

impl Formats {
    pub(super) fn get(&self, style: usize) -> Shown {
        self.0.get(style).copied().unwrap_or_default()
    }
}

/// Reads the cell styles; without the part every number is a number.
pub(super) fn read(package: &mut Package<'_>, part: &str) -> Result<Formats, ParseError> {
    let mut own: HashMap<u32, Shown> = HashMap::new();
    let mut formats = Formats::default();
    let mut in_cells = false;
    package.events(part, |event| {
        match event {
            Xml::Open { name: "numFmt", element } => {
                let id = attribute(element, "numFmtId").and_then(|id| id.parse().ok());
                if let (Some(id), Some(code)) = (id, attribute(element, "formatCode")) {
                    own.insert(id, of_code(&code));
                }
            }
            Xml::Open { name: "cellXfs", .. } => in_cells = true,
            Xml::Close { name: "cellXfs" } => in_cells = false,
            Xml::Open { name: "xf", element } if in_cells => {
                let id = attribute(element, "numFmtId").and_then(|id| id.parse().ok()).unwrap_or(0);
                formats.0.push(own.get(&id).copied().unwrap_or_else(|| built_in(id)));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(formats)
}

/// The formats that every program knows, those of East Asian locales included.
fn built_in(id: u32) -> Shown {
    match id {
        9 | 10 => Shown::Percent,
        14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58 => Shown::Date,
        18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Shown::Time,
        22 => Shown::DateTime,
        46 => Shown::Duration,
        _ => Shown::Number,
    }
}

/// Reads a format code: its first section, without quoted text, escaped characters and conditions.
fn of_code(code: &str) -> Shown {
    let mut letters = String::new();
    let mut duration = false;
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' => break,
            '"' => while chars.next().is_some_and(|c| c != '"') {},
            '\\' | '_' | '*' => {
                chars.next();
            }
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').map(|c| c.to_ascii_lowercase()).collect();
                duration |= !inside.is_empty() && ["h", "m", "s"].iter().any(|unit| inside.chars().all(|c| unit.starts_with(c)));
            }
            _ => letters.push(c.to_ascii_lowercase()),
        }
    }
    let letters = letters.replace("general", "").replace("am/pm", "").replace("a/p", "");
    let time = letters.contains(['h', 's']);
    let date = letters.contains(['y', 'd']) || (letters.contains('m') && !time);
    match (date, time) {
        _ if duration => Shown::Duration,
        (true, true) => Shown::DateTime,
        (true, false) => Shown::Date,
        (false, true) => Shown::Time,
        (false, false) if letters.contains('%') => Shown::Percent,
        (false, false) => Shown::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_tell_dates_from_numbers() {
        for (code, shown) in [
            ("General", Shown::Number),
            ("#,##0.00", Shown::Number),
            ("0.00E+00", Shown::Number),
            ("0.0\" days\"", Shown::Number),
            ("[Red]0;[Blue]-0", Shown::Number),
            ("0\\d", Shown::Number),
            ("0.0%", Shown::Percent),
            ("yyyy-mm-dd", Shown::Date),
            ("[$-409]d mmm yy;@", Shown::Date),
            ("mmm", Shown::Date),
            ("h:mm AM/PM", Shown::Time),
            ("mm:ss.0", Shown::Time),
            ("dd/mm/yyyy hh:mm", Shown::DateTime),
            ("[h]:mm:ss", Shown::Duration),
        ] {
            assert_eq!(of_code(code), shown, "{code}");
        }
    }
}
