//! XML as a stream of events, for every format that is made of it.
//!
//! **Invariants:** nothing is ever fetched, no entity that a file defines is ever expanded, nesting and the size of one piece
//! have limits, and the document is never held as a tree. A document type declaration that only names its DTD is passed over,
//! because JATS and EPUB files carry one; one with declarations of its own is refused.

use crate::{Format, ParseError, ParseLimits};
use encoding_rs::Encoding;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes looked at for a byte order mark and the XML declaration, which is much shorter.
const PROLOGUE_BYTES: usize = 512;

/// What a reader sees: names without their namespace prefix, references to characters resolved.
pub(crate) enum Xml<'x> {
    /// The start of an element.
    Open { name: &'x str, element: &'x BytesStart<'x> },
    /// Its end; an empty element is opened and closed.
    Close { name: &'x str },
    /// Text between two of these; references divide a text.
    Text(&'x str),
}

/// Hands the events of a document to a reader.
///
/// # Errors
/// `Damaged` for XML that is not well-formed, is in another encoding than it states, or has declarations of its own;
/// `TooDeep` and `TooMuchText` at the limits; what `each` returns.
pub(crate) fn events(
    mut source: impl Read,
    format: Format,
    limits: &ParseLimits,
    mut each: impl FnMut(Xml<'_>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut head = Vec::with_capacity(PROLOGUE_BYTES);
    let unreadable = |_| ParseError::damaged(format, "its XML cannot be read");
    source.by_ref().take(PROLOGUE_BYTES as u64).read_to_end(&mut head).map_err(unreadable)?;
    let encoding = encoding_of(&head).map_err(|name| ParseError::damaged(format, format!("its XML states the unknown encoding {name}")))?;
    let mut walk = Walk { format, limits, depth: 0 };
    if encoding != encoding_rs::UTF_8 {
        source.read_to_end(&mut head).map_err(unreadable)?;
        let (text, _, broken) = encoding.decode(&head);
        if broken {
            return Err(ParseError::damaged(format, format!("its XML is not in its encoding, {}", encoding.name())));
        }
        let mut reader = Reader::from_str(&text);
        loop {
            let event = reader.read_event().map_err(|error| walk.broken(&error))?;
            if walk.event(event, &mut each)? {
                return Ok(());
            }
        }
    }
    let piece_max = limits.text_bytes_max.saturating_add(PROLOGUE_BYTES);
    let bounded = Bounded { inner: BufReader::with_capacity(1 << 16, io::Cursor::new(head).chain(source)), left: piece_max };
    let mut reader = Reader::from_reader(bounded);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        reader.get_mut().left = piece_max;
        let read = reader.read_event_into(&mut piece);
        let event = match read {
            Ok(event) => event,
            Err(_) if reader.get_ref().left == 0 => return Err(ParseError::TooMuchText { limit: limits.text_bytes_max }),
            Err(error) => return Err(walk.broken(&error)),
        };
        if walk.event(event, &mut each)? {
            return Ok(());
        }
    }
}

/// A source that gives up when one piece of a document grows past its limit.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.inner.consume(bytes);
    }
}

struct Walk<'l> {
    format: Format,
    limits: &'l ParseLimits,
    depth: usize,
}

impl Walk<'_> {
    /// Hands on one event; true at the end.
    fn event(&mut self, event: Event<'_>, each: &mut impl FnMut(Xml<'_>) -> Result<(), ParseError>) -> Result<bool, ParseError> {
        let damaged = |detail: String| ParseError::damaged(self.format, detail);
        match event {
            Event::Start(element) => {
                self.depth += 1;
                if self.depth > self.limits.nesting_max {
                    return Err(ParseError::TooDeep { limit: self.limits.nesting_max });
                }
                each(Xml::Open { name: local(element.name().into_inner()), element: &element })?;
            }
            Event::Empty(element) => {
                let name = element.name().into_inner();
                each(Xml::Open { name: local(name), element: &element })?;
                each(Xml::Close { name: local(name) })?;
            }
            Event::End(element) => {
                self.depth = self.depth.saturating_sub(1);
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
                each(Xml::Text(&resolved.ok_or_else(|| damaged(format!("its XML uses the undefined entity {}", shown(&reference))))?))?;
            }
            Event::DocType(declared) if declared.contains('[') => {
                return Err(damaged(
                    "its XML declares entities of its own, which could overload a reader or make it fetch files".to_owned(),
                ));
            }
            Event::Eof if self.depth > 0 => return Err(damaged("its XML breaks off".to_owned())),
            Event::Eof => return Ok(true),
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        Ok(false)
    }

    fn broken(&self, error: &quick_xml::Error) -> ParseError {
        ParseError::damaged(self.format, format!("its XML is broken ({})", shown(&error.to_string())))
    }
}

/// The start of a text from a file, short enough for a message.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The encoding of a document by its first bytes (XML 1.0, appendix F); the error is a name that nobody knows.
fn encoding_of(head: &[u8]) -> Result<&'static Encoding, String> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Ok(encoding);
    }
    match head {
        [b'<', 0, b'?', 0, ..] => return Ok(encoding_rs::UTF_16LE),
        [0, b'<', 0, b'?', ..] => return Ok(encoding_rs::UTF_16BE),
        _ => {}
    }
    let Some(stated) = stated_encoding(head) else { return Ok(encoding_rs::UTF_8) };
    Encoding::for_label(stated.as_bytes()).filter(|e| e.is_ascii_compatible()).ok_or(stated)
}

