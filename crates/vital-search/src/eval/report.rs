//! Runs lexical, dense and fused search over a judged set and measures each.

use super::{BeirSet, Measures, Ranking, mean};
use crate::{Expansions, Filter, Found, Fused, FusionRule, LexicalIndex, PassageEntry, Question, SearchError, fuse};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};
use uuid::Uuid;
use vital_kernel::{CollectionId, DocumentId, EmbedLane, Embedder, PassageId};

/// Hits taken from each search: the depth of recall@100 and of the fusion.
const DEPTH: usize = 100;
/// Documents handed to the embedder at once.
const EMBED_BATCH: usize = 64;

/// How far an evaluation has come, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Documents put into the lexical index.
    Indexing,
    /// Documents embedded so far, of all.
    Embedding(usize, usize),
    /// Questions searched so far, of all.
    Searching(usize, usize),
}

/// One way of searching, measured.
#[derive(Clone, Debug, Serialize)]
pub struct SystemReport {
    /// `lexical`, `dense`, or `fused` with its rule.
    pub name: &'static str,
    /// Its quality.
    pub measures: Measures,
    /// Median time of a question, in milliseconds; for dense and fused search the embedding of the question is included.
    pub p50_ms: f64,
    /// 95th percentile of the time of a question, in milliseconds.
    pub p95_ms: f64,
}

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Documents searched.
    pub documents: usize,
    /// Time to index them lexically, in seconds.
    pub indexing_s: f64,
    /// Time to embed them, in seconds; `None` without a model.
    pub embedding_s: Option<f64>,
    /// The systems: lexical, and with a model dense and fused.
    pub systems: Vec<SystemReport>,
}

/// A judged set in a lexical index in memory.
pub struct LexicalRun {
    index: LexicalIndex,
    /// Time it took to make the index.
    pub indexing: Duration,
}

impl LexicalRun {
    /// Indexes the documents of a set.
    ///
    /// # Errors
    /// When the index fails.
    pub fn over(set: &BeirSet) -> Result<Self, SearchError> {
        let start = Instant::now();
        let index = LexicalIndex::in_memory()?;
        for (first, documents) in set.documents.chunks(1_000).enumerate() {
            let entries: Vec<PassageEntry> = documents
                .iter()
                .zip(first * 1_000..)
                .map(|(d, n)| PassageEntry {
                    passage: passage(n),
                    document: DocumentId(passage(n).0),
                    collection: CollectionId(Uuid::nil()),
                    title: d.title.clone(),
                    headings: String::new(),
                    body: d.text.clone(),
                })
                .collect();
            index.add(&entries)?;
        }
        index.commit()?;
        Ok(Self { index, indexing: start.elapsed() })
    }

    /// Finds the best 100 documents for a question, by their position in the set.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, question: &str) -> Result<Vec<(PassageId, f32)>, SearchError> {
        Ok(self.index.search(question, DEPTH, Filter::All)?.into_iter().map(|h| (h.passage, h.score)).collect())
    }

    /// Finds the best 100 documents for a question with all that it asks.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn ask(&self, question: &Question) -> Result<Found, SearchError> {
        self.index.ask(question, DEPTH, Filter::All)
    }

    /// Joins what words and meaning found: each document with both scores, its `cosine` looked up where only words found it.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn join(
        &self,
        question: &Question,
        found: &Found,
        near: &[(PassageId, f32)],
        cosine: impl Fn(PassageId) -> f32,
        rule: FusionRule,
    ) -> Result<Vec<Fused>, SearchError> {
        let mut dense = near.to_vec();
        let known: HashSet<PassageId> = near.iter().map(|(id, _)| *id).collect();
        dense.extend(found.hits.iter().map(|h| h.passage).filter(|id| !known.contains(id)).map(|id| (id, cosine(id))));
        let mut lexical: Vec<(PassageId, f32)> = found.hits.iter().map(|h| (h.passage, h.score)).collect();
        let known: HashSet<PassageId> = lexical.iter().map(|(id, _)| *id).collect();
        let unscored: Vec<PassageId> = near.iter().map(|(id, _)| *id).filter(|id| !known.contains(id)).collect();
        lexical.extend(self.index.scores_of(question, &unscored, Filter::All)?.into_iter().map(|h| (h.passage, h.score)));
        Ok(fuse(&lexical, &dense, rule))
    }
}

