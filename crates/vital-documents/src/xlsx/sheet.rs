//! One sheet, read as a stream of cells; no more than one row is held.

use super::{Book, strings::unescaped, values};
use crate::{
    BlockKind, ParseError, ParseLimits,
    canonical::{Canonical, row},
    package::Package,
    xml::{Xml, attribute},
};
use quick_xml::events::BytesStart;

/// Columns of a sheet (A to XFD).
const COLUMNS_MAX: usize = 16_384;
/// Empty cells kept between two others; a longer gap is a new region of the sheet and shown as one empty cell.
const GAP_MAX: usize = 32;

pub(super) fn read(
    package: &mut Package<'_>,
    part: &str,
    book: &Book,
    canonical: &mut Canonical,
    number: u32,
    limits: &ParseLimits,
) -> Result<(), ParseError> {
    let mut reader = Reader {
        book,
        canonical,
        number,
        text_max: limits.text_bytes_max,
        in_data: false,
        row: 0,
        first_column: None,
        cells: Vec::new(),
        cells_bytes: 0,
        placed: 0,
        next_column: 0,
        cell: Cell::default(),
        capture: false,
        phonetic: 0,
        last_row: None,
        held: None,
        uncomputed: false,
        dangling: false,
    };
    reader.canonical.begin_table();
    package.required_events(part, |event| reader.event(&event))?;
    reader.release(BlockKind::Paragraph)?;
    if reader.uncomputed {
        reader.canonical.warn("Some formulas of the workbook hold no computed value; their cells are empty here.");
    }
    if reader.dangling {
        return Err(package.damaged("a cell refers to a shared string that is not there"));
    }
    Ok(())
}

/// A cell being read.
#[derive(Default)]
struct Cell {
    kind: String,
    style: usize,
    column: usize,
    formula: bool,
    text: String,
}

struct Reader<'b> {
    book: &'b Book,
    canonical: &'b mut Canonical,
    number: u32,
    text_max: usize,
    in_data: bool,
    row: u64,
    /// The column in which the sheet's table begins, so that an empty margin is no cell.
    first_column: Option<usize>,
    cells: Vec<String>,
    cells_bytes: usize,
    /// The column after the last cell with text, counted from the first one.
    placed: usize,
    next_column: usize,
    cell: Cell,
    capture: bool,
    phonetic: usize,
    /// The last row with text.
    last_row: Option<u64>,
    /// A row of one cell at the start of a table, until the next row tells whether it is its title.
    held: Option<String>,
    uncomputed: bool,
    dangling: bool,
}

impl Reader<'_> {
    fn event(&mut self, event: &Xml<'_>) -> Result<(), ParseError> {
        match event {
            Xml::Open { name: "sheetData", .. } => self.in_data = true,
            Xml::Close { name: "sheetData" } => self.in_data = false,
            _ if !self.in_data => {}
            Xml::Open { name, element } => self.open(name, element),
            Xml::Close { name } => self.close(name)?,
            Xml::Text(text) if self.capture => {
                self.cell.text.push_str(text);
                self.bounded(self.cell.text.len())?;
            }
            Xml::Text(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, name: &str, element: &BytesStart<'_>) {
        match name {
            "row" => {
                self.row = attribute(element, "r").and_then(|r| r.parse().ok()).unwrap_or(self.row + 1);
                self.next_column = 0;
            }
            "c" => {
                let stated = attribute(element, "r").and_then(|r| column(&r)).unwrap_or(self.next_column);
                self.cell = Cell {
                    kind: attribute(element, "t").unwrap_or_default(),
                    style: attribute(element, "s").and_then(|s| s.parse().ok()).unwrap_or(0),
                    column: stated.max(self.next_column),
                    ..Cell::default()
                };
            }
            "f" => self.cell.formula = true,
            "rPh" => self.phonetic += 1,
            "v" | "t" => self.capture = self.phonetic == 0,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        match name {
            "v" | "t" => self.capture = false,
            "rPh" => self.phonetic = self.phonetic.saturating_sub(1),
            "c" => self.end_cell()?,
            "row" => self.end_row()?,
            _ => {}
        }
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), ParseError> {
        let cell = std::mem::take(&mut self.cell);
        self.next_column = (cell.column + 1).min(COLUMNS_MAX);
        self.uncomputed |= cell.formula && cell.text.is_empty();
        let text = match cell.kind.as_str() {
            "s" => match cell.text.trim().parse().ok().and_then(|index| self.book.strings.get(index)) {
                Some(shared) => unescaped(shared),
                None => {
                    self.dangling = true;
                    String::new()
                }
            },
            "b" => if cell.text.trim() == "0" { "FALSE" } else { "TRUE" }.to_owned(),
            "str" | "inlineStr" => unescaped(&cell.text),
            "e" | "d" => cell.text,
            _ => values::shown(&cell.text, self.book.formats.get(cell.style), self.book.from_1904),
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        let column = cell.column.saturating_sub(*self.first_column.get_or_insert(cell.column));
        let gap = column.saturating_sub(self.placed);
        self.placed = column + 1;
        self.cells.extend(std::iter::repeat_n(String::new(), if gap > GAP_MAX { 1 } else { gap }));
        self.cells_bytes += text.len();
        self.cells.push(text);
        // One long shared string in every cell would otherwise fill the memory before the row ends.
        self.bounded(self.cells_bytes)
    }

    fn bounded(&self, bytes: usize) -> Result<(), ParseError> {
        if bytes > self.text_max { Err(ParseError::TooMuchText { limit: self.text_max }) } else { Ok(()) }
    }

    fn end_row(&mut self) -> Result<(), ParseError> {
        let cells = std::mem::take(&mut self.cells);
        (self.cells_bytes, self.placed) = (0, 0);
        let text = row(&cells);
        if text.is_empty() {
            return Ok(());
        }
        let follows = self.last_row.is_some_and(|last| last + 1 == self.row);
        self.last_row = Some(self.row);
        if !follows {
            // An empty row ends a table, as it does for Excel's own region around a cell.
            self.release(BlockKind::Paragraph)?;
            self.canonical.begin_table();
            if cells.len() == 1 {
                self.held = Some(text);
                return Ok(());
            }
        }
        let title = if cells.len() > 1 { BlockKind::Paragraph } else { BlockKind::TableRow };
        self.release(title)?;
        self.canonical.push(BlockKind::TableRow, &text, Some(self.number))
    }

    /// Writes the row that was held back.
    fn release(&mut self, kind: BlockKind) -> Result<(), ParseError> {
        match self.held.take() {
            Some(text) => self.canonical.push(kind, &text, Some(self.number)),
            None => Ok(()),
        }
    }
}

/// The column of a reference such as `AB12`, from 0; `None` when it has none or lies beyond the sheet.
fn column(reference: &str) -> Option<usize> {
    let mut column = 0_usize;
    for letter in reference.bytes().take_while(u8::is_ascii_alphabetic) {
        column = column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        if column > COLUMNS_MAX {
            return None;
        }
    }
    column.checked_sub(1)
}
