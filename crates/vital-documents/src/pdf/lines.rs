//! Puts the glyphs of a page together into lines of text, in reading order.
//!
//! Lines follow the order of drawing, except where the page is set in columns and where rules enclose the cells of a table:
//! see `layout` and `rules`.

use super::{
    aligned,
    bidi::{is_line_right_to_left, is_mostly_right_to_left, is_right_to_left, logical_order},
    content::{Drawn, Glyph},
    layout::{Part, reading_order},
    rules::Grid,
    trace::Ink,
    wrap::is_hyphenated,
};
use crate::canonical::raised;
use std::{collections::BTreeMap, ops::Range};
use unicode_normalization::char::canonical_combining_class;

/// A gap of this share of the font size is a space; typesetters go down to 0.2, letter spacing stays under 0.15.
const SPACE_GAP: f32 = 0.18;
/// A gap of this many font sizes separates cells of a table.
const CELL_GAP: f32 = 1.2;

/// In a right-to-left line a name or a number may set off this many font sizes to the left.
const BACKWARD_MAX: f32 = 10.0;

/// A line of text; lengths in points, in a frame in which it runs to the right.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The text; `\t` stands where cells are apart.
    pub(super) text: String,
    pub(super) x0: f32,
    pub(super) x1: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) turns: u8,
    pub(super) bold: bool,
    pub(super) page: u32,
    /// Whether it is a row of a ruled table: its cells are known, empty and wrapped ones too.
    pub(super) row: bool,
    /// Its glyphs with their place in the text, kept only while its page is traced.
    pub(super) inks: Vec<Ink>,
}

/// A line under construction.
struct Open<'g> {
    glyphs: Vec<&'g Glyph>,
    y: f32,
    size: f32,
    x0: f32,
    right_to_left: bool,
}

/// Glyphs of one drawn line without a wide gap.
struct Run<'g> {
    glyphs: Vec<&'g Glyph>,
    y: f32,
    size: f32,
    x0: f32,
    x1: f32,
    /// The number of its line in the order of drawing.
    line: usize,
    /// Whether its line has letters of a right-to-left script; its glyphs are then in order of place.
    right_to_left: bool,
}

/// What is read as one: the cells of a ruled row, or one run.
struct Piece<'g> {
    cells: Vec<Vec<Run<'g>>>,
    row: bool,
}

/// Reads the lines of a page; what the writer marked as page furniture is left out, unless that is all there is.
pub(super) fn from_page(page: &Drawn, number: u32, traced: bool) -> Vec<Line> {
    let all = !page.glyphs.iter().any(|g| !g.artifact && !g.text.trim().is_empty());
    let glyphs: Vec<&Glyph> = page.glyphs.iter().filter(|g| all || !g.artifact).collect();
    let turns = usual_turns(&glyphs);
    let grid = Grid::of(&page.rules, turns);
    let runs = drawn_lines(&glyphs).into_iter().enumerate().flat_map(|(at, line)| line.split(at, &grid));
    let pieces = with_aligned_rows(in_pieces(runs, &grid, turns));
    let parts: Vec<Part> = pieces.iter().map(Piece::part).collect();
    let mut pieces: Vec<Option<Piece<'_>>> = pieces.into_iter().map(Some).collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut open: Option<Piece<'_>> = None;
    let backward = is_mostly_right_to_left(glyphs.iter().map(|g| g.text.as_str()));
    for at in reading_order(&parts, backward) {
        let Some(next) = pieces.get_mut(at).and_then(Option::take) else { continue };
        match &mut open {
            // What was drawn as one line and is still together is one line.
            Some(line) if line.line().is_some() && line.line() == next.line() => line.cells.extend(next.cells),
            _ => lines.extend(open.replace(next).and_then(|line| line.close(number, traced))),
        }
    }
    lines.extend(open.and_then(|line| line.close(number, traced)));
    lines
}

/// The turn that most glyphs of a page have.
fn usual_turns(glyphs: &[&Glyph]) -> u8 {
    let mut count = [0_usize; 4];
    for glyph in glyphs {
        if let Some(count) = count.get_mut(usize::from(glyph.turns)) {
            *count += 1;
        }
    }
    (0..4_u8).max_by_key(|turns| (count.get(usize::from(*turns)), std::cmp::Reverse(*turns))).unwrap_or(0)
}

fn drawn_lines<'g>(glyphs: &[&'g Glyph]) -> Vec<Open<'g>> {
    let mut lines = Vec::new();
    let mut open: Option<Open<'g>> = None;
    for glyph in glyphs {
        match &mut open {
            Some(line) if line.takes(glyph) => line.push(glyph),
            _ => {
                lines.extend(open.replace(Open::of(glyph)));
            }
        }
    }
    lines.extend(open);
    lines
}

