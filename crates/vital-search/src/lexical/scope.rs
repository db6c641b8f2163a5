//! What a filter lets through of an index: its passages, their number and lengths, and how many of them hold a term.

use super::{Filter, schema};
use schema::Fields;
use std::collections::HashSet;
use tantivy::{
    DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term, columnar::Column, fieldnorm::FieldNormReader, schema::IndexRecordOption,
};
use uuid::Uuid;

const K1: f32 = 0.9;
const B: f32 = 0.4;

/// The readable part of an index with the figures that BM25 needs of it.
pub(super) struct Scope<'s> {
    pub(super) parts: Vec<Part<'s>>,
    searcher: &'s Searcher,
    fields: Fields,
    /// Passages that the filter lets through.
    total: u64,
    /// Their terms in the mean, at least 1.
    average: f32,
    /// Whether the filter lets everything through.
    whole: bool,
}

impl<'s> Scope<'s> {
    pub(super) fn of(searcher: &'s Searcher, fields: &Fields, filter: Filter<'_>) -> tantivy::Result<Self> {
        let segments = searcher.segment_readers();
        let mut parts = Vec::with_capacity(segments.len());
        for (segment, reader) in (0u32..).zip(segments) {
            if let Some(allowed) = Allowed::of(reader, filter)? {
                parts.push(Part { segment, reader, allowed });
            }
        }
        let whole = parts.len() == segments.len() && parts.iter().all(|p| matches!(p.allowed, Allowed::All));
        let (mut total, mut tokens) = (0, 0);
        for part in &parts {
            let (more, length) = part.size(fields)?;
            total += more;
            tokens += length;
        }
        Ok(Self { parts, searcher, fields: *fields, total, average: (tokens as f32 / total.max(1) as f32).max(1.0), whole })
    }

    /// Number of passages with a term among those that the filter lets through.
    pub(super) fn frequency(&self, term: &Term) -> tantivy::Result<u64> {
        if self.whole { self.searcher.doc_freq(term) } else { self.parts.iter().map(|p| p.frequency(&self.fields, term)).sum() }
    }

    /// Lucene's idf of what so many passages hold.
    pub(super) fn idf(&self, frequency: u64) -> f32 {
        let rest = self.total.saturating_sub(frequency) as f32;
        (1.0 + (rest + 0.5) / (frequency as f32 + 0.5)).ln()
    }

    /// The part of the formula that depends on the length, for each of the 256 steps.
    pub(super) fn norms(&self) -> [f32; 256] {
        std::array::from_fn(|step| {
            let length = FieldNormReader::id_to_fieldnorm(u8::try_from(step).unwrap_or(u8::MAX)) as f32;
            K1 * (1.0 - B + B * length / self.average)
        })
    }
}

/// A segment with what of it the filter lets through.
pub(super) struct Part<'r> {
    pub(super) segment: u32,
    pub(super) reader: &'r SegmentReader,
    pub(super) allowed: Allowed,
}

impl Part<'_> {
    /// Number of passages that the filter lets through, and of their terms.
    fn size(&self, fields: &Fields) -> tantivy::Result<(u64, u64)> {
        let Allowed::Some(passages) = &self.allowed else {
            return Ok((self.reader.max_doc().into(), self.reader.inverted_index(fields.text)?.total_num_tokens()));
        };
        let lengths = self.reader.get_fieldnorms_reader(fields.text)?;
        let tokens = passages.iter().map(|doc| u64::from(lengths.fieldnorm(doc))).sum();
        Ok((passages.len(), tokens))
    }

    /// Number of passages with a term among those that the filter lets through.
    fn frequency(&self, fields: &Fields, term: &Term) -> tantivy::Result<u64> {
        let inverted = self.reader.inverted_index(fields.text)?;
        if matches!(self.allowed, Allowed::All) {
            return Ok(inverted.doc_freq(term)?.into());
        }
        let Some(mut postings) = inverted.read_postings(term, IndexRecordOption::Basic)? else { return Ok(0) };
        let mut frequency = 0;
        while postings.doc() != TERMINATED {
            frequency += u64::from(self.allowed.contains(postings.doc()));
            postings.advance();
        }
        Ok(frequency)
    }
}

/// The passages of one segment that the filter lets through.
pub(super) enum Allowed {
    All,
    Some(Passages),
}

impl Allowed {
    /// `None` when the segment holds nothing that the filter lets through.
    fn of(reader: &SegmentReader, filter: Filter<'_>) -> tantivy::Result<Option<Self>> {
        match filter {
            Filter::All => Ok(Some(Self::All)),
            Filter::Documents(ids) => Self::among(reader, schema::DOCUMENT, ids.iter().map(|d| d.0)),
            Filter::Collections(ids) => Self::among(reader, schema::COLLECTION, ids.iter().map(|c| c.0)),
        }
    }

    fn among(reader: &SegmentReader, column: &str, ids: impl Iterator<Item = Uuid>) -> tantivy::Result<Option<Self>> {
        let Some(column) = reader.fast_fields().bytes(column)? else {
            return Ok(None);
        };
        let mut ordinals = HashSet::new();
        for id in ids {
            ordinals.extend(column.dictionary().term_ord(id.as_bytes())?);
        }
        if ordinals.is_empty() {
            return Ok(None);
        }
        if ordinals.len() == column.num_terms() {
            return Ok(Some(Self::All));
        }
        Ok(Some(Self::Some(Passages::of(reader.max_doc(), column.ords(), &ordinals))))
    }

    pub(super) fn contains(&self, doc: DocId) -> bool {
        match self {
            Self::All => true,
            Self::Some(passages) => passages.contains(doc),
        }
    }
}

/// A set of passages of one segment, kept as bits.
pub(super) struct Passages(Vec<u64>);

impl Passages {
    fn of(count: DocId, column: &Column<u64>, wanted: &HashSet<u64>) -> Self {
        let mut bits = vec![0; (count as usize).div_ceil(64)];
        // Passages of one document stand together, so the answer for the last ordinal mostly serves the next passage.
        let mut last = (u64::MAX, false);
        for doc in 0..count {
            let Some(ordinal) = column.first(doc) else { continue };
            if ordinal != last.0 {
                last = (ordinal, wanted.contains(&ordinal));
            }
            if last.1 {
                bits[doc as usize / 64] |= 1 << (doc % 64);
            }
        }
        Self(bits)
    }

    fn contains(&self, doc: DocId) -> bool {
        self.0.get(doc as usize / 64).is_some_and(|word| word >> (doc % 64) & 1 == 1)
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn iter(&self) -> impl Iterator<Item = DocId> {
        let ones = |(start, &word): (DocId, &u64)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| start + bit);
        (0..).step_by(64).zip(&self.0).flat_map(ones)
    }
}
