//! Interprets the content streams of a page just far enough to know where each glyph lands.
//!
//! Straight lines are noted, for they make tables; colours, other paths, clipping and images are passed over. All work is bounded: bytes unpacked over the whole document, nesting
//! of form objects, the stack of graphics states and the glyphs of a page.

use super::{
    font::Font,
    frame::lineage,
    rules::{Path, Rule},
};
use crate::{ParseError, ParseLimits};
use lopdf::{
    Dictionary, Document, Error, Object, ObjectId, Stream,
    content::{Content, Operation},
};
use std::{collections::HashMap, rc::Rc};

/// Form objects inside form objects.
const FORM_DEPTH_MAX: usize = 12;
/// Saved graphics states; Annex C.2 has 28.
const SAVED_STATES_MAX: usize = 256;
/// Glyphs of one page. A page full of six-point type has about 20,000.
const PAGE_GLYPHS_MAX: usize = 1_000_000;

/// A glyph, in a frame turned so that its text runs to the right and upward is up. Lengths in points.
pub(super) struct Glyph {
    pub(super) text: String,
    /// Where its advance begins and ends along the line.
    pub(super) x0: f32,
    pub(super) x1: f32,
    /// The baseline.
    pub(super) y: f32,
    pub(super) size: f32,
    /// Quarter turns of the frame.
    pub(super) turns: u8,
    pub(super) bold: bool,
    /// Marked by the writer as page furniture (14.8.2.2).
    pub(super) artifact: bool,
}

/// What a page draws, as far as it is read.
pub(super) struct Drawn {
    pub(super) glyphs: Vec<Glyph>,
    pub(super) rules: Vec<Rule>,
}

/// An affine map `[a b c d e f]` (8.3.3).
type Matrix = [f32; 6];
const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// First `m`, then `n`.
fn then(m: &Matrix, n: &Matrix) -> Matrix {
    let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (m, n);
    [a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u]
}

#[derive(Clone)]
struct State {
    ctm: Matrix,
    font: Option<Rc<Font>>,
    size: f32,
    char_space: f32,
    word_space: f32,
    scale: f32,
    leading: f32,
    rise: f32,
}

pub(super) struct Interpreter<'d> {
    document: &'d Document,
    fonts: HashMap<ObjectId, Rc<Font>>,
    unpacked_left: usize,
    unpacked_max: usize,
    /// Glyphs that no font could put into letters.
    pub(super) unmapped: usize,
}

/// What one page or form needs beside the interpreter.
struct Run<'d, 'g> {
    resources: Vec<&'d Dictionary>,
    drawn: &'g mut Drawn,
    path: Path,
    state: State,
    saved: Vec<State>,
    text: Matrix,
    line: Matrix,
    /// For each open marked-content sequence, whether it is an artifact.
    marked: Vec<bool>,
    depth: usize,
}

impl<'d> Interpreter<'d> {
    pub(super) fn new(document: &'d Document, limits: &ParseLimits) -> Self {
        Self {
            document,
            fonts: HashMap::new(),
            unpacked_left: limits.unpacked_bytes_max,
            unpacked_max: limits.unpacked_bytes_max,
            unmapped: 0,
        }
    }

    /// Reads the glyphs and straight lines of a page in the order in which they are drawn, turned as the page is shown.
    pub(super) fn page(&mut self, id: ObjectId) -> Result<Drawn, ParseError> {
        let content = self.document.get_page_content_with_limit(id, self.unpacked_left).map_err(|_| self.bomb())?;
        self.spend(content.len())?;
        let mut resources: Vec<&'d Dictionary> = Vec::new();
        for own in lineage(self.document, id).filter_map(|node| node.get_deref(b"Resources", self.document).and_then(Object::as_dict).ok())
        {
            if !resources.iter().any(|known| std::ptr::eq(*known, own)) {
                resources.push(own);
            }
        }
        let state = State { ctm: IDENTITY, font: None, size: 0.0, char_space: 0.0, word_space: 0.0, scale: 1.0, leading: 0.0, rise: 0.0 };
        let mut drawn = Drawn { glyphs: Vec::new(), rules: Vec::new() };
        let mut run = Run {
            resources,
            drawn: &mut drawn,
            path: Path::default(),
            state,
            saved: Vec::new(),
            text: IDENTITY,
            line: IDENTITY,
            marked: Vec::new(),
            depth: 0,
        };
        self.run(&content, &mut run)?;
        Ok(drawn)
    }

