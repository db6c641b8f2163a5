//! Evidence: a passage that was opened for an answer, and the one function that makes citations of it.
//!
//! **Invariant:** a `Citation` is made by `Evidence::cite` alone, which takes the quote from the bytes it points at.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{DocumentId, PassageId};

/// A typed citation: the exact bytes of one version of one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// Number shown to the reader, from 1. One number is one span.
    pub n: u32,
    /// The document.
    pub document_id: Uuid,
    /// The passage it was found in.
    pub passage_id: Uuid,
    /// SHA-256 of the document's canonical text, hexadecimal.
    pub version: String,
    /// First byte of the quote in the canonical text.
    pub start: u64,
    /// One past the last byte of the quote.
    pub end: u64,
    /// The bytes at that range.
    pub quote: String,
    /// Title of the document.
    pub title: String,
    /// Headings above the quote, outermost first.
    pub heading_path: Vec<String>,
    /// Page, where the format has pages, from 1.
    pub page: Option<u32>,
    /// Whose word it is: `regulator`, `standards-body`, `professional-body`, `peer-reviewed`, `institution`, `own` (uploaded), `calculated`.
    pub authority: String,
    /// Level of evidence, 1 to 5 (Oxford 2011), as it stood when the answer was written; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// When the document was issued, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub issued_on: Option<Date>,
    /// Where the text comes from that a tool fetched for this answer; none for documents. `document_id` is the fetched text's id then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Fetched>,
}

/// Where a text comes from that a tool fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fetched {
    /// Name of the tool.
    pub tool: String,
    /// Its public address; empty for what was calculated here.
    pub url: String,
    /// What its source calls it, for example `PMID 12345` or `NCT01234567`; empty where it has no name there.
    pub identifier: String,
}

/// A passage read from the database for one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The passage.
    pub passage: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// Title of the document.
    pub title: String,
    /// SHA-256 of the document's canonical text.
    pub version: [u8; 32],
    /// First byte of `body` in the canonical text.
    pub start: usize,
    /// The passage's text: the bytes of the canonical text from `start`.
    pub body: String,
    /// Headings above it, outermost first.
    pub heading_path: Vec<String>,
    /// Page, from 1.
    pub page: Option<u32>,
    /// Whose word it is.
    pub authority: String,
    /// Level of evidence, 1 to 5.
    pub level: Option<u8>,
    /// When its document was issued.
    pub issued_on: Option<Date>,
    /// Fused retrieval score, from 0 to 1.
    pub score: f32,
    /// BM25 score, if words found it.
    pub lexical: Option<f32>,
    /// Cosine similarity, if meaning found it.
    pub dense: Option<f32>,
    /// True for the organisation's own documents.
    pub own: bool,
    /// Where it comes from if a tool fetched it.
    pub fetched: Option<Fetched>,
}

/// A passage as the record of an answer keeps it: where its bytes are, and why it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RecordedPassage)]
pub struct Recorded {
    /// The document.
    pub document_id: Uuid,
    /// SHA-256 of the document's canonical text, hexadecimal.
    pub version: String,
    /// First byte in the canonical text.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Joint score, from 0 to 1.
    pub score: f32,
    /// BM25 score, if words found it.
    pub lexical: Option<f32>,
    /// Cosine similarity, if meaning found it.
    pub dense: Option<f32>,
}

impl Evidence {
    /// What the record of an answer keeps of it.
    #[must_use]
    pub fn record(&self) -> Recorded {
        Recorded {
            document_id: self.document.0,
            version: hex::encode(self.version),
            start: self.start as u64,
            end: (self.start + self.body.len()) as u64,
            score: self.score,
            lexical: self.lexical,
            dense: self.dense,
        }
    }

    /// Makes a citation of a byte range of this passage's body. The quote is taken from the bytes, so it cannot differ from them.
    /// None where the range is empty, out of bounds or cuts a character.
    #[must_use]
    pub fn cite(&self, n: u32, span: Range<usize>) -> Option<Citation> {
        let quote = self.body.get(span.clone()).filter(|q| !q.trim().is_empty())?;
        Some(Citation {
            n,
            document_id: self.document.0,
            passage_id: self.passage.0,
            version: hex::encode(self.version),
            start: (self.start + span.start) as u64,
            end: (self.start + span.end) as u64,
            quote: quote.to_owned(),
            title: self.title.clone(),
            heading_path: self.heading_path.clone(),
            page: self.page,
            authority: self.authority.clone(),
            level: self.level,
            issued_on: self.issued_on,
            fetched: self.fetched.clone(),
        })
    }

    /// Tells whether a citation says exactly what the bytes of this passage say.
    #[must_use]
    pub fn holds(&self, citation: &Citation) -> bool {
        let range = || {
            let start = usize::try_from(citation.start).ok()?.checked_sub(self.start)?;
            let end = usize::try_from(citation.end).ok()?.checked_sub(self.start)?;
            self.body.get(start..end)
        };
        citation.document_id == self.document.0
            && citation.passage_id == self.passage.0
            && citation.version == hex::encode(self.version)
            && range() == Some(citation.quote.as_str())
    }
}
