//! Paragraph styles: which are headings, the title, lists, or a table of contents.
//!
//! Built-in styles keep their English name in `w:name` whatever the language of the program; their ids are translated.

use crate::{
    ParseError,
    package::Package,
    xml::{Xml, attribute},
};
use std::collections::HashMap;

/// Longest chain of `w:basedOn`; Word itself allows 11.
const BASED_ON_MAX: usize = 16;

/// What a paragraph style makes of its paragraphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Heading(u8),
    Title,
    List,
    /// A line of a generated table of contents.
    Contents,
}

#[derive(Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
}

#[derive(Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    numbered: bool,
}

impl Styles {
    /// The role of a style: its own, or that of the style it is based on.
    pub(super) fn role(&self, id: &str) -> Option<Role> {
        let mut id = id;
        for _ in 0..BASED_ON_MAX {
            let Some(style) = self.styles.get(id) else { return by_name(id) };
            let own = by_name(&style.name).or(style.outline.map(Role::Heading)).or(style.numbered.then_some(Role::List));
            if own.is_some() {
                return own;
            }
            id = style.based_on.as_deref()?;
        }
        None
    }
}

/// The level in Word counts from 0 and 9 means body text (ECMA-376 Part 1, 17.3.1.20).
pub(super) fn outline_level(value: &str) -> Option<u8> {
    value.parse::<u8>().ok().filter(|level| *level < 9).map(|level| (level + 1).min(6))
}

fn by_name(name: &str) -> Option<Role> {
    let name: String = name.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(level) = name.strip_prefix("heading") {
        return level.parse::<u8>().ok().filter(|l| (1..=9).contains(l)).map(|l| Role::Heading(l.min(6)));
    }
    match name.as_str() {
        "title" => Some(Role::Title),
        _ if name.starts_with("list") && name != "listparagraph" => Some(Role::List),
        _ if name.starts_with("toc") && name.len() == 4 => Some(Role::Contents),
        _ => None,
    }
}

/// Reads the styles of a document; without the part there are none.
pub(super) fn read(package: &mut Package<'_>) -> Result<Styles, ParseError> {
    let mut styles = HashMap::new();
    let mut open: Option<(String, Style)> = None;
    package.events("word/styles.xml", |event| {
        match event {
            Xml::Open { name: "style", element } => {
                let paragraph = attribute(element, "type").is_none_or(|t| t == "paragraph");
                open = attribute(element, "styleId").filter(|_| paragraph).map(|id| (id, Style::default()));
            }
            Xml::Open { name, element } => {
                if let Some((_, style)) = &mut open {
                    match name {
                        "name" => style.name = attribute(element, "val").unwrap_or_default(),
                        "basedOn" => style.based_on = attribute(element, "val"),
                        "outlineLvl" => style.outline = attribute(element, "val").and_then(|v| outline_level(&v)),
                        "numPr" => style.numbered = true,
                        _ => {}
                    }
                }
            }
            Xml::Close { name: "style" } => styles.extend(open.take()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Styles { styles })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, ParseLimits, fixtures::zip_of};

    #[test]
    fn roles_come_from_names_outline_levels_and_ancestors() {
        let xml = r#"<w:styles xmlns:w="w">
            <w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
            <w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Our heading"/><w:basedOn w:val="berschrift2"/></w:style>
            <w:style w:type="paragraph" w:styleId="Out"><w:name w:val="X"/><w:pPr><w:outlineLvl w:val="3"/></w:pPr></w:style>
            <w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Y"/><w:basedOn w:val="Loop"/></w:style>
        </w:styles>"#;
        let (file, limits) = (zip_of(&[("word/styles.xml", xml.as_bytes())]), ParseLimits::default());
        let styles = read(&mut Package::open(Format::Docx, &file, &limits).unwrap()).unwrap();
        assert_eq!(styles.role("Own"), Some(Role::Heading(2)));
        assert_eq!(styles.role("Out"), Some(Role::Heading(4)));
        assert_eq!(styles.role("Loop"), None);
        assert_eq!(styles.role("Heading1"), Some(Role::Heading(1)));
        assert_eq!(styles.role("ListParagraph"), None);
    }
}
