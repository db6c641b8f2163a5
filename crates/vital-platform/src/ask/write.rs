//! Writes an answer into the recorder: by the built-in extractive composer, or by a provider whose words are bound and checked on the way.

use super::{
    TurnState,
    answer::{BlockKind, Confidence, Sentence, TrustNumbers},
    assemble::{Assembler, Piece},
    bind::bind,
    compose::{ComposedBlock, Composition, SentenceVectors, candidates, compose},
    confidence,
    draft::Draft,
    generate::Outcome,
    history::Exchange,
    prompt,
    recorder::Recorder,
};
use crate::{
    Platform,
    experts::Expert,
    knowledge::{self, Retrieval},
    providers::Choice,
    usage::Meter,
};
use futures_util::StreamExt as _;
use vital_kernel::{Error, OpContext, Result, TurnId, limits};
use vital_llm::{Delta, StopReason};

/// Writes by selection: sentences of the evidence, grouped and cited. Nothing is invented.
pub(super) async fn extractive(
    p: &Platform,
    question: &str,
    earlier: &[&str],
    found: &Retrieval,
    recorder: &mut Recorder,
    outcome: &mut Outcome,
) -> Result<TurnState> {
    let chosen = candidates(question, &found.evidence);
    let vectors = match &found.vector {
        Some(vector) => {
            let texts = chosen.iter().map(|c| c.text.clone()).collect();
            knowledge::embed_sentences(p, texts).await.map(|sentences| SentenceVectors { question: vector.clone(), sentences })
        }
        None => None,
    };
    match compose(question, earlier, &found.evidence, &chosen, vectors.as_ref()) {
        Composition::Answer(blocks) => {
            write_blocks(&mut Draft::new(recorder, &found.evidence), &blocks).await?;
            outcome.assessed = assess(question, found, recorder);
            Ok(TurnState::Answered)
        }
        Composition::InsufficientEvidence(shortfall) => refuse(&shortfall.blocks(), found, recorder).await,
    }
}

/// Measures what was written.
fn assess(question: &str, found: &Retrieval, recorder: &Recorder) -> Option<(Confidence, TrustNumbers)> {
    let answer = recorder.record.answer.as_ref()?;
    let sentences: Vec<Sentence> = answer.blocks.iter().flat_map(|b| b.sentences.iter().cloned()).collect();
    let confidence = confidence::confidence(question, &sentences, &answer.citations, &found.evidence);
    Some((confidence, confidence::trust(&sentences, &answer.citations, &found.evidence)))
}

/// Writes an honest refusal.
pub(super) async fn refuse(blocks: &[ComposedBlock], found: &Retrieval, recorder: &mut Recorder) -> Result<TurnState> {
    write_blocks(&mut Draft::new(recorder, &found.evidence), blocks).await?;
    Ok(TurnState::NoEvidence)
}

async fn write_blocks(draft: &mut Draft<'_>, blocks: &[ComposedBlock]) -> Result<()> {
    let mut sentence = 0;
    for (number, block) in (0_u32..).zip(blocks) {
        for composed in &block.sentences {
            draft.token(number, block.kind, sentence, composed.text.clone()).await?;
            if composed.spans.is_empty() {
                draft.close_as_remark(sentence).await?;
            } else {
                draft.close(block.kind, sentence, &composed.text, &composed.spans).await?;
            }
            sentence += 1;
        }
    }
    Ok(())
}

/// What a provider is asked with.
pub(super) struct Brief<'a> {
    pub expert: &'a Expert,
    pub turn: TurnId,
    pub question: &'a str,
    pub query: &'a str,
    pub earlier: &'a [Exchange],
}

