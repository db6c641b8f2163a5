//! The cells of a table, kept in their columns where some of them span several.
//!
//! Clinical tables are full of spans, and a row whose cells have moved says something else under its header.

use crate::canonical::row;

/// Columns that spans are followed through; a file may claim any number.
const COLUMNS_MAX: usize = 256;

/// How many columns and rows a cell covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    columns: usize,
    rows: usize,
}

impl Span {
    pub(crate) const ONE: Self = Self { columns: 1, rows: 1 };

    /// Reads the attributes of a cell; what is no number is one.
    pub(crate) fn of(columns: Option<&str>, rows: Option<&str>) -> Self {
        let number = |value: Option<&str>| value.and_then(|v| v.trim().parse::<usize>().ok()).unwrap_or(1).max(1);
        Self { columns: number(columns), rows: number(rows) }
    }
}

/// A table being read, one row at a time.
#[derive(Default)]
pub(crate) struct Cells {
    row: Vec<String>,
    /// The cells of the row up to the last that stands in the file; those after it only fill a span.
    stated: usize,
    /// For each column, the rows still covered by a cell above.
    covered: Vec<usize>,
}

impl Cells {
    /// Adds the next cell of the row.
    pub(crate) fn push(&mut self, text: String, span: Span) {
        while let Some(rows) = self.covered.get_mut(self.row.len()).filter(|rows| **rows > 0) {
            *rows -= 1;
            self.row.push(String::new());
        }
        let column = self.row.len();
        self.row.push(text);
        self.stated = self.row.len();
        let end = column.saturating_add(span.columns).min(COLUMNS_MAX);
        if span.rows > 1 && self.covered.len() < end {
            self.covered.resize(end, 0);
        }
        self.covered.iter_mut().take(end).skip(column).for_each(|rows| *rows = span.rows - 1);
        self.row.resize_with(end.max(self.row.len()), String::new);
    }

    /// Ends the row and gives its text, empty for a row of empty cells.
    pub(crate) fn end_row(&mut self) -> String {
        self.covered.iter_mut().skip(self.row.len()).for_each(|rows| *rows = rows.saturating_sub(1));
        let text = row(self.row.get(..self.stated).unwrap_or_default());
        self.row.clear();
        self.stated = 0;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(table: &[&[(&str, usize, usize)]]) -> Vec<String> {
        let mut cells = Cells::default();
        let mut read = |row: &&[(&str, usize, usize)]| {
            row.iter().for_each(|(text, columns, rows)| cells.push((*text).to_owned(), Span { columns: *columns, rows: *rows }));
            crate::canonical::prose(&cells.end_row())
        };
        table.iter().map(&mut read).collect()
    }

    #[test]
    fn cells_stay_in_their_columns_beside_and_below_spans() {
        let found = rows(&[
            &[("Event", 1, 2), ("Arm A", 2, 1), ("Arm B", 2, 1)],
            &[("n", 1, 1), ("%", 1, 1), ("n", 1, 1), ("%", 1, 1)],
            &[("Pain", 1, 1), ("1", 1, 1), ("2", 1, 1), ("3", 1, 1), ("4", 1, 1)],
        ]);
        assert_eq!(found, ["Event | Arm A | | Arm B", "| n | % | n | %", "Pain | 1 | 2 | 3 | 4"]);
    }

    #[test]
    fn a_span_over_two_rows_and_columns_covers_its_square_and_ends() {
        let found = rows(&[&[("a", 2, 2), ("b", 1, 1)], &[("c", 1, 1)], &[("d", 1, 1), ("e", 1, 1), ("f", 1, 1)]]);
        assert_eq!(found, ["a | | b", "| | c", "d | e | f"]);
        assert_eq!(rows(&[&[("a", 1, 1), ("b", 1, 3)], &[("c", 1, 1)], &[], &[("d", 1, 1), ("e", 1, 1)]])[3], "d | e");
    }

    #[test]
    fn a_span_without_bounds_costs_nothing() {
        let span = Span::of(Some("999999999999"), Some("99999999999999999999999"));
        let mut cells = Cells::default();
        for _ in 0..1_000 {
            cells.push("x".to_owned(), span);
        }
        assert!(cells.row.len() <= COLUMNS_MAX + 1_000);
        assert_eq!(Span::of(Some("0"), None), Span::ONE);
        assert_eq!(Span::of(Some("-1"), Some("two")), Span::ONE);
    }
}