/// Puts the runs that stand in one row of a ruled table together; the row takes the place of its first run.
fn in_pieces<'g>(runs: impl Iterator<Item = Run<'g>>, grid: &Grid, turns: u8) -> Vec<Piece<'g>> {
    let mut pieces: Vec<Piece<'g>> = Vec::new();
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    for run in runs {
        let upright = run.glyphs.first().is_some_and(|g| g.turns == turns);
        let place = grid.cell(f32::midpoint(run.x0, run.x1), run.y + 0.3 * run.size).filter(|_| upright);
        let Some((row, cell)) = place else {
            pieces.push(Piece { cells: vec![vec![run]], row: false });
            continue;
        };
        let at = *rows.entry(row).or_insert_with(|| {
            pieces.push(Piece { cells: (0..grid.cells(row)).map(|_| Vec::new()).collect(), row: true });
            pieces.len() - 1
        });
        if let Some(cell) = pieces.get_mut(at).and_then(|piece| piece.cells.get_mut(cell)) {
            cell.push(run);
        }
    }
    pieces
}

/// Puts the cells of tables without rules together; each row takes the place of the first of its cells.
fn with_aligned_rows(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let parts: Vec<Part> = pieces.iter().map(Piece::part).collect();
    let rows = aligned::rows(&parts);
    if rows.is_empty() {
        return pieces;
    }
    let mut pieces: Vec<Option<Piece<'_>>> = pieces.into_iter().map(Some).collect();
    let of: BTreeMap<usize, &Vec<usize>> = rows.iter().flat_map(|row| row.iter().map(move |at| (*at, row))).collect();
    let mut out = Vec::with_capacity(pieces.len());
    for at in 0..pieces.len() {
        let cells = of.get(&at).map_or_else(|| vec![at], |row| (*row).clone());
        let mut taken = cells.iter().filter_map(|cell| pieces.get_mut(*cell).and_then(Option::take));
        let Some(mut piece) = taken.next() else { continue };
        for cell in taken {
            piece.cells.extend(cell.cells);
            piece.row = true;
        }
        out.push(piece);
    }
    out
}

fn has_right_to_left(glyph: &Glyph) -> bool {
    glyph.text.chars().any(is_right_to_left)
}

/// Whether a glyph stands on the one before it, as an accent does.
fn is_mark(glyph: &Glyph) -> bool {
    glyph.text.chars().next().is_some_and(|c| canonical_combining_class(c) != 0)
}

impl<'g> Open<'g> {
    fn of(glyph: &'g Glyph) -> Self {
        Self { glyphs: vec![glyph], y: glyph.y, size: glyph.size, x0: glyph.x0, right_to_left: has_right_to_left(glyph) }
    }

    /// Whether the glyph stands on this line, to the right of what it has.
    fn takes(&self, glyph: &Glyph) -> bool {
        let Some(last) = self.glyphs.last() else { return true };
        let large = self.size.max(glyph.size);
        let up = glyph.y - self.y;
        // Raised and lowered characters are smaller and stay within the line.
        let on_line = if (glyph.size - self.size).abs() < 0.1 * large { up.abs() < 0.3 * large } else { up.abs() < 0.6 * large };
        // Letters of right-to-left scripts may be drawn in the order in which they are read.
        let backward = (self.right_to_left || has_right_to_left(glyph)) && glyph.x1 < last.x1 && self.x0 - glyph.x1 < BACKWARD_MAX * large;
        let onward = glyph.x0 > last.x1 - 0.8 * large || backward || self.redraws(glyph);
        last.turns == glyph.turns && on_line && onward
    }

    /// Whether the glyph is drawn over an equal one, as programs do to fake bold type.
    fn redraws(&self, glyph: &Glyph) -> bool {
        self.glyphs.iter().rev().take(200).any(|g| g.text == glyph.text && (g.x0 - glyph.x0).abs() < 0.15 * glyph.size)
    }

    fn push(&mut self, glyph: &'g Glyph) {
        if self.glyphs.last().is_some_and(|last| glyph.x0 < last.x1 - 0.3 * glyph.size) && self.redraws(glyph) {
            return;
        }
        // A line that begins with a raised mark takes its measure from the letters after it.
        if glyph.size > self.size * 1.15 {
            (self.y, self.size) = (glyph.y, glyph.size);
        }
        self.x0 = self.x0.min(glyph.x0);
        self.right_to_left |= has_right_to_left(glyph);
        self.glyphs.push(glyph);
    }

