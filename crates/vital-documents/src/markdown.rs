//! Markdown: CommonMark with tables, footnotes and front matter, read event by event into canonical blocks.
//!
//! Markup goes, words stay: links and emphasis leave their text, images their description, raw HTML is read as HTML.

use crate::{BlockKind, Format, ParseError, ParseLimits, Parsed, canonical::Canonical, html, text};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let decoded = text::decode(bytes)?;
    let mut reader = Reader::new(limits);
    if let Some(warning) = decoded.warning {
        reader.canonical.warn(warning);
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    for event in Parser::new_ext(&decoded.text, options) {
        reader.event(event)?;
    }
    reader.flush()?;
    reader.canonical.finish(Format::Markdown, reader.title, None)
}

struct Reader<'a> {
    canonical: Canonical,
    limits: &'a ParseLimits,
    buffer: String,
    cells: Vec<String>,
    html: String,
    title: Option<String>,
    kind: BlockKind,
    items: usize,
    depth: usize,
    metadata: bool,
}

impl<'a> Reader<'a> {
    fn new(limits: &'a ParseLimits) -> Self {
        Self {
            canonical: Canonical::new(limits),
            limits,
            buffer: String::new(),
            cells: Vec::new(),
            html: String::new(),
            title: None,
            kind: BlockKind::Paragraph,
            items: 0,
            depth: 0,
            metadata: false,
        }
    }

    /// Ends the block at hand; what follows is an item's or an ordinary paragraph.
    fn flush(&mut self) -> Result<(), ParseError> {
        let buffer = std::mem::take(&mut self.buffer);
        self.canonical.push(self.kind, &buffer, None)?;
        self.kind = if self.items > 0 { BlockKind::ListItem } else { BlockKind::Paragraph };
        Ok(())
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        match event {
            Event::Start(tag) => self.start(&tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) if self.metadata => self.front_matter(&text),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.buffer.push_str(&text),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(html) if html.starts_with("<br") => self.buffer.push('\u{2028}'),
            Event::SoftBreak => self.buffer.push(' '),
            Event::HardBreak => self.buffer.push('\u{2028}'),
            Event::FootnoteReference(label) => self.buffer.push_str(&format!("[{label}]")),
            Event::InlineHtml(_) | Event::Rule | Event::TaskListMarker(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > self.limits.nesting_max {
            return Err(ParseError::TooDeep { limit: self.limits.nesting_max });
        }
        match tag {
            Tag::Heading { level, .. } => {
                self.flush()?;
                self.kind = BlockKind::Heading { level: *level as u8 };
            }
            Tag::CodeBlock(_) => {
                self.flush()?;
                self.kind = BlockKind::Code;
            }
            Tag::Item => {
                self.flush()?;
                self.items += 1;
                self.kind = BlockKind::ListItem;
            }
            Tag::Paragraph | Tag::List(_) | Tag::BlockQuote(_) | Tag::Table(_) | Tag::HtmlBlock | Tag::FootnoteDefinition(_) => {
                self.flush()?;
            }
            Tag::MetadataBlock(_) => self.metadata = true,
            _ => {}
        }
        if let Tag::Table(_) = tag {
            self.canonical.begin_table();
        }
        if let Tag::FootnoteDefinition(label) = tag {
            self.buffer.push_str(&format!("[{label}] "));
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ParseError> {
        self.depth = self.depth.saturating_sub(1);
        match tag {
            TagEnd::Item => {
                self.items = self.items.saturating_sub(1);
                self.flush()?;
            }
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::List(_) | TagEnd::FootnoteDefinition => self.flush()?,
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.buffer)),
            TagEnd::TableRow | TagEnd::TableHead => {
                let row = crate::canonical::row(&std::mem::take(&mut self.cells));
                self.canonical.push(BlockKind::TableRow, &row, None)?;
            }
            TagEnd::HtmlBlock => html::push_blocks(&std::mem::take(&mut self.html), self.limits, &mut self.canonical)?,
            TagEnd::MetadataBlock(_) => self.metadata = false,
            _ => {}
        }
        Ok(())
    }

    /// Front matter is dropped but for the title: `title: …` in YAML, `title = "…"` in TOML.
    fn front_matter(&mut self, block: &str) {
        for line in block.lines() {
            let value = line.strip_prefix("title").and_then(|rest| rest.trim_start().strip_prefix([':', '=']));
            if let Some(value) = value.filter(|_| self.title.is_none()) {
                self.title = Some(value.trim().trim_matches(['"', '\'']).to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Parsed {
        parse(source.as_bytes(), &ParseLimits::default()).unwrap()
    }

    #[test]
    fn markup_goes_and_words_stay() {
        let parsed = read("# The *Guide*\n\nSee [the text](https://example.org) and `code`,\nwrapped.\n\n> Quoted **words**.");
        assert_eq!(parsed.text, "The Guide\n\nSee the text and code, wrapped.\n\nQuoted words.");
        assert_eq!(parsed.title.as_deref(), Some("The Guide"));
    }

    #[test]
    fn lists_tables_and_code_become_their_kinds() {
        let parsed = read("1. one\n2. two\n   - inner\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn f() {\n    1\n}\n```\n");
        assert_eq!(parsed.text, "one\ntwo\ninner\n\nA | B\n1 | 2\n\nfn f() {\n    1\n}");
        use BlockKind::{Code, ListItem, TableRow};
        let kinds: Vec<_> = parsed.blocks.iter().map(|b| b.kind).collect();
        assert_eq!(kinds, [ListItem, ListItem, ListItem, TableRow, TableRow, Code]);
    }

    #[test]
    fn front_matter_gives_the_title_and_nothing_else() {
        assert_eq!(read("---\ntitle: \"Device trials\"\ntags: [a]\n---\n\nText.").title.as_deref(), Some("Device trials"));
        let toml = read("+++\ntitle = 'Device trials'\n+++\n\nText.");
        assert_eq!((toml.title.as_deref(), toml.text.as_str()), (Some("Device trials"), "Text."));
    }

    #[test]
    fn raw_html_is_read_as_html() {
        assert_eq!(read("Before\n\n<div><p>In <b>HTML</b></p><script>x()</script></div>\n\nAfter").text, "Before\n\nIn HTML\n\nAfter");
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = format!("{} x", ">".repeat(1_000));
        assert_eq!(parse(deep.as_bytes(), &ParseLimits::default()), Err(ParseError::TooDeep { limit: 512 }));
    }
}
