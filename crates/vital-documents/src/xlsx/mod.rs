//! Excel workbooks: sheet by sheet, row by row, as values stand in the cells.
//!
//! Follows ECMA-376 Part 1, section 18 (SpreadsheetML). A sheet is a heading and a page; formulas show the values that the
//! program computed last. Every part is read as a stream. Not here: charts, comments, pivot caches, merged cells (their value
//! stands in the first one), and the rounding of numbers for display: a number is given as it is stored, to 15 digits.

mod numbers;
mod sheet;
mod strings;
mod values;

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::Canonical,
    package::Package,
    xml::{Xml, attribute, prefixed_attribute},
};
use std::collections::HashMap;

/// Longest name of a sheet in a warning; Excel allows 31 characters.
const NAME_CHARS_MAX: usize = 60;

/// What the cells of all sheets need to be read.
struct Book {
    strings: strings::Strings,
    formats: numbers::Formats,
    /// Whether dates count from 1904 and not from 1900 (18.17.4.1).
    from_1904: bool,
}

struct Entry {
    name: String,
    hidden: bool,
    id: String,
}

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut package = Package::open(Format::Xlsx, bytes, limits)?;
    let main = package.main_part("xl/workbook.xml")?;
    let relations = package.relations(&main)?;
    let part_of = |kind: &str| relations.iter().find(|r| r.kind == kind).map(|r| r.target.clone());
    let (entries, from_1904) = contents(&mut package, &main, limits)?;
    let strings = strings::read(&mut package, &part_of("sharedStrings").unwrap_or_else(|| "xl/sharedStrings.xml".to_owned()), limits)?;
    let formats = numbers::read(&mut package, &part_of("styles").unwrap_or_else(|| "xl/styles.xml".to_owned()))?;
    let stated = package.stated_title()?;
    let book = Book { strings, formats, from_1904 };
    let targets: HashMap<&str, _> = relations.iter().map(|r| (r.id.as_str(), r)).collect();
    let mut canonical = Canonical::new(limits);
    for (entry, number) in entries.iter().zip(1..) {
        let name: String = entry.name.chars().take(NAME_CHARS_MAX).collect();
        let relation = targets.get(entry.id.as_str()).ok_or_else(|| package.damaged(format!("its sheet “{name}” is missing")))?;
        if relation.kind != "worksheet" {
            canonical.warn(format!("The sheet “{name}” holds no cells and was left out."));
            continue;
        }
        if entry.hidden {
            canonical.warn(format!("The sheet “{name}” is hidden in the workbook; its cells were read as well."));
        }
        // The workbook itself is the first level, so that the name of a sheet never becomes its title.
        canonical.push(BlockKind::Heading { level: 2 }, &entry.name, Some(number))?;
        sheet::read(&mut package, &relation.target, &book, &mut canonical, number, limits)?;
    }
    canonical.finish(Format::Xlsx, stated, u32::try_from(entries.len()).ok())
}

/// The sheets in the order of their tabs, and the system of dates.
fn contents(package: &mut Package<'_>, main: &str, limits: &ParseLimits) -> Result<(Vec<Entry>, bool), ParseError> {
    let (mut entries, mut from_1904) = (Vec::new(), false);
    package.required_events(main, |event| {
        match event {
            Xml::Open { name: "workbookPr", element } => {
                from_1904 = attribute(element, "date1904").is_some_and(|v| v == "1" || v == "true");
            }
            Xml::Open { name: "sheet", element } => entries.push(Entry {
                name: attribute(element, "name").unwrap_or_default(),
                hidden: attribute(element, "state").is_some_and(|state| state != "visible"),
                id: prefixed_attribute(element, "id").unwrap_or_default(),
            }),
            _ => {}
        }
        if entries.len() > limits.pages_max as usize {
            return Err(ParseError::TooManyPages { limit: limits.pages_max });
        }
        Ok(())
    })?;
    Ok((entries, from_1904))
}

#[cfg(test)]
mod tests;
