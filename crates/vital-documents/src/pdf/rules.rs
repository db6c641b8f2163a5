//! Ruled tables: the lines drawn on a page, and the grid of cells that they enclose.

/// Most rules of a page that are looked at; a page of a ruled form has a few hundred.
const RULES_MAX: usize = 4_000;
/// A filled box thinner than this, in points, is a drawn line.
const THICK_MAX: f32 = 3.0;
/// Rules closer than this, in points, are one: programs draw the border of each cell on its own.
const SAME: f32 = 2.0;
/// Walls of a row of two cells.
const WALLS_MIN: usize = 3;
/// Rows of a table, its header among them.
const ROWS_MIN: usize = 2;

/// A drawn line, upright or level; `x0 <= x1` and `y0 <= y1`, in the coordinates of the content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) x0: f32,
    pub(super) y0: f32,
    pub(super) x1: f32,
    pub(super) y1: f32,
}

/// The path under construction in a content stream (8.5), as far as it can become rules.
#[derive(Default)]
pub(super) struct Path {
    lines: Vec<[(f32, f32); 2]>,
    boxes: Vec<[(f32, f32); 2]>,
    start: (f32, f32),
    at: (f32, f32),
}

impl Path {
    pub(super) fn move_to(&mut self, to: (f32, f32)) {
        (self.start, self.at) = (to, to);
    }

    pub(super) fn line_to(&mut self, to: (f32, f32)) {
        if self.lines.len() < RULES_MAX {
            self.lines.push([self.at, to]);
        }
        self.at = to;
    }

    pub(super) fn curve_to(&mut self, to: (f32, f32)) {
        self.at = to;
    }

    pub(super) fn close(&mut self) {
        self.line_to(self.start);
    }

    /// Adds a box with these opposite corners.
    pub(super) fn add_box(&mut self, from: (f32, f32), to: (f32, f32)) {
        if self.boxes.len() < RULES_MAX {
            self.boxes.push([from, to]);
        }
        (self.start, self.at) = (from, from);
    }

    /// Ends the path, and keeps what shows as a straight line.
    pub(super) fn paint(&mut self, stroked: bool, filled: bool, rules: &mut Vec<Rule>) {
        let path = std::mem::take(self);
        let room = RULES_MAX.saturating_sub(rules.len());
        let mut found = Vec::new();
        for [a, b] in path.boxes {
            let whole = Rule::between(a, b);
            if filled && whole.thickness() < THICK_MAX {
                found.push(whole);
            } else if stroked {
                found.extend([(a, (b.0, a.1)), ((b.0, a.1), b), (b, (a.0, b.1)), ((a.0, b.1), a)].map(|(p, q)| Rule::between(p, q)));
            }
        }
        if stroked {
            found.extend(path.lines.iter().map(|[a, b]| Rule::between(*a, *b)).filter(|rule| rule.thickness() < 1.0));
        }
        let is_sound = |rule: &Rule| [rule.x0, rule.y0, rule.x1, rule.y1].iter().all(|v| v.is_finite()) && rule.length() > SAME;
        rules.extend(found.into_iter().filter(is_sound).take(room));
    }
}

impl Rule {
    fn between(a: (f32, f32), b: (f32, f32)) -> Self {
        Self { x0: a.0.min(b.0), y0: a.1.min(b.1), x1: a.0.max(b.0), y1: a.1.max(b.1) }
    }

    fn thickness(&self) -> f32 {
        (self.x1 - self.x0).min(self.y1 - self.y0)
    }

    fn length(&self) -> f32 {
        (self.x1 - self.x0).max(self.y1 - self.y0)
    }

    /// The rule in the frame of glyphs with this many quarter turns, see `content`.
    fn turned(&self, turns: u8) -> Self {
        let turn = |(x, y): (f32, f32)| match turns {
            0 => (x, y),
            1 => (y, -x),
            2 => (-x, -y),
            _ => (-y, x),
        };
        Self::between(turn((self.x0, self.y0)), turn((self.x1, self.y1)))
    }
}

/// The rows of cells of a page, from the top.
#[derive(Debug, Default)]
pub(super) struct Grid {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    top: f32,
    bottom: f32,
    /// Where its cells begin and end, from the left; at least [`WALLS_MIN`].
    walls: Vec<f32>,
}

