//! The frame of a page: from the coordinates of its content (14.11.2, 8.3.2.3) to the page as it is shown, and back to rectangles.

use crate::Rect;
use lopdf::{Dictionary, Document, Object, ObjectId};

/// Nodes of the page tree above a page that are asked for an inherited entry.
const ANCESTORS_MAX: usize = 64;
/// The page that viewers assume where a file says none or an empty one: A4, in points.
const A4: Box = Box { x0: 0.0, y0: 0.0, x1: 595.28, y1: 841.89 };

/// A rectangle in the coordinates of the content, `x0 <= x1` and `y0 <= y1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box {
    pub(super) x0: f32,
    pub(super) y0: f32,
    pub(super) x1: f32,
    pub(super) y1: f32,
}

/// How a page is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    visible: Box,
    /// Quarter turns clockwise.
    turns: u8,
}

impl Frame {
    /// Reads the visible part and the turn of a page; they may be inherited (7.7.3.4).
    pub(super) fn of(document: &Document, page: ObjectId) -> Self {
        let boxed = |key: &[u8]| inherited(document, page, key).and_then(|o| Box::read(document, o));
        let media = boxed(b"MediaBox").unwrap_or(A4);
        let visible = boxed(b"CropBox").map_or(media, |crop| crop.within(&media));
        let visible = if visible.x1 - visible.x0 < 1e-3 || visible.y1 - visible.y0 < 1e-3 { A4 } else { visible };
        let turn = inherited(document, page, b"Rotate").and_then(|o| o.as_float().ok()).unwrap_or(0.0);
        // Within 0 to 3, so the cast loses nothing.
        let turns = (turn / 90.0).rem_euclid(4.0).trunc() as u8 % 4;
        Self { visible, turns }
    }

    /// Width and height as shown, in points.
    pub(super) fn size(&self) -> (f32, f32) {
        let Box { x0, y0, x1, y1 } = self.visible;
        let (width, height) = ((x1 - x0).max(1.0), (y1 - y0).max(1.0));
        if self.turns.is_multiple_of(2) { (width, height) } else { (height, width) }
    }

    /// A rectangle of the content as it is shown.
    pub(super) fn show(&self, inner: &Box) -> Rect {
        let Box { x0, y0, x1, y1 } = self.visible;
        let (left, right, top, bottom) = match self.turns {
            0 => (inner.x0 - x0, inner.x1 - x0, y1 - inner.y1, y1 - inner.y0),
            1 => (inner.y0 - y0, inner.y1 - y0, inner.x0 - x0, inner.x1 - x0),
            2 => (x1 - inner.x1, x1 - inner.x0, inner.y0 - y0, inner.y1 - y0),
            _ => (y1 - inner.y1, y1 - inner.y0, x1 - inner.x1, x1 - inner.x0),
        };
        Rect { x: left, y: top, width: right - left, height: bottom - top }
    }
}

impl Box {
    fn read(document: &Document, object: &Object) -> Option<Self> {
        let array = document.dereference(object).ok()?.1.as_array().ok()?;
        let mut numbers = array.iter().map(|o| document.dereference(o).ok()?.1.as_float().ok().filter(|n| n.is_finite()));
        let (a, b, c, d) = (numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??);
        Some(Self { x0: a.min(c), y0: b.min(d), x1: a.max(c), y1: b.max(d) })
    }

    fn within(self, outer: &Self) -> Self {
        let (x0, y0) = (self.x0.max(outer.x0), self.y0.max(outer.y0));
        Self { x0, y0, x1: self.x1.min(outer.x1).max(x0), y1: self.y1.min(outer.y1).max(y0) }
    }
}

/// A page and the nodes of the page tree above it, from the page up.
pub(super) fn lineage(document: &Document, page: ObjectId) -> impl Iterator<Item = &Dictionary> {
    let first = document.get_dictionary(page).ok();
    // A tree that holds itself has no top.
    std::iter::successors(first, |node| node.get_deref(b"Parent", document).and_then(Object::as_dict).ok()).take(ANCESTORS_MAX)
}

/// An entry of a page or of the nearest node above it that has one.
fn inherited<'d>(document: &'d Document, page: ObjectId, key: &[u8]) -> Option<&'d Object> {
    lineage(document, page).find_map(|node| node.get_deref(key, document).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pdf_of;
    use lopdf::{Stream, dictionary};

    fn frame(entries: Dictionary) -> Frame {
        let mut document = pdf_of(vec![Stream::new(dictionary! {}, vec![])]);
        let page = document.page_iter().next().unwrap();
        for (key, value) in entries {
            document.get_object_mut(page).unwrap().as_dict_mut().unwrap().set(key, value);
        }
        Frame::of(&document, page)
    }

    /// A rectangle of 10 by 4 whose lower left corner is at 20, 30 of a page of 100 by 200 with its corner at 5, 7.
    fn shown(rotate: i64) -> ((f32, f32), Rect) {
        let frame = frame(dictionary! { "MediaBox" => vec![5.into(), 7.into(), 105.into(), 207.into()], "Rotate" => rotate });
        (frame.size(), frame.show(&Box { x0: 20.0, y0: 30.0, x1: 30.0, y1: 34.0 }))
    }

    #[test]
    fn rectangles_turn_with_their_page() {
        assert_eq!(shown(0), ((100.0, 200.0), Rect { x: 15.0, y: 173.0, width: 10.0, height: 4.0 }));
        assert_eq!(shown(90), ((200.0, 100.0), Rect { x: 23.0, y: 15.0, width: 4.0, height: 10.0 }));
        assert_eq!(shown(180), ((100.0, 200.0), Rect { x: 75.0, y: 23.0, width: 10.0, height: 4.0 }));
        assert_eq!(shown(-90), ((200.0, 100.0), Rect { x: 173.0, y: 75.0, width: 4.0, height: 10.0 }));
    }

    #[test]
    fn the_box_is_inherited_cropped_and_never_empty() {
        assert_eq!(frame(dictionary! {}).size(), (595.0, 842.0));
        assert_eq!(frame(dictionary! { "CropBox" => vec![100.into(), 100.into(), 300.into(), 9_000.into()] }).size(), (200.0, 742.0));
        assert_eq!(frame(dictionary! { "MediaBox" => vec![9.into(), 9.into(), 9.into(), 9.into()] }).size(), (595.28, 841.89));
        assert_eq!(frame(dictionary! { "MediaBox" => vec![9.into(), "x".into()] }).size(), (595.28, 841.89));
    }
}
