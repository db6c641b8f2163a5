//! A small tree of an XML answer, bounded in depth; entities beyond the predefined ones are not resolved.

use super::markup::clean;
use crate::ToolError;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

/// Deepest nesting; PubMed's records have about 10 levels.
const DEPTH_MAX: usize = 40;
/// Most elements; a large part of the Code of Federal Regulations has about 20,000.
const ELEMENTS_MAX: usize = 300_000;

/// An element with its attributes and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    inside: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    Text(String),
    Element(Element),
}

impl Element {
    /// The value of an attribute; empty where there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The elements in it.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.inside.iter().filter_map(|node| if let Node::Element(element) = node { Some(element) } else { None })
    }

    /// The elements of a name in it.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements().filter(move |element| element.name == name)
    }

    /// The first element at a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.elements().find(|inner| inner.name == *name))
    }

    /// The text in it and in all elements below, with single spaces.
    pub(crate) fn text(&self) -> String {
        self.text_without(|_| false)
    }

    /// The text in it without that of elements whose names are left out.
    pub(crate) fn text_without(&self, left_out: fn(&str) -> bool) -> String {
        let mut text = String::new();
        self.collect(&mut text, left_out);
        clean(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The text at a path; empty where there is none.
    pub(crate) fn text_at(&self, path: &[&str]) -> String {
        self.at(path).map(Self::text).unwrap_or_default()
    }

    fn collect(&self, text: &mut String, left_out: fn(&str) -> bool) {
        for node in &self.inside {
            match node {
                Node::Text(part) => text.push_str(part),
                Node::Element(element) if left_out(&element.name) => {}
                Node::Element(element) => element.collect(text, left_out),
            }
        }
    }
}

/// Reads an answer; the element that is returned holds the root.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, ToolError> {
    let broken = |what: String| ToolError::unreadable(format!("broken XML: {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| broken("not UTF-8".to_owned()))?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|error| broken(error.to_string()))? {
            Event::Start(start) => {
                elements += 1;
                if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(broken("nested too deeply, or too many elements".to_owned()));
                }
                open.push(element(&start));
            }
            Event::Empty(_) if elements >= ELEMENTS_MAX => return Err(broken("too many elements".to_owned())),
            Event::Empty(start) => {
                elements += 1;
                add(&mut open, Node::Element(element(&start)));
            }
            Event::End(_) => {
                let closed = open.pop().filter(|_| !open.is_empty()).ok_or_else(|| broken("an end without a start".to_owned()))?;
                add(&mut open, Node::Element(closed));
            }
            Event::Text(text) => add(&mut open, Node::Text(text.xml10_content().into_owned())),
            Event::CData(text) => add(&mut open, Node::Text(text.xml10_content().into_owned())),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    _ => quick_xml::escape::resolve_predefined_entity(&reference).unwrap_or("\u{fffd}").to_owned(),
                };
                add(&mut open, Node::Text(resolved));
            }
            Event::Eof if open.len() > 1 => return Err(broken("it breaks off".to_owned())),
            Event::Eof => return Ok(open.pop().unwrap_or_default()),
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn add(open: &mut [Element], node: Node) {
    if let Some(element) = open.last_mut() {
        element.inside.push(node);
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let value = quick_xml::escape::unescape(&attribute.value).map_or_else(|_| attribute.value.to_string(), |value| value.into_owned());
        (attribute.key.into_inner().to_owned(), value)
    };
    Element {
        name: start.name().into_inner().to_owned(),
        attributes: start.attributes().flatten().map(attribute).collect(),
        inside: Vec::new(),
    }
}
