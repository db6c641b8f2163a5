//! Running text with markup, as HTML and JATS have it: elements open and close around text, and some of them are borders.
//!
//! A format says what its elements mean; this is the one place that turns that into blocks.

use crate::{
    BlockKind, ParseError,
    canonical::{Canonical, raised, row},
};

pub(crate) struct Flow<'c> {
    canonical: &'c mut Canonical,
    buffer: String,
    /// The kinds of the open elements that decide what a block is.
    contexts: Vec<BlockKind>,
    /// Where in the buffer each open raised text began.
    raised_from: Vec<usize>,
    /// The finished cells, while inside a row of a table.
    row: Option<Vec<String>>,
}

impl<'c> Flow<'c> {
    pub(crate) fn new(canonical: &'c mut Canonical) -> Self {
        Self { canonical, buffer: String::new(), contexts: Vec::new(), raised_from: Vec::new(), row: None }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.buffer.push_str(text);
    }

    pub(crate) fn line_break(&mut self) {
        self.buffer.push(if self.contexts.last() == Some(&BlockKind::Code) { '\n' } else { '\u{2028}' });
    }

    /// Text up to the matching `lower` is raised.
    pub(crate) fn raise(&mut self) {
        self.raised_from.push(self.buffer.len());
    }

    pub(crate) fn lower(&mut self) {
        if let Some(from) = self.raised_from.pop()
            && from <= self.buffer.len()
        {
            let tail = self.buffer.split_off(from);
            self.buffer.push_str(&raised(tail.trim()));
        }
    }

    /// Blocks are of this kind up to the matching `leave`.
    pub(crate) fn enter(&mut self, kind: BlockKind) {
        self.contexts.push(kind);
    }

    pub(crate) fn leave(&mut self) {
        self.contexts.pop();
    }

    /// The border of a block: ends it, or inside a table row only separates words.
    pub(crate) fn border(&mut self) -> Result<(), ParseError> {
        if self.row.is_some() {
            self.buffer.push(' ');
            return Ok(());
        }
        self.raised_from.clear();
        let kind = self.contexts.last().copied().unwrap_or(BlockKind::Paragraph);
        let buffer = std::mem::take(&mut self.buffer);
        self.canonical.push(kind, &buffer, None)
    }

    /// Ends what is at hand without making a block of it.
    pub(crate) fn take(&mut self) -> String {
        self.raised_from.clear();
        std::mem::take(&mut self.buffer)
    }

    pub(crate) fn begin_table(&mut self) {
        if self.row.is_none() {
            self.canonical.begin_table();
        }
    }

    pub(crate) fn in_row(&self) -> bool {
        self.row.is_some()
    }

    pub(crate) fn open_row(&mut self) {
        self.row.get_or_insert_default();
    }

    pub(crate) fn close_cell(&mut self) {
        if let Some(cells) = &mut self.row {
            self.raised_from.clear();
            cells.push(std::mem::take(&mut self.buffer));
        }
    }

    pub(crate) fn close_row(&mut self) -> Result<(), ParseError> {
        let Some(cells) = self.row.take() else { return Ok(()) };
        self.buffer.clear();
        self.canonical.push(BlockKind::TableRow, &row(&cells), None)
    }
}
