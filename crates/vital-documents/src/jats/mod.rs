//! Journal articles in JATS XML, as PubMed Central and publishers give them: title, abstract, sections, tables, references.
//!
//! Follows ANSI/NISO Z39.96-2021 (JATS 1.3) and its predecessor, the NLM DTD. An abstract and a list of references without a
//! title of their own are headed "Abstract" and "References", as every renderer of JATS does. Not here: authors,
//! affiliations, dates, licences and identifiers of the front, pictures, and formulas in TeX beside their MathML.

mod citation;

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::{Canonical, title_of_many},
    cells::Span,
    flow::Flow,
    xml::{self, Xml, attribute},
};
use citation::Citation;

/// Subtrees without words of the article.
const SKIPPED: &[&str] = &[
    "journal-meta",
    "processing-meta",
    "contrib-group",
    "aff",
    "author-notes",
    "tex-math",
    "annotation",
    "object-id",
    "alt-text",
    "long-desc",
    "alt-title",
    "trans-title-group",
    "graphic",
    "inline-graphic",
    "media",
    "permissions",
    "related-article",
    "related-object",
];
/// What is read of the metadata of an article.
const READ_OF_FRONT: &[&str] = &["title-group", "abstract", "trans-abstract", "kwd-group"];
/// Elements that hold a title and what stands under it.
const SECTIONS: &[&str] =
    &["sec", "app", "ack", "ref-list", "glossary", "abstract", "trans-abstract", "fn-group", "notes", "boxed-text", "bio", "def-list"];
/// Elements whose label belongs to their own text and to no other.
const LABELLED: &[&str] = &["list-item", "def-item", "ref", "fig", "table-wrap", "fn", "disp-formula"];
/// Elements that start and end a block.
const BLOCKS: &[&str] = &[
    "p",
    "article-title",
    "subtitle",
    "title",
    "label",
    "caption",
    "list",
    "list-item",
    "def-item",
    "fig",
    "table-wrap",
    "table-wrap-foot",
    "table",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "disp-formula",
    "disp-quote",
    "statement",
    "supplementary-material",
    "verse-group",
    "verse-line",
    "preformat",
    "attrib",
    "fn",
    "ref",
    "mixed-citation",
    "element-citation",
    "citation",
    "nlm-citation",
    "kwd-group",
    "code",
];

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut canonical = Canonical::new(limits);
    let mut reader = Reader::new(&mut canonical);
    xml::events(bytes, Format::Jats, limits, |event| reader.event(&event))?;
    reader.flow.border()?;
    let title = title_of_many(reader.title.take(), reader.articles);
    canonical.finish(Format::Jats, title, None)
}

struct Reader<'c> {
    flow: Flow<'c>,
    citation: Citation,
    title: Option<String>,
    articles: usize,
    /// The open elements.
    open: Vec<String>,
    /// Depth inside a skipped subtree.
    skipping: usize,
    /// Depth of sections, which is the level of their headings less one.
    sections: u8,
    /// Whether an abstract or a list of references has had no title yet, and the heading it gets without one.
    untitled: Option<&'static str>,
    /// The label of a section, figure, item or reference, until its text begins.
    label: Option<String>,
    /// Depth inside labels and titles of sections, which no label goes into.
    quiet: usize,
    /// Depth inside elements whose parts are one block: captions and definitions.
    joined: usize,
}

impl<'c> Reader<'c> {
    fn new(canonical: &'c mut Canonical) -> Self {
        Self {
            flow: Flow::new(canonical),
            citation: Citation::default(),
            title: None,
            articles: 0,
            open: Vec::new(),
            skipping: 0,
            sections: 0,
            untitled: None,
            label: None,
            quiet: 0,
            joined: 0,
        }
    }

    fn event(&mut self, event: &Xml<'_>) -> Result<(), ParseError> {
        match event {
            Xml::Open { .. } if self.skipping > 0 => self.skipping += 1,
            Xml::Close { .. } if self.skipping > 0 => self.skipping -= 1,
            Xml::Open { name, .. } if self.is_skipped(name) => self.skipping = 1,
            Xml::Open { name, element } => {
                if let Some(separator) = self.citation.open(name, &self.open) {
                    self.flow.write(separator);
                }
                self.open(name)?;
                if matches!(*name, "td" | "th") {
                    self.flow.open_cell(Span::of(attribute(element, "colspan").as_deref(), attribute(element, "rowspan").as_deref()));
                }
                self.open.push((*name).to_owned());
            }
            Xml::Close { name } => {
                self.open.pop();
                if let Some(words) = self.citation.close(name, &self.open) {
                    self.begin_text()?;
                    self.flow.write(words);
                }
                self.close(name)?;
            }
            Xml::Text(_) if self.skipping > 0 => {}
            Xml::Text(text) => {
                if self.quiet == 0 && !text.trim().is_empty() {
                    self.begin_text()?;
                }
                if self.citation.text(text, &self.open) {
                    self.flow.write(text);
                }
            }
        }
        Ok(())
    }

    fn parent(&self) -> &str {
        self.open.last().map_or("", String::as_str)
    }

    /// Whether an element under the open one is a label or the title of a section.
    fn is_quiet(&self, name: &str) -> bool {
        name == "label" || (name == "title" && SECTIONS.contains(&self.parent()))
    }