    /// The glyphs from the left to the right of the page, each with the marks on it.
    fn by_place(mut self) -> Self {
        let mut places: Vec<(f32, &'g Glyph)> = Vec::with_capacity(self.glyphs.len());
        for glyph in std::mem::take(&mut self.glyphs) {
            let place = places.last().map(|(place, _)| *place).filter(|_| is_mark(glyph)).unwrap_or(glyph.x0);
            places.push((place, glyph));
        }
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.glyphs = places.into_iter().map(|(_, glyph)| glyph).collect();
        self
    }

    /// Takes a line apart where its cells are: at wide gaps and at the walls of ruled tables.
    fn split(self, line: usize, grid: &Grid) -> Vec<Run<'g>> {
        let line_of = if self.right_to_left { self.by_place() } else { self };
        let mut runs: Vec<Run<'g>> = Vec::new();
        let mut end: Option<f32> = None;
        let Self { y, size, right_to_left, .. } = line_of;
        let backward = right_to_left && is_line_right_to_left(line_of.glyphs.iter().map(|g| g.text.as_str()));
        for glyph in line_of.glyphs {
            let blank = glyph.text.trim().is_empty();
            let apart = end
                .is_none_or(|end| glyph.x0 - end > CELL_GAP * size || grid.parts(end - 0.1 * size, glyph.x0 + 0.1 * size, y + 0.3 * size));
            match runs.last_mut() {
                Some(run) if blank || !apart => run.glyphs.push(glyph),
                None if blank => {}
                _ => runs.push(Run { glyphs: vec![glyph], y, size, x0: glyph.x0, x1: glyph.x1, line, right_to_left }),
            }
            // Spaces hold no place of their own: runs of them often fill the gap between cells.
            if let Some(run) = runs.last_mut().filter(|_| !blank) {
                end = Some(glyph.x1);
                run.x1 = glyph.x1;
            }
        }
        if backward {
            runs.reverse();
        }
        runs
    }
}

impl Piece<'_> {
    fn runs(&self) -> impl Iterator<Item = &Run<'_>> {
        self.cells.iter().flatten()
    }

    /// The drawn line that it is of; a row of a table is of none.
    fn line(&self) -> Option<usize> {
        self.runs().next().map(|run| run.line).filter(|_| !self.row)
    }

    fn part(&self) -> Part {
        let first = self.runs().next();
        let (size, line) = first.map_or((1.0, 0), |run| (run.size.max(0.1), run.line));
        let letter = first.and_then(|run| run.glyphs.first()).and_then(|g| g.text.chars().next());
        let x0 = self.runs().map(|run| run.x0).fold(f32::MAX, f32::min);
        let x1 = self.runs().map(|run| run.x1).fold(f32::MIN, f32::max);
        Part { x0, x1, y: self.runs().map(|run| run.y).fold(f32::MIN, f32::max), size, line, first: letter, row: self.row }
    }

    fn close(self, page: u32, traced: bool) -> Option<Line> {
        let mut text = String::new();
        let mut inks = Vec::new();
        for (at, cell) in self.cells.iter().enumerate() {
            if at > 0 {
                text.truncate(text.trim_end_matches(' ').len());
                text.push('\t');
            }
            for (at, run) in cell.iter().enumerate() {
                let first = run.glyphs.first().map_or("", |g| g.text.as_str());
                if at > 0 && is_hyphenated(&text) && first.starts_with(char::is_lowercase) {
                    text.pop();
                } else if at > 0 && !text.ends_with(' ') {
                    text.push(' ');
                }
                run.write(&mut text, traced.then_some(&mut inks));
            }
        }
        // An empty first cell is a cell, too.
        let edge = |c: char| if self.row { c == ' ' } else { c.is_whitespace() };
        let lead = text.len() - text.trim_start_matches(edge).len();
        let text = text.trim_matches(edge).to_owned();
        for ink in &mut inks {
            ink.bytes = ink.bytes.start.saturating_sub(lead)..ink.bytes.end.saturating_sub(lead).min(text.len());
        }
        let glyphs: Vec<&Glyph> = self.runs().flat_map(|run| run.glyphs.iter().copied()).collect();
        let first = glyphs.iter().find(|g| !g.text.trim().is_empty())?;
        let bold = glyphs.iter().filter(|g| g.bold).count() * 10 > glyphs.len() * 8;
        let Part { x0, x1, y, .. } = self.part();
        let size = usual_size(&glyphs)?;
        Some(Line { text, x0, x1, y, size, turns: first.turns, bold, page, row: self.row, inks })
    }
}

