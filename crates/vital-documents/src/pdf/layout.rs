//! The order in which the parts of a page are read: columns one after the other, cells of a ruled row together.
//!
//! A page keeps the order in which it was drawn, which is the reading order in what word processors and typesetters write,
//! unless its geometry speaks clearly of columns: a gutter that many lines begin at and none crosses, with running text at
//! both sides. Lines that cross the gutter, such as a title or a wide table, part the page into bands; each band is read
//! column by column, as in the recursive XY-cut (Nagy and Seth 1984) with the cut between columns taken first.

/// Lines that begin at the same place before a column is thought of there, and on each side of a gutter.
const COLUMN_LINES_MIN: usize = 3;
/// Left edges within this many points are one.
const EDGE_SLACK: f32 = 3.0;
/// Narrowest gutter, in font sizes.
const GUTTER_MIN: f32 = 0.7;
/// Lines of running text are on the mean at least this long, in font sizes; cells of tables are shorter.
const PROSE_WIDTH_MIN: f32 = 9.0;
/// Lines of running text fill this share of their column on the mean. Looked at only where both columns were drawn together.
const PROSE_FILL_MIN: f32 = 0.8;
/// One more change between the columns in the order of drawing is let pass for this many lines.
const TURN_LINES: usize = 25;
/// Gutters inside of columns: three columns need two.
const DEPTH_MAX: usize = 3;
/// Left edges that are tried as a gutter, those with the most lines first.
const EDGES_TRIED_MAX: usize = 8;
/// Type smaller than this share of its column's is that of footnotes.
const FOOTNOTE_SIZE: f32 = 0.92;

/// A part of a page that is never taken apart: a run of glyphs, or a row of a ruled table.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) x0: f32,
    pub(super) x1: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    /// Which drawn line it is of: what shares a line with a part that crosses a gutter stays with it.
    pub(super) line: usize,
    /// Its first character.
    pub(super) first: Option<char>,
    /// Whether it is a row of a ruled table.
    pub(super) row: bool,
}

/// The numbers of the parts in reading order; `parts` is in order of drawing. Columns are read from the left, or `backward`
/// from the right.
pub(super) fn reading_order(parts: &[Part], backward: bool) -> Vec<usize> {
    arrange(parts, (0..parts.len()).collect(), backward, 0)
}

/// A gutter with the bands that it parts into columns.
struct Gutter {
    x: f32,
    /// How many parts stand in columns.
    score: usize,
}

fn arrange(parts: &[Part], items: Vec<usize>, backward: bool, depth: usize) -> Vec<usize> {
    let Some(gutter) = (depth < DEPTH_MAX).then(|| best_gutter(parts, &items)).flatten() else { return items };
    let mut order = Vec::with_capacity(items.len());
    let mut plain: Vec<usize> = Vec::new();
    for band in bands(parts, &items, gutter.x) {
        if let Band::Columns { left, right } = band {
            plain.sort_unstable();
            order.append(&mut plain);
            let (first, second) = if backward { (right, left) } else { (left, right) };
            let (first, mut notes) = without_footnotes(parts, arrange(parts, first, backward, depth + 1));
            let (second, more) = without_footnotes(parts, arrange(parts, second, backward, depth + 1));
            notes.extend(more);
            order.extend(first.into_iter().chain(second).chain(notes));
        } else if let Band::Whole(items) = band {
            plain.extend(items);
        }
    }
    plain.sort_unstable();
    order.append(&mut plain);
    order
}

enum Band {
    Columns { left: Vec<usize>, right: Vec<usize> },
    Whole(Vec<usize>),
}

fn best_gutter(parts: &[Part], items: &[usize]) -> Option<Gutter> {
    let mut edges: Vec<f32> = items.iter().filter_map(|at| parts.get(*at)).map(|p| p.x0).collect();
    edges.sort_by(f32::total_cmp);
    let mut groups: Vec<&[f32]> = edges.chunk_by(|a, b| b - a < EDGE_SLACK).filter(|group| group.len() >= COLUMN_LINES_MIN).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let tried = groups.into_iter().take(EDGES_TRIED_MAX).filter_map(|group| group.first()).copied();
    let scored = tried.map(|x| {
        let columns = bands(parts, items, x).into_iter();
        let score = columns.map(|band| if let Band::Columns { left, right } = band { left.len() + right.len() } else { 0 }).sum();
        Gutter { x, score }
    });
    scored.filter(|gutter| gutter.score > 0).max_by_key(|gutter| gutter.score)
}

