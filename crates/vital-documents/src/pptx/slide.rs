//! One slide, or one page of notes, read as a stream of shapes.

use crate::{
    BlockKind, ParseError,
    canonical::{raised, row},
    package::Package,
    xml::{Xml, attribute},
};
use quick_xml::events::BytesStart;

/// Subtrees without words of the slide: the second copy that `AlternateContent` keeps for old programs, list styles, and
/// extensions.
const SKIPPED: &[&str] = &["Fallback", "lstStyle", "extLst", "style"];

/// What a shape is on its slide, by its placeholder (19.7.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// The title of a slide.
    Title,
    /// The centred title of an opening slide.
    MainTitle,
    /// The outline, whose paragraphs have bullets unless they say otherwise; on a page of notes the notes.
    Body,
    /// Date, footer, slide number, header.
    Furniture,
    /// Any other shape.
    #[default]
    Other,
}

/// A paragraph or a table row of a shape.
pub(super) struct Piece {
    pub(super) kind: BlockKind,
    pub(super) text: String,
    pub(super) begins_table: bool,
}

#[derive(Default)]
pub(super) struct Shape {
    pub(super) role: Role,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Default)]
pub(super) struct Slide {
    pub(super) shapes: Vec<Shape>,
    /// Whether the show passes it over.
    pub(super) hidden: bool,
    /// Whether it holds a chart or a diagram.
    pub(super) left_out: bool,
}

pub(super) fn read(package: &mut Package<'_>, part: &str) -> Result<Slide, ParseError> {
    let mut reader = Reader::default();
    package.required_events(part, |event| {
        reader.event(&event);
        Ok(())
    })?;
    Ok(reader.slide)
}

#[derive(Default)]
struct Reader {
    slide: Slide,
    /// Depth inside a skipped subtree.
    skipping: usize,
    in_text: bool,
    raised: bool,
    paragraph: String,
    /// Whether the paragraph says that it has a bullet, or none.
    bullet: Option<bool>,
    /// The cells of the row and the cell at hand, while inside a table.
    table: Option<(Vec<String>, String)>,
    begins_table: bool,
}

impl Reader {
    fn event(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Open { name, .. } if self.skipping > 0 || SKIPPED.contains(name) => self.skipping += 1,
            Xml::Close { .. } if self.skipping > 0 => self.skipping -= 1,
            Xml::Open { name, element } => self.open(name, element),
            Xml::Close { name } => self.close(name),
            Xml::Text(text) if self.in_text && self.raised => self.paragraph.push_str(&raised(text)),
            Xml::Text(text) if self.in_text => self.paragraph.push_str(text),
            Xml::Text(_) => {}
        }
    }

    fn open(&mut self, name: &str, element: &BytesStart<'_>) {
        match name {
            "sld" => self.slide.hidden = attribute(element, "show").is_some_and(|v| v == "0" || v == "false"),
            "sp" | "graphicFrame" => self.slide.shapes.push(Shape::default()),
            "ph" => {
                if let Some(shape) = self.slide.shapes.last_mut() {
                    shape.role = role(attribute(element, "type").as_deref());
                }
            }
            "graphicData" => {
                let uri = attribute(element, "uri").unwrap_or_default();
                self.slide.left_out |= uri.ends_with("/chart") || uri.ends_with("/diagram");
            }
            "tbl" => {
                self.table = Some((Vec::new(), String::new()));
                self.begins_table = true;
            }
            "p" => {
                self.paragraph.clear();
                self.bullet = None;
            }
            "buNone" => self.bullet = Some(false),
            "buChar" | "buAutoNum" | "buBlip" => self.bullet = Some(true),
            "r" => self.raised = false,
            "rPr" => self.raised = attribute(element, "baseline").and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > 0),
            "br" => self.paragraph.push('\u{2028}'),
            "t" => self.in_text = true,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph(),
            "tc" => {
                if let Some((cells, cell)) = &mut self.table {
                    cells.push(std::mem::take(cell));
                }
            }
            "tr" => {
                let cells = self.table.as_mut().map(|(cells, _)| std::mem::take(cells)).unwrap_or_default();
                let text = row(&cells);
                if !text.is_empty() {
                    let begins_table = std::mem::take(&mut self.begins_table);
                    self.piece(Piece { kind: BlockKind::TableRow, text, begins_table });
                }
            }
            "tbl" => self.table = None,
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        if let Some((_, cell)) = &mut self.table {
            cell.push(' ');
            cell.push_str(&text);
            return;
        }
        let in_body = self.slide.shapes.last().is_some_and(|s| s.role == Role::Body);
        let kind = if self.bullet.unwrap_or(in_body) { BlockKind::ListItem } else { BlockKind::Paragraph };
        self.piece(Piece { kind, text, begins_table: false });
    }

    fn piece(&mut self, piece: Piece) {
        if let Some(shape) = self.slide.shapes.last_mut() {
            shape.pieces.push(piece);
        }
    }
}

fn role(placeholder: Option<&str>) -> Role {
    match placeholder {
        Some("title") => Role::Title,
        Some("ctrTitle") => Role::MainTitle,
        None | Some("body" | "obj") => Role::Body,
        Some("dt" | "ftr" | "hdr" | "sldNum") => Role::Furniture,
        Some(_) => Role::Other,
    }
}
