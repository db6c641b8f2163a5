//! BM25 over the posting lists, best passages only.
//!
//! `idf * tf / (tf + k1 * (1 - b + b * length / average))` with Lucene's `idf = ln(1 + (N - df + 0.5) / (df + 0.5))` (Robertson and
//! Zaragoza 2009; the constant factor `k1 + 1` is left out, as in Lucene 8 and later). k1 and b are those of Anserini's
//! baselines; Tantivy's own scorer has others built in. Lengths are rounded to the 256 steps of Tantivy's field norms.
//!
//! Lists are walked a passage at a time with MaxScore (Turtle and Flood 1995): a list whose terms together cannot lift a passage
//! over the worst hit kept so far is only asked about passages that other lists bring up. The result is the same as without.
//!
//! N and df count deleted passages until a merge drops them, as in Lucene.
//!
//! With a filter, N, df and the average length are those of what it lets through: a score says nothing about passages that the reader may not
//! see, and is the one that an index of the others alone would give.

use super::{Filter, Hit, schema};
use schema::Fields;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, HashSet},
};
use tantivy::{
    DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term,
    columnar::Column,
    fieldnorm::FieldNormReader,
    postings::{Postings, SegmentPostings},
    schema::IndexRecordOption,
};
use uuid::Uuid;
use vital_kernel::{DocumentId, PassageId};

const K1: f32 = 0.9;
const B: f32 = 0.4;
/// Distinct terms of a question that are looked up at all.
const LOOKED_UP_TERMS_MAX: usize = 1_024;
/// Terms of a question that are scored: of a longer one, those that weigh most.
const SCORED_TERMS_MAX: usize = 64;
/// Most hits of one search.
const HITS_MAX: usize = 10_000;
/// Bounds are widened by this, so that rounding of sums never drops a hit.
const ROUNDING: f32 = 1.0 + 1e-5;

/// A term of the question: how often it was asked for, times its idf.
struct Weighted {
    term: Term,
    weight: f32,
}

/// A candidate; greater is better, and of equal scores the one met first.
#[derive(PartialEq)]
struct Candidate {
    score: f32,
    segment: u32,
    doc: DocId,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then((other.segment, other.doc).cmp(&(self.segment, self.doc)))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best candidates so far, at most `limit`.
struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<Candidate>>,
}

impl Best {
    /// The score that a candidate has to exceed.
    fn threshold(&self) -> f32 {
        if self.heap.len() < self.limit { 0.0 } else { self.heap.peek().map_or(0.0, |worst| worst.0.score) }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.heap.len() == self.limit {
            self.heap.pop();
        }
        self.heap.push(Reverse(candidate));
    }
}

/// Finds the best passages for the terms of a question.
pub(super) fn search(
    searcher: &Searcher,
    fields: &Fields,
    terms: &[String],
    limit: usize,
    filter: Filter<'_>,
) -> tantivy::Result<Vec<Hit>> {
    let limit = limit.min(HITS_MAX);
    let segments = searcher.segment_readers();
    let total: u64 = segments.iter().map(|s| u64::from(s.max_doc())).sum();
    if limit == 0 || total == 0 {
        return Ok(Vec::new());
    }
    let mut parts = Vec::with_capacity(segments.len());
    for (segment, reader) in (0u32..).zip(segments) {
        if let Some(allowed) = Allowed::of(reader, filter)? {
            parts.push(Part { segment, reader, allowed });
        }
    }
    let whole = parts.len() == segments.len() && parts.iter().all(|p| matches!(p.allowed, Allowed::All));
    let mut passages = 0;
    let mut tokens = 0;
    for part in &parts {
        let (more, length) = part.size(fields)?;
        passages += more;
        tokens += length;
    }
    let weighted = if whole {
        weigh(terms, fields, passages, |term| searcher.doc_freq(term))?
    } else {
        weigh(terms, fields, passages, |term| parts.iter().map(|p| p.frequency(fields, term)).sum())?
    };
    let norms = norm_table((tokens as f32 / passages.max(1) as f32).max(1.0));
    let mut best = Best { limit, heap: BinaryHeap::with_capacity(limit.min(1_024) + 1) };
    for part in &parts {
        Walk::over(part.reader, fields, &weighted, &norms)?.run(part.segment, part.reader, &part.allowed, &mut best);
    }
    hits(searcher, best)
}

/// A segment with what of it the filter lets through.
struct Part<'r> {
    segment: u32,
    reader: &'r SegmentReader,
    allowed: Allowed,
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

/// Weighs the distinct terms of a question by how many of the `total` passages hold them; the heaviest come first.
fn weigh(terms: &[String], fields: &Fields, total: u64, holders: impl Fn(&Term) -> tantivy::Result<u64>) -> tantivy::Result<Vec<Weighted>> {
    let mut times: HashMap<&str, f32> = HashMap::new();
    for term in terms {
        if times.len() < LOOKED_UP_TERMS_MAX || times.contains_key(term.as_str()) {
            *times.entry(term).or_default() += 1.0;
        }
    }
    let mut weighted = Vec::with_capacity(times.len());
    for (text, times) in times {
        let term = Term::from_field_text(fields.text, text);
        let frequency = holders(&term)?;
        if frequency > 0 {
            let rest = total.saturating_sub(frequency) as f32;
            let idf = (1.0 + (rest + 0.5) / (frequency as f32 + 0.5)).ln();
            weighted.push(Weighted { term, weight: times * idf });
        }
    }
    weighted.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.term.cmp(&b.term)));
    weighted.truncate(SCORED_TERMS_MAX);
    Ok(weighted)
}

