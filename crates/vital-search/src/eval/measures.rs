//! The measures of ranked retrieval, as trec_eval defines them.

use serde::Serialize;
use std::collections::BTreeMap;

/// Grades of the judged documents of one question, by document id; 0 is not relevant.
pub type Judgements = BTreeMap<String, u32>;
/// Document ids found for one question, best first, each at most once.
pub type Ranking = Vec<String>;

/// Means over all questions that have at least one relevant document; each lies in `0..=1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// Normalised discounted cumulative gain of the first 10.
    pub ndcg_at_10: f64,
    /// Share of the relevant documents among the first 10.
    pub recall_at_10: f64,
    /// Share of the relevant documents among the first 100.
    pub recall_at_100: f64,
    /// Mean reciprocal rank of the first relevant document, over all that was found (at most 100).
    pub mrr: f64,
    /// Questions the means are taken over.
    pub questions: usize,
}

/// Normalised discounted cumulative gain of the first `k`: gains are the grades, divided by `log2(rank + 1)`, over those of the best
/// possible order (Järvelin and Kekäläinen 2002, in the form of trec_eval's `ndcg_cut`). 0 without relevant documents.
#[must_use]
pub fn ndcg_at(k: usize, ranking: &[String], judgements: &Judgements) -> f64 {
    let gain = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
        grades.take(k).zip(2u32..).map(|(grade, rank)| f64::from(grade) / f64::from(rank).log2()).sum()
    };
    let mut ideal: Vec<u32> = judgements.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best = gain(&mut ideal.into_iter());
    if best == 0.0 {
        return 0.0;
    }
    gain(&mut ranking.iter().map(|id| judgements.get(id).copied().unwrap_or(0))) / best
}

/// Share of all relevant documents that stand among the first `k`. 0 without relevant documents.
#[must_use]
pub fn recall_at(k: usize, ranking: &[String], judgements: &Judgements) -> f64 {
    let relevant = judgements.values().filter(|grade| **grade > 0).count();
    if relevant == 0 {
        return 0.0;
    }
    let found = ranking.iter().take(k).filter(|id| judgements.get(*id).is_some_and(|grade| *grade > 0)).count();
    found as f64 / relevant as f64
}

/// One over the rank of the first relevant document, 0 if there is none.
#[must_use]
pub fn reciprocal_rank(ranking: &[String], judgements: &Judgements) -> f64 {
    let first = ranking.iter().position(|id| judgements.get(id).is_some_and(|grade| *grade > 0));
    first.map_or(0.0, |above| 1.0 / (above as f64 + 1.0))
}

/// Means over all questions with a relevant document; a question without a ranking counts 0.
#[must_use]
pub fn mean(rankings: &BTreeMap<String, Ranking>, judged: &BTreeMap<String, Judgements>) -> Measures {
    let mut sum = Measures::default();
    for (question, judgements) in judged.iter().filter(|(_, j)| j.values().any(|grade| *grade > 0)) {
        let ranking = rankings.get(question).map(Vec::as_slice).unwrap_or_default();
        sum.ndcg_at_10 += ndcg_at(10, ranking, judgements);
        sum.recall_at_10 += recall_at(10, ranking, judgements);
        sum.recall_at_100 += recall_at(100, ranking, judgements);
        sum.mrr += reciprocal_rank(ranking, judgements);
        sum.questions += 1;
    }
    let n = sum.questions.max(1) as f64;
    Measures {
        ndcg_at_10: sum.ndcg_at_10 / n,
        recall_at_10: sum.recall_at_10 / n,
        recall_at_100: sum.recall_at_100 / n,
        mrr: sum.mrr / n,
        ..sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Ranking {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn grades(grades: &[(&str, u32)]) -> Judgements {
        grades.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn binary_ndcg_of_a_worked_example() {
        let judged = grades(&[("a", 1), ("b", 1), ("c", 0)]);
        let ideal = 1.0 + 1.0 / 3f64.log2();
        close(ndcg_at(10, &ids(&["c", "a", "x", "b"]), &judged), (1.0 / 3f64.log2() + 1.0 / 5f64.log2()) / ideal);
        close(ndcg_at(2, &ids(&["c", "a", "x", "b"]), &judged), (1.0 / 3f64.log2()) / ideal);
        close(ndcg_at(10, &ids(&["b", "a"]), &judged), 1.0);
    }

    /// The example of Wikipedia's article on discounted cumulative gain: grades 3, 2, 3, 0, 1, 2 in the order found.
    #[test]
    fn graded_ndcg_of_a_worked_example() {
        let judged = grades(&[("1", 3), ("2", 2), ("3", 3), ("4", 0), ("5", 1), ("6", 2), ("7", 3), ("8", 2)]);
        let value = ndcg_at(6, &ids(&["1", "2", "3", "4", "5", "6"]), &judged);
        assert!((value - 6.861 / 8.740).abs() < 1e-4, "{value}");
    }

    #[test]
    fn recall_and_reciprocal_rank_of_a_worked_example() {
        let judged = grades(&[("a", 2), ("b", 1), ("c", 0), ("d", 1)]);
        let ranking = ids(&["x", "c", "b", "a"]);
        close(recall_at(3, &ranking, &judged), 1.0 / 3.0);
        close(recall_at(10, &ranking, &judged), 2.0 / 3.0);
        close(reciprocal_rank(&ranking, &judged), 1.0 / 3.0);
        close(reciprocal_rank(&ids(&["x", "c"]), &judged), 0.0);
    }

    #[test]
    fn means_count_unanswered_questions_and_leave_out_those_without_relevant_documents() {
        let judged =
            BTreeMap::from([("q1".into(), grades(&[("a", 1)])), ("q2".into(), grades(&[("b", 1)])), ("q3".into(), grades(&[("c", 0)]))]);
        let rankings = BTreeMap::from([("q1".into(), ids(&["a"])), ("q3".into(), ids(&["c"]))]);
        let means = mean(&rankings, &judged);
        assert_eq!(means, Measures { ndcg_at_10: 0.5, recall_at_10: 0.5, recall_at_100: 0.5, mrr: 0.5, questions: 2 });
    }
}
