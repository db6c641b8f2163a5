//! The ZIP package that Office documents and EPUB books are, opened under limits.
//!
//! Sizes are counted while unpacking, because the sizes a package states about itself can lie. Parts are read by name and
//! never written anywhere; a package inside a package stays closed.

mod relations;

use crate::{
    Format, ParseError, ParseLimits,
    model::RATIO_FREE_BYTES,
    xml::{self, Xml},
};
pub(crate) use relations::{Relation, resolve};
use std::io::{self, Cursor, Read};

/// Most entries of a package; documents with an image on every page stay far below.
const ENTRIES_MAX: usize = 20_000;

pub(crate) struct Package<'a> {
    format: Format,
    archive: zip::ZipArchive<Cursor<&'a [u8]>>,
    unpacked: usize,
    limits: &'a ParseLimits,
}

impl<'a> Package<'a> {
    /// Opens the package of a document of this format.
    ///
    /// # Errors
    /// `Damaged` when the container cannot be opened, `Bomb` when it says itself that it is one.
    pub(crate) fn open(format: Format, bytes: &'a [u8], limits: &'a ParseLimits) -> Result<Self, ParseError> {
        let damaged = |detail: &str| ParseError::damaged(format, detail);
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
        Ok(Self { format, archive, unpacked: 0, limits })
    }

    pub(crate) fn damaged(&self, detail: impl Into<String>) -> ParseError {
        ParseError::damaged(self.format, detail)
    }

    /// The part that the package is about: the one its relations name (ECMA-376 Part 2, 9.3), or else the usual one.
    pub(crate) fn main_part(&mut self, usual: &str) -> Result<String, ParseError> {
        let related = self.relations("")?.into_iter().find(|r| r.kind == "officeDocument").map(|r| r.target);
        match related {
            Some(part) if self.index(&part).is_some() => Ok(part),
            _ if self.index(usual).is_some() => Ok(usual.to_owned()),
            _ => Err(self.damaged("it has no main part")),
        }
    }

    /// Hands the events of an XML part to a reader; false when the package does not have the part.
    pub(crate) fn events(&mut self, name: &str, each: impl FnMut(Xml<'_>) -> Result<(), ParseError>) -> Result<bool, ParseError> {
        let (format, limits) = (self.format, self.limits);
        self.unpack(name, |source| xml::events(source, format, limits, each)).map(|read| read.is_some())
    }

    /// As [`Self::events`] for a part that must be there.
    pub(crate) fn required_events(&mut self, name: &str, each: impl FnMut(Xml<'_>) -> Result<(), ParseError>) -> Result<(), ParseError> {
        if self.events(name, each)? { Ok(()) } else { Err(self.damaged(format!("its part {name} is missing"))) }
    }

    /// Unpacks a part; `None` when the package does not have it.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let format = self.format;
        self.unpack(name, |source| {
            let mut bytes = Vec::new();
            match source.read_to_end(&mut bytes) {
                Ok(_) => Ok(bytes),
                Err(_) => Err(ParseError::damaged(format, format!("its part {name} does not unpack"))),
            }
        })
    }

    /// The title in the core properties (ECMA-376 Part 2, section 11).
    pub(crate) fn stated_title(&mut self) -> Result<Option<String>, ParseError> {
        let mut inside = false;
        let mut title = String::new();
        self.events("docProps/core.xml", |event| {
            match event {
                Xml::Open { name: "title", .. } => inside = true,
                Xml::Close { name: "title" } => inside = false,
                Xml::Text(text) if inside => title.push_str(text),
                _ => {}
            }
            Ok(())
        })?;
        Ok((!title.trim().is_empty()).then_some(title))
    }

    /// Where a part stands. Names are the same in large and small letters (ECMA-376 Part 2, 6.3.5).
    fn index(&self, name: &str) -> Option<usize> {
        self.archive.index_for_name(name).or_else(|| {
            let same = self.archive.file_names().find(|n| n.eq_ignore_ascii_case(name))?;
            self.archive.index_for_name(same)
        })
    }

    fn unpack<T>(&mut self, name: &str, read: impl FnOnce(&mut Metered<'_>) -> Result<T, ParseError>) -> Result<Option<T>, ParseError> {
        use zip::result::ZipError;
        let Some(index) = self.index(name) else { return Ok(None) };
        let limits = self.limits;
        let entry = match self.archive.by_index(index) {
            Ok(entry) => entry,
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => return Err(ParseError::Encrypted),
            Err(_) => return Err(ParseError::damaged(self.format, format!("its part {name} cannot be read"))),
        };
        let packed = usize::try_from(entry.compressed_size()).unwrap_or(usize::MAX);
        let by_ratio = packed.saturating_mul(limits.unpacked_ratio_max).max(RATIO_FREE_BYTES);
        let allowed = limits.unpacked_bytes_max.saturating_sub(self.unpacked).min(by_ratio);
        let mut entry = entry;
        let mut source = Metered { inner: &mut entry, left: allowed, over: false };
        let result = read(&mut source);
        self.unpacked += allowed - source.left;
        if source.over {
            return Err(ParseError::Bomb { detail: format!("its part {name} has {packed} bytes and unpacks to more than {allowed}") });
        }
        result.map(Some)
    }
}

/// A part being unpacked, which counts its bytes and stops at the limit.
struct Metered<'s> {
    inner: &'s mut dyn Read,
    left: usize,
    over: bool,
}

impl Read for Metered<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        if read > self.left {
            self.over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