/// The part of the formula that depends on the length, for each of the 256 steps.
fn norm_table(average: f32) -> [f32; 256] {
    std::array::from_fn(|step| {
        let length = FieldNormReader::id_to_fieldnorm(u8::try_from(step).unwrap_or(u8::MAX)) as f32;
        K1 * (1.0 - B + B * length / average)
    })
}

/// A posting list with the most it can add to a score.
struct List {
    postings: SegmentPostings,
    weight: f32,
}

/// The walk over the lists of one segment, lightest list first.
struct Walk<'n> {
    lists: Vec<List>,
    /// `bounds[i]`: the most that the lists `0..i` can add together.
    bounds: Vec<f32>,
    lengths: FieldNormReader,
    norms: &'n [f32; 256],
}

impl<'n> Walk<'n> {
    fn over(reader: &SegmentReader, fields: &Fields, weighted: &[Weighted], norms: &'n [f32; 256]) -> tantivy::Result<Self> {
        let inverted = reader.inverted_index(fields.text)?;
        let mut lists = Vec::with_capacity(weighted.len());
        for Weighted { term, weight } in weighted.iter().rev() {
            if let Some(postings) = inverted.read_postings(term, IndexRecordOption::WithFreqs)? {
                lists.push(List { postings, weight: *weight });
            }
        }
        let mut bounds = vec![0.0];
        let mut sum = 0.0;
        for list in &lists {
            sum += list.weight;
            bounds.push(sum * ROUNDING);
        }
        Ok(Self { lists, bounds, lengths: reader.get_fieldnorms_reader(fields.text)?, norms })
    }

    fn run(&mut self, segment: u32, reader: &SegmentReader, allowed: &Allowed, best: &mut Best) {
        let mut first = 0;
        loop {
            while first < self.lists.len() && self.bounds[first + 1] <= best.threshold() {
                first += 1;
            }
            let Some(doc) = self.lists[first..].iter().map(|l| l.postings.doc()).min().filter(|doc| *doc != TERMINATED) else {
                return;
            };
            let wanted = !reader.is_deleted(doc) && allowed.contains(doc);
            let score = self.score(doc, first, if wanted { best.threshold() } else { f32::INFINITY });
            if wanted && score > best.threshold() {
                best.offer(Candidate { score, segment, doc });
            }
        }
    }

    /// Scores a passage and moves the lists from `first` past it; gives up early on what cannot exceed the threshold.
    fn score(&mut self, doc: DocId, first: usize, threshold: f32) -> f32 {
        let norm = self.norms[usize::from(self.lengths.fieldnorm_id(doc))];
        let mut score = 0.0;
        for list in &mut self.lists[first..] {
            if list.postings.doc() == doc {
                score += list.at_doc(norm);
                list.postings.advance();
            }
        }
        for index in (0..first).rev() {
            if score * ROUNDING + self.bounds[index + 1] <= threshold {
                return 0.0;
            }
            let list = &mut self.lists[index];
            if list.postings.doc() < doc {
                list.postings.seek(doc);
            }
            if list.postings.doc() == doc {
                score += list.at_doc(norm);
            }
        }
        score
    }
}

impl List {
    fn at_doc(&self, norm: f32) -> f32 {
        let times = self.postings.term_freq() as f32;
        self.weight * times / (times + norm)
    }
}

/// The passages of one segment that the filter lets through.
enum Allowed {
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

    fn contains(&self, doc: DocId) -> bool {
        match self {
            Self::All => true,
            Self::Some(passages) => passages.contains(doc),
        }
    }
}

/// A set of passages of one segment, kept as bits.
struct Passages(Vec<u64>);

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

/// Fetches the ids of the best candidates.
fn hits(searcher: &Searcher, best: Best) -> tantivy::Result<Vec<Hit>> {
    let mut candidates: Vec<Candidate> = best.heap.into_iter().map(|c| c.0).collect();
    candidates.sort_by_key(|c| (c.segment, c.doc));
    let mut hits = Vec::with_capacity(candidates.len());
    let mut bytes = Vec::with_capacity(16);
    for group in candidates.chunk_by(|a, b| a.segment == b.segment) {
        let columns = searcher.segment_reader(group[0].segment).fast_fields();
        let (high, low) = (columns.u64(schema::PASSAGE_HIGH)?, columns.u64(schema::PASSAGE_LOW)?);
        let Some(document) = columns.bytes(schema::DOCUMENT)? else { continue };
        for Candidate { score, doc, .. } in group {
            let ids = (high.first(*doc), low.first(*doc), document.ords().first(*doc));
            let (Some(high), Some(low), Some(ordinal)) = ids else { continue };
            bytes.clear();
            document.ord_to_bytes(ordinal, &mut bytes)?;
            let Ok(owner) = Uuid::from_slice(&bytes) else { continue };
            hits.push(Hit { passage: PassageId(Uuid::from_u64_pair(high, low)), document: DocumentId(owner), score: *score });
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    Ok(hits)
}
