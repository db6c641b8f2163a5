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

use super::{
    Filter, Found, Hit,
    clauses::{Clause, Clauses, Role, What},
    near,
    question::Question,
    schema,
    scope::{Part, Scope},
};
use schema::Fields;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashSet},
};
use tantivy::{
    DocId, DocSet, Searcher, TERMINATED, Term,
    fieldnorm::FieldNormReader,
    postings::{Postings, SegmentPostings},
    schema::IndexRecordOption,
};
use uuid::Uuid;
use vital_kernel::{DocumentId, PassageId};

/// Passages that are looked at for nearness, where no more are asked for.
const NEAR_CANDIDATES: usize = 200;
/// Most hits of one search.
const HITS_MAX: usize = 10_000;
/// Bounds are widened by this, so that rounding of sums never drops a hit.
const ROUNDING: f32 = 1.0 + 1e-5;

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

/// Finds the best passages for a question.
pub(super) fn search(
    searcher: &Searcher,
    fields: &Fields,
    question: &Question,
    limit: usize,
    filter: Filter<'_>,
) -> tantivy::Result<Found> {
    let limit = limit.min(HITS_MAX);
    if limit == 0 || searcher.num_docs() == 0 {
        return Ok(Found::default());
    }
    let scope = Scope::of(searcher, fields, filter)?;
    let clauses = Clauses::of(question, fields, &scope)?;
    let norms = scope.norms();
    // Nearness lifts a passage by little, so that one far behind the limit cannot come before it.
    let kept = if question.nearness { limit.max(NEAR_CANDIDATES) } else { limit };
    let mut best = Best { limit: kept, heap: BinaryHeap::with_capacity(kept.min(1_024) + 1) };
    for (index, part) in scope.parts.iter().enumerate() {
        let required = clauses.required(index);
        Walk::over(part, index, fields, &clauses, &norms)?.run(part, required, &mut best);
    }
    let candidates: Vec<Candidate> = best.heap.into_iter().map(|c| c.0).collect();
    let mut hits = finished(searcher, fields, &scope, question, &clauses, candidates, &norms)?;
    hits.truncate(limit);
    let best = hits.iter().map(|hit| hit.score - hit.near).fold(0.0, f32::max);
    Ok(Found { hits, reach: if clauses.worth > 0.0 { (best / clauses.worth).clamp(0.0, 1.0) } else { 0.0 } })
}

/// Scores given passages as [`search`] would, also those that share no word with the question. What the filter hides, what a required
/// phrase does not stand in and what is not in the index is left out.
pub(super) fn scores_of(
    searcher: &Searcher,
    fields: &Fields,
    question: &Question,
    passages: &[PassageId],
    filter: Filter<'_>,
) -> tantivy::Result<Vec<Hit>> {
    let scope = Scope::of(searcher, fields, filter)?;
    let clauses = Clauses::of(question, fields, &scope)?;
    let norms = scope.norms();
    let mut candidates = Vec::new();
    for (index, part) in scope.parts.iter().enumerate() {
        let mut docs = docs_of(part, fields, passages)?;
        if let Some(required) = clauses.required(index) {
            docs.retain(|doc| required.contains(doc));
        }
        let mut walk = Walk::over(part, index, fields, &clauses, &norms)?;
        candidates.extend(docs.into_iter().map(|doc| Candidate { score: walk.at(doc), segment: part.segment, doc }));
    }
    finished(searcher, fields, &scope, question, &clauses, candidates, &norms)
}

/// The places of passages in a part, in its order.
fn docs_of(part: &Part<'_>, fields: &Fields, passages: &[PassageId]) -> tantivy::Result<Vec<DocId>> {
    let inverted = part.reader.inverted_index(fields.passage_low)?;
    let highs = part.reader.fast_fields().u64(schema::PASSAGE_HIGH)?;
    let mut docs = Vec::with_capacity(passages.len());
    for passage in passages {
        let (high, low) = passage.0.as_u64_pair();
        let Some(mut postings) = inverted.read_postings(&Term::from_field_u64(fields.passage_low, low), IndexRecordOption::Basic)? else {
            continue;
        };
        while postings.doc() != TERMINATED {
            let doc = postings.doc();
            if highs.first(doc) == Some(high) && !part.reader.is_deleted(doc) && part.allowed.contains(doc) {
                docs.push(doc);
            }
            postings.advance();
        }
    }
    docs.sort_unstable();
    docs.dedup();
    Ok(docs)
}

