//! Running text with markup, as HTML and JATS have it: elements open and close around text, and some of them are borders.
//!
//! A format says what its elements mean; this is the one place that turns that into blocks.

use crate::{
    BlockKind, ParseError,
    canonical::{Canonical, raised},
    cells::{Cells, Span},
};

pub(crate) struct Flow<'c> {
    canonical: &'c mut Canonical,
    buffer: String,
    /// The kinds of the open elements that decide what a block is.
    contexts: Vec<BlockKind>,
    /// Where in the buffer each open raised text began.
    raised_from: Vec<usize>,
    cells: Cells,
    in_row: bool,
    /// The span of the open cell.
    span: Span,
}

impl<'c> Flow<'c> {
    pub(crate) fn new(canonical: &'c mut Canonical) -> Self {
        Self {
            canonical,
            buffer: String::new(),
            contexts: Vec::new(),
            raised_from: Vec::new(),
            cells: Cells::default(),
            in_row: false,
            span: Span::ONE,
        }
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
        if self.in_row {
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
        if !self.in_row {
            self.canonical.begin_table();
            self.cells = Cells::default();
        }
    }

    pub(crate) const fn in_row(&self) -> bool {
        self.in_row
    }

    pub(crate) const fn open_row(&mut self) {
        self.in_row = true;
    }

    pub(crate) const fn open_cell(&mut self, span: Span) {
        self.span = span;
    }

    pub(crate) fn close_cell(&mut self) {
        if self.in_row {
            self.raised_from.clear();
            self.cells.push(std::mem::take(&mut self.buffer), std::mem::replace(&mut self.span, Span::ONE));
        }
    }

    pub(crate) fn close_row(&mut self) -> Result<(), ParseError> {
        if !std::mem::take(&mut self.in_row) {
            return Ok(());
        }
        self.buffer.clear();
        self.canonical.push(BlockKind::TableRow, &self.cells.end_row(), None)
    }
}
