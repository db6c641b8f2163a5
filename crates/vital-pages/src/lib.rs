//! Draws a page of a PDF as a PNG and marks words on it, in Rust alone and without a file of the machine.
//!
//! The renderer is hayro; fonts that a file does not carry are replaced with the free ones it embeds for the 14 standard
//! fonts (ISO 32000-1, 9.6.2.2). It is heavy to build, so it stands behind this crate and only the program that plays the
//! confined process links it. **Invariant:** nothing here opens anything; input is hostile, and what a page takes beyond
//! [`vital_documents::PIXELS_MAX`] is bounded by the limits of that process.

use hayro::{
    RenderCache, RenderSettings,
    hayro_interpret::{InterpreterSettings, TransformExt as _},
    hayro_syntax::{LoadPdfError, Pdf, page::Page},
    kurbo::Affine,
    render_into,
    vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit, color::palette::css::WHITE},
};
use vital_documents::{Format, PageMarks, PagePicture, PageRequest, PageView, ParseError, Rect, picture_size};

/// The colour of a mark; it multiplies what is under it as a highlighter does, so dark letters stay dark.
const MARK_RGB: [u8; 3] = [0xff, 0xe0, 0x66];
/// Two readings of a page's size may differ by this much, in points.
const SIZE_SLACK_PT: f32 = 0.5;
/// The size of a page that says none or an empty one, in points: A4.
const A4_PT: (f32, f32) = (595.28, 841.89);

/// Draws one page; of the type [`vital_documents::Draw`].
///
/// # Errors
/// `Damaged` or `Encrypted` when the file cannot be opened, `NoSuchPage`, and `NotDrawn` when the page that the marks were
/// made for is not the page that would be drawn.
pub fn draw(file: Vec<u8>, request: &PageRequest, marks: Option<PageMarks>) -> Result<PagePicture, ParseError> {
    let pdf = Pdf::new(file).map_err(|error| match error {
        LoadPdfError::Decryption(_) => ParseError::Encrypted,
        LoadPdfError::Invalid => damaged("its structure cannot be read"),
    })?;
    let pages = u32::try_from(pdf.pages().len()).unwrap_or(u32::MAX);
    let page = page_of(&pdf, request.page, pages, marks.as_ref())?;
    let (width_pt, height_pt) = measures(page);
    if let Some(marks) = &marks
        && ((marks.width_pt - width_pt).abs() > SIZE_SLACK_PT || (marks.height_pt - height_pt).abs() > SIZE_SLACK_PT)
    {
        return Err(ParseError::NotDrawn { detail: "the file contradicts itself about the size of the page".to_owned() });
    }
    let (width_px, height_px) = picture_size(width_pt, height_pt, request.width_px);
    let mut picture = paint(page, (width_pt, height_pt), (width_px, height_px))?;
    let rects = marks.map(|marks| marks.rects).unwrap_or_default();
    let scale = (width_px as f32 / width_pt, height_px as f32 / height_pt);
    for row in pixels_of(&rects, scale, (width_px, height_px)) {
        highlight(&mut picture, row);
    }
    let png = picture.into_png().map_err(|_| ParseError::NotDrawn { detail: "the picture cannot be packed".to_owned() })?;
    Ok(PagePicture { view: PageView { pages, width_pt, height_pt, width_px, height_px, marks: rects }, png })
}

/// The page of that number; with marks the one whose object they were made for.
fn page_of<'p>(pdf: &'p Pdf, number: u32, pages: u32, marks: Option<&PageMarks>) -> Result<&'p Page<'p>, ParseError> {
    let at = number.checked_sub(1).and_then(|at| usize::try_from(at).ok());
    let counted = at.and_then(|at| pdf.pages().get(at));
    let Some(marks) = marks else { return counted.ok_or(ParseError::NoSuchPage { page: number, pages }) };
    let is_meant = |page: &&Page<'_>| page.raw().obj_id().is_some_and(|id| id.obj_number == marks.object);
    counted
        .filter(is_meant)
        .or_else(|| pdf.pages().iter().find(is_meant))
        .ok_or_else(|| ParseError::NotDrawn { detail: "the file contradicts itself about its pages".to_owned() })
}

/// Width and height of a page as shown, in points.
fn measures(page: &Page<'_>) -> (f32, f32) {
    let (width, height) = page.render_dimensions();
    if width.is_finite() && height.is_finite() && width > 0.0 && height > 0.0 { (width, height) } else { A4_PT }
}

fn paint(page: &Page<'_>, (width_pt, height_pt): (f32, f32), (width_px, height_px): (u32, u32)) -> Result<Pixmap, ParseError> {
    let side = |px: u32| u16::try_from(px).map_err(|_| ParseError::NotDrawn { detail: "its picture would be too large".to_owned() });
    let mut context = RenderContext::new(side(width_px)?, side(height_px)?);
    let scale = Affine::scale_non_uniform(f64::from(width_px) / f64::from(width_pt), f64::from(height_px) / f64::from(height_pt));
    let cache = RenderCache::new();
    let transform = scale * page.initial_transform(true).to_kurbo();
    render_into(page, &cache, &InterpreterSettings::default(), &RenderSettings::default(), &mut context, transform);
    context.flush();
    let mut picture = Pixmap::new(context.width(), context.height());
    let settings = RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..RasterizerSettings::default() };
    context.render_with(&mut picture, &mut Resources::default(), settings);
    Ok(picture)
}

/// The rows of pixels that the marks cover, each pixel once, as ranges of pixel numbers.
fn pixels_of(rects: &[Rect], (sx, sy): (f32, f32), (width, height): (u32, u32)) -> Vec<std::ops::Range<usize>> {
    let cell = |from: f32, to: f32, max: u32| (from.floor().clamp(0.0, max as f32) as usize, to.ceil().clamp(0.0, max as f32) as usize);
    let mut rows = Vec::new();
    for rect in rects {
        let (left, right) = cell(rect.x * sx, (rect.x + rect.width) * sx, width);
        let (top, bottom) = cell(rect.y * sy, (rect.y + rect.height) * sy, height);
        rows.extend((top..bottom).map(|y| y * width as usize + left..y * width as usize + right));
    }
    rows.retain(|row| !row.is_empty());
    rows.sort_unstable_by_key(|row| row.start);
    // Where marks overlap the colour must not multiply twice.
    let mut end = 0;
    for row in &mut rows {
        row.start = row.start.max(end).min(row.end);
        end = end.max(row.end);
    }
    rows
}

fn highlight(picture: &mut Pixmap, row: std::ops::Range<usize>) {
    let [red, green, blue] = MARK_RGB;
    // 255 times 255 is the largest product, so the quotient fits its byte.
    let times = |a: u8, b: u8| u8::try_from(u16::from(a) * u16::from(b) / 255).unwrap_or(u8::MAX);
    for pixel in picture.data_mut().get_mut(row).unwrap_or_default() {
        (pixel.r, pixel.g, pixel.b) = (times(pixel.r, red), times(pixel.g, green), times(pixel.b, blue));
    }
}

fn damaged(detail: &str) -> ParseError {
    ParseError::Damaged { format: Some(Format::Pdf), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