/// Parts the items at a gutter that ends at `x`, from the top of the page down.
fn bands(parts: &[Part], items: &[usize], x: f32) -> Vec<Band> {
    let gutter_of = |p: &Part| x - GUTTER_MIN * p.size;
    let crosses = |p: &Part| p.x0 < x - EDGE_SLACK && p.x1 > gutter_of(p);
    let mut crossed: Vec<usize> = items.iter().filter_map(|at| parts.get(*at)).filter(|p| crosses(p)).map(|p| p.line).collect();
    crossed.sort_unstable();
    let mut sorted: Vec<usize> = items.to_vec();
    let height = |at: &usize| parts.get(*at).map_or(0.0, |p| p.y);
    sorted.sort_by(|a, b| height(b).total_cmp(&height(a)).then(a.cmp(b)));
    let mut bands = Vec::new();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for at in sorted {
        let Some(part) = parts.get(at) else { continue };
        if crosses(part) || crossed.binary_search(&part.line).is_ok() {
            bands.extend(band(parts, std::mem::take(&mut left), std::mem::take(&mut right)));
            bands.push(Band::Whole(vec![at]));
        } else if part.x0 < x - EDGE_SLACK {
            left.push(at);
        } else {
            right.push(at);
        }
    }
    bands.extend(band(parts, left, right));
    bands
}

/// The parts between two that cross the gutter: columns if they read as such.
fn band(parts: &[Part], mut left: Vec<usize>, mut right: Vec<usize>) -> Option<Band> {
    let (is_left, is_right) = (!left.is_empty(), !right.is_empty());
    left.sort_unstable();
    right.sort_unstable();
    if are_columns(parts, &left, &right) {
        return Some(Band::Columns { left, right });
    }
    (is_left || is_right).then(|| Band::Whole([left, right].concat()))
}

/// Whether two stacks of parts, each in order of drawing, are columns of running text and not cells of a table.
fn are_columns(parts: &[Part], left: &[usize], right: &[usize]) -> bool {
    let side = |items: &[usize]| -> Vec<Part> { items.iter().filter_map(|at| parts.get(*at)).cloned().collect() };
    let (l, r) = (side(left), side(right));
    if l.len() < COLUMN_LINES_MIN || r.len() < COLUMN_LINES_MIN || !overlap(&l, &r) {
        return false;
    }
    let mean = |side: &[Part]| side.iter().map(|p| (p.x1 - p.x0) / p.size).sum::<f32>() / side.len() as f32;
    if mean(&l) < PROSE_WIDTH_MIN || mean(&r) < PROSE_WIDTH_MIN {
        return false;
    }
    let mut drawn: Vec<(usize, bool)> = left.iter().map(|at| (*at, true)).chain(right.iter().map(|at| (*at, false))).collect();
    drawn.sort_unstable();
    let turns = drawn.windows(2).filter(|pair| matches!(pair, [(_, a), (_, b)] if a != b)).count();
    // Drawn one after the other: a last part may come back to the first column, as a footnote does.
    if turns <= 2 + drawn.len() / TURN_LINES {
        return true;
    }
    // Drawn line by line across both: scans with recognised text. Cells drawn in turn hold several lines each.
    turns * 5 >= 4 * (2 * l.len().min(r.len()) - 1) && fill(&l) >= PROSE_FILL_MIN && fill(&r) >= PROSE_FILL_MIN
}

/// Whether two stacks stand beside and not above each other, over two lines at least.
fn overlap(l: &[Part], r: &[Part]) -> bool {
    let top = |side: &[Part]| side.iter().map(|p| p.y).fold(f32::MIN, f32::max);
    let bottom = |side: &[Part]| side.iter().map(|p| p.y).fold(f32::MAX, f32::min);
    let size = l.iter().chain(r).map(|p| p.size).fold(0.0, f32::max);
    top(l).min(top(r)) - bottom(l).max(bottom(r)) > 2.0 * size
}

/// The share of the longest line that lines which begin at the same place have on the mean.
fn fill(side: &[Part]) -> f32 {
    let mut lines: Vec<(f32, f32)> = side.iter().map(|p| (p.x0, p.x1 - p.x0)).collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let shares = lines.chunk_by(|a, b| b.0 - a.0 < EDGE_SLACK).map(|stack| {
        let longest = stack.iter().map(|(_, width)| *width).fold(1.0, f32::max);
        stack.iter().map(|(_, width)| width / longest).sum::<f32>()
    });
    shares.sum::<f32>() / side.len() as f32
}

/// Whether a part begins as a footnote does, with its mark.
fn is_marked(part: &Part) -> bool {
    part.first.is_some_and(|c| c.is_ascii_digit() || matches!(c, '*' | '†' | '‡' | '§' | '¹' | '²' | '³'))
}

/// Takes the footnotes from the end of a column, so that its text goes on at the head of the next.
fn without_footnotes(parts: &[Part], mut column: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut sizes: Vec<f32> = column.iter().filter_map(|at| parts.get(*at)).map(|p| p.size).collect();
    sizes.sort_by(f32::total_cmp);
    let usual = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    let is_small = |at: &usize| parts.get(*at).is_some_and(|p| p.size < FOOTNOTE_SIZE * usual);
    let small = column.iter().rev().take_while(|at| is_small(at)).count();
    let tail = column.split_off(column.len() - small);
    // Small type without a mark of its own is a caption or a source and stays where it is.
    let first = tail.iter().position(|at| parts.get(*at).is_some_and(is_marked)).unwrap_or(tail.len());
    let notes = tail.get(first..).unwrap_or_default().to_vec();
    column.extend(tail.into_iter().take(first));
    (column, notes)
}
