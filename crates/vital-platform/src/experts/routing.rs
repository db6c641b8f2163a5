//! Routing: which expert a question belongs to, by words and by meaning over charter and starters, with reasons.

use super::{Candidate, Expert, ExpertBody};
use crate::{Platform, knowledge};
use moka::sync::Cache;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use vital_kernel::{ExpertId, Result, TenantId};
use vital_search::{content_spans, content_terms};

/// BM25 parameters, as in lexical search.
const K1: f32 = 0.9;
const B: f32 = 0.4;
/// Share of meaning in the score where vectors are there.
const DENSE_SHARE: f32 = 0.65;
/// Closest texts of an expert that count, each half as much as the one before; a single lucky hit is not enough.
const CLOSEST: usize = 4;
/// Shortest item of a scope that is compared on its own, in bytes.
const TOPIC_BYTES_MIN: usize = 8;
/// Experts returned.
const CANDIDATES: usize = 5;
/// Profiles kept in memory, one a tenant.
const PROFILES_MAX: u64 = 256;
/// How long a profile may be older than the database, for changes made by another process.
const PROFILE_AGE: Duration = Duration::from_secs(60);

/// Routing profiles of the tenants in use.
pub struct Profiles {
    cache: Cache<TenantId, Arc<Profile>>,
}

impl Default for Profiles {
    fn default() -> Self {
        Self { cache: Cache::builder().max_capacity(PROFILES_MAX).time_to_live(PROFILE_AGE).build() }
    }
}

impl Profiles {
    /// The profile of a tenant, loaded when it is not in memory.
    pub(super) async fn get<F: Future<Output = Result<Vec<Expert>>>>(
        &self,
        p: &Platform,
        tenant: TenantId,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<Profile>> {
        let profile = match self.cache.get(&tenant) {
            Some(profile) => profile,
            None => {
                let experts = load().await?;
                let profile = Arc::new(Profile::new(experts));
                if !profile.experts.is_empty() {
                    self.cache.insert(tenant, profile.clone());
                }
                profile
            }
        };
        profile.fetch_vectors(p);
        Ok(profile)
    }

    pub(super) fn forget(&self, tenant: TenantId) {
        self.cache.invalidate(&tenant);
    }
}

/// What routing knows of one tenant's experts.
pub(super) struct Profile {
    pub experts: Vec<Expert>,
    words: Words,
    vectors: Arc<OnceLock<Vec<Vec<Vec<f32>>>>>,
    fetching: Arc<AtomicBool>,
}

/// A text of an expert.
struct Text {
    kind: TextKind,
    text: String,
}

/// What a text of an expert is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextKind {
    Scope,
    Purpose,
    Topic,
    Question,
}

/// Term statistics over the experts' texts.
struct Words {
    counts: Vec<HashMap<String, f32>>,
    lengths: Vec<f32>,
    average: f32,
    holders: HashMap<String, f32>,
}

/// The texts of an expert that a question may come close to: scope and what the expert is for, each topic of the scope, then questions.
fn texts(body: &ExpertBody) -> Vec<Text> {
    let mut out = vec![
        Text { kind: TextKind::Scope, text: body.charter.scope.clone() },
        Text { kind: TextKind::Purpose, text: format!("{}: {}", body.name, body.tagline) },
    ];
    out.extend(topics(&body.charter.scope).map(|t| Text { kind: TextKind::Topic, text: t.to_owned() }));
    out.extend(body.starters.iter().chain(&body.examples).map(|q| Text { kind: TextKind::Question, text: q.clone() }));
    out
}

fn plain(body: &ExpertBody) -> Vec<String> {
    texts(body).into_iter().map(|t| t.text).collect()
}

/// The items that a scope lists.
fn topics(scope: &str) -> impl Iterator<Item = &str> {
    scope.split([',', ';', ':']).map(str::trim).filter(|t| t.len() >= TOPIC_BYTES_MIN)
}

