//! Puts the glyphs of a page together into lines of text.
//!
//! Lines follow the order of drawing, which is the reading order in what word processors and typesetters write; a two-column
//! page comes out column by column.

use super::{content::Glyph, trace::Ink};
use crate::canonical::raised;

/// A gap of this share of the font size is a space; typesetters go down to 0.2, letter spacing stays under 0.15.
const SPACE_GAP: f32 = 0.18;
/// A gap of this many font sizes separates cells of a table.
const CELL_GAP: f32 = 1.2;

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
    /// Its glyphs with their place in the text, kept only while its page is traced.
    pub(super) inks: Vec<Ink>,
}

/// A line under construction.
struct Open<'g> {
    glyphs: Vec<&'g Glyph>,
    y: f32,
    size: f32,
}

/// Reads the lines of a page; what the writer marked as page furniture is left out, unless that is all there is.
pub(super) fn from_glyphs(glyphs: &[Glyph], page: u32, traced: bool) -> Vec<Line> {
    let content = |g: &&Glyph| !g.artifact;
    let all = !glyphs.iter().any(|g| !g.artifact && !g.text.trim().is_empty());
    let mut lines = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for glyph in glyphs.iter().filter(|g| all || content(g)) {
        match &mut open {
            Some(line) if line.takes(glyph) => line.push(glyph),
            _ => {
                lines.extend(open.take().and_then(|line| line.close(page, traced)));
                open = Some(Open { glyphs: vec![glyph], y: glyph.y, size: glyph.size });
            }
        }
    }
    lines.extend(open.and_then(|line| line.close(page, traced)));
    lines
}

impl<'g> Open<'g> {
    /// Whether the glyph stands on this line, to the right of what it has.
    fn takes(&self, glyph: &Glyph) -> bool {
        let Some(last) = self.glyphs.last() else { return true };
        let large = self.size.max(glyph.size);
        let up = glyph.y - self.y;
        // Raised and lowered characters are smaller and stay within the line.
        let on_line = if (glyph.size - self.size).abs() < 0.1 * large { up.abs() < 0.3 * large } else { up.abs() < 0.6 * large };
        let onward = glyph.x0 > last.x1 - 0.8 * large || self.redraws(glyph);
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
        self.glyphs.push(glyph);
    }

    fn close(self, page: u32, traced: bool) -> Option<Line> {
        let mut text = String::new();
        let mut end: Option<f32> = None;
        let mut bold = 0;
        let mut inks = Vec::new();
        for glyph in &self.glyphs {
            let gap = end.map_or(0.0, |end| glyph.x0 - end);
            if gap > CELL_GAP * self.size && !text.is_empty() {
                text.truncate(text.trim_end().len());
                text.push('\t');
            } else if gap > SPACE_GAP * glyph.size.min(self.size) && !text.ends_with([' ', '\t']) && !glyph.text.starts_with(' ') {
                text.push(' ');
            }
            let small = glyph.size < 0.85 * self.size && glyph.y > self.y + 0.15 * self.size;
            let start = text.len();
            text.push_str(&if small { raised(&glyph.text) } else { glyph.text.clone() });
            if traced && !glyph.text.trim().is_empty() {
                let Glyph { x0, x1, y, size, turns, .. } = **glyph;
                inks.push(Ink { bytes: start..text.len(), x0, x1, y, size, turns });
            }
            bold += usize::from(glyph.bold);
            // Spaces hold no place of their own: runs of them often fill the gap between cells.
            if !glyph.text.trim().is_empty() {
                end = Some(glyph.x1);
            }
        }
        let lead = text.len() - text.trim_start().len();
        let text = text.trim().to_owned();
        for ink in &mut inks {
            ink.bytes = ink.bytes.start.saturating_sub(lead)..ink.bytes.end.saturating_sub(lead).min(text.len());
        }
        let shown = || self.glyphs.iter().filter(|g| !g.text.trim().is_empty());
        let first = shown().next()?;
        let bold = bold * 10 > self.glyphs.len() * 8;
        let size = usual_size(&self.glyphs).unwrap_or(self.size);
        Some(Line { text, x0: first.x0, x1: end?, y: self.y, size, turns: first.turns, bold, page, inks })
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
        from_glyphs(&glyphs, 1, false).into_iter().map(|l| l.text).collect()
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