impl Run<'_> {
    fn write(&self, text: &mut String, mut inks: Option<&mut Vec<Ink>>) {
        for step in self.steps() {
            let Some(glyphs) = self.glyphs.get(step.clone()).filter(|glyphs| !glyphs.is_empty()) else {
                if !text.ends_with([' ', '\t']) {
                    text.push(' ');
                }
                continue;
            };
            for glyph in glyphs {
                let start = text.len();
                let small = glyph.size < 0.85 * self.size && glyph.y > self.y + 0.15 * self.size;
                text.push_str(&if small { raised(&glyph.text) } else { glyph.text.clone() });
                if let Some(inks) = inks.as_mut().filter(|_| !glyph.text.trim().is_empty()) {
                    let Glyph { x0, x1, y, size, turns, .. } = **glyph;
                    inks.push(Ink { bytes: start..text.len(), x0, x1, y, size, turns });
                }
            }
        }
    }

    /// The glyphs in the order in which they are read, each with the marks on it; an empty step is a gap between words.
    fn steps(&self) -> Vec<Range<usize>> {
        let mut steps: Vec<Range<usize>> = Vec::with_capacity(self.glyphs.len());
        let mut end: Option<f32> = None;
        for (at, glyph) in self.glyphs.iter().enumerate() {
            let gap = end.map_or(0.0, |end| glyph.x0 - end);
            match steps.last_mut() {
                Some(last) if self.right_to_left && is_mark(glyph) => last.end = at + 1,
                _ => {
                    if gap > SPACE_GAP * glyph.size.min(self.size) && !glyph.text.starts_with(' ') {
                        steps.push(at..at);
                    }
                    steps.push(at..at + 1);
                }
            }
            if !glyph.text.trim().is_empty() {
                end = Some(glyph.x1);
            }
        }
        if !self.right_to_left {
            return steps;
        }
        let shown = |step: &Range<usize>| self.glyphs.get(step.start).filter(|_| !step.is_empty()).map_or(" ", |g| g.text.as_str());
        let order = logical_order(&steps.iter().map(shown).collect::<Vec<_>>());
        order.into_iter().filter_map(|at| steps.get(at).cloned()).collect()
    }
}

/// The size that most glyphs of a line have, to a tenth of a point; a word in another type does not change the line's.
fn usual_size(glyphs: &[&Glyph]) -> Option<f32> {
    let mut tenths: Vec<i32> = glyphs.iter().map(|g| (g.size * 10.0).round() as i32).collect();
    tenths.sort_unstable();
    let most = tenths.chunk_by(|a, b| a == b).max_by_key(|same| same.len())?;
    most.first().map(|tenth| *tenth as f32 / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, x: f32, y: f32, size: f32) -> Vec<Glyph> {
        let place = |(n, c): (usize, char)| {
            let x0 = x + n as f32 * size * 0.5;
            Glyph { text: c.to_string(), x0, x1: x0 + size * 0.5, y, size, turns: 0, bold: false, artifact: false }
        };
        text.chars().enumerate().map(place).collect()
    }

    fn texts(runs: Vec<Vec<Glyph>>) -> Vec<String> {
        let glyphs: Vec<Glyph> = runs.into_iter().flatten().collect();
        from_page(&Drawn { glyphs, rules: vec![] }, 1, false).into_iter().map(|l| l.text).collect()
    }

    #[test]
    fn gaps_become_spaces_and_wide_gaps_cells() {
        assert_eq!(texts(vec![run("one", 0.0, 0.0, 10.0), run("two", 18.0, 0.0, 10.0), run("three", 80.0, 0.0, 10.0)]), ["one two\tthree"]);
        assert_eq!(texts(vec![run("one", 0.0, 0.0, 10.0), run("two", 15.0, -12.0, 10.0)]), ["one", "two"]);
    }

    #[test]
    fn raised_digits_are_written_raised() {
        assert_eq!(texts(vec![run("10", 0.0, 0.0, 10.0), run("6", 10.0, 4.0, 6.0), run("cells", 16.0, 0.0, 10.0)]), ["10⁶ cells"]);
    }

    #[test]
    fn text_drawn_twice_is_read_once() {
        assert_eq!(texts(vec![run("bold", 0.0, 0.0, 10.0), run("bold", 0.4, 0.0, 10.0)]), ["bold"]);
    }

    #[test]
    fn text_that_jumps_back_starts_a_line() {
        assert_eq!(texts(vec![run("right", 300.0, 0.0, 10.0), run("left", 0.0, 0.0, 10.0)]), ["right", "left"]);
    }
}
