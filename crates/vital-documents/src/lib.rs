//! Documents: bytes become blocks of one canonical text, blocks become passages, and every offset addresses that text.
//!
//! **Invariants:** a block's or passage's byte range lies on character boundaries of `Parsed::text`, ranges are in order and
//! do not overlap, and the text is NFC without trailing spaces. Citations quote this text, so nothing may rewrite it later.
//! Every input is hostile: each parser works under [`ParseLimits`], and the platform calls [`parse`] in a child process whose
//! side of the conversation is [`child`]. Not here: storage, embedding, search, and the parent that starts and stops the child.

mod canonical;
mod cells;
pub mod child;
mod delimited;
mod detect;
mod docx;
mod epub;
mod error;
#[cfg(test)]
mod fixtures;
mod flow;
#[cfg(test)]
mod hostile_pdf;
mod html;
mod jats;
#[cfg(test)]
mod laws;
mod markdown;
mod model;
mod package;
mod page;
mod passages;
mod pdf;
mod pptx;
mod pubmed;
mod quality;
mod sentences;
mod text;
mod xlsx;
mod xml;

pub use detect::detect;
pub use error::ParseError;
pub use model::{Block, BlockKind, Format, ParseLimits, Parsed};
pub use page::{
    Draw, HEIGHT_PX_MAX, MARKS_MAX, PIXELS_MAX, PageMarks, PagePicture, PageRequest, PageView, Rect, WIDTH_PX_MAX, WIDTH_PX_MIN,
    picture_size, text_check,
};
pub use passages::{Passage, PassageRules, TokenCount, estimated_tokens, passages};
pub use pdf::{boxes, page_marks};
pub use quality::{Direction, Language, Quality, Verdict, quality};
pub use sentences::sentences;

/// Parses a file into canonical text and blocks.
///
/// The content decides the format and the name only tells the text formats apart, see [`detect`]. Never reads or writes
/// anything but its arguments.
///
/// # Errors
/// Every way in which a file can be unfit has its own [`ParseError`]; nothing is returned in part.
pub fn parse(file_name: &str, bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    if bytes.len() > limits.file_bytes_max {
        return Err(ParseError::TooLarge { bytes: bytes.len(), limit: limits.file_bytes_max });
    }
    match detect(file_name, bytes)? {
        Format::Pdf => pdf::parse(bytes, limits),
        Format::Docx => docx::parse(bytes, limits),
        Format::Html => html::parse(bytes, limits),
        Format::Markdown => markdown::parse(bytes, limits),
        Format::Text => text::parse(bytes, limits),
        Format::Pptx => pptx::parse(bytes, limits),
        Format::Xlsx => xlsx::parse(bytes, limits),
        Format::Csv => delimited::parse(bytes, limits),
        Format::Jats => jats::parse(bytes, limits),
        Format::Pubmed => pubmed::parse(bytes, limits),
        Format::Epub => epub::parse(bytes, limits),
    }
}
