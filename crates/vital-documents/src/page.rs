//! A page of a PDF as a picture: what the document viewer asks for, what it gets, and what one picture may cost.
//!
//! Drawing itself is not here: its libraries stand behind the leaf crate `vital-pages`, and the parser process is given its
//! function when it starts ([`crate::child::run_with`]). So what only reads text is built without them.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Narrowest picture, in pixels; a narrower wish is raised to it.
pub const WIDTH_PX_MIN: u32 = 64;
/// Widest picture, in pixels; a wider wish is lowered to it.
pub const WIDTH_PX_MAX: u32 = 2_400;
/// Most pixels of one picture. A page that is far higher than wide is drawn narrower than asked so as to stay below.
pub const PIXELS_MAX: u32 = 8_000_000;
/// Highest picture, in pixels: the renderer counts rows in 16 bits.
pub const HEIGHT_PX_MAX: u32 = 16_000;
/// Most ranges of text marked on one page.
pub const MARKS_MAX: usize = 256;

/// What a viewer asks for: one page, and which of the document's text to mark on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// The page, counted from 1.
    pub page: u32,
    /// Width of the picture in pixels, brought between [`WIDTH_PX_MIN`] and [`WIDTH_PX_MAX`].
    pub width_px: u32,
    /// Byte ranges of `Parsed::text` to mark; what of them stands on other pages is passed over. At most [`MARKS_MAX`].
    pub marks: Vec<Range<usize>>,
    /// [`text_check`] of the text that the ranges address. If the file gives another text by now, because a later version reads
    /// it better, nothing is marked and the answer is an error: a mark on the wrong words would be worse. `None` asks for no check.
    pub text_check: Option<u32>,
}

/// A checksum (CRC-32, IEEE 802.3) of a canonical text, by which a text that was stored and one that was read again are compared.
#[must_use]
pub fn text_check(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

/// A rectangle on a page as it is shown: points of 1/72 inch, origin at the top left, `y` downward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, not negative.
    pub width: f32,
    /// Height, not negative.
    pub height: f32,
}

/// Where marked text stands on a page, and which page that is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct PageMarks {
    /// Number of the page's object in the file: the renderer has to mean the same page.
    pub object: u32,
    /// Width of the page as shown, in points.
    pub width_pt: f32,
    /// Height of the page as shown, in points.
    pub height_pt: f32,
    /// The marked words, line by line.
    pub rects: Vec<Rect>,
    /// [`text_check`] of the text that was read.
    pub text_check: u32,
}

/// A drawn page.
#[derive(Clone, Debug, PartialEq)]
pub struct PagePicture {
    /// Its measures and marks.
    pub view: PageView,
    /// The picture, PNG.
    pub png: Vec<u8>,
}

/// The measures of a drawn page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageView {
    /// How many pages the document has.
    pub pages: u32,
    /// Width of the page in points.
    pub width_pt: f32,
    /// Height of the page in points.
    pub height_pt: f32,
    /// Width of the picture in pixels.
    pub width_px: u32,
    /// Height of the picture in pixels.
    pub height_px: u32,
    /// What was marked; empty when nothing of the asked text stands on this page.
    pub marks: Vec<Rect>,
}

/// Draws a page of a file and marks it; [`crate::child::run_with`] calls it inside of the confined process.
pub type Draw = fn(file: Vec<u8>, request: &PageRequest, marks: Option<PageMarks>) -> Result<PagePicture, ParseError>;

/// The size of the picture in pixels for a page of this size in points: as wide as asked within the bounds, smaller where the
/// page is so high that the picture would pass [`PIXELS_MAX`] or [`HEIGHT_PX_MAX`].
#[must_use]
pub fn picture_size(width_pt: f32, height_pt: f32, width_px: u32) -> (u32, u32) {
    let width = f64::from(width_px.clamp(WIDTH_PX_MIN, WIDTH_PX_MAX));
    let ratio = f64::from(height_pt.max(1.0)) / f64::from(width_pt.max(1.0));
    let width = width.min((f64::from(PIXELS_MAX) / ratio).sqrt()).min(f64::from(HEIGHT_PX_MAX) / ratio);
    // Both are within 1 and the bounds above, so the casts lose nothing but the fraction.
    ((width.floor() as u32).max(1), ((width * ratio).floor() as u32).clamp(1, HEIGHT_PX_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_picture_is_as_wide_as_asked_and_keeps_the_shape_of_its_page() {
        assert_eq!(picture_size(595.0, 842.0, 1000), (1000, 1415));
        assert_eq!(picture_size(595.0, 842.0, 1), (64, 90));
        assert_eq!(picture_size(1e6, 1e6, 9_999), (2_400, 2_400));
        assert_eq!(picture_size(1.0, 1e6, 1000), (1, 16_000));
    }

    proptest! {
        #[test]
        fn no_page_makes_a_picture_over_the_limits(width in 0.0..1e9_f32, height in 0.0..1e9_f32, px in any::<u32>()) {
            let (w, h) = picture_size(width, height, px);
            prop_assert!(w >= 1 && h >= 1 && w <= WIDTH_PX_MAX && h <= HEIGHT_PX_MAX);
            prop_assert!(u64::from(w) * u64::from(h) <= u64::from(PIXELS_MAX) + u64::from(HEIGHT_PX_MAX));
        }
    }
}