impl Grid {
    /// Finds the cells that rules enclose, in the frame of glyphs with this many quarter turns.
    pub(super) fn of(rules: &[Rule], turns: u8) -> Self {
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.turned(turns)).collect();
        let (level, upright): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|r| r.x1 - r.x0 > r.y1 - r.y0);
        let mut levels: Vec<f32> = level.iter().map(|r| (r.y0 + r.y1) / 2.0).collect();
        levels.sort_by(|a, b| b.total_cmp(a));
        levels.dedup_by(|next, kept| *kept - *next < SAME);
        let mut rows: Vec<Row> = Vec::new();
        let mut series = 0;
        for pair in levels.windows(2) {
            let [top, bottom] = *pair else { continue };
            let walls = walls_at(&upright, f32::midpoint(top, bottom));
            let enclosed = walls.len() >= WALLS_MIN && walls_reach(&level, &walls, top);
            if enclosed {
                rows.push(Row { top, bottom, walls });
                series += 1;
            } else {
                forget_short(&mut rows, series);
                series = 0;
            }
        }
        forget_short(&mut rows, series);
        Self { rows }
    }

    /// The row and the cell that hold a point.
    pub(super) fn cell(&self, x: f32, y: f32) -> Option<(usize, usize)> {
        let at = self.rows.partition_point(|row| row.bottom > y);
        let row = self.rows.get(at).filter(|row| y <= row.top)?;
        let right = row.walls.iter().position(|wall| *wall > x)?;
        right.checked_sub(1).map(|cell| (at, cell))
    }

    /// How many cells a row has.
    pub(super) fn cells(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, |row| row.walls.len().saturating_sub(1))
    }

    /// Whether two points of a line stand in different cells.
    pub(super) fn parts(&self, left: f32, right: f32, y: f32) -> bool {
        !self.rows.is_empty() && self.cell(left, y) != self.cell(right, y)
    }
}

fn forget_short(rows: &mut Vec<Row>, series: usize) {
    if series < ROWS_MIN {
        rows.truncate(rows.len() - series);
    }
}

fn walls_at(upright: &[Rule], y: f32) -> Vec<f32> {
    let mut walls: Vec<f32> = upright.iter().filter(|r| r.y0 <= y && y <= r.y1).map(|r| (r.x0 + r.x1) / 2.0).collect();
    walls.sort_by(f32::total_cmp);
    walls.dedup_by(|next, kept| *next - *kept < SAME);
    walls
}

/// Whether the level rules at a height run over half of the way between the outer walls: cells that span rows interrupt them.
fn walls_reach(level: &[Rule], walls: &[f32], y: f32) -> bool {
    let (Some(left), Some(right)) = (walls.first(), walls.last()) else { return false };
    let here = level.iter().filter(|r| ((r.y0 + r.y1) / 2.0 - y).abs() < SAME);
    let covered: f32 = here.map(|r| (r.x1.min(*right) - r.x0.max(*left)).max(0.0)).sum();
    covered > 0.5 * (right - left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(xs: &[f32], ys: &[f32]) -> Vec<Rule> {
        let (left, right) = (xs[0], xs[xs.len() - 1]);
        let (low, high) = (ys[ys.len() - 1], ys[0]);
        let level = ys.iter().map(|y| Rule { x0: left, y0: *y, x1: right, y1: *y });
        level.chain(xs.iter().map(|x| Rule { x0: *x, y0: low, x1: *x, y1: high })).collect()
    }

    #[test]
    fn points_are_found_in_their_cells() {
        let grid = Grid::of(&grid(&[10.0, 50.0, 90.0], &[100.0, 80.0, 60.0]), 0);
        assert_eq!(grid.cell(20.0, 90.0), Some((0, 0)));
        assert_eq!(grid.cell(60.0, 70.0), Some((1, 1)));
        assert_eq!([grid.cell(5.0, 90.0), grid.cell(95.0, 90.0), grid.cell(20.0, 50.0), grid.cell(20.0, 110.0)], [None; 4]);
        assert!(grid.parts(45.0, 55.0, 90.0) && !grid.parts(20.0, 30.0, 90.0));
    }

    #[test]
    fn a_frame_and_a_single_row_are_no_table() {
        assert!(Grid::of(&grid(&[10.0, 90.0], &[100.0, 80.0, 60.0]), 0).rows.is_empty());
        assert!(Grid::of(&grid(&[10.0, 50.0, 90.0], &[100.0, 80.0]), 0).rows.is_empty());
        assert!(Grid::of(&[], 0).rows.is_empty());
    }

    #[test]
    fn borders_drawn_for_each_cell_make_one_grid_and_thin_boxes_are_lines() {
        let mut rules = Vec::new();
        let mut path = Path::default();
        for (x, y) in [(10.0, 80.0), (50.2, 80.0), (10.0, 60.4), (50.0, 60.0)] {
            path.add_box((x, y), (x + 40.0, y + 20.0));
        }
        path.paint(true, false, &mut rules);
        assert_eq!(Grid::of(&rules, 0).rows.len(), 2);
        path.add_box((0.0, 0.0), (100.0, 0.7));
        path.add_box((0.0, 10.0), (100.0, 30.0));
        let mut filled = Vec::new();
        path.paint(false, true, &mut filled);
        assert_eq!(filled, [Rule { x0: 0.0, y0: 0.0, x1: 100.0, y1: 0.7 }]);
    }

    #[test]
    fn a_table_on_a_turned_page_is_found_in_the_frame_of_its_text() {
        let turned: Vec<Rule> = grid(&[10.0, 50.0, 90.0], &[100.0, 80.0, 60.0]).iter().map(|r| r.turned(3)).collect();
        assert_eq!(Grid::of(&turned, 1).cell(60.0, 70.0), Some((1, 1)));
    }
}
