//! Tables without rules whose cells were drawn one by one, column after column: told by their alignment alone.
//!
//! Cells drawn line by line share a drawn line and need nothing of this. What stands side by side in lines of its own may as
//! well be two addresses or two wrapped cells, so rows have to be short, many, aligned, and have a column of figures.

use super::layout::Part;

/// Fewest rows of such a table.
const ROWS_MIN: usize = 3;
/// Edges or centres within this many points are aligned.
const EDGE_SLACK: f32 = 3.0;
/// Longest cell, in font sizes; longer ones are lines of running text.
const CELL_WIDTH_MAX: f32 = 14.0;
/// Rows are at most this far apart, in font sizes.
const ROW_GAP_MAX: f32 = 4.0;

/// The rows of such tables, each with the numbers of its cells from the left.
pub(super) fn rows(parts: &[Part]) -> Vec<Vec<usize>> {
    let mut by_height: Vec<(usize, &Part)> = parts.iter().enumerate().filter(|(_, part)| !part.row).collect();
    by_height.sort_by(|(_, a), (_, b)| b.y.total_cmp(&a.y));
    let level = |a: &Part, b: &Part| a.y - b.y < 0.25 * a.size.min(b.size);
    let rows: Vec<Vec<(usize, &Part)>> = by_height
        .chunk_by(|(_, a), (_, b)| level(a, b))
        .map(|row| {
            let mut row = row.to_vec();
            row.sort_by(|(_, a), (_, b)| a.x0.total_cmp(&b.x0));
            row
        })
        .collect();
    let series = rows.chunk_by(|above, below| are_aligned(above, below)).filter(|series| is_table(series));
    series.flatten().map(|row| row.iter().map(|(at, _)| *at).collect()).collect()
}

fn are_aligned(above: &[(usize, &Part)], below: &[(usize, &Part)]) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() < EDGE_SLACK;
    let one = |(a, b): (&(usize, &Part), &(usize, &Part))| {
        let ((_, a), (_, b)) = (a, b);
        (near(a.x0, b.x0) || near(a.x1, b.x1) || near(a.x0 + a.x1, b.x0 + b.x1)) && a.y - b.y < ROW_GAP_MAX * a.size.max(b.size)
    };
    above.len() == below.len() && above.len() > 1 && above.iter().zip(below).all(one)
}

fn is_table(series: &[Vec<(usize, &Part)>]) -> bool {
    let columns = series.first().map_or(0, Vec::len);
    let drawn_apart = series.iter().any(|row| row.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a.line != b.line)));
    if series.len() < ROWS_MIN || columns < 2 || !drawn_apart {
        return false;
    }
    let cells = || series.iter().flatten().map(|(_, part)| *part);
    let short = cells().all(|part| part.x1 - part.x0 <= CELL_WIDTH_MAX * part.size);
    // Lines of a wrapped cell mostly go on with a small letter.
    let small = cells().filter(|part| part.first.is_some_and(char::is_lowercase)).count();
    let is_figure =
        |part: &Part| part.first.is_some_and(|c| c.is_numeric() || matches!(c, '<' | '>' | '≤' | '≥' | '±' | '−' | '-' | '+' | '('));
    let figures = |column: usize| series.iter().skip(1).filter_map(|row| row.get(column)).filter(|(_, part)| is_figure(part)).count();
    short && small * 4 < series.len() * columns && (1..columns).any(|column| figures(column) * 3 >= 2 * (series.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(line: usize, x0: f32, y: f32, first: char) -> Part {
        Part { x0, x1: x0 + 40.0, y, size: 10.0, line, first: Some(first), row: false }
    }

    fn columns(texts: [[char; 4]; 2]) -> Vec<Part> {
        let column = |(c, texts): (usize, [char; 4])| {
            texts.into_iter().enumerate().map(move |(n, first)| cell(c * 10 + n, 60.0 + 200.0 * c as f32, 700.0 - 14.0 * n as f32, first))
        };
        texts.into_iter().enumerate().flat_map(column).collect()
    }

    #[test]
    fn cells_drawn_by_column_are_rows_if_one_column_has_figures() {
        assert_eq!(rows(&columns([['E', 'H', 'N', 'D'], ['P', '1', '3', '<']])), [[0, 4], [1, 5], [2, 6], [3, 7]]);
    }

    #[test]
    fn addresses_and_wrapped_cells_side_by_side_are_no_rows() {
        assert!(rows(&columns([['S', 'A', 'S', 'B'], ['I', 'D', '7', 'H']])).is_empty());
        assert!(rows(&columns([['T', 'o', 'a', 'b'], ['I', '4', '7', '1']])).is_empty());
    }

    #[test]
    fn rows_drawn_line_by_line_two_rows_and_long_cells_are_left_alone() {
        let mut drawn = columns([['E', 'H', 'N', 'D'], ['P', '1', '3', '<']]);
        let (left, right) = drawn.split_at_mut(4);
        left.iter().zip(right).for_each(|(l, r)| r.line = l.line);
        assert!(rows(&drawn).is_empty());
        let mut long = columns([['E', 'H', 'N', 'D'], ['P', '1', '3', '<']]);
        long[5].x1 = 500.0;
        long[5].x0 = 260.0;
        assert!(rows(&long).is_empty());
    }
}