impl Profile {
    fn new(experts: Vec<Expert>) -> Self {
        let words = Words::of(experts.iter().map(|e| &e.body));
        Self { experts, words, vectors: Arc::new(OnceLock::new()), fetching: Arc::new(AtomicBool::new(false)) }
    }

    /// Starts to fetch the vectors of all texts, once, in the background: a question never waits for them.
    fn fetch_vectors(&self, p: &Platform) {
        if self.experts.is_empty()
            || self.vectors.get().is_some()
            || p.embedding_note().is_some()
            || self.fetching.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let Some(platform) = p.this() else { return };
        let parts: Vec<Vec<String>> = self.experts.iter().map(|e| plain(&e.body)).collect();
        let (slot, fetching) = (self.vectors.clone(), self.fetching.clone());
        p.tasks.spawn(async move {
            let flat: Vec<String> = parts.iter().flatten().cloned().collect();
            let fetched = tokio::select! {
                () = platform.stopping.cancelled() => return,
                fetched = knowledge::public_vectors(&platform, &flat) => fetched,
            };
            match fetched {
                Ok(Some(flat)) => {
                    let mut rest = flat.into_iter();
                    let nested = parts.iter().map(|part| rest.by_ref().take(part.len()).collect()).collect();
                    let _first_wins = slot.set(nested);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "no vectors of the experts; routing goes by words alone"),
            }
            fetching.store(false, Ordering::Release);
        });
    }

    /// Ranks the experts that may be asked for a question, best first. Those that may not do not shift the scores of the others.
    pub(super) fn rank(&self, question: &str, vector: Option<&[f32]>, askable: &HashSet<ExpertId>) -> Vec<Candidate> {
        let bodies: Vec<&ExpertBody> = self.experts.iter().map(|e| &e.body).collect();
        let ranked: Vec<usize> = (0..bodies.len()).filter(|&i| askable.contains(&self.experts[i].id)).collect();
        let meaning = vector.zip(self.vectors.get()).map(|(question, experts)| Meaning { question, experts });
        rank(&bodies, &ranked, &self.words, question, meaning)
            .into_iter()
            .take(CANDIDATES)
            .map(|r| Candidate { expert: self.experts[r.expert].summary(), score: r.score, reasons: r.reasons })
            .collect()
    }
}

struct Ranked {
    expert: usize,
    score: f32,
    reasons: Vec<String>,
}

/// Ranks some of the experts, by their places; scores are scaled among these alone.
fn rank(bodies: &[&ExpertBody], among: &[usize], words: &Words, question: &str, meaning: Option<Meaning<'_>>) -> Vec<Ranked> {
    // Each stem with the word that the question has for it, for the reasons.
    let asked: HashMap<String, &str> = content_spans(question).into_iter().filter_map(|s| Some((s.term, question.get(s.range)?))).collect();
    let terms: HashSet<String> = asked.keys().cloned().collect();
    let lexical = scaled(&words.scores(&terms, among));
    let close: Option<Vec<(f32, usize)>> = meaning.map(|m| among.iter().map(|&i| closeness(m.question, &m.experts[i])).collect());
    let dense = close.as_ref().map(|c| scaled(&c.iter().map(|(s, _)| *s).collect::<Vec<_>>()));
    let mut out: Vec<Ranked> = among
        .iter()
        .enumerate()
        .map(|(at, &i)| {
            let score = dense.as_ref().map_or(lexical[at], |d| DENSE_SHARE * d[at] + (1.0 - DENSE_SHARE) * lexical[at]);
            let closest = meaning.zip(close.as_ref()).map(|(m, c)| (c[at].1, m.cosine(i, c[at].1)));
            Ranked { expert: i, score, reasons: reasons(bodies[i], words, i, &asked, closest) }
        })
        .collect();
    out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.expert.cmp(&b.expert)));
    out
}

/// What is known of a question and the experts by meaning.
#[derive(Clone, Copy)]
struct Meaning<'a> {
    /// Vector of the question.
    question: &'a [f32],
    /// Vectors of each expert's texts, in order.
    experts: &'a [Vec<Vec<f32>>],
}