/// The name in `<?xml … encoding="…"?>`.
fn stated_encoding(head: &[u8]) -> Option<String> {
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|w| w == b"?>")?;
    let declaration = std::str::from_utf8(declaration.get(..end)?).ok()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = value.get(1..)?.split(quote).next()?;
    Some(shown(name))
}

pub(crate) fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The value of an attribute by its local name.
pub(crate) fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    find(element, |key| local(key) == wanted)
}

/// The value of an attribute that has a namespace prefix, such as `r:id` beside `id`.
pub(crate) fn prefixed_attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    find(element, |key| key.contains(':') && local(key) == wanted)
}

fn find(element: &BytesStart<'_>, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
    let found = element.attributes().flatten().find(|a| is_wanted(a.key.into_inner()))?;
    Some(quick_xml::escape::unescape(&found.value).map_or_else(|_| found.value.to_string(), |v| v.into_owned()))
}

/// The root element of a document with what tells its kind; `None` for what is no XML.
pub(crate) fn root(head: &[u8]) -> Option<Root> {
    let encoding = encoding_of(head).ok()?;
    let (text, _, _) = encoding.decode(head);
    let text = text.trim_start();
    if !text.starts_with('<') {
        return None;
    }
    let mut reader = Reader::from_str(text);
    let mut doctype = String::new();
    let mut found: Option<Root> = None;
    loop {
        let Ok(event) = reader.read_event() else { return found };
        match (event, &mut found) {
            (Event::Start(element), None) => {
                let (name, attributes) = (shown(local(element.name().into_inner())), element.attributes_raw().to_owned());
                found = Some(Root { name, attributes, doctype: std::mem::take(&mut doctype), child: None });
            }
            (Event::Empty(element), None) => {
                let (name, attributes) = (shown(local(element.name().into_inner())), element.attributes_raw().to_owned());
                return Some(Root { name, attributes, doctype, child: None });
            }
            (Event::Start(element) | Event::Empty(element), Some(root)) => {
                root.child = Some(shown(local(element.name().into_inner())));
                return found;
            }
            (Event::DocType(declared), None) => doctype = declared.to_string(),
            (Event::Text(text), _) if text.trim().is_empty() => {}
            (Event::Decl(_) | Event::PI(_) | Event::Comment(_), _) => {}
            _ => return found,
        }
    }
}

/// The beginning of an XML document.
pub(crate) struct Root {
    /// Local name of the root element.
    pub(crate) name: String,
    /// Its attributes as they stand in the file.
    pub(crate) attributes: String,
    /// What the document type declaration says.
    pub(crate) doctype: String,
    /// Local name of the first element in it, where it comes first.
    pub(crate) child: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &[u8]) -> Result<String, ParseError> {
        let mut all = String::new();
        events(source, Format::Jats, &ParseLimits { text_bytes_max: 1_000, ..ParseLimits::default() }, |event| {
            if let Xml::Text(text) = event {
                all.push_str(text);
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn wide(text: &str, mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().filter(|u| mark || *u != 0xfeff).flat_map(unit).collect()
    }

    #[test]
    fn every_encoding_that_is_stated_is_read() {
        const TEXT: &str = "\u{feff}<?xml version='1.0' encoding='UTF-16'?><a>µg ≥ 5</a>";
        for mark in [true, false] {
            assert_eq!(words(&wide(TEXT, mark, u16::to_le_bytes)).as_deref(), Ok("µg ≥ 5"), "{mark}");
            assert_eq!(words(&wide(TEXT, mark, u16::to_be_bytes)).as_deref(), Ok("µg ≥ 5"), "{mark}");
        }
        assert_eq!(words(b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caf\xe9</a>").as_deref(), Ok("café"));
        assert_eq!(words("\u{feff}<a>é</a>".as_bytes()).as_deref(), Ok("é"));
    }

    #[test]
    fn an_encoding_that_does_not_fit_is_damage_and_not_a_guess() {
        for source in
            [&b"<a>caf\xe9</a>"[..], b"<?xml version='1.0' encoding='klingon'?><a>x</a>", b"\xff\xfe<\0a\0>\0\x00\xd8<\0/\0a\0>\0"]
        {
            assert!(matches!(words(source), Err(ParseError::Damaged { .. })), "{source:?}");
        }
    }

    #[test]
    fn a_declaration_that_names_its_dtd_is_passed_over_and_one_with_entities_refused() {
        assert_eq!(words(br#"<!DOCTYPE a PUBLIC "-//X//EN" "http://example.org/a.dtd"><a>x &amp; &#181;</a>"#).as_deref(), Ok("x & µ"));
        for subset in [
            r#"<!ENTITY x SYSTEM "file:///etc/passwd">"#,
            r#"<!ENTITY % x SYSTEM "http://example.org/x"> %x;"#,
            r#"<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">"#,
        ] {
            let error = words(format!("<!DOCTYPE a [{subset}]><a>&x;</a>").as_bytes()).unwrap_err();
            assert!(error.to_string().contains("entities of its own"), "{error}");
        }
        assert!(words(b"<a>&alpha;</a>").unwrap_err().to_string().contains("undefined entity alpha"));
    }

    #[test]
    fn nesting_and_one_endless_piece_meet_their_limits() {
        assert_eq!(words("<a>".repeat(600).as_bytes()), Err(ParseError::TooDeep { limit: 512 }));
        for endless in ["<a>".to_owned() + &"x".repeat(200_000), "<a b='".to_owned() + &"x".repeat(200_000)] {
            assert_eq!(words(endless.as_bytes()), Err(ParseError::TooMuchText { limit: 1_000 }));
        }
    }
}
