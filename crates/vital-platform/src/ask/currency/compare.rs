//! An answer beside the one whose question it asks again: which sentences stayed, came and went, and on what they stand.

use crate::{
    Platform,
    ask::{self, Answer, Turn},
};
use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffTag, capture_diff_slices};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{Error, OpContext, Result, TurnId};

/// What became of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// Both answers say it.
    Kept,
    /// Only the earlier one says it.
    Removed,
    /// Only the later one says it.
    Added,
}

/// A sentence of either answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Piece {
    /// What became of it.
    pub passed: Passed,
    /// The sentence.
    pub text: String,
    /// Titles of what it stands on: in the earlier answer where it was removed, else in the later one.
    pub sources: Vec<String>,
    /// Titles that it stood on in the earlier answer, where it was kept and stands on others now.
    pub sources_before: Vec<String>,
}

/// Two answers to one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The earlier turn.
    pub before: Turn,
    /// The later turn.
    pub after: Turn,
    /// The sentences of both, in the order of the later answer, what was removed where it stood.
    pub pieces: Vec<Piece>,
    /// Documents that only the earlier answer cites.
    pub dropped: Vec<Uuid>,
    /// Documents that only the later one cites.
    pub added: Vec<Uuid>,
}

/// Holds a turn of the caller against the one whose question it asks again.
///
/// # Errors
/// `NotFound` when the caller has no such turn; `Conflict` where it asks no earlier question again, or one of the answers is not finished or deleted.
pub async fn compare(p: &Platform, cx: &OpContext, id: TurnId) -> Result<Comparison> {
    let before = ask::own_turn(p, cx, id).await?.repeats.ok_or_else(|| {
        Error::conflict(
            "turn.repeats_nothing",
            "This question was not asked again from an earlier one, so there is nothing to compare it with.",
        )
    })?;
    let (before, after) = (ask::turn(p, cx, before).await?, ask::turn(p, cx, id).await?);
    let (Some(old), Some(new)) = (&before.answer, &after.answer) else {
        return Err(Error::conflict(
            "turn.not_answered",
            "One of the two questions has no answer yet, or ended without one. Compare them when both are answered.",
        ));
    };
    let pieces = pieces(old, new);
    let cited = |a: &Answer| a.citations.iter().map(|c| c.document_id).collect::<BTreeSet<_>>();
    let (old, new) = (cited(old), cited(new));
    let (dropped, added) = (old.difference(&new).copied().collect(), new.difference(&old).copied().collect());
    Ok(Comparison { before, after, pieces, dropped, added })
}

fn pieces(old: &Answer, new: &Answer) -> Vec<Piece> {
    let (before, after) = (sentences(old), sentences(new));
    let texts = |all: &[Said]| all.iter().map(|s| s.text.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    let (old_texts, new_texts) = (texts(&before), texts(&after));
    let piece = |passed, said: &Said, sources_before| Piece {
        passed,
        text: said.text.clone(),
        sources: said.sources.iter().cloned().collect(),
        sources_before,
    };
    let mut pieces = Vec::new();
    for op in capture_diff_slices(Algorithm::Patience, &old_texts, &new_texts) {
        let (tag, of_old, of_new) = op.as_tag_tuple();
        if tag == DiffTag::Equal {
            for (old, new) in before[of_old].iter().zip(&after[of_new]) {
                let other = if old.sources == new.sources { Vec::new() } else { old.sources.iter().cloned().collect() };
                pieces.push(piece(Passed::Kept, new, other));
            }
        } else {
            pieces.extend(before[of_old].iter().map(|s| piece(Passed::Removed, s, Vec::new())));
            pieces.extend(after[of_new].iter().map(|s| piece(Passed::Added, s, Vec::new())));
        }
    }
    pieces
}

struct Said {
    text: String,
    sources: BTreeSet<String>,
}

fn sentences(answer: &Answer) -> Vec<Said> {
    let all = answer.blocks.iter().flat_map(|b| &b.sentences);
    all.map(|s| {
        let cited = s.citations.iter().filter_map(|n| answer.citations.iter().find(|c| c.n == *n));
        Said { text: s.text.clone(), sources: cited.map(|c| c.title.clone()).collect() }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::answer::{Block, BlockKind, Citation, Sentence, Verdict};

    fn answer(sentences: &[(&str, &str)]) -> Answer {
        let citation = |n: usize, title: &str| Citation {
            n: u32::try_from(n).unwrap(),
            document_id: Uuid::nil(),
            passage_id: Uuid::nil(),
            version: String::new(),
            start: 0,
            end: 1,
            quote: "x".to_owned(),
            title: title.to_owned(),
            heading_path: Vec::new(),
            page: None,
            authority: "own".to_owned(),
            level: None,
            issued_on: None,
            fetched: None,
        };
        let said = |n: usize, text: &str| Sentence {
            index: u32::try_from(n).unwrap(),
            text: text.to_owned(),
            verdict: Verdict::Supported,
            missing: Vec::new(),
            citations: vec![u32::try_from(n).unwrap()],
        };
        Answer {
            composer: "extractive".to_owned(),
            blocks: vec![Block {
                kind: BlockKind::Paragraph,
                sentences: sentences.iter().enumerate().map(|(n, (t, _))| said(n, t)).collect(),
            }],
            citations: sentences.iter().enumerate().map(|(n, (_, title))| citation(n, title)).collect(),
            confidence: None,
            trust: None,
        }
    }

    #[test]
    fn sentences_stay_come_and_go_and_say_where_they_stand() {
        let old = answer(&[("Report in 15 days.", "Old guidance"), ("Keep records.", "Old guidance"), ("Sign the form.", "Manual")]);
        let new = answer(&[("Report in 7 days.", "New guidance"), ("Keep  records.", "New guidance"), ("Sign the form.", "Manual")]);
        let told: Vec<(Passed, &str, usize)> = vec![
            (Passed::Removed, "Report in 15 days.", 0),
            (Passed::Added, "Report in 7 days.", 0),
            (Passed::Kept, "Keep  records.", 1),
            (Passed::Kept, "Sign the form.", 0),
        ];
        let pieces = pieces(&old, &new);
        assert_eq!(pieces.iter().map(|p| (p.passed, p.text.as_str(), p.sources_before.len())).collect::<Vec<_>>(), told);
        assert_eq!(pieces[2].sources, ["New guidance"]);
        assert_eq!(pieces[2].sources_before, ["Old guidance"]);
    }

    #[test]
    fn an_answer_beside_itself_is_kept_whole() {
        let one = answer(&[("A.", "x"), ("B.", "y")]);
        assert!(pieces(&one, &one).iter().all(|p| p.passed == Passed::Kept && p.sources_before.is_empty()));
    }
}