/// Evaluates lexical search and, given a model, dense search (exact) and both fused, without other wordings.
///
/// # Errors
/// As [`evaluate_with`].
pub async fn evaluate(set: &BeirSet, embedder: Option<&dyn Embedder>, progress: &(dyn Fn(Stage) + Sync)) -> Result<Report, SearchError> {
    evaluate_with(set, embedder, &Expansions::default(), progress).await
}

/// Evaluates lexical search (BM25 of the words alone) and, given a model, dense search (exact) and both fused as the platform does: with
/// nearness, the other wordings of the tables, each candidate's true scores, and the weight of meaning that the question suggests.
///
/// Works on the calling thread between embeddings: run it where blocking is allowed.
///
/// # Errors
/// When the index or the embedder fails.
pub async fn evaluate_with(
    set: &BeirSet,
    embedder: Option<&dyn Embedder>,
    tables: &Expansions,
    progress: &(dyn Fn(Stage) + Sync),
) -> Result<Report, SearchError> {
    progress(Stage::Indexing);
    let lexical = LexicalRun::over(set)?;
    let start = Instant::now();
    let vectors = match embedder {
        Some(embedder) => Some(embed_documents(set, embedder, progress).await?),
        None => None,
    };
    let embedding_s = vectors.as_ref().map(|_| start.elapsed().as_secs_f64());
    let mut systems = [System::new("lexical"), System::new("dense"), System::new("fused"), System::new("fused, reciprocal ranks")];
    for (done, query) in set.queries.iter().enumerate() {
        progress(Stage::Searching(done, set.queries.len()));
        let start = Instant::now();
        let found = lexical.search(&query.text)?;
        let lexical_time = start.elapsed();
        systems[0].keep(set, &query.id, &found, lexical_time);
        let (Some(embedder), Some(vectors)) = (embedder, &vectors) else { continue };
        let start = Instant::now();
        let question = embedder.embed(EmbedLane::Query, vec![query.text.clone()]).await?;
        let near = question.first().map(|v| nearest(v, vectors)).unwrap_or_default();
        let dense_time = start.elapsed();
        systems[1].keep(set, &query.id, &near, dense_time);
        let start = Instant::now();
        let asked = Question::words(&query.text).with_nearness().with_expansions(&query.text, &tables.of(&query.text));
        let words = lexical.ask(&asked)?;
        let cosine = |id: PassageId| question.first().zip(vectors.get(id.0.as_u128() as usize)).map_or(0.0, |(q, v)| product(q, v));
        let rule = FusionRule::for_question(words.reach, asked.identifiers());
        let fused: Vec<(PassageId, f32)> = lexical.join(&asked, &words, &near, cosine, rule)?.iter().map(|f| (f.id, f.score)).collect();
        systems[2].keep(set, &query.id, &fused, dense_time + start.elapsed());
        let start = Instant::now();
        let fused: Vec<(PassageId, f32)> = fuse(&found, &near, FusionRule::ReciprocalRank).iter().map(|f| (f.id, f.score)).collect();
        systems[3].keep(set, &query.id, &fused, lexical_time + dense_time + start.elapsed());
    }
    let systems = systems.into_iter().filter(|s| !s.times.is_empty()).map(|s| s.report(set)).collect();
    Ok(Report { documents: set.documents.len(), indexing_s: lexical.indexing.as_secs_f64(), embedding_s, systems })
}

async fn embed_documents(set: &BeirSet, embedder: &dyn Embedder, progress: &(dyn Fn(Stage) + Sync)) -> Result<Vec<Vec<f32>>, SearchError> {
    let mut vectors = Vec::with_capacity(set.documents.len());
    for documents in set.documents.chunks(EMBED_BATCH) {
        progress(Stage::Embedding(vectors.len(), set.documents.len()));
        let texts =
            documents.iter().map(|d| if d.title.is_empty() { d.text.clone() } else { format!("{}\n{}", d.title, d.text) }).collect();
        vectors.extend(embedder.embed(EmbedLane::Bulk, texts).await?);
    }
    Ok(vectors)
}

