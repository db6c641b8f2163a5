//! The body of a Word document, read as a stream of paragraphs and table rows.

use super::styles::{Role, Styles, outline_level};
use crate::{
    BlockKind, ParseError, ParseLimits,
    canonical::{Canonical, raised},
    cells::{Cells, Span},
    package::Package,
    xml::{Xml, attribute},
};
use quick_xml::events::BytesStart;

pub(super) struct Body {
    pub(super) canonical: Canonical,
    pub(super) title: Option<String>,
}

/// Subtrees without words of the document: deletions and the old place of moved text (the changes are read as accepted), the
/// second copy that `AlternateContent` keeps for old programs, and drawings' own properties.
const SKIPPED: &[&str] =
    &["del", "moveFrom", "Fallback", "sectPr", "docPr", "rPrChange", "pPrChange", "tblPr", "trPr", "tcPrChange", "sdtPr"];

pub(super) fn read(package: &mut Package<'_>, part: &str, styles: &Styles, limits: &ParseLimits) -> Result<Body, ParseError> {
    let mut reader = Reader {
        body: Body { canonical: Canonical::new(limits), title: None },
        styles,
        skipping: 0,
        in_text: false,
        paragraphs: Vec::new(),
        tables: Vec::new(),
    };
    package.required_events(part, |event| reader.event(&event))?;
    Ok(reader.body)
}

/// A paragraph being read; text boxes nest one inside another.
#[derive(Default)]
struct Paragraph {
    text: String,
    role: Option<Role>,
    listed: bool,
    outline: Option<u8>,
    raised: bool,
}

/// A table being read: the finished cells of the row, the cell at hand, and the columns that it spans. Cells that one from the
/// row above covers stand in the file, empty.
#[derive(Default)]
struct Table {
    cells: Cells,
    cell: String,
    span: Option<Span>,
}

struct Reader<'s> {
    body: Body,
    styles: &'s Styles,
    /// Depth inside a skipped subtree.
    skipping: usize,
    in_text: bool,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
}

impl Reader<'_> {
    fn event(&mut self, event: &Xml<'_>) -> Result<(), ParseError> {
        match event {
            Xml::Open { name, .. } if self.skipping > 0 || SKIPPED.contains(name) => self.skipping += 1,
            Xml::Close { .. } if self.skipping > 0 => self.skipping -= 1,
            Xml::Open { name, element } => self.open(name, element),
            Xml::Close { name } => self.close(name)?,
            Xml::Text(text) if self.in_text => self.write(text),
            Xml::Text(_) => {}
        }
        Ok(())
    }

    fn write(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            if paragraph.raised {
                paragraph.text.push_str(&raised(text));
            } else {
                paragraph.text.push_str(text);
            }
        }
    }

    fn open(&mut self, name: &str, element: &BytesStart<'_>) {
        let value = || attribute(element, "val");
        match name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "tbl" => {
                if self.tables.is_empty() {
                    self.body.canonical.begin_table();
                }
                self.tables.push(Table::default());
            }
            "t" => self.in_text = true,
            "tab" | "ptab" => self.write(" "),
            "br" | "cr" => self.write("\u{2028}"),
            "gridSpan" => {
                if let Some(table) = self.tables.last_mut() {
                    table.span = Some(Span::of(value().as_deref(), None));
                }
            }
            "noBreakHyphen" => self.write("-"),
            "sym" => self.write(&attribute(element, "char").as_deref().map(symbol).unwrap_or_default().to_string()),
            "footnoteReference" | "endnoteReference" => {
                self.body.canonical.warn("Footnotes and endnotes of the document were left out.");
            }
            _ => {}
        }
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "r" => paragraph.raised = false,
            "vertAlign" => paragraph.raised = value().as_deref() == Some("superscript"),
            "pStyle" => paragraph.role = value().and_then(|id| self.styles.role(&id)),
            // List 0 takes the paragraph out of the list that its style puts it in (17.9.18).
            "numId" => paragraph.listed = value().is_some_and(|id| id != "0"),
            "outlineLvl" => paragraph.outline = value().and_then(|v| outline_level(&v)),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        match name {
            "t" => self.in_text = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.end_paragraph(&paragraph)?;
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cells.push(std::mem::take(&mut table.cell), table.span.take().unwrap_or(Span::ONE));
                }
            }
            "tr" => self.end_row()?,
            "tbl" => {
                self.tables.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self, paragraph: &Paragraph) -> Result<(), ParseError> {
        if let Some(table) = self.tables.last_mut() {
            table.cell.push(' ');
            table.cell.push_str(&paragraph.text);
            return Ok(());
        }
        let kind = match (paragraph.role, paragraph.outline) {
            (Some(Role::Contents), _) => return Ok(()),
            (Some(Role::Title), _) => {
                self.body.title.get_or_insert_with(|| paragraph.text.clone());
                BlockKind::Heading { level: 1 }
            }
            (Some(Role::Heading(level)), _) | (_, Some(level)) => BlockKind::Heading { level },
            (Some(Role::List), _) => BlockKind::ListItem,
            (None, None) if paragraph.listed => BlockKind::ListItem,
            (None, None) => BlockKind::Paragraph,
        };
        self.body.canonical.push(kind, &paragraph.text, None)
    }

    /// Ends a row; that of a table within a table goes into the cell around it.
    fn end_row(&mut self) -> Result<(), ParseError> {
        let Some(text) = self.tables.last_mut().map(|table| table.cells.end_row()) else { return Ok(()) };
        let around = self.tables.len().checked_sub(2).and_then(|at| self.tables.get_mut(at));
        match around {
            Some(outer) => {
                outer.cell.push(' ');
                outer.cell.push_str(&text);
                Ok(())
            }
            None => self.body.canonical.push(BlockKind::TableRow, &text, None),
        }
    }
}

