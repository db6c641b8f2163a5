//! The ZIP package and its XML parts, opened under limits.
//!
//! Sizes are counted while unpacking, because the sizes a package states about itself can lie. Documents with a document
//! type definition are refused, so no entity is ever expanded.

use crate::{Format, ParseError, ParseLimits, model::RATIO_FREE_BYTES, text};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use std::io::{Cursor, Read};

/// Most entries of a package; documents with an image on every page stay far below.
const ENTRIES_MAX: usize = 20_000;

pub(super) struct Package<'a> {
    archive: zip::ZipArchive<Cursor<&'a [u8]>>,
    unpacked: usize,
    limits: &'a ParseLimits,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &'a ParseLimits) -> Result<Self, ParseError> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged("its ZIP container cannot be opened"))?;
        if archive.len() > ENTRIES_MAX {
            return Err(ParseError::Bomb { detail: format!("it has more than {ENTRIES_MAX} parts") });
        }
        let mut stated: u64 = 0;
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|_| damaged("an entry of its ZIP container cannot be read"))?;
            stated = stated.saturating_add(entry.size());
        }
        // Parts that are never read count too: no honest document carries a terabyte of them.
        if stated > (limits.unpacked_bytes_max as u64).saturating_mul(4) {
            return Err(ParseError::Bomb { detail: format!("{stated} bytes out of {}", bytes.len()) });
        }
        Ok(Self { archive, unpacked: 0, limits })
    }

    /// Reads the main part, `word/document.xml` or, from some writers, `word/document2.xml`.
    pub(super) fn main_part(&mut self) -> Result<String, ParseError> {
        let is_main = |name: &&str| name.starts_with("word/document") && name.ends_with(".xml") && name.len() <= 20;
        let name = self.archive.file_names().filter(is_main).min().map(str::to_owned);
        let name = name.ok_or_else(|| damaged("it has no main text part"))?;
        self.read(&name)?.ok_or_else(|| damaged("it has no main text part"))
    }

    /// Reads a part as text; `None` when the package does not have it.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<String>, ParseError> {
        let limits = self.limits;
        let entry = match self.archive.by_name(name) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(zip::result::ZipError::UnsupportedArchive(zip::result::ZipError::PASSWORD_REQUIRED)) => return Err(ParseError::Encrypted),
            Err(_) => return Err(damaged(&format!("its part {name} cannot be read"))),
        };
        let packed = usize::try_from(entry.compressed_size()).unwrap_or(usize::MAX);
        let by_ratio = packed.saturating_mul(limits.unpacked_ratio_max).max(RATIO_FREE_BYTES);
        let left = limits.unpacked_bytes_max.saturating_sub(self.unpacked);
        let allowed = left.min(by_ratio);
        let mut bytes = Vec::new();
        let read = entry.take(allowed as u64 + 1).read_to_end(&mut bytes);
        if bytes.len() > allowed {
            return Err(ParseError::Bomb { detail: format!("its part {name} has {packed} bytes and unpacks to more than {allowed}") });
        }
        read.map_err(|_| damaged(&format!("its part {name} does not unpack")))?;
        self.unpacked += bytes.len();
        text::decode(&bytes).map(|decoded| Some(decoded.text)).map_err(|_| damaged(&format!("its part {name} is not text")))
    }
}

/// What a part's reader sees: names without their namespace prefix, entities resolved.
pub(super) enum Xml<'x> {
    Open { name: &'x str, element: &'x BytesStart<'x> },
    Close { name: &'x str },
    Text(&'x str),
}

/// Hands the events of a part to a reader; an empty element is opened and closed.
pub(super) fn events(xml: &str, limits: &ParseLimits, mut each: impl FnMut(Xml<'_>) -> Result<(), ParseError>) -> Result<(), ParseError> {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0;
    loop {
        match reader.read_event().map_err(|error| damaged(&format!("its XML is broken ({error})")))? {
            Event::Start(element) => {
                depth += 1;
                if depth > limits.nesting_max {
                    return Err(ParseError::TooDeep { limit: limits.nesting_max });
                }
                each(Xml::Open { name: local(element.name().into_inner()), element: &element })?;
            }
            Event::Empty(element) => {
                let name = element.name().into_inner();
                each(Xml::Open { name: local(name), element: &element })?;
                each(Xml::Close { name: local(name) })?;
            }
            Event::End(element) => {
                depth -= 1;
                each(Xml::Close { name: local(element.name().into_inner()) })?;
            }
            Event::Text(text) => each(Xml::Text(&text.xml10_content()))?,
            Event::CData(text) => each(Xml::Text(&text.xml10_content()))?,
            Event::GeneralRef(reference) => {
                let named = || quick_xml::escape::resolve_predefined_entity(&reference).map(str::to_owned);
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    _ => named(),
                };
                each(Xml::Text(&resolved.ok_or_else(|| damaged("its XML uses an entity that is not defined"))?))?;
            }
            Event::DocType(_) => return Err(damaged("it carries a document type definition, which Word never writes")),
            Event::Eof if depth > 0 => return Err(damaged("its XML breaks off")),
            Event::Eof => return Ok(()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The value of an attribute by its local name.
pub(super) fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let found = element.attributes().flatten().find(|a| local(a.key.into_inner()) == wanted)?;
    Some(quick_xml::escape::unescape(&found.value).map_or_else(|_| found.value.to_string(), |v| v.into_owned()))
}

pub(super) fn damaged(detail: &str) -> ParseError {
    ParseError::damaged(Format::Docx, detail)
}