/// Adds nearness where it is asked for and reads the ids; best first.
fn finished(
    searcher: &Searcher,
    fields: &Fields,
    scope: &Scope<'_>,
    question: &Question,
    clauses: &Clauses,
    mut candidates: Vec<Candidate>,
    norms: &[f32; 256],
) -> tantivy::Result<Vec<Hit>> {
    candidates.sort_by_key(|c| (c.segment, c.doc));
    let mut bonuses = vec![0.0; candidates.len()];
    if question.nearness {
        let pairs = near::pairs(question, clauses.idf(), fields);
        let mut done = 0;
        for group in candidates.chunk_by(|a, b| a.segment == b.segment) {
            if let Some(part) = scope.parts.iter().find(|p| p.segment == group[0].segment) {
                let docs: Vec<DocId> = group.iter().map(|c| c.doc).collect();
                bonuses[done..done + group.len()].copy_from_slice(&near::bonuses(part, fields, &pairs, &docs, norms)?);
            }
            done += group.len();
        }
    }
    hits(searcher, &candidates, &bonuses)
}

/// A list of passages with the most it can add to a score.
struct List<'c> {
    source: Source<'c>,
    weight: f32,
    role: Role,
}

/// Where a list is read from.
enum Source<'c> {
    Term(Box<SegmentPostings>),
    Phrase(&'c [(DocId, u32)]),
}

impl List<'_> {
    fn doc(&self) -> DocId {
        match &self.source {
            Source::Term(postings) => postings.doc(),
            Source::Phrase(rest) => rest.first().map_or(TERMINATED, |(doc, _)| *doc),
        }
    }

    fn advance(&mut self) {
        match &mut self.source {
            Source::Term(postings) => drop(postings.advance()),
            Source::Phrase(rest) => *rest = rest.get(1..).unwrap_or_default(),
        }
    }

    /// Moves to a passage or past it, never back.
    fn seek(&mut self, target: DocId) {
        if self.doc() >= target {
            return;
        }
        match &mut self.source {
            Source::Term(postings) => drop(postings.seek(target)),
            Source::Phrase(rest) => *rest = &rest[rest.partition_point(|(doc, _)| *doc < target)..],
        }
    }

    fn at_doc(&self, norm: f32) -> f32 {
        let times = match &self.source {
            Source::Term(postings) => postings.term_freq(),
            Source::Phrase(rest) => rest.first().map_or(0, |(_, times)| *times),
        } as f32;
        self.weight * times / (times + norm)
    }
}

/// A score while it is added up.
#[derive(Default)]
struct Sum {
    /// What was added so far, each wording for itself: never less than the score.
    most: f32,
    score: f32,
    /// For each concept, what the words asked for gave and the most that another wording gave.
    concepts: Vec<(f32, f32)>,
}

impl Sum {
    fn begin(&mut self) {
        (self.most, self.score) = (0.0, 0.0);
        self.concepts.fill((0.0, 0.0));
    }

    fn add(&mut self, role: Role, share: f32) {
        self.most += share;
        match role {
            Role::Plain => self.score += share,
            Role::Asked(concept) => {
                self.score += share;
                self.concepts[concept].0 += share;
            }
            Role::Instead(concept) => self.concepts[concept].1 = self.concepts[concept].1.max(share),
        }
    }

    /// A concept counts once: by the words asked for or by its best other wording, whichever gives more.
    fn total(&self) -> f32 {
        self.score + self.concepts.iter().map(|(asked, instead)| (instead - asked).max(0.0)).sum::<f32>()
    }
}

/// The walk over the lists of one segment, lightest list first.
struct Walk<'c> {
    lists: Vec<List<'c>>,
    /// `bounds[i]`: the most that the lists `0..i` can add together.
    bounds: Vec<f32>,
    sum: Sum,
    lengths: FieldNormReader,
    norms: &'c [f32; 256],
}