    fn bomb(&self) -> ParseError {
        ParseError::Bomb { detail: format!("its pages unpack to more than {} bytes", self.unpacked_max) }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ParseError> {
        self.unpacked_left = self.unpacked_left.checked_sub(bytes).ok_or_else(|| self.bomb())?;
        Ok(())
    }

    /// Runs a content stream. What cannot be decoded ends it quietly: viewers show such pages up to there, too.
    fn run(&mut self, content: &[u8], run: &mut Run<'d, '_>) -> Result<(), ParseError> {
        for operation in Content::<Vec<Operation>>::decode_iter(content) {
            let Ok(operation) = operation else { break };
            if run.drawn.glyphs.len() > PAGE_GLYPHS_MAX {
                return Err(ParseError::Bomb { detail: format!("one page draws more than {PAGE_GLYPHS_MAX} letters") });
            }
            self.operate(&operation, run)?;
        }
        Ok(())
    }

    fn operate(&mut self, operation: &Operation, run: &mut Run<'d, '_>) -> Result<(), ParseError> {
        let operands = operation.operands.as_slice();
        let number = |at: usize| operands.get(at).and_then(|o| o.as_float().ok()).filter(|n| n.is_finite()).unwrap_or(0.0);
        match operation.operator.as_str() {
            "q" if run.saved.len() < SAVED_STATES_MAX => run.saved.push(run.state.clone()),
            "Q" => run.state = run.saved.pop().unwrap_or_else(|| run.state.clone()),
            "cm" => run.state.ctm = then(&matrix(operands), &run.state.ctm),
            "BT" => (run.text, run.line) = (IDENTITY, IDENTITY),
            "Tf" => {
                run.state.font = operands.first().and_then(|o| o.as_name().ok()).and_then(|name| self.font(name, &run.resources));
                run.state.size = number(1);
            }
            "Tc" => run.state.char_space = number(0),
            "Tw" => run.state.word_space = number(0),
            "Tz" => run.state.scale = number(0) / 100.0,
            "TL" => run.state.leading = number(0),
            "Ts" => run.state.rise = number(0),
            "Tm" => (run.text, run.line) = (matrix(operands), matrix(operands)),
            "Td" => run.next_line(number(0), number(1)),
            "TD" => {
                run.state.leading = -number(1);
                run.next_line(number(0), number(1));
            }
            "T*" => run.next_line(0.0, -run.state.leading),
            "Tj" => self.show(operands.first(), run),
            "'" | "\"" => {
                if operation.operator == "\"" {
                    (run.state.word_space, run.state.char_space) = (number(0), number(1));
                }
                run.next_line(0.0, -run.state.leading);
                self.show(operands.last(), run);
            }
            "TJ" => {
                for piece in operands.first().and_then(|o| o.as_array().ok()).into_iter().flatten() {
                    match piece.as_float() {
                        Ok(back) => run.advance(-back / 1000.0 * run.state.size * run.state.scale),
                        Err(_) => self.show(Some(piece), run),
                    }
                }
            }
            "BMC" | "BDC" => run.marked.push(operands.first().and_then(|o| o.as_name().ok()) == Some(b"Artifact")),
            "EMC" => _ = run.marked.pop(),
            "Do" => self.form(operands, run)?,
            operator => run.draw(operator, number),
        }
        Ok(())
    }

    fn font(&mut self, name: &[u8], resources: &[&'d Dictionary]) -> Option<Rc<Font>> {
        let object = find(self.document, resources, b"Font", name)?;
        let dict = |object: &'d Object| object.as_dict().ok();
        let Object::Reference(id) = object else {
            return dict(object).map(|d| Rc::new(Font::read(d, self.document)));
        };
        if let Some(font) = self.fonts.get(id) {
            return Some(Rc::clone(font));
        }
        let font = Rc::new(Font::read(self.document.get_object(*id).ok().and_then(dict)?, self.document));
        self.fonts.insert(*id, Rc::clone(&font));
        Some(font)
    }

    fn show(&mut self, string: Option<&Object>, run: &mut Run<'d, '_>) {
        let Some(string) = string.and_then(|o| o.as_str().ok()) else { return };
        let Some(font) = run.state.font.clone() else { return };
        for shown in font.shown(string) {
            let state = &run.state;
            let spacing = state.char_space + if shown.is_space { state.word_space } else { 0.0 };
            let glyph_width = shown.width * state.size * state.scale;
            match shown.text {
                Some(text) => run.place(text, glyph_width, font.bold),
                None => self.unmapped += 1,
            }
            run.advance(glyph_width + spacing * run.state.scale);
        }
    }

    /// Runs a form object (8.10); other external objects show no text.
    fn form(&mut self, operands: &[Object], run: &mut Run<'d, '_>) -> Result<(), ParseError> {
        let stream = operands.first().and_then(|o| o.as_name().ok()).and_then(|name| find(self.document, &run.resources, b"XObject", name));
        let stream: Option<&'d Stream> = stream.and_then(|o| self.document.dereference(o).ok()).and_then(|(_, o)| o.as_stream().ok());
        let is_form = |s: &&Stream| s.dict.get_deref(b"Subtype", self.document).and_then(Object::as_name).is_ok_and(|n| n == b"Form");
        let Some(stream) = stream.filter(is_form).filter(|_| run.depth < FORM_DEPTH_MAX) else { return Ok(()) };
        let content = match stream.get_plain_content_with_limit(self.unpacked_left) {
            Ok(content) => content,
            Err(Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. })) => return Err(self.bomb()),
            Err(_) => return Ok(()),
        };
        // A form drawn again and again costs again and again.
        self.spend(content.len().max(64))?;
        let own = stream.dict.get_deref(b"Resources", self.document).and_then(Object::as_dict).ok();
        let placed = stream.dict.get_deref(b"Matrix", self.document).and_then(Object::as_array).map_or(IDENTITY, |m| matrix(m));
        let mut state = run.state.clone();
        state.ctm = then(&placed, &state.ctm);
        let mut inner = Run {
            resources: own.map_or_else(|| run.resources.clone(), |own| vec![own]),
            drawn: &mut *run.drawn,
            path: Path::default(),
            state,
            saved: Vec::new(),
            text: IDENTITY,
            line: IDENTITY,
            marked: vec![run.marked.contains(&true)],
            depth: run.depth + 1,
        };
        self.run(&content, &mut inner)
    }
}

