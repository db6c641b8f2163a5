//! Word documents: the main part of an OOXML package, as its reader would see it with all changes accepted.
//!
//! Follows ECMA-376 Part 1, section 17 (WordprocessingML). Not here: headers, footers, comments, footnotes and embedded
//! objects; that footnotes were left out is said in a warning.

mod body;
mod package;
mod styles;

use crate::{Format, ParseError, ParseLimits, Parsed};
use package::Package;

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part()?;
    let styles = match package.read("word/styles.xml")? {
        Some(xml) => styles::read(&xml, limits)?,
        None => styles::Styles::default(),
    };
    let stated = match package.read("docProps/core.xml")? {
        Some(xml) => stated_title(&xml, limits)?,
        None => None,
    };
    let read = body::read(&main, &styles, limits)?;
    read.canonical.finish(Format::Docx, read.title.or(stated), None)
}

/// The title in the core properties (ECMA-376 Part 2, section 11).
fn stated_title(xml: &str, limits: &ParseLimits) -> Result<Option<String>, ParseError> {
    let mut inside = false;
    let mut title = String::new();
    package::events(xml, limits, |event| {
        match event {
            package::Xml::Open { name: "title", .. } => inside = true,
            package::Xml::Close { name: "title" } => inside = false,
            package::Xml::Text(text) if inside => title.push_str(text),
            _ => {}
        }
        Ok(())
    })?;
    Ok((!title.trim().is_empty()).then_some(title))
}
