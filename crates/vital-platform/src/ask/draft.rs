//! Binds finished sentences: numbers their citations, proves that every quote is the bytes it points at, checks the sentence, records it all.
//!
//! **Invariant:** a citation that does not hold is never recorded, whoever asked for it.

use super::{
    TurnEvent,
    answer::{BlockKind, Citation, Verdict},
    bind::Span,
    check,
    evidence::Evidence,
    recorder::Recorder,
};
use std::collections::HashMap;
use vital_kernel::Result;

/// An answer while it is written.
pub(super) struct Draft<'a> {
    recorder: &'a mut Recorder,
    evidence: Vec<Evidence>,
    numbers: HashMap<Span, u32>,
    bytes: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(recorder: &'a mut Recorder, evidence: &[Evidence]) -> Self {
        Self { recorder, evidence: evidence.to_vec(), numbers: HashMap::new(), bytes: 0 }
    }

    /// Bytes of text recorded so far.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends text to a sentence.
    pub(super) async fn token(&mut self, block: u32, block_kind: BlockKind, sentence: u32, text: String) -> Result<()> {
        self.bytes += text.len();
        self.recorder.push(TurnEvent::Token { block, block_kind, sentence, text }).await
    }

    /// Ends a sentence: cites the spans that hold and checks the sentence against them.
    pub(super) async fn close(&mut self, kind: BlockKind, sentence: u32, text: &str, spans: &[Span]) -> Result<()> {
        let mut cited: Vec<Citation> = Vec::new();
        for span in spans {
            let next = u32::try_from(self.numbers.len() + 1).unwrap_or(u32::MAX);
            let n = self.numbers.get(span).copied().unwrap_or(next);
            let Some(citation) = self.evidence.get(span.evidence).and_then(|e| e.cite(n, span.range.clone()).filter(|c| e.holds(c))) else {
                tracing::warn!("a citation that does not hold was refused");
                continue;
            };
            self.numbers.insert(span.clone(), n);
            self.recorder.push(TurnEvent::Citation { sentence, citation: citation.clone() }).await?;
            cited.push(citation);
        }
        let quotes: Vec<&str> = cited.iter().map(|c| c.quote.as_str()).collect();
        let context: Vec<&str> =
            cited.iter().flat_map(|c| std::iter::once(c.title.as_str()).chain(c.heading_path.iter().map(String::as_str))).collect();
        let spoken = matches!(kind, BlockKind::Lead | BlockKind::Point | BlockKind::Paragraph);
        let checked = if spoken {
            check::check(text, &quotes, &context)
        } else {
            check::Checked { verdict: Verdict::NotFactual, missing: Vec::new() }
        };
        self.recorder.push(TurnEvent::Check { sentence, verdict: checked.verdict, missing: checked.missing }).await
    }

    /// Ends a sentence that speaks about the answer itself and states no fact of the sources.
    pub(super) async fn close_as_remark(&mut self, sentence: u32) -> Result<()> {
        self.recorder.push(TurnEvent::Check { sentence, verdict: Verdict::NotFactual, missing: Vec::new() }).await
    }

    /// The passages the answer is written from.
    pub(super) fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Ends the writing.
    pub(super) fn into_evidence(self) -> Vec<Evidence> {
        self.evidence
    }

    /// The number under which a model is given a passage: its own if it is among them, else the next.
    pub(super) fn number_of(&self, evidence: &Evidence) -> usize {
        self.place(evidence).unwrap_or(self.evidence.len()) + 1
    }

    /// Adds a passage that a tool found, unless it is among them.
    pub(super) fn add(&mut self, evidence: Evidence) {
        if self.place(&evidence).is_none() {
            self.evidence.push(evidence);
        }
    }

    fn place(&self, evidence: &Evidence) -> Option<usize> {
        self.evidence.iter().position(|e| e.passage == evidence.passage && e.start == evidence.start)
    }

    /// Records what is no part of the text.
    pub(super) async fn event(&mut self, event: TurnEvent) -> Result<()> {
        self.recorder.push(event).await
    }
}
