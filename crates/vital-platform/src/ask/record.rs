//! What is kept of a turn besides its events, and the one rule by which events become that record.
//!
//! **Invariant:** folding a turn's stored events gives the record that its generation stored; a process that takes over a turn left behind
//! folds the same events and loses nothing that anybody saw.

use super::{
    Answer, Problem, TurnEvent,
    answer::{Block, Searched, Sentence, Verdict},
    event::Candidate,
    history::Exchange,
    tools::ToolUse,
};
use serde::{Deserialize, Serialize};

/// The record of a turn, stored as one value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TurnRecord {
    /// What the client said had been asked and answered before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Exchange>,
    /// Instructions that the client sent along, without effect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client_instructions: String,
    /// True where the platform chose the expert.
    pub automatic: bool,
    /// Who was considered.
    pub candidates: Vec<Candidate>,
    /// What was searched.
    pub searched: Option<Searched>,
    /// The calls of tools, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolUse>,
    /// What the reader should know about how the answer was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The answer, whole or as far as it came.
    pub answer: Option<Answer>,
    /// What went wrong.
    pub problem: Option<Problem>,
}

impl TurnRecord {
    /// Takes one event in.
    pub fn apply(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Accepted { earlier, client_instructions, .. } => {
                self.earlier.clone_from(earlier);
                self.client_instructions.clone_from(client_instructions);
            }
            TurnEvent::Routed { automatic, candidates, .. } => {
                self.automatic = *automatic;
                self.candidates.clone_from(candidates);
            }
            TurnEvent::Retrieved(searched) => self.searched = Some(searched.clone()),
            TurnEvent::ToolCall { call, tool, title, arguments, approval } => self.tools.push(ToolUse {
                call: *call,
                tool: tool.clone(),
                title: title.clone(),
                arguments: arguments.clone(),
                approval: approval.clone(),
                outcome: None,
            }),
            TurnEvent::ToolResult { call, outcome } => {
                if let Some(used) = self.tools.iter_mut().find(|used| used.call == *call) {
                    used.outcome = Some(outcome.clone());
                }
            }
            TurnEvent::Step { says, .. } => self.steps.push(says.clone()),
            TurnEvent::Token { block, block_kind, sentence, text } => {
                let blocks = &mut self.answer_mut().blocks;
                if blocks.len() <= *block as usize {
                    blocks.push(Block { kind: *block_kind, sentences: Vec::new() });
                }
                let Some(block) = blocks.last_mut() else { return };
                match block.sentences.last_mut().filter(|s| s.index == *sentence) {
                    Some(s) => s.text.push_str(text),
                    None => block.sentences.push(Sentence {
                        index: *sentence,
                        text: text.clone(),
                        verdict: Verdict::Uncited,
                        missing: Vec::new(),
                        citations: Vec::new(),
                    }),
                }
            }
            TurnEvent::Citation { sentence, citation } => {
                let answer = self.answer_mut();
                if !answer.citations.iter().any(|c| c.n == citation.n) {
                    answer.citations.push(citation.clone());
                }
                if let Some(s) = sentence_mut(answer, *sentence).filter(|s| !s.citations.contains(&citation.n)) {
                    s.citations.push(citation.n);
                }
            }
            TurnEvent::Check { sentence, verdict, missing } => {
                if let Some(s) = sentence_mut(self.answer_mut(), *sentence) {
                    s.verdict = *verdict;
                    s.missing.clone_from(missing);
                }
            }
            TurnEvent::Usage { composer, .. } => {
                if let Some(answer) = &mut self.answer {
                    answer.composer.clone_from(composer);
                }
            }
            TurnEvent::Problem { code, detail, retryable } => {
                self.problem = Some(Problem { code: code.clone(), detail: detail.clone(), retryable: *retryable });
            }
            TurnEvent::Done { confidence, trust, .. } => {
                if let Some(answer) = &mut self.answer {
                    answer.confidence.clone_from(confidence);
                    answer.trust = *trust;
                }
            }
        }
    }

    fn answer_mut(&mut self) -> &mut Answer {
        self.answer.get_or_insert_with(|| Answer {
            composer: String::new(),
            blocks: Vec::new(),
            citations: Vec::new(),
            confidence: None,
            trust: None,
        })
    }
}

fn sentence_mut(answer: &mut Answer, index: u32) -> Option<&mut Sentence> {
    answer.blocks.iter_mut().rev().flat_map(|b| &mut b.sentences).find(|s| s.index == index)
}