impl Meaning<'_> {
    fn cosine(&self, expert: usize, text: usize) -> f32 {
        self.experts.get(expert).and_then(|e| e.get(text)).map_or(0.0, |t| dot(self.question, t))
    }
}

/// How close a question comes to an expert, and which text is the closest.
fn closeness(question: &[f32], parts: &[Vec<f32>]) -> (f32, usize) {
    let mut cosines: Vec<(usize, f32)> = parts.iter().map(|p| dot(question, p)).enumerate().collect();
    cosines.sort_by(|a, b| b.1.total_cmp(&a.1));
    let weighted = cosines.iter().take(CLOSEST).zip((0..).map(|i| 0.5_f32.powi(i)));
    let (sum, weights) = weighted.fold((0.0, 0.0), |(sum, all), ((_, cosine), w)| (sum + cosine * w, all + w));
    (if weights > 0.0 { sum / weights } else { 0.0 }, cosines.first().map_or(0, |c| c.0))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Scales scores to `0..=1`, the best being 1; all equal means all 0.
fn scaled(scores: &[f32]) -> Vec<f32> {
    let (low, high) = scores.iter().fold((f32::MAX, f32::MIN), |(l, h), &s| (l.min(s), h.max(s)));
    scores.iter().map(|&s| if high > low { (s - low) / (high - low) } else { 0.0 }).collect()
}

fn reasons(body: &ExpertBody, words: &Words, expert: usize, asked: &HashMap<String, &str>, closest: Option<(usize, f32)>) -> Vec<String> {
    let mut out = Vec::new();
    let closest = closest.and_then(|(part, cosine)| texts(body).into_iter().nth(part).zip(Some(cosine)));
    if let Some((text, cosine)) = closest {
        out.push(match text.kind {
            TextKind::Scope => format!("The question is close to the scope (similarity {cosine:.2})"),
            TextKind::Purpose => format!("The question is close to what this expert is for (similarity {cosine:.2})"),
            TextKind::Topic | TextKind::Question => format!("Close to “{}” (similarity {cosine:.2})", text.text),
        });
    }
    let mut shared: Vec<&String> = asked.keys().filter(|t| words.counts[expert].contains_key(*t)).collect();
    shared.sort_by(|a, b| words.idf(b).total_cmp(&words.idf(a)).then(a.cmp(b)));
    if shared.is_empty() {
        out.push("No word of the question stands in the charter".to_owned());
    } else {
        let listed: Vec<&str> = shared.iter().take(5).filter_map(|s| asked.get(*s).copied()).collect();
        out.push(format!("Shares the word{} {}", if listed.len() == 1 { "" } else { "s" }, listed.join(", ")));
    }
    out
}

impl Words {
    fn of<'a>(bodies: impl Iterator<Item = &'a ExpertBody>) -> Self {
        let counts: Vec<HashMap<String, f32>> = bodies
            .map(|body| {
                let mut counts = HashMap::new();
                let i = &body.instructions;
                let all = texts(body)
                    .into_iter()
                    .filter(|t| t.kind != TextKind::Topic)
                    .map(|t| t.text)
                    .chain([i.what.clone(), i.evidence.clone()]);
                for text in all {
                    content_terms(&text).into_iter().for_each(|t| *counts.entry(t).or_default() += 1.0);
                }
                // The name says most in the fewest words.
                content_terms(&body.name).into_iter().for_each(|t| *counts.entry(t).or_default() += 2.0);
                counts
            })
            .collect();
        let lengths: Vec<f32> = counts.iter().map(|c| c.values().sum()).collect();
        let average = (lengths.iter().sum::<f32>() / lengths.len().max(1) as f32).max(1.0);
        let mut holders: HashMap<String, f32> = HashMap::new();
        counts.iter().flat_map(HashMap::keys).for_each(|t| *holders.entry(t.clone()).or_default() += 1.0);
        Self { counts, lengths, average, holders }
    }

    fn idf(&self, term: &str) -> f32 {
        let (n, df) = (self.counts.len() as f32, self.holders.get(term).copied().unwrap_or(0.0));
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
    }

    fn scores(&self, terms: &HashSet<String>, among: &[usize]) -> Vec<f32> {
        let score = |&i: &usize| {
            let norm = K1 * (1.0 - B + B * self.lengths[i] / self.average);
            terms.iter().filter_map(|t| self.counts[i].get(t).map(|tf| self.idf(t) * tf / (tf + norm))).sum()
        };
        among.iter().map(score).collect()
    }
}