impl<'c> Walk<'c> {
    fn over(part: &Part<'_>, index: usize, fields: &Fields, clauses: &'c Clauses, norms: &'c [f32; 256]) -> tantivy::Result<Self> {
        let inverted = part.reader.inverted_index(fields.text)?;
        let mut lists = Vec::with_capacity(clauses.all.len());
        for Clause { what, weight, role } in clauses.all.iter().rev() {
            let source = match what {
                What::Term(term) => inverted.read_postings(term, IndexRecordOption::WithFreqs)?.map(|p| Source::Term(Box::new(p))),
                What::Phrase(holders) => holders.get(index).map(|h| Source::Phrase(h)),
            };
            lists.extend(source.map(|source| List { source, weight: *weight, role: *role }));
        }
        let mut bounds = vec![0.0];
        let mut sum = 0.0;
        for list in &lists {
            sum += list.weight;
            bounds.push(sum * ROUNDING);
        }
        let sum = Sum { concepts: vec![(0.0, 0.0); clauses.concepts], ..Sum::default() };
        Ok(Self { lists, bounds, sum, lengths: part.reader.get_fieldnorms_reader(fields.text)?, norms })
    }

    fn run(&mut self, part: &Part<'_>, required: Option<&HashSet<DocId>>, best: &mut Best) {
        let mut first = 0;
        loop {
            while first < self.lists.len() && self.bounds[first + 1] <= best.threshold() {
                first += 1;
            }
            let Some(doc) = self.lists[first..].iter().map(List::doc).min().filter(|doc| *doc != TERMINATED) else {
                return;
            };
            let readable = !part.reader.is_deleted(doc) && part.allowed.contains(doc);
            let wanted = readable && required.is_none_or(|docs| docs.contains(&doc));
            let score = self.score(doc, first, if wanted { best.threshold() } else { f32::INFINITY });
            if wanted && score > best.threshold() {
                best.offer(Candidate { score, segment: part.segment, doc });
            }
        }
    }

    /// Scores a passage and moves the lists from `first` past it; gives up early on what cannot exceed the threshold.
    fn score(&mut self, doc: DocId, first: usize, threshold: f32) -> f32 {
        let norm = self.norms[usize::from(self.lengths.fieldnorm_id(doc))];
        self.sum.begin();
        for list in &mut self.lists[first..] {
            if list.doc() == doc {
                self.sum.add(list.role, list.at_doc(norm));
                list.advance();
            }
        }
        for index in (0..first).rev() {
            if self.sum.most * ROUNDING + self.bounds[index + 1] <= threshold {
                return 0.0;
            }
            let list = &mut self.lists[index];
            list.seek(doc);
            if list.doc() == doc {
                self.sum.add(list.role, list.at_doc(norm));
            }
        }
        self.sum.total()
    }

    /// Scores a passage that lies behind those scored before.
    fn at(&mut self, doc: DocId) -> f32 {
        for list in &mut self.lists {
            list.seek(doc);
        }
        self.score(doc, 0, 0.0)
    }
}

/// Reads the ids of candidates that stand in the order of the index; gives them best first.
fn hits(searcher: &Searcher, candidates: &[Candidate], bonuses: &[f32]) -> tantivy::Result<Vec<Hit>> {
    let mut hits = Vec::with_capacity(candidates.len());
    let mut bytes = Vec::with_capacity(16);
    let scored: Vec<(&Candidate, f32)> = candidates.iter().zip(bonuses.iter().copied()).collect();
    for group in scored.chunk_by(|a, b| a.0.segment == b.0.segment) {
        let columns = searcher.segment_reader(group[0].0.segment).fast_fields();
        let (high, low) = (columns.u64(schema::PASSAGE_HIGH)?, columns.u64(schema::PASSAGE_LOW)?);
        let Some(document) = columns.bytes(schema::DOCUMENT)? else { continue };
        for (Candidate { score, doc, .. }, near) in group {
            let ids = (high.first(*doc), low.first(*doc), document.ords().first(*doc));
            let (Some(high), Some(low), Some(ordinal)) = ids else { continue };
            bytes.clear();
            document.ord_to_bytes(ordinal, &mut bytes)?;
            let Ok(owner) = Uuid::from_slice(&bytes) else { continue };
            let passage = PassageId(Uuid::from_u64_pair(high, low));
            hits.push(Hit { passage, document: DocumentId(owner), score: score + near, near: *near });
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    Ok(hits)
}