impl Run<'_, '_> {
    /// Follows the operators of paths (8.5).
    fn draw(&mut self, operator: &str, number: impl Fn(usize) -> f32) {
        let ctm = self.state.ctm;
        let at = |x: f32, y: f32| {
            let [.., e, f] = then(&[1.0, 0.0, 0.0, 1.0, x, y], &ctm);
            (e, f)
        };
        let rules = &mut self.drawn.rules;
        match operator {
            "m" => self.path.move_to(at(number(0), number(1))),
            "l" => self.path.line_to(at(number(0), number(1))),
            "c" => self.path.curve_to(at(number(4), number(5))),
            "v" | "y" => self.path.curve_to(at(number(2), number(3))),
            "h" => self.path.close(),
            "re" => self.path.add_box(at(number(0), number(1)), at(number(0) + number(2), number(1) + number(3))),
            "S" => self.path.paint(true, false, rules),
            "s" | "b" | "b*" => {
                self.path.close();
                self.path.paint(true, operator != "s", rules);
            }
            "f" | "F" | "f*" => self.path.paint(false, true, rules),
            "B" | "B*" => self.path.paint(true, true, rules),
            "n" => self.path.paint(false, false, rules),
            _ => {}
        }
    }

    fn next_line(&mut self, x: f32, y: f32) {
        self.line = then(&[1.0, 0.0, 0.0, 1.0, x, y], &self.line);
        self.text = self.line;
    }

    fn advance(&mut self, by: f32) {
        self.text = then(&[1.0, 0.0, 0.0, 1.0, by, 0.0], &self.text);
    }