/// Ranks built-in experts for many questions, for `vital eval routing`: slugs, best first, a list a question.
/// `embed` gives the vectors of texts, or none to rank by words alone.
///
/// # Errors
/// What `embed` fails with, or a damaged catalogue.
pub fn rank_for_evaluation(questions: &[String], embed: impl Fn(Vec<String>) -> Result<Option<Vec<Vec<f32>>>>) -> Result<Vec<Vec<String>>> {
    let experts = super::built_in()?;
    let bodies: Vec<&ExpertBody> = experts.iter().collect();
    let words = Words::of(experts.iter());
    let everybody: Vec<usize> = (0..bodies.len()).collect();
    let parts: Option<Vec<Vec<Vec<f32>>>> = experts.iter().map(|e| embed(plain(e))).collect::<Result<Option<Vec<_>>>>()?;
    let vectors = embed(questions.to_vec())?;
    let rank_one = |(i, question): (usize, &String)| {
        let meaning = vectors.as_ref().zip(parts.as_ref()).map(|(q, p)| Meaning { question: &q[i], experts: p });
        rank(&bodies, &everybody, &words, question, meaning).into_iter().map(|r| bodies[r.expert].slug.clone()).collect()
    };
    Ok(questions.iter().enumerate().map(rank_one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_starter_finds_its_own_expert_by_words_alone() {
        let experts = crate::experts::built_in().unwrap();
        let starters: Vec<(String, String)> = experts.iter().flat_map(|e| e.starters.iter().map(|s| (e.slug.clone(), s.clone()))).collect();
        let questions: Vec<String> = starters.iter().map(|(_, q)| q.clone()).collect();
        let ranked = rank_for_evaluation(&questions, |_| Ok(None)).unwrap();
        let right = ranked.iter().zip(&starters).filter(|(r, (slug, _))| r[0] == *slug).count();
        assert!(right * 100 >= starters.len() * 95, "{right} of {}", starters.len());
    }

    #[test]
    fn an_expert_that_may_not_be_asked_is_no_candidate_and_shifts_no_score() {
        let bodies = crate::experts::built_in().unwrap();
        let expert = |body: &ExpertBody| Expert { id: ExpertId::new(), version: 1, body: body.clone() };
        let all: Vec<Expert> = bodies.iter().map(expert).collect();
        let question = bodies[3].starters[0].clone();
        let profile = Profile::new(all.clone());
        let everybody: HashSet<ExpertId> = all.iter().map(|e| e.id).collect();
        let first = profile.rank(&question, None, &everybody).remove(0);
        let hidden = all.iter().find(|e| e.body.slug == first.expert.slug).unwrap().id;
        let askable: HashSet<ExpertId> = everybody.iter().copied().filter(|id| *id != hidden).collect();
        let ranked = profile.rank(&question, None, &askable);
        assert!(ranked.iter().all(|c| c.expert.slug != first.expert.slug));
        assert_eq!(ranked[0].score, 1.0, "the best of those who may be asked has the full score");
        assert!(profile.rank(&question, None, &HashSet::new()).is_empty());
    }

    #[test]
    fn scaling_keeps_the_order_and_the_range() {
        assert_eq!(scaled(&[2.0, 4.0, 3.0]), vec![0.0, 1.0, 0.5]);
        assert_eq!(scaled(&[1.0, 1.0]), vec![0.0, 0.0]);
    }
}