/// The character of a `w:sym`, nearly always of the Symbol font, whose codes Word moves to U+F000 and up (17.3.3.30).
fn symbol(code: &str) -> char {
    let code = u32::from_str_radix(code, 16).unwrap_or(0);
    let low = u8::try_from(code & 0xff).unwrap_or(0);
    if (0xf000..=0xf0ff).contains(&code) {
        crate::pdf::symbol_char(low).unwrap_or('\u{fffd}')
    } else {
        char::from_u32(code).unwrap_or('\u{fffd}')
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        BlockKind, ParseError, ParseLimits, Parsed,
        fixtures::{self, docx, docx_parts},
        parse,
    };

    fn read(body: &str) -> Parsed {
        parse("a.docx", &docx(body), &ParseLimits::default()).unwrap()
    }

    fn p(text: &str) -> String {
        format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
    }

    #[test]
    fn headings_lists_and_tables_become_their_kinds() {
        let body = format!(
            r#"<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Scope</w:t></w:r></w:p>{}
            <w:p><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr><w:r><w:t>item &amp; more</w:t></w:r></w:p>
            <w:tbl><w:tr><w:tc>{}{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>"#,
            p("Text"),
            p("a"),
            p("b"),
            p("c")
        );
        let parsed = read(&body);
        assert_eq!(parsed.text, "Scope\n\nText\n\nitem & more\n\na b | c");
        use BlockKind::{Heading, ListItem, Paragraph, TableRow};
        assert_eq!(parsed.blocks.iter().map(|b| b.kind).collect::<Vec<_>>(), [Heading { level: 1 }, Paragraph, ListItem, TableRow]);
        assert_eq!(parsed.title.as_deref(), Some("Scope"));
    }

    #[test]
    fn cells_that_span_columns_leave_the_others_in_theirs() {
        let cell = |span: &str, text: &str| format!("<w:tc><w:tcPr><w:gridSpan w:val='{span}'/></w:tcPr>{}</w:tc>", p(text));
        let body = format!(
            "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}{}</w:tr></w:tbl>",
            cell("2", "ab"),
            cell("1", "c"),
            cell("1", "d"),
            cell("1", "e"),
            cell("1", "f")
        );
        assert_eq!(read(&body).text, "ab | | c\nd | e | f");
    }

    #[test]
    fn deleted_text_is_gone_and_inserted_text_stays() {
        let body = "<w:p><w:r><w:t>kept </w:t></w:r><w:del><w:r><w:delText>old</w:delText><w:t>old</w:t></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>";
        assert_eq!(read(body).text, "kept new");
    }

    #[test]
    fn breaks_tabs_exponents_and_footnotes_are_kept_honestly() {
        let body = r#"<w:p><w:r><w:t xml:space="preserve">10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>6</w:t></w:r>
            <w:r><w:tab/><w:t>cells</w:t><w:br/><w:t>next</w:t><w:footnoteReference w:id="2"/></w:r></w:p>"#;
        let parsed = read(body);
        assert_eq!(parsed.text, "10⁶ cells\nnext");
        assert_eq!(parsed.warnings, ["Footnotes and endnotes of the document were left out."]);
    }

    #[test]
    fn the_core_properties_give_the_title() {
        let core = br#"<c:coreProperties xmlns:c="c" xmlns:dc="d"><dc:title>Clinical plan</dc:title></c:coreProperties>"#;
        let file = docx_parts(&p("Text"), &[("docProps/core.xml", core)]);
        assert_eq!(parse("a.docx", &file, &ParseLimits::default()).unwrap().title.as_deref(), Some("Clinical plan"));
    }

    #[test]
    fn a_part_that_unpacks_a_thousandfold_is_a_bomb() {
        let file = docx(&" ".repeat(16 << 20));
        assert!(file.len() < 100_000);
        assert!(matches!(parse("a.docx", &file, &ParseLimits::default()), Err(ParseError::Bomb { .. })));
    }

    #[test]
    fn a_package_that_states_a_ratio_of_a_hundred_thousand_is_a_bomb() {
        let (file, unpacked) = fixtures::overlapping_bomb();
        assert!(unpacked / file.len() as u64 > 100_000, "{unpacked} out of {}", file.len());
        assert!(matches!(parse("a.docx", &file, &ParseLimits::default()), Err(ParseError::Bomb { .. })));
    }

    #[test]
    fn entities_are_never_expanded_and_files_never_fetched() {
        for declared in ["<!ENTITY a 'aaaa'>", "<!ENTITY a SYSTEM 'file:///etc/passwd'>", "<!ENTITY % p SYSTEM 'http://example.org/p'> %p;"]
        {
            let xml = format!(
                "<!DOCTYPE d [{declared}]><w:document xmlns:w='w'><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>"
            );
            let file = fixtures::zip_of(&[("word/document.xml", xml.as_bytes())]);
            let error = parse("a.docx", &file, &ParseLimits::default()).unwrap_err();
            assert!(error.to_string().contains("entities of its own"), "{error}");
        }
    }

    #[test]
    fn a_document_of_pictures_has_no_text() {
        assert_eq!(
            parse("a.docx", &docx("<w:p><w:r><w:drawing/></w:r></w:p>"), &ParseLimits::default()),
            Err(ParseError::NoText { pages: None })
        );
    }

    #[test]
    fn broken_xml_is_damaged() {
        let file = fixtures::zip_of(&[("word/document.xml", b"<w:document><w:p>")]);
        assert!(matches!(parse("a.docx", &file, &ParseLimits::default()), Err(ParseError::Damaged { .. })));
    }
}