    /// The title of an article is a block at its head and a part of the line in a reference.
    fn is_block(&self, name: &str) -> bool {
        BLOCKS.contains(&name) && (name != "article-title" || self.in_title_group())
    }

    fn is_skipped(&self, name: &str) -> bool {
        SKIPPED.contains(&name) || (matches!(self.parent(), "article-meta" | "front-stub") && !READ_OF_FRONT.contains(&name))
    }

    /// Writes what stands before a text: the heading of an abstract without one, and a label.
    fn begin_text(&mut self) -> Result<(), ParseError> {
        if let Some(heading) = self.untitled.take() {
            let rest = self.flow.take();
            self.heading(heading)?;
            self.flow.write(&rest);
        }
        if let Some(label) = self.label.take() {
            self.flow.write(&label);
            self.flow.write(" ");
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) -> Result<(), ParseError> {
        self.flow.enter(BlockKind::Heading { level: (self.sections + 1).clamp(1, 6) });
        self.flow.write(text);
        self.flow.border()?;
        self.flow.leave();
        Ok(())
    }

    fn open(&mut self, name: &str) -> Result<(), ParseError> {
        if SECTIONS.contains(&name) {
            self.flow.border()?;
            self.begin_text()?;
            self.sections = self.sections.saturating_add(1);
            match name {
                "abstract" => self.untitled = Some("Abstract"),
                "ref-list" => self.untitled = Some("References"),
                _ => {}
            }
        } else if self.is_block(name) {
            if self.joined > 0 { self.flow.write(" ") } else { self.border_before(name)? }
        }
        match name {
            "article" | "sub-article" | "response" => self.sections = 0,
            "article-title" if self.in_title_group() => {
                // Reviews and answers that come with an article are no further articles.
                self.articles += usize::from(!self.open.iter().any(|e| matches!(e.as_str(), "sub-article" | "response")));
                self.flow.enter(BlockKind::Heading { level: 1 });
            }
            "list-item" | "def-item" | "ref" => self.flow.enter(BlockKind::ListItem),
            "preformat" | "code" => self.flow.enter(BlockKind::Code),
            "table" => self.flow.begin_table(),
            "tr" => self.flow.open_row(),
            "sup" => self.flow.raise(),
            "break" => self.flow.line_break(),
            _ => {}
        }
        if self.is_quiet(name) {
            self.quiet += 1;
        }
        if matches!(name, "caption" | "def-item") {
            self.joined += 1;
        }
        Ok(())
    }

    /// The border before a block; the label of the element around goes into it.
    fn border_before(&mut self, name: &str) -> Result<(), ParseError> {
        if LABELLED.contains(&name) || matches!(name, "label" | "table") { self.flush_label() } else { self.flow.border() }
    }

    /// A label without a text after it is a block of its own.
    fn flush_label(&mut self) -> Result<(), ParseError> {
        if let Some(label) = self.label.take() {
            self.flow.border()?;
            self.flow.write(&label);
        }
        self.flow.border()
    }

    fn in_title_group(&self) -> bool {
        self.parent() == "title-group"
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        if self.is_quiet(name) {
            self.quiet = self.quiet.saturating_sub(1);
        }
        match name {
            "sup" => self.flow.lower(),
            "td" | "th" => {
                self.flow.close_cell();
                return Ok(());
            }
            "tr" => return self.flow.close_row(),
            "label" if self.joined == 0 && !self.flow.in_row() => {
                let label = self.flow.take();
                self.label = Some(label).filter(|l| !l.trim().is_empty());
                return Ok(());
            }
            "title" if SECTIONS.contains(&self.parent()) => return self.end_title(),
            "title" if self.parent() == "kwd-group" => {
                self.flow.write(": ");
                return Ok(());
            }
            "kwd" => self.flow.write("; "),
            "kwd-group" => {
                let words = self.flow.take();
                self.flow.write(words.trim_end().trim_end_matches(';'));
            }
            "term" => self.flow.write(": "),
            "article-title" if self.in_title_group() => {
                let title = self.flow.take();
                self.title.get_or_insert_with(|| title.clone());
                self.flow.write(&title);
                self.flow.border()?;
                self.flow.leave();
                return Ok(());
            }
            _ => {}
        }
        if matches!(name, "caption" | "def-item") {
            self.joined = self.joined.saturating_sub(1);
        }
        if SECTIONS.contains(&name) {
            self.flush_label()?;
            self.sections = self.sections.saturating_sub(1);
            self.untitled = None;
        } else if self.is_block(name) && self.joined == 0 {
            self.flow.border()?;
        }
        if LABELLED.contains(&name) {
            self.flush_label()?;
        }
        if matches!(name, "list-item" | "def-item" | "ref" | "preformat" | "code") {
            self.flow.leave();
        }
        Ok(())
    }

    fn end_title(&mut self) -> Result<(), ParseError> {
        let title = self.flow.take();
        let label = self.label.take().map(|l| format!("{l} ")).unwrap_or_default();
        if !title.trim().is_empty() {
            self.untitled = None;
        }
        self.heading(&format!("{label}{title}"))
    }
}

#[cfg(test)]
mod tests;
