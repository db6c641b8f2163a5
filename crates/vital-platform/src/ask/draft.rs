//! Binds finished sentences: numbers their citations, proves that every quote is the bytes it points at, checks the sentence, records it all.
//!
//! **Invariant:** a citation that does not hold is never recorded, whoever asked for it.

use super::{
    TurnEvent,
    answer::{BlockKind, Citation, TrustNumbers, Verdict},
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
    evidence: &'a [Evidence],
    numbers: HashMap<Span, u32>,
    citations: Vec<Citation>,
    refused: u32,
    verdicts: Vec<Verdict>,
    bytes: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(recorder: &'a mut Recorder, evidence: &'a [Evidence]) -> Self {
        Self { recorder, evidence, numbers: HashMap::new(), citations: Vec::new(), refused: 0, verdicts: Vec::new(), bytes: 0 }
    }

    /// Bytes of text recorded so far.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The citations recorded so far.
    pub(super) fn citations(&self) -> &[Citation] {
        &self.citations
    }

    /// The verdicts on the sentences closed so far.
    pub(super) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
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
                self.refused += 1;
                continue;
            };
            if self.numbers.insert(span.clone(), n).is_none() {
                self.citations.push(citation.clone());
            }
            self.recorder.push(TurnEvent::Citation { sentence, citation: citation.clone() }).await?;
            cited.push(citation);
        }
        let quotes: Vec<&str> = cited.iter().map(|c| c.quote.as_str()).collect();
        let context: Vec<&str> = cited.iter().flat_map(|c| std::iter::once(c.title.as_str()).chain(c.heading_path.iter().map(String::as_str))).collect();
        let spoken = matches!(kind, BlockKind::Lead | BlockKind::Point | BlockKind::Paragraph);
        let checked = if spoken { check::check(text, &quotes, &context) } else { check::Checked { verdict: Verdict::NotFactual, missing: Vec::new() } };
        self.verdicts.push(checked.verdict);
        self.recorder.push(TurnEvent::Check { sentence, verdict: checked.verdict, missing: checked.missing }).await
    }

    /// The three numbers of the answer so far (trust rule 2). Each is 1, 1 and 0 where nothing was stated.
    pub(super) fn trust(&self) -> TrustNumbers {
        let count = |v: Verdict| self.verdicts.iter().filter(|x| **x == v).count() as f32;
        let (supported, unsupported, uncited) = (count(Verdict::Supported), count(Verdict::Unsupported), count(Verdict::Uncited));
        let valid = self.citations.iter().filter(|c| self.evidence.iter().any(|e| e.holds(c))).count() as f32;
        let share = |part: f32, whole: f32, none: f32| if whole > 0.0 { part / whole } else { none };
        TrustNumbers {
            pointer_validity: share(valid, self.citations.len() as f32, 1.0),
            support: share(supported, supported + unsupported, 1.0),
            uncited: share(uncited, supported + unsupported + uncited, 0.0),
        }
    }
}
