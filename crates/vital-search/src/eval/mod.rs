//! Measures retrieval on a judged set of questions: nDCG, recall and MRR for lexical, dense and fused search, with timings.
//!
//! Enters through [`BeirSet::read`], leaves as a [`Report`]. Runs on its own index in memory and touches no tenant's data.

mod beir;
mod measures;
mod report;

pub use beir::{BeirDocument, BeirQuery, BeirSet};
pub use measures::{Judgements, Measures, Ranking, mean, ndcg_at, recall_at, reciprocal_rank};
pub use report::{LexicalRun, Report, Stage, SystemReport, evaluate, evaluate_with};
