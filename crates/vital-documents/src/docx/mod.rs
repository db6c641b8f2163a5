//! Word documents: the main part of an OOXML package, as its reader would see it with all changes accepted.
//!
//! Follows ECMA-376 Part 1, section 17 (WordprocessingML). Not here: headers, footers, comments, footnotes and embedded
//! objects; that footnotes were left out is said in a warning.

mod body;
mod styles;

use crate::{Format, ParseError, ParseLimits, Parsed, package::Package};

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut package = Package::open(Format::Docx, bytes, limits)?;
    let main = package.main_part("word/document.xml")?;
    let styles = styles::read(&mut package)?;
    let stated = package.stated_title()?;
    let read = body::read(&mut package, &main, &styles, limits)?;
    read.canonical.finish(Format::Docx, read.title.or(stated), None)
}
