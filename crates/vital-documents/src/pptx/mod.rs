//! PowerPoint presentations: the slides in the order they are shown, each followed by its speaker notes.
//!
//! Follows ECMA-376 Part 1, section 19 (PresentationML) and 21.1 (text of DrawingML). A slide is a page. Not here: charts,
//! diagrams, pictures, comments, and what stands on masters and layouts, which are furniture; charts and diagrams left out
//! are said in a warning.

mod slide;

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::Canonical,
    package::{Package, Relation},
    xml::{Xml, prefixed_attribute},
};
use slide::{Role, Slide};
use std::collections::HashMap;

/// Longest text, in characters, that stands in for the title of a slide without one.
const STAND_IN_CHARS_MAX: usize = 100;
/// What PowerPoint writes into the properties when nobody chose a title.
const NO_TITLE: &str = "PowerPoint Presentation";

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut package = Package::open(Format::Pptx, bytes, limits)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let targets: HashMap<String, Relation> = package.relations(&main)?.into_iter().map(|r| (r.id.clone(), r)).collect();
    let stated = package.stated_title()?.filter(|title| title.trim() != NO_TITLE);
    let mut written = Written { canonical: Canonical::new(limits), title: None, hidden: Vec::new(), noted: 0 };
    let ids = slide_ids(&mut package, &main, limits)?;
    for (id, number) in ids.iter().zip(1..) {
        let part = targets.get(id).filter(|r| r.kind == "slide").map(|r| r.target.as_str());
        let part = part.ok_or_else(|| package.damaged(format!("slide {number} is missing")))?;
        let shown = slide::read(&mut package, part)?;
        let notes = package.relations(part)?.into_iter().find(|r| r.kind == "notesSlide");
        written.slide(shown, number)?;
        if let Some(notes) = notes {
            let notes = slide::read(&mut package, &notes.target)?;
            written.notes(notes, number)?;
        }
    }
    written.warn();
    let title = written.title.or(stated);
    written.canonical.finish(Format::Pptx, title, u32::try_from(ids.len()).ok())
}

/// The ids of the slides in the order of the presentation, which is not that of their file names.
fn slide_ids(package: &mut Package<'_>, main: &str, limits: &ParseLimits) -> Result<Vec<String>, ParseError> {
    let mut ids = Vec::new();
    package.required_events(main, |event| {
        if let Xml::Open { name: "sldId", element } = event
            && let Some(id) = prefixed_attribute(element, "id")
        {
            ids.push(id);
            if ids.len() > limits.pages_max as usize {
                return Err(ParseError::TooManyPages { limit: limits.pages_max });
            }
        }
        Ok(())
    })?;
    Ok(ids)
}

struct Written {
    canonical: Canonical,
    title: Option<String>,
    hidden: Vec<u32>,
    /// Slides with notes.
    noted: u32,
}

impl Written {
    fn slide(&mut self, mut slide: Slide, number: u32) -> Result<(), ParseError> {
        if slide.hidden {
            self.hidden.push(number);
        }
        if slide.left_out {
            self.canonical.warn("Charts and diagrams of the presentation were left out.");
        }
        let titled = slide.shapes.iter().position(|s| matches!(s.role, Role::Title | Role::MainTitle));
        if let Some(at) = titled {
            let shape = slide.shapes.remove(at);
            let level = if shape.role == Role::MainTitle { 1 } else { 2 };
            let text = shape.pieces.into_iter().map(|p| p.text.replace('\u{2028}', " ")).collect::<Vec<_>>().join(" ");
            self.title.get_or_insert_with(|| text.clone());
            self.canonical.push(BlockKind::Heading { level }, &text, Some(number))?;
        }
        let mut stand_in = titled.is_none();
        for piece in slide.shapes.into_iter().filter(|s| s.role != Role::Furniture).flat_map(|s| s.pieces) {
            if piece.text.trim().is_empty() {
                continue;
            }
            if piece.begins_table {
                self.canonical.begin_table();
            }
            // Without a heading of its own the slide would be read as part of the one before.
            let heads = stand_in && piece.kind == BlockKind::Paragraph && piece.text.chars().count() <= STAND_IN_CHARS_MAX;
            let kind = if heads { BlockKind::Heading { level: 2 } } else { piece.kind };
            stand_in = false;
            self.canonical.push(kind, &piece.text, Some(number))?;
        }
        Ok(())
    }

    fn notes(&mut self, notes: Slide, number: u32) -> Result<(), ParseError> {
        let mut any = false;
        for piece in notes.shapes.into_iter().filter(|s| s.role == Role::Body).flat_map(|s| s.pieces) {
            any |= !piece.text.trim().is_empty();
            self.canonical.push(BlockKind::Paragraph, &piece.text, Some(number))?;
        }
        self.noted += u32::from(any);
        Ok(())
    }

    fn warn(&mut self) {
        if !self.hidden.is_empty() {
            let numbers: Vec<String> = self.hidden.iter().take(20).map(u32::to_string).collect();
            self.canonical.warn(format!(
                "Slides hidden in the presentation were read as well ({} of them: {}).",
                self.hidden.len(),
                numbers.join(", ")
            ));
        }
        if self.noted > 0 {
            self.canonical.warn(format!("Speaker notes stand after the text of their slide (slides with notes: {}).", self.noted));
        }
    }
}

#[cfg(test)]
mod tests;
