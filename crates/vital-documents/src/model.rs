//! What a parser yields: the format, the canonical text and its blocks; and what it may spend on that.

use serde::{Deserialize, Serialize};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Portable Document Format, ISO 32000.
    Pdf,
    /// Word document, ECMA-376 WordprocessingML.
    Docx,
    /// HTML.
    Html,
    /// Markdown, CommonMark with tables and front matter.
    Markdown,
    /// Plain text.
    Text,
    /// PowerPoint presentation, ECMA-376 PresentationML.
    Pptx,
    /// Excel workbook, ECMA-376 SpreadsheetML.
    Xlsx,
    /// Values separated by commas, semicolons, tabs or bars, RFC 4180.
    Csv,
    /// Journal article, ANSI/NISO Z39.96 JATS.
    Jats,
    /// Records of PubMed, the NLM's `PubmedArticleSet`.
    Pubmed,
    /// EPUB book, ISO/IEC 23736.
    Epub,
}

impl Format {
    /// The name in storage and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Jats => "jats",
            Self::Pubmed => "pubmed",
            Self::Epub => "epub",
        }
    }

    /// The media type registered with IANA.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv",
            Self::Jats | Self::Pubmed => "application/xml",
            Self::Epub => "application/epub+zip",
        }
    }

    /// The name a person uses, with its article: "a PDF".
    pub(crate) const fn described(self) -> &'static str {
        match self {
            Self::Pdf => "a PDF",
            Self::Docx => "a Word document (DOCX)",
            Self::Html => "an HTML page",
            Self::Markdown => "a Markdown file",
            Self::Text => "a plain text file",
            Self::Pptx => "a PowerPoint presentation (PPTX)",
            Self::Xlsx => "an Excel workbook (XLSX)",
            Self::Csv => "a table of values (CSV)",
            Self::Jats => "a journal article in JATS XML",
            Self::Pubmed => "a set of PubMed records in XML",
            Self::Epub => "an EPUB book",
        }
    }
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading; 1 is the highest level, 6 the lowest.
    Heading {
        /// 1 to 6.
        level: u8,
    },
    /// A paragraph.
    Paragraph,
    /// An item of a list, without its bullet.
    ListItem,
    /// A row of a table, its cells joined with ` | `.
    TableRow,
    /// Preformatted text; the only kind that keeps its line breaks and indents.
    Code,
}

/// A piece of the canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// First byte in `Parsed::text`.
    pub start: usize,
    /// One past its last byte in `Parsed::text`.
    pub end: usize,
    /// The page on which it starts, counted from 1: a slide of a presentation, a sheet of a workbook. `None` where the format
    /// has no pages.
    pub page: Option<u32>,
}

/// A parsed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parsed {
    /// The format that was read.
    pub format: Format,
    /// The title that the document gives itself.
    pub title: Option<String>,
    /// The canonical text: UTF-8, NFC, blocks separated by an empty line (list items and the rows of one table by a line break).
    pub text: String,
    /// The blocks in order; together they hold all of the text but its separators.
    pub blocks: Vec<Block>,
    /// How many pages it has; `None` where the format has no pages.
    pub pages: Option<u32>,
    /// What a reader should know, for example pages without text. Sentences for a person.
    pub warnings: Vec<String>,
}

/// What reading one file may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseLimits {
    /// Largest file, in bytes.
    pub file_bytes_max: usize,
    /// Most canonical text, in bytes of UTF-8.
    pub text_bytes_max: usize,
    /// Most blocks; each costs memory and a line in the answer of the parser process, however short it is.
    pub blocks_max: usize,
    /// Most bytes that compressed parts may unpack to, all together.
    pub unpacked_bytes_max: usize,
    /// Largest ratio of unpacked to packed bytes of one part, once it is larger than 4 MiB.
    pub unpacked_ratio_max: usize,
    /// Most pages, slides or sheets.
    pub pages_max: u32,
    /// Deepest nesting of elements.
    pub nesting_max: usize,
}

/// Parts up to this many unpacked bytes may have any ratio: a small, very regular part is no danger.
pub(crate) const RATIO_FREE_BYTES: usize = 4 * 1024 * 1024;

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 50 * 1024 * 1024,
            text_bytes_max: 20 * 1024 * 1024,
            blocks_max: 400_000,
            unpacked_bytes_max: 256 * 1024 * 1024,
            unpacked_ratio_max: 250,
            pages_max: 5_000,
            nesting_max: 512,
        }
    }
}
