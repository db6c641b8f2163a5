//! The layout of the index: one text field, and ids beside it.
//!
//! Title and headings are written into the same field as the body, each term as often as its weight says. That is BM25F with
//! one length (Robertson, Zaragoza and Taylor, CIKM 2004): a term saturates over all its places together, its document
//! frequency is exact, and a query reads one list for each term. Its copies stand at one place, places being words of the text.

use super::PassageEntry;
use tantivy::{
    TantivyDocument, Term,
    schema::{BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{PreTokenizedString, Token},
};
use vital_kernel::DocumentId;

/// Names layout, weights and analysis; a change of any of them needs a new name, so that old indexes are rebuilt.
pub(super) const VERSION: &str = "vital-lexical-4";
/// How often a term of the title counts against one of the body. Over the sections of the starter library and the facts of its
/// question set, 2 and 2 gave the best mean reciprocal rank (0.900; 0.863 without title and headings, 0.886 with 1 and 1).
const TITLE_WEIGHT: usize = 2;
/// How often a term of the headings counts against one of the body.
const HEADINGS_WEIGHT: usize = 2;
/// Words between the last of one part and the first of the next, so that no phrase and no nearness reaches over.
const FIELD_GAP_WORDS: usize = 64;

/// Names of the columns that are read back.
pub(super) const PASSAGE_HIGH: &str = "passage_high";
pub(super) const PASSAGE_LOW: &str = "passage_low";
pub(super) const DOCUMENT: &str = "document";
pub(super) const COLLECTION: &str = "collection";

/// The fields of the index.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) text: Field,
    passage_high: Field,
    pub(super) passage_low: Field,
    document: Field,
    collection: Field,
}

impl Fields {
    /// Makes the schema and its fields.
    pub(super) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqsAndPositions).set_fieldnorms(true);
        let fields = Self {
            text: schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing)),
            passage_high: schema.add_u64_field(PASSAGE_HIGH, FAST),
            passage_low: schema.add_u64_field(PASSAGE_LOW, FAST | INDEXED),
            document: schema.add_bytes_field(DOCUMENT, BytesOptions::default().set_fast().set_indexed()),
            collection: schema.add_bytes_field(COLLECTION, BytesOptions::default().set_fast()),
        };
        (schema.build(), fields)
    }

    /// Turns a passage into what is written, each term as `written` writes it.
    pub(super) fn document(&self, passage: &PassageEntry, written: impl Fn(&str) -> String) -> TantivyDocument {
        let parts = [(&passage.title, TITLE_WEIGHT), (&passage.headings, HEADINGS_WEIGHT), (&passage.body, 1)];
        let mut tokens: Vec<Token> = Vec::new();
        let mut start = 0;
        for (text, weight) in parts {
            for span in crate::term_spans(text) {
                let token = Token { text: written(&span.term), position: start + span.position as usize, ..Token::default() };
                tokens.extend(std::iter::repeat_n(token, weight));
            }
            start = tokens.last().map_or(0, |last| last.position + FIELD_GAP_WORDS);
        }
        let (high, low) = passage.passage.0.as_u64_pair();
        let mut document = TantivyDocument::default();
        document.add_pre_tokenized_text(self.text, PreTokenizedString { text: String::new(), tokens });
        document.add_u64(self.passage_high, high);
        document.add_u64(self.passage_low, low);
        document.add_bytes(self.document, passage.document.0.as_bytes());
        document.add_bytes(self.collection, passage.collection.0.as_bytes());
        document
    }

    /// The term under which all passages of a document are deleted.
    pub(super) fn document_term(&self, document: DocumentId) -> Term {
        Term::from_field_bytes(self.document, document.0.as_bytes())
    }
}
