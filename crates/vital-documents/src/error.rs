//! Why a file could not be read, in words for the person who sent it.
//!
//! The errors cross the border of the parser process, so they own their data and read back from JSON.

use serde::{Deserialize, Serialize};

/// Why a file could not be read. Whatever the reason, nothing of the file was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "error")]
pub enum ParseError {
    /// No bytes, or only white space.
    #[error("The file is empty. Check that it was saved completely and send it again.")]
    Empty,
    /// The file is over the limit.
    #[error("The file has {} and the limit is {}. Split it, or remove large images, and send it again.", size(*bytes), size(*limit))]
    TooLarge {
        /// Size of the file in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The document holds more text than the limit.
    #[error("The document holds more than {} of text, which is the limit. Split it and send the parts.", size(*limit))]
    TooMuchText {
        /// The limit in bytes of UTF-8.
        limit: usize,
    },
    /// The document has more blocks than the limit.
    #[error("The document has more than {limit} paragraphs, list items and table rows, which is the limit. Split it and send the parts.")]
    TooManyBlocks {
        /// The limit.
        limit: usize,
    },
    /// The document has more pages than the limit.
    #[error("The document has more than {limit} pages, slides or sheets, which is the limit. Split it and send the parts.")]
    TooManyPages {
        /// The limit.
        limit: u32,
    },
    /// The format is known but cannot be read, or is not known at all.
    #[error(
        "This file is {found}, which cannot be read here. PDF, Word (DOCX), PowerPoint (PPTX), Excel (XLSX), CSV, HTML, Markdown, plain text, EPUB, and JATS and PubMed XML can: convert it to one of these."
    )]
    UnknownFormat {
        /// What was found, with its article.
        found: String,
    },
    /// The name says one format and the content another.
    #[error("The file is named like {named}, but its content is {found}. Give it the right name, or export it again.")]
    WrongExtension {
        /// What the name says, with its article.
        named: String,
        /// What the content is, with its article.
        found: String,
    },
    /// A password is needed to open it.
    #[error("The document is protected with a password. Save a copy without the password and send that.")]
    Encrypted,
    /// It breaks off, or breaks the rules of its format.
    #[error("The {} is damaged: {detail}. Open it in its own program, save it again and send the new copy.", format.as_ref().map_or("file", |f| f.noun()))]
    Damaged {
        /// The format that was tried.
        format: Option<crate::Format>,
        /// What is wrong, as a clause.
        detail: String,
    },
    /// There is no text in it.
    #[error("{}", no_text(*pages))]
    NoText {
        /// How many pages of a PDF were looked at; `None` for any other format.
        pages: Option<u32>,
    },
    /// The text is in no encoding that can be told.
    #[error("The text cannot be decoded: byte {offset} fits neither UTF-8 nor Windows-1252. Save the file as UTF-8 and send it again.")]
    NotUtf8 {
        /// The first byte that does not fit, counted from 0.
        offset: usize,
    },
    /// A small file that unpacks to an enormous one.
    #[error(
        "The file unpacks to far more data than it may ({detail}), as files made to overload a reader do. It was not read. If it is an ordinary document, split it and send the parts."
    )]
    Bomb {
        /// Which limit was passed, as a clause.
        detail: String,
    },
    /// Elements are nested deeper than the limit.
    #[error("The document nests its elements more than {limit} levels deep, which no ordinary document does. It was not read.")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The document has no page of that number.
    #[error("The document has no page {page}; it has {pages}.")]
    NoSuchPage {
        /// The page asked for, counted from 1.
        page: u32,
        /// How many pages there are.
        pages: u32,
    },
    /// The page is there and cannot be shown as a picture.
    #[error("The page cannot be drawn: {detail}. Its text can still be read.")]
    NotDrawn {
        /// Why, as a clause.
        detail: String,
    },
    /// The parser process used up its memory or time.
    #[error(
        "Reading the file took more memory or time than one file may use, so it was stopped. Nothing else was affected. Split the file, or print it to a new PDF, and send that."
    )]
    Exhausted,
}