/// Writes by the first model that answers: its text is streamed, its marks become citations that hold, its sentences are checked.
pub(super) async fn by_model(
    p: &Platform,
    cx: &OpContext,
    choice: &Choice,
    brief: &Brief<'_>,
    found: &Retrieval,
    recorder: &mut Recorder,
    outcome: &mut Outcome,
) -> Result<TurnState> {
    if found.evidence.is_empty() {
        return refuse_after_reading(brief, found, recorder).await;
    }
    let request = prompt::build(brief.expert, brief.question, &found.evidence, brief.earlier);
    let (mut stream, composer) = choice.begin(p, cx, Meter::answer(brief.expert.id, brief.turn), &request).await?;
    outcome.composer = composer;
    let mut writer = Writer {
        draft: Draft::new(recorder, &found.evidence),
        assembler: Assembler::default(),
        kind: BlockKind::Lead,
        held: Some(String::new()),
        forged: 0,
    };
    let mut stopped = None;
    while let Some(delta) = stream.next().await {
        match delta.map_err(Error::from)? {
            Delta::Text(text) => {
                writer.take(&text).await?;
                if writer.draft.bytes() > limits::ANSWER_BYTES_MAX {
                    return Err(Error::upstream(
                        "provider.answer_too_long",
                        "The provider wrote more than an answer may have, so it was stopped. What it had written is kept; ask a narrower question.",
                    ));
                }
            }
            Delta::Usage(usage) => {
                outcome.input_tokens = u32::try_from(usage.input).unwrap_or(u32::MAX);
                outcome.output_tokens = u32::try_from(usage.output).unwrap_or(u32::MAX);
            }
            Delta::Stop(reason) => stopped = Some(reason),
            // No tool was offered, so none is run.
            Delta::ToolCallStart { .. } | Delta::ToolCall(_) | Delta::InvalidToolCall(_) => {}
        }
    }
    outcome.pico = stream.spent().and_then(|spent| spent.pico);
    if writer.declined() {
        return refuse_after_reading(brief, found, recorder).await;
    }
    writer.finish().await?;
    if writer.forged > 0 {
        tracing::info!(forged = writer.forged, "the provider named passages that it was not given; they were dropped");
    }
    outcome.assessed = assess(brief.query, found, recorder);
    match stopped {
        Some(StopReason::MaxTokens) => Err(Error::upstream(
            "provider.cut_short",
            "The provider reached its limit before the answer was whole. What it had written is kept; ask a narrower question.",
        )),
        Some(StopReason::Refusal) => Err(Error::upstream(
            "provider.refused",
            "The provider declined to answer this question. Your question is kept; put it another way.",
        )),
        _ => Ok(TurnState::Answered),
    }
}

/// A refusal because the provider found the evidence too thin: the composer says what was read and what would help.
async fn refuse_after_reading(brief: &Brief<'_>, found: &Retrieval, recorder: &mut Recorder) -> Result<TurnState> {
    match compose(brief.query, &[], &[], &[], None) {
        Composition::InsufficientEvidence(shortfall) => refuse(&shortfall.after_reading(&found.evidence).blocks(), found, recorder).await,
        Composition::Answer(_) => Err(Error::internal("an answer was composed of nothing")),
    }
}

/// Turns a provider's text into recorded sentences.
struct Writer<'a> {
    draft: Draft<'a>,
    assembler: Assembler,
    /// Kind of the block being written.
    kind: BlockKind,
    /// The beginning of the text, held back while it may still be the provider's refusal.
    held: Option<String>,
    forged: u32,
}

impl Writer<'_> {
    async fn take(&mut self, text: &str) -> Result<()> {
        let Some(mut held) = self.held.take() else { return self.record(text).await };
        held.push_str(text);
        if prompt::NOT_ENOUGH.starts_with(held.trim()) || held.trim().trim_end_matches('.') == prompt::NOT_ENOUGH {
            self.held = Some(held);
            return Ok(());
        }
        self.record(&held).await
    }

    /// Whether all the provider wrote is that the evidence is not enough, or nothing.
    fn declined(&self) -> bool {
        self.held.as_ref().is_some_and(|h| h.trim().is_empty() || h.trim().trim_end_matches('.') == prompt::NOT_ENOUGH)
    }

    async fn record(&mut self, text: &str) -> Result<()> {
        for piece in self.assembler.push(text) {
            self.piece(piece).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if let Some(held) = self.held.take() {
            self.record(&held).await?;
        }
        for piece in std::mem::take(&mut self.assembler).finish() {
            self.piece(piece).await?;
        }
        Ok(())
    }

    async fn piece(&mut self, piece: Piece) -> Result<()> {
        match piece {
            Piece::Token { block, block_kind, sentence, text } => {
                self.kind = block_kind;
                self.draft.token(block, block_kind, sentence, text).await
            }
            Piece::SentenceEnd { sentence, text, markers } => {
                let bound = bind(&text, &markers, self.draft.evidence());
                self.forged += bound.forged;
                self.draft.close(self.kind, sentence, &text, &bound.spans).await
            }
        }
    }
}