/// The documents whose vectors have the greatest inner product with the question's.
fn nearest(question: &[f32], vectors: &[Vec<f32>]) -> Vec<(PassageId, f32)> {
    let mut scored: Vec<(PassageId, f32)> = vectors.iter().enumerate().map(|(n, v)| (passage(n), product(question, v))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(DEPTH);
    scored
}

fn product(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// The passage that stands for a document: its position, as an id.
fn passage(position: usize) -> PassageId {
    PassageId(Uuid::from_u128(position as u128))
}

struct System {
    name: &'static str,
    rankings: BTreeMap<String, Ranking>,
    times: Vec<Duration>,
}

impl System {
    const fn new(name: &'static str) -> Self {
        Self { name, rankings: BTreeMap::new(), times: Vec::new() }
    }

    fn keep(&mut self, set: &BeirSet, query: &str, found: &[(PassageId, f32)], time: Duration) {
        let position = |id: PassageId| usize::try_from(id.0.as_u128()).ok();
        let ranking = found.iter().filter_map(|(id, _)| set.documents.get(position(*id)?)).map(|d| d.id.clone()).collect();
        self.rankings.insert(query.to_owned(), ranking);
        self.times.push(time);
    }

    fn report(mut self, set: &BeirSet) -> SystemReport {
        self.times.sort_unstable();
        let at = |percent: usize| self.times.get(self.times.len() * percent / 100).map_or(0.0, |t| t.as_secs_f64() * 1e3);
        SystemReport { name: self.name, measures: mean(&self.rankings, &set.judged), p50_ms: at(50), p95_ms: at(95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{BeirDocument, BeirQuery};
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };
    use vital_kernel::{EmbedError, EmbedderStatus};

    /// Counts the letters a, b and c: near texts have like letters.
    struct LetterCounts;

    impl Embedder for LetterCounts {
        fn model(&self) -> &str {
            "letter-counts"
        }
        fn dimensions(&self) -> usize {
            3
        }
        fn tokens_max(&self) -> usize {
            256
        }
        fn count_tokens(&self, text: &str) -> Result<usize, EmbedError> {
            Ok(text.len())
        }
        fn status(&self) -> EmbedderStatus {
            EmbedderStatus::Ready
        }
        fn embed(&self, _: EmbedLane, texts: Vec<String>) -> Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, EmbedError>> + Send + '_>> {
            let vector = |text: &String| ['a', 'b', 'c'].map(|letter| text.matches(letter).count() as f32).to_vec();
            Box::pin(std::future::ready(Ok(texts.iter().map(vector).collect())))
        }
    }

    fn set() -> BeirSet {
        let document = |id: &str, text: &str| BeirDocument { id: id.into(), title: String::new(), text: text.into() };
        let query = |id: &str, text: &str| BeirQuery { id: id.into(), text: text.into() };
        BeirSet {
            documents: vec![document("x", "aspirin aaa"), document("y", "bbbbb"), document("z", "warfarin")],
            queries: vec![query("q1", "warfarin"), query("q2", "bbb")],
            judged: BTreeMap::from([("q1".into(), BTreeMap::from([("z".into(), 1)])), ("q2".into(), BTreeMap::from([("y".into(), 1)]))]),
        }
    }

    fn run(embedder: Option<&dyn Embedder>) -> Report {
        let set = set();
        let evaluation = evaluate(&set, embedder, &|_| {});
        match pin!(evaluation).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(report) => report.unwrap(),
            Poll::Pending => panic!("nothing to wait for"),
        }
    }

    #[test]
    fn without_a_model_only_lexical_search_is_measured() {
        let report = run(None);
        assert_eq!((report.documents, report.embedding_s, report.systems.len()), (3, None, 1));
        assert_eq!((report.systems[0].name, report.systems[0].measures.ndcg_at_10), ("lexical", 0.5));
    }

    #[test]
    fn with_a_model_all_systems_are_measured_on_all_questions() {
        let report = run(Some(&LetterCounts));
        let names: Vec<_> = report.systems.iter().map(|s| (s.name, s.measures.questions)).collect();
        assert_eq!(names, [("lexical", 2), ("dense", 2), ("fused", 2), ("fused, reciprocal ranks", 2)]);
        assert_eq!(report.systems[1].measures.mrr, (0.5 + 1.0) / 2.0);
        assert_eq!(report.systems[2].measures.recall_at_10, 1.0);
    }
}