impl ParseError {
    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "document.empty",
            Self::TooLarge { .. } => "document.too_large",
            Self::TooMuchText { .. } => "document.too_much_text",
            Self::TooManyBlocks { .. } => "document.too_many_blocks",
            Self::TooManyPages { .. } => "document.too_many_pages",
            Self::UnknownFormat { .. } => "document.unknown_format",
            Self::WrongExtension { .. } => "document.wrong_extension",
            Self::Encrypted => "document.encrypted",
            Self::Damaged { .. } => "document.damaged",
            Self::NoText { .. } => "document.no_text",
            Self::NotUtf8 { .. } => "document.not_utf8",
            Self::Bomb { .. } => "document.bomb",
            Self::TooDeep { .. } => "document.too_deep",
            Self::NoSuchPage { .. } => "document.no_such_page",
            Self::NotDrawn { .. } => "document.not_drawn",
            Self::Exhausted => "document.exhausted",
        }
    }

    pub(crate) fn damaged(format: crate::Format, detail: impl Into<String>) -> Self {
        Self::Damaged { format: Some(format), detail: detail.into() }
    }
}

impl crate::Format {
    const fn noun(&self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "Word document",
            Self::Html => "HTML page",
            Self::Markdown => "Markdown file",
            Self::Text => "text file",
            Self::Pptx => "PowerPoint presentation",
            Self::Xlsx => "Excel workbook",
            Self::Csv => "CSV file",
            Self::Jats => "JATS article",
            Self::Pubmed => "PubMed file",
            Self::Epub => "EPUB book",
        }
    }
}

/// Writes a size for a person, in binary units.
fn size(bytes: usize) -> String {
    const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (name, unit) in UNITS {
        if bytes >= unit {
            let tenths = bytes / (unit / 10);
            return if tenths.is_multiple_of(10) {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} bytes")
}

fn no_text(pages: Option<u32>) -> String {
    match pages {
        Some(1) => {
            "The page of this PDF holds no text, most likely because it is a scan. Run text recognition (OCR) on it and send the result."
                .to_owned()
        }
        Some(pages) => format!(
            "None of the {pages} pages of this PDF holds text, most likely because it is a scan. Run text recognition (OCR) on it and send the result."
        ),
        None => "The document holds no text that can be read.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn every() -> Vec<ParseError> {
        vec![
            ParseError::Empty,
            ParseError::TooLarge { bytes: 60 << 20, limit: 50 << 20 },
            ParseError::TooMuchText { limit: 20 << 20 },
            ParseError::TooManyBlocks { limit: 400_000 },
            ParseError::TooManyPages { limit: 5000 },
            ParseError::UnknownFormat { found: "an OpenDocument file".into() },
            ParseError::WrongExtension { named: "a PDF".into(), found: "a PNG image".into() },
            ParseError::Encrypted,
            ParseError::damaged(Format::Pdf, "it ends in the middle"),
            ParseError::NoText { pages: Some(3) },
            ParseError::NotUtf8 { offset: 7 },
            ParseError::Bomb { detail: "more than 256 MiB".into() },
            ParseError::TooDeep { limit: 512 },
            ParseError::NoSuchPage { page: 9, pages: 3 },
            ParseError::NotDrawn { detail: "nothing here draws pages".into() },
            ParseError::Exhausted,
        ]
    }

    #[test]
    fn every_error_reads_back_from_json_and_ends_as_a_sentence() {
        for error in every() {
            let json = serde_json::to_string(&error).unwrap();
            assert_eq!(serde_json::from_str::<ParseError>(&json).unwrap(), error, "{json}");
            assert!(error.to_string().ends_with('.'), "{error}");
            assert!(error.code().starts_with("document."));
        }
    }

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = every().iter().map(ParseError::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), every().len());
    }

    #[test]
    fn sizes_are_written_in_binary_units() {
        assert_eq!(size(50 << 20), "50 MiB");
        assert_eq!(size((50 << 20) + (1 << 19)), "50.5 MiB");
        assert_eq!(size(900), "900 bytes");
    }
}