    /// Places a glyph; one that runs neither along nor across the page (a watermark, a map) is left out.
    fn place(&mut self, text: String, width: f32, bold: bool) {
        let full = then(&self.text, &self.state.ctm);
        let [a, b, c, d, ..] = full;
        let length = a.hypot(b);
        let size = self.state.size.abs() * c.hypot(d);
        if !(length > 0.0 && length.is_finite() && size > 0.1 && size < 10_000.0) || a.abs().min(b.abs()) > 0.2 * length {
            return;
        }
        let at = |x: f32| {
            let [.., e, f] = then(&[1.0, 0.0, 0.0, 1.0, x, self.state.rise], &full);
            (e, f)
        };
        let backwards = self.state.size < 0.0;
        let turns = match (a.abs() > b.abs(), (a + b > 0.0) != backwards) {
            (true, true) => 0,
            (false, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
        };
        let turned = |(x, y): (f32, f32)| match turns {
            0 => (x, y),
            1 => (y, -x),
            2 => (-x, -y),
            _ => (-y, x),
        };
        let ((x0, y), (x1, _)) = (turned(at(0.0)), turned(at(width)));
        if [x0, x1, y].iter().all(|v| v.is_finite()) {
            let artifact = self.marked.contains(&true);
            self.drawn.glyphs.push(Glyph { text, x0, x1, y, size, turns, bold, artifact });
        }
    }
}

fn matrix(operands: &[Object]) -> Matrix {
    let mut values = IDENTITY;
    for (value, operand) in values.iter_mut().zip(operands) {
        *value = operand.as_float().ok().filter(|n| n.is_finite()).unwrap_or(0.0);
    }
    values
}

/// Finds a named resource in the nearest dictionary that has it.
fn find<'d>(document: &'d Document, resources: &[&'d Dictionary], category: &[u8], name: &[u8]) -> Option<&'d Object> {
    resources.iter().find_map(|r| r.get_deref(category, document).and_then(Object::as_dict).and_then(|c| c.get(name)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pdf_of;
    use lopdf::dictionary;

    fn glyphs(content: &str) -> Vec<Glyph> {
        let document = pdf_of(vec![Stream::new(dictionary! {}, content.as_bytes().to_vec())]);
        let page = document.page_iter().next().unwrap();
        Interpreter::new(&document, &ParseLimits::default()).page(page).unwrap().glyphs
    }

    #[test]
    fn glyphs_land_where_the_matrices_put_them() {
        let glyphs = glyphs("q 2 0 0 2 10 20 cm BT /F1 10 Tf 5 0 Td (ab) Tj 0 -12 TD (c) Tj T* (d) Tj ET Q BT /F1 10 Tf (e) Tj ET");
        let at: Vec<_> = glyphs.iter().map(|g| (g.text.as_str(), g.x0, g.y, g.size)).collect();
        assert_eq!(at[0], ("a", 20.0, 20.0, 20.0));
        assert!((at[1].1 - 31.12).abs() < 0.01, "{}", at[1].1);
        assert_eq!((at[2].1, at[2].2), (20.0, -4.0));
        assert_eq!((at[3].1, at[3].2), (20.0, -28.0));
        assert_eq!((at[4].1, at[4].3), (0.0, 10.0));
    }

    #[test]
    fn upright_text_of_a_turned_page_runs_to_the_right() {
        let glyphs = glyphs("BT /F1 10 Tf 0 1 -1 0 300 100 Tm (ab) Tj ET");
        assert!(glyphs.iter().all(|g| g.turns == 1));
        assert!(glyphs[1].x0 > glyphs[0].x0 && (glyphs[1].y - glyphs[0].y).abs() < 0.01);
    }

    #[test]
    fn watermarks_are_left_out_and_artifacts_marked() {
        let glyphs =
            glyphs("BT /F1 40 Tf 0.7 0.7 -0.7 0.7 100 100 Tm (DRAFT) Tj ET /Artifact BMC BT /F1 9 Tf (x) Tj ET EMC BT /F1 9 Tf (y) Tj ET");
        assert_eq!(glyphs.iter().map(|g| (g.text.as_str(), g.artifact)).collect::<Vec<_>>(), [("x", true), ("y", false)]);
    }

    #[test]
    fn broken_operators_do_no_harm() {
        assert!(glyphs("Q Q EMC BT (no font) Tj /None 9 Tf (x) Tj /F1 Tf 1 0 0 Tm ( ) ' [ (a) TJ ET").is_empty());
    }
}
